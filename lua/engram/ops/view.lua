-- ops/view.lua: other shapes over the same memory: reshape, transpose, narrow, expand, ...
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live, wrap, dimension = tensor.methods, tensor.live, tensor.wrap, tensor.dimension
local apply = autograd.apply

local strides = ffi.new "int64_t[8]"
local sizes = ffi.new "int64_t[8]"

-- Starts a strided view of x: its sizes and strides in the two buffers; returns the core's tensor.
local function start(x)
   local t = x.tensor
   for d = 0, t.dims - 1 do sizes[d], strides[d] = t.size[d], t.stride[d] end
   return t
end

local function randn(...) return require "engram".randn(...) end

-- A list of sizes from f(x, 2, 3) or f(x, {2, 3}).
local function shape_of(first, ...)
   if type(first) == "table" then return first end
   return { first, ... }
end

-- Fills in the one size that is -1.
local function complete(x, shape, who)
   local known, open = 1, nil
   for i = 1, #shape do
      if shape[i] == -1 then
         if open then raise("%s: more than one size is -1", who) end
         open = i
      else
         if type(shape[i]) ~= "number" then raise("%s: size %d must be a whole number, got %s", who, i, core.typename(shape[i])) end
         known = known * shape[i]
      end
   end
   if not open then return shape end
   local count = tonumber(x.tensor.count)
   if known == 0 or count % known ~= 0 then
      raise("%s: %d elements do not fit into (%s)", who, count, table.concat(shape, ", "))
   end
   local full = {}
   for i = 1, #shape do full[i] = i == open and count / known or shape[i] end
   return full
end

local ops = {}

ops.reshape = {
   doc = "reshape(x, shape): the same elements in row-major order in another shape; a view where strides allow it, or always.",
   forward = function(x, shape, _, always)
      local n, buffer = tensor.set_sizes(shape, always and "view" or "reshape")
      local pointer = C.eg_view_shape(x.tensor, n, buffer)
      if pointer == nil then
         if always or x.tensor.contiguous == 1 then raise("%s", core.message()) end
         local copy = tensor.like(x)
         check(C.eg_copy(copy.tensor, x.tensor))
         n, buffer = tensor.set_sizes(shape, "reshape")
         pointer = C.eg_view_shape(copy.tensor, n, buffer)
      end
      return wrap(pointer)
   end,
   backward = function(node, grad) return grad:reshape(node[3]) end,
   samples = function() return { { randn(3, 4), { 2, 6 }, { 3, 4 } }, { randn(3, 4):t(), { 12 }, { 4, 3 } } } end,
}

ops.permute = {
   doc = "permute(x, order): dimension i of the result is dimension order[i] of x.",
   forward = function(x, order)
      local t = start(x)
      for i = 1, #order do sizes[i - 1], strides[i - 1] = t.size[order[i] - 1], t.stride[order[i] - 1] end
      return wrap(C.eg_view(t, t.dims, sizes, strides, 0))
   end,
   backward = function(node, grad)
      local inverse = {}
      for i, d in ipairs(node[2]) do inverse[d] = i end
      return grad:permute(inverse)
   end,
   samples = function() return { { randn(2, 3, 4), { 3, 1, 2 } } } end,
}

ops.transpose = {
   doc = "transpose(x, a, b): dimensions a and b change places.",
   forward = function(x, a, b)
      local t = start(x)
      sizes[a], strides[a], sizes[b], strides[b] = sizes[b], strides[b], sizes[a], strides[a]
      return wrap(C.eg_view(t, t.dims, sizes, strides, 0))
   end,
   backward = function(node, grad) return grad:transpose(node[2] + 1, node[3] + 1) end,
   samples = function() return { { randn(2, 3, 4), 0, 2 } } end,
}

ops.narrow = {
   doc = "narrow(x, dim, first, count): elements first .. first + count - 1 along dim, a view.",
   forward = function(x, dim, first, count)
      local t = start(x)
      sizes[dim] = count
      return wrap(C.eg_view(t, t.dims, sizes, strides, first * strides[dim]))
   end,
   backward = function(node, grad) return apply(ops.widen, grad, node[2], node[3], node[5], node[4]) end,
   samples = function() return { { randn(2, 5, 3), 1, 1, 3, 5 } } end,        -- the last: x's size along dim
}

ops.widen = {
   doc = "widen(x, dim, first, size): zeros of `size` along dim with x from `first` on; the adjoint of narrow.",
   forward = function(x, dim, first, size)
      local shape = x.shape
      local count = shape[dim + 1]
      shape[dim + 1] = size
      local out = tensor.new(x.tensor.dtype, shape)
      check(C.eg_fill(out.tensor, 0))
      local t = start(out)
      sizes[dim] = count
      local part = wrap(C.eg_view(t, t.dims, sizes, strides, first * strides[dim]))
      check(C.eg_copy(part.tensor, x.tensor))
      return out
   end,
   backward = function(node, grad) return grad:narrow(node[2] + 1, node[3] + 1, node[5]) end,
   samples = function() return { { randn(2, 3, 3), 1, 1, 5, 3 } } end,        -- the last: x's size along dim
}

ops.expand = {
   doc = "expand(x, shape): x broadcast to shape without a copy.",
   broadcasts = true,
   forward = function(x, shape)
      local n, wanted = tensor.set_sizes(shape, "expand")
      local t = x.tensor
      local extra = n - t.dims
      local fits = extra >= 0
      for d = 0, n - 1 do
         local own = d >= extra and t.size[d - extra] or 1
         if own ~= wanted[d] and own ~= 1 then fits = false end
         strides[d] = (d >= extra and own == wanted[d]) and t.stride[d - extra] or 0
      end
      if not fits then raise("expand: shape %s does not broadcast to (%s)", tensor.shape_text(x), table.concat(shape, ", ")) end
      return wrap(C.eg_view(t, n, wanted, strides, 0))
   end,
   backward = function(_, grad) return grad end,
   samples = function() return { { randn(3, 1), { 2, 3, 4 } }, { randn(4), { 3, 4 } } } end,
}

-- ---- methods ----------------------------------------------------------------------------------------------

function methods.reshape(x, ...)
   live(x, "reshape")
   return apply(ops.reshape, x, complete(x, shape_of(...), "reshape"), x.shape)
end

-- As reshape, but never copies: raises when strides do not allow it.
function methods.view(x, ...)
   live(x, "view")
   return apply(ops.reshape, x, complete(x, shape_of(...), "view"), x.shape, true)
end

function methods.view_as(x, other) return methods.view(x, live(other, "view_as") and other.shape) end
function methods.reshape_as(x, other) return methods.reshape(x, live(other, "reshape_as") and other.shape) end

-- x:flatten([first [, last]]): dimensions first .. last (default all) become one.
function methods.flatten(x, first, last)
   live(x, "flatten")
   if x.tensor.dims == 0 then return methods.reshape(x, { 1 }) end
   local a, b = dimension(x, first or 1, "flatten"), dimension(x, last or -1, "flatten")
   if a > b then raise("flatten: the first dimension (%d) comes after the last (%d)", a + 1, b + 1) end
   if a == b then return x end
   local shape, old, product = {}, x.shape, 1
   for d = 1, #old do
      if d - 1 >= a and d - 1 <= b then
         product = product * old[d]
         if d - 1 == b then shape[#shape + 1] = product end
      else
         shape[#shape + 1] = old[d]
      end
   end
   return apply(ops.reshape, x, shape, old)
end

function methods.transpose(x, a, b)
   live(x, "transpose")
   return apply(ops.transpose, x, dimension(x, a, "transpose"), dimension(x, b, "transpose"))
end

-- x:t(): a matrix transposed.
function methods.t(x)
   if live(x, "t").dims ~= 2 then raise("t: expected a matrix, got shape %s; use transpose(a, b)", tensor.shape_text(x)) end
   return apply(ops.transpose, x, 0, 1)
end

function methods.permute(x, ...)
   live(x, "permute")
   local order, seen = {}, {}
   for i, d in ipairs(shape_of(...)) do
      order[i] = dimension(x, d, "permute") + 1
      if seen[order[i]] then raise("permute: dimension %d is named twice", order[i]) end
      seen[order[i]] = true
   end
   if #order ~= x.tensor.dims then raise("permute: %d dimensions given, the tensor has %d", #order, x.tensor.dims) end
   return apply(ops.permute, x, order)
end

-- x:narrow(dim, first, count): a view of elements first .. first + count - 1.
function methods.narrow(x, dim, first, count)
   live(x, "narrow")
   local d = dimension(x, dim, "narrow")
   local size = tonumber(x.tensor.size[d])
   if type(first) ~= "number" or type(count) ~= "number" or first % 1 ~= 0 or count % 1 ~= 0 or first < 1 or count < 0
      or first + count - 1 > size then
      raise("narrow: elements %s to %s are out of range for dimension %d of shape %s", tostring(first),
         tostring(type(count) == "number" and type(first) == "number" and first + count - 1 or count), d + 1, tensor.shape_text(x))
   end
   return apply(ops.narrow, x, d, first - 1, count, size)
end

-- x:select(dim, i): element i along dim (negative counts from the end); one dimension less.
function methods.select(x, dim, i)
   live(x, "select")
   local d = dimension(x, dim, "select")
   local size = tonumber(x.tensor.size[d])
   if type(i) ~= "number" or i % 1 ~= 0 or i == 0 or i > size or i < -size then
      raise("index %s is out of range for dimension %d of shape %s", tostring(i), d + 1, tensor.shape_text(x))
   end
   if i < 0 then i = size + i + 1 end
   return methods.squeeze(apply(ops.narrow, x, d, i - 1, 1, size), d + 1)
end

-- x:expand(shape): broadcast without a copy; -1 keeps a size.
function methods.expand(x, ...)
   live(x, "expand")
   local shape = {}
   for i, size in ipairs(shape_of(...)) do shape[i] = size end
   local own = x.shape
   for i = 1, #shape do
      if shape[i] == -1 then shape[i] = own[#own - #shape + i] or raise("expand: size -1 has no dimension to keep") end
   end
   return apply(ops.expand, x, shape)
end
function methods.expand_as(x, other) return methods.expand(x, live(other, "expand_as") and other.shape) end

-- x:unsqueeze(dim): a new dimension of size 1 at dim.
function methods.unsqueeze(x, dim)
   live(x, "unsqueeze")
   local dims = x.tensor.dims
   if type(dim) ~= "number" or dim % 1 ~= 0 or dim == 0 or dim > dims + 1 or dim < -dims - 1 then
      raise("unsqueeze: dimension %s is out of range, expected 1 to %d", tostring(dim), dims + 1)
   end
   if dim < 0 then dim = dims + 2 + dim end
   local shape = x.shape
   local old = x.shape
   table.insert(shape, dim, 1)
   return apply(ops.reshape, x, shape, old)
end

-- x:squeeze([dim]): without the dimensions of size 1, or without dim if its size is 1.
function methods.squeeze(x, dim)
   live(x, "squeeze")
   local old, shape = x.shape, {}
   local only = dim and dimension(x, dim, "squeeze") + 1
   for d, size in ipairs(old) do
      if size ~= 1 or (only and d ~= only) then shape[#shape + 1] = size end
   end
   return apply(ops.reshape, x, shape, old)
end

return function(define)
   for _, name in ipairs{ "reshape", "permute", "transpose", "narrow", "widen", "expand" } do
      define(name, ops[name])
   end
end
