-- data: data sets by name, in batches. A new data set is a file in this folder, or a source in sources.lua, and a line here.
local core = require "engram.core"
local suggest = require "engram.suggest"
local Dataset = require "engram.data.dataset"
local Loader = require "engram.data.loader"
local folders = require "engram.data.folders"
local idx = require "engram.data.idx"
local C, raise = core.C, core.raise

local data = { dataset = Dataset.new, loader = Loader.new, idx = idx.pair, folders = folders.list }
data.sources = require "engram.data.sources"

local registry = {}

-- data.register(name, { load = function(options) -> { train =, test = }, doc = }): makes data.load(name) work. Also:
-- options (names that load takes), items, shape, licence (for `engram data list`).
function data.register(name, entry)
   entry = core.options("data.register", entry, { "load", "doc", "options", "items", "shape", "licence" })
   if type(entry.load) ~= "function" then raise("data.register: '%s' has no load function", tostring(name)) end
   registry[name] = entry
end

-- The names of all data sets, sorted.
function data.names()
   local seen, names = {}, {}
   for _, list in ipairs{ registry, data.sources } do
      for name in pairs(list) do
         if not seen[name] then names[#names + 1] = name end
         seen[name] = true
      end
   end
   table.sort(names)
   return names
end

-- What is known of a data set: doc, items, shape, licence, and its files when it is fetched.
function data.about(name) return registry[name] or data.sources[name] end

local function find_loader(name)
   if type(name) ~= "string" then raise("data.load: expected a name, got %s", core.typename(name)) end
   if registry[name] then return registry[name].load, registry[name].options end
   if data.sources[name] then return function() return idx.fetched(name, data.sources[name]) end end
   if name:find "/" and C.eg_file_kind(name) == 2 then return function() return idx.folder(name) end end
   raise("data.load: there is no data set '%s'%s", name, suggest.hint(name, data.names()))
end

-- data.load(name [, options]): { name, train, test, classes, source }. A name with a slash may be a folder of IDX files.
-- Options: train, test (how many items of each), limit and test_limit (no more than these), mean and deviation (of the images, for
-- normalize), and the set's own.
function data.load(name, options)
   local load, own = find_loader(name)
   local allowed = { "train", "test", "limit", "test_limit", "mean", "deviation", unpack(own or {}) }
   options = core.options("data.load('" .. tostring(name) .. "')", options, allowed)
   local set = load(options)
   set.name, set.source = set.name or name, set.source or (data.about(name) or {}).licence or name
   for _, part in ipairs{ "train", "test" } do
      if options[part] then set[part] = set[part]:take(options[part]) end
      local most = options[part == "train" and "limit" or "test_limit"]
      if most then set[part] = set[part]:take(most) end
      if options.deviation or options.mean then
         set[part] = set[part]:normalize(options.mean or 0, options.deviation or 1)
      end
   end
   set.classes = math.max(set.train.classes, set.test.classes)
   set.train.classes, set.test.classes = set.classes, set.classes
   return set
end

require "engram.data.glyphs".register(data)
require "engram.text.collections".register(data)

return data
