-- repl/printing.lua: values as the prompt shows them: tensors as they print themselves, tables by sorted keys, limited in depth, width
-- and length, with cycles marked, and text without what would disturb a terminal.
local core = require "engram.core"
local tensor = require "engram.tensor"

local printing = {}

local DEPTH, ITEMS, LINES, TEXT = 4, 40, 60, 2000       -- limits: nesting, items of one table, lines of all, bytes of a string
local NAMES = 56                                        -- of a table of functions: items
local INDENT = "   "

-- ---- text -------------------------------------------------------------------------------------------------

local NAMED = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

-- The bytes of the UTF-8 character at `at`, or nil.
local function utf8_length(text, at)
   local byte = text:byte(at)
   local more = byte >= 0xF0 and 3 or byte >= 0xE0 and 2 or byte >= 0xC2 and 1
   if not more or byte > 0xF4 then return nil end
   return text:find("^[\128-\191]" .. ("[\128-\191]"):rep(more - 1), at + 1) and more + 1
end

-- Control characters, and bytes that are no UTF-8, as Lua would write them.
local function escaped(text)
   local parts, at = {}, 1
   while at <= #text do
      local plain = text:match('^[^%c"\\\127-\255]+', at)
      local length = plain and #plain or text:byte(at) >= 128 and utf8_length(text, at)
      local piece = length and text:sub(at, at + length - 1)
      if not piece then
         piece, length = text:sub(at, at), 1
         piece = NAMED[piece] or ("\\%03d"):format(piece:byte())
      end
      parts[#parts + 1] = piece
      at = at + length
   end
   return table.concat(parts)
end

local function quoted(text, most)
   if #text <= most then return '"' .. escaped(text) .. '"' end
   return ('"%s"... (%d bytes)'):format(escaped(text:sub(1, most)), #text)
end

-- ---- values in one line -----------------------------------------------------------------------------------

local function text_of(value)
   local ok, text = pcall(tostring, value)
   return ok and type(text) == "string" and text or type(value)
end

local function function_text(f)
   local info = debug.getinfo(f, "S")
   return info.what == "C" and text_of(f) or ("function: %s:%d"):format(info.short_src, info.linedefined)
end

local function speaks(value)
   local metatable = debug.getmetatable(value)
   return type(metatable) == "table" and rawget(metatable, "__tostring") ~= nil
end

-- A value in a few words, for lists and inside tables.
function printing.short(value)
   local kind = core.typename(value)
   if kind == "tensor" then
      return value.tensor == nil and "tensor (released)" or ("tensor %s %s"):format(tensor.shape_text(value), value.dtype)
   end
   if kind == "string" then return quoted(value, 60) end
   if kind == "function" then return function_text(value) end
   if kind == "table" and not speaks(value) then return next(value) == nil and "{}" or "{...}" end
   local text = text_of(value)
   local line = text:match "^[^\n]*":sub(1, 60)
   return line == text and text or line .. " ..."
end

-- ---- tables -----------------------------------------------------------------------------------------------

local RANK = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
   local x, y = RANK[type(a)] or 4, RANK[type(b)] or 4
   if x ~= y then return x < y end
   if x <= 2 then return a < b end
   return text_of(a) < text_of(b)
end

local function is_class(value) return type(value) == "table" and rawget(value, "__index") ~= nil end

-- A table of functions and classes, as a library's is: what is in it gets a line each.
local function is_library(t)
   local names, all = 0, 0
   for _, value in next, t do
      all = all + 1
      if type(value) == "function" or is_class(value) then names = names + 1 end
   end
   return names * 2 >= all
end

-- The first keys in their order, and how many more there are: those of the list first, then the others sorted.
local function keys_of(t, most)
   local keys, length = {}, 0
   while rawget(t, length + 1) ~= nil do length = length + 1 end
   for i = 1, math.min(length, most) do keys[i] = i end
   local more = length - #keys
   local others = {}
   for key in next, t do
      if not (type(key) == "number" and key >= 1 and key <= length and key % 1 == 0) then others[#others + 1] = key end
   end
   table.sort(others, before)
   for _, key in ipairs(others) do
      if #keys < most then keys[#keys + 1] = key else more = more + 1 end
   end
   return keys, more, length
end

local function key_text(key)
   if type(key) == "string" and key:find "^[%a_][%w_]*$" then return key end
   return "[" .. printing.short(key) .. "]"
end

local layout

-- The items of a table as texts. A nested table is written by layout, which may take several lines.
local function items_of(t, state, depth, indent)
   local is_flat, items = is_library(t), {}
   local keys, more, length = keys_of(t, is_flat and NAMES or ITEMS)
   for i, key in ipairs(keys) do
      local label = (i <= length and key == i) and "" or key_text(key) .. " = "
      local value = rawget(t, key)
      items[i] = label .. (is_flat and (is_class(value) and "class" or printing.short(value))
         or layout(value, state, depth + 1, indent .. INDENT, #label))
      if state.lines > LINES then more = more + #keys - i break end
   end
   if more > 0 then items[#items + 1] = ("... %d more"):format(more) end
   return items
end

-- A value as one line where it fits behind `used` columns, else as lines.
function layout(value, state, depth, indent, used)
   if type(value) ~= "table" or speaks(value) then return printing.short(value) end
   if state.open[value] then return "<cycle>" end
   if next(value) == nil then return "{}" end
   if depth > DEPTH then return "{...}" end
   state.open[value] = true
   local items = items_of(value, state, depth, indent)
   state.open[value] = nil
   local line = "{ " .. table.concat(items, ", ") .. " }"
   if #indent + used + #line <= state.width and not line:find "\n" then return line end
   state.lines = state.lines + #items
   local inner = indent .. INDENT
   if #items > 8 and not table.concat(items):find "[\n={]" then
      return "{\n" .. inner .. printing.wrap(items, inner, state.width) .. "\n" .. indent .. "}"
   end
   return "{\n" .. inner .. table.concat(items, ",\n" .. inner) .. "\n" .. indent .. "}"
end

-- Items of a long list, as many a line as fit.
function printing.wrap(items, indent, width)
   local lines, line = {}, ""
   for i, item in ipairs(items) do
      local piece = item .. (i < #items and ", " or "")
      if line ~= "" and #indent + #line + #piece > width then
         lines[#lines + 1] = line:sub(1, -2)
         line = ""
      end
      line = line .. piece
   end
   lines[#lines + 1] = line
   return table.concat(lines, "\n" .. indent)
end

-- ---- what an expression gave ------------------------------------------------------------------------------

-- Columns to print in.
function printing.width()
   local width = core.C.eg_is_terminal(1) == 1 and core.C.eg_terminal_width() or 0
   return width > 0 and math.max(width, 30) or 100
end

local function cut(text)
   local count, at = 0, 0
   while count < LINES do
      at = text:find("\n", at + 1, true)
      if not at then return #text > 100 * TEXT and text:sub(1, 100 * TEXT) .. "..." or text end
      count = count + 1
   end
   return text:sub(1, at) .. "..."
end

-- A value as the prompt shows it.
function printing.value(value)
   if type(value) == "string" then return quoted(value, TEXT) end
   if type(value) == "function" then return function_text(value) end
   if type(value) == "table" and not speaks(value) then
      return cut(layout(value, { open = {}, lines = 0, width = printing.width() }, 1, "", 0))
   end
   return cut(tostring(value))
end

-- All results of an expression, in one line where none needs more.
function printing.values(...)
   local parts, long = {}, false
   for i = 1, select("#", ...) do
      parts[i] = printing.value((select(i, ...)))
      long = long or parts[i]:find "\n" or #parts[i] > 40
   end
   return table.concat(parts, long and "\n" or "   ")
end

-- ---- colours ----------------------------------------------------------------------------------------------

local CODES = { error = "31", note = "2", title = "1" }

-- The text in a style, where the output is a terminal and NO_COLOR does not say otherwise.
function printing.styled(style, text, descriptor)
   local plain = os.getenv "NO_COLOR"
   if core.C.eg_is_terminal(descriptor or 1) ~= 1 or (plain and plain ~= "") or os.getenv "TERM" == "dumb" then return text end
   return "\27[" .. CODES[style] .. "m" .. text .. "\27[0m"
end

-- Bytes as MB and the like.
function printing.bytes(bytes)
   if bytes < 1024 then return ("%d B"):format(bytes) end
   if bytes < 1024 ^ 2 then return ("%.1f KB"):format(bytes / 1024) end
   return ("%.1f MB"):format(bytes / 1024 ^ 2)
end

return printing
