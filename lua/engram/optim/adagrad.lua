-- AdaGrad (Duchi et al. 2011): s <- s + g^2;  w <- w - lr g / (sqrt(s) + epsilon).
local kernels = require "engram.optim.kernels"

return {
   name = "AdaGrad",
   doc = "steps divided by the root of the sum of squared gradients",
   hyper = {
      lr = { default = 0.01, min = 0, doc = "step size" },
      epsilon = { default = 1e-10, min = 0, doc = "added to the root" },
      weight_decay = { default = 0, min = 0, doc = "added to the gradient times the weight" },
   },
   slots = { sum = { like = "parameter", initial = 0 } },
   rows = require "engram.optim.rows".adagrad,
   step = function(p, g, s, h) kernels.adagrad_(p, g, s.sum, h) end,
}
