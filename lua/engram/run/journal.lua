-- run/journal.lua: a file that grows by whole lines (metrics.jsonl, log.txt), and what becomes of it in a run that is gone on with.
-- The script then runs again from its start, so that lines come a second time. They are held back until a checkpoint tells how long
-- the file was when it was made, or until something new begins; then the file is cut to where the repetition stands and grows again.
local core = require "engram.core"
local C = core.C

local Journal = {}
Journal.__index = Journal

local journal = {}

local function check(status, path)
   if status == 0 then return end
   local message = core.message()
   core.raise("run: %s", message:find(path, 1, true) and message or path .. ": " .. message)
end

-- repeats: true in a run that is gone on with.
function journal.new(path, repeats)
   return setmetatable({ path = path, held = repeats and {} or nil, place = 0, synced = true }, Journal)
end

function Journal:add(line)
   if self.held then
      self.held[#self.held + 1] = line .. "\n"
   else
      check(C.eg_file_append(self.path, line .. "\n", #line + 1), self.path)
      self.synced = false
   end
end

-- Bytes of the file as it would be were nothing held back.
function Journal:size()
   if self.held then return self.place + #table.concat(self.held) end
   return math.max(0, tonumber(C.eg_file_size(self.path)))
end

-- Waits until all lines are on disk: a checkpoint must not know of lines that a power cut takes away.
function Journal:sync()
   if not self.synced then check(C.eg_file_sync(self.path), self.path) end
   self.synced = true
end

-- A checkpoint was loaded that was made when the file had so many bytes.
function Journal:stood_at(bytes)
   if not self.held then return end
   local have = math.max(0, tonumber(C.eg_file_size(self.path)))
   if have < bytes then
      core.raise("run: %s: has %d bytes, but the checkpoint was made when it had %d; lines have been taken away", self.path, have, bytes)
   end
   self.place, self.held = bytes, {}
end

-- What comes now is new.
function Journal:go_on()
   if not self.held then return end
   local text = table.concat(self.held)
   self.held = nil
   if C.eg_file_kind(self.path) ~= 0 then check(C.eg_file_cut(self.path, self.place), self.path) end
   if #text > 0 then check(C.eg_file_append(self.path, text, #text), self.path) end
   self.synced = false
end

return journal
