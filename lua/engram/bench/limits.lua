-- bench/limits.lua: what this machine can do at most with the threads that are set. Each limit is { unit, measure }; measure gives
-- operations or bytes a second, the unit stands for 1e9 of them.
local core = require "engram.core"
local C = core.C

local figure = require "ffi".new "double[1]"

local function limit(unit, probe, rounds)
   return {
      unit = unit,
      measure = function()
         core.check(probe(rounds, figure))
         return figure[0]
      end,
   }
end

return { sgemm = limit("GFLOP/s", C.eg_limit_sgemm, 3), triad = limit("GB/s", C.eg_limit_triad, 5) }
