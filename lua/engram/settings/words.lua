-- settings/words.lua: the words of the command line behind the script: key=value overrides a setting, and what stands after -- is the
-- script's alone. A script that declares its settings takes no others: one that was mistyped would train with the defaults.
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local words = { COMMAND_LINE = "command line" }

-- { optimizer: { lr: WORD } } of optimizer.lr=WORD.
local function map_of(key, text)
   local where = words.COMMAND_LINE
   local node = { kind = "word", text = text, where = where, origin = where }
   for part in ("." .. key):reverse():gmatch "([^.]*)%." do
      local name = part:reverse()
      if name == "" then usage_error("%s: '%s=': a part of the name is empty", where, key) end
      node = { kind = "map", members = { { key = name, value = node, where = where } }, where = where }
   end
   return node
end

-- The words before the first --.
local function before(list)
   local found = {}
   for _, word in ipairs(list) do
      if word == "--" then break end
      found[#found + 1] = word
   end
   return found
end

-- The words of the form key=value.
function words.overrides(list)
   local found = {}
   for _, word in ipairs(before(list)) do
      if word:find "^[%a_][%w_.%-]*=" then found[#found + 1] = word end
   end
   return found
end

-- All of them as a script has them in `arg`: without the first --.
function words.of_script(list)
   local found, cut = {}, #before(list) + 1
   for i, word in ipairs(list) do
      if i ~= cut then found[#found + 1] = word end
   end
   return found
end

-- read(list): a map for each word key=value, in their order, and the words before -- that are none.
function words.read(list)
   local maps, others = {}, {}
   for _, word in ipairs(before(list)) do
      local key, text = word:match "^([%a_][%w_.%-]*)=(.*)$"
      if key then maps[#maps + 1] = map_of(key, text) else others[#others + 1] = word end
   end
   return maps, others
end

-- The setting that a word was meant to give, as `key=value`: at most a third of its letters differ.
local function meant(word, all)
   local name, value = word:match "^%+*([%a_][%w_.%-]*)%s*[:=]*%s*(.*)$"
   local near = name and suggest.nearest(name, all)
   if near and suggest.distance(name:lower(), near:lower()) <= #name / 3 then
      return all[near] .. "=" .. (value ~= "" and value or "VALUE")
   end
end

-- Refuses a word that is no key=value; `all`: the settings' full names by what they may be called.
function words.refuse(word, all)
   if word:find "^%-%-?%a" then
      usage_error("'%s' is no option of the script: settings are written key=value, options of engram run before the file, the "
         .. "script's own words after --", word)
   end
   if word:find "%.ya?ml$" then
      usage_error("%s: '%s' sets nothing: a settings file stands in the place of the script, or after --config", words.COMMAND_LINE, word)
   end
   local setting, keys = meant(word, all), {}
   if setting then usage_error("%s: '%s' sets nothing: a setting is written %s", words.COMMAND_LINE, word, setting) end
   for _, key in pairs(all) do keys[key] = true end
   usage_error("%s: '%s' sets nothing: a setting is written key=value%s; the script's own words stand after --", words.COMMAND_LINE, word,
      suggest.hint("", keys))
end

return words
