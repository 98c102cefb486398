-- verify/verdict.lua: what was measured for each cell of a table beside what others found.
--
-- A cell passes when |ours - theirs| <= 2 sqrt(SD_theirs^2 / n_theirs + SD_ours^2 / n), with the deviations of samples. Where theirs has
-- no spread, ours stands for it. With fewer than two seeds, without any spread, or where theirs is unknown, there is no verdict. A cell of
-- which a run failed does not pass: theirs came to their end.
local figure = require "engram.compare.figures".figure
local json = require "engram.json"
local jobs = require "engram.verify.jobs"
local left = require "engram.run.left"
local run = require "engram.run"
local statistics = require "engram.statistics"
local core = require "engram.core"
local C = core.C

local verdict = {}

local LEAST = 2                         -- seeds that make a verdict

-- judge(values, reference): { mean, deviation, n, difference, tolerance, verdict = "pass", "fail" or "open" }; of no values the last alone.
function verdict.judge(values, reference)
   local n = #values
   if n == 0 then return { n = 0, verdict = "open" } end
   local found = { n = n, mean = statistics.mean(values), deviation = statistics.deviation(values), verdict = "open" }
   found.difference = reference.mean and found.mean - reference.mean
   if n < LEAST or not reference.mean then return found end
   local theirs = reference.deviation or found.deviation
   found.tolerance = 2 * math.sqrt(theirs ^ 2 / reference.n + found.deviation ^ 2 / n)
   if found.tolerance == 0 and not reference.deviation then return found end
   found.verdict = math.abs(found.difference) <= found.tolerance and "pass" or "fail"
   return found
end

-- ---- reading the runs -------------------------------------------------------------------------------------

-- The summary and status of a run that is finished; nil, and its state, for one that is not: "damaged" where a finished run's files cannot
-- be read.
local function finished(path)
   if C.eg_file_kind(path .. "/status.json") ~= 1 then return nil, "new" end
   local ok, status = pcall(run.read, path, "status.json")
   local state = ok and left.state(path, status) or "damaged"
   if state ~= "finished" then return nil, state end
   local read, summary = pcall(json.load, path .. "/summary.json")
   if not read or type(summary) ~= "table" or not summary.complete then return nil, "damaged" end
   return summary, status
end

-- Every run of these cells and seeds that there is in a folder, by name: { summary =, status =, job = }; the set of those that failed; and,
-- for the report, how many failed, how many are begun and not at their end, and the names of those that are damaged.
local function read_runs(table_, path, fits, seeds)
   local found, failed, told = {}, {}, { failed = 0, unfinished = 0, damaged = json.array{} }
   for _, job in ipairs(jobs.expand(table_, fits, seeds)) do
      local summary, status = finished(path .. "/" .. job.name)
      if summary then found[job.name] = { summary = summary, status = status, job = job } end
      if status == "failed" then
         failed[job.name], told.failed = true, told.failed + 1
      elseif status == "damaged" then
         told.damaged[#told.damaged + 1] = job.name
      elseif not summary and status ~= "new" then
         told.unfinished = told.unfinished + 1
      end
   end
   return found, failed, told
end

-- ---- the whole --------------------------------------------------------------------------------------------

local function cell_of(table_, row, column, runs, failed, seeds)
   local values, used, seconds, without, lost = {}, json.array{}, 0, 0, json.array{}
   for _, seed in ipairs(seeds) do
      local name = jobs.name(table_, row, column, seed)
      local one = runs[name]
      if failed[name] then lost[#lost + 1] = seed end
      local value = one and figure(one.summary, column.metric)
      if value then
         values[#values + 1], used[#used + 1] = value, seed
         seconds = seconds + (one.summary.seconds or 0)
      elseif one then
         without = without + 1
      end
   end
   local found = verdict.judge(values, row.cells[column.key])
   found.row, found.column, found.values, found.seeds, found.seconds = row.key, column.key, json.array(values), used, seconds
   found.reference, found.source, found.note = row.cells[column.key], row.source, row.note
   found.failed = lost
   if #lost > 0 and found.reference.mean then found.verdict = "fail" end
   if without > 0 then found.missing = { metric = column.metric, runs = without } end
   if column.run ~= column.key then found.seconds = 0 end            -- counted with the column whose run it is
   return found
end

-- Adds the spans in which a run was at work, { from, to } in seconds: those before it was resumed, and the last.
local function add_spans(status, list)
   local resumed = status.resumed or {}
   local spans = { unpack(status.worked or {}) }
   spans[#spans + 1] = { resumed[#resumed] or status.started, status.updated }
   for _, span in ipairs(spans) do
      local began, ended = left.seconds(span[1]), left.seconds(span[2])
      if began and ended then list[#list + 1] = { began, ended } end
   end
end

-- Seconds in which at least one of the runs was at work.
local function wall_time(runs)
   local list, sum, last = {}, 0, -math.huge
   for _, one in pairs(runs) do add_spans(one.status, list) end
   table.sort(list, function(a, b) return a[1] < b[1] end)
   for _, span in ipairs(list) do
      if span[2] > last then
         sum = sum + span[2] - math.max(span[1], last)
         last = span[2]
      end
   end
   return sum
end

-- Operations that all runs computed together; nil where one does not tell, as a script that writes its own summary.
local function arithmetic_of(runs)
   local sum = 0
   for _, one in pairs(runs) do
      local total = figure(one.summary, "arithmetic.total")
      if not total then return nil end
      sum = sum + total
   end
   return sum
end

-- The runs as records, in their order.
local function records_of(runs, path)
   local records = {}
   for name, one in pairs(runs) do records[#records + 1] = { run = path .. "/" .. name, summary = one.summary } end
   table.sort(records, function(a, b) return a.run < b.run end)
   return records
end

-- The SHA-256 of a run's weights; of a run that has none to tell, its figures.
local function bits_of(table_, one)
   if one.summary.weights_sha256 then return one.summary.weights_sha256 end
   local words = {}
   for _, column in ipairs(table_.columns) do
      local value = column.run == one.job.column and figure(one.summary, column.metric)
      if value then words[#words + 1] = ("%s=%.17g"):format(column.key, value) end
   end
   return table.concat(words, " ")
end

-- SHA-256 over the names of all runs and their bits: equal for two people whose runs are the same bits.
local function digest(table_, runs)
   local names = {}
   for name in pairs(runs) do names[#names + 1] = name end
   table.sort(names)
   for i, name in ipairs(names) do names[i] = name .. " " .. bits_of(table_, runs[name]) end
   return core.sha256(table.concat(names, "\n"))
end

-- Counts of verdicts, of all cells and by certainty.
local function count(cells)
   local all = { cells = #cells, pass = 0, fail = 0, open = 0, by_certainty = {} }
   for _, cell in ipairs(cells) do
      local kind = cell.reference.certainty
      all.by_certainty[kind] = all.by_certainty[kind] or { cells = 0, pass = 0, fail = 0, open = 0 }
      for _, counts in ipairs{ all, all.by_certainty[kind] } do counts[cell.verdict] = counts[cell.verdict] + 1 end
      all.by_certainty[kind].cells = all.by_certainty[kind].cells + 1
   end
   return all
end

-- of(table, path, fits, seeds): what the runs in a folder say of these cells of the table (see jobs.cells) and these seeds: { cells = list,
-- counts, runs =, failed =, unfinished =, damaged = names, seconds = of all runs, wall =, arithmetic = operations or nil, mixed, ended =
-- in words or nil (run/code.lua, run/ended.lua), results_sha256 = }.
function verdict.of(table_, path, fits, seeds)
   local runs, failed, found = read_runs(table_, path, fits, seeds)
   found.cells, found.runs, found.seconds = json.array{}, 0, 0
   for _, row in ipairs(table_.rows) do
      for _, column in ipairs(table_.columns) do
         if row.cells[column.key] and fits(row.key, column.key) then
            local cell = cell_of(table_, row, column, runs, failed, seeds)
            found.cells[#found.cells + 1], found.seconds = cell, found.seconds + cell.seconds
         end
      end
   end
   for _ in pairs(runs) do found.runs = found.runs + 1 end
   found.counts, found.wall, found.results_sha256 = count(found.cells), wall_time(runs), digest(table_, runs)
   local records = records_of(runs, path)
   found.arithmetic, found.mixed, found.ended = arithmetic_of(runs), require "engram.run.code".mixed(records),
      require "engram.run.ended"(records)
   return found
end

return verdict
