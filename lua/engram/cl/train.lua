-- cl/train.lua: trains a model over a stream and returns what there is to know of it.
--
-- One step: batch -> model -> loss (and the methods' terms) -> backward -> the methods edit gradients -> optimizer -> the scope ends
-- and every temporary goes back to the pool. All that the loop knows is in one table, t, which the hooks see too.
local checkpoint = require "engram.cl.checkpoint"
local core = require "engram.core"
local tensor = require "engram.tensor"
local random = require "engram.random"
local metrics = require "engram.cl.metrics"
local options = require "engram.cl.options"
local rehearsal = require "engram.cl.rehearsal"
local report = require "engram.cl.report"
local result_of = require "engram.cl.result"
local scenario = require "engram.cl.scenario"
local warnings = require "engram.cl.warnings"
local C, raise = core.C, core.raise

-- ---- the state of a training ------------------------------------------------------------------------------

-- What long loops call now and then: it keeps the status fresh, and raises at an interrupt.
local function poller(t)
   return function()
      t.out:alive(t)
      if core.interrupted() then error("interrupted", 0) end
   end
end

local function begin(given)
   local t = options.check(given)
   if t.seed then random.seed(t.seed) end
   t.given, t.model, t.optimizer, t.make_model = given, options.make(given)
   t.parameters, t.poll, t.losses, t.total_steps = t.model:parameters(), poller(t), {}, 0
   t.task, t.epoch, t.step, t.step_in_task, t.loss_sum, t.loss_count = 0, 0, 0, 0, 0, 0
   t.doing, t.save_seconds, t.mark = "training", 0, {}        -- the mark: whose state a method holds
   for _, experience in ipairs(t.stream) do
      local steps = experience:items "train" / t.batch_size
      steps = t.drop_last and math.floor(steps) or math.ceil(steps)
      if steps == 0 then
         raise("cl.train: task '%s' has %d items, less than a batch of %d, and drop_last leaves none of them", experience.name,
            experience:items "train", t.batch_size)
      end
      t.total_steps = t.total_steps + experience.epochs * steps
   end
   return t
end

local function hook(t, name)
   for _, method in ipairs(t.methods) do
      local f = method[name]
      if f then f(method, t) end
   end
end

-- Labels that the model has no output for are an error before anything is trained.
local function check_outputs(t)
   tensor.scope(function()
      local first = t.stream[1].train
      t.model:eval()
      local output = require "engram".no_grad(function() return t.model((first:batch{ 1 })) end)
      t.model:train()
      if output:dim() == 2 and output:size(2) < t.stream.classes then
         raise("cl.train: the model has %d outputs, but the stream has %d classes%s", output:size(2), t.stream.classes,
            t.stream.scenario == "domain" and "" or (": the %s scenario needs a unit for each class of all tasks"):format(t.stream.scenario))
      end
   end)
end

-- ---- one step ---------------------------------------------------------------------------------------------

local function diverged(t, how)
   raise("cl.train: diverged: %s at step %d (task %d, epoch %d) with %s: try a smaller lr, or look for bad values in the data", how,
      t.step, t.task, t.epoch, tostring(t.optimizer))
end

local function check_loss(t)
   if t.loss - t.loss ~= 0 then diverged(t, t.loss ~= t.loss and "the loss is not a number" or "the loss is infinite") end
end

-- The last step of a task has no loss after it that would tell.
local function check_weights(t)
   tensor.scope(function()
      for _, p in ipairs(t.parameters) do
         if not p:detach():isfinite():all() then diverged(t, "a weight is not finite") end
      end
   end)
end

local function add_terms(t, loss)
   for _, method in ipairs(t.methods) do
      local term = method.loss and method:loss(t)
      if term then loss = loss + term end
   end
   return loss
end

local function one_step(t)
   t.optimizer:zero_grad()
   t.logits = t.model(t.x)
   local loss = scenario.loss(t, t.logits, t.y, t.task)
   t.loss = loss:item()
   check_loss(t)
   add_terms(t, loss):backward()
   hook(t, "gradients")
   t.optimizer:step(t)
   hook(t, "after_step")
   t.moved, t.weights = t.moved + t.optimizer.moved, t.weights + t.optimizer.weights
   if t.on_step then t.on_step(t) end
end

-- The next batch of the loader, trained on inside a scope; false at the end of the epoch.
local function advance(t)
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

-- ---- epochs, tasks, evaluation ----------------------------------------------------------------------------

-- Accuracy on every task of the stream: by protocol "test" in evaluation mode on the test sets, by "published" on the training
-- sets with dropout on.
local function evaluate(t, protocol)
   local row = {}
   local before = t.doing
   t.doing = "evaluating"
   C.eg_pool_trim()                                   -- evaluation and training have no use for each other's sizes of blocks
   for j, experience in ipairs(t.stream) do
      local published = protocol == "published"
      row[j] = metrics.accuracy(t.model, published and experience.train or experience.test,
         { training = published, batch_size = t.evaluate_batch_size, poll = t.poll,
            answers = function(logits) return scenario.answers(t.stream, logits, j, t.task) end })
   end
   C.eg_pool_trim()
   t.doing = before
   return row
end

-- The protocol of the matrix.
local function matrix_protocol(t) return t.protocol == "published" and "published" or "test" end

local REPORT_EVERY = 100                              -- steps between two lines of metrics.jsonl

-- Notes the mean loss since the last note.
local function note_loss(t)
   if t.loss_count == 0 then return end
   local loss = t.loss_sum / t.loss_count
   t.losses[#t.losses + 1] = { step = t.step, loss = loss }
   t.out:losses(t, loss)
   t.loss_sum, t.loss_count = 0, 0
end

local CHECKPOINT_SECONDS = 30                         -- between two checkpoints, unless checkpoint_every counts steps

-- A checkpoint is due every so many steps or seconds (more where the disk is so slow that saving takes a twentieth of the time), and
-- after the last step before anything is consolidated or judged.
local function checkpoint_is_due(t)
   if t.step_in_task == t.steps_in_task then return true end
   if t.evaluate == "epoch" and t.step_in_task % t.steps_per_epoch == 0 then return true end
   if t.checkpoint_every then return t.step % t.checkpoint_every == 0 end
   return C.eg_clock() - t.saved_at > math.max(CHECKPOINT_SECONDS, 20 * t.save_seconds)
end

-- Between two steps all is whole: here an interrupt saves and ends the training.
local function between_steps(t)
   local interrupted = core.interrupted()
   if interrupted or checkpoint_is_due(t) then checkpoint.save(t, "step") end
   if interrupted then error("interrupted", 0) end
end

local function epoch(t)
   while advance(t) do
      t.loss_sum, t.loss_count = t.loss_sum + t.loss, t.loss_count + 1
      t.out:step(t)
      if t.step % REPORT_EVERY == 0 then note_loss(t) end
      between_steps(t)
   end
   if t.evaluate == "epoch" then t.out:accuracies(t, evaluate(t, matrix_protocol(t)), "epoch") end
end

local function open_task(t, k)
   t.task, t.experience = k, t.stream[k]
   t.loader = require "engram.data".loader(t.experience.train,
      { batch_size = t.batch_size, shuffle = t.shuffle, drop_last = t.drop_last })
   t.steps_per_epoch = t.loader.steps
   t.steps_in_task = t.loader.steps * t.experience.epochs
   t.model:train()
end

local function begin_task(t)
   t.epoch, t.step_in_task, t.moved, t.weights = 0, 0, 0, 0
   t.optimizer:task_begin(t.task)
   t.tracker:task_begin()
   hook(t, "task_begin")
end

-- Task k; with `place`, from there within its present epoch.
local function task(t, k, place)
   open_task(t, k)
   if place then t.loader:load_state(place) else begin_task(t) end
   for e = place and t.epoch or 1, t.experience.epochs do
      t.epoch = e
      epoch(t)
   end
   note_loss(t)
   check_weights(t)
   t.tracker:task_end()
   t.step_density[k] = t.weights > 0 and t.moved / t.weights or 0
   t.doing = "consolidating"
   hook(t, "task_end")
   t.optimizer:task_end(k)
   t.doing = "training"
   if t.evaluate ~= "never" then
      t.accuracy[k] = evaluate(t, matrix_protocol(t))
      t.out:accuracies(t, t.accuracy[k], "task")
   end
   checkpoint.save(t, "task")
end

-- ---- from beginning to end ---------------------------------------------------------------------------------

local training_of = setmetatable({}, { __mode = "k" })       -- result -> t, for cl.fork

-- The result of a training that ended or was cut short, after its files are written.
local function finish(t, complete, message)
   local result = result_of(t)
   t.out:finish(t, result, complete, message)
   t.random_state = random.state()
   training_of[result] = t
   return result
end

-- Comes to where the training begins: its checkpoint, the point it is forked from, or the very beginning; the phase it is in then.
local function start(t, point)
   tensor.collect()                                   -- what trainings before left
   check_outputs(t)
   for _, method in ipairs(t.methods) do
      method:allocate(t.parameters)
      method.owner = t.mark
   end
   local phase = t.out:repeats() and checkpoint.resume(t)
   if phase == "finished" then return phase end
   t.out:go_on()
   warnings.flush(t)
   if phase then return phase end
   if point then
      phase = point:start(t)
      t.out:forked(t.forked_from)
      checkpoint.save(t, phase)
      return phase
   end
   hook(t, "begin")
   return "begin"
end

local function train_from(t, phase)
   if phase == "finished" then return end
   if phase == "step" then task(t, t.task, t.place) end
   for k = t.task + 1, #t.stream do task(t, k) end
   if t.protocol == "both" then t.published = evaluate(t, "published") end
   checkpoint.save(t, "finished")
end

-- `engram run --dry-run`: a few steps of the first task are timed, no more.
local function rehearse(t)
   check_outputs(t)
   for _, method in ipairs(t.methods) do method:allocate(t.parameters) end
   hook(t, "begin")
   open_task(t, 1)
   begin_task(t)
   t.epoch = 1
   return rehearsal.of(t, function() return advance(t) end)
end

-- A training that cannot start leaves its folder's files as they are; one that has started writes them whatever happens.
local function run(t, point)
   local phase = start(t, point)
   local ok, message = pcall(train_from, t, phase)
   local ended, result = pcall(finish, t, ok, message)
   if not ok then error(message, 0) end
   if not ended then error(result, 0) end
   return result
end

-- train{ model =, stream =, optimizer =, ... } -> { accuracy, metrics, bytes, steps, losses, seconds, hash, stream_hash, model,
-- optimizer, folder }; options and fields are told in docs/training.md. Raises when the loss is no longer finite. `point` is
-- cl.fork's: where to start.
local function train(given, point)
   local t = begin(given)
   local names = {}
   for i, experience in ipairs(t.stream) do names[i] = experience.name end
   t.accuracy, t.step_density, t.tracker = metrics.matrix(names), {}, metrics.tracker(t.parameters)
   if rehearsal.wanted then rehearse(t) end
   t.started, t.saved_at, t.out = C.eg_clock(), C.eg_clock(), report.open(t)
   C.eg_interrupt_trap(1)                              -- we poll; and what is left to do after an interrupt must not fail by it
   local ok, result = pcall(run, t, point)
   C.eg_interrupt_trap(0)
   if not ok then error(result, 0) end
   return result
end

return { train = train, training_of = training_of }
