-- cl/methods/description.lua: what a method's description may hold, checked when it is registered, and the options of a method, checked
-- when it is made.
local core = require "engram.core"
local state = require "engram.cl.methods.state"
local suggest = require "engram.suggest"
local raise = core.raise

local description = {}

-- In the order in which they are called. A misspelled hook would never be, so unknown fields are refused.
description.hooks = { "plan", "train_data", "begin", "task_begin", "batch", "loss", "loss_gradients", "gradients", "after_step",
   "task_end", "test_begin", "test_end" }
local FIELDS = { "name", "doc", "source", "hyper", "state", "presets", "check", "regularizer", "common_lambda", "extra_bytes", "scratch",
   unpack(description.hooks) }
local FUNCTIONS = { "check", "common_lambda", "extra_bytes", unpack(description.hooks) }
local TABLES = { "hyper", "state", "scratch", "presets" }
local RESERVED = { description = true, hyper = true, owner = true }            -- what every method has
local TAKEN = { description = true, hyper = true, owner = true, bytes = true, allocate = true }          -- of a field they would hide
for _, name in ipairs(FUNCTIONS) do TAKEN[name] = true end

local function refuse(given, format, ...) raise("cl.methods.register: %s: %s", given.name, format:format(...)) end

local function check_type(given, what, value, wanted, example)
   if value ~= nil and type(value) ~= wanted then
      refuse(given, "%s must be a %s%s, got %s", what, wanted, example or "", core.typename(value))
   end
end

-- The names of what a method keeps, and of what kind it is.
local function check_state(given)
   for name, kind in pairs(given.state or {}) do
      if TAKEN[name] then refuse(given, "state.%s: the name is taken", name) end
      if not state.is_kind(kind) then
         refuse(given, "state.%s must be one of %s, got '%s'", name, table.concat(state.kinds, ", "), tostring(kind))
      end
   end
   for i, name in pairs(given.scratch or {}) do
      if type(i) ~= "number" or type(name) ~= "string" then refuse(given, "scratch: expected a list of names, as { \"drawn\" }") end
      if TAKEN[name] or given.state and given.state[name] then refuse(given, "scratch: the name '%s' is taken", name) end
   end
end

local function check_presets(given)
   for convention, preset in pairs(given.presets or {}) do
      check_type(given, "presets." .. tostring(convention), preset, "table")
      for key in pairs(preset) do
         if not (given.hyper or {})[key] then refuse(given, "convention '%s' sets '%s', which is no hyper-parameter", convention, key) end
      end
   end
end

-- check(given): raises for a field that is unknown or of the wrong type, a kind of state that is none, a name that would hide a hook, a
-- preset of what is no hyper-parameter.
function description.check(given)
   core.options("cl.methods.register", given, FIELDS)
   if type(given.name) ~= "string" then raise "cl.methods.register: a method needs a name" end
   for _, name in ipairs(TABLES) do check_type(given, name, given[name], "table") end
   for _, name in ipairs(FUNCTIONS) do check_type(given, name, given[name], "function") end
   for key, about in pairs(given.hyper or {}) do
      check_type(given, "hyper." .. tostring(key), about, "table", ", as { default = 0.1, min = 0 }")
   end
   check_state(given)
   check_presets(given)
end

-- is_field(given, name): whether a method may have a field of the name.
function description.is_field(given, name)
   if RESERVED[name] or given.state and given.state[name] then return true end
   for _, scratch in ipairs(given.scratch or {}) do
      if scratch == name then return true end
   end
   return false
end

local function check_value(who, key, about, value)
   local allowed = not about.choices
   for _, choice in ipairs(about.choices or {}) do allowed = allowed or choice == value end
   if not allowed then
      raise("%s: %s = %s is not one of %s%s", who, key, tostring(value), table.concat(about.choices, ", "),
         suggest.nearest(value, about.choices) and suggest.hint(value, about.choices) or "")
   end
   local wanted = about.type or type(about.default)
   if type(value) ~= wanted then raise("%s: %s must be a %s, got %s", who, key, wanted, core.typename(value)) end
   if value ~= value then raise("%s: %s is not a number (NaN)", who, key) end
   if value == math.huge or value == -math.huge then raise("%s: %s is infinite, expected a finite number", who, key) end
   if about.whole and value % 1 ~= 0 then raise("%s: %s = %g, expected a whole number", who, key, value) end
   if about.min and value < about.min then raise("%s: %s = %g, expected at least %g", who, key, value, about.min) end
   if about.max and value > about.max then raise("%s: %s = %g, expected at most %g", who, key, value, about.max) end
end

-- ---- options that say nothing, or two things ------------------------------------------------------------------------------

local function quoted(value) return type(value) == "string" and ("'%s'"):format(value) or tostring(value) end

local function is_one_of(value, list)
   for _, v in ipairs(list) do
      if v == value then return true end
   end
   return false
end

-- `with` and `without` of a hyper-parameter, { other hyper-parameter = { values } }: with which alone, and with which not, it is used.
local function check_used(who, key, about, hyper)
   for other, values in pairs(about.with or {}) do
      if not is_one_of(hyper[other], values) then
         local words = {}
         for i, value in ipairs(values) do words[i] = quoted(value) end
         raise("%s: %s has no effect with %s = %s: it is used with %s = %s", who, key, other, quoted(hyper[other]), other,
            table.concat(words, " or "))
      end
   end
   for other, values in pairs(about.without or {}) do
      if is_one_of(hyper[other], values) then
         raise("%s: %s has no effect with %s = %s, it is used with any other", who, key, other, quoted(hyper[other]))
      end
   end
end

-- What a convention sets by a choice or a yes or no is its formula; numbers are its defaults alone.
local function check_fixed(who, key, value, preset, convention)
   local fixed = preset[key]
   if fixed == nil or fixed == value or type(fixed) == "number" then return end
   raise("%s: %s = %s, but convention '%s' is %s = %s: leave out one of them", who, key, quoted(value), convention, key, quoted(fixed))
end

-- options(given, options): the hyper-parameters: defaults, then what the convention sets, then the options, each checked: an option that
-- the others leave without effect is an error.
function description.options(given, options)
   local who, declared, hyper = "cl.methods." .. given.name, given.hyper or {}, {}
   if options ~= nil and type(options) ~= "table" then raise("%s: options must be a table, got %s", who, core.typename(options)) end
   for key, value in pairs(options or {}) do
      if not declared[key] then raise("%s: unknown option '%s'%s", who, tostring(key), suggest.hint(key, declared)) end
      check_value(who, key, declared[key], value)
   end
   for key, about in pairs(declared) do hyper[key] = about.default end
   local convention = options and options.convention or hyper.convention
   local preset = given.presets and given.presets[convention] or {}
   for key, value in pairs(preset) do hyper[key] = value end
   for key, value in pairs(options or {}) do
      check_fixed(who, key, value, preset, convention)
      hyper[key] = value
   end
   for key in pairs(options or {}) do check_used(who, key, declared[key], hyper) end
   if given.check then given.check(hyper, who) end
   return hyper
end

return description
