-- RMSProp (Tieleman and Hinton 2012): s <- alpha s + (1 - alpha) g^2;  w <- w - lr g / (sqrt(s) + epsilon).
local core = require "engram.core"
local kernels = require "engram.optim.kernels"

return {
   name = "RMSProp",
   doc = "steps divided by the root of a running mean of squared gradients",
   hyper = {
      lr = { default = 0.01, min = 0, doc = "step size" },
      alpha = { default = 0.99, min = 0, max = 1, doc = "share of the running mean kept" },
      epsilon = { default = 1e-8, min = 0, doc = "added to the root" },
      weight_decay = { default = 0, min = 0, doc = "added to the gradient times the weight" },
   },
   check = function(h, who)
      if h.alpha == 1 then core.raise("%s: alpha = 1, expected less than 1", who) end
   end,
   slots = { square = { like = "parameter", initial = 0 } },
   step = function(p, g, s, h) kernels.rmsprop_(p, g, s.square, h) end,
}
