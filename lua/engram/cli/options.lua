-- options.lua: one table of options per command; from it come the parsing, the help, the suggestions, the manual page (manual.lua) and
-- the shell's completion (completion.lua). An option: { "name", value = "WORD" (what it takes; none: a switch), number = 1 (a whole
-- number from there on), choices = { words that it may be }, doc = "..." }. A name of one letter is written -j 2 or -j2, unless it is
-- `long`: --c.
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local options = {}

local function find(list, name)
   for _, option in ipairs(list) do if option[1] == name then return option end end
end

-- "--name", or "-j".
function options.written(option) return (#option[1] == 1 and not option.long and "-" or "--") .. option[1] end
local written = options.written

-- What is told of an option.
function options.doc(option)
   return option.choices and ("%s (%s)"):format(option.doc, table.concat(option.choices, ", ")) or option.doc
end

local function names(list)
   local set = {}
   for _, option in ipairs(list) do set[written(option)] = true end
   return set
end

local function check_choice(option, value)
   for _, choice in ipairs(option.choices) do if value == choice then return end end
   usage_error("%s: '%s' is not one of %s%s", written(option), value, table.concat(option.choices, ", "),
      suggest.nearest(value, option.choices) and suggest.hint(value, option.choices) or "")
end

-- The option's value from "--name=value" or the next word; the second result says whether the next word was used.
local function value_of(option, given, next_word)
   local value = given or next_word
   if value == nil then usage_error("%s: expected %s after it", written(option), option.value) end
   if option.number then
      local number = tonumber(value)
      if not number or number % 1 ~= 0 then usage_error("%s: expected a whole number, got '%s'", written(option), value) end
      if number < option.number then usage_error("%s must be at least %d, got %s", written(option), option.number, value) end
      value = number
   end
   if option.choices then check_choice(option, value) end
   return value, given == nil
end

-- The name, and the value that stands in the same word, of a word that looks like an option.
local function name_of(word)
   local name, given = word:match "^%-%-([%w-]+)=(.*)$"
   if name then return name, given end
   name = word:match "^%-%-([%w-]+)$"
   if name then return name end
   name, given = word:match "^%-(%a)(.*)$"
   return name, given ~= "" and given or nil
end

-- Splits words into values of options and the rest. Words after "--" are left alone. With `pass`, unknown options after
-- the first plain word belong to the rest, and so does a "--" there: they are a script's.
function options.parse(command, words, pass)
   local list, values, rest, i = command.options or {}, {}, {}, 1
   while i <= #words do
      local word = words[i]
      if word == "--" then
         for j = pass and #rest > 0 and i or i + 1, #words do rest[#rest + 1] = words[j] end
         break
      end
      local name, given = name_of(word)
      local option = name and find(list, name)
      if option and option.value then
         local value, used = value_of(option, given, words[i + 1])
         if option.many then                                -- may be given more than once: a list
            values[name] = values[name] or {}
            table.insert(values[name], value)
         else
            values[name] = value
         end
         if used then i = i + 1 end
      elseif option then
         if given then usage_error("--%s takes no value, got '%s'", name, given) end
         values[name] = true
      elseif word:match "^%-." and not (pass and #rest > 0) then
         usage_error("unknown option '%s'%s", word, suggest.hint(word, names(list)))
      else
         rest[#rest + 1] = word
      end
      i = i + 1
   end
   return values, rest
end

-- The help text of a command.
function options.help(name, command)
   local lines = { ("usage: engram %s"):format(command.usage or name), "", command.summary }
   if command.text then lines[#lines + 1] = "\n" .. command.text end
   if command.options and #command.options > 0 then
      lines[#lines + 1] = "\noptions:"
      for _, option in ipairs(command.options) do
         lines[#lines + 1] = ("  %-20s %s"):format(written(option) .. (option.value and " " .. option.value or ""),
            options.doc(option))
      end
   end
   return table.concat(lines, "\n")
end

return options
