-- cl/guard.lua: what a training says of its methods before a reader is misled: a penalty without effect, and a method of which it is known
-- that it cannot work in the scenario. Each is said once (warnings.lua).
local divergence = require "engram.cl.divergence"
local warnings = require "engram.cl.warnings"

local guard = {}

local NOTHING, PATIENCE = 1e-12, 100                  -- a share of the loss that is no effect; so many steps on end

-- True when the method keeps or sees items of old tasks.
local function remembers(method)
   local description = method.description
   if description.train_data then return true end
   for _, kind in pairs(description.state or {}) do
      if kind == "buffer" then return true end
   end
   return false
end

-- Without items of old tasks nothing tells the classes of one task from those of another.
local function check_scenario(t)
   if t.stream.scenario ~= "class" or #t.stream < 2 then return end
   local names = {}
   for _, method in ipairs(t.methods) do
      if remembers(method) then return end
      if method.description.regularizer then names[#names + 1] = method.description.name end
   end
   if #names == 0 then return end
   warnings.once(t, "class-incremental", "%s alone in the class-incremental scenario: in every published table such methods end near " ..
      "the accuracy of the last task; methods with a memory (ER, DER++, GDumb) do not", table.concat(names, " and "))
end

-- begin(t): what can be told before the first step.
function guard.begin(t)
   check_scenario(t)
   for _, method in ipairs(t.methods) do
      if method.description.regularizer and method.hyper.lambda == 0 then
         warnings.once(t, "lambda 0", "%s: lambda = 0, so its penalty has no effect", method.description.name)
      end
   end
end

local HUGE = 1000                                     -- times the largest loss: the weights are far from where anything was learned

-- importance(t, method, list): importances that are all zero hold nothing; under a huge penalty, or not finite, they are the end.
function guard.importance(t, method, list)
   for _, importance in ipairs(list) do
      if not importance:isfinite():all() then divergence.raise(t, "an importance is not finite") end
   end
   for _, importance in ipairs(list) do
      if importance:abs():max():item() > 0 then return end
   end
   if divergence.runaway(t, HUGE) then divergence.raise(t, "all importances are zero under a huge penalty") end
   warnings.once(t, "importance 0", "%s: all importances are zero after task %d, so its penalty has no effect: the model is certain " ..
      "of every item, or its outputs do not depend on the weights", method.description.name, t.task)
end

-- step(t): t.penalty is the sum of the penalties of this step, nil while there are none.
function guard.step(t)
   local idle = t.penalty ~= nil and math.abs(t.penalty) < NOTHING * math.abs(t.loss)
   t.idle = idle and t.idle + 1 or 0
   if t.idle == PATIENCE then
      warnings.once(t, "idle penalty", "the penalty has been below %g of the loss for %d steps (step %d, task %d): it has no effect; " ..
         "lambda is too small by orders of magnitude, or the importances are zero", NOTHING, PATIENCE, t.step, t.task)
   end
end

return guard
