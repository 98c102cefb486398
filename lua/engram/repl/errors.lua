-- repl/errors.lua: what the prompt says of an error: the message and the user's own frames; the whole traceback is kept for :tb.
local core = require "engram.core"

local errors = { last = nil, usage = false }         -- the traceback of the last error, for :tb; whether it was a wrong call

local MOST = 10                         -- frames that are shown

local ours = debug.getinfo(1, "S").source:match "^(@.*/)repl/errors%.lua$"

local function is_ours(info) return info.what == "C" or info.source:sub(1, #ours) == ours or info.currentline < 0 end

-- "prompt 3:1: in f" of the frames that are no part of Engram, from `level` on.
local function frames(level)
   local lines = {}
   for l = level, level + 200 do
      local info = debug.getinfo(l, "Sln")
      if not info or #lines == MOST then break end
      if not is_ours(info) then
         local chunk = info.linedefined <= 1 and not info.name or info.what == "main"
         lines[#lines + 1] = ("   %s:%d: in %s"):format(info.short_src, info.currentline,
            chunk and "the chunk" or info.name or "a function")
      end
   end
   return lines
end

local function message_of(problem)
   if core.interrupted() then return "interrupted" end
   if type(problem) ~= "string" and not (type(problem) == "table" and (getmetatable(problem) or {}).__tostring) then
      return ("an error that is no text: %s"):format(require "engram.repl.printing".value(problem))
   end
   local ok, text = pcall(tostring, problem)
   text = ok and type(text) == "string" and text:gsub("^%[C%]:%-1: ", "") or "an error that cannot say what it is"
   return (text:gsub(":?\n\tno f[^\n]*", ""))         -- the places where require looked
end

-- The traceback without the prompt's own frames, above and below.
local function whole_trace(text)
   local lines, begun = { text, "stack traceback:" }, false
   for line in debug.traceback("", 4):gmatch "\n(\t[^\n]+)" do
      local is_prompt = line:find("engram/repl/", 1, true)
      if is_prompt and begun then break end
      begun = begun or not is_prompt
      if begun then lines[#lines + 1] = "  " .. line:sub(2) end
   end
   if lines[#lines]:find "%[C%]: in function '%a+'$" then lines[#lines] = nil end                    -- what ran it all
   return table.concat(lines, "\n")
end

-- The message handler of the prompt's chunks, for editor.run, whose own frame is between this and the error: the text to show.
function errors.describe(problem)
   local text = message_of(problem)
   errors.last = whole_trace(text)
   errors.usage = type(problem) == "table" and problem.usage ~= nil
   local lines = (errors.usage or text == "interrupted") and {} or frames(4)
   if #lines == 1 and text:find(lines[1]:match "^%s*(.-:%d+:)", 1, true) then lines[1] = nil end     -- says nothing more
   return table.concat({ text, unpack(lines) }, "\n")
end

return errors
