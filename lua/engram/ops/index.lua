-- ops/index.lua: picking, placing and ordering elements. Index tensors are int64 and count from 1.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live, dimension = tensor.methods, tensor.live, tensor.dimension
local apply = autograd.apply

local function lib() return require "engram" end

local ops = {}

ops.index_select = {
   doc = "index_select(x, index, dim): the elements of x at index along dim.",
   keeps = { 2 },
   forward = function(x, index, dim)
      local shape = x.shape
      shape[dim + 1] = tonumber(index.tensor.count)
      local out = tensor.new(x.tensor.dtype, shape)
      check(C.eg_index_select(out.tensor, x.tensor, dim, index.tensor))
      return out
   end,
   backward = function(node, grad) return apply(ops.index_place, grad, node[2], node[3], node[4]) end,
   samples = function()
      local e = lib()
      return { { e.randn(4, 3), e.tensor({ 2, 2, 4 }, { dtype = "int64" }), 0, 4 },
         { e.randn(2, 3), e.tensor({ 3, 1 }, { dtype = "int64" }), 1, 3 } }
   end,
}

ops.index_place = {
   doc = "index_place(x, index, dim, size): zeros with x added at index along dim; the adjoint of index_select.",
   keeps = { 2 },
   forward = function(x, index, dim, size)
      local shape = x.shape
      shape[dim + 1] = size
      local out = tensor.new(x.tensor.dtype, shape)
      check(C.eg_fill(out.tensor, 0))
      check(C.eg_index_add(out.tensor, dim, index.tensor, x.tensor))
      return out
   end,
   backward = function(node, grad) return grad:index_select(node[3] + 1, node[2]) end,
   samples = function()
      local e = lib()
      return { { e.randn(3, 3), e.tensor({ 2, 2, 4 }, { dtype = "int64" }), 0, 4 } }
   end,
}

ops.gather = {
   doc = "gather(x, index, dim): out[i][j] = x[i][index[i][j]] along dim.",
   keeps = { 2 },
   forward = function(x, index, dim)
      local out = tensor.like(index, x.tensor.dtype)
      check(C.eg_gather(out.tensor, x.tensor, dim, index.tensor))
      return out
   end,
   backward = function(node, grad) return apply(ops.scatter, grad, node[2], node[3], node[4]) end,
   samples = function()
      local e = lib()
      return { { e.randn(2, 3), e.tensor({ { 3, 1 }, { 2, 2 } }, { dtype = "int64" }), 1, { 2, 3 } } }
   end,
}

ops.scatter = {
   doc = "scatter(x, index, dim, shape): zeros with x added where gather would have read; the adjoint of gather.",
   keeps = { 2 },
   forward = function(x, index, dim, shape)
      local out = tensor.new(x.tensor.dtype, shape)
      check(C.eg_fill(out.tensor, 0))
      check(C.eg_scatter_add(out.tensor, dim, index.tensor, x.tensor))
      return out
   end,
   backward = function(node, grad) return grad:gather(node[3] + 1, node[2]) end,
   samples = function()
      local e = lib()
      return { { e.randn(2, 2), e.tensor({ { 3, 1 }, { 2, 2 } }, { dtype = "int64" }), 1, { 2, 3 } } }
   end,
}

ops.where = {
   doc = "where(condition, a, b): a where condition is true, else b; broadcast.",
   broadcasts = true,
   keeps = { 1 },
   forward = function(condition, a, b)
      local shape = tensor.broadcast(a, b)
      local out = tensor.broadcast(shape, condition)
      check(C.eg_where(out.tensor, condition.tensor, a.tensor, b.tensor))
      return out
   end,
   backward = function(node, grad)
      local zero = lib().zeros_like(grad)               -- infinity times 0 would be no number
      return nil, lib().where(node[1], grad, zero), lib().where(node[1], zero, grad)
   end,
   samples = function()
      local e = lib()
      return { { e.tensor({ { 1, 0, 1 }, { 0, 0, 1 } }, { dtype = "uint8" }), e.randn(2, 3), e.randn(3) } }
   end,
}

local function different_dimensions(a, b)
   raise("cat: shapes %s and %s have different numbers of dimensions", tensor.shape_text(a), tensor.shape_text(b))
end

ops.cat = {
   doc = "cat(a, b, dim): a and b one after the other along dim.",
   forward = function(a, b, dim)
      local shape, first, second = a.shape, a:size(dim + 1), b:size(dim + 1)
      local other = b.shape
      if #shape ~= #other then different_dimensions(a, b) end
      for d = 1, #shape do
         if d ~= dim + 1 and shape[d] ~= other[d] then
            raise("cat: shapes %s and %s differ in dimension %d", tensor.shape_text(a), tensor.shape_text(b), d)
         end
      end
      shape[dim + 1] = first + second
      local out = tensor.new(a.tensor.dtype, shape)
      check(C.eg_copy(out:narrow(dim + 1, 1, first).tensor, a.tensor))
      check(C.eg_copy(out:narrow(dim + 1, first + 1, second).tensor, b.tensor))
      return out
   end,
   backward = function(node, grad)
      local dim, first = node[3] + 1, node[4]
      return grad:narrow(dim, 1, first), grad:narrow(dim, first + 1, grad:size(dim) - first)
   end,
   samples = function()
      local e = lib()
      return { { e.randn(2, 3), e.randn(2, 2), 1, 3 }, { e.randn(2, 3), e.randn(1, 3), 0, 2 } }
   end,
}

-- ---- methods ----------------------------------------------------------------------------------------------

-- An index given as a tensor (made int64) or a Lua list.
local function index_tensor(index, who)
   if type(index) == "table" then return lib().tensor(index, { dtype = "int64" }) end
   live(index, who)
   if index.tensor.dtype > 1 then return index:to "int64" end
   raise("%s: an index must be int64, got %s", who, index.dtype)
end

-- x:index_select(dim, index): index is a 1-d int64 tensor or a list of positions.
function methods.index_select(x, dim, index)
   live(x, "index_select")
   local d = dimension(x, dim, "index_select")
   index = index_tensor(index, "index_select")
   if index.tensor.dims ~= 1 then raise("index_select: the index must have one dimension, it has shape %s", tensor.shape_text(index)) end
   return apply(ops.index_select, x, index, d, x:size(dim))
end

-- x:gather(dim, index): index has as many dimensions as x.
function methods.gather(x, dim, index)
   live(x, "gather")
   index = index_tensor(index, "gather")
   return apply(ops.gather, x, index, dimension(x, dim, "gather"), x.shape)
end

-- x:index_add_(dim, index, y): adds the elements of y at index along dim. Returns x.
function methods.index_add_(x, dim, index, y)
   autograd.check_in_place(x, "index_add_", y)
   check(C.eg_index_add(x.tensor, dimension(x, dim, "index_add_"), index_tensor(index, "index_add_").tensor, live(y)))
   return x
end

-- x:scatter_add_(dim, index, y). Returns x.
function methods.scatter_add_(x, dim, index, y)
   autograd.check_in_place(x, "scatter_add_", y)
   check(C.eg_scatter_add(x.tensor, dimension(x, dim, "scatter_add_"), index_tensor(index, "scatter_add_").tensor, live(y)))
   return x
end

-- x:sort([dim = -1 [, descending]]): values and 1-based positions; stable, NaN last.
function methods.sort(x, dim, descending)
   live(x, "sort")
   local d = dimension(x, dim or -1, "sort")
   local values, index = tensor.like(x), tensor.like(x, 2)
   check(C.eg_sort(values.tensor, index.tensor, x.tensor, d, descending and 1 or 0))
   if x.requires_grad then return x:gather(d + 1, index), index end
   return values, index
end

-- x:topk(k [, dim = -1 [, largest = true]]): the k largest values in falling order and their positions.
function methods.topk(x, k, dim, largest)
   live(x, "topk")
   local d = dimension(x, dim or -1, "topk") + 1
   if type(k) ~= "number" or k % 1 ~= 0 or k < 0 or k > x:size(d) then
      raise("topk: k = %s is out of range for size %d", tostring(k), x:size(d))
   end
   local values, index = methods.sort(x, d, largest ~= false)
   return values:narrow(d, 1, k), index:narrow(d, 1, k)
end

-- x:nonzero(): 1-based positions of the true elements in the flat tensor.
function methods.nonzero(x)
   live(x, "nonzero")
   local mask = x.tensor.dtype == 3 and x or x:ne(0)
   local count = require "ffi".new "int64_t[1]"
   check(C.eg_count_true(mask.tensor, count))
   local out = tensor.new(2, { tonumber(count[0]) })
   check(C.eg_nonzero(out.tensor, mask.tensor))
   return out
end

-- x:masked_select(mask): the elements where mask is true, in one dimension.
function methods.masked_select(x, mask)
   live(x, "masked_select")
   if C.eg_same_shape(x.tensor, live(mask, "masked_select")) == 0 then
      raise("masked_select: the mask has shape %s, the tensor %s", tensor.shape_text(mask), tensor.shape_text(x))
   end
   return x:reshape(-1):index_select(1, mask:nonzero())
end

-- x:quantile(q): the q-th quantile of all elements as a Lua number, linear between neighbours.
function methods.quantile(x, q)
   if type(q) ~= "number" then raise("quantile: expected a number from 0 to 1, got %s", core.typename(q)) end
   local value = require "ffi".new "double[1]"
   check(C.eg_quantile(live(x, "quantile"), q, value))
   return value[0]
end

-- labels:one_hot(classes [, dtype]): (n) int64 labels from 1 -> (n, classes) with a 1 at the label.
function methods.one_hot(labels, classes, dtype)
   live(labels, "one_hot")
   if type(classes) ~= "number" then raise "one_hot: expected the number of classes" end
   local out = tensor.new(tensor.dtype_number(dtype, 0), { labels:numel(), classes })
   check(C.eg_one_hot(out.tensor, labels.tensor))
   return out
end

local cat_two

-- cat({a, b, ...}, dim = 1): one after the other. Pairs are joined in a tree, so that cost grows with log n.
local function cat(list, dim)
   if type(list) ~= "table" or #list == 0 then raise "cat: expected a list of tensors" end
   for i, x in ipairs(list) do live(x, "cat: item " .. i) end
   local d = dimension(list[1], dim or 1, "cat")
   while #list > 1 do
      local joined = {}
      for i = 1, #list, 2 do joined[#joined + 1] = list[i + 1] and cat_two(list[i], list[i + 1], d) or list[i] end
      list = joined
   end
   return list[1]
end

function cat_two(a, b, d)
   if a.tensor.dtype ~= b.tensor.dtype then raise("cat: dtypes differ: %s and %s", a.dtype, b.dtype) end
   if d >= b.tensor.dims then different_dimensions(a, b) end
   return (apply(ops.cat, a, b, d, a:size(d + 1)))
end

-- stack({a, b, ...}, dim = 1): joined along a new dimension.
local function stack(list, dim)
   if type(list) ~= "table" or #list == 0 then raise "stack: expected a list of tensors" end
   local parts = {}
   for i, x in ipairs(list) do
      live(x, "stack: item " .. i)
      parts[i] = x:unsqueeze(dim or 1)
   end
   return cat(parts, dim or 1)
end

local function where(condition, a, b)
   live(condition, "where")
   if type(a) == "number" and type(b) == "number" then raise "where: at least one of the two choices must be a tensor" end
   local function as_tensor(v, other)
      if type(v) == "number" then return lib().full(v, { dtype = live(other, "where") and other.dtype }) end
      live(v, "where")
      return v
   end
   a, b = as_tensor(a, b), as_tensor(b, a)
   if a.tensor.dtype ~= b.tensor.dtype then raise("where: dtypes differ: %s and %s", a.dtype, b.dtype) end
   if condition.tensor.dtype ~= 3 then condition = condition:ne(0) end
   return (apply(ops.where, condition, a, b))
end

function methods.where(x, condition, other) return where(condition, x, other) end
-- x:masked_fill(mask, value): value where mask is true.
function methods.masked_fill(x, mask, value) return where(mask, value, x) end

tensor.cat, tensor.stack, tensor.where = cat, stack, where

return function(define)
   for _, name in ipairs{ "index_select", "index_place", "gather", "scatter", "where", "cat" } do define(name, ops[name]) end
end
