-- cl/options.lua: what cl.train is given, checked before anything is made or trained.
local budget = require "engram.cl.budget"
local core = require "engram.core"
local plan = require "engram.cl.plan"
local state = require "engram.cl.methods.state"
local stopping = require "engram.cl.stopping"
local stream = require "engram.cl.stream"
local raise = core.raise

local NAMES = { "model", "stream", "optimizer", "method", "batch_size", "seed", "evaluate", "evaluate_on", "protocol", "shuffle", "loss",
   "name", "on_step", "evaluate_batch_size", "evaluate_every", "evaluate_items", "evaluate_tasks", "drop_last", "checkpoint_every",
   "checkpoints", "budget", "stop" }

local function is_module(value) return require "engram.nn".is_module(value) end

local function is_optimizer(value) return getmetatable(value) == require "engram.optim.optimizer".Optimizer end

local function is_method(value) return type(value) == "table" and type(value.description) == "table" end

local function choice(name, value, choices) return core.choice("cl.train: " .. name, value, choices) end

local function of_type(name, value, wanted)
   if value ~= nil and type(value) ~= wanted then raise("cl.train: %s must be a %s, got %s", name, wanted, core.typename(value)) end
   return value
end

local function method_list(given)
   if given == nil then return {} end
   local list = is_method(given) and { given } or given
   local fits = type(list) == "table" and (#list > 0 or next(list) == nil)
   for _, method in ipairs(fits and list or {}) do fits = fits and is_method(method) end
   if not fits then raise("cl.train: method must be a method or a list of methods, as cl.methods.EWC{ lambda = 100 } makes them") end
   local place = {}
   for i, method in ipairs(list) do
      if place[method] then
         raise("cl.train: method: elements %d and %d are the same %s, whose state would be changed twice a step: make two, or leave " ..
            "one out", place[method], i, method.description.name)
      end
      place[method] = i
   end
   return list
end

local function loss_function(given)
   if given == nil then return require "engram.nn".cross_entropy end
   if type(given) ~= "function" and not is_module(given) then
      raise("cl.train: loss must be a function of logits and labels, got %s", core.typename(given))
   end
   return given
end

-- Which tasks an evaluation looks at: "all", "seen", "current" (1), or a number: the last so many.
local function evaluated_tasks(given)
   if type(given) == "number" then return core.whole("cl.train: evaluate_tasks", given) end
   given = choice("evaluate_tasks", given or "all", { "all", "seen", "current" })
   return given == "current" and 1 or given
end

-- Items that a continual evaluation may look at: one of every task at least. By default few enough for a point every ten steps to cost
-- less than a tenth of the training.
local function evaluated_items(given, tasks, length, batch_size)
   local shared = type(tasks) == "number" and math.min(tasks, length) or length
   local items = core.whole("cl.train: evaluate_items", given or math.max(math.min(256, 4 * batch_size), shared))
   if items < shared then
      raise("cl.train: evaluate_items = %d is less than an item for each of %d tasks; give more, or evaluate_tasks = a number", items,
         shared)
   end
   return items
end

-- The model's parameters that the optimizer moves, and the others: one of another model would train nothing, silently.
local function moved_parameters(model, optimizer)
   local held, moved, others = {}, {}, {}
   for _, p in ipairs(optimizer.parameters) do held[p] = true end
   for _, p in ipairs(model:parameters()) do table.insert(held[p] and moved or others, p) end
   if #moved > 0 then return moved, others end
   raise "cl.train: the optimizer moves none of the model's parameters: make it from this one, or give optimizer = function(model)"
end

-- A memory keeps rows of one width.
local function check_rows(methods, given)
   for _, method in ipairs(methods) do
      for _, experience in ipairs(state.holds(method.description, "buffer") and given or {}) do
         if experience:made_of().trim then
            raise("cl.train: %s keeps items, whose rows must have one width; make the data of '%s' with padding = \"fixed\"",
               method.description.name, experience.name)
         end
      end
   end
   return methods
end

local options = {}

-- check(given): the options with their defaults; raises for one that is unknown, missing or of the wrong kind.
function options.check(given)
   if type(given) ~= "table" then raise("cl.train: expected a table of options, got %s", core.typename(given)) end
   if type(given.checkpoint) == "number" then raise "cl.train: unknown option 'checkpoint', did you mean 'checkpoint_every'?" end
   core.options("cl.train", given, NAMES)
   for _, name in ipairs{ "model", "stream", "optimizer" } do
      if given[name] == nil then raise("cl.train: %s is missing", name) end
   end
   if not stream.is_stream(given.stream) then raise("cl.train: stream is none: make it with cl.stream{ cl.task(...), ... }") end
   local limits, budget_text = budget.check(given.budget)
   local batch_size, tasks = core.whole("cl.train: batch_size", given.batch_size or 32), evaluated_tasks(given.evaluate_tasks)
   return {
      stream = given.stream, methods = check_rows(method_list(given.method), given.stream), seed = given.seed,
      batch_size = batch_size, limits = limits, budget = budget_text,
      evaluate_every = given.evaluate_every and core.whole("cl.train: evaluate_every", given.evaluate_every),
      evaluate_tasks = tasks, evaluate_items = evaluated_items(given.evaluate_items, tasks, #given.stream, batch_size),
      evaluate_batch_size = core.whole("cl.train: evaluate_batch_size", given.evaluate_batch_size or 100),
      checkpoint_every = given.checkpoint_every and core.whole("cl.train: checkpoint_every", given.checkpoint_every),
      shuffle = of_type("shuffle", given.shuffle, "boolean") ~= false,
      drop_last = of_type("drop_last", given.drop_last, "boolean") or false,
      stop = given.stop, loss_function = loss_function(given.loss), on_step = of_type("on_step", given.on_step, "function"),
      evaluate_on = choice("evaluate_on", given.evaluate_on or "test", { "test", "validation", "both" }),
      protocol = choice("protocol", given.protocol or "test", { "test", "published", "both" }),
      checkpoints = choice("checkpoints", given.checkpoints or "last", { "last", "task" }),
      evaluate = choice("evaluate", given.evaluate or "task", { "task", "epoch", "never" }), name = of_type("name", given.name, "string"),
   }
end

-- unused(given, t): what was given and has no effect, as { key, why } lists.
function options.unused(given, t)
   local list = {}
   local function note(key, unused, why)
      if unused and given[key] ~= nil then list[#list + 1] = { key, why } end
   end
   local never = given.evaluate == "never" and given.protocol ~= "both"
   note("evaluate_items", not given.evaluate_every, "without evaluate_every there is no continual evaluation")
   note("evaluate_tasks", never and not given.evaluate_every, "evaluate is 'never'")
   note("evaluate_on", never and not given.evaluate_every and given.evaluate_on == "test", "evaluate is 'never'")
   note("evaluate_batch_size", never and not stopping.measures(t), "evaluate is 'never'")
   note("protocol", given.evaluate == "never" and given.protocol == "published", "evaluate is 'never'")
   local rules = 0
   for _, experience in ipairs(t.stream) do rules = rules + (experience.stop and 1 or 0) end
   note("stop", rules == #t.stream, "every task has a rule of its own")
   for _, key in ipairs{ "checkpoint_every", "checkpoints" } do
      note(key, not t.out.folder, "checkpoints are written by `engram run` only")
   end
   for k, experience in ipairs(t.stream) do
      local ordered = plan.keeps_order(t, k)
      note("shuffle", ordered and given.shuffle == true, ("the items of '%s' keep their order in time"):format(experience.name))
      if ordered then break end
   end
   return list
end

-- make(given): the model and its optimizer, each given as it is or as a function that makes it; the model's function, if any; which of the
-- model's parameters the optimizer moves, and the others.
function options.make(given)
   local make_model = type(given.model) == "function" and given.model or nil
   local model = make_model and make_model() or given.model
   if not is_module(model) then raise("cl.train: model must be a module or a function that makes one, got %s", core.typename(model)) end
   local optimizer = given.optimizer
   if type(optimizer) == "function" then optimizer = optimizer(model) end
   if not is_optimizer(optimizer) then
      raise("cl.train: optimizer must be an optimizer or a function of the model that makes one, got %s", core.typename(optimizer))
   end
   return model, optimizer, make_model, moved_parameters(model, optimizer)
end

return options
