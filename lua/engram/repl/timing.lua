-- repl/timing.lua: how long a chunk takes, once (:time) or in many rounds (:timeit).
local C = require "engram.core".C

local timing = {}

-- Seconds with a fitting unit.
function timing.text(seconds)
   if seconds < 1e-6 then return ("%.3g ns"):format(seconds * 1e9) end
   if seconds < 1e-3 then return ("%.3g us"):format(seconds * 1e6) end
   if seconds < 1 then return ("%.3g ms"):format(seconds * 1e3) end
   return ("%.2f s"):format(seconds)
end

local function seconds_of(f, count)
   local from = C.eg_clock()
   for _ = 1, count do f() end
   return C.eg_clock() - from
end

local ROUND, TOTAL, LEAST, MOST = 0.02, 1, 3, 25        -- seconds of a round and of all; rounds

-- Calls f in rounds of about a fiftieth of a second: "min 1.2 us, median 1.3 us of 25 rounds of 10000".
function timing.measure(f)
   local count, first = 1, seconds_of(f, 1)
   while first * count < ROUND and count < 1e7 do
      count = math.min(1e7, math.max(count * 2, math.floor(ROUND / math.max(first, 1e-9))))
      first = seconds_of(f, count) / count
   end
   local rounds = math.max(LEAST, math.min(MOST, math.floor(TOTAL / (first * count))))
   local times = {}
   for i = 1, rounds do times[i] = seconds_of(f, count) / count end
   table.sort(times)
   local middle = math.floor((rounds + 1) / 2)
   local median = rounds % 2 == 1 and times[middle] or (times[middle] + times[middle + 1]) / 2
   return ("min %s, median %s of %d rounds of %d"):format(timing.text(times[1]), timing.text(median), rounds, count)
end

return timing
