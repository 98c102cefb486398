-- cl/methods/init.lua: the registry of methods. A method hooks into training; it combines with any optimizer and any other method.
--
-- A description: { name, doc, source, hyper = as an optimizer's, state = { anchor = "parameters" or "tasks" }, hooks... }. Hooks are
-- called with (self, t): begin, task_begin, loss (returns a term or nil), gradients (edits .grad), after_step, task_end. State lives
-- in self under its declared names, made anew when a training begins: "parameters", a list of one tensor of zeros a parameter;
-- "tasks", an empty list for such lists.
local core = require "engram.core"
local tensor = require "engram.tensor"
local suggest = require "engram.suggest"
local raise = core.raise

local methods, registry, names = {}, {}, {}
local Method = {}

-- Bytes of all declared state, and a table of bytes by name.
function Method:bytes()
   local total, by_name = 0, {}
   local function count(value)
      if tensor.is_tensor(value) then return value:bytes() end
      local sum = 0
      for _, inner in ipairs(type(value) == "table" and value or {}) do sum = sum + count(inner) end
      return sum
   end
   for name in pairs(self.description.state or {}) do
      by_name[name] = count(self[name])
      total = total + by_name[name]
   end
   return total, by_name
end

-- Makes the declared state anew.
function Method:allocate(parameters)
   for name, kind in pairs(self.description.state or {}) do
      local list = {}
      for i, p in ipairs(kind == "parameters" and parameters or {}) do list[i] = tensor.like(p):zero_():keep() end
      self[name] = list
   end
end

-- "EWC{ lambda = 100, ... }"
local function describe(self)
   local words = {}
   for key, value in pairs(self.hyper) do words[#words + 1] = ("%s = %s"):format(key, tostring(value)) end
   table.sort(words)
   return ("%s{ %s }"):format(self.description.name, table.concat(words, ", "))
end

local FIELDS = { "name", "doc", "source", "hyper", "state", "begin", "task_begin", "loss", "gradients", "after_step", "task_end" }

-- A misspelled hook would never be called, so unknown fields are refused.
local function check(description)
   core.options("cl.methods.register", description, FIELDS)
   if type(description.name) ~= "string" then raise "cl.methods.register: a method needs a name" end
   for name, kind in pairs(description.state or {}) do
      if kind ~= "parameters" and kind ~= "tasks" then
         raise("cl.methods.register: %s: state.%s must be 'parameters' or 'tasks', got '%s'", description.name, name, tostring(kind))
      end
   end
end

local function check_hyper(who, description, options)
   local hyper = {}
   for key, about in pairs(description.hyper or {}) do hyper[key] = about.default end
   if options ~= nil and type(options) ~= "table" then raise("%s: options must be a table, got %s", who, core.typename(options)) end
   for key, value in pairs(options or {}) do
      local about = (description.hyper or {})[key]
      if not about then raise("%s: unknown option '%s'%s", who, tostring(key), suggest.hint(key, description.hyper or {})) end
      local allowed = not about.choices
      for _, choice in ipairs(about.choices or {}) do allowed = allowed or choice == value end
      if not allowed then
         raise("%s: %s = %s is not one of %s%s", who, key, tostring(value), table.concat(about.choices, ", "),
            suggest.hint(value, about.choices))
      end
      local wanted = about.type or type(about.default)
      if type(value) ~= wanted then raise("%s: %s must be a %s, got %s", who, key, wanted, core.typename(value)) end
      if value ~= value then raise("%s: %s is not a number (NaN)", who, key) end
      if about.whole and value % 1 ~= 0 then raise("%s: %s = %g, expected a whole number", who, key, value) end
      if about.min and value < about.min then raise("%s: %s = %g, expected at least %g", who, key, value, about.min) end
      hyper[key] = value
   end
   return hyper
end

-- register(description): makes cl.methods.NAME(options).
function methods.register(description)
   check(description)
   local name = description.name
   if registry[name] then raise("cl.methods.register: a method named '%s' is registered already", name) end
   if rawget(methods, name) then raise("cl.methods.register: the name '%s' is taken by cl.methods.%s", name, name) end
   registry[name] = description
   names[#names + 1] = name
   local class = { __index = function(_, key) return description[key] or Method[key] end, __tostring = describe }
   methods[name] = function(options)
      return setmetatable({ description = description, hyper = check_hyper("cl.methods." .. name, description, options) }, class)
   end
   return methods[name]
end

-- describe(method): "EWC{ lambda = 100, ... }".
function methods.describe(method)
   local words = {}
   for key, value in pairs(method.hyper) do words[#words + 1] = ("%s = %s"):format(key, tostring(value)) end
   table.sort(words)
   return ("%s{ %s }"):format(method.description.name, table.concat(words, ", "))
end

-- again(method): another method of the same name and settings, without the state.
function methods.again(method) return methods[method.description.name](method.hyper) end

function methods.list() return { unpack(names) } end
function methods.description(name) return registry[name] end

for _, file in ipairs{ "naive", "ewc" } do methods.register(require("engram.cl.methods." .. file)) end

return setmetatable(methods, { __index = function(_, key)
   raise("cl.methods: no method named '%s'%s", tostring(key), suggest.hint(key, registry))
end })
