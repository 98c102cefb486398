-- nn/batchnorm.lua: BatchNorm1d(features) for (n, c) or (n, c, l), BatchNorm2d(features) for (n, c, h, w).
-- Training mode normalises by the batch and keeps running statistics (unbiased variance, as PyTorch); evaluation mode uses those.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local engram = require "engram"
local nn = require "engram.nn.base"

local layers = {}

local MOMENTUM = 0.1                                  -- the share of a batch's figures in the running ones

local function define(name, dims_text, fits)
   local BatchNorm = nn.Module:extend(name)

   function BatchNorm:init(features, options)
      options = core.options("nn." .. name, options, { "epsilon", "momentum", "affine", "dtype" })
      self.features = nn.positive("nn." .. name .. ": features", features)
      self.epsilon, self.momentum = nn.epsilon("nn." .. name, options.epsilon), options.momentum or MOMENTUM
      if type(self.momentum) ~= "number" or not (self.momentum >= 0 and self.momentum <= 1) then
         core.raise("nn.%s: momentum must be a number from 0 to 1, got %s", name, core.shown(self.momentum))
      end
      nn.flag("nn." .. name .. ": affine", options.affine)
      if options.affine ~= false then
         self.weight = nn.parameter(engram.ones(features, { dtype = options.dtype }))
         self.bias = nn.parameter(engram.zeros(features, { dtype = options.dtype }))
      end
      self:buffer("running_mean", engram.zeros(features, { dtype = options.dtype }))
      self:buffer("running_var", engram.ones(features, { dtype = options.dtype }))
   end

   -- running <- (1 - momentum) running + momentum batch; the variance is made unbiased first.
   function BatchNorm:remember(mean, variance, count)
      self.running_mean:mul_(1 - self.momentum):add_(mean, self.momentum)
      self.running_var:mul_(1 - self.momentum):add_(variance, self.momentum * count / math.max(count - 1, 1))
   end

   function BatchNorm:forward(x)
      tensor.live(x, "nn." .. name)
      if not fits(x:dim()) or x:size(2) ~= self.features then
         core.raise("nn.%s: expected (n, %d%s), got %s", name, self.features, dims_text, tensor.shape_text(x))
      end
      if not self.training then
         local rstd = (self.running_var + self.epsilon):rsqrt()
         return tensor.batch_norm(x, self.weight, self.bias, self.running_mean, rstd)
      end
      local count = x:numel() / self.features
      if count <= 1 then core.raise("nn.%s: training mode needs more than one value a channel, got %s", name, tensor.shape_text(x)) end
      local y, statistics = tensor.batch_norm_train(x, self.weight, self.bias, self.epsilon)
      autograd.no_grad(self.remember, self, statistics[1], statistics[3], count)
      return y
   end

   function BatchNorm:settings_text()
      local words = { self.features }
      if self.epsilon ~= nn.epsilon() then words[2] = "epsilon = " .. self.epsilon end
      if self.momentum ~= MOMENTUM then words[#words + 1] = "momentum = " .. self.momentum end
      if not rawget(self, "weight") then words[#words + 1] = "affine = false" end
      return table.concat(words, ", ")
   end
   layers[name] = BatchNorm
end

define("BatchNorm1d", " [, l]", function(dims) return dims == 2 or dims == 3 end)
define("BatchNorm2d", ", h, w", function(dims) return dims == 4 end)

return layers
