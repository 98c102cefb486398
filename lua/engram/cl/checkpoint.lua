-- cl/checkpoint.lua: all that a training knows between two steps, in one safetensors file: RUN/checkpoint.safetensors. A training that
-- starts from it goes on to the bit: weights and buffers, optimizer slots and schedules, the methods' state, the tracker, every random
-- stream, the place in the shuffled epoch, the accuracies so far, and how long metrics.jsonl was.
--
-- There is one file, replaced as a whole: a checkpoint that could not be written leaves the one before.
local core = require "engram.core"
local json = require "engram.json"
local random = require "engram.random"
local safetensors = require "engram.safetensors"
local schedule = require "engram.schedule"
local tensor = require "engram.tensor"
local raise = core.raise

local checkpoint = { file = "checkpoint.safetensors" }

local VERSION = 1
local COUNTERS = { "task", "epoch", "step", "step_in_task", "moved", "weights", "loss", "loss_sum", "loss_count", "penalty" }

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

-- ---- the parts --------------------------------------------------------------------------------------------

local function save_optimizer(tensors, optimizer)
   for name, t in optimizer:named_state() do tensors["optimizer." .. name] = t end
   local context, memories = {}, {}
   for _, key in ipairs{ "task", "epoch", "step", "step_in_task", "loss" } do context[key] = optimizer.context[key] end
   for key, value in pairs(optimizer.hyper) do memories[key] = schedule.memory(value, optimizer) end
   return { context = context, memories = memories, moved = optimizer.moved, weights = optimizer.weights, text = tostring(optimizer) }
end

local function load_optimizer(tensors, optimizer, saved)
   local state = {}
   for name, t in pairs(tensors) do
      local own = name:match "^optimizer%.(.*)$"
      if own then state[own] = t end
   end
   optimizer:load_named_state(state)
   for key, value in pairs(saved.context) do optimizer.context[key] = value end
   for key, value in pairs(optimizer.hyper) do schedule.load_memory(value, optimizer, saved.memories[key]) end
   optimizer.moved, optimizer.weights = saved.moved, saved.weights
end

local function save_methods(tensors, methods)
   local list = json.array{}
   for i, method in ipairs(methods) do
      local state = {}
      for name in pairs(method.description.state or {}) do
         state[name] = pack(tensors, ("method.%d.%s"):format(i, name), method[name])
      end
      list[i] = { name = method.description.name, state = state }
   end
   return list
end

local function load_methods(tensors, methods, saved)
   for i, method in ipairs(methods) do
      for name, shape in pairs(saved[i].state) do method[name] = unpack_(tensors, ("method.%d.%s"):format(i, name), shape) end
   end
end

-- ---- saving -----------------------------------------------------------------------------------------------

local function plain_rows(list)
   local rows = json.array{}
   for i, row in ipairs(list) do rows[i] = json.array{ unpack(row) } end
   return rows
end

-- save(t, phase): writes the training t into its run's folder. phase: "step" between two steps, "task" between two tasks, "finished".
function checkpoint.save(t, phase)
   local folder = t.out.folder
   if not folder then return end
   local tensors = {}
   tensor.scope(function()
      for name, value in pairs((t.model:state())) do tensors["model." .. name] = value:detach() end
      local state = { version = VERSION, phase = phase, counters = {}, losses = json.array(t.losses), accuracy = plain_rows(t.accuracy),
         published = t.published, step_density = json.array(t.step_density), density = json.array(t.tracker.density),
         optimizer = save_optimizer(tensors, t.optimizer), methods = save_methods(tensors, t.methods),
         before = t.tracker.before and pack(tensors, "tracker.before", t.tracker.before),
         masks = pack(tensors, "tracker.masks", t.tracker.masks), random = random.state(), seconds = core.C.eg_clock() - t.started,
         batch_size = t.batch_size, tasks = json.array(t.accuracy.names), metrics_bytes = folder:size "metrics.jsonl" }
      for _, key in ipairs(COUNTERS) do state.counters[key] = t[key] end
      if phase == "step" then
         local loader = t.loader:state()
         state.position, state.order = loader.position, loader.order and pack(tensors, "loader.order", loader.order)
      end
      safetensors.save(folder.path .. "/" .. checkpoint.file, tensors, { metadata = { engram = json.encode(state) } })
   end)
   t.saved_at = core.C.eg_clock()
end

-- ---- loading ----------------------------------------------------------------------------------------------

-- The script that resumes must be the one that began: what it would train is compared with what was saved.
local function check_same(t, state, path)
   local methods, saved_methods = {}, {}
   for i, method in ipairs(t.methods) do methods[i] = method.description.name end
   for i, saved in ipairs(state.methods) do saved_methods[i] = saved.name end
   for _, pair in ipairs{
      { "optimizer", state.optimizer.text, tostring(t.optimizer) }, { "batch_size", state.batch_size, t.batch_size },
      { "tasks", table.concat(state.tasks, ", "), table.concat(t.accuracy.names, ", ") },
      { "methods", table.concat(saved_methods, ", "), table.concat(methods, ", ") } } do
      local what, saved, now = unpack(pair)
      if saved ~= now then
         raise("%s: was made with %s = %s, the script now has %s; a run can only go on as what it was", path, what, saved, now)
      end
   end
end

local function read(path)
   local tensors, metadata = safetensors.load(path)
   local ok, state = pcall(json.decode, metadata.engram or "")
   if not ok or type(state) ~= "table" or state.version ~= VERSION then
      raise("%s: is no checkpoint of this version of Engram", path)
   end
   return tensors, state
end

-- load(t): brings the training t to where its folder's checkpoint stands; returns the phase, or nil when there is none yet.
function checkpoint.load(t)
   local folder = t.out.folder
   local path = folder.path .. "/" .. checkpoint.file
   if core.C.eg_file_kind(path) ~= 1 then return nil end
   local tensors, state = read(path)
   check_same(t, state, path)
   local weights = {}
   for name, value in pairs(tensors) do
      local own = name:match "^model%.(.*)$"
      if own then weights[own] = value end
   end
   t.model:load_state(weights, path)
   load_optimizer(tensors, t.optimizer, state.optimizer)
   load_methods(tensors, t.methods, state.methods)
   for _, key in ipairs(COUNTERS) do t[key] = state.counters[key] end
   for k, row in ipairs(state.accuracy) do t.accuracy[k] = row end
   t.losses, t.published, t.step_density, t.tracker.density = state.losses, state.published, state.step_density, state.density
   t.tracker.before = state.before and unpack_(tensors, "tracker.before", state.before)
   t.tracker.masks = unpack_(tensors, "tracker.masks", state.masks)
   t.place = { position = state.position, order = state.order and unpack_(tensors, "loader.order", state.order) }
   t.started, t.saved_at = core.C.eg_clock() - state.seconds, core.C.eg_clock()
   random.load_state(state.random)
   folder:cut("metrics.jsonl", state.metrics_bytes)
   return state.phase
end

return checkpoint
