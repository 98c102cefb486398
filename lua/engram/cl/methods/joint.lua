-- Joint: the data of all tasks from the first step on: what can be reached without a stream. Tasks still follow one another, so that
-- its matrix and metrics stand beside the others'. By the budget "compute" the tasks share one training on all data between them: each
-- goes on in the pass where the one before ended, so that all in all an item is met as often as in the stream.
local random = require "engram.random"
local tensor = require "engram.tensor"
local together = require "engram.cl.methods.together"

local joint = together({ name = "Joint", doc = "the data of all tasks from the first step on: the ceiling" }, "compute",
   function(t) return #t.stream end)
local whole_plan, whole_data = joint.plan, joint.train_data

-- The items that task k alone would train on, those of each epoch counted.
local function items_of(t, k)
   local experience = t.stream[k]
   return experience.steps and experience.steps * t.batch_size or experience.epochs * experience:items "train"
end

-- The items `first` + 1 to `last` of passes over the data that follow one another: their indices, int64.
local function share(size, first, last, shuffle)
   local engram, parts = require "engram", {}
   for pass = math.floor(first / size), math.ceil(last / size) - 1 do
      local order = shuffle and engram.randperm(size, { stream = random.private(random.seed(), "Joint pass " .. pass) })
         or engram.arange(size)
      local from, to = math.max(first - pass * size, 0), math.min(last - pass * size, size)
      parts[#parts + 1] = order:narrow(1, from + 1, to - from)
   end
   return engram.cat(parts, 1):keep()
end

function joint.plan(self, t, k, alone)
   if self.hyper.budget == "epochs" then return whole_plan(self, t, k, alone) end
   return { items = items_of(t, k), epochs = 1 }
end

function joint.train_data(self, t)
   local all, first = whole_data(self, t), 0
   if self.hyper.budget == "epochs" then return all end
   for k = 1, t.task - 1 do first = first + items_of(t, k) end
   return all:part(tensor.scope(share, all:size(), first, first + items_of(t, t.task), t.shuffle))
end

return joint
