-- nn/sequential.lua: Sequential{ a, b, c }: modules or functions, one after the other, numbered from 1.
local core = require "engram.core"
local nn = require "engram.nn.base"

local Sequential = nn.Module:extend "Sequential"

function Sequential:init(list, ...)
   if nn.is_module(list) then list = { list, ... } end
   if type(list) ~= "table" then core.raise("nn.Sequential: expected a table of modules, got %s", core.typename(list)) end
   self.length = #list
   for i, layer in ipairs(list) do
      if not nn.is_module(layer) and type(layer) ~= "function" then
         core.raise("nn.Sequential: item %d is no module and no function but %s", i, core.typename(layer))
      end
      self[i] = layer
   end
end

function Sequential:forward(x)
   for i = 1, self.length do x = self[i](x) end
   return x
end

return { Sequential = Sequential }
