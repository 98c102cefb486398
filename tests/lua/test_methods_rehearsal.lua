-- test_methods_rehearsal.lua: a memory that all tasks share, mixed into their data (Rehearsal) and behind GEM; A-GEM's memory of a fixed
-- size.
local t = require "tests.harness"
local plain = require "tests.plain"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl

local ALL = 1000                                       -- more than there is

local function items(name)
   return engram.data.dataset{ name = name, images = engram.randn(10, 3, { stream = name, dtype = "float64" }):keep(),
      labels = engram.randint(1, 3, 10, { stream = name }):keep(), classes = 3 }
end
local sets = { items "first", items "second", items "third" }

-- One after the other.
local function joined(...)
   local images, labels = {}, {}
   for i, set in ipairs{ ... } do images[i], labels[i] = set.images, set.labels end
   return engram.data.dataset{ name = "joined", images = engram.cat(images, 1):keep(), labels = engram.cat(labels, 1):keep(), classes = 3 }
end

local function train(method, given)
   local list = given and given.sets or sets
   local stream = cl.stream{ cl.task(list[1]), cl.task(list[2]), cl.task(list[3]), scenario = given and given.scenario or "domain" }
   return cl.train{ stream = stream, batch_size = 4, seed = 5, shuffle = given and given.shuffle or false, evaluate = "never",
      method = method, optimizer = function(model) return optim.SGD(model, { lr = 0.1 }) end,
      model = function() return nn.Sequential{ nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, stream.classes) }:to "float64" end }
end

local function weights(run) return plain.from(run.model:parameters()) end

t.test("Rehearsal trains on the task's items and those of the memory", function()
   local by_hand = train(nil, { sets = { sets[1], joined(sets[2], sets[1]), joined(sets[3], sets[1], sets[2]) } })
   local run = train(cl.methods.Rehearsal{ memory = ALL })
   t.expect(run.steps):equals(by_hand.steps)
   t.expect(weights(run)):close_to(weights(by_hand), 1e-12)
end)

t.test("the memory is shared equally, and is seen as often as it takes for old and new to be 1 : 1", function()
   for _, scenario in ipairs{ "domain", "task", "class" } do
      local method = cl.methods.Rehearsal{ memory = 4 }
      local run = train(method, { scenario = scenario, shuffle = true })
      t.expect(run.steps):equals(3 + 5 + 5)              -- of 10, 10 + 2 * 4 and 10 + 2 * 4 items
      t.expect(method.memory:size()):equals(3)           -- a third of 4 for each of three tasks
      t.expect(method.memory.tasks:tolist()):equals{ 1, 2, 3 }
      t.expect(run.bytes.method_state["Rehearsal.memory"]):equals(3 * (3 * 8 + 8 + 8))
   end
end)

t.test("what stays in a memory that shrinks is drawn from what was in it", function()
   local buffer = require "engram.cl.buffer".new()
   engram.seed(2)
   for task = 1, 2 do buffer:take(sets[task], 6, false, task) end
   local before = buffer:items(engram.arange(12)).images:tolist()
   buffer:shrink(6)
   t.expect(buffer.images:tolist()):equals(before)
   buffer:shrink(2)
   t.expect(buffer.tasks:tolist()):equals{ 1, 1, 2, 2 }
   local known = {}
   for _, image in ipairs(before) do known[table.concat(image, " ")] = true end
   for _, image in ipairs(buffer.images:tolist()) do t.expect(known[table.concat(image, " ")]):is_true() end
   buffer:take(sets[3], 1, false, 3)
   t.expect({ buffer:size(), buffer.tasks:tolist() }):equals{ 5, { 1, 1, 2, 2, 3 } }
end)

t.test("GEM takes the memory of the method beside it", function()
   local own = train{ cl.methods.Rehearsal{ memory = ALL }, cl.methods.GEM{ per_task = ALL } }
   local beside = cl.methods.GEM{ filling = "beside" }
   local run = train{ cl.methods.Rehearsal{ memory = ALL }, beside }
   t.expect(weights(run)):equals(weights(own))
   t.expect(run.bytes.method_state["GEM.memory"]):equals(0)
   t.expect(weights(run)):differs_from(weights(train(cl.methods.Rehearsal{ memory = ALL })))
   t.expect(function() train(cl.methods.GEM{ filling = "beside" }) end):raises "takes the memory of the method beside it"
   t.expect(function() cl.methods.GEM{ filling = "beside", per_task = 5 } end):raises "per_task has no effect with filling = 'beside'"
end)

t.test("A-GEM with one batch a task keeps no more than its memory, of all tasks", function()
   local method = cl.methods.AGEM{ convention = "mammoth", memory = 5 }
   train(method, { shuffle = true })
   t.expect(method.memory:size()):equals(5)
   t.expect(method.memory.seen):equals(12)
   local all = cl.methods.AGEM{ convention = "mammoth" }
   train(all, { shuffle = true })
   t.expect(all.memory:size()):equals(12)
   for _, memory in ipairs{ 0, 5 } do
      local few = cl.methods.AGEM{ convention = "mammoth", memory = memory, offered = 2 }
      train(few, { shuffle = true })
      t.expect({ memory, few.memory:size() }):equals{ memory, memory > 0 and memory or 6 }
   end
   t.expect(function() cl.methods.AGEM{ memory = 5 } end):raises "memory has no effect with filling = 'task end'"
end)

t.done()
