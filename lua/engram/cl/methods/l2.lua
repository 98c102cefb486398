-- L2: stay near the weights of the last task, all alike: the control that every importance must beat.
-- The penalty is lambda sum (w - anchor)^2, with `half` lambda / 2 of it.
local autograd = require "engram.autograd"
local consolidate = require "engram.consolidate"
local penalty = require "engram.cl.methods.penalty"

return {
   name = "L2",
   doc = "a quadratic penalty that holds every weight alike near where the last task left it",
   source = "Hsu et al. 2018, arXiv 1810.12488",
   regularizer = true,
   hyper = {
      lambda = { default = 0.1, min = 0, doc = "weight of the penalty" },
      half = { default = false, doc = "lambda / 2 instead of lambda" },
   },
   state = { anchor = "tasks" },

   gradients = function(self, t)
      if not self.anchor[1] then return end
      local factor, sum = penalty.lambda(self), 0
      for i, p in ipairs(t.parameters) do
         local distance = p:detach() - self.anchor[1][i]
         local grad = autograd.gradient_of(p)
         if grad then grad:add_(distance, factor) end
         sum = sum + distance:square():sum():item()
      end
      t.penalty = (t.penalty or 0) + factor / 2 * sum
   end,

   task_end = function(self, t) self.anchor[1] = consolidate.copies(t.parameters) end,

   common_lambda = penalty.lambda,
}
