-- Five methods in three scenarios: one data set, split into five tasks. Expected, on MNIST: task-incremental all high, domain-incremental
-- between, class-incremental near 20 % without a memory (van de Ven, Tuytelaars and Tolias 2022, table 2).
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl

local settings = engram.settings{
   data = { default = "glyphs/digits", choices = { "glyphs/digits", "glyphs/garments", "mnist", "fashion-mnist" } },
   tasks = { default = 5, min = 2, doc = "of two classes each, by default" },
   steps = { default = 200, min = 1, doc = "a task" },
   batch = { default = 64, min = 1, doc = "items of a step" },
   width = { default = 100, min = 1, doc = "of the two hidden layers" },
   train = { default = 6000, min = 1, doc = "items of the whole data set" },
   test = { default = 1000, min = 1 },
   memory = { default = 200, min = 1, doc = "items that ER keeps" },
   seed = { default = 1, min = 0, doc = "of the classes' order and the training" },
   threads = { default = 2, min = 1 },
}
engram.threads(settings.threads)

local methods = {
   { "Naive", cl.methods.Naive, {} },
   { "EWC", cl.methods.EWC, { task = { lambda = 1e5 }, domain = { lambda = 1e4 }, class = { lambda = 1e4 } } },
   { "SI", cl.methods.SI, { task = { lambda = 10 }, domain = { lambda = 100 }, class = { lambda = 100 } } },
   { "LwF", cl.methods.LwF, {} },
   { "ER", cl.methods.ER, { all = { memory = settings.memory } } },
}

local function model()
   return nn.Sequential{ nn.Flatten(), nn.Linear(784, settings.width), nn.ReLU(), nn.Linear(settings.width, settings.width), nn.ReLU(),
      nn.Linear(settings.width, 10) }
end

-- The same tasks in each scenario: multi-head nets, masks and labels are the scenario's business.
local function stream_of(scenario)
   local split = cl.streams.split(settings.data,
      { tasks = settings.tasks, scenario = scenario, order = settings.seed, train = settings.train, test = settings.test })
   return cl.streams.iterations(split, { steps = settings.steps })
end

local function result_of(scenario, stream, name, method, hyper)
   local run = cl.train{ name = name .. "-" .. scenario, model = model, stream = stream, method = method(hyper[scenario] or hyper.all),
      optimizer = function(m) return optim.Adam(m, { lr = 1e-3 }) end, batch_size = settings.batch, seed = settings.seed }
   return ("%.1f (%.1f)"):format(run.metrics.average_accuracy, run.metrics.forgetting), run.bytes.state_in_training
end

local scenarios = { "task", "domain", "class" }
local streams = {}
print(("%s, %d tasks of %d steps: average accuracy (forgetting), percent"):format(settings.data, settings.tasks, settings.steps))
for _, scenario in ipairs(scenarios) do
   streams[scenario] = stream_of(scenario)
   print(("%-6s stream %s"):format(scenario, streams[scenario]:hash()))
end
-- The table comes at the end, in one piece: what the trainings say meanwhile does not stand between its lines.
local LINE = "| %-8s | %-14s | %-14s | %-14s | %9s |"
local lines = { LINE:format("method", "task", "domain", "class", "state, kB"),
   "|" .. ("-"):rep(10) .. ("|" .. ("-"):rep(16)):rep(3) .. "|" .. ("-"):rep(11) .. "|" }
for _, method in ipairs(methods) do
   local cells, bytes = {}, 0
   for i, scenario in ipairs(scenarios) do
      local more
      cells[i], more = result_of(scenario, streams[scenario], unpack(method))
      bytes = math.max(bytes, more)
   end
   lines[#lines + 1] = LINE:format(method[1], cells[1], cells[2], cells[3], ("%.0f"):format(bytes / 1000))
end
print(table.concat(lines, "\n"))
