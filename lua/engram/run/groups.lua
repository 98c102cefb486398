-- groups.lua: what belongs together. Trainings that differ by their seed alone are one group; its curves and figures are means with
-- intervals. Those that did not come to their end are apart: their figures are not those of the others.
local flat = require "engram.run.flat"
local history = require "engram.run.history"
local statistics = require "engram.statistics"
local json = require "engram.json"

local groups = {}

-- Settings in which members of a group may differ: threads never change a result.
local SEEDS = { seed = true, seeds = true, threads = true, continue = true }

-- The mean of the values, half the width of its 95 % interval (nil for one value) and how many there are; nil for none.
local function interval(values)
   if #values == 0 then return nil end
   local low, high = statistics.interval(values)
   return statistics.mean(values), low and (high - low) / 2, #values
end

-- ---- what a training is -----------------------------------------------------------------------------------

-- "sgd-s3" of seed 3 -> "sgd"
local function without_seed(name, seed)
   if not name or not seed then return name end
   local base, digits = name:match "^(.+)[-_.]s?e?e?d?=?(%d+)$"
   return base and tonumber(digits) == seed and base or name
end

-- An optimizer or method, { name, hyper } in summary.json.
local function described(into, role, object)
   if type(object) ~= "table" or not object.name then return end
   into[role] = tostring(object.name)
   flat.add(into, role, type(object.hyper) == "table" and object.hyper or nil)
end

-- Everything that tells a training from others but its seed, as { key = word }.
local function identity(training)
   local about, summary = {}, training.summary
   about.experiment, about.name = training.run.experiment, without_seed(training.name, training.seed)
   about.stage, about.evaluated_on = training.run.stage, summary.evaluated_on ~= "test" and summary.evaluated_on or nil
   for key, word in pairs(training.run.words) do
      if not SEEDS[key:match "^[^.]*"] then about["settings." .. key] = word end
   end
   described(about, "optimizer", summary.optimizer)
   for i, method in ipairs(type(summary.methods) == "table" and summary.methods or {}) do
      described(about, i == 1 and "method" or "method " .. i, method)
   end
   for _, key in ipairs{ "batch_size", "shuffle", "protocol" } do flat.add(about, key, summary[key]) end
   if #training.tasks > 0 then about.tasks = table.concat(training.tasks, ", ") end
   return about
end

-- ---- labels: the shortest words that tell the groups apart -------------------------------------------------

-- Keys whose words are not the same in all groups, in alphabetical order.
function groups.differences(list)
   local maps = {}
   for i, group in ipairs(list) do maps[i] = group.about end
   return flat.differences(maps)
end

local function label_of(group, keys)
   local parts = {}
   for _, key in ipairs(keys) do
      local value = group.about[key]
      local plain = key == "name" or key == "optimizer" or key == "method" or key == "experiment" or key == "stage"
      if value then parts[#parts + 1] = plain and value or key:gsub("^settings%.", "") .. "=" .. value end
   end
   return table.concat(parts, " ")
end

local function with_mark(label, group)
   if not group.unfinished then return label end
   return label == "" and "unfinished" or label .. " (unfinished)"
end

-- Gives each group its label by these keys; false when two would share one. Of an unfinished group little may be known.
local function label_all(list, keys)
   local taken = {}
   for _, group in ipairs(list) do
      local words = label_of(group, keys)
      group.label = with_mark(words, group)
      if words == "" and not group.unfinished or #group.label > 60 or taken[group.label] then return false end
      taken[group.label] = true
   end
   return true
end

local function matching(keys, pattern)
   local list = {}
   for _, key in ipairs(keys) do if key:find(pattern) then list[#list + 1] = key end end
   return list
end

-- Sets of keys to try as labels, the plainest first.
local function candidates(list)
   local keys = groups.differences(list)
   local settings, trained = matching(keys, "^settings%."), matching(keys, "^[^.]+$")
   local spoken = {}                                    -- a digest tells apart, but says nothing
   for _, key in ipairs(settings) do if key ~= "settings.digest" then spoken[#spoken + 1] = key end end
   local sets = { { "name" }, { "optimizer" }, { "method" }, { "optimizer", "method" } }
   for _, key in ipairs(spoken) do sets[#sets + 1] = { key } end
   for _, set in ipairs{ spoken, { "stage", unpack(spoken) }, settings, { "name", unpack(settings) }, trained } do sets[#sets + 1] = set end
   if #list == 1 then sets[#sets + 1] = { "experiment" } end
   return sets
end

local function label(list)
   local sets = candidates(list)
   for _, keys in ipairs(sets) do if label_all(list, keys) then return end end
   for i, group in ipairs(list) do
      local short = label_of(group, sets[#sets]):sub(1, 50):gsub("[\192-\255][\128-\191]*$", "")
      group.label = with_mark(("%d: %s"):format(i, short ~= "" and short or group.members[1].run.name), group)
   end
end

-- ---- groups -----------------------------------------------------------------------------------------------

-- groups.gather(list, key_of) -> { { key, members } }: items of one key together, in the order of their first member.
function groups.gather(list, key_of)
   local gathered, by_key = {}, {}
   for _, item in ipairs(list) do
      local key = key_of(item)
      if not by_key[key] then
         by_key[key] = { key = key, members = {} }
         gathered[#gathered + 1] = by_key[key]
      end
      table.insert(by_key[key].members, item)
   end
   return gathered
end

-- groups.of(trainings) -> { { label, about = { key = word }, members = trainings, seeds = words, unfinished } }, in the order of their
-- first member.
function groups.of(trainings)
   local list = groups.gather(trainings, function(training)
      return json.encode{ about = identity(training), unfinished = training.unfinished }
   end)
   for _, group in ipairs(list) do
      group.about, group.seeds, group.unfinished = identity(group.members[1]), {}, group.members[1].unfinished
      for i, training in ipairs(group.members) do group.seeds[i] = training.seed and tostring(training.seed) or "?" end
   end
   if #list > 0 then label(list) end
   return list
end

-- The names of the tasks, where all groups agree; else "task 1", ... of as many as the longest has.
function groups.task_names(list)
   local longest, same, names = {}, true, {}
   for _, group in ipairs(list) do
      local tasks = group.members[1].tasks
      if #tasks > #longest then longest = tasks end
   end
   for _, group in ipairs(list) do
      for j, name in ipairs(group.members[1].tasks) do same = same and name == longest[j] end
   end
   for j, name in ipairs(longest) do names[j] = same and name or "task " .. j end
   return names
end

-- Where the tasks of all these trainings lie, { { task, from, to, last }, ... } as in training.lua, and how many tasks the longest has;
-- no list when a task ends at one step here and at another there.
function groups.spans(trainings)
   local by_task, list, most = {}, {}, 0
   for _, training in ipairs(trainings) do
      most = math.max(most, #training.spans)
      for _, span in ipairs(training.spans) do
         local known = by_task[span.task]
         if not known then
            known = { task = span.task, from = span.from, to = span.to, last = span.last }
            by_task[span.task], list[#list + 1] = known, known
         end
         known.to, known.from, known.last = known.to or span.to, math.min(known.from, span.from), math.max(known.last, span.last)
      end
   end
   for _, span in ipairs(list) do if span.to and span.last > span.to then return nil, most end end
   for _, training in ipairs(trainings) do
      for _, span in ipairs(training.spans) do if span.to and span.to ~= by_task[span.task].to then return nil, most end end
   end
   table.sort(list, function(a, b) return a.task < b.task end)
   return list, most
end

-- { mean, low, high, n } of what `figure(training)` gives for the members; nil when it gives nothing.
function groups.figure(group, figure)
   local values = {}
   for _, training in ipairs(group.members) do
      local value = figure(training)
      if type(value) == "number" and value - value == 0 then values[#values + 1] = value end
   end
   local mean, half, n = interval(values)
   return mean and { mean = mean, half = half, low = half and mean - half, high = half and mean + half, n = n }
end

-- The mean curve of a group, { { step, mean, low, high }, ... }; low and high are nil where one member alone has the step.
function groups.curve(group, metric, task)
   local by_step, points = {}, {}
   for _, training in ipairs(group.members) do
      for _, point in ipairs(history.curve(training, metric, task)) do
         local step = point[1]
         by_step[step] = by_step[step] or {}
         table.insert(by_step[step], point[2])
      end
   end
   for step, values in pairs(by_step) do
      local mean, half = interval(values)
      points[#points + 1] = { step, mean, half and mean - half, half and mean + half }
   end
   table.sort(points, function(a, b) return a[1] < b[1] end)
   return points
end

-- The matrix of groups.figure of an entry: entry(training) is a list of rows.
function groups.matrix(group, entry)
   local rows, height, width = {}, 0, 0
   for _, training in ipairs(group.members) do
      for i, row in ipairs(entry(training)) do height, width = math.max(height, i), math.max(width, row.width) end
   end
   for i = 1, height do
      rows[i] = { width = width }
      for j = 1, width do
         rows[i][j] = groups.figure(group, function(training)
            local row = entry(training)[i]
            return row and row[j]
         end)
      end
   end
   return rows
end

return groups
