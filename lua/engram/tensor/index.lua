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
   if core.C.eg_same_shape(mask.tensor, x.tensor) == 0 then
      raise("index: a uint8 mask must have the tensor's shape %s, it has %s", tensor.shape_text(x), tensor.shape_text(mask))
   end
end

-- A position in a tensor without dimensions, as of x:argmax(), is a number.
local function plain(key)
   return is_tensor(key) and key:dim() == 0 and key.dtype == "int64" and key:item() or key
end

function methods.index(x, key)
   live(x)
   key = plain(key)
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

local function assign(target, value) return type(value) == "number" and target:fill_(value) or target:copy_(value) end

-- x[mask] = value: one for all, or one for each element that the mask selects, in their order.
local function assign_masked(x, mask, value)
   check_mask(x, mask)
   local engram, new = require "engram", value
   if type(value) == "number" then
      new = engram.full(value, { dtype = x.dtype })
   elseif value:dim() > 0 then
      local positions = mask:nonzero()
      if value:dim() ~= 1 or #value ~= #positions then
         raise("index: the mask selects %d elements, the value has shape %s", #positions, tensor.shape_text(value))
      end
      new = engram.zeros(x:numel(), { dtype = x.dtype }):index_add_(1, positions, value:to(x.dtype)):reshape(x.shape)
   end
   return x:copy_(tensor.where(mask, new:to(x.dtype), x:detach():clone()))
end

-- x[positions] = value: a number, a row for all, or a row for each.
local function assign_rows(x, positions, value)
   if positions:dim() ~= 1 then raise("index: positions must have one dimension, got shape %s", tensor.shape_text(positions)) end
   local each = is_tensor(value) and value:dim() == x:dim()
   if each and #value ~= #positions then raise("index: %d positions, but %d rows to assign", #positions, #value) end
   for i, position in ipairs(positions:tolist()) do assign(x:select(1, position), each and value[i] or value) end
end

-- x[key] = value: a number, or a tensor that broadcasts to what the key names (to each row of positions; a mask takes one for all or a
-- vector of as many as it selects). Raises for shapes that do not fit, before anything is written.
function methods.index_assign(x, key, value)
   if type(value) ~= "number" and not is_tensor(value) then
      raise("index: expected a number or a tensor to assign, got %s", core.typename(value))
   end
   require "engram.autograd".check_in_place(x, "index assignment", value)
   key = plain(key)
   if is_tensor(key) and key.dtype == "uint8" then return assign_masked(x, key, value) end
   if is_tensor(key) then return assign_rows(x, key, value) end
   for _, item in ipairs(type(key) == "table" and key or {}) do
      if is_tensor(item) then raise "index: an index tensor inside a list can be read but not assigned" end
   end
   assign(methods.index(x, key), value)
end
