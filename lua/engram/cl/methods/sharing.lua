-- cl/methods/sharing.lua: a memory of a fixed size that all tasks so far share equally, and the data of a task mixed with it 1 : 1, as in
-- the code of Hsu et al. 2018: what Rehearsal and, by their convention, GEM do.
local memory = require "engram.cl.methods.memory"

local sharing = {}

-- The different tasks before task k.
local function tasks_before(t, k)
   local list = {}
   for j = 1, k - 1 do
      if not t.stream[j].again then list[#list + 1] = t.stream[j] end
   end
   return list
end

-- Items in a memory of `capacity` when task k begins.
local function filled(t, k, capacity)
   local list, sum = tasks_before(t, k), 0
   for _, experience in ipairs(list) do sum = sum + math.min(experience:items "train", math.floor(capacity / #list)) end
   return sum
end

-- How often the memory is seen in an epoch of task k.
local function copies(t, k, capacity) return math.max(1, math.floor(t.stream[k]:items "train" / capacity)) end

-- plan(t, k, capacity): the size of task k: its items and the memory's copies.
function sharing.plan(t, k, capacity)
   return { items = t.stream[k]:items "train" + copies(t, k, capacity) * filled(t, k, capacity) }
end

local Mixed = {}
Mixed.__index = Mixed

function Mixed:size() return self.items end

-- The items at an index (int64, from 1): those of the task, then copy by copy those of the memory: x, y, tasks.
function Mixed:batch(index)
   local engram, own, old = require "engram", {}, {}
   for _, i in ipairs(index:tolist()) do
      if i <= self.own then own[#own + 1] = i else old[#old + 1] = (i - self.own - 1) % self.memory:size() + 1 end
   end
   local x, y, tasks = {}, {}, {}
   if #own > 0 then
      x[1], y[1] = self.t.experience.train:batch(own)
      tasks[1] = memory.tasks_of(self.t.stream, self.t.task, y[1])
   end
   if #old > 0 then
      local items = self.memory:items(engram.tensor(old, { dtype = "int64" }))
      x[#x + 1], y[#y + 1], tasks[#tasks + 1] = items.images, items.labels, items.tasks
   end
   return engram.cat(x, 1), engram.cat(y, 1), engram.cat(tasks, 1)
end

-- data(t, buffer, capacity): the data set of the present task: its own items and the memory's.
function sharing.data(t, buffer, capacity)
   if buffer:size() == 0 then return t.experience.train end
   local own = t.experience:items "train"
   return setmetatable({ t = t, memory = buffer, own = own, items = own + copies(t, t.task, capacity) * buffer:size() }, Mixed)
end

-- file(t, buffer, capacity): at a task's end: it gets its share, and the tasks before keep no more than that. Of a blurred task some items
-- are of its neighbours, so that there may be items of more tasks than have come.
function sharing.file(t, buffer, capacity)
   if t.experience.again then return end
   local share = math.floor(capacity / (#tasks_before(t, t.task) + 1))
   buffer:shrink(share, capacity - share)
   buffer:take(t.experience.train, share, false, function(y) return memory.tasks_of(t.stream, t.task, y) end)
end

return sharing
