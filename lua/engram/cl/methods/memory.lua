-- cl/methods/memory.lua: what the methods share that keep items of old tasks: how their memory is filled, and what is drawn from it.
local scenario = require "engram.cl.scenario"

local memory = {}

-- hyper(own): the settings that they share; fillings: the choices, the first one is the default.
function memory.hyper(fillings, own)
   local shared = {
      filling = { default = fillings[1], choices = fillings, doc = "which items stay: of all that came the same share; as many of each " ..
         "class; a draw at each task's end; one batch then" },
      replay_batch = { default = 0, min = 0, whole = true, doc = "items drawn for a step; 0: as many as a batch has" },
   }
   for _, filling in ipairs(fillings) do
      if filling == "task end" then
         shared.per_class = { default = 100, min = 1, whole = true, doc = "filling = 'task end': items of each class of a task" }
      elseif filling == "reservoir" or filling == "balanced" then
         shared.memory = { default = 1000, min = 1, whole = true, doc = "the most items that stay" }
      end
   end
   for key, about in pairs(own or {}) do shared[key] = about end
   return shared
end

-- The task of each of these labels of the present task: a number, or int64 where a blurred task mixes the units of several.
function memory.tasks(t, y)
   if t.experience.mixed and t.stream.scenario == "task" then return scenario.tasks_of(t.stream, y) end
   return t.task
end

-- A number of tasks as a tensor beside y.
function memory.as_tensor(tasks, y)
   if type(tasks) ~= "number" then return tasks end
   return require "engram".full({ #y }, tasks, { dtype = "int64" })
end

-- draw(self, t): so many items as a step replays, or nil while there are none.
function memory.draw(self, t)
   local n = self.hyper.replay_batch
   return self.memory:draw(n > 0 and n or t.batch_size)
end

-- The loss of drawn items, each over the units that are active for it.
function memory.loss(t, drawn) return scenario.masked_loss(t, t.model(drawn.images), drawn.labels, drawn.tasks) end

-- offer(self, x, y, tasks, logits): after a step: what has been trained on may stay.
function memory.offer(self, x, y, tasks, logits)
   local filling = self.hyper.filling
   if filling ~= "reservoir" and filling ~= "balanced" then return end
   self.memory:add(filling, self.hyper.memory, { images = x, labels = y, tasks = tasks, logits = logits })
end

-- file(self, t): at a task's end: items of it are drawn that stay.
function memory.file(self, t)
   local filling = self.hyper.filling
   if filling == "task end" then
      self.memory:take(t.experience.train, t.task, self.hyper.per_class, true)
   elseif filling == "one batch" then
      self.memory:take(t.experience.train, t.task, t.batch_size, false)
   end
end

return memory
