-- Run directories read back: trainings, curves, groups of seeds, intervals.
local t = require "tests.harness"
local runs = require "tests.runs"
local history = require "engram.run.history"
local groups = require "engram.run.groups"

local folder = t.temporary_folder()

t.test("a run is read with its training, its curves and its matrix", function()
   local found = history.read(runs.write(folder .. "/one", { seed = 3 }) .. "/", "test")
   t.expect(#found.runs):equals(1)
   t.expect(found.runs[1].experiment):equals "trial"
   local training = found.trainings[1]
   t.expect(training.seed):equals(3)
   t.expect(training.tasks):equals{ "set/task1", "set/task2" }
   t.expect(training.spans):equals{ { task = 1, from = 0, to = 200, last = 200 }, { task = 2, from = 200, to = 400, last = 400 } }
   t.expect(training.unfinished):equals(false)
   t.expect(training.accuracy):equals{ { 93, 10, width = 2 }, { 83, 93, width = 2 } }
   t.expect(history.curve(training, "loss")):close_to{ { 100, 0.32 }, { 200, 0.31 }, { 300, 2 / 300 + 0.3 }, { 400, 0.305 } }
   t.expect(history.curve(training, "accuracy")):equals{ { 200, 93 }, { 400, 88 } }
   t.expect(history.curve(training, "accuracy", 2)):equals{ { 200, 10 }, { 400, 93 } }
   t.expect(history.metrics(training)):equals{ "accuracy", "loss" }
   t.expect(found.problems):equals{}
end)

t.test("trainings in sub-folders and runs at any depth are found", function()
   runs.write(folder .. "/deep/a/b/run", { trainings = { { name = "sgd-s1" }, { name = "adam-s1", optimizer = "Adam" } } })
   runs.write(folder .. "/deep/c", {})
   local found = history.read(folder .. "/deep", "test")
   t.expect(#found.runs):equals(2)
   t.expect(found.runs[1].name):equals "a/b/run"
   t.expect(found.runs[1].trainings[1].folder):equals "adam-s1"
   t.expect(#found.trainings):equals(3)
end)

t.test("a run without a summary is read from its events", function()
   local found = history.read(runs.write(folder .. "/killed", { summary = false, status = "running" }), "test")
   t.expect(found.trainings[1].accuracy):equals{ { 91, 10, width = 2 }, { 81, 91, width = 2 } }
   t.expect(found.trainings[1].tasks):equals{ "task 1", "task 2" }
   t.expect(found.trainings[1].unfinished):is_true()
   t.expect(found.trainings[1].spans[2]):equals{ task = 2, from = 200, last = 400 }
end)

t.test("of a killed run the seed is that of its settings, the tasks those over its matrix", function()
   local path = runs.write(folder .. "/killed9", { summary = false, status = "running", seed = 7, tasks = 3 })
   t.write(path .. "/accuracy.csv", "after,1 set/a,2 set/b,3 set/a\n1 set/a,91.0000,10.0000,91.0000\n")
   local training = history.read(path, "test").trainings[1]
   t.expect({ training.run.state, training.seed, training.tasks }):equals{ "killed", 7, { "set/a", "set/b", "set/a" } }
   t.write(path .. "/accuracy.csv", "after,1 a,b\n")
   t.expect(history.read(path, "test").trainings[1].tasks):equals{ "1 a", "b", "task 3" }
end)

t.test("what did not come to its end is a group of its own", function()
   local path = folder .. "/mixed"
   runs.write(path .. "/a1", { seed = 1 })
   runs.write(path .. "/a2", { seed = 2, status = "interrupted", complete = false, error = "interrupted" })
   runs.write(path .. "/a3", { seed = 3, status = "running", summary = false })
   local list = groups.of(history.read(path, "test").trainings)
   t.expect({ #list, list[1].label, list[2].label, list[3].label }):equals{ 3, "SGD", "SGD (unfinished)", "unfinished" }
   t.expect({ list[1].unfinished, list[2].unfinished }):equals{ false, true }
end)

t.test("a fork's tasks follow those of its base; ends that do not agree are none", function()
   local path = folder .. "/forks"
   runs.write(path, { trainings = { { name = "base", tasks = 2 }, { name = "fork", tasks = 3, forked = 2 } } })
   local spans, most = groups.spans(history.read(path, "test").trainings)
   t.expect(most):equals(2)
   for i = 1, 3 do t.expect(spans[i]):equals{ task = i, from = 200 * (i - 1), to = 200 * i, last = 200 * i } end
   local one = '{"event":"task","task":1,"step":90,"accuracy":[1,2]}\n'
   runs.write(path .. "-short/a", {})
   runs.write(path .. "-short/b", { metrics = one, status = "interrupted", complete = false })
   t.expect(groups.spans(history.read(path .. "-short", "test").trainings)[1].to):equals(200)
   runs.write(path .. "-short/b", { metrics = one .. '{"event":"task","task":2,"step":180,"accuracy":[1,2]}\n' })
   spans, most = groups.spans(history.read(path .. "-short", "test").trainings)
   t.expect({ spans == nil, most }):equals{ true, 2 }
end)

t.test("a last line without an end is left out; a damaged line is told", function()
   local path = runs.write(folder .. "/damaged",
      { metrics = '{"event":"train","task":1,"step":1,"loss":2}\nnonsense\n[1]\n{"event":"train","task":1,"step":2,"loss":null}\n{"ev' })
   t.write(path .. "/meta.json", "{ broken")
   local found = history.read(path, "test")
   t.expect(history.curve(found.trainings[1], "loss")):equals{ { 1, 2 } }
   t.expect(#found.problems):equals(3)
   t.expect(table.concat(found.problems, "\n")):contains "/damaged/metrics.jsonl:2: is no event"
   t.expect(table.concat(found.problems, "\n")):contains "/damaged/meta.json"
end)

t.test("what is no run is an error that says what was expected", function()
   t.expect(function() history.read(folder .. "/nothing", "report") end):raises "nothing: there is no such folder"
   t.expect(function() history.read(folder .. "/one/meta.json", "report") end):raises "is no folder"
   os.execute("mkdir " .. t.quote(folder .. "/empty"))
   t.expect(function() history.read(folder .. "/empty", "report") end):raises "holds no run: there is no meta.json in it"
   t.expect(function() history.read(folder .. "/deep/a/b/run/sgd-s1", "report") end):raises("did you mean the run that it belongs to")
   t.expect(function() history.read(nil, "report") end):raises "expected the path of a run, got nil"
end)

t.test("runs that differ by the seed alone are one group", function()
   local path = folder .. "/seeds"
   for seed = 1, 3 do
      runs.write(path .. "/sgd-" .. seed, { seed = seed })
      runs.write(path .. "/sgd-fast-" .. seed, { seed = seed, lr = 0.5 })
   end
   local list = groups.of(history.read(path, "test").trainings)
   t.expect(#list):equals(2)
   t.expect(list[1].seeds):equals{ "1", "2", "3" }
   t.expect({ list[1].label, list[2].label }):equals{ "lr=0.1", "lr=0.5" }
   t.expect(groups.differences(list)):equals{ "optimizer.lr", "settings.lr" }
   local figure = groups.figure(list[1], function(training) return training.metrics.average_accuracy end)
   t.expect(figure.mean):equals(82)
   t.expect(figure.half):close_to(2.4842, 1e-3)
   t.expect(groups.curve(list[1], "accuracy", 1)[2][2]):equals(82)
   t.expect(groups.matrix(list[1], function(training) return training.accuracy end)[2][1].mean):equals(82)
end)

t.test("names tell trainings apart, without their seeds", function()
   local path = runs.write(folder .. "/named", { trainings = { { name = "sgd-s1" }, { name = "sgd-s2", seed = 2 }, { name = "ewc-s1" } } })
   local list = groups.of(history.read(path, "test").trainings)
   t.expect({ #list, list[1].label, list[2].label }):equals{ 2, "ewc", "sgd" }
end)

-- Student's quantiles as published tables have them.
t.done()
