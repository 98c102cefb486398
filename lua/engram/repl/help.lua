-- repl/help.lua: `?symbol`, from the documentation; `??symbol`, the source of a Lua function with its file and line, or a C function's
-- prototype and comment as core/engram.h has them.
local core = require "engram.core"
local members = require "engram.repl.members"
local printing = require "engram.repl.printing"
local suggest = require "engram.suggest"

local help = {}

local lua_folder = package.searchpath("engram.core", package.path):match "^(.*)/engram/core%.lua$"

-- ---- from the documentation -----------------------------------------------------------------------------------

-- The names under which the documentation may have the value that a path leads to: optim.SGD for engram.optim.SGD, tensor:sum for
-- x:sum, module:train for model:train.
local function names_of(session, path)
   local list = { path, (path:gsub("^engram%.", "")), "engram." .. path }
   local name = path:match "[.:]([%w_]+)$"
   local found, _, owner = members.follow(session, path)
   if found and name and core.typename(owner) == "tensor" then
      for _, receiver in ipairs{ "x:", "tensor:", "x.", "tensor." } do list[#list + 1] = receiver .. name end
   elseif found and name and type(owner) == "table" and rawget(owner, "_children") then
      list[#list + 1], list[#list + 2] = "module:" .. name, "model:" .. name
   end
   return list
end

local function documented(session, path)
   local ok, reference = pcall(require, "engram.help")
   if not ok then return nil, nil end
   for _, name in ipairs(names_of(session, path)) do
      local text = reference.text(name)
      if text then return text, reference end
   end
   return nil, reference
end

-- What is known of a value that the documentation does not have.
local function described(session, path)
   local found, value = members.follow(session, path)
   if not found then return nil end
   if type(value) ~= "function" then return ("%s is a %s: %s"):format(path, core.typename(value), printing.short(value)) end
   local comment = help.comment(session, value)
   return ("%s is a %s%s"):format(path, printing.short(value), comment and "\n" .. comment or "")
end

local function search(reference, word)
   local lines = {}
   for i, found in ipairs(reference and reference.search(word) or {}) do
      if i > 12 then break end
      lines[#lines + 1] = ("   %-28s %s"):format(found.name or found[1], found.line or found[2] or "")
   end
   return #lines > 0 and "it is named under\n" .. table.concat(lines, "\n")
end

-- Heading and code marks stand out on a terminal, and go.
local function rendered(text)
   return (text:gsub("^%s*#+%s*([^\n]*)", function(title) return printing.styled("title", (title:gsub("`", ""))) end):gsub("%s+$", ""))
end

-- The text for `?path`; false as second result when there is none.
function help.text(session, path)
   local text, reference = documented(session, path)
   if text then return rendered(text), true end
   text = described(session, path)
   if text then return text, true end
   local nearest = reference and reference.nearest(path)
   local hint = nearest and (", did you mean '%s'?"):format(nearest) or ""
   return ("there is no help on '%s'%s%s"):format(path, hint, search(reference, path) and "\n" .. search(reference, path) or ""), false
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
   return printing.styled("note", ("%s:%d"):format(info.short_src, info.linedefined)) .. "\n" .. (comment and comment .. "\n" or "") .. shown
end

-- The path of engram.h: the source tree's, or the installed one.
local function header()
   for _, path in ipairs{ "/../core/engram.h", "/../../../include/engram/engram.h" } do
      local file = io.open(lua_folder .. path)
      if file then return file, (lua_folder .. path):gsub("/[^/]+/%.%.", "") end
   end
end

-- The prototype of a function of the core, with the comment above it.
local function c_source(name)
   local file, path = header()
   if not file then return nil end
   local text = file:read "*a"
   file:close()
   local at = text:find("\n[%w_ *]-%f[%w_]" .. name .. "%(")
   if not at then return nil end
   local prototype = text:match("^[^;]*;[^\n]*", at + 1)
   local comment = text:sub(1, at):match "\n(/%*[^\n]-%*/)\n$" or text:sub(1, at):match ".*\n(/%*.-%*/)\n$"
   local line = select(2, text:sub(1, at):gsub("\n", "")) + 1
   return printing.styled("note", ("%s:%d"):format(path, line)) .. "\n" .. (comment and comment .. "\n" or "") .. prototype
end

-- What is a function in a value: itself, or what makes or runs a table that is called.
local function function_of(value)
   if type(value) == "function" then return value end
   if type(value) ~= "table" then return nil end
   local all = members.of(value)
   return type(all.init) == "function" and all.init or type(all.forward) == "function" and all.forward
      or (debug.getmetatable(value) or {}).__call
end

-- The text for `??path`; false as second result when there is none.
function help.source(session, path)
   local kernel = path:match "^[C%.]*%.?(eg_[%w_]+)$"
   local text = kernel and c_source(kernel)
   if text then return text, true end
   local found, value = members.follow(session, path)
   local f = found and function_of(value)
   text = type(f) == "function" and lua_source(session, f)
   if text then return text, true end
   if found then return ("%s is a %s: it has no source in Lua"):format(path, printing.short(value)), false end
   local all = members.of(_G)
   for name in pairs(session.boxes) do all[name] = true end
   return ("there is no '%s'%s"):format(path, suggest.hint(path, all, 0)), false
end

return help
