-- cl/step.lua: one step of a training: batch -> model -> loss (and the methods' terms) -> backward -> the methods edit gradients ->
-- optimizer -> the scope ends and every temporary goes back to the pool.
local autograd = require "engram.autograd"
local tensor = require "engram.tensor"
local arithmetic = require "engram.cl.metrics.arithmetic"
local divergence = require "engram.cl.divergence"
local guard = require "engram.cl.guard"
local scenario = require "engram.cl.scenario"
local state = require "engram.cl.methods.state"

local step = {}

-- Calls every method's function `name`, where it has one.
function step.hook(t, name)
   for _, method in ipairs(t.methods) do
      local f = method[name]
      if f then f(method, t) end
   end
end

-- ---- the step ---------------------------------------------------------------------------------------------

-- The loss of the batch, whose items may be of several tasks (t.tasks): a method has put them there, or in the task-incremental scenario
-- a blurred task holds items of its neighbours, which have units of their own.
local function batch_loss(t)
   if t.tasks then return scenario.masked_loss(t, t.logits, t.y, t.tasks) end
   if t.experience.mixed and t.stream.scenario == "task" then
      return scenario.masked_loss(t, t.logits, t.y, scenario.tasks_of(t.stream, t.y))
   end
   return scenario.loss(t, t.logits, t.y, t.task)
end

-- The loss, weighted where a method says so, and the methods' terms.
local function whole_loss(t, loss)
   if t.weight then loss = loss * t.weight end
   for _, method in ipairs(t.methods) do
      local term = method.loss and method:loss(t)
      if term then
         divergence.term(t, method, term:item())
         loss = loss + term
      end
   end
   return loss
end

-- Whether a method keeps items, of which it may put more and more beside the step's own.
local function keeps_items(t)
   for _, method in ipairs(t.methods) do
      if state.holds(method.description, "buffer") then return true end
   end
   return false
end

-- The arithmetic of an item is counted at a task's first two steps and holds for all of it, but where a memory grows.
local function count_arithmetic(t, loss)
   local items = t.y:size(1)
   if not t.operations or t.step_in_task <= 2 or keeps_items(t) then
      local sum = arithmetic(loss)
      t.operations = { forward = sum.forward / items, backward = sum.backward / items }
   end
   t.count(items, items)
end

-- counter(t): what counts the arithmetic of so many items forward and backward: the step's own, and what methods compute besides its graph
-- (a teacher's answers, gradients of old items, Fisher information). Before a task's first step is counted they wait for it.
function step.counter(t)
   local waiting_forward, waiting_backward = 0, 0
   return function(forward, backward)
      forward, backward = forward + waiting_forward, backward + waiting_backward
      local item = t.operations
      waiting_forward, waiting_backward = item and 0 or forward, item and 0 or backward
      if item then t.arithmetic = t.arithmetic + item.forward * forward + item.backward * backward end
   end
end

-- Drops the gradients of all parameters: of those that the optimizer does not hold too, which methods see.
local function drop_gradients(t)
   t.optimizer:zero_grad()
   for _, p in ipairs(t.unmoved) do autograd.drop_gradient(p) end
end

local function one_step(t)
   t.penalty_before, t.penalty, t.weight = t.penalty, nil, nil
   t.fresh = { x = t.x, y = t.y, tasks = t.tasks }         -- as the stream gave them, whatever methods put beside them
   drop_gradients(t)
   step.hook(t, "batch")
   t.logits = t.model(t.x)
   local loss = batch_loss(t)
   t.loss = loss:item()
   divergence.loss(t)
   loss = whole_loss(t, loss)
   count_arithmetic(t, loss)
   loss:backward()
   guard.before_penalties(t)
   step.hook(t, "loss_gradients")
   step.hook(t, "gradients")
   divergence.penalty(t)
   guard.step(t)
   t.optimizer:step(t)
   guard.gate(t)
   step.hook(t, "after_step")
   t.moved, t.weights = t.moved + t.optimizer.moved, t.weights + t.optimizer.weights
   if t.on_step then t.on_step(t) end
end

-- The next batch of the loader, trained on inside a scope; false at the end of the epoch.
function step.advance(t)
   local scope = tensor.scope_open()
   local ok, more = pcall(function()
      if t.step_in_task == t.steps_in_task then return false end        -- a method may plan to end within an epoch
      t.x, t.y, t.index, t.tasks = t.loader:next()
      if not t.x then return false end
      t.step, t.step_in_task = t.step + 1, t.step_in_task + 1
      one_step(t)
      return true
   end)
   t.x, t.y, t.index, t.tasks, t.logits, t.fresh = nil, nil, nil, nil, nil, nil
   tensor.scope_close(scope)
   if not ok then error(more, 0) end
   return more
end

return step
