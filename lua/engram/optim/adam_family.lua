-- optim/adam_family.lua: what Adam and AdamW share: m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;
-- w <- w - lr m' / (sqrt(v') + epsilon) with the bias-corrected m' and v'.
local core = require "engram.core"
local kernels = require "engram.optim.kernels"

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
         h.decoupled = decoupled
         kernels.adam_(p, g, s.first, s.second, h)
      end,
   }
end
