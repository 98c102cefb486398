-- CLASSP's vision experiment (Ludwig 2024, arXiv 2405.09637): 4 epochs of MNIST, then 1 of Fashion-MNIST, one head of 10 outputs.
--
-- Expected: docs/results.md, "Vision". CLASSP as published holds MNIST where SGD forgets it. Images in file order, batch 32, no
-- shuffling, as in the published script. Every row is judged twice on the same weights: on the test sets in evaluation mode, and by the
-- published protocol (training sets, dropout on). Without MNIST and Fashion-MNIST on this machine: glyphs.
local engram = require "engram"
local nn, optim, schedule, cl = engram.nn, engram.optim, engram.schedule, engram.cl
local table_of = require "classp_table"

local settings = engram.settings{
   data = { default = "auto", choices = { "auto", "mnist", "glyphs" }, doc = "auto: MNIST and Fashion-MNIST when they are here" },
   methods = { default = { "all" }, doc = "rows of the table, e.g. methods=sgd,classp-published" },
   seeds = { default = { 1, 2, 3 }, doc = "a run of every method for each" },
   epochs = { default = 4, min = 1, doc = "of the first task" },
   limit = { default = 0, min = 0, doc = "training images of each task; 0: all" },
   small = { default = false, doc = "a quarter of the channels, 1 seed, 2 epochs: a minute" },
   threshold = { default = 1e-7, min = 0, doc = "CLASSP (paper): the threshold in task 1" },
   threshold_2 = { default = 0, min = 0, doc = "CLASSP (paper): the threshold in task 2" },
   quantile = { default = 0, min = 0, max = 1, doc = "CLASSP (paper): > 0: a quantile of the squared gradients instead, in task 1" },
   lambda = { default = 100, min = 0, doc = "EWC (sound)" },
   threads = { default = engram.threads(), min = 1 },
   continue = { default = "", doc = "a run's folder: what is finished there is not trained again" },
}
engram.threads(settings.threads)

-- ---- data and model -----------------------------------------------------------------------------------------------------------

local function here(name) return (pcall(engram.data.load, name)) end

local function choose_data()
   if settings.data == "glyphs" then return "glyphs/digits", "glyphs/garments" end
   if settings.data == "mnist" or (here "mnist" and here "fashion-mnist") then return "mnist", "fashion-mnist" end
   return "glyphs/digits", "glyphs/garments"
end

local function choose_stream(first, second)
   local options = { mean = 0.1307, deviation = 0.3081, limit = settings.limit > 0 and settings.limit or nil }
   local function task(name, epochs)
      local own = { epochs = epochs }
      for key, value in pairs(options) do own[key] = value end
      return cl.task(name, own)
   end
   local epochs = settings.small and math.min(settings.epochs, 2) or settings.epochs
   return cl.stream{ task(first, epochs), task(second, 1), scenario = "domain" }
end

local width = settings.small and { 8, 16, 64 } or { 32, 64, 128 }

local function make_model()
   return nn.Sequential{ nn.Conv2d(1, width[1], 3), nn.ReLU(), nn.Conv2d(width[1], width[2], 3), nn.ReLU(), nn.MaxPool2d(2),
      nn.Dropout2d(0.25), nn.Flatten(), nn.Linear(width[2] * 144, width[3]), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width[3], 10) }
end

-- ---- the rows of the table --------------------------------------------------------------------------------------------------------

local first_then_second = { threshold = schedule.per_task{ 0.5, 0 }, decay = schedule.per_task{ false, true } }

local function sgd(lr) return function(model) return optim.SGD(model, { lr = lr }) end end

local paper_threshold = settings.quantile > 0 and schedule.quantile(settings.quantile, { every = 100 }) or settings.threshold

local rows = {
   { "sgd", "SGD", optimizer = sgd(0.2) },
   { "adagrad", "AdaGrad", optimizer = function(model) return optim.AdaGrad(model, { lr = 0.01 }) end },
   { "adam", "Adam", optimizer = function(model) return optim.Adam(model, { lr = 0.001 }) end },
   { "ewc", "EWC (sound)", optimizer = sgd(0.05), method = function() return cl.methods.EWC{ lambda = settings.lambda } end },
   { "ewc-repository", "EWC (classp-repository)", optimizer = sgd(0.25),
      method = function() return cl.methods.EWC{ convention = "classp-repository", lambda = 5000 } end },
   { "classp-published", "CLASSP (published)", optimizer = function(model)
      return optim.CLASSP(model, { lr = 0.2, power = 1, epsilon = 1e-5, variant = "published",
         threshold = first_then_second.threshold, decay = first_then_second.decay })
   end },
   { "classp-paper", "CLASSP (paper)", optimizer = function(model)
      return optim.CLASSP(model, { lr = 0.2, power = 1, epsilon = 1e-5, variant = "paper",
         threshold = schedule.per_task{ paper_threshold, settings.threshold_2 }, decay = first_then_second.decay })
   end },
}

local function wanted(key)
   for _, name in ipairs(settings.methods) do
      if name == "all" or name == key then return true end
   end
   return false
end

-- ---- runs ---------------------------------------------------------------------------------------------------------------------------

-- The summary of a finished run of that name in the folder `continue`, or nil.
local function finished(name)
   if settings.continue == "" then return nil end
   local file = io.open(settings.continue .. "/" .. name .. "/summary.json", "rb")
   if not file then return nil end
   local summary = engram.json.decode(file:read "*a")
   file:close()
   return summary.complete and summary or nil
end

-- A run that diverges is a row of the table, not the end of the experiment.
local function train(row, seed, stream)
   local name = ("%s-s%d"):format(row[1], seed)
   local old = finished(name)
   if old then return old end
   engram.seed(seed)
   local ok, run = pcall(cl.train, { model = make_model, optimizer = row.optimizer, method = row.method and row.method() or nil,
      stream = stream, batch_size = 32, shuffle = false, protocol = "both", seed = seed, name = name })
   if ok then return run end
   if not tostring(run):find("the loss is", 1, true) then error(run, 0) end
   print(("%s: %s"):format(name, run))
   return { diverged = tostring(run), seconds = 0 }
end

local known = { all = true }
for _, row in ipairs(rows) do known[row[1]] = true end
for _, name in ipairs(settings.methods) do
   if not known[name] then
      error(("unknown method '%s'%s"):format(name, require "engram.suggest".hint(name, known)), 0)
   end
end

local first, second = choose_data()
local stream = choose_stream(first, second)
local where = require("engram.data").load(first).source
print(("data: %s, then %s (%s); %s"):format(first, second, tostring(where), settings.small and "small form" or "full form"))
print(tostring(stream))
print("stream hash " .. stream:hash():sub(1, 16))

local seeds = settings.small and { settings.seeds[1] } or settings.seeds
local results = {}
for _, seed in ipairs(seeds) do
   for _, row in ipairs(rows) do
      if wanted(row[1]) then
         local run = train(row, seed, stream)
         results[#results + 1] = { method = row[2], seed = seed, run = run }
      end
   end
end

local text = table_of.markdown(results, { first, second })
print("\n" .. text)
local current = engram.run.current()
if current then
   current:write("report.md", "# CLASSP on two tasks: " .. first .. ", then " .. second .. "\n\n" .. text)
   print("report: " .. current.path .. "/report.md")
end
