-- nn/sequential.lua: Sequential{ a, b, c }: modules or functions, one after the other, numbered from 1.
local core = require "engram.core"
local nn = require "engram.nn.base"
local ReLU = require "engram.nn.simple".ReLU
local relu = ReLU.forward

local Sequential = nn.Module:extend "Sequential"

function Sequential:init(list, ...)
   if nn.is_module(list) then list = { list, ... } end
   if type(list) ~= "table" then core.raise("nn.Sequential: expected a table of modules, got %s", core.typename(list)) end
   self.length = table.maxn(list)
   for i = 1, self.length do
      local layer = list[i]
      if not nn.is_module(layer) and type(layer) ~= "function" then
         core.raise("nn.Sequential: item %d is no module and no function but %s", i, core.typename(layer))
      end
      self[i] = layer
   end
end

-- The one pass for layer `a` followed by `b`, when b is a ReLU and neither has been given another forward, by a kind of its own or by hand.
local function together(a, b)
   local how = nn.is_module(a) and nn.is_module(b) and a.before_relu
   return how and getmetatable(b) == ReLU and b.forward == relu and a.forward == how.forward and how.together
end

-- A linear layer or a convolution takes the ReLU behind it along: the same bits in one pass.
function Sequential:forward(x, more)
   if more ~= nil then
      core.raise("nn.Sequential: passes one value from layer to layer, but was called with a second, a %s; call its layers by hand " ..
         "(model[1], model[2], ...), or write an nn.Module", core.typename(more))
   end
   local i, length = 1, self.length
   while i <= length do
      local layer = self[i]
      local both = together(layer, self[i + 1])
      if both then
         x = both(layer, x)
         i = i + 2
      else
         x = layer(x)
         i = i + 1
      end
   end
   return x
end

return { Sequential = Sequential }
