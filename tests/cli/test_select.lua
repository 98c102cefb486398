-- engram select, and engram run --evaluate-on: the search sees validation sets alone, the rules' choices are those of the files, a
-- selection that is killed goes on to the same report, and the runs tell whether and how often a test set was looked at.
local t = require "tests.harness"
local json = require "engram.json"

local folder = t.temporary_folder(true)
local function sh(line) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), 600) end

t.write(folder .. "/trial.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local settings = engram.settings{ optimizer = { default = "SGD", choices = { "SGD", "Adam" } }, lr = 0.001, seed = 1, tasks = 2 }
if settings.lr == 7 then error "lr 7 is bad luck" end
if settings.seed == 9 and settings.lr == 0.01 then error "so is seed 9" end
local stream = cl.streams.permuted("glyphs/digits", { tasks = settings.tasks, train = 200, test = 100, validation = 0.2 })
cl.train{ stream = stream, seed = settings.seed, model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
   optimizer = function(model) return optim[settings.optimizer](model, { lr = settings.lr }) end }
]])

local function summary(path) return json.load(folder .. "/" .. path .. "/summary.json") end
local function only(pattern)
   local _, out = sh("echo " .. pattern)
   return out:match "^(.-)\n$"
end

local function mean_row(matrix, i)
   local sum = 0
   for j = 1, i do sum = sum + matrix[i][j] end
   return sum / i
end

-- ---- one run ----------------------------------------------------------------------------------------------

t.test("a run that is told what to evaluate on keeps the test sets sealed, also when it is gone on with", function()
   t.expect(sh "engram run --quiet --runs v --evaluate-on validation trial.lua"):equals(0)
   t.expect(sh "engram run --quiet --runs b --evaluate-on both trial.lua"):equals(0)
   local validation, both = summary(only "v/trial/*"), summary(only "b/trial/*")
   t.expect({ validation.evaluated_on, validation.test_looks, both.evaluated_on, both.test_looks }):equals{ "validation", 0, "test", 3 }
   t.expect(both.validation.accuracy):equals(validation.accuracy)
   t.expect(both.weights_sha256):equals(validation.weights_sha256)
   t.expect({ (sh "test -e v/trial/*/test_sets.json"), (sh "test -e b/trial/*/test_sets.json") }):equals{ 1, 0 }
   local _, out = sh "engram show v/trial/*"
   t.expect(out):contains "test sets\n  never looked at: evaluated on validation sets"
   _, out = sh "engram show b/trial/*"
   t.expect(out):contains ", 3 times in all"
   t.expect(json.load(folder .. "/" .. only "b/trial/*" .. "/test_sets.json").opened):contains "T"
   local code, _, err = sh "engram run --evaluate-on tests trial.lua"
   t.expect({ code, err }):equals{ 2, "engram: --evaluate-on: 'tests' is not one of validation, both\n" }
end)

t.test("a script that asks for the test sets by itself is refused in a run that chooses", function()
   for name, line in pairs{ looks = "print(stream[1].test)", opens = "stream:unseal()", one = "stream[1]:with_seal(false)",
      labels = "print(stream[1]:labels 'test')", task = "print(cl.task('glyphs/digits').test)",
      data = "print(cl.task('glyphs/digits'):data 'test')" } do
      t.write(folder .. "/" .. name .. ".lua", (t.read(folder .. "/trial.lua"):gsub("\ncl.train", "\n" .. line .. "\ncl.train")))
      local code, _, err = sh("engram run --quiet --no-run --evaluate-on validation " .. name .. ".lua")
      t.expect({ name, code, err:match "sealed" }):equals{ name, 1, "sealed" }
      t.expect((sh("engram run --quiet --no-run " .. name .. ".lua"))):equals(0)
   end
end)

t.test("a script that looks at the test sets itself is told, also where no training of it did", function()
   t.write(folder .. "/peeps.lua", (t.read(folder .. "/trial.lua"):gsub("\ncl.train{", "\ncl.train{ evaluate_on = 'validation',"))
      .. "print(stream[1]:data('test'):size())\n")
   t.expect(sh "engram run --quiet --runs p peeps.lua"):equals(0)
   t.expect(summary(only "p/peeps/*").test_looks):equals(0)
   t.expect(json.load(folder .. "/" .. only "p/peeps/*" .. "/test_sets.json").by):equals "script"
   t.expect(select(2, sh "engram show p/peeps/*")):contains "test sets\n  asked for by the script itself at 20"
   t.expect(select(2, sh "engram compare p/peeps/* v/trial/*")):contains(
      "test sets: looked at by no training; asked for by the script itself in 1 of 2")
end)

t.test("--evaluate-on is part of what an interrupted run goes on as", function()
   t.write(folder .. "/cut.lua", t.read(folder .. "/trial.lua"):gsub("seed = settings.seed,", [[seed = settings.seed,
      on_step = function(s) if s.step == tonumber(os.getenv "STRIKE") then error("interrupted", 0) end end, checkpoint_every = 1,]]))
   t.expect((sh "STRIKE=7 engram run --quiet --runs c --evaluate-on validation cut.lua") ~= 0):is_true()
   t.expect(sh "engram resume --quiet c/cut/*"):equals(0)
   t.expect(summary(only "c/cut/*").accuracy):equals(summary(only "v/trial/*").accuracy)
   t.expect(summary(only "c/cut/*").test_looks):equals(0)
   local status = json.load(folder .. "/" .. only "c/cut/*" .. "/status.json")
   t.expect({ #status.resumed, #status.worked, status.worked[1][1] }):equals{ 1, 1, status.started }
end)

-- ---- a selection ------------------------------------------------------------------------------------------

local WORDS = "trial.lua seed=1..2 : optimizer=SGD lr=0.001,0.1,7 : optimizer=Adam lr=0.0001,0.01,0.03"

t.test("the search does not see the test sets; what the rules choose is what the files say; other seeds test it", function()
   local code, out, err = sh("engram select --quiet --runs s --final 5..6 " .. WORDS)
   t.expect({ code, err:match "[^\n]*bad luck" ~= nil }):equals{ 0, true }
   local path = only "s/trial/*"
   local choices = json.load(folder .. "/" .. path .. "/choices.json")
   for i, optimizer in ipairs{ "SGD", "Adam" } do
      local best = { first = { score = -1 }, ["end"] = { score = -1 } }
      for _, lr in ipairs(i == 1 and { "0.001", "0.1" } or { "0.0001", "0.01", "0.03" }) do
         local first, last = 0, 0
         for seed = 1, 2 do
            local run = ("%s/search/optimizer=%s-lr=%s-s%d"):format(path, optimizer, lr, seed)
            local found = summary(run)
            local opened = sh("test -e " .. run .. "/test_sets.json")
            t.expect({ run, found.evaluated_on, found.test_looks, opened }):equals{ run, "validation", 0, 1 }
            first, last = first + mean_row(found.accuracy, 1) / 2, last + mean_row(found.accuracy, 2) / 2
         end
         if first > best.first.score then best.first = { score = first, lr = lr } end
         if last > best["end"].score then best["end"] = { score = last, lr = lr } end
      end
      for rule, expected in pairs(best) do
         local chosen = choices[i].chosen[rule]
         t.expect({ rule, chosen.words }):equals{ rule, { "optimizer=" .. optimizer, "lr=" .. expected.lr } }
         t.expect(chosen.score):close_to(expected.score, 1e-9)
         local sum = 0
         for seed = 5, 6 do
            local found = summary(("%s/final/optimizer=%s-lr=%s-s%d"):format(path, optimizer, expected.lr, seed))
            t.expect({ found.evaluated_on, found.seed }):equals{ "test", seed }
            sum = sum + mean_row(found.accuracy, 2) / 2
         end
         t.expect(out):contains((" lr=%s "):format(expected.lr))
         t.expect(out):contains((" %.2f | %.2f "):format(expected.score, sum):gsub("| +", "| "))
      end
   end
   t.expect(choices[1].chosen.default.words):equals{ "optimizer=SGD" }
   t.expect(out):contains "| default (of the script) |"
   t.expect(out):contains "| first 1 task "
   t.expect(out):contains "| end of stream (oracle) "
   t.expect(out):lacks "cheating"
   t.expect(out):contains "trials that did not come to their end; only the rule of the first tasks may choose one: 1 of 3 of optimizer=SGD"
   t.expect(out):contains "search: test sets never looked at\n"
   t.expect(out):contains "final: test sets looked at "
   t.expect(t.read(folder .. "/" .. path .. "/report.md")):equals(out:match "\n(average accuracy.*)$")
end)

t.test("a method that fails costs no other its report; what fails in the final report is told and in no mean", function()
   local code, out, err = sh("engram select --quiet --runs f --final 8..9 trial.lua : optimizer=SGD lr=7 tasks=1,2 "
      .. ": optimizer=Adam tasks=2 lr=0.01,1e-9")
   t.expect({ code, err:match "[^\n]*so is seed 9" ~= nil }):equals{ 1, true }
   local rows = out:gsub(" +", " ")
   t.expect(rows):contains "| optimizer=SGD lr=7 | default (of the script) | - | - | - | - | - | 0 of 2 | - | - |"
   t.expect(rows:match "| optimizer=Adam tasks=2 | end of stream %(oracle%) | lr=0.01 | [%d.]+ | [%d.]+ | (.-)\n")
      :contains "- | - | 1 of 2 | oracle |"
   t.expect(out):contains("trials that did not come to their end; only the rule of the first tasks may choose one: 2 of 2 of "
      .. "optimizer=SGD lr=7\n")
   t.expect(out):contains("final trainings that did not come to their end, and are in no mean: 2 of optimizer=SGD lr=7, "
      .. "1 of optimizer=Adam tasks=2\n")
   t.expect(out):contains "(1 of 2 seeds)"
   code, out, err = sh "engram select --quiet --runs n trial.lua : optimizer=SGD lr=7 tasks=1,2"
   t.expect({ code, out:match "average" or "", err:match "no trial of any method came to its end: see [^\n]*/search/logs" ~= nil })
      :equals{ 1, "", true }
end)

t.test("the rule of the first tasks does not know what fails later; methods with failed seeds come last", function()
   t.write(folder .. "/late.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local settings = engram.settings{ method = "steady", lr = 0.001, seed = 1 }
local stream = cl.streams.permuted("glyphs/digits", { tasks = 4, train = 200, test = 100, validation = 0.2 })
local function late(t) return t.task == 3 and settings.lr == 0.01 and (settings.method == "late" or settings.seed == 8) end
cl.train{ stream = stream, seed = settings.seed, model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
   optimizer = function(model) return optim.Adam(model, { lr = settings.lr }) end,
   on_step = function(t) if late(t) then error "too late" end end }
]])
   local code, out = sh("engram select --quiet --runs late --first 2 --final 8..9 late.lua seed=1 : method=late lr=1e-6,0.01 "
      .. ": method=other lr=1e-6,0.01 : method=third lr=1e-6,2e-6")
   t.expect(code):equals(1)
   local rows = out:gsub(" +", " ")
   t.expect(rows):contains "| method=late | first 2 tasks | lr=0.01 |"
   t.expect(rows:match "| method=late | first 2 tasks | (.-)\n"):contains "| 0 of 2 |"
   t.expect(rows):contains "| method=late | end of stream (oracle) | lr=1e-6 |"
   t.expect(out):contains "may choose one: 1 of 2 of method=late\n"
   local order = out:match "%- end of stream %(oracle%): ([^\n]*)"
   t.expect(order:match "([^ ]*) [%d.]+ %(1 of 2 seeds%)[^,]*$"):equals "method=other"     -- 0.01 is the better, and stands last
end)

t.test("trials whose settings have no effect are told, and one that its budget ends is judged on all tasks", function()
   t.write(folder .. "/budget.lua", (t.read(folder .. "/trial.lua"):gsub("tasks = 2 }", "tasks = 3, unused = 1, spend = 1e9 }")
      :gsub("seed = settings.seed,", "seed = settings.seed, budget = { arithmetic = settings.spend },")))
   local code, out = sh "engram select --quiet --runs b2 --final 5..6 budget.lua : optimizer=SGD unused=1,2 : optimizer=Adam spend=6e6,1e9"
   t.expect(code):equals(0)
   t.expect(out):contains "another of their method, whose settings have no effect there: 1 of 2 of optimizer=SGD\n"
   local short = summary(only "b2/budget/*/search/optimizer=Adam-spend=6e6-s1")
   t.expect({ short.budget.ended.task, #short.accuracy }):equals{ 2, 3 }
   t.expect(short.metrics.average_accuracy):close_to(mean_row(short.accuracy, 3), 1e-9)
   t.expect(out:match "ended by the budget of arithmetic before the last task, [^\n]* in task (%d of %d) for one: "):equals "2 of 3"
   t.expect(out):contains "first: of the 3 tasks asked for the rule sees 2: not the last of a stream\n"
end)

t.test("a search of which a job was killed chooses nothing, and goes on", function()
   local marker = folder .. "/marker"
   t.write(folder .. "/killed.lua", (t.read(folder .. "/trial.lua"):gsub("if settings.lr == 7[^\n]*", function()
      return ("if settings.lr == 0.1 and not io.open %q then os.execute \"touch '%s'; kill -9 $PPID\" end"):format(marker, marker)
   end)))
   local code, out, err = sh "engram select --quiet -j 1 --runs kill --final 5 killed.lua : lr=0.001,0.1"
   t.expect({ code, out:match "average" or "" }):equals{ 1, "" }
   t.expect(err):contains "1 of the search's jobs was killed, so nothing is chosen yet"
   t.expect((sh "test -e kill/killed/*/choices.json")):equals(1)
   code, out = sh "engram resume --quiet kill/killed/*"
   t.expect({ code, out:match "average accuracy" }):equals{ 0, "average accuracy" }
end)

t.test("a selection that is cut short goes on, and ends with the same report", function()
   local words = "--quiet --final 5 --by-test trial.lua tasks=1 : optimizer=SGD lr=0.001,0.1 : optimizer=Adam lr=0.001,0.01"
   local code, out = sh("engram select --runs whole " .. words)
   t.expect(code):equals(0)
   t.expect(out):contains "| by test (cheating) "
   t.expect(out):contains "search: test sets looked at "
   sh("engram select -j 1 --runs cut " .. words .. " & id=$!; while [ $(ls cut/trial/*/search/*/summary.json 2>/dev/null | wc -l) -lt 2 ]; "
      .. "do sleep 0.05; done; kill -TERM $id; wait $id")
   t.expect((sh "test -e cut/trial/*/report.md")):equals(1)
   local resumed, _, err = sh "engram resume --quiet cut/trial/*"
   t.expect({ resumed, err:match "^engram: failed" }):equals{ 0 }
   local function report(runs) return t.read(folder .. "/" .. only(runs .. "/trial/*") .. "/report.md") end
   t.expect(report "cut"):equals(report "whole")
   code, _, err = sh "engram compare whole/trial/* --by optimizer,lr"              -- what was chosen was trained in both stages
   t.expect({ code, err:match "also differ in [^;]*" }):equals{ 2, "also differ in stage" }
   t.expect((sh "engram report whole/trial/* --out stages.html")):equals(0)
   local page = t.read(folder .. "/stages.html")
   for _, label in ipairs{ "search lr=0.001 optimizer=SGD", "final lr=0.01 optimizer=Adam" } do t.expect(page):contains(label) end
   local again, more = sh "engram select --quiet --resume cut/trial/*"
   t.expect({ again, more:match "\n(average accuracy.*)$" }):equals{ 0, out:match "\n(average accuracy.*)$" }
end)

t.test("a run whose files cannot be read is no training that failed: it is named, with what to do", function()
   local path = only "whole/trial/*"
   local whole = t.read(folder .. "/" .. path .. "/report.md")
   for _, stage in ipairs{ "final", "search" } do
      local run = ("%s/%s/optimizer=SGD-lr=0.1-s%d"):format(path, stage, stage == "final" and 5 or 1)
      t.expect((sh("echo '{' > " .. run .. "/summary.json"))):equals(0)
      if stage == "search" then t.expect((sh(("rm -r %s/final %s/choices.json"):format(path, path)))):equals(0) end
      local code, out, err = sh("engram resume --quiet " .. path)
      t.expect({ code, out:match "average" or "" }):equals{ 1, "" }
      t.expect(err):contains("/" .. run .. " is damaged: its status.json, settings.json or summary.json cannot be read; remove its folder, "
         .. "and engram resume ")
      t.expect((sh(("rm -r %s && engram resume --quiet %s"):format(run, path)))):equals(0)
      t.expect(t.read(folder .. "/" .. path .. "/report.md")):equals(whole)
   end
end)

t.test("what makes no fair selection is refused before anything runs", function()
   local function refused(words, text)
      local code, _, err = sh("engram select --runs none " .. words)
      t.expect({ words, code, err }):equals{ words, 2, "engram: " .. text .. "\n" }
   end
   refused("", "select: which script? engram select FILE : method=SGD lr=0.1,0.01")
   refused("trial.lua", "select: no methods: each stands after a colon, as in : method=SGD lr=0.1,0.01")
   refused("trial.lua : lr=1,2 :", "select: nothing stands after colon 2")
   refused("trial.lua : lr=1,2 : optimizer=Adam lr=1", "select: methods must have the same number of trials: method 1 has 2, "
      .. "optimizer=Adam lr=1 has 1; give --trials N, which draws N of each, or other values")
   refused("--trials 3 trial.lua : lr=1,2", "select: method 1 has 2 trials, fewer than --trials 3: give it more values")
   refused("trial.lua lr=1,2 : optimizer=SGD", "select: lr has several values before the first colon: what is searched stands behind the "
      .. "colon of its method")
   refused("trial.lua lr=1 : lr=1,2", "select: lr stands before the first colon and behind another")
   refused("trial.lua : seed=1,2", "select: seed=... stands before the first colon: all methods have the same seeds")
   refused("--final 1..3 trial.lua : lr=1,2", "select: --final 1..3: seed 1 is one of the search: a report has seeds of its own")
   refused("--final 01,2 trial.lua : lr=1,2", "select: --final 01,2: seed 01 is one of the search: a report has seeds of its own")
   refused("trial.lua : lr=0.1,1e-1", "lr=0.1,1e-1: the value 1e-1 stands there twice")
   refused("--first 0 trial.lua : lr=1,2", "--first must be at least 1, got 0")
   refused("trial.lua : optimizer=SGD lr=1,2 : optimizer=SGD lr=3,4", "select: 'optimizer=SGD' stands behind two colons: one method twice")
   local code, _, err = sh "engram select --runs none trial.lua : optimizer=SDG lr=1,2"
   t.expect({ code, err:match "expected one of SGD, Adam" }):equals{ 2, "expected one of SGD, Adam" }
   t.expect((sh "test -e none")):equals(1)
end)

-- ---- budgets, costs ---------------------------------------------------------------------------------------

t.write(folder .. "/paid.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local settings = engram.settings{ method = { default = "none", choices = { "none", "ER" } }, memory = 20, arithmetic = 1e15, seed = 1 }
cl.train{ seed = settings.seed, batch_size = 10, budget = { arithmetic = settings.arithmetic },
   method = settings.method == "ER" and cl.methods.ER{ memory = settings.memory } or nil,
   model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
   optimizer = function(model) return optim.SGD(model, { lr = 0.01 }) end,
   stream = cl.streams.split("glyphs/digits", { train = 200, test = 50, scenario = "class" }) }
]])
local STEP = 10 * 2 * 2 * 784 * 10                            -- operations of a step without replay

t.test("--budget holds for any script, the smaller of two limits counts, and a run that is gone on with keeps it", function()
   t.expect((sh(("engram run --quiet --runs budget --name a --budget arithmetic=%d paid.lua"):format(6 * STEP)))):equals(0)
   t.expect((sh(("engram run --quiet --runs budget --name b --budget arithmetic=%d paid.lua arithmetic=%d"):format(9 * STEP,
      6 * STEP)))):equals(0)
   local a, b = summary(only "budget/paid/*-a-*"), summary(only "budget/paid/*-b-*")
   t.expect({ a.steps, b.steps, a.weights_sha256 }):equals{ 6, 6, b.weights_sha256 }
   t.expect(json.load(folder .. "/" .. only "budget/paid/*-a-*" .. "/meta.json").command):contains("--budget arithmetic=" .. 6 * STEP)
   t.write(folder .. "/wrong.lua", (t.read(folder .. "/paid.lua"):gsub("arithmetic = settings.arithmetic", "arithmetic = 'much'")))
   local code, _, err = sh "engram run --quiet --no-run --budget arithmetic=1e9 wrong.lua"
   t.expect({ code, err:match "budget.arithmetic must be a number of at least 1, got much" ~= nil }):equals{ 1, true }
   code, _, err = sh "engram run --no-run --budget state_bytes=7000 paid.lua method=ER"
   t.expect({ code, err:match "state_bytes = 7,000 allows: ER.memory 16,000 %(memory = 8 fits, it is 20%)" ~= nil }):equals{ 1, true }
end)

t.test("a budget that is none is told before anything runs", function()
   for words, text in pairs{ ["state=1"] = "unknown option 'state' (there are: arithmetic, arithmetic_per_task, state_bytes)",
      arithmetic = "expected NAME=NUMBER, as state_bytes=2e6, got 'arithmetic'", ["arithmetic=x"] = "arithmetic: 'x' is no number",
      ["arithmetic=0"] = "arithmetic must be a number of at least 1, got 0",
      ["arithmetic=1,arithmetic=2"] = "arithmetic is given twice" } do
      for _, command in ipairs{ "run", "sweep", "select" } do
         local code, _, err = sh(("engram %s --budget %s paid.lua"):format(command, words))
         t.expect({ command, code, err }):equals{ command, 2, "engram: --budget: " .. text .. "\n" }
      end
   end
end)

t.test("a selection gives all methods one budget, and tells what each cost and how many seeds would tell them apart", function()
   local code, out = sh(("engram select --quiet --runs paid --budget arithmetic=%d --final 2..4 paid.lua seed=1 "
      .. ": method=none memory=1,2 : method=ER memory=5,10"):format(12 * STEP))
   t.expect(code):equals(0)
   local path = only "paid/paid/*"
   local none = out:match "\n| method=none | end of stream[^\n]*| +0 | +([%d.]+) |\n"
   local er = out:match "\n| method=ER +| end of stream[^\n]*| +([%d.]+) |\n"
   local function shown(steps) return tonumber(("%.4g"):format(steps * STEP / 1e9)) end
   t.expect({ tonumber(none), tonumber(er) }):equals{ shown(12), shown(13) }
   local choices, differences = json.load(folder .. "/" .. path .. "/choices.json"), {}
   local function score(method, k) return summary(path .. "/final/" .. choices[method].chosen["end"].jobs[k]).metrics.average_accuracy end
   for k = 1, 3 do differences[k] = score(2, k) - score(1, k) end
   local needed = require "engram".statistics.seeds_to_separate(differences, { tests = 1 })
   t.expect(out:match "end of stream %(oracle%): [^\n]*; (%d+) seeds%)" or "none"):equals(tostring(needed or "none"))
end)

t.done()
