-- Search for CLASSP's per-weight rule (and EWC's lambda) on held-out training images; the test sets are never looked at.
--
-- The last `validation` training images of each task are kept back and judged in evaluation mode; the score is the mean accuracy on both
-- at the end. Expected: docs/results.md, "Search for the gate". The best setting goes into classp_vision.lua as threshold, threshold_2
-- or quantile.
local engram = require "engram"
local schedule, cl = engram.schedule, engram.cl
local common = require "classp_common"

local settings = engram.settings{
   what = { default = "classp", choices = { "classp", "ewc" } },
   data = { default = "auto", choices = { "auto", "mnist", "glyphs" } },
   limit = { default = 12000, min = 100, doc = "training images of each task" },
   validation = { default = 10000, min = 100, doc = "training images of each task that are kept back" },
   epochs = { default = 2, min = 1, doc = "of the first task" },
   seeds = { default = { 1 } },
   powers_of_ten = { default = { -3, -4, -5, -6, -7, -8, -9 }, doc = "thresholds 10^n in task 1" },
   second = { default = { "0", "same" }, doc = "the threshold in task 2: 0, or the same as in task 1" },
   quantiles = { default = { 0.5, 0.9, 0.95, 0.99 }, doc = "quantile schedules, every 100 steps" },
   lambdas = { default = { 0.1, 1, 5, 20, 100 }, doc = "what=ewc" },
   samples = { default = 2000, min = 1, doc = "what=ewc: items on which the Fisher is estimated" },
   learning_rates = { default = { 0.05 }, doc = "what=ewc: of its SGD" },
   small = false,
   threads = { default = engram.threads(), min = 1 },
}
engram.threads(settings.threads)

-- ---- the stream: training images in front, validation images from the end ---------------------------------

local function held_out(name, epochs)
   local train = engram.data.load(name, common.normal).train
   local size = train:size()
   local validation = math.min(settings.validation, math.floor(size / 4))
   local set = { name = name, train = train:take(math.min(settings.limit, size - validation)),
      test = train:subset(engram.arange(size - validation + 1, size)) }
   return cl.task(set, { epochs = epochs, name = name })
end

local first, second = common.choose_data(settings.data)
local stream = cl.stream{ held_out(first, settings.epochs), held_out(second, 1) }
print(tostring(stream) .. "\nstream hash " .. stream:hash():sub(1, 16))

-- ---- the settings to try ----------------------------------------------------------------------------------

local function classp_grid()
   local grid = {}
   for _, again in ipairs(settings.second) do
      for _, power in ipairs(settings.powers_of_ten) do
         local value = 10 ^ power
         grid[#grid + 1] = { name = ("threshold=1e%d,threshold_2=%s"):format(power, again == "same" and ("1e%d"):format(power) or "0"),
            optimizer = common.classp("paper", value, again == "same" and value or 0) }
      end
      for _, q in ipairs(settings.quantiles) do
         local gate = function() return schedule.quantile(q, { every = 100 }) end
         grid[#grid + 1] = { name = ("quantile=%g,then=%s"):format(q, again),
            optimizer = function(model) return common.classp("paper", gate(), again == "same" and gate() or 0)(model) end }
      end
   end
   return grid
end

local function ewc_grid()
   local grid = {}
   for _, lr in ipairs(settings.learning_rates) do
      for _, lambda in ipairs(settings.lambdas) do
         grid[#grid + 1] = { name = ("lambda=%g,ewc_lr=%g"):format(lambda, lr), optimizer = common.sgd(lr),
            method = function() return cl.methods.EWC{ lambda = lambda, samples = settings.samples } end }
      end
   end
   return grid
end

-- ---- the search -------------------------------------------------------------------------------------------

local make_model = common.network(settings.small)

local function try(entry, seed)
   engram.seed(seed)
   local ok, run = pcall(cl.train, { model = make_model, optimizer = entry.optimizer, method = entry.method and entry.method(),
      stream = stream, batch_size = 32, shuffle = false, seed = seed, name = ("%s-s%d"):format(entry.name, seed) })
   if ok then return run.accuracy, run.metrics end
   if not tostring(run):find("cl.train: diverged:", 1, true) then error(run, 0) end
end

local lines = { "setting,seed,first_after_task_1,first_at_end,second_at_end,mean_at_end,moved_a_step_task_1,moved_a_step_task_2" }
local scores = {}
for _, entry in ipairs(settings.what == "ewc" and ewc_grid() or classp_grid()) do
   local total = 0
   for _, seed in ipairs(settings.seeds) do
      local R, found = try(entry, seed)
      local score = R and found.average_accuracy or 0
      total = total + score
      lines[#lines + 1] = R and ('"%s",%d,%.2f,%.2f,%.2f,%.2f,%.5f,%.5f'):format(entry.name, seed, R[1][1], R[2][1], R[2][2], score,
         found.step_density[1], found.step_density[2]) or ('"%s",%d,diverged,,,0,,'):format(entry.name, seed)
      print(lines[#lines])
   end
   scores[#scores + 1] = { name = entry.name, score = total / #settings.seeds }
end
table.sort(scores, function(a, b) return a.score > b.score or (a.score == b.score and a.name < b.name) end)
print(("best on held-out images: %s, %.2f"):format(scores[1].name, scores[1].score))

local current = engram.run.current()
if current then
   current:write("search.csv", table.concat(lines, "\n") .. "\n")
   current:write_json("best.json", scores)
   print("report: " .. current.path .. "/search.csv")
end
