-- test_methods_guard.lua: what a training says of its methods, when importance is estimated, and what a method's description may hold.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, cl, schedule = engram.nn, engram.optim, engram.cl, engram.schedule

local function items(name, count)
   return engram.data.dataset{ name = name, images = engram.randn(count, 5, { stream = name }):keep(),
      labels = engram.randint(1, 3, count, { stream = name }):keep(), classes = 3 }
end
local a, b = items("a", 40), items("b", 40)

local Progress = getmetatable(require "engram.run.progress".new{}).__index

-- What a training has said, { key = true }, and its words; the state it came to.
local function said(method, given)
   local state, words = nil, {}
   local options = { model = function() return nn.Sequential{ nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6) } end, batch_size = 10, seed = 2,
      optimizer = function(m) return optim.SGD(m, { lr = 0.05 }) end, stream = cl.stream{ cl.task(a), cl.task(b) }, evaluate = "never",
      method = method, on_step = function(now) state = now end }
   for key, value in pairs(given or {}) do options[key] = value end
   local remark = Progress.remark
   Progress.remark = function(self, text, aloud)
      words[#words + 1] = text
      return remark(self, text, aloud)
   end
   local ok, run = pcall(cl.train, options)
   Progress.remark = remark
   if not ok then error(run, 0) end
   return state.said or {}, table.concat(words, "\n"), run
end

t.test("a quantile of the gradients that is 0 is said aloud", function()
   local images = engram.zeros(40, 50)
   images:narrow(2, 1, 1):fill_(1)                          -- 49 of 50 inputs say nothing
   local sparse = engram.data.dataset{ name = "sparse", images = images:keep(), labels = engram.randint(1, 3, 40, { stream = "s" }):keep(),
      classes = 3 }
   local function gate(q)
      return said(nil, { stream = cl.stream{ cl.task(sparse) }, model = function() return nn.Sequential{ nn.Linear(50, 3) } end,
         optimizer = function(m) return optim.CLASSP(m, { lr = 0.1, threshold = schedule.quantile(q) }) end })
   end
   local keys, words = gate(0.9)
   t.expect(keys["void gate"]):is_true()
   t.expect(words):contains("CLASSP: the 0.9 quantile of the squared gradients is 0 at step 1 (task 1), so as a threshold it lets every "
      .. "gradient pass that is not 0")
   t.expect(gate(0.99)["void gate"]):is_nil()
end)

t.test("a penalty that has no effect is said aloud", function()
   t.expect(said(cl.methods.EWC{ lambda = 0 })["lambda 0"]):is_true()
   t.expect(said(cl.methods.EWC{ lambda = 10 })["lambda 0"]):is_nil()
   local long = cl.stream{ cl.task(a), cl.task(b, { epochs = 9 }) }                   -- 36 steps
   local short = cl.stream{ cl.task(a), cl.task(b, { epochs = 5 }) }                  -- 20: not yet
   for _, name in ipairs{ "EWC", "SI", "MAS", "L2", "LwF" } do
      t.expect(said(cl.methods[name]{ lambda = 1e-9 }, { stream = long })["idle penalty"]):is_true()
      t.expect(said(cl.methods[name]{ lambda = 1e-9 }, { stream = short })["idle penalty"]):is_nil()
      t.expect(said(cl.methods[name]{}, { stream = long })["idle penalty"]):is_nil()
   end
   local function silent()                                  -- the outputs do not depend on the weights
      local model = nn.Sequential{ nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3) }
      for _, p in ipairs(model:parameters()) do p:detach():zero_() end
      return model
   end
   local frozen = { model = silent, optimizer = function(m) return optim.SGD(m, { lr = 0 }) end }
   t.expect(said(cl.methods.MAS{}, frozen)["importance 0"]):is_true()
   t.expect(said(cl.methods.SI{}, frozen)["importance 0"]):is_true()
   t.expect(said(cl.methods.MAS{})["importance 0"]):is_nil()
end)

t.test("a penalty that runs away ends the training, and the error names the method, lambda and lr", function()
   local long = { stream = cl.stream{ cl.task(a, { epochs = 5 }), cl.task(b, { epochs = 30 }) } }
   for _, name in ipairs{ "EWC", "MAS", "SI", "L2" } do
      local method = cl.methods[name]{ lambda = 1e5 }
      t.expect(function() said(method, long) end):raises("with " .. name .. " (lambda = 100000) and SGD{ dampening = 0, lr = 0.05")
      t.expect(function() said(method, long) end):raises "try a smaller lambda or a smaller lr"
   end
   t.expect(function() said(nil, { optimizer = function(m) return optim.SGD(m, { lr = 1e30 }) end }) end):raises "lr = 1e+30"
   t.expect(function() cl.methods.EWC{ lambda = math.huge } end):raises "lambda is infinite, expected a finite number"
end)

-- Adam's steps are about lr, however steep the penalty: a curve over lambda can be drawn to its end.
t.test("a lambda curve up to 1e13 with bounded steps has a number at every point", function()
   local stream = cl.streams.split("glyphs/digits", { tasks = 5, scenario = "domain", train = 500, test = 100 })
   local function run(lambda, optimizer)
      return said(cl.methods.EWC{ convention = "van-de-ven", mode = "online", lambda = lambda }, { stream = stream, evaluate = "task",
         model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 2) } end,
         optimizer = optimizer or function(m) return optim.Adam(m, { lr = 1e-3 }) end })
   end
   local largest
   for exponent = 1, 13, 3 do
      local now, _, trained = run(10 ^ exponent)
      local accuracy = trained.metrics.average_accuracy
      t.expect(accuracy >= 0 and accuracy <= 100):is_true()
      t.expect(#trained.accuracy):equals(5)
      if exponent == 1 then t.expect(now["huge penalty"]):is_nil() end
      largest = now
   end
   t.expect(largest["huge penalty"]):is_true()
   for _, name in ipairs{ "AdamW", "RMSProp", "AdaGrad" } do
      local _, text, trained = run(1e13, function(m) return optim[name](m, { lr = 1e-3 }) end)
      t.expect(#trained.accuracy):equals(5)
      t.expect(text):contains("because the steps of " .. name .. " are bounded; the training goes on")
   end
   local cut = said(cl.methods.SI{ lambda = 1e13, clip = 1 }, { stream = cl.stream{ cl.task(a), cl.task(b, { epochs = 5 }) } })
   t.expect(cut["huge penalty"]):is_true()                  -- cut gradients are bounded steps of SGD's
end)

t.test("an optimizer that nobody knows is stopped when its penalty grows without bound", function()
   local plain = optim.register{ name = "PlainSteps", hyper = { lr = { default = 0.1, min = 0 } },
      step = function(p, g, _, h) p:add_(g, -h.lr) end }
   local long = { stream = cl.stream{ cl.task(a), cl.task(b, { epochs = 30 }) }, optimizer = function(m) return plain(m) end }
   t.expect(function() said(cl.methods.L2{ lambda = 1e5 }, long) end):raises "with L2 (lambda = 100000) and PlainSteps{ lr = 0.1 }"
end)

t.test("a loss that is large though finite is said, and what has taken over is blamed", function()
   local long = cl.stream{ cl.task(a, { epochs = 5 }), cl.task(b) }
   local function sgd(lr) return function(m) return optim.SGD(m, { lr = lr }) end end
   local function linear() return nn.Linear(5, 3) end                        -- with lr 1e6 its loss stays finite
   for _, lr in ipairs{ 1000, 1e6 } do
      local _, text = said(nil, { stream = long, optimizer = sgd(lr), model = linear })
      t.expect(text):contains "the training has diverged though the loss is finite; try a smaller lr than that of SGD{"
   end
   for _, lr in ipairs{ 0.01, 0.5 } do t.expect(said(nil, { stream = long, optimizer = sgd(lr) })["loss risen"]):is_nil() end
   t.expect(said(cl.methods.ER{}, { stream = long })["loss risen"]):is_nil()
   t.expect(function() said(cl.methods.DER{ alpha = 1e9 }, { stream = long }) end):raises "with DER{ alpha = 1000000000, filling = "
   t.expect(function() said(cl.methods.SI{ damping = 0 }, { model = function()
      local model = nn.Sequential{ nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6) }
      model:parameters()[1]:detach():zero_()
      model:parameters()[2]:detach():fill_(-1)              -- hidden units that never speak: their weights do not move
      return model
   end }) end):raises "SI: damping = 0: after task 1 the importance of a weight of parameter 1 that has not moved is 0 / 0"
end)

t.test("a penalty without effect: the cause that is named is the cause, once", function()
   local long = cl.stream{ cl.task(a), cl.task(b, { epochs = 9 }) }
   local function sgd(lr) return { stream = long, optimizer = function(m) return optim.SGD(m, { lr = lr }) end } end
   local _, slow = said(cl.methods.EWC{ lambda = 100 }, sgd(1e-8))
   t.expect(slow):contains "so it is the steps of SGD{ dampening = 0, lr = 1e-08"
   t.expect(slow:find("lambda is too small", 1, true)):is_nil()
   local _, weak = said(cl.methods.EWC{ lambda = 1e-9 }, sgd(0.05))
   t.expect(weak):contains "lambda is too small by orders of magnitude"
   t.expect(said(cl.methods.EWC{ lambda = 0 }, sgd(0.05))["idle penalty"]):is_nil()
   local zero, text = said(cl.methods.EWC{ exclude_head = true }, { stream = long, model = function() return nn.Linear(5, 3) end })
   t.expect({ zero["importance 0"], zero["idle penalty"] }):equals{ true, nil }
   t.expect(select(2, text:gsub("warning: EWC", ""))):equals(1)
end)

-- The reader's run: a class-incremental penalty at a common step size went to 1e52 and came back as finished.
t.test("a penalty that runs away within short tasks is no finished training", function()
   local stream = cl.streams.split("glyphs/digits", { tasks = 5, scenario = "class", train = 1000, test = 100 })
   local given = { stream = stream, seed = 1, batch_size = 20, method = cl.methods.EWC{},
      model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 10) } end,
      optimizer = function(m) return optim.SGD(m, { lr = 0.1 }) end }
   t.expect(function() cl.train(given) end):raises "the penalty runs away at step"
end)

t.test("methods without a memory, alone in the class-incremental scenario", function()
   local class = { stream = cl.stream{ cl.task(a), cl.task(b), scenario = "class" } }
   local task = { stream = cl.stream{ cl.task(a), cl.task(b), scenario = "task" } }
   for _, name in ipairs{ "EWC", "SI", "MAS", "LwF", "L2" } do
      t.expect(said(cl.methods[name]{}, class)["class-incremental"]):is_true()
      t.expect(said(cl.methods[name]{}, task)["class-incremental"]):is_nil()
      t.expect(said({ cl.methods[name]{}, cl.methods.ER{} }, class)["class-incremental"]):is_nil()
   end
   t.expect(said(nil, class)["class-incremental"]):is_nil()
   t.expect(said(cl.methods.DERpp{}, class)["class-incremental"]):is_nil()
end)

t.test("PackNet says when a task finds no free weight, and prunes always", function()
   local task = { stream = cl.stream{ cl.task(a), cl.task(b), scenario = "task" } }
   t.expect(said(cl.methods.PackNet{ prune = 0 }, task)["PackNet full"]):is_true()
   t.expect(said(cl.methods.PackNet{ prune = 0.5 }, task)["PackNet full"]):is_nil()
   t.expect(function() cl.methods.PackNet{ retrain = 1 } end):raises "retrain = 1 leaves no step before the pruning"
end)

t.test("options without effect in this stream are said", function()
   local one, domain = { stream = cl.stream{ cl.task(a) } }, { stream = cl.stream{ cl.task(a), cl.task(b) } }
   local task = { stream = cl.stream{ cl.task(a), cl.task(b), scenario = "task" } }
   t.expect(said(cl.methods.EWC{}, one)["one task"]):is_true()
   t.expect(said(cl.methods.EWC{}, domain)["one task"]):is_nil()
   t.expect(said(cl.methods.EWC{ units = "seen" }, domain)["units EWC"]):is_true()
   t.expect(said(cl.methods.EWC{ convention = "facil" }, domain)["units EWC"]):is_nil()     -- the convention's, not the user's
   t.expect(said(cl.methods.EWC{ units = "seen" }, task)["units EWC"]):is_nil()
   t.expect(said(cl.methods.MAS{ units = "seen" }, domain)["units MAS"]):is_true()
   t.expect(said(cl.methods.LwF{ units = "joined" }, domain)["units LwF"]):is_true()
   t.expect(said(cl.methods.LwF{ units = "joined" }, task)["units LwF"]):is_nil()
   t.expect(said(cl.methods.LwF{ units = "active" }, domain)["units LwF"]):is_nil()
   local many = { stream = cl.stream{ cl.task(a, { epochs = 5 }), cl.task(b) } }
   local _, text = said(cl.methods.GDumb{ epochs = 2 }, many)
   t.expect(text):contains "GDumb trains epochs = 2 on its memory: the stream's epochs = 5 have no effect"
   t.expect(said(cl.methods.GDumb{ epochs = 2 }, domain)["GDumb epochs"]):is_nil()
   t.expect(function() cl.methods.EWC{ convention = "mammoth", samples = 5 } end):raises "leave out samples"
   t.expect(function() cl.methods.PackNet{ prune = 1 } end):raises "prune = 1 gives back all that a task has learned"
   local short = { stream = cl.stream{ cl.task(a, { limit = 30 }), cl.task(b), scenario = "task" } }               -- 3 steps
   t.expect(select(2, said(cl.methods.PackNet{}, short))):contains "PackNet: task 1 has 3 steps, of which retrain = 0.3 is none"
   t.expect(said(cl.methods.PackNet{}, task)["PackNet retrain"]):is_nil()                                          -- 4 steps
end)

t.test("an option of evaluation is without effect where nothing is evaluated, held out or measured", function()
   local function unused(key, given) return said(nil, given)["unused " .. key] end
   t.expect(unused("evaluate_batch_size", { evaluate_batch_size = 5 })):is_true()
   t.expect(unused("evaluate_batch_size", { evaluate_batch_size = 5, stop = schedule.stop.loss(0, { max_epochs = 1 }) })):is_true()
   t.expect(unused("evaluate_batch_size", { evaluate_batch_size = 5, stop = schedule.stop.accuracy(100, { max_epochs = 1 }) })):is_nil()
   t.expect(unused("evaluate_on", { evaluate_on = "test" })):is_true()
   t.expect(unused("evaluate_on", { evaluate_on = "validation" })):is_nil()
   t.expect(unused("evaluate_on", { evaluate_on = "both" })):is_nil()
end)

t.test("a data set that is tested on what it is trained on is said to be", function()
   t.expect(said(nil)["test leakage"]):is_true()
   t.expect(said(nil, { stream = cl.streams.permuted(a, { tasks = 2 }) })["test leakage"]):is_true()
   t.expect(said(nil, { stream = cl.streams.split(a, { tasks = 3, scenario = "task" }) })["test leakage"]):is_true()
   t.expect(said(nil, { stream = cl.streams.permuted({ train = a, test = b }, { tasks = 2 }) })["test leakage"]):is_nil()
   t.expect(said(nil, { stream = cl.stream{ cl.task{ train = a, test = b } } })["test leakage"]):is_nil()
end)

t.test("a blurred task of several epochs is said to repeat its boundaries", function()
   local twice = cl.stream{ cl.task(a, { epochs = 2 }), cl.task(b, { epochs = 2 }) }
   t.expect(said(nil, { stream = cl.streams.blur(twice) })["blur repeats"]):is_true()
   t.expect(said(nil, { stream = cl.streams.online(cl.streams.blur(twice)) })["blur repeats"]):is_nil()
   t.expect(said(nil, { stream = cl.streams.iterations(cl.streams.blur(twice), { steps = 9 }) })["blur repeats"]):is_true()
   t.expect(said(nil, { stream = twice })["blur repeats"]):is_nil()
end)

t.test("what an optimizer keeps from task to task stands in the log", function()
   local function adam(m) return optim.Adam(m) end
   t.expect(said(nil, { optimizer = adam })["optimizer state"]):is_true()
   t.expect(said(nil, { optimizer = adam, stream = cl.stream{ cl.task(a) } })["optimizer state"]):is_nil()
   t.expect(select(2, said(nil, { optimizer = adam }))):contains "it keeps first, second and resets nothing"
   for _, method in ipairs{ cl.methods.ResetOptimizer{}, cl.methods.GDumb{ epochs = 1 } } do
      t.expect(select(2, said(method, { optimizer = adam }))):contains "it keeps nothing and resets first, second"
   end
   t.expect(said(nil)["optimizer state"]):is_nil()                         -- SGD without momentum has nothing to keep
   t.expect(select(2, said(nil, { optimizer = function(m) return optim.SGD(m, { momentum = 0.9 }) end }))):contains "keeps velocity"
end)

-- Batch norm with the batch's own figures would make importances depend on who stands beside whom.
t.test("importance is estimated in evaluation mode, batch norm's running figures stay", function()
   engram.seed(6)
   local model = nn.Sequential{ nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3) }
   for first = 1, 31, 10 do model((a:batch(engram.arange(first, first + 9)))) end
   local hash = model:hash()
   for _, estimate in ipairs{ function(size) return engram.fisher.diagonal(model, a, { batch_size = size }) end,
      function(size) return engram.fisher.sensitivity(model, a, { batch_size = size }) end } do
      local one, many = estimate(1), estimate(40)
      for i = 1, #one do t.expect(one[i]:allclose(many[i], 1e-4, 1e-7)):is_true() end
   end
   t.expect({ model:hash(), model.training }):equals{ hash, true }
   local function in_training_mode()
      return engram.fisher.squared_gradients(model(a.images), engram.ones(40, 3), model:parameters())
   end
   t.expect(in_training_mode):raises "batch norm in training mode mixes the samples of a batch; call model:eval()"
   local run = { model = function() return nn.Sequential{ nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3) } end,
      optimizer = function(m) return optim.SGD(m) end, stream = cl.stream{ cl.task(a), cl.task(b) }, seed = 1, evaluate = "never" }
   for _, name in ipairs{ "EWC", "MAS", "SI", "LwF" } do
      run.method = cl.methods[name]{}
      t.expect(#cl.train(run).hash):equals(64)
   end
end)

t.test("the sizes of gradients with convolutions, and where only the slow way is left", function()
   engram.seed(9)
   local images = engram.randn(7, 1, 6, 6)
   local set = engram.data.dataset{ images = images, labels = engram.randint(1, 3, 7), classes = 3 }
   local Rows = nn.Module:extend "Rows"                     -- has no rule for all at once: six rows an item
   function Rows:init() self.layer = nn.Linear(6, 3) end
   function Rows:forward(x) return self.layer(x:reshape(x:size(1), 6, 6)):mean(2) end
   local conv = nn.Sequential{ nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3) }
   for _, model in ipairs{ conv, Rows() } do
      local sum = {}
      for i, p in ipairs(model:parameters()) do sum[i] = engram.zeros_like(p) end
      for n = 1, 7 do
         local x = set:batch{ n }
         for i, g in ipairs(engram.grad(model(x):square():sum(), model:parameters())) do sum[i]:add_(g:abs() / 7) end
      end
      for i, found in ipairs(engram.fisher.sensitivity(model, set)) do t.expect(found:allclose(sum[i], 1e-4, 1e-6)):is_true() end
   end
   t.expect(function() engram.fisher.diagonal(conv, set, { label = "argmex" }) end):raises "label must be 'exact', 'sampled'"
   t.expect(function() engram.fisher.diagonal(conv, set, { batched = true }) end):raises "batched takes 'sampled', 'empirical' or 'argmax'"
   t.expect(function() engram.fisher.sensitivity(conv, set, { norm = "l1" }) end):raises "norm must be 'squared', 'plain' or 'mean square'"
end)

t.test("descriptions and options are checked", function()
   local function refused(text, description)
      t.expect(function() cl.methods.register(description) end):raises(text)
   end
   refused("M: state.owner: the name is taken", { name = "M", state = { owner = "scalar" } })
   refused("M: scratch: the name 'a' is taken", { name = "M", state = { a = "scalar" }, scratch = { "a" } })
   refused("convention 'x' sets 'lamda', which is no hyper-parameter", { name = "M", hyper = { lambda = { default = 1 } },
      presets = { x = { lamda = 2 } } })
   refused("did you mean 'after_step'?", { name = "M", after_steps = function() end })
   for _, taken in ipairs{ "loss", "batch", "plan", "bytes", "allocate", "task_end", "common_lambda" } do
      refused("M: state." .. taken .. ": the name is taken", { name = "M", state = { [taken] = "scalar" } })
      refused("M: scratch: the name '" .. taken .. "' is taken", { name = "M", scratch = { taken } })
   end
   refused("M: hyper.strength must be a table, as { default = 0.1, min = 0 }, got number", { name = "M", hyper = { strength = 0.01 } })
   refused("M: hyper must be a table, got string", { name = "M", hyper = "strength" })
   refused("M: state must be a table, got string", { name = "M", state = "scalar" })
   refused("M: scratch must be a table, got string", { name = "M", scratch = "drawn" })
   refused("M: scratch: expected a list of names, as { \"drawn\" }", { name = "M", scratch = { {} } })
   refused("M: scratch: expected a list of names, as { \"drawn\" }", { name = "M", scratch = { drawn = true } })
   refused("M: loss must be a function, got number", { name = "M", loss = 3 })
   refused("M: after_step must be a function, got table", { name = "M", after_step = {} })
   refused("M: convention 'x' sets 'lambda', which is no hyper-parameter", { name = "M", presets = { x = { lambda = 2 } } })
   refused("M: presets.x must be a table, got number", { name = "M", hyper = { a = { default = 1 } }, presets = { x = 2 } })
   for _, name in ipairs(cl.methods.list()) do
      local description = cl.methods.description(name)
      t.expect(type(description.doc)):equals "string"
      for key, about in pairs(description.hyper) do
         t.expect({ name, key, type(about.doc) }):equals{ name, key, "string" }
         if about.choices then
            local found = false
            for _, choice in ipairs(about.choices) do found = found or choice == about.default end
            t.expect({ name, key, found }):equals{ name, key, true }
            t.expect(function() cl.methods[name]{ [key] = "nonsense" } end):raises "is not one of"
         elseif about.min then
            t.expect(function() cl.methods[name]{ [key] = about.min - 1 } end):raises "expected at least"
         end
      end
      local again = cl.methods.again(cl.methods[name]{})
      t.expect(tostring(again)):equals(tostring(cl.methods[name]{}))
      for convention in pairs(description.presets or {}) do
         local method = cl.methods[name]{ convention = convention }
         t.expect(tostring(cl.methods.again(method))):equals(tostring(method))
      end
   end
   t.expect(function() cl.methods.LwF{ temperature = 0 } end):raises "temperature must be more than 0"
   t.expect(function() cl.methods.SI{ lambda = 0 / 0 } end):raises "is not a number"
end)

t.test("an option that the others leave without effect is an error, and so is one that a convention fixes otherwise", function()
   local function refused(name, text, options) t.expect(function() cl.methods[name](options) end):raises(text) end
   refused("ER", "per_class has no effect with filling = 'reservoir': it is used with filling = 'task end'", { per_class = 5 })
   refused("ER", "memory has no effect with filling = 'task end': it is used with filling = 'reservoir' or 'balanced'",
      { convention = "van-de-ven", memory = 50 })
   refused("AGEM", "per_class has no effect with filling = 'one batch'", { filling = "one batch", per_class = 5 })
   refused("EWC", "gamma has no effect with mode = 'separate': it is used with mode = 'online'", { gamma = 0.5 })
   refused("EWC", "gamma_in_penalty has no effect with mode = 'separate'", { gamma_in_penalty = true })
   refused("EWC", "scout_lr has no effect with convention = 'sound': it is used with convention = 'classp-repository'", { scout_lr = 1 })
   refused("EWC", "divisor has no effect with samples = 20", { divisor = "items - 1", samples = 20 })
   refused("EWC", "divisor = 'items', but convention 'van-de-ven' is divisor = 'items - 1'",
      { convention = "van-de-ven", divisor = "items" })
   refused("EWC", "half = true, but convention 'hsu' is half = false", { convention = "hsu", half = true })
   for key, value in pairs{ samples = 5, mode = "online", exclude_head = true } do
      refused("EWC", key .. " has no effect with convention = 'classp-repository'", { convention = "classp-repository", [key] = value })
   end
   refused("MAS", "alpha has no effect with mode = 'online': it is used with mode = 'averaged'", { alpha = 0.2 })
   t.expect(cl.methods.MAS{ convention = "facil", alpha = 0.2 }.hyper.alpha):equals(0.2)
   local steps = cl.streams.iterations(cl.stream{ cl.task(a), cl.task(b) }, { steps = 5 })
   t.expect(function() said(cl.methods.GDumb{}, { stream = steps }) end):raises "streams.iterations: 5) would have no effect"
   t.expect(function() cl.streams.online(steps, { epochs = 2 }) end):raises "cl.streams.online: unknown option 'epochs'"
end)

t.test("every option of every method stands under its heading in the reference, with every choice", function()
   local text = t.read "docs/reference/methods.md"
   for _, name in ipairs(cl.methods.list()) do
      local section = text:match("### `cl%.methods%." .. name .. "%(options%)`\n(.-)\n##")
      if not section then error("no heading for " .. name, 0) end
      for key, about in pairs(cl.methods.description(name).hyper) do
         t.expect(section):contains("`" .. key .. "`")
         for _, choice in ipairs(name ~= "DERpp" and about.choices or {}) do t.expect(section):contains('`"' .. choice .. '"') end
      end
      for state in pairs(cl.methods.description(name).state) do t.expect(section .. "`memory`"):contains("`" .. state .. "`") end
   end
end)

t.done()
