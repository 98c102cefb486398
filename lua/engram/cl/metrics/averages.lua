-- cl/metrics/averages.lua: how well the tasks are known: means over the accuracy matrix.
local core = require "engram.core"
local dialects = require "engram.cl.metrics.dialects"
local given = require "engram.cl.metrics.given"
local mean, minus = dialects.mean, dialects.minus

local averages = {}

local NONE = "no task has ended"

-- The mean of row i over tasks 1 .. i: over tasks, or over their items pooled.
local function row_mean(R, i, pooled)
   if not pooled then return mean(1, i, function(j) return R[i][j] end) end
   if not R.items then return nil, "the numbers of test items are not known: give R.items" end
   local right, items = 0, 0
   for j = 1, i do
      if not R[i][j] then return nil, dialects.missing(nil) end
      if not R.items[j] then return nil, ("R.items does not tell the number of test items of task %d"):format(j) end
      right, items = right + R[i][j] * R.items[j], items + R.items[j]
   end
   if not (items > 0 and items < math.huge) then return nil, "R.items tells of no test items" end
   return right / items
end

local function last_row(pooled)
   return function(R)
      if #R == 0 then return nil, NONE end
      return row_mean(R, #R, pooled)
   end
end

-- Mean over tasks of R[T][j] (Lopez-Paz and Ranzato 2017). avalanche: over all test items pooled, as its stream accuracy is.
averages.average_accuracy = dialects.define("average_accuracy", "lopez-paz2017",
   { ["lopez-paz2017"] = last_row(false), avalanche = last_row(true) })

local function all_rows(pooled)
   return function(R)
      if #R == 0 then return nil, NONE end
      local sum = 0
      for i = 1, #R do
         local value, reason = row_mean(R, i, pooled)
         if not value then return nil, reason end
         sum = sum + value
      end
      return sum / #R
   end
end

-- Mean over i of the mean over j <= i of R[i][j]. pycil: the inner mean over all test items pooled.
averages.average_incremental_accuracy = dialects.define("average_incremental_accuracy", "rebuffi2017",
   { ["rebuffi2017"] = all_rows(false), pycil = all_rows(true) })

-- Mean of R[j][j]: how well each task was learned when it was new (Riemer et al. 2019).
function averages.learning_accuracy(R)
   if #R == 0 then return nil, NONE end
   return mean(1, #R, function(j) return R[j][j] end)
end

-- Mean over k of reference[k] - R[k][k] (Chaudhry et al. 2018): what is not learned that could be. reference[k]: the accuracy on task k of
-- a model trained on tasks 1 .. k together.
function averages.intransigence(R, options)
   local reference = core.options("metrics.intransigence", options, { "reference" }).reference
   if #R == 0 then return nil, NONE end
   if not reference then
      return nil, "needs the accuracies of models trained on tasks 1 .. k together: metrics.intransigence(R, { reference = list })"
   end
   if type(reference) ~= "table" then
      core.raise("metrics.intransigence: reference must be a list, an accuracy for each of %d tasks, got %s", #R, core.typename(reference))
   end
   given.numbers("metrics.intransigence: reference", reference)
   return mean(1, #R, function(k) return minus(reference[k], R[k][k]) end)
end

return averages
