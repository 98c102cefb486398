-- cl/plan.lua: what each task of a training trains on: the stream's data and epochs (or steps), or what a method chooses instead.
local core = require "engram.core"

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

-- of(t, k): { items =, epochs =, steps_per_epoch =, steps = } of task k.
function plan.of(t, k)
   local experience, method = t.stream[k], chooser(t)
   local _, alone = experience:steps_of(t.batch_size, t.drop_last)
   local own = method and method.plan and method:plan(t, k, alone) or {}
   local found = { items = own.items or experience:items "train", epochs = own.epochs or experience.epochs }
   found.steps_per_epoch = (t.drop_last and math.floor or math.ceil)(found.items / t.batch_size)
   local steps = own.steps or (not own.epochs and experience.steps)
   found.steps = found.steps_per_epoch > 0 and steps or found.epochs * found.steps_per_epoch
   if steps and found.steps_per_epoch > 0 then found.epochs = math.ceil(steps / found.steps_per_epoch) end
   return found
end

-- data(t): the data set that the present task trains on.
function plan.data(t)
   local method = chooser(t)
   return method and method:train_data(t) or t.experience.train
end

return plan
