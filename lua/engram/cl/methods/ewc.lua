-- Elastic Weight Consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796): stay near the old weights where they mattered.
-- The penalty is lambda / 2 * sum over tasks of F (w - anchor)^2, added to the gradients by one kernel, outside the graph.
--
-- convention "sound": F is the diagonal Fisher per sample, at the end of a task, in evaluation mode, on the same model.
-- convention "classp-repository" reproduces the CLASSP author's vision script: a model of its own is trained on task 1 for one epoch by
-- SGD (lr 0.25) while the squares of the batch-mean gradients are summed, divided by the number of samples; its weights are the
-- anchor; the penalty is lambda * sum F (w - anchor)^2 (no 1/2), from the second epoch of task 1 on. It needs cl.train{ model = function }.
local autograd = require "engram.autograd"
local core = require "engram.core"
local consolidate = require "engram.consolidate"
local fisher = require "engram.fisher"

local function copies(parameters)
   local list = {}
   for i, p in ipairs(parameters) do list[i] = p:detach():clone():keep() end
   return list
end

-- ---- the repository's convention --------------------------------------------------------------------------

local function other_model(self, t)
   local engram = require "engram"
   local model = t.make_model()
   local opt = engram.optim.SGD(model, { lr = self.hyper.scout_lr })
   local parameters, squares = model:parameters(), {}
   for i, p in ipairs(parameters) do squares[i] = engram.zeros_like(p):keep() end
   local set = t.stream[1].train
   local loader = engram.data.loader(set, { batch_size = t.batch_size, shuffle = t.shuffle, stream = "scout order" })
   local function step()
      local x, y = loader:next()
      if not x then return false end
      opt:zero_grad()
      engram.nn.cross_entropy(model(x), y):backward()
      for i, p in ipairs(parameters) do squares[i]:add_(autograd.gradient_of(p):square()) end
      opt:step()
      return true
   end
   while engram.scope(step) do t.poll() end
   for _, f in ipairs(squares) do f:mul_(1 / set:size()) end
   return squares, copies(parameters)
end

-- ---- the method -------------------------------------------------------------------------------------------

return {
   name = "EWC",
   doc = "a quadratic penalty that holds the weights that mattered to old tasks",
   source = "arXiv 1612.00796",
   hyper = {
      lambda = { default = 100, min = 0, doc = "weight of the penalty" },
      fisher = { default = "exact", choices = { "exact", "sampled", "empirical" }, doc = "whose label counts" },
      samples = { default = 0, min = 0, whole = true, doc = "items of the task to estimate on; 0: all" },
      mode = { default = "separate", choices = { "separate", "online" }, doc = "a penalty a task, or one with summed importances" },
      convention = { default = "sound", choices = { "sound", "classp-repository" }, doc = "whose formula" },
      scout_lr = { default = 0.25, min = 0, doc = "classp-repository: step size of the model of its own" },
   },
   state = { importance = "tasks", anchor = "tasks" },

   begin = function(self, t)
      if self.hyper.convention == "classp-repository" then
         if not t.make_model then
            core.raise "EWC: convention 'classp-repository' trains a model of its own: give cl.train{ model = function() ... end }"
         end
         self.importance[1], self.anchor[1] = other_model(self, t)
      end
   end,

   gradients = function(self, t)
      local factor = self.hyper.lambda
      if self.hyper.convention == "classp-repository" then
         if t.task == 1 and t.epoch == 1 then return end
         factor = 2 * factor
      end
      local penalty = 0
      for k, importance in ipairs(self.importance) do
         penalty = penalty + consolidate.quadratic_penalty_(t.parameters, self.anchor[k], importance, factor)
      end
      t.penalty = penalty
   end,

   task_end = function(self, t)
      if self.hyper.convention == "classp-repository" then return end
      local samples = self.hyper.samples
      local new = fisher.diagonal(t.model, t.experience.train,
         { label = self.hyper.fisher, samples = samples > 0 and samples or nil, poll = t.poll })
      for _, f in ipairs(new) do f:keep() end
      if self.hyper.mode == "online" and self.importance[1] then
         for i, f in ipairs(new) do self.importance[1][i]:add_(f) end
         self.anchor[1] = copies(t.parameters)
      else
         table.insert(self.importance, new)
         table.insert(self.anchor, copies(t.parameters))
      end
   end,
}
