-- cl/same.lua: what a training is, in words. A checkpoint holds it, and only a training of which the same is true goes on from there.
local core = require "engram.core"
local json = require "engram.json"
local methods = require "engram.cl.methods"
local stopping = require "engram.cl.stopping"
local raise = core.raise

local same = {}

local SETTINGS = { "batch_size", "shuffle", "drop_last", "evaluate", "evaluate_on", "protocol", "seed", "evaluate_every", "evaluate_items",
   "evaluate_tasks", "budget" }
local DEFAULTS = { evaluate_on = "test" }              -- of options that older checkpoints do not know

-- The options of cl.train that must be as they were.
function same.settings(t)
   local found = {}
   for _, key in ipairs(SETTINGS) do found[key] = t[key] end
   return found
end

-- The tasks, those that were begun with the hash of their items.
function same.tasks(t)
   local list = json.array{}
   for k, experience in ipairs(t.stream) do
      list[k] = { name = experience.name, epochs = stopping.duration(t, k), items = experience:items "train",
         hash = k <= t.task and t.stream:task_hash(k) or nil }
   end
   return list
end

local function rows_text(experience)
   local set, width = experience:made_of(), table.concat(experience:shape(), " x ")
   if not (set.vocabulary or set.trim) then return "none" end
   local side = set.side == "start" and " at the start" or ""
   return ("width %s, padding %s%s, bucket %s"):format(width, set.trim and "batch" or "fixed", side, set.bucket or "none")
end

-- How the rows of a stream of texts are cut into batches, task by task; "none" for other data.
function same.rows(t)
   local list, all = {}, true
   for k, experience in ipairs(t.stream) do
      list[k] = rows_text(experience)
      all = all and list[k] == list[1]
   end
   return all and list[1] or table.concat(list, ", then ")
end

-- One text for a list of tasks.
local function tasks_text(list)
   local words = {}
   for i, task in ipairs(list) do words[i] = ("%s (%d items, %s)"):format(task.name, task.items, task.epochs) end
   return table.concat(words, ", ")
end

local function methods_text(list, text_of)
   local words = {}
   for i, method in ipairs(list) do words[i] = text_of(method) end
   return #words > 0 and table.concat(words, ", ") or "none"
end

-- The first lines in which two texts of models differ; one that ends before the other has nothing there.
local function check_model(was, is, path)
   local lines, nothing = is:gmatch "%s*([^\n]+)", "nothing there"
   for before in (was .. "\n" .. nothing):gmatch "%s*([^\n]+)" do
      local now = lines() or nothing
      if before ~= now then
         raise("%s: was made with a model that has %s, the script's has %s; a run can only go on as what it was", path, before, now)
      end
   end
end

local function was_of(state, key)
   local was = state.settings[key]
   if was == nil then return DEFAULTS[key] end
   return was
end

-- check(t, state, path): what the script would train is compared with what was saved; raises at the first difference.
function same.check(t, state, path)
   local saved, now = state.optimizer, t.optimizer
   local version = now.description.version or "none"
   local file = now.description.path
   local pairs_ = { { "optimizer", saved.text, tostring(now) },
      { "version of " .. now.name, saved.slots and (saved.version or "none") or version, version,
         way = file and ("restore the %s of that version, or fork"):format(file) },
      { "method", methods_text(state.methods, function(method) return method.text end), methods_text(t.methods, methods.describe) },
      { "tasks", tasks_text(state.tasks), tasks_text(same.tasks(t)) },
      { "scenario", state.scenario or t.stream.scenario, t.stream.scenario },                   -- older checkpoints do not tell
      { "outputs", state.outputs or t.stream.outputs, t.stream.outputs } }
   local vocabulary, rows = t.stream:vocabulary(), same.rows(t)
   pairs_[#pairs_ + 1] = { "vocabulary", state.vocabulary or "none", vocabulary and vocabulary:hash() or "none" }
   pairs_[#pairs_ + 1] = { "rows of texts", state.rows or rows, rows }                       -- older checkpoints do not tell
   for _, key in ipairs(SETTINGS) do pairs_[#pairs_ + 1] = { key, tostring(was_of(state, key)), tostring(t[key]) } end
   for _, pair in ipairs(pairs_) do
      if pair[2] ~= pair[3] then
         raise("%s: was made with %s = %s, the script now has %s; a run can only go on as what it was%s", path, pair[1], pair[2], pair[3],
            pair.way and ": " .. pair.way or "")
      end
   end
   if state.model then check_model(state.model, tostring(t.model), path) end
   same.check_items(t, state, path)
end

-- The tasks that were trained on must hold the items that they held.
function same.check_items(t, state, path)
   for k, saved in ipairs(state.tasks) do
      if saved.hash and saved.hash ~= t.stream:task_hash(k) then
         raise("%s: task %d, '%s', was trained on other items than '%s' of this stream holds", path, k, saved.name, t.stream[k].name)
      end
   end
end

return same
