-- A stream of hundreds of tasks at constant cost: time and memory a task, from the first tenth to the last. Expected: within 5 %.
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local clock = require "engram.core".C.eg_clock

local settings = engram.settings{
   data = { default = "mnist", choices = { "mnist", "glyphs/digits", "fashion-mnist" } },
   tasks = { default = 500, min = 20, doc = "of permuted pixels" },
   train = { default = 60000, min = 100, doc = "items a task" },
   test = { default = 10000, min = 100, doc = "items a task" },
   width = { default = 100, min = 1, doc = "of the hidden layer" },
   evaluate_every = { default = 0, min = 0, doc = "steps between two continual evaluations of the last 10 tasks; 0: none" },
   threads = { default = 1, min = 1 },
   check = { default = true, doc = "fail when time or memory a task has grown by 5 %" },
}
engram.threads(settings.threads)

local stream = cl.streams.online(cl.streams.permuted(settings.data, { tasks = settings.tasks, train = settings.train, test = settings.test }))
print(("stream: %d tasks, SHA-256 %s"):format(#stream, stream:hash()))

-- Seconds of processor time (other programs do not count) and resident bytes at the end of each task.
local tasks, before = {}, os.clock()
cl.methods.register{ name = "Watch", state = {}, task_begin = function(_, t)
   engram.collect()
   local now, memory = os.clock(), engram.memory()
   if t.task > 1 then tasks[t.task - 1] = { seconds = now - before, resident = memory.resident, live = memory.live } end
   before = os.clock()
end }

local began = clock()
local run = cl.train{
   model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, settings.width), nn.ReLU(), nn.Linear(settings.width, 10) } end,
   optimizer = function(m) return optim.SGD(m, { lr = 0.1 }) end, stream = stream, method = cl.methods.Watch{}, seed = 1, batch_size = 128,
   evaluate_tasks = settings.evaluate_every > 0 and 10 or "current",
   evaluate_every = settings.evaluate_every > 0 and settings.evaluate_every or nil,
}

-- The median over a tenth of the tasks, which forgives what the machine did elsewhere. The first two tasks warm up.
local function median(first, last, key)
   local list = {}
   for k = first, last do list[#list + 1] = tasks[k][key] end
   table.sort(list)
   return list[math.ceil(#list / 2)]
end

local worst, tenth = 0, math.floor(settings.tasks / 10)
print "| a task | tasks 3 to a tenth | last tenth | growth |"
print "|---|---|---|---|"
for _, row in ipairs{ { "seconds", 1, "%.4f s" }, { "resident", 1e6, "%.1f MB" }, { "live", 1e6, "%.3f MB" } } do
   local key, unit, form = unpack(row)
   local first, last = median(3, math.max(3, tenth) + 2, key), median(#tasks - tenth + 1, #tasks, key)
   local growth = (last - first) / first * 100
   worst = math.max(worst, growth)
   print(("| %s | %s | %s | %.2f %% |"):format(key, form:format(first / unit), form:format(last / unit), growth))
end
print(("%d steps in %.1f s; learning accuracy %.2f"):format(run.steps, clock() - began, run.metrics.learning_accuracy))
if settings.check and worst >= 5 then error(("grew by %.2f %%, expected under 5 %%"):format(worst), 0) end
