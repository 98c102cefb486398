-- cli/plugin_list.lua: `engram plugin list`. What a file is can be known only by running it: so those that look like a description are
-- loaded, each in a process of its own, which prints nothing and is stopped when it does more than return one.
local ffi = require "ffi"
local core = require "engram.core"
local optim_plugin = require "engram.optim.plugin"
local start = require "engram.cli.plugin_check".start
local C = core.C

local list = {}

local LIMIT = 10                        -- seconds that a file may take
local TOLD = "\1"                       -- begins the lines that are ours, whatever the file prints

-- In the process of its own: tells what the file is.
function list.inside(path)
   local optim = require "engram.optim"
   local ok, problem, name = pcall(optim.load, path)
   local about = ok and optim.description(name)
   local text = about and ("%-14s %-8s %s\n%24s%s"):format(about.name, about.version or "", about.doc or "", "", path)
      or "refused        " .. tostring(problem):gsub("^optim%.load: ", "")
   io.stdout:write("\n", TOLD, (text:gsub("\n", "\n" .. TOLD)), "\n")
   return 0
end

local function wait(id)
   local code, begin = ffi.new "int[1]", C.eg_clock()
   while C.eg_program_ended(id, code) == 0 do
      if C.eg_clock() - begin > LIMIT or core.interrupted() then C.eg_signal_program(id, 9) end
      C.eg_sleep(0.01)
   end
   return C.eg_clock() - begin > LIMIT and ("still running after %d s: it was stopped"):format(LIMIT) or "it ended the process"
end

-- The lines about a file.
local function about(path)
   local log, lines = os.tmpname(), {}
   local fate = wait(start("list-inside", path, log))
   for line in io.lines(log) do
      if line:sub(1, 1) == TOLD then lines[#lines + 1] = line:sub(2) end
   end
   os.remove(log)
   return #lines > 0 and table.concat(lines, "\n") or ("refused        %s: %s"):format(path, fate)
end

function list.run()
   local paths = optim_plugin.all()
   for _, path in ipairs(paths) do
      print(about(path))
      if core.interrupted() then return 128 + core.interrupted() end
   end
   if #paths == 0 then print("no plugins in " .. table.concat(optim_plugin.folders(), ", ")) end
   return 0
end

return list
