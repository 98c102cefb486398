-- Rules that end tasks, in runs: killed at any step and resumed on another number of threads, a run ends with the bits of one that never
-- stopped, after as many steps; what the summary, the log and --dry-run tell.
local t = require "tests.harness"
local engram = require "engram"

local folder = t.temporary_folder(true)
local function sh(line) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), 300) end

t.write(folder .. "/experiment.lua", [[
local ffi = require "ffi"
local engram = require "engram"
local nn, optim, schedule, cl = engram.nn, engram.optim, engram.schedule, engram.cl
local stop = schedule.stop
local s = engram.settings{ rule = "patience", evaluate = "task", every = 3 }
ffi.cdef "int raise(int);"
local RULES = { patience = stop.patience(3, { restore = true, max_epochs = 30 }), cap = stop.loss(0, { max_epochs = 4 }),
   step = stop.loss(0.62, { of = "batch", each = "step" }),
   several = stop.first_of{ stop.patience(2, { figure = "accuracy" }), stop.loss(0.1, { of = "validation" }), stop.steps(38) } }
local function items(name, count)
   local images = engram.randn(count, 8, { stream = name })
   return engram.data.dataset{ name = name, images = images, labels = images:sum(2):gt(0):long() + 1, classes = 2 }
end
local function task(name)
   return cl.task{ name = name, train = items(name, 45), test = items(name .. " test", 12), validation = items(name .. " kept", 20) }
end
local kill = tonumber(os.getenv "KILL")
local run = cl.train{ seed = 7, batch_size = 10, checkpoint_every = s.every, evaluate = s.evaluate, stop = RULES[s.rule],
   evaluate_every = 4, method = cl.methods.EWC{ lambda = 5 },
   model = function() return nn.Sequential{ nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 2) } end,
   stream = cl.stream{ task "a", task "b" }, optimizer = function(m) return optim.SGD(m, { lr = 0.1, momentum = 0.9 }) end,
   on_step = function(state) if state.step == kill then ffi.C.raise(9) end end }
print(run.hash, run.steps, run.stopped[1].why, run.stopped[2].why, run.stopped[2].restored_epoch)
]])

local function run_to(runs, settings, flags, environment)
   local line = "rm -rf %s; %s engram run --quiet --runs %s %s experiment.lua %s"
   return sh(line:format(runs, environment or "", runs, flags or "", settings))
end

-- All that a run has written line by line, without its speed.
local function journals(runs)
   local _, text = sh(("cat %s/*/*/metrics.jsonl %s/*/*/log.txt"):format(runs, runs))
   return (text:gsub("%s+%S+ steps/s", ""))
end

for _, rule in ipairs{ "patience", "cap", "step", "several" } do
   t.test("killed and resumed: " .. rule, function()
      local _, whole, said = run_to("whole", "evaluate=epoch rule=" .. rule, "--threads 1")
      local steps = tonumber(whole:match "\t(%d+)\t")
      t.expect(steps):above(4)
      for kill = 4, steps, math.max(3, math.floor(steps / 3)) do
         t.expect({ kill, (run_to("cut", "evaluate=epoch rule=" .. rule, "--threads 2", "KILL=" .. kill)) }):equals{ kill, 137 }
         local code, resumed, problem = sh "engram resume --quiet --threads 1 cut/experiment/*"
         t.expect({ kill, code, resumed }):equals{ kill, 0, whole }
         t.expect(said):contains(problem)                  -- warnings that were still to come, no others
         t.expect(journals "cut"):equals(journals "whole")
      end
   end)
end

t.test("the summary and the log say how long each task took, and why it ended; a cap is said aloud, once", function()
   local _, _, said = run_to("whole", "rule=cap")
   t.expect(said):contains "warning: task 1, 'a', was ended by its cap, max_epochs = 4: epoch loss "
   t.expect(said):contains "warning: task 2, 'b', was ended by its cap"
   local _, path = sh "echo whole/experiment/*"
   path = folder .. "/" .. path:match "%S+"
   local stopped = engram.json.load(path .. "/summary.json").stopped
   t.expect({ #stopped, stopped[2].by, stopped[2].steps, stopped[2].epochs }):equals{ 2, "cap", 20, 4 }
   t.expect(stopped[1].rule):equals "loss(0, of epoch, max_epochs 4)"
   t.expect(t.read(path .. "/log.txt")):contains "task 1 ended after 20 steps (4 epochs): max_epochs = 4: epoch loss "
   t.expect(t.read(path .. "/metrics.jsonl")):contains '"event": "stop"'
end)

t.test("another rule is another run", function()
   run_to("cut", "rule=cap", "", "KILL=8")
   local _, text = sh "sed -i 's/max_epochs = 4/max_epochs = 5/' experiment.lua; engram resume --quiet cut/experiment/* 2>&1"
   t.expect(text):contains "was made with tasks = a (45 items, until loss(0, of epoch, max_epochs 4))"
   sh "sed -i 's/max_epochs = 5/max_epochs = 4/' experiment.lua"
end)

t.test("--dry-run tells the most that it can be", function()
   local code, text = sh "engram run --dry-run experiment.lua rule=cap"
   t.expect(code):equals(0)
   for _, part in ipairs{ "task 1: a, 45 to train, 12 to test, until loss(0, of epoch, max_epochs 4)\n", "steps\n  at most 40\n",
      "expected time\n  at most " } do
      t.expect(text):contains(part)
   end
end)

t.done()
