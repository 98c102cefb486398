-- test_experiments.lua: the experiments in miniature: their files, going on after a stop, and the same bits for any threads.
local t = require "tests.harness"
local engram = require "engram"

local folder = t.temporary_folder()
local VISION = "classp_vision data=glyphs small=true epochs=1 limit=64 seeds=1"

-- Runs an experiment with its output in `folder`: standard output, and the path of its run.
local function run(words)
   local code, out, err = t.command(("cd %s && engram run --quiet %s"):format(t.quote(folder), words), 300)
   if code ~= 0 then error(out .. err, 0) end
   return out, folder .. "/" .. out:match "report: (%S+)/[^/]+\n"
end

local function records(path) return engram.json.load(path .. "/summary.json").runs end

local out, first = run(VISION .. " methods=sgd,ewc,ewc-repository,classp-published,classp-paper threads=1")

t.test("the vision experiment tells its data and writes a table, a summary and a folder a row", function()
   t.expect(out):contains "data: glyphs/digits, then glyphs/garments"
   t.expect(out):contains "| CLASSP (paper) | 1 |"
   t.expect(t.read(first .. "/report.md")):contains "| SGD | 1 |"
   t.expect(t.read(first .. "/report.html"):find("Accuracy matrices", 1, true) ~= nil):is_true()
   t.expect(#records(first)):equals(5)
   for _, name in ipairs{ "sgd-s1", "ewc-s1", "ewc-repository-s1", "classp-published-s1", "classp-paper-s1" } do
      t.expect(#engram.json.load(first .. "/" .. name .. "/summary.json").published):equals(2)
   end
end)

t.test("the settings files of the experiments fit their scripts", function()
   local function config(name) return { t.command("engram config " .. name) } end
   t.expect(config "classp_vision.yaml"):equals(config "classp_vision.lua")      -- it lists the defaults
   t.expect(config "classp_glyphs threads=1"):equals(config "classp_vision data=glyphs small=true threads=1")
   t.expect(config "ewc_search"):equals(config "classp_search what=ewc lambdas=1,10,50 limit=6000 validation=4000 samples=500")
   t.expect(config("ewc_search")[1]):equals(0)
end)

t.test("the same bits for 1, 2 and 4 threads, in every row", function()
   for _, threads in ipairs{ 2, 4 } do
      local _, path = run(VISION .. " methods=sgd,ewc,ewc-repository,classp-published,classp-paper threads=" .. threads)
      for i, record in ipairs(records(path)) do
         t.expect(#record.weights_sha256):equals(64)
         t.expect(record):equals(records(first)[i])
      end
   end
end)

t.test("continue takes finished rows, trains the others, and leaves a whole run", function()
   local words = " methods=sgd,ewc continue=" .. t.quote(first)
   local again, second = run(VISION .. words)
   t.expect(again):lacks "not taken"
   t.expect(records(second)):equals{ records(first)[1], records(first)[2] }
   t.expect(t.read(second .. "/sgd-s1/weights.safetensors")):is_nil()                    -- it was not trained
   local other, third = run(VISION .. words .. " lambda=0")
   t.expect(other):contains "ewc-s1: not taken from"
   t.expect(other):contains "it was made with lambda = false"
   t.expect(other):contains "| EWC (sound, lambda 0) | 1 |"
   t.expect(t.read(third .. "/ewc-s1/weights.safetensors") ~= nil):is_true()
   t.expect(run(VISION .. " limit=65" .. words)):contains "it was made with other data"
end)

t.test("a row that diverged is finished too, and the newest of a folder of runs counts", function()
   local text = run(VISION .. " methods=sgd,ewc ewc_lr=1e25 continue=runs/classp_vision")
   t.expect(text):contains "| EWC (sound, lambda 5) | 1 | diverged |"
   local _, path = run(VISION .. " methods=ewc ewc_lr=1e25 continue=runs/classp_vision")
   t.expect(records(path)[1].diverged):contains "cl.train: diverged: the loss is"
   t.expect(t.read(path .. "/ewc-s1/weights.safetensors")):is_nil()
end)

t.test("a folder that is not there, and an unknown row", function()
   local code, _, err = t.command(("cd %s && engram run --no-run --quiet %s continue=nowhere"):format(t.quote(folder), VISION))
   t.expect(code):equals(1)
   t.expect(err):contains "nowhere: there is no such folder"
   code, _, err = t.command(("cd %s && engram run --no-run --quiet %s methods=sdg"):format(t.quote(folder), VISION))
   t.expect(code):equals(1)
   t.expect(err):contains "unknown method 'sdg', did you mean 'sgd'?"
end)

t.test("the search keeps validation images back, and names the best of its list", function()
   local text, path = run "classp_search data=glyphs small=true epochs=1 limit=100 validation=100 powers_of_ten=-5 quantiles=0.9 second=0"
   t.expect(text):contains "100 + 100 items"
   local best = engram.json.load(path .. "/best.json")
   t.expect(#best):equals(2)
   t.expect(best[1].score >= best[2].score):is_true()
   t.expect(text):contains("best on held-out images: " .. best[1].name)
   local lines = 0
   for _ in io.lines(path .. "/search.csv") do lines = lines + 1 end
   t.expect(lines):equals(3)
end)

t.test("the laboratory: five methods in three scenarios in a screenful, the same for any threads", function()
   local words = " steps=4 batch=10 width=8 train=100 test=50 memory=20 threads="
   local tables = {}
   for i, threads in ipairs{ 1, 2 } do
      local code, text, err = t.command(
         ("cd %s && engram run --quiet --no-run laboratory%s%d"):format(t.quote(folder), words, threads), 300)
      t.expect(code):equals(0)
      t.expect(err):contains "alone in the class-incremental scenario"
      tables[i] = text
   end
   t.expect(tables[2]):equals(tables[1])
   local lines, widest = 0, 0
   for line in tables[1]:gmatch "[^\n]+" do lines, widest = lines + 1, math.max(widest, #line) end
   t.expect({ lines <= 24, widest <= 80 }):equals{ true, true }
   for _, name in ipairs{ "Naive", "EWC", "SI", "LwF", "ER" } do
      t.expect(tables[1]:find("| " .. name .. " +|" .. (" [%d.]+ %(%-?[%d.]+%) +|"):rep(3) .. " +%d+ |") ~= nil):is_true()
   end
end)

if os.getenv "ENGRAM_DATA" then
   t.test("the laboratory on MNIST", function()
      local words = "data=mnist steps=40 batch=64 width=50 train=2000 test=1000 memory=200"
      local code, text = t.command(("cd %s && engram run --quiet --no-run laboratory %s"):format(t.quote(folder), words), 300)
      t.expect(code):equals(0)
      local function cells(name) return text:match("| " .. name .. " +| ([%d.]+) [^|]+| ([%d.]+) [^|]+| ([%d.]+) ") end
      local task, domain, class = cells "Naive"
      t.expect({ tonumber(task) > 70, tonumber(domain) > 40, tonumber(class) < 30 }):equals{ true, true, true }
      t.expect(tonumber((select(3, cells "ER"))) > tonumber(class) + 15):is_true()      -- what a memory is for
   end)
else
   t.skip("the laboratory on MNIST", "ENGRAM_DATA is not set")
end

t.test("the study of CLASSP: every method and benchmark trains, small; what its words say is what is trained", function()
   local function study(words)
      local code, text, err = t.command(("cd %s && engram run --quiet --no-run classp_study data=made limit=60 %s"):format(
         t.quote(folder), words), 120)
      return code, text:match "average accuracy ([%d.]+)", text:match "state ([%d.]+) MB", err
   end
   local _, accuracy = study "method=classp"
   t.expect(tonumber(accuracy)):above(0)
   for method, bytes in pairs{ sgd = 0, adagrad = 2.3, adam = 4.59, ["adam-reset"] = 4.59, ["stable-sgd"] = 0, ["classp-published"] = 2.3,
      ewc = 22.97, ["online-ewc"] = 9.19, si = 16.08, mas = 9.19, lwf = 6.89, er = 5.12, ["classp-er"] = 2.82, ["classp-ewc"] = 20.67 } do
      local code, _, state = study("method=" .. method)
      t.expect({ method, code, state and math.abs(state - bytes) < 0.25 and "as expected" or state }):equals{ method, 0, "as expected" }
   end
   local seen = {}
   for _, words in ipairs{ "benchmark=split-task", "benchmark=split-class", "benchmark=permuted tasks=3 lr=0.02",
      "benchmark=rotated tasks=3 lr=0.02",
      "benchmark=vision", "benchmark=sentiment", "benchmark=sentiment method=er", "gate=q0.9", "gate=1e-4", "gate=1e-4 gate_later=0",
      "decay=always", "decay=never", "power=2", "epsilon=0.1", "method=ewc lr=0.05 pull=0.01", "batch=10", "dropout=0.5" } do
      local code, value = study(words)
      t.expect({ words, code, seen[value] }):equals{ words, 0 }                      -- each says something
      seen[value] = words
   end
   for words, message in pairs{ ["gate=high"] = "gate: expected a number, or one behind a q, got 'high'",
      ["batch=2.5"] = "batch: expected a whole number, got 2.5",
      ["benchmark=vision dropout=0.5"] = "dropout: is for split, permuted and rotated; the network of vision has its own" } do
      local code, _, _, err = study(words)
      t.expect({ words, code }):equals{ words, words:match "^batch" and 2 or 1 }         -- 2: told before the script runs
      t.expect(err):contains(message)
   end
end)

-- The peers that `engram verify classp-vision` and cells of `der2020` are held against.
local python, data = t.python "torch", os.getenv "ENGRAM_DATA"
if not python or not data then
   local why = python and "ENGRAM_DATA is not set" or "no python3 has torch"
   t.skip("the vision experiment's peer in PyTorch tells the five figures", why)
   t.skip("the peer in PyTorch of twenty tasks trains by each method", why)
else
   t.test("the vision experiment's peer in PyTorch tells the five figures", function()
      local code, printed = t.command(python .. " experiments/peers/torch_vision.py --limit 320 --seed 2 --optimizer sgd", 300)
      t.expect(code):equals(0)
      local found = engram.json.decode(printed)
      t.expect({ found.optimizer, found.seed }):equals{ "sgd", 2 }
      for _, name in ipairs{ "learned", "kept", "new", "published-kept", "published-new" } do
         t.expect({ name, found[name] >= 0 and found[name] <= 100 }):equals{ name, true }
      end
      t.expect(found.learned):above(60)
   end)
   t.test("the peer in PyTorch of twenty tasks trains by each method", function()
      local found = {}
      for _, words in ipairs{ "naive", "joint", "online-ewc", "si", "agem", "naive --stream rotated" } do
         local code, printed = t.command(python .. " experiments/peers/torch_twenty.py --limit 640 --lr 0.3 " .. words, 300)
         t.expect({ words, code }):equals{ words, 0 }
         found[words] = engram.json.decode(printed).accuracy
      end
      t.expect(found.joint):above(found.naive)
      t.expect(found.naive):above(15)
      for _, words in ipairs{ "online-ewc", "si", "agem", "naive --stream rotated" } do t.expect(found[words]):differs_from(found.naive) end
   end)
end

t.test("the study of CLASSP: every method is searched with as many trials as its rivals", function()
   for file, expected in pairs{ wide = { 15, 24 }, sentiment = { 15, 12 }, ablations = { 15, 6 },
      replay = { 7, 24 }, penalties = { 8, 24 }, beyond = { 4, 24 }, regime = { 6, 12 } } do
      local words = {}
      for word in t.read("experiments/classp_study." .. file):gmatch "%S+" do words[#words + 1] = word end
      local plan = require "engram.select.plan"(words)
      t.expect(#plan.methods):equals(expected[1])
      for _, method in ipairs(plan.methods) do t.expect({ method.name, #method.trials }):equals{ method.name, expected[2] } end
   end
end)

t.test("the study of CLASSP: the table and the picture of a selection", function()
   local function inside(line) return t.command(("cd %s && %s"):format(t.quote(folder), line), 300) end
   t.write(folder .. "/tiny.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local settings = engram.settings{ method = "classp", lr = 0.3, seed = 1 }
if settings.lr > 1 then error("the loss is not a number", 0) end
local stream = cl.streams.split("glyphs/digits", { tasks = 5, scenario = "domain", train = 100, test = 50 })
cl.train{ stream = stream, model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end, seed = settings.seed,
   optimizer = function(model) return optim[settings.method == "classp" and "CLASSP" or "SGD"](model, { lr = settings.lr }) end }]])
   local code = inside("engram select --runs chosen --quiet --threads 1 --final 2,3 tiny.lua seed=1 : method=classp lr=0.1,0.2,3 " ..
      ": method=sgd lr=0.001,0.01,0.05 : method=other lr=2,3,4")
   t.expect(code):equals(0)
   local path = select(2, inside "ls -d chosen/*/*")
   local function show(words)
      return inside(("engram run --quiet --no-run classp_study_table selection=%s %s"):format(t.quote(path:match "%S+"), words))
   end
   local _, text, err
   code, text, err = show "picture=study.svg"
   t.expect({ code, err }):equals{ 0, "" }
   local function row(name, words, edge, state, step, rest)
      local line = "| %s | `%s` | %s of 3 | **N** ± N | N | N ± N | N ± N | N | N | %s | N | %s / N | %s |"
      line = line:format(name, words, edge, state, step, rest)
      return (line:gsub("[%-%*%+%(%)]", "%%%0"):gsub("N", function() return "%-?[%d.]+" end))
   end
   t.expect(text:match(row("classp", "lr=0.1", "lr (least) | 1", "0.0", "N", "– | –")) ~= nil):is_true()
   t.expect(text:match(row("sgd", "lr=0.01", "– | 0", "0.0", "100", "[+-]N ± N | N, N")) ~= nil):is_true()
   t.expect(text):contains "| other | – | – | 3 of 3 | – | – | – |"                                    -- no trial came to its end
   t.expect(t.read(folder .. "/study.svg")):contains ">sgd</text>"
   code, _, err = show "against=adam"
   t.expect(code):equals(1)
   t.expect(err):contains "against=adam: no such method in the selection ("
end)

t.test("many tasks: a table of time and memory a task", function()
   local code, text, err = t.command(("cd %s && engram run --quiet --no-run many_tasks data=glyphs/digits tasks=24 train=128 test=100 " ..
      "width=8 evaluate_every=1 check=false"):format(t.quote(folder)), 300)
   t.expect({ code, err }):equals{ 0, "" }
   t.expect(text):contains "stream: 24 tasks, SHA-256 "
   t.expect(text:match "| live | ([%d.]+) MB" ~= nil):is_true()
   t.expect(text):contains "24 steps in "
end)

t.done()
