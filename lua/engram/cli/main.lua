-- main.lua: the command line. Finds the command, runs it and returns the exit code: 0 done, 1 a run or script failed,
-- 2 wrong usage, 3 another process is at the run, 128 + signal interrupted. A command is one file in this folder that returns
-- { summary, usage, text, options, run = function(values, rest) return exit code end }.
local commands = require "engram.cli.commands"
local options = require "engram.cli.options"
local usage_error = require "engram.usage"

-- Whether --help is asked for: as the first word, or as any where none are a script's.
local function asks_for_help(command, words)
   for i, word in ipairs(words) do
      if word == "--" or (i > 1 and (command.pass or command.words)) then return false end
      if word == "--help" then return true end
   end
   return false
end

local function dispatch(words)
   local name = table.remove(words, 1)
   if name == nil then return commands.load("repl").run({}, words) end
   if name == "--help" or name == "-h" then name = "help" end
   if name == "--version" then name = "version" end
   if name:sub(1, 1) == "-" then usage_error("unknown option '%s'; engram --help lists the commands", name) end
   local command = commands.load(name)
   if asks_for_help(command, words) then return commands.load("help").run({}, { name }) end
   if command.words then return command.run(words) end          -- takes its words as they are
   return command.run(options.parse(command, words, command.pass))
end

local function failure(problem)
   if type(problem) == "table" and (problem.usage or problem.code) then return problem end
   if os.getenv "ENGRAM_DEBUG" then problem = debug.traceback(tostring(problem), 2) end
   return { message = tostring(problem) }
end

if not require "ffi".abi "gc64" then         -- without it Lua's own memory ends at 2 GB
   io.stderr:write("engram: this LuaJIT was built without GC64; Debian's libluajit-5.1-dev has it\n")
   return 1
end

-- A training step has many short loops (over shapes, parameters, nodes): unrolled, with room for all traces, it takes a tenth less,
-- and about the same in every process. Machine code goes into few large areas: each new trace locks and unlocks the areas it touches.
require "jit.opt".start("loopunroll=60", "instunroll=16", "maxtrace=8000", "maxmcode=8192", "sizemcode=1024")

local ok, result = xpcall(dispatch, failure, { unpack(arg) })
if ok then return require "engram.cli.output"(result or 0) end
io.stdout:flush()
local signal = package.loaded["engram.core"] and require("engram.core").interrupted()
local message = result.usage or result.message
if signal and message:find ": interrupted$" then message = "interrupted" end        -- where in our code is nobody's concern
io.stderr:write("engram: ", message, "\n")
if result.usage then return 2 end
return signal and 128 + signal or result.code or 1
