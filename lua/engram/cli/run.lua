-- engram run: executes a script.
local command = { summary = "run a script: engram run FILE [key=value ...]", usage = "run [options] FILE [key=value ...]", pass = true,
   options = { { "no-run", doc = "write no run directory" } } }
function command.run(values, rest)
   local file = table.remove(rest, 1)
   rest[-1], rest[0] = arg[0], file
   arg = rest
   assert(loadfile(file))(unpack(rest))
   return 0
end
return command
