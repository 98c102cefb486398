-- cl/stream.lua: a stream is a list of experiences: data to train on, data to test on, and what is known of each task.
local core = require "engram.core"
local experience = require "engram.cl.experience"
local scenario = require "engram.cl.scenario"
local schedule = require "engram.schedule"
local raise = core.raise

local stream = {}

local function is_data_set(value)
   return type(value) == "table" and value.images ~= nil and value.labels ~= nil and type(value.batch) == "function"
end

-- The data sets of a task: those to train and test on, and the items held back for validation, if there are any.
local function parts_of(source, options)
   local set, mean, deviation = source, options.mean, options.deviation
   if type(source) == "string" then
      set = require "engram.data".load(source, { mean = mean, deviation = deviation,
         limit = options.limit, test_limit = options.test_limit })
   end
   local corpus = require "engram.text.corpus".is_corpus
   if corpus(set) or type(set) == "table" and (corpus(set.train) or corpus(set.test)) then
      raise "cl.task: these are texts, not yet numbers: text.dataset(texts, text.vocabulary(texts)) makes a data set of them"
   end
   if type(set) ~= "table" then raise("cl.task: expected the name of a data set or a data set, got %s", core.typename(set)) end
   local parts = { train = set.train or set, test = set.test or set, validation = set.validation }
   if parts.validation == parts.test then
      raise "cl.task: validation and test are the same data set: what is chosen by it would be tested by it"
   end
   for name, part in pairs(parts) do
      if not is_data_set(part) then raise("cl.task: the data set has no items to train and test on: '%s' is no data set", name) end
      if set == source and (mean or deviation) then parts[name] = part:normalize(mean or 0, deviation or 1) end
   end
   return parts, set
end

-- The rule that ends a task, where its epochs do not.
local function rule_of(options)
   if options.stop == nil then return nil end
   if not schedule.stop.is_rule(options.stop) then
      raise("cl.task: stop must be a rule, as schedule.stop.loss(0.1) makes it, got %s", core.typename(options.stop))
   end
   if options.epochs then
      raise "cl.task: epochs and stop both say when the task ends: give one, or stop = schedule.stop.first_of{ rule, stop.epochs(n) }"
   end
   return options.stop
end

local OPTIONS = { "epochs", "stop", "limit", "test_limit", "validation", "name", "mean", "deviation" }

-- The options of a task; those of a data set that is named belong to data.load.
local function options_of(source, given)
   local about = type(source) == "string" and require "engram.data".about(source)
   for _, key in ipairs(about and type(given) == "table" and { "train", "test", unpack(about.options or {}) } or {}) do
      if given[key] ~= nil then
         raise("cl.task: '%s' is an option of the data set: cl.task(engram.data.load(\"%s\", { %s = ... }), ...)", key, source, key)
      end
   end
   return core.options("cl.task", given, OPTIONS)
end

-- open_task(...): as stream.task, and never sealed: for makers of streams, whose streams are.
function stream.open_task(source, options)
   options = options_of(source, options)
   for _, name in ipairs{ "limit", "test_limit" } do
      if options[name] ~= nil then core.whole("cl.task: " .. name, options[name]) end
   end
   local parts, set = parts_of(source, options)
   local train, test, held = parts.train, parts.test, parts.validation
   if options.limit ~= nil then train = train:take(options.limit) end
   if options.test_limit ~= nil then test = test:take(options.test_limit) end
   local epochs = core.whole("cl.task: epochs", options.epochs or 1)
   if train:size() == 0 then raise "cl.task: there are no training items" end
   if test:size() == 0 then raise "cl.task: there are no test items" end
   if held and options.validation then raise "cl.task: the data set has validation items of its own: leave out validation" end
   if options.validation then held, train = train:hold_out(options.validation) end
   return experience.new{ name = options.name or set.name or "task", train = train, test = test, validation = held,
      epochs = epochs, stop = rule_of(options), classes = math.max(train.classes, test.classes), source = set.source,
      tested_on_training = (set.train or set) == (set.test or set) or nil }
end

-- task(name or set [, {epochs = 1, stop =, limit =, test_limit =, validation =, name =}]): one experience. `name` is a data set by name, a
-- set { train =, test =, validation = }, of which the last may be missing, or a single data set (trained and tested on). stop: a rule
-- (schedule.stop) in place of epochs. limit: the first so many training items. validation: the share of them, or how many, that are held
-- out. In a run that chooses its test set is sealed.
function stream.task(source, options)
   local task = stream.open_task(source, options)
   return require "engram.cl.seal".of_process() and task:with_seal(true) or task
end

-- The vocabulary that the token numbers of a task are of; nil where its items are no texts.
local function vocabulary_of(task) return task:made_of().vocabulary end

-- One number must stand for one token in all tasks, and their rows be padded at one end.
local function check_vocabularies(list)
   local first = vocabulary_of(list[1])
   for _, task in ipairs(list) do
      local own = vocabulary_of(task)
      if (own == nil) ~= (first == nil) then
         raise("cl.stream: one of '%s' and '%s' holds texts with a vocabulary, the other none", list[1].name, task.name)
      end
      if own ~= first and own:hash() ~= first:hash() then
         raise("cl.stream: the texts of '%s' and '%s' are numbered by different vocabularies; make one of both: text.vocabulary{ a, b }",
            list[1].name, task.name)
      end
      if own and (task:made_of().side == "start") ~= (list[1]:made_of().side == "start") then
         raise("cl.stream: padding stands at the start of the texts of '%s' or '%s', at the end of the other's; give text.dataset one side",
            list[1].name, task.name)
      end
   end
   return first
end

-- ---- making streams ---------------------------------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

local function check_tasks(list)
   if #list == 0 then raise "cl.stream: expected at least one task" end
   for i, task in ipairs(list) do
      if not experience.is_experience(task) then raise("cl.stream: item %d is no task; make it with cl.task", i) end
   end
end

local function check_shapes(list)
   for _, task in ipairs(list) do
      local own, first = table.concat(task:shape(), " x "), table.concat(list[1]:shape(), " x ")
      if own ~= first then
         raise("cl.stream: items differ in shape: %s in '%s', %s in '%s'%s", first, list[1].name, own, task.name,
            vocabulary_of(task) and "; give text.dataset one max_length for all" or "")
      end
   end
end

-- The same task with its classes at the units first, first + 1, ...
local function at_units(task, first)
   local last = first + task.classes - 1
   local change = first > 1 and { at_once = true, by_item = true, recipe = ("units %d to %d"):format(first, last),
      make = function(set) return set:with_labels(function(label) return label + first - 1 end, last) end,
      labels = function(labels) return labels + (first - 1) end } or nil
   return task:derive{ first_class = first, last_class = last, train = change, test = change,
      validation = change }
end

-- stream{ task, task, ..., scenario = "domain" | "task" | "class", outputs = "seen" | "all" }: the tasks in order. In the domain
-- scenario all share the units of one head, in the others each has its own (see scenario.lua).
function stream.new(list)
   if type(list) ~= "table" then raise("cl.stream: expected a table of tasks, got %s", core.typename(list)) end
   if experience.is_experience(list) then raise "cl.stream: this is one task; put it in a table: cl.stream{ task }" end
   for key in pairs(list) do
      if type(key) ~= "number" and key ~= "scenario" and key ~= "outputs" then
         raise("cl.stream: unknown option '%s'%s", tostring(key), require "engram.suggest".hint(key, { scenario = true, outputs = true }))
      end
   end
   local kind = core.choice("cl.stream: scenario", list.scenario or "domain", scenario.names)
   local outputs = core.choice("cl.stream: outputs", list.outputs or "seen", scenario.outputs)
   if list.outputs and kind ~= "class" then
      raise("cl.stream: outputs is for the class scenario; in the %s scenario it would have no effect", kind)
   end
   check_tasks(list)
   check_vocabularies(list)
   check_shapes(list)
   local tasks, units = {}, 0
   for k, task in ipairs(list) do
      tasks[k] = at_units(task, kind == "domain" and 1 or units + 1)
      units = math.max(units, tasks[k].last_class)
   end
   return stream.assemble(tasks, { scenario = kind, outputs = outputs, classes = units })
end

-- assemble(experiences, of): a stream of experiences that have their units; scenario, outputs and classes are those of `of`, a stream
-- or a table. reach[k] is the last unit of the first k tasks. In a run that chooses every stream is sealed from the beginning.
function stream.assemble(list, of)
   local self = setmetatable({ scenario = of.scenario, outputs = of.outputs, classes = of.classes, reach = {},
      task_hashes = {} }, Stream)
   local reach, sealed = 0, require "engram.cl.seal".of_process()
   for k, task in ipairs(list) do
      self[k] = task:derive{ label = k }
      if sealed then self[k] = self[k]:with_seal(true) end
      reach = math.max(reach, task.highest_unit or task.last_class)
      self.reach[k] = reach
   end
   return self
end

-- The vocabulary of a stream of texts; nil for others.
function Stream:vocabulary() return vocabulary_of(self[1]) end

function stream.is_stream(value) return getmetatable(value) == Stream end

-- Each experience through f(experience, k) into another stream.
function Stream:map(f)
   if type(f) ~= "function" then raise("map: expected a function of an experience, got %s", core.typename(f)) end
   local list = {}
   for k, task in ipairs(self) do list[k] = f(task, k) end
   return stream.assemble(list, self)
end

-- ---- what a stream is -------------------------------------------------------------------------------------

-- The units that are a task's own: two tasks of the same items and other declared classes are two.
local function units_text(task) return ("units %d to %d"):format(task.first_class, task.last_class) end

-- SHA-256 over the items, labels, units and settings of every task: equal when two people train on the same bits. Of data that are
-- made when they are asked for it takes the recipe and the data they are made of.
function Stream:hash()
   if self.content then return self.content end
   local words, kind = {}, self.scenario .. (self.outputs == "all" and " all" or "")
   for i, task in ipairs(self) do
      words[i] = ("%d %s %d %s %s %s "):format(i, kind, task.epochs, units_text(task), task:identity "train", task:identity "test")
      if task:has_part "validation" then words[i] = words[i] .. "validation " .. task:identity "validation" .. " " end
      if task.ordered then words[i] = words[i] .. "ordered " end
      if task.steps then words[i] = words[i] .. "steps " .. task.steps .. " " end
      if task.stop then words[i] = words[i] .. "until " .. tostring(task.stop) .. " " end
   end
   self.content = core.sha256(table.concat(words))
   return self.content
end

-- SHA-256 of the items, labels and units of task k.
function Stream:task_hash(k)
   if type(k) ~= "number" or not self[k] then
      raise("task_hash: expected the number of a task, 1 to %d, got %s", #self, tostring(k))
   end
   local known = self.task_hashes
   if not known[k] then
      local task = self[k]
      local held = task:has_part "validation" and " " .. task:identity "validation" or ""
      known[k] = core.sha256(units_text(task) .. " " .. task:identity "train" .. " " .. task:identity "test" .. held)
   end
   return known[k]
end

-- The parts whose data are in memory, as a set, for Experience:release_but.
function Stream:present()
   local set = {}
   for _, task in ipairs(self) do
      for name, part in pairs(task.parts) do set[part] = task:has(name) or nil end
   end
   return set
end

-- Bytes of the data that are in memory: of the tasks, and what those are made of that are not.
function Stream:bytes()
   local sets, sum = {}, 0
   for _, task in ipairs(self) do task:held(sets) end
   for set in pairs(sets) do sum = sum + set.images:bytes() + set.labels:bytes() end
   return sum
end

-- The same stream with its test sets sealed: asking for their data is an error; and with them open again.
function Stream:seal() return self:map(function(task) return task:with_seal(true) end) end
function Stream:unseal() return self:map(function(task) return task:with_seal(false) end) end

-- True when the test set of a task is sealed.
function Stream:is_sealed()
   for _, task in ipairs(self) do if task.parts.test.sealed then return true end end
   return false
end

function Stream.__tostring(self)
   local words = {}
   for i, task in ipairs(self) do words[i] = ("%d. %s"):format(i, tostring(task)) end
   return self.scenario .. " stream\n" .. table.concat(words, "\n")
end

return stream
