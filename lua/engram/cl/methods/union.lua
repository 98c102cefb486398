-- cl/methods/union.lua: the training data of several tasks of a stream seen as one data set, whose batches also tell each item's task.
local memory = require "engram.cl.methods.memory"

local Union = {}
Union.__index = Union

local union = {}

-- new(stream, count): the tasks 1 .. count.
function union.new(stream, count)
   local self = setmetatable({ stream = stream, ends = {}, items = 0 }, Union)
   for k = 1, count do
      self.items = self.items + stream[k]:items "train"
      self.ends[k] = self.items
   end
   return self
end

function Union:size() return self.items end

local LABEL_BYTES = 8                                 -- int64

-- Bytes of the items and labels, counted without drawing any: what is made of a data set has numbers of its kind.
function Union:bytes()
   local sum = 0
   for k in ipairs(self.ends) do
      local task, of = self.stream[k], self.stream[k]:made_of().images or self.stream[k].train.images
      local item = of:bytes() / of:numel()
      for _, size in ipairs(task:shape()) do item = item * size end
      sum = sum + task:items "train" * (item + LABEL_BYTES)
   end
   return sum
end

-- The items at an index (int64, from 1), task by task: x, y, tasks.
function Union:batch(index)
   local wanted, engram = {}, require "engram"
   for _, i in ipairs(index:tolist()) do
      local k = 1
      while i > self.ends[k] do k = k + 1 end
      wanted[k] = wanted[k] or {}
      table.insert(wanted[k], i - (self.ends[k - 1] or 0))
   end
   local x, y, tasks = {}, {}, {}
   for k in ipairs(self.ends) do
      if wanted[k] then
         x[#x + 1], y[#y + 1] = self.stream[k].train:untrimmed():batch(wanted[k])
         tasks[#tasks + 1] = memory.tasks_of(self.stream, k, y[#y])
      end
   end
   return self.stream[1].train:trimmed(engram.cat(x, 1)), engram.cat(y, 1), engram.cat(tasks, 1)
end

-- part(index): the items at an index (int64, from 1), in its order, as a data set of their own.
local Part = {}
Part.__index = Part

function Union:part(index) return setmetatable({ whole = self, index = index }, Part) end

function Part:size() return #self.index end

function Part:batch(index) return self.whole:batch(self.index:index_select(1, index)) end

return union
