-- Synaptic Intelligence (Zenke, Poole and Ganguli 2017, arXiv 1703.04200): stay near the old weights that brought the loss down.
-- Every step adds -g (w after - w before) to a weight's path; at the end of a task
-- importance += path / ((w - w at its begin)^2 + damping). The penalty is lambda sum importance (w - anchor)^2, with `half` lambda / 2
-- of it. g is the gradient of the task's loss alone, or with `gradient` = "total" of the loss and all penalties.
local autograd = require "engram.autograd"
local consolidate = require "engram.consolidate"
local guard = require "engram.cl.guard"
local head = require "engram.cl.methods.head"
local penalty = require "engram.cl.methods.penalty"
local raise = require "engram.core".raise

-- Tensors for the gradients before the penalty; they need not outlive the step.
local function room_for(parameters)
   local list = {}
   for i, p in ipairs(parameters) do list[i] = require "engram".empty_like(p:detach()) end
   return list
end

-- Without damping a weight that has not moved has the importance 0 / 0.
local function check_damping(self, t)
   if self.hyper.damping > 0 then return end
   for i, sum in ipairs(self.sum) do
      if not sum:isfinite():all() then
         raise("SI: damping = 0: after task %d the importance of a weight of parameter %d that has not moved is 0 / 0; give a damping " ..
            "above 0 (the paper's is 0.1)", t.task, i)
      end
   end
end

return {
   name = "SI",
   doc = "a quadratic penalty that holds the weights whose changes brought the loss down",
   source = "arXiv 1703.04200",
   regularizer = true,
   hyper = {
      lambda = { default = 1, min = 0, doc = "weight of the penalty, c in the paper" },
      damping = { default = 0.1, min = 0, doc = "xi: keeps weights that have hardly moved from counting without bound" },
      half = { default = false, doc = "lambda / 2 instead of lambda" },
      gradient = { default = "task", choices = { "task", "total" }, doc = "along the path: of the loss, or with the penalties" },
      floor = { default = true, doc = "importances below 0 count as 0" },
      ceiling = { default = 0, min = 0, doc = "importances above it count as this much; 0: no limit" },
      clip = { default = 0, min = 0, doc = "gradients are cut to this size, element by element; 0: they are not" },
      exclude_head = { default = false, doc = "the output layer is not held" },
      convention = { default = "paper", choices = { "paper", "van-de-ven", "avalanche", "mammoth", "hsu", "facil" },
         doc = "whose formula" },
   },
   presets = {
      ["van-de-ven"] = { gradient = "total", floor = false },
      avalanche = { gradient = "total", floor = false, half = true, damping = 1e-7, ceiling = 0.001 },
      mammoth = { gradient = "total", floor = false, clip = 1 },
      hsu = { floor = false },
      facil = { floor = false, exclude_head = true },
   },
   state = { path = "parameters", previous = "parameters", sum = "parameters", importance = "tasks", anchor = "tasks" },
   scratch = { "before" },

   task_begin = function(self, t)
      for i, p in ipairs(t.parameters) do
         self.previous[i]:copy_(p:detach())
         self.path[i]:zero_()
      end
      if t.task == 1 or not self.anchor[1] then self.anchor[1] = consolidate.copies(t.parameters) end
   end,

   -- Beside other methods, or where they will be clipped, the loss's gradients are copied first; else the penalty's kernel does it on its
   -- way.
   loss_gradients = function(self, t)
      self.before = nil
      if self.hyper.gradient ~= "task" or (#t.methods == 1 and self.hyper.clip == 0) then return end
      self.before = room_for(t.parameters)
      for i, p in ipairs(t.parameters) do
         local grad = autograd.gradient_of(p)
         if grad then self.before[i]:copy_(grad) end
      end
   end,

   gradients = function(self, t)
      if self.importance[1] then
         local room = self.hyper.gradient == "task" and not self.before and room_for(t.parameters) or nil
         t.penalty = (t.penalty or 0) +
            consolidate.quadratic_penalty_(t.parameters, self.anchor[1], self.importance[1], penalty.lambda(self), room)
         self.before = self.before or room
      end
      local clip = self.hyper.clip
      for _, p in ipairs(clip > 0 and t.parameters or {}) do
         local grad = autograd.gradient_of(p)
         if grad then grad:copy_(grad:clamp(-clip, clip)) end
      end
   end,

   after_step = function(self, t)
      consolidate.path_integral_(self.path, self.previous, t.parameters, self.before)
      self.before = nil
   end,

   task_end = function(self, t)
      local hyper, list = self.hyper, {}
      for i, p in ipairs(t.parameters) do
         local moved = p:detach() - self.anchor[1][i]
         self.sum[i]:add_(self.path[i] / (moved:square() + hyper.damping))
         list[i] = self.sum[i]:clone():keep()
         if hyper.floor then list[i]:copy_(list[i]:maximum(0)) end
         if hyper.ceiling > 0 then list[i]:copy_(list[i]:minimum(hyper.ceiling)) end
      end
      check_damping(self, t)
      if hyper.exclude_head then head.exclude_(t.model, list) end
      guard.importance(t, self, list)
      self.importance[1], self.anchor[1] = list, consolidate.copies(t.parameters)
   end,

   common_lambda = penalty.lambda,
}
