-- engram ls: the runs below a folder, a line each, the newest first.
local columns = require "engram.cli.columns"
local C = require "engram.core".C
local flat = require "engram.run.flat"
local runs = require "engram.cli.runs"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local STATES = { "running", "finished", "failed", "interrupted", "killed", "new" }

local command = {
   summary = "list runs: state, settings that differ, accuracy",
   usage = "ls [options] [DIR...]",
   text = "Lists the runs at any depth below DIR (default: ./runs, or $ENGRAM_RUNS), the newest first, with the settings in which\n"
      .. "they differ; accuracy is the average, or the least and the largest of several trainings. A run is running, finished,\n"
      .. "failed, interrupted (it saved and stopped), killed (it says that it runs, but no process is at it) or new (it never began).\n"
      .. "On a terminal the table fits its width; `engram show NAME` tells more, and takes the end of a name.",
   options = {
      { "state", value = "NAME,...", doc = "only runs in these states: running, finished, failed, interrupted, killed, new" },
      { "width", value = "N", number = 1, doc = "columns (default: the terminal's; all there is when it goes elsewhere)" },
   },
}

-- ---- which ------------------------------------------------------------------------------------------------

local function wanted_states(text)
   if not text then return nil end
   local known, set = {}, {}
   for _, state in ipairs(STATES) do known[state] = true end
   for state in (text .. ","):gmatch "([^,]*)," do
      if not known[state] then usage_error("ls: unknown state '%s'%s", state, suggest.hint(state, STATES)) end
      set[state] = true
   end
   return set
end

local function begun(run) return type(run.meta.started) == "string" and run.meta.started or "" end

local function newest_first(a, b)
   if begun(a) ~= begun(b) then return begun(a) > begun(b) end
   return a.name > b.name
end

-- ---- the table --------------------------------------------------------------------------------------------

-- The seeds of a run's trainings, or that of its settings.
local function seeds_of(run)
   local list, seen = {}, {}
   for _, training in ipairs(run.trainings) do
      local seed = training.seed and runs.number(training.seed)
      if seed and not seen[seed] then list[#list + 1], seen[seed] = seed, true end
   end
   return #list > 0 and table.concat(list, ",") or run.words.seed or "-"
end

-- The accuracy of its training, or the least and the largest of several.
local function accuracy_of(run)
   local least, most
   for _, training in ipairs(run.trainings) do
      local value = runs.accuracy(training)
      if value then least, most = math.min(least or value, value), math.max(most or value, value) end
   end
   if not least then return "-" end
   return least == most and ("%.2f"):format(least) or ("%.1f-%.1f"):format(least, most)
end

local function step_of(run)
   local step = run.status.step
   if type(step) ~= "number" and #run.trainings == 1 then step = run.trainings[1].summary.steps end
   return type(step) == "number" and runs.number(step) or "-"
end

local function settings_of(run, keys)
   local words = {}
   for _, key in ipairs(keys) do
      if key ~= "seed" and run.words[key] then words[#words + 1] = key .. "=" .. run.words[key] end
   end
   return table.concat(words, " ")
end

-- The rows of some of the runs; settings are those in which any of them differ.
local function rows_of(list, all)
   local maps, rows = {}, { { "run", "experiment", "state", "seed", "settings", "step", "accuracy", "begun" } }
   for i, run in ipairs(all) do maps[i] = run.words end
   local keys = flat.differences(maps)
   for i, run in ipairs(list) do
      local age = runs.age(run.meta.started)
      rows[i + 1] = { run.name, run.experiment, runs.state(run), seeds_of(run), settings_of(run, keys), step_of(run), accuracy_of(run),
         age and age .. " ago" or "-" }
   end
   return rows
end

local function terminal_width()
   local width = C.eg_is_terminal(1) == 1 and C.eg_terminal_width() or 0
   return width > 0 and width or nil
end

local function several(count, word) return ("%d %s%s"):format(count, word, count == 1 and "" or "s") end

-- What the table does not say: that it is empty, jobs that wait, files that could not be read.
local function print_rest(found, list, where, states)
   local problems = found.problems
   for _, run in ipairs(found.runs) do for _, line in ipairs(run.problems) do problems[#problems + 1] = line end end
   if #list == 0 then
      local none = #found.runs > 0 and "none of " .. several(#found.runs, "run") or problems[1] and "no run that can be read" or "no run"
      io.stderr:write(("engram: %s below %s%s\n"):format(none, where, #found.runs > 0 and " is " .. states:gsub(",", " or ") or ""))
   end
   if #found.unbegun > 0 and not states then io.stderr:write(("engram: %s not begun\n"):format(several(#found.unbegun, "job"))) end
   for _, line in ipairs(problems) do io.stderr:write("engram: not read: ", line, "\n") end
   return #found.runs == 0 and problems[1] and 1 or 0
end

function command.run(values, words)
   local states, list = wanted_states(values.state), {}
   local paths = #words > 0 and words or { runs.folder() }
   local found = runs.at("ls", paths)
   for _, run in ipairs(found.runs) do
      if not states or states[run.state] then list[#list + 1] = run end
   end
   table.sort(list, newest_first)
   local how = { width = values.width or terminal_width(), right = { [4] = true, [6] = true, [7] = true, [8] = true }, keep = { 8 },
      shrink = { { 5, 12 }, { 1, 20 }, { 3, 8 } }, drop = { 2, 6, 5, 8, 4 } }
   if #list > 0 then print(table.concat(columns.lines(rows_of(list, found.runs), how), "\n")) end
   io.stdout:flush()
   return print_rest(found, list, table.concat(paths, ", "), values.state)
end

return command
