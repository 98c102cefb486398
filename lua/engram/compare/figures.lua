-- figures.lua: the numbers of a comparison: for each metric and row n, mean, deviation and interval, the best row, how each row differs
-- from the reference, with the exact paired test over what the rows have in common, and what each row cost in bytes and arithmetic.
local statistics = require "engram.statistics"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local figures = {}

local DEFAULT = { "average_accuracy", "forgetting", "backward_transfer" }
local LEVEL = 0.05                      -- of p, at which rows are told apart
local LOWER = { "forgetting", "loss", "error", "seconds", "steps", "bytes", "peak" }

-- ---- metrics ----------------------------------------------------------------------------------------------

-- Lower is better for names that hold one of these words; NAME:min and NAME:max say it.
local function metric(word)
   local name, direction = word:match "^(.-):(m[ia][nx])$"
   if name and direction ~= "min" and direction ~= "max" then name = nil end
   if name then return { name = name, lower = direction == "min" } end
   for _, part in ipairs(LOWER) do if word:find(part, 1, true) then return { name = word, lower = true } end end
   return { name = word, lower = false }
end

local function dig(value, name)
   for part in name:gmatch "[^.]+" do
      if type(value) ~= "table" then return nil end
      if value[part] ~= nil then value = value[part] else value = value[tonumber(part)] end
   end
   return type(value) == "number" and value or nil
end

-- figure(summary, name): a number of a summary: "forgetting" (of its metrics), "accuracy.2.1", "bytes.state".
function figures.figure(summary, name) return dig(summary.metrics or {}, name) or dig(summary, name) end

local function names_of(value, prefix, into)
   for key, inner in pairs(value) do
      if type(inner) == "number" then into[prefix .. tostring(key)] = true
      elseif type(inner) == "table" and inner ~= require "engram.json".null then names_of(inner, prefix .. tostring(key) .. ".", into) end
   end
   return into
end

-- The names of all numbers in the records.
local function known_names(records)
   local set = {}
   for _, record in ipairs(records) do
      names_of(record.summary.metrics or {}, "", set)
      for name in pairs(names_of(record.summary, "", {})) do if not name:find "^metrics%." then set[name] = true end end
   end
   return set
end

-- The end of an error message: the name that was meant, or those there are, without the elements of matrices where these are many.
local function hint(name, known)
   local plain = {}
   for one in pairs(known) do if not one:find "%.%d+%f[.%z]" then plain[one] = true end end
   local text = suggest.hint(name, known, 60)
   return text ~= "" and text or suggest.hint(name, plain, 100)
end

-- The metrics to show: those asked for, each of which some record must have, or the default ones that are there.
function figures.metrics(records, wanted)
   local list, known = {}, known_names(records)
   for _, word in ipairs(wanted or DEFAULT) do
      local one = metric(word)
      if known[one.name] then list[#list + 1] = one
      elseif wanted then usage_error("compare: no run has a metric '%s'%s", one.name, hint(one.name, known)) end
   end
   if #list == 0 then usage_error("compare: no run has one of %s; name others with --metric NAME", table.concat(DEFAULT, ", ")) end
   return list
end

-- ---- one metric -------------------------------------------------------------------------------------------

local function values_of(row, name, over, problems)
   local list, at = {}, {}
   for _, record in ipairs(row.records) do
      local value = figures.figure(record.summary, name)
      if value then
         list[#list + 1] = value
         at[record.settings[over] or "-"] = value
      else problems[#problems + 1] = ("%s: no number %s"):format(record.run, name) end
   end
   return list, at
end

-- The mean of a number of summaries over a row's records; nil where one of them has none.
local function mean_of(row, name)
   local list = {}
   for i, record in ipairs(row.records) do list[i] = dig(record.summary, name) end
   return #list == #row.records and #list > 0 and statistics.mean(list) or nil
end

local function describe(row, name, over, problems)
   local list, at = values_of(row, name, over, problems)
   local found = { labels = row.labels, n = #list, at = at }
   if #list == 0 then return found end
   found.mean, found.deviation = statistics.mean(list), statistics.deviation(list)
   found.low, found.high = statistics.interval(list)
   -- What was held while it was trained: what the last task's end files for a task that never comes is nobody's cost.
   found.state_bytes = mean_of(row, "bytes.state_in_training") or mean_of(row, "bytes.state")
   found.arithmetic = mean_of(row, "arithmetic.total")
   return found
end

local function mark_best(table_)
   local best
   for _, row in ipairs(table_) do
      local better = row.mean and (not best or (table_.lower and row.mean < best.mean) or (not table_.lower and row.mean > best.mean))
      if better then best = row end
   end
   for _, row in ipairs(table_) do row.best = best ~= nil and row.mean == best.mean end
   return best
end

-- The values of two rows at the seeds that both have, in a fixed order.
local function pairs_of(row, reference)
   local keys, a, b = {}, {}, {}
   for key in pairs(row.at) do if reference.at[key] then keys[#keys + 1] = key end end
   table.sort(keys)
   for i, key in ipairs(keys) do a[i], b[i] = row.at[key], reference.at[key] end
   return a, b
end

local function differences_of(a, b)
   local list = {}
   for i = 1, #a do list[i] = a[i] - b[i] end
   return list
end

-- How many pairs would separate a row from the reference, by Holm's method among as many tests, where they do not do so already.
local function add_advice(table_, row)
   local test = row.test
   if not test or not test.adjusted or test.adjusted < LEVEL then return end
   test.needed = statistics.seeds_to_separate(test.differences, { level = LEVEL, tests = table_.tests })
   test.beyond = not test.needed and test.difference ~= 0 and statistics.MOST_SEEDS or nil
end

local function test_rows(table_, reference)
   local list = {}
   for _, row in ipairs(table_) do
      local a, b = pairs_of(row, reference)
      if row ~= reference and #a > 0 then
         row.test = statistics.paired_test(a, b)
         row.test.differences = differences_of(a, b)
         if #a == 1 then row.test.p, row.test.exact = nil, nil end         -- one pair tells nothing: its p is 1 whatever the difference
         list[#list + 1] = row.test.p
      end
   end
   local adjusted = statistics.holm(list)
   for _, row in ipairs(table_) do
      if row.test then table_.differences = true end
      if row.test and row.test.p then row.test.adjusted = table.remove(adjusted, 1) end
   end
   table_.tests = #list
   for _, row in ipairs(table_) do add_advice(table_, row) end
end

local function find_reference(table_, against)
   if not against then return mark_best(table_) end
   mark_best(table_)
   local names = {}
   for i, row in ipairs(table_) do
      names[i] = table.concat(row.labels, ",")
      if names[i] == against then return row end
   end
   usage_error("compare: --against %s: no row is called that%s", against, suggest.hint(against, names))
end

-- table(rows, metric, over, against) -> rows { labels =, n =, mean =, deviation =, low =, high =, best =, state_bytes =, arithmetic =,
-- test = { n =, difference =, p =, adjusted =, exact =, needed = pairs that would separate it, or beyond = a number they are more than } }
-- with .metric, .lower, .reference, .differences (whether there are any) and .tests, how many p there are: none of one pair. problems:
-- lines are added.
function figures.table(rows, one, over, against, problems)
   local table_ = { metric = one.name, lower = one.lower }
   for i, row in ipairs(rows) do table_[i] = describe(row, one.name, over, problems) end
   table_.reference = find_reference(table_, against)
   if table_.reference then test_rows(table_, table_.reference) else table_.tests = 0 end
   return table_
end

return figures
