-- help/objects.lua: from the names of the reference to what they stand for, and back. Rooms are tables of functions; classes are what
-- methods belong to, under the names that the reference gives them: Tensor:matmul, Optimizer:step.
local core = require "engram.core"

local objects = {}

local function lib() return require "engram" end

-- ---- classes ----------------------------------------------------------------------------------------------

-- A stream and its like are known by what makes them.
local function tiny_stream()
   local engram = lib()
   local set = engram.data.dataset{ images = engram.ones(1, 1), labels = { 1 } }
   return engram.cl.stream{ engram.cl.task(set) }
end

local function tensor_members()
   local tensor, all = require "engram.tensor", {}
   for _, list in ipairs{ tensor.methods, tensor.getters, tensor.setters } do
      for name, value in pairs(list) do all[name] = value end
   end
   return all
end

-- The table of a class's members, made when it is asked for.
objects.classes = {
   Tensor = tensor_members,
   Module = function() return lib().nn.Module end,
   Optimizer = function() return require "engram.optim.optimizer".Optimizer end,
   Dataset = function() return require "engram.data.dataset" end,
   Loader = function() return require "engram.data.loader" end,
   Corpus = function() return getmetatable(lib().text.corpus{ texts = {}, labels = {} }) end,
   Tokenizer = function() return getmetatable(lib().text.tokenizer "whitespace") end,
   Vocabulary = function() return getmetatable(lib().text.hashing()) end,
   Stream = function() return getmetatable(tiny_stream()) end,
   Experience = function() return getmetatable(tiny_stream()[1]) end,
   Matrix = function() return getmetatable(lib().cl.metrics.matrix{}) end,
   Tracker = function() return getmetatable(lib().cl.metrics.tracker{}) end,
   Method = function() return lib().cl.methods.Naive() end,
   Buffer = function() return getmetatable(require "engram.cl.buffer".new()) end,
   Run = function() return require "engram.run".Run end,
}

-- ---- from a name to its value -----------------------------------------------------------------------------

-- The table that "cl.methods", "nn" or "Tensor" names; nil when there is none.
function objects.container(name)
   local class = objects.classes[name]
   if class then return class() end
   local value = lib()
   if name == "engram" then return value end
   for part in name:gmatch "[^.]+" do
      if type(value) ~= "table" then return nil end
      local ok, inner = pcall(function() return value[part] end)
      value = ok and inner or nil
   end
   return value
end

-- What a name of the reference stands for; nil when it is gone.
function objects.resolve(name)
   local container, key = name:match "^(.*)[.:]([^.:]+)$"
   local owner = objects.container(container or "engram")
   if owner == nil then return nil end
   local ok, value = pcall(function() return owner[key or name] end)
   if ok then return value end
end

-- ---- and back ---------------------------------------------------------------------------------------------

local function instance_name(value)
   if core.typename(value) == "tensor" then return "Tensor" end
   if type(value) ~= "table" then return nil end
   local class = getmetatable(value)
   if lib().nn.is_module(value) then
      local name = "nn." .. tostring(value.class_name)
      return objects.resolve(name) and name or "Module"
   end
   if class == objects.classes.Optimizer() then return "optim." .. value.name end
   if lib().schedule.is_schedule(value) then return "schedule" end
   for _, name in ipairs{ "Dataset", "Loader", "Stream", "Matrix", "Tracker" } do
      if class and class == objects.classes[name]() then return name end
   end
end

-- { value = name }: of functions and classes their own, of rooms theirs.
local function values_by_name(names)
   local known, engram = {}, lib()
   local function add(value, name)
      if (type(value) == "function" or type(value) == "table") and not known[value] then known[value] = name end
   end
   for _, entry in ipairs(names) do add(objects.resolve(entry.name), entry.name) end
   for room in pairs(getmetatable(engram).rooms) do add(engram[room], room) end
   for _, room in ipairs{ "random", "ops", "autograd" } do add(engram[room], room) end
   for name, value in pairs(engram.cl) do add(value, "cl." .. name) end
   add(engram.nn.initial, "nn.initial")
   return known
end

local known                             -- made when it is first asked for

-- name_of(value, names): the name among `names` whose value it is, or that of its kind.
function objects.name_of(value, names)
   if value == nil then return nil end
   known = known or values_by_name(names)
   return known[value] or instance_name(value)
end

return objects
