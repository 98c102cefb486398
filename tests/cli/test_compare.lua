-- engram compare: which runs go into which row, the numbers in the three formats, and what it refuses. The runs here are only their
-- files: settings.json, meta.json, status.json, summary.json.
local t = require "tests.harness"
local engram = require "engram"
local json = engram.json

local folder = t.temporary_folder()
local function sh(line) return t.command(("cd %s || exit\n%s"):format(t.quote(folder), line)) end

-- A run directory; a summary that is false is left out.
local function make(path, settings, summary, status)
   sh("mkdir -p " .. path)
   local full = folder .. "/" .. path .. "/"
   json.save(full .. "settings.json", settings)
   json.save(full .. "meta.json", { script = "exp.lua" })
   json.save(full .. "status.json", status or { status = "finished" })
   if summary then json.save(full .. "summary.json", summary) end
end

local function summary(accuracy, forgetting, hash)
   return { complete = true, metrics = { average_accuracy = accuracy, forgetting = forgetting }, steps = 7, weights_sha256 = hash,
      accuracy = { { accuracy, 0 }, { 50, 60 } } }
end

local scores = { SGD = { 70, 71, 72, 73 }, Adam = { 80, 82, 81, 83 }, Ada_Grad = { 75, 80, 79, 90 } }
for name, list in pairs(scores) do
   for seed, value in ipairs(list) do
      local settings = { optimizer = { name = name, lr = 0.1 }, seed = seed, threads = seed }
      make(("a/%s-%d"):format(name, seed), settings, summary(value, 10 - seed / 4))
   end
end

local function compare(words, code)
   local got, out, err = sh("engram compare " .. words)
   t.expect({ words, got, got ~= 0 and "" or err }):equals({ words, code or 0, "" })
   return out, err
end

t.test("means, deviations, intervals, differences and p, in Markdown", function()
   local out = compare "a --by optimizer.name --over seed --metric average_accuracy"
   local p = engram.statistics.paired_test(scores.Ada_Grad, scores.Adam).p
   t.expect(p):equals(1)                                   -- -5, -2, -2, 7: no signs bring the sum nearer to 0 than 2
   t.expect(out):contains [[
average_accuracy (higher is better)

| optimizer.name |   n |  mean | deviation |  95 % interval | difference | pairs |      p | p (Holm) |
| -------------- | --: | ----: | --------: | -------------: | ---------: | ----: | -----: | -------: |
| Ada_Grad       |   4 | 81.00 |      6.38 | 70.85 to 91.15 |      -0.50 |     4 | 1.0000 |   1.0000 |
| **Adam**       |   4 | 81.50 |      1.29 | 79.45 to 83.55 |  reference |     - |      - |        - |
| SGD            |   4 | 71.50 |      1.29 | 69.45 to 73.55 |     -10.00 |     4 | 0.1250 |   0.2500 |
]]
   t.expect(out):contains "p: two-sided sign-flip test of the differences to the best row, paired by seed; Holm: p adjusted for all rows"
   t.expect(out):contains "With 4 pairs the smallest possible p is 0.125."
   t.expect(out):lacks "not in the table"
end)

t.test("without --by: all that varies, but for the seed and the threads", function()
   t.expect(compare "a"):contains "| optimizer.name |   n |"
   t.expect(compare "a --by seed --over optimizer.name"):contains "| seed  |   n |"
end)

t.test("--against, metrics by their path, which way is best", function()
   local out = compare "a --by optimizer.name --against SGD --metric forgetting,accuracy.1.1,average_accuracy:min"
   t.expect(out):contains "forgetting (lower is better)"
   t.expect(out):contains "accuracy.1.1 (higher is better)"
   t.expect(out):contains "average_accuracy (lower is better)\n"
   t.expect(out):contains "| **SGD**        |   4 | 71.50 |"
   t.expect(out):contains "the differences to SGD, paired by seed"
   t.expect(out):lacks "chosen by the same numbers"
end)

t.test("CSV has every digit", function()
   local out = compare "a --by optimizer.name --metric average_accuracy --format csv"
   local lines = {}
   for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
   t.expect(#lines):equals(4)
   t.expect(lines[1]):equals("metric,optimizer.name,n,mean,deviation,low,high,best,reference,pairs,difference,p,p_holm,exact,"
      .. "pairs_needed,state_bytes,arithmetic")
   local cells = {}
   for cell in (lines[4] .. ","):gmatch "([^,]*)," do cells[#cells + 1] = tonumber(cell) or cell end
   local low, high = engram.statistics.interval(scores.SGD)
   t.expect(cells):equals({ "average_accuracy", "SGD", 4, 71.5, engram.statistics.deviation(scores.SGD), low, high, "false", "Adam", 4, -10,
      0.125, 0.25, "true", 7, "", "" })
end)

t.test("LaTeX", function()
   t.expect(compare "a --by optimizer.name --metric average_accuracy,forgetting --format latex"):equals([[
% needs \usepackage{booktabs}
% average_accuracy (higher is better)
\begin{tabular}{lrrrrrrrr}
\toprule
optimizer.name & n & mean & deviation & 95 \% interval & difference & pairs & $p$ & $p$ (Holm) \\
\midrule
Ada\_Grad & $4$ & $81.00$ & $6.38$ & $70.85$ to $91.15$ & $-0.50$ & $4$ & $1.0000$ & $1.0000$ \\
Adam & $4$ & $\mathbf{81.50}$ & $1.29$ & $79.45$ to $83.55$ & reference & -- & -- & -- \\
SGD & $4$ & $71.50$ & $1.29$ & $69.45$ to $73.55$ & $-10.00$ & $4$ & $0.1250$ & $0.2500$ \\
\bottomrule
\end{tabular}
% forgetting (lower is better)
\begin{tabular}{lrrrrrrrr}
\toprule
optimizer.name & n & mean & deviation & 95 \% interval & difference & pairs & $p$ & $p$ (Holm) \\
\midrule
Ada\_Grad & $4$ & $\mathbf{9.375}$ & $0.323$ & $8.861$ to $9.889$ & reference & -- & -- & -- \\
Adam & $4$ & $\mathbf{9.375}$ & $0.323$ & $8.861$ to $9.889$ & $0.000$ & $4$ & $1.0000$ & $1.0000$ \\
SGD & $4$ & $\mathbf{9.375}$ & $0.323$ & $8.861$ to $9.889$ & $0.000$ & $4$ & $1.0000$ & $1.0000$ \\
\bottomrule
\end{tabular}
% p: two-sided sign-flip test of the differences to the best row, paired by seed; Holm: p adjusted for all rows of the table.]]
      .. " The best row was chosen by the same numbers: --against names one beforehand.\n"
      .. "% With 4 pairs the smallest possible p is 0.125.\n"
      .. "% Pairs that would show such a difference of average_accuracy at p < 0.05 after Holm, four times out of five: "
      .. "Ada_Grad: 1030 (4 at hand), SGD: 7 (4 at hand).\n")
end)

t.test("a metric that there is not is told with those there are, however many tasks", function()
   local of = summary(50, 1)
   for i = 1, 10 do of.accuracy[i] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 } end
   make("many/1", { seed = 1 }, of)
   local _, err = compare("many --metric nosuch", 2)
   t.expect(err):equals "engram: compare: no run has a metric 'nosuch' (there are: average_accuracy, forgetting, steps)\n"
   _, err = compare("many --metric accuracy.2.11", 2)
   t.expect(err):contains "no run has a metric 'accuracy.2.11', did you mean 'accuracy.2.1'?"
end)

t.test("with several keys every label of the best row is bold; one pair has a difference but no p", function()
   make("n/1", { lr = 1, optimizer = "SGD", seed = 1 }, summary(50, 1))
   make("n/2", { lr = 2, optimizer = "SGD", seed = 1 }, summary(60, 1))
   make("n/3", { lr = 2, optimizer = "Adam", seed = 1 }, summary(55, 1))
   local out = compare "n --metric average_accuracy"
   t.expect(out):contains "| lr    | optimizer |   n |  mean | deviation | 95 % interval | difference | pairs |\n"
   t.expect(out):contains "| **2** | **SGD**   |   1 | 60.00 |         - |             - |  reference |     - |\n"
   t.expect(out):contains "| 1     | SGD       |   1 | 50.00 |         - |             - |     -10.00 |     1 |\n"
   t.expect(out):lacks "sign-flip"
   t.expect(compare "n --metric average_accuracy --format csv"):contains '\naverage_accuracy,1,SGD,1,50,,,,false,"2,SGD",1,-10,,,,,,\n'
end)

-- Ada_Grad's differences to Adam have mean -0.5 and deviation 5.1962: by the noncentral t (a Python integration) 1029 pairs have a power of
-- 0.7999 at 0.05 / 2, 1030 one of 0.8003. SGD's are clear: there the exact test's own least number counts, 2^(1 - 7) < 0.05 / 2.
t.test("how many pairs would tell the rows apart that these do not", function()
   local out = compare "a --by optimizer.name --metric average_accuracy,forgetting"
   t.expect(out):contains("Pairs that would show such a difference of average_accuracy at p < 0.05 after Holm, four times out of five: "
      .. "Ada_Grad: 1030 (4 at hand), SGD: 7 (4 at hand).")
   t.expect(out):lacks "difference of forgetting"                      -- there is none
   for seed = 1, 6 do
      for name, value in pairs{ SGD = 70 + seed, Adam = 80 + seed } do
         make(("clear/%s-%d"):format(name, seed), { optimizer = name, seed = seed }, summary(value, 1))
      end
   end
   t.expect(compare "clear --metric average_accuracy"):contains "0.0313"
   t.expect(compare "clear --metric average_accuracy"):lacks "Pairs that would"
end)

t.test("what a row cost stands beside its first metric, and how often the test sets were looked at below", function()
   local function spent(name, seed, bytes, total, looks)
      local of = summary(50 + seed, 1)
      of.bytes, of.arithmetic, of.test_looks = { state = 9 * bytes, state_in_training = bytes }, { total = total }, looks
      make(("cost/%s-%d"):format(name, seed), { optimizer = name, seed = seed }, of)
   end
   for seed = 1, 2 do
      spent("Adam", seed, 62800, 3.136e7, 6)
      spent("SGD", seed, 0, 3.136e7 * seed, 0)
   end
   local out = compare "cost --metric average_accuracy,forgetting"
   t.expect(out):contains " | state bytes | arithmetic |\n"
   t.expect(out):contains "|       62800 |     3.14e7 |\n"
   t.expect(out):contains "|           0 |      4.7e7 |\n"
   t.expect(select(2, out:gsub("state bytes", ""))):equals(1)
   t.expect(out):contains "\ntest sets: looked at 12 times by 2 of 4 trainings\n"
   local function as(format) return select(2, sh("engram compare cost --metric average_accuracy --format " .. format)) end
   local csv = as "csv"
   t.expect(csv):contains ",62800,31360000\n"
   local latex = as "latex"
   t.expect(latex):contains "& $62800$ & $3.14 \\cdot 10^{7}$ \\\\\n"
   t.expect(compare "a"):lacks "test sets:"
end)

t.test("a training that its budget ended early is told", function()
   for seed, task in ipairs{ 2, 5 } do
      local of = summary(50 + seed, 1)
      of.budget = { arithmetic = 1e9, ended = { task = task, tasks = 5, step = 7 } }
      make("ended/" .. seed, { seed = seed }, of)
   end
   local out = compare "ended"
   t.expect(out):contains("note:\n  1 of 2 trainings was ended by the budget of arithmetic before the last task, ended/1 in task 2 of 5: "
      .. "the tasks behind are judged untrained\n")
end)

t.test("what was measured on validation sets is not averaged with what was measured on test sets", function()
   for seed, on in ipairs{ "test", "validation" } do
      local of = summary(50 + seed, 1)
      of.evaluated_on, of.test_looks = on, 0
      make("mixed/" .. seed, { seed = seed }, of)
   end
   t.expect(compare "mixed"):contains "| **validation** |   1 |"
   local _, err = compare("mixed --by script", 2)
   t.expect(err):contains "also differ in evaluated_on; add that to --by"
   t.expect(compare "mixed"):contains "\ntest sets: never looked at\n"
end)

-- ---- what is missing --------------------------------------------------------------------------------------

t.test("what did not come to its end is named, and the rows hold the rest", function()
   sh "cp -r a b && rm -r b/Adam-2"
   local function sgd(seed, ...) make("b/SGD-" .. seed, { optimizer = { name = "SGD", lr = 0.1 }, seed = seed }, ...) end
   sgd(5, false, { status = "failed", error = "disk full\nmore" })
   sgd(6, { complete = false, error = "interrupted" }, { status = "interrupted" })
   sgd(7, false, { status = "running", process = 2 ^ 22 + 1 })
   sgd(8, false)
   sgd(9, { complete = false, error = "cl.train: diverged: x" })
   sgd(10, false)
   t.write(folder .. "/b/SGD-10/summary.json", "{\n")
   json.save(folder .. "/b/sweep.json", { version = 1, script = "exp.lua", folder = "/", varying = {}, parallel = 1, threads = 1,
      jobs = { { name = "SGD-1", words = json.array{} }, { name = "SGD-11", words = json.array{} } } })
   local out = compare "b --by optimizer.name --metric average_accuracy"
   t.expect(out):contains "not in the table (7):\n"
   for _, line in ipairs{ "b/SGD-5: failed: disk full\n", "b/SGD-6: interrupted\n", "b/SGD-7: killed\n", "b/SGD-11: not begun\n",
      "b/SGD-8: no training in it: there is no summary.json\n", "b/SGD-9: cl.train: diverged: x\n", "b/SGD-10: b/SGD-10/summary.json: " } do
      t.expect(out):contains("  " .. line)
   end
   t.expect(out):contains "| **Adam**       |   3 |"
   t.expect(out):contains "-9.67 |     3 |"               -- seeds 1, 3 and 4: 10, 9 and 10
end)

t.test("a metric that some runs lack is named", function()
   make("c/1", { seed = 1 }, { complete = true, metrics = { score = 1, other = 2 } })
   make("c/2", { seed = 2 }, { complete = true, metrics = { other = 2 } })
   local out = compare "c --metric score"
   t.expect(out):contains "| all  |   1 | 1.000 |         - |             - |"
   t.expect(out):contains "not in the table (1):\n  c/2: no number score\n"
end)

-- ---- rows -------------------------------------------------------------------------------------------------

t.test("a run of several trainings gives a row to each", function()
   for seed = 1, 2 do
      make("d/" .. seed, { seed = seed }, false)
      for name, value in pairs{ sgd = 50, ewc = 60 } do
         sh(("mkdir d/%d/%s"):format(seed, name))
         json.save(("%s/d/%d/%s/summary.json"):format(folder, seed, name), summary(value + seed, 1))
      end
   end
   local out = compare "d --metric average_accuracy"
   t.expect(out):contains "| training |   n |"
   t.expect(out):contains "| **ewc**  |   2 | 61.50 |"
   t.expect(out):contains "| sgd      |   2 | 51.50 |"
end)

t.test("what would be averaged by accident is refused", function()
   make("e/1", { lr = 0.1, seed = 1 }, summary(1, 1, "x"))
   make("e/2", { lr = 0.2, seed = 2 }, summary(2, 1, "y"))
   make("e/3", { lr = 0.2, seed = 2 }, summary(2, 1, "y"))
   local _, err = compare("e --by script", 2)
   t.expect(err):contains "compare: runs with the same script also differ in lr; add that to --by"
   local out = compare "e --by lr --metric average_accuracy"
   t.expect(out):contains "| **0.2** |   1 |"
   t.expect(out):contains "note:\n  e/3 repeats e/2, to the bit: counted once\n"
   make("e/3", { lr = 0.2, seed = 2 }, summary(3, 1, "z"))
   _, err = compare("e --by lr", 2)
   t.expect(err):contains "e/2 and e/3 have the same settings and the same seed (2), but not the same result"
end)

t.test("rows stand in the order of numbers; --by a setting that some runs lack", function()
   for i, lr in ipairs{ 10, 9, 0.5 } do make("f/" .. i, { lr = lr, seed = 1 }, summary(i, 1)) end
   make("f/4", { seed = 1 }, summary(9, 1))
   local order = {}
   for label in compare "f --by lr --metric average_accuracy":gmatch "\n| %**([%d.-]+)%**" do order[#order + 1] = label end
   t.expect({ unpack(order, 2) }):equals({ "0.5", "9", "10", "-" })
end)

t.test("wrong words", function()
   for words, message in pairs{
      [""] = "which runs? engram compare DIR...", ["nosuch"] = "there is no folder 'nosuch'", ["a --format cvs"] = "did you mean 'csv'?",
      ["a --by optimizer.nam"] = "no run has a setting 'optimizer.nam', did you mean 'optimizer.name'?",
      ["a --over sed"] = "no run has a setting 'sed', did you mean 'seed'?", ["a --metric forgeting"] = "did you mean 'forgetting'?",
      ["a --by optimizer.name --against SDG"] = "--against SDG: no row is called that, did you mean 'SGD'?",
      ["f/4/settings.json"] = "there is no folder", ["--byy x a"] = "did you mean '--by'?",
   } do
      local _, err = compare(words, 2)
      t.expect(err):contains(message)
   end
   sh "mkdir empty"
   local _, err = compare("empty", 2)
   t.expect(err):contains "of 0 runs below empty none came to its end"
end)

t.done()
