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
end)

t.done()
