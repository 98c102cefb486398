-- Learning without Forgetting (Li and Hoiem 2016, arXiv 1606.09282): on the new task's items the old outputs stay what they were.
-- loss + lambda KD, KD = mean over items of - sum softmax(z_old / T) log softmax(z / T), where z_old are the outputs of the model as it was
-- at the task's begin, in evaluation mode; with `mean_over_units` a mean over units in place of the sum. Which outputs:
--   old         each old task's units by themselves (task-incremental), else all units of old tasks together
--   joined      all units of old tasks together
--   active      the units that are active now, against those that were (class-incremental); in domain-incremental as many times as there
--               are old tasks, k - 1 unless some came again, as it is a sum over them; task-incremental: as `old`
--   restricted  all units in the softmax, those of old tasks in the sum; task-incremental: as `old`
local guard = require "engram.cl.guard"
local scenario = require "engram.cl.scenario"
local teacher = require "engram.cl.teacher"

-- Mean over items of the cross entropy between two softmaxes, over the units first .. last; what is in the softmax of the new outputs is
-- all, or first .. last too.
local function distance(hyper, new, old, first, last, whole)
   local T, target = hyper.temperature, scenario.narrow(old, first, last)
   local log_p = whole and scenario.narrow((new / T):log_softmax(2), first, last)
      or (scenario.narrow(new, first, last) / T):log_softmax(2)
   local kd = -((target / T):softmax(2) * log_p):sum(2):mean()
   return hyper.mean_over_units and kd / (whole and new:size(2) or last - first + 1) or kd
end

-- The same with the softmax of all units on both sides and the sum over first .. last.
local function restricted(new, old, T, first, last)
   local log_p, target = (new / T):log_softmax(2), (old / T):softmax(2)
   return -(scenario.narrow(target, first, last) * scenario.narrow(log_p, first, last)):sum(2):mean()
end

local function origin(experience) return experience.origin or experience end

-- The tasks before the present one, each once however often it came, without the present one itself where it comes again.
local function old_tasks(t)
   local list, present = {}, origin(t.stream[t.task])
   for k = 1, t.task - 1 do
      local experience = t.stream[k]
      if not experience.again and origin(experience) ~= present then list[#list + 1] = experience end
   end
   return list
end

local function over_heads(hyper, t, new, old)
   local sum
   for _, task in ipairs(old_tasks(t)) do
      local term = distance(hyper, new, old, task.first_class, task.last_class)
      sum = sum and sum + term or term
   end
   return sum
end

-- Which scenarios tell a choice of `units` from another.
local TOLD_APART = { joined = { task = true }, active = { domain = true, class = true }, restricted = { class = true } }

-- False where nothing is distilled: in the first task, and in one whose head is the only one there was.
local function distills(self, t)
   if t.task == 1 or self.hyper.lambda == 0 then return false end
   return t.stream.scenario ~= "task" or self.hyper.units == "joined" or #old_tasks(t) > 0
end

-- KD of this step by the method's `units`; new, old: the outputs for the stream's own items, now and then.
local function distillation(self, t, new, old)
   local stream, hyper, units = t.stream, self.hyper, self.hyper.units
   if stream.scenario == "task" and units ~= "joined" then return over_heads(hyper, t, new, old) end
   local last = stream.reach[t.task - 1]
   if units == "active" then
      local _, now = scenario.range(stream, t.task, t.task)
      local _, before = scenario.range(stream, t.task - 1, t.task - 1)
      local kd = distance(hyper, scenario.narrow(new, 1, now), old, 1, before, true)
      local grows = stream.scenario == "domain" or hyper.growing
      return grows and kd * math.max(1, #old_tasks(t)) or kd
   elseif units == "restricted" then
      return restricted(new, old, hyper.temperature, 1, last)
   end
   return distance(hyper, new, old, 1, last)
end

return {
   name = "LwF",
   doc = "on new items the old outputs stay what they were at the task's begin",
   source = "arXiv 1606.09282",
   regularizer = true,
   hyper = {
      lambda = { default = 1, min = 0, doc = "weight of the distillation" },
      temperature = { default = 2, min = 0, doc = "T of the softmaxes" },
      squared_temperature = { default = false, doc = "T^2 times, so that its gradients do not shrink with T" },
      units = { default = "old", choices = { "old", "joined", "active", "restricted" }, doc = "which outputs" },
      mean_over_units = { default = false, with = { units = { "old", "joined", "active" } },
         doc = "divided by the units in the softmax of the new outputs" },
      growing = { default = false, with = { units = { "active" } }, doc = "k - 1 times in class-incremental too" },
      convention = { default = "paper", doc = "whose formula",
         choices = { "paper", "van-de-ven", "van-de-ven-2018", "van-de-ven-2019", "avalanche", "facil", "mammoth", "contilab" } },
   },
   presets = {
      ["van-de-ven"] = { units = "active" },
      ["van-de-ven-2018"] = { units = "active", growing = true, squared_temperature = true, mean_over_units = true },
      ["van-de-ven-2019"] = { units = "active", growing = true, squared_temperature = true },
      avalanche = { units = "restricted" },
      facil = { units = "joined" },
      mammoth = { units = "joined", lambda = 0.5 },
      contilab = { squared_temperature = true },
   },
   check = function(hyper, who)
      if hyper.temperature == 0 then require "engram.core".raise("%s: temperature must be more than 0", who) end
   end,
   state = { teacher = "model" },

   begin = function(self, t)
      local scenarios = TOLD_APART[self.hyper.units]
      if scenarios and not scenarios[t.stream.scenario] then
         guard.inert_units(t, self, ("in the %s scenario it is the same as 'old'"):format(t.stream.scenario))
      end
   end,

   task_begin = function(self, t)
      if t.task > 1 then self.teacher = teacher.take(t.model) end
   end,

   loss = function(self, t)
      if not distills(self, t) then return nil end
      local new, own = t.logits, #t.fresh.y                   -- not what other methods put beside them
      if own < new:size(1) then new = new:narrow(1, 1, own) end
      t.count(own, 0)                                         -- the teacher's answers
      local kd = distillation(self, t, new, teacher.answer(t.model, self.teacher, t.fresh.x))
      local term = kd * (self.hyper.lambda * (self.hyper.squared_temperature and self.hyper.temperature ^ 2 or 1))
      t.penalty = (t.penalty or 0) + term:item()
      return term
   end,
}
