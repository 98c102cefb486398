-- repl/plugins.lua: what is known of an optimizer or a method of continual learning from its description: its help, where the reference
-- has none because it is a plugin, and the file that it stands in.
local core = require "engram.core"
local objects = require "engram.help.objects"

local plugins = {}

-- The description that a value goes by (a constructor, an optimizer, a method), and the room of its kind; nil when there is none.
function plugins.of(value)
   for _, room in ipairs{ "optim", "cl.methods" } do
      local registry = objects.container(room)
      for _, name in ipairs(registry.list()) do
         if rawequal(rawget(registry, name), value) then return registry.description(name), room end
      end
   end
   local given = type(value) == "table" and rawget(value, "description")
   if type(given) ~= "table" then return nil end
   for _, room in ipairs{ "optim", "cl.methods" } do
      for _, name in ipairs(objects.container(room).list()) do
         if objects.container(room).description(name) == given then return given, room end
      end
   end
end

local function bounds(hyper)
   if hyper.choices then return ("one of %s; "):format(table.concat(hyper.choices, ", ")) end
   if hyper.min and hyper.max then return ("%s to %s; "):format(hyper.min, hyper.max) end
   return hyper.min and ("at least %s; "):format(hyper.min) or hyper.max and ("at most %s; "):format(hyper.max) or ""
end

-- The help on a description, as Markdown.
function plugins.text(given, room)
   local lines = { ("### %s.%s"):format(room, given.name), "", given.doc or "It has no description." }
   local about = {}
   for _, field in ipairs{ "version", "licence", "source", "path" } do
      if given[field] then about[#about + 1] = ("%s %s"):format(field == "path" and "file" or field, given[field]) end
   end
   if #about > 0 then lines[#lines + 1] = table.concat(about, ", ") end
   local names = {}
   for name in pairs(given.hyper or {}) do names[#names + 1] = name end
   table.sort(names)
   for _, name in ipairs(names) do
      local hyper = given.hyper[name]
      lines[#lines + 1] = ("- `%s = %s`: %s%s"):format(name, tostring(hyper.default), bounds(hyper), hyper.doc or "")
   end
   return table.concat(lines, "\n")
end

-- The path of the file that a description stands in; nil when it was typed.
function plugins.path(given, room)
   if given.path then return given.path end
   local folder = package.searchpath("engram." .. room, package.path):match "^(.*)/init%.lua$"
   local name = given.name:gsub("(%l)(%u)", "%1_%2"):lower()
   local path = folder and ("%s/%s.lua"):format(folder, name)
   return path and core.C.eg_file_kind(path) == 1 and path or nil
end

return plugins
