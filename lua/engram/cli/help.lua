-- engram help: the commands, one of them, or a symbol of the library as the reference tells it.
local commands = require "engram.cli.commands"
local help = require "engram.help"
local options = require "engram.cli.options"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local command = {
   summary = "tell more about a command or a symbol",
   usage = "help [COMMAND|SYMBOL]",
   text = "SYMBOL is a name of the library, nn.Linear or Tensor:matmul or matmul, a room such as optim, a function of the core such as\n"
      .. "eg_matmul, or a command of the prompt such as :who.",
   options = {
      { "man", doc = "print the manual page, for man" },
      { "bash", doc = "print the completion, for bash" },
      { "markdown", doc = "print the reference of all commands" },
   },
}

local function overview()
   print "usage: engram COMMAND [options]        (engram alone: a Lua prompt)\n"
   for _, name in ipairs(commands.names) do print(("  %-10s %s"):format(name, commands.load(name).summary)) end
   return 0
end

-- The error for a name that is neither: the nearest names of both kinds.
local function unknown(name)
   local near = help.nearest(name)
   local command_name = suggest.nearest(name, commands.names)
   if command_name then table.insert(near, 1, command_name) end
   if #near == 0 then
      local found = help.search(name)
      for i = 1, math.min(5, #found) do near[i] = found[i].name end
   end
   local best = table.remove(near, 1)
   usage_error("help: there is no command or symbol '%s'%s", name, not best and "; engram help lists the commands"
      or (", did you mean '%s'?%s"):format(best, #near > 0 and " Near it are " .. table.concat(near, ", ") or ""))
end

-- What the options ask for, one at a time.
local function print_page(values)
   if values.man then io.write(require "engram.cli.manual".man()) end
   if values.bash then io.write(require "engram.cli.completion"()) end
   if values.markdown then io.write(require "engram.cli.manual".markdown()) end
   return 0
end

function command.run(values, words)
   local name = words[1]
   if next(values) then return print_page(values) end
   if not name then return overview() end
   if words[2] then usage_error("help: one name at a time, got '%s' too", words[2]) end
   for _, known in ipairs(commands.names) do
      if known == name then
         print(options.help(name, commands.load(name)))
         return 0
      end
   end
   print(help.text(name) or unknown(name))
   return 0
end

return command
