-- CLASSP: adjustment suppression and sparsity promotion (Ludwig 2024, arXiv 2405.09637, pseudo-code).
-- A weight moves only where g^2 > threshold; its rate falls with the p-norm of the gradients that moved it:
-- s <- s + |g|^power;  w <- w - lr g / (epsilon + s)^(1/power), or w - lr g with decay off.
-- variant "published" is what the author's code computes: one gate a tensor, and s sums |g| whatever the power.
local ffi = require "ffi"
local core = require "engram.core"
local C = core.C
local h_c, moved = ffi.new "eg_classp", ffi.new "int64_t[1]"

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
   step = function(p, g, s, h)
      h_c.lr, h_c.threshold, h_c.power, h_c.epsilon = h.lr, h.threshold, h.power, h.epsilon
      h_c.decay, h_c.published = h.decay and 1 or 0, h.variant == "published" and 1 or 0
      core.check(C.eg_classp_step(p.tensor, g.tensor, s.grad_sum.tensor, h_c, moved))
      return tonumber(moved[0])
   end,
}
