-- engram version.
local command = { summary = "print the version", usage = "version" }

function command.run()
   print("engram " .. require "engram.version")
   return 0
end

return command
