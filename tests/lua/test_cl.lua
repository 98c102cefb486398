-- test_cl.lua: streams and training: hooks in their order, determinism, errors before and during a run.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, schedule, cl = engram.nn, engram.optim, engram.schedule, engram.cl

local function tiny(seed, classes, n)
   local stream = "tiny" .. seed
   local images = engram.randn(n or 60, 1, 4, 4, { stream = stream })
   local labels = engram.randint(1, classes or 3, n or 60, { stream = stream })
   return engram.data.dataset{ name = "tiny" .. seed, images = images:keep(), labels = labels:keep(), classes = classes or 3 }
end

local function make_model() return nn.Sequential{ nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 3) } end
local first, second = tiny(1), tiny(2)                 -- made once: drawing them again would move their streams
local function make_stream() return cl.stream{ cl.task(first, { epochs = 2 }), cl.task(second) } end

local function train(options)
   local all = { model = make_model, optimizer = function(m) return optim.SGD(m, { lr = 0.1 }) end, stream = make_stream(), batch_size = 16,
      seed = 5 }
   for key, value in pairs(options or {}) do all[key] = value end
   return cl.train(all)
end

t.test("a task and a stream tell what they are", function()
   local stream = make_stream()
   t.expect(tostring(stream[1]):find "^.+: %d+ %+ %d+ items, 2 epochs$"):equals(1)
   t.expect(tostring(stream)):contains("\n1. " .. tostring(stream[1]) .. "\n2. ")
end)

t.test("a run has its matrix, metrics, bytes, steps and hash", function()
   local run = train()
   t.expect(#run.accuracy):equals(2)
   t.expect(#run.accuracy[1]):equals(2)
   t.expect(run.steps):equals(2 * 4 + 4)
   t.expect(#run.hash):equals(64)
   t.expect(run.metrics.update_density[1] > 0.9):is_true()
   t.expect(run.bytes.weights):equals((16 * 12 + 12 + 12 * 3 + 3) * 4)
   t.expect(run.bytes.optimizer):equals(0)
end)

t.test("the same seed gives the same bits for 1, 2 and 4 threads; another seed does not", function()
   local hashes = {}
   for i, threads in ipairs{ 1, 2, 4, 1 } do
      engram.threads(threads)
      hashes[i] = train().hash
   end
   t.expect(hashes[2]):equals(hashes[1])
   t.expect(hashes[3]):equals(hashes[1])
   t.expect(hashes[4]):equals(hashes[1])
   t.expect(train{ seed = 6 }.hash):differs_from(hashes[1])
end)

t.test("evaluating more often does not change the weights", function()
   local plain = train().hash
   t.expect(train{ evaluate = "epoch" }.hash):equals(plain)
   t.expect(train{ protocol = "both" }.hash):equals(plain)
   t.expect(train{ evaluate = "never" }.hash):equals(plain)
end)

t.test("evaluating with training's modes leaves batch norm's running figures alone", function()
   local function normed() return nn.Sequential{ nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3) } end
   local plain = train{ model = normed }.hash
   t.expect(train{ model = normed, protocol = "published" }.hash):equals(plain)
   t.expect(train{ model = normed, protocol = "both" }.hash):equals(plain)
end)

t.test("losses: a mean every 100 steps, and of the rest at the end of a task", function()
   local list = {}
   local run = train{ batch_size = 1, on_step = function(s) list[s.step] = s.loss end }
   local steps = {}
   for i, note in ipairs(run.losses) do steps[i] = note.step end
   t.expect(steps):equals{ 100, 120, 180 }
   local sum = 0
   for step = 101, 120 do sum = sum + list[step] end
   t.expect(run.losses[2].loss):close_to(sum / 20, 1e-12)
end)

t.test("bytes by slot and by a method's state", function()
   local run = train{ optimizer = function(m) return optim.Adam(m) end, method = cl.methods.EWC{ lambda = 1 } }
   t.expect(run.bytes.slots.first):equals(run.bytes.weights)
   t.expect(run.bytes.method_state["EWC.anchor"]):equals(2 * run.bytes.weights)
   t.expect(run.bytes.state):equals(run.bytes.optimizer + run.bytes.method)
   t.expect(run.bytes.tracking):equals(2 * run.bytes.weights / 4)              -- a byte a weight and task
end)

t.test("file order is kept without shuffling", function()
   local seen = {}
   local set = first
   train{ shuffle = false, stream = cl.stream{ cl.task(set) }, on_step = function(s) seen[#seen + 1] = s.y:tolist() end }
   t.expect(seen[1]):equals(set.labels[{ { 1, 16 } }]:tolist())
   t.expect(seen[4]):equals(set.labels[{ { 49, 60 } }]:tolist())
end)

t.test("hooks are called in their order, and a loss term counts", function()
   local calls = {}
   local spy = { name = "Spy", hyper = { weight = { default = 0, min = 0 } }, state = {},
      begin = function() calls[#calls + 1] = "begin" end,
      task_begin = function(_, s) calls[#calls + 1] = "task_begin " .. s.task end,
      loss = function(self, s) return self.hyper.weight > 0 and s.parameters[1]:square():sum() * self.hyper.weight or nil end,
      gradients = function(_, s) if s.step == 1 then calls[#calls + 1] = "gradients" end end,
      after_step = function(_, s) if s.step == 1 then calls[#calls + 1] = "after_step" end end,
      task_end = function(_, s) calls[#calls + 1] = "task_end " .. s.task end }
   cl.methods.register(spy)
   local plain = train{ method = cl.methods.Spy{} }
   t.expect(calls):equals{ "begin", "task_begin 1", "gradients", "after_step", "task_end 1", "task_begin 2", "task_end 2" }
   local shrunk = train{ method = { cl.methods.Spy{ weight = 1 } } }
   t.expect(shrunk.model:parameters()[1]:norm():item() < 0.5 * plain.model:parameters()[1]:norm():item()):is_true()
end)

t.test("declared state is allocated anew for each training", function()
   local sums = {}
   cl.methods.register{ name = "Summing", state = { total = "parameters" },
      gradients = function(self) self.total[1]:add_(1) end,
      task_end = function(self) sums[#sums + 1] = self.total[1]:max():item() end }
   local method = cl.methods.Summing{}
   t.expect(train{ method = method }.bytes.method):equals(train().bytes.weights)
   train{ method = method }
   t.expect(sums):equals{ 8, 12, 8, 12 }
end)

t.test("a method's field that is not declared, and so would be lost where a run is resumed, is refused", function()
   cl.methods.register{ name = "Counting", state = { kept = "scalar" }, scratch = { "passing" },
      after_step = function(self, s)
         self.kept, self.passing = self.kept + 1, s.step
         if s.task == 2 then self.counted = self.passing end
      end }
   t.expect(function() train{ method = cl.methods.Counting{} } end):raises(
      "method Counting: self.counted is not declared: what is kept belongs into state = { counted = KIND }")
end)

t.test("a scalar of a method's state that is no number is refused where it would be saved", function()
   cl.methods.register{ name = "Flagging", state = { flag = "scalar" }, task_end = function(self) self.flag = true end }
   local run = train{ method = cl.methods.Flagging{} }
   t.expect(function() cl.fork(run, { stream = cl.stream{ cl.task(first), cl.task(second), cl.task(first) } }) end):raises
      "method Flagging: state.flag is a scalar, and a number is saved of it, got true"
end)

t.test("a table of several data sets is no data set, and what is one of it is told", function()
   local pair = { train = first, test = second }
   local wanted = ": expected a data set, as data.dataset, text.dataset or data.load(name).train, got a table { train = }; give its train"
   t.expect(function() cl.metrics.accuracy(nn.Linear(2, 2), pair) end):raises("metrics.accuracy" .. wanted)
   t.expect(function() require "engram.fisher".diagonal(nn.Linear(2, 2), pair) end):raises("fisher.diagonal" .. wanted)
   t.expect(function() require "engram.fisher".sensitivity(nn.Linear(2, 2), nil) end):raises "fisher.sensitivity: expected a data set"
   t.expect(function() optim.SGD(nn.Linear(2, 2)):set("lr", 0.1) end):raises
      "optim.SGD: set: expected a table, as opt:set{ lr = 0.1 }, got 'lr'"
end)

t.test("schedules see task, epoch and step", function()
   local seen = {}
   train{ optimizer = function(m)
      return optim.SGD(m, { lr = function(s)
         seen[#seen + 1] = ("%d.%d.%d.%d"):format(s.task, s.epoch, s.step_in_task, s.steps_per_epoch)
         return 0.01
      end })
   end }
   t.expect(seen[1]):equals "1.1.1.4"
   t.expect(seen[5]):equals "1.2.5.4"
   t.expect(seen[9]):equals "2.1.1.4"
end)

t.test("CLASSP's gate leaves weights exactly alone", function()
   local run = train{ optimizer = function(m) return optim.CLASSP(m, { threshold = schedule.per_task{ 0, 1e9 } }) end }
   t.expect(run.metrics.update_density[2]):equals(0)
   t.expect(run.metrics.step_density[2]):equals(0)
   t.expect(run.bytes.optimizer):equals(run.bytes.weights)
end)

t.test("gradients from a step do not pile up: live tensors are flat", function()
   collectgarbage()
   train()
   engram.collect()
   local before = engram.memory().tensors
   for _ = 1, 3 do train() end
   engram.collect()
   t.expect(engram.memory().tensors <= before):is_true()
end)

-- ---- errors -----------------------------------------------------------------------------------------------

t.test("NaN stops with the step and the optimizer", function()
   t.expect(function() train{ optimizer = function(m) return optim.SGD(m, { lr = 1e30 }) end } end):raises "at step"
   t.expect(function() train{ optimizer = function(m) return optim.SGD(m, { lr = 1e30 }) end } end):raises "lr = 1e+30"
end)

t.test("too few outputs are an error before training", function()
   local wide = cl.stream{ cl.task(tiny(3, 7)) }
   t.expect(function() train{ stream = wide } end):raises "the model has 3 outputs, but the stream has 7 classes"
end)

t.test("a last step that ruins the weights is noticed", function()
   local once = cl.stream{ cl.task(first) }
   local function last(s) return s.step == 4 and 1e39 or 0.1 end
   t.expect(function() train{ stream = once, optimizer = function(m) return optim.SGD(m, { lr = last }) end } end)
      :raises "diverged: a weight is not finite at step 4"
end)

t.test("a loss of minus infinity is no progress", function()
   t.expect(function() train{ loss = function(x) return x:sum() * 0 - math.huge end } end):raises "the loss is infinite at step 1"
end)

t.test("arguments of the wrong kind", function()
   t.expect(function() train{ model = 3, optimizer = optim.SGD(make_model()) } end):raises "model must be a module"
   t.expect(function() train{ optimizer = "SGD" } end):raises "optimizer must be an optimizer"
   t.expect(function() train{ stream = cl.task(first) } end):raises "make it with cl.stream"
   t.expect(function() train{ method = cl.methods.EWC } end):raises "method must be a method or a list of methods"
   t.expect(function() train{ method = { "EWC" } } end):raises "method must be a method or a list of methods"
   t.expect(function() train{ loss = 3 } end):raises "loss must be a function"
   t.expect(function() train{ shuffle = "no" } end):raises "shuffle must be a boolean"
   t.expect(function() train{ evaluate_batch_size = 0 } end):raises "evaluate_batch_size must be a whole number"
   t.expect(function() train{ drop_last = true, batch_size = 100 } end):raises "drop_last leaves none"
   t.expect(function() cl.stream(cl.task(first)) end):raises "put it in a table"
   t.expect(function() cl.task(first, { limit = "3" }) end):raises "limit must be a whole number of at least 1, got string"
   t.expect(function() cl.task(first, { test_limit = 0 }) end):raises "test_limit must be a whole number"
   t.expect(function() cl.task{ train = 3 } end):raises "no items"
end)

t.test("the optimizer of another model would train nothing", function()
   t.expect(function() train{ model = make_model(), optimizer = optim.SGD(make_model()) } end):raises "moves none of the model's parameters"
end)

t.test("methods: misspelled hooks and unknown kinds of state", function()
   t.expect(function() cl.methods.register{ name = "M", taskend = print } end):raises "did you mean 'task_end'?"
   t.expect(function() cl.methods.register{ name = "M", state = { a = "task" } } end):raises "must be one of parameters, marks, tasks"
   t.expect(function() cl.methods.register{ name = "EWC" } end):raises "registered already"
   t.expect(function() cl.methods.EWC{ lambda = 0 / 0 } end):raises "not a number"
   t.expect(function() cl.methods.EWC{ samples = 1.5 } end):raises "expected a whole number"
   t.expect(function() cl.methods.EWC(3) end):raises "options must be a table"
end)

t.test("outputs are checked before a method begins its work", function()
   local begun = false
   cl.methods.register{ name = "Beginner", begin = function() begun = true end }
   t.expect(function() train{ stream = cl.stream{ cl.task(tiny(8, 7)) }, method = cl.methods.Beginner{} } end):raises "3 outputs"
   t.expect(begun):is_false()
end)

t.test("a data set given as itself is normalised too", function()
   local task = cl.task(first, { mean = 0.5, deviation = 2 })
   local x, y = (first:batch{ 1, 2 } - 0.5) / 2, task.train:batch{ 1, 2 }
   t.expect(y):close_to(x, 1e-6)
end)

t.test("unknown and missing options", function()
   t.expect(function() train{ batchsize = 3 } end):raises "did you mean 'batch_size'?"
   t.expect(function() train{ checkpoint = 200 } end):raises "unknown option 'checkpoint', did you mean 'checkpoint_every'?"
   t.expect(function() train{ checkpoint = "task" } end):raises "unknown option 'checkpoint', did you mean 'checkpoints'?"
   t.expect(function() cl.train{ model = make_model() } end):raises "cl.train: stream is missing"
   t.expect(function() train{ protocol = "publishd" } end):raises "did you mean 'published'?"
   t.expect(function() train{ batch_size = 0 } end):raises "batch_size must be a whole number"
   t.expect(function() cl.stream{ scenario = "clas", cl.task(tiny(1)) } end):raises "did you mean 'class'?"
   t.expect(function() cl.stream{} end):raises "at least one task"
   t.expect(function() cl.task("mnits") end):raises "there is no data set 'mnits'"
   t.expect(function() cl.task(tiny(1), { epoch = 1 }) end):raises "did you mean 'epochs'?"
   t.expect(function() return cl.methods.EWX end):raises "did you mean 'EWC'?"
end)

t.test("tasks of different shapes do not make a stream", function()
   local other = engram.data.dataset{ name = "wide", images = engram.zeros(4, 1, 4, 5), labels = engram.ones(4):long(), classes = 3 }
   t.expect(function() cl.stream{ cl.task(tiny(1)), cl.task(other) } end):raises "items differ in shape"
end)

t.test("a stream's hash tells its content", function()
   local a, b = make_stream():hash(), make_stream():hash()
   t.expect(#a):equals(64)
   t.expect(b):equals(a)
   t.expect(cl.stream{ cl.task(first, { epochs = 3 }), cl.task(second) }:hash()):differs_from(a)
   t.expect(cl.stream{ cl.task(second, { epochs = 2 }), cl.task(first) }:hash()):differs_from(a)
end)

t.done()
