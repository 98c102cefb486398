-- cl/methods/importance.lua: what the methods share that measure how much each weight matters at the end of a task and hold it by a
-- quadratic penalty: EWC and MAS.
local consolidate = require "engram.consolidate"
local guard = require "engram.cl.guard"
local head = require "engram.cl.methods.head"
local penalty = require "engram.cl.methods.penalty"
local scenario = require "engram.cl.scenario"

local importance = {}

-- hyper: the settings that they share.
function importance.hyper(own)
   local shared = {
      samples = { default = 0, min = 0, whole = true, doc = "items of the task to estimate on; 0: all" },
      batched = { default = false, doc = "the size of the batch's mean gradient instead of the mean size of the items' gradients" },
      mode = { default = "separate", choices = { "separate", "online", "averaged" },
         doc = "a penalty a task; importances summed, with the latest anchor; or averaged" },
      gamma = { default = 1, min = 0, max = 1, with = { mode = { "online" } }, doc = "the share of the old importances that stays" },
      alpha = { default = 0.5, min = 0, max = 1, with = { mode = { "averaged" } },
         doc = "the share of the old importances, the rest is the new ones'" },
      from_zero = { default = true, with = { mode = { "averaged" } },
         doc = "the first task's importances too, with zero; false: they count whole" },
      half = { default = true, doc = "lambda / 2 instead of lambda" },
      exclude_head = { default = false, doc = "the output layer is not held" },
      units = { default = "active", choices = { "active", "seen" }, doc = "outputs that count: the task's active ones, or all so far" },
   }
   for key, about in pairs(own) do shared[key] = about end
   return shared
end

-- The outputs that count for the task that ends, { first, last }; nil: all.
local function units(self, t)
   local stream = t.stream
   if scenario.everything(stream) then return nil end
   if self.hyper.units == "seen" then return { 1, stream.reach[t.task] } end
   return { scenario.range(stream, t.task, t.task) }
end

-- begin(self, t): says when the choice of `units` is none.
function importance.begin(self, t)
   if t.stream.scenario ~= "task" then
      guard.inert_units(t, self, ("in the %s scenario the active outputs are all so far"):format(t.stream.scenario))
   end
end

-- how(self, t): options for fisher.diagonal and fisher.sensitivity.
function importance.how(self, t)
   local samples = self.hyper.samples
   return { samples = samples > 0 and samples or nil, poll = t.poll, batched = self.hyper.batched, units = units(self, t),
      batch_size = self.hyper.batched and t.batch_size or nil }
end

-- count(t, how, label): the arithmetic of an estimate: each item forward once, and backward once, or for `exact` once for each output.
function importance.count(t, how, label)
   local items = how.samples or importance.items(t):size()
   local outputs = how.units or { 1, t.stream.classes }
   t.count(items, label == "exact" and items * (outputs[2] - outputs[1] + 1) or items)
end

-- The task's items that are estimated on.
function importance.items(t) return scenario.own_items(t.stream, t.task) end

-- file(self, t, new): the importances of the task that ends become part of self.importance and self.anchor.
function importance.file(self, t, new)
   local hyper, old = self.hyper, self.importance[1]
   for _, f in ipairs(new) do f:keep() end
   if hyper.exclude_head then head.exclude_(t.model, new) end
   guard.importance(t, self, new)
   if hyper.mode == "separate" then
      table.insert(self.importance, new)
      table.insert(self.anchor, consolidate.copies(t.parameters))
      return
   end
   local stays, comes = hyper.gamma, 1
   if hyper.mode == "averaged" and (old or hyper.from_zero) then stays, comes = hyper.alpha, 1 - hyper.alpha end
   for i, f in ipairs(new) do
      f:mul_(comes)
      if old then f:add_(old[i], stays) end
   end
   self.importance[1], self.anchor[1] = new, consolidate.copies(t.parameters)
end

-- pull(self, t, factor): adds the penalty's gradient: factor / 2 times the sum of importance (w - anchor)^2 over all that is filed.
function importance.pull(self, t, factor)
   for k, list in ipairs(self.importance) do
      t.penalty = (t.penalty or 0) + consolidate.quadratic_penalty_(t.parameters, self.anchor[k], list, factor)
   end
end

importance.lambda = penalty.lambda

return importance
