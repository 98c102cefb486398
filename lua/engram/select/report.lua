-- select/report.lua: the table of a selection: for every method and rule what was chosen, by what score, and what it is worth on the test
-- sets with other seeds; how far each rule is from the oracle; the methods in their order by each rule, with exact paired tests; what did
-- not come to its end; how often the test sets were looked at.
local core = require "engram.core"
local figure = require "engram.compare.figures".figure
local looks = require "engram.compare.looks"
local markdown = require "engram.compare.markdown"
local records = require "engram.compare.records"
local rules = require "engram.select.rules"
local selection = require "engram.select"
local statistics = require "engram.statistics"

-- Average accuracies on the test sets of a choice: a list, and by seed, of the jobs that came to their end; and their summaries.
local function test_of(choice, found)
   local list, by_seed, summaries = {}, {}, {}
   for i, name in ipairs(choice.jobs) do
      local one = found[name]
      if one and one.summary.evaluated_on == "validation" then
         core.raise("select: %s was evaluated on validation sets: the final report needs a script with evaluate_on = 'test' or 'both'",
            one.path)
      end
      if one then
         by_seed[i] = rules.score("test", one.summary, 0, one.path)
         list[#list + 1], summaries[#summaries + 1] = by_seed[i], one.summary
      end
   end
   return list, by_seed, summaries
end

local function number(value) return value and ("%.2f"):format(value) or "-" end

-- What was chosen, without what names the method.
local function settings_text(method, choice)
   local fixed, list = {}, {}
   for _, word in ipairs(method.words) do fixed[word] = true end
   for _, word in ipairs(choice.words) do if not fixed[word] then list[#list + 1] = word end end
   return #list > 0 and table.concat(list, " ") or "-"
end

local function mean_of(list) return #list > 0 and statistics.mean(list) or nil end

-- What a training of these cost on average, in units of `unit`; a script that writes its own summary need not tell.
local function cost(summaries, unit, ...)
   local values = {}
   for i, summary in ipairs(summaries) do
      for _, name in ipairs{ ... } do values[i] = values[i] or figure(summary, name) end
      if not values[i] then return "-" end
   end
   return #values > 0 and ("%.4g"):format(statistics.mean(values) / unit) or "-"
end

-- ---- the table --------------------------------------------------------------------------------------------

local COLUMNS = { "method", "rule", "chosen", "chosen by", "test", "SD", "95 % interval", "n", "to the oracle", "optimism", "state, MB",
   "GFLOP" }

-- What a rule chose: a row; best: the mean of the oracle's choice.
local function row_of(method, rule, choice, list, summaries, best)
   local mean, interval, deviation = mean_of(list), "-", #list > 1 and statistics.deviation(list)
   if #list > 1 then interval = ("%.2f to %.2f"):format(statistics.interval(list)) end
   local of_all_tasks = rule == "end" or rule == "test"
   local n = #list < #choice.jobs and ("%d of %d"):format(#list, #choice.jobs) or tostring(#list)
   return { method.name, rules.title(rule, choice.tasks), settings_text(method, choice), number(choice.score), number(mean),
      number(deviation or nil), interval, n, rule == "end" and "oracle" or number(mean and best and mean - best),
      number(of_all_tasks and mean and choice.score - mean or nil), cost(summaries, 1e6, "bytes.state_in_training", "bytes.state"),
      cost(summaries, 1e9, "arithmetic.total") }
end

-- The rows of a method; `order` collects its results by rule.
local function add_method(rows, method, choices, found, order)
   local oracle = choices.chosen["end"]
   local best = oracle and mean_of((test_of(oracle, found)))
   for _, rule in ipairs(rules.names) do
      local choice = choices.chosen[rule]
      if choice then
         local list, by_seed, summaries = test_of(choice, found)
         rows[#rows + 1] = row_of(method, rule, choice, list, summaries, best)
         order[rule] = order[rule] or { title = rules.title(rule, choice.tasks), tasks = choice.tasks }
         if #list > 0 then
            table.insert(order[rule], { name = method.name, mean = mean_of(list), by_seed = by_seed, n = #list, of = #choice.jobs })
         end
      end
   end
end

-- ---- the order of the methods -----------------------------------------------------------------------------

local LEVEL = 0.05

-- Sets .p of the methods after the first: the sign-flip test against it, by Holm's method among all of them; and where that shows no
-- difference, .needed: how many seeds would show one like this.
local function test_against_first(list, seeds)
   local tested, p = {}, {}
   for k = 2, #list do
      local a, b, differences = {}, {}, {}
      for i = 1, seeds do
         local first, other = list[1].by_seed[i], list[k].by_seed[i]
         if first and other then a[#a + 1], b[#b + 1], differences[#differences + 1] = first, other, first - other end
      end
      if #a > 1 then tested[#tested + 1], p[#p + 1], list[k].differences = list[k], statistics.paired_test(a, b).p, differences end
   end
   p = statistics.holm(p)
   for i, one in ipairs(tested) do
      one.p = p[i]
      one.needed = one.p >= LEVEL and statistics.seeds_to_separate(one.differences, { level = LEVEL, tests = #p }) or nil
   end
end

-- "(p 0.0625; 9 seeds)", or nothing.
local function test_words(one)
   if not one.p then return "" end
   return (" (p %.4f%s)"):format(one.p, one.needed and ("; %d seeds"):format(one.needed) or "")
end

-- The least p that there can be, where a rule compares several methods: one whose trials all failed is compared by some rules alone.
local function least_p(order, seeds)
   local fewest = math.huge
   for _, list in pairs(order) do if #list > 1 then fewest = math.min(fewest, #list) end end
   if fewest == math.huge then return "" end
   return (": with %d seed%s and %d methods none is below %.4g"):format(seeds, seeds == 1 and "" or "s", fewest,
      math.min(1, (fewest - 1) * 2 ^ (1 - seeds)))
end

-- From the best down; those behind, of which final trainings are missing: a mean of the seeds that survived is no mean.
local function comes_before(a, b)
   local a_whole, b_whole = a.n == a.of, b.n == b.of
   if a_whole ~= b_whole then return a_whole end
   return a.mean > b.mean or (a.mean == b.mean and a.name < b.name)
end

-- The methods from the best down, a line a rule.
local function order_lines(lines, order, seeds)
   lines[#lines + 1] = "the methods by each rule, from the best down, those with failed seeds last (p: exact paired test against the\n"
      .. "first, which these figures put first, after Holm" .. least_p(order, seeds) .. ";\nbehind it so many seeds as would show such a "
      .. "difference at p < 0.05, four times out of five)"
   for _, rule in ipairs(rules.names) do
      local list, words = order[rule] or {}, {}
      table.sort(list, comes_before)
      test_against_first(list, seeds)
      for i, one in ipairs(list) do
         local part = one.n < one.of and (" (%d of %d seeds)"):format(one.n, one.of) or ""
         words[i] = ("%s %.2f%s%s"):format(one.name, one.mean, part, test_words(one))
      end
      if #words > 0 then lines[#lines + 1] = ("- %s: %s"):format(list.title, table.concat(words, ", ")) end
   end
end

-- What of the search and of the final report did not come to its end, or was for nothing.
local function add_failures(lines, choices, found)
   local trials, finals, repeated, counted = {}, {}, {}, {}
   for _, one in ipairs(choices) do
      if (one.repeated or 0) > 0 then repeated[#repeated + 1] = ("%d of %d of %s"):format(one.repeated, one.trials, one.name) end
      if one.failed > 0 then trials[#trials + 1] = ("%d of %d of %s"):format(one.failed, one.trials, one.name) end
      local missing = 0
      for _, choice in pairs(one.chosen) do
         for _, job in ipairs(choice.jobs) do
            if not found[job] and not counted[job] then missing = missing + 1 end
            counted[job] = true
         end
      end
      if missing > 0 then finals[#finals + 1] = ("%d of %s"):format(missing, one.name) end
   end
   local function add(what, words)
      if #words > 0 then lines[#lines + 1] = ("\n%s: %s"):format(what, table.concat(words, ", ")) end
   end
   add("trials that did not come to their end; only the rule of the first tasks may choose one", trials)
   add("trials that trained to the same weights as another of their method, whose settings have no effect there", repeated)
   add("final trainings that did not come to their end, and are in no mean", finals)
end

-- report(self, choices) -> the text.
return function(self, choices)
   local found, rows, order = selection.summaries{ path = self.path .. "/final" }, { COLUMNS }, {}
   for i, method in ipairs(self.methods) do add_method(rows, method, choices[i], found, order) end
   local lines = { ("average accuracy, %%; %d trials of each method, seeds %s; tested with seeds %s"):format(choices[1].trials,
      table.concat(self.seeds, ","), table.concat(self.final_seeds, ",")), "" }
   for _, line in ipairs(markdown(rows, { true, true, true })) do lines[#lines + 1] = line end
   lines[#lines + 1] = "\nchosen by: the score by which the rule chose, on validation sets (by test: on test sets). to the oracle: how "
      .. "much better than the\noracle's choice. optimism: how much more the score on all tasks promised (the final trainings had\n"
      .. "the validation items, too). state: of optimizer and method while the last task is trained; GFLOP: of a\nwhole training.\n"
   if order.first and order.first.tasks < self.first then
      lines[#lines + 1] = ("first: of the %d tasks asked for the rule sees %d: not the last of a stream\n"):format(self.first,
         order.first.tasks)
   end
   if #self.methods > 1 then order_lines(lines, order, #self.final_seeds) end
   add_failures(lines, choices, found)
   lines[#lines + 1] = ""
   local all = {}
   for _, stage in ipairs{ "search", "final" } do
      local list = records{ self.path .. "/" .. stage }
      lines[#lines + 1] = ("%s: %s"):format(stage, ((looks(list) or "test sets: not known"):gsub("^test sets:", "test sets")))
      for _, record in ipairs(list) do all[#all + 1] = record end
   end
   for _, tells in ipairs{ require "engram.run.ended", require "engram.run.code".mixed } do
      local line = tells(all)
      if line then lines[#lines + 1] = "\n" .. line end
   end
   return table.concat(lines, "\n") .. "\n"
end
