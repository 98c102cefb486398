-- settings/file.lua: settings files. A file is a YAML map; `base:` names the files (relative to it) that it builds on, `script:` the
-- script that it is for (default: NAME.lua beside NAME.yaml). Neither is a setting.
local core = require "engram.core"
local usage_error = require "engram.usage"
local yaml = require "engram.yaml"
local C = core.C

local file = {}

local MAX_FILES = 64                    -- bases of bases of bases

-- The folder of what is run by its name.
file.experiments = package.searchpath("engram.core", package.path):match "^(.*)/engram/core%.lua$" .. "/../experiments"

-- The file of that folder that a name means, as it is or with one of the endings; nil where there is none.
function file.by_name(name, ...)
   for _, ending in ipairs{ "", ... } do
      local path = file.experiments .. "/" .. name .. ending
      if not name:find "/" and C.eg_file_kind(path) == 1 then return path end
   end
end

function file.is_settings(path) return path:find "%.ya?ml$" ~= nil end

-- The path of `name` as a file at `path` says it.
local function relative(path, name)
   if name:sub(1, 1) == "/" then return name end
   return (path:match "^(.*/)" or "") .. name
end

-- The path of a script that a file at `path` names: beside it, or one of experiments/, with or without its ending.
local function script_of(path, node)
   local beside = relative(path, node.text)
   for _, found in ipairs{ beside, beside .. ".lua" } do
      if C.eg_file_kind(found) == 1 then return found end
   end
   return file.by_name(node.text, ".lua")
      or usage_error("%s: script: there is no file '%s', and no '%s' in experiments/ either", node.where, beside, node.text)
end

local function take(map, key)
   for i, member in ipairs(map.members) do
      if member.key == key then return table.remove(map.members, i).value end
   end
end

local function names_of(node)
   local list = node.kind == "list" and node or { node }
   for _, item in ipairs(list) do
      if item.kind ~= "string" or item.text == "" then
         usage_error("%s: base: expected the name of a file, or a list of names", item.where)
      end
   end
   return list
end

local function parse(path, where)
   local text, problem = yaml.read(path)
   if not text then usage_error("%s%s", where, problem) end
   local node
   node, problem = yaml.parse(text, path)
   if not node then usage_error("%s", problem) end
   if node.kind == "null" then node = { kind = "map", members = {}, where = node.where } end
   if node.kind ~= "map" then usage_error("%s: expected a map of settings, got a %s", node.where, node.kind) end
   return node, text
end

-- Adds the maps of a file and of all that it builds on to found.maps, the weakest first. `open`: the files that ask for it.
local function load(path, where, found, open)
   if open[path] then usage_error("%s%s builds on itself", where, path) end
   found.files = found.files + 1
   if found.files > MAX_FILES then usage_error("%smore than %d files", where, MAX_FILES) end
   local map, text = parse(path, where)
   local bases, script = take(map, "base"), take(map, "script")
   open[path] = true
   for _, base in ipairs(bases and names_of(bases) or {}) do load(relative(path, base.text), base.where .. ": base: ", found, open) end
   open[path] = nil
   if script then
      if script.kind ~= "string" then usage_error("%s: script: expected the name of a script", script.where) end
      found.script = script_of(path, script)
   end
   found.maps[#found.maps + 1] = map
   return text
end

-- load(path): { maps = the file's and its bases', the weakest first; script = the script's path; path; text = the file as it is }.
function file.load(path)
   local found = { maps = {}, files = 0, path = path }
   found.text = load(path, "", found, {})
   found.script = found.script or path:gsub("%.ya?ml$", "") .. ".lua"
   return found
end

return file
