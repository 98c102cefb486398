-- cl/task.lua: one task of a training: its epochs, what is noted and saved between steps, and what happens at its ends.
local budget = require "engram.cl.budget"
local checkpoint = require "engram.cl.checkpoint"
local core = require "engram.core"
local divergence = require "engram.cl.divergence"
local evaluation = require "engram.cl.evaluation"
local plan = require "engram.cl.plan"
local scenario = require "engram.cl.scenario"
local step = require "engram.cl.step"
local stopping = require "engram.cl.stopping"
local tensor = require "engram.tensor"
local warnings = require "engram.cl.warnings"
local C, raise = core.C, core.raise

local task = {}

-- ---- between two steps ------------------------------------------------------------------------------------

local REPORT_EVERY = 100                              -- steps between two lines of metrics.jsonl

-- Notes the mean loss since the last note.
local function note_loss(t)
   if t.loss_count == 0 then return end
   local loss = t.loss_sum / t.loss_count
   t.losses[#t.losses + 1] = { step = t.step, loss = loss }
   t.out:losses(t, loss)
   divergence.mean_loss(t, loss, t.loss_count)
   t.loss_sum, t.loss_count = 0, 0
end

-- True when the task has no more steps: by its rule, its length or its budget.
local function is_over(t) return stopping.ended(t) or t.step_in_task == t.steps_in_task end

local CHECKPOINT_SECONDS = 30                         -- between two checkpoints, unless checkpoint_every counts steps

-- A checkpoint is due every so many steps or seconds (more where the disk is so slow that saving takes a fiftieth of the time), and
-- after the last step before anything is consolidated or judged.
local function checkpoint_is_due(t)
   if is_over(t) then return true end
   if t.evaluate == "epoch" and t.step_in_task % t.steps_per_epoch == 0 then return true end
   if t.checkpoint_every then return t.step % t.checkpoint_every == 0 end
   return C.eg_clock() - t.saved_at > math.max(CHECKPOINT_SECONDS, 50 * t.save_seconds)
end

-- Between two steps all is whole: here an interrupt saves and ends the training. A point of continual evaluation waits at the end of an
-- epoch for the rule, and at that of the task for the weights that stay.
local function between_steps(t)
   if not is_over(t) and t.step_in_task % t.steps_per_epoch ~= 0 then evaluation.due(t) end
   local interrupted = core.interrupted()
   if interrupted or checkpoint_is_due(t) then checkpoint.save(t, "step") end
   if interrupted then error("interrupted", 0) end
end

local function epoch(t)
   while not stopping.ended(t) and step.advance(t) do
      t.loss_sum, t.loss_count = t.loss_sum + t.loss, t.loss_count + 1
      t.out:step(t)
      budget.step(t)
      if t.step % REPORT_EVERY == 0 then note_loss(t) end
      stopping.after_step(t)
      between_steps(t)
   end
   if stopping.after_epoch(t) then checkpoint.save(t, "step") end
   if not is_over(t) then evaluation.due(t) end
   if t.evaluate == "epoch" then t.out:accuracies(t, evaluation.row(t, evaluation.protocol(t)), "epoch") end
end

-- ---- the ends of a task -----------------------------------------------------------------------------------

-- The labels of task k must be among its active units: others would train units that no answer comes from.
local function check_labels(t, k)
   local set = t.stream[k].train
   local low, high = set.labels:min():item(), set.labels:max():item()
   local first, last = scenario.range(t.stream, k, k)
   if t.stream[k].mixed and t.stream.scenario == "task" then first, last = 1, t.stream.classes end
   if low < first or high > last then
      raise("cl.train: task %d, '%s': labels run from %d to %d, but its active units are %d to %d", k, t.stream[k].name, low, high,
         first, last)
   end
end

-- The batches of the present task. The stream's own items may stand in the order of time; what a method has mixed or kept does not.
local function loader_of(t, data)
   local in_time = t.experience.ordered and data == t.experience.train
   return require "engram.data".loader(data, { batch_size = t.batch_size, shuffle = t.shuffle and not in_time, drop_last = t.drop_last })
end

-- Makes the data of task k ready. How long it is follows from them: after a fork a method's memory may hold less than was planned with.
function task.open(t, k)
   t.task, t.experience = k, t.stream[k]
   tensor.scope(check_labels, t, k)
   local data = plan.data(t)
   t.loader = loader_of(t, data)
   local found = plan.of(t, k, data:size())
   t.steps_per_epoch, t.steps_in_task, t.epochs = found.steps_per_epoch, found.steps, found.epochs
   t.rule, t.cap, t.longest = found.rule, found.cap, found.steps
   t.model:train()
   evaluation.meet(t)
end

-- What an optimizer remembers from the task before is worth a line in the log: of the slots that there are, once a method may have reset
-- them all (its step counts are 0 then).
local function note_kept_state(t)
   if t.task < 2 then return end
   local optimizer, kept, reset, steps = t.optimizer, {}, {}, 0
   for _, count in ipairs(optimizer.counts) do steps = steps + count end
   for name in pairs((select(2, optimizer:bytes()))) do
      local anew = steps == 0 or optimizer.description.slots[name].reset
      table.insert(anew and reset or kept, name)
   end
   table.sort(kept)
   table.sort(reset)
   if #kept + #reset == 0 then return end
   warnings.note(t, "optimizer state", "optimizer %s: at a new task it keeps %s and resets %s", t.optimizer.name,
      #kept > 0 and table.concat(kept, ", ") or "nothing", #reset > 0 and table.concat(reset, ", ") or "nothing")
end

-- Begins the task that is open.
function task.begin(t)
   t.epoch, t.step_in_task, t.moved, t.weights, t.operations = 0, 0, 0, 0, nil
   stopping.begin(t)
   t.optimizer:task_begin(t.task)
   t.tracker:task_begin()
   step.hook(t, "task_begin")
   note_kept_state(t)
   budget.state(t)
   budget.begin(t)
end

-- What it computes is of the next task's budget. Where the arithmetic of the whole training is spent nothing comes after, and nothing is
-- computed for it.
local function consolidate(t)
   t.state_in_training = budget.bytes(t)
   if budget.spent(t) then return end
   local began = C.eg_clock()
   budget.close(t)
   t.doing = "consolidating"
   step.hook(t, "task_end")
   t.optimizer:task_end(t.task)
   budget.state(t)
   t.doing = "training"
   t.time.consolidation = t.time.consolidation + C.eg_clock() - began
end

-- The row of the matrix that is due now.
local function judge(t)
   if t.evaluate == "never" then return end
   t.accuracy[t.task] = evaluation.row(t, evaluation.protocol(t))
   if t.validation then t.validation[t.task] = evaluation.row(t, "validation") end
   t.out:accuracies(t, t.accuracy[t.task], "task")
end

local function finish(t)
   note_loss(t)
   stopping.finish(t)
   divergence.weights(t)
   evaluation.close(t)
   t.tracker:task_end()
   t.step_density[t.task] = t.weights > 0 and t.moved / t.weights or 0
   consolidate(t)
   judge(t)
   checkpoint.save(t, "task")
   for _, experience in ipairs(t.stream) do experience:release_but(t.present) end
end

-- Task k; with `place`, from there within its present epoch.
function task.run(t, k, place)
   task.open(t, k)
   if place then
      t.loader:load_state(place)
      stopping.go_on(t)
      budget.step(t)
   else
      task.begin(t)
      if t.evaluate_every then evaluation.point(t) end
   end
   local first = place and t.epoch or 1
   for e = first, t.epochs do
      if e > first and is_over(t) then break end
      t.epoch = e
      epoch(t)
   end
   t.loader:release()
   finish(t)
end

-- Task k of a training whose arithmetic is spent: it is judged as it is met, untrained, so that budgets are compared over whole streams.
function task.pass(t, k)
   t.task, t.experience = k, t.stream[k]
   judge(t)
   t.experience:release_but(t.present)
end

return task
