-- cl/metrics.lua: what a run is judged by. R[i][j] is the accuracy on task j after training task i, in percent.
-- A figure that is not defined is nil, with the reason in metrics.reasons.
local core = require "engram.core"
local tensor = require "engram.tensor"
local distinct = require "engram.run.names".distinct
local C, check = core.C, core.check

local metrics = {}

-- ---- the accuracy matrix ----------------------------------------------------------------------------------

local Matrix = {}
Matrix.__index = Matrix

-- matrix(names): rows are added as tasks end: R[i] = { accuracy on task 1, 2, ... }.
function metrics.matrix(names) return setmetatable({ names = names }, Matrix) end

function Matrix.__tostring(self)
   local width = 8
   for _, name in ipairs(self.names) do width = math.max(width, #name) end
   local cell = "%" .. width .. "s"
   local lines = { (" "):rep(width + 6) .. "  on" }
   local head = { (" "):rep(width + 6) }
   for _, name in ipairs(self.names) do head[#head + 1] = cell:format(name) end
   lines[2] = table.concat(head, "  ")
   for i, row in ipairs(self) do
      local words = { ("after " .. cell):format(self.names[i]) }
      for j in ipairs(self.names) do words[#words + 1] = cell:format(row[j] and ("%.2f"):format(row[j]) or "-") end
      lines[#lines + 1] = table.concat(words, "  ")
   end
   return table.concat(lines, "\n")
end

-- As CSV: a row a task, the first column its name; with its number where a task comes twice.
function Matrix:csv()
   local names = distinct(self.names)
   local lines = { "after," .. table.concat(names, ",") }
   for i, row in ipairs(self) do
      local words = { names[i] }
      for j in ipairs(names) do words[#words + 1] = row[j] and ("%.4f"):format(row[j]) or "" end
      lines[#lines + 1] = table.concat(words, ",")
   end
   return table.concat(lines, "\n") .. "\n"
end

-- ---- figures from the matrix ------------------------------------------------------------------------------

local function mean(list)
   local sum = 0
   for _, v in ipairs(list) do sum = sum + v end
   return sum / #list
end

-- Mean over tasks of R[T][j]: average accuracy at the end (Lopez-Paz and Ranzato 2017).
function metrics.average_accuracy(R)
   if #R == 0 then return nil, "no task has ended" end
   local last = {}
   for j = 1, #R do last[j] = R[#R][j] end
   return mean(last)
end

-- Mean over j < T of R[T][j] - R[j][j] (Lopez-Paz and Ranzato 2017); negative: old tasks were lost.
function metrics.backward_transfer(R)
   if #R < 2 then return nil, "needs at least two tasks" end
   local changes = {}
   for j = 1, #R - 1 do changes[j] = R[#R][j] - R[j][j] end
   return mean(changes)
end

-- Mean over j < T of max over l in j .. T-1 of R[l][j], minus R[T][j] (Chaudhry et al. 2018).
function metrics.forgetting(R)
   if #R < 2 then return nil, "needs at least two tasks" end
   local losses = {}
   for j = 1, #R - 1 do
      local best = -math.huge
      for l = j, #R - 1 do best = math.max(best, R[l][j]) end
      losses[j] = best - R[#R][j]
   end
   return mean(losses)
end

-- Mean of R[j][j]: how well each task was learned when it was new (Riemer et al. 2019).
function metrics.learning_accuracy(R)
   if #R == 0 then return nil, "no task has ended" end
   local list = {}
   for j = 1, #R do list[j] = R[j][j] end
   return mean(list)
end

local from_matrix = { "average_accuracy", "backward_transfer", "forgetting", "learning_accuracy" }

-- All figures of a matrix, and { name = reason } for those that are not defined.
function metrics.of(R)
   local found, reasons = {}, {}
   for _, name in ipairs(from_matrix) do found[name], reasons[name] = metrics[name](R) end
   found.reasons = reasons
   return found
end

-- ---- which weights moved ----------------------------------------------------------------------------------

local Tracker = {}
Tracker.__index = Tracker

-- tracker(parameters): notes, task by task, which weights end with other bits than they began with.
function metrics.tracker(parameters)
   local total = 0
   for _, p in ipairs(parameters) do total = total + p:numel() end
   return setmetatable({ parameters = parameters, total = total, masks = {}, density = {} }, Tracker)
end

function Tracker:task_begin()
   self.before = {}
   for i, p in ipairs(self.parameters) do self.before[i] = p:detach():clone():keep() end
end

function Tracker:task_end()
   local masks, moved = {}, 0
   for i, p in ipairs(self.parameters) do
      local mask = tensor.like(p, 3):zero_():keep()
      check(C.eg_mark_different(mask.tensor, p.tensor, self.before[i].tensor))
      moved = moved + mask:sum():item()
      masks[i] = mask
      self.before[i]:release()
   end
   self.before = nil
   self.masks[#self.masks + 1] = masks
   self.density[#self.density + 1] = moved / self.total
end

-- |U_k and U_l| / |U_k or U_l| for two tasks; nil when neither moved anything.
local function overlap(a, b)
   local both, either = 0, 0
   tensor.scope(function()
      for i = 1, #a do
         both = both + a[i]:logical_and(b[i]):sum():item()
         either = either + a[i]:logical_or(b[i]):sum():item()
      end
   end)
   if either == 0 then return nil end
   return both / either
end

-- The matrix of overlaps between tasks; 1 on the diagonal.
function Tracker:overlaps()
   local matrix = {}
   for k = 1, #self.masks do
      matrix[k] = {}
      for l = 1, #self.masks do matrix[k][l] = overlap(self.masks[k], self.masks[l]) end
   end
   return matrix
end

-- Bytes of what the tracker holds: the masks of all tasks, and during a task the weights that it began with.
function Tracker:bytes()
   local total = 0
   for _, list in ipairs{ self.before or {}, unpack(self.masks) } do
      for _, t in ipairs(list) do total = total + t:bytes() end
   end
   return total
end

-- ---- accuracy of a model ----------------------------------------------------------------------------------

-- Copies of the model's buffers, and what puts them back.
local function copy_buffers(model)
   local list = {}
   for _, buffer in model:named_buffers() do list[#list + 1] = { buffer, buffer:clone():keep() } end
   return list
end

local function restore_buffers(list)
   for _, pair in ipairs(list) do
      pair[1]:copy_(pair[2])
      pair[2]:release()
   end
end

-- accuracy(model, dataset, {training = false, batch_size = 200, poll = function}): percent of items whose largest output is the
-- label. training = true leaves dropout on (the published protocol); the stream "dropout" and the buffers (batch norm's running
-- figures) are set back afterwards, so that evaluating does not change training.
function metrics.accuracy(model, dataset, options)
   options = core.options("metrics.accuracy", options, { "training", "batch_size", "poll" })
   local engram = require "engram"
   local batch_size, size = core.whole("metrics.accuracy: batch_size", options.batch_size or 200), dataset:size()
   if size == 0 then return nil, "there are no items" end
   local before, right = model.training, 0
   local dropout = require "engram.random".stream "dropout"
   local counter, buffers = dropout.counter, copy_buffers(model)
   model:train(options.training or false)
   local function add(first)
      local x, y = dataset:batch(engram.arange(first, math.min(first + batch_size - 1, size)))
      right = right + model(x):argmax(2):eq(y):sum():item()
   end
   local ok, message = pcall(function()
      for first = 1, size, batch_size do
         if options.poll then options.poll() end
         engram.no_grad(tensor.scope, add, first)
      end
   end)
   model:train(before)
   dropout.counter = counter
   restore_buffers(buffers)
   if not ok then error(message, 0) end
   return 100 * right / size
end

return metrics
