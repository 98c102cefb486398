-- cl/guard.lua: what a training says of its methods before a reader is misled: a penalty without effect, and a method of which it is known
-- that it cannot work in the scenario. Each is said once (warnings.lua).
local autograd = require "engram.autograd"
local divergence = require "engram.cl.divergence"
local plan = require "engram.cl.plan"
local state = require "engram.cl.methods.state"
local warnings = require "engram.cl.warnings"

local guard = {}

local NOTHING, PATIENCE = 1e-6, 30                    -- a share of the loss and of its gradient that is no effect; so many steps on end
local STILL = 1e-5                                    -- a share of the weights' size that is no distance

-- True when the method keeps or sees items of old tasks.
local function remembers(method)
   return method.description.train_data ~= nil or state.holds(method.description, "buffer")
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

-- A blurred task that is gone through again jumps back in time: items of the task before come once more after those of the next.
local function check_order(t)
   for k, experience in ipairs(t.stream) do
      local epochs = plan.keeps_order(t, k) and plan.of(t, k).epochs or 1
      if epochs > 1 then
         warnings.once(t, "blur repeats", "task %d, '%s', is blurred and gone through %d times in its order of time, so its boundaries " ..
            "come as often: streams.online makes it one pass", k, experience.name, epochs)
         return
      end
   end
end

-- With one task there is nothing old to hold, but for the EWC of CLASSP's repository, which acts within the first.
local function check_length(t)
   if #t.stream > 1 then return end
   for _, method in ipairs(t.methods) do
      if method.description.regularizer and method.hyper.convention ~= "classp-repository" then
         warnings.once(t, "one task", "%s has no effect: the stream has one task, so there is nothing old to hold",
            method.description.name)
      end
   end
end

-- Accuracies on the items that are trained on tell nothing of others.
local function check_test_sets(t)
   for _, experience in ipairs(t.stream) do
      if experience.tested_on_training then
         warnings.once(t, "test leakage", "'%s' is one data set, trained and tested on the same items: its accuracies are those of " ..
            "training; give { train =, test = }", experience.name)
         return
      end
   end
end

-- inert_units(t, method, why): the method's `units`, when they were given and not set by its convention, say nothing here.
function guard.inert_units(t, method, why)
   local hyper, description = method.hyper, method.description
   local preset = description.presets[hyper.convention] or {}
   if hyper.units == description.hyper.units.default or hyper.units == preset.units then return end
   warnings.once(t, "units " .. description.name, "%s: units = '%s' has no effect: %s", description.name, hyper.units, why)
end

-- begin(t): what can be told before the first step.
function guard.begin(t)
   check_scenario(t)
   check_order(t)
   check_length(t)
   check_test_sets(t)
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
   if divergence.is_plain(t) and divergence.runaway(t, HUGE) then
      divergence.raise(t, "all importances are zero under a huge penalty")
   end
   warnings.once(t, "importance 0", "%s: all importances are zero after task %d, so its penalty has no effect: the model is certain " ..
      "of every item, or its outputs do not depend on the weights", method.description.name, t.task)
end

-- gate(t): a quantile of the squared gradients that is 0 is no gate to speak of.
function guard.gate(t)
   local q = t.optimizer.void_quantile
   if not q then return end
   warnings.once(t, "void gate", "%s: the %g quantile of the squared gradients is 0 at step %d (task %d), so as a threshold it lets " ..
      "every gradient pass that is not 0: more than this share of them are, as of words that are not in the batch; a higher quantile " ..
      "would hold some back", t.optimizer.name, q, t.step, t.task)
end

-- ---- a penalty that moves nothing --------------------------------------------------------------------------

local function is_small(penalty, t) return penalty ~= nil and math.abs(penalty) < NOTHING * math.abs(t.loss) end

-- before_penalties(t): the gradients of the loss are kept for this step's comparison, where the last penalty was so small that there is
-- reason to compare.
function guard.before_penalties(t)
   if not is_small(t.penalty_before, t) then return end
   t.loss_gradients = {}
   for i, p in ipairs(t.parameters) do
      local grad = autograd.gradient_of(p)
      t.loss_gradients[i] = grad and grad:clone() or false
   end
end

local function squares(x) return x:square():sum():item() end

-- Whether what methods have changed of the gradients is next to nothing.
local function leaves_gradients(t)
   local change, whole = 0, 0
   for i, before in ipairs(t.loss_gradients) do
      if before then
         change, whole = change + squares(autograd.gradient_of(t.parameters[i]) - before), whole + squares(before)
      end
   end
   return change <= NOTHING ^ 2 * whole
end

-- How far the weights have come since the task began, as a share of their size.
local function distance(t)
   local moved, size = 0, 0
   for i, p in ipairs(t.parameters) do
      local before = t.tracker.before[i]
      moved, size = moved + squares(p:detach() - before), size + squares(before)
   end
   return math.sqrt(moved / size)
end

-- Why a penalty has moved nothing: the weights have stayed where it is zero, or it is too weak.
local function cause_of(t)
   local share = distance(t)
   if share > STILL then return "lambda is too small by orders of magnitude, or the importances are zero" end
   return ("the weights have moved by %.2g of their size since the task began, so it is the steps of %s that are too small"):format(share,
      tostring(t.optimizer))
end

-- step(t): t.penalty is the sum of the penalties of this step, nil while there are none.
function guard.step(t)
   local idle = t.loss_gradients and is_small(t.penalty, t) and leaves_gradients(t)
   t.loss_gradients = nil
   t.idle = idle and t.idle + 1 or 0
   local said = t.said or {}
   if t.idle == PATIENCE and not (said["lambda 0"] or said["importance 0"]) then
      warnings.once(t, "idle penalty", "the penalty and its gradient have been below %g of the loss and its gradient for %d steps (step " ..
         "%d, task %d): it has no effect; %s", NOTHING, PATIENCE, t.step, t.task, cause_of(t))
   end
end

return guard
