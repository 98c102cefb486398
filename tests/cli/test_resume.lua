-- engram resume: a run that is killed anywhere and resumed ends with the bits and files of one that never stopped.
local t = require "tests.harness"

local folder = t.temporary_folder()
local function script(name, text) return t.write(folder .. "/" .. name, text) end
local function sh(line, timeout) return t.command(("cd %s && %s"):format(t.quote(folder), line), timeout) end

-- Two trainings, each of two tasks. It signals itself: STEP after that step of training PART, or at the FORWARD-th batch in evaluation
-- mode (evaluations and the Fisher information).
script("experiment.lua", [[
local engram = require "engram"
local nn, optim, cl, schedule = engram.nn, engram.optim, engram.cl, engram.schedule
local s = engram.settings{ optimizer = "SGD", every = 3 }
local function signal() os.execute(("kill -%s %d"):format(os.getenv "SIGNAL", require "engram.core".C.eg_process_id())) end
local part, forwards = 0, 0
local Net = nn.Module:extend "Net"
function Net:init()
   self.body = nn.Sequential{ nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Dropout(0.2), nn.Linear(20, 10) }
end
function Net:forward(x)
   if not self.training then
      forwards = forwards + 1
      if forwards == tonumber(os.getenv "FORWARD" or 0) then signal() end
   end
   return self.body(x)
end
local optimizers = {
   SGD = function(m) return optim.SGD(m, { lr = schedule.cosine(0.1, 0.01, { over = 30 }), momentum = 0.9 }) end,
   Adam = function(m) return optim.Adam(m) end,
   AdaGrad = function(m) return optim.AdaGrad(m) end,
   CLASSP = function(m)
      return optim.CLASSP(m, { lr = 0.2, threshold = schedule.per_task{ 1e-6, schedule.quantile(0.9, { every = 5 }) },
         decay = schedule.per_task{ false, true } })
   end,
   EWC = function(m) return optim.SGD(m, { lr = 0.05 }) end,
}
engram.seed(3)
for i = 1, 2 do
   part = i
   print(cl.train{ name = "part" .. i, model = function() return Net() end, optimizer = optimizers[s.optimizer], batch_size = 10,
      method = s.optimizer == "EWC" and cl.methods.EWC{ lambda = 10, samples = 40 } or nil, evaluate = "epoch", evaluate_batch_size = 10,
      protocol = "both", checkpoint_every = s.every,
      on_step = function(state)
         if part == tonumber(os.getenv "PART") and state.step == tonumber(os.getenv "STEP") then signal() end
      end,
      stream = cl.stream{ cl.task("glyphs/digits", { limit = 45, test_limit = 15, epochs = 2 }),
         cl.task("glyphs/garments", { limit = 30, test_limit = 15 }) } }.hash)
end]])

local function run_to(runs, words, environment)
   return sh(("rm -rf %s; %s engram run --quiet --runs %s experiment.lua %s"):format(runs, environment or "", runs, words), 60)
end

-- Compares all that does not tell the time.
local function expect_same_files(a, b)
   for _, part in ipairs{ "part1", "part2" } do
      for _, file in ipairs{ "metrics.jsonl", "accuracy.csv", "weights.safetensors" } do
         local code = sh(("cmp %s/experiment/*/%s/%s %s/experiment/*/%s/%s"):format(a, part, file, b, part, file))
         t.expect({ part, file, code }):equals({ part, file, 0 })
      end
   end
end

-- Kill points from a fixed sequence: after a step, in an evaluation or in the Fisher information.
local points, number = {}, 12345
local function draw(n)
   number = (number * 1103515245 + 12345) % 2 ^ 31
   return math.floor(number / 65536) % n + 1
end
for i = 1, tonumber(os.getenv "ENGRAM_KILLS" or 4) do
   local how = draw(2) == 1 and "KILL" or "TERM"
   points[i] = i % 3 == 0 and ("SIGNAL=%s FORWARD=%d"):format(how, 1 + draw(34))
      or ("SIGNAL=%s PART=%d STEP=%d"):format(how, draw(2), draw(13))
end

for _, optimizer in ipairs{ "SGD", "Adam", "AdaGrad", "CLASSP", "EWC" } do
   t.test(optimizer .. ": killed anywhere and resumed, to the bit", function()
      local code, whole = run_to("whole", "optimizer=" .. optimizer)
      t.expect(code):equals(0)
      for _, point in ipairs(points) do
         local killed = run_to("cut", "optimizer=" .. optimizer, point)
         t.expect({ point, killed == 137 or killed == 143 }):equals({ point, true })
         local resumed, hashes, complaint = sh "engram resume --quiet --threads 2 cut/experiment/*"
         t.expect({ point, resumed, complaint, hashes }):equals({ point, 0, "", whole })
         expect_same_files("whole", "cut")
      end
   end)
end

t.test("killed while checkpoints are written, again and again", function()
   local _, whole = run_to("whole", "optimizer=Adam every=1")
   local line = [[rm -rf cut; engram run --quiet --runs cut experiment.lua optimizer=Adam every=1 & pid=$!
      until ls cut/experiment/*/part1/checkpoint.safetensors >/dev/null 2>&1; do sleep 0.01; done; sleep %s; kill -9 $pid; wait $pid
      for pause in 0.05 0.1 0.15; do engram resume --quiet cut/experiment/* >/dev/null & pid=$!; sleep $pause; kill -9 $pid; wait $pid; done
      engram resume --quiet cut/experiment/*]]
   for _, pause in ipairs{ "0", "0.1" } do
      local code, out = sh(line:format(pause), 60)
      t.expect(code):equals(0)
      if not out:find "is finished" then t.expect(out:sub(-#whole)):equals(whole) end
      expect_same_files("whole", "cut")
   end
end)

t.test("an interrupted run says how to go on; status tells where it stands", function()
   local code, _, err = run_to("cut", "", "SIGNAL=TERM PART=1 STEP=5")
   t.expect(code):equals(143)
   t.expect(err):contains "engram: go on with: engram resume cut/experiment/"
   local _, status = sh "cat cut/experiment/*/status.json"
   t.expect(status):contains '"status": "interrupted"'
   t.expect((sh "engram resume --quiet cut/experiment/*")):equals(0)
   code, status = sh "cat cut/experiment/*/status.json && engram resume cut/experiment/*"
   t.expect(code):equals(0)
   t.expect(status):contains '"status": "finished"'
   t.expect(status):contains "is finished; there is nothing left to do"
end)

-- ---- what cannot be resumed -------------------------------------------------------------------------------

local function expect_refused(line, code, message)
   local got, _, err = sh(line)
   t.expect({ got, err }):equals({ code, err })
   t.expect(err):contains(message)
end

t.test("what cannot be resumed is refused, and nothing is lost", function()
   expect_refused("engram resume", 2, "resume: which run?")
   expect_refused("engram resume nowhere", 2, "is no run directory: it has no meta.json")
   expect_refused("engram resume a b", 2, "one run at a time")
   run_to("cut", "", "SIGNAL=KILL PART=1 STEP=8")
   local _, before = sh "sha256sum cut/experiment/*/part1/*"
   sh "sed -i 's/momentum = 0.9/momentum = 0.8/' experiment.lua"
   expect_refused("engram resume --quiet cut/experiment/*", 1,
      "momentum = 0.9, nesterov = false, weight_decay = 0 }, the script now has SGD{")
   sh "sed -i 's/momentum = 0.8/momentum = 0.9/; s/Linear(784, 20)/Linear(784, 21)/; s/Linear(20, 10)/Linear(21, 10)/' experiment.lua"
   expect_refused("engram resume --quiet cut/experiment/*", 1, "the model wants (21, 784)")
   sh "sed -i 's/Linear(784, 21)/Linear(784, 20)/; s/Linear(21, 10)/Linear(20, 10)/' experiment.lua"
   sh "cp cut/experiment/*/part1/checkpoint.safetensors kept && truncate -s 5000 cut/experiment/*/part1/checkpoint.safetensors"
   expect_refused("engram resume --quiet cut/experiment/*", 1, "checkpoint.safetensors: ")
   sh "cp kept cut/experiment/*/part1/checkpoint.safetensors"
   local edit = [[sed -i 's/"status": "[a-z]*"/"status": "running"/' cut/experiment/*/status.json]]
   t.expect((sh(edit))):equals(0)
   local _, _, claimed = sh "flock cut/experiment/* engram resume --quiet cut/experiment/*"
   t.expect(claimed):contains "is still running, as process "
   sh [[sed -i 's/"host": "[^"]*"/"host": "elsewhere"/' cut/experiment/*/status.json]]
   expect_refused("engram resume --quiet cut/experiment/*", 1, " on elsewhere")
   sh [[sed -i 's/"updated": "20../"updated": "2001/' cut/experiment/*/status.json]]
   t.expect((sh "engram resume --quiet cut/experiment/*")):equals(0)
   t.expect(before):contains "metrics.jsonl"
   run_to("whole", "")
   expect_same_files("whole", "cut")
end)

t.done()
