-- repl/commands.lua: what a line that begins with a colon does. A command is { summary, usage =, run = function(prompt, rest of the
-- line) } and, for completion, files = (it takes paths), code = (or Lua), words = (one of a set); it prints, and returns false when it
-- failed.
local core = require "engram.core"
local errors = require "engram.repl.errors"
local printing = require "engram.repl.printing"
local script = require "engram.repl.script"
local suggest = require "engram.suggest"
local timing = require "engram.repl.timing"
local C = core.C

local commands, known, order = {}, {}, {}

local function command(name, about)
   known[name] = about
   order[#order + 1] = name
end

local function fail(...) return false, (...):format(select(2, ...)) end

-- ---- the session --------------------------------------------------------------------------------------------

local function row_of(name, value, where)
   local bytes = core.typename(value) == "tensor" and value.tensor ~= nil and value:bytes()
   if type(value) == "table" and type(rawget(value, "_children")) == "table" then       -- a module: its parameters and buffers
      bytes = 0
      for _, t in pairs((value:state())) do bytes = bytes + t:bytes() end
   end
   return { name, where, printing.short(value):gsub("%s*\n.*", ""), bytes and printing.bytes(bytes) or "" }
end

command("who", { "names of the session, with shapes and sizes", usage = ":who [PART OF A NAME]", run = function(prompt, rest)
   local rows, width = {}, { 4, 6 }
   for _, entry in ipairs(prompt.session:locals()) do rows[#rows + 1] = row_of(entry[1], entry[2], "local") end
   for _, name in ipairs(prompt:own_globals()) do rows[#rows + 1] = row_of(name, rawget(_G, name), "global") end
   local shown = 0
   for _, row in ipairs(rows) do width[1], width[2] = math.max(width[1], #row[1]), math.max(width[2], #row[4]) end
   for _, row in ipairs(rows) do
      if row[1]:find(rest, 1, true) then
         print(("%-" .. width[1] .. "s  %-6s  %" .. width[2] .. "s  %s"):format(row[1], row[2], row[4], row[3]))
         shown = shown + 1
      end
   end
   if shown == 0 then print(rest == "" and "nothing yet" or "nothing with that in its name") end
end })

command("mem", { "memory: tensors, the pool, Lua, the process", run = function()
   local m = require "engram".memory()
   local text = printing.bytes
   print(("tensors  %s in %d, at most %s so far; %s pooled for the next"):format(text(m.live), m.tensors, text(m.peak), text(m.pooled)))
   print(("lua      %s"):format(text(collectgarbage "count" * 1024)))
   print(("process  %s, at most %s so far"):format(text(m.resident), text(m.peak_resident)))
end })

command("locals", { "keep the locals of a line for the next, or not", usage = ":locals [on|off]", words = { on = true, off = true },
   run = function(prompt, rest)
   if rest ~= "" and rest ~= "on" and rest ~= "off" then return fail(":locals: expected on or off, got '%s'", rest) end
   if rest ~= "" then prompt.session:keep_locals(rest == "on") end
   print(prompt.session.keeps_locals and "locals are kept from line to line" or "locals end with their line, as in plain Lua")
end })

command("tb", { "the whole traceback of the last error", run = function()
   print(errors.last or "there was no error yet")
end })

-- ---- time ---------------------------------------------------------------------------------------------------

command("time", { "run a line and tell how long it took", usage = ":time CODE", run = function(prompt, rest)
   if rest == "" then return fail ":time: of what? :time CODE" end
   local before, from = C.eg_live_bytes(), C.eg_clock()
   local good = prompt:execute(rest)
   local seconds, grown = C.eg_clock() - from, tonumber(C.eg_live_bytes() - before)
   if good then print(("%s%s"):format(timing.text(seconds), grown > 0 and ", tensors +" .. printing.bytes(grown) or "")) end
   return good
end })

command("timeit", { "run a line many times: the least and the median time", usage = ":timeit CODE", run = function(prompt, rest)
   if rest == "" then return fail ":timeit: of what? :timeit CODE" end
   return prompt:measure(rest)
end })

-- ---- files --------------------------------------------------------------------------------------------------

command("load", { "run a file here; its locals stay", usage = ":load FILE [WORD...]", files = true, run = function(prompt, rest)
   local words = {}
   for word in rest:gmatch "%S+" do words[#words + 1] = word end
   if not words[1] then return fail ":load: which file? :load FILE" end
   return prompt:load(table.remove(words, 1), words)
end })

command("save", { "write what was typed here as a script", usage = ":save FILE", files = true, run = function(prompt, rest)
   if rest == "" then return fail ":save: to which file? :save FILE" end
   local text = script.text(prompt.session.chunks)
   if C.eg_file_kind(rest) ~= 0 then return fail(":save: %s is there already", rest) end
   if C.eg_file_write(rest, text, #text) ~= 0 then return fail(":save: %s", core.message()) end
   print(("%s: %d chunks"):format(rest, #prompt.session.chunks))
end })

command("plot", { "curves in the terminal", usage = ":plot VALUES [, OPTIONS] | RUN [METRIC]", files = true, code = true,
   run = function(prompt, rest)
      if rest == "" then return fail ":plot: of what? :plot VALUES or :plot RUN [METRIC]" end
      local path, metric = rest:match "^(%S+)%s*(%S*)$"
      if rest:find "^[%d%s.,eE+-]+$" then rest = "{" .. rest .. "}" end                   -- bare numbers are a list
      if path and C.eg_file_kind(path) == 2 then
         rest = ("%q%s"):format(path, metric ~= "" and (", { metric = %q }"):format(metric) or "")
      elseif rest:find "^[%w_/.-]+$" and not rest:find "^%a[%w_.]*$" or rest:find "^[%a_][%w_]*$" and not prompt.session:lookup(rest) then
         return fail(":plot: there is neither a variable nor a run '%s'", rest)
      end
      return prompt:execute(("print(require 'engram'.plot(%s))"):format(rest))
   end })

-- ---- help ---------------------------------------------------------------------------------------------------

local LINES = {
   { "?NAME", "what the documentation says of it" },
   { "??NAME", "its source, or its prototype in C" },
   { "$ COMMAND", "run a shell command" },
   { "EXPRESSION", "print its value, which is also in _ (several: _1, _2, ...); not printed with ; at the end" },
}

command("help", { "this list", run = function()
   local function row(what, does) print(("%-40s %s"):format(what, does)) end
   table.sort(order)
   for _, name in ipairs(order) do row(known[name].usage or ":" .. name, known[name][1]) end
   for _, line in ipairs(LINES) do row(line[1], line[2]) end
end })

command("quit", { "leave, as Ctrl-D does", run = function(prompt) prompt.ended = true end })

-- The command that is meant, by its name or the begin of one alone.
local function meant(word)
   local found
   for name in pairs(known) do
      if name == word then return name end
      if word ~= "" and name:sub(1, #word) == word then found = found == nil and name end
   end
   return found or word
end

-- Runs ":name rest": true when it went well; otherwise false, and a message unless it has told already.
function commands.run(prompt, line)
   local name, rest = line:match "^:(%a*)%s*(.-)%s*$"
   name = meant(name)
   if not known[name] then return fail("unknown command ':%s'%s", name, suggest.hint(name, known)) end
   local good, message = known[name].run(prompt, rest)
   return good ~= false, message
end

-- What people type who come from elsewhere: the command that it means.
commands.words = { exit = ":quit", quit = ":quit", help = ":help" }

-- The commands by name, for completion.
commands.known = known

return commands
