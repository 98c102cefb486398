-- nn/base.lua: what the layers' files need of each other: Module, parameter, first values.
local core = require "engram.core"
local tensor = require "engram.tensor"
local module = require "engram.nn.module"

local base = { Module = module.Module, is_module = module.is_module, initial = require "engram.nn.initial" }

-- parameter(t): t as a leaf that requires a gradient and outlives scopes.
function base.parameter(t)
   tensor.live(t, "nn.parameter")
   return t:detach():keep():requires_grad_()
end

-- An uninitialised tensor of a shape and dtype name (default float32).
function base.empty(shape, dtype) return tensor.new(tensor.dtype_number(dtype, 0), shape) end

-- A whole number of at least 1, or an error that names the argument.
function base.positive(what, value)
   if type(value) ~= "number" or value % 1 ~= 0 or value < 1 then
      core.raise("%s: expected a whole number of at least 1, got %s", what, tostring(value))
   end
   return value
end

return base
