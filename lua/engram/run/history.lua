-- history.lua: run directories read back: the runs at a path, their trainings, and of each its events, accuracies and settings.
-- What compare, report, plot, ls, show and diff are made of. A file that is damaged is a line in `problems`, not the end of it.
local core = require "engram.core"
local flat = require "engram.run.flat"
local left = require "engram.run.left"
local trainings = require "engram.run.training"
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
      run[part], is_read = trainings.load_table(path .. "/" .. part .. ".json", run.problems)
      if part ~= "meta" and not is_read and is_file(path .. "/" .. part .. ".json") then run.damaged = true end
   end
   run.state = left.state(path, run.status)
   run.words = flat.add({}, "", run.settings)
   local script = type(run.meta.script) == "string" and run.meta.script or ""
   local above, stage = path:match "^(.+)/([^/]+)/[^/]+$"
   run.stage = above and is_file(above .. "/select.json") and stage or nil          -- "search" or "final" of a selection
   run.experiment = script:match "([^/]*)$":gsub("%.lua$", "")
   for _, folder in ipairs{ "", unpack(names_or_none(path, run.problems)) } do
      run.trainings[#run.trainings + 1] = trainings.read(run, folder)
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
-- { run, path, folder, name, state, unfinished, seed, events, summary, metrics, accuracy, tasks, spans, density, overlap }: see
-- training.lua. `who` begins the message of an error.
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

local is_number, is_row = trainings.is_number, trainings.is_row

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
