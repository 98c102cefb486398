-- runs.lua: for tests of what reads run directories: writes them by hand, without a training.
local t = require "tests.harness"
local json = require "engram.json"

local runs = {}

-- The events of a training over `tasks` tasks of 200 steps, with a loss and accuracies that depend on the seed; of a fork those after
-- task `forked`.
local function events_of(about)
   local lines, rows = {}, json.array{}
   local first = (about.forked or 0) + 1
   if about.forked then lines[1] = json.encode{ event = "fork", from = "base", task = about.forked, step = 200 * about.forked } end
   for task = first, about.tasks do
      for step = 100 * (2 * task - 1), 200 * task, 100 do
         lines[#lines + 1] = json.encode{ event = "train", task = task, epoch = 1, step = step, loss = 2 / step + about.seed / 10 }
      end
      rows[task] = json.array{}
      for j = 1, about.tasks do rows[task][j] = j <= task and 90 - 10 * (task - j) + about.seed or 10 end
      lines[#lines + 1] = json.encode{ event = "task", task = task, epoch = 1, step = 200 * task, accuracy = rows[task] }
   end
   return table.concat(lines, "\n") .. "\n", rows
end

local function write_training(path, about)
   local lines, rows = events_of(about)
   local names, overlap, density = json.array{}, json.array{}, json.array{}
   for i = 1, about.tasks do
      names[i], density[i], overlap[i] = about.task or "set/task" .. i, i / 10, json.array{}
      for j = 1, about.tasks do overlap[i][j] = i == j and 1 or 0.5 end
   end
   t.write(path .. "/metrics.jsonl", about.metrics or lines)
   if about.summary == false then return end
   json.save(path .. "/summary.json", { complete = about.complete, error = about.error, name = about.name, seed = about.seed,
      bytes = { state = 9e6, state_in_training = about.optimizer == "Adam" and 4e6 or 0 },
      accuracy = rows, tasks = names, steps = 200 * about.tasks, seconds = 1.5, batch_size = 32,
      optimizer = { name = about.optimizer, hyper = { lr = about.lr } }, methods = json.array{},
      metrics = { average_accuracy = 80 + about.seed, forgetting = 10, backward_transfer = -10, learning_accuracy = 90,
         update_density = density, update_overlap = overlap } })
end

-- Writes a run directory, with one training, or one for each of about.trainings in a sub-folder. About: { seed = 1, tasks = 2,
-- optimizer = "SGD", lr = 0.1, name =, task =, status =, error =, complete =, forked =, metrics =,
-- summary = false, trainings = }.
function runs.write(path, about)
   about = setmetatable(about or {}, { __index = { seed = 1, tasks = 2, optimizer = "SGD", lr = 0.1 } })
   os.execute("mkdir -p " .. t.quote(path))
   json.save(path .. "/meta.json", { script = "trial.lua", engram = "0.1.0", host = "here", started = "2026-01-02T03:04:05Z",
      command = "engram run trial.lua" })
   json.save(path .. "/status.json", { status = about.status or "finished", seconds = 2, error = about.error })
   json.save(path .. "/settings.json", { lr = about.lr, seed = about.seed })
   for _, inner in ipairs(about.trainings or {}) do
      setmetatable(inner, { __index = about })
      os.execute("mkdir -p " .. t.quote(path .. "/" .. inner.name))
      write_training(path .. "/" .. inner.name, inner)
   end
   if not about.trainings then write_training(path, about) end
   return path
end

return runs
