-- engram repl: a Lua prompt, with a file run first when one is given.
local scripts = require "engram.cli.script"

local command = {
   summary = "a Lua prompt; with a file, run it first and keep its variables",
   usage = "repl [FILE [WORD...]]",
   text = "FILE is a Lua script, the name of one in experiments/, or a settings file, as for engram run; the words after it are in `arg`,\n"
      .. "those of the form key=value override its settings. No run directory is made. :help at the prompt lists what it can do.",
   pass = true,
}

function command.run(_, words)
   local file, given = table.remove(words, 1), nil
   if file then file, given = scripts.find("repl", file) end
   return require "engram.repl".run(file, words, given)
end

return command
