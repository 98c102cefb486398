-- Elastic Weight Consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796): stay near the old weights where they mattered.
-- The penalty is lambda / 2 * sum over tasks of F (w - anchor)^2, added to the gradients by one kernel, outside the graph.
--
-- F is the diagonal of the Fisher information at the end of a task (fisher.lua), on the same model, in evaluation mode. A convention
-- is a set of settings that gives a library's formula; docs/methods.md has the table. `classp-repository` alone works otherwise: see
-- repository.lua.
local fisher = require "engram.fisher"
local importance = require "engram.cl.methods.importance"
local repository = require "engram.cl.methods.repository"

-- Multiplies the mean over items by what the library divides by.
local function divide_(new, divisor, t, items)
   local scale = 1
   if divisor == "items - 1" then
      scale = items / math.max(1, items - 1)
   elseif divisor == "full batches" then
      scale = items / (t.loader.steps * t.batch_size)
   end
   for _, f in ipairs(scale ~= 1 and new or {}) do f:mul_(scale) end
end

local hyper = importance.hyper{
   lambda = { default = 100, min = 0, doc = "weight of the penalty" },
   fisher = { default = "exact", choices = { "exact", "sampled", "empirical", "argmax", "weighted" }, doc = "whose label counts" },
   gamma_in_penalty = { default = false, with = { mode = { "online" } }, doc = "gamma also multiplies the penalty" },
   divisor = { default = "items", choices = { "items", "items - 1", "full batches" }, with = { samples = { 0 } },
      doc = "what the sum over items is divided by" },
   convention = { default = "sound",
      choices = { "sound", "avalanche", "mammoth", "van-de-ven", "facil", "hsu", "classp-repository" }, doc = "whose formula" },
   scout_lr = { default = 0.25, min = 0, with = { convention = { "classp-repository" } }, doc = "step size of the model of its own" },
}
for _, key in ipairs{ "samples", "mode", "gamma", "gamma_in_penalty", "alpha", "from_zero", "exclude_head", "units", "divisor" } do
   hyper[key].without = { convention = { "classp-repository" } }
end

return {
   name = "EWC",
   doc = "a quadratic penalty that holds the weights that mattered to old tasks",
   source = "arXiv 1612.00796",
   regularizer = true,
   hyper = hyper,
   presets = {
      avalanche = { fisher = "empirical", batched = true, half = false },
      mammoth = { fisher = "weighted", mode = "online", half = false, divisor = "full batches" },
      ["van-de-ven"] = { gamma_in_penalty = true, divisor = "items - 1" },
      facil = { fisher = "argmax", batched = true, mode = "averaged", exclude_head = true, units = "seen" },
      hsu = { fisher = "argmax", half = false },
      ["classp-repository"] = { fisher = "empirical", batched = true, half = false },
   },
   check = function(own, who)
      if own.batched and (own.fisher == "exact" or own.fisher == "weighted") then
         require "engram.core".raise("%s: fisher = '%s' weighs each item's square; with batched = true give 'empirical', 'argmax' or " ..
            "'sampled'", who, own.fisher)
      end
   end,
   state = { importance = "tasks", anchor = "tasks" },

   begin = function(self, t)
      if self.hyper.convention == "classp-repository" then
         self.importance[1], self.anchor[1] = repository.scout(t, self.hyper.scout_lr)
      end
   end,

   gradients = function(self, t)
      if self.hyper.convention == "classp-repository" and t.task == 1 and t.epoch == 1 then return end
      local scale = self.hyper.mode == "online" and self.hyper.gamma_in_penalty and self.hyper.gamma or 1
      importance.pull(self, t, importance.lambda(self) * scale)
   end,

   task_end = function(self, t)
      local own = self.hyper
      if own.convention == "classp-repository" then return end
      local how, set = importance.how(self, t), importance.items(t)
      local items = set:size()
      how.label, how.drop_last = own.fisher, own.convention == "facil"
      if how.samples and own.divisor == "items - 1" then
         how.samples = how.samples + 1                       -- van de Ven's loop ends one item late, and divides by them all
      end
      if how.samples and how.samples >= items then how.samples = nil end          -- it comes to its natural end
      importance.count(t, how, own.fisher)
      local new = fisher.diagonal(t.model, set, how)
      if not how.samples then divide_(new, own.divisor, t, items) end
      importance.file(self, t, new)
   end,

   -- The lambda of lambda / 2 sum F (w - anchor)^2, where F is a mean over items, or over batches.
   common_lambda = function(self, batch_size)
      local lambda = importance.lambda(self)
      if self.hyper.convention == "classp-repository" then return batch_size and lambda / batch_size end
      if self.hyper.mode == "online" and self.hyper.gamma_in_penalty then lambda = lambda * self.hyper.gamma end
      return lambda
   end,
}
