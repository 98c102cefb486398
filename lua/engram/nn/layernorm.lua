-- nn/layernorm.lua: LayerNorm(width [, {epsilon = 1e-5, affine = true}]): (..., width), each row by its own mean and deviation.
local core = require "engram.core"
local tensor = require "engram.tensor"
local engram = require "engram"
local nn = require "engram.nn.base"

local LayerNorm = nn.Module:extend "LayerNorm"

function LayerNorm:init(width, options)
   options = core.options("nn.LayerNorm", options, { "epsilon", "affine", "dtype" })
   self.width, self.epsilon = nn.positive("nn.LayerNorm: width", width), nn.epsilon("nn.LayerNorm", options.epsilon)
   nn.flag("nn.LayerNorm: affine", options.affine)
   if options.affine ~= false then
      self.weight = nn.parameter(engram.ones(width, { dtype = options.dtype }))
      self.bias = nn.parameter(engram.zeros(width, { dtype = options.dtype }))
   end
end

function LayerNorm:forward(x)
   tensor.live(x, "nn.LayerNorm")
   if x:dim() == 0 or x:size(-1) ~= self.width then
      core.raise("nn.LayerNorm: expected (..., %d), got %s", self.width, tensor.shape_text(x))
   end
   return x:layer_norm(rawget(self, "weight"), rawget(self, "bias"), self.epsilon)
end

function LayerNorm:settings_text()
   return ("%d%s%s"):format(self.width, self.epsilon ~= nn.epsilon() and ", epsilon = " .. self.epsilon or "",
      rawget(self, "weight") and "" or ", affine = false")
end

return { LayerNorm = LayerNorm }
