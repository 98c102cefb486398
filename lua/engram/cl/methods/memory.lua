-- cl/methods/memory.lua: what the methods share that keep items of old tasks: how their memory is filled, and what is drawn from it.
local buffer = require "engram.cl.buffer"
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
         shared.per_class = { default = 100, min = 1, whole = true, with = { filling = { "task end" } },
            doc = "items of each class of a task" }
      elseif filling == "reservoir" or filling == "balanced" then
         shared.memory = { default = 1000, min = 1, whole = true, with = { filling = { "reservoir", "balanced" } },
            doc = "the most items that stay" }
      end
   end
   for key, about in pairs(own or {}) do shared[key] = about end
   return shared
end

-- The task of each of these labels of task k, int64: k, or where a blurred task mixes the units of several the one whose unit it is.
function memory.tasks_of(stream, k, y)
   if stream[k].mixed and stream.scenario == "task" then return scenario.tasks_of(stream, y) end
   return require "engram".full({ #y }, k, { dtype = "int64" })
end

-- The task of each item of the batch as the stream gave it.
function memory.tasks(t) return t.fresh.tasks or memory.tasks_of(t.stream, t.task, t.fresh.y) end

-- draw(self, t): so many items as a step replays, or nil while there are none.
function memory.draw(self, t)
   local n = self.hyper.replay_batch
   return self.memory:draw(n > 0 and n or t.batch_size)
end

-- The number of different tasks before the present one.
function memory.old_tasks(t)
   local count = 0
   for k = 1, t.task - 1 do
      if not t.stream[k].again then count = count + 1 end
   end
   return count
end

-- The loss of drawn items, each over the units that are active for it.
function memory.loss(t, drawn) return scenario.masked_loss(t, t.model(drawn.images), drawn.labels, drawn.tasks) end

-- offer(self, t, logits): after a step: what the stream gave may stay, with the outputs for it.
function memory.offer(self, t, logits)
   local filling, x, y = self.hyper.filling, t.fresh.x, t.fresh.y
   if filling ~= "reservoir" and filling ~= "balanced" then return end
   self.memory:add(filling, self.hyper.memory, { images = x, labels = y, tasks = memory.tasks(t), logits = logits,
      format = buffer.format(t.experience.train) })
end

-- take(self, t, count, by_class): so many items of the task's data, or of each of its classes, stay for good.
function memory.take(self, t, count, by_class)
   self.memory:take(t.experience.train, count, by_class, function(y) return memory.tasks_of(t.stream, t.task, y) end)
end

-- So many of the task's items, drawn, may stay, in a memory of a fixed size.
local function offer_one_batch(self, t, count)
   local set = t.experience.train
   local order = require "engram".randperm(set:size(), { stream = "replay" })
   local x, y = set:batch(order:narrow(1, 1, math.min(count, set:size())))
   self.memory:add("reservoir", self.hyper.memory, { images = x, labels = y, tasks = memory.tasks_of(t.stream, t.task, y),
      format = buffer.format(set) })
end

-- file(self, t): at a task's end: items of it are drawn that stay, unless it came again and has its share in the memory.
function memory.file(self, t)
   local filling = self.hyper.filling
   if t.experience.again then return end
   if filling == "task end" then
      memory.take(self, t, self.hyper.per_class, true)
   elseif filling == "one batch" then
      local count = self.hyper.offered > 0 and self.hyper.offered or t.batch_size
      if self.hyper.memory > 0 then offer_one_batch(self, t, count) else memory.take(self, t, count, false) end
   end
end

return memory
