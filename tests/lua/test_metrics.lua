-- test_metrics.lua: figures from hand-calculated matrices, and which weights moved.
local t = require "tests.harness"
local engram = require "engram"
local metrics = engram.cl.metrics

local function matrix(rows)
   local m = metrics.matrix{ "a", "b", "c" }
   for i, row in ipairs(rows) do m[i] = row end
   return m
end

local three = matrix{ { 90, 10, 20 }, { 60, 80, 15 }, { 70, 50, 95 } }

t.test("average accuracy is the mean of the last row", function()
   t.expect(metrics.average_accuracy(three)):close_to((70 + 50 + 95) / 3, 1e-12)
end)

t.test("backward transfer is the mean change since each task was learned", function()
   t.expect(metrics.backward_transfer(three)):close_to(((70 - 90) + (50 - 80)) / 2, 1e-12)
end)

t.test("forgetting takes the best earlier row, not the first", function()
   local m = matrix{ { 50, 0, 0 }, { 60, 80, 0 }, { 40, 70, 90 } }
   t.expect(metrics.forgetting(m)):close_to(((60 - 40) + (80 - 70)) / 2, 1e-12)
   t.expect(metrics.backward_transfer(m)):close_to(((40 - 50) + (70 - 80)) / 2, 1e-12)
end)

t.test("learning accuracy is the mean of the diagonal", function()
   t.expect(metrics.learning_accuracy(three)):close_to((90 + 80 + 95) / 3, 1e-12)
end)

t.test("what is undefined is nil with a reason", function()
   local found = metrics.of(matrix{ { 90, 10, 20 } })
   t.expect(found.backward_transfer):is_nil()
   t.expect(found.reasons.backward_transfer):equals "needs at least two tasks"
   t.expect(found.average_accuracy):equals(90)
   t.expect(metrics.of(matrix{}).reasons.average_accuracy):equals "no task has ended"
end)

-- ---- every figure and dialect, by hand --------------------------------------------------------------------

-- Rows after tasks 1 to 3, columns on tasks 1 to 3. Task 1 is best after task 2, task 2 at the end.
local hand = matrix{ { 80, 20, 30 }, { 90, 60, 40 }, { 70, 65, 50 } }
hand.initial, hand.items = { 10, 12, 14 }, { 100, 300, 600 }

local function close(name, dialect, value, R)
   t.expect(metrics[name](R or hand, dialect and { dialect = dialect } or nil)):close_to(value, 1e-12)
end

t.test("average accuracy: over tasks, and over items pooled", function()
   close("average_accuracy", nil, (70 + 65 + 50) / 3)
   close("average_accuracy", "lopez-paz2017", (70 + 65 + 50) / 3)
   close("average_accuracy", "avalanche", (70 * 100 + 65 * 300 + 50 * 600) / 1000)
   local value, reason = metrics.average_accuracy(three, { dialect = "avalanche" })
   t.expect({ value == nil, reason }):equals{ true, "the numbers of test items are not known: give R.items" }
end)

t.test("average incremental accuracy: over tasks, and over items pooled", function()
   close("average_incremental_accuracy", nil, (80 + (90 + 60) / 2 + (70 + 65 + 50) / 3) / 3)
   close("average_incremental_accuracy", "pycil", (80 + (90 * 100 + 60 * 300) / 400 + (70 * 100 + 65 * 300 + 50 * 600) / 1000) / 3)
end)

t.test("backward transfer: at the end, and over all pairs", function()
   for _, dialect in ipairs{ "lopez-paz2017", "avalanche", "mammoth" } do
      close("backward_transfer", dialect, ((70 - 80) + (65 - 60)) / 2)
   end
   for _, dialect in ipairs{ "diaz-rodriguez2018", "capymoa" } do
      close("backward_transfer", dialect, ((90 - 80) + (70 - 80) + (65 - 60)) / 3)
   end
end)

t.test("forward transfer: above the initial accuracy, or the upper triangle as it is", function()
   for _, dialect in ipairs{ "lopez-paz2017", "avalanche", "mammoth" } do
      close("forward_transfer", dialect, ((20 - 12) + (40 - 14)) / 2)
   end
   for _, dialect in ipairs{ "diaz-rodriguez2018", "capymoa" } do close("forward_transfer", dialect, (20 + 30 + 40) / 3) end
   t.expect(metrics.forward_transfer(three, { initial = { 0, 5, 5 } })):close_to(((10 - 5) + (15 - 5)) / 2, 1e-12)
   t.expect({ metrics.forward_transfer(three) }):equals{ nil, "needs the accuracies before any training: R.initial" }
   local class = matrix{ { 80, 0, 0 }, { 90, 60, 0 } }
   class.initial, class.scenario = { 10, 10 }, "class"
   t.expect(select(2, metrics.forward_transfer(class))):contains "in the class scenario a task to come has no units yet"
end)

t.test("forgetting: from the best before, from the best of all, and from the first", function()
   for _, dialect in ipairs{ "chaudhry2018", "facil", "contilab" } do close("forgetting", dialect, ((90 - 70) + (60 - 65)) / 2) end
   local early = matrix{ { 80, 95, 30 }, { 90, 60, 40 }, { 70, 50, 50 } }     -- task 2 was best before its training
   close("forgetting", "chaudhry2018", ((90 - 70) + (95 - 50)) / 2, early)
   close("forgetting", nil, 32.5, early)
   for _, dialect in ipairs{ "facil", "contilab" } do close("forgetting", dialect, ((90 - 70) + (60 - 50)) / 2, early) end
   local seen = matrix{ { 80 }, { 90, 60 }, { 70, 50, 50 } }                  -- what was not measured then does not count
   close("forgetting", "chaudhry2018", 15, seen)
   t.expect({ metrics.forgetting(matrix{ { 80 }, { 90 }, { 70, 50, 50 } }) }):equals{ nil, "an accuracy that it needs was not measured" }
   close("forgetting", "mammoth", ((90 - 70) + (65 - 65)) / 2)
   close("forgetting", "avalanche", ((80 - 70) + (60 - 65)) / 2)
   t.expect(metrics.forgetting(hand, { dialect = "avalanche" })):equals(-metrics.backward_transfer(hand))
   local before = matrix{ { 10, 99 }, { 10, 50 }, { 10, 40, 90 } }             -- contilab: what is before a task's training does not count
   close("forgetting", "contilab", (0 + (50 - 40)) / 2, before)
end)

t.test("intransigence needs a reference", function()
   t.expect(metrics.intransigence(hand, { reference = { 85, 70, 65 } })):close_to(((85 - 80) + (70 - 60) + (65 - 50)) / 3, 1e-12)
   t.expect(select(2, metrics.intransigence(hand))):contains "trained on tasks 1 .. k together"
   t.expect(metrics.intransigence(hand, { reference = { 85, 70 } })):is_nil()
end)

t.test("what was not measured makes what needs it undefined, not wrong", function()
   local holes = matrix{ { 80 }, { nil, 60 }, { nil, nil, 50 } }
   local found = metrics.of(holes)
   t.expect(found.learning_accuracy):close_to((80 + 60 + 50) / 3, 1e-12)
   for _, name in ipairs{ "average_accuracy", "backward_transfer", "forgetting", "average_incremental_accuracy" } do
      t.expect({ found[name] == nil, found.reasons[name] }):equals{ true, "an accuracy that it needs was not measured" }
   end
   for name in pairs(found.reasons) do t.expect({ name, found[name] }):equals{ name, nil } end
end)

t.test("an unknown dialect is an error with the nearest; the dialects can be listed", function()
   t.expect(function() metrics.forgetting(hand, { dialect = "avalnche" }) end):raises "did you mean 'avalanche'?"
   t.expect(function() metrics.forgetting(hand, { dialekt = "x" }) end):raises "did you mean 'dialect'?"
   t.expect(metrics.dialects "forgetting"):equals{ "chaudhry2018", "avalanche", "contilab", "facil", "mammoth" }
   t.expect(metrics.dialects "learning_accuracy"):equals{}
   t.expect(function() metrics.dialects "forgeting" end):raises "did you mean 'forgetting'?"
end)

-- ---- continual evaluation, by hand ------------------------------------------------------------------------

-- Two tasks of three and two steps, a third of one.
local record = {
   { step = 0, task = 1, step_in_task = 0, accuracy = { 10 } },
   { step = 1, task = 1, step_in_task = 1, accuracy = { 40 } },
   { step = 2, task = 1, step_in_task = 2, accuracy = { 70 } },
   { step = 3, task = 1, step_in_task = 3, accuracy = { 80 } },
   { step = 3, task = 2, step_in_task = 0, accuracy = { 80, 20 } },
   { step = 4, task = 2, step_in_task = 1, accuracy = { 50, 60 } },
   { step = 5, task = 2, step_in_task = 2, accuracy = { 65, 90 } },
   { step = 5, task = 3, step_in_task = 0, accuracy = { 65, 90, 30 } },
   { step = 6, task = 3, step_in_task = 1, accuracy = { 55, 75, 85 } },
}

t.test("anytime accuracy: over points, and over tasks", function()
   local means = { 40, 70, 80, (50 + 60) / 2, (65 + 90) / 2, (55 + 75 + 85) / 3 }
   local total = 0
   for _, m in ipairs(means) do total = total + m end
   t.expect(metrics.anytime_accuracy(record)):close_to(total / 6, 1e-12)
   t.expect(metrics.anytime_accuracy(record, { dialect = "capymoa" })):close_to(
      ((40 + 70 + 80) / 3 + (means[4] + means[5]) / 2 + means[6]) / 3, 1e-12)
end)

t.test("minimum and worst-case accuracy", function()
   t.expect(metrics.minimum_accuracy(record)):close_to((50 + 75) / 2, 1e-12)
   t.expect(metrics.minimum_accuracy(record, { task = 2 })):equals(50)
   t.expect(metrics.worst_case_accuracy(record)):close_to(85 / 3 + (1 - 1 / 3) * (50 + 75) / 2, 1e-12)
   t.expect(metrics.worst_case_accuracy(record, { task = 2 })):close_to(90 / 2 + 50 / 2, 1e-12)
   t.expect(metrics.worst_case_accuracy(record, { task = 1 })):equals(80)
   t.expect({ metrics.minimum_accuracy(record, { task = 1 }) }):equals{ nil, "needs at least two tasks" }
end)

t.test("windowed forgetting and plasticity", function()
   -- task 1: 40 70 80 50 65 55, task 2: 60 90 75, task 3: 85
   t.expect(metrics.windowed_forgetting(record, { window = 2 })):close_to((30 + 15 + 0) / 3, 1e-12)
   t.expect(metrics.windowed_plasticity(record, { window = 2 })):close_to((30 + 30 + 0) / 3, 1e-12)
   t.expect(metrics.windowed_plasticity(record, { window = 3 })):close_to((40 + 30 + 0) / 3, 1e-12)
   t.expect(metrics.windowed_forgetting(record)):close_to((30 + 15 + 0) / 3, 1e-12)
   t.expect(function() metrics.windowed_forgetting(record, { window = 0 }) end):raises "window must be a whole number"
end)

t.test("the stability gap: the dip, and what of it comes back", function()
   local gap = metrics.stability_gap(record)
   t.expect(gap.switches):equals{ { task = 2, of = 1, dip = 30, recoverable = 15 }, { task = 3, of = 1, dip = 10, recoverable = 0 },
      { task = 3, of = 2, dip = 15, recoverable = 0 } }
   t.expect(gap.dip):close_to((30 + 10 + 15) / 3, 1e-12)
   t.expect(gap.recoverable):close_to(15 / 3, 1e-12)
   local found = metrics.of(hand, record)
   t.expect({ found.stability_dip, found.stability_recoverable }):equals{ gap.dip, gap.recoverable }
end)

t.test("the area under the learning curve needs every step", function()
   t.expect(metrics.learning_curve_area(record, { beta = 1 })):close_to(((10 + 40) / 2 + (20 + 60) / 2 + (30 + 85) / 2) / 3, 1e-12)
   t.expect(metrics.learning_curve_area(record, { beta = 0 })):close_to((10 + 20 + 30) / 3, 1e-12)
   t.expect({ metrics.learning_curve_area(record, { beta = 2 }) }):equals{ nil,
      "task 3 has 1 steps, its curve needs 2: give a smaller beta" }
   t.expect(function() metrics.learning_curve_area(record, { beta = -1 }) end):raises "beta must be a whole number"
end)

t.test("without continual evaluation its figures say what they need", function()
   local found = metrics.of(hand)
   for _, name in ipairs{ "anytime_accuracy", "minimum_accuracy", "worst_case_accuracy", "windowed_forgetting", "windowed_plasticity",
      "stability_dip", "stability_recoverable", "learning_curve_area" } do
      t.expect({ name, found[name], found.reasons[name] }):equals{ name, nil,
         "needs continual evaluation: cl.train{ evaluate_every = steps }" }
   end
end)

-- ---- arithmetic -------------------------------------------------------------------------------------------

t.test("arithmetic of a step: products and convolutions, forward and backward", function()
   local nn = engram.nn
   local mlp = nn.Sequential{ nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3) }
   local y = engram.tensor({ 1, 2, 3, 1 }, { dtype = "int64" })
   local forward = 2 * 4 * (5 * 7 + 7 * 3)
   t.expect(metrics.arithmetic(nn.cross_entropy(mlp(engram.randn(4, 5)), y))):equals{ forward = forward,
      backward = 2 * 4 * (5 * 7 + 2 * 7 * 3) }                                 -- the input needs no gradient
   local net = nn.Sequential{ nn.Conv2d(2, 3, 3, { stride = 2, padding = 1 }), nn.ReLU(), nn.Flatten(), nn.Linear(27, 3) }
   local conv = 2 * 4 * 3 * 3 * 3 * 2 * 3 * 3                                   -- items, output 3 x 3, 3 of 2 channels, kernels 3 x 3
   t.expect(metrics.arithmetic(nn.cross_entropy(net(engram.randn(4, 2, 5, 5)), y))):equals{ forward = conv + 2 * 4 * 27 * 3,
      backward = conv + 2 * 2 * 4 * 27 * 3 }
   local a, b = engram.randn(2, 1, 3, 4):requires_grad_(), engram.randn(5, 4, 6):requires_grad_()
   t.expect(metrics.arithmetic(a:matmul(b):sum())):equals{ forward = 2 * 10 * 3 * 4 * 6, backward = 4 * 10 * 3 * 4 * 6 }
   t.expect(metrics.arithmetic(engram.ones(1):sum())):equals{ forward = 0, backward = 0 }
end)

t.test("arithmetic of attention and of an LSTM: that of the products they are made of", function()
   local nn = engram.nn
   local x = engram.randn(2, 5, 6):requires_grad_()
   local function of(layer, ...) return metrics.arithmetic(((layer(...)))) end
   local projections, product = 2 * 2 * 5 * 6 * (18 + 6), 2 * 2 * 5 * 5 * 6              -- in and out; queries with keys
   t.expect(of(nn.MultiheadAttention(6, 3), x)):equals{ forward = projections + 2 * product, backward = 2 * projections + 4 * product }
   t.expect(of(nn.MultiheadAttention(6, 3), x, engram.randn(2, 5, 6))):equals{ forward = projections + 2 * product,
      backward = 2 * projections - 2 * 2 * 5 * 6 * 12 + 4 * product }                       -- keys need no gradient, their weights do
   local folded = 2 * 2 * 6 * (3 * 6 + 2 * 3 * 5)
   t.expect(of(nn.MultiheadAttention(6, 3, { queries = "last" }), x)):equals{ forward = folded + 2 * 2 * 6 * 6,
      backward = 2 * (folded + 2 * 2 * 6 * 6) }
   local inputs, states = 2 * 2 * 5 * 6 * 16, 2 * 2 * 5 * 16 * 4
   t.expect(of(nn.LSTM(6, 4), x)):equals{ forward = inputs + states, backward = 2 * (inputs + states) }
end)

t.test("the matrix prints its names and numbers, and writes CSV", function()
   t.expect(tostring(three):find("after        b", 1, true) ~= nil):is_true()
   t.expect(metrics.matrix{ "a", "b", "a" }:csv()):equals "after,1 a,2 b,3 a\n"
   t.expect(three:csv()):equals "after,a,b,c\na,90.0000,10.0000,20.0000\nb,60.0000,80.0000,15.0000\nc,70.0000,50.0000,95.0000\n"
end)

t.test("update density and overlap count weights whose bits changed", function()
   local p = engram.nn.parameter(engram.zeros(8))
   local q = engram.nn.parameter(engram.ones(2))
   local tracker = metrics.tracker{ p, q }
   local function change(list)
      tracker:task_begin()
      engram.no_grad(function() for _, i in ipairs(list) do p[i] = p[i]:item() + 1 end end)
      tracker:task_end()
   end
   change{ 1, 2, 3, 4 }
   change{ 3, 4, 5 }
   change{}
   t.expect(tracker.density):close_to({ 0.4, 0.3, 0 }, 1e-12)
   local overlaps = tracker:overlaps()
   t.expect(overlaps[1][2]):close_to(2 / 5, 1e-12)
   t.expect(overlaps[2][1]):close_to(2 / 5, 1e-12)
   t.expect(overlaps[1][1]):equals(1)
   t.expect(overlaps[3][3]):is_nil()
end)

t.test("drift is the way a parameter went, relative to its length; overlaps reach back 20 tasks", function()
   local p, q = engram.nn.parameter(engram.tensor{ 3, 4 }), engram.nn.parameter(engram.zeros(2))
   local tracker = metrics.tracker({ p, q }, { "first", "second" })
   for k = 1, 25 do
      tracker:task_begin()
      engram.no_grad(function()
         if k == 1 then p[1] = 6 end
         if k % 2 == 1 then q[1] = k end
      end)
      tracker:task_end()
   end
   t.expect(tracker.drift[1]):equals{ first = 3 / 5 }                            -- nothing to compare zeros with
   t.expect(tracker.drift[2].first):equals(0)
   t.expect(tracker.drift[3].second):equals(2)
   local overlaps = tracker:overlaps()
   t.expect(overlaps[25][23]):equals(1)
   t.expect(overlaps[23][25]):equals(1)
   t.expect(overlaps[25][7]):equals(1)
   t.expect(overlaps[24][23]):equals(0)
   t.expect(overlaps[25][5]):is_nil()
   t.expect(overlaps[24][22]):is_nil()                                           -- neither moved anything
   t.expect(tracker:bytes()):equals(20 * 4)
end)

t.test("a large parameter is measured with little memory beside it", function()
   engram.scope(function()
      local p = engram.nn.parameter(engram.ones(4e6))
      local tracker = metrics.tracker{ p }
      tracker:task_begin()
      engram.no_grad(function() p:mul_(1.5) end)
      local before = engram.memory()
      tracker:task_end()
      t.expect(tracker.drift[1]["1"]):close_to(0.5, 1e-12)
      t.expect(engram.memory().peak):below(math.max(before.peak, before.live + 4e6 + 16e6) + 1)      -- the mask, and some
   end)
end)

t.test("a weight that becomes minus zero has changed", function()
   local p = engram.nn.parameter(engram.zeros(2))
   local tracker = metrics.tracker{ p }
   tracker:task_begin()
   engram.no_grad(function() p[1] = -0.0 end)
   tracker:task_end()
   t.expect(tracker.density[1]):equals(0.5)
end)

local function set_of(labels)
   return engram.data.dataset{ name = "tiny", images = engram.eye(4), labels = engram.tensor(labels, { dtype = "int64" }), classes = 4 }
end

t.test("accuracy counts the largest output, in any batch size, and leaves mode and streams alone", function()
   local model = engram.nn.Sequential{ engram.nn.Dropout(0.5), engram.nn.Identity() }
   local set = set_of{ 1, 2, 3, 1 }
   model:train()
   local before = engram.random.stream("dropout").counter
   for _, size in ipairs{ 1, 3, 100 } do t.expect(metrics.accuracy(model, set, { batch_size = size })):equals(75) end
   metrics.accuracy(model, set, { training = true })
   t.expect(engram.random.stream("dropout").counter == before):is_true()
   t.expect(model.training):is_true()
   t.expect(function() metrics.accuracy(model, set, { batch_size = 0 }) end):raises "batch_size must be a whole number"
   local positions = engram.nn.Embedding(10, 4)
   local rows = engram.data.dataset{ name = "rows", images = engram.ones(6, 3, { dtype = "int64" }),
      labels = engram.ones(6, { dtype = "int64" }), classes = 4 }
   t.expect(function() metrics.accuracy(positions, rows) end)
      :raises "the model must give a row of outputs for each item, (6, classes), and gave (6, 3, 4)"
end)

t.test("what is no matrix, no number or no figure is told", function()
   t.expect(function() metrics.forgetting(nil) end):raises "metrics.forgetting: expected a matrix of accuracies, R[i][j], got nil"
   t.expect(function() metrics.average_accuracy{ 90, 80 } end):raises "row 1 is a number, expected a list of accuracies"
   t.expect(function() metrics.intransigence(hand, { reference = 5 }) end):raises "an accuracy for each of 3 tasks, got number"
   t.expect(function() return metrics.forgeting end):raises "there is no figure 'forgeting', did you mean 'forgetting'?"
   local broken = matrix{ { 90, 10 }, { 0 / 0, 80 } }
   for _, name in ipairs{ "average_accuracy", "forgetting", "backward_transfer", "learning_accuracy" } do
      t.expect({ name, metrics[name](broken) }):equals{ name, nil, "the accuracy on task 1 after task 2 is not a number" }
   end
   local endless = matrix{ { 90 }, { 1 / 0, 80 } }
   t.expect({ metrics.average_accuracy(endless) }):equals{ nil, "the accuracy on task 1 after task 2 is infinite" }
   local good = matrix{ { 90, 10 }, { 80, 80 } }
   good.initial, good.items = { 0 / 0, 0 / 0 }, { 0, 0 }
   t.expect({ metrics.forward_transfer(good) }):equals{ nil, "an accuracy that it needs is not a finite number" }
   t.expect({ metrics.average_accuracy(good, { dialect = "avalanche" }) }):equals{ nil, "R.items tells of no test items" }
   good.items = { 10 }
   t.expect({ metrics.average_incremental_accuracy(good, { dialect = "pycil" }) }):equals{ nil,
      "R.items does not tell the number of test items of task 2" }
   t.expect({ metrics.intransigence(good, { reference = { 0 / 0, 50 } }) })
      :equals{ nil, "an accuracy that it needs is not a finite number" }
   t.expect(function() metrics.intransigence(good, { reference = { "90", 5 } }) end)
      :raises "reference: element 1 is a string, expected a number"
   t.expect(function() metrics.average_accuracy{ { "80" } } end)
      :raises "metrics.average_accuracy: row 1: element 1 is a string, expected a number"
   t.expect(function() metrics.forward_transfer(good, { initial = "x" }) end):raises "initial must be a list of numbers, got string"
   good.items = "ten"
   t.expect(function() metrics.average_accuracy(good) end):raises "metrics.average_accuracy: R.items must be a list of numbers, got string"
   local short = { { step = 0, task = 1, step_in_task = 0, accuracy = { 10 } },
      { step = 1, task = 1, step_in_task = 1, accuracy = { 20 } } }
   t.expect({ metrics.learning_curve_area(short) }):equals{ nil, "task 1 has 1 steps, its curve needs 10: give a smaller beta" }
end)

t.test("what is no record of continual evaluation is told, and a number in it that is none leaves all figures undefined", function()
   local function point(task, step, ...) return { step = step, task = task, step_in_task = step, accuracy = { ... } } end
   local broken = { point(1, 1, 0 / 0), point(1, 2, 50), point(2, 1, 1, 2), point(2, 2, 1, 2) }
   for _, name in ipairs{ "anytime_accuracy", "minimum_accuracy", "worst_case_accuracy", "windowed_forgetting", "windowed_plasticity",
      "stability_gap", "learning_curve_area" } do
      t.expect({ name, metrics[name](broken) }):equals{ name, nil, "the accuracy on task 1 at point 1 (task 1) is not a number" }
      t.expect(function() metrics[name](5) end)
         :raises(name .. ": expected a record of continual evaluation, as run.continual is one, got number")
      t.expect(function() metrics[name]{ 7 } end):raises(name .. ": point 1 is a number, expected { task =, step_in_task =, accuracy = }")
      t.expect(function() metrics[name]{ {} } end):raises(name .. ": point 1: ")
      t.expect(function() metrics[name]{ point(1, 1, "80") } end):raises "accuracy: element 1 is a string, expected a number"
   end
   local short = { point(1, 1, 50), point(2, 1, 40, 60) }
   for _, wrong in ipairs{ "x", 0, 1.5 } do
      t.expect(function() metrics.minimum_accuracy(short, { task = wrong }) end):raises "metrics.minimum_accuracy: task must be a whole"
   end
   t.expect({ metrics.minimum_accuracy(short, { task = 7 }) }):equals{ nil, "an accuracy that it needs was not measured" }
end)

t.done()
