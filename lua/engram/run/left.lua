-- run/left.lua: what a run that was cut short has left in its directory, looked at and cleared away before it goes on.
local ffi = require "ffi"
local core = require "engram.core"
local describe = require "engram.run.describe"
local C = core.C

local left = {}

-- Raises when another process is at the run: it holds the lock, or, where there are no locks, it is alive on this machine.
function left.check_free(path, status, lock)
   if lock == -1 then
      core.raise("run: %s is still running, as process %s on %s", path, tostring(status.process), tostring(status.host))
   end
   local here = status.host == nil or status.host == describe.host()
   if lock == -2 and status.status == "running" and here and C.eg_process_alive(status.process or 0) == 1 then
      core.raise("run: %s is still running, as process %d", path, status.process)
   end
end

local function names_in(folder)
   return (C.eg_file_kind(folder) == 2 and ffi.string(C.eg_list_folder(folder)) or ""):gmatch "[^\n]+"
end

-- The folders of a run in which trainings are.
function left.folders(path)
   local list = { path }
   for name in names_in(path) do
      if name ~= "ckpt" and C.eg_file_kind(path .. "/" .. name) == 2 then list[#list + 1] = path .. "/" .. name end
   end
   return list
end

-- Removes what a kill left half written. Returns whether there is a checkpoint to go on from, and the paths of the journals.
function left.clear_away(path)
   local found, journals = false, {}
   for _, folder in ipairs(left.folders(path)) do
      found = found or C.eg_file_kind(folder .. "/ckpt/last.safetensors") == 1
      for _, inner in ipairs{ folder, folder .. "/ckpt" } do
         for name in names_in(inner) do
            if name:find "^%.engram%-.*%.part$" then os.remove(inner .. "/" .. name) end
         end
      end
      for _, name in ipairs{ "log.txt", "metrics.jsonl" } do
         if C.eg_file_kind(folder .. "/" .. name) == 1 then journals[#journals + 1] = folder .. "/" .. name end
      end
   end
   return found, journals
end

return left
