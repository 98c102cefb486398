-- select: which settings a method is given, by several rules side by side. SELECT/select.json holds methods, trials and seeds, made once;
-- SELECT/search is the sweep of all trials, which sees validation sets alone; SELECT/choices.json what each rule chose, made once when the
-- search is done; SELECT/final the sweep of what was chosen, with other seeds, which opens the test sets; SELECT/report.md the table.
local core = require "engram.core"
local history = require "engram.run.history"
local jobs = require "engram.select.jobs"
local json = require "engram.json"
local records = require "engram.compare.records"
local rules = require "engram.select.rules"
local sweep = require "engram.sweep"
local usage_error = require "engram.usage"
local C = core.C

local selection = {}
local Selection = {}
Selection.__index = Selection

local VERSION = 1

-- A sweep of this selection, in one of its folders.
local function sweep_of(self, name, list, evaluate_on)
   return sweep.new{ script = self.script, jobs = list, varying = {}, parallel = self.parallel, threads = self.threads,
      plugins = self.plugins, evaluate_on = evaluate_on, budget = self.budget, path = self.path .. "/" .. name }
end

-- ---- making and loading -----------------------------------------------------------------------------------

-- new(plan, about): not yet on disk. about: { script =, final_seeds =, first =, by_test =, parallel =, threads =, plugins =, budget =,
-- path = }.
function selection.new(plan, about)
   local self = setmetatable(about, Selection)
   local list = {}
   self.version, self.common, self.seeds, self.methods = VERSION, plan.common, plan.seeds, {}
   for i, method in ipairs(plan.methods) do
      local trials = {}
      for k, trial in ipairs(method.trials) do
         trials[k] = { words = trial.words, jobs = jobs.add(list, plan.common, trial.words, plan.seeds) }
      end
      self.methods[i] = { name = method.name, words = method.words, searched = method.searched, trials = trials }
   end
   self.search = sweep_of(self, "search", list, self.by_test and "both" or "validation")
   return self
end

-- All lists as such, also those that are empty.
local function arrays(value)
   if type(value) ~= "table" then return value end
   local copy = (#value > 0 or next(value) == nil) and json.array{} or {}
   for key, inner in pairs(value) do copy[key] = arrays(inner) end
   return copy
end

local KEYS = { "version", "script", "common", "seeds", "final_seeds", "first", "by_test", "methods", "parallel", "threads", "plugins",
   "budget" }

function Selection:save()
   self.search:save()
   local value = {}
   for _, key in ipairs(KEYS) do value[key] = arrays(self[key]) end
   json.save(self.path .. "/select.json", value)
end

-- The selection in a folder.
function selection.load(path)
   if C.eg_file_kind(path .. "/select.json") ~= 1 then usage_error("select: %s is no selection: it has no select.json", path) end
   local value = json.load(path .. "/select.json")
   local function wrong(what) core.raise("select: %s/select.json: %s; it is no selection that this version made", path, what) end
   if type(value) ~= "table" or value.version ~= VERSION then wrong(("version is not %d"):format(VERSION)) end
   for key, kind in pairs{ script = "string", common = "table", seeds = "table", final_seeds = "table", first = "number", methods = "table",
      parallel = "number", threads = "number" } do
      if type(value[key]) ~= kind then wrong(("%s is missing or no %s"):format(key, kind)) end
   end
   value.path, value.search = path, sweep.load(path .. "/search")
   return setmetatable(value, Selection)
end

-- ---- what the search found --------------------------------------------------------------------------------

-- { [name of a job] = { summary =, path = } } of a sweep's runs that came to their end.
local function summaries_of(one)
   local found = {}
   for _, record in ipairs((records{ one.path })) do
      local name = record.run:sub(#one.path + 2)
      if found[name] then core.raise("select: %s holds several trainings: a script that is selected for trains once", record.run) end
      found[name] = { summary = record.summary, path = record.run }
   end
   return found
end
selection.summaries = summaries_of

-- The runs in a sweep's folder; raises where one has files that cannot be read: it is no training that failed.
local function sound_runs(self, path)
   local runs = history.runs({ path }).runs
   for _, run in ipairs(runs) do
      local damaged = run.damaged
      for _, training in ipairs(run.trainings) do damaged = damaged or training.state == "damaged" end
      if damaged then
         core.raise("select: %s is damaged: its status.json, settings.json or summary.json cannot be read; remove its folder, and engram "
            .. "resume %s trains it again", run.path, self.path)
      end
   end
   return runs
end

-- Adds the runs that failed on their way, as those that diverge do: a rule that does not look so far does not know of it.
local function add_failed(found, runs, path)
   for _, run in ipairs(runs) do
      local name, training = run.path:sub(#path + 2), run.trainings[1]
      if run.state == "failed" and training and training.state == "cut" and not found[name] then
         found[name] = { summary = training.summary, path = training.path, failed = true }
      end
   end
   return found
end

-- The trials of a method of which a rule may choose, each with its summaries: those of which each seed came as far as the rule looks.
local function trials_of(method, found, rule, first)
   local list = {}
   for _, trial in ipairs(method.trials) do
      local own, whole = {}, true
      for i, name in ipairs(trial.jobs) do
         local one = found[name]
         own[i] = one
         whole = whole and one ~= nil and (not one.failed or rules.reaches(rule, one.summary, first))
      end
      if whole then list[#list + 1] = { words = trial.words, summaries = own } end
   end
   return list
end

-- How many trials of a method trained to the weights of one before it: what they set has no effect, and the method had fewer in truth.
local function repeated(method, found)
   local known, count = {}, 0
   for _, trial in ipairs(method.trials) do
      local hashes = {}
      for i, name in ipairs(trial.jobs) do
         local one = found[name]
         hashes[i] = one and not one.failed and one.summary.weights_sha256 or name
      end
      local key = table.concat(hashes, " ")
      count, known[key] = count + (known[key] and 1 or 0), true
   end
   return count
end

-- What every rule chooses for a method: { [rule] = { words =, score = } }; where no trial came as far as a rule looks, nothing.
local function choices_of(self, method, found)
   local chosen = { default = { words = method.words } }
   for _, rule in ipairs{ "first", "end", self.by_test and "test" or nil } do
      local trials = trials_of(method, found, rule, self.first)
      if #trials > 0 then
         local trial, score = rules.choose(rule, trials, self.first)
         chosen[rule] = { words = trial.words, score = score }
         if rule == "first" then chosen.first.tasks = rules.first_of(trials[1].summaries[1].summary, self.first) end
      end
   end
   return { name = method.name, chosen = chosen, trials = #method.trials, repeated = repeated(method, found),
      failed = #method.trials - #trials_of(method, found, "end", self.first) }
end

-- Chooses, and makes the sweep of the final report: a job for each seed and each of the settings that some rule chose.
local function make_final(self)
   local runs = sound_runs(self, self.search.path)
   local found, list, choices = summaries_of(self.search), {}, {}
   if next(found) == nil then core.raise("select: no trial of any method came to its end: see %s/logs", self.search.path) end
   add_failed(found, runs, self.search.path)
   for i, method in ipairs(self.methods) do
      choices[i] = choices_of(self, method, found)
      local known = {}
      for _, rule in ipairs(rules.names) do
         local choice = choices[i].chosen[rule]
         local key = choice and table.concat(choice.words, " ")
         if choice then
            known[key] = known[key] or jobs.add(list, self.common, choice.words, self.final_seeds)
            choice.jobs = known[key]
         end
      end
   end
   json.save(self.path .. "/choices.json", arrays(choices))
   local final = sweep_of(self, "final", list)
   final:save()
   return final, choices
end

-- final() -> the sweep of the final report and what was chosen: made when the search has come to its end, once.
function Selection:final()
   if C.eg_file_kind(self.path .. "/final/sweep.json") ~= 1 then return make_final(self) end
   return sweep.load(self.path .. "/final"), json.load(self.path .. "/choices.json")
end

-- report(choices) -> the text, when the final sweep is behind it.
function Selection:report(choices)
   sound_runs(self, self.path .. "/final")
   return require "engram.select.report"(self, choices)
end

-- Whether the search is behind it.
function Selection:is_chosen() return C.eg_file_kind(self.path .. "/final/sweep.json") == 1 end

return selection
