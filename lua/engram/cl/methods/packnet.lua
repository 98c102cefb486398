-- PackNet (Mallya and Lazebnik 2018, arXiv 1711.05769): every task gets weights of its own, the smallest of which are given back.
-- A task trains all free weights beside the frozen ones; then the smallest share of its weights in each layer becomes 0 and free again,
-- and the rest is trained on. On task k the weights of later tasks count as 0, so its accuracy never changes: an item's task must be known.
-- Biases of hidden layers are trained with the first task alone; the units of the output layer belong to their task whole.
local autograd = require "engram.autograd"
local core = require "engram.core"
local head = require "engram.cl.methods.head"
local stopping = require "engram.cl.stopping"
local warnings = require "engram.cl.warnings"

local raise = core.raise

-- ---- whose weight is whose: belongs holds the task's number, 0 while free -------------------------------------------------

-- Units of the output layer that the task trains: rows of its weight and bias.
local function own_rows(t, owner)
   local first, last = t.experience.first_class, t.experience.last_class
   return owner:narrow(1, first, last - first + 1)
end

-- Which parameters a task moves: those that the optimizer holds and nobody has frozen.
local function moving(t)
   local held, found = {}, {}
   for _, p in ipairs(t.moving) do held[p] = p.requires_grad end
   for i, p in ipairs(t.parameters) do found[i] = held[p] or false end
   return found
end

-- Which layers can be pruned: weights of hidden layers that move.
local function layers(t)
   local heads, moves, found = head.of(t.model), moving(t), {}
   for i, p in ipairs(t.parameters) do
      if moves[i] and not heads[i] and p:dim() > 1 then found[i] = p end
   end
   return found
end

-- What does not move is as the first task found it, and all tasks stand on it.
local function claim(self, t)
   local heads, moves = head.of(t.model), moving(t)
   for i, p in ipairs(t.parameters) do
      local owner = self.belongs[i]
      if not moves[i] then
         owner:copy_(owner:masked_fill(owner:eq(0), 1))
         owner = nil
      elseif heads[i] then
         owner = own_rows(t, owner)
      elseif p:dim() < 2 and t.task > 1 then
         owner = nil                                       -- biases are shared, as the first task left them
      end
      if owner then owner:copy_(owner:masked_fill(owner:eq(0), t.task)) end
   end
end

-- The weights that the task may move, anew: they follow from what belongs to whom.
local function find_trained(self, t)
   self.masks, self.masks_of = {}, t.mark
   for i in ipairs(t.parameters) do self.masks[i] = self.belongs[i]:eq(t.task):keep() end
end

-- Those of this training: one that goes on within a task finds none, or those of another training.
local function trained(self, t)
   if self.masks_of ~= t.mark then find_trained(self, t) end
   return self.masks
end

-- A task that finds every hidden weight taken learns by its output units alone.
local function warn_if_full(self, t)
   local hidden = layers(t)
   for i in pairs(hidden) do
      if self.masks[i]:any() then return end
   end
   if next(hidden) == nil then return end
   warnings.once(t, "PackNet full", "PackNet: task %d finds no free hidden weight: it trains its output units alone; a larger prune " ..
      "(%g now) or a larger model leaves it some", t.task, self.hyper.prune)
end

-- The step of the task after which it is pruned; those that are planned after it retrain what is left. A budget may end it before.
local function pruning_step(self, t) return t.longest - math.floor(self.hyper.retrain * t.longest) end

local function warn_of_retraining(self, t)
   if self.hyper.retrain == 0 or pruning_step(self, t) < t.longest then return end
   warnings.once(t, "PackNet retrain", "PackNet: task %d has %d steps, of which retrain = %g is none: it is pruned after its last step " ..
      "and not trained on", t.task, t.longest, self.hyper.retrain)
end

-- The smallest share of the task's weights of each layer becomes 0 and free.
local function prune(self, t)
   for i, p in pairs(layers(t)) do
      local size, own = p:detach():abs(), self.belongs[i]:eq(t.task)
      local values = size:masked_select(own)
      local rank = math.floor(self.hyper.prune * #values + 0.5)
      if rank > 0 then
         local limit = values:sort():narrow(1, rank, 1):item()
         local goes = own:logical_and(size:le(limit))
         self.belongs[i]:copy_(self.belongs[i]:masked_fill(goes, 0))
         p:detach():copy_(p:detach():masked_fill(goes, 0))
      end
   end
end

local function keep_values(self, t)
   for i, p in ipairs(t.parameters) do self.kept[i]:copy_(p:detach()) end
end

return {
   name = "PackNet",
   doc = "every task has weights of its own; the smallest are given back to those to come",
   source = "arXiv 1711.05769",
   hyper = {
      prune = { default = 0.75, min = 0, max = 1, doc = "share of a task's weights that is given back" },
      retrain = { default = 0.3, min = 0, max = 1, doc = "share of a task's steps that comes after the pruning" },
   },
   check = function(hyper, who)
      if hyper.retrain == 1 then raise("%s: retrain = 1 leaves no step before the pruning; give less than 1", who) end
      if hyper.prune == 1 then raise("%s: prune = 1 gives back all that a task has learned; give less than 1", who) end
   end,
   state = { belongs = "marks", kept = "parameters" },
   scratch = { "masks", "masks_of", "whole" },

   begin = function(_, t)
      if t.task > 0 then
         raise("PackNet must train from the first task on, and this is a fork from task %d of a run without it: fork one that has it",
            t.task)
      end
      if t.stream.scenario ~= "task" then
         raise("PackNet must know an item's task, also at the test: it needs scenario = 'task', this stream has '%s'", t.stream.scenario)
      end
      if #t.stream > 255 then raise("PackNet: %d tasks, at most 255 can own weights", #t.stream) end
      for k in ipairs(t.stream) do
         local rule = stopping.rule_of(t, k)
         if rule and rule.open then
            raise("PackNet prunes so many steps before the end of a task, which %s does not tell: give epochs", tostring(rule))
         end
      end
      if t.model:named_buffers()() then
         raise "PackNet: a layer keeps running figures (batch norm), which new tasks would change for the old"
      end
   end,

   task_begin = function(self, t)
      claim(self, t)
      keep_values(self, t)
      find_trained(self, t)
      warn_if_full(self, t)
      warn_of_retraining(self, t)
   end,

   gradients = function(self, t)
      local masks = trained(self, t)
      for i, p in ipairs(t.parameters) do
         local g = autograd.gradient_of(p)
         if g then g:copy_(g:where(masks[i], 0)) end
      end
   end,

   -- Momentum and weight decay move weights without a gradient too: what is not this task's is put back.
   after_step = function(self, t)
      local masks = trained(self, t)
      for i, p in ipairs(t.parameters) do
         local w = p:detach()
         w:copy_(w:where(masks[i], self.kept[i]))
      end
      if t.step_in_task == pruning_step(self, t) then
         prune(self, t)
         keep_values(self, t)
         find_trained(self, t)
      end
   end,

   task_end = function(self, t)
      if t.step_in_task >= pruning_step(self, t) then return end
      prune(self, t)
      warnings.once(t, "PackNet budget", "PackNet: task %d ended after %d of %d steps, before step %d, at which it would have been " ..
         "pruned: it is pruned after its last step and not trained on", t.task, t.step_in_task, t.longest, pruning_step(self, t))
   end,

   test_begin = function(self, t, k)
      self.whole = nil
      if t.task == 0 then return end                       -- before the first task nobody owns anything
      self.whole = {}
      for i, p in ipairs(t.parameters) do
         local w, owner = p:detach(), self.belongs[i]
         self.whole[i] = w:clone()
         w:copy_(w:masked_fill(owner:eq(0):logical_or(owner:gt(k)), 0))
      end
   end,

   test_end = function(self, t)
      for i, p in ipairs(self.whole and t.parameters or {}) do
         p:detach():copy_(self.whole[i])
         self.whole[i]:release()
      end
      self.whole = nil
   end,
}
