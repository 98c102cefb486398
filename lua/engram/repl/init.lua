-- repl/init.lua: `engram` alone and `engram repl FILE`: on a terminal a Lua prompt that prints what an expression is and keeps the
-- session after an error or Ctrl-C; from a pipe it runs the input as it comes and ends with exit code 1 at the first error.
local core = require "engram.core"
local blocks = require "engram.repl.blocks"
local commands = require "engram.repl.commands"
local completion = require "engram.repl.completion"
local editor = require "engram.repl.editor"
local errors = require "engram.repl.errors"
local help = require "engram.repl.help"
local history = require "engram.repl.history"
local printing = require "engram.repl.printing"
local new_session = require "engram.repl.session"
local timing = require "engram.repl.timing"
local C = core.C

local Prompt = {}
Prompt.__index = Prompt

local SLOW = 0.1                        -- seconds from which a line's time is told

-- ---- the session's surroundings -----------------------------------------------------------------------------

-- The names that every script begins with are there, loaded when they are first used.
local function name_libraries()
   local rooms = { engram = true, nn = true, optim = true, schedule = true, data = true, cl = true }
   setmetatable(_G, { rooms = rooms, __index = function(_, name)
      if not rooms[name] then return nil end
      return name == "engram" and require "engram" or require "engram"[name]
   end })
end

-- Compiled loops are deaf to Ctrl-C, so whatever is loaded from now on and is no part of Engram stays interpreted: what is typed, and
-- the files that it loads or requires.
local function interpret_what_comes()
   local ours = debug.getinfo(1, "S").source:match "^(@.*/)repl/init%.lua$"
   local about = require "jit.util".funcinfo
   jit.attach(function(prototype)
      local source = about(prototype).source
      if not source or source:sub(1, #ours) ~= ours then jit.off(prototype) end
   end, "bc")
end

local function new_prompt(interactive)
   local known = {}
   for name in pairs(_G) do known[name] = true end
   return setmetatable({ session = new_session(), interactive = interactive, known = known, lines = 0, good = true }, Prompt)
end

-- What is for the eyes alone goes to standard error where the output is no terminal, as the prompt itself does.
local function say(text, style)
   local descriptor = C.eg_is_terminal(1) == 1 and 1 or 2
   local stream = descriptor == 1 and io.stdout or io.stderr
   io.stdout:flush()
   stream:write(style and printing.styled(style, text, descriptor) or text, "\n")
end

-- The globals that the session has made.
function Prompt:own_globals()
   local list = {}
   for name in next, _G do
      if type(name) == "string" and not self.known[name] and not name:find "^_%d*$" then list[#list + 1] = name end
   end
   table.sort(list)
   return list
end

-- ---- running ------------------------------------------------------------------------------------------------

function Prompt:complain(problem)
   io.stdout:flush()
   local echoed = self.interactive and problem == "interrupted" and "\n" or ""         -- behind the terminal's ^C
   io.stderr:write(echoed, printing.styled("error", problem, 2), "\n")
   return false
end

-- After a chunk: an interrupt has had its effect, also in a training that would have polled for it. A signal that is not Ctrl-C ends
-- the session.
function Prompt:settle()
   debug.sethook()
   C.eg_interrupt_trap(0)
   local signal = core.interrupted()
   if signal == 2 and self.interactive then C.eg_interrupt_set(0)
   elseif signal then self.ended = true end
end

local function show(...)
   if select("#", ...) > 0 then print(printing.values(...)) end
end

-- Runs a chunk that compile made and shows its results; true when it went well.
function Prompt:run(chunk, untimed, ...)
   local from = C.eg_clock()
   local function finish(good, ...)
      local seconds = C.eg_clock() - from
      if good and chunk.shown then
         self.session:keep_results(chunk, ...)
         if not chunk.silent then
            local problem
            good, problem = editor.run(show, errors.describe, ...)
            if not good then self:complain(problem) end
         end
      elseif not good then
         self:complain((...))
      end
      io.stdout:flush()
      if self.interactive and not untimed and seconds > SLOW then say("(" .. timing.text(seconds) .. ")", "note") end
      return good
   end
   local good = finish(self.session:run(chunk, errors.describe, ...))
   self.session:note(chunk, good)
   self:settle()
   return good
end

-- Compiles and runs a text of its own, as :time does; true when it went well.
function Prompt:execute(text)
   local chunk, problem = self.session:compile(text, self.session:next_name(), true)
   if not chunk then return self:complain(problem == "incomplete" and "the code is not complete" or problem) end
   return self:run(chunk, true)
end

-- Times a text in many rounds.
function Prompt:measure(text)
   local chunk, problem = self.session:compile(text, self.session:next_name(), true)
   if not chunk then return self:complain(problem == "incomplete" and "the code is not complete" or problem) end
   local good, told
   good, problem = self.session:run({ func = function() told = timing.measure(chunk.func) end, locals = chunk.locals }, errors.describe)
   if good then print(told) else self:complain(problem) end
   self:settle()
   return good
end

local function folder_of(path) return path:match "^(.*)/[^/]*$" or "." end

-- Runs a file with words in `arg` (and the settings file that it was given as); its locals stay. True when it went well.
function Prompt:load(path, words, given)
   local file, problem = io.open(path, "rb")
   local text = file and C.eg_file_kind(path) == 1 and file:read "*a"
   if file then file:close() end
   if not text then return self:complain("cannot be read: " .. (problem or path .. " is no file")) end
   if text:byte() == 27 then return self:complain(path .. ": bytecode is not loaded, give the source") end
   local chunk
   chunk, problem = self.session:compile(text:gsub("^#[^\n]*", ""), "@" .. path)
   if problem == "incomplete" then problem = select(2, loadstring(text, "@" .. path)) end
   if not chunk then return self:complain(problem) end
   local beside = folder_of(path) .. "/?.lua;"
   if package.path:sub(1, #beside) ~= beside then package.path = beside .. package.path end
   local settings = require "engram.settings"
   settings.override(words)
   settings.file(given)
   rawset(_G, "arg", { [-1] = arg and (arg[-1] or arg[0]), [0] = path, unpack(words) })
   return self:run(chunk, false, unpack(words))
end

-- ---- lines --------------------------------------------------------------------------------------------------

-- A command, a question, or something for the shell.
local function is_special(line) return line:find "^%s*:[^:]" or line:find "^%s*:%s*$" or line:find "^%s*%?" or line:find "^%s*%$" end

-- Does what such a line says: true when it went well; false and the problem, if it is still to be told.
local function special(self, line)
   line = line:match "^%s*(.-)%s*$"
   if line:find "^:" then return commands.run(self, line) end
   local marks, path = line:match "^(%?%??)%s*(.*)"
   if marks then
      path = path:match "^.*[])}][.:][%w_]+$" or path:match "^[^({\"']*"                    -- what a call ends is asked without it
      if path == "" then return false, "?NAME tells what the documentation says of it, ??NAME shows its source; :help has the rest" end
      local text, found = help[marks == "?" and "text" or "source"](self.session, path)
      if found then print(text) end
      return found, not found and text or nil
   end
   local command = line:match "^%$%s*(.+)$"
   if not command then return false, "$ COMMAND runs a shell command" end
   io.stdout:flush()
   local status = os.execute(command)
   local code = status % 256 == 0 and status / 256 or 128 + status % 128
   return code == 0, code ~= 0 and ("exit code %d"):format(code) or nil
end

function Prompt:take_special(line)
   local good, problem = special(self, line)
   if problem then self:complain(problem) end
   self:settle()
   return good
end

-- Runs the parts of a pasted block one by one, up to the first that fails.
function Prompt:take_parts(parts, text, name)
   for i, part in ipairs(parts) do
      local good, chunk, problem
      if part.special then
         good = self:take_special(part.text)
      else
         chunk, problem = self.session:compile(part.text, name, true)
         if chunk then chunk.block = text end
         if chunk then good = self:run(chunk) else good = self:complain(problem) end
      end
      if self.ended then return good end
      if not good then
         if i < #parts then self:complain "the rest of the block was not run" end
         return false
      end
   end
   return true
end

-- Takes a text that does not compile whole: as parts, as one that wants more lines, or not at all.
function Prompt:take_apart(text, name, problem, line)
   local parts
   if self.interactive and text:find "\n" then
      parts, problem = blocks.parts(text, name, is_special)
      if parts then return self:take_parts(parts, text, name) end
   end
   if problem ~= "incomplete" then return self:complain(problem) end
   if self.interactive and line == "" and not blocks.is_open(text) then
      return self:complain("the code is not complete: " .. text:match "^(.-)%s*$")
   end
   self.pending, self.name = text, name
   return true
end

function Prompt:take(line)
   local word = self.interactive and line:match "^%s*(%a+)%s*%(?%)?%s*$"               -- help, exit()
   if word and commands.words[word] and not self.pending and not self.session:lookup(word) then line = commands.words[word] end
   if not self.pending and not line:find "\n" and is_special(line) then return self:take_special(line) end
   local name = self.interactive and (self.name or self.session:next_name()) or "=stdin"
   local text = self.pending and self.pending .. "\n" .. line or (self.interactive and "" or ("\n"):rep(self.lines - 1)) .. line
   self.pending, self.name = nil, nil
   local chunk, problem = self.session:compile(text, name, self.interactive)
   if chunk then return not text:find "%S" or self:run(chunk) end
   return self:take_apart(text, name, problem, line)
end

-- Reads a line and does what it says.
function Prompt:step()
   local line = editor.read(self.interactive and (self.pending and ">> " or "> ") or nil)
   if line == nil then
      self.ended = true
   elseif line == false then                          -- Ctrl-C
      self.pending, self.name = nil, nil
      self:settle()
   else
      self.lines = self.lines + 1
      if self.interactive then history.add(line) end
      self.good = self:take(line)
   end
end

-- ---- the whole ----------------------------------------------------------------------------------------------

function Prompt:begin()
   say(("Engram %s. :help lists what the prompt can do, ?NAME explains, Ctrl-D leaves."):format(require "engram.version"))
   editor.set_completer(completion.completer(self.session, commands.known, function()
      return self.pending and self.pending .. "\n" or ""
   end))
   local problem = history.open()
   if problem then say(problem, "note") end
end

-- An interrupt may strike between two chunks, in the prompt itself: it goes on.
function Prompt:loop()
   while not self.ended and (self.good or self.interactive) do
      local ok, problem = pcall(self.step, self)
      if not ok then
         if not core.interrupted() then self.good = self:complain("the prompt itself failed: " .. tostring(problem)) end
         self:settle()
      end
   end
   if self.pending and not self.interactive and self.good then
      self.good = self:complain((select(2, loadstring(self.pending, "=stdin"))))
   end
end

local repl = {}

-- Runs the file, if one is named, with its words and what a settings file gives; then the prompt. The exit code: 2 when the file says
-- that it was called wrongly.
function repl.run(file, words, given)
   name_libraries()
   interpret_what_comes()
   local prompt = new_prompt(C.eg_is_terminal(0) == 1)
   if prompt.interactive then prompt:begin() end
   if file then prompt.good = prompt:load(file, words, given) end
   if file and not prompt.good and errors.usage then return 2 end
   prompt:loop()
   local signal = core.interrupted()
   if prompt.interactive and not signal then say "" end
   return signal and 128 + signal or (prompt.good or prompt.interactive) and 0 or 1
end

return repl
