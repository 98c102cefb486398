-- cl/methods/init.lua: the registry of methods. A method hooks into training; it combines with any optimizer and any other method.
--
-- A description: { name, doc, source, hyper = as an optimizer's, state = { anchor = "parameters", ... } (the kinds are in state.lua),
-- presets = { convention = { hyper = value } }, hooks... }. Hooks are called with (self, t), in the order of the list of methods; each is
-- optional:
--   plan(self, t, k, alone)   the size of task k where it is not the stream's: { items =, epochs =, steps = }; alone: its own steps
--   train_data         the data set that this task trains on; called once more where a run resumes within a task
--   begin, task_begin
--   batch              before the forward pass: may replace t.x, t.y, t.tasks (the task of each item), set t.weight (of the loss)
--   loss               returns a term to add, or nil
--   loss_gradients     after the backward pass, before any method changes .grad: may read it
--   gradients          after the backward pass: may change .grad; a penalty adds its value to t.penalty
--   after_step, task_end
--   test_begin, test_end (self, t, k)   before and after the model is evaluated on task k: may change the weights and change them back
-- State lives in self under its declared names, made anew when a training begins; the host saves it and counts its bytes. What one hook
-- leaves to another within a step, or makes anew from the state, is named too: scratch = { "drawn" }. Other fields are refused.
local core = require "engram.core"
local description = require "engram.cl.methods.description"
local state = require "engram.cl.methods.state"
local suggest = require "engram.suggest"
local raise = core.raise

local methods, registry, names, classes = {}, {}, {}, {}
local Method = {}

-- Bytes of all declared state, and a table of bytes by name.
function Method:bytes()
   local total, by_name = 0, {}
   for name in pairs(self.description.state or {}) do by_name[name] = state.bytes(self[name]) end
   for name, bytes in pairs(self.description.extra_bytes and self.description.extra_bytes(self) or {}) do by_name[name] = bytes end
   for _, bytes in pairs(by_name) do total = total + bytes end
   return total, by_name
end

-- Makes the declared state anew.
function Method:allocate(parameters)
   for name, kind in pairs(self.description.state or {}) do self[name] = state.make(kind, parameters) end
end

-- A field that is not declared would be missing where a run is resumed, and from the count of bytes.
local function refuse_undeclared(self, key, value)
   local given = self.description
   if not description.is_field(given, key) then
      raise("method %s: self.%s is not declared: what is kept belongs into state = { %s = KIND }, with KIND one of %s, which is saved " ..
         "and whose bytes are counted; what lives within a step into scratch = { \"%s\" }", given.name, tostring(key), tostring(key),
         table.concat(state.kinds, ", "), tostring(key))
   end
   rawset(self, key, value)
end

-- describe(method): "EWC{ lambda = 100, ... }".
function methods.describe(method)
   local words = {}
   for key, value in pairs(method.hyper) do words[#words + 1] = ("%s = %s"):format(key, tostring(value)) end
   table.sort(words)
   return ("%s{ %s }"):format(method.description.name, table.concat(words, ", "))
end

-- register(description): makes cl.methods.NAME(options).
function methods.register(given)
   description.check(given)
   local name = given.name
   if registry[name] then raise("cl.methods.register: a method named '%s' is registered already", name) end
   if rawget(methods, name) then raise("cl.methods.register: the name '%s' is taken by cl.methods.%s", name, name) end
   registry[name] = given
   names[#names + 1] = name
   local class = { __index = function(_, key) return given[key] or Method[key] end, __newindex = refuse_undeclared,
      __tostring = methods.describe }
   classes[name] = class
   methods[name] = function(options)
      return setmetatable({ description = given, hyper = description.options(given, options) }, class)
   end
   return methods[name]
end

-- again(method): another method of the same name and settings, without the state.
function methods.again(method)
   local hyper = {}
   for key, value in pairs(method.hyper) do hyper[key] = value end
   return setmetatable({ description = method.description, hyper = hyper }, classes[method.description.name])
end

function methods.list() return { unpack(names) } end
function methods.description(name) return registry[name] end

local FILES = { "naive", "joint", "cumulative", "l2", "ewc", "si", "mas", "lwf", "er", "rehearsal", "agem", "gem", "der", "derpp", "gdumb",
   "packnet", "reset_optimizer" }
for _, file in ipairs(FILES) do
   local given = require("engram.cl.methods." .. file)
   methods.register(given.description or given)
end

return setmetatable(methods, { __index = function(_, key)
   raise("cl.methods: no method named '%s'%s", tostring(key), suggest.hint(key, registry))
end })
