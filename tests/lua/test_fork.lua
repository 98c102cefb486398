-- cl.fork: a training that goes on from a point of another, and what must match.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, cl, schedule = engram.nn, engram.optim, engram.cl, engram.schedule

local function items(name, count)
   return engram.data.dataset{ name = name, images = engram.rand(count, 6, { stream = name }),
      labels = engram.randint(1, 3, count, { stream = name }), classes = 3 }
end
local function task(name, epochs)
   return cl.task({ name = name, train = items(name, 24), test = items(name .. " test", 9) }, { epochs = epochs })
end
local a, b, c = task("a", 2), task "b", task "c"

local function network() return nn.Sequential{ nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3) } end
local function adam(model) return optim.Adam(model, { lr = 0.02 }) end
local function sgd(model) return optim.SGD(model, { lr = 0.05, momentum = 0.9 }) end

local function train(changes)
   local given = { model = network, optimizer = adam, stream = cl.stream{ a }, batch_size = 8, seed = 4 }
   for key, value in pairs(changes or {}) do given[key] = value end
   return cl.train(given)
end

t.test("a fork that changes nothing but the tasks to come is the longer training, to the bit", function()
   for _, optimizer in ipairs{ adam, sgd,
      function(m) return optim.CLASSP(m, { threshold = schedule.per_task{ 0, schedule.quantile(0.5, { every = 2 }) } }) end } do
      local long = train{ stream = cl.stream{ a, b, c }, optimizer = optimizer, method = cl.methods.EWC{ lambda = 5 } }
      local base = train{ optimizer = optimizer, method = cl.methods.EWC{ lambda = 5 } }
      engram.rand(100)                                -- what others draw meanwhile is nothing to it
      local fork = cl.fork(base, { stream = cl.stream{ a, b, c } })
      t.expect({ fork.hash, fork.steps }):equals{ long.hash, long.steps }
      t.expect(fork.accuracy[3]):equals(long.accuracy[3])
      t.expect(fork.losses):equals(long.losses)
      t.expect(fork.metrics.update_density):equals(long.metrics.update_density)
   end
end)

t.test("two ways from one point", function()
   local base = train{ method = cl.methods.EWC{ lambda = 50 } }
   local before = base.hash
   local stream = cl.stream{ a, b }
   local plain = cl.fork(base, { stream = stream, method = {} })
   local held = cl.fork(base, { stream = stream })
   local again = cl.fork(base, { stream = stream })
   local other = cl.fork(base, { stream = stream, optimizer = sgd })
   local drawn = cl.fork(base, { stream = stream, seed = 9 })
   t.expect(held.hash):equals(again.hash)
   for _, run in ipairs{ plain, other, drawn } do t.expect(run.hash):differs_from(held.hash) end
   t.expect(base.model:hash()):equals(before)
   for _, run in ipairs{ plain, held, other } do
      t.expect({ run.accuracy[1][1], #run.accuracy[1] }):equals{ base.accuracy[1][1], 1 }
      t.expect(run.forked_from):equals{ from = "train", task = 1, epoch = 2, step = 6 }
   end
   t.expect(other.optimizer.slots[1].velocity ~= nil and other.optimizer.counts[1]):equals(3)    -- of its own three steps
   t.expect(held.optimizer.counts[1]):equals(9)                                                  -- of all nine
end)

t.test("a fork of a fork", function()
   local long = train{ stream = cl.stream{ a, b, c } }
   local middle = cl.fork(train(), { stream = cl.stream{ a, b } })
   t.expect(cl.fork(middle, { stream = cl.stream{ a, b, c } }).hash):equals(long.hash)
end)

t.test("another learning rate from here on; the slots stay", function()
   local slow = cl.fork(train(), { stream = cl.stream{ a, b }, optimizer = function(m) return optim.Adam(m, { lr = 0.001 }) end })
   t.expect(slow.optimizer.counts[1]):equals(9)
end)

t.test("a fork to a method that keeps items: its memory has none of the tasks before, and its steps are those that there are", function()
   local base, stream = train(), cl.stream{ a, b, c }
   for _, method in ipairs{ cl.methods.GEM{}, cl.methods.Rehearsal{ memory = 12 }, cl.methods.GDumb{ memory = 12, epochs = 2 } } do
      local planned = {}
      local fork = cl.fork(base, { stream = stream, method = method, on_step = function(state)
         planned[state.task] = { state.steps_in_task, state.steps_per_epoch, state.step_in_task }
      end })
      t.expect(#fork.hash):equals(64)
      for k = 2, 3 do t.expect({ k, planned[k][3] }):equals{ k, planned[k][1] } end
   end
end)

t.test("what does not match is refused", function()
   local base, two = train(), cl.stream{ a, b }
   local function refused(text, ...)
      local arguments = { ... }
      t.expect(function() cl.fork(unpack(arguments)) end):raises(text)
   end
   refused("expected a run, a checkpoint or a run's folder, got nil", nil)
   refused("this table is no run that cl.train returned", {})
   refused("expected a table of changes, got number", base, 3)
   refused("there is no 'nowhere'; expected a run's folder or a checkpoint", "nowhere",
      { model = network, optimizer = adam, stream = two })
   refused("unknown option 'steam', did you mean 'stream'?", base, { steam = two })
   refused("train has ended task 1, and the stream has 1: nothing is left to train; give a stream with more tasks", base)
   refused("cl.fork: train: task 1, 'a', was trained on other items than 'b' of this stream holds", base, { stream = cl.stream{ b, a } })
   refused("train: 1.weight has shape (8, 6), the model wants (9, 6)", base,
      { stream = two, model = function() return nn.Sequential{ nn.Linear(6, 9), nn.ReLU(), nn.Dropout(0.2), nn.Linear(9, 3) } end })
   refused("does not fit the model: missing 2.weight, 2.bias unexpected 1.bias, 1.weight, 4.bias, 4.weight", base,
      { stream = two, model = function() return nn.Sequential{ nn.ReLU(), nn.Linear(6, 3) } end })
   local model = network()
   local fixed = train{ model = model, optimizer = adam(model) }
   refused("the run was given its model as it is, and the fork needs one of its own: give model = a function that makes it", fixed,
      { stream = two })
   refused("the run was given its optimizer as it is", fixed, { stream = two, model = network })
   t.expect(cl.fork(fixed, { stream = two, model = network, optimizer = adam }).accuracy[1]):equals(fixed.accuracy[1])
   optim.SGD(model, { lr = 1 }):step()
   engram.no_grad(function() model:parameters()[1]:add_(1) end)
   refused("the run's model has changed since the run ended", fixed, { stream = two, model = network, optimizer = adam })
   local ewc = cl.methods.EWC{}
   local first = train{ method = ewc }
   train{ method = ewc }
   refused("the run's method EWC has served another training since", first, { stream = two })
end)

-- ---- from files -------------------------------------------------------------------------------------------

local folder = t.temporary_folder(true)
t.write(folder .. "/common.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local function items(name, count)
   return engram.data.dataset{ name = name, images = engram.rand(count, 6, { stream = name }),
      labels = engram.randint(1, 3, count, { stream = name }), classes = 3 }
end
local a = cl.task({ name = "a", train = items("a", 24), test = items("a test", 9) }, { epochs = 2 })
local b = cl.task({ name = "b", train = items("b", 24), test = items("b test", 9) })
return { stream = cl.stream{ a, b }, batch_size = 8, checkpoints = "task", checkpoint_every = 1,
   model = function() return nn.Sequential{ nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3) } end,
   optimizer = function(model) return optim.Adam(model, { lr = 0.02 }) end }]])
t.write(folder .. "/base.lua", [[
local given = require "common"
given.seed = 4
given.on_step = function(s) if s.step == tonumber(os.getenv "STOP") then error "stopped" end end
print(require "engram".cl.train(given).hash)]])
t.write(folder .. "/fork.lua", [[
local engram = require "engram"
local s = engram.settings{ point = "", optimizer = "Adam", batch_size = 8, epochs = 2, kill = 0 }
local given = require "common"
if s.optimizer == "SGD" then given.optimizer = function(m) return engram.optim.SGD(m, { lr = 0.05, momentum = 0.9 }) end end
given.batch_size, given.stream[1].epochs, given.name = s.batch_size, s.epochs, "fork"
given.on_step = function(t) if t.step == s.kill and not os.getenv "AGAIN" then error "stopped" end end
print(engram.cl.fork(s.point, given).hash)]])
local function sh(line) return t.command(("cd %s || exit; %s"):format(folder, line)) end
local _, whole = sh "engram run --quiet --runs whole base.lua"
sh "STOP=5 engram run --quiet --runs cut base.lua"

t.test("from a checkpoint of a task, of a run that is finished or not; from the last one, within an epoch", function()
   for i, point in ipairs{ "whole/base/*/ckpt/task1.safetensors", "cut/base/*" } do
      local code, hash, err = sh(("engram run --quiet --runs forks%d fork.lua point=$(echo %s)"):format(i, point))
      t.expect({ point, code, hash, err }):equals{ point, 0, whole, "" }
   end
   local _, last = sh "cat forks2/fork/*/fork/metrics.jsonl"
   t.expect(last:match "^[^\n]*"):contains '"epoch": 2, "event": "fork", "from": "cut/base/'
   t.expect((select(2, sh "cat forks2/fork/*/fork/summary.json"))):contains '"forked_from": {'
end)

t.test("a fork that is cut short is gone on with, also when its point is gone", function()
   sh "rm -rf forks spare; cp -r cut spare"
   local _, want = sh "engram run --quiet --runs forks fork.lua point=$(echo spare/base/*) optimizer=SGD"
   sh "rm -rf forks; engram run --quiet --runs forks fork.lua point=$(echo spare/base/*) optimizer=SGD kill=7; rm -rf spare"
   local code, hash, err = sh "AGAIN=1 engram resume --quiet forks/fork/*"
   t.expect({ code, hash, err }):equals{ 0, want, "" }
   t.expect(want):differs_from(whole)
end)

t.test("within a task the place in the epoch must mean the same", function()
   local function refused(words, message)
      local code, _, err = sh(("engram run --quiet --runs forks fork.lua point=$(echo %s)"):format(words))
      t.expect(code):equals(1)
      t.expect(err):contains(message)
   end
   refused("cut/base/*) batch_size=$(echo 4", "lies within task 1, so batch_size must stay 8, got 4; from the end of a task it may change")
   refused("cut/base/*) epochs=$(echo 1", "lies in epoch 2 of task 1, but the stream now gives it 1")
   refused("whole/base/*", "has no checkpoint ckpt/last.safetensors: it has ckpt/task1.safetensors, ckpt/task2.safetensors")
   refused("whole/base/*/weights.safetensors", "weights.safetensors: is no checkpoint of a training")
   refused("whole", "has no checkpoint ckpt/last.safetensors: one that is finished keeps those that checkpoints = \"task\" made")
   local _, hash = sh "engram run --quiet --runs forks fork.lua point=$(echo whole/base/*/ckpt/task1.safetensors) batch_size=4"
   t.expect(#hash):equals(65)
   t.expect(function() cl.fork(folder .. "/common.lua", {}) end):raises "give model, stream and optimizer too"
end)

-- What a method has found out in another training is nothing to this one: PackNet's masks follow from what belongs to whom.
t.test("a method that served another training forks within a task as a new one does", function()
   t.write(folder .. "/pack.lua", [[
local engram = require "engram"
local given = require "common"
given.stream = engram.cl.stream{ given.stream[1], given.stream[2], scenario = "task" }
given.model = function() return engram.nn.Sequential{ engram.nn.Linear(6, 8), engram.nn.ReLU(), engram.nn.Linear(8, 6) } end
return given, function() return engram.cl.methods.PackNet{} end]])
   t.write(folder .. "/pack_base.lua", [[
local given, packnet = dofile "pack.lua"
given.seed, given.method = 4, packnet()
given.on_step = function(s) if s.step == 8 then error "stopped" end end              -- one step of task 2 is done
require "engram".cl.train(given)]])
   t.write(folder .. "/pack_fork.lua", [[
local engram = require "engram"
local s = engram.settings{ point = "", used = false }
local given, packnet = dofile "pack.lua"
given.method = packnet()
if s.used then
   given.seed, given.name = 9, "other"
   engram.cl.train(given)
end
given.seed, given.name = nil, "fork"
print(engram.cl.fork(s.point, given).hash)]])
   sh "engram run --quiet --runs packs pack_base.lua"
   local hashes = {}
   for i, used in ipairs{ "false", "true" } do
      local code, hash, err = sh("engram run --quiet --runs pack_forks pack_fork.lua point=$(echo packs/pack_base/*) used=" .. used)
      t.expect({ code, (err:gsub("warning: [^\n]+\n", "")) }):equals{ 0, "" }
      hashes[i] = hash
   end
   t.expect(#hashes[1]):equals(65)
   t.expect(hashes[2]):equals(hashes[1])
end)

t.done()
