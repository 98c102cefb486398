-- nn/embedding.lua: Embedding(count, width [, {padding_index}]): a row of `width` numbers for each of 1..count.
local core = require "engram.core"
local autograd = require "engram.autograd"
local nn = require "engram.nn.base"

local Embedding = nn.Module:extend "Embedding"

function Embedding:init(count, width, options)
   options = core.options("nn.Embedding", options, { "padding_index", "dtype" })
   self.count, self.width = nn.positive("nn.Embedding: count", count), nn.positive("nn.Embedding: width", width)
   self.padding_index = options.padding_index
   if self.padding_index ~= nil and nn.positive("nn.Embedding: padding_index", self.padding_index) > count then
      core.raise("nn.Embedding: padding_index %d is out of range 1..%d", self.padding_index, count)
   end
   self.weight = nn.parameter(nn.empty({ count, width }, options.dtype))
   nn.initial.normal_(self.weight, 0, 1)
   if self.padding_index then autograd.no_grad(function() self.weight[self.padding_index] = 0 end) end
end

function Embedding:forward(index) return self.weight:embedding(index, self.padding_index) end

function Embedding:settings_text()
   return ("%d, %d%s"):format(self.count, self.width, self.padding_index and ", padding_index = " .. self.padding_index or "")
end

return { Embedding = Embedding }
