-- into.lua: `engram run --into DIR FILE ...`: one line that begins a run, goes on with it when it was cut short, and does nothing when
-- it is finished, so that a list of such lines can be given to any job runner, again and again.
local run = require "engram.run"
local usage_error = require "engram.usage"
local core = require "engram.core"
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

-- The command that runs a file with these words.
function into.command(values, file, words)
   local list = { "engram", "run" }
   for _, plugin in ipairs(values.plugin or {}) do list[#list + 1], list[#list + 2] = "--plugin", plugin end
   if values["evaluate-on"] then list[#list + 1], list[#list + 2] = "--evaluate-on", values["evaluate-on"] end
   list[#list + 1] = file
   for _, word in ipairs(words) do list[#list + 1] = word end
   return table.concat(list, " ")
end

local function check_same(path, values, file, words)
   local meta = run.read(path, "meta.json")
   local function line(command, seed) return tostring(command) .. (seed and " --seed " .. seed or "") end
   local was = line(meta.command, run.seed_asked(meta))
   local is = line(into.command(values, file, words), values.seed)
   if was ~= is then usage_error("run: --into: %s is the run of '%s', not of '%s'; choose another folder", path, was, is) end
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
   check_same(path, values, file, words)
   return true
end

return into
