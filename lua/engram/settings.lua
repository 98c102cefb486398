-- settings.lua: a script's settings. `engram.settings{ lr = 0.1, epochs = 4 }` declares them with their defaults and
-- returns their values, which `engram run FILE lr=0.2` overrides. The type of the default decides how a word is read.
--
-- A default is a number, boolean, string, list, or a table of further settings (reached as `optimizer.lr=0.1`), or it is
-- described: { default = 0.1, min = 0, max = 1, choices = { ... }, type = "number", doc = "step size" }.
local core = require "engram.core"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local settings = {}

local words = {}                        -- the words after FILE that may override: { key =, value =, used = }
local stray                             -- the first word like --this: no script's setting
settings.declared = nil                 -- the values of the last declaration, for the run directory
settings.defaults_of_run = {}           -- what `engram run --seed` says: a default for settings of these names

-- Takes the words of the command line that look like key=value.
function settings.override(list)
   words, stray, settings.declared = {}, nil, nil
   for _, word in ipairs(list) do
      local key, value = word:match "^([%a_][%w_.%-]*)=(.*)$"
      if key then words[#words + 1] = { key = key, value = value } end
      if word:match "^%-%a" or word:match "^%-%-" then stray = stray or word end
   end
end

-- ---- one value --------------------------------------------------------------------------------------------

local described = { default = true, min = true, max = true, choices = true, doc = true, type = true }

local function is_description(value)
   if type(value) ~= "table" or value.default == nil then return false end
   for key in pairs(value) do if not described[key] then return false end end
   return true
end

local function is_list(value) return type(value) == "table" and (#value > 0 or next(value) == nil) end

local function kind_of(value)
   if is_list(value) then return "list" end
   return type(value)
end

local read = {}

function read.number(text)
   local value = not text:find "^%s*[nN+-]*[nN][aA][nN]" and tonumber(text)
   if type(value) == "number" then return value end
   return nil, "expected a number"
end

function read.boolean(text)
   if text == "true" or text == "false" then return text == "true" end
   return nil, "expected true or false"
end

function read.string(text) return text end

-- Items between commas, each read like the default's first item.
function read.list(text, default)
   local item_kind, list = type(default[1]), {}
   if text == "" then return list end
   for item in (text .. ","):gmatch "([^,]*)," do
      local value, problem
      if item_kind == "nil" then value = tonumber(item) or item else value, problem = read[item_kind](item) end
      if value == nil then return nil, ("%s, at '%s' of the list"):format(problem, item) end
      list[#list + 1] = value
   end
   return list
end

local function check(key, value, about)
   if type(value) == "number" and (value < (about.min or -math.huge) or value > (about.max or math.huge)) then
      usage_error("%s=%s: expected a number from %s to %s", key, tostring(value), tostring(about.min or "-inf"),
         tostring(about.max or "inf"))
   end
   if about.choices then
      local names = {}
      for i, choice in ipairs(about.choices) do
         if choice == value then return end
         names[i] = tostring(choice)
      end
      usage_error("%s=%s: expected one of %s", key, tostring(value), table.concat(names, ", "))
   end
end

-- The value of the setting `key` described by `about`, from the last word that names it.
local function resolve(key, about)
   local kind, value = about.type or kind_of(about.default), about.default
   if not read[kind] then
      core.raise("settings: %s: a default is a number, string, boolean or table, got a %s", key, kind)
   end
   if settings.defaults_of_run[key] ~= nil and kind == "number" then value = settings.defaults_of_run[key] end
   for _, word in ipairs(words) do
      if word.key == key then
         local problem
         value, problem = read[kind](word.value, about.default)
         if value == nil and word.value == "false" and about.default == false then value, problem = false, nil end
         if problem and value == nil then usage_error("%s=%s: %s", key, word.value, problem) end
         word.used = true
      end
   end
   check(key, value, about)
   return value
end

-- ---- the table --------------------------------------------------------------------------------------------

-- The values of `names`; reading or writing any other key is an error.
local function strict(values, prefix)
   local function unknown(_, key)
      core.raise("settings: '%s%s' was not declared%s", prefix, tostring(key), suggest.hint(key, values))
   end
   return setmetatable(values, { __index = unknown, __newindex = unknown })
end

local function declare(defaults, prefix, known)
   local values = {}
   for name, default in pairs(defaults) do
      if type(name) ~= "string" then core.raise("settings: a name must be a string, got [%s]", tostring(name)) end
      local key = prefix .. name
      if is_description(default) or type(default) ~= "table" or is_list(default) then
         local about = is_description(default) and default or { default = default }
         values[name] = resolve(key, about)
         known[key] = about
      else
         values[name] = declare(default, key .. ".", known)
      end
   end
   return strict(values, prefix)
end

-- The setting that was meant: by its full name, or by the last part of it.
local function nearest_setting(key, known)
   local full = {}
   for name in pairs(known) do full[name:match "[^.]*$"] = name end
   for name in pairs(known) do full[name] = name end
   return full[suggest.nearest(key, full) or false]
end

local function refuse_unknown(known)
   for _, word in ipairs(words) do
      if not word.used then
         local list = {}
         for key in pairs(known) do list[#list + 1] = key end
         table.sort(list)
         local nearest = nearest_setting(word.key, known)
         usage_error("unknown setting '%s'%s (settings: %s)", word.key,
            nearest and (", did you mean '%s'?"):format(nearest) or "", table.concat(list, ", "))
      end
   end
   if stray then
      usage_error("'%s' is no option of the script: settings are written key=value, options of engram run before the file", stray)
   end
end

-- The word that would set this value.
local function word_of(value)
   if type(value) ~= "table" then return tostring(value) end
   local items = {}
   for i, item in ipairs(value) do items[i] = tostring(item) end
   return table.concat(items, ",")
end

-- A line a setting: name, value, doc.
local function listing(known, values)
   local lines = {}
   for key, about in pairs(known) do
      local value = values
      for part in key:gmatch "[^.]+" do value = value[part] end
      local word = key .. "=" .. word_of(value)
      lines[#lines + 1] = about.doc and ("  %-30s %s"):format(word, about.doc) or "  " .. word
   end
   table.sort(lines)
   return table.concat(lines, "\n")
end

setmetatable(settings, { __call = function(_, defaults)
   if type(defaults) ~= "table" then core.raise("settings: expected a table of defaults, got %s", core.typename(defaults)) end
   local known = {}
   local values = declare(defaults, "", known)
   refuse_unknown(known)
   settings.declared = values
   if settings.on_declare then settings.on_declare(values, listing(known, values)) end
   return values
end })

return settings
