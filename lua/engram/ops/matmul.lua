-- ops/matmul.lua: products of matrices, and the linear layer's product with its bias.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live = tensor.methods, tensor.live
local rectified = require "engram.ops.rectified"
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end

local function swap(x) return x:transpose(-1, -2) end

-- Elements of the leading dimensions of shapes a and b, broadcast.
local function batches(a, b)
   local count = 1
   for d = 3, math.max(#a, #b) do count = count * math.max(a[#a - d + 1] or 1, b[#b - d + 1] or 1) end
   return count
end

local matmul = {
   doc = "matmul(a, b): product of matrices, or of batches of matrices with broadcast leading dimensions.",
   keeps = { 1, 2 },
   broadcasts = true,
   forward = function(a, b)
      local out = tensor.wrap(C.eg_matmul_new(a.tensor, b.tensor))
      check(C.eg_matmul(out.tensor, a.tensor, b.tensor))
      return out
   end,
   backward = function(node, grad)
      return node.p1 and grad:matmul(swap(node[2])), node.p2 and swap(node[1]):matmul(grad)
   end,
   arithmetic = function(node)
      local a, b = node[1].shape, node[2].shape
      return 2 * batches(a, b) * a[#a - 1] * a[#a] * b[#b]
   end,
   samples = function()
      return { { randn(3, 4), randn(4, 2) }, { randn(4, 3):t(), randn(2, 4):t() }, { randn(2, 3, 4), randn(4, 2) },
         { randn(2, 1, 3, 4), randn(3, 4, 2) } }
   end,
}

local linear
linear = {
   doc = "linear(x, weight, bias, group): x (n, in) times weight (out, in) transposed, plus bias (out); `group` rows are a sample.",
   keeps = { 1, 2 },
   forward = function(x, weight, bias)
      local out = tensor.wrap(C.eg_linear_new(x.tensor, weight.tensor))
      check(C.eg_linear(out.tensor, x.tensor, weight.tensor, bias and bias.tensor or nil))
      return out
   end,
   backward = function(node, grad)
      return node.p1 and grad:matmul(node[2]), node.p2 and grad:t():matmul(node[1]), node.p3 and grad:sum(1)
   end,
   squares_of_sum = function(node, total, absolute)
      local weight, bias = tensor.like(node[2]), node.p3 and tensor.new(total.tensor.dtype, { total:size(2) })
      check(C.eg_fill(weight.tensor, 0))
      if bias then check(C.eg_fill(bias.tensor, 0)) end
      check(C.eg_fisher_linear(weight.tensor, bias and bias.tensor or nil, total.tensor, node[1].tensor, 1,
         absolute and C.EG_ABSOLUTE or C.EG_SQUARED))
      return nil, weight, bias
   end,
   rows_per_sample = function(node) return node[4] or 1 end,
   squares = function(node, grad, absolute)          -- of samples of several rows
      local weight, bias = tensor.like(node[2]), node.p3 and tensor.new(grad.tensor.dtype, { grad:size(2) })
      check(C.eg_fill(weight.tensor, 0))
      if bias then check(C.eg_fill(bias.tensor, 0)) end
      check(C.eg_fisher_sequence(weight.tensor, bias and bias.tensor or nil, grad.tensor, node[1].tensor, node[4], absolute and 1 or 0))
      return nil, weight, bias
   end,
   arithmetic = function(node) return 2 * node[1]:numel() * node[2]:size(1) end,
   samples = function()
      return { { randn(5, 3), randn(4, 3), randn(4) }, { randn(3, 5):t(), randn(4, 3) } }
   end,
}

local linear_relu = rectified(linear, "linear_relu(x, weight, bias): the positive part of linear(x, weight, bias), in one pass.",
   function(x, weight, bias)
      local out = tensor.wrap(C.eg_linear_new(x.tensor, weight.tensor))
      check(C.eg_linear_relu(out.tensor, x.tensor, weight.tensor, bias and bias.tensor or nil))
      return out
   end)

-- a:matmul(b): matrices, batches of them, or vectors (a vector on the left is a row, on the right a column).
function methods.matmul(a, b)
   local x, y = live(a, "matmul"), live(b, "matmul")
   if x.dims == 0 or y.dims == 0 then raise("matmul: %s x %s: a scalar is no matrix", tensor.shape_text(a), tensor.shape_text(b)) end
   local row, column = x.dims == 1, y.dims == 1
   if row then a = a:unsqueeze(1) end
   if column then b = b:unsqueeze(2) end
   if a:size(-1) ~= b:size(-2) then
      raise("matmul: inner sizes differ: %s x %s", tensor.shape_text(a), tensor.shape_text(b))
   end
   if a.tensor.dtype ~= b.tensor.dtype then raise("matmul: dtypes differ: %s and %s", a.dtype, b.dtype) end
   local out = apply(matmul, a, b)
   if row then out = out:squeeze(-2) end
   if column then out = out:squeeze(-1) end
   return out
end
methods.mm = methods.matmul

-- a:dot(b): the sum of products of two vectors.
function methods.dot(a, b)
   if live(a, "dot").dims ~= 1 or live(b, "dot").dims ~= 1 then
      raise("dot: expected two vectors, got %s and %s", tensor.shape_text(a), tensor.shape_text(b))
   end
   return methods.matmul(a, b)
end

local function apply_linear(op, x, weight, bias)
   live(x, "linear")
   live(weight, "linear: weight")
   if bias then live(bias, "linear: bias") end
   if x.tensor.dims == 0 or weight.tensor.dims ~= 2 or x:size(-1) ~= weight:size(2) then
      raise("linear: input has %s features, the layer wants %s: input %s, weight %s",
         x.tensor.dims > 0 and x:size(-1) or "no", weight.tensor.dims == 2 and weight:size(2) or "two dimensions",
         tensor.shape_text(x), tensor.shape_text(weight))
   end
   if x.tensor.dims == 2 then return (apply(op, x, weight, bias)) end
   local shape = x.shape
   local rows = 1                                    -- of each sample: everything between the first and the last dimension
   for d = 2, #shape - 1 do rows = rows * shape[d] end
   local out = apply(op, x:reshape(-1, shape[#shape]), weight, bias, rows)
   shape[#shape] = weight:size(1)
   return out:reshape(shape)
end

-- x:linear(weight, bias): x (..., in), weight (out, in), bias (out) or nil -> (..., out).
function methods.linear(x, weight, bias) return apply_linear(linear, x, weight, bias) end

-- The positive part of the same, in one pass, for layers: nn.Sequential puts Linear and ReLU together.
function tensor.linear_relu(x, weight, bias) return apply_linear(linear_relu, x, weight, bias) end

return function(define)
   define("matmul", matmul)
   define("linear", linear)
   define("linear_relu", linear_relu)
end
