-- optim/description.lua: what the description of an optimizer may hold, and which values its hyper-parameters take.
local core = require "engram.core"
local suggest = require "engram.suggest"
local raise = core.raise

local description = {}

local FIELDS = { name = "string", doc = "string", source = "string", version = "string", licence = "string", hyper = "table",
   slots = "table", step = "function", chain = "table", create = "function", task_begin = "function", task_end = "function",
   statistics = "function", check = "function", rows = "table", path = "string", sha256 = "string" }
local HYPER_FIELDS = { default = 1, min = 1, max = 1, type = 1, choices = 1, doc = 1 }
local SLOT_FIELDS = { like = 1, initial = 1, reset = 1, doc = 1, when = 1 }
local TYPES = { number = 1, whole = 1, boolean = 1, string = 1 }

-- What a step finds in h beside the hyper-parameters.
local TAKEN = { step = "the number of the step", count = "the number of the parameter's update", first = "the parameter's first update",
   task = "the task", epoch = "the epoch", parameter = "the parameter's name", index = "the parameter's place",
   optimizer = "the optimizer", decoupled = "AdamW" }

-- ---- checking ---------------------------------------------------------------------------------------------

local where = ""                        -- "optim.load: FILE: " while a file's description is checked

local function fail(message, ...) raise("%s", where .. message:format(...)) end

local function check_fields(who, given, allowed)
   if type(given) ~= "table" then fail("%s: expected a table, got %s", who, core.typename(given)) end
   for key in pairs(given) do
      if not allowed[key] then fail("%s: unknown field '%s'%s", who, tostring(key), suggest.hint(key, allowed)) end
   end
end

local function check_name(who, key)
   if type(key) ~= "string" or not key:match "^[%a_][%w_]*$" then fail("%s: '%s' must be a Lua name", who, tostring(key)) end
end

local function check_finite(who, value)
   if type(value) ~= "number" then fail("%s must be a number, got %s", who, core.typename(value)) end
   if value - value ~= 0 then fail("%s must be finite, got %g", who, value) end
end

local function check_choices(who, choices)
   local seen = {}
   if type(choices) ~= "table" or #choices == 0 then fail("%s: choices must be a list of at least one word", who) end
   for _, choice in ipairs(choices) do
      if type(choice) ~= "string" then fail("%s: choices must be words, got %s", who, core.typename(choice)) end
      if seen[choice] then fail("%s: choice '%s' stands there twice", who, choice) end
      seen[choice] = true
   end
end

local function check_hyper(name, key, hyper)
   local who = ("optimizer %s: hyper.%s"):format(name, tostring(key))
   check_name(("optimizer %s: hyper"):format(name), key)
   if TAKEN[key] then fail("%s: the name is taken: h.%s is %s", who, key, TAKEN[key]) end
   check_fields(who, hyper, HYPER_FIELDS)
   if hyper.default == nil then fail("optimizer %s: hyper.%s has no default", name, key) end
   if hyper.type ~= nil and not TYPES[hyper.type] then
      fail("%s: unknown type '%s'%s", who, tostring(hyper.type), suggest.hint(hyper.type, TYPES))
   end
   for _, limit in ipairs{ "min", "max" } do
      local value = hyper[limit]
      if value ~= nil and (type(value) ~= "number" or value ~= value) then fail("%s: %s must be a number", who, limit) end
   end
   if hyper.min and hyper.max and hyper.min > hyper.max then
      fail("%s: min = %g is more than max = %g", who, hyper.min, hyper.max)
   end
   if hyper.choices ~= nil then check_choices(who, hyper.choices) end
   description.check_value(("%soptimizer %s: default of hyper"):format(where, name), key, hyper, hyper.default)
end

local function check_slot(name, key, slot)
   local who = ("optimizer %s: slots.%s"):format(name, tostring(key))
   check_name(("optimizer %s: slots"):format(name), key)
   check_fields(who, slot, SLOT_FIELDS)
   if key == "step_count" then fail("optimizer %s: slots.step_count: the name is taken by the number of steps", name) end
   if slot.like ~= nil and slot.like ~= "parameter" and slot.like ~= "scalar" then
      fail("%s: like must be 'parameter' or 'scalar', got '%s'", who, tostring(slot.like))
   end
   if slot.initial ~= nil then check_finite(who .. ": initial", slot.initial) end
   if slot.reset ~= nil and type(slot.reset) ~= "boolean" then
      fail("%s: reset must be true or false, got %s", who, core.typename(slot.reset))
   end
   if slot.when ~= nil and type(slot.when) ~= "function" then fail("%s: when must be a function(h)", who) end
end

local composed_steps = setmetatable({}, { __mode = "k" })     -- those that were made of chains: a description may be checked again

-- The step of a chain: each function makes of the update u (at first the gradient) the next one; then p <- p - lr u.
local function composed(name, chain)
   if #chain == 0 then fail("optimizer %s: chain must be a list of functions(u, p, s, h), got none", name) end
   for i, part in ipairs(chain) do
      if type(part) ~= "function" then
         fail("optimizer %s: chain[%d] must be a function(u, p, s, h), got %s", name, i, core.typename(part))
      end
   end
   local function step(p, g, s, h)
      local u = g
      for i = 1, #chain do u = chain[i](u, p, s, h) or u end
      p:add_(u, -(h.lr or 1))
   end
   composed_steps[step] = true
   return step
end

-- Checks a description: { name, hyper = { NAME = { default, min, max, type, choices, doc } }, slots = { NAME = { like = "parameter" or
-- "scalar", initial, reset, when = function(hyper), doc } }, step = function(p, g, s, h), create, task_begin, task_end, statistics, check,
-- version, licence, doc, source }; in place of step: chain = { function(u, p, s, h), ... }. `from` begins every message.
function description.check(given, from)
   where = from or ""
   check_fields("optimizer", given, FIELDS)
   local name = given.name
   if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
      fail("optimizer: name must be a Lua name, got %s", tostring(name))
   end
   if given.chain ~= nil and given.step ~= nil and not composed_steps[given.step] then
      fail("optimizer %s: it has both step and chain: a chain stands in place of step", name)
   end
   if type(given.chain) == "table" then given.step = composed(name, given.chain)
   elseif type(given.step) ~= "function" then
      fail("optimizer %s: step must be a function(p, g, s, h), got %s", name, core.typename(given.step))
   end
   for key, wanted in pairs(FIELDS) do
      if given[key] ~= nil and type(given[key]) ~= wanted then
         fail("optimizer %s: %s must be a %s, got %s", name, key, wanted, core.typename(given[key]))
      end
   end
   given.hyper, given.slots = given.hyper or {}, given.slots or {}
   for key, hyper in pairs(given.hyper) do check_hyper(name, key, hyper) end
   for key, slot in pairs(given.slots) do
      check_slot(name, key, slot)
      if given.hyper[key] then
         fail("optimizer %s: slots.%s: a hyper-parameter has this name too: give each a name of its own", name, key)
      end
   end
   where = ""
end

-- ---- values -----------------------------------------------------------------------------------------------

local function check_number(who, key, hyper, value)
   if value ~= value then raise("%s: %s is not a number (NaN)", who, key) end
   if hyper.min and value < hyper.min then raise("%s: %s = %g, expected at least %g", who, key, value, hyper.min) end
   if hyper.max and value > hyper.max then raise("%s: %s = %g, expected at most %g", who, key, value, hyper.max) end
   if math.abs(value) == math.huge then raise("%s: %s = %g, expected a finite number", who, key, value) end
   if hyper.type == "whole" and value % 1 ~= 0 then raise("%s: %s = %g, expected a whole number", who, key, value) end
end

-- Returns the value when it is one that the declared hyper-parameter takes.
function description.check_value(who, key, hyper, value)
   local wanted = hyper.type == "whole" and "number" or hyper.type or type(hyper.default)
   if hyper.choices then
      for _, choice in ipairs(hyper.choices) do
         if value == choice then return value end
      end
      raise("%s: %s = %s is not one of %s%s", who, key, tostring(value), table.concat(hyper.choices, ", "),
         suggest.nearest(value, hyper.choices) and suggest.hint(value, hyper.choices) or "")
   end
   if type(value) ~= wanted then raise("%s: %s must be a %s, got %s", who, key, wanted, core.typename(value)) end
   if wanted == "number" then check_number(who, key, hyper, value) end
   return value
end

return description
