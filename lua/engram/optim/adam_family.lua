-- optim/adam_family.lua: what Adam and AdamW share: m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;
-- w <- w - lr m' / (sqrt(v') + epsilon) with the bias-corrected m' and v'.
local ffi = require "ffi"
local core = require "engram.core"
local C = core.C
local h_c = ffi.new "eg_adam"

return function(name, doc, weight_decay, decoupled)
   return {
      name = name,
      doc = doc,
      hyper = {
         lr = { default = 0.001, min = 0, doc = "step size" },
         beta1 = { default = 0.9, min = 0, max = 1, doc = "share of the first moment kept" },
         beta2 = { default = 0.999, min = 0, max = 1, doc = "share of the second moment kept" },
         epsilon = { default = 1e-8, min = 0, doc = "added to the root" },
         weight_decay = { default = weight_decay, min = 0, doc = "pull towards zero" },
      },
      check = function(h, who)
         for _, key in ipairs{ "beta1", "beta2" } do
            if h[key] == 1 then core.raise("%s: %s = 1, expected less than 1", who, key) end
         end
      end,
      slots = { first = { like = "parameter", initial = 0 }, second = { like = "parameter", initial = 0 } },
      step = function(p, g, s, h)
         h_c.lr, h_c.beta1, h_c.beta2, h_c.epsilon, h_c.weight_decay = h.lr, h.beta1, h.beta2, h.epsilon, h.weight_decay
         h_c.decoupled, h_c.step = decoupled and 1 or 0, h.count
         core.check(C.eg_adam_step(p.tensor, g.tensor, s.first.tensor, s.second.tensor, h_c))
      end,
   }
end
