-- cl/stopping.lua: ends a task by a rule (schedule/stop.lua) instead of after its epochs: whose rule holds, what it is shown after each
-- step and each epoch, and what is said and kept of the end.
--
-- What a task's rule knows is in t.ending, a part of checkpoints: rule (its text), loss_sum and loss_count (of this epoch), memory (the
-- rule's own), figures (those that were asked for last), seen (in words and by step, what it was shown), best (weights and buffers by
-- name) with best_methods (state that belongs to them) and best_epoch, where a rule restores them, and why the task ends, once it does.
local core = require "engram.core"
local divergence = require "engram.cl.divergence"
local evaluation = require "engram.cl.evaluation"
local scenario = require "engram.cl.scenario"
local schedule = require "engram.schedule"
local state_of = require "engram.cl.methods.state"
local stop = require "engram.schedule.stop"
local warnings = require "engram.cl.warnings"

local stopping = {}

-- ---- whose rule -------------------------------------------------------------------------------------------

-- rule_of(t, k): the rule that ends task k: its own, else the training's; nil where it ends after its epochs or steps.
function stopping.rule_of(t, k)
   local rule = t.stream[k].stop
   if rule == nil then rule = schedule.resolve(t.stop, { task = k }) end
   return rule or nil
end

local function check_figures(t, k, rule)
   for _, figure in ipairs(rule.figures) do
      if figure:find "^validation" and not (t.stream[k]:has_part "validation" and t.stream[k]:items "validation" > 0) then
         core.raise("cl.train: stop: %s looks at validation items, and task %d, '%s', has none: hold some out by cl.task(..., " ..
            "{ validation = 0.1 }), or give of = '%s'", tostring(rule), k, t.stream[k].name, figure:find "loss" and "epoch" or "train")
      end
   end
end

-- check(t): raises for what is no rule and for figures that are not there; warns of lengths that a rule leaves without effect.
function stopping.check(t)
   for k, experience in ipairs(t.stream) do
      local rule = stopping.rule_of(t, k)
      if rule and not stop.is_rule(rule) then
         core.raise("cl.train: stop: expected a rule, as schedule.stop.loss(0.1) makes it, for task %d, got %s", k, core.typename(rule))
      end
      if rule then
         check_figures(t, k, rule)
         if experience.steps or experience.epochs > 1 then
            warnings.once(t, "stop replaces length", "task %d, '%s': its %s have no effect: it ends by %s", k, experience.name,
               experience:duration(), tostring(rule))
         end
      end
   end
end

-- measures(t): whether a rule looks at more than the losses of the steps: it is evaluated for it.
function stopping.measures(t)
   for k in ipairs(t.stream) do
      local rule = stopping.rule_of(t, k)
      for _, figure in ipairs(rule and rule.figures or {}) do
         if not figure:find "^batch" and not figure:find "^epoch" then return true end
      end
   end
   return false
end

-- duration(t, k): how long task k is trained on, in words.
function stopping.duration(t, k)
   local rule = stopping.rule_of(t, k)
   return rule and "until " .. tostring(rule) or t.stream[k]:duration()
end

-- ---- what a rule is shown ---------------------------------------------------------------------------------

local measure = {
   ["batch loss"] = function(t) return t.loss end,
   ["epoch loss"] = function(t) return t.ending.loss_sum / t.ending.loss_count end,
   ["validation loss"] = function(t) return evaluation.loss(t, t.experience.validation) end,
   ["validation accuracy"] = function(t) return evaluation.accuracy(t, t.experience.validation) end,
   ["train accuracy"] = function(t) return evaluation.accuracy(t, scenario.own_items(t.stream, t.task)) end,
}

-- f(method, key) for every method: its name, counted where there are several; a fork may list others, or in another order.
local function each_method(t, f)
   local count = {}
   for _, method in ipairs(t.methods) do
      local name = method.description.name
      count[name] = (count[name] or 0) + 1
      f(method, name .. " " .. count[name])
   end
end

-- Holds the weights and buffers as they are now, and what the methods keep of them.
local function keep_best(t)
   local own = t.ending
   own.best, own.best_methods, own.best_epoch = own.best or {}, own.best_methods or {}, t.epoch
   each_method(t, function(method, key)
      own.best_methods[key] = own.best_methods[key] or {}
      state_of.copy(method.description.state, method, own.best_methods[key])
   end)
   for name, value in pairs((t.model:state())) do
      if own.best[name] then own.best[name]:copy_(value:detach()) else own.best[name] = value:detach():clone():keep() end
   end
end

local function figure_of(t, name)
   local known = t.ending.figures
   if not known[name] then
      known[name] = measure[name](t)
      if known[name] - known[name] ~= 0 then divergence.raise(t, ("the %s is not finite"):format(name)) end
   end
   return known[name]
end

-- see(t, what, words): what a rule was shown last, for a cap that ends the task instead.
local function see(t, what, words) t.ending.seen[what] = { words = words, step = t.step_in_task } end

-- Asks the rule; `at` is what has just ended. A figure is measured once, whoever asks.
local function ask(t, at)
   t.ending.figures = {}
   t.ending.why = t.rule.check(t.ending.memory,
      { t = t, keep = function() keep_best(t) end, figure = function(name) return figure_of(t, name) end,
         saw = function(words) see(t, "function", words) end }, at)
   for name, value in pairs(t.ending.figures) do see(t, name, ("%s %.4g"):format(name, value)) end
end

-- begin(t): a task begins; also one within which a training goes on, where its rule is another than the checkpoint's (or there is none).
function stopping.begin(t)
   t.ending = t.rule and { rule = tostring(t.rule), loss_sum = 0, loss_count = 0, memory = {}, figures = {}, seen = {} } or nil
end

-- go_on(t): a task that a checkpoint has begun.
function stopping.go_on(t)
   if not t.rule or not t.ending or t.ending.rule ~= tostring(t.rule) then stopping.begin(t) end
   if t.ending then t.ending.seen = t.ending.seen or {} end            -- a checkpoint of an Engram that did not note it
end

-- ended(t): whether a rule has said that the task ends.
function stopping.ended(t) return t.ending and t.ending.why ~= nil end

function stopping.after_step(t)
   local own = t.ending
   if not own then return end
   own.loss_sum, own.loss_count = own.loss_sum + t.loss, own.loss_count + 1
   ask(t, "step")
end

-- after_epoch(t): true when the rule ends the task here. An epoch that a cap has cut short is none; one whose last step has ended the task
-- is whole, and may be the best.
function stopping.after_epoch(t)
   local own = t.ending
   if not own or own.loss_count == 0 or t.step_in_task % t.steps_per_epoch ~= 0 then return false end
   local before = own.why
   ask(t, "epoch")
   own.why = before or own.why
   own.loss_sum, own.loss_count = 0, 0
   return not before and own.why ~= nil
end

-- ---- the end ----------------------------------------------------------------------------------------------

-- How far a rule that did not end the task had come: what it saw last, and at which step where others followed.
local function seen_text(t)
   local words = {}
   for _, seen in pairs(t.ending.seen) do
      words[#words + 1] = seen.words .. (seen.step < t.step_in_task and (" after step %d"):format(seen.step) or "")
   end
   table.sort(words)
   return #words > 0 and ": " .. table.concat(words, ", ") or t.rule.open and ": never looked at" or ""
end

-- The best weights come back, and what the methods keep of them.
local function restore(t)
   local own = t.ending
   t.model:load_state(own.best)
   for _, value in pairs(own.best) do value:release() end
   each_method(t, function(method, key)
      local kept = own.best_methods[key]
      if kept then state_of.copy(method.description.state, kept, method) end
   end)
end

-- finish(t): the task has ended, by its rule, a cap or a budget: that is said, and put into t.stopped; the best weights come back.
function stopping.finish(t)
   local own = t.ending
   if not own then return end
   local by = own.why and "rule" or t.step_in_task < t.longest and "budget" or "cap"
   local record = { task = t.task, name = t.experience.name, rule = tostring(t.rule), by = by, epochs = t.epoch, steps = t.step_in_task,
      why = own.why or (by == "cap" and t.cap or by) .. seen_text(t), restored_epoch = own.best_epoch }
   t.stopped[#t.stopped + 1] = record
   t.out:stopped(t, record)
   if by == "cap" then
      warnings.once(t, "cap " .. t.task, "task %d, '%s', was ended by its cap, %s, and not by %s", t.task, t.experience.name, record.why,
         tostring(t.rule))
   end
   if own.best then restore(t) end
   t.ending = nil
end

return stopping
