-- optim/init.lua: the registry of optimizers. Built-in, Lua and C ones come through the same door: register(description).
local core = require "engram.core"
local optimizer = require "engram.optim.optimizer"
local suggest = require "engram.suggest"

local registry, names = {}, {}
local optim = {}

-- register(description): checks it and makes optim.NAME(model or list of tensors, options). Returns that constructor.
function optim.register(description)
   optimizer.check(description)
   if registry[description.name] then
      core.raise("optim.register: an optimizer named '%s' is registered already", description.name)
   end
   if rawget(optim, description.name) then
      core.raise("optim.register: the name '%s' is taken by optim.%s", description.name, description.name)
   end
   registry[description.name] = description
   names[#names + 1] = description.name
   optim[description.name] = function(target, options) return optimizer.make(description, target, options) end
   return optim[description.name]
end

-- load(path): a Lua file that returns a description; registers it and returns its constructor.
function optim.load(path)
   if type(path) ~= "string" then core.raise("optim.load: expected a path, got %s", core.typename(path)) end
   local chunk, problem = loadfile(path)
   if not chunk then core.raise("optim.load: %s", problem) end
   local description = chunk()
   if type(description) ~= "table" then
      core.raise("optim.load: %s: expected the file to return a table, got %s", path, type(description))
   end
   local make = optim.register(description)
   description.path = path                            -- a run notes what the file was
   return make
end

-- The registered names, in order, and one's description.
function optim.list() return { unpack(names) } end
function optim.description(name)
   return registry[name] or core.raise("optim: no optimizer named '%s'%s", tostring(name), suggest.hint(name, registry))
end

for _, file in ipairs{ "sgd", "adagrad", "rmsprop", "adam", "adamw", "classp" } do
   optim.register(require("engram.optim." .. file))
end

return setmetatable(optim, { __index = function(_, key)
   core.raise("optim: no optimizer named '%s'%s", tostring(key), suggest.hint(key, registry))
end })
