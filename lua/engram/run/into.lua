-- into.lua: `engram run --into DIR FILE ...`: one line that begins a run, goes on with it when it was cut short, and does nothing when
-- it is finished, so that a list of such lines can be given to any job runner, again and again.
local core = require "engram.core"
local quote = require "engram.shell"
local run = require "engram.run"
local usage_error = require "engram.usage"
local C = core.C

local into = {}

-- What a run has written before its status.json, and what a killed writer leaves.
local function is_a_beginning(name)
   return name:find "^%.engram%-.*%.part$" or name == "overrides.txt" or name == "settings.json" or name == "changes.diff"
      or name == "source.yaml" or name == "meta.json" or name == "log.txt"
end

local function is_run(path) return C.eg_file_kind(path .. "/status.json") == 1 end

-- Whether a folder holds nothing but what a run writes before it has begun, as one that was killed in its first moments.
function into.is_beginning(path)
   if C.eg_file_kind(path) ~= 2 then return false end
   for _, name in ipairs(core.names_in(path)) do
      if not is_a_beginning(name) then return false end
   end
   return true
end

-- Raises where a folder holds files of others; not where it became a run while they were looked at.
local function refuse_foreign(path)
   if C.eg_file_kind(path) == 0 then return end
   if C.eg_file_kind(path) ~= 2 then usage_error("run: --into: %s is no folder", path) end
   for _, name in ipairs(core.names_in(path)) do
      if not is_a_beginning(name) and not is_run(path) then
         usage_error("run: --into: %s holds other files (%s) and no run; choose a new or empty folder", path, name)
      end
   end
end

-- The shell line that runs a file with these words; what changes no result, and where it goes, is left out.
function into.command(values, file, words)
   local list = { "engram", "run" }
   local function add(name, value) list[#list + 1], list[#list + 2] = "--" .. name, value end
   for _, plugin in ipairs(values.plugin or {}) do add("plugin", plugin) end
   for _, name in ipairs{ "config", "seed", "evaluate-on", "budget" } do
      if values[name] then add(name, tostring(values[name])) end
   end
   list[#list + 1] = file
   for _, word in ipairs(words) do list[#list + 1] = word end
   for i, word in ipairs(list) do list[i] = quote(word) end
   return table.concat(list, " ")
end

-- The settings file that the run began with, as it was then; nil where there was none.
local function source_of(path)
   local file = io.open(path .. "/source.yaml")
   local text = file and file:read "*a"
   if file then file:close() end
   return text
end

local function check_same(path, values, file, words)
   local was, is = tostring(run.read(path, "meta.json").command), into.command(values, file, words)
   if was ~= is then usage_error("run: --into: %s is the run of '%s', not of '%s'; choose another folder", path, was, is) end
   local _, given = require "engram.cli.script".find("run", file, values.config)
   if given and source_of(path) ~= given.text then
      usage_error("run: --into: %s has changed since %s began with it: choose another folder, or engram resume %s goes on as it was",
         given.path, path, quote(path))
   end
end

-- True when `engram run --into` finds a run that began with these words; false when it is to begin. Others' folders are refused.
function into.begun(values, file, words)
   for _, other in ipairs{ "no-run", "dry-run", "settings", "name", "runs" } do
      if values[other] then usage_error("run: --into names the run's directory: it does not go with --%s", other) end
   end
   local path = values.into
   if not is_run(path) then
      refuse_foreign(path)
      return false
   end
   local same, problem = pcall(check_same, path, values, file, words)
   if not same and is_run(path) then error(problem, 0) end
   return same                                              -- else its process took it away meanwhile, having begun nothing
end

return into
