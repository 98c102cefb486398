-- cl/past.lua: what a training has measured so far, as flat tensors for its checkpoint: numbers in text would cost more with every task.
--
-- A row of values by task, which may have holes, is written as its first task, how many follow, and those, NaN where there is none.
local past = {}

local NONE = 0 / 0

-- ---- numbers ----------------------------------------------------------------------------------------------

local function put_row(list, row)
   local first, last = math.huge, 0                   -- not nil: LuaJIT of Debian 12 compiles math.min(first or j, j) wrongly
   for j in pairs(row) do first, last = math.min(first, j), math.max(last, j) end
   if last == 0 then first = 1 end
   local n = #list
   list[n + 1], list[n + 2] = first, last - first + 1
   for j = first, last do list[n + 3 + j - first] = row[j] or NONE end
end

-- The row at `at` in a list, and where the next begins.
local function get_row(list, at)
   local row, first, count = {}, list[at], list[at + 1]
   for i = 1, count do
      local value = list[at + 1 + i]
      if value == value then row[first + i - 1] = value end
   end
   return row, at + 2 + count
end

local function flat_rows(rows)
   local list = {}
   for _, row in ipairs(rows) do put_row(list, row) end
   return list
end

local function rows_of(list)
   local rows, at = {}, 1
   while at <= #list do rows[#rows + 1], at = get_row(list, at) end
   return rows
end

-- ---- of a training ----------------------------------------------------------------------------------------

local function flat_points(points)
   local list = {}
   for _, point in ipairs(points) do
      local n = #list
      list[n + 1], list[n + 2], list[n + 3] = point.step, point.task, point.step_in_task
      put_row(list, point.accuracy)
   end
   return list
end

local function points_of(list)
   local points, at = {}, 1
   while at <= #list do
      local point = { step = list[at], task = list[at + 1], step_in_task = list[at + 2] }
      point.accuracy, at = get_row(list, at + 3)
      points[#points + 1] = point
   end
   return points
end

local function flat_losses(losses)
   local list = {}
   for i, note in ipairs(losses) do list[2 * i - 1], list[2 * i] = note.step, note.loss end
   return list
end

local function losses_of(list)
   local losses = {}
   for i = 1, #list / 2 do losses[i] = { step = list[2 * i - 1], loss = list[2 * i] } end
   return losses
end

-- Distances by name become rows by number of the parameter, and back.
local function renamed(rows, key_of)
   local list = {}
   for k, row in ipairs(rows) do
      list[k] = {}
      for key, value in pairs(row) do list[k][key_of[key]] = value end
   end
   return list
end

local function numbers_of(names)
   local number = {}
   for i, name in ipairs(names) do number[name] = i end
   return number
end

-- capture(tensors, t): adds to `tensors`, by name. Parts that are nil or empty are left out.
function past.capture(tensors, t)
   local tracker, R = t.tracker, t.accuracy
   local lists = { losses = flat_losses(t.losses), accuracy = flat_rows(R), step_density = t.step_density, density = tracker.density,
      overlaps = flat_rows(tracker.overlap_rows), drift = flat_rows(renamed(tracker.drift, numbers_of(tracker.names))),
      initial = R.initial and flat_rows{ R.initial }, published = t.published and flat_rows{ t.published },
      validation = t.validation and flat_rows(t.validation),
      ["validation.initial"] = t.validation and t.validation.initial and flat_rows{ t.validation.initial },
      continual = t.continual and flat_points(t.continual) }
   for name, list in pairs(lists) do
      if #list > 0 then tensors["past." .. name] = require "engram".tensor(list, { dtype = "float64" }) end
   end
end

-- restore(tensors, t): what capture added comes back.
function past.restore(tensors, t)
   local tracker = t.tracker
   local function list(name) return tensors["past." .. name] and tensors["past." .. name]:tolist() or {} end
   for k, row in ipairs(rows_of(list "accuracy")) do t.accuracy[k] = row end
   t.accuracy.initial, t.published = rows_of(list "initial")[1], rows_of(list "published")[1]
   if t.validation then
      for k, row in ipairs(rows_of(list "validation")) do t.validation[k] = row end
      t.validation.initial = rows_of(list "validation.initial")[1]
   end
   t.losses, t.step_density = losses_of(list "losses"), list "step_density"
   if t.evaluate_every then t.continual = points_of(list "continual") end
   tracker.density, tracker.overlap_rows = list "density", rows_of(list "overlaps")
   tracker.drift = renamed(rows_of(list "drift"), tracker.names)
end

return past
