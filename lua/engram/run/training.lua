-- training.lua: one training of a run directory, read back: its summary, its events, and what follows from them: accuracies, the names
-- of its tasks and where they end. A file that is damaged is a line in the run's `problems`, not the end of it.
local core = require "engram.core"
local json = require "engram.json"
local names = require "engram.run.names"
local C = core.C

local training = {}

local function is_file(path) return C.eg_file_kind(path) == 1 end

-- ---- files ------------------------------------------------------------------------------------------------

-- The table in a JSON file; an empty one, and a problem, when it cannot be read. The second result: whether it was.
function training.load_table(path, problems)
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

local function first_line_of(path)
   local file = io.open(path)
   local line = file and file:read "*l"
   if file then file:close() end
   return line or ""
end

-- ---- what follows from them ------------------------------------------------------------------------------

function training.is_number(value) return type(value) == "number" end
local is_number = training.is_number

-- Whether a value is a row of a matrix: a list of numbers and nulls.
function training.is_row(value)
   if type(value) ~= "table" or #value == 0 then return false end
   for _, item in ipairs(value) do if not is_number(item) and item ~= json.null then return false end end
   return true
end
local is_row = training.is_row

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

-- Where its tasks lie, { { task, from, to, last }, ... } in steps: `last` is how far it came, `to` its end, nil of one that has not come
-- to it. A fork begins where it left the training that it came from, so that its first task is seldom task 1.
function made:spans()
   local ends, list, from = {}, {}, 0
   for _, event in ipairs(self.events) do
      local task, step = event.task, event.step
      if event.event == "fork" and is_number(step) then from = step
      elseif is_number(task) and is_number(step) then ends[task] = math.max(ends[task] or 0, step) end
   end
   for task in pairs(ends) do list[#list + 1] = { task = task } end
   table.sort(list, function(a, b) return a.task < b.task end)
   for i, span in ipairs(list) do
      span.from, span.last = from, ends[span.task]
      span.to = (i < #list or not self.unfinished) and span.last or nil
      from = span.last
   end
   return list
end

-- Its tasks' names: those of the summary; of a training without one, those over the columns of its matrix.
function made:tasks()
   local given, list, width = self.summary.tasks, {}, 0
   if type(given) ~= "table" then given = names.in_heading(first_line_of(self.path .. "/accuracy.csv")) end
   for _, row in ipairs(self.accuracy) do width = math.max(width, row.width) end
   for j = 1, math.max(width, #given) do list[j] = type(given[j]) == "string" and given[j] or "task " .. j end
   return list
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

-- Whether it may yet get farther, or never came to its end. What a script alone wrote of has its run's state.
local function is_unfinished(run, state)
   if state == "begun" then return run.state ~= "finished" end
   return state ~= "finished"
end

local function seed_of(run, summary)
   for _, seed in ipairs{ summary.seed or false, run.settings.seed or false, run.meta.seed or false } do
      if is_number(seed) then return seed end
   end
end

-- When a training, or the script beside its trainings, first looked at test sets, as cl/seal.lua notes it, or nil.
local function opened_at(self, folder, by)
   local noted = training.load_table(folder .. "/test_sets.json", self.run.problems)
   return noted.by == by and type(noted.opened) == "string" and noted.opened or nil
end
function made:test_opened() return opened_at(self, self.path, nil) end
function made:test_asked_for() return opened_at(self, self.run.path, "script") end

-- training.read(run, folder): the training in a folder of a run that history.lua reads, or nil when it holds none.
function training.read(run, folder)
   local path = folder == "" and run.path or run.path .. "/" .. folder
   if not is_file(path .. "/metrics.jsonl") and not is_file(path .. "/summary.json") then return nil end
   local summary, is_read = training.load_table(path .. "/summary.json", run.problems)
   local name = type(summary.name) == "string" and summary.name or folder ~= "" and folder or nil
   local state = state_of(run, path, summary, is_read)
   return setmetatable({ run = run, path = path, folder = folder, name = name, summary = summary, state = state,
      unfinished = is_unfinished(run, state), metrics = type(summary.metrics) == "table" and summary.metrics or {},
      seed = seed_of(run, summary) }, Training)
end

return training
