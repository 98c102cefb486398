-- test_scenario.lua: which units are active, and that a masked single head is what a net with a head a task would be.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local scenario = cl.scenario

local function set_of(name, classes, n)
   local images = engram.randn(n or 24, 1, 3, 3, { stream = name }):keep()
   local labels = {}
   for i = 1, n or 24 do labels[i] = (i - 1) % classes + 1 end
   return engram.data.dataset{ name = name, images = images, labels = labels, classes = classes }
end

local sets = { set_of("one", 2), set_of("two", 3), set_of("three", 2) }
local function stream_of(kind, outputs)
   return cl.stream{ cl.task(sets[1]), cl.task(sets[2]), cl.task(sets[3]), scenario = kind, outputs = outputs }
end

local function range(stream, k, seen) return { scenario.range(stream, k, seen) } end

t.test("task: labels are contiguous units, and only the task's own are active", function()
   local stream = stream_of "task"
   t.expect(stream.classes):equals(7)
   t.expect({ stream[2].label, stream[2].first_class, stream[2].last_class }):equals{ 2, 3, 5 }
   t.expect(stream[2].train.labels[{ { 1, 4 } }]:tolist()):equals{ 3, 4, 5, 3 }
   t.expect(stream[3].test.labels[{ { 1, 3 } }]:tolist()):equals{ 6, 7, 6 }
   t.expect(range(stream, 2, 1)):equals{ 3, 5 }
   t.expect(range(stream, 3)):equals{ 6, 7 }
end)

t.test("class: the units of the tasks met so far, or all", function()
   local stream = stream_of "class"
   t.expect(range(stream, 1, 1)):equals{ 1, 2 }
   t.expect(range(stream, 1, 2)):equals{ 1, 5 }
   t.expect(range(stream, 3, 2)):equals{ 1, 5 }
   t.expect(range(stream, 1)):equals{ 1, 7 }
   t.expect(range(stream, 1, 0)):equals{ 1, 7 }
   t.expect(range(stream_of("class", "all"), 1, 1)):equals{ 1, 7 }
end)

t.test("domain: all tasks share the units of the largest", function()
   local stream = stream_of "domain"
   t.expect(stream.classes):equals(3)
   t.expect(range(stream, 1, 1)):equals{ 1, 3 }
   t.expect(stream[2].train.labels[{ { 1, 4 } }]:tolist()):equals{ 1, 2, 3, 1 }
end)

t.test("the loss of a task is cross entropy of its columns, and the others get no gradient", function()
   local logits = engram.randn(4, 7):requires_grad_()
   local y = engram.tensor({ 3, 5, 4, 3 }, { dtype = "int64" })
   local context = { stream = stream_of "task", task = 2 }
   local loss = scenario.loss(context, logits, y, 2)
   local expected = nn.cross_entropy(logits:detach()[{ {}, { 3, 5 } }]:contiguous(), engram.tensor({ 1, 3, 2, 1 }, { dtype = "int64" }))
   t.expect(loss:item()):equals(expected:item())
   loss:backward()
   t.expect(logits.grad[{ {}, { 1, 2 } }]:abs():sum():item()):equals(0)
   t.expect(logits.grad[{ {}, { 6, 7 } }]:abs():sum():item()):equals(0)
   t.expect(logits.grad[{ {}, { 3, 5 } }]:abs():sum():item() > 0.1):is_true()
end)

-- The loss of a batch of several tasks is the mean of what its items give alone, and item 1, of task 1, moves no unit of the others.
local function expect_mean_of_items(context, logits, y, tasks)
   local mixed, sum = scenario.masked_loss(context, logits, y, tasks), 0
   for i = 1, #y do
      local row = engram.tensor({ i }, { dtype = "int64" })
      sum = sum + scenario.loss(context, logits:detach():index_select(1, row), y:index_select(1, row), tasks[i]:item()):item()
   end
   t.expect(mixed:item()):close_to(sum / #y, 1e-12)
   mixed:backward()
   t.expect(logits.grad[{ 1, { 3, 7 } }]:abs():sum():item()):equals(0)
end

t.test("a mixed batch: each item over its own task's units, as one loss a task would say", function()
   local logits = engram.randn(5, 7, { dtype = "float64" }):requires_grad_()
   local y = engram.tensor({ 1, 5, 7, 2, 4 }, { dtype = "int64" })
   local stream = stream_of "task"
   local tasks = scenario.tasks_of(stream, y)
   t.expect(tasks:tolist()):equals{ 1, 2, 3, 1, 2 }
   local context = { stream = stream, task = 3 }
   expect_mean_of_items(context, logits, y, tasks)
   local met = { stream = stream_of "class", task = 2 }
   t.expect(scenario.masked_loss(met, logits:detach(), y:clamp(1, 5), tasks):item()):equals(
      scenario.loss(met, logits:detach(), y:clamp(1, 5), 2):item())
end)

t.test("another loss sees the active units as classes from 1", function()
   local seen
   local context = { stream = stream_of "task", task = 3, loss_function = function(logits, y)
      seen = { logits.shape, y:tolist() }
      return logits:sum()
   end }
   scenario.loss(context, engram.randn(2, 7), engram.tensor({ 7, 6 }, { dtype = "int64" }), 3)
   t.expect(seen):equals{ { 2, 2 }, { 2, 1 } }
end)

-- Squares would feel a mask: another loss sees each task's items by themselves.
t.test("another loss of a mixed batch is the mean over items of its tasks' losses", function()
   local function squares(logits, y) return (logits - y:one_hot(logits:size(2), logits.dtype)):square():mean() end
   local context = { stream = stream_of "task", task = 3, loss_function = squares }
   local logits = engram.randn(5, 7, { dtype = "float64" }):requires_grad_()
   local y = engram.tensor({ 1, 5, 7, 2, 4 }, { dtype = "int64" })
   local tasks = scenario.tasks_of(context.stream, y)
   expect_mean_of_items(context, logits, y, tasks)
   t.expect(logits.grad[{ {}, { 1, 2 } }]:abs():sum():item()):above(0)
   local run = cl.train{ stream = context.stream, loss = squares, method = cl.methods.ER{ memory = 20 }, batch_size = 8, seed = 1,
      model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(9, 7) } end,
      optimizer = function(m) return optim.SGD(m, { lr = 0.05 }) end }
   for _, note in ipairs(run.losses) do t.expect(note.loss):below(3) end
end)

t.test("answers come from the active units alone", function()
   local logits = engram.tensor{ { 9, 0, 1, 2, 8, 0, 3 }, { 0, 1, 7, 2, 6, 9, 3 } }
   t.expect(scenario.answers(stream_of "task", logits, 2, 2):tolist()):equals{ 5, 3 }
   t.expect(scenario.answers(stream_of "class", logits, 2, 2):tolist()):equals{ 1, 3 }
   t.expect(scenario.answers(stream_of "class", logits, 2, 3):tolist()):equals{ 1, 6 }
   t.expect(scenario.answers(stream_of "domain", logits, 2, 2):tolist()):equals{ 1, 6 }
end)

-- A net with a head of its own for each task; what it gives is laid side by side, so that it can stand in the same training.
local function multi_head()
   local Net = nn.Module:extend "MultiHead"
   function Net:init()
      self.body = nn.Linear(9, 8)
      self.one = nn.Linear(8, 2)
      self.two = nn.Linear(8, 3)
      self.three = nn.Linear(8, 2)
   end
   function Net:forward(x)
      local h = self.body(x:flatten(2)):relu()
      return engram.cat({ self.one(h), self.two(h), self.three(h) }, 2)
   end
   return Net()
end

t.test("a masked single head trains as a net with separate heads does, bit for bit", function()
   local function run(model)
      return cl.train{ model = model, stream = stream_of "task", batch_size = 8, seed = 3,
         optimizer = function(m) return optim.SGD(m, { lr = 0.3 }) end }
   end
   local function single() return nn.Sequential{ nn.Flatten(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 7) } end
   local start = single():parameters()
   local heads = run(function()
      local model = multi_head()
      local p = model:parameters()
      engram.no_grad(function()
         p[1]:copy_(start[1])
         p[2]:copy_(start[2])
         for i, rows in ipairs{ { 1, 2 }, { 3, 5 }, { 6, 7 } } do
            p[2 * i + 1]:copy_(start[3][{ rows }])
            p[2 * i + 2]:copy_(start[4][{ rows }])
         end
      end)
      return model
   end)
   local one = run(function()
      local model = single()
      engram.no_grad(function() for i, p in ipairs(model:parameters()) do p:copy_(start[i]) end end)
      return model
   end)
   local p = heads.model:parameters()
   local joined = { p[1], p[2], engram.cat({ p[3], p[5], p[7] }, 1), engram.cat({ p[4], p[6], p[8] }, 1) }
   for i, q in ipairs(one.model:parameters()) do t.expect(q):close_to(joined[i], 1e-6) end
   for i = 1, 3 do t.expect(one.accuracy[i]):equals(heads.accuracy[i]) end
end)

t.test("what cannot be is an error that says so", function()
   t.expect(function() stream_of "tasks" end):raises "did you mean 'task'"
   t.expect(function() stream_of("domain", "all") end):raises "outputs is for the class scenario"
   t.expect(function() stream_of("class", "some") end):raises "'some' is not one of seen, all"
   t.expect(function() scenario.range(stream_of "task", 4) end):raises "there is no task 4"
   t.expect(function()
      cl.train{ model = nn.Sequential{ nn.Flatten(), nn.Linear(9, 3) }, stream = stream_of "class",
         optimizer = function(m) return optim.SGD(m) end }
   end):raises "the class scenario needs a unit for each class"
end)

t.done()
