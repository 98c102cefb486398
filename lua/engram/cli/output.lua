-- cli/output.lua: what became of standard output: on a full disk what was printed is lost, and a program that says nothing of it has lied.
local core = require "engram.core"

-- The exit code for one that would else be `code`.
return function(code)
   if core.C.eg_output_flush() == 0 then return code end
   io.stderr:write("engram: ", core.message(), "; what was printed is not all there\n")
   return code == 0 and 1 or code
end
