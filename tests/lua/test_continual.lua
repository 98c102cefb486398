-- test_continual.lua: continual evaluation, streams whose data come and go, and what a training says of both.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local streams = cl.streams

local function split(scenario, more)
   local options = { tasks = 5, scenario = scenario, train = 200, test = 100 }
   for key, value in pairs(more or {}) do options[key] = value end
   return streams.split("glyphs/digits", options)
end

local function model()
   return nn.Sequential{ nn.Conv2d(1, 2, 5, { stride = 4 }), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2),
      nn.Linear(72, 10) }
end

local function train(stream, options)
   local all = { model = model, optimizer = function(m) return optim.SGD(m, { lr = 0.1 }) end, stream = stream, batch_size = 10, seed = 2 }
   for key, value in pairs(options or {}) do all[key] = value end
   return cl.train(all)
end

local function rows(list)
   local all = {}
   for i, row in ipairs(list) do all[i] = { unpack(row, 1, 5) } end
   return all
end

for _, scenario in ipairs{ "domain", "task", "class" } do
   t.test(scenario .. ": evaluating every few steps never changes the training", function()
      local plain, watched = train(split(scenario)), train(split(scenario), { evaluate_every = 3 })
      t.expect(watched.hash):equals(plain.hash)
      t.expect(rows(watched.accuracy)):equals(rows(plain.accuracy))
      t.expect(plain.continual):is_nil()
   end)

   t.test(scenario .. ": on all items the record meets the matrix at the end of each task", function()
      local run = train(split(scenario), { evaluate_every = 3, evaluate_items = 5 * 100 })
      local ends, steps = {}, {}
      for _, point in ipairs(run.continual) do
         ends[point.task] = point.accuracy
         if point.task == 2 then steps[#steps + 1] = point.step_in_task end
      end
      t.expect(steps):equals{ 0, 3, 4 }                                          -- 40 items a task, and the last step always
      for k = 1, 5 do
         t.expect(#ends[k]):equals(k)
         for j = 1, k do t.expect(ends[k][j]):close_to(run.accuracy[k][j], 1e-12) end
      end
      t.expect(run.metrics.worst_case_accuracy):equals(cl.metrics.worst_case_accuracy(run.continual))
      t.expect(run.metrics.stability_dip ~= nil):is_true()
      t.expect(run.time.continual > 0 and run.time.training > 0):is_true()
   end)

   t.test(scenario .. ": the same bits for 1, 2 and 4 threads", function()
      local hashes = {}
      for i, threads in ipairs{ 1, 2, 4 } do
         engram.threads(threads)
         local run = train(streams.blur(split(scenario), { width = 0.3 }), { evaluate_every = 2 })
         hashes[i] = run.hash .. engram.json.encode(run.continual) .. engram.json.encode(run.metrics)
      end
      t.expect(hashes[2]):equals(hashes[1])
      t.expect(hashes[3]):equals(hashes[1])
   end)
end

t.test("the part that is looked at is the same in every run, and shared by the tasks", function()
   local one, two = train(split "task", { evaluate_every = 4, evaluate_items = 20 }), train(split "task", { evaluate_every = 2,
      evaluate_items = 20 })
   local function last(run) return run.continual[#run.continual].accuracy end
   t.expect(last(two)):equals(last(one))
   for _, percent in ipairs(last(one)) do t.expect(percent % 25):equals(0) end    -- four items of each of five tasks
   t.expect(function() train(split "task", { evaluate_every = 4, evaluate_items = 4 }) end):raises
      "evaluate_items = 4 is less than an item for each of 5 tasks"
end)

t.test("evaluate_tasks: all, those met, the present one, or the last so many", function()
   local function measured(value)
      local list = {}
      for k, row in ipairs(train(split "task", { evaluate_tasks = value }).accuracy) do
         list[k] = ""
         for j = 1, 5 do list[k] = list[k] .. (row[j] and j or ".") end
      end
      return table.concat(list, " ")
   end
   t.expect(measured(nil)):equals "12345 12345 12345 12345 12345"
   t.expect(measured "seen"):equals "1.... 12... 123.. 1234. 12345"
   t.expect(measured "current"):equals "1.... .2... ..3.. ...4. ....5"
   t.expect(measured(2)):equals "1.... 12... .23.. ..34. ...45"
   t.expect(function() measured "sene" end):raises "did you mean 'seen'?"
   t.expect(function() measured(0) end):raises "evaluate_tasks must be a whole number of at least 1"
   local run = train(split "task", { evaluate_tasks = 2, evaluate_every = 2, evaluate_items = 20 })
   local point = run.continual[#run.continual]
   t.expect({ point.accuracy[3], point.accuracy[4] ~= nil, point.accuracy[5] ~= nil }):equals{ nil, true, true }
   t.expect(run.metrics.learning_accuracy ~= nil):is_true()
   t.expect(run.metrics.reasons.forgetting):equals "an accuracy that it needs was not measured"
end)

t.test("accuracies before any training are those of the fresh model; in the class scenario there are none", function()
   local stream = split "task"
   local run = train(stream, { evaluate_batch_size = 100 })
   engram.seed(2)
   local fresh = model()
   for j = 1, 5 do
      local percent = cl.metrics.accuracy(fresh, stream[j].test, { batch_size = 100,
         answers = function(logits) return cl.scenario.answers(stream, logits, j, 0) end })
      t.expect(run.accuracy.initial[j]):equals(percent)
   end
   t.expect(run.metrics.forward_transfer):equals(cl.metrics.forward_transfer(run.accuracy))
   t.expect(train(split "class").metrics.reasons.forward_transfer):contains "class scenario"
end)

t.test("the class scenario answers with units met so far, or with all", function()
   local function first_row(outputs) return train(split("class", { outputs = outputs })).accuracy[1] end
   t.expect(first_row("seen")[1] >= first_row("all")[1]):is_true()
   for j = 2, 5 do t.expect(first_row("seen")[j]):equals(0) end
end)

t.test("a blurred task-incremental stream trains each item over its own units", function()
   local seen
   local run = train(streams.blur(split "task", { width = 0.5 }), { shuffle = true, on_step = function(s)
      if s.task == 1 and s.step_in_task == s.steps_in_task then seen = s.y:max():item() end
   end })
   t.expect(seen > 2):is_true()
   t.expect(run.steps):equals(20)
end)

t.test("labels outside of the active units are an error that names them", function()
   local stream = split "task"
   stream[2].last_class = 3
   t.expect(function() train(stream) end):raises "task 2, '2+3': labels run from 3 to 4, but its active units are 3 to 3"
end)

t.test("data that are made are released: live bytes are flat over many tasks", function()
   local live = {}
   cl.methods.register{ name = "Watch", state = {}, task_begin = function(_, s)
      engram.collect()
      live[s.task] = engram.memory().live
   end }
   local stream = streams.online(streams.permuted("glyphs/digits", { tasks = 120, train = 60, test = 30, seed = 3 }))
   local run = train(stream, { method = cl.methods.Watch{}, evaluate_tasks = 5, evaluate_every = 5, evaluate_items = 50, batch_size = 30 })
   t.expect(run.steps):equals(240)
   local masks = 20                                                              -- the overlaps' window must have filled
   t.expect(live[120] <= live[masks + 10]):is_true()
   for k = 1, 120 do t.expect(stream[k]:has "train" or stream[k]:has "test"):equals(false) end
end)

t.test("data that were there before a training are there after it", function()
   local stream = streams.permuted("glyphs/digits", { tasks = 3, train = 60, test = 30 })
   local held = stream[2].train
   train(stream)
   t.expect(held.images:numel()):equals(60 * 784)
   t.expect({ stream[1]:has "train", stream[2]:has "train", stream[2]:has "test" }):equals{ false, true, false }
end)

t.test("arithmetic of a run is that of its items", function()
   local run = cl.train{ model = nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) }, stream = split "task", batch_size = 15,
      optimizer = function(m) return optim.SGD(m) end }
   t.expect(run.arithmetic):equals{ total = 200 * 4 * 784 * 10, forward_per_item = 2 * 784 * 10, backward_per_item = 2 * 784 * 10 }
end)

-- ---- what is said -----------------------------------------------------------------------------------------

t.test("the stream's hash, options without effect and what an optimizer keeps are told", function()
   local folder = t.temporary_folder()
   t.write(folder .. "/said.lua", [[
      local engram = require "engram"
      local nn, optim, cl = engram.nn, engram.optim, engram.cl
      local stream = cl.streams.split("glyphs/digits", { tasks = 2, train = 40, test = 20, scenario = "class" })
      cl.train{ model = nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) }, stream = stream, batch_size = 10, evaluate_items = 40,
         optimizer = function(m) return optim.Adam(m) end }
      print(stream:hash())]])
   local code, out, err = t.command(("cd %s && engram run --runs r said.lua"):format(t.quote(folder)), 120)
   t.expect(code):equals(0)
   local hash = out:match "^(%x+)\n"
   t.expect(err):contains("stream: 2 tasks, class scenario, SHA-256 " .. hash)
   t.expect(err):contains "warning: cl.train: evaluate_items has no effect: without evaluate_every there is no continual evaluation"
   local log = select(2, t.command(("cat %s/r/said/*/log.txt"):format(t.quote(folder))))
   t.expect(log):contains "optimizer Adam: at a new task it keeps first, second and resets nothing"
   local summary = select(2, t.command(("cd %s && cat r/said/*/summary.json"):format(t.quote(folder))))
   t.expect(summary):contains('"stream_sha256": "' .. hash .. '"')
end)

t.test("by default a point looks at four batches of items, at most 256", function()
   for batch, items in pairs{ [10] = 40, [100] = 256, [1] = 5 } do
      local seen
      train(split "task", { batch_size = batch, evaluate_every = 1000, evaluate = "never", on_step = function(state)
         seen = state.evaluate_items
      end })
      t.expect({ batch, seen }):equals{ batch, items }
   end
end)

t.done()
