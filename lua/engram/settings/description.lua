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

local function has_table(value) return type(value.settings) == "table" and not description.is_list(value.settings) end

-- The keys of a declaration that are no field of a description, and those that are.
local function sorted_out(declared)
   local others, fields = {}, {}
   for key in pairs(declared) do table.insert(described[key] and fields or others, tostring(key)) end
   table.sort(others)
   table.sort(fields)
   return others, fields
end

local PLAINLY = "; a table of settings of these names is written { settings = { ... } }"

-- Whether a table describes one setting. What describes it nearly is refused: it would be a table of settings that nobody meant.
local function is_description(key, declared)
   if type(declared) ~= "table" or description.is_list(declared) then return false end
   local others, fields = sorted_out(declared)
   if declared.default ~= nil or declared.required == true then
      if #others == 0 then return true end
      core.raise("settings: %s: '%s' is no field of a description%s%s", key, others[1], suggest.hint(others[1], described), PLAINLY)
   elseif #fields > 0 and #others == 0 then
      core.raise("settings: %s: has %s, but no default; a setting without one says required = true%s", key,
         table.concat(fields, " and "), PLAINLY)
   end
   for _, name in ipairs(others) do
      local near = #name > 5 and suggest.nearest(name, { "default", "choices", "required" })
      if near then core.raise("settings: %s.%s: did you mean '%s'?%s", key, name, near, PLAINLY) end
   end
   return false
end

-- The settings below a table of them, and its doc; nil for one setting.
function description.group(key, declared)
   if type(declared) ~= "table" or description.is_list(declared) then return nil end
   if not has_table(declared) then
      if is_description(key, declared) then return nil end
      return declared
   end
   for name in pairs(declared) do
      if name ~= "settings" and name ~= "doc" then
         core.raise("settings: %s: '%s' stands beside 'settings', where only a doc may%s", key, tostring(name), PLAINLY)
      end
   end
   return declared.settings, declared.doc
end

local function check_type(key, kind)
   for _, name in ipairs(description.types) do if name == kind then return end end
   core.raise("settings: %s: type '%s' is not one of %s%s", key, tostring(kind), table.concat(description.types, ", "),
      suggest.nearest(kind, description.types) and suggest.hint(kind, description.types) or "")
end

local function check_fields(key, about)
   for _, name in ipairs{ "min", "max" } do
      if about[name] ~= nil and type(about[name]) ~= "number" then
         core.raise("settings: %s: %s must be a number, got %s", key, name, core.typename(about[name]))
      end
   end
   if about.min and about.max and about.min > about.max then
      core.raise("settings: %s: min is %s, more than max, which is %s", key, about.min, about.max)
   end
   local choices = about.choices
   if choices ~= nil and (type(choices) ~= "table" or #choices == 0) then
      core.raise("settings: %s: choices must be a list, got %s", key,
         type(choices) == "table" and "an empty table" or core.typename(choices))
   end
   if about.doc ~= nil and type(about.doc) ~= "string" then
      core.raise("settings: %s: doc must be a text, got %s", key, core.typename(about.doc))
   end
end

-- The description of one setting, with its type.
function description.of(key, declared)
   local about = is_description(key, declared) and declared or { default = declared }
   local kind = about.type
   if kind == nil then
      kind = description.is_list(about.default) and "list" or type(about.default)
      if about.required and about.default == nil then core.raise("settings: %s: a setting without a default needs a type", key) end
      if kind ~= "number" and kind ~= "boolean" and kind ~= "string" and kind ~= "list" then
         core.raise("settings: %s: a default is a number, string, boolean, list or table of settings; got %s%s", key,
            kind == "table" and "a table" or "a " .. kind, kind == "table" and "; one of a schedule says type = \"schedule\"" or "")
      end
   end
   check_type(key, kind)
   check_fields(key, about)
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
