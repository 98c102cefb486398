-- cl/rehearsal.lua: `engram run --dry-run`: what a training would be, and about how long it would take, told instead of trained.
local core = require "engram.core"
local grouped = require "engram.cl.grouped"
local plan = require "engram.cl.plan"
local metrics = require "engram.cl.metrics"
local seal = require "engram.cl.seal"
local stopping = require "engram.cl.stopping"
local C = core.C

local rehearsal = {}

rehearsal.wanted = false                -- set by the command: "dry-run", or "settings" when only those were asked for

local SECONDS, STEPS = 2, 4             -- so long, and so many steps at least, unless the epoch ends before

local function shape_of(tensor) return "(" .. table.concat(tensor.shape, ", ") .. ")" end

local function duration(seconds)
   if seconds < 120 then return ("%.1f s"):format(seconds) end
   if seconds < 7200 then return ("%.0f min"):format(seconds / 60) end
   return ("%.1f h"):format(seconds / 3600)
end

local function print_model(t)
   local total = 0
   print "model"
   for name, p in t.model:named_parameters() do
      print(("  %-24s %-20s %12s"):format(name, shape_of(p), grouped(p:numel())))
      total = total + p:numel()
   end
   print(("  %-24s %-20s %12s"):format("in all", "", grouped(total)))
end

local function print_plan(t)
   print("optimizer\n  " .. tostring(t.optimizer))
   for _, method in ipairs(t.methods) do print("method\n  " .. tostring(method.description.name)) end
   print(("data (batches of %d)"):format(t.batch_size))
   local part = seal.part(t)
   for k, e in ipairs(t.stream) do
      print(("  task %d: %s, %s to train, %s to %s, %s"):format(k, e.name, grouped(e:items "train"), grouped(e:items(part)),
         part == "test" and "test" or "validate", stopping.duration(t, k)))
   end
   print(("steps\n  %s%s"):format(t.open and "at most " or "", grouped(t.total_steps)))
end

-- Mean seconds of a step, and of how many: advance() trains on one batch and returns false at the end of the epoch. The first
-- half is left out: there the compiler is still at work.
local function time_of_a_step(advance)
   local clocks = { C.eg_clock() }
   local ends = clocks[1] + SECONDS
   while (#clocks <= STEPS or clocks[#clocks] < ends) and not core.interrupted() and advance() do clocks[#clocks + 1] = C.eg_clock() end
   local first = math.ceil(#clocks / 2)
   local steps = #clocks - first
   if steps > 0 then return (clocks[#clocks] - clocks[first]) / steps, steps end
end

-- The share of all test items that an evaluation after a task looks at, on average.
local function evaluated_share(t)
   local tasks = #t.stream
   if t.evaluate_tasks == "all" then return 1 end
   if t.evaluate_tasks == "seen" then return (tasks + 1) / (2 * tasks) end
   return math.min(t.evaluate_tasks, tasks) / tasks
end

-- Seconds of all evaluations, by the rate of one on a few test items.
local function time_of_evaluations(t)
   if t.evaluate == "never" then return 0 end
   local items, rounds, sample = 0, #t.stream + 1, t.stream[1]:open(seal.part(t))         -- one before any training
   for k, e in ipairs(t.stream) do
      items = items + e:items(seal.part(t))
      if t.evaluate == "epoch" then rounds = rounds + plan.of(t, k).epochs end
   end
   local few = sample:take(math.min(sample:size(), 5 * t.evaluate_batch_size))
   local begun = C.eg_clock()
   metrics.accuracy(t.model, few, { training = false, batch_size = t.evaluate_batch_size })
   return (C.eg_clock() - begun) / few:size() * items * rounds * evaluated_share(t)
end

-- Prints it all and ends the program: what the script would do with the result is not known without one.
function rehearsal.of(t, advance)
   if rehearsal.wanted == "settings" then error("the script declares no settings before its first cl.train", 0) end
   print_model(t)
   print_plan(t)
   local seconds, steps = time_of_a_step(advance)
   if seconds then
      local evaluations = time_of_evaluations(t)
      print(("expected time\n  %s %s: %.4g ms a step (over %d), evaluations %s; consolidation comes on top"):format(
         t.open and "at most" or "about", duration(seconds * t.total_steps + evaluations), seconds * 1000, steps, duration(evaluations)))
   else
      print "expected time\n  unknown: the first epoch has too few steps to measure"
   end
   print "dry run: nothing was kept or written; this was the script's first training, it may have more"
   io.stdout:flush()
   os.exit(core.interrupted() and 128 + core.interrupted() or 0)
end

return rehearsal
