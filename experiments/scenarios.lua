-- Five methods in three scenarios: a floor, a penalty, a distillation, a replay and a ceiling on Split MNIST, as van de Ven, Tuytelaars and
-- Tolias have it (Nature Machine Intelligence 4:1185, 2022, table 2): 2000 iterations a task, batch 128, Adam 0.001, 784-400-400.
-- Expected there (task, domain, class): Naive 84 60 20, SI 99 67 21, LwF 99.6 71 22, ER 99 94 89, Joint 99.7 98.6 98.2.
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl

local settings = engram.settings{
   data = { default = "mnist", choices = { "mnist", "glyphs/digits" } },
   train = { default = 60000, min = 100, doc = "items to train on, of all classes" },
   test = { default = 10000, min = 100 },
   steps = { default = 2000, min = 1, doc = "a task" },
   width = { default = 400, min = 1, doc = "of the two hidden layers" },
   seed = 1,
   threads = { default = 1, min = 1 },
}
engram.threads(settings.threads)

local SCENARIOS = { "task", "domain", "class" }
local c = { task = 10, domain = 5e4, class = 5e3 }          -- their c for SI
local methods = {
   { "Naive", function() return cl.methods.Naive{} end },
   { "SI", function(scenario) return cl.methods.SI{ convention = "van-de-ven", lambda = c[scenario] } end },
   { "LwF", function() return cl.methods.LwF{ convention = "van-de-ven" } end },
   { "ER", function() return cl.methods.ER{ convention = "van-de-ven" } end },
   { "Joint", function() return cl.methods.Joint{} end },
}

local function accuracy(scenario, method)
   local stream = cl.streams.split(settings.data, { tasks = 5, scenario = scenario, outputs = scenario == "class" and "all" or nil,
      order = settings.seed, train = settings.train, test = settings.test })
   local function network()
      return nn.Sequential{ nn.Flatten(), nn.Linear(784, settings.width), nn.ReLU(), nn.Linear(settings.width, settings.width), nn.ReLU(),
         nn.Linear(settings.width, stream.classes) }
   end
   local run = cl.train{ name = method.description.name .. "-" .. scenario, model = network, method = method, seed = settings.seed,
      stream = cl.streams.iterations(stream, { steps = settings.steps }), batch_size = 128, drop_last = true,
      optimizer = function(model) return optim.Adam(model, { lr = 0.001 }) end }
   return run.metrics.average_accuracy
end

local rows = {}
for i, entry in ipairs(methods) do
   rows[i] = ("| %-6s |"):format(entry[1])
   for _, scenario in ipairs(SCENARIOS) do rows[i] = rows[i] .. (" %6.2f |"):format(accuracy(scenario, entry[2](scenario))) end
end
print "| method | task   | domain | class  |"
print "|---|---:|---:|---:|"
for _, row in ipairs(rows) do print(row) end
