-- records.lua: what a comparison counts of the runs below some folders (run/history.lua reads them): a record for each training that came
-- to its end, and a line for each run, job or training that did not.
--
-- A record: { run = path, training = name or "", settings = { key = word }, summary = }.
local flat = require "engram.run.flat"
local history = require "engram.run.history"
local usage_error = require "engram.usage"

-- The settings of a training: the run's, and what its files tell besides.
local function settings_of(training)
   local settings, run = { training = training.folder }, training.run
   settings.evaluated_on, settings.stage = training.summary.evaluated_on or "test", training.run.stage
   for key, word in pairs(run.words) do settings[key] = settings[key] or word end
   settings.script = settings.script or run.experiment
   if settings.seed == nil and type(training.summary.seed) == "number" then settings.seed = flat.word(training.summary.seed) end
   return settings
end

-- Adds the records of a run, and lines about what is not among them.
local function add_run(run, list, problems)
   local before, found = #problems, false
   local function problem(path, text) problems[#problems + 1] = ("%s: %s"):format(path, text) end
   for _, line in ipairs(run.problems) do problem(run.path, line) end
   for _, training in ipairs(run.trainings) do
      local summary, state = training.summary, training.state
      found = found or state ~= "begun"
      if state == "finished" and not run.damaged then
         list[#list + 1] = { run = run.path, training = training.folder, settings = settings_of(training), summary = summary }
      elseif state == "cut" and (run.state == "finished" or type(summary.error) == "string" and summary.error ~= "interrupted") then
         problem(training.path, tostring(summary.error or "the training did not come to its end"):match "[^\n]*")
      end
   end
   if run.state ~= "finished" and #problems == before then
      local message = run.status.error
      problem(run.path, run.state .. (type(message) == "string" and ": " .. message:match "[^\n]*" or ""))
   elseif not found then
      problem(run.path, "no training in it: there is no summary.json")
   end
end

local function check_folder(path)
   local problem = history.problem(path)
   if not problem then return end
   if problem:find "^cannot" then usage_error("compare: %s %s", path, problem) end
   usage_error("compare: there is no folder '%s'", path)
end

-- records(paths) -> list of records, list of lines about what is not in it, number of runs.
return function(paths)
   for _, path in ipairs(paths) do check_folder(path) end
   local list, found = {}, history.runs(paths)
   local problems = found.problems
   for _, path in ipairs(found.unbegun) do problems[#problems + 1] = path .. ": not begun" end
   for _, run in ipairs(found.runs) do add_run(run, list, problems) end
   return list, problems, #found.runs
end
