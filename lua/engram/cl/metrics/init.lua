-- cl/metrics/init.lua: what a run is judged by, a family a file. R[i][j] is the accuracy on task j after training task i, in percent; A is
-- a record of continual evaluation. A figure that is not defined is nil, with the reason as second result.
local dialects = require "engram.cl.metrics.dialects"
local core = require "engram.core"
local given = require "engram.cl.metrics.given"

local metrics = {
   matrix = require "engram.cl.metrics.matrix",
   tracker = require "engram.cl.metrics.movement",
   accuracy = require "engram.cl.metrics.evaluate",
   arithmetic = require "engram.cl.metrics.arithmetic",
}

local from_matrix, from_record = {}, {}

for family, names in pairs{ averages = from_matrix, transfer = from_matrix, continual = from_record } do
   for name, figure in pairs(require("engram.cl.metrics." .. family)) do
      metrics[name] = (names == from_matrix and given.matrix or given.record)(name, figure)
      if name ~= "stability_gap" then names[#names + 1] = name end
   end
   table.sort(names)
end

-- of(R [, A]): all figures of a matrix and of a record of continual evaluation, each in its first dialect, and reasons = { name = why } for
-- those that are not defined. The stability gap is there as stability_dip and stability_recoverable.
function metrics.of(R, A)
   local found, reasons = {}, {}
   for _, name in ipairs(from_matrix) do found[name], reasons[name] = metrics[name](R) end
   for _, name in ipairs(from_record) do found[name], reasons[name] = metrics[name](A) end
   local gap, reason = metrics.stability_gap(A)
   found.stability_dip, found.stability_recoverable = gap and gap.dip, gap and gap.recoverable
   reasons.stability_dip, reasons.stability_recoverable = reason, reason
   found.reasons = reasons
   return found
end

-- dialects(name): by which citations a figure can be chosen, the one it has by itself first.
function metrics.dialects(name)
   if type(rawget(metrics, name)) ~= "function" then
      core.raise("metrics.dialects: there is no figure '%s'%s", tostring(name), require "engram.suggest".hint(name, metrics))
   end
   return dialects.names(name) or {}
end

return setmetatable(metrics, { __index = function(_, key)
   core.raise("cl.metrics: there is no figure '%s'%s", tostring(key), require "engram.suggest".hint(key, metrics))
end })
