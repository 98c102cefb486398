-- tensor/index.lua: x[...] to read and to assign.
--
--   x[2]                 element or row 2          x[{1, 2}]          element (1, 2)
--   x[{{1, 3}, 2}]       rows 1 to 3, column 2     x[{{}, {2, 3}}]    all rows, columns 2 and 3
--   x[mask]              elements where a uint8 mask of x's shape is true (a vector)
--   x[positions]         rows at an int64 tensor of positions
local core = require "engram.core"
local tensor = require "engram.tensor"
local methods, live, is_tensor, raise = tensor.methods, tensor.live, tensor.is_tensor, core.raise

local function from_end(i, size) return i < 0 and size + i + 1 or i end

-- The view that a list of indices and ranges names. Dimension `dim` of x is the one the next item speaks of.
local function view(x, items)
   if #items > x:dim() then raise("index: %d indices for shape %s", #items, tensor.shape_text(x)) end
   local dim = 1
   for _, item in ipairs(items) do
      if type(item) == "number" then
         x = x:select(dim, item)
      elseif type(item) == "table" then
         if #item ~= 0 and #item ~= 2 then raise "index: a range is {first, last}, or {} for all" end
         local size = x:size(dim)
         if #item == 2 then
            local first, last = from_end(item[1], size), from_end(item[2], size)
            x = x:narrow(dim, first, last - first + 1)
         end
         dim = dim + 1
      elseif is_tensor(item) then
         x = x:index_select(dim, item)
         dim = dim + 1
      else
         raise("index: expected a number, a range {first, last} or a tensor, got %s", core.typename(item))
      end
   end
   return x
end

local function check_mask(x, mask)
   if mask:dim() ~= x:dim() then
      raise("index: a uint8 mask must have the tensor's shape %s, it has %s", tensor.shape_text(x), tensor.shape_text(mask))
   end
end

function methods.index(x, key)
   live(x)
   if type(key) == "number" then
      if x:dim() == 0 then raise "index: a scalar has no elements to index; use :item()" end
      return x:select(1, key)
   end
   if type(key) == "table" then return view(x, key) end
   if is_tensor(key) then
      if key.dtype == "uint8" then
         check_mask(x, key)
         return x:masked_select(key)
      end
      return x:index_select(1, key)
   end
   raise("index: expected a number, a table or a tensor, got %s", core.typename(key))
end

local function assign(target, value)
   if type(value) == "number" then return target:fill_(value) end
   if is_tensor(value) then return target:copy_(value) end
   raise("index: expected a number or a tensor to assign, got %s", core.typename(value))
end

function methods.index_assign(x, key, value)
   require "engram.autograd".check_in_place(x, "index assignment")
   if is_tensor(key) and key.dtype == "uint8" then
      check_mask(x, key)
      if type(value) == "number" then
         return x:copy_(tensor.where(key, require "engram".full(value, { dtype = x.dtype }), x:detach():clone()))
      end
      key = key:nonzero()
      local flat = x:view(-1)
      for i = 1, #key do flat:select(1, key[i]:item()):copy_(value:dim() > 0 and value[i] or value) end
      return
   end
   if is_tensor(key) then
      for i = 1, #key do
         local row = x:select(1, key[i]:item())
         assign(row, is_tensor(value) and value:dim() == x:dim() and value[i] or value)
      end
      return
   end
   for _, item in ipairs(type(key) == "table" and key or {}) do
      if is_tensor(item) then raise "index: an index tensor inside a list can be read but not assigned" end
   end
   assign(methods.index(x, key), value)
end
