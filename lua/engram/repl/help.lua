-- repl/help.lua: `?symbol`, from the documentation; `??symbol`, the source of a Lua function with its file and line, or a C function's
-- prototype and comment as core/engram.h has them.
local core = require "engram.core"
local chain = require "engram.repl.chain"
local members = require "engram.repl.members"
local plugins = require "engram.repl.plugins"
local printing = require "engram.repl.printing"
local objects = require "engram.help.objects"
local prototypes = require "engram.help.prototypes"
local suggest = require "engram.suggest"

local help = {}

-- ---- from the documentation -----------------------------------------------------------------------------------

local function reference()
   local ok, found = pcall(require, "engram.help")
   return ok and found or nil
end

-- The documentation's text for a path, or for what its value is: nn.Linear for a layer, Tensor:sum for x:sum. What the session itself
-- calls by that name comes before a symbol that happens to be named alike.
local function documented(session, path)
   local docs = reference()
   if not docs then return nil end
   local found, value = chain.follow(session, path)
   local object = found and docs.object and docs.object(value)
   local own = not path:find "[.:]" and (session.boxes[path] or rawget(_G, path) ~= nil)
   return object and docs.text(object) or not own and docs.text((path:gsub("^.*[])]([.:][%w_]+)$", "x%1"))) or nil
end

-- The help on a command of `engram`, as `engram help` prints it: "sweep", "engram run".
local function command_text(path)
   local commands = require "engram.cli.commands"
   local name = path:match "^engram%s+(%l+)" or path
   for _, known in ipairs(commands.names) do
      if known == name then return require "engram.cli.options".help(name, commands.load(name)) end
   end
end

-- Headings stand out on a terminal; their marks and the fences of code go.
local function rendered(text)
   return (("\n" .. text):gsub("\n```[^\n]*", ""):gsub("\n#+%s*([^\n]*)", function(title)
      return "\n" .. printing.styled("title", (title:gsub("`", "")))
   end):gsub("^%s+", ""):gsub("%s+$", ""))
end

-- What is known of a value that the documentation does not have.
local function described(session, path)
   local found, value = chain.follow(session, path)
   if not found then return nil end
   local given, room = plugins.of(value)
   if given then return rendered(plugins.text(given, room)) end
   if type(value) ~= "function" then return ("%s is a %s: %s"):format(path, core.typename(value), printing.short(value)) end
   local comment = help.comment(session, value)
   return ("%s is a %s%s"):format(path, printing.short(value), comment and "\n" .. comment or "")
end

-- Where else the word stands in the documentation, in a few lines.
local function elsewhere(docs, word)
   local lines, width = {}, printing.width() - 30
   for i, found in ipairs(docs and docs.search(word) or {}) do
      if i > 8 then break end
      lines[#lines + 1] = ("\n   %-24s %s"):format(found.name, #found.line > width and found.line:sub(1, width - 3) .. "..." or found.line)
   end
   return table.concat(lines)
end

-- The text for `?path`; false as second result when there is none.
function help.text(session, path)
   local text = not path:find "%s" and documented(session, path)
   if text then return rendered(text), true end
   text = described(session, path) or command_text(path)
   if text then return text, true end
   local docs = reference()
   local near = docs and docs.nearest(path)
   if type(near) == "table" then near = table.concat(near, "' or '", 1, math.min(#near, 3)) end
   local hint = near and near ~= "" and (", did you mean '%s'?"):format(near) or ""
   return ("there is no help on '%s'%s%s"):format(path, hint, elsewhere(docs, path)), false
end

-- ---- the source -----------------------------------------------------------------------------------------------

local function lines_of(session, f)
   local info, lines = debug.getinfo(f, "S"), {}
   if info.what == "C" then return nil end
   local path = info.source:match "^@(.*)"
   local text = path and io.open(path) or nil
   local content = text and text:read "*a" or session:source(info.source)
   if text then text:close() end
   if not content then return nil, info end
   for line in (content .. "\n"):gmatch "(.-)\r?\n" do lines[#lines + 1] = line end
   return lines, info
end

-- The comment right above a function.
function help.comment(session, f)
   local lines, info = lines_of(session, f)
   local first = lines and info.linedefined
   while first and (lines[first - 1] or ""):find "^%s*%-%-" do first = first - 1 end
   return first and first < info.linedefined and table.concat(lines, "\n", first, info.linedefined - 1) or nil
end

local function lua_source(session, f)
   local lines, info = lines_of(session, f)
   if not lines then return nil end
   local comment = help.comment(session, f)
   local shown = table.concat(lines, "\n", info.linedefined, math.min(info.lastlinedefined, #lines))
   local place = printing.styled("note", ("%s:%d"):format(info.short_src, info.linedefined))
   return place .. "\n" .. (comment and comment .. "\n" or "") .. shown
end

-- The file of an optimizer or a method; of one that was typed, its step.
local function plugin_source(session, given, room)
   local path = plugins.path(given, room)
   if not path then return given.step and lua_source(session, given.step) or plugins.text(given, room) end
   local file = io.open(path, "rb")
   local text = file and file:read "*a" or ""
   if file then file:close() end
   if text:find "%z" then text = "it is compiled: its source is not here" end
   return printing.styled("note", path) .. "\n" .. text:gsub("%s+$", "")
end

-- What is a function in a value: itself, or what makes or runs a table that is called.
local function function_of(value)
   if type(value) == "function" then return value end
   if type(value) ~= "table" then return nil end
   local all = members.of(value)
   return type(all.init) == "function" and all.init or type(all.forward) == "function" and all.forward
      or (debug.getmetatable(value) or {}).__call
end

-- What the path is in the session, else in the reference: "Tensor:matmul", "Linear".
local function value_of(session, path)
   local found, value = chain.follow(session, path)
   if found then return true, value end
   local docs = reference()
   for _, entry in ipairs(docs and docs.names() or {}) do
      if entry.name == path or entry.name:match "[.:]([^.:]*)$" == path then
         value = objects.resolve(entry.name)
         return value ~= nil, value
      end
   end
   return false
end

-- The text for `??path`; false as second result when there is none.
function help.source(session, path)
   local text, place = prototypes.text(path)
   if text then return printing.styled("note", place) .. "\n" .. text, true end
   local found, value = value_of(session, path)
   local given, room
   if found then given, room = plugins.of(value) end
   if given then return plugin_source(session, given, room), true end
   local f = found and function_of(value)
   text = type(f) == "function" and lua_source(session, f)
   if text then return text, true end
   if found then return ("%s is a %s: it has no source in Lua"):format(path, printing.short(value)), false end
   local all = members.of(_G)
   for name in pairs(session.boxes) do all[name] = true end
   return ("there is no '%s'%s"):format(path, suggest.hint(path, all, 0)), false
end

return help
