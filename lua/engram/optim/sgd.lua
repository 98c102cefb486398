-- SGD: stochastic gradient descent with momentum (Polyak 1964), Nesterov's variant and coupled weight decay, as PyTorch writes it:
-- g <- g + weight_decay w;  m <- momentum m + (1 - dampening) g;  w <- w - lr m (Nesterov: w - lr (g + momentum m)).
local core = require "engram.core"
local kernels = require "engram.optim.kernels"

return {
   name = "SGD",
   doc = "stochastic gradient descent, with momentum, Nesterov and weight decay",
   hyper = {
      lr = { default = 0.01, min = 0, doc = "step size" },
      momentum = { default = 0, min = 0, doc = "share of the last step kept" },
      dampening = { default = 0, doc = "share of the gradient kept out of the momentum" },
      weight_decay = { default = 0, min = 0, doc = "added to the gradient times the weight" },
      nesterov = { default = false, doc = "look ahead along the momentum; needs momentum > 0 and no dampening" },
   },
   slots = { velocity = { like = "parameter", initial = 0, when = function(h) return h.momentum ~= 0 end } },
   check = function(h, who)
      if h.nesterov == true and (h.momentum == 0 or h.dampening ~= 0) then
         core.raise("%s: nesterov needs momentum > 0 and dampening = 0", who)
      end
   end,
   rows = require "engram.optim.rows".sgd,
   step = function(p, g, s, h) kernels.sgd_(p, g, h.momentum ~= 0 and s.velocity or nil, h) end,
}
