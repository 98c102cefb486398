-- Experience Replay (Robins 1995; Chaudhry et al. 2019, arXiv 1902.10486): items of old tasks are trained on again.
--   weighting "joint"   one loss over the batch and what is drawn beside it (Mammoth)
--   weighting "split"   loss / k + (1 - 1 / k) loss of what is drawn, in the k-th task (van de Ven)
local memory = require "engram.cl.methods.memory"

return {
   name = "ER",
   doc = "items of old tasks, kept in a memory, are trained on again",
   source = "arXiv 1902.10486",
   hyper = memory.hyper({ "reservoir", "balanced", "task end" }, {
      weighting = { default = "joint", choices = { "joint", "split" }, doc = "one loss of both, or loss / k + (1 - 1 / k) replay" },
      convention = { default = "mammoth", choices = { "mammoth", "van-de-ven" }, doc = "whose formula" },
   }),
   presets = { ["van-de-ven"] = { filling = "task end", weighting = "split" } },
   state = { memory = "buffer" },
   scratch = { "drawn" },

   batch = function(self, t)
      if self.hyper.convention == "van-de-ven" and t.stream.scenario == "task" and t.task > 1 then
         local n = self.hyper.replay_batch > 0 and self.hyper.replay_batch or t.batch_size
         self.drawn = self.memory:draw_of_tasks(math.ceil(n / memory.old_tasks(t)), t.task - 1)
      else
         self.drawn = memory.draw(self, t)
      end
      local drawn = self.drawn
      if not drawn then return end
      if self.hyper.weighting == "split" then
         t.weight = 1 / t.task
         return
      end
      local cat = require "engram".cat
      t.tasks = cat{ t.tasks or memory.tasks(t), drawn.tasks }
      t.x, t.y = cat{ t.x, drawn.images }, cat{ t.y, drawn.labels }
   end,

   loss = function(self, t)
      if self.drawn and self.hyper.weighting == "split" then return memory.loss(t, self.drawn) * (1 - 1 / t.task) end
   end,

   after_step = function(self, t)
      memory.offer(self, t)
      self.drawn = nil
   end,

   task_end = memory.file,
}
