-- engram resume: goes on with a run that was interrupted, failed or killed, to the bit.
local core = require "engram.core"
local describe = require "engram.run.describe"
local run = require "engram.run"
local settings_file = require "engram.settings.file"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "go on with a run that was cut short",
   usage = "resume [options] RUN|SWEEP",
   text = "RUN is a run's directory. Its script is run again with the same words, in the same folder; each training goes on\n"
      .. "from its checkpoint, and one that had ended is not repeated. The result has the same bits as a run never stopped.\n"
      .. "SWEEP is the directory of a sweep, a selection or engram verify: what is not finished of its jobs is run.",
   options = {
      { "threads", value = "N", number = 1, doc = "threads (default: as the run was asked); never changes a result" },
      { "j", value = "N", number = 1, doc = "jobs at a time of a sweep (default: as it was made)" },
      { "quiet", doc = "no progress" },
   },
}

local function note_changed(path, hash)
   if not hash then return end
   local is = describe.file_hash(path)
   if not is then
      usage_error("resume: %s, which the run began with, cannot be read any more: %s", describe.absolute(path), core.message())
   end
   if is ~= hash then print(("note: %s has changed since the run began"):format(path)) end
end

-- The settings file that the run was given, as it was resolved, or, before the script had come so far, as it was.
local function given_settings(path)
   if C.eg_file_kind(path .. "/source.yaml") ~= 1 then return nil end
   local resolved = path .. "/config.yaml"
   return settings_file.load(C.eg_file_kind(resolved) == 1 and resolved or path .. "/source.yaml")
end

local MOST_NAMED = 5

-- What a folder is when it is neither a run nor a sweep, and what of those below it could be meant.
local function no_run(path)
   if C.eg_file_kind(path .. "/meta.json") == 1 or require "engram.run.into".is_beginning(path) then
      usage_error("resume: %s never began: it has no status.json; `engram run --into %s FILE ...` begins it properly", path, path)
   end
   local below, names = require "engram.run.history".runs{ path }, {}
   for _, one in ipairs(below.runs) do
      if one.state ~= "finished" and one.state ~= "running" then names[#names + 1] = "\n  " .. one.path end
   end
   local text = path .. " is no run directory: it has no meta.json, and no sweep: it has no sweep.json"
   if #below.runs > 0 and #names == 0 then text = ("%s; of %d below it none can be gone on with"):format(text, #below.runs) end
   if #names > 0 then text = text .. "; below it can be gone on with:" .. table.concat(names, "", 1, math.min(#names, MOST_NAMED)) end
   usage_error("resume: %s%s", text, #names > MOST_NAMED and ("\n  and %d more"):format(#names - MOST_NAMED) or "")
end

function command.run(values, words)
   local path = words[1]
   if not path then usage_error "resume: which run? engram resume RUN" end
   if words[2] then usage_error("resume: one run at a time, got '%s' too", words[2]) end
   path = describe.absolute(path):gsub("/+$", "")
   if C.eg_file_kind(path .. "/table.yaml") == 1 then return require "engram.cli.verify".resume(values, path) end
   if C.eg_file_kind(path .. "/sweep.json") == 1 then return require "engram.cli.sweep".resume(values, path) end
   if C.eg_file_kind(path .. "/select.json") == 1 then return require "engram.cli.select".resume(values, path) end
   if C.eg_file_kind(path .. "/meta.json") ~= 1 or C.eg_file_kind(path .. "/status.json") ~= 1 then
      if values.into then run.gone(path) end
      no_run(path)
   end
   if values.j then usage_error("resume: -j goes with a sweep, a selection or engram verify; %s is none", path) end
   local meta, status = run.read(path, "meta.json"), run.read(path, "status.json")
   if status.status == "finished" then
      print(path .. " is finished; there is nothing left to do")
      return 0
   end
   if meta.instructions ~= core.instructions() then
      print(("note: the run was made with instruction set %s, this is %s: results will differ in the last bits"):format(
         tostring(meta.instructions), core.instructions()))
   end
   core.check(C.eg_change_folder(meta.folder))
   note_changed(meta.script, meta.script_sha256)
   for plugin, hash in pairs(meta.plugins or {}) do note_changed(plugin, hash) end
   local how = { threads = values.threads or meta.threads_asked, seed = run.seed_asked(meta), quiet = values.quiet,
      plugin = meta.plugins_asked, ["evaluate-on"] = meta.evaluate_on, budget = meta.budget,
      changed_threads = not values.into and values.threads or nil }
   local arguments = { unpack(meta.arguments or {}) }
   local given = given_settings(path)
   return require "engram.cli.run".execute(how, meta.script, arguments, function() run.reopen(path) end, given)
end

return command
