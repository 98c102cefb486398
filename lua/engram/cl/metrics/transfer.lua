-- cl/metrics/transfer.lua: what training on one task does to the others: transfer and forgetting, from the accuracy matrix.
local dialects = require "engram.cl.metrics.dialects"
local given = require "engram.cl.metrics.given"
local mean, minus = dialects.mean, dialects.minus

local transfer = {}

local TWO = "needs at least two tasks"

-- f(R) for at least two tasks.
local function of_two(f)
   return function(R, options)
      if #R < 2 then return nil, TWO end
      return f(R, options, #R)
   end
end

-- The mean of f(i, j) over all i in 1 .. T and j in first(i) .. last(i).
local function mean_of_pairs(T, first, last, f)
   local sum, count = 0, 0
   for i = 1, T do
      for j = first(i), last(i) do
         local value = f(i, j)
         local reason = dialects.missing(value)
         if reason then return nil, reason end
         sum, count = sum + value, count + 1
      end
   end
   return sum / count
end

-- ---- backward ---------------------------------------------------------------------------------------------

local at_the_end = of_two(function(R, _, T) return mean(1, T - 1, function(j) return minus(R[T][j], R[j][j]) end) end)

local after_every_task = of_two(function(R, _, T)
   return mean_of_pairs(T, function() return 1 end, function(i) return i - 1 end, function(i, j) return minus(R[i][j], R[j][j]) end)
end)

-- Mean over j < T of R[T][j] - R[j][j] (Lopez-Paz and Ranzato 2017); negative: old tasks were lost. diaz-rodriguez2018 and capymoa: the
-- mean over all pairs j < i of R[i][j] - R[j][j].
transfer.backward_transfer = dialects.define("backward_transfer", "lopez-paz2017", { ["lopez-paz2017"] = at_the_end,
   avalanche = at_the_end, mammoth = at_the_end, ["diaz-rodriguez2018"] = after_every_task, capymoa = after_every_task })

-- ---- forward ----------------------------------------------------------------------------------------------

-- In the class-incremental scenario no unit stands for a class that was not met: there is nothing to measure.
local function of_shared_units(f)
   return of_two(function(R, options, T)
      if R.scenario == "class" then return nil, "in the class scenario a task to come has no units yet: every answer is wrong" end
      if R.recurring then return nil, "tasks come again: one that was trained before is no task to come" end
      return f(R, options, T)
   end)
end

local above_initial = of_shared_units(function(R, options, T)
   local initial = options.initial or R.initial
   if not initial then return nil, "needs the accuracies before any training: R.initial" end
   given.numbers("metrics.forward_transfer: initial", initial)
   return mean(2, T, function(j) return minus(R[j - 1][j], initial[j]) end)
end)

local upper_triangle = of_shared_units(function(R, _, T)
   return mean_of_pairs(T, function(i) return i + 1 end, function() return T end, function(i, j) return R[i][j] end)
end)

-- Mean over j > 1 of R[j - 1][j] - b[j], b the accuracy before any training, R.initial (Lopez-Paz and Ranzato 2017). diaz-rodriguez2018
-- and capymoa: the mean over all pairs i < j of R[i][j], nothing subtracted. Option initial: another b.
transfer.forward_transfer = dialects.define("forward_transfer", "lopez-paz2017", { ["lopez-paz2017"] = above_initial,
   avalanche = above_initial, mammoth = above_initial, ["diaz-rodriguez2018"] = upper_triangle, capymoa = upper_triangle }, { "initial" })

-- ---- forgetting -------------------------------------------------------------------------------------------

-- Mean over j < T of the best of R[first(j)][j] .. R[last(T)][j], minus R[T][j]. What a task was worth before its training need not have
-- been measured.
local function from_best(first, last)
   return of_two(function(R, _, T)
      return mean(1, T - 1, function(j)
         local best = -math.huge
         for l = first(j), last(T) do
            if not R[l][j] and l >= j then return nil end
            best = math.max(best, R[l][j] or best)
         end
         return minus(best, R[T][j])
      end)
   end)
end

local function from_start() return 1 end
local function when_trained(j) return j end
local function before_last(T) return T - 1 end
local function to_last(T) return T end

-- Mean over j < T of max over l < T of R[l][j], minus R[T][j] (Chaudhry et al. 2018), those before task j was trained too, where they were
-- measured. contilab: l in j .. T-1; facil, which measures no task before its training, comes to the same. mammoth: j .. T, so that it is
-- never negative. avalanche: the first value minus the last, so that it is minus the backward transfer.
transfer.forgetting = dialects.define("forgetting", "chaudhry2018", { ["chaudhry2018"] = from_best(from_start, before_last),
   facil = from_best(when_trained, before_last), contilab = from_best(when_trained, before_last),
   mammoth = from_best(when_trained, to_last),
   avalanche = of_two(function(R, _, T) return mean(1, T - 1, function(j) return minus(R[j][j], R[T][j]) end) end) })

return transfer
