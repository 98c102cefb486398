-- optim/description.lua: what the description of an optimizer may hold, and which values its hyper-parameters take.
local core = require "engram.core"
local suggest = require "engram.suggest"
local raise = core.raise

local description = {}

local FIELDS = { name = 1, doc = 1, source = 1, hyper = 1, slots = 1, step = 1, task_begin = 1, task_end = 1, statistics = 1,
   check = 1, version = 1, rows = 1 }
local HYPER_FIELDS = { default = 1, min = 1, max = 1, type = 1, choices = 1, doc = 1 }
local SLOT_FIELDS = { like = 1, initial = 1, reset = 1, doc = 1, when = 1 }

local function check_fields(who, given, allowed)
   if type(given) ~= "table" then raise("%s: expected a table, got %s", who, core.typename(given)) end
   for key in pairs(given) do
      if not allowed[key] then raise("%s: unknown field '%s'%s", who, tostring(key), suggest.hint(key, allowed)) end
   end
end

-- Checks a description: { name, hyper = { NAME = { default, min, max, choices, doc } }, slots = { NAME = { like = "parameter" or
-- "scalar", initial, reset, when = function(hyper) } }, step = function(p, g, s, h), task_begin, task_end, statistics }.
function description.check(given)
   check_fields("optimizer", given, FIELDS)
   local name = given.name
   if type(name) ~= "string" or not name:match "^[%a_][%w_]*$" then
      raise("optimizer: name must be a Lua name, got %s", tostring(name))
   end
   if type(given.step) ~= "function" then raise("optimizer %s: step must be a function(p, g, s, h)", name) end
   given.hyper, given.slots = given.hyper or {}, given.slots or {}
   for key, hyper in pairs(given.hyper) do
      check_fields(("optimizer %s: hyper.%s"):format(name, key), hyper, HYPER_FIELDS)
      if hyper.default == nil then raise("optimizer %s: hyper.%s has no default", name, key) end
      description.check_value(("optimizer %s: default of hyper"):format(name), key, hyper, hyper.default)
   end
   for key, slot in pairs(given.slots) do
      check_fields(("optimizer %s: slots.%s"):format(name, key), slot, SLOT_FIELDS)
      if key == "step_count" then raise("optimizer %s: slots.step_count: the name is taken by the number of steps", name) end
      if slot.like ~= nil and slot.like ~= "parameter" and slot.like ~= "scalar" then
         raise("optimizer %s: slots.%s: like must be 'parameter' or 'scalar', got '%s'", name, key, tostring(slot.like))
      end
   end
end

-- Returns the value when it is one that the declared hyper-parameter takes.
function description.check_value(who, key, hyper, value)
   local wanted = hyper.type or type(hyper.default)
   if hyper.choices then
      for _, choice in ipairs(hyper.choices) do
         if value == choice then return value end
      end
      raise("%s: %s = %s is not one of %s%s", who, key, tostring(value), table.concat(hyper.choices, ", "),
         suggest.hint(value, hyper.choices))
   end
   if type(value) ~= wanted then raise("%s: %s must be a %s, got %s", who, key, wanted, core.typename(value)) end
   if wanted == "number" then
      if value ~= value then raise("%s: %s is not a number (NaN)", who, key) end
      if hyper.min and value < hyper.min then raise("%s: %s = %g, expected at least %g", who, key, value, hyper.min) end
      if hyper.max and value > hyper.max then raise("%s: %s = %g, expected at most %g", who, key, value, hyper.max) end
   end
   return value
end

return description
