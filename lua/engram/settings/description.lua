-- settings/description.lua: what a script's declaration of a setting means. A declaration is a default (number, boolean, string,
-- list), a description { default = 0.1, min =, max =, choices =, type =, doc =, required = }, or a table of further settings, plain
-- or as { doc = "...", settings = { ... } }.
local core = require "engram.core"
local suggest = require "engram.suggest"

local description = {}

local described = { default = true, min = true, max = true, choices = true, doc = true, type = true, required = true }

description.types = { "number", "integer", "boolean", "string", "list", "schedule" }

-- True for a list, or an empty table.
function description.is_list(value) return type(value) == "table" and (#value > 0 or next(value) == nil) end

local function only_keys(value, known)
   for key in pairs(value) do if not known[key] then return false end end
   return true
end

local function is_description(value)
   return type(value) == "table" and (value.default ~= nil or value.required == true) and only_keys(value, described)
end

-- The settings below a table of them, and its doc; nil for one setting.
function description.group(declared)
   if type(declared) ~= "table" or description.is_list(declared) or is_description(declared) then return nil end
   if type(declared.settings) == "table" and only_keys(declared, { doc = true, settings = true }) then
      return declared.settings, declared.doc
   end
   return declared
end

local function check_type(key, kind)
   for _, name in ipairs(description.types) do if name == kind then return end end
   core.raise("settings: %s: type '%s' is not one of %s%s", key, tostring(kind), table.concat(description.types, ", "),
      suggest.nearest(kind, description.types) and suggest.hint(kind, description.types) or "")
end

-- The description of one setting, with its type.
function description.of(key, declared)
   local about = is_description(declared) and declared or { default = declared }
   local kind = about.type
   if kind == nil then
      kind = description.is_list(about.default) and "list" or type(about.default)
      if about.required and about.default == nil then core.raise("settings: %s: a setting without a default needs a type", key) end
      if kind ~= "number" and kind ~= "boolean" and kind ~= "string" and kind ~= "list" then
         core.raise("settings: %s: a default is a number, string, boolean or table, got a %s", key, kind)
      end
   end
   check_type(key, kind)
   local copy = {}
   for name, value in pairs(about) do copy[name] = value end
   copy.type = kind
   return copy
end

-- The names of a declaration in alphabetical order.
function description.names(declared, prefix)
   local names = {}
   for name in pairs(declared) do
      if type(name) ~= "string" then core.raise("settings: a name must be a string, got [%s]", tostring(name)) end
      if not name:find "^[%a_][%w_%-]*$" then core.raise("settings: '%s' is no name: letters, digits, _ and -", name) end
      if prefix == "" and (name == "base" or name == "script") then
         core.raise("settings: '%s' says something else in a settings file; choose another name", name)
      end
      names[#names + 1] = name
   end
   table.sort(names)
   return names
end

-- What a value may be, in words: "0 to 1", "paper or published"; nil when the type says all.
function description.range(about)
   if about.choices then
      local names = {}
      for i, choice in ipairs(about.choices) do names[i] = tostring(choice) end
      return "one of " .. table.concat(names, ", ")
   end
   if about.min and about.max then return ("%s to %s"):format(about.min, about.max) end
   if about.min then return ("at least %s"):format(about.min) end
   if about.max then return ("at most %s"):format(about.max) end
end

return description
