-- cl/scenario.lua: which output units a task may use. A model has one output layer with a unit for each class of the whole stream;
-- task k's classes are the units first_class .. last_class of its experience. What is not active gives no loss and no answer.
--
--   task     the task's own units, for its label is known: the same as a net with a head a task
--   class    all units of the tasks met so far; with outputs = "all" those of the tasks to come too
--   domain   all tasks share the units 1 .. classes
local core = require "engram.core"
local raise = core.raise

local scenario = { names = { "domain", "task", "class" }, outputs = { "seen", "all" } }

local INACTIVE = -1e30                                -- its exponential is 0, and its gradient with it

-- everything(stream): whether every unit that the model has is active.
local function everything(stream) return stream.scenario == "domain" or (stream.scenario == "class" and stream.outputs == "all") end
scenario.everything = everything

-- range(stream, k, seen): the first and the last unit that are active for an item of task k when `seen` tasks have been met (default:
-- all of them; before the first task every unit counts).
function scenario.range(stream, k, seen)
   local experience = stream[k]
   if not experience then raise("scenario.range: the stream has %d tasks, there is no task %s", #stream, tostring(k)) end
   if stream.scenario == "task" then return experience.first_class, experience.last_class end
   if everything(stream) or seen == 0 then return 1, stream.classes end
   return 1, stream.reach[seen or #stream]
end

-- narrow(logits, first, last): the columns first .. last; logits as they are where those are all.
function scenario.narrow(logits, first, last)
   if first == 1 and last == logits:size(2) then return logits end
   return logits:narrow(2, first, last - first + 1)
end

-- loss(t, logits, y, k): the loss (cl.train's `loss`, else cross entropy) of items of task k over its active units, which the loss
-- sees as classes 1, 2, ... y holds labels as the stream gives them: units of the whole net.
function scenario.loss(t, logits, y, k)
   local loss = t.loss_function or require "engram.nn".cross_entropy
   if everything(t.stream) then return loss(logits, y) end
   local first, last = scenario.range(t.stream, k, t.seen or t.task)
   return loss(scenario.narrow(logits, first, last), first > 1 and y - (first - 1) or y)
end

-- For every task a row of ones at the units that are not its own.
local function inactive_units(stream)
   if not stream.inactive then
      local engram = require "engram"
      local rows = engram.ones(#stream, stream.classes, { dtype = "uint8" }):keep()
      for k, experience in ipairs(stream) do
         rows[{ k, { experience.first_class, experience.last_class } }] = 0
      end
      stream.inactive = rows
   end
   return stream.inactive
end

-- mask(stream, logits, tasks): logits with the units that are not active for each item's task (task-incremental) far below all others.
function scenario.mask(stream, logits, tasks)
   if logits:size(2) ~= stream.classes then logits = scenario.narrow(logits, 1, stream.classes) end
   return logits:masked_fill(inactive_units(stream):index_select(1, tasks), INACTIVE)
end

-- Task by task, each over its own units, weighted by its items: what any loss can see.
local function loss_by_task(t, logits, y, tasks)
   local rows, order = {}, {}
   for i, k in ipairs(tasks:tolist()) do
      if not rows[k] then rows[k], order[#order + 1] = {}, k end
      table.insert(rows[k], i)
   end
   if #order == 1 then return scenario.loss(t, logits, y, order[1]) end
   table.sort(order)
   local sum
   for _, k in ipairs(order) do
      local index = require "engram".tensor(rows[k], { dtype = "int64" })
      local own = scenario.loss(t, logits:index_select(1, index), y:index_select(1, index), k) * (#rows[k] / #y)
      sum = sum and sum + own or own
   end
   return sum
end

-- masked_loss(t, logits, y, tasks): the loss of a batch whose items belong to several tasks; tasks (n) int64: each item's task.
-- The mean over items of what `loss` would give each of them. Cross entropy takes all at once, behind a mask that it does not feel.
function scenario.masked_loss(t, logits, y, tasks)
   if t.stream.scenario ~= "task" then return scenario.loss(t, logits, y, t.task) end
   local cross_entropy = require "engram.nn".cross_entropy
   if t.loss_function and t.loss_function ~= cross_entropy then return loss_by_task(t, logits, y, tasks) end
   return cross_entropy(scenario.mask(t.stream, logits, tasks), y)
end

-- tasks_of(stream, y): the task of each label (n) int64, for the task-incremental scenario, where a unit belongs to one task (the first,
-- of tasks that recur).
function scenario.tasks_of(stream, y)
   if not stream.owner then
      local engram = require "engram"
      local owner = engram.zeros(stream.classes, { dtype = "int64" }):keep()
      for k = #stream, 1, -1 do owner[{ { stream[k].first_class, stream[k].last_class } }] = k end
      stream.owner = owner
   end
   return stream.owner:index_select(1, y)
end

-- own_items(stream, k): the training items of task k; of a blurred task in the task-incremental scenario those whose units are its own.
function scenario.own_items(stream, k)
   local experience = stream[k]
   local set = experience.train
   if not (experience.mixed and stream.scenario == "task") then return set end
   local labels = set.labels
   return set:subset(labels:ge(experience.first_class):logical_and(labels:le(experience.last_class)):nonzero())
end

-- answers(stream, logits, k, seen): the unit (n) int64 that is the model's answer to each item of task k.
function scenario.answers(stream, logits, k, seen)
   if everything(stream) then return logits:argmax(2) end
   local first, last = scenario.range(stream, k, seen)
   local answer = scenario.narrow(logits, first, last):argmax(2)
   return first > 1 and answer + (first - 1) or answer
end

-- The same for a batch whose items belong to several tasks; tasks (n) int64: each item's.
function scenario.masked_answers(stream, logits, tasks, seen)
   if stream.scenario == "task" then return scenario.mask(stream, logits, tasks):argmax(2) end
   return scenario.answers(stream, logits, 1, seen)
end

return scenario
