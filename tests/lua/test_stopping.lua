-- test_stopping.lua: rules that end a task: when each does, what it looks at, caps, restored weights, and what a run tells of it.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, schedule, cl = engram.nn, engram.optim, engram.schedule, engram.cl
local stop = schedule.stop
local test, expect = t.test, t.expect

-- ---- rules alone ------------------------------------------------------------------------------------------

-- When a rule ends a task whose epochs (of 3 steps) have these figures: a list, one a step, with figures by name; nil for never.
local function ends(rule, figures)
   local memory, kept = {}, {}
   for i, known in ipairs(figures) do
      local epoch = math.ceil(i / 3)
      local now = { t = { epoch = epoch, step_in_task = i }, figure = function(name) return known[name] end,
         keep = function() kept[#kept + 1] = epoch end, saw = function() end }
      local why = rule.check(memory, now, "step") or (i % 3 == 0 and rule.check(memory, now, "epoch")) or nil
      if why then return i, why, kept end
   end
end

-- The same figure in all three steps of each epoch.
local function by_epoch(name, values)
   local list = {}
   for _, value in ipairs(values) do
      for _ = 1, 3 do list[#list + 1] = { [name] = value } end
   end
   return list
end

test("each rule ends where it should", function()
   local batches = { { ["batch loss"] = 3 }, { ["batch loss"] = 1 }, { ["batch loss"] = 2 }, { ["batch loss"] = 2 }, { ["batch loss"] = 2 },
      { ["batch loss"] = 0.5 } }
   expect({ ends(stop.loss(1, { of = "batch", each = "step" }), batches) }):equals{ 2, "batch loss 1 is at most 1", {} }
   expect({ ends(stop.loss(1, { of = "batch" }), batches) }):equals{ 6, "batch loss 0.5 is at most 1", {} }
   expect((ends(stop.loss(0.5), by_epoch("epoch loss", { 2, 0.51, 0.5 })))):equals(9)
   expect((ends(stop.loss(0.5, { of = "validation" }), by_epoch("validation loss", { 0.4 })))):equals(3)
   expect((ends(stop.accuracy(90), by_epoch("train accuracy", { 89.9, 90 })))):equals(6)
   expect((ends(stop.accuracy(90, { of = "validation" }), by_epoch("validation accuracy", { 89.9, 91 })))):equals(6)
   expect({ ends(stop.epochs(2), by_epoch("x", { 0, 0, 0 })) }):equals{ 6, "2 epochs", {} }
   expect({ ends(stop.steps(4), by_epoch("x", { 0, 0 })) }):equals{ 4, "4 steps", {} }
   expect({ ends(stop.when(function(now) return now.epoch == 2 end), by_epoch("x", { 0, 0 })) }):equals{ 6, "the function says so", {} }
   expect((ends(stop.when(function(now) return now.step_in_task == 2 and "two" end, { each = "step" }), by_epoch("x", { 0 })))):equals(2)
   expect(ends(stop.loss(0.5), by_epoch("epoch loss", { 2, 1 }))):is_nil()
end)

test("patience counts epochs since the best, and a gain must be more than min_delta", function()
   local losses = by_epoch("validation loss", { 5, 4, 4.5, 4, 3.5, 3.4, 3.45, 3.3 })
   local at, why, kept = ends(stop.patience(2, { restore = true }), losses)
   expect({ at, kept }):equals{ 12, { 1, 2 } }
   expect(why):equals "validation loss was no better than 4, of epoch 2, for 2 epochs"
   expect((ends(stop.patience(3), losses))):is_nil()
   expect((ends(stop.patience(3, { min_delta = 0.6 }), losses))):equals(15)         -- 5, 4; 3.5 is no gain of more than 0.6
   expect((ends(stop.patience(1, { figure = "accuracy" }), by_epoch("validation accuracy", { 50, 60, 60 })))):equals(9)
   expect((ends(stop.patience(1, { of = "epoch" }), by_epoch("epoch loss", { 1, 2 })))):equals(6)
   expect((ends(stop.patience(1, { figure = "accuracy", of = "train" }), by_epoch("train accuracy", { 2, 1 })))):equals(6)
end)

test("the first of several ends the task, and each remembers its own", function()
   local figures = by_epoch("epoch loss", { 5, 6, 6, 6 })
   for i, known in ipairs(figures) do known["validation loss"] = 10 - i end
   local rule = stop.first_of{ stop.patience(5), stop.patience(2, { of = "epoch" }), stop.epochs(4) }
   expect({ ends(rule, figures) }):equals{ 9, "epoch loss was no better than 5, of epoch 1, for 2 epochs", {} }
   expect((ends(stop.first_of{ stop.loss(1), stop.first_of{ stop.steps(5) } }, figures))):equals(5)
end)

test("where one of several ends the task, the others have seen its last epoch", function()
   local rule = stop.first_of{ stop.epochs(2), stop.patience(5, { restore = true }) }
   local at, why, kept = ends(rule, by_epoch("validation loss", { 5, 4 }))
   expect({ at, why, kept }):equals{ 6, "2 epochs", { 1, 2 } }
end)

test("how long a rule can take", function()
   expect({ stop.longest(stop.epochs(4), 10) }):equals{ 40 }
   expect({ stop.longest(stop.steps(4), 10) }):equals{ 4 }
   expect({ stop.longest(stop.loss(1), 10) }):equals{ 1000, "max_epochs = 100" }
   expect({ stop.longest(stop.loss(1, { max_epochs = 3, max_steps = 25 }), 10) }):equals{ 25, "max_steps = 25" }
   expect({ stop.longest(stop.first_of{ stop.loss(1, { max_epochs = 7 }), stop.epochs(9) }, 10) }):equals{ 70, "max_epochs = 7" }
   expect({ stop.longest(stop.first_of{ stop.loss(1), stop.steps(15), max_epochs = 9 }, 10) }):equals{ 15 }
   expect({ stop.longest(stop.first_of{ stop.loss(1, { max_epochs = 7 }), max_epochs = 9 }, 10) }):equals{ 70, "max_epochs = 7" }
end)

test("rules print as what they are, and plain data describe them", function()
   local function same(plain, text) expect(tostring(stop.of(plain))):equals(text) end
   same({ loss = 0.005, of = "batch", each = "step", max_epochs = 20 }, "loss(0.005, of batch, each step, max_epochs 20)")
   same({ accuracy = 95 }, "accuracy(95, of train)")
   same({ patience = 3, figure = "accuracy", min_delta = 0.1, restore = true }, "patience(3, validation accuracy, min_delta 0.1, restore)")
   same({ epochs = 3 }, "epochs(3)")
   same({ first_of = { { loss = 1 }, { steps = 9 } }, max_steps = 5 }, "first_of(loss(1, of epoch), steps(9), max_steps 5)")
   local plain = { per_task = { { loss = 1 }, false, { epochs = 2 } } }
   expect(tostring(schedule.of(plain))):equals "per_task{loss(1, of epoch), false, epochs(2)}"
   expect(tostring(schedule.of{ loss = 1, max_steps = 3 })):equals "loss(1, of epoch, max_steps 3)"
   local rule = stop.epochs(1)
   expect(stop.of(rule) == rule and stop.is_rule(rule) and not stop.is_rule{}):is_true()
end)

test("wrong rules", function()
   local function raises(f, text) expect(f):raises(text) end
   raises(function() stop.epochs(3, { max_epochs = 9 }) end, "schedule.stop.epochs: takes no options, got a table: it ends the task itself")
   raises(function() stop.steps(3, 9) end, "schedule.stop.steps: takes no options, got 9")
   raises(function() stop.first_of({ stop.loss(1) }, { max_epochs = 9 }) end, "first_of: takes no options, got a table: caps stand among")
   raises(function() stop.loss(-1) end, "schedule.stop.loss: the value must be a number of at least 0, got -1")
   raises(function() stop.loss(0 / 0) end, "the value must be a number of at least 0, got")
   raises(function() stop.loss(math.huge) end, "the value must be finite")
   raises(function() stop.loss "1" end, "got string")
   raises(function() stop.loss(1, 20) end, "options must be a table, as { max_epochs = 20 }")
   raises(function() stop.loss(1, { off = "batch" }) end, "unknown option 'off', did you mean 'of'?")
   raises(function() stop.loss(1, { of = "bach" }) end, "of must be 'epoch' or 'batch' or 'validation', got 'bach', did you mean 'batch'?")
   raises(function() stop.loss(1, { each = "step" }) end, "each = 'step' is for of = 'batch'; the loss of the epoch is known after each")
   raises(function() stop.loss(1, { max_epochs = 0 }) end, "max_epochs must be a whole number of at least 1")
   raises(function() stop.accuracy(101) end, "the percentage must be a number from 0 to 100, got 101")
   raises(function() stop.accuracy(0.95) end, "0.95 is 0.95 %: accuracies are in percent, give 95 for that fraction")
   raises(function() stop.patience(0) end, "epochs must be a whole number of at least 1")
   raises(function() stop.patience(1, { of = "train" }) end, "of must be 'validation' or 'epoch', got 'train'")
   raises(function() stop.patience(1, { min_delta = -1 }) end, "min_delta must be a number of at least 0")
   raises(function() stop.patience(1, { restore = 1 }) end, "restore must be true or false, got number")
   raises(function() stop.epochs(1.5) end, "n must be a whole number")
   raises(function() stop.when(3) end, "expected a function of t, got number")
   raises(function() stop.first_of{} end, "expected a list of rules")
   raises(function() stop.first_of{ stop.epochs(1), 3 } end, "item 2 is no rule but a number")
   raises(function() stop.first_of{ stop.patience(1, { restore = true }), stop.patience(2, { restore = true }) } end, "leave it to one")
   raises(function() stop.first_of{ stop.epochs(1), most = 3 } end, "unknown option 'most'")
   raises(function() stop.of{ lose = 1 } end, "none of epochs, steps, loss, accuracy, patience, first_of is named, did you mean 'loss'?")
   raises(function() stop.of{ loss = 1, epochs = 3 } end, "both epochs and loss are named: first_of takes a list of rules")
   raises(function() stop.of{ epochs = 3, of = "batch" } end, "unknown option 'of'")
   raises(function() stop.of(3) end, "expected a rule or a table, got number")
end)

-- ---- in a training ----------------------------------------------------------------------------------------

local function items(name, count)
   local images = engram.randn(count, 8, { stream = name })
   return engram.data.dataset{ name = name, images = images, labels = images:sum(2):gt(0):long() + 1, classes = 2 }
end

local function set(name)
   engram.seed(5)
   return { name = name, train = items(name, 45), test = items(name .. " test", 20), validation = items(name .. " validation", 15) }
end

local function train(options)
   options.seed, options.batch_size = 3, 10
   options.model = options.model or function() return nn.Sequential{ nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 2) } end
   options.optimizer = options.optimizer or function(model) return optim.SGD(model, { lr = 0.1, momentum = 0.9 }) end
   return cl.train(options)
end

local function one(rule, options) return cl.stream{ cl.task(set "a", options or { stop = rule }) } end

test("a task that its rule ends has the bits of one with as many epochs, and says why it ended", function()
   local run = train{ stream = one(stop.loss(0.3)) }
   local record = run.stopped[1]
   expect({ record.task, record.name, record.by, record.rule }):equals{ 1, "a", "rule", "loss(0.3, of epoch)" }
   expect({ record.steps, run.steps }):equals{ 5 * record.epochs, 5 * record.epochs }
   expect(record.epochs):above(1)
   expect(record.why):contains "is at most 0.3"
   local plain = train{ stream = one(nil, { epochs = record.epochs }) }
   expect({ plain.hash, plain.stopped }):equals{ run.hash }
end)

test("epoch losses, batch losses and measured figures are what they are called", function()
   local losses, sums, seen = {}, {}, nil
   train{ stream = one(stop.when(function(now)
      seen = now.loss
      return now.epoch == 2
   end)), on_step = function(now) losses[#losses + 1] = now.loss end }
   expect({ #losses, losses[10] }):equals{ 10, seen }
   for epoch = 1, 2 do
      local sum = 0
      for i = 5 * epoch - 4, 5 * epoch do sum = sum + losses[i] end
      sums[epoch] = sum / 5
   end
   expect(sums[2]):below(sums[1])
   local first = train{ stream = one(stop.loss((sums[1] + sums[2]) / 2)) }
   expect({ first.stopped[1].epochs, first.stopped[1].why }):equals{ 2,
      ("epoch loss %.4g is at most %g"):format(sums[2], (sums[1] + sums[2]) / 2) }
   local function measured(rule) return tonumber((train{ stream = one(rule) }).stopped[1].why:match ": .- ([%d.]+)$") end
   local run = train{ stream = one(nil, { epochs = 2 }) }
   local own = set "a"
   run.model:eval()
   local logits = run.model(own.validation.images)
   expect(measured(stop.loss(0, { of = "validation", max_epochs = 2 }))):close_to(
      nn.cross_entropy(logits, own.validation.labels):item(), 1e-3)
   expect(measured(stop.accuracy(100, { of = "validation", max_epochs = 2 }))):close_to(
      cl.metrics.accuracy(run.model, own.validation), 1e-2)
   expect(measured(stop.accuracy(100, { max_epochs = 2 }))):close_to(cl.metrics.accuracy(run.model, own.train), 1e-2)
end)

test("the accuracy on a blurred task's items is that on items of its own units, where its units are known", function()
   local function points(name)
      return engram.data.dataset{ name = name, images = engram.randn(20, 3, { stream = name }), classes = 2,
         labels = engram.randint(1, 2, 20, { stream = name }) }
   end
   local blurred = cl.streams.blur(cl.stream{ cl.task(points "left"), cl.task(points "right"), scenario = "task" }, { width = 0.5 })
   local run = cl.train{ model = function() return nn.Linear(3, 4) end, optimizer = function(m) return optim.SGD(m, { lr = 1 }) end,
      seed = 1, stream = blurred, protocol = "published", stop = stop.accuracy(100, { max_epochs = 1 }) }
   local whole = blurred[2].train
   local own = whole:subset(whole.labels:gt(2):nonzero())
   expect(own:size() < whole:size()):is_true()
   local percent = cl.metrics.accuracy(run.model, own, { answers = function(logits) return cl.scenario.answers(blurred, logits, 2) end })
   expect(run.stopped[2].why):equals(("max_epochs = 1: train accuracy %.4g"):format(percent))
   expect(run.accuracy[2][2]):equals(percent)
end)

test("an epoch that a rule ends with its last step is whole: the best weights may be those", function()
   local run = train{ stop = stop.first_of{ stop.steps(10), stop.patience(5, { of = "epoch", restore = true }) }, stream = one() }
   local record = run.stopped[1]
   expect({ record.why, record.epochs, record.restored_epoch }):equals{ "10 steps", 2, 2 }
end)

test("what is measured for a rule changes nothing in the training", function()
   local watched = train{ stream = one(stop.first_of{ stop.loss(0, { of = "validation" }), stop.accuracy(100, { of = "validation" }),
      stop.patience(50, { figure = "accuracy", of = "train", restore = false }), stop.epochs(3) }) }
   expect(watched.hash):equals(train{ stream = one(nil, { epochs = 3 }) }.hash)
end)

test("patience may bring back the best weights", function()
   local function run(restore)
      return train{ stream = one(stop.patience(3, { restore = restore, max_epochs = 40 })), optimizer = function(model)
         return optim.SGD(model, { lr = 0.5, momentum = 0.9 })
      end }
   end
   local last, best = run(false), run(true)
   local at = best.stopped[1].restored_epoch
   expect({ last.stopped[1].epochs, last.stopped[1].restored_epoch }):equals{ at + 3 }
   local until_best = train{ stream = one(nil, { epochs = at }), optimizer = function(model)
      return optim.SGD(model, { lr = 0.5, momentum = 0.9 })
   end }
   expect({ best.hash, last.hash == best.hash }):equals{ until_best.hash, false }
end)

-- Two tasks: the first ends with the weights of its best epoch, or after so many epochs.
local function restored(method, epochs, on_step)
   local stream = cl.stream{ cl.task(set "a", epochs and { epochs = epochs } or
      { stop = stop.patience(3, { restore = true, max_epochs = 40 }) }), cl.task(set "b") }
   return train{ stream = stream, method = method, evaluate_every = 3, evaluate_items = 40, on_step = on_step,
      model = function() return nn.Sequential{ nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 2) } end,
      optimizer = function(model) return optim.SGD(model, { lr = 0.5, momentum = 0.9 }) end }
end

test("the last point of a task describes the weights that stay", function()
   local best = restored()
   local at = best.stopped[1].restored_epoch
   local function last_of(run)
      local last
      for i, point in ipairs(run.continual) do
         expect(i == 1 or point.step > run.continual[i - 1].step or point.step_in_task == 0):is_true()
         if point.task == 1 then last = point end
      end
      return last
   end
   local found, plain = last_of(best), last_of(restored(nil, at))
   expect({ found.step_in_task, plain.step_in_task }):equals{ best.stopped[1].steps, 5 * at }
   expect(found.accuracy):equals(plain.accuracy)
   expect(last_of(restored(nil, best.stopped[1].epochs)).accuracy):differs_from(plain.accuracy)
end)

test("what methods keep of the weights goes back with them: SI's path, and the importances of it", function()
   local function importances(epochs)
      local list = {}
      local run = restored(cl.methods.SI{}, epochs, function(now)
         if now.task == 2 and #list == 0 then
            for i, found in ipairs(now.methods[1].importance[1]) do list[i] = found:tolist() end
         end
      end)
      return list, run
   end
   local found, run = importances()
   expect(run.stopped[1].restored_epoch):below(run.stopped[1].epochs)
   expect(found):equals((importances(run.stopped[1].restored_epoch)))
end)

local KILLED = [[
local engram = require "engram"
local nn, optim, cl, stop = engram.nn, engram.optim, engram.cl, engram.schedule.stop
engram.settings{}
local rule = stop.patience(3, { restore = true, min_delta = 0.3, max_epochs = 8 })
local function task() return cl.task("glyphs/digits", { limit = 64, test_limit = 20, validation = 0.3, stop = rule }) end
local run = cl.train{ seed = 3, batch_size = 10, checkpoint_every = 2, evaluate_every = 5, evaluate_items = 40, name = "one",
   stream = cl.stream{ task(), task() }, method = cl.methods.SI{},
   model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
   optimizer = function(model) return optim.SGD(model, { lr = 0.05 }) end }
local points = {}
for i, point in ipairs(run.continual) do points[i] = { point.step, point.task, point.accuracy } end
print(engram.json.encode{ run.hash, points, run.stopped })
]]

test("killed where the rule has spoken, or before, and resumed: the same points and weights", function()
   local folder = t.temporary_folder(true)
   t.write(folder .. "/killed.lua", KILLED)
   local function sh(line) return t.command(("cd %s && %s"):format(t.quote(folder), line), 100) end
   local code, whole = sh "engram run --quiet --runs whole killed.lua"
   expect(code):equals(0)
   expect(whole):contains "restored_epoch"
   for _, rename in ipairs{ 3, 11, 14, 24 } do
      local runs = "cut" .. rename
      expect((sh(("ENGRAM_FAULT=rename@/one/ckpt:%d:KILL engram run --quiet --runs %s killed.lua"):format(rename, runs)))):equals(137)
      local resumed, out = sh(("engram resume --quiet $(ls -d %s/killed/*)"):format(runs))
      expect({ resumed, out }):equals{ 0, whole }
   end
end)

test("a cap tells how far the rule had come, and since when it was not looked at", function()
   local function why(rule) return train{ stream = one(rule) }.stopped[1].why end
   expect(why(stop.loss(0, { max_steps = 3 }))):equals "max_steps = 3: never looked at"
   expect(why(stop.loss(0, { max_steps = 6 })):match "^max_steps = 6: epoch loss [%d.]+ after step 5$" ~= nil):is_true()
   expect(why(stop.loss(0, { max_epochs = 2 })):match "^max_epochs = 2: epoch loss [%d.]+$" ~= nil):is_true()
   expect(why(stop.loss(0, { of = "batch", each = "step", max_steps = 6 })):match "^max_steps = 6: batch loss [%d.]+$" ~= nil):is_true()
   expect(why(stop.when(function() return false end, { max_steps = 7 }))):equals "max_steps = 7: the function did not say so after step 5"
   expect(why(stop.when(function(now) return nil, "epoch " .. now.epoch end, { max_epochs = 2 }))):equals "max_epochs = 2: epoch 2"
end)

test("a rule for each task, of the task itself or of the training", function()
   local stream = cl.stream{ cl.task(set "a", { stop = stop.steps(7) }), cl.task(set "b"), cl.task(set "c") }
   local run = train{ stream = stream, stop = schedule.per_task{ false, stop.epochs(2), false } }
   expect({ run.steps, #run.stopped, run.stopped[2].task, run.stopped[2].why }):equals{ 7 + 10 + 5, 2, 2, "2 epochs" }
   local both = train{ stream = stream, stop = stop.steps(2) }
   expect({ both.steps, both.stopped[1].steps }):equals{ 7 + 2 + 2, 7 }
   expect(stream:hash()):differs_from(cl.stream{ cl.task(set "a"), cl.task(set "b"), cl.task(set "c") }:hash())
end)

test("schedules see the most that a task can be, and the last step is a point of continual evaluation", function()
   local most = {}
   local run = train{ stream = one(stop.loss(0.3, { max_epochs = 30 })), evaluate_every = 4, optimizer = function(model)
      return optim.SGD(model, { lr = function(now)
         most[now.steps_in_task] = true
         return 0.1 * (1 - now.step_in_task / (2 * now.steps_in_task))
      end, momentum = 0.9 })
   end }
   expect(most):equals{ [150] = true }
   expect(run.continual[#run.continual].step):equals(run.steps)
end)

test("EWC consolidates where the rule ends the task", function()
   local function run(first)
      return train{ stream = cl.stream{ cl.task(set "a", first), cl.task(set "b") }, method = cl.methods.EWC{ lambda = 5 },
         optimizer = function(model) return optim.SGD(model, { lr = 0.05 }) end }
   end
   local ruled = run{ stop = stop.loss(0.5) }
   expect(ruled.hash):equals(run{ epochs = ruled.stopped[1].epochs }.hash)
end)

test("what a training refuses", function()
   local function raises(options, text) expect(function() train(options) end):raises(text) end
   expect(function() cl.task(set "a", { stop = 3 }) end):raises "cl.task: stop must be a rule, as schedule.stop.loss(0.1) makes it, got num"
   expect(function() cl.task(set "a", { stop = stop.epochs(1), epochs = 2 }) end):raises "epochs and stop both say when the task ends"
   raises({ stream = one(nil, {}), stop = 0.1 }, "cl.train: stop: expected a rule, as schedule.stop.loss(0.1) makes it, for task 1, got n")
   local bare = set "a"
   bare.validation = nil
   raises({ stream = cl.stream{ cl.task(bare, { stop = stop.patience(3) }) } },
      "patience(3, validation loss, min_delta 0) looks at validation items, and task 1, 'a', has none: hold some out by cl.task(")
   raises({ stream = one(stop.loss(1)), method = cl.methods.GDumb{ memory = 10 } }, "GDumb says itself how long it trains, so loss(1")
   local apart = cl.stream{ cl.task(set "a", { stop = stop.loss(1) }), scenario = "task" }
   raises({ stream = apart, method = cl.methods.PackNet() }, "PackNet prunes so many steps before the end of a task")
end)

t.done()
