-- cl/checkpoint.lua: all that a training knows between two steps, in one safetensors file: FOLDER/ckpt/last.safetensors. A training that
-- starts from it goes on to the bit: weights and buffers, optimizer slots and schedules, the methods' state, the tracker, every random
-- stream, the place in the shuffled epoch, the accuracies so far, and how long metrics.jsonl and log.txt were.
--
-- The file is replaced as a whole: a checkpoint that could not be written leaves the one before.
local core = require "engram.core"
local json = require "engram.json"
local methods = require "engram.cl.methods"
local random = require "engram.random"
local safetensors = require "engram.safetensors"
local same = require "engram.cl.same"
local schedule = require "engram.schedule"
local tensor = require "engram.tensor"
local raise = core.raise

local checkpoint = {}

local VERSION = 3
local COUNTERS = { "task", "epoch", "step", "step_in_task", "moved", "weights", "loss", "loss_sum", "loss_count",
   "penalty", "arithmetic" }

-- What the place in an epoch depends on.
checkpoint.batches = { "batch_size", "shuffle", "drop_last" }

-- ---- tensors in lists, by name ----------------------------------------------------------------------------

-- Puts a tensor, or lists of them, into `tensors` as PREFIX.1.2; returns their shape for unpack: true, or a list.
local function pack(tensors, prefix, value)
   if tensor.is_tensor(value) then
      tensors[prefix] = value:detach()
      return true
   end
   local shape = json.array{}
   for i, inner in ipairs(value or {}) do shape[i] = pack(tensors, prefix .. "." .. i, inner) end
   return shape
end

local function unpack_(tensors, prefix, shape)
   if shape == true then return tensors[prefix]:keep() end
   local list = {}
   for i, inner in ipairs(shape) do list[i] = unpack_(tensors, prefix .. "." .. i, inner) end
   return list
end

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
   return { name = optimizer.name, context = context, memories = memories, hyper = hyper, moved = optimizer.moved,
      weights = optimizer.weights, text = tostring(optimizer) }
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
      for name in pairs(method.description.state or {}) do
         state[name] = pack(tensors, ("method.%d.%s"):format(i, name), method[name])
      end
      saved[i] = { name = method.description.name, text = methods.describe(method), state = state }
   end
   return saved
end

-- Method i of the checkpoint becomes this one's state.
local function restore_method(tensors, method, saved, i)
   for name, shape in pairs(saved[i].state) do method[name] = unpack_(tensors, ("method.%d.%s"):format(i, name), shape) end
end

-- ---- a whole training -------------------------------------------------------------------------------------

-- Values by task, which may have holes, as { the first task, its value, the next, ... } with null for a hole.
local function plain_row(row)
   local first, last
   for j in pairs(row) do first, last = math.min(first or j, j), math.max(last or j, j) end
   local list = json.array{ first }
   for j = first or 1, last or 0 do list[#list + 1] = row[j] or json.null end
   return list
end

local function row_of(list)
   local row = {}
   for i = 2, #list do
      if list[i] ~= json.null then row[list[1] + i - 2] = list[i] end
   end
   return row
end

local function plain_rows(list)
   local rows = json.array{}
   for i, row in ipairs(list) do rows[i] = plain_row(row) end
   return rows
end

local function rows_of(list)
   local rows = {}
   for i, plain in ipairs(list) do rows[i] = row_of(plain) end
   return rows
end

-- Points of continual evaluation as lists: step, task, step in the task, and then a row.
local function plain_points(list)
   local points = json.array{}
   for n, point in ipairs(list or {}) do
      points[n] = json.array{ point.step, point.task, point.step_in_task, plain_row(point.accuracy) }
   end
   return points
end

local function points_of(list)
   local points = {}
   for n, plain in ipairs(list) do
      points[n] = { step = plain[1], task = plain[2], step_in_task = plain[3], accuracy = row_of(plain[4]) }
   end
   return points
end

-- capture(t, phase): the tensors by name (some of them the training's own), and a plain table of all else. phase: "step" between two
-- steps, "task" between two tasks, "finished".
function checkpoint.capture(t, phase)
   local tensors = {}
   for name, value in pairs((t.model:state())) do tensors["model." .. name] = value:detach() end
   local state = { version = VERSION, engram = require "engram.version", phase = phase, counters = {}, losses = json.array(t.losses),
      accuracy = plain_rows(t.accuracy), initial = t.accuracy.initial, published = t.published and plain_row(t.published),
      continual = plain_points(t.continual), time = t.time, operations = t.operations, step_density = json.array(t.step_density),
      density = json.array(t.tracker.density), overlaps = plain_rows(t.tracker.overlap_rows), drift = json.array(t.tracker.drift),
      optimizer = capture_optimizer(tensors, t.optimizer),
      methods = capture_methods(tensors, t.methods), before = t.tracker.before and pack(tensors, "tracker.before", t.tracker.before),
      masks = pack(tensors, "tracker.masks", t.tracker.masks), random = random.state(), seconds = core.C.eg_clock() - t.started,
      settings = same.settings(t), tasks = same.tasks(t), model = tostring(t.model), forked_from = t.forked_from, said = t.said or {} }
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
   for k, row in ipairs(rows_of(state.accuracy)) do t.accuracy[k] = row end
   t.accuracy.initial, t.time, t.operations = state.initial, state.time or t.time, state.operations
   t.losses, t.published, t.step_density = state.losses, state.published and row_of(state.published), state.step_density
   if t.evaluate_every then t.continual = points_of(state.continual) end
   t.tracker.density, t.tracker.drift, t.tracker.overlap_rows = state.density, state.drift, rows_of(state.overlaps)
   t.tracker.before = state.before and unpack_(tensors, "tracker.before", state.before)
   t.tracker.masks = unpack_(tensors, "tracker.masks", state.masks)
   t.place = state.phase == "step" and
      { position = state.position, order = state.order and unpack_(tensors, "loader.order", state.order) } or nil
   t.optimizer.context.loss = state.optimizer.context.loss
   for _, key in ipairs{ "task", "epoch", "step", "step_in_task" } do t.optimizer.context[key] = state.optimizer.context[key] end
   t.said = state.said
   random.load_state(state.random)
end

-- restore(t, tensors, state, path): brings a training that is what it was to where the checkpoint stands.
function checkpoint.restore(t, tensors, state, path)
   t.model:load_state(below(tensors, "model."), path)
   restore_optimizer(tensors, t.optimizer, state.optimizer)
   for i, method in ipairs(t.methods) do restore_method(tensors, method, state.methods, i) end
   restore_rest(t, tensors, state)
end

-- adopt(t, tensors, state, path): the same for a training that differs: an optimizer takes over the slots, and a method the state, of
-- one of its name. Returns whether the optimizer is new, and the list of methods that are.
function checkpoint.adopt(t, tensors, state, path)
   t.model:load_state(below(tensors, "model."), path)
   local new_optimizer, new_methods, used = t.optimizer.name ~= state.optimizer.name, {}, {}
   if not new_optimizer then restore_optimizer(tensors, t.optimizer, state.optimizer) end
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
   same.check(t, state, path)
   folder.run:stood_at(state.journals)
   checkpoint.restore(t, tensors, state, path)
   t.out:remember(state.line)
   t.started, t.saved_at, t.forked_from = core.C.eg_clock() - state.seconds, core.C.eg_clock(), state.forked_from
   return state.phase
end

return checkpoint
