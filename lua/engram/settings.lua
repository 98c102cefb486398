-- settings.lua: a script's settings. `engram.settings{ lr = 0.1, epochs = 4 }` declares them with their defaults and returns their
-- values: the default's, unless a settings file or, above all, a word of the command line says otherwise. The type decides how a
-- word is read; each value remembers where it comes from.
--
-- A default is a number, boolean, string, list, or a table of further settings (reached as `optimizer.lr=0.1`), or it is
-- described: { default = 0.1, min = 0, max = 1, choices = { ... }, type = "number", doc = "step size" }.
local core = require "engram.core"
local description = require "engram.settings.description"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"
local value_of = require "engram.settings.value"
local words = require "engram.settings.words"
local yaml = require "engram.yaml"

local settings = {}

local COMMAND_LINE = words.COMMAND_LINE

local maps_of_words, others             -- what settings/words.lua made of the command line; nil outside a command that takes words
local given                             -- the settings file that was named, as settings/file.lua loads it
settings.declared = nil                 -- the values of the last declaration, for the run directory
settings.known = nil                    -- a list of { key =, about =, origin = } of the last declaration, in alphabetical order
settings.defaults_of_run = {}           -- what `engram run --seed` says: for settings of these names, unless a word says otherwise
settings.changed = {}                   -- what `engram resume --threads` says: over any word

-- Takes the words of the command line (settings/words.lua), and forgets what was there before.
function settings.override(list)
   maps_of_words, others = words.read(list)
   given, settings.declared, settings.known, settings.declared_at = nil, nil, nil, nil
end

-- Takes the values of a settings file: a path, or what settings/file.lua made of one.
function settings.file(loaded)
   given = type(loaded) == "string" and require "engram.settings.file".load(loaded) or loaded
end

-- What there is to say when no declaration has asked for the values of the settings file; nil when all is well.
function settings.unused()
   if not given or settings.declared then return nil end
   for _, map in ipairs(given.maps) do
      if #map.members > 0 then
         return given.path .. ": the script declares no settings (with engram.settings{ ... }), so none of these are used"
      end
   end
end

-- Raises it, as called wrongly: before the first training.
function settings.check_used()
   local unused = settings.unused()
   if unused then usage_error("%s", unused) end
end

-- ---- maps: a file's, its bases' and those of the words, the weakest first ------------------------------------

local function refuse(where, key, problem) usage_error("%s: %s: %s", where, key, problem) end

local function find(map, name)
   for _, member in ipairs(map.members) do if member.key == name then return member.value end end
end

local function listed(declared) return table.concat(description.names(declared, " "), ", ") end

-- The maps at `name` of the maps; what stands there and is no map is refused, but for nothing at all.
local function below(maps, name, key, declared)
   local inner = {}
   for _, map in ipairs(maps) do
      local node = find(map, name)
      if node then
         local where = node.where or COMMAND_LINE
         local read, problem = value_of.node(node, {})
         if not read then refuse(where, key, problem) end
         if read.kind == "map" then
            inner[#inner + 1] = read
         elseif read.kind ~= "null" then
            refuse(where, key, ("expected settings (%s), got %s"):format(listed(declared), value_of.shown(read)))
         end
      end
   end
   return inner
end

-- ---- one value --------------------------------------------------------------------------------------------

-- The value of the setting `key` described by `about`, and its origin.
local function resolve(maps, name, key, about)
   local node
   for _, map in ipairs(maps) do node = find(map, name) or node end
   local of_run, later = settings.defaults_of_run[key], settings.changed[key]
   if node and node.kind == "word" then of_run = nil end
   if later ~= nil then of_run = later end
   if of_run ~= nil and (about.type == "number" or about.type == "integer") then
      node = { kind = "number", value = of_run, text = tostring(of_run), where = COMMAND_LINE, origin = COMMAND_LINE }
   end
   value_of.check_default(key, about)
   if not node then
      if about.default == nil then
         usage_error("%s: missing: give %s=... or set it in a settings file%s", key, key, about.doc and " (" .. about.doc .. ")" or "")
      end
      local is_list = about.type == "list" and description.is_list(about.default)
      return is_list and require "engram.json".array{ unpack(about.default) } or about.default, "default"
   end
   local value, problem, place = value_of.read(node, about)
   if problem then refuse(place and place.where or node.where or COMMAND_LINE, key, problem) end
   return value, node.origin or COMMAND_LINE
end

-- ---- the table --------------------------------------------------------------------------------------------

-- The values of `names`; reading or writing any other key is an error.
local function strict(values, prefix)
   local function unknown(_, key)
      core.raise("settings: '%s%s' was not declared%s", prefix, tostring(key), suggest.hint(key, values))
   end
   return setmetatable(values, { __index = unknown, __newindex = unknown })
end

-- Every full name of a declaration, also by its last part.
local function all_names(declared, prefix, names)
   for _, name in ipairs(description.names(declared, prefix)) do
      local key = prefix .. name
      local group = description.group(key, declared[name])
      if group then
         all_names(group, key .. ".", names)
      else
         names[name] = names[name] or key
         names[key] = key
      end
   end
   return names
end

local function unknown_key(key, name, declared, all)
   if all[key] == key and name:find(".", 1, true) then
      return ("unknown key; a file nests it: %s"):format(key:gsub("%.", ": { ") .. ": ..." .. (" }"):rep(select(2, key:gsub("%.", ""))))
   end
   local nearest = suggest.nearest(name, declared) or all[suggest.nearest(key, all) or false]
   if nearest then return ("unknown key, did you mean '%s'?"):format(nearest) end
   return "unknown key" .. suggest.hint(name, declared)
end

local function refuse_unknown(maps, prefix, declared, all)
   for _, map in ipairs(maps) do
      for _, member in ipairs(map.members) do
         local key = prefix .. member.key
         if declared[member.key] == nil then
            refuse(member.where or COMMAND_LINE, key, unknown_key(key, member.key, declared, all))
         end
      end
   end
end

local function declare(declared, prefix, maps, all, known)
   refuse_unknown(maps, prefix, declared, all)
   local values = {}
   for _, name in ipairs(description.names(declared, prefix)) do
      local key = prefix .. name
      local group, doc = description.group(key, declared[name])
      if group then
         known[#known + 1] = { key = key, about = { doc = doc } }
         values[name] = declare(group, key .. ".", below(maps, name, key, group), all, known)
      else
         local about = description.of(key, declared[name])
         local value, origin = resolve(maps, name, key, about)
         values[name] = value
         known[#known + 1] = { key = key, about = about, origin = origin }
      end
   end
   return strict(values, prefix)
end

-- { key = where its value came from } of the last declaration.
function settings.origins()
   local origins = {}
   for _, entry in ipairs(settings.known) do origins[entry.key] = entry.origin end
   return origins
end

-- The values as YAML, without comments, or with each one's origin, doc and range behind it.
function settings.yaml(explained)
   if not explained then return yaml.encode(settings.declared) end
   local notes = {}
   for _, entry in ipairs(settings.known) do
      local parts, about = {}, entry.about
      parts[#parts + 1] = entry.origin
      parts[#parts + 1] = about.doc
      parts[#parts + 1] = description.range(about)
      if entry.origin and entry.origin ~= "default" and about.default ~= nil then
         parts[#parts + 1] = "default " .. yaml.encode(about.default):gsub("\n.*", "")
      end
      if #parts > 0 then notes[entry.key] = table.concat(parts, "; ") end
   end
   return yaml.encode(settings.declared, notes)
end

-- One table tells all settings: what a second one does not know would be refused, and the run's files hold one.
local function check_first()
   if not maps_of_words then return end
   local here = debug.getinfo(3, "Sl")
   local place = ("%s:%d"):format(here.short_src, here.currentline)
   if settings.declared then
      core.raise("settings: %s: they are declared already, at %s; a script declares all its settings in one table", place,
         settings.declared_at)
   end
   settings.declared_at = place
end

setmetatable(settings, { __call = function(_, declared)
   if type(declared) ~= "table" then core.raise("settings: expected a table of defaults, got %s", core.typename(declared)) end
   check_first()
   local known, maps = {}, {}
   for _, map in ipairs(given and given.maps or {}) do maps[#maps + 1] = map end
   for _, map in ipairs(maps_of_words or {}) do maps[#maps + 1] = map end
   local all = all_names(declared, "", {})
   local values = declare(declared, "", maps, all, known)
   if others and others[1] then words.refuse(others[1], all) end
   settings.declared, settings.known = values, known
   if settings.on_declare then settings.on_declare(values) end
   return values
end })

return settings
