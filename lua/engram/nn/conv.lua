-- nn/conv.lua: Conv2d(in_channels, out_channels, kernel [, {stride = 1, padding = 0, bias = true}]); sizes are numbers or
-- pairs {height, width}. x (n, in, h, w) -> (n, out, h', w'), weight (out, in, kh, kw).
local core = require "engram.core"
local tensor = require "engram.tensor"
local nn = require "engram.nn.base"

local Conv2d = nn.Module:extend "Conv2d"

function Conv2d:init(in_channels, out_channels, kernel, options)
   options = core.options("nn.Conv2d", options, { "stride", "padding", "bias", "dtype" })
   self.in_channels = nn.positive("nn.Conv2d: in_channels", in_channels)
   self.out_channels = nn.positive("nn.Conv2d: out_channels", out_channels)
   local kh, kw = tensor.pair(kernel, nil, "nn.Conv2d: kernel size")
   local sh, sw = tensor.pair(options.stride, 1, "nn.Conv2d: stride")
   local ph, pw = tensor.pair(options.padding, 0, "nn.Conv2d: padding")
   self.kernel, self.plan = { nn.positive("nn.Conv2d: kernel size", kh), nn.positive("nn.Conv2d: kernel size", kw) },
      tensor.conv2d_plan(sh, sw, ph, pw)
   self.text = ("%d, %d, {%d, %d}, stride {%d, %d}, padding {%d, %d}"):format(in_channels, out_channels, kh, kw, sh, sw, ph, pw)
   self.weight = nn.parameter(nn.empty({ out_channels, in_channels, kh, kw }, options.dtype))
   if options.bias ~= false then self.bias = nn.parameter(nn.empty({ out_channels }, options.dtype)) end
   nn.initial.default_(self.weight, rawget(self, "bias"))
end

function Conv2d:forward(x) return tensor.conv2d_planned(x, self.weight, self.bias, self.plan) end
Conv2d.before_relu = { forward = Conv2d.forward,
   together = function(self, x) return tensor.conv2d_planned(x, self.weight, self.bias, self.plan, true) end }
function Conv2d:settings_text() return self.text end

return { Conv2d = Conv2d }
