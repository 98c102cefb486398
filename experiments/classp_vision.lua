-- CLASSP's vision experiment (Ludwig 2024, arXiv 2405.09637): 4 epochs of MNIST, then 1 of Fashion-MNIST, one head of 10 outputs.
--
-- Expected: docs/results.md, "Vision". CLASSP as published holds MNIST where SGD forgets it. Images in file order, batch 32, no
-- shuffling, as in the published script. Every row is judged twice on the same weights: on the test sets in evaluation mode, and by the
-- published protocol (training sets, dropout on). Without MNIST and Fashion-MNIST on this machine: glyphs.
local engram = require "engram"
local optim, schedule, cl = engram.optim, engram.schedule, engram.cl
local common = require "classp_common"
local finished = require "classp_finished"
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
   quantile = { default = 0.9, min = 0, max = 1, doc = "CLASSP (paper): a quantile as the gate of task 1; 0: the threshold" },
   quantile_2 = { default = 0.9, min = 0, max = 1, doc = "CLASSP (paper): the same in task 2; 0.9 was found by classp_search.lua" },
   lambda = { default = false, type = "number", min = 0,
      doc = "EWC (sound); false: 50, found by classp_search.lua, or 5 in the small form" },
   samples = { default = 2000, min = 1, doc = "EWC (sound): items of a task on which the Fisher is estimated" },
   ewc_lr = { default = 0.05, min = 0, doc = "EWC (sound): step size of its SGD" },
   repository_lambda = { default = false, type = "number", min = 0,
      doc = "EWC (classp-repository); false: the published 5000, or 50 in the small form" },
   optimizer = { default = "", doc = "one row more: an optimizer by its name or a plugin's path, with its defaults" },
   threads = { default = engram.threads(), min = 1 },
   continue = { default = "", doc = "a run, or a folder of runs: rows that are finished there are not trained again" },
}
engram.threads(settings.threads)

-- ---- the stream and the rows of the table -----------------------------------------------------------------

local function choose_stream(first, second)
   local function task(name, epochs)
      return cl.task(name, { epochs = epochs, mean = common.normal.mean, deviation = common.normal.deviation,
         limit = settings.limit > 0 and settings.limit or nil })
   end
   return cl.stream{ task(first, settings.small and math.min(settings.epochs, 2) or settings.epochs), task(second, 1) }
end

local make_model = common.network(settings.small)
local lambda = settings.lambda or settings.small and 5 or 50
local repository_lambda = settings.repository_lambda or settings.small and 50 or 5000

-- A gate of the paper's rule: a quantile where one is given, else the threshold.
local function gate(quantile, threshold) return quantile > 0 and schedule.quantile(quantile, { every = 100 }) or threshold end
local paper_gate, paper_gate_2 = gate(settings.quantile, settings.threshold), gate(settings.quantile_2, settings.threshold_2)

local rows = {
   { "sgd", "SGD", optimizer = common.sgd(0.2) },
   { "adagrad", "AdaGrad", optimizer = function(model) return optim.AdaGrad(model, { lr = 0.01 }) end },
   { "adam", "Adam", optimizer = function(model) return optim.Adam(model, { lr = 0.001 }) end },
   { "ewc", ("EWC (sound, lambda %g)"):format(lambda), optimizer = common.sgd(settings.ewc_lr),
      uses = { "lambda", "ewc_lr", "samples" },
      method = function() return cl.methods.EWC{ lambda = lambda, samples = settings.samples } end },
   { "ewc-repository", ("EWC (classp-repository, lambda %g)"):format(repository_lambda), optimizer = common.sgd(0.25),
      uses = { "repository_lambda" },
      method = function() return cl.methods.EWC{ convention = "classp-repository", lambda = repository_lambda } end },
   { "classp-published", "CLASSP (published)", optimizer = common.classp("published", 0.5, 0) },
   { "classp-paper", "CLASSP (paper)", optimizer = common.classp("paper", paper_gate, paper_gate_2),
      uses = { "threshold", "threshold_2", "quantile", "quantile_2" } },
}

if settings.optimizer ~= "" then
   rows[#rows + 1] = { "optimizer", settings.optimizer:match "[^/]*$", optimizer = optim.of(settings.optimizer), uses = { "optimizer" } }
   settings.methods[#settings.methods + 1] = "optimizer"
end

local function wanted(key)
   for _, name in ipairs(settings.methods) do
      if name == "all" or name == key then return true end
   end
   return false
end

-- ---- runs -------------------------------------------------------------------------------------------------

local current = engram.run.current()

-- A run that diverges is a row of the table, not the end of the experiment.
local function train(row, seed, stream)
   local name = ("%s-s%d"):format(row[1], seed)
   local old = finished.find(settings.continue, name, stream, settings, { "small", unpack(row.uses or {}) })
   if old then
      if current then current:open(name):write_json("summary.json", old) end
      return old
   end
   engram.seed(seed)
   local ok, run = pcall(cl.train, { model = make_model, optimizer = row.optimizer, method = row.method and row.method() or nil,
      stream = stream, batch_size = 32, shuffle = false, protocol = "both", seed = seed, name = name })
   if ok then return run end
   if not finished.diverged(run) then error(run, 0) end
   print(("%s: %s"):format(name, run))
   return { diverged = tostring(run) }
end

local known = { all = true }
for _, row in ipairs(rows) do known[row[1]] = true end
for _, name in ipairs(settings.methods) do
   if not known[name] then
      error(("unknown method '%s'%s"):format(name, require "engram.suggest".hint(name, known)), 0)
   end
end

local first, second = common.choose_data(settings.data)
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
if settings.small then
   print "The small form shows the tools: its settings were not searched for on this data; docs/results.md has the full form."
end
if current then
   current:write_json("summary.json", table_of.summary(results, { first, second }, stream))
   current:write("report.md", "# CLASSP on two tasks: " .. first .. ", then " .. second .. "\n\n" .. text)
   current:report()                                   -- report.html, when all is done
end
