-- run: the directory of a run, RUNS/EXPERIMENT/20261123-183000-lr=0.1-s3-ab12/. One directory is one run; everything in it
-- is text or safetensors and appears whole or not at all (metrics.jsonl and log.txt grow by whole lines).
local core = require "engram.core"
local json = require "engram.json"
local code = require "engram.run.code"
local describe = require "engram.run.describe"
local Folder = require "engram.run.folder"
local journal = require "engram.run.journal"
local left = require "engram.run.left"
local paths = require "engram.run.paths"
local C = core.C

local run = { label = paths.label, new_path = paths.new, is_running = left.is_running }
local current                           -- the run of this process, or nil

local HEARTBEAT, CHANGE = 10, 2         -- seconds from one writing of status.json to the next, and to one that tells something new

-- ---- the run ----------------------------------------------------------------------------------------------

local Run = setmetatable({}, { __index = Folder })
Run.__index = Run
run.Run = Run

-- The folder of one training: of `name`, or, without a name, the run's own for the first and train-2, ... after it.
function Run:open(name)
   if name ~= nil and (type(name) ~= "string" or name == "" or name == "ckpt" or name:find "^%.") then
      core.raise("run: a sub-run's name must be a word other than ckpt, got '%s'", tostring(name))
   end
   name = name and name:gsub("[^%w_.=+,-]", "_")
   local wanted, count = name or "train", 1
   while self.opened[count > 1 and wanted .. "-" .. count or wanted] do count = count + 1 end
   local folder = count > 1 and wanted .. "-" .. count or wanted
   local path = self.path
   if name or count > 1 then
      path = path .. "/" .. folder
      core.check(C.eg_make_folders(path))
   end
   self.opened[folder] = setmetatable({ path = path, name = name, run = self }, Folder)
   return self.opened[folder]
end

-- Asks for an HTML report in the run's folder when it is finished.
function Run:report() self.wants_report = true end

-- The journal at a path.
function Run:journal(path)
   self.journals[path] = self.journals[path] or journal.new(path, self.repeats)
   return self.journals[path]
end

-- { name = bytes } of the journals, all of it on disk: for a checkpoint.
function Run:journal_sizes()
   local sizes = {}
   for path, file in pairs(self.journals) do
      file:sync()
      sizes[path:sub(#self.path + 2)] = file:size()
   end
   return sizes
end

-- A checkpoint was loaded that was made when the journals had these sizes.
function Run:stood_at(sizes)
   for name, bytes in pairs(sizes) do self:journal(self.path .. "/" .. name):stood_at(bytes) end
end

-- The script has come to where it stopped, or past it: what comes now is new.
function Run:go_on()
   if not self.repeats then return end
   self.repeats = nil
   for _, file in pairs(self.journals) do file:go_on() end
end

-- Notes the SHA-256 of an optimizer's file in meta.json, as it was when the run loaded it first.
function Run:note_plugin(path, sha256)
   local meta = run.read(self.path, "meta.json")
   meta.plugins = meta.plugins or {}
   if meta.plugins[path] then return end
   meta.plugins[path] = sha256
   self:write_json("meta.json", meta)
end

local function note(self, key, value)
   local meta = run.read(self.path, "meta.json")
   if meta[key] == value then return end
   meta[key] = value
   self:write_json("meta.json", meta)
end

-- Notes in meta.json the root seed that the run has: its setting's, and then that of its first training.
function Run:note_seed(seed, training)
   if self.seed_noted then return end
   self.seed_noted = training
   note(self, "seed", seed)
end

-- Writes status.json: where the run is, and `more`.
function Run:set_status(status, more)
   local value = { status = status, process = C.eg_process_id(), host = describe.host(), started = self.started,
      updated = describe.time(), resumed = self.resumed, worked = self.worked }
   for _, where in ipairs{ self.place, more or {} } do
      for key, extra in pairs(where) do value[key] = extra end
   end
   self.status, self.status_clock, self.told = status, C.eg_clock(), { doing = self.place.doing, task = self.place.task }
   self:write_json("status.json", value)
end

-- The first at once, then when something else is being done, and then to tell that the run is alive. By the monotonic clock: one that is
-- set back or forth neither silences the heartbeat nor makes it race.
function Run:heartbeat(event)
   local place, told = self.place, self.told
   for _, key in ipairs{ "doing", "task", "epoch", "step" } do place[key] = event[key] or place[key] end
   if self.status ~= "running" or next(place) == nil then return end
   local due = HEARTBEAT
   if place.doing ~= told.doing or place.task ~= told.task then due = next(told) and CHANGE or 0 end
   if C.eg_clock() - self.status_clock >= due then self:set_status "running" end
end

-- ---- begin, current, finish -------------------------------------------------------------------------------

local function new_run(path, fields)
   local self = setmetatable({ path = path, made = {}, opened = {}, journals = {}, place = {}, started = describe.time(),
      clock = C.eg_clock(), lock = left.lock(path) }, Run)
   for key, value in pairs(fields) do self[key] = value end
   self.run = self
   return self
end

-- Takes away what was made for a run that never began.
local function remove(self)
   os.remove(self.path .. "/status.json")                  -- first: without it others see no run
   for _, name in ipairs(core.names_in(self.path)) do os.remove(self.path .. "/" .. name) end
   for _, folder in ipairs(self.made) do os.remove(folder) end
   C.eg_folder_unlock(self.lock)
end

-- Makes the run's directory, which no other run has; its path, and the folders that are new, the innermost first.
local function make_folder(about)
   local path, made = about.path, {}
   local outcome
   local base = not path and paths.base(about.runs, about.experiment) or nil
   for _, folder in ipairs{ path or base, about.runs or "runs" } do
      if C.eg_file_kind(folder) == 0 then made[#made + 1] = folder end
   end
   if path then
      outcome = C.eg_make_folders(path) == 0 and 1 or -1
   else
      repeat
         path = paths.new(about.runs, about.experiment, about.name or paths.label(about.words))
         outcome = C.eg_make_own_folder(path)
      until outcome ~= 0
      table.insert(made, 1, path)
   end
   if outcome < 0 then
      error(("run: %s; choose another folder with %s DIR, or none with --no-run"):format(core.message(),
         about.path and "--into" or "--runs"), 0)
   end
   return path, made
end

-- The files that a run has from its beginning.
local function write_first_files(self, about)
   self:write("overrides.txt", table.concat(about.words or {}, "\n") .. "\n")
   self:write_json("settings.json", {})
   if about.source then self:write("source.yaml", about.source) end
   local meta, changes = describe.meta(about)
   if changes then self:write("changes.diff", changes) end
   meta.library_sha256 = code.library()
   self:write_json("meta.json", meta)
   self:set_status "running"
end

-- Opens the run of this process: { experiment =, name =, runs = folder, path = instead of a new one, words = { "lr=0.1" },
-- source = text of the settings file, command =, seed = }.
function run.begin(about)
   local path, made = make_folder(about)
   local self = new_run(path, { made = made, wants_report = about.report, tensorboard = about.tensorboard })
   if self.lock == -1 then left.taken("run: %s: another process is at it", path) end
   if C.eg_file_kind(path .. "/status.json") ~= 0 then left.taken("run: %s is a run already", path) end
   local ok, problem = pcall(write_first_files, self, about)
   if not ok then
      remove(self)
      error(problem, 0)
   end
   current = self
   return self
end

-- What status.json or meta.json of a run directory says.
function run.read(path, name)
   local ok, value = pcall(json.load, path .. "/" .. name)
   if not ok then core.raise("%s", (tostring(value):gsub("^run: ", ""))) end                 -- it names the file
   if type(value) ~= "table" then core.raise("%s/%s: expected an object, got %s", path, name, tostring(value)) end
   return value
end

-- What `engram run --seed` said, given meta.json; nil for nothing.
function run.seed_asked(meta)
   if meta.seed_asked == nil then return meta.seed end                  -- as runs were noted at first
   return meta.seed_asked or nil
end

-- Raises: a run that was there just now is no more.
function run.gone(path) left.taken("run: %s was taken away just now by a process that was stopped before it began", path) end

-- Opens a run directory again, to go on where its checkpoints stand. Refuses one that another process is at, or was until this one
-- had the lock: only what status.json says under the lock holds, and one who was stopped before anything began takes all of it away.
function run.reopen(path)
   local self = new_run(path, { repeats = true })
   if C.eg_file_kind(path .. "/status.json") == 0 then
      C.eg_folder_unlock(self.lock)
      run.gone(path)
   end
   local status = run.read(path, "status.json")
   self.started, self.resumed, self.worked = status.started, json.array(status.resumed or {}), json.array(status.worked or {})
   left.check_free(path, status, self.lock)
   if status.status == "finished" then
      C.eg_folder_unlock(self.lock)
      left.taken("run: %s was finished by another process just now", path)
   end
   local meta = run.read(path, "meta.json")
   self.wants_report, self.tensorboard = meta.report, meta.tensorboard
   self.worked[#self.worked + 1] = json.array{ self.resumed[#self.resumed] or status.started, status.updated }
   self.resumed[#self.resumed + 1] = describe.time()
   local library = code.library()
   if meta.library_sha256 and not meta.library_sha256:find(library, 1, true) then
      print(("note: %s was begun by another Engram than this one: its bits may be those of neither"):format(path))
      note(self, "library_sha256", meta.library_sha256 .. "+" .. library)
   end
   local journals = left.clear_away(path)
   for _, folder in ipairs(left.without_checkpoint(path, status)) do
      print(("note: %s has no checkpoint: what it had done is done again, from its beginning"):format(folder))
   end
   self:set_status "running"
   for _, file in ipairs(journals) do self:journal(file) end
   if not left.has_checkpoint(path) then self:go_on() end      -- all of it is done again
   current = self
   return self
end

-- The run of this process, or nil when `engram run` did not open one.
function run.current() return current end

-- The last resort on a full disk: status.json where it stands, padded to its old length, needs no new room.
local function overwrite_status(self, value)
   local path = self.path .. "/status.json"
   local text, file = json.encode(value, true) .. "\n", io.open(path, "r+")
   if not file then return end
   file:write(text, (" "):rep(math.max(0, tonumber(C.eg_file_size(path)) - #text)))
   file:close()
end

-- The run directories at a path, oldest first: the path itself, when it is one, or those in it.
function run.folders(path)
   local function is_run(folder) return C.eg_file_kind(folder .. "/meta.json") == 1 end
   if is_run(path) then return { path } end
   if C.eg_file_kind(path) ~= 2 then core.raise("run.folders: %s: there is no such folder", path) end
   local list = {}
   for _, name in ipairs(core.names_in(path)) do
      if is_run(path .. "/" .. name) then list[#list + 1] = path .. "/" .. name end
   end
   table.sort(list)
   return list
end

-- Closes the run: "finished", "failed" or "interrupted".
function run.finish(status, message)
   local self = current
   if not self then return end
   current, status = nil, status or "finished"
   local more = { error = message, seconds = C.eg_clock() - self.clock, peak_memory = tonumber(C.eg_peak_resident_bytes()) }
   local ok, problem = pcall(function()
      if status == "finished" then
         self:go_on()
         self.place.doing = nil
      end
      note(self, "threads", C.eg_threads_get())              -- the script may have set them
      note(self, "modules", code.modules())
      self:set_status(status, more)
   end)
   if ok and status == "finished" then
      for _, folder in pairs(self.opened) do folder:drop_checkpoint() end
   end
   C.eg_folder_unlock(self.lock)
   if ok then return end
   io.stderr:write("engram: ", tostring(problem), "\n")
   overwrite_status(self, { status = status, error = message })
end

-- Takes the directory away again: for a run that was called wrongly and never began. One that is gone on with had begun.
function run.discard(message)
   local self = current
   if not self then return end
   if self.repeats or next(self.opened) then return run.finish("failed", message) end
   current = nil
   remove(self)
end

return run
