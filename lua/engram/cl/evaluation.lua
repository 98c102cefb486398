-- cl/evaluation.lua: how good a training's model is: on whole test (or validation) sets between tasks, and every so many steps on a fixed
-- part of them.
-- Neither changes the training: modes, random streams and batch norm's running figures are left as they were.
local core = require "engram.core"
local tensor = require "engram.tensor"
local accuracy = require "engram.cl.metrics.evaluate"
local over_items = require "engram.cl.metrics.over_items"
local random = require "engram.random"
local scenario = require "engram.cl.scenario"
local seal = require "engram.cl.seal"
local C = core.C

local evaluation = {}

-- What the matrix is measured on: "test" or "validation" in evaluation mode on these sets, "published" on the training sets with dropout.
function evaluation.protocol(t) return t.protocol == "published" and "published" or seal.part(t) end

-- The first task that is evaluated beside the last one, and the last.
local function first_and_last(t)
   if t.evaluate_tasks == "all" then return 1, #t.stream end
   if t.evaluate_tasks == "seen" then return 1, t.task end
   return math.max(1, t.task - t.evaluate_tasks + 1), t.task
end

-- Calls f with the model as the methods want it for task j; they put it back whatever happens.
local function as_for_task(t, j, f)
   for _, method in ipairs(t.methods) do if method.test_begin then method:test_begin(t, j) end end
   local ok, result = pcall(f)
   for _, method in ipairs(t.methods) do if method.test_end then method:test_end(t, j) end end
   if not ok then error(result, 0) end
   return result
end

-- True when a method changes the model for a task that is evaluated.
local function changes_the_model(t)
   for _, method in ipairs(t.methods) do if method.test_begin then return true end end
   return false
end

-- The accuracy on items of task j.
local function accuracy_on(t, j, set, training)
   return as_for_task(t, j, function()
      return accuracy(t.model, set, { training = training, batch_size = t.evaluate_batch_size, poll = t.poll,
         answers = function(logits) return scenario.answers(t.stream, logits, j, t.seen or t.task) end })
   end)
end

local function evaluate_task(t, j, protocol)
   local experience, published = t.stream[j], protocol == "published"
   local percent = accuracy_on(t, j, published and scenario.own_items(t.stream, j) or experience:open(protocol), published)
   if j ~= t.task then experience:release_but(t.present) end
   return percent
end

-- Accuracy on the tasks that are evaluated, by task; nil for the others.
function evaluation.row(t, protocol)
   local row, before, began = {}, t.doing, C.eg_clock()
   t.doing = "evaluating"
   if protocol == "test" then seal.looked(t) end
   C.eg_pool_trim()                                   -- evaluation and training have no use for each other's sizes of blocks
   local first, last = first_and_last(t)
   for j = first, last do row[j] = evaluate_task(t, j, protocol) end
   C.eg_pool_trim()
   t.doing = before
   t.time.evaluation = t.time.evaluation + C.eg_clock() - began
   return row
end

-- Calls f, whose time is evaluation's.
local function timed(t, f)
   local before, began = t.doing, C.eg_clock()
   t.doing = "evaluating"
   local value = f()
   t.doing = before
   t.time.evaluation = t.time.evaluation + C.eg_clock() - began
   return value
end

-- accuracy(t, set), loss(t, set): on items of the present task, in evaluation mode; the loss is that of the training, without the
-- methods' terms.
function evaluation.accuracy(t, set)
   return timed(t, function() return accuracy_on(t, t.task, set, false) end)
end

function evaluation.loss(t, set)
   return timed(t, function()
      return as_for_task(t, t.task, function()
         local sum, size = over_items(t.model, set, function(logits, y) return scenario.loss(t, logits, y, t.task):item() * #y end,
            { batch_size = t.evaluate_batch_size, poll = t.poll })
         return sum / size
      end)
   end)
end

-- ---- every so many steps ----------------------------------------------------------------------------------

-- The items of task j that are looked at: as many as its share allows, the same in every run.
local function part_of_task(t, j)
   local experience = t.stream[j]
   local shared = type(t.evaluate_tasks) == "number" and math.min(t.evaluate_tasks, #t.stream) or #t.stream
   local part = tensor.scope(function()
      local set = experience:open(seal.part(t))
      local order = require "engram".randperm(set:size(), { stream = random.private(0, "continual " .. j) })
      local x, y = set:batch(order:narrow(1, 1, math.min(set:size(), math.floor(t.evaluate_items / shared))))
      return { task = j, x = x:keep(), y = y:keep() }
   end)
   if j ~= t.task then experience:release_but(t.present) end
   return part
end

-- Puts the parts side by side in one batch.
local function join(parts)
   local engram, x, y, tasks = require "engram", {}, {}, {}
   for i, part in ipairs(parts) do
      x[i], y[i] = part.x, part.y
      tasks[i] = engram.full({ #part.y }, part.task, { dtype = "int64" })
   end
   local function joined(list) return (#list > 1 and engram.cat(list, 1) or list[1]:clone()):keep() end
   local alike = true                                 -- texts are as wide as the longest of their part
   for i = 2, #x do alike = alike and x[i]:dim() == x[1]:dim() and x[i]:size(-1) == x[1]:size(-1) end
   return { parts = parts, x = alike and joined(x) or nil, y = joined(y), tasks = joined(tasks) }
end

-- Tasks up to t.task are looked at from now on: the last so many, where evaluate_tasks is a number.
function evaluation.meet(t)
   if not t.evaluate_every then return end
   local first = type(t.evaluate_tasks) == "number" and math.max(1, t.task - t.evaluate_tasks + 1) or 1
   local known, parts = {}, {}
   for _, part in ipairs(t.watched and t.watched.parts or {}) do known[part.task] = part end
   for j = first, t.task do parts[#parts + 1] = known[j] or part_of_task(t, j) end
   for _, name in ipairs(t.watched and { "x", "y", "tasks" } or {}) do
      if t.watched[name] then t.watched[name]:release() end
   end
   t.watched = tensor.scope(join, parts)
   for _, part in pairs(known) do
      if part.task < first then
         part.x:release()
         part.y:release()
      end
   end
end

-- The model's answers to all that is watched, in one forward pass (or one a task): a list of 0 and 1.
local function right_answers(t)
   local watched = t.watched
   if changes_the_model(t) or not watched.x then
      local all = {}
      for _, part in ipairs(watched.parts) do
         local logits = as_for_task(t, part.task, function() return t.model(part.x) end)
         for _, right in ipairs(scenario.answers(t.stream, logits, part.task, t.seen or t.task):eq(part.y):tolist()) do
            all[#all + 1] = right
         end
      end
      return all
   end
   local logits = t.model(watched.x)
   return scenario.masked_answers(t.stream, logits, watched.tasks, t.seen or t.task):eq(watched.y):tolist()
end

-- A point of the record: accuracy on the watched part of each task.
function evaluation.point(t)
   local began = C.eg_clock()
   if seal.part(t) == "test" then seal.looked(t) end
   local dropout = random.stream "dropout"
   local counter = dropout.counter
   t.model:eval()
   local right = require "engram".no_grad(tensor.scope, right_answers, t)
   t.model:train()
   dropout.counter = counter
   local point, at = { step = t.step, task = t.task, step_in_task = t.step_in_task, accuracy = {} }, 0
   for _, part in ipairs(t.watched.parts) do
      local items, sum = #part.y, 0
      for i = at + 1, at + items do sum = sum + right[i] end
      point.accuracy[part.task], at = 100 * sum / items, at + items
   end
   t.continual[#t.continual + 1] = point
   t.out:continual(point)
   t.time.continual = t.time.continual + C.eg_clock() - began
end

-- A point of this step, unless there is one: the last of a task, whose weights must be those that it ends with.
function evaluation.close(t)
   local points = t.continual
   if points and (#points == 0 or points[#points].step < t.step) then evaluation.point(t) end
end

-- A point when one is due.
function evaluation.due(t)
   if t.evaluate_every and t.step_in_task % t.evaluate_every == 0 then evaluation.close(t) end
end

return evaluation
