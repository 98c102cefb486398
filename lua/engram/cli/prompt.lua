-- prompt.lua: `engram` alone. On a terminal a Lua prompt that prints what an expression is and keeps the session after an
-- error or Ctrl-C; from a pipe it runs the input as it comes, silently, and ends with exit code 1 at an error.
local core = require "engram.core"
local C = core.C

local prompt = {}

-- The names that every script begins with are there, loaded when they are first used.
local function name_libraries()
   local rooms = { engram = true, nn = true, optim = true, schedule = true, data = true, cl = true }
   setmetatable(_G, { __index = function(_, name)
      if not rooms[name] then return nil end
      return name == "engram" and require "engram" or require "engram"[name]
   end })
end

-- The chunk of what was typed, and true as third result when it is an expression, to be printed. nil and "<eof>" when
-- more lines are wanted.
local function compile(text, interactive)
   local chunk = interactive and loadstring("return " .. text:gsub("^%s*=", ""), "=stdin")
   if chunk then return chunk, nil, true end
   local problem
   chunk, problem = loadstring(text, "=stdin")
   if chunk then return chunk end
   local unfinished = problem:find "'<eof>'$" and not problem:find "unfinished string"
   return nil, unfinished and "<eof>" or problem
end

local function print_results(ok, ...)
   if ok and select("#", ...) > 0 then print(...) end
   return ok, ...
end

local function report(problem)
   local text = type(problem) == "string" and problem or tostring(problem)
   return text:gsub("^%[C%]:%-1: ", "")
end

-- Runs a chunk without the compiler, so that Ctrl-C stops its own loops; true when it went well.
local function execute(chunk, is_expression)
   jit.off(chunk, true)
   local function finish(ok, ...)
      io.stdout:flush()
      if ok then return true end
      io.stderr:write(core.interrupted() and "interrupted" or tostring((...)), "\n")
      return false
   end
   if is_expression then return finish(print_results(xpcall(chunk, report))) end
   return finish(xpcall(chunk, report))
end

-- A line, nil at the end of the input, or false when Ctrl-C cleared it.
local function read_line(sign)
   if sign then io.stdout:write(sign) io.stdout:flush() end
   C.eg_interrupt_trap(1)                -- the flag alone: nothing to stop while reading
   local line, problem = io.read "*l"
   C.eg_interrupt_trap(0)
   local signal = core.interrupted()
   if not signal then return line, problem end
   if signal ~= 2 then return nil end
   C.eg_interrupt_set(0)
   io.stdout:write "\n"
   return false
end

local function session(interactive)
   local text, good, number = nil, true, 0
   while good or interactive do
      local line = read_line(interactive and (text and ">> " or "> "))
      if line == nil then break end
      if line == false then
         text = nil
      else
         text = text and text .. "\n" .. line or (interactive and "" or ("\n"):rep(number)) .. line
         number = number + 1
         local chunk, problem, is_expression = compile(text, interactive)
         if chunk then
            good = execute(chunk, is_expression)
            C.eg_interrupt_set(interactive and 0 or C.eg_interrupt_get())
            text = nil
         elseif problem ~= "<eof>" then
            io.stderr:write(problem, "\n")
            text, good = nil, false
         end
      end
   end
   if text and not interactive then
      io.stderr:write(select(2, loadstring(text, "=stdin")) or "", "\n")
      good = false
   end
   if interactive then print "" end
   return good or interactive
end

function prompt.run()
   name_libraries()
   local interactive = C.eg_is_terminal(0) == 1
   if interactive then print(("Engram %s. Ctrl-D leaves."):format(require "engram.version")) end
   local good = session(interactive)
   local signal = core.interrupted()
   return signal and 128 + signal or good and 0 or 1
end

return prompt
