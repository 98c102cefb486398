-- cl/metrics/continual.lua: what happens between the ends of tasks: figures of a record of continual evaluation.
--
-- A record A is a list of points { step =, task =, step_in_task =, accuracy = { [j] = percent } } in the order of training; j runs over the
-- tasks met so far. A point with step_in_task 0 stands before the first step of its task.
local core = require "engram.core"
local dialects = require "engram.cl.metrics.dialects"

local continual = {}

local NONE = "needs continual evaluation: cl.train{ evaluate_every = steps }"
local UNMEASURED = "an accuracy that it needs was not measured"

-- The points after at least one step of their task.
local function trained(A)
   local list = {}
   for _, point in ipairs(A or {}) do
      if point.step_in_task > 0 then list[#list + 1] = point end
   end
   return list
end

local function average(list)
   local sum = 0
   for _, value in ipairs(list) do sum = sum + value end
   return sum / #list
end

-- ---- anytime accuracy -------------------------------------------------------------------------------------

-- The mean accuracy on the tasks met so far, at a point.
local function seen_mean(point)
   return dialects.mean(1, point.task, function(j) return point.accuracy[j] end)
end

local function over_points(A)
   local list = trained(A)
   if #list == 0 then return nil, NONE end
   return dialects.mean(1, #list, function(n) return seen_mean(list[n]) end)
end

local function over_tasks(A)
   local list, sums, counts = trained(A), {}, {}
   if #list == 0 then return nil, NONE end
   for _, point in ipairs(list) do
      local value, reason = seen_mean(point)
      if not value then return nil, reason end
      sums[point.task], counts[point.task] = (sums[point.task] or 0) + value, (counts[point.task] or 0) + 1
   end
   return dialects.mean(1, #sums, function(k) return sums[k] / counts[k] end)
end

-- The mean over points of the mean accuracy on the tasks met so far (Caccia et al. 2022; Soutif-Cormerais et al. 2023). capymoa: the mean
-- over tasks of the mean over the points of each, which counts short tasks as much as long ones.
continual.anytime_accuracy = dialects.define("anytime_accuracy", "caccia2022", { caccia2022 = over_points, capymoa = over_tasks })

-- ---- the worst case ---------------------------------------------------------------------------------------

-- The least accuracy on task j at the points after its end, up to the end of task k.
local function least(A, j, k)
   local value = math.huge
   for _, point in ipairs(A) do
      if point.task > j and point.task <= k then
         if not point.accuracy[j] then return nil end
         value = math.min(value, point.accuracy[j])
      end
   end
   return value < math.huge and value or nil
end

local function last_task(list, options, who)
   options = core.options(who, options, { "task" })
   local given = options.task and core.whole(who .. ": task", options.task)
   return given or (list[#list] and list[#list].task)
end

-- Mean over j < k of the least accuracy on task j at any point after its end, up to the end of task k (De Lange et al. 2023). Option task:
-- k (the last).
function continual.minimum_accuracy(A, options)
   local list = trained(A)
   local k = last_task(list, options, "metrics.minimum_accuracy")
   if not k then return nil, NONE end
   if k < 2 then return nil, "needs at least two tasks" end
   return dialects.mean(1, k - 1, function(j) return least(list, j, k) end)
end

-- 1/k of the accuracy on task k at its end and (1 - 1/k) of the minimum accuracy (De Lange et al. 2023). Option task: k (the last).
function continual.worst_case_accuracy(A, options)
   local list = trained(A)
   local k = last_task(list, options, "metrics.worst_case_accuracy")
   if not k then return nil, NONE end
   local final
   for _, point in ipairs(list) do
      if point.task == k then final = point.accuracy[k] end
   end
   if not final then return nil, UNMEASURED end
   if k == 1 then return final end
   local worst, reason = continual.minimum_accuracy(A, { task = k })
   if not worst then return nil, reason end
   return final / k + (1 - 1 / k) * worst
end

-- ---- changes within a window ------------------------------------------------------------------------------

-- For each task its accuracies, in order.
local function series(list)
   local of = {}
   for _, point in ipairs(list) do
      for j, value in pairs(point.accuracy) do
         of[j] = of[j] or {}
         table.insert(of[j], value)
      end
   end
   return of
end

-- The largest sign * (later - earlier) of two values at most window - 1 places apart; 0 at least.
local function largest_change(values, window, sign)
   local most = 0
   for first = 1, #values do
      for second = first + 1, math.min(#values, first + window - 1) do
         most = math.max(most, sign * (values[second] - values[first]))
      end
   end
   return most
end

local function windowed(name, sign)
   local who = "metrics." .. name
   return function(A, options)
      local window = core.whole(who .. ": window", core.options(who, options, { "window" }).window or 10)
      local changes = {}
      for _, values in pairs(series(trained(A))) do changes[#changes + 1] = largest_change(values, window, sign) end
      if #changes == 0 then return nil, NONE end
      table.sort(changes)                              -- a fixed order of the sum
      return average(changes)
   end
end

-- Mean over tasks of the largest drop within `window` (10) consecutive points (De Lange et al. 2023, WF).
continual.windowed_forgetting = windowed("windowed_forgetting", -1)

-- The same for rises: plasticity (De Lange et al. 2023, WP).
continual.windowed_plasticity = windowed("windowed_plasticity", 1)

-- ---- the stability gap ------------------------------------------------------------------------------------

-- For the switch to task k and task j: the accuracy before it, the least during task k, and that at its end.
local function around(list, k, j)
   local lowest, before, after = math.huge, nil, nil
   for _, point in ipairs(list) do
      local value = point.accuracy[j]
      if point.task == k - 1 then before = value end
      if point.task == k and value then lowest, after = math.min(lowest, value), value end
   end
   return before, lowest, after
end

-- stability_gap(A) -> { dip =, recoverable =, switches = { { task =, of =, dip =, recoverable = } } }: how far old tasks fall while a new
-- one is learned, and how much of it comes back by its end. Of a switch to task k and an old task j: dip is the accuracy before the
-- switch minus the least during task k, recoverable the dip minus what is lost at the end of task k. Means over all switches and tasks.
function continual.stability_gap(A)
   local list, switches, dips, back = trained(A), {}, {}, {}
   if #list == 0 then return nil, NONE end
   for k = 2, list[#list].task do
      for j = 1, k - 1 do
         local before, lowest, after = around(list, k, j)
         if before and after then
            switches[#switches + 1] = { task = k, of = j, dip = before - lowest, recoverable = after - lowest }
            dips[#dips + 1], back[#back + 1] = before - lowest, after - lowest
         end
      end
   end
   if #switches == 0 then return nil, list[#list].task < 2 and "needs at least two tasks" or UNMEASURED end
   return { dip = average(dips), recoverable = average(back), switches = switches }
end

-- ---- learning curves --------------------------------------------------------------------------------------

-- Mean over tasks of the mean accuracy on the task after its first 0, 1, ..., beta (10) steps (Chaudhry et al. 2019, LCA).
function continual.learning_curve_area(A, options)
   local who = "metrics.learning_curve_area"
   local beta = core.options(who, options, { "beta" }).beta or 10
   if type(beta) ~= "number" or beta % 1 ~= 0 or beta < 0 then
      core.raise("%s: beta must be a whole number, got %s", who, tostring(beta))
   end
   local areas, points, length = {}, {}, {}
   if not A or #A == 0 then return nil, NONE end
   for _, point in ipairs(A) do
      length[point.task] = math.max(length[point.task] or 0, point.step_in_task)
      if point.step_in_task <= beta then
         local own = point.accuracy[point.task]
         if not own then return nil, UNMEASURED end
         areas[point.task], points[point.task] = (areas[point.task] or 0) + own, (points[point.task] or 0) + 1
      end
   end
   for k = 1, A[#A].task do
      if length[k] and length[k] < beta then
         return nil, ("task %d has %d steps, its curve needs %d: give a smaller beta"):format(k, length[k], beta)
      end
   end
   return dialects.mean(1, A[#A].task, function(k)
      return points[k] == beta + 1 and areas[k] / points[k] or nil
   end)
end

return continual
