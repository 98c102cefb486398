-- What CLASSP is worth: it, its parts and its rivals on seven benchmarks, one training a run, made for `engram select` and `engram sweep`.
-- What each searches: classp_study.wide, as in
--    engram select classp_study benchmark=permuted seed=1 $(cat experiments/classp_study.wide)
-- On sentiment, which plain SGD hardly learns, the methods train with Adam and are searched by classp_study.sentiment. Questions of their
-- own: replay with other optimizers, with as many bytes as CLASSP adds to it, and with a step that shrinks for all weights at once:
-- classp_study.replay; the penalties with AdaGrad, whose step shrinks as CLASSP's does: classp_study.penalties; the penalties beyond the
-- ends of their lists, for streams of large steps: classp_study.beyond; CLASSP's parts, each with a step size of its own:
-- classp_study.ablations; CLASSP and Stable-SGD in each other's training regime: classp_study.regime.
-- Protocols: split as Hsu et al. 2018, permuted and rotated as Buzzega et al. 2020 with ten tasks, vision as Ludwig 2024, sentiment as the
-- sound form of classp_sentiment with a tenth of its width and fixed epochs. What is `false` below has a usual value for each method.
local engram = require "engram"
local nn, optim, schedule, cl = engram.nn, engram.optim, engram.schedule, engram.cl

local settings = engram.settings{
   benchmark = { default = "split-domain", choices = { "split-task", "split-domain", "split-class", "permuted", "rotated", "vision",
      "sentiment" } },
   method = { default = "classp", choices = { "sgd", "adagrad", "adam", "adam-reset", "stable-sgd", "classp", "classp-published", "ewc",
      "online-ewc", "si", "mas", "lwf", "er", "classp-er", "classp-ewc" } },
   under = { default = "adam", choices = { "adam", "adagrad", "sgd" }, doc = "optimizer of ewc, online-ewc, si, mas, lwf and er" },
   lr = { default = false, type = "number", min = 0,
      doc = "step size; false: adam 0.001, sgd 0.05, adagrad 0.01, stable-sgd 0.1, CLASSP 0.2" },
   lambda = { default = false, type = "number", min = 0, doc = "of the penalty; false: 1, EWC 100" },
   pull = { default = false, type = "number", min = 0,
      doc = "instead of lambda: lambda times lr, by which a step goes back to the old weights; SGD is stable up to 2 / importance, "
         .. "with si and mas 1 / importance" },
   factor = { default = false, type = "number", min = 0, max = 1,
      doc = "by which the step size of plain SGD is multiplied from task to task; false: 1, stable-sgd 0.8" },
   epsilon = { default = 1e-5, min = 0, doc = "CLASSP" },
   power = { default = 1, min = 1, doc = "CLASSP" },
   gate = { default = "0", type = "string", doc = "CLASSP: a threshold, or q0.9: the quantile of the squared gradients, every 20 steps" },
   gate_later = { default = "same", type = "string", doc = "the gate from the second task on" },
   decay = { default = "later", choices = { "later", "always", "never" }, doc = "CLASSP; later: from the second task on, as published" },
   batch = { default = 0, type = "integer", min = 0, doc = "items of a batch; 0: the benchmark's, stable-sgd 10, as published" },
   dropout = { default = false, type = "number", min = 0, max = 1,
      doc = "behind the hidden layers of split, permuted and rotated; false: 0, stable-sgd 0.25, as published" },
   memory = { default = 500, min = 1, doc = "items that er keeps" },
   data = { default = "real", choices = { "real", "made" }, doc = "made: 1,000 drawn pictures or 600 generated texts, to see it run" },
   limit = { default = 0, min = 0, doc = "training items of a task; 0: all" },
   tasks = { default = 0, min = 0, doc = "0: 5 of split, 10 of permuted and rotated" },
   seed = { default = 1, min = 0 },
   threads = { default = engram.threads(), min = 1 },
}
engram.threads(settings.threads)
if settings.dropout and (settings.benchmark == "vision" or settings.benchmark == "sentiment") then
   error(("dropout: is for split, permuted and rotated; the network of %s has its own"):format(settings.benchmark), 0)
end

-- ---- benchmarks: a stream, a network, what cl.train is told ------------------------------------------------

local digits, garments, train, test = "mnist", "fashion-mnist", nil, nil
if settings.data == "made" then digits, garments, train, test = "glyphs/digits", "glyphs/garments", 1000, 500 end

-- Two hidden layers of so many units.
local function dense(inputs, width, initial)
   local dropout = settings.dropout or settings.method == "stable-sgd" and 0.25 or 0
   return function()
      local layers, sizes = { nn.Flatten() }, { inputs, width, width }
      for i = 1, 2 do
         for _, layer in ipairs{ nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU() } do layers[#layers + 1] = layer end
         if dropout > 0 then layers[#layers + 1] = nn.Dropout(dropout) end
      end
      layers[#layers + 1] = nn.Linear(width, 10)
      local model = nn.Sequential(layers)
      for _, p in ipairs(initial and model:parameters() or {}) do
         if p:dim() > 1 then nn.initial.xavier_uniform_(p) else nn.initial.constant_(p, 0) end
      end
      return model
   end
end

local function split(scenario)
   local stream = cl.streams.split(digits, { tasks = settings.tasks > 0 and settings.tasks or 5, scenario = scenario, epochs = 4,
      mean = 0.1, deviation = 0.2752, train = train, test = test })
   return cl.streams.pad(stream, { size = 32 }), dense(1024, 400), { batch_size = 128 }
end

local function transformed(make)
   return make(digits, { tasks = settings.tasks > 0 and settings.tasks or 10, seed = settings.seed, train = train, test = test }),
      dense(784, 100, true), { batch_size = 128 }
end

local benchmarks = {
   ["split-task"] = function() return split "task" end,
   ["split-domain"] = function() return split "domain" end,
   ["split-class"] = function() return split "class" end,
   permuted = function() return transformed(cl.streams.permuted) end,
   rotated = function() return transformed(cl.streams.rotated) end,
   vision = function()
      local stream = cl.streams.sequence({ digits, garments }, { epochs = { 4, 1 }, mean = 0.1307, deviation = 0.3081, limit = train,
         test_limit = test })
      return stream, require "classp_common".network(), { batch_size = 32, shuffle = false }
   end,
   sentiment = function()
      local common = require "sentiment_common"
      local tasks, words = common.tasks(settings.data == "made" and "built-in" or "real", false, 0,
         { padding = "fixed", epochs = { 10, 4 } })
      return cl.stream(tasks), common.model(words, { width = 60, heads = 3, feed_forward = 200 }, false), { batch_size = 50 }
   end,
}

-- ---- methods: an optimizer, and what goes with it -----------------------------------------------------------

-- optim.NAME with its step size.
local function plain(name, lr)
   return function(model) return optim[name](model, { lr = settings.lr or lr }) end
end

-- The strength of a penalty.
local function strength(usual)
   if settings.pull and not settings.lr then error("pull: give lr too, of which it is a multiple", 0) end
   return settings.pull and settings.pull / settings.lr or settings.lambda or usual
end

-- SGD, whose step size may shrink for all weights at once.
local function sgd(lr, usual)
   local first, factor = settings.lr or lr, settings.factor or usual
   local rate = factor == 1 and first or function(t) return first * factor ^ (t.task - 1) end
   return function(model) return optim.SGD(model, { lr = rate }) end
end

local function under()
   if settings.under == "sgd" then return sgd(0.05, 1) end
   if settings.factor then error("factor: is for plain SGD: say under=sgd too", 0) end
   return settings.under == "adam" and plain("Adam", 0.001) or plain("AdaGrad", 0.01)
end

local function gate_of(text)
   local quantile = text:match "^q(.*)$"
   local value = tonumber(quantile or text)
   if not value then error(("gate: expected a number, or one behind a q, got '%s'"):format(text), 0) end
   return quantile and schedule.quantile(value, { every = 20 }) or value
end

local DECAY = { later = schedule.per_task{ false, true }, always = true, never = false }

local function classp(variant)
   local first = gate_of(settings.gate)
   local later = settings.gate_later == "same" and first or gate_of(settings.gate_later)
   return function(model)
      return optim.CLASSP(model, { lr = settings.lr or 0.2, epsilon = settings.epsilon, power = settings.power, variant = variant,
         threshold = first == later and first or schedule.per_task{ first, later }, decay = DECAY[settings.decay] })
   end
end

local function ewc(mode) return cl.methods.EWC{ mode = mode, lambda = strength(100), samples = 1000 } end

local methods = {
   sgd = function() return sgd(0.05, 1) end,
   adagrad = function() return plain("AdaGrad", 0.01) end,
   adam = function() return plain("Adam", 0.001) end,
   ["adam-reset"] = function() return plain("Adam", 0.001), cl.methods.ResetOptimizer{} end,
   ["stable-sgd"] = function() return sgd(0.1, 0.8) end,
   classp = function() return classp "paper" end,
   ["classp-published"] = function() return classp "published" end,
   ewc = function() return under(), ewc "separate" end,
   ["online-ewc"] = function() return under(), ewc "online" end,
   si = function() return under(), cl.methods.SI{ lambda = strength(1) } end,
   mas = function() return under(), cl.methods.MAS{ lambda = strength(1), samples = 1000 } end,
   lwf = function() return under(), cl.methods.LwF{ lambda = strength(1) } end,
   er = function() return under(), cl.methods.ER{ memory = settings.memory } end,
   ["classp-er"] = function() return classp "paper", cl.methods.ER{ memory = settings.memory } end,
   ["classp-ewc"] = function() return classp "paper", ewc "separate" end,
}

-- ---- the training -------------------------------------------------------------------------------------------

local stream, model, options = benchmarks[settings.benchmark]()
if settings.limit > 0 then stream = cl.streams.limit(stream, { train = settings.limit }) end
if settings.batch > 0 then options.batch_size = settings.batch
elseif settings.method == "stable-sgd" then options.batch_size = 10 end
options.stream, options.model, options.seed, options.evaluate_tasks = stream, model, settings.seed, "seen"
options.optimizer, options.method = methods[settings.method]()
local result = cl.train(options)
local moved = result.metrics.update_density
print(("%s, %s: average accuracy %.2f %%, forgetting %.2f; state %.2f MB; weights that a task changes %.1f %%"):format(settings.benchmark,
   settings.method, result.metrics.average_accuracy, result.metrics.forgetting, result.bytes.state_in_training / 1e6,
   100 * engram.statistics.mean(moved)))
if result.folder then os.remove(result.folder .. "/weights.safetensors") end
