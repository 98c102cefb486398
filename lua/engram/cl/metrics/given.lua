-- cl/metrics/given.lua: what figures are given, looked at before they are computed: what is no matrix or record is an error; a number in it
-- that is none leaves the figure undefined.
local core = require "engram.core"
local raise = core.raise

local given = {}

-- Why a number is no accuracy, or nil.
local function flaw(value)
   if value - value == 0 then return nil end
   return value ~= value and "is not a number" or "is infinite"
end

-- numbers(what, list): raises for what is no list of numbers.
function given.numbers(what, list)
   if type(list) ~= "table" then raise("%s must be a list of numbers, got %s", what, core.typename(list)) end
   for j, value in pairs(list) do
      if type(value) ~= "number" then raise("%s: element %s is a %s, expected a number", what, tostring(j), core.typename(value)) end
   end
end

-- The first reason in a list of numbers, in the order of tasks: that on task j `where`; nil where all are good.
local function flaw_of(list, where)
   local first
   for j, value in pairs(list) do
      if flaw(value) and (not first or j < first) then first = j end
   end
   return first and ("the accuracy on task %s %s %s"):format(tostring(first), where, flaw(list[first]))
end

-- matrix(name, figure): the figure, for what is a matrix alone.
function given.matrix(name, figure)
   local who = "metrics." .. name
   return function(R, options)
      if type(R) ~= "table" then raise("%s: expected a matrix of accuracies, R[i][j], got %s", who, core.typename(R)) end
      for _, key in ipairs{ "initial", "items" } do
         if R[key] ~= nil then given.numbers(("%s: R.%s"):format(who, key), R[key]) end
      end
      for i, row in ipairs(R) do
         if type(row) ~= "table" then raise("%s: row %d is a %s, expected a list of accuracies", who, i, core.typename(row)) end
         given.numbers(("%s: row %d"):format(who, i), row)
         local reason = flaw_of(row, ("after task %d"):format(i))
         if reason then return nil, reason end
      end
      return figure(R, options)
   end
end

local function check_point(who, n, point)
   if type(point) ~= "table" then
      raise("%s: point %d is a %s, expected { task =, step_in_task =, accuracy = }", who, n, core.typename(point))
   end
   for key, least in pairs{ task = 1, step_in_task = 0 } do
      local value = point[key]
      if type(value) ~= "number" or value % 1 ~= 0 or value < least then
         raise("%s: point %d: %s must be a whole number from %d, got %s", who, n, key, least,
            type(value) == "number" and tostring(value) or core.typename(value))
      end
   end
   given.numbers(("%s: point %d: accuracy"):format(who, n), point.accuracy)
end

-- record(name, figure): the figure, for what is a record of continual evaluation alone, or nil.
function given.record(name, figure)
   local who = "metrics." .. name
   return function(A, options)
      if A ~= nil and type(A) ~= "table" then
         raise("%s: expected a record of continual evaluation, as run.continual is one, got %s", who, core.typename(A))
      end
      for n, point in ipairs(A or {}) do
         check_point(who, n, point)
         local reason = flaw_of(point.accuracy, ("at point %d (task %d)"):format(n, point.task))
         if reason then return nil, reason end
      end
      return figure(A, options)
   end
end

return given
