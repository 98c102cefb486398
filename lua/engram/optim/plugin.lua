-- optim/plugin.lua: finds the file of an optimizer and reads its description: a Lua file that returns one, or a shared library.
local ffi = require "ffi"
local core = require "engram.core"
local native = require "engram.optim.native"
local suggest = require "engram.suggest"
local C, raise = core.C, core.raise

local plugin = {}

-- The folder above lua/: PREFIX/share/engram of an installed Engram, else the source tree's, which has core/.
local root = debug.getinfo(1, "S").source:match "^@(.*)/lua/engram/optim/plugin%.lua$" or "."
local prefix = root:match "^(.*)/share/engram$"

-- The folders where plugins are looked for by name: $ENGRAM_PLUGINS, PREFIX/lib/engram/plugins, and the examples.
function plugin.folders()
   local list, chosen = {}, os.getenv "ENGRAM_PLUGINS"
   if chosen and chosen ~= "" then list[1] = chosen end
   if prefix then list[#list + 1] = prefix .. "/lib/engram/plugins" end
   list[#list + 1] = root .. "/experiments/plugins"
   return list
end

-- The folder of engram_plugin.h; nil when it is not there.
function plugin.header_folder()
   local folder = prefix and prefix .. "/include/engram" or root .. "/core"
   return C.eg_file_kind(folder .. "/engram_plugin.h") == 1 and folder or nil
end

-- ---- finding ----------------------------------------------------------------------------------------------

local ENDINGS = { "", ".lua", ".so" }

local function is_plugin_name(name) return name:find "%.lua$" or name:find "%.so$" end

-- The files that may be plugins in a folder, without what cannot be listed.
function plugin.files(folder)
   local list, ok, names = {}, pcall(core.names_in, folder)
   for _, name in ipairs(ok and names or {}) do
      if is_plugin_name(name) then list[#list + 1] = name end
   end
   return list
end

-- True of a library, and of a Lua file that returns something and speaks of a step: a script does not.
local function may_be_plugin(path)
   if path:find "%.so$" then return true end
   local file = io.open(path, "rb")
   local text = file and "\n" .. (file:read "*a" or "") or ""
   if file then file:close() end
   return text:find "\n%s*return[%s{]" and (text:find "%f[%w_]step%f[^%w_]" or text:find "%f[%w_]chain%f[^%w_]") and true
end

-- The paths of what looks like a plugin in all folders.
function plugin.all()
   local list = {}
   for _, folder in ipairs(plugin.folders()) do
      for _, name in ipairs(plugin.files(folder)) do
         if may_be_plugin(folder .. "/" .. name) then list[#list + 1] = folder .. "/" .. name end
      end
   end
   return list
end

-- The names under which they are found.
function plugin.names()
   local list = {}
   for i, path in ipairs(plugin.all()) do list[i] = path:match "([^/]*)%.%w+$" end
   return list
end

local function not_there(path, from)
   local folder, name = path:match "^(.*)/([^/]*)$"
   local nearest = suggest.nearest(name or path, plugin.files(folder or "."))
   if nearest == (name or path) then raise("%s%s is a link to a file that is not there", from, path) end
   if nearest then nearest = (folder and folder .. "/" or "") .. nearest
   elseif not folder then nearest = suggest.nearest((path:gsub("%.%w+$", "")), plugin.names()) end
   raise("%sthere is no file '%s'%s", from, path, nearest and (", did you mean '%s'?"):format(nearest) or "")
end

-- The file that a path, or the name of one in the folders, means; nil when there is none.
function plugin.look(path)
   if C.eg_file_kind(path) ~= 0 then return path end
   for _, folder in ipairs(not path:find "/" and plugin.folders() or {}) do
      for _, ending in ipairs(ENDINGS) do
         local found = folder .. "/" .. path .. ending
         if C.eg_file_kind(found) == 1 and is_plugin_name(found) then return found end
      end
   end
end

-- The same; raises when there is none, or no file. `from` begins the message.
function plugin.find(path, from)
   if type(path) ~= "string" then raise("%sexpected a path, got %s", from, core.typename(path)) end
   if path == "" then raise("%sthe path is empty", from) end
   local found = plugin.look(path) or not_there(path, from)
   local kind = C.eg_file_kind(found)
   if kind == 1 then return found end
   raise("%s%s is %s, expected the file of an optimizer (.lua or .so)", from, path, kind == 2 and "a folder" or "no plain file")
end

-- ---- reading ----------------------------------------------------------------------------------------------

local function read_lua(path, from)
   local ending = path:match "%.(c%a*)$"
   if ending and ("c cc cpp cxx"):find("%f[%w]" .. ending .. "%f[%W]") then
      raise("%s%s: is the source of a plugin: compile it, cc -std=c11 -O2 -shared -fPIC -I %s %s -o %s.so", from, path,
         plugin.header_folder() or "FOLDER_OF_THE_HEADER", path, (path:gsub("%.%w+$", "")))
   end
   local chunk, problem = loadfile(path, "t")
   if not chunk and problem:find "wrong mode" then raise("%s%s: is compiled Lua, expected its source", from, path) end
   if not chunk then raise("%s%s", from, problem) end
   local ok, result = pcall(chunk)
   if not ok then
      result = tostring(result)
      raise("%s%s%s", from, result:find(path, 1, true) and "" or path .. ": ", result)
   end
   if type(result) ~= "table" then
      raise("%s%s: expected the file to return a table, got %s: return { name = ..., step = function(p, g, s, h) ... end }", from, path,
         core.typename(result))
   end
   return result
end

-- The messages of plugin.c that advise to compile again gain the place of the header.
local function with_header(problem)
   local folder = plugin.header_folder()
   if type(problem) ~= "string" or not folder then return problem end
   return (problem:gsub("this Engram's engram_plugin%.h", function(words) return words .. " (in " .. folder .. ")" end, 1))
end

local function read_native(path, from)
   local ok, description, address = pcall(native, path, from)
   if not ok then error(with_header(description), 0) end
   return description, address
end

-- read(path, from): the description in a file that find() found, and, of a C plugin, an address within its library.
function plugin.read(path, from)
   local file, problem = io.open(path, "rb")
   if not file then raise("%s%s", from, problem) end
   local first = file:read(4)
   file:close()
   local is_native = first == "\127ELF" or path:find "%.so$"
   local description, address = (is_native and read_native or read_lua)(path, from)
   local hash = ffi.new "char[65]"
   core.check(C.eg_sha256_file(path, hash))
   return description, ffi.string(hash), address
end

return plugin
