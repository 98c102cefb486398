-- optim/init.lua: the registry of optimizers. Built-in, Lua and C ones come through the same door: register(description).
local core = require "engram.core"
local optimizer = require "engram.optim.optimizer"
local plugin = require "engram.optim.plugin"
local schedule = require "engram.schedule"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local registry, names = {}, {}
local optim = { kernels = require "engram.optim.kernels" }

local function constructor(description)
   return function(target, options) return optimizer.make(description, target, options) end
end

-- Raises when a name cannot be given to another optimizer.
local function check_free(name, from)
   local old = registry[name]
   if old then
      core.raise("%san optimizer named '%s' is registered already%s", from, name, old.path and " (from " .. old.path .. ")" or "")
   end
   if rawget(optim, name) then core.raise("%sthe name '%s' is taken by optim.%s", from, name, name) end
end

local function enter(description)
   local name = description.name
   if not registry[name] then names[#names + 1] = name end
   registry[name], optim[name] = description, constructor(description)
   return optim[name]
end

-- register(description): checks it and makes optim.NAME(model or list of tensors, options). Returns that constructor.
function optim.register(description)
   optimizer.check(description)
   check_free(description.name, "optim.register: ")
   return enter(description)
end

-- ---- plugins ----------------------------------------------------------------------------------------------

local addresses = {}                    -- of C plugins, within their libraries

local function load_file(path)
   local from = "optim.load: "
   local found = plugin.find(path, from)
   local description, hash, address = plugin.read(found, from)
   optimizer.check(description, from .. found .. ": ")
   local old = registry[description.name]
   if old and old.sha256 == hash then return optim[description.name], description.name end
   if address and old and addresses[description.name] == address then
      core.raise("%s%s has changed, but the library that was loaded stays: start Engram anew", from, found)
   end
   if not (old and old.path == found) then check_free(description.name, from .. found .. ": ") end
   description.path, description.sha256 = found, hash     -- a run notes what the file was
   addresses[description.name] = address
   return enter(description), description.name
end

-- load(path): registers the optimizer in a Lua file that returns a description, or in a shared library (core/engram_plugin.h); returns
-- its constructor, and its name. Without a slash the path may be the name of one in the plugin folders. A file that was loaded is not
-- loaded twice; one that has changed since takes the place of its former self. One that is refused is a wrong call: a script that does
-- not catch the error ends with exit code 2.
function optim.load(path)
   local ok, made, name = pcall(load_file, path)
   if ok then return made, name end
   if core.interrupted() then error(made, 0) end
   usage_error("%s", tostring(made))
end

-- ---- by name ----------------------------------------------------------------------------------------------

-- The registered names, in order, and one's description.
function optim.list() return { unpack(names) } end
function optim.description(name)
   return registry[name] or core.raise("optim: no optimizer named '%s'%s", tostring(name), suggest.hint(name, registry))
end

-- of(what): a function that makes an optimizer for a model, from plain data as settings hold them: a registered name or a plugin's path,
-- or a table { name = ..., lr = 0.1, ... } with hyper-parameters (numbers, switches, words, and schedules as schedule.of reads them).
function optim.of(what)
   local given = type(what) == "string" and { name = what } or what
   if type(given) ~= "table" then core.raise("optim.of: expected a name or a table, got %s", core.typename(what)) end
   local options, name = {}, given.name
   if type(name) ~= "string" then core.raise "optim.of: expected a name: a registered optimizer or the path of a plugin" end
   for key, value in pairs(given) do
      if key ~= "name" then options[key] = type(value) == "table" and not schedule.is_schedule(value) and schedule.of(value) or value end
   end
   if not registry[name] and not plugin.look(name) then
      core.raise("optim.of: no optimizer is named '%s', and there is no such file%s", name, suggest.hint(name, registry))
   end
   local make = registry[name] and optim[name] or optim.load(name)
   return function(target) return make(target, options) end
end

for _, file in ipairs{ "sgd", "adagrad", "rmsprop", "adam", "adamw", "classp" } do
   optim.register(require("engram.optim." .. file))
end

return setmetatable(optim, { __index = function(_, key)
   core.raise("optim: no optimizer named '%s'%s", tostring(key), suggest.hint(key, registry))
end })
