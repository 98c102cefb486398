-- program.lua: runs another program, without a shell between, and waits: run{ "curl", "--url", url } -> exit code (-1: it could not
-- be started, core.message() says why). An interrupt of this process is handed on to it.
local ffi = require "ffi"
local C = require "engram.core".C

return function(words)
   local arguments = ffi.new("const char *[?]", #words + 1, words)
   arguments[#words] = nil                             -- ffi.new leaves what the table does not fill as it is
   return C.eg_run_program(arguments)
end
