-- history.lua: run directories read back: the runs at a path, their trainings, and of each its events, accuracies and settings.
-- What compare, report, plot, ls, show and diff are made of. A file that is damaged is a line in `problems`, not the end of it.
local core = require "engram.core"
local flat = require "engram.run.flat"
local json = require "engram.json"
local left = require "engram.run.left"
local C = core.C

local history = {}

local DEPTH = 6                         -- folders below the one asked for in which runs are looked for

-- ---- files ------------------------------------------------------------------------------------------------

local function is_file(path) return C.eg_file_kind(path) == 1 end

-- What is in a folder, or nil and why not. The dot asks for the right to look into it, not to list it alone.
local function names_in(folder)
   local text = C.eg_list_folder(folder .. "/.")
   if text == nil then return nil, core.message():match ": ([^:]*)$" end
   local list = {}
   for name in require "ffi".string(text):gmatch "[^\n]+" do list[#list + 1] = name end
   return list
end

-- Why a path is no folder that can be read; nil when it is one.
function history.problem(path)
   local kind = C.eg_file_kind(path)
   if kind == 1 or kind == 3 then return "is no folder" end
   if path == "" then return "there is no such folder" end
   local names, reason = names_in(path)
   if names then return nil end
   return reason:find "^No such file" and "there is no such folder" or "cannot be read: " .. reason
end

-- The names in a folder; none, and a problem, when it cannot be read.
local function names_or_none(folder, problems)
   local list, reason = names_in(folder)
   if not list then problems[#problems + 1] = ("%s: cannot be read: %s"):format(folder, reason) end
   return list or {}
end

-- The table in a JSON file; an empty one, and a problem, when it cannot be read. The second result: whether it was.
local function load_table(path, problems)
   if not is_file(path) then return {}, false end
   local ok, value = pcall(json.load, path)
   if ok and type(value) == "table" then return value, true end
   problems[#problems + 1] = ok and path .. ": expected an object" or tostring(value)
   return {}, false
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

-- What is read, or made, when it is asked for: lists of runs do not read a million events.
local made = {}
local Training = {}
function Training:__index(key)
   if not made[key] then return nil end
   rawset(self, key, made[key](self))
   return rawget(self, key)
end

function made:events() return load_events(self.path .. "/metrics.jsonl", self.run.problems) end

-- The matrix, or, of a training that runs or was killed, as far as the events know it.
function made:accuracy()
   local rows = matrix_of(self.summary.accuracy)
   if rows then return rows end
   rows = {}
   for _, event in ipairs(self.events) do
      if event.event == "task" and is_number(event.task) and is_row(event.accuracy) then rows[event.task] = event.accuracy end
   end
   return matrix_of(rows) or {}
end

-- The step at which each task ended, or stands.
function made:boundaries()
   local ends = {}
   for _, event in ipairs(self.events) do
      local task, step = event.task, event.step
      if is_number(task) and task >= 1 and task % 1 == 0 and is_number(step) then ends[task] = math.max(ends[task] or 0, step) end
   end
   return ends
end

function made:tasks()
   local given, names, width = type(self.summary.tasks) == "table" and self.summary.tasks or {}, {}, 0
   for _, row in ipairs(self.accuracy) do width = math.max(width, row.width) end
   for j = 1, math.max(width, #given) do names[j] = type(given[j]) == "string" and given[j] or "task " .. j end
   return names
end

function made:overlap() return matrix_of(self.metrics.update_overlap) or {} end
function made:density() return is_row(self.metrics.update_density) and self.metrics.update_density or {} end

-- "finished", "cut" short, "damaged" (its summary is), or "begun": there is no summary yet.
local function state_of(run, path, summary, is_read)
   if not is_read then return is_file(path .. "/summary.json") and "damaged" or "begun" end
   local complete = summary.complete
   if complete == nil then complete = run.state == "finished" end
   return complete and "finished" or "cut"
end

-- The training in a folder, or nil when it holds none.
local function read_training(run, folder)
   local path = folder == "" and run.path or run.path .. "/" .. folder
   if not is_file(path .. "/metrics.jsonl") and not is_file(path .. "/summary.json") then return nil end
   local summary, is_read = load_table(path .. "/summary.json", run.problems)
   local name = type(summary.name) == "string" and summary.name or folder ~= "" and folder or nil
   return setmetatable({ run = run, path = path, folder = folder, name = name, summary = summary,
      state = state_of(run, path, summary, is_read), metrics = type(summary.metrics) == "table" and summary.metrics or {},
      seed = is_number(summary.seed) and summary.seed or is_number(run.meta.seed) and run.meta.seed or nil }, Training)
end

-- ---- runs -------------------------------------------------------------------------------------------------

local function words_of(path)
   local list = {}
   local file = io.open(path)
   for line in file and file:lines() or function() end do if line ~= "" then list[#list + 1] = line end end
   if file then file:close() end
   return list
end

local function read_run(path, name)
   local run = { path = path, name = name, trainings = {}, problems = {}, overrides = words_of(path .. "/overrides.txt") }
   for _, part in ipairs{ "meta", "status", "settings" } do
      local is_read
      run[part], is_read = load_table(path .. "/" .. part .. ".json", run.problems)
      if part ~= "meta" and not is_read and is_file(path .. "/" .. part .. ".json") then run.damaged = true end
   end
   run.state = left.state(path, run.status)
   run.words = flat.add({}, "", run.settings)
   local script = type(run.meta.script) == "string" and run.meta.script or ""
   run.experiment = script:match "([^/]*)$":gsub("%.lua$", "")
   for _, folder in ipairs{ "", unpack(names_or_none(path, run.problems)) } do
      local training = read_training(run, folder)
      if training then run.trainings[#run.trainings + 1] = training end
   end
   return run
end

-- The jobs of a sweep that have no run directory yet.
local function add_unbegun(found, path)
   local ok, sweep = pcall(require "engram.sweep".load, path)
   if not ok then found.problems[#found.problems + 1] = tostring(sweep) end
   for _, job in ipairs(ok and sweep.jobs or {}) do
      local folder = path .. "/" .. job.name
      if not is_file(folder .. "/meta.json") then found.unbegun[#found.unbegun + 1] = folder end
   end
end

local function find(found, path, name, depth)
   if found.seen[path] then return end
   found.seen[path] = true
   if is_file(path .. "/meta.json") then
      found.runs[#found.runs + 1] = read_run(path, name or path:match "[^/]*$")
      return
   end
   if is_file(path .. "/sweep.json") then add_unbegun(found, path) end
   if depth == DEPTH then return end
   for _, inner in ipairs(names_or_none(path, found.problems)) do
      local below = path .. "/" .. inner
      if inner:sub(1, 1) ~= "." and C.eg_file_kind(below) == 2 then
         find(found, below, name and name .. "/" .. inner or inner, depth + 1)
      end
   end
end

local function plain(path) return #path > 1 and path:gsub("/+$", "") or path end

-- history.runs(paths) -> { runs = { { path, name, experiment, state, meta, status, settings, words, overrides, trainings, problems } },
-- unbegun = folders of jobs that sweeps have not begun, problems = folders that cannot be read }. A path is a run directory or a folder
-- with runs at any depth. State: "new", "running", "finished", "failed", "interrupted", "killed"; words: the settings, flat.
function history.runs(paths)
   local found = { runs = {}, unbegun = {}, problems = {}, seen = {} }
   for _, path in ipairs(paths) do find(found, plain(path), nil, 0) end
   return found
end

local function raise_none(path, found, who)
   if found.problems[1] then core.raise("%s: %s holds no run that can be read: %s", who, path, found.problems[1]) end
   local above = path:match "^(.+)/[^/]*$"
   core.raise("%s: %s holds no run: there is no meta.json in it or below it%s", who, path,
      above and is_file(above .. "/meta.json") and "; did you mean the run that it belongs to, " .. above .. "?" or "")
end

-- history.read(path, who) -> { path, runs, trainings = all that have something to show, problems = lines } of one path. A training is
-- { run, path, folder, name, state, seed, events, summary, metrics, accuracy, tasks, boundaries, density, overlap }. `who` begins the
-- message of an error.
function history.read(path, who)
   if type(path) ~= "string" or path == "" then core.raise("%s: expected the path of a run, got %s", who, core.typename(path)) end
   path = plain(path)
   local problem = history.problem(path)
   if problem then
      core.raise("%s: %s: %s%s", who, path, problem, problem:find "^cannot" and "" or "; a run is a directory below runs/")
   end
   local found = history.runs{ path }
   if #found.runs == 0 then raise_none(path, found, who) end
   local all = { path = path, runs = found.runs, trainings = {}, problems = found.problems }
   for _, run in ipairs(found.runs) do
      local kept = {}
      for _, training in ipairs(run.trainings) do
         if #training.events > 0 or #training.accuracy > 0 then
            kept[#kept + 1], all.trainings[#all.trainings + 1] = training, training
         end
      end
      run.trainings = kept
      for _, line in ipairs(run.problems) do all.problems[#all.problems + 1] = line end
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
