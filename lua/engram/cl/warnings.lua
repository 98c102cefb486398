-- cl/warnings.lua: what a training says aloud, once: on standard error (also with --quiet) and in log.txt. What has been said is part of a
-- checkpoint, so that a run that is gone on with does not repeat it.
local progress = require "engram.run.progress"

local warnings = {}

-- Says `text` once under `key`; `aloud`: on standard error too. Before the run's folder is open it waits in t.unsaid.
local function say(t, key, aloud, text)
   t.said = t.said or {}
   if t.said[key] then return end
   t.said[key] = true
   if t.out then
      t.out:remark(text, aloud)
   else
      t.unsaid = t.unsaid or {}
      table.insert(t.unsaid, { text, aloud })
   end
end

-- once(t, key, format, ...): warns in the training t, unless it has warned under this key before.
function warnings.once(t, key, format, ...) say(t, key, true, "warning: " .. format:format(...)) end

-- note(t, key, format, ...): the same for what is worth knowing, but no cause for alarm: not with --quiet.
function warnings.note(t, key, format, ...) say(t, key, not progress.quiet, format:format(...)) end

-- flush(t): tells what had to wait for the run's folder.
function warnings.flush(t)
   for _, remark in ipairs(t.unsaid or {}) do t.out:remark(unpack(remark)) end
   t.unsaid = nil
end

return warnings
