-- GDumb (Prabhu, Torr and Dokania 2020): a memory is filled greedily, balanced over classes; for each task a model is trained from scratch
-- on the memory alone. Whatever does worse than this has not learned from the stream.
local buffer = require "engram.cl.buffer"
local core = require "engram.core"
local memory = require "engram.cl.methods.memory"
local warnings = require "engram.cl.warnings"

-- All of the task's items are offered to the memory, in their order.
local function fill(self, t)
   local engram, set = require "engram", t.experience.train
   for first = 1, set:size(), 500 do
      engram.scope(function()
         local x, y = set:batch(engram.arange(first, math.min(first + 499, set:size())))
         self.memory:add("balanced", self.hyper.memory, { images = x, labels = y, format = buffer.format(set),
            tasks = memory.tasks_of(t.stream, t.task, y) })
      end)
      t.poll()
   end
end

-- The epochs of the stream are those of its items, which are not trained on.
local function say_epochs(self, t)
   for _, experience in ipairs(t.stream) do
      if experience.epochs ~= 1 then
         warnings.once(t, "GDumb epochs", "GDumb trains epochs = %d on its memory: the stream's epochs = %d have no effect",
            self.hyper.epochs, experience.epochs)
         return
      end
   end
end

-- Kinds of state that speak of the weights as a task left them.
local OF_WEIGHTS = { parameters = true, marks = true, tasks = true, model = true }

local function check_beside(t)
   for _, method in ipairs(t.methods) do
      for _, kind in pairs(method.description.state or {}) do
         if OF_WEIGHTS[kind] then
            core.raise("GDumb trains from scratch for every task: %s, which keeps old weights, cannot stand beside it",
               method.description.name)
         end
      end
   end
end

return {
   name = "GDumb",
   doc = "for each task a model from scratch, trained on a balanced memory alone",
   source = "Prabhu et al. 2020, ECCV",
   hyper = {
      memory = { default = 1000, min = 1, whole = true, doc = "items that stay" },
      epochs = { default = 30, min = 1, whole = true, doc = "epochs on the memory, for each task" },
   },
   state = { memory = "buffer", filled = "scalar" },

   plan = function(self, t, k)
      check_beside(t)
      local items = 0
      if t.stream[k].steps then
         core.raise("GDumb trains epochs = %d on its memory, so the stream's steps (streams.iterations: %d) would have no effect: leave " ..
            "them out and give GDumb{ epochs = n }", self.hyper.epochs, t.stream[k].steps)
      end
      for j = 1, k do items = items + (t.stream[j].again and 0 or t.stream[j]:items "train") end
      return { items = math.min(items, self.hyper.memory), epochs = self.hyper.epochs }
   end,

   train_data = function(self, t)
      if self.filled < t.task and not t.experience.again then fill(self, t) end        -- what comes again has its share
      self.filled = t.task
      return self.memory:dataset(t.stream.classes)
   end,

   begin = function(self, t)
      if not t.make_model then core.raise "GDumb trains from scratch: give cl.train{ model = function() ... end }" end
      say_epochs(self, t)
   end,

   task_begin = function(self, t)
      if t.task == 1 then return end                       -- the model is new
      require "engram".scope(function() t.model:load_state((t.make_model():state())) end)
      t.optimizer:reset()
   end,
}
