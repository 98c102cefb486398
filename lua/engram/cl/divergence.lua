-- cl/divergence.lua: when a training has run away it ends with an error that names what to change: the loss, a penalty, an importance or a
-- weight that is no longer finite, or a penalty that outgrows every loss. What may come back is said aloud, and the training goes on.
local core = require "engram.core"
local tensor = require "engram.tensor"
local warnings = require "engram.cl.warnings"

local divergence = {}

-- A penalty that is so many times the largest loss, and grows, comes to no end where a step is lr times the gradient. Where steps are
-- bounded whatever the gradient (Adam's are about lr) it falls again: there, and where nobody knows, it is only said, up to a size that no
-- bounded steps come to.
local RUNAWAY, BOUNDLESS = 1e6, 1e30
local HEAVY = 1000                                    -- times the loss: a method's term that has taken over
local RISEN, FEW = 10, 10                             -- times the first loss, as the mean of so many steps at least

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

-- True when a step is lr times the gradient, so that a steep penalty throws the weights from side to side, further each time.
function divergence.is_plain(t)
   for _, method in ipairs(t.methods) do
      if (method.hyper.clip or 0) > 0 then return false end             -- cut gradients make bounded steps
   end
   return t.optimizer.name == "SGD"
end

-- term(t, method, value): what a method has added to the loss of this step; the heaviest is blamed for a loss that runs away.
function divergence.term(t, method, value)
   local share = math.abs(value) / math.max(math.abs(t.loss), t.first_loss, 1e-30)
   if share > (t.heaviest and t.heaviest.share or HEAVY) then t.heaviest = { method = method, share = share } end
end

-- raise(t, how): ends the training.
function divergence.raise(t, how)
   local place = ("%s at step %d (task %d, epoch %d)"):format(how, t.step, t.task, t.epoch)
   if is_penalty(t) then
      core.raise("cl.train: diverged: %s with %s and %s, whose penalty is %.3g where the largest loss was %.3g: try a smaller " ..
         "lambda or a smaller lr%s", place, holders(t), tostring(t.optimizer), penalty_of(t), t.largest_loss or 0,
         divergence.is_plain(t) and "; lr times lambda times the largest importance must stay below 2" or "")
   end
   if t.heaviest then
      core.raise("cl.train: diverged: %s with %s and %s: what the method adds to the loss was %.3g times as much as the loss itself: " ..
         "try a smaller weight for it, or a smaller lr", place, require "engram.cl.methods".describe(t.heaviest.method),
         tostring(t.optimizer), t.heaviest.share)
   end
   core.raise("cl.train: diverged: %s with %s: try a smaller lr, or look for bad values in the data", place, tostring(t.optimizer))
end

-- loss(t): before the methods' terms are added.
function divergence.loss(t)
   if t.loss - t.loss ~= 0 then divergence.raise(t, t.loss ~= t.loss and "the loss is not a number" or "the loss is infinite") end
   t.largest_loss = math.max(t.largest_loss or 0, math.abs(t.loss))
   t.first_loss = t.first_loss or math.abs(t.loss)
end

-- mean_loss(t, loss, steps): the mean of so many steps; one that is far above what an untrained model has is finite, but no training.
function divergence.mean_loss(t, loss, steps)
   local guess = math.max(t.first_loss or math.huge, math.log(t.stream.classes))
   if steps < FEW or math.abs(loss) <= RISEN * guess then return end
   warnings.once(t, "loss risen", "the mean loss of %d steps (up to step %d, task %d) is %.3g, that of the first step was %.3g: the " ..
      "training has diverged though the loss is finite; try a smaller lr than that of %s%s", steps, t.step, t.task, loss, t.first_loss,
      tostring(t.optimizer), t.heaviest and (", or a smaller weight of " .. t.heaviest.method.description.name) or "")
end

-- runaway(t, times): the penalty is so many times the largest loss.
function divergence.runaway(t, times)
   return t.penalty ~= nil and (t.penalty ~= t.penalty or math.abs(t.penalty) > times * t.largest_loss)
end

-- penalty(t): when all penalties of a step are in t.penalty.
function divergence.penalty(t)
   if t.penalty == nil then return end
   if t.penalty - t.penalty ~= 0 then divergence.raise(t, "the penalty is not finite") end
   t.penalty_share = math.max(t.penalty_share or 0, math.abs(t.penalty) / math.max(t.largest_loss, 1e-30))
   if not divergence.runaway(t, RUNAWAY) or t.penalty <= (t.penalty_before or 0) then return end
   if divergence.is_plain(t) or divergence.runaway(t, BOUNDLESS) then divergence.raise(t, "the penalty runs away") end
   warnings.once(t, "huge penalty", "the penalty of %s is %.3g at step %d (task %d), where the largest loss was %.3g: it rules the " ..
      "training, and may fall again only because the steps of %s are bounded; the training goes on", holders(t), t.penalty, t.step, t.task,
      t.largest_loss, t.optimizer.name)
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
