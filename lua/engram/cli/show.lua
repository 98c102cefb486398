-- engram show: one run in a screen: its settings and where they come from, environment, state, accuracies, files, how to go on.
local columns = require "engram.cli.columns"
local core = require "engram.core"
local describe = require "engram.run.describe"
local json = require "engram.json"
local runs = require "engram.cli.runs"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "tell about one run: settings, state, accuracies, files",
   usage = "show RUN",
   text = "RUN is a run's folder, or the end of its name when it is below ./runs (or $ENGRAM_RUNS): its last four letters will do.",
}

local MOST_TASKS = 12                   -- a larger matrix is left to accuracy.csv

local function print_table(rows, how)
   for _, line in ipairs(columns.lines(rows, how)) do print("  " .. line) end
end

-- ---- settings ---------------------------------------------------------------------------------------------

-- Where a setting came from: of "threshold.per_task" what is noted of "threshold". Older runs noted the command line alone.
local function origin_of(run, origins, key)
   local name = key
   while name do
      if type(origins[name]) == "string" then return origins[name] end
      for _, word in ipairs(run.overrides) do if word:match "^[^=]*" == name then return "command line" end end
      name = name:match "^(.*)%.[^.]*$"
   end
   return ""
end

local function print_settings(run)
   local path = run.path .. "/origins.json"
   local ok, origins = pcall(json.load, path)
   if not ok or type(origins) ~= "table" then origins = {} end
   local keys, rows, defaults = {}, {}, {}
   for key in pairs(run.words) do keys[#keys + 1] = key end
   table.sort(keys)
   for _, key in ipairs(keys) do
      local origin = origin_of(run, origins, key)
      if origin == "default" then defaults[#defaults + 1] = key .. "=" .. run.words[key]
      else rows[#rows + 1] = { key, columns.cut(run.words[key], 60), origin } end
   end
   if #keys == 0 then return end
   print "settings"
   if #rows > 0 then print_table(rows) end
   if #defaults > 0 then print("  by default: " .. table.concat(defaults, " ")) end
end

-- ---- accuracies -------------------------------------------------------------------------------------------

local function print_matrix(training)
   local rows, right = { { "accuracy, %, after" } }, {}
   for j, name in ipairs(training.tasks) do rows[1][j + 1], right[j + 1] = columns.cut(name, 14, 6), true end
   for i, row in ipairs(training.accuracy) do
      rows[i + 1] = { training.tasks[i] or "task " .. i }
      for j in ipairs(training.tasks) do rows[i + 1][j + 1] = row[j] and ("%.2f"):format(row[j]) or "-" end
   end
   print_table(rows, { right = right })
end

local function print_numbers(training)
   local numbers, parts = runs.numbers(training), {}
   for key in pairs(numbers) do parts[#parts + 1] = key end
   table.sort(parts)
   for i, key in ipairs(parts) do parts[i] = key:gsub("_", " ") .. " " .. runs.number(numbers[key]) end
   if #parts > 0 then print("  " .. table.concat(parts, ", ")) end
end

-- One training as a matrix, several as a line each.
local function print_trainings(run)
   local trainings, rows = run.trainings, { { "training", "average accuracy", "forgetting", "backward transfer", "steps" } }
   if #trainings == 1 then
      print("training" .. (trainings[1].name and " " .. trainings[1].name or ""))
      if #trainings[1].accuracy > 0 and #trainings[1].tasks <= MOST_TASKS then print_matrix(trainings[1]) end
      return print_numbers(trainings[1])
   end
   for i, training in ipairs(trainings) do
      local numbers = runs.numbers(training)
      rows[i + 1] = { training.name or "-" }
      for k, key in ipairs{ "average_accuracy", "forgetting", "backward_transfer", "steps" } do
         rows[i + 1][k + 1] = runs.number(numbers[key])
      end
   end
   print "trainings"
   if #trainings > 0 then print_table(rows, { right = { false, true, true, true, true } }) else print "  none yet" end
end

-- Whether the test sets were opened, when and how often.
local function print_seal(run)
   local looks, opened, asked, told, validation = 0, nil, nil, false, true
   for _, training in ipairs(run.trainings) do
      local count, at = training.summary.test_looks, training.test_opened
      asked = training.test_asked_for
      if type(count) == "number" then told, looks = true, looks + count end
      if at and (not opened or at < opened) then opened = at end
      validation = validation and training.summary.evaluated_on == "validation"
   end
   if asked then print(("test sets\n  asked for by the script itself at %s%s"):format(asked,
      looks > 0 and (", looked at %d times by its trainings"):format(looks) or ""))
   elseif opened then print(("test sets\n  first looked at %s, %d times in all"):format(opened, looks))
   elseif told then print("test sets\n  never looked at" .. (validation and ": evaluated on validation sets" or "")) end
end

-- ---- the run ----------------------------------------------------------------------------------------------

local function place_of(status)
   local parts = {}
   for _, key in ipairs{ "task", "epoch", "step" } do
      if type(status[key]) == "number" then parts[#parts + 1] = key .. " " .. runs.number(status[key]) end
   end
   return table.concat(parts, ", ")
end

local function print_head(run)
   local status, meta, rows = run.status, run.meta, {}
   local function row(name, text) if type(text) == "string" and text ~= "" then rows[#rows + 1] = { name, text } end end
   local seconds = type(status.seconds) == "number" and (" in %.1f s"):format(status.seconds) or ""
   row("run", run.path)
   row("state", runs.state(run) .. seconds)
   row("error", type(status.error) == "string" and status.error:match "[^\n]*" or nil)
   row("stands at", run.state ~= "finished" and place_of(status) or nil)
   row("begun", type(meta.started) == "string" and ("%s (%s ago)"):format(meta.started, runs.age(meta.started) or "?") or nil)
   row("resumed", type(status.resumed) == "table" and table.concat(status.resumed, ", ") or nil)
   row("command", meta.command)
   for _, line in ipairs(columns.lines(rows)) do print(line) end
end

local function print_environment(run)
   local words, list = runs.environment(run), {}
   for _, field in ipairs(describe.fields) do
      if words[field] then list[#list + 1] = columns.cut(field .. " " .. words[field], 110) end
   end
   if #list > 0 then print("environment\n  " .. table.concat(list, "\n  ")) end
end

local function print_files(run)
   local list = {}
   for _, name in ipairs(core.names_in(run.path)) do
      list[#list + 1] = C.eg_file_kind(run.path .. "/" .. name) == 2 and name .. "/" or name
   end
   print("files\n  " .. table.concat(list, "  "))
end

function command.run(_, words)
   if not words[1] then usage_error "show: which run? engram show RUN" end
   if words[2] then usage_error("show: one run at a time, got '%s' too", words[2]) end
   local run = runs.one("show", words[1])
   print_head(run)
   print_settings(run)
   print_environment(run)
   print_trainings(run)
   print_seal(run)
   print_files(run)
   if run.state ~= "finished" and run.state ~= "running" and run.state ~= "new" then
      print("go on with: engram resume " .. require "engram.shell"(run.path))
   end
   io.stdout:flush()
   for _, line in ipairs(run.problems) do io.stderr:write("engram: not read: ", line, "\n") end
   return 0
end

return command
