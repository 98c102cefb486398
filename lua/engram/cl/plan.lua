-- cl/plan.lua: what each task of a training trains on: the stream's data and epochs (or steps, or a rule that ends it), or what a method
-- chooses instead.
local core = require "engram.core"
local stop = require "engram.schedule.stop"
local stopping = require "engram.cl.stopping"

local plan = {}

-- The one method that chooses, or nil.
local function chooser(t)
   local found
   for _, method in ipairs(t.methods) do
      if method.train_data then
         if found then
            core.raise("cl.train: %s and %s both choose what is trained on: give one of them", found.description.name,
               method.description.name)
         end
         found = method
      end
   end
   return found
end

-- How long a rule lets a task be, at most.
local function bound(found, rule, method, own)
   if own.epochs or own.steps then
      core.raise("cl.train: stop: %s says itself how long it trains, so %s would have no effect: leave it out", method.description.name,
         tostring(rule))
   end
   found.rule, found.open = rule, rule.open
   if found.steps_per_epoch > 0 then found.steps, found.cap = stop.longest(rule, found.steps_per_epoch) end
   found.epochs = math.ceil(found.steps / math.max(1, found.steps_per_epoch))
   return found
end

-- keeps_order(t, k): whether the items of task k are trained on in their order of time: not those that a method has chosen.
function plan.keeps_order(t, k) return t.stream[k].ordered and not chooser(t) or false end

-- of(t, k [, size]): { items =, epochs =, steps_per_epoch =, steps = } of task k; under a rule (rule =) the last two are the most that it
-- can come to, `cap` says by what, and open is true where it may end sooner. size: the items, once they are at hand.
function plan.of(t, k, size)
   local experience, method = t.stream[k], chooser(t)
   local _, alone = experience:steps_of(t.batch_size, t.drop_last)
   local own = method and method.plan and method:plan(t, k, alone) or {}
   local found = { items = size or own.items or experience:items "train", epochs = own.epochs or experience.epochs }
   found.steps_per_epoch = (t.drop_last and math.floor or math.ceil)(found.items / t.batch_size)
   local steps = own.steps or (not own.epochs and experience.steps)
   found.steps = found.steps_per_epoch > 0 and steps or found.epochs * found.steps_per_epoch
   if steps and found.steps_per_epoch > 0 then found.epochs = math.ceil(steps / found.steps_per_epoch) end
   local rule = stopping.rule_of(t, k)
   return rule and bound(found, rule, method, own) or found
end

-- data(t): the data set that the present task trains on.
function plan.data(t)
   local method = chooser(t)
   return method and method:train_data(t) or t.experience.train
end

return plan
