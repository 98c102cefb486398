-- engram select without its runs: words to trials, and what each rule chooses of summaries made by hand.
local t = require "tests.harness"
local plan = require "engram.select.plan"
local rules = require "engram.select.rules"

local function words(text)
   local list = {}
   for word in text:gmatch "%S+" do list[#list + 1] = word end
   return list
end

local function trials(method)
   local list = {}
   for i, trial in ipairs(method.trials) do list[i] = table.concat(trial.words, " ") end
   return list
end

t.test("words become methods and their trials", function()
   local found = plan(words "tasks=5 seed=1..2 : method=SGD lr=1,2,3,4 : method=EWC lr=1,2 lambda=10,100")
   t.expect(found.common):equals{ "tasks=5" }
   t.expect(found.seeds):equals{ "1", "2" }
   t.expect({ found.methods[1].name, found.methods[1].searched }):equals{ "method=SGD", { "lr" } }
   t.expect(trials(found.methods[1])):equals{ "method=SGD lr=1", "method=SGD lr=2", "method=SGD lr=3", "method=SGD lr=4" }
   t.expect(trials(found.methods[2])):equals{ "method=EWC lr=1 lambda=10", "method=EWC lr=1 lambda=100", "method=EWC lr=2 lambda=10",
      "method=EWC lr=2 lambda=100" }
   t.expect(plan(words ": lr=1,2").methods[1].name):equals "method 1"
   t.expect(plan(words ": lr=1,2").seeds):equals{ "1" }
end)

t.test("equally many trials are drawn of each, the same by the same seed", function()
   local text = ": method=SGD lr=1..20 : method=EWC lr=1..5 lambda=1..5"
   local first, again, other = plan(words(text), 6), plan(words(text), 6), plan(words(text), 6, 1)
   for i = 1, 2 do
      t.expect(#first.methods[i].trials):equals(6)
      t.expect(trials(again.methods[i])):equals(trials(first.methods[i]))
      t.expect(trials(other.methods[i])):differs_from(trials(first.methods[i]))
      local seen = {}
      for _, trial in ipairs(trials(first.methods[i])) do
         t.expect(seen[trial]):is_nil()
         seen[trial] = true
      end
   end
   t.expect(#plan(words(": lr=1..6"), 6).methods[1].trials):equals(6)
end)

-- A summary whose validation (and test) accuracy after task i on tasks 1 .. i is rows[i].
local function summary(rows, test)
   return { summary = { evaluated_on = test and "test" or "validation", accuracy = test or rows, tasks = { "a", "b", "c", "d" },
      validation = test and { accuracy = rows } }, path = "here" }
end

-- Three trials of two seeds: the first is best on the first tasks, the second at the end, the third on the test sets.
local function three()
   local null = require "engram".json.null
   local function rows(one, two, three_, four)
      return { { one, null, null, null }, { one, two, null, null }, { one, two, three_, null }, { four, four, four, four } }
   end
   local x = { summary(rows(99, 90, 10, 40), rows(0, 0, 0, 50)), summary(rows(97, 90, 10, 42), rows(0, 0, 0, 52)) }
   return { { name = "x", summaries = x },
      { name = "y", summaries = { summary(rows(80, 80, 80, 79), rows(0, 0, 0, 60)), summary(rows(80, 80, 80, 81), rows(0, 0, 0, 62)) } },
      { name = "z", summaries = { summary(rows(80, 81, 79, 70), rows(0, 0, 0, 71)), summary(rows(80, 81, 79, 70), rows(0, 0, 0, 71)) } } }
end

t.test("each rule goes by its own accuracies, the mean over seeds, and no others", function()
   local function choice(rule, first)
      local trial, score = rules.choose(rule, three(), first)
      return { trial.name, score }
   end
   t.expect(choice("first", 1)):equals{ "x", 98 }
   t.expect(choice("first", 2)):equals{ "x", 94 }
   t.expect(choice("first", 3)):equals{ "y", 80 }                           -- z has 80 too, and comes later
   t.expect(choice("first", 9)):equals{ "y", 80 }                           -- of four tasks three at most
   t.expect(choice("end", 1)):equals{ "y", 80 }
   t.expect(choice("test", 1)):equals{ "z", 71 }
end)

t.test("what was not measured cannot be chosen by", function()
   local sealed = { { summaries = { summary{ { 1 }, { 1, 2 }, { 1, 2, 3 }, { 1, 2, 3, 4 } } } } }
   t.expect(select(2, rules.choose("end", sealed, 3))):equals(2.5)
   t.expect(function() rules.choose("test", sealed, 3) end):raises "has no accuracies on test sets"
   local current = { { summaries = { summary{ { 1 }, { require "engram".json.null, 2 } } } } }
   t.expect(function() rules.choose("first", current, 2) end):raises "the accuracy on task 1 after task 2 was not measured"
end)

t.done()
