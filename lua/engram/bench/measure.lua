-- bench/measure.lua: the rounds of one case: one of ours, one of its limit, one of the peer, so that what disturbs the machine
-- disturbs all three.
local engram = require "engram"
local core = require "engram.core"
local limits = require "engram.bench.limits"

local measure = {}

-- { median, min, max } of a list of numbers; nil when it is empty.
function measure.spread(list)
   local sorted = { unpack(list) }
   table.sort(sorted)
   local n = #sorted
   if n == 0 then return nil end
   local median = n % 2 == 1 and sorted[(n + 1) / 2] or (sorted[n / 2] + sorted[n / 2 + 1]) / 2
   return { median = median, min = sorted[1], max = sorted[n] }
end

-- The load average of the last minute; nil where the system has none.
function measure.load()
   local file = io.open "/proc/loadavg"
   local text = file and file:read "*l" or ""
   if file then file:close() end
   return tonumber(text:match "^%S+")
end

local WARM = 0.1                        -- seconds: LuaJIT compiles what a training would run for hours

-- Seconds of one step, after some that warm up.
local function round(case, step)
   local start = core.C.eg_clock()
   repeat step() until core.C.eg_clock() - start > WARM
   start = core.C.eg_clock()
   for _ = 1, case.steps do step() end
   return (core.C.eg_clock() - start) / case.steps
end

local function record_of(case, threads, ours, limit, theirs)
   local record = { case = case.name, threads = threads, batch = case.batch, rounds = #ours, seconds = measure.spread(ours),
      work = case.work, limit = case.limit, limit_per_second = measure.spread(limit), load = measure.load() }
   record.per_second = case.work / record.seconds.median
   record.share = record.per_second / record.limit_per_second.median
   record.samples_per_second = case.batch and case.batch / record.seconds.median
   record.peer_seconds = measure.spread(theirs)
   record.times_faster = record.peer_seconds and record.peer_seconds.median / record.seconds.median
   return record
end

-- The record of a case (fields in docs/performance.md). `warn(text)` is called when the peer has no time for it.
function measure.case(case, threads, rounds, peer, warn)
   engram.threads(threads)
   engram.seed(0)
   local step = case.make()
   local ours, limit, theirs = {}, {}, {}
   for i = 1, rounds do
      ours[i] = round(case, step)
      limit[i] = limits[case.limit].measure()
      if peer then
         local seconds, problem = peer:round(case.name, threads)
         theirs[#theirs + 1] = seconds
         if not seconds then
            warn(("the peer gave no time for %s: %s"):format(case.name, problem))
            peer, theirs = nil, {}
         end
      end
   end
   return record_of(case, threads, ours, limit, theirs)
end

return measure
