-- repl/completion.lua: what may follow the cursor: commands behind a colon at the line's begin, symbols behind a question mark, names
-- inside a string, otherwise keywords and names, and fields and methods behind a dot or colon.
local chain = require "engram.repl.chain"
local lexer = require "engram.repl.lexer"
local members = require "engram.repl.members"
local prototypes = require "engram.help.prototypes"
local strings = require "engram.repl.strings"

local completion = {}

local MOST = 2000                       -- candidates

-- The names of a set that begin with `part`, in alphabetical order. Underscores at a name's begin mean that it is private: it is
-- offered to those who typed them.
local function beginning(set, part)
   local list, private = {}, part:match "^_*"
   for name in pairs(set) do
      if name:sub(1, #part) == part and name:find "^[%a_][%w_]*$" and name:match "^_*" == private then list[#list + 1] = name end
      if #list == MOST then break end
   end
   table.sort(list)
   return list
end

-- ---- names ------------------------------------------------------------------------------------------------

local function names(session, part)
   local set = members.of(_G)
   for name in pairs(session.boxes) do set[name] = true end
   for name in pairs(lexer.keywords) do set[name] = true end
   return beginning(set, part)
end

-- What may end a text in Lua; and the part of it that is there.
local function code(session, text)
   local part = text:match "[%w_\128-\255]*$"
   local tokens = chain.tokens(text:sub(1, -1 - #part))
   local last = #tokens
   local separator = tokens[last]
   local is_method = chain.is_symbol(separator, ":")
   if is_method or chain.is_symbol(separator, ".") and not chain.is_symbol(tokens[last - 1], ".") then     -- two dots join texts
      local found, value = chain.resolve(session, tokens, last - 1)
      return found and beginning(members.of(value, is_method), part) or {}, part
   end
   return names(session, part), part
end

-- ---- commands and questions -------------------------------------------------------------------------------

-- A question is about what the session has, what the documentation names, a function of the core, or a command.
local function question(session, part, commands)
   local list, known = {}, {}
   local found, last = code(session, part)
   for i, name in ipairs(found) do known[i] = part:sub(1, -1 - #last) .. name end
   local function add(name) known[#known + 1] = name end
   if part:find "^%a" then
      local ok, symbols = pcall(function() return require "engram.help".names() end)
      for _, entry in ipairs(ok and symbols or {}) do add(entry.name) end
      for _, name in ipairs(prototypes.names()) do add(name) end
      for _, name in ipairs(require "engram.cli.commands".names) do add(name) end
   end
   for name in pairs(part:find "^:" and commands or {}) do add(":" .. name) end
   local seen = {}
   for _, name in ipairs(known) do
      if name:sub(1, #part) == part and not seen[name] then list[#list + 1], seen[name] = name, true end
   end
   table.sort(list)
   return list, part
end

local function of_files(part)
   local list = strings.files(part)
   return list, part, #list == 1 and not list[1]:find "/$" and " " or nil
end

-- A line that is no Lua: what the command takes.
local function command(session, line, commands)
   if line:find "^%?" then return question(session, line:match "^%?+%s*(.*)$", commands) end
   if line:find "^%$" then return of_files(line:match "[^%s$]*$") end
   local word = line:match "^:(%a*)$"
   if word then return beginning(commands, word) end
   local name, rest = line:match "^:(%a+)%s+(.*)$"
   local about = commands[name] or {}
   if about.words then return beginning(about.words, rest) end
   if about.files then
      local list, part, append = of_files(rest:match "%S*$")
      if #list > 0 or not about.code then return list, part, append end
   end
   if name then return code(session, rest) end
end

-- ---- the whole --------------------------------------------------------------------------------------------

-- A function for the editor: the line up to the cursor -> candidates, what is there of them (for names the editor knows), what to append
-- when there is one. `pending()` is what was typed before in this chunk.
function completion.completer(session, commands, pending)
   return function(line)
      if pending() == "" then line = line:match "^%s*(.*)$" end
      if pending() == "" and line:find "^[:?$]" then return command(session, line, commands) end
      local text = pending() .. line
      local from, kind = lexer.unfinished(text)
      if kind == "comment" then return {} end
      if kind ~= "string" then return (code(session, text)) end
      local quote, part = text:sub(from, from), text:sub(from + 1)
      if quote == "[" or from <= #pending() then return {} end
      local list = strings.candidates(session, text:sub(1, from - 1), part)
      return list, part, #list == 1 and not list[1]:find "/$" and quote or nil
   end
end

return completion
