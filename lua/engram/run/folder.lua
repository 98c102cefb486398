-- run/folder.lua: writing into a run's directory: what the run and the trainings in it share. Files appear whole or not at all; those
-- that grow by whole lines are journals.
local core = require "engram.core"
local json = require "engram.json"
local C = core.C

local Folder = {}
Folder.__index = Folder

-- Writes a file of this folder, whole or not at all.
function Folder:write(name, text)
   local path = self.path .. "/" .. name
   if C.eg_file_write(path, text, #text) ~= 0 then
      local message = core.message()
      core.raise("run: %s", message:find(path, 1, true) and message or path .. ": " .. message)
   end
end

function Folder:write_json(name, value) json.save(self.path .. "/" .. name, value) end

-- Adds one line to a file of this folder.
function Folder:append(name, line) self.run:journal(self.path .. "/" .. name):add(line) end

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
   if self.run.tensorboard and not self.run.repeats then require "engram.run.tensorboard".log(self, event) end
   self.run:heartbeat(event)
end

-- Tells, every ten seconds unless there is something new, that the run is alive and where it is:
-- { doing =, task =, epoch =, step = }.
function Folder:heartbeat(event) self.run:heartbeat(event) end

-- The module's weights as NAME (default weights.safetensors).
function Folder:save_weights(module, name) module:save(self.path .. "/" .. (name or "weights.safetensors")) end

-- Adds text to log.txt: progress that overwrites itself (\r) has no place there.
function Folder:log(text)
   text = text:gsub("[^\n]*\r", ""):gsub("\n$", "")
   self.run:append("log.txt", text)
end

-- The path of a checkpoint of the training in this folder: "last", or "task1" and so on.
function Folder:checkpoint(name) return ("%s/ckpt/%s.safetensors"):format(self.path, name) end

-- Makes the folder that checkpoints go to; returns the path of this one.
function Folder:new_checkpoint(name)
   core.check(C.eg_make_folders(self.path .. "/ckpt"))
   return self:checkpoint(name)
end

-- A training that ended is not gone on with; what it kept by name stays.
function Folder:drop_checkpoint()
   os.remove(self:checkpoint "last")
   os.remove(self.path .. "/ckpt")                    -- when it is empty
end

return Folder
