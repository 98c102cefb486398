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
local yaml = require "engram.yaml"

local settings = {}

local COMMAND_LINE = "command line"

local words = {}                        -- a map a word of the command line that may override, in their order
local plain = {}                        -- the words that are no override: the script's, in `arg`
local stray                             -- the first word like --this: no script's setting
local given                             -- the settings file that was named, as settings/file.lua loads it
settings.declared = nil                 -- the values of the last declaration, for the run directory
settings.known = nil                    -- a list of { key =, about =, origin = } of the last declaration, in alphabetical order
settings.defaults_of_run = {}           -- what `engram run --seed` says: for settings of these names, unless a word says otherwise

-- { optimizer: { lr: WORD } } of optimizer.lr=WORD.
local function map_of(key, text)
   local node = { kind = "word", text = text, where = COMMAND_LINE, origin = COMMAND_LINE }
   for part in ("." .. key):reverse():gmatch "([^.]*)%." do
      local name = part:reverse()
      if name == "" then usage_error("%s: '%s=': a part of the name is empty", COMMAND_LINE, key) end
      node = { kind = "map", members = { { key = name, value = node, where = COMMAND_LINE } }, where = COMMAND_LINE }
   end
   return node
end

-- Takes the words of the command line that look like key=value, and forgets what was there before.
function settings.override(list)
   words, plain, stray, given, settings.declared, settings.known = {}, {}, nil, nil, nil, nil
   for _, word in ipairs(list) do
      local key, text = word:match "^([%a_][%w_.%-]*)=(.*)$"
      if key then words[#words + 1] = map_of(key, text) end
      if word:match "^%-%a" or word:match "^%-%-" then stray = stray or word
      elseif not key then plain[#plain + 1] = word end
   end
end

-- Takes the values of a settings file: a path, or what settings/file.lua made of one.
function settings.file(loaded)
   given = type(loaded) == "string" and require "engram.settings.file".load(loaded) or loaded
end

-- The path of the settings file whose values no declaration has asked for; nil when there is none.
function settings.unused()
   if not given or settings.declared then return nil end
   for _, map in ipairs(given.maps) do if #map.members > 0 then return given.path end end
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
   local of_run = settings.defaults_of_run[key]
   if of_run ~= nil and (about.type == "number" or about.type == "integer") and not (node and node.kind == "word") then
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
      local key, group = prefix .. name, description.group(declared[name])
      if group then
         all_names(group, key .. ".", names)
      else
         names[name] = names[name] or key
         names[key] = key
      end
   end
   return names
end

-- A word without = that is a setting's name, or nearly (a third of its letters may differ), was meant as one; others are the script's.
local function refuse_bare(all)
   for _, word in ipairs(plain) do
      local near = suggest.nearest(word, all)
      if near and suggest.distance(word:lower(), near:lower()) <= #word / 3 then
         usage_error("%s: '%s' sets nothing: a setting is written %s=VALUE", COMMAND_LINE, word, all[near])
      end
   end
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
      local key, group, doc = prefix .. name, description.group(declared[name])
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

setmetatable(settings, { __call = function(_, declared)
   if type(declared) ~= "table" then core.raise("settings: expected a table of defaults, got %s", core.typename(declared)) end
   local known, maps = {}, {}
   for _, map in ipairs(given and given.maps or {}) do maps[#maps + 1] = map end
   for _, map in ipairs(words) do maps[#maps + 1] = map end
   local all = all_names(declared, "", {})
   local values = declare(declared, "", maps, all, known)
   refuse_bare(all)
   if stray then
      usage_error("'%s' is no option of the script: settings are written key=value, options of engram run before the file", stray)
   end
   settings.declared, settings.known = values, known
   if settings.on_declare then settings.on_declare(values) end
   return values
end })

return settings
