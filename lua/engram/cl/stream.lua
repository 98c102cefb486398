-- cl/stream.lua: a stream is a list of experiences: data to train on, data to test on, and what is known of the task.
local ffi = require "ffi"
local core = require "engram.core"
local scenario = require "engram.cl.scenario"
local C, raise = core.C, core.raise

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
   return { name = options.name or set.name or "task", train = train, test = test, epochs = epochs, classes = train.classes,
      source = set.source }
end

-- ---- streams ----------------------------------------------------------------------------------------------

local Stream = {}
Stream.__index = Stream

local function item_shape(set)
   local shape = set.images.shape
   table.remove(shape, 1)
   return table.concat(shape, " x ")
end

-- Labels of task k become the units first_class .. last_class of the one output layer.
local function give_units(experience, first)
   experience.first_class, experience.last_class = first, first + experience.classes - 1
   if first == 1 then return end
   local function shifted(set) return set:with_labels(function(label) return label + first - 1 end, experience.last_class) end
   experience.train, experience.test = shifted(experience.train), shifted(experience.test)
end

-- Where each task's units lie; reach[k]: the last unit of the first k tasks.
local function lay_out_units(self)
   self.classes, self.reach = 0, {}
   for k, experience in ipairs(self) do
      experience.classes = math.max(experience.classes, experience.test.classes or 0)
      give_units(experience, self.scenario == "domain" and 1 or self.classes + 1)
      self.classes = math.max(self.classes, experience.last_class)
      self.reach[k] = self.classes
   end
end

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
      if type(task) ~= "table" or not task.train then raise("cl.stream: item %d is no task; make it with cl.task", i) end
      for _, set in ipairs{ task.train, task.test } do
         if item_shape(set) ~= item_shape(list[1].train) then
            raise("cl.stream: items differ in shape: %s in '%s', %s in '%s'", item_shape(list[1].train), list[1].name, item_shape(set),
               task.name)
         end
      end
   end
end

-- stream{ task, task, ..., scenario = "domain" | "task" | "class", outputs = "seen" | "all" }: the tasks in order. In the domain
-- scenario all share the units of one head, in the others each has its own (see scenario.lua).
function stream.new(list)
   if type(list) ~= "table" then raise("cl.stream: expected a table of tasks, got %s", core.typename(list)) end
   if is_data_set(list.train) then raise "cl.stream: this is one task; put it in a table: cl.stream{ task }" end
   for key in pairs(list) do
      if type(key) ~= "number" and key ~= "scenario" and key ~= "outputs" then
         raise("cl.stream: unknown option '%s'%s", tostring(key), require "engram.suggest".hint(key, { scenario = true, outputs = true }))
      end
   end
   local self = setmetatable({ scenario = one_of("scenario", list.scenario or "domain", scenario.names),
      outputs = one_of("outputs", list.outputs or "seen", scenario.outputs) }, Stream)
   if list.outputs and self.scenario ~= "class" then
      raise("cl.stream: outputs is for the class scenario; in the %s scenario it would have no effect", self.scenario)
   end
   check_tasks(list)
   for i, task in ipairs(list) do
      self[i] = { label = i }
      for key, value in pairs(task) do self[i][key] = value end
   end
   lay_out_units(self)
   return self
end

function stream.is_stream(value) return getmetatable(value) == Stream end

-- SHA-256 over the items, labels and settings of every task: equal when two people train on the same bits.
function Stream:hash()
   if self.content then return self.content end
   local digest, hex = ffi.new "eg_sha256", ffi.new "char[65]"
   C.eg_sha256_begin(digest)
   for i, task in ipairs(self) do
      local text = ("%d %s %d %s %s "):format(i, self.scenario, task.epochs, task.train:content_hash(), task.test:content_hash())
      C.eg_sha256_bytes(digest, text, #text)
   end
   C.eg_sha256_end(digest, hex)
   self.content = ffi.string(hex)
   return self.content
end

-- SHA-256 of the items and labels of task k.
function Stream:task_hash(k)
   local digest, hex = ffi.new "eg_sha256", ffi.new "char[65]"
   local text = self[k].train:content_hash() .. " " .. self[k].test:content_hash()
   C.eg_sha256_begin(digest)
   C.eg_sha256_bytes(digest, text, #text)
   C.eg_sha256_end(digest, hex)
   return ffi.string(hex)
end

function Stream.__tostring(self)
   local words = {}
   for i, task in ipairs(self) do
      words[i] = ("%d. %s: %d + %d items, %d epochs"):format(i, task.name, task.train:size(), task.test:size(), task.epochs)
   end
   return self.scenario .. " stream\n" .. table.concat(words, "\n")
end

return stream
