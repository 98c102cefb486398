-- schedule/stop.lua: rules that end a task by what is seen of it: a loss, an accuracy, patience, epochs, steps, or the first of several.
--
-- A rule is data with a function check(memory, now, at), which returns why the task ends, or nil. `at` is what has just ended, "step" or
-- "epoch"; `memory` is a plain table of the rule's own, a part of checkpoints; now.t is the training's state, now.figure(name) a figure
-- (rule.figures names those that may be asked for), now.keep() holds the present weights as the best, and now.saw(words) tells what a
-- function of the user's saw. How long the task can be at most: `epochs` and `steps` where the rule itself ends it then, `max_epochs` and
-- `max_steps` where that is a cap.
local core = require "engram.core"
local raise = core.raise

local stop = {}

local Rule = {}
Rule.__index = Rule
Rule.__tostring = function(self) return self.text end

local CAPS = { "max_epochs", "max_steps" }
local BOUNDS = { "epochs", "steps", unpack(CAPS) }
local DEFAULT_EPOCHS = 100                            -- the cap of a rule that names none

-- ---- checks -----------------------------------------------------------------------------------------------

local function number(who, what, value, low, high)
   if type(value) ~= "number" or not (value >= low and value <= high) then
      raise("schedule.stop.%s: %s must be a number %s, got %s", who, what,
         high == math.huge and ("of at least %g"):format(low) or ("from %g to %g"):format(low, high),
         type(value) == "number" and tostring(value) or core.typename(value))
   end
   return value
end

local function finite(who, what, value, low)
   if value == math.huge then raise("schedule.stop.%s: %s must be finite", who, what) end
   return number(who, what, value, low, math.huge)
end

local function one_of(who, what, value, choices)
   for _, choice in ipairs(choices) do
      if value == choice then return value end
   end
   raise("schedule.stop.%s: %s must be '%s', got %s%s", who, what, table.concat(choices, "' or '"),
      type(value) == "string" and "'" .. value .. "'" or core.typename(value),
      type(value) == "string" and require "engram.suggest".hint(value, choices) or "")
end

-- The options of a rule that may never end by itself: its own, and how long it may take.
local function options_of(who, given, names)
   if type(given) == "number" then raise("schedule.stop.%s: options must be a table, as { max_epochs = 20 }, got a number", who) end
   local options = core.options("schedule.stop." .. who, given, { CAPS[1], CAPS[2], unpack(names) })
   for _, cap in ipairs(CAPS) do
      if options[cap] ~= nil then core.whole(("schedule.stop.%s: %s"):format(who, cap), options[cap]) end
   end
   return options
end

-- ---- making -----------------------------------------------------------------------------------------------

-- name(words) with the caps among them.
local function make(name, words, rule, options)
   for _, cap in ipairs(CAPS) do
      if options and options[cap] then
         rule[cap] = options[cap]
         words[#words + 1] = ("%s %d"):format(cap, options[cap])
      end
   end
   rule.text, rule.figures, rule.open = ("%s(%s)"):format(name, table.concat(words, ", ")), rule.figures or {}, rule.open ~= false
   return setmetatable(rule, Rule)
end

-- is_rule(value): whether it is one of these.
function stop.is_rule(value) return getmetatable(value) == Rule end

-- longest(rule, steps_per_epoch): the steps that a task takes under it at most, and the cap that says so, in words, where one does.
function stop.longest(rule, steps_per_epoch)
   local most, cap = math.min((rule.epochs or math.huge) * steps_per_epoch, rule.steps or math.huge), nil
   local function bound(name, value, steps)
      if value and steps < most then most, cap = steps, ("%s = %d"):format(name, value) end
   end
   bound("max_epochs", rule.max_epochs, (rule.max_epochs or 0) * steps_per_epoch)
   bound("max_steps", rule.max_steps, rule.max_steps)
   if most == math.huge then bound("max_epochs", DEFAULT_EPOCHS, DEFAULT_EPOCHS * steps_per_epoch) end
   return most, cap
end

local function check_no_options(who, options, instead)
   if options ~= nil then raise("schedule.stop.%s: takes no options, got %s: %s", who, core.shown(options), instead) end
end

-- epochs(n): after n epochs.
function stop.epochs(n, more)
   check_no_options("epochs", more, "it ends the task itself, and needs no cap")
   core.whole("schedule.stop.epochs: n", n)
   return make("epochs", { n }, { epochs = n, open = false, check = function(_, now, at)
      if at == "epoch" and now.t.epoch >= n then return ("%d epoch%s"):format(n, n > 1 and "s" or "") end
   end })
end

-- steps(n): after n steps, also within an epoch.
function stop.steps(n, more)
   check_no_options("steps", more, "it ends the task itself, and needs no cap")
   core.whole("schedule.stop.steps: n", n)
   return make("steps", { n }, { steps = n, open = false, check = function(_, now, at)
      if at == "step" and now.t.step_in_task >= n then return ("%d step%s"):format(n, n > 1 and "s" or "") end
   end })
end

-- loss(value, { of = "epoch" | "batch" | "validation", each = "epoch" | "step" }): when the loss is at most the value: the mean of an
-- epoch's batches, the last batch, or the validation items. Looked at after each epoch; of a batch after each step, where each = "step".
function stop.loss(value, options)
   finite("loss", "the value", value, 0)
   options = options_of("loss", options, { "of", "each" })
   local of = one_of("loss", "of", options.of or "epoch", { "epoch", "batch", "validation" })
   local each = one_of("loss", "each", options.each or "epoch", { "epoch", "step" })
   if each == "step" and of ~= "batch" then
      raise("schedule.stop.loss: each = 'step' is for of = 'batch'; the loss of the %s is known after each epoch",
         of == "epoch" and of or "validation items")
   end
   local figure = of .. " loss"
   return make("loss", { value, "of " .. of, each == "step" and "each step" or nil }, { figures = { figure }, check = function(_, now, at)
      local loss = at == each and now.figure(figure)
      if loss and loss <= value then return ("%s %.4g is at most %g"):format(figure, loss, value) end
   end }, options)
end

-- accuracy(percent, { of = "train" | "validation" }): when the accuracy on the task's items, in evaluation mode, is at least that;
-- measured after each epoch.
function stop.accuracy(percent, options)
   number("accuracy", "the percentage", percent, 0, 100)
   if percent > 0 and percent <= 1 then
      raise("schedule.stop.accuracy: %g is %g %%: accuracies are in percent, give %g for that fraction", percent, percent, 100 * percent)
   end
   options = options_of("accuracy", options, { "of" })
   local figure = one_of("accuracy", "of", options.of or "train", { "train", "validation" }) .. " accuracy"
   return make("accuracy", { percent, "of " .. (options.of or "train") }, { figures = { figure }, check = function(_, now, at)
      local accuracy = at == "epoch" and now.figure(figure)
      if accuracy and accuracy >= percent then return ("%s %.2f %% is at least %g"):format(figure, accuracy, percent) end
   end }, options)
end

-- patience(epochs, { figure = "loss" | "accuracy", of = "validation" | "epoch" | "train", min_delta = 0, restore = false }): when so many
-- epochs on end were none better than the best by more than min_delta. restore: the task ends with the weights of the best.
function stop.patience(epochs, options)
   core.whole("schedule.stop.patience: epochs", epochs)
   options = options_of("patience", options, { "figure", "of", "min_delta", "restore" })
   local kind = one_of("patience", "figure", options.figure or "loss", { "loss", "accuracy" })
   local of = one_of("patience", "of", options.of or "validation", { "validation", kind == "loss" and "epoch" or "train" })
   local least = finite("patience", "min_delta", options.min_delta or 0, 0)
   if options.restore ~= nil and type(options.restore) ~= "boolean" then
      raise("schedule.stop.patience: restore must be true or false, got %s", core.typename(options.restore))
   end
   local figure, sign = of .. " " .. kind, kind == "loss" and -1 or 1
   local words = { epochs, figure, "min_delta " .. least, options.restore and "restore" or nil }
   return make("patience", words, { figures = { figure }, restore = options.restore, check = function(memory, now, at)
      if at ~= "epoch" then return nil end
      local value = now.figure(figure)
      if not memory.best or sign * (value - memory.best) > least then
         memory.best, memory.epoch = value, now.t.epoch
         if options.restore then now.keep() end
      end
      if now.t.epoch - memory.epoch < epochs then return nil end
      return ("%s was no better than %.4g, of epoch %d, for %d epoch%s"):format(figure, memory.best, memory.epoch, epochs,
         epochs > 1 and "s" or "")
   end }, options)
end

-- when(f, { each = "epoch" | "step" }): when f(t) is true, or a text that says why. It must depend on t alone. A second result, a text,
-- tells what it saw, for a cap that ends the task instead.
function stop.when(f, options)
   if type(f) ~= "function" then raise("schedule.stop.when: expected a function of t, got %s", core.typename(f)) end
   options = options_of("when", options, { "each" })
   local each = one_of("when", "each", options.each or "epoch", { "epoch", "step" })
   return make("when", { "function", each == "step" and "each step" or nil }, { check = function(_, now, at)
      if at ~= each then return nil end
      local why, saw = f(now.t)
      now.saw(type(saw) == "string" and saw or "the function did not say so")
      return why and (type(why) == "string" and why or "the function says so") or nil
   end }, options)
end

-- ---- several ----------------------------------------------------------------------------------------------

-- Adds to a combination what a part asks for and how long it can be; `restore` is one part's alone: the weights are one.
local function add_part(whole, part, i)
   if not stop.is_rule(part) then raise("schedule.stop.first_of: item %d is no rule but a %s", i, core.typename(part)) end
   if whole.restore and part.restore then raise "schedule.stop.first_of: two rules restore the best weights: leave it to one" end
   for _, figure in ipairs(part.figures) do table.insert(whole.figures, figure) end
   for _, bound in ipairs(BOUNDS) do
      if part[bound] then whole[bound] = math.min(whole[bound] or math.huge, part[bound]) end
   end
   whole.restore, whole.open = whole.restore or part.restore, whole.open or part.open
end

-- first_of{ rule, rule, ..., max_epochs =, max_steps = }: whichever comes first; a cap of a part is one of the whole.
function stop.first_of(rules, more)
   check_no_options("first_of", more, "caps stand among the rules, as { rule, rule, max_epochs = 20 }")
   if type(rules) ~= "table" or stop.is_rule(rules) or #rules == 0 then
      raise "schedule.stop.first_of: expected a list of rules, as { stop.loss(0.1), stop.epochs(20) }"
   end
   local given, whole, words = {}, { figures = {}, open = false }, {}
   for key, value in pairs(rules) do
      if type(key) ~= "number" then given[key] = value end
   end
   local options = options_of("first_of", given, {})
   for i, part in ipairs(rules) do
      add_part(whole, part, i)
      words[i] = part.text
   end
   whole.check = function(memory, now, at)
      local first                                      -- the others are asked too: one may hold this epoch's weights as the best
      for i, part in ipairs(rules) do
         local own = tostring(i)                       -- a key that JSON keeps
         memory[own] = memory[own] or {}
         local why = part.check(memory[own], now, at)
         first = first or why
      end
      return first
   end
   for _, cap in ipairs(CAPS) do options[cap] = options[cap] and math.min(options[cap], whole[cap] or math.huge) end
   return make("first_of", words, whole, options)
end

-- ---- from plain data --------------------------------------------------------------------------------------

local constructors = { "epochs", "steps", "loss", "accuracy", "patience", "first_of" }

-- name_in(plain): the rule that a plain table names, or nil; raises where there are two.
function stop.name_in(plain)
   local name
   for _, constructor in ipairs(constructors) do
      if plain[constructor] ~= nil and name then
         raise("schedule.stop.of: both %s and %s are named: first_of takes a list of rules", name, constructor)
      end
      if plain[constructor] ~= nil then name = constructor end
   end
   return name
end

local function of_list(value, options)
   if type(value) ~= "table" or #value == 0 then raise "schedule.stop.of: first_of: expected a list of rules" end
   for i, item in ipairs(value) do options[i] = stop.of(item) end
   return stop.first_of(options)
end

-- of(value): the rule that plain data describe, as a settings file holds them: { loss = 0.005, of = "batch", max_epochs = 20 },
-- { first_of = { { accuracy = 95 }, { epochs = 20 } } }.
function stop.of(value)
   if stop.is_rule(value) then return value end
   if type(value) ~= "table" then raise("schedule.stop.of: expected a rule or a table, got %s", core.typename(value)) end
   local name, options = stop.name_in(value), {}
   if not name then
      local hint
      for key in pairs(value) do hint = hint or require "engram.suggest".nearest(key, constructors) end
      hint = hint and (", did you mean '%s'?"):format(hint) or ""
      raise("schedule.stop.of: none of %s is named%s", table.concat(constructors, ", "), hint)
   end
   for key, given in pairs(value) do
      if key ~= name then options[key] = given end
   end
   if name == "first_of" then return of_list(value[name], options) end
   if name == "epochs" or name == "steps" then core.options("schedule.stop.of: " .. name, options, {}) end
   return stop[name](value[name], next(options) and options or nil)
end

return stop
