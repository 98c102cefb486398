-- engram plugin: writes a new optimizer to begin with, checks one, and lists those that are found by name.
local core = require "engram.core"
local optim_plugin = require "engram.optim.plugin"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "write, check and list optimizers of your own, in Lua or C",
   usage = "plugin new NAME --lua|--c [DIR] | plugin check FILE | plugin list",
   text = "new writes an optimizer that works, its test and, for C, a Makefile, into DIR (default: a folder of its name).\n"
      .. "check runs what every optimizer must do on a plugin, in a process of its own: a line a check, exit code 1 when one fails,\n"
      .. "2 when the file is refused. list shows the plugins in $ENGRAM_PLUGINS, PREFIX/lib/engram/plugins and the examples:\n"
      .. "libraries, and Lua files that return something and speak of a step or chain. Each is loaded in a process of its own.",
   after = { check = "_engram_plugins" },               -- for bash's completion
   options = {
      { "lua", doc = "new: in Lua" },
      { "c", long = true, doc = "new: in C" },
      { "verbose", doc = "check: tell what the plugin declares, what it prints, and the seconds of each check" },
      { "limit", value = "N", number = 1, doc = "check: seconds that one check may take (default 120)" },
   },
}

-- ---- new --------------------------------------------------------------------------------------------------

local template_folder = package.searchpath("engram.optim", package.path):match "^(.*)/init%.lua$" .. "/template"

local function read(path)
   local file = assert(io.open(path, "rb"))
   local text = file:read "*a"
   file:close()
   return text
end

-- "SignSGD" -> "sign_sgd"
local function file_name(name)
   return (name:gsub("(%l)(%u)", "%1_%2"):gsub("(%u)(%u%l)", "%1_%2"):lower())
end

local function check_name(name)
   if not name then usage_error "plugin new: which name? engram plugin new NAME --lua|--c [DIR]" end
   if not name:match "^[%a_][%w_]*$" then usage_error("plugin new: '%s' is no name: use letters, digits and underscores", name) end
   local optim = require "engram.optim"
   if rawget(optim, name) then usage_error("plugin new: the name '%s' is taken by optim.%s", name, name) end
end

local function write_all(folder, files, fill)
   for _, entry in ipairs(files) do
      if C.eg_file_kind(folder .. "/" .. entry[2]) ~= 0 then
         usage_error("plugin new: %s/%s is there already; choose another name or folder", folder, entry[2])
      end
   end
   core.check(C.eg_make_folders(folder))
   for _, entry in ipairs(files) do
      local text = read(template_folder .. "/" .. entry[1]):gsub("@(%u+)@", fill)
      core.check(C.eg_file_write(folder .. "/" .. entry[2], text, #text))
      print(folder .. "/" .. entry[2])
   end
end

local function new(values, words)
   local name, folder = words[1], words[2]
   if words[3] then usage_error("plugin new: expected NAME and DIR, got '%s' too", words[3]) end
   check_name(name)
   if (values.lua or false) == (values.c or false) then usage_error "plugin new: in which language? give --lua or --c" end
   local file, header = file_name(name), optim_plugin.header_folder()
   folder = folder or file
   if values.c and not header then usage_error "plugin new: engram_plugin.h is not where it is installed; run make install" end
   local test = { "test.lua.in", "test_" .. file .. ".lua" }
   local files = values.lua and { { "plugin.lua.in", file .. ".lua" }, test }
      or { { "plugin.c.in", file .. ".c" }, { "Makefile.in", "Makefile" }, test }
   write_all(folder, files, { NAME = name, FILE = file, INCLUDE = header,
      ENDING = values.lua and ".lua" or ".so" })
   if values.c then print(("\nmake -C %s check ENGRAM=%s"):format(folder, arg[0]))
   else print(("\nengram run --no-run %s/test_%s.lua\nengram plugin check %s/%s.lua"):format(folder, file, folder, file)) end
   return 0
end

-- ---- the command ------------------------------------------------------------------------------------------

local verbs = {
   new = new,
   check = function(values, words) return require "engram.cli.plugin_check".run(values, words) end,
   ["check-inside"] = function(_, words) return require "engram.cli.plugin_check".inside(words[1]) end,
   list = function() return require "engram.cli.plugin_list".run() end,
   ["list-inside"] = function(_, words) return require "engram.cli.plugin_list".inside(words[1]) end,
}

function command.run(values, words)
   local verb = table.remove(words, 1) or usage_error "plugin: expected new, check or list; engram plugin --help tells more"
   if not verbs[verb] then
      usage_error("plugin: unknown verb '%s'%s", verb, require "engram.suggest".hint(verb, { "new", "check", "list" }))
   end
   return verbs[verb](values, words)
end

return command
