-- engram resume of streams: in each scenario, with boundaries that blur, data made on the spot and continual evaluation, a run that is
-- killed within a task and resumed ends with the files of one that never stopped; evaluated on validation and test sets, with a budget of
-- arithmetic that ends every task early.
local t = require "tests.harness"

local folder = t.temporary_folder(true)
local function sh(line) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), 300) end

t.write(folder .. "/experiment.lua", [[
local ffi = require "ffi"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
ffi.cdef "int raise(int);"
local settings = engram.settings{ scenario = "class" }
local stream = cl.streams.split("glyphs/digits", { tasks = 5, train = 150, test = 60, validation = 0.2, scenario = settings.scenario })
stream = cl.streams.iterations(cl.streams.label_noise(cl.streams.blur(stream, { width = 0.4 }), { rate = 0.1 }), { steps = 5 })
local strike = tonumber(os.getenv "STRIKE")
local function model() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, 10) } end
print(cl.train{ model = model, optimizer = function(m) return optim.Adam(m) end, stream = stream, batch_size = 12, seed = 4,
   method = cl.methods.EWC{ fisher = "empirical", samples = 20 },
   evaluate_on = "both", budget = { arithmetic_per_task = 1.8e6, state_bytes = 1e6 },
   evaluate_every = 2, evaluate_items = 25, evaluate_tasks = 3, checkpoint_every = 1,
   on_step = function(s) if s.step == strike then ffi.C.raise(9) end end }.hash)]])

-- Without what tells the time.
local function timeless(text)
   return (text:gsub('"time": %b{}', ""):gsub('"seconds": [%d.e+-]+', ""):gsub('"peak_resident": %d+', "")
      :gsub("  [%d.e+-]+ steps/s", ""):gsub("  left [%d:?]+", ""))
end

local function files_of(runs)
   local list = {}
   for _, name in ipairs{ "metrics.jsonl", "log.txt", "accuracy.csv", "summary.json" } do
      local code, text = sh(("cat %s/experiment/*/%s"):format(runs, name))
      t.expect({ name, code }):equals{ name, 0 }
      list[name] = timeless(text)
   end
   list.weights = select(2, sh(("sha256sum < $(echo %s/experiment/*/weights.safetensors)"):format(runs)))
   return list
end

for _, scenario in ipairs{ "domain", "task", "class" } do
   t.test(scenario .. ": killed within a task and resumed, to the bit", function()
      local code, whole, err = sh(("rm -rf whole; engram run --quiet --runs whole experiment.lua scenario=%s"):format(scenario))
      t.expect({ code, err:match "^engram" }):equals{ 0 }
      local expected = files_of "whole"
      t.expect(expected["metrics.jsonl"]):contains '"event": "continual"'
      local steps = tonumber(expected["summary.json"]:match '"steps": (%d+),')    -- of five steps four, then three or two behind a Fisher
      t.expect({ scenario, steps }):equals{ scenario, scenario == "task" and 14 or 13 }
      t.expect(expected["summary.json"]):contains '"validation": {'
      for _, step in ipairs{ 3, 9, steps } do
         local killed = sh(("rm -rf cut; STRIKE=%d engram run --quiet --runs cut experiment.lua scenario=%s"):format(step, scenario))
         t.expect(killed):equals(137)
         local resumed, hash = sh "engram resume --quiet --threads 2 cut/experiment/*"
         t.expect({ step, resumed, hash }):equals{ step, 0, whole }
         local now = files_of "cut"
         for name, text in pairs(expected) do
            if now[name] ~= text then error(("step %d: %s differs:\n%s\nexpected\n%s"):format(step, name, now[name], text), 0) end
         end
      end
   end)
end

t.test("a run goes on in the scenario, and with the outputs, that it began with", function()
   t.expect((sh "rm -rf cut; STRIKE=3 engram run --quiet --runs cut experiment.lua")):equals(137)
   for change, message in pairs{
      ['s/scenario = settings.scenario/scenario = "task"/'] = "was made with scenario = class, the script now has task; a run can",
      ['s/scenario = settings.scenario/outputs = "all", &/'] = "was made with outputs = seen, the script now has all; a run can",
   } do
      sh(("cp experiment.lua kept.lua && sed -i '%s' experiment.lua"):format(change))
      local code, _, err = sh "engram resume --quiet cut/experiment/*"
      sh "mv kept.lua experiment.lua"
      t.expect({ change, code }):equals{ change, 1 }
      t.expect(err):contains(message)
   end
   t.expect((sh "engram resume --quiet cut/experiment/*")):equals(0)
end)

t.done()
