-- cli/bench.lua: engram bench [only=NAME] [threads=1,2] [rounds=5] [peer=FILE]: seconds of a training step.
--
-- With peer=FILE (a Python script that takes --threads, --only and --rounds and prints a JSON line a case, as for PyTorch) both are
-- run by turns, a round of ours, a round of theirs, and the ratio of the medians is shown. Load averages stand beside the figures.
local engram = require "engram"
local core = require "engram.core"
local cases = require "engram.bench.cases"

local function median(list)
   table.sort(list)
   local n = #list
   if n == 0 then return nil end
   return n % 2 == 1 and list[(n + 1) / 2] or (list[n / 2] + list[n / 2 + 1]) / 2
end

-- Seconds of one step: the best of the batches of steps that fit into this round.
local function round(case, step)
   for _ = 1, math.max(2, math.floor(case.steps / 10)) do step() end
   local start = core.C.eg_clock()
   for _ = 1, case.steps do step() end
   return (core.C.eg_clock() - start) / case.steps
end

local function peer_round(peer, name, threads)
   local pipe = io.popen(("python3 %s --threads %d --only %s --rounds 1 2>/dev/null"):format(peer, threads, name))
   local seconds
   for line in pipe:lines() do
      local ok, record = pcall(engram.json.decode, line)
      if ok and record.case == name then seconds = record.seconds_per_step end
   end
   pipe:close()
   return seconds
end

local function load_average()
   local file = io.open "/proc/loadavg"
   if not file then return "?" end
   local text = file:read "*l"
   file:close()
   return text:match "^%S+"
end

local function measure(case, threads, rounds, peer)
   engram.threads(threads)
   engram.seed(0)
   local step = case.make()
   local ours, theirs = {}, {}
   for _ = 1, rounds do
      ours[#ours + 1] = round(case, step)
      if peer then theirs[#theirs + 1] = peer_round(peer, case.name, threads) end
   end
   return median(ours), median(theirs)
end

local function parse(arguments)
   local options = { threads = { 1, 2 }, rounds = 5 }
   for _, word in ipairs(arguments) do
      local key, value = word:match "^%-*(%a+)=(.+)$"
      if key == "only" or key == "peer" then
         options[key] = value
      elseif key == "rounds" and tonumber(value) then
         options.rounds = tonumber(value)
      elseif key == "threads" then
         options.threads = {}
         for n in value:gmatch "%d+" do table.insert(options.threads, tonumber(n)) end
      else
         return nil, word
      end
   end
   return options
end

local function run(arguments)
   local options, wrong = parse(arguments)
   if not options then
      require "engram.usage"("bench: unknown option '%s'; expected only=NAME threads=1,2 rounds=5 peer=FILE", wrong)
   end
   print(("Engram %s; %s; %d cores"):format(engram.version, require "ffi".string(core.C.eg_build()), core.C.eg_cores()))
   print(("| %-20s | threads | ms a step | samples/s | peer ms | times faster | load |"):format "case")
   print "|---|---|---|---|---|---|---|"
   for _, case in ipairs(cases) do
      if not options.only or case.name:find(options.only, 1, true) then
         for _, threads in ipairs(options.threads) do
            local ours, theirs = measure(case, threads, options.rounds, options.peer)
            print(("| %-20s | %7d | %9.3f | %9.0f | %7s | %12s | %4s |"):format(case.name, threads, ours * 1000, case.batch / ours,
               theirs and ("%.3f"):format(theirs * 1000) or "-", theirs and ("%.2f"):format(theirs / ours) or "-", load_average()))
            io.stdout:flush()
         end
      end
   end
   return 0
end

return {
   summary = "time the training steps, beside a peer if one is given",
   usage = "bench [only=NAME] [threads=1,2] [rounds=5] [peer=FILE]",
   words = true,
   run = run,
}
