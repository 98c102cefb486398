-- Joint: the data of all tasks from the first step on: what can be reached without a stream. Tasks still follow one another, so that
-- its matrix and metrics stand beside the others'. By the budget "compute" the tasks share one training on all data between them, of as
-- many steps as the stream's: each goes on in the pass where the one before ended.
local random = require "engram.random"
local tensor = require "engram.tensor"
local together = require "engram.cl.methods.together"

local joint = together({ name = "Joint", doc = "the data of all tasks from the first step on: the ceiling" }, "compute",
   function(t) return #t.stream end)
local whole_plan, whole_data = joint.plan, joint.train_data

-- The items of as many whole batches as task k alone would take.
local function items_of(t, k)
   local _, alone = t.stream[k]:steps_of(t.batch_size, t.drop_last)
   return alone * t.batch_size
end

-- The items `first` + 1 to `last` of passes over the data that follow one another, each in an order of its own: their indices, int64.
-- Tasks are mixed where the training does not shuffle too: the data's own order is the stream's, which the method is there to do without.
local function share(size, first, last)
   local engram, parts = require "engram", {}
   for pass = math.floor(first / size), math.ceil(last / size) - 1 do
      local order = engram.randperm(size, { stream = random.private(random.seed(), "Joint pass " .. pass) })
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
   return all:part(tensor.scope(share, all:size(), first, first + items_of(t, t.task)))
end

return joint
