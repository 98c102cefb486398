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
      .. "SWEEP is a sweep's directory: what is not finished of its jobs is run.",
   options = {
      { "threads", value = "N", number = true, doc = "threads (default: as the run was asked); never changes a result" },
      { "quiet", doc = "no progress" },
   },
}

local function absolute(path)
   if path:sub(1, 1) == "/" then return path end
   return os.getenv "PWD" .. "/" .. path
end

function command.run(values, words)
   local path = words[1]
   if not path then usage_error "resume: which run? engram resume RUN" end
   if words[2] then usage_error("resume: one run at a time, got '%s' too", words[2]) end
   path = absolute(path):gsub("/+$", "")
   if C.eg_file_kind(path .. "/sweep.json") == 1 then return require "engram.cli.sweep".resume(values, path) end
   if C.eg_file_kind(path .. "/meta.json") ~= 1 then usage_error("resume: %s is no run directory: it has no meta.json", path) end
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
   if meta.script_sha256 and describe.file_hash(meta.script) ~= meta.script_sha256 then
      print(("note: %s has changed since the run began"):format(meta.script))
   end
   local how = { threads = values.threads or meta.threads_asked, seed = meta.seed, quiet = values.quiet }
   local arguments = { unpack(meta.arguments or {}) }
   local given = C.eg_file_kind(path .. "/source.yaml") == 1 and C.eg_file_kind(path .. "/config.yaml") == 1
      and settings_file.load(path .. "/config.yaml")           -- as they were resolved: the file may have changed since
   return require "engram.cli.run".execute(how, meta.script, arguments, function() run.reopen(path) end, given or nil)
end

return command
