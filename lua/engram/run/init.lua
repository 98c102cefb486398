-- run: the directory of a run, RUNS/EXPERIMENT/20261123-183000-lr=0.1-s3-ab12/. One directory is one run; everything in it
-- is text or safetensors and appears whole or not at all (metrics.jsonl and log.txt grow by whole lines).
local ffi = require "ffi"
local core = require "engram.core"
local json = require "engram.json"
local describe = require "engram.run.describe"
local C = core.C

local run = {}
local current                           -- the run of this process, or nil

local HEARTBEAT = 10                    -- seconds between two writings of status.json

-- ---- writing: what runs and their sub-runs share ----------------------------------------------------------

local Folder = {}
Folder.__index = Folder

local function check(status, path)
   if status == 0 then return end
   local message = core.message()
   core.raise("run: %s", message:find(path, 1, true) and message or path .. ": " .. message)
end

-- Writes a file of this folder, whole or not at all.
function Folder:write(name, text)
   local path = self.path .. "/" .. name
   check(C.eg_file_write(path, text, #text), path)
end

function Folder:write_json(name, value) json.save(self.path .. "/" .. name, value) end

-- Adds one line.
function Folder:append(name, line)
   local path = self.path .. "/" .. name
   check(C.eg_file_append(path, line .. "\n", #line + 1), path)
end

-- Bytes of a file of this folder; 0 when there is none.
function Folder:size(name) return math.max(0, tonumber(C.eg_file_size(self.path .. "/" .. name))) end

-- Drops what a file of this folder holds behind so many bytes.
function Folder:cut(name, bytes)
   local path = self.path .. "/" .. name
   if bytes > 0 or self:size(name) > 0 then check(C.eg_file_cut(path, bytes), path) end
end

-- True in a run that `engram resume` opened again.
function Folder:resumes() return self.run.resumed or false end

-- Adds one event to metrics.jsonl. Numbers that are not finite become null and are named in "nonfinite".
function Folder:log_metric(event)
   local copy, nonfinite = {}, json.array{}
   for key, value in pairs(event) do
      copy[key] = value
      if type(value) == "number" and (value ~= value or math.abs(value) == math.huge) then
         copy[key] = json.null
         nonfinite[#nonfinite + 1] = key
      end
   end
   table.sort(nonfinite)
   if #nonfinite > 0 then copy.nonfinite = nonfinite end
   self:append("metrics.jsonl", json.encode(copy))
   if self.run.tensorboard then require "engram.run.tensorboard".log(self, event) end
   self.run:heartbeat(event)
end

-- Tells, every ten seconds at most, that the run is alive and where it is: { task =, epoch =, step = }.
function Folder:heartbeat(event) self.run:heartbeat(event) end

-- The module's weights as NAME (default weights.safetensors).
function Folder:save_weights(module, name) module:save(self.path .. "/" .. (name or "weights.safetensors")) end

-- Adds text to log.txt: progress that overwrites itself (\r) has no place there.
function Folder:log(text)
   text = text:gsub("[^\n]*\r", ""):gsub("\n$", "")
   self.run:append("log.txt", text)
end

-- ---- the run ----------------------------------------------------------------------------------------------

local Run = setmetatable({}, { __index = Folder })
Run.__index = Run

-- The folder of one training: of `name`, or, without a name, the run's own for the first and train-2, ... after it.
function Run:open(name)
   if name ~= nil and (type(name) ~= "string" or name == "" or name:find "^%.") then
      core.raise("run: a sub-run's name must be a word, got '%s'", tostring(name))
   end
   name = name and name:gsub("[^%w_.=+,-]", "_")
   local wanted, count = name or "train", 1
   while self.opened[count > 1 and wanted .. "-" .. count or wanted] do count = count + 1 end
   local folder = count > 1 and wanted .. "-" .. count or wanted
   self.opened[folder] = true
   local path = self.path
   if name or count > 1 then
      path = path .. "/" .. folder
      check(C.eg_make_folders(path), path)
   end
   return setmetatable({ path = path, name = name, run = self }, Folder)
end

-- Asks for an HTML report in the run's folder when it is finished.
function Run:report() self.wants_report = true end

function Run:set_status(status, more)
   local value = { status = status, process = C.eg_process_id(), host = describe.host(), started = self.started, updated = describe.time() }
   for key, extra in pairs(more or {}) do value[key] = extra end
   self.status, self.status_clock = status, C.eg_clock()
   self:write_json("status.json", value)
end

function Run:heartbeat(event)
   if C.eg_clock() - self.status_clock < HEARTBEAT or self.status ~= "running" then return end
   self:set_status("running", { task = event.task, epoch = event.epoch, step = event.step })
end

-- ---- begin, current, finish -------------------------------------------------------------------------------

local function safe(text) return (text:gsub("[^%w_.=+,-]", "_")) end

-- "lr=0.1-s3" of the words key=value: what tells this run from its siblings.
function run.label(words)
   local parts = {}
   for _, word in ipairs(words or {}) do
      local key, value = word:match "^([%a_][%w_.%-]*)=(.*)$"
      if key then parts[#parts + 1] = key == "seed" and "s" .. value or word end
   end
   return safe(table.concat(parts, "-")):sub(1, 80)
end

-- Four letters that no other run of this second has: two runs must never share a directory.
local function random_word()
   local source = io.open("/dev/urandom", "rb")
   local letters, word = "0123456789abcdefghjkmnpqrstvwxyz", ""
   local bytes = source and source:read(4) or tostring(C.eg_process_id()):rep(4)
   if source then source:close() end
   for i = 1, 4 do
      local at = bytes:byte(i) % 32 + 1
      word = word .. letters:sub(at, at)
   end
   return word
end

-- A path that nothing has yet, RUNS/EXPERIMENT/DATE-TIME-MIDDLE-ID, and RUNS/EXPERIMENT.
function run.new_path(runs, experiment, middle)
   local base = ("%s/%s"):format(runs or "runs", safe(experiment))
   while true do
      local path = ("%s/%s%s-%s"):format(base, os.date "%Y%m%d-%H%M%S", middle ~= "" and "-" .. safe(middle) or "", random_word())
      if C.eg_file_kind(path) == 0 then return path, base end
   end
end

-- Claims a run's directory for this process, where the file system can (some network folders cannot).
local function claim(path)
   if C.eg_lock_folder(path) == 0 then core.raise("run: %s: another process is at it", path) end
end

-- Opens the run of this process: { experiment =, name =, runs = folder, path = instead of a new one, words = { "lr=0.1" },
-- command =, seed = }.
function run.begin(about)
   local path, base = about.path, about.path
   if not path then path, base = run.new_path(about.runs, about.experiment, about.name or run.label(about.words)) end
   local made = {}                      -- folders that are ours, the innermost first
   for _, folder in ipairs{ path, base, about.runs or "runs" } do
      if C.eg_file_kind(folder) == 0 and folder ~= made[#made] then made[#made + 1] = folder end
   end
   if C.eg_make_folders(path) ~= 0 then
      error(("run: %s; choose another folder with --runs DIR, or none with --no-run"):format(core.message()), 0)
   end
   claim(path)
   if C.eg_file_kind(path .. "/status.json") ~= 0 then core.raise("run: %s is a run already", path) end
   local self = setmetatable({ path = path, made = made, opened = {}, started = describe.time(), clock = C.eg_clock() }, Run)
   self.run = self
   self:write("overrides.txt", table.concat(about.words or {}, "\n") .. "\n")
   self:write_json("settings.json", {})
   self:write_json("meta.json", describe.meta(about))
   self.wants_report, self.tensorboard = about.report, about.tensorboard
   self:set_status "running"
   current = self
   return self
end

-- What status.json or meta.json of a run directory says.
function run.read(path, name)
   local ok, value = pcall(json.load, path .. "/" .. name)
   if not ok or type(value) ~= "table" then core.raise("run: %s/%s cannot be read: %s", path, name, tostring(value)) end
   return value
end

local STALE = 300                       -- seconds after which a run of another machine that does not write is held to be dead

-- Seconds since a time as describe.time writes it.
local function age(time)
   local year, month, day, hour, minute, second = tostring(time):match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)Z$"
   if not year then return math.huge end
   local now = os.date "!*t"
   now.isdst = false
   return os.time(now) - os.time{ year = year, month = month, day = day, hour = hour, min = minute, sec = second, isdst = false }
end

-- True when a process is at a run, given its status.json: it holds the claim on the directory. Where claims are not seen (another
-- machine, a network folder) its heartbeat or its process tells.
function run.is_running(path, status)
   if status.status ~= "running" then return false end
   local claimed = C.eg_folder_locked(path)
   if claimed == 1 then return true end
   if status.host and status.host ~= describe.host() then return age(status.updated) < STALE end
   return claimed == -1 and C.eg_process_alive(status.process or 0) == 1
end

-- Opens a run directory again, to go on where its checkpoints stand. Refuses one that another process is at.
function run.reopen(path)
   local status = run.read(path, "status.json")
   if run.is_running(path, status) then
      core.raise("run: %s is still running, as process %d on %s", path, status.process, tostring(status.host))
   end
   local self = setmetatable({ path = path, made = {}, opened = {}, started = status.started, clock = C.eg_clock(), resumed = true },
      Run)
   self.run = self
   claim(path)
   local meta = run.read(path, "meta.json")
   self.wants_report, self.tensorboard = meta.report, meta.tensorboard
   self:set_status "running"
   self:append("log.txt", "resumed " .. describe.time())
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
   for name in ffi.string(C.eg_list_folder(path)):gmatch "[^\n]+" do
      if is_run(path .. "/" .. name) then list[#list + 1] = path .. "/" .. name end
   end
   table.sort(list)
   return list
end

-- A finished run is not gone on with: its checkpoints may be large and are of no more use.
local function drop_checkpoints(self)
   os.remove(self.path .. "/checkpoint.safetensors")
   for folder in pairs(self.opened) do
      os.remove(self.path .. "/" .. folder .. "/checkpoint.safetensors")
   end
end

-- Closes the run: "finished", "failed" or "interrupted".
function run.finish(status, message)
   local self = current
   if not self then return end
   current = nil
   local more = { error = message, seconds = C.eg_clock() - self.clock, peak_memory = tonumber(C.eg_peak_resident_bytes()) }
   local ok, problem = pcall(self.set_status, self, status or "finished", more)
   if ok and self.status == "finished" then drop_checkpoints(self) end
   if ok then return end
   io.stderr:write("engram: ", tostring(problem), "\n")
   overwrite_status(self, { status = status, error = message })
end

-- Takes the directory away again: for a run that was called wrongly and never began.
function run.discard()
   local self = current
   if not self then return end
   if next(self.opened) then return run.finish "failed" end
   current = nil
   for name in ffi.string(C.eg_list_folder(self.path)):gmatch "[^\n]+" do os.remove(self.path .. "/" .. name) end
   for _, folder in ipairs(self.made) do os.remove(folder) end
end

return run
