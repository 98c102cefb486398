-- repl/history.lua: what was typed in earlier sessions, in $XDG_STATE_HOME/engram/history: one entry a line (\n stands for the end of
-- a line within it, \\ for a backslash), appended as it is typed, for its owner's eyes alone.
local core = require "engram.core"
local editor = require "engram.repl.editor"
local C = core.C

local history = {}

local MOST, LONGEST = 10000, 2 ^ 16     -- entries; bytes of one that is kept

local function folder()
   local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
   if state and state:find "^/" then return state .. "/engram" end
   return home and home ~= "" and home .. "/.local/state/engram" or nil
end

local function to_line(text) return (text:gsub("\\", "\\\\"):gsub("\n", "\\n")) .. "\n" end

local function from_line(line)
   return (line:gsub("\\(.)", function(c) return c == "n" and "\n" or c == "\\" and "\\" or nil end))
end

local function read_lines(path)
   local lines, file = {}, io.open(path, "rb")
   if not file then return lines end
   for line in file:lines() do
      if line ~= "" and #line <= LONGEST and not line:find "%z" then lines[#lines + 1] = line end
   end
   file:close()
   return lines
end

-- Gives the editor what is in the file, of which the last entries are kept; nil, or why nothing can be written.
function history.open()
   if not folder() then return "history is not kept: neither HOME nor XDG_STATE_HOME is set" end
   local path = folder() .. "/history"
   local lines = read_lines(path)
   for i = math.max(1, #lines - MOST + 1), #lines do
      local text = from_line(lines[i])
      editor.remember(text)
      history.last = text
   end
   local problem
   if C.eg_make_folders(folder()) ~= 0 then problem = core.message()
   elseif #lines > MOST then problem = select(2, editor.write_private(path, table.concat(lines, "\n", #lines - MOST + 1) .. "\n", false))
   else problem = select(2, editor.write_private(path, "", true)) end
   history.writable = problem == nil
   return problem and ("history is not kept: %s"):format(problem)
end

-- Adds an entry, unless it is the last one again.
function history.add(text)
   if text:find "^%s*$" or text == history.last or #text > LONGEST then return end
   history.last = text
   editor.remember(text)
   if history.writable then editor.write_private(folder() .. "/history", to_line(text), true) end
end

return history
