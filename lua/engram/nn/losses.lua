-- nn/losses.lua: losses as functions, and as modules that call them. {reduction = "mean" (default), "sum" or "none"}.
local core = require "engram.core"
local tensor = require "engram.tensor"
local nn = require "engram.nn.base"
local raise = core.raise

local losses = {}

local function reduce(name, values, options)
   local how = core.options("nn." .. name, options, { "reduction" }).reduction or "mean"
   if how == "mean" then return values:mean() end
   if how == "sum" then return values:sum() end
   if how == "none" then return values end
   raise("nn.%s: reduction must be 'mean', 'sum' or 'none', got '%s'", name, tostring(how))
end

local function same_shape(name, a, b)
   tensor.live(a, "nn." .. name .. ": prediction")
   tensor.live(b, "nn." .. name .. ": target")
   if table.concat(a.shape, ",") ~= table.concat(b.shape, ",") then
      raise("nn.%s: shapes differ: prediction %s, target %s", name, tensor.shape_text(a), tensor.shape_text(b))
   end
end

-- cross_entropy(logits (n, classes), labels (n) int64 from 1): -log softmax(logits)[label].
function losses.cross_entropy(logits, labels, options)
   if options == nil then return tensor.cross_entropy(logits, labels, true) end
   return reduce("cross_entropy", tensor.cross_entropy(logits, labels), options)
end

-- nll_loss(log_probabilities (n, classes), labels (n)): -log_probabilities[label].
function losses.nll_loss(log_probabilities, labels, options)
   tensor.live(labels, "nn.nll_loss: labels")
   return reduce("nll_loss", -log_probabilities:gather(2, labels:unsqueeze(2)):squeeze(2), options)
end

-- mse_loss(prediction, target): squared differences.
function losses.mse_loss(prediction, target, options)
   same_shape("mse_loss", prediction, target)
   return reduce("mse_loss", (prediction - target):square(), options)
end

-- l1_loss(prediction, target): absolute differences.
function losses.l1_loss(prediction, target, options)
   same_shape("l1_loss", prediction, target)
   return reduce("l1_loss", (prediction - target):abs(), options)
end

-- binary_cross_entropy_with_logits(logits, targets in [0, 1]): softplus(x) - x t.
function losses.binary_cross_entropy_with_logits(logits, targets, options)
   same_shape("binary_cross_entropy_with_logits", logits, targets)
   return reduce("binary_cross_entropy_with_logits", logits:softplus() - logits * targets, options)
end

-- The same as modules: nn.CrossEntropyLoss{ reduction = "sum" }(logits, labels).
local classes = { CrossEntropyLoss = "cross_entropy", NLLLoss = "nll_loss", MSELoss = "mse_loss", L1Loss = "l1_loss",
   BCEWithLogitsLoss = "binary_cross_entropy_with_logits" }
for name, of in pairs(classes) do
   local class = nn.Module:extend(name)
   function class:init(options) self.options = options or {} end
   function class:forward(prediction, target) return losses[of](prediction, target, self.options) end
   losses[name] = class
end

return losses
