-- cl/budget.lua: what a training may spend: bytes of state (the optimizer's and the methods') and arithmetic. Methods are compared fairly
-- when they had the same, so a state that is too large is refused, with the setting to change, and arithmetic that is spent ends the
-- training. Seconds are no budget: they would make results depend on the machine.
local core = require "engram.core"
local grouped = require "engram.cl.grouped"
local usage_error = require "engram.usage"
local warnings = require "engram.cl.warnings"
local raise = core.raise

local budget = {}

local NAMES = { "state_bytes", "arithmetic", "arithmetic_per_task" }

budget.wanted = nil                     -- `engram run --budget`: what no training of this process may go beyond

-- The limits of a script, checked.
local function limits_of(given)
   if type(given) ~= "table" then raise("cl.train: budget must be a table, as { state_bytes = 2e6 }, got %s", core.typename(given)) end
   core.options("cl.train: budget", given, NAMES)
   local limits = {}
   for _, name in ipairs(NAMES) do
      local value, least = given[name], name == "state_bytes" and 0 or 1
      if value ~= nil and (type(value) ~= "number" or not (value >= least and value < math.huge)) then
         raise("cl.train: budget.%s must be a number of at least %d, got %s", name, least, tostring(value))
      end
      limits[name] = value
   end
   if next(limits) == nil then raise("cl.train: budget: give one of %s", table.concat(NAMES, ", ")) end
   return limits
end

-- of_words("state_bytes=2e6,arithmetic=1e12"): the limits, as a table.
function budget.of_words(text)
   local limits = {}
   for word in text:gmatch "[^,]+" do
      local name, number = word:match "^%s*([%w_]+)%s*=%s*(%S+)%s*$"
      if not name then usage_error("--budget: expected NAME=NUMBER, as state_bytes=2e6, got '%s'", word) end
      if limits[name] then usage_error("--budget: %s is given twice", name) end
      limits[name] = tonumber(number) or usage_error("--budget: %s: '%s' is no number", name, number)
   end
   local ok, problem = pcall(limits_of, limits)
   if not ok then usage_error("--budget: %s", (tostring(problem):gsub("^.-cl%.train: budget[.:]? ?", ""))) end
   return limits
end

-- check(given) -> the limits or nil, and in words what they are: the script's and the command line's, of each the smaller.
function budget.check(given)
   local limits, words = given ~= nil and limits_of(given) or {}, {}
   for name, value in pairs(budget.wanted or {}) do limits[name] = math.min(limits[name] or value, value) end
   for _, name in ipairs(NAMES) do
      if limits[name] then words[#words + 1] = ("%s = %.17g"):format(name, limits[name]) end
   end
   if #words == 0 then return nil end
   return limits, table.concat(words, ", ")
end

-- ---- bytes ------------------------------------------------------------------------------------------------

-- The setting by which a method's memory has its size, and whether that is counted anew for each task.
local function size_setting(method)
   for _, key in ipairs{ "memory", "per_class", "per_task" } do
      local about = method.description.hyper and method.description.hyper[key]
      local used = about ~= nil
      for other, values in pairs(about and about.with or {}) do
         used = used and values[1] ~= nil
         local fits = false
         for _, value in ipairs(values) do fits = fits or method.hyper[other] == value end
         used = used and fits
      end
      if used then return key, key ~= "memory" end
   end
end

-- What to change of a part of a method's state that has `bytes`, so that the whole becomes `over` bytes smaller.
local function method_hint(t, method, name, bytes, over)
   local kind = (method.description.state or {})[name]
   if kind == "buffer" then
      local key, by_task = size_setting(method)
      if not key then return nil end
      local final = by_task and bytes * #t.stream / t.task or bytes            -- of a memory that grows with every task: at the end
      local fits = math.floor(method.hyper[key] * math.max(0, bytes - over) / final)
      return fits > 0 and ("%s = %d fits, it is %d"):format(key, fits, method.hyper[key]) or "not one item fits"
   elseif kind == "tasks" and method.hyper.mode == "separate" then
      return "it grows with every task: mode = 'online' keeps one"
   elseif kind == "tasks" then
      return "as many bytes as the weights, each"
   end
   return kind and "as large as the model: a smaller one fits" or nil       -- otherwise it is data
end

-- Every part of the state, the largest first: { name =, bytes =, hint = }.
local function parts_of(t, over)
   local parts = {}
   for name, bytes in pairs(select(2, t.optimizer:bytes())) do
      parts[#parts + 1] = { name = t.optimizer.name .. "." .. name, bytes = bytes,
         hint = "as large as the model: an optimizer that remembers less, or a smaller model, fits" }
   end
   for _, method in ipairs(t.methods) do
      for name, bytes in pairs(select(2, method:bytes())) do
         parts[#parts + 1] = { name = method.description.name .. "." .. name, bytes = bytes,
            hint = bytes > 0 and method_hint(t, method, name, bytes, over) }
      end
   end
   table.sort(parts, function(a, b) return a.bytes > b.bytes or (a.bytes == b.bytes and a.name < b.name) end)
   return parts
end

-- bytes(t): of the optimizer's and the methods' state now.
function budget.bytes(t)
   local sum = t.optimizer:bytes()
   for _, method in ipairs(t.methods) do sum = sum + method:bytes() end
   return sum
end

-- state(t): raises when the state is more than the budget allows: at a task's first step, when it begins and when it ends.
function budget.state(t)
   local limit = t.limits and t.limits.state_bytes
   if not limit then return end
   local bytes = budget.bytes(t)
   if bytes <= limit then return end
   local words = {}
   for i, part in ipairs(parts_of(t, bytes - limit)) do
      if part.bytes > 0 and i <= 4 then
         words[#words + 1] = ("%s %s%s"):format(part.name, grouped(part.bytes), part.hint and " (" .. part.hint .. ")" or "")
      end
   end
   raise("cl.train: budget: at task %d the state is %s bytes, %s more than state_bytes = %s allows: %s", math.max(1, t.task),
      grouped(bytes), grouped(bytes - limit), grouped(limit), table.concat(words, ", "))
end

-- ---- arithmetic -------------------------------------------------------------------------------------------

-- spent(t): whether the arithmetic of the whole training is.
function budget.spent(t)
   local limit = t.limits and t.limits.arithmetic
   return limit ~= nil and t.arithmetic >= limit
end

local function spent_in_task(t)
   local limit = t.limits.arithmetic_per_task
   return budget.spent(t) or (limit ~= nil and t.arithmetic - t.arithmetic_before >= limit)
end

-- close(t): the task has had its last step. By what that went beyond the task's arithmetic, the next one has less.
function budget.close(t)
   local limit = t.limits and t.limits.arithmetic_per_task
   t.arithmetic_before = math.min(t.arithmetic, t.arithmetic_before + (limit or math.huge))
end

-- begin(t): raises where what was computed since the task before has left nothing of this one's arithmetic.
function budget.begin(t)
   local limit = t.limits and t.limits.arithmetic_per_task
   local owed = t.arithmetic - t.arithmetic_before
   if not limit or t.task == 1 or owed < limit or budget.spent(t) then return end
   local names = {}
   for i, method in ipairs(t.methods) do names[i] = method.description.name end
   raise("cl.train: budget: arithmetic_per_task = %.4g leaves nothing for task %d: after the last step that it allowed to task %d, %.4g "
      .. "was computed%s; give more, or a method that computes less between tasks (fewer samples)", limit, t.task, t.task - 1, owed,
      #names > 0 and " (" .. table.concat(names, ", ") .. ")" or "")
end

local function tell(t, planned)
   if budget.spent(t) then
      local left = #t.stream - t.task
      warnings.once(t, "budget", "budget: arithmetic = %.4g is spent at step %d of %d of task %d: the training ends%s", t.limits.arithmetic,
         t.step_in_task, planned, t.task, left == 0 and "" or (", %d task%s of %d judged untrained"):format(left,
         left == 1 and "" or "s", #t.stream))
   elseif t.step_in_task < planned then
      warnings.note(t, "budget " .. t.task, "budget: arithmetic_per_task = %.4g is spent at step %d of %d of task %d: the task ends",
         t.limits.arithmetic_per_task, t.step_in_task, planned, t.task)
   end
end

-- step(t): between two steps, and where a training is gone on with: a task whose arithmetic is spent has no more steps. It is spent when it
-- is reached, so that the last step may go beyond it.
function budget.step(t)
   if not t.limits then return end
   if t.step_in_task == 1 then budget.state(t) end
   if not spent_in_task(t) then return end
   local planned = t.steps_in_task
   t.steps_in_task = t.step_in_task
   tell(t, planned)
end

-- result(t): for the summary: the limits, and where the training ended by them.
function budget.result(t)
   if not t.limits then return nil end
   local found = {}
   for key, value in pairs(t.limits) do found[key] = value end
   if budget.spent(t) then found.ended = { task = math.max(1, #t.step_density), tasks = #t.stream, step = t.step } end
   return found
end

return budget
