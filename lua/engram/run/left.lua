-- run/left.lua: what a run that was cut short has left in its directory, looked at and cleared away before it goes on.
local core = require "engram.core"
local describe = require "engram.run.describe"
local C = core.C

local left = {}

local STALE = 300                       -- seconds after which a run of another machine that does not write is held to be dead

-- A time as describe.time writes it, as seconds between two of which differences count; nil for any other text.
function left.seconds(time)
   local year, month, day, hour, minute, second = tostring(time):match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)Z$"
   if not year then return nil end
   return os.time{ year = year, month = month, day = day, hour = hour, min = minute, sec = second, isdst = false }
end

-- Seconds since such a time.
function left.age(time)
   local seconds = left.seconds(time)
   return seconds and left.seconds(describe.time()) - seconds or math.huge
end

-- Whether a process is at a run, by its status.json and what eg_folder_lock said: -1 where another process holds the lock. Where locks
-- are not seen (another machine, a network folder) its heartbeat or its process tells.
local function is_taken(status, lock)
   if lock == -1 then return true end
   if status.status ~= "running" then return false end
   if status.host and status.host ~= describe.host() then return left.age(status.updated) < STALE end
   return lock == -2 and C.eg_process_alive(status.process or 0) == 1
end

-- What eg_folder_lock says, with patience: one who only looks whether a process is at the run holds the lock for a moment too.
function left.lock(path)
   local lock
   for _ = 1, 20 do
      lock = C.eg_folder_lock(path)
      if lock ~= -1 then break end
      C.eg_sleep(0.01)
   end
   return lock
end

left.TAKEN = 3                          -- the exit code of a process that found another at its run

local Taken = { __tostring = function(self) return self.message end }

-- Raises: another process is, or just was, at the run.
function left.taken(message, ...)
   error(setmetatable({ message = message:format(...), code = left.TAKEN }, Taken), 0)
end

-- True when a process is at the run at a path, given its status.json.
function left.is_running(path, status)
   local lock = C.eg_folder_lock(path)
   C.eg_folder_unlock(lock)
   return status.status == "running" and is_taken(status, lock)
end

-- How far the run at a path is, given its status.json ({} where there is none): "new", "running", "finished", "failed", "interrupted", or
-- "killed": it says that it runs, but nobody is at it.
function left.state(path, status)
   if type(status.status) ~= "string" then return C.eg_file_kind(path .. "/status.json") == 1 and "failed" or "new" end
   if status.status ~= "running" then return status.status end
   return left.is_running(path, status) and "running" or "killed"
end

-- Raises when another process is at the run; `lock` is what eg_folder_lock said to this one.
function left.check_free(path, status, lock)
   if not is_taken(status, lock) then return end
   C.eg_folder_unlock(lock)
   left.taken("run: %s is still running, as process %s on %s", path, tostring(status.process), tostring(status.host))
end

-- The folders of a run in which trainings are.
function left.folders(path)
   local list = { path }
   for _, name in ipairs(core.names_in(path)) do
      if name ~= "ckpt" and C.eg_file_kind(path .. "/" .. name) == 2 then list[#list + 1] = path .. "/" .. name end
   end
   return list
end

-- Whether a training of the run has a checkpoint.
function left.has_checkpoint(path)
   for _, folder in ipairs(left.folders(path)) do
      if C.eg_file_kind(folder .. "/ckpt/last.safetensors") == 1 then return true end
   end
   return false
end

-- The folders of trainings that have written metrics and have no checkpoint, given status.json: they will begin anew.
function left.without_checkpoint(path, status)
   local list = {}
   for _, folder in ipairs(left.folders(path)) do
      local has = C.eg_file_kind(folder .. "/ckpt/last.safetensors") == 1
      if folder ~= path and not has and C.eg_file_size(folder .. "/metrics.jsonl") > 0 then list[#list + 1] = folder end
   end
   if #list == 0 and not left.has_checkpoint(path) and (tonumber(status.step) or 0) > 0 then return { path } end
   return list
end

-- Removes what a kill left half written. Returns the paths of the journals.
function left.clear_away(path)
   local journals = {}
   for _, folder in ipairs(left.folders(path)) do
      for _, inner in ipairs{ folder, folder .. "/ckpt" } do
         for _, name in ipairs(core.names_in(inner)) do
            if name:find "^%.engram%-.*%.part$" then os.remove(inner .. "/" .. name) end
         end
      end
      for _, name in ipairs{ "log.txt", "metrics.jsonl" } do
         if C.eg_file_kind(folder .. "/" .. name) == 1 then journals[#journals + 1] = folder .. "/" .. name end
      end
   end
   return journals
end

return left
