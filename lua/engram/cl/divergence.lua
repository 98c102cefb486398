-- cl/divergence.lua: when a training has run away it ends with an error that names what to change: the loss, a penalty, an importance or a
-- weight that is no longer finite, or a penalty that outgrows every loss.
local core = require "engram.core"
local tensor = require "engram.tensor"

local divergence = {}

local RUNAWAY = 1e6                                   -- a penalty that is so many times the largest loss, and grows, comes to no end

-- The penalty of this step, or of the one before while this one has none yet.
local function penalty_of(t) return t.penalty or t.penalty_before end

-- "EWC (lambda = 100)" of every method that holds the weights.
local function holders(t)
   local names = {}
   for _, method in ipairs(t.methods) do
      if method.description.regularizer then
         names[#names + 1] = ("%s (lambda = %s)"):format(method.description.name, tostring(method.hyper.lambda))
      end
   end
   return table.concat(names, " and ")
end

-- True when a method's penalty is more than any loss was, so that it is what has run away.
local function is_penalty(t)
   local penalty = penalty_of(t)
   return penalty ~= nil and (penalty ~= penalty or math.abs(penalty) > (t.largest_loss or 0)) and holders(t) ~= ""
end

-- raise(t, how): ends the training.
function divergence.raise(t, how)
   local place = ("%s at step %d (task %d, epoch %d)"):format(how, t.step, t.task, t.epoch)
   if is_penalty(t) then
      core.raise("cl.train: diverged: %s with %s and %s, whose penalty is %.3g where the largest loss was %.3g: try a smaller lambda or " ..
         "a smaller lr; lr times lambda times the largest importance must stay below 2", place, holders(t), tostring(t.optimizer),
         penalty_of(t), t.largest_loss or 0)
   end
   core.raise("cl.train: diverged: %s with %s: try a smaller lr, or look for bad values in the data", place, tostring(t.optimizer))
end

-- loss(t): before the methods' terms are added.
function divergence.loss(t)
   if t.loss - t.loss ~= 0 then divergence.raise(t, t.loss ~= t.loss and "the loss is not a number" or "the loss is infinite") end
   t.largest_loss = math.max(t.largest_loss or 0, math.abs(t.loss))
end

-- runaway(t, times): the penalty is so many times the largest loss (default: what has no way back).
function divergence.runaway(t, times)
   return t.penalty ~= nil and (t.penalty ~= t.penalty or math.abs(t.penalty) > (times or RUNAWAY) * t.largest_loss)
end

-- penalty(t): when all penalties of a step are in t.penalty.
function divergence.penalty(t)
   if t.penalty == nil then return end
   if t.penalty - t.penalty ~= 0 then divergence.raise(t, "the penalty is not finite") end
   if divergence.runaway(t) and t.penalty > (t.penalty_before or 0) then divergence.raise(t, "the penalty runs away") end
end

-- weights(t): the last step of a task has no loss after it that would tell.
function divergence.weights(t)
   tensor.scope(function()
      for _, p in ipairs(t.parameters) do
         if not p:detach():isfinite():all() then divergence.raise(t, "a weight is not finite") end
      end
   end)
end

return divergence
