-- history.lua: run directories read back: the runs at a path, their trainings, and of each its events, accuracies and settings.
-- What reports and plots are made of. A file that is damaged is a line in `problems`, not the end of it.
local core = require "engram.core"
local json = require "engram.json"
local C = core.C

local history = {}

local DEPTH = 6                         -- folders below the one asked for in which runs are looked for

-- ---- files ------------------------------------------------------------------------------------------------

local function is_file(path) return C.eg_file_kind(path) == 1 end

local function names_in(folder)
   local ok, list = pcall(core.names_in, folder)
   return ok and list or {}
end

-- The table in a JSON file; an empty one, and a problem, when it cannot be read.
local function load_table(path, problems)
   if not is_file(path) then return {} end
   local ok, value = pcall(json.load, path)
   if ok and type(value) == "table" then return value end
   problems[#problems + 1] = ok and path .. ": expected an object" or tostring(value)
   return {}
end

-- The events of metrics.jsonl. A last line without an end is one that is being written, or was when the run was killed.
local function load_events(path, problems)
   local events, number = {}, 0
   local file = io.open(path, "rb")
   if not file then return events end
   local text = file:read "*a" or ""
   file:close()
   for line in text:gmatch "([^\n]*)\n" do
      number = number + 1
      local ok, event = pcall(json.decode, line)
      if ok and type(event) == "table" and #event == 0 then
         events[#events + 1] = event
      elseif line:find "%S" then
         problems[#problems + 1] = ("%s:%d: is no event: %s"):format(path, number, ok and "expected an object" or tostring(event))
      end
   end
   return events
end

-- ---- one training -----------------------------------------------------------------------------------------

local function is_number(value) return type(value) == "number" end

local function is_row(value)
   if type(value) ~= "table" or #value == 0 then return false end
   for _, item in ipairs(value) do if not is_number(item) and item ~= json.null then return false end end
   return true
end

-- A list of rows with json.null taken out; nil when it is none.
local function matrix_of(value)
   if type(value) ~= "table" then return nil end
   local rows = {}
   for i, row in ipairs(value) do
      if not is_row(row) then return nil end
      rows[i] = { width = #row }
      for j = 1, #row do rows[i][j] = is_number(row[j]) and row[j] or nil end
   end
   return rows
end

-- The matrix as far as the events know it: of a training that runs or was killed.
local function matrix_of_events(events)
   local rows = {}
   for _, event in ipairs(events) do
      if event.event == "task" and is_number(event.task) and is_row(event.accuracy) then rows[event.task] = event.accuracy end
   end
   return matrix_of(rows) or {}
end

-- The step at which each task ended, or stands.
local function boundaries_of(events)
   local ends = {}
   for _, event in ipairs(events) do
      local task, step = event.task, event.step
      if is_number(task) and task >= 1 and task % 1 == 0 and is_number(step) then ends[task] = math.max(ends[task] or 0, step) end
   end
   return ends
end

local function width_of(rows)
   local width = 0
   for _, row in ipairs(rows) do width = math.max(width, row.width) end
   return width
end

local function task_names(summary, rows)
   local names = {}
   for j = 1, math.max(width_of(rows), #(summary.tasks or {})) do
      local name = type(summary.tasks) == "table" and summary.tasks[j]
      names[j] = type(name) == "string" and name or "task " .. j
   end
   return names
end

-- The training in a folder, or nil when it holds none.
local function read_training(run, folder, problems)
   local path = folder == "" and run.path or run.path .. "/" .. folder
   if not is_file(path .. "/metrics.jsonl") and not is_file(path .. "/summary.json") then return nil end
   local events, summary = load_events(path .. "/metrics.jsonl", problems), load_table(path .. "/summary.json", problems)
   local accuracy = matrix_of(summary.accuracy) or matrix_of_events(events)
   if #events == 0 and #accuracy == 0 then return nil end
   local name = type(summary.name) == "string" and summary.name or folder ~= "" and folder or nil
   local metrics = type(summary.metrics) == "table" and summary.metrics or {}
   return { run = run, path = path, folder = folder, name = name, events = events, summary = summary, metrics = metrics,
      seed = is_number(summary.seed) and summary.seed or is_number(run.meta.seed) and run.meta.seed or nil,
      accuracy = accuracy, tasks = task_names(summary, accuracy), boundaries = boundaries_of(events),
      overlap = matrix_of(metrics.update_overlap) or {}, density = is_row(metrics.update_density) and metrics.update_density or {} }
end

-- ---- runs -------------------------------------------------------------------------------------------------

local function words_of(path)
   local list = {}
   local file = io.open(path)
   for line in file and file:lines() or function() end do if line ~= "" then list[#list + 1] = line end end
   if file then file:close() end
   return list
end

local function read_run(path, name, problems)
   local run = { path = path, name = name, trainings = {}, overrides = words_of(path .. "/overrides.txt") }
   for _, part in ipairs{ "meta", "status", "settings" } do run[part] = load_table(path .. "/" .. part .. ".json", problems) end
   local script = type(run.meta.script) == "string" and run.meta.script or ""
   run.experiment = script:match "([^/]*)$":gsub("%.lua$", "")
   for _, folder in ipairs{ "", unpack(names_in(path)) } do
      local training = read_training(run, folder, problems)
      if training then run.trainings[#run.trainings + 1] = training end
   end
   return run
end

local function find_runs(path, name, depth, found)
   if is_file(path .. "/meta.json") then
      found[#found + 1] = { path, name }
   elseif depth < DEPTH then
      for _, inner in ipairs(names_in(path)) do
         local below = path .. "/" .. inner
         if C.eg_file_kind(below) == 2 then find_runs(below, name and name .. "/" .. inner or inner, depth + 1, found) end
      end
   end
   return found
end

-- history.read(path) -> { path, runs = { { path, name, experiment, meta, status, settings, overrides, trainings } }, trainings = all of
-- them, problems = lines }. The path is a run directory or a folder with runs at any depth. A training is { run, path, folder, name,
-- seed, events, summary, metrics, accuracy, tasks, boundaries, density, overlap }. `who` begins the message of an error.
function history.read(path, who)
   if type(path) ~= "string" or path == "" then core.raise("%s: expected the path of a run, got %s", who, core.typename(path)) end
   path = #path > 1 and path:gsub("/+$", "") or path
   if C.eg_file_kind(path) ~= 2 then
      core.raise("%s: %s: %s; a run is a directory below runs/", who, path,
         C.eg_file_kind(path) == 0 and "there is no such folder" or "is no folder")
   end
   local found = find_runs(path, nil, 0, {})
   if #found == 0 then
      local above = path:match "^(.+)/[^/]*$"
      core.raise("%s: %s holds no run: there is no meta.json in it or below it%s", who, path,
         above and is_file(above .. "/meta.json") and "; did you mean the run that it belongs to, " .. above .. "?" or "")
   end
   local all = { path = path, runs = {}, trainings = {}, problems = {} }
   for i, place in ipairs(found) do
      local run = read_run(place[1], place[2] or place[1]:match "[^/]*$", all.problems)
      all.runs[i] = run
      for _, training in ipairs(run.trainings) do all.trainings[#all.trainings + 1] = training end
   end
   return all
end

-- ---- curves of a training ---------------------------------------------------------------------------------

local NOT_METRICS = { task = true, epoch = true, step = true, seed = true }

-- The names of what its events measure: "loss", "accuracy", ..., in alphabetical order.
function history.metrics(training)
   local set, list = {}, {}
   for _, event in ipairs(training.events) do
      for key, value in pairs(event) do
         if is_number(event.step) and not NOT_METRICS[key] and (is_number(value) or key == "accuracy" and is_row(value)) then
            set[key] = true
         end
      end
   end
   for key in pairs(set) do list[#list + 1] = key end
   table.sort(list)
   return list
end

-- Mean of the first `count` entries, or the entry `task`.
local function accuracy_of(row, seen, task)
   if task then return is_number(row[task]) and row[task] or nil end
   local sum, count = 0, math.min(seen, #row)
   for j = 1, count do
      if not is_number(row[j]) then return nil end
      sum = sum + row[j]
   end
   return count > 0 and sum / count or nil
end

-- The curve of a metric, { { step, value }, ... } in order of steps; of "accuracy" the mean over the tasks seen, or that on `task`.
function history.curve(training, metric, task)
   local by_step, points = {}, {}
   for _, event in ipairs(training.events) do
      local value, step = event[metric], event.step
      if metric == "accuracy" and is_row(value) then
         value = accuracy_of(value, is_number(event.task) and event.task or #value, task)
      end
      if is_number(step) and is_number(value) then by_step[step] = value end
   end
   for step, value in pairs(by_step) do points[#points + 1] = { step, value } end
   table.sort(points, function(a, b) return a[1] < b[1] end)
   return points
end

return history
