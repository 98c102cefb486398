-- What earlier runs of classp_vision.lua have finished, so that a long experiment can go on after a stop, and rows that were trained
-- apart can stand in one table. Not a script of its own.
local engram = require "engram"

local finished = {}

local function load_json(path)
   local file = io.open(path, "rb")
   if not file then return nil end
   file:close()
   return engram.json.load(path)
end

-- Nil when a training of that stream and those settings is the one asked for, else what differs.
local function difference(summary, before, stream, settings, uses)
   if summary.stream_sha256 ~= stream:hash() then return "other data" end
   for _, key in ipairs(uses) do
      if before[key] ~= settings[key] then return ("%s = %s"):format(key, tostring(before[key])) end
   end
end

-- find(path, name, stream, settings, uses): the summary of the newest training `name` in the run, or folder of runs, at `path` that
-- came to its end (a loss that diverges is one) with the same stream and the same settings named in `uses`; else nil.
function finished.find(path, name, stream, settings, uses)
   if path == "" then return nil end
   local runs = engram.run.folders(path)
   for i = #runs, 1, -1 do
      local summary = load_json(runs[i] .. "/" .. name .. "/summary.json")
      if summary then
         local diverged = finished.diverged(summary.error)
         local other = difference(summary, load_json(runs[i] .. "/settings.json") or {}, stream, settings, uses)
         if other then
            print(("%s: not taken from %s: it was made with %s"):format(name, runs[i], other))
         elseif summary.complete or diverged then
            summary.diverged = diverged
            return summary
         end
      end
   end
end

-- The message of a training that stopped because its loss was no longer finite; nil for any other.
function finished.diverged(message)
   return tostring(message):find("cl.train: diverged:", 1, true) and tostring(message) or nil
end

return finished
