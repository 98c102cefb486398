-- cl/report.lua: what a training tells while it runs: the progress line, and the files of its run's folder where there is one.
local json = require "engram.json"
local random = require "engram.random"
local progress = require "engram.run.progress"
local run = require "engram.run"
local schedule = require "engram.schedule"
local vocabulary_file = require "engram.text.vocabulary_file"

local Report = {}
Report.__index = Report

local report = {}

-- Opens the folder of this training in the current run, if `engram run` opened one.
function report.open(t)
   local current = run.current()
   local folder = current and current:open(t.name)
   local plugin = t.optimizer.description
   if current then current:note_seed(random.seed(), true) end
   if folder and plugin.path then current:note_plugin(plugin.path, plugin.sha256) end
   if folder then folder.tasks = t.accuracy.names end
   local line = progress.new{ total_steps = not t.open and t.total_steps or nil, tasks = #t.stream, label = t.name,
      log = folder and function(text) folder:log(text) end or nil }
   return setmetatable({ folder = folder, line = line }, Report)
end

-- True in a run that is gone on with, until it has come to what is new: there may be a checkpoint.
function Report:repeats() return self.folder and self.folder.run.repeats or false end

-- What comes now is new.
function Report:go_on()
   if self.folder then self.folder.run:go_on() end
end

-- What of the progress line belongs to a checkpoint, and back.
function Report:memory() return self.line:memory() end
function Report:remember(memory) self.line:remember(memory) end

-- The training is alive, whatever it is doing.
function Report:alive(t)
   if self.folder then self.folder:heartbeat(t) end
end

function Report:step(t)
   self.line:update{ step = t.step, task = t.task, epoch = t.epoch, loss = t.loss }
   self:alive(t)
end

-- A line of its own, in the log; `aloud`: on standard error whatever is quiet.
function Report:remark(text, aloud)
   self.line:remark(text, aloud)
end

-- Which stream this is: two people with one hash train on the same bits.
function Report:stream(t)
   local vocabulary = t.stream:vocabulary()
   if vocabulary and self.folder then self.folder:write("vocabulary.json", vocabulary_file.text(vocabulary) .. "\n") end
   self.line:message(("stream: %d tasks, %s scenario, SHA-256 %s"):format(#t.stream, t.stream.scenario, t.stream:hash()))
end

-- A rule, or its cap, has ended a task.
function Report:stopped(t, record)
   local function count(n, what) return ("%d %s%s"):format(n, what, n == 1 and "" or "s") end
   self.line:message(("task %d ended after %s (%s): %s"):format(record.task, count(record.steps, "step"), count(record.epochs, "epoch"),
      record.why))
   if not self.folder then return end
   self.folder:log_metric{ event = "stop", task = t.task, epoch = t.epoch, step = t.step, by = record.by, why = record.why }
end

-- Values of tasks, which may have holes, as a list for JSON from task `first` (1) to the last that has one.
local function list_of(row, first)
   local list, last = json.array{}, 0
   for j in pairs(row) do last = math.max(last, j) end
   for j = first or 1, last do list[#list + 1] = row[j] or json.null end
   return list
end

-- A point of continual evaluation; the line says with which task its accuracies begin, where that is not task 1.
function Report:continual(point)
   if not self.folder then return end
   local first = math.huge
   for j in pairs(point.accuracy) do first = math.min(first, j) end
   self.folder:log_metric{ event = "continual", task = point.task, step = point.step, step_in_task = point.step_in_task,
      first = first > 1 and first or nil, accuracy = list_of(point.accuracy, first) }
end

-- A training that goes on from a point of another begins by saying so.
function Report:forked(from)
   if self.folder then
      self.folder:log_metric{ event = "fork", from = from.from, task = from.task, epoch = from.epoch, step = from.step }
   end
end

function Report:losses(t, loss)
   if not self.folder then return end
   local event = { event = "train", task = t.task, epoch = t.epoch, step = t.step, loss = loss,
      update_density = t.optimizer:statistics().update_density, penalty = t.penalty }
   for key, value in pairs(t.optimizer:own_statistics() or {}) do event["optimizer." .. key] = value end
   self.folder:log_metric(event)
end

-- The mean accuracy over the tasks seen so far.
local function mean_of_seen(t, row)
   local sum, count = 0, 0
   for j = 1, t.task do
      if row[j] then sum, count = sum + row[j], count + 1 end
   end
   return count > 0 and sum / count or nil
end

function Report:accuracies(t, row, event)
   self.line.state.accuracy = mean_of_seen(t, row)
   if self.folder then
      self.folder:log_metric{ event = event, task = t.task, epoch = t.epoch, step = t.step, accuracy = list_of(row) }
      if event == "task" then self.folder:write("accuracy.csv", t.accuracy:csv()) end
   end
   if event == "task" then
      local seen = {}
      for j = 1, t.task do
         if row[j] then seen[#seen + 1] = ("%s %.2f"):format(t.accuracy.names[j], row[j]) end
      end
      self.line:message(("after task %d: %s"):format(t.task, table.concat(seen, ", ")))
      self.line:task_end()
   end
end

-- Name and settings of an optimizer or method; schedules in words; a penalty's lambda in the unit that all conventions share.
local function described(object, batch_size)
   local hyper = {}
   for key, value in pairs(object.hyper) do
      if schedule.is_schedule(value) then value = schedule.describe(value) end
      hyper[key] = value
   end
   return { name = object.description.name, hyper = hyper, common_lambda = object.common_lambda and object:common_lambda(batch_size) }
end

-- A square matrix with what is not defined as null.
local function grid(matrix)
   local rows = json.array{}
   for k = 1, #matrix do
      rows[k] = json.array{}
      for l = 1, #matrix do rows[k][l] = matrix[k][l] or json.null end
   end
   return rows
end

local function rows_of(matrix)
   local rows = json.array{}
   for k, row in ipairs(matrix) do rows[k] = list_of(row) end
   return rows
end

-- What summary.json holds.
local function plain(t, result)
   local found, methods, held = {}, json.array{}, result.validation
   for key, value in pairs(result.metrics) do found[key] = value end
   found.update_overlap = grid(found.update_overlap)
   for i, method in ipairs(t.methods) do methods[i] = described(method, t.batch_size) end
   return { name = result.name, accuracy = rows_of(result.accuracy), tasks = result.accuracy.names, evaluated_on = result.evaluated_on,
      validation = held and { accuracy = rows_of(held.accuracy), metrics = held.metrics, initial = held.accuracy.initial },
      test_looks = t.looks,
      initial = result.accuracy.initial, published = result.published and list_of(result.published), forked_from = result.forked_from,
      metrics = found, bytes = result.bytes, steps = result.steps, seconds = result.seconds, time = result.time,
      stopped = result.stopped and json.array(result.stopped), arithmetic = result.arithmetic, budget = result.budget,
      penalty_share = result.penalty_share,
      scenario = t.stream.scenario,
      weights_sha256 = result.hash, stream_sha256 = result.stream_hash, optimizer = described(result.optimizer), methods = methods,
      batch_size = t.batch_size, seed = random.seed(), shuffle = t.shuffle, protocol = t.protocol }
end

-- "sgd: average accuracy 91.20 %, forgetting 3.10, backward transfer -3.10, in 0:12": a training in a line.
local function outcome(result)
   local found, parts = result.metrics, {}
   for _, pair in ipairs{ { "average accuracy", "average_accuracy", " %" }, { "forgetting", "forgetting", "" },
      { "backward transfer", "backward_transfer", "" } } do
      local value = found[pair[2]]
      if type(value) == "number" and value == value then parts[#parts + 1] = ("%s %.2f%s"):format(pair[1], value, pair[3]) end
   end
   if result.evaluated_on == "validation" then parts[#parts + 1] = "all on validation sets" end
   parts[#parts + 1] = ("%d steps in %s"):format(result.steps, progress.duration(result.seconds))
   return (result.name and result.name .. ": " or "") .. table.concat(parts, ", ")
end

-- Ends the line; writes the summary and the weights, also of a training that was cut short.
function Report:finish(t, result, complete, message)
   self.line:finish()
   if complete then self.line:say(outcome(result)) end
   if not self.folder then return end
   local summary = plain(t, result)
   summary.complete, summary.error = complete, message
   self.folder:write("accuracy.csv", result.accuracy:csv())
   self.folder:write_json("summary.json", summary)
   self.folder:save_weights(result.model)
end

return report
