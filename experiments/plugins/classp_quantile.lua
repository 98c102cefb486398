-- CLASSP (Ludwig 2024, arXiv 2405.09637) with a gate of each layer's own: where one threshold for all layers starves those with small
-- gradients, here every tensor moves the same share of its weights.
--
-- Every `every` updates the gate is set to the quantile of the tensor's squared gradients; it stands in a scalar slot, so that a resumed
-- run has it to the bit, and begins anew with a task. The step itself is the built-in's kernel, optim.kernels.classp_.
local kernels = require "engram".optim.kernels

local UNSET = -1

return {
   name = "CLASSPQuantile",
   version = "1.0",
   licence = "MIT",
   doc = "CLASSP with the gate at a quantile of each tensor's squared gradients",
   source = "arXiv 2405.09637",
   hyper = {
      lr = { default = 0.2, min = 0, doc = "step size" },
      quantile = { default = 0.9, min = 0, max = 1, doc = "share of each tensor's weights that stays" },
      every = { default = 20, min = 1, type = "whole", doc = "updates between two looks at the quantile" },
      power = { default = 1, min = 1, doc = "p of the norm" },
      epsilon = { default = 1e-5, min = 0, doc = "added under the root" },
      decay = { default = true, doc = "divide by the root; off: plain step, the sum still grows" },
   },
   slots = {
      grad_sum = { like = "parameter", initial = 0, doc = "sum of the powers of the gradients that moved a weight" },
      gate = { like = "scalar", initial = UNSET, reset = true, doc = "least squared gradient that moves a weight" },
   },
   step = function(p, g, s, h)
      if s.gate:item() == UNSET or (h.count - 1) % h.every == 0 then
         local threshold = g:square():quantile(h.quantile)
         if threshold ~= threshold then error("the gradient holds a NaN: there is no quantile", 0) end
         s.gate:fill_(threshold)
      end
      h.threshold = s.gate:item()
      return kernels.classp_(p, g, s.grad_sum, h)
   end,
}
