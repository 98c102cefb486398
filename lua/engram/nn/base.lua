-- nn/base.lua: what the layers' files need of each other: Module, parameter, first values.
local core = require "engram.core"
local tensor = require "engram.tensor"
local module = require "engram.nn.module"

local base = { Module = module.Module, is_module = module.is_module, initial = require "engram.nn.initial" }

-- parameter(t): t as a leaf that requires a gradient and outlives scopes.
function base.parameter(t)
   tensor.live(t, "nn.parameter")
   if t.tensor.dtype > 1 then core.raise("nn.parameter: parameters are float32 or float64, got dtype '%s'", t.dtype) end
   return t:detach():keep():requires_grad_()
end

-- An uninitialised tensor of a shape and dtype name (default float32).
function base.empty(shape, dtype) return tensor.new(tensor.dtype_number(dtype, 0), shape) end

-- A whole number of at least 1, or an error that names the argument.
function base.positive(what, value)
   if type(value) ~= "number" or value % 1 ~= 0 or value < 1 then
      core.raise("%s: expected a whole number of at least 1, got %s", what, core.shown(value))
   end
   return value
end

-- What is added to a variance: a finite number of at least 0, 1e-5 by default.
function base.epsilon(who, value)
   if value == nil then return 1e-5 end
   if type(value) ~= "number" or not (value >= 0 and value < math.huge) then
      core.raise("%s: epsilon must be a finite number of at least 0, got %s", who,
         type(value) == "number" and tostring(value) or core.typename(value))
   end
   return value
end

-- One of several words; the first where none is given.
function base.choice(what, value, choices)
   if value == nil then return choices[1] end
   for _, choice in ipairs(choices) do
      if value == choice then return value end
   end
   core.raise("%s must be '%s', got %s", what, table.concat(choices, "' or '"), core.shown(value))
end

-- An option that is true, false or not given.
function base.flag(what, value)
   if value ~= nil and type(value) ~= "boolean" then
      core.raise("%s must be true or false, got %s", what, core.typename(value))
   end
   return value
end

return base
