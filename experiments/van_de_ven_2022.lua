-- Split MNIST in three scenarios by the protocol of van de Ven, Tuytelaars and Tolias (Nature Machine Intelligence 4:1185, 2022, table 2):
-- 2000 iterations a task, batch 128, Adam 0.001 that is not reset, 784-400-400, pixels in [0, 1], classes dealt to the tasks by the seed.
-- Expected (task, domain, class; 20 seeds): Naive 84.3 60.1 19.9, EWC 99.1 63.0 20.6, SI 99.2 66.9 21.2, LwF 99.6 71.2 21.9,
-- ER 99.0 93.8 88.8, A-GEM 98.6 87.7 65.1, Joint 99.7 98.6 98.2.
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl

local settings = engram.settings{
   methods = { default = "Naive,EWC,SI,LwF,ER,AGEM,Joint", doc = "separated by commas" },
   scenarios = { default = "task,domain,class", doc = "separated by commas" },
   data = { default = "mnist", choices = { "mnist", "glyphs/digits" } },
   train = { default = 60000, min = 100, doc = "items to train on, of all classes" },
   test = { default = 10000, min = 100 },
   steps = { default = 2000, min = 1, doc = "a task" },
   width = { default = 400, min = 1, doc = "of the two hidden layers" },
   seed = 1,
   threads = { default = 1, min = 1 },
}
engram.threads(settings.threads)

-- Their settings, by scenario where they differ.
local options = {
   EWC = { convention = "van-de-ven", lambda = { task = 1e5, domain = 1e10, class = 1e9 } },
   SI = { convention = "van-de-ven", lambda = { task = 10, domain = 5e4, class = 5e3 } },
   LwF = { convention = "van-de-ven" }, ER = { convention = "van-de-ven" }, AGEM = { convention = "van-de-ven" },
}

local function method_of(name, scenario)
   local given = {}
   for key, value in pairs(options[name] or {}) do given[key] = type(value) == "table" and value[scenario] or value end
   return cl.methods[name](given)
end

-- Average accuracy at the end, and steps a second of training.
local function train(name, scenario)
   local stream = cl.streams.split(settings.data, { tasks = 5, scenario = scenario, outputs = scenario == "class" and "all" or nil,
      order = settings.seed, train = settings.train, test = settings.test })
   local function network()
      return nn.Sequential{ nn.Flatten(), nn.Linear(784, settings.width), nn.ReLU(), nn.Linear(settings.width, settings.width), nn.ReLU(),
         nn.Linear(settings.width, stream.classes) }
   end
   local run = cl.train{ name = name .. "-" .. scenario, model = network, method = method_of(name, scenario), seed = settings.seed,
      stream = cl.streams.iterations(stream, { steps = settings.steps }), batch_size = 128, drop_last = true,
      optimizer = function(model) return optim.Adam(model, { lr = 0.001 }) end }
   return run.metrics.average_accuracy, run.steps / run.time.training
end

local rows, head = {}, "| method |"
for scenario in settings.scenarios:gmatch "%a+" do head = head .. (" %s | steps/s |"):format(scenario) end
for name in settings.methods:gmatch "%a+" do
   local cells = {}
   for scenario in settings.scenarios:gmatch "%a+" do cells[#cells + 1] = ("%.2f | %.0f"):format(train(name, scenario)) end
   rows[#rows + 1] = ("| %s | %s |"):format(name, table.concat(cells, " | "))
end
print(head)
print((head:gsub("[^|]+", "---")))
print(table.concat(rows, "\n"))
