-- nn/linear.lua: Linear(in_features, out_features [, {bias = true}]): y = x W^T + b, W (out, in).
local core = require "engram.core"
local tensor = require "engram.tensor"
local nn = require "engram.nn.base"

local Linear = nn.Module:extend "Linear"

function Linear:init(in_features, out_features, options)
   options = core.options("nn.Linear", options, { "bias", "dtype" })
   self.in_features = nn.positive("nn.Linear: in_features", in_features)
   self.out_features = nn.positive("nn.Linear: out_features", out_features)
   self.weight = nn.parameter(nn.empty({ out_features, in_features }, options.dtype))
   if options.bias ~= false then self.bias = nn.parameter(nn.empty({ out_features }, options.dtype)) end
   nn.initial.default_(self.weight, rawget(self, "bias"))
end

function Linear:forward(x) return tensor.methods.linear(x, self.weight, self.bias) end
Linear.before_relu = { forward = Linear.forward, together = function(self, x) return tensor.linear_relu(x, self.weight, self.bias) end }

function Linear:settings_text()
   return ("%d, %d%s"):format(self.in_features, self.out_features, self.bias and "" or ", bias = false")
end

return { Linear = Linear }
