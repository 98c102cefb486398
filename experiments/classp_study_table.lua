-- The table and the picture that docs/results.md shows of a selection of classp_study: every method by the settings that the whole stream
-- chose, the others beside it, paired by seed with CLASSP; p is exact, and Holm's among all rows. Those of which final trainings failed
-- stand last. Edge: what was chosen at the end of its list, so that more may lie beyond. Failed: trials that did not come to their end.
-- Promised: the validation accuracy for which it was chosen. Last task: what is known of it at the end.
--    engram run --no-run classp_study_table selection=FOLDER picture=docs/assets/NAME.svg
local engram = require "engram"
local statistics, json = engram.statistics, engram.json

local settings = engram.settings{
   selection = { default = "", type = "string", doc = "the folder that engram select wrote" },
   against = { default = "classp", type = "string", doc = "the method that the others are compared with" },
   picture = { default = "", type = "string", doc = "an SVG file to draw" },
}
local folder = settings.selection
if folder == "" then error("selection=FOLDER: the folder that engram select wrote", 0) end

local function load(name)
   local ok, value = pcall(json.load, folder .. "/" .. name)
   if not ok then error(("selection=%s: no selection that has chosen: %s"):format(folder, (value:gsub("^%S+:%d+: ", ""))), 0) end
   return value
end
local about, methods = load "select.json", load "choices.json"

-- ---- the runs -----------------------------------------------------------------------------------------------

-- The summary of a run that came to its end, or false.
local function summary_of(path)
   local ok, summary = pcall(json.load, path .. "/summary.json")
   return ok and summary.complete and summary
end

-- The summaries of a choice, by their places among the seeds.
local function summaries(choice)
   local list = {}
   for i, job in ipairs(choice and choice.jobs or {}) do list[i] = summary_of(folder .. "/final/" .. job) end
   return list
end

-- Every trial of CLASSP that came to its end: its words and its summary.
local function trials_of_classp()
   local list = {}
   for _, method in ipairs(about.methods) do
      for _, trial in ipairs(method.name:match "^method=classp%f[^%w-]" and method.trials or {}) do
         local summary = summary_of(folder .. "/search/" .. trial.jobs[1])
         if summary then list[#list + 1] = { words = trial.words, summary = summary } end
      end
   end
   return list
end

local function figures(list, f)
   local found = {}
   for i, summary in ipairs(list) do found[i] = summary and f(summary) end
   return found
end

local function present(list)
   local kept = {}
   for _, v in ipairs(list) do kept[#kept + 1] = v or nil end
   return kept
end

local function mean(list)
   local kept = present(list)
   return #kept > 0 and statistics.mean(kept) or nil
end

local function half_interval(list)
   local kept = present(list)
   if #kept < 2 then return nil end
   local low, high = statistics.interval(kept)
   return (high - low) / 2
end

local function accuracy(summary) return summary.metrics.average_accuracy end

-- The words of a choice that do not stand in the method's name.
local function own_settings(method, words)
   local named, kept = {}, {}
   for word in method.name:gmatch "%S+" do named[word] = true end
   for _, word in ipairs(words) do kept[#kept + 1] = not named[word] and word or nil end
   return #kept > 0 and "`" .. table.concat(kept, " ") .. "`" or "–"
end

-- The numbers that were searched for a key of a method's trials, smallest and largest, and how many.
local function range_of(trials, key)
   local low, high, count, known = math.huge, -math.huge, 0, {}
   for _, trial in ipairs(trials) do
      for _, word in ipairs(trial.words) do
         local value = word:match("^" .. key .. "=(.*)$")
         local number = tonumber(value)
         if number and not known[number] then
            known[number], count, low, high = true, count + 1, math.min(low, number), math.max(high, number)
         end
      end
   end
   return low, high, count
end

-- The keys of a choice that stand at an end of the numbers that were searched.
local function edges(trials, words)
   local keys = {}
   for _, word in ipairs(words) do
      local key, value = word:match "^([%w_]+)=(.*)$"
      local low, high, count = range_of(trials, key)
      value = tonumber(value)
      if count > 1 and (value == low or value == high) then keys[#keys + 1] = key .. (value == low and " (least)" or " (most)") end
   end
   return #keys > 0 and table.concat(keys, ", ") or "–"
end

local function row_of(method, trials)
   local chosen = method.chosen["end"]
   local row = { words = own_settings(method, chosen and chosen.words or {}), edges = edges(trials, chosen and chosen.words or {}) }
   row.promised = chosen and chosen.score
   row.failed = ("%d of %d"):format(method.failed, method.trials)
   row.name = method.name:gsub("method=", ""):gsub(" under=sgd", ""):gsub(" under=(%a+)", " with %1")
   local runs = summaries(chosen)
   row.accuracy = figures(runs, accuracy)
   row.first, row.default = figures(summaries(method.chosen.first), accuracy), figures(summaries(method.chosen.default), accuracy)
   row.forgetting = figures(runs, function(s) return s.metrics.forgetting end)
   row.last = figures(runs, function(s) return s.accuracy[#s.accuracy][#s.accuracy] end)
   row.state = figures(runs, function(s) return s.bytes.state_in_training / 1e6 end)
   row.arithmetic = figures(runs, function(s) return s.arithmetic.total / 1e12 end)
   row.step = figures(runs, function(s) return 100 * statistics.mean(s.metrics.step_density) end)
   row.task = figures(runs, function(s) return 100 * statistics.mean(s.metrics.update_density) end)
   return row
end

-- ---- the table ----------------------------------------------------------------------------------------------

local function number(v, form) return v and (form or "%.2f"):format(v) or "–" end

local function with_interval(text, half) return text .. (half and (" ± %.2f"):format(half) or "") end

-- ", n 4" where seeds are missing.
local function missing(list)
   local n = #present(list)
   return n > 0 and n < #list and ", n " .. n or ""
end

-- The mean and half its interval.
local function estimate(list, form) return with_interval(number(mean(list), form), half_interval(list)) .. missing(list) end

local function is_whole(row) return #row.accuracy > 0 and #present(row.accuracy) == #row.accuracy end

-- Sets a row's `apart`, "+1.20 ± 0.40", and `p`, the exact test's, of the seeds that it and the reference have.
local function compare(row, reference)
   local a, b, d = {}, {}, {}
   for i, v in ipairs(row ~= reference and row.accuracy or {}) do
      if v and reference.accuracy[i] then a[#a + 1], b[#b + 1], d[#d + 1] = v, reference.accuracy[i], v - reference.accuracy[i] end
   end
   if #d < 2 then return end
   row.apart = with_interval(("%+.2f"):format(statistics.mean(d)), half_interval(d))
   row.p = statistics.paired_test(a, b).p
end

local function compare_all(rows, reference)
   local tested, p = {}, {}
   for _, row in ipairs(rows) do
      compare(row, reference)
      if row.p then tested[#tested + 1], p[#p + 1] = row, row.p end
   end
   p = statistics.holm(p)
   for i, row in ipairs(tested) do row.holm = p[i] end
end

local function line_of(row)
   local cells = { row.name, row.words, row.edges, row.failed,
      estimate(row.accuracy, "**%.2f**"), number(row.promised), estimate(row.first), estimate(row.default),
      number(mean(row.forgetting), "%.1f"), number(mean(row.last), "%.1f"), number(mean(row.state), "%.1f"),
      number(mean(row.arithmetic), "%.2f"), number(mean(row.step), "%.0f") .. " / " .. number(mean(row.task), "%.0f"), row.apart or "–",
      row.p and ("%.3f, %.3f"):format(row.p, row.holm) or "–" }
   return "| " .. table.concat(cells, " | ") .. " |"
end

local rows, reference = {}, nil
for i, method in ipairs(methods) do rows[i] = row_of(method, about.methods[i].trials) end
table.sort(rows, function(a, b)
   if is_whole(a) ~= is_whole(b) then return is_whole(a) end
   return (mean(a.accuracy) or -1) > (mean(b.accuracy) or -1)
end)
for _, row in ipairs(rows) do reference = row.name == settings.against and row or reference end
if not reference then
   local names = {}
   for i, row in ipairs(rows) do names[i] = row.name end
   error(("against=%s: no such method in the selection (%s)"):format(settings.against, table.concat(names, ", ")), 0)
end

-- How many tasks the rule of the first tasks saw: a stream may have fewer than it was asked for.
local first = about.first
for _, method in ipairs(methods) do first = method.chosen.first and method.chosen.first.tasks or first end

compare_all(rows, reference)
print(("| method | settings | edge | failed | accuracy | promised | first %d | unsearched | forgetting | last task | state | TFLOP "
   .. "| moved, %% | difference | p, Holm |"):format(first))
print "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
for _, row in ipairs(rows) do print(line_of(row)) end

if settings.picture ~= "" then
   local points = {}
   for i, row in ipairs(rows) do
      points[i] = { name = row.name, accuracy = mean(row.accuracy), half = half_interval(row.accuracy), state = mean(row.state) }
   end
   require "classp_study_picture"(settings.picture, points, trials_of_classp())
   print("wrote " .. settings.picture)
end
