-- cl/step.lua: one step of a training: batch -> model -> loss (and the methods' terms) -> backward -> the methods edit gradients ->
-- optimizer -> the scope ends and every temporary goes back to the pool.
local core = require "engram.core"
local tensor = require "engram.tensor"
local arithmetic = require "engram.cl.metrics.arithmetic"
local scenario = require "engram.cl.scenario"
local raise = core.raise

local step = {}

-- Calls every method's function `name`, where it has one.
function step.hook(t, name)
   for _, method in ipairs(t.methods) do
      local f = method[name]
      if f then f(method, t) end
   end
end

-- ---- divergence -------------------------------------------------------------------------------------------

local function diverged(t, how)
   raise("cl.train: diverged: %s at step %d (task %d, epoch %d) with %s: try a smaller lr, or look for bad values in the data", how,
      t.step, t.task, t.epoch, tostring(t.optimizer))
end

local function check_loss(t)
   if t.loss - t.loss ~= 0 then diverged(t, t.loss ~= t.loss and "the loss is not a number" or "the loss is infinite") end
end

-- The last step of a task has no loss after it that would tell.
function step.check_weights(t)
   tensor.scope(function()
      for _, p in ipairs(t.parameters) do
         if not p:detach():isfinite():all() then diverged(t, "a weight is not finite") end
      end
   end)
end

-- ---- the step ---------------------------------------------------------------------------------------------

-- The loss of the batch. In the task-incremental scenario a blurred task holds items of its neighbours, which have units of their own.
local function batch_loss(t)
   if t.experience.mixed and t.stream.scenario == "task" then
      return scenario.masked_loss(t, t.logits, t.y, scenario.tasks_of(t.stream, t.y))
   end
   return scenario.loss(t, t.logits, t.y, t.task)
end

local function add_terms(t, loss)
   for _, method in ipairs(t.methods) do
      local term = method.loss and method:loss(t)
      if term then loss = loss + term end
   end
   return loss
end

-- The arithmetic of an item is counted at a task's first step and holds for all of it.
local function count_arithmetic(t, loss)
   local items = t.y:size(1)
   if not t.operations then
      local sum = arithmetic(loss)
      t.operations = { forward = sum.forward / items, backward = sum.backward / items }
   end
   t.arithmetic = t.arithmetic + (t.operations.forward + t.operations.backward) * items
end

local function one_step(t)
   t.optimizer:zero_grad()
   t.logits = t.model(t.x)
   local loss = batch_loss(t)
   t.loss = loss:item()
   check_loss(t)
   count_arithmetic(t, loss)
   add_terms(t, loss):backward()
   step.hook(t, "gradients")
   t.optimizer:step(t)
   step.hook(t, "after_step")
   t.moved, t.weights = t.moved + t.optimizer.moved, t.weights + t.optimizer.weights
   if t.on_step then t.on_step(t) end
end

-- The next batch of the loader, trained on inside a scope; false at the end of the epoch.
function step.advance(t)
   local scope = tensor.scope_open()
   local ok, more = pcall(function()
      t.x, t.y = t.loader:next()
      if not t.x then return false end
      t.step, t.step_in_task = t.step + 1, t.step_in_task + 1
      one_step(t)
      return true
   end)
   t.x, t.y, t.logits = nil, nil, nil
   tensor.scope_close(scope)
   if not ok then error(more, 0) end
   return more
end

return step
