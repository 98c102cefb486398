-- cl/checkpoint.lua: all that a training knows between two steps, in one safetensors file: FOLDER/ckpt/last.safetensors. A training that
-- starts from it goes on to the bit: weights and buffers, optimizer slots and schedules, the methods' state, the tracker, every random
-- stream, the place in the shuffled epoch, the accuracies so far, and how long metrics.jsonl and log.txt were.
--
-- The file is replaced as a whole: a checkpoint that could not be written leaves the one before.
local core = require "engram.core"
local json = require "engram.json"
local methods = require "engram.cl.methods"
local past = require "engram.cl.past"
local random = require "engram.random"
local safetensors = require "engram.safetensors"
local same = require "engram.cl.same"
local schedule = require "engram.schedule"
local state_of = require "engram.cl.methods.state"
local tensor = require "engram.tensor"
local vocabulary_file = require "engram.text.vocabulary_file"
local raise = core.raise
local pack, unpack_ = state_of.pack, state_of.unpack

local checkpoint = {}

local VERSION = 3
local COUNTERS = { "task", "epoch", "step", "step_in_task", "moved", "weights", "loss", "loss_sum", "loss_count",
   "penalty", "idle", "arithmetic", "largest_loss", "first_loss", "looks", "arithmetic_before", "state_in_training",
   "penalty_share" }

-- What the place in an epoch depends on.
checkpoint.batches = { "batch_size", "shuffle", "drop_last" }

-- Those whose names begin with PREFIX, without it.
local function below(tensors, prefix)
   local found = {}
   for name, value in pairs(tensors) do
      if name:sub(1, #prefix) == prefix then found[name:sub(#prefix + 1)] = value end
   end
   return found
end

-- ---- the parts --------------------------------------------------------------------------------------------

local function capture_optimizer(tensors, optimizer)
   for name, t in optimizer:named_state() do tensors["optimizer." .. name] = t end
   local context, memories, hyper = {}, {}, {}
   for _, key in ipairs{ "task", "epoch", "step", "step_in_task", "loss" } do context[key] = optimizer.context[key] end
   for key, value in pairs(optimizer.hyper) do
      memories[key], hyper[key] = schedule.memory(value, optimizer), schedule.describe(value)
   end
   return { name = optimizer.name, version = optimizer.description.version, slots = json.array{ unpack(optimizer.order) },
      context = context, memories = memories, hyper = hyper, moved = optimizer.moved, weights = optimizer.weights,
      text = tostring(optimizer) }
end

-- A saved slot goes to one of its name: an optimizer whose slots were others cannot take over the state of a parameter.
local function check_slots(tensors, optimizer, saved, path)
   if not saved.slots then return end                       -- of an Engram that did not note them
   local was, now, stateful = {}, {}, nil
   for _, key in ipairs(saved.slots) do was[key] = true end
   for _, key in ipairs(optimizer.order) do now[key] = true end
   local before = optimizer.name .. (saved.version and " " .. saved.version or "")
   local present = optimizer.name .. (optimizer.description.version and " " .. optimizer.description.version or "")
   local file = optimizer.description.path
   local way = before ~= present and ("go on with the %s that made it"):format(before)
      or "its slots have changed under one version: restore " .. (file and file .. " as it was when the run began" or "the description")
   for _, parameter in ipairs(optimizer.names) do
      for key in pairs(was) do
         if not now[key] and tensors["optimizer." .. parameter .. "." .. key] then
            raise("%s: has slot '%s' for parameter %s, which %s does not have: %s", path, key, parameter, present, way)
         end
      end
      stateful = stateful or tensors["optimizer." .. parameter .. ".step_count"] and parameter
   end
   for _, key in ipairs(optimizer.order) do
      if stateful and not was[key] then
         raise("%s: has no slot '%s' for parameter %s, which %s needs: %s", path, key, stateful, present, way)
      end
   end
end

local function restore_optimizer(tensors, optimizer, saved)
   optimizer:load_named_state(below(tensors, "optimizer."))
   for key, value in pairs(optimizer.hyper) do              -- a schedule that is another now has nothing to remember
      if saved.hyper[key] == schedule.describe(value) then schedule.load_memory(value, optimizer, saved.memories[key]) end
   end
   optimizer.moved, optimizer.weights = saved.moved, saved.weights
end

local function capture_methods(tensors, list)
   local saved = json.array{}
   for i, method in ipairs(list) do
      local state = {}
      state_of.check(method)
      for name in pairs(method.description.state or {}) do
         state[name] = pack(tensors, ("method.%d.%s"):format(i, name), method[name])
      end
      saved[i] = { name = method.description.name, text = methods.describe(method), state = state }
   end
   return saved
end

-- Method i of the checkpoint becomes this one's state.
local function restore_method(tensors, method, saved, i)
   for name, shape in pairs(saved[i].state) do
      method[name] = state_of.restore(method.description.state[name], tensors, ("method.%d.%s"):format(i, name), shape)
   end
end

-- ---- a whole training -------------------------------------------------------------------------------------

-- capture(t, phase): the tensors by name (some of them the training's own), and a plain table of all else. phase: "step" between two
-- steps, "task" between two tasks, "finished".
function checkpoint.capture(t, phase)
   local tensors = {}
   for name, value in pairs((t.model:state())) do tensors["model." .. name] = value:detach() end
   local state = { version = VERSION, engram = require "engram.version", phase = phase, counters = {}, time = t.time,
      operations = t.operations, optimizer = capture_optimizer(tensors, t.optimizer), methods = capture_methods(tensors, t.methods),
      before = t.tracker.before and pack(tensors, "tracker.before", t.tracker.before),
      masks = pack(tensors, "tracker.masks", t.tracker.masks), random = random.state(), seconds = core.C.eg_clock() - t.started,
      settings = same.settings(t), tasks = same.tasks(t), rows = same.rows(t),
      scenario = t.stream.scenario, outputs = t.stream.outputs,
      model = tostring(t.model), forked_from = t.forked_from, said = t.said or {},
      stopped = json.array(t.stopped), ending = t.ending and pack(tensors, "ending", t.ending) }
   past.capture(tensors, t)
   local vocabulary = t.stream:vocabulary()
   if vocabulary then tensors[vocabulary_file.name], state.vocabulary = vocabulary_file.bytes(vocabulary), vocabulary:hash() end
   for _, key in ipairs(COUNTERS) do state.counters[key] = t[key] end
   if phase == "step" then
      local loader = t.loader and t.loader:state() or t.place          -- a fork is saved before its loader is made
      state.position, state.order = loader.position, loader.order and pack(tensors, "loader.order", loader.order)
   end
   return tensors, state
end

-- What resuming and forking have in common: everything but the optimizer's and the methods' state.
local function restore_rest(t, tensors, state)
   for _, key in ipairs(COUNTERS) do t[key] = state.counters[key] end
   t.time, t.operations = state.time or t.time, state.operations             -- a kept checkpoint has no times
   past.restore(tensors, t)
   t.tracker.before = state.before and unpack_(tensors, "tracker.before", state.before)
   t.tracker.masks = unpack_(tensors, "tracker.masks", state.masks)
   t.place = state.phase == "step" and
      { position = state.position, order = state.order and unpack_(tensors, "loader.order", state.order) } or nil
   t.optimizer.context.loss = state.optimizer.context.loss
   for _, key in ipairs{ "task", "epoch", "step", "step_in_task" } do t.optimizer.context[key] = state.optimizer.context[key] end
   random.load_state(state.random)
   t.stopped = state.stopped or {}
   t.ending = state.ending and unpack_(tensors, "ending", state.ending)
end

-- restore(t, tensors, state, path): brings a training that is what it was to where the checkpoint stands.
function checkpoint.restore(t, tensors, state, path)
   t.model:load_state(below(tensors, "model."), path)
   restore_optimizer(tensors, t.optimizer, state.optimizer)
   for i, method in ipairs(t.methods) do restore_method(tensors, method, state.methods, i) end
   restore_rest(t, tensors, state)
   t.said = state.said
end

-- adopt(t, tensors, state, path): the same for a training that differs: an optimizer takes over the slots, and a method the state, of
-- one of its name. Returns whether the optimizer is new, and the list of methods that are.
function checkpoint.adopt(t, tensors, state, path)
   t.model:load_state(below(tensors, "model."), path)
   local new_optimizer, new_methods, used = t.optimizer.name ~= state.optimizer.name, {}, {}
   if not new_optimizer then
      check_slots(tensors, t.optimizer, state.optimizer, path)
      restore_optimizer(tensors, t.optimizer, state.optimizer)
   end
   for _, method in ipairs(t.methods) do
      local at
      for i, saved in ipairs(state.methods) do
         if not at and not used[i] and saved.name == method.description.name then at, used[i] = i, true end
      end
      if at then restore_method(tensors, method, state.methods, at) else new_methods[#new_methods + 1] = method end
   end
   restore_rest(t, tensors, state)
   return new_optimizer, new_methods
end

-- ---- files ------------------------------------------------------------------------------------------------

local function write(path, tensors, state)
   safetensors.save(path, tensors, { metadata = { engram = json.encode(state) }, checksum = true })
end

-- Without the seconds, and what else is of use to `engram resume` alone: the bits of a kept checkpoint do not tell whether the run was
-- ever cut short.
local function timeless(state)
   local copy = {}
   for key, value in pairs(state) do copy[key] = value end
   copy.seconds, copy.time = nil, nil
   return copy
end

-- save(t, phase): writes the training t into its run's folder; at the end of a task also by the task's name, where that was asked for.
function checkpoint.save(t, phase)
   local folder = t.out.folder
   if not folder then return end
   local began = core.C.eg_clock()
   tensor.scope(function()
      local tensors, state = checkpoint.capture(t, phase)
      if phase == "task" and t.checkpoints == "task" then write(folder:new_checkpoint("task" .. t.task), tensors, timeless(state)) end
      state.line, state.journals = t.out:memory(), folder.run:journal_sizes()
      write(folder:new_checkpoint "last", tensors, state)
   end)
   t.saved_at = core.C.eg_clock()
   t.save_seconds = t.saved_at - began
end

-- The tensors and the state in a file.
function checkpoint.read(path)
   local tensors, metadata = safetensors.load(path)
   local ok, state = pcall(json.decode, metadata.engram or "")
   if not ok or type(state) ~= "table" or not state.version then raise("%s: is no checkpoint of a training", path) end
   if state.version ~= VERSION then
      raise("%s: is a checkpoint of Engram %s, which this one (%s) cannot go on with", path, tostring(state.engram),
         require "engram.version")
   end
   return tensors, state
end

-- resume(t): brings the training t to where its folder's checkpoint stands; returns the phase, or nil when there is none yet.
function checkpoint.resume(t)
   local folder = t.out.folder
   local path = folder:checkpoint "last"
   if core.C.eg_file_kind(path) ~= 1 then return nil end
   local ok, tensors, state = pcall(checkpoint.read, path)
   if not ok then raise("%s; put a copy in its place, or remove it: then this training begins anew", tensors) end
   if state.optimizer.name == t.optimizer.name then check_slots(tensors, t.optimizer, state.optimizer, path) end
   same.check(t, state, path)
   folder.run:stood_at(state.journals)
   checkpoint.restore(t, tensors, state, path)
   t.out:remember(state.line)
   t.started, t.saved_at, t.forked_from = core.C.eg_clock() - state.seconds, core.C.eg_clock(), state.forked_from
   return state.phase
end

return checkpoint
