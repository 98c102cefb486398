-- Naive rehearsal (Hsu et al. 2018, arXiv 1810.12488): a memory that all tasks so far share equally is mixed into the data of each new
-- one, as often as it takes for old and new to be about 1 : 1.
local sharing = require "engram.cl.methods.sharing"

return {
   name = "Rehearsal",
   doc = "the data of each task are mixed, about 1 : 1, with a memory that all tasks share equally",
   source = "arXiv 1810.12488",
   hyper = { memory = { default = 1100, min = 1, whole = true, doc = "items that stay, of all tasks together" } },
   state = { memory = "buffer" },

   plan = function(self, t, k) return sharing.plan(t, k, self.hyper.memory) end,
   train_data = function(self, t) return sharing.data(t, self.memory, self.hyper.memory) end,
   task_end = function(self, t) sharing.file(t, self.memory, self.hyper.memory) end,
}
