-- schedule.lua: numbers (and switches) that change with task, epoch, step or statistics.
--
-- A schedule is a plain value, an object made here, or any function(t). t has
--   task, epoch, step, step_in_task, steps_per_epoch, steps_in_task   counted from 1; the last: at most, where a rule may end the task
--   loss                       the last loss, when there is one
--   gradient_quantile(q)       the q-th quantile of all present squared gradients
--   optimizer                  the optimizer that asks
local core = require "engram.core"
local suggest = require "engram.suggest"
local raise = core.raise

local schedule = { stop = require "engram.schedule.stop" }       -- what ends a task
local Schedule = {}
Schedule.__index = Schedule
Schedule.__tostring = function(self) return self.text end
Schedule.__call = function(self, t) return self.value(t) end

-- ---- checks -----------------------------------------------------------------------------------------------

-- `more`: parts, the schedules it is made of; recall(optimizer) and remember(optimizer, list), where it has a memory.
local function make(text, value, more)
   local self = more or {}
   self.text, self.value = text, value
   return setmetatable(self, Schedule)
end

local function number(who, what, value, low)
   if type(value) ~= "number" or value ~= value or (low and value < low) then
      raise("schedule.%s: %s must be a number%s, got %s", who, what, low and (" of at least %g"):format(low) or "",
         type(value) == "table" and "a table: is a value missing before the options?" or tostring(value))
   end
   return value
end

-- The count that a schedule runs by: "step" (default), "epoch" or "task".
local function counter(who, by)
   by = by or "step"
   if by ~= "step" and by ~= "epoch" and by ~= "task" and by ~= "step_in_task" then
      raise("schedule.%s: by must be 'step', 'step_in_task', 'epoch' or 'task', got '%s'", who, tostring(by))
   end
   return by
end

local function is_schedule(value)
   return type(value) == "function" or getmetatable(value) == Schedule
end
schedule.is_schedule = is_schedule

-- resolve(value, t): what the value is now. Plain values stand for themselves.
function schedule.resolve(value, t)
   if type(value) == "function" then return value(t) end
   if type(value) == "table" and getmetatable(value) == Schedule then return value.value(t) end
   return value
end

-- A short text for settings files and printing.
function schedule.describe(value)
   if type(value) == "function" then return "function" end
   return tostring(value)
end

-- memory(value, optimizer): what a schedule has remembered for an optimizer, as a plain table for a checkpoint; nil for none.
-- A plain function is asked anew: it must depend on t alone.
function schedule.memory(value, optimizer)
   if getmetatable(value) ~= Schedule then return nil end
   local memory = { own = value.recall and value.recall(optimizer) }
   for i, part in ipairs(value.parts or {}) do memory[tostring(i)] = schedule.memory(part, optimizer) end
   return next(memory) and memory or nil
end

-- Gives back what memory() told.
function schedule.load_memory(value, optimizer, memory)
   if getmetatable(value) ~= Schedule or not memory then return end
   if memory.own and value.remember then value.remember(optimizer, memory.own) end
   for i, part in ipairs(value.parts or {}) do schedule.load_memory(part, optimizer, memory[tostring(i)]) end
end

-- ---- constructors -----------------------------------------------------------------------------------------

-- constant(v): always v.
function schedule.constant(value)
   return make("constant(" .. tostring(value) .. ")", function() return value end)
end

-- per_task{a, b, ...}: the k-th value in task k; the last one from then on. Values may be schedules.
function schedule.per_task(values)
   if type(values) ~= "table" or #values == 0 then raise "schedule.per_task: expected a list of at least one value" end
   local words = {}
   for i, v in ipairs(values) do words[i] = schedule.describe(v) end
   return make("per_task{" .. table.concat(words, ", ") .. "}", function(t)
      return schedule.resolve(values[math.min(t.task, #values)], t)
   end, { parts = values })
end

-- step(base, {every =, factor = 0.1, by = "epoch"}): base * factor ^ (counts passed / every, whole).
function schedule.step(base, options)
   number("step", "the base", base)
   options = core.options("schedule.step", options, { "every", "factor", "by" })
   local every, factor = number("step", "every", options.every, 1), number("step", "factor", options.factor or 0.1)
   local by = counter("step", options.by or "epoch")
   return make(("step(%.14g, every %.14g %s, factor %.14g)"):format(base, every, by, factor), function(t)
      return base * factor ^ math.floor((t[by] - 1) / every)
   end)
end

-- The share of the way from the first count to the last.
local function share(t, by, over)
   return math.min(math.max((t[by] - 1) / math.max(over - 1, 1), 0), 1)
end

-- linear(first, last, {over = counts, by = "step"}): a straight line, then `last`.
function schedule.linear(first, last, options)
   number("linear", "the first value", first)
   number("linear", "the last value", last)
   options = core.options("schedule.linear", options, { "over", "by" })
   local over, by = number("linear", "over", options.over, 1), counter("linear", options.by)
   return make(("linear(%.14g to %.14g over %.14g %s)"):format(first, last, over, by), function(t)
      return first + (last - first) * share(t, by, over)
   end)
end

-- cosine(first, last, {over =, by = "step"}): half a cosine from first to last (Loshchilov and Hutter 2017, arXiv 1608.03983).
function schedule.cosine(first, last, options)
   number("cosine", "the first value", first)
   number("cosine", "the last value", last)
   options = core.options("schedule.cosine", options, { "over", "by" })
   local over, by = number("cosine", "over", options.over, 1), counter("cosine", options.by)
   return make(("cosine(%.14g to %.14g over %.14g %s)"):format(first, last, over, by), function(t)
      return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share(t, by, over)))
   end)
end

-- exponential(base, factor, {by = "step"}): base * factor ^ (count - 1).
function schedule.exponential(base, factor, options)
   number("exponential", "the base", base)
   number("exponential", "the factor", factor)
   options = core.options("schedule.exponential", options, { "by" })
   local by = counter("exponential", options.by)
   return make(("exponential(%.14g, %.14g by %s)"):format(base, factor, by), function(t) return base * factor ^ (t[by] - 1) end)
end

-- warmup(value, {over =, by = "step", from = 0}): rises in a line from `from` to the value (itself a schedule or a number).
function schedule.warmup(value, options)
   if not is_schedule(value) then number("warmup", "the value", value) end
   options = core.options("schedule.warmup", options, { "over", "by", "from" })
   local over, by = number("warmup", "over", options.over, 1), counter("warmup", options.by)
   local from = number("warmup", "from", options.from or 0)
   local text = ("warmup(%s over %.14g %s%s)"):format(schedule.describe(value), over, by, from ~= 0 and (", from %.14g"):format(from) or "")
   return make(text, function(t)
      local goal = schedule.resolve(value, t)
      local part = t[by] / over
      return part >= 1 and goal or from + (goal - from) * part
   end, { parts = { value } })
end

-- quantile(q [, {every = 1}]): the threshold below which a share q of all squared gradients lies, so that the top 1 - q pass;
-- found again every `every` steps, since it looks at every gradient.
function schedule.quantile(q, options)
   number("quantile", "q", q, 0)
   if q > 1 then raise("schedule.quantile: q must be from 0 to 1, got %g", q) end
   options = core.options("schedule.quantile", options, { "every" })
   local every = number("quantile", "every", options.every or 1, 1)
   local known = setmetatable({}, { __mode = "k" })             -- per optimizer: { step, value }
   return make(("quantile(%.14g%s)"):format(q, every ~= 1 and (", every %.14g"):format(every) or ""), function(t)
      local last = known[t.optimizer or known]
      if not last or t.step >= last[1] + every or t.step < last[1] then
         last = { t.step, t.gradient_quantile(q) }
         known[t.optimizer or known] = last
      end
      return last[2]
   end, {
      recall = function(optimizer) return known[optimizer] end,
      remember = function(optimizer, list) known[optimizer] = list end,
   })
end

-- ---- from plain data --------------------------------------------------------------------------------------

local constructors = { "constant", "per_task", "step", "linear", "cosine", "exponential", "warmup", "quantile" }

local function constructor_of(value)
   local name, options = nil, {}
   for key, given in pairs(value) do
      local found = false
      for _, constructor in ipairs(constructors) do found = found or constructor == key end
      if found and name then raise "schedule.of: one schedule at a time: two are named" end
      if found then name = key else options[key] = given end
   end
   return name, next(options) and options or nil
end

-- of(value): the schedule that plain data describe, as a settings file holds them. A number or switch stands for itself;
-- { per_task = { 0.5, 0 } }, { linear = { 0.1, 0 }, over = 100 } name a constructor, its values, and its options beside them; so do rules
-- that end a task, { loss = 0.005, max_epochs = 20 }.
function schedule.of(value)
   if type(value) == "number" or type(value) == "boolean" or is_schedule(value) or schedule.stop.is_rule(value) then return value end
   if type(value) ~= "table" then raise("schedule.of: expected a number, a switch or a table, got %s", core.typename(value)) end
   if schedule.stop.name_in(value) then return schedule.stop.of(value) end
   local name, options = constructor_of(value)
   if not name then
      local unknown, known = next(options or {}), {}
      for _, constructor in ipairs(constructors) do known[constructor] = true end
      for rule in pairs(schedule.stop) do known[rule] = schedule.stop.name_in{ [rule] = true } ~= nil or nil end
      raise("schedule.of: none of %s is named, nor a rule that ends a task, as loss or patience%s", table.concat(constructors, ", "),
         unknown and (", got '%s'%s"):format(unknown, suggest.hint(tostring(unknown), known)) or "")
   end
   local values = value[name]
   if type(values) == "table" and next(values) == nil then raise("schedule.of: %s has no values, as in {%s: [0.5, 0]}", name, name) end
   if type(values) ~= "table" or #values == 0 then values = { values } end
   local resolved = {}
   for i, item in ipairs(values) do resolved[i] = schedule.of(item) end
   if name == "per_task" or name == "constant" then
      if options then core.options("schedule." .. name, options, {}) end
      return schedule[name](name == "per_task" and resolved or resolved[1])
   end
   resolved[#resolved + 1] = options
   return schedule[name](unpack(resolved))
end

return schedule
