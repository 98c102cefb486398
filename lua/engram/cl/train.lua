-- cl/train.lua: trains a model over a stream and returns what there is to know of it. All that a training knows is in one table, t, which
-- the hooks see too. One step is in step.lua, one task in task.lua, evaluation in evaluation.lua.
local budget = require "engram.cl.budget"
local checkpoint = require "engram.cl.checkpoint"
local core = require "engram.core"
local tensor = require "engram.tensor"
local random = require "engram.random"
local evaluation = require "engram.cl.evaluation"
local guard = require "engram.cl.guard"
local plan = require "engram.cl.plan"
local metrics = require "engram.cl.metrics"
local options = require "engram.cl.options"
local rehearsal = require "engram.cl.rehearsal"
local report = require "engram.cl.report"
local result_of = require "engram.cl.result"
local settings = require "engram.settings"
local seal = require "engram.cl.seal"
local step = require "engram.cl.step"
local stopping = require "engram.cl.stopping"
local task = require "engram.cl.task"
local warnings = require "engram.cl.warnings"
local C, raise = core.C, core.raise

-- ---- the state of a training ------------------------------------------------------------------------------

-- What long loops call now and then: it keeps the status fresh, where there is a run's, and raises at an interrupt.
local function poller(t)
   return function()
      if t.out then t.out:alive(t) end
      if core.interrupted() then error("interrupted", 0) end
   end
end

local function count_steps(t)
   local total = 0
   for k, experience in ipairs(t.stream) do
      local found = plan.of(t, k)
      if found.steps == 0 then
         raise("cl.train: task '%s' has %d items, less than a batch of %d, and drop_last leaves none of them", experience.name,
            found.items, t.batch_size)
      end
      total = total + found.steps
      t.open = t.open or found.open                   -- the total is then the most it can be
   end
   return total
end

local function empty_matrix(t, part)
   local names, items = {}, {}
   local recurring
   for k, experience in ipairs(t.stream) do
      names[k], items[k] = experience.name, experience:items(part)
      recurring = recurring or experience.again
   end
   local matrix = metrics.matrix(names)
   matrix.items, matrix.scenario, matrix.recurring = items, t.stream.scenario, recurring
   return matrix
end

local function tracker_of(model)
   local names, parameters = {}, {}
   for name, p in model:named_parameters() do names[#names + 1], parameters[#parameters + 1] = name, p end
   return metrics.tracker(parameters, names)
end

local function begin(given)
   local t = options.check(given)
   seal.begin(t)
   if t.seed then random.seed(t.seed) end
   t.given, t.model, t.optimizer, t.make_model, t.moving, t.unmoved = given, options.make(given)
   t.parameters, t.poll, t.losses = t.model:parameters(), poller(t), {}
   t.task, t.epoch, t.step, t.step_in_task, t.loss_sum, t.loss_count = 0, 0, 0, 0, 0, 0
   t.idle, t.largest_loss = 0, 0
   t.doing, t.save_seconds, t.mark = "training", 0, {}        -- the mark: whose state a method holds
   stopping.check(t)
   t.total_steps, t.present, t.stopped = count_steps(t), t.stream:present(), {}
   t.accuracy, t.step_density, t.tracker = empty_matrix(t, seal.part(t)), {}, tracker_of(t.model)
   t.validation, t.looks = t.evaluate_on == "both" and empty_matrix(t, "validation") or nil, 0
   t.continual, t.arithmetic, t.arithmetic_before, t.count = t.evaluate_every and {}, 0, 0, step.counter(t)
   t.time = { evaluation = 0, continual = 0, consolidation = 0 }
   return t
end

-- Labels that the model has no output for are an error before anything is trained.
local function check_outputs(t)
   local scenario, classes = t.stream.scenario, t.stream.classes
   tensor.scope(function()
      local first = t.stream[1].train
      t.model:eval()
      local output = require "engram".no_grad(function() return t.model((first:batch{ 1 })) end)
      t.model:train()
      if output:dim() == 2 and output:size(2) < classes then
         raise("cl.train: the model has %d outputs, but the stream has %d classes%s", output:size(2), classes,
            scenario == "domain" and "" or (": the %s scenario needs a unit for each class of all tasks"):format(scenario))
      elseif output:dim() ~= 2 and scenario ~= "domain" then
         raise("cl.train: the %s scenario needs outputs (items, units), the model gives %s", scenario, tensor.shape_text(output))
      end
   end)
   t.stream[1]:release_but(t.present)
end

-- ---- from beginning to end ---------------------------------------------------------------------------------

local training_of = setmetatable({}, { __mode = "k" })       -- result -> t, for cl.fork

-- The result of a training that ended or was cut short, after its files are written.
local function finish(t, complete, message)
   for _, experience in ipairs(t.stream) do experience:release_but(t.present) end
   local result = result_of(t)
   t.out:finish(t, result, complete, message)
   t.random_state = random.state()
   training_of[result] = t
   return result
end

-- Accuracies before any training, for forward transfer; where that is not defined, or not all tasks are evaluated, they are not measured.
local function measure_initial(t)
   if t.evaluate == "never" or t.evaluate_tasks ~= "all" or t.stream.scenario == "class" then return end
   t.accuracy.initial = evaluation.row(t, evaluation.protocol(t))
   if t.validation then t.validation.initial = evaluation.row(t, "validation") end
end

-- What a training says of itself when it begins.
local function introduce(t)
   t.out:stream(t)
   guard.begin(t)
   for _, unused in ipairs(options.unused(t.given, t)) do
      warnings.once(t, "unused " .. unused[1], "cl.train: %s has no effect: %s", unpack(unused))
   end
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
   if phase then return phase end
   warnings.flush(t)
   introduce(t)
   if point then
      phase = point:start(t)
      t.out:forked(t.forked_from)
      checkpoint.save(t, phase)
      return phase
   end
   step.hook(t, "begin")
   return "begin"
end

local function train_from(t, phase)
   if phase == "finished" then return end
   if phase == "begin" then measure_initial(t) end
   if phase == "step" then task.run(t, t.task, t.place) end
   for k = t.task + 1, #t.stream do
      if budget.spent(t) then task.pass(t, k) else task.run(t, k) end
   end
   if t.protocol == "both" then t.published = evaluation.row(t, "published") end
   checkpoint.save(t, "finished")
end

-- `engram run --dry-run`: a few steps of the first task are timed, no more.
local function rehearse(t)
   check_outputs(t)
   for _, method in ipairs(t.methods) do method:allocate(t.parameters) end
   step.hook(t, "begin")
   t.evaluate_every = nil
   task.open(t, 1)
   task.begin(t)
   t.epoch = 1
   return rehearsal.of(t, function() return step.advance(t) end)
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

-- train{ model =, stream =, optimizer =, ... } -> { accuracy, metrics, validation, test_looks, continual, bytes, steps, losses, seconds,
-- time, arithmetic, budget, penalty_share, hash, stream_hash, model, optimizer, folder }; options and fields are told in
-- docs/training.md. Raises when the loss is no longer finite. `point` is cl.fork's: where to start.
local function train(given, point)
   settings.check_used()
   local t = begin(given)
   if rehearsal.wanted then rehearse(t) end
   t.started, t.saved_at, t.out = C.eg_clock(), C.eg_clock(), report.open(t)
   C.eg_interrupt_trap(1)                              -- we poll; and what is left to do after an interrupt must not fail by it
   local ok, result = pcall(run, t, point)
   C.eg_interrupt_trap(0)
   if not ok then error(result, 0) end
   return result
end

return { train = train, training_of = training_of }
