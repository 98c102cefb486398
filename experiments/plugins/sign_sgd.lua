-- SignSGD (Bernstein et al. 2018, arXiv 1802.04434): every weight takes a step of one size against the sign of its gradient;
-- with momentum, of a running mean of its gradients (Signum). A weight whose gradient is 0 stays.
--
--    engram run --plugin experiments/plugins/sign_sgd.lua FILE        then optim.SignSGD(model, { lr = 0.001 })
return {
   name = "SignSGD",
   version = "1.0",
   licence = "MIT",
   doc = "steps of one size against the sign of the gradient",
   source = "arXiv 1802.04434",
   hyper = {
      lr = { default = 0.001, min = 0, doc = "size of a step" },
      momentum = { default = 0, min = 0, max = 1, doc = "share of the mean kept" },
   },
   slots = { mean = { like = "parameter", when = function(h) return h.momentum ~= 0 end, doc = "running mean of gradients" } },
   step = function(p, g, s, h)
      if h.momentum ~= 0 then g = s.mean:mul_(h.momentum):add_(g, 1 - h.momentum) end
      p:add_(g:sign(), -h.lr)
   end,
}
