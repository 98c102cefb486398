-- autograd/rows.lua: the gradient of a table of which a batch has used a few rows: their numbers, rising, and what came to each.
-- Whoever asks for the gradient gets it dense, with the same bits; optimizers that leave rows without a gradient alone take it as it is.
local ffi = require "ffi"
local bit = require "bit"
local core = require "engram.core"
local tensor = require "engram.tensor"
local C, check = core.C, core.check

local rows = {}
local Rows = { flags = 0 }
Rows.__index = Rows

local count = ffi.new "int64_t[1]"

function rows.is(g) return type(g) == "table" and getmetatable(g) == Rows end

-- Of `grad` (index's shape, width), which belongs to rows `index` of a table with `size` rows; those of number `padding` are left out.
function rows.new(grad, index, size, padding)
   check(C.eg_embedding_used(count, index.tensor, size, padding or 0))
   local used = tensor.new(2, { tonumber(count[0]) })
   local values = tensor.new(grad.tensor.dtype, { tonumber(count[0]), grad:size(-1) })
   check(C.eg_embedding_rows(used.tensor, values.tensor, grad.tensor, index.tensor, size, padding or 0))
   return setmetatable({ index = used, values = values, size = size }, Rows)
end

-- Adds the rows to a dense tensor, in place.
function Rows:add_to(t)
   check(C.eg_index_add(t.tensor, 0, self.index.tensor, self.values.tensor))
   C.eg_storage_touch(t.tensor)
end

-- The gradient as a tensor of the table's shape.
function Rows:dense()
   local out = tensor.new(self.values.tensor.dtype, { self.size, self.values:size(2) })
   check(C.eg_fill(out.tensor, 0))
   self:add_to(out)
   return out
end

-- Rows outlive scopes, as every gradient of a leaf does, until they are released.
function Rows:keep()
   for _, t in ipairs{ self.index, self.values } do t.flags = bit.bor(t.flags, tensor.KEPT) end
   return self
end

function Rows:release()
   tensor.release(self.index)
   tensor.release(self.values)
end

function Rows:is_contiguous() return true end

-- a + b, where one is Rows or both are.
function rows.sum(a, b)
   if rows.is(a) and rows.is(b) then
      return rows.new(tensor.cat({ a.values, b.values }, 1), tensor.cat({ a.index, b.index }, 1), a.size)
   end
   if rows.is(a) then a, b = b, a end
   return a + b:dense()
end

return rows
