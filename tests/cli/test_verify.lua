-- engram verify: a table of one file is run, killed and gone on with, told cell by cell; what is wrong in a file is told with its place.
local t = require "tests.harness"
local engram = require "engram"
local json = engram.json
local build = require "engram.verify.build"
local tables = require "engram.verify.table"
local verdict = require "engram.verify.verdict"

local folder = t.temporary_folder()
local function sh(line, timeout) return t.command(("cd %s || exit\n%s"):format(t.quote(folder), line), timeout or 120) end

local TABLE = [[
title: A small table
source: nobody, 2026
certainty: exact
n: 4
spread: deviation
seeds: 2
note: For tests.
columns:
  task: {scenario: task}
  class: {scenario: class}
stream:
- split: {of: glyphs/digits, tasks: 5, train: 200, test: 50}
- iterations: {steps: {task: 12, class: 15}}
network: [Flatten, {Linear: [784, 10]}, ReLU, {Linear: [10, outputs]}]
optimizer: {Adam: {lr: 0.003}}
training: {batch_size: 8}
rows:
  naive:
    cells: {task: 60 ± 40, class: 90 ± 0.1}
  EWC:
    method: {EWC: {lambda: {task: 10, class: 1}}}
    certainty: from memory
    cells: {task: 70 ± 30}
]]
t.write(folder .. "/small.yaml", TABLE)

local function report_of(path) return json.load(folder .. "/" .. path .. "/report.json") end

-- ---- what there is ----------------------------------------------------------------------------------------

t.test("engram verify lists the tables that Engram brings, each of which can be read and run", function()
   local code, out = sh "engram verify"
   t.expect(code):equals(0)
   for _, name in ipairs{ "der2020", "example", "hsu2018", "vandeven2022" } do t.expect("\n" .. out):contains("\n" .. name .. " ") end
   for _, name in ipairs(tables.names()) do build.check(tables.load(tables.find(name))) end
end)

t.test("wrong words are told before anything runs, near ones are suggested", function()
   local function refused(words, text)
      local code, _, err = sh("engram verify " .. words)
      t.expect({ code, err }):equals({ 2, "engram: " .. text .. "\n" })
   end
   refused("hsu2019", "verify: there is no table 'hsu2019', did you mean 'hsu2018'?; a table of your own is given as a file, ./NAME.yaml")
   refused("./none.yaml", "verify: there is no file './none.yaml'")
   refused("example cells=EWCC", "verify: cells=EWCC: there is no row 'EWCC', did you mean 'EWC'?")
   refused("example cells=EWC/tsk", "verify: cells=EWC/tsk: there is no column 'tsk', did you mean 'task'?")
   refused("example cells=", "verify: cells=: names no cell; as in cells=EWC,SI/class,*/task")
   refused("example seed=1", "verify: 'seed=1' is no word of verify: after the table comes cells=ROW,ROW/COLUMN")
   for _, seeds in ipairs{ "0", "x", "3..2", "1.5", "99999999" } do
      refused("example --seeds " .. seeds, "--seeds: expected how many, or which, as 11..20 or 3,7, got '" .. seeds .. "'")
   end
   refused("--seeds 3", "verify: which table? engram verify alone lists them")
   refused("small.yaml cells=EWC/class", "verify: none of these cells has a figure in small.yaml")
   refused("example --measured", "verify: nothing is measured yet: there is no runs/verify/example")
end)

t.test("--dry-run lists the runs and writes nothing", function()
   local code, out = sh "engram verify small.yaml --dry-run --seeds 3 'cells=EWC,*/class' && ls"
   t.expect(code):equals(0)
   local names = {}
   for line in out:gmatch "[^\n]+" do names[#names + 1] = line:gsub("%-%x%x%x%x%x%x%x%x%-", "-D-") end
   t.expect(names):equals({ "naive-class-D-s1", "EWC-task-D-s1", "naive-class-D-s2", "EWC-task-D-s2", "naive-class-D-s3", "EWC-task-D-s3",
      "small.yaml" })
end)

-- ---- running ----------------------------------------------------------------------------------------------

t.test("a table is run and told cell by cell; cells that fail are no error", function()
   local code, out, err = sh "engram verify small.yaml -j 2 --into whole"
   t.expect(code):equals(0)
   t.expect(err):contains "finished naive-task-"
   t.expect(out):contains "# A small table\n\nSource: nobody, 2026\n"
   t.expect(out):contains "For tests."
   local report = report_of "whole"
   t.expect({ #report.cells, report.runs, report.failed, report.table }):equals({ 3, 6, 0, "small" })
   t.expect(out):contains("results SHA-256 " .. report.results_sha256)
   local computed = 0
   for path in select(2, sh "ls whole/*/summary.json"):gmatch "%S+" do
      computed = computed + json.load(folder .. "/" .. path).arithmetic.total
   end
   t.expect(report.arithmetic):equals(computed)
   t.expect(out):contains((", %.3g TFLOP ("):format(computed / 1e12))
   t.expect(t.read(folder .. "/whole/report.md")):contains "| naive | class  |"
   local verdicts = {}
   for i, cell in ipairs(report.cells) do
      verdicts[i] = cell.verdict
      t.expect(cell.mean):close_to(engram.statistics.mean(cell.values), 1e-12)
      t.expect({ cell.n, cell.seeds, cell.reference.n }):equals({ 2, { 1, 2 }, 4 })
   end
   t.expect(verdicts):equals({ "pass", "fail", "pass" })
   t.expect(out):contains "2 of 3 cells pass (67 %)\n- exact: 1 of 2 cells pass (50 %)\n- from memory: 1 of 1 cells pass (100 %)\n"
   t.expect((sh "ls whole/*/weights.safetensors")):equals(2)
   code, out = sh "engram verify small.yaml --measured --seeds 2..2 --into whole cells=naive"        -- of two that are there
   t.expect({ code, out:match "EWC", out:match "\n2 runs, " ~= nil }):equals{ 0, nil, true }
   t.expect(report_of "whole"):equals(report)
   t.expect((sh "engram verify small.yaml --measured --into whole")):equals(0)
   t.expect(report_of "whole"):equals(report)
end)

t.test("the wall time is the seconds in which some run was at work, whatever the clock says when it is asked for", function()
   sh "cp -r whole timed"
   local spans, k = { { "10:00:00", "10:00:10" }, { "10:00:05", "10:00:20" }, { "10:01:00", "10:01:01" } }, 0
   local function at(time) return ("2026-01-02T%sZ"):format(time) end
   for path in select(2, sh "ls timed/*/status.json"):gmatch "%S+" do
      local status = json.load(folder .. "/" .. path)
      k = k % 3 + 1
      status.started, status.updated = at(spans[k][1]), at(spans[k][2])
      if k == 3 then                                               -- was cut short and gone on with half a minute later
         status.started, status.worked, status.resumed = at "10:00:06", { { at "10:00:06", at "10:00:24" } }, { at "10:01:00" }
      end
      json.save(folder .. "/" .. path, status)
   end
   local date, ticks = os.date, 0
   rawset(os, "date", function(form, time)                         -- a second between any two looks at the clock
      ticks = ticks + 1
      return date(form, time or os.time() + ticks)
   end)
   local ok, found = pcall(verdict.of, tables.load(folder .. "/small.yaml"), folder .. "/timed", function() return true end, { 1, 2 })
   rawset(os, "date", date)
   t.expect({ ok, ok and found.wall or found }):equals{ true, 25 }
end)

t.test("the same bits again, in another folder, one at a time; no verdict of one seed", function()
   local code, out = sh "engram verify small.yaml -j 1 --quiet --seeds 1 --into again"
   t.expect(code):equals(0)
   t.expect(out):contains "0 of 0 cells pass, 3 without a verdict\n"
   local half = report_of "again"
   code = sh "engram verify small.yaml -j 1 --quiet --into again"
   t.expect(code):equals(0)
   local again, whole = report_of "again", report_of "whole"
   t.expect(again.results_sha256):equals(whole.results_sha256)
   t.expect(half.results_sha256):differs_from(whole.results_sha256)
   for i, cell in ipairs(again.cells) do t.expect(cell.values):equals(whole.cells[i].values) end
end)

t.test("a verify that is killed goes on where it was: by the same words, and by engram resume", function()
   for i, go_on in ipairs{ "engram verify small.yaml -j 1 --quiet --into ", "engram resume --quiet " } do
      local path = "cut" .. i
      sh(([[engram verify small.yaml -j 1 --quiet --into %s & pid=$!
         until grep -qs finished %s/*/status.json; do sleep 0.02; done
         kill -9 $pid; wait $pid]]):format(path, path))
      local _, done = sh(("grep -l finished %s/*/status.json | wc -l"):format(path))
      t.expect(tonumber(done)):below(6)
      t.expect((sh(go_on .. path))):equals(0)
      t.expect(report_of(path).results_sha256):equals(report_of("whole").results_sha256)
   end
end)

t.test("another reference keeps the runs; other settings of a row make its runs anew, and no others", function()
   local function runs() return select(2, sh "ls -d again/*-s1 | wc -l"):gsub("%s", "") end
   sh "mkdir changed"
   t.write(folder .. "/changed/small.yaml", (TABLE:gsub("90 ± 0.1", "20 ± 30")))
   local _, before = sh "stat -c %Y again/*/status.json"
   local code, out = sh "engram verify changed/small.yaml --quiet --into again"
   t.expect(code):equals(0)
   t.expect(out):contains "3 of 3 cells pass"
   t.expect(select(2, sh "stat -c %Y again/*/status.json")):equals(before)
   t.expect(runs()):equals "3"
   t.write(folder .. "/changed/small.yaml", (TABLE:gsub("task: 10, class: 1}", "task: 20, class: 1}")))
   t.expect((sh "engram verify changed/small.yaml --quiet --into again")):equals(0)
   t.expect(runs()):equals "4"
   t.expect(report_of("again").runs):equals(6)
   t.expect((sh "engram resume again")):equals(0)
end)

t.test("a run that fails is named, the others run, and the exit code is 1", function()
   t.write(folder .. "/bad.yaml", (TABLE:gsub("    cells: {task: 60", "    optimizer: {SGD: {lr: 1.0e+30}}\n    cells: {task: 60")))
   local code, out, err = sh "engram verify bad.yaml --quiet --seeds 1"
   t.expect(code):equals(1)
   t.expect(err):contains "engram: 2 of 3 jobs failed:\n  naive-"
   t.expect(out):contains "1 run (2 failed)"
   t.expect(out):contains "| naive | task   | fail    | exact       |     - |"
   t.expect(out):contains "naive/class: failed with seed 1, so that it does not pass; see logs/"
   t.expect(out):contains "0 of 2 cells pass (0 %), 1 without a verdict"
end)

t.test("a cell does not pass by the seeds that came to their end", function()
   t.expect((sh "cp -r whole lost && for f in lost/naive-task-*-s2/status.json; do sed -i s/finished/failed/ $f; done")):equals(0)
   local code, out = sh "engram verify small.yaml --measured --into lost"
   t.expect(code):equals(0)
   t.expect(out):contains "naive/task: failed with seed 2"
   local cell = report_of("lost").cells[1]
   t.expect({ cell.verdict, cell.n, cell.failed }):equals{ "fail", 1, { 2 } }
end)

t.test("runs that are begun and not at their end are told", function()
   t.expect((sh "cp -r whole begun && sed -i s/finished/interrupted/ begun/EWC-task-*-s2/status.json")):equals(0)
   t.expect(select(2, sh "engram verify small.yaml --measured --into begun")):contains(
      "\n1 more run is begun and not at the end: engram resume of the folder goes on\n")
   t.expect(report_of("begun").unfinished):equals(1)
end)

t.test("trainings that their budget ended are told", function()
   t.write(folder .. "/budget.yaml", (TABLE:gsub("training: {", "training: {budget: {arithmetic: 1.0e+5}, ")))
   local code, out = sh "engram verify budget.yaml --quiet --seeds 1"
   t.expect(code):equals(0)
   t.expect(out:match "\n(%d of %d) trainings were ended by the budget of arithmetic before the last task, [^\n]* in task 1 of ")
      :equals "3 of 3"
end)

t.test("runs of different code in one folder are told", function()
   t.expect((sh [[cp -r whole mixed && sed -i 's/"library_sha256": "......../"library_sha256": "00000000/' mixed/EWC-task-*-s2/meta.json]]))
      :equals(0)
   local _, out = sh "engram verify small.yaml --measured --into mixed"
   t.expect(out):contains "these runs are not all of the same code, so that their bits may differ: 5 of Engram "
   t.expect(select(2, sh "engram verify small.yaml --measured --into whole")):lacks "not all of the same code"
end)

t.test("a folder of other files, or of another table of that name, is not taken", function()
   sh "mkdir foreign other && touch foreign/mine"
   local code, _, err = sh "engram verify small.yaml --into foreign"
   t.expect({ code, err }):equals{ 2, "engram: verify: foreign holds other files and no runs of a table: choose a new or empty folder with "
      .. "--into DIR\n" }
   t.write(folder .. "/other/small.yaml", (TABLE:gsub("A small table", "Another table")))
   t.expect((sh "engram verify small.yaml --quiet --seeds 1 cells=EWC")):equals(0)
   code, _, err = sh "engram verify other/small.yaml --seeds 1"
   t.expect({ code, err }):equals{ 2, "engram: verify: runs/verify/small has the runs of another table, 'A small table': choose a folder "
      .. "for these with --into DIR\n" }
end)

t.test("a finished run whose files cannot be read is named, with what to do; it is no success", function()
   t.expect((sh "cp -r whole damaged && cd damaged && echo '{' > $(echo naive-class-*-s2)/summary.json")):equals(0)
   local code, out = sh "engram verify small.yaml --quiet --into damaged"
   t.expect(code):equals(1)
   t.expect(out:gsub("%-%x+%-s", "-D-s")):contains("\nnaive-class-D-s2 is damaged: its status.json or summary.json cannot be read; "
      .. "remove its folder, and a later call runs it again\n")
   t.expect({ #report_of("damaged").damaged, report_of("damaged").runs }):equals{ 1, 5 }
   t.expect((sh "rm -r damaged/naive-class-*-s2 && engram verify small.yaml --quiet --into damaged")):equals(0)
   t.expect(report_of("damaged").results_sha256):equals(report_of("whole").results_sha256)
end)

-- ---- the verdict ------------------------------------------------------------------------------------------

t.test("a cell passes within 2 sqrt(SD_theirs^2 / n_theirs + SD_ours^2 / n)", function()
   local values = { 90, 92, 94 }                                   -- mean 92, SD 2
   local found = verdict.judge(values, { mean = 95, deviation = 3, n = 9 })
   t.expect(found.tolerance):close_to(2 * math.sqrt(1 + 4 / 3), 1e-12)
   t.expect({ found.difference, found.verdict, found.n }):equals({ -3, "pass", 3 })
   t.expect(verdict.judge(values, { mean = 95.1, deviation = 3, n = 9 }).verdict):equals "fail"
   local alone = verdict.judge(values, { mean = 95, n = 1 })       -- without a spread ours stands for it
   t.expect(alone.tolerance):close_to(2 * math.sqrt(4 + 4 / 3), 1e-12)
   t.expect(verdict.judge({ 90 }, { mean = 90, n = 1 }).verdict):equals "open"
   t.expect(verdict.judge({ 90, 90 }, { mean = 91, n = 1 }).verdict):equals "open"              -- no spread at all
   t.expect(verdict.judge({}, { mean = 90, n = 1 })):equals({ n = 0, verdict = "open" })
end)

t.test("what stands behind the plus-minus becomes the deviation of a sample", function()
   local function deviation(spread)
      t.write(folder .. "/spread.yaml", (TABLE:gsub("spread: deviation", "spread: " .. spread)))
      return tables.load(folder .. "/spread.yaml").row.naive.cells.task.deviation
   end
   t.expect(deviation "deviation"):equals(40)
   t.expect(deviation "sem"):close_to(80, 1e-12)
   t.expect(deviation "population"):close_to(40 * math.sqrt(4 / 3), 1e-12)
end)

t.test("columns may be several figures of one run", function()
   t.write(folder .. "/figures.yaml", (TABLE:gsub("columns:.-stream:", [[
columns:
  first: {scenario: domain, metric: accuracy.1.1}
  kept: {run_of: first, metric: accuracy.5.1}
stream:]]):gsub("{task: 12, class: 15}", "12"):gsub("{task: 10, class: 1}", "1"):gsub("{task: 60 ± 40, class: 90 ± 0.1}",
      "{first: 100, kept: 50}"):gsub("{task: 70 ± 30}", "{kept: 50}")))
   t.expect((sh "engram verify figures.yaml --quiet --into figures")):equals(0)
   local report = report_of "figures"
   t.expect({ report.runs, #report.cells }):equals({ 4, 3 })
   local _, out = sh "cat figures/naive-first-*-s1/summary.json"
   local summary = json.decode(out)
   t.expect({ report.cells[1].values[1], report.cells[2].values[1] }):equals({ summary.accuracy[1][1], summary.accuracy[5][1] })
end)

-- ---- tables of a script ------------------------------------------------------------------------------------

local OF_A_SCRIPT = [[
title: A script's figures
source: nobody, 2026
certainty: exact
n: 4
spread: deviation
columns:
  one: {metric: answer}
  two: {run_of: one, metric: more.1}
script: given.lua
settings: {size: 3, words: [a, b]}
rows:
  plain:
    cells: {one: 30 ± 1, two: unknown}
  larger:
    settings: {size: 5}
    cells: {one: 51 ± 1}
]]

t.test("a table may be of a script with settings: the row's count more; what is unknown has no verdict", function()
   sh "mkdir scripted"
   t.write(folder .. "/scripted/given.lua", [[
      local engram = require "engram"
      local settings = engram.settings{ size = { default = 1, max = 9 }, words = { default = { "x" } }, seed = 1 }
      engram.run.current():write_json("summary.json", { complete = true, answer = 10 * settings.size + settings.seed - 1,
         more = { #settings.words }, arithmetic = 1 })
   ]])
   t.write(folder .. "/scripted/table.yaml", OF_A_SCRIPT)
   local code, out = sh "engram verify scripted/table.yaml --quiet --seeds 2 --into figures_of_a_script"
   t.expect(code):equals(0)
   local cells = report_of("figures_of_a_script").cells
   t.expect({ cells[1].values, cells[2].values, cells[3].values }):equals{ { 30, 31 }, { 2, 2 }, { 50, 51 } }
   t.expect({ cells[1].verdict, cells[2].verdict, cells[3].verdict }):equals{ "pass", "open", "pass" }
   t.expect(out):contains "| plain  | two    | open    | exact     |  2.00 | 0.00 |   2 | unknown |"
   t.write(folder .. "/scripted/misnamed.yaml", (OF_A_SCRIPT:gsub("metric: answer", "metric: anser")))
   code, out = sh "engram verify scripted/misnamed.yaml --measured --into figures_of_a_script"
   t.expect(code):equals(1)
   t.expect(out):contains("plain/one: 2 runs have no number 'anser' in summary.json\nlarger/one: 2 runs have no number 'anser'")
   sh "cd figures_of_a_script && rm -r larger-one-*-s2"
   t.expect((sh "engram resume --quiet figures_of_a_script")):equals(0)
   t.expect(report_of("figures_of_a_script").runs):equals(4)
end)

t.test("a script that was changed makes its runs anew, and the hash of the results tells figures apart", function()
   local before = report_of("figures_of_a_script").results_sha256
   t.expect(report_of("figures_of_a_script").arithmetic):equals(nil)         -- its own is another word
   t.write(folder .. "/scripted/given.lua", (t.read(folder .. "/scripted/given.lua"):gsub("10 %* settings", "11 * settings")))
   local code, _, err = sh "engram resume --quiet figures_of_a_script"
   t.expect(code):equals(2)
   t.expect(err):contains "the script or the table has changed since its runs were planned: call engram verify TABLE again, with --into "
   t.expect((sh "engram verify scripted/table.yaml --quiet --seeds 2 --into figures_of_a_script")):equals(0)
   local report = report_of "figures_of_a_script"
   t.expect({ report.cells[1].values, report.runs }):equals{ { 33, 34 }, 4 }
   t.expect(report.results_sha256):differs_from(before)
end)

t.test("a script that declares no settings is not run by looking at a table", function()
   t.write(folder .. "/scripted/plain.lua", "io.open('ran', 'w'):close()")
   t.write(folder .. "/scripted/plain.yaml", (OF_A_SCRIPT:gsub("given.lua", "plain.lua")))
   t.expect((sh "engram verify scripted/plain.yaml --dry-run")):equals(0)
   t.expect((sh "test ! -e ran && test ! -e scripted/ran")):equals(0)
end)

t.test("what is wrong in a table of a script is told before anything runs", function()
   local function refused(from, to, text)
      local changed, count = OF_A_SCRIPT:gsub(from, to)
      t.expect(count > 0):is_true()
      t.write(folder .. "/scripted/wrong.yaml", changed)
      local code, _, err = sh "engram verify scripted/wrong.yaml --dry-run"
      t.expect(code):equals(2)
      t.expect(err):contains("engram: scripted/wrong.yaml" .. text)
   end
   refused("script: given.lua", "script: givn.lua",
      ":9:9: script: there is no file 'scripted/givn.lua', did you mean 'scripted/given.lua'?")
   refused("script: given.lua\n", "", ":9:11: settings: of which script?")
   refused("settings: {size: 5}", "network: [Flatten]", ":15:5: rows.larger: unknown key 'network'")
   refused("rows:", "network: [Flatten]\nrows:", ":11:10: network: a table of a script has settings instead")
   refused("size: 5", "seed: 5", ":15:16: settings: seed is what each run has of its own")
   refused("size: 5", "sise: 5", ":15:16: sise: unknown key, did you mean 'size'?")
   refused("size: 5", "size: 50", ":15:16: size: expected a number of at most 9, got 50")
end)

-- ---- files that are wrong ---------------------------------------------------------------------------------

t.test("what is wrong in a table is told with file, line and column", function()
   local function refused(from, to, place, text)
      local changed, count = TABLE:gsub(from, to)
      t.expect(count > 0):is_true()
      t.write(folder .. "/wrong.yaml", changed)
      local code, _, err = sh "engram verify wrong.yaml --dry-run"
      t.expect({ code, (err:gsub("\n$", "")) }):equals({ 2, ("engram: wrong.yaml:%s: %s"):format(place, text) })
   end
   refused("of: glyphs/digits", "of: glyphs/digit", "12:3", "there is no data set 'glyphs/digit', did you mean 'glyphs/digits'?")
   refused("  class: {scenario: class}", "  class: {run_of: task}", "13:41", "the figures of column 'class' are of the runs of 'task': "
      .. "what is trained is said for that one")
   refused("seeds: 2", "sedes: 2", "6:1", "the table: unknown key 'sedes', did you mean 'seeds'?")
   refused("title: A small table\n", "", "1:1", "the table has no title")
   refused("seeds: 2", "seeds: 1.5", "6:8", "seeds: expected a whole number of at least 1, got 1.5")
   refused("certainty: exact", "certainty: exct", "3:12", "certainty: 'exct' is not one of exact, from memory, measured off a figure, " ..
      "did you mean 'exact'?")
   refused("{scenario: task}", "{scenario: tusk}", "9:20", "columns.task.scenario: 'tusk' is not one of task, domain, class, did you " ..
      "mean 'task'?")
   refused("{scenario: task}", "{scenario: task, metric: forgeting}", "9:34", "columns.task.metric: there is no figure 'forgeting', did "
      .. "you mean 'forgetting'?")
   refused("of: glyphs/digits", "of: mnits", "12:3", "there is no data set 'mnits', did you mean 'mnist'?")
   refused("class: 90 ± 0.1", "klass: 90 ± 0.1", "19:28", "rows.naive.cells: there is no column 'klass', did you mean 'class'?")
   refused("60 ± 40", "about 60", "19:19", "rows.naive.cells.task: expected a number, a mean and its spread as 97.70 ± 0.81, " ..
      "or unknown, got 'about 60'")
   refused("  naive:\n", "  na ive:\n", "18:3", "rows.na ive: a row's name is of letters, digits, - + and _")
   refused("%- split:", "- splt:", "12:3", "the first of a stream makes it: 'splt' is not one of permuted, rotated, sequence, split, " ..
      "did you mean 'split'?")
   refused("Linear: %[784", "Linaer: [784", "14:21", "network: there is no 'Linaer', did you mean 'Linear'?")
   refused("{Adam:", "{Adma:", "15:13", "optimizer: there is no 'Adma', did you mean 'Adam'?")
   refused("lr: 0.003", "learning: 0.003", "15:13", "optim.Adam: unknown option 'learning' (there are: beta1, beta2, epsilon, lr, " ..
      "weight_decay)")
   refused("{lambda:", "{lamda:", "21:14", "cl.methods.EWC: unknown option 'lamda', did you mean 'lambda'?")
   refused("class: 90 ± 0.1", "class: .nan", "19:35", "rows.naive.cells.class: .nan is no figure; one that is not known is unknown")
   refused("tasks: 5", "taks: 5", "12:3", "cl.streams.split: unknown option 'taks', did you mean 'tasks'?")
   refused("tasks: 5", "tasks: 7", "12:3", "cl.streams.split: 10 classes cannot be dealt evenly to 7 tasks")
   refused("class: 15", "class: 0", "13:3", "cl.streams.iterations: steps must be a whole number of at least 1, got 0")
   refused("batch_size: 8", "batch_size: -8", "16:11", "cl.train: batch_size must be a whole number of at least 1, got -8")
   refused("%[10, outputs%]", "[11, outputs]", "14:10", "linear: input has 10 features, the layer wants 11: input (2, 10), weight (10, 11)")
   refused("batch_size", "batchsize", "16:11", "rows.naive.training: unknown key 'batchsize', did you mean 'batch_size'?")
   refused("%[784, 10%]", "[784, 10", "14:37", "did not find expected ',' or ']', while parsing a flow sequence that begins at line 14")
end)

t.done()
