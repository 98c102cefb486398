-- cl/stream.lua: a stream is a list of experiences: data to train on, data to test on, and what is known of each task.
local core = require "engram.core"
local experience = require "engram.cl.experience"
local scenario = require "engram.cl.scenario"
local raise = core.raise

local stream = {}

local function is_data_set(value)
   return type(value) == "table" and value.images ~= nil and value.labels ~= nil and type(value.batch) == "function"
end

-- task(name or set [, {epochs = 1, limit =, test_limit =, name =}]): one experience. `name` is a data set by name, a set
-- { train =, test = } or a single data set (trained and tested on). limit: the first so many training items.
function stream.task(source, options)
   options = core.options("cl.task", options, { "epochs", "limit", "test_limit", "name", "mean", "deviation" })
   local data = require "engram.data"
   local set = source
   if type(source) == "string" then set = data.load(source, { mean = options.mean, deviation = options.deviation }) end
   if type(set) ~= "table" then raise("cl.task: expected the name of a data set or a data set, got %s", core.typename(set)) end
   local train, test = set.train or set, set.test or set
   if not (is_data_set(train) and is_data_set(test)) then raise "cl.task: the data set has no items to train and test on" end
   if set == source and (options.mean or options.deviation) then
      train, test = train:normalize(options.mean or 0, options.deviation or 1), test:normalize(options.mean or 0, options.deviation or 1)
   end
   if options.limit ~= nil then train = train:take(core.whole("cl.task: limit", options.limit)) end
   if options.test_limit ~= nil then test = test:take(core.whole("cl.task: test_limit", options.test_limit)) end
   local epochs = core.whole("cl.task: epochs", options.epochs or 1)
   if train:size() == 0 then raise "cl.task: there are no training items" end
   if test:size() == 0 then raise "cl.task: there are no test items" end
   return experience.new{ name = options.name or set.name or "task", train = train, test = test, epochs = epochs,
      classes = math.max(train.classes, test.classes), source = set.source }
end

-- The vocabulary that the token numbers of a task are of; nil where its items are no texts.
local function vocabulary_of(task)
   local part = task.parts.train
   return (part.set or part.base and part.base[1] or {}).vocabulary
end

-- One number must stand for one token in all tasks.
local function check_vocabularies(list)
   local first = vocabulary_of(list[1])
   for _, task in ipairs(list) do
      local own = vocabulary_of(task)
      if own ~= first and (not own or not first or own:hash() ~= first:hash()) then
         raise("cl.stream: the texts of '%s' and '%s' are numbered by different vocabularies; make one of both: text.vocabulary{ a, b }",
            list[1].name, task.name)
      end
   end
   return first
end

-- ---- making streams ---------------------------------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

local function one_of(what, value, choices)
   for _, choice in ipairs(choices) do
      if value == choice then return value end
   end
   raise("cl.stream: %s '%s' is not one of %s%s", what, tostring(value), table.concat(choices, ", "),
      require "engram.suggest".hint(value, choices))
end

local function check_tasks(list)
   if #list == 0 then raise "cl.stream: expected at least one task" end
   for i, task in ipairs(list) do
      if not experience.is_experience(task) then raise("cl.stream: item %d is no task; make it with cl.task", i) end
      local own, first = table.concat(task:shape(), " x "), table.concat(list[1]:shape(), " x ")
      if own ~= first then
         raise("cl.stream: items differ in shape: %s in '%s', %s in '%s'", first, list[1].name, own, task.name)
      end
   end
end

-- The same task with its classes at the units first, first + 1, ...
local function at_units(task, first)
   local last = first + task.classes - 1
   local change = first > 1 and { at_once = true, recipe = ("units %d to %d"):format(first, last),
      make = function(set) return set:with_labels(function(label) return label + first - 1 end, last) end,
      labels = function(labels) return labels + (first - 1) end } or nil
   return task:derive{ first_class = first, last_class = last, train = change, test = change }
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
   local kind = one_of("scenario", list.scenario or "domain", scenario.names)
   local outputs = one_of("outputs", list.outputs or "seen", scenario.outputs)
   if list.outputs and kind ~= "class" then
      raise("cl.stream: outputs is for the class scenario; in the %s scenario it would have no effect", kind)
   end
   check_tasks(list)
   check_vocabularies(list)
   local tasks, units = {}, 0
   for k, task in ipairs(list) do
      tasks[k] = at_units(task, kind == "domain" and 1 or units + 1)
      units = math.max(units, tasks[k].last_class)
   end
   return stream.assemble(tasks, { scenario = kind, outputs = outputs, classes = units })
end

-- assemble(experiences, of): a stream of experiences that have their units; scenario, outputs and classes are those of `of`, a stream
-- or a table. reach[k] is the last unit of the first k tasks.
function stream.assemble(list, of)
   local self = setmetatable({ scenario = of.scenario, outputs = of.outputs, classes = of.classes, reach = {},
      task_hashes = {} }, Stream)
   local reach = 0
   for k, task in ipairs(list) do
      self[k] = task:derive{ label = k }
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
   local list = {}
   for k, task in ipairs(self) do list[k] = f(task, k) end
   return stream.assemble(list, self)
end

-- ---- what a stream is -------------------------------------------------------------------------------------

-- SHA-256 over the items, labels and settings of every task: equal when two people train on the same bits. Of data that are made when
-- they are asked for it takes the recipe and the data they are made of.
function Stream:hash()
   if self.content then return self.content end
   local words, kind = {}, self.scenario .. (self.outputs == "all" and " all" or "")
   for i, task in ipairs(self) do
      words[i] = ("%d %s %d %s %s "):format(i, kind, task.epochs, task:identity "train", task:identity "test")
      if task.ordered then words[i] = words[i] .. "ordered " end
      if task.steps then words[i] = words[i] .. "steps " .. task.steps .. " " end
   end
   self.content = experience.digest(table.concat(words))
   return self.content
end

-- SHA-256 of the items and labels of task k.
function Stream:task_hash(k)
   local known = self.task_hashes
   known[k] = known[k] or experience.digest(self[k]:identity "train" .. " " .. self[k]:identity "test")
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

function Stream.__tostring(self)
   local words = {}
   for i, task in ipairs(self) do
      words[i] = ("%d. %s: %d + %d items, %s"):format(i, task.name, task:items "train", task:items "test", task:duration())
   end
   return self.scenario .. " stream\n" .. table.concat(words, "\n")
end

return stream
