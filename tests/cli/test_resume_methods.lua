-- Every method of cl.methods: killed in the middle of a task and resumed on another number of threads, it ends with the bits of a run that
-- never stopped; and it states the bytes of all that it keeps.
local t = require "tests.harness"
local cl = require "engram".cl

local folder = t.temporary_folder(true)
local function sh(line) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), 300) end

t.write(folder .. "/experiment.lua", [[
local ffi = require "ffi"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local s = engram.settings{ method = "Naive", scenario = "task" }
ffi.cdef "int raise(int);"
local OPTIONS = { GDumb = { memory = 25, epochs = 3 }, ER = { memory = 20, replay_batch = 6 }, DER = { memory = 20, replay_batch = 6 },
   DERpp = { memory = 20, replay_batch = 6 }, AGEM = { per_class = 4, replay_batch = 6 }, GEM = { per_task = 12 },
   Rehearsal = { memory = 21 },
   EWC = { lambda = 50, samples = 24, fisher = "sampled" }, MAS = { samples = 24 }, SI = { lambda = 10 }, PackNet = { prune = 0.5 } }
local function items(name, count)
   local images, labels = engram.rand(count, 30, { stream = name }), engram.randint(1, 2, count, { stream = name })
   return engram.data.dataset{ name = name, images = images, labels = labels, classes = 2 }
end
local epochs = s.method == "GDumb" and 1 or 2                   -- whose epochs are its own, which it would say
local function task(name)
   return cl.task({ name = name, train = items(name, 45), test = items(name .. " test", 12) }, { epochs = epochs })
end
local kill = tonumber(os.getenv "KILL")
local run = cl.train{ seed = 7, batch_size = 10, checkpoint_every = 2, evaluate_batch_size = 12,
   model = function() return nn.Sequential{ nn.Linear(30, 40), nn.ReLU(), nn.Dropout(0.2), nn.Linear(40, 6) } end,
   stream = cl.stream{ task "a", task "b", task "c", scenario = s.scenario },
   method = cl.methods[s.method](OPTIONS[s.method]), optimizer = function(m) return optim.Adam(m, { lr = 0.01 }) end,
   on_step = function(state) if state.task == 2 and state.step_in_task == kill then ffi.C.raise(9) end end }
local names = {}
for name, bytes in pairs(run.bytes.method_state) do names[#names + 1] = name .. "=" .. bytes end
table.sort(names)
print(run.hash, run.bytes.method, table.concat(names, " "), run.metrics.average_accuracy)
]])

local function run_to(runs, settings, flags, environment)
   local line = "rm -rf %s; %s engram run --quiet --runs %s %s experiment.lua %s"
   return sh(line:format(runs, environment or "", runs, flags or "", settings))
end

-- Bytes that each method must state: a model of 1486 weights (30 x 40 + 40 + 40 x 6 + 6), items of 30 numbers with label and task.
local W, ITEM = 4 * 1486, 4 * 30 + 16
local expected = { Naive = 0, L2 = W, EWC = 6 * W, SI = 5 * W, MAS = 2 * W, LwF = W, ER = 20 * ITEM, DER = 20 * (ITEM + 24),
   DERpp = 20 * (ITEM + 24), AGEM = 24 * ITEM, GEM = 36 * ITEM, GDumb = 25 * ITEM, PackNet = W + 1486, ResetOptimizer = 0,
   Rehearsal = 21 * ITEM, Joint = 135 * (4 * 30 + 8), Cumulative = 135 * (4 * 30 + 8) }

for _, name in ipairs(cl.methods.list()) do
   t.test(name .. ": threads, kill and resume, bytes", function()
      local code, whole, complaint = run_to("whole", "method=" .. name, "--threads 1")
      t.expect({ code, complaint }):equals{ 0, "" }
      t.expect(tonumber(whole:match "^%S+\t(%d+)\t")):equals(expected[name])
      for _, kill in ipairs{ 3, 8 } do
         t.expect({ kill, (run_to("cut", "method=" .. name, "--threads 4", "KILL=" .. kill)) }):equals{ kill, 137 }
         local resumed, hashes, problem = sh "engram resume --quiet --threads 2 cut/experiment/*"
         t.expect({ kill, resumed, problem, hashes }):equals{ kill, 0, "", whole }
      end
   end)
end

t.test("a warning is said once, also by a run that is gone on with, and stands in the log", function()
   local _, _, said = run_to("whole", "method=EWC scenario=class")
   t.expect(said):contains "warning: EWC alone in the class-incremental scenario"
   run_to("cut", "method=EWC scenario=class", "", "KILL=3")
   local _, _, again = sh "engram resume --quiet cut/experiment/*"
   t.expect(again):equals ""
   for _, runs in ipairs{ "whole", "cut" } do
      local _, log = sh("cat " .. runs .. "/experiment/*/log.txt")
      t.expect(select(2, log:gsub("warning: EWC alone", ""))):equals(1)
   end
end)

t.test("the summary tells lambda in the unit that all conventions share", function()
   run_to("whole", "method=EWC")
   local _, summary = sh "cat whole/experiment/*/summary.json"
   t.expect(summary):contains '"common_lambda": 50'
end)

t.done()
