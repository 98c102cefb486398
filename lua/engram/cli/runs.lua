-- runs.lua: what `engram ls`, `show` and `diff` share: which run a word means, and what is told of it.
local core = require "engram.core"
local flat = require "engram.run.flat"
local history = require "engram.run.history"
local left = require "engram.run.left"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"
local C = core.C

local runs = {}

-- ---- which run --------------------------------------------------------------------------------------------

-- Where runs are when nobody says otherwise.
function runs.folder()
   local folder = os.getenv "ENGRAM_RUNS"
   return folder and folder ~= "" and folder or "runs"
end

-- The runs at some paths, as history.runs gives them; a path that cannot be read is refused.
function runs.at(who, paths)
   for _, path in ipairs(paths) do
      local problem = history.problem(path)
      if problem then usage_error("%s: %s: %s", who, path, problem) end
   end
   return history.runs(paths)
end

local function named(who, word)
   local found, names, hits = history.runs{ runs.folder() }, {}, {}
   for _, run in ipairs(found.runs) do
      names[#names + 1] = run.path:match "[^/]*$"
      if word ~= "" and run.path:sub(-#word) == word then hits[#hits + 1] = run end
   end
   if #hits > 1 then
      for i, run in ipairs(hits) do hits[i] = "\n  " .. run.path end
      usage_error("%s: '%s' is the end of %d names:%s", who, word, #hits, table.concat(hits, "", 1, math.min(#hits, 10)))
   end
   return hits[1] or usage_error("%s: there is no run '%s', neither a folder nor the end of a name below %s%s", who, word, runs.folder(),
      suggest.nearest(word, names) and suggest.hint(word, names) or "")
end

-- The run that a word means: its folder, or the end of its name below the folder of runs (its last four letters will do).
function runs.one(who, word)
   local problem = history.problem(word)
   if problem == "there is no such folder" then return named(who, word) end
   if problem then usage_error("%s: %s: %s", who, word, problem) end
   local found = history.runs{ word }
   if #found.runs == 1 then return found.runs[1] end
   if found.problems[1] then usage_error("%s: %s", who, found.problems[1]) end
   usage_error("%s: %s holds %d runs, expected the folder of one; engram ls %s lists them", who, word, #found.runs, word)
end

-- ---- what is told of it -----------------------------------------------------------------------------------

-- "5 min" since a time as status.json has it; nil when it says none.
function runs.age(time)
   local seconds = math.max(0, left.age(time))
   if seconds == math.huge then return nil end
   if seconds < 120 then return ("%d s"):format(seconds) end
   if seconds < 7200 then return ("%d min"):format(seconds / 60) end
   if seconds < 172800 then return ("%d h"):format(seconds / 3600) end
   return ("%d days"):format(seconds / 86400)
end

-- "killed, 3 h ago": of a run that has, or should have, a heartbeat, when it was last felt.
function runs.state(run)
   local age = (run.state == "running" or run.state == "killed") and runs.age(run.status.updated)
   return age and ("%s, %s ago"):format(run.state, age) or run.state
end

-- The average accuracy of a training, as far as it has come; nil when none was measured.
function runs.accuracy(training)
   local final = training.metrics.average_accuracy
   if type(final) == "number" then return final end
   local points = history.curve(training, "accuracy")
   return #points > 0 and points[#points][2] or nil
end

-- The numbers at a training's end, { name = value }.
function runs.numbers(training)
   local numbers = { average_accuracy = runs.accuracy(training) }
   for key, value in pairs(training.metrics) do numbers[key] = type(value) == "number" and value or nil end
   for _, key in ipairs{ "steps", "seconds" } do
      local value = training.summary[key]
      numbers[key] = type(value) == "number" and value or nil
   end
   return numbers
end

-- A number as it is shown: whole numbers whole, others with two decimals, small ones with four digits.
function runs.number(value)
   if value == nil then return "-" end
   if value % 1 == 0 and math.abs(value) < 1e15 then return ("%d"):format(value) end
   return (math.abs(value) < 1 and "%.4g" or "%.2f"):format(value)
end

-- { field = word } of what a run was made with: versions, machine, source.
local ASIDE = { script = true, command = true, started = true, seed = true }     -- not the environment's

function runs.environment(run)
   local words = {}
   for _, field in ipairs(require "engram.run.describe".fields) do
      if not ASIDE[field] then flat.add(words, field, run.meta[field]) end
   end
   local hash = run.meta.script_sha256
   words["script's SHA-256"] = type(hash) == "string" and hash:sub(1, 12) or nil
   local changes = run.path .. "/changes.diff"
   if C.eg_file_kind(changes) == 1 then words.changes = require "engram.run.describe".file_hash(changes):sub(1, 12) end
   return words
end

return runs
