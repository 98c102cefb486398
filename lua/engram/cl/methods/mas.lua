-- Memory Aware Synapses (Aljundi et al. 2018, arXiv 1711.09601): stay near the old weights where the outputs depend on them.
-- The importance is the mean over items of |d ||f(x)||^2 / d w|: no labels. The penalty is lambda sum importance (w - anchor)^2, with
-- `half` lambda / 2 of it; the importances of tasks are summed, the anchor is the latest.
local fisher = require "engram.fisher"
local importance = require "engram.cl.methods.importance"

local hyper = importance.hyper{
   lambda = { default = 1, min = 0, doc = "weight of the penalty" },
   norm = { default = "squared", choices = { "squared", "plain", "mean square" },
      doc = "size of outputs: sum of squares, root, mean" },
   convention = { default = "paper", choices = { "paper", "avalanche", "facil", "hsu" }, doc = "whose formula" },
}
hyper.mode.default, hyper.half.default = "online", false

return {
   name = "MAS",
   doc = "a quadratic penalty that holds the weights on which the outputs depend",
   source = "arXiv 1711.09601",
   regularizer = true,
   hyper = hyper,
   presets = {
      avalanche = { batched = true, mode = "averaged", from_zero = false },
      facil = { norm = "plain", batched = true, mode = "averaged", half = true, exclude_head = true, units = "seen" },
      hsu = { norm = "mean square", batched = true },
   },
   state = { importance = "tasks", anchor = "tasks" },

   gradients = function(self, t) importance.pull(self, t, importance.lambda(self)) end,

   task_end = function(self, t)
      local how = importance.how(self, t)
      importance.count(t, how)
      how.norm, how.drop_last = self.hyper.norm, self.hyper.convention == "facil"
      local new = fisher.sensitivity(t.model, importance.items(t), how)
      importance.file(self, t, new)
   end,

   common_lambda = importance.lambda,
}
