-- repl/completion.lua: what may follow the cursor: commands behind a colon at the line's begin, file names and registered names inside
-- a string, otherwise keywords and names, and fields and methods behind a dot or colon.
local core = require "engram.core"
local lexer = require "engram.repl.lexer"
local members = require "engram.repl.members"

local completion = {}

local MOST = 2000                       -- candidates

-- The names of a set that begin with `part`, in alphabetical order.
local function beginning(set, part)
   local list = {}
   for name in pairs(set) do
      if name:sub(1, #part) == part and name:find "^[%a_][%w_]*$" then list[#list + 1] = name end
      if #list == MOST then break end
   end
   table.sort(list)
   return list
end

-- ---- inside a string: files, then registered names -----------------------------------------------------------

-- The paths that `part` begins; folders end with a slash.
local function files(part)
   local folder, name = part:match "^(.*/)([^/]*)$"
   folder, name = folder or "", name or part
   local home = os.getenv "HOME"
   local where = folder == "" and "." or home and folder:gsub("^~/", home .. "/") or folder
   local ok, names = pcall(core.names_in, where)
   local list = {}
   for _, found in ipairs(ok and names or {}) do
      if found:sub(1, #name) == name and (found:sub(1, 1) ~= "." or name ~= "") and #list < MOST then
         local is_folder = core.C.eg_file_kind((where == "/" and "" or where) .. "/" .. found) == 2
         list[#list + 1] = folder .. found .. (is_folder and "/" or "")
      end
   end
   return list
end

-- The names that Engram's functions take as strings: optimizers, methods, data sets, the keys of the settings last declared.
local function registered()
   local set, engram = {}, require "engram"
   for _, list in ipairs{ engram.optim.list(), engram.cl.methods.list(), engram.data.names() } do
      for _, name in ipairs(list) do set[name] = true end
   end
   for _, known in ipairs(require "engram.settings".known or {}) do set[known.key] = true end
   return set
end

local function in_string(part, quote)
   local list = files(part)
   local seen = {}
   for _, name in ipairs(list) do seen[name] = true end
   local ok, names = pcall(registered)
   local more = {}
   for name in pairs(ok and names or {}) do
      if name:sub(1, #part) == part and not seen[name] then more[#more + 1] = name end
   end
   table.sort(more)
   for _, name in ipairs(more) do list[#list + 1] = name end
   return list, part, #list == 1 and not list[1]:find "/$" and quote or nil
end

-- ---- names ------------------------------------------------------------------------------------------------

local function names(session, part, with_keywords)
   local set = members.of(_G)
   for name in pairs(session.boxes) do set[name] = true end
   for name in pairs(with_keywords and lexer.keywords or {}) do set[name] = true end
   return beginning(set, part)
end

local function code(session, line)
   local path, separator, part = line:match "([%a_\128-\255][%w_\128-\255.:]*)([.:])([%w_\128-\255]*)$"
   if not path then
      if line:find "[%]%)}\"'][.:][%w_]*$" then return {} end         -- behind a call or an index: not known without running it
      return names(session, line:match "[%a_\128-\255]?[%w_\128-\255]*$", true)
   end
   local found, value = members.follow(session, path)
   return found and beginning(members.of(value, separator == ":"), part) or {}
end

-- The first word of the line that is a command or a shell command wants files.
local function command(session, line, commands)
   local word = line:match "^:(%a*)$"
   if word then return beginning(commands, word) end
   local name, rest = line:match "^:(%a+)%s+(.*)$"
   if name and (commands[name] or {}).files or line:find "^%$" then
      local part = (rest or line):match "[^%s$]*$"
      local list = files(part)
      return list, part, #list == 1 and not list[1]:find "/$" and " " or nil
   end
   if name or line:find "^%?" then return code(session, rest or line:match "^%?+%s*(.*)$") end
end

-- A function for the editor: the line up to the cursor -> candidates, what is there of them (for names the editor knows), what to append
-- when there is one. `pending()` is what was typed before in this chunk.
function completion.completer(session, commands, pending)
   return function(line)
      if pending() == "" and line:find "^[:?$]" then return command(session, line, commands) end
      local text = pending() .. line
      local from, kind = lexer.unfinished(text)
      if kind == "comment" then return {} end
      if kind == "string" then
         local quote = text:sub(from, from)
         if quote == "[" or from <= #pending() then return {} end
         return in_string(text:sub(from + 1), quote)
      end
      return code(session, line)
   end
end

return completion
