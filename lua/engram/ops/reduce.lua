-- ops/reduce.lua: sums, means, products, extremes and what is made of them.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live, wrap, dimension = tensor.methods, tensor.live, tensor.wrap, tensor.dimension
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end

-- The output of a reduction: dim is 0-based, -1 for all.
local function reduced(x, code, dim, keep, dtype)
   local out = wrap(C.eg_new_reduced(x.tensor, dim, keep and 1 or 0, dtype or -1))
   check(C.eg_reduce(code, out.tensor, x.tensor, dim))
   return out
end

-- Spreads a reduced gradient over x's shape again.
local function spread(grad, dim, keep, shape)
   if dim >= 0 and not keep then grad = grad:unsqueeze(dim + 1) end
   return grad:expand(shape)
end

local ops = {}

ops.sum = {
   doc = "sum(x, dim): the sum along a dimension, or of all elements.",
   forward = function(x, dim, keep) return reduced(x, C.EG_SUM, dim, keep, x.tensor.dtype == 3 and 2 or -1) end,
   backward = function(node, grad) return spread(grad, node[2], node[3], node[4]) end,
   samples = function()
      return { { randn(3, 4), -1, false, { 3, 4 } }, { randn(3, 4, 2), 1, false, { 3, 4, 2 } }, { randn(4, 3):t(), 0, true, { 3, 4 } } }
   end,
}

ops.mean = {
   doc = "mean(x, dim): the mean along a dimension, or of all elements.",
   forward = function(x, dim, keep) return reduced(x, C.EG_MEAN, dim, keep) end,
   backward = function(node, grad)
      local shape, count = node[4], 1
      for d = 1, #shape do
         if node[2] < 0 or d == node[2] + 1 then count = count * shape[d] end
      end
      return spread(grad / count, node[2], node[3], shape)
   end,
   samples = function() return { { randn(3, 4), -1, false, { 3, 4 } }, { randn(3, 4), 1, true, { 3, 4 } } } end,
}

-- The product of the other elements, without a division where a zero stands.
local function product_of_others(x, out, dim, keep, shape)
   if x:eq(0):sum():item() == 0 then return spread(out, dim, keep, shape) / x end
   local flat = dim < 0 and x:reshape(-1) or x
   local d = dim < 0 and 1 or dim + 1
   local others = {}
   for i = 1, flat:size(d) do
      local product
      for j = 1, flat:size(d) do
         if j ~= i then product = product and product * flat:narrow(d, j, 1) or flat:narrow(d, j, 1) end
      end
      others[i] = product or flat:narrow(d, i, 1) * 0 + 1
   end
   return require "engram".cat(others, d):reshape(shape)
end

ops.prod = {
   doc = "prod(x, dim): the product along a dimension, or of all elements.",
   keeps = { 1, "out" },
   forward = function(x, dim, keep) return reduced(x, C.EG_PROD, dim, keep) end,
   backward = function(node, grad)
      local dim, keep, shape = node[2], node[3], node[4]
      return spread(grad, dim, keep, shape) * product_of_others(node[1], node.out, dim, keep, shape)
   end,
   samples = function()
      local engram = require "engram"
      return { { randn(2, 3), -1, false, { 2, 3 } }, { randn(2, 3), 1, false, { 2, 3 } },
         { engram.tensor{ { 1.5, 0, 2 }, { 0, 0, 3 } }, 1, false, { 2, 3 } } }
   end,
}

local function cannot_sum_to(x, shape)
   raise("sum_to: (%s) does not broadcast to %s", table.concat(shape, ", "), tensor.shape_text(x))
end

ops.sum_to = {
   doc = "sum_to(x, shape): sums over what broadcasting would have stretched.",
   forward = function(x, shape)
      local out = x
      while out.tensor.dims > #shape do out = reduced(out, C.EG_SUM, 0, false) end
      for d = 1, #shape do
         if shape[d] ~= out.tensor.size[d - 1] then
            if shape[d] ~= 1 then cannot_sum_to(x, shape) end
            out = reduced(out, C.EG_SUM, d - 1, true)
         end
      end
      return out == x and tensor.alias(x) or out
   end,
   backward = function(node, grad) return grad:expand(node[3]) end,
   samples = function() return { { randn(2, 3, 4), { 3, 1 }, { 2, 3, 4 } }, { randn(3, 4), { 4 }, { 3, 4 } } } end,
}

-- The largest or the smallest of all elements; those that are equal share its gradient.
local function extreme_of_all(doc, code)
   return {
      doc = doc,
      keeps = { 1, "out" },
      forward = function(x) return reduced(x, code, -1, false) end,
      backward = function(node, grad)
         local ties = node[1]:eq(node.out):to(grad.dtype)
         return grad / ties:sum() * ties
      end,
      samples = function() return { { randn(3, 4) }, { randn(4, 3):t() } } end,
   }
end
ops.max = extreme_of_all("max(x): the largest element.", C.EG_MAX)
ops.min = extreme_of_all("min(x): the smallest element.", C.EG_MIN)

ops.cumsum = {
   doc = "cumsum(x, dim): running sums.",
   forward = function(x, dim)
      local out = tensor.like(x)
      check(C.eg_cumsum(out.tensor, x.tensor, dim))
      return out
   end,
   backward = function(node, grad)
      local dim = node[2] + 1
      return grad:sum(dim, true) - grad:cumsum(dim) + grad
   end,
   samples = function() return { { randn(3, 4), 1 }, { randn(3, 4), 0 } } end,
}

-- ---- methods ----------------------------------------------------------------------------------------------

-- Several dimensions, the last first, so that the others keep their numbers.
local function over_several(x, name, op, dim, keep)
   local dims = {}
   for i, d in ipairs(dim) do dims[i] = dimension(x, d, name) + 1 end
   table.sort(dims, function(a, b) return a > b end)
   for i, d in ipairs(dims) do
      if d == dims[i - 1] then raise("%s: dimension %d is named twice", name, d) end
      x = apply(op, x, d - 1, keep or false, x.shape)
   end
   return x
end

-- One dimension, or several in a table; none, or a table of none: all.
local function over(name, op, real_only)
   return function(x, dim, keep)
      live(x, name)
      if real_only and x.tensor.dtype > 1 then raise("%s: %s has no mean; convert it with :to(\"float32\")", name, x.dtype) end
      if dim == nil or (type(dim) == "table" and #dim == 0) then return apply(op, x, -1, keep or false, x.shape) end
      if type(dim) == "table" then return over_several(x, name, op, dim, keep) end
      return apply(op, x, dimension(x, dim, name), keep or false, x.shape)
   end
end
methods.sum, methods.mean, methods.prod = over("sum", ops.sum), over("mean", ops.mean, true), over("prod", ops.prod)

-- x:sum_to(shape): the inverse of broadcasting.
function methods.sum_to(x, shape)
   if type(shape) ~= "table" then raise("sum_to: expected a table of sizes, got %s", core.typename(shape)) end
   tensor.set_sizes(shape, "sum_to")
   if live(x, "sum_to").dims < #shape then cannot_sum_to(x, shape) end
   return apply(ops.sum_to, x, shape, x.shape)
end

function methods.cumsum(x, dim)
   live(x, "cumsum")
   return apply(ops.cumsum, x, dimension(x, dim or 1, "cumsum"))
end

local function position(name, kernel)
   return function(x, dim, keep)
      live(x, name)
      local d = dim and dimension(x, dim, name) or -1
      local out = wrap(C.eg_new_reduced(x.tensor, d, keep and 1 or 0, 2))
      check(kernel(out.tensor, x.tensor, d))
      return out
   end
end
-- x:argmax([dim, keep]): 1-based positions of the first largest elements (int64); without dim into the flat tensor.
methods.argmax = position("argmax", function(out, x, d) return C.eg_argmax(out, x, d) end)
methods.argmin = position("argmin", function(out, x, d) return C.eg_argmin(out, x, d) end)

local function extreme(name, arg)
   return function(x, dim, keep)
      live(x, name)
      if dim == nil then return (apply(ops[name], x)) end
      local index = methods[arg](x, dim, true)
      local values = x:gather(dim, index)
      if keep then return values, index end
      return values:squeeze(dim), index:squeeze(dim)
   end
end
-- x:max(): the largest element. x:max(dim [, keep]): largest elements and their 1-based positions.
methods.max, methods.min = extreme("max", "argmax"), extreme("min", "argmin")

-- x:var([dim [, unbiased [, keep]]]): variance, divided by n - 1 unless unbiased is false.
function methods.var(x, dim, unbiased, keep)
   live(x, "var")
   local n = dim and x:size(dim) or x:numel()
   local centred = x - x:mean(dim, true)
   local total = centred:square():sum(dim, keep)
   if dim == nil and not keep then total = total:reshape({}) end
   return total / (unbiased == false and n or n - 1)
end

-- total ^ (1 / p), whose gradient is 0 where total is, instead of infinite.
local function root(total, p)
   local nothing = total:eq(0)
   local some = total:masked_fill(nothing, 1)
   return (p == 2 and some:sqrt() or some:pow(1 / p)):masked_fill(nothing, 0)
end

function methods.std(x, dim, unbiased, keep) return root(methods.var(x, dim, unbiased, keep), 2) end

-- x:norm([p [, dim [, keep]]]): the p-norm (default 2; math.huge: the largest absolute value; 0: how many are not 0).
function methods.norm(x, p, dim, keep)
   live(x, "norm")
   p = p or 2
   if type(p) ~= "number" then raise("norm: p must be a number, got %s", core.typename(p)) end
   if p == math.huge then
      local largest = x:abs():max(dim, keep)
      return largest
   end
   if p == 0 then return x:ne(0):to(x.dtype):sum(dim, keep) end
   if p == 1 then return x:abs():sum(dim, keep) end
   local total = (p == 2 and x:square() or x:abs():pow(p)):sum(dim, keep)
   return p > 0 and root(total, p) or total:pow(1 / p)
end

-- x:item(): the one element as a Lua number.
function methods.item(x)
   local t = live(x, "item")
   if t.count ~= 1 then raise("item: expected one element, the tensor has shape %s", tensor.shape_text(x)) end
   return tensor.element(x, 0)
end

function methods.any(x) return live(x, "any") and methods.ne(x, 0):sum():item() > 0 end
function methods.all(x) return live(x, "all") and methods.eq(x, 0):sum():item() == 0 end

-- x:equal(y): same shape, dtype and bits.
function methods.equal(x, y)
   local equal = require "ffi".new "int[1]"
   check(C.eg_bits_equal(live(x, "equal"), live(y, "equal"), equal))
   return equal[0] == 1
end

-- x:allclose(y [, relative = 1e-5 [, absolute = 1e-8]]): |x - y| <= absolute + relative |y| everywhere; infinities are close to themselves.
function methods.allclose(x, y, relative, absolute)
   live(x, "allclose")
   live(y, "allclose")
   x, y = x:detach():double(), y:detach():double()
   local difference = (x - y):abs()
   local close = difference:le(y:abs() * (relative or 1e-5) + (absolute or 1e-8)):logical_and(difference:lt(math.huge))
   return close:logical_or(x:eq(y)):all()
end

return function(define)
   for _, name in ipairs{ "sum", "mean", "prod", "sum_to", "max", "min", "cumsum" } do define(name, ops[name]) end
end
