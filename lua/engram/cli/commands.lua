-- cli/commands.lua: the commands there are. Each is a file of its name in this folder.
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local commands = {}

-- In the order of the help.
commands.names = { "repl", "run", "config", "resume", "ls", "show", "diff", "sweep", "select", "compare", "verify", "report", "plot",
   "data", "list", "plugin", "bench", "doctor", "version", "help" }

-- The command of a name, as its file returns it.
function commands.load(name)
   for _, known in ipairs(commands.names) do
      if known == name then return require("engram.cli." .. name) end
   end
   if name:find "%.lua$" or name:find "%.ya?ml$" then usage_error("unknown command '%s': a script is run by engram run %s", name, name) end
   usage_error("unknown command '%s'%s", name, suggest.hint(name, commands.names))
end

return commands
