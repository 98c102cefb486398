-- main.lua: the command line. Finds the command, runs it and returns the exit code: 0 done, 1 a run or script failed,
-- 2 wrong usage, 3 another process is at the run, 128 + signal interrupted. A command is one file in this folder that returns
-- { summary, usage, text, options, run = function(values, rest) return exit code end }.
local options = require "engram.cli.options"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

-- In the order of the help.
local commands = { "run", "config", "resume", "ls", "show", "diff", "sweep", "compare", "report", "plot", "data", "list", "bench",
   "doctor", "version" }

local function load_command(name)
   for _, known in ipairs(commands) do
      if known == name then return require("engram.cli." .. name) end
   end
   usage_error("unknown command '%s'%s", name, suggest.hint(name, commands))
end

local function overview()
   print "usage: engram COMMAND [options]        (engram alone: a Lua prompt)\n"
   for _, name in ipairs(commands) do print(("  %-10s %s"):format(name, load_command(name).summary)) end
   print "  help       tell more about a command: engram help COMMAND"
   return 0
end

local function help(name)
   if not name then return overview() end
   print(options.help(name, load_command(name)))
   return 0
end

local function dispatch(words)
   local name = table.remove(words, 1)
   if name == nil then return require("engram.cli.prompt").run() end
   if name == "help" or name == "--help" or name == "-h" then return help(words[1]) end
   if name == "--version" then name = "version" end
   if name:sub(1, 1) == "-" then usage_error("unknown option '%s'; engram --help lists the commands", name) end
   local command = load_command(name)
   if words[1] == "--help" then return help(name) end
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
-- and about the same in every process.
require "jit.opt".start("loopunroll=60", "instunroll=16", "maxtrace=8000", "maxmcode=8192")

local ok, result = xpcall(dispatch, failure, { unpack(arg) })
if ok then return require "engram.cli.output"(result or 0) end
io.stdout:flush()
io.stderr:write("engram: ", result.usage or result.message, "\n")
if result.usage then return 2 end
local signal = package.loaded["engram.core"] and require("engram.core").interrupted()
return signal and 128 + signal or result.code or 1
