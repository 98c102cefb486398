-- cli/script.lua: finds what `engram run FILE` is to run: a script, or a settings file with the script that it is for. A file of
-- experiments/ needs neither folder nor ending.
local core = require "engram.core"
local settings_file = require "engram.settings.file"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"
local C = core.C

local script = {}

script.lua_folder = package.searchpath("engram.core", package.path):match "^(.*)/engram/core%.lua$"
local experiments = settings_file.experiments

local function runnable_files(folder)
   local list, ok, names = {}, pcall(core.names_in, folder)
   for _, name in ipairs(ok and names or {}) do
      if name:find "%.lua$" or settings_file.is_settings(name) then list[#list + 1] = name end
   end
   return list
end

local function content(path)
   local file = assert(io.open(path))
   local text = file:read "*a"
   file:close()
   return text
end

-- What of experiments/ is run by its name: scripts that declare settings, and settings files: a list of { name =, text = }.
function script.experiments()
   local list = {}
   for _, name in ipairs(runnable_files(experiments)) do
      local text = content(experiments .. "/" .. name)
      if settings_file.is_settings(name) or text:find("engram.settings", 1, true) then list[#list + 1] = { name = name, text = text } end
   end
   return list
end

local function not_there(who, file)
   local folder, name = file:match "^(.*)/([^/]*)$"
   local nearest = suggest.nearest(name or file, runnable_files(folder or "."))
   if nearest then nearest = (folder and folder .. "/" or "") .. nearest
   elseif not folder then nearest = suggest.nearest(file, runnable_files(experiments)) end
   usage_error("%s: there is no file '%s'%s", who, file, nearest and (", did you mean '%s'?"):format(nearest) or "")
end

-- The path of the file that was meant; `who` is the command, for messages.
local function path_of(who, file)
   if not file then usage_error("%s: which script? engram %s FILE [key=value ...]", who, who) end
   if C.eg_file_kind(file) == 1 then return file end
   if C.eg_file_kind(file) == 2 then usage_error("%s: %s is a folder, expected a script", who, file) end
   if C.eg_file_kind(file) == 3 then usage_error("%s: %s is a device or pipe, expected a file", who, file) end
   return settings_file.by_name(file, ".lua", ".yaml") or not_there(who, file)
end

local function check_script(given)
   if C.eg_file_kind(given.script) == 1 then return end
   usage_error("%s: names no script and there is no %s: add `script: NAME.lua`, or engram run --config %s SCRIPT", given.path,
      given.script, given.path)
end

-- find(who, file, config): the script's path and, with a settings file (FILE itself, or `config`), what settings/file.lua made of it.
function script.find(who, file, config)
   local path = path_of(who, file)
   if not settings_file.is_settings(path) then return path, config and settings_file.load(config) end
   if config then usage_error("%s: %s is a settings file already; --config goes with a script", who, path) end
   local given = settings_file.load(path)
   check_script(given)
   return given.script, given
end

return script
