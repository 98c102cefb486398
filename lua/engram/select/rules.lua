-- select/rules.lua: by what rule a method's settings are chosen of its trials, each seed trained once for all rules.
--
--   default   the script's own settings, nothing is searched
--   first     the best mean validation accuracy on the first k tasks after task k: what a learner knows then (the cross-validation tasks
--             of Chaudhry et al. 2019, arXiv 1812.00420); later tasks, of which there is one at least, are not looked at, nor
--             whether they fail
--   end       the best mean validation accuracy on all tasks at the end: an oracle, for the stream is gone when it is known
--   test      the same on the test sets: cheating, shown to be measured against
local statistics = require "engram.statistics"
local core = require "engram.core"

local rules = { names = { "default", "first", "end", "test" } }

local TITLES = { default = "default (of the script)", ["end"] = "end of stream (oracle)", test = "by test (cheating)" }

-- How a report calls a rule; first: the k of the first tasks.
function rules.title(rule, first) return TITLES[rule] or ("first %d task%s"):format(first, first == 1 and "" or "s") end

-- The accuracy matrix of a part ("validation", "test") of a summary; nil where it was not measured.
local function matrix_of(summary, part)
   if (summary.evaluated_on or "test") == part then return summary.accuracy end
   return summary[part] and summary[part].accuracy
end

-- Mean of row i over the first i tasks.
local function row_mean(matrix, i, path)
   local sum = 0
   for j = 1, i do
      local value = matrix[i] and matrix[i][j]
      if type(value) ~= "number" then
         core.raise("select: %s: the accuracy on task %d after task %d was not measured: evaluate_tasks must be 'all' or 'seen'",
            path, j, i)
      end
      sum = sum + value
   end
   return sum / i
end

local function tasks_of(summary)
   return type(summary.tasks) == "table" and #summary.tasks or #summary.accuracy
end

-- first_of(summary, first): how many tasks the rule of the first tasks sees of a stream.
function rules.first_of(summary, first) return math.min(first, math.max(1, tasks_of(summary) - 1)) end

-- reaches(rule, summary, first): whether a training that failed came as far as a rule looks.
function rules.reaches(rule, summary, first)
   local matrix = matrix_of(summary, "validation")
   return rule == "first" and matrix ~= nil and matrix[rules.first_of(summary, first)] ~= nil
end

-- score(rule, summary, first, path): what a rule goes by, of one training.
function rules.score(rule, summary, first, path)
   local part = rule == "test" and "test" or "validation"
   local matrix = matrix_of(summary, part)
   if not matrix then core.raise("select: %s: has no accuracies on %s sets", path, part) end
   return row_mean(matrix, rule == "first" and rules.first_of(summary, first) or tasks_of(summary), path)
end

-- choose(rule, trials, first) -> the best trial and its score, the mean over its seeds; the first of equals. trials: those that came as
-- far as the rule looks, { { summaries = { { summary =, path = } } } }.
function rules.choose(rule, trials, first)
   local best, most
   for _, trial in ipairs(trials) do
      local scores = {}
      for i, one in ipairs(trial.summaries) do scores[i] = rules.score(rule, one.summary, first, one.path) end
      local mean = statistics.mean(scores)
      if not best or mean > most then best, most = trial, mean end
   end
   return best, most
end

return rules
