-- cl/methods/init.lua: the registry of methods. A method hooks into training; it combines with any optimizer and any other method.
--
-- A description: { name, doc, source, hyper = as an optimizer's, state = { anchor = "parameters" or "task" }, hooks... }. Hooks are
-- called with (self, t): begin, task_begin, loss (returns a term or nil), gradients (edits .grad), after_step, task_end. State lives
-- in self under its declared names: "parameters", a list of one tensor a parameter; "tasks", a list of such lists.
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

local function check_hyper(who, description, options)
   local hyper = {}
   for key, about in pairs(description.hyper or {}) do hyper[key] = about.default end
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
      if about.min and value < about.min then raise("%s: %s = %g, expected at least %g", who, key, value, about.min) end
      hyper[key] = value
   end
   return hyper
end

-- register(description): makes cl.methods.NAME(options).
function methods.register(description)
   local name = description.name
   if type(name) ~= "string" then raise "cl.methods.register: a method needs a name" end
   if registry[name] then raise("cl.methods.register: a method named '%s' is registered already", name) end
   registry[name] = description
   names[#names + 1] = name
   local class = { __index = function(_, key) return description[key] or Method[key] end }
   methods[name] = function(options)
      return setmetatable({ description = description, hyper = check_hyper("cl.methods." .. name, description, options) }, class)
   end
   return methods[name]
end

function methods.list() return { unpack(names) } end
function methods.description(name) return registry[name] end

for _, file in ipairs{ "naive", "ewc" } do methods.register(require("engram.cl.methods." .. file)) end

return setmetatable(methods, { __index = function(_, key)
   raise("cl.methods: no method named '%s'%s", tostring(key), suggest.hint(key, registry))
end })
