-- cl/methods/state.lua: what a method may keep between two steps: the kinds of state, how each is made, counted and put into a checkpoint.
--
--   parameters  a list of one tensor of zeros a parameter, of its shape and dtype
--   marks       the same as uint8: a byte a weight
--   tasks       an empty list, for one such list (or anything of tensors) a task
--   scalar      a number, 0 to begin with
--   buffer      a memory of items (cl/buffer.lua), empty
--   model       the weights of a model by name, empty: a teacher (cl/teacher.lua)
local buffer = require "engram.cl.buffer"
local core = require "engram.core"
local json = require "engram.json"
local tensor = require "engram.tensor"

local state = {}

local function zeros(parameters, dtype)
   local list = {}
   for i, p in ipairs(parameters) do list[i] = tensor.like(p, dtype):zero_():keep() end
   return list
end

local kinds = {
   parameters = function(parameters) return zeros(parameters) end,
   marks = function(parameters) return zeros(parameters, tensor.dtypes.uint8) end,
   tasks = function() return {} end,
   scalar = function() return 0 end,
   buffer = function() return buffer.new() end,
   model = function() return {} end,
}

-- The names of the kinds, for messages.
state.kinds = { "parameters", "marks", "tasks", "scalar", "buffer", "model" }
function state.is_kind(name) return kinds[name] ~= nil end

-- holds(description, kind): whether a method declares state of a kind.
function state.holds(description, kind)
   for _, own in pairs(description.state or {}) do
      if own == kind then return true end
   end
   return false
end

function state.make(kind, parameters) return kinds[kind](parameters) end

-- Bytes of every tensor in a value.
function state.bytes(value)
   if tensor.is_tensor(value) then return value:bytes() end
   local sum = 0
   for _, inner in pairs(type(value) == "table" and value or {}) do sum = sum + state.bytes(inner) end
   return sum
end

-- ---- weights that come back -------------------------------------------------------------------------------

-- What describes the weights, or the way to them, goes back with them when a task ends with earlier ones. A memory of items was met all
-- the same, and what is filed at a task's end does not change within it.
local OF_WEIGHTS = { parameters = true, marks = true, scalar = true }

-- copy(declared, from, to): what of a method's state belongs to its weights, from one table to another, whose tensors are used again.
function state.copy(declared, from, to)
   for name, kind in pairs(declared or {}) do
      local value = OF_WEIGHTS[kind] and from[name]
      if type(value) == "table" then
         to[name] = to[name] or {}
         for i, t in ipairs(value) do
            if to[name][i] then to[name][i]:copy_(t) else to[name][i] = t:clone():keep() end
         end
      elseif value then
         to[name] = value
      end
   end
end

-- ---- checkpoints ------------------------------------------------------------------------------------------

-- check(method): raises for a scalar that is no number, which would come back as something else, or not at all.
function state.check(method)
   for name, kind in pairs(method.description.state or {}) do
      if kind == "scalar" and type(method[name]) ~= "number" then
         core.raise("method %s: state.%s is a scalar, and a number is saved of it, got %s", method.description.name, name,
            core.shown(method[name]))
      end
   end
end

-- pack(tensors, prefix, value): puts the tensors of a value into `tensors` as PREFIX.KEY.KEY; returns the rest, for JSON: true stands
-- for a tensor.
function state.pack(tensors, prefix, value)
   if tensor.is_tensor(value) then
      tensors[prefix] = value:detach()
      return true
   end
   if type(value) ~= "table" then return value end
   local shape = (#value > 0 or next(value) == nil) and json.array{} or {}
   for key, inner in pairs(value) do shape[key] = state.pack(tensors, prefix .. "." .. key, inner) end
   return shape
end

-- The value that pack took apart.
function state.unpack(tensors, prefix, shape)
   if shape == true then return tensors[prefix]:keep() end
   if type(shape) ~= "table" then return shape end
   local value = {}
   for key, inner in pairs(shape) do value[key] = state.unpack(tensors, prefix .. "." .. key, inner) end
   return value
end

-- The same for a state of a kind: a buffer gets its methods back.
function state.restore(kind, tensors, prefix, shape)
   local value = state.unpack(tensors, prefix, shape)
   return kind == "buffer" and buffer.revive(value) or value
end

return state
