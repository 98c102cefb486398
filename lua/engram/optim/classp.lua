-- CLASSP: adjustment suppression and sparsity promotion (Ludwig 2024, arXiv 2405.09637, pseudo-code).
-- A weight moves only where g^2 > threshold; its rate falls with the p-norm of the gradients that moved it:
-- s <- s + |g|^power;  w <- w - lr g / (epsilon + s)^(1/power), or w - lr g with decay off.
-- variant "published" is what the author's code computes: one gate a tensor, and s sums |g| whatever the power.
local kernels = require "engram.optim.kernels"

return {
   name = "CLASSP",
   doc = "a weight moves only where its squared gradient passes a threshold, ever less the more it has moved",
   source = "arXiv 2405.09637",
   hyper = {
      lr = { default = 0.2, min = 0, doc = "step size" },
      threshold = { default = 0, min = 0, doc = "least squared gradient that moves a weight" },
      power = { default = 1, min = 1, doc = "p of the norm; 2 with threshold 0 is AdaGrad" },
      epsilon = { default = 1e-5, min = 0, doc = "added under the root" },
      decay = { default = true, doc = "divide by the root; off: plain step, the sum still grows" },
      variant = { default = "paper", choices = { "paper", "published" }, doc = "per weight, or the published code's per tensor" },
   },
   slots = { grad_sum = { like = "parameter", initial = 0 } },
   rows = require "engram.optim.rows".classp,
   step = function(p, g, s, h) return kernels.classp_(p, g, s.grad_sum, h) end,
}
