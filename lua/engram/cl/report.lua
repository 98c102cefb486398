-- cl/report.lua: what a training tells while it runs: the progress line, and the files of its run's folder where there is one.
local json = require "engram.json"
local random = require "engram.random"
local progress = require "engram.run.progress"
local run = require "engram.run"
local schedule = require "engram.schedule"

local Report = {}
Report.__index = Report

local report = {}

-- Opens the folder of this training in the current run, if `engram run` opened one.
function report.open(t)
   local current = run.current()
   local folder = current and current:open(t.name)
   local plugin = t.optimizer.description.path
   if folder then folder.tasks = t.accuracy.names end
   if folder and plugin then current:note_plugin(plugin) end
   local line = progress.new{ total_steps = t.total_steps, tasks = #t.stream, label = t.name,
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

-- A training that goes on from a point of another begins by saying so.
function Report:forked(from)
   if self.folder then
      self.folder:log_metric{ event = "fork", from = from.from, task = from.task, epoch = from.epoch, step = from.step }
   end
end

function Report:losses(t, loss)
   if self.folder then
      self.folder:log_metric{ event = "train", task = t.task, epoch = t.epoch, step = t.step, loss = loss,
         update_density = t.optimizer:statistics().update_density, penalty = t.penalty }
   end
end

function Report:accuracies(t, row, event)
   if self.folder then
      self.folder:log_metric{ event = event, task = t.task, epoch = t.epoch, step = t.step, accuracy = row }
      if event == "task" then self.folder:write("accuracy.csv", t.accuracy:csv()) end
   end
   if event == "task" then
      local seen = {}
      for j = 1, t.task do seen[j] = ("%s %.2f"):format(t.accuracy.names[j], row[j]) end
      self.line:message(("after task %d: %s"):format(t.task, table.concat(seen, ", ")))
      self.line:task_end()
   end
end

-- Name and settings of an optimizer or method; schedules in words.
local function described(object)
   local hyper = {}
   for key, value in pairs(object.hyper) do
      if schedule.is_schedule(value) then value = schedule.describe(value) end
      hyper[key] = value
   end
   return { name = object.description.name, hyper = hyper }
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

-- What summary.json holds.
local function plain(t, result)
   local found, methods = {}, json.array{}
   for key, value in pairs(result.metrics) do found[key] = value end
   found.update_overlap = grid(found.update_overlap)
   for i, method in ipairs(t.methods) do methods[i] = described(method) end
   return { name = result.name, accuracy = json.array{ unpack(result.accuracy) }, tasks = result.accuracy.names,
      published = result.published, forked_from = result.forked_from,
      metrics = found, bytes = result.bytes, steps = result.steps, seconds = result.seconds,
      weights_sha256 = result.hash, stream_sha256 = result.stream_hash, optimizer = described(result.optimizer), methods = methods,
      batch_size = t.batch_size, seed = random.seed(), shuffle = t.shuffle, protocol = t.protocol }
end

-- Ends the line; writes the summary and the weights, also of a training that was cut short.
function Report:finish(t, result, complete, message)
   self.line:finish()
   if not self.folder then return end
   local summary = plain(t, result)
   summary.complete, summary.error = complete, message
   self.folder:write("accuracy.csv", result.accuracy:csv())
   self.folder:write_json("summary.json", summary)
   self.folder:save_weights(result.model)
end

return report
