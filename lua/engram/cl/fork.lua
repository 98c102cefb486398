-- cl/fork.lua: goes on from a point of a training in another way: cl.fork(point, changes). The point is what cl.train returned (its end),
-- a checkpoint's file, or a run's folder (its last checkpoint); `changes` are options of cl.train.
--
-- What the training was goes on: weights, buffers, accuracies, steps, random streams and, within a task, the place in the epoch. An
-- optimizer takes over the slots of one of its name, a method the state of one of its name; others begin with none.
local checkpoint = require "engram.cl.checkpoint"
local core = require "engram.core"
local json = require "engram.json"
local left = require "engram.run.left"
local methods = require "engram.cl.methods"
local plan = require "engram.cl.plan"
local random = require "engram.random"
local same = require "engram.cl.same"
local train = require "engram.cl.train"
local C, raise = core.C, core.raise

local Point = {}
Point.__index = Point

-- ---- points: where a training stood -----------------------------------------------------------------------

-- The checkpoints at and below a folder, for messages.
local function checkpoints_in(path)
   local list = {}
   for _, folder in ipairs(left.folders(path)) do
      local inner = folder .. "/ckpt"
      for _, name in ipairs(core.names_in(inner)) do list[#list + 1] = (inner .. "/" .. name):sub(#path + 2) end
   end
   return #list > 0 and "it has " .. table.concat(list, ", ") or 'one that is finished keeps those that checkpoints = "task" made'
end

local function find_file(path)
   local kind = C.eg_file_kind(path)
   if kind == 1 then return path end
   if kind ~= 2 then raise("cl.fork: there is no '%s'; expected a run's folder or a checkpoint", path) end
   local last = path:gsub("/+$", "") .. "/ckpt/last.safetensors"
   if C.eg_file_kind(last) == 1 then return last end
   raise("cl.fork: %s has no checkpoint ckpt/last.safetensors: %s", path, checkpoints_in(path))
end

-- Read when the training starts: a fork that is gone on with from its own checkpoint needs its point no more.
local function read_file(self)
   self.from = find_file(self.path)
   self.tensors, self.state = checkpoint.read(self.from)
end

-- The end of a training of this process, by value: what it was made of may change later.
local function from_result(result)
   local t = train.training_of[result]
   if not t then raise "cl.fork: this table is no run that cl.train returned" end
   for _, method in ipairs(t.methods) do
      if method.owner ~= t.mark then raise("cl.fork: the run's method %s has served another training since", method.description.name) end
   end
   if t.model:hash() ~= result.hash then
      raise "cl.fork: the run's model has changed since the run ended; fork from a checkpoint (checkpoints = \"task\") instead"
   end
   local tensors, state = checkpoint.capture(t, "finished")
   for name, value in pairs(tensors) do tensors[name] = value:clone():keep() end
   state = json.decode(json.encode(state))                  -- as from a file: no table is shared
   state.random = t.random_state
   return setmetatable({ from = t.name or "train", tensors = tensors, state = state, given = t.given, mark = t.mark }, Point)
end

-- ---- the rules --------------------------------------------------------------------------------------------

-- Within a task, the place in the epoch counts batches of a drawn order.
local function check_place(self, t)
   local state, k = self.state, t.task
   if state.phase ~= "step" then return end
   for _, key in ipairs(checkpoint.batches) do
      if state.settings[key] ~= t[key] then
         raise("cl.fork: %s lies within task %d, so %s must stay %s, got %s; from the end of a task it may change", self.from, k, key,
            tostring(state.settings[key]), tostring(t[key]))
      end
   end
   local epochs = plan.of(t, k).epochs
   if epochs < t.epoch then
      raise("cl.fork: %s lies in epoch %d of task %d, but the stream now gives it %d", self.from, t.epoch, k, epochs)
   end
end

local function check_stream(self, t)
   local state = self.state
   local done = state.counters.task
   local needed = state.phase == "step" and done or done + 1
   if #t.stream < needed then
      raise("cl.fork: %s has ended task %d, and the stream has %d: nothing is left to train; give a stream with more tasks", self.from,
         done, #t.stream)
   end
   same.check_items(t, state, "cl.fork: " .. self.from)
end

-- Accuracies on tasks that had not been trained on are dropped: the stream may hold others in their place.
local function keep_known_accuracies(t, matrix)
   for k, row in ipairs(matrix or {}) do
      local known = {}
      for j = 1, t.task do known[j] = row[j] end
      matrix[k] = known
   end
end

-- Brings the training t to the point; returns its phase.
function Point:start(t)
   if self.path then read_file(self) end
   local state = self.state
   check_stream(self, t)
   local new_optimizer, new_methods = checkpoint.adopt(t, self.tensors, state, self.from)
   check_place(self, t)
   keep_known_accuracies(t, t.accuracy)
   keep_known_accuracies(t, t.validation)
   t.published, t.accuracy.initial, t.looks = nil, nil, 0
   if t.validation then t.validation.initial = nil end
   t.forked_from = { from = self.from, task = t.task, epoch = t.epoch, step = t.step }
   if self.seed then random.seed(self.seed) end
   local within = state.phase == "step"
   if within and new_optimizer then t.optimizer:task_begin(t.task) end
   if within then t.experience = t.stream[t.task] end
   for _, method in ipairs(new_methods) do
      if method.begin then method:begin(t) end
      if within and method.task_begin then method:task_begin(t) end
   end
   return within and "step" or "task"
end

-- ---- what the new training is given -----------------------------------------------------------------------

-- What is not changed is as the run was given it; but what holds a training's state cannot serve two.
local function merge(given, changes)
   local merged = {}
   for key, value in pairs(given) do merged[key] = value end
   for key, value in pairs(changes) do merged[key] = value end
   for _, key in ipairs{ "model", "optimizer" } do
      if given[key] ~= nil and merged[key] == given[key] and type(given[key]) ~= "function" then
         raise("cl.fork: the run was given its %s as it is, and the fork needs one of its own: give %s = a function that makes it",
            key, key)
      end
   end
   if changes.seed == nil then merged.seed = nil end
   return merged
end

-- Methods that served the run are made anew, so that both keep their state.
local function own_methods(given, mark)
   local function own(method)
      local serves = type(method) == "table" and mark and rawget(method, "owner") == mark
      return serves and methods.again(method) or method
   end
   if type(given) ~= "table" or given.description then return own(given) end
   local list = {}
   for key, method in pairs(given) do list[key] = own(method) end
   return list
end

local function point_at(source, changes)
   if type(source) == "table" then return from_result(source) end
   if type(source) ~= "string" then
      raise("cl.fork: expected a run, a checkpoint or a run's folder, got %s", core.typename(source))
   end
   for _, name in ipairs{ "model", "stream", "optimizer" } do
      if changes[name] == nil then
         raise("cl.fork: a checkpoint holds no code: give model, stream and optimizer too; %s is missing", name)
      end
   end
   return setmetatable({ path = source }, Point)
end

-- fork(point, changes): what cl.train returns. `point`: a run that cl.train returned, a checkpoint, or a run's folder. `changes`: options
-- of cl.train; from a run those that are missing are the run's, from a file all that is code must be given. A `seed` draws anew.
return function(source, changes)
   if changes ~= nil and type(changes) ~= "table" then raise("cl.fork: expected a table of changes, got %s", core.typename(changes)) end
   changes = changes or {}
   local point = point_at(source, changes)
   local merged = merge(point.given or {}, changes)
   merged.method = own_methods(merged.method, point.mark)
   point.seed = changes.seed
   return train.train(merged, point)
end
