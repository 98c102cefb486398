-- nn/initial.lua: first values of weights, from the random stream "init". Defaults are PyTorch's.
local core = require "engram.core"
local autograd = require "engram.autograd"

local initial = {}

-- Inputs and outputs of one unit: (out, in, kh, kw) has in * kh * kw and out * kh * kw.
local function fans(t)
   local shape = t.shape
   if #shape < 2 then core.raise("initial: needs a tensor of two dimensions or more, got shape (%s)", table.concat(shape, ", ")) end
   local window = 1
   for d = 3, #shape do window = window * shape[d] end
   return shape[2] * window, shape[1] * window
end
initial.fans = fans

local function drawn(draw)
   return function(t, ...) return autograd.no_grad(draw, t, ...) end
end

initial.uniform_ = drawn(function(t, low, high) return t:uniform_(low, high, "init") end)
initial.normal_ = drawn(function(t, mean, deviation) return t:normal_(mean, deviation, "init") end)
initial.constant_ = drawn(function(t, value) return t:fill_(value) end)

-- He et al. 2015, arXiv 1502.01852: uniform with bound gain * sqrt(3 / fan_in); `slope` of a leaky ReLU gives the gain.
initial.kaiming_uniform_ = drawn(function(t, slope)
   local bound = math.sqrt(2 / (1 + (slope or 0) ^ 2)) * math.sqrt(3 / fans(t))
   return t:uniform_(-bound, bound, "init")
end)
initial.kaiming_normal_ = drawn(function(t, slope)
   return t:normal_(0, math.sqrt(2 / (1 + (slope or 0) ^ 2)) / math.sqrt((fans(t))), "init")
end)

-- Glorot and Bengio 2010.
initial.xavier_uniform_ = drawn(function(t, gain)
   local fan_in, fan_out = fans(t)
   local bound = (gain or 1) * math.sqrt(6 / (fan_in + fan_out))
   return t:uniform_(-bound, bound, "init")
end)
initial.xavier_normal_ = drawn(function(t, gain)
   local fan_in, fan_out = fans(t)
   return t:normal_(0, (gain or 1) * math.sqrt(2 / (fan_in + fan_out)), "init")
end)

-- PyTorch's default for linear and convolution layers: weight and bias uniform within 1 / sqrt(fan_in).
function initial.default_(weight, bias)
   local bound = 1 / math.sqrt(math.max((fans(weight)), 1))
   initial.uniform_(weight, -bound, bound)
   if bias then initial.uniform_(bias, -bound, bound) end
end

return initial
