-- engram resume: a run that is killed anywhere and resumed ends with the bits and files of one that never stopped. ENGRAM_KILLS=20 tests
-- so many kill points for each optimizer (else 3); they are drawn from ENGRAM_KILL_SEED (else 12345), and a failure names its own.
local t = require "tests.harness"

local folder = t.temporary_folder(true)
local function script(name, text) return t.write(folder .. "/" .. name, text) end
local function sh(line, timeout) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), timeout or 120) end

-- Two trainings, each of two tasks. It strikes itself with SIGNAL: after step STEP of training PART, or at the FORWARD-th batch in
-- evaluation mode: evaluations, and the Fisher information (CONSOLIDATION counts those of the latter alone).
script("experiment.lua", [[
local ffi = require "ffi"
local engram = require "engram"
local nn, optim, cl, schedule = engram.nn, engram.optim, engram.cl, engram.schedule
local s = engram.settings{ optimizer = "SGD", every = 3, checkpoints = "last" }
ffi.cdef "int raise(int);"
local SIGNALS = { KILL = 9, TERM = 15 }
local function strike() ffi.C.raise(SIGNALS[os.getenv "SIGNAL"]) end
local wanted = { step = tonumber(os.getenv "STEP"), part = tonumber(os.getenv "PART"), forward = tonumber(os.getenv "FORWARD"),
   consolidation = tonumber(os.getenv "CONSOLIDATION") }
local part, forwards, consolidations, now = 0, 0, 0, nil

local Net = nn.Module:extend "Net"
function Net:init()
   self.body = nn.Sequential{ nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 4) }
end
function Net:forward(x)
   if not self.training then
      forwards = forwards + 1
      if now and now.doing == "consolidating" then consolidations = consolidations + 1 end
      if forwards == wanted.forward or (consolidations == wanted.consolidation and now.doing == "consolidating") then strike() end
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
local function items(name, count)
   local images, labels = engram.rand(count, 1, 8, 8, { stream = name }), engram.randint(1, 4, count, { stream = name })
   return engram.data.dataset{ name = name, images = images, labels = labels, classes = 4 }
end
local a = cl.task({ name = "a", train = items("a", 45), test = items("a test", 15) }, { epochs = 2 })
local b = cl.task({ name = "b", train = items("b", 30), test = items("b test", 15) })
engram.seed(3)
print("begun with", s.optimizer)
if engram.run.current() then engram.run.current():log_metric{ event = "script", value = 1 } end
for i = 1, 2 do
   part, now = i, nil
   print(cl.train{ name = "part" .. i, model = function() return Net() end, optimizer = optimizers[s.optimizer], batch_size = 10,
      method = s.optimizer == "EWC" and cl.methods.EWC{ lambda = 10, samples = 40 } or nil, evaluate = "epoch", evaluate_batch_size = 10,
      protocol = "both", checkpoint_every = s.every, checkpoints = s.checkpoints, evaluate_every = 3, evaluate_items = 20,
      on_step = function(state)
         now = state
         if part == wanted.part and state.step == wanted.step then strike() end
         if state.step % 4 == 0 then engram.run.current():log_metric{ event = "step of the script", step = state.step } end
      end,
      stream = cl.stream{ a, b } }.hash)
end]])

local function run_to(runs, words, environment)
   return sh(("rm -rf %s; %s engram run --quiet --runs %s experiment.lua %s"):format(runs, environment or "", runs, words))
end

local function read(pattern) return select(2, sh("cat " .. pattern)) end

-- What tells the time: of the summary, and of the lines of progress in the log.
local function timeless(text)
   return (text:gsub('"time": %b{}', ""):gsub('"seconds": [%d.e+-]+', ""):gsub('"peak_resident": %d+', "")
      :gsub("  [%d.e+-]+ steps/s", ""):gsub("  left [%d:?]+", ""))
end

-- The same files with the same bytes, apart from times.
local function expect_same_files(a, b, point)
   local _, where = sh(("echo %s/experiment/* %s/experiment/*; find %s -name '*.part' -o -name ckpt"):format(a, b, b))
   local one_folder, other_folder, left = where:match "^(%S+) (%S+)\n(.*)$"
   t.expect(left):equals ""
   for _, file in ipairs{ "metrics.jsonl", "log.txt", "part1/metrics.jsonl", "part1/accuracy.csv", "part1/weights.safetensors",
      "part1/summary.json", "part2/metrics.jsonl", "part2/accuracy.csv", "part2/weights.safetensors", "part2/summary.json" } do
      local one = assert(t.read(("%s/%s/%s"):format(folder, one_folder, file)), file)
      local other = assert(t.read(("%s/%s/%s"):format(folder, other_folder, file)), file)
      if timeless(one) ~= timeless(other) then
         error(("%s: %s differs:\n%s\nexpected\n%s"):format(point, file, timeless(other):sub(1, 2000), timeless(one):sub(1, 2000)), 0)
      end
   end
end

-- ---- kill points ------------------------------------------------------------------------------------------

local seed, kills = tonumber(os.getenv "ENGRAM_KILL_SEED" or 12345), tonumber(os.getenv "ENGRAM_KILLS" or 3)
local number = seed
local function draw(n)
   number = number * 16807 % 2147483647                     -- Park and Miller
   return number % n + 1
end

-- 26 steps and two dozen evaluation batches a run; a checkpoint's file operations are counted from the run's first.
local places = {
   training = function(signal) return ("SIGNAL=%s PART=%d STEP=%d"):format(signal, draw(2), draw(13)) end,
   evaluation = function(signal) return ("SIGNAL=%s FORWARD=%d"):format(signal, draw(28)) end,
   checkpoint = function(signal) return ("ENGRAM_FAULT=any@last.safetensors:%d:%s"):format(draw(250), signal) end,
   consolidation = function(signal) return ("SIGNAL=%s CONSOLIDATION=%d"):format(signal, draw(3)) end,
}

local function points_of(optimizer)
   local names = { "training", "checkpoint", "evaluation", optimizer == "EWC" and "consolidation" or nil }
   local list, first = {}, draw(2 * #names)                 -- each place in turn, by one signal, then by the other
   for i = first, first + kills - 1 do
      list[#list + 1] = places[names[i % #names + 1]](math.floor(i / #names) % 2 == 0 and "KILL" or "TERM")
   end
   return list
end

for _, optimizer in ipairs{ "SGD", "Adam", "AdaGrad", "CLASSP", "EWC" } do
   t.test(optimizer .. ": killed anywhere and resumed, to the bit", function()
      local code, whole = run_to("whole", "optimizer=" .. optimizer)
      t.expect(code):equals(0)
      for _, point in ipairs(points_of(optimizer)) do
         local killed = run_to("cut", "optimizer=" .. optimizer, point)
         t.expect({ point, killed }):equals{ point, point:find "KILL" and 137 or 143 }
         local resumed, hashes, complaint = sh "engram resume --quiet --threads 2 cut/experiment/*"
         hashes = hashes:gsub("^note: [^\n]* has no checkpoint[^\n]*\n", "")
         t.expect({ point, resumed, complaint, hashes }):equals{ point, 0, "", whole }
         expect_same_files("whole", "cut", point)
         if kills > 3 then print(("%s: seed %d: %s: equal"):format(optimizer, seed, point)) end
      end
   end)
end

t.test("killed again and again, also while it resumes", function()
   local _, whole = run_to("whole", "optimizer=Adam every=1")
   run_to("cut", "optimizer=Adam every=1", "SIGNAL=KILL PART=1 STEP=3")
   for _, point in ipairs{ "SIGNAL=KILL PART=1 STEP=4", "ENGRAM_FAULT=any@last.safetensors:9:KILL", "ENGRAM_FAULT=cut:1:KILL",
      "SIGNAL=KILL FORWARD=1", "SIGNAL=KILL PART=2 STEP=1", "ENGRAM_FAULT=write@metrics:2:KILL", "ENGRAM_FAULT=write@summary:1:KILL" } do
      t.expect({ point, (sh(point .. " engram resume --quiet cut/experiment/*")) }):equals{ point, 137 }
   end
   local code, hashes, complaint = sh "engram resume --quiet cut/experiment/*"
   t.expect({ code, hashes, complaint }):equals{ 0, whole, "" }
   expect_same_files("whole", "cut", "again and again")
end)

t.test("an interrupted run says how to go on; status tells where it stands", function()
   local code, _, err = run_to("cut", "", "SIGNAL=TERM PART=1 STEP=5")
   t.expect(code):equals(143)
   t.expect(err):contains "engram: go on with: engram resume cut/experiment/"
   local status = read "cut/experiment/*/status.json"
   t.expect(status):contains '"status": "interrupted"'
   t.expect(status):contains '"step": 5'
   run_to("cut", "optimizer=EWC", "SIGNAL=TERM CONSOLIDATION=1")
   t.expect(read "cut/experiment/*/status.json"):contains '"doing": "consolidating"'
   run_to("cut", "", "SIGNAL=TERM FORWARD=3")
   t.expect(read "cut/experiment/*/status.json"):contains '"doing": "evaluating"'
   t.expect((sh "engram resume --quiet cut/experiment/*")):equals(0)
   code, status = sh "cat cut/experiment/*/status.json && engram resume cut/experiment/*"
   t.expect(code):equals(0)
   t.expect(status):contains '"status": "finished"'
   t.expect(status):contains '"resumed": ["20'
   t.expect(status):contains "is finished; there is nothing left to do"
end)

t.test("checkpoints = \"task\" keeps one a task, also of a run that is finished", function()
   run_to("kept", "checkpoints=task")
   local _, names = sh "cd kept/experiment/*/part1/ckpt && echo *"
   t.expect(names):equals "task1.safetensors task2.safetensors\n"
   run_to("cut", "checkpoints=task", "SIGNAL=TERM PART=1 STEP=12")
   t.expect((sh "engram resume --quiet cut/experiment/*")):equals(0)
   t.expect((sh "cmp kept/*/*/part1/ckpt/task1.safetensors cut/*/*/part1/ckpt/task1.safetensors")):equals(0)
   t.expect((sh "cmp kept/*/*/part1/ckpt/task2.safetensors cut/*/*/part1/ckpt/task2.safetensors")):equals(0)
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
   run_to("cut", "optimizer=SGD", "SIGNAL=TERM PART=1 STEP=8")
   local sums = "cd cut/experiment/* && find part1 *.txt metrics.jsonl -type f | xargs sha256sum"
   local _, before = sh(sums)
   for _, case in ipairs{
      { "s/momentum = 0.9/momentum = 0.8/", "momentum = 0.9, nesterov = false, weight_decay = 0 }, the script now has SGD{" },
      { "s/Linear(64, 12)/Linear(64, 13)/; s/Linear(12, 4)/Linear(13, 4)/",
         "was made with a model that has 2: Linear(64, 12), the script's has 2: Linear(64, 13); a run can only go on as what it was" },
      { "s/nn.ReLU()/nn.Tanh()/", "was made with a model that has 3: ReLU(), the script's has 3: Tanh(); a run" },
      { "s/nn.Linear(12, 4) }/nn.Linear(12, 4), nn.Tanh() }/", "was made with a model that has }, the script's has 6: Tanh();" },
      { "s/a test/another test/", "task 1, 'a', was trained on other items than 'a' of this stream holds" },
      { 's/items("b", 30)/items("b", 31)/', "tasks = a (45 items, 2 epochs), b (30 items, 1 epochs), the script now has" },
      { "s/batch_size = 10,/batch_size = 9,/", "batch_size = 10, the script now has 9" },
      { 's/s.optimizer == "EWC" and/true and/', "method = none, the script now has EWC{" },
   } do
      sh(("cp experiment.lua kept.lua && sed -i '%s' experiment.lua"):format(case[1]))
      local code, out, err = sh "engram resume --quiet cut/experiment/*"
      sh "mv kept.lua experiment.lua"
      t.expect(err):contains(case[2])
      t.expect({ code, out:match "^note: experiment.lua has changed since the run began\n" ~= nil }):equals{ 1, true }
      t.expect((select(2, sh(sums)))):equals(before)
   end
   sh "cp cut/experiment/*/part1/ckpt/last.safetensors spare && truncate -s 5000 cut/experiment/*/part1/ckpt/last.safetensors"
   expect_refused("engram resume --quiet cut/experiment/*", 1, "last.safetensors: ")
   sh [[cp spare cut/experiment/*/part1/ckpt/last.safetensors
      printf x | dd of=$(echo cut/experiment/*/part1/ckpt/last.safetensors) bs=1 conv=notrunc seek=$(($(wc -c < spare) - 20))]]
   expect_refused("engram resume --quiet cut/experiment/*", 1, "last.safetensors: is damaged: its CRC-32C is ")
   sh "cp spare cut/experiment/*/part1/ckpt/last.safetensors"
   sh "cp cut/experiment/*/part1/metrics.jsonl spare && truncate -s 0 cut/experiment/*/part1/metrics.jsonl"
   expect_refused("engram resume --quiet cut/experiment/*", 1, "part1/metrics.jsonl: has 0 bytes, but the checkpoint was made when it had")
   sh "cp spare cut/experiment/*/part1/metrics.jsonl"
   t.expect((sh "engram resume --quiet cut/experiment/*")):equals(0)
   run_to("whole", "")
   expect_same_files("whole", "cut", "after refusals")
end)

t.test("a run that is still running is refused", function()
   script("waits.lua", [[io.open("ready", "w"):close() while not io.open "go" do os.execute "sleep 0.05" end]])
   local code, _, err = sh [[engram run --runs waiting waits.lua & until test -e ready; do sleep 0.05; done
      engram resume waiting/waits/*; code=$?; touch go; wait; exit $code]]
   t.expect(code):equals(3)
   t.expect(err):contains "is still running, as process "
end)

t.test("an optimizer from a file is noted in meta.json; one that has changed is told at resume", function()
   script("plugin.lua", [[
return { name = "Sign", hyper = { lr = { default = 0.01, min = 0 } }, slots = {},
   step = function(p, g, s, h) p:add_(g:sign(), -h.lr) end }]])
   script("with plugin.lua", [[
local engram = require "engram"
local Sign = engram.optim.load "plugin.lua"
local set = engram.data.dataset{ name = "points", images = engram.rand(24, 4), labels = engram.randint(1, 2, 24), classes = 2 }
print(engram.cl.train{ seed = 1, stream = engram.cl.stream{ engram.cl.task(set) }, batch_size = 8, optimizer = Sign,
   model = function() return engram.nn.Linear(4, 2) end }.hash)]])
   local _, whole = sh "engram run --quiet --runs whole 'with plugin.lua'"
   sh "ENGRAM_FAULT=any@last.safetensors:20:KILL engram run --quiet --runs 'cut here' 'with plugin.lua'"
   local _, sum = sh "sha256sum plugin.lua"
   t.expect(read "'cut here'/*/*/meta.json"):contains('"plugin.lua": "' .. sum:match "%x+" .. '"')
   sh "echo '-- a remark' >> plugin.lua"
   t.expect((select(2, sh "engram resume --quiet 'cut here'/*/*"))):equals("note: plugin.lua has changed since the run began\n" .. whole)
   local _, _, err = sh "ENGRAM_FAULT=any@last.safetensors:20:TERM engram run --quiet --runs 'cut here' 'with plugin.lua'"
   t.expect(err):contains "engram resume 'cut here/with_plugin/"
end)

t.test("a checkpoint that is gone is told, and so is a script", function()
   run_to("gone", "", "SIGNAL=TERM PART=2 STEP=4")
   sh "rm -r gone/experiment/*/part2/ckpt && mv experiment.lua away"
   expect_refused("engram resume --quiet gone/experiment/*", 2, "/experiment.lua, which the run began with, cannot be read any more: ")
   local _, out = sh "mv away experiment.lua && engram resume --quiet gone/experiment/*"
   t.expect(out):contains "part2 has no checkpoint: what it had done is done again, from its beginning\n"
end)

t.test("a run that was killed before its script began never began; --into begins it anew", function()
   script("experiment.yaml", "optimizer: Adam\n")
   sh "git init -q . && git add experiment.lua && git -c user.name=x -c user.email=x@x commit -qm x && echo >> experiment.lua"
   local _, whole = sh "rm -rf whole; engram run --quiet --into whole experiment.yaml"
   for _, file in ipairs{ "overrides.txt", "settings.json", "source.yaml", "changes.diff", "meta.json", "status.json" } do
      sh(("rm -rf cut; ENGRAM_FAULT=rename@/%s:1:KILL engram run --into cut experiment.yaml"):format(file))
      expect_refused("engram resume cut", 2, "cut never began: it has no status.json; `engram run --into ")
      t.expect({ file, sh "engram run --quiet --into cut experiment.yaml" }):equals{ file, 0, whole, "" }
   end
end)

t.test("settings from a file are those of the run, also when it was killed before the script had asked for them", function()
   script("experiment.yaml", "optimizer: Adam\n")
   local _, whole = sh "rm -rf whole; engram run --quiet --into whole experiment.yaml"
   for _, fault in ipairs{ "write@/config.yaml:1", "any@last.safetensors:90" } do
      sh(("rm -rf cut; ENGRAM_FAULT=%s:KILL engram run --quiet --into cut experiment.yaml"):format(fault))
      sh "mv experiment.yaml away"
      t.expect({ fault, sh "engram resume --quiet cut" }):equals{ fault, 0, whole, "" }
      sh "mv away experiment.yaml"
   end
end)

t.test("a resume's --threads is the one that counts, also where the script has a setting; meta.json tells what was used", function()
   script("few.lua", [[
      local engram = require "engram"
      local s = engram.settings{ threads = { default = engram.threads(), type = "integer" } }
      engram.threads(s.threads)
      print("threads", engram.threads())
      if os.getenv "SIGNAL" then error "stop here" end]])
   local function used() return read "few/meta.json":match '"threads": (%d+)' end
   for _, words in ipairs{ "--threads 1", "threads=1", "--threads 2 threads=1" } do
      local option, word = words:match "^(%-%-threads %d+)" or "", words:match "threads=%d+" or ""
      sh(("rm -rf few; SIGNAL=1 engram run --quiet --into few %s few.lua %s"):format(option, word))
      t.expect({ words, used() }):equals{ words, "1" }
      t.expect({ words, select(2, sh "SIGNAL=1 engram resume --quiet --threads 2 few"), used() }):equals{ words, "threads\t2\n", "2" }
      t.expect({ words, select(2, sh "engram resume --quiet few"), used() }):equals{ words, "threads\t1\n", "1" }
   end
end)

t.done()
