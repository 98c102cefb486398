-- cl/result.lua: what a training returns: its matrix, metrics, bytes and hashes.
local budget = require "engram.cl.budget"
local core = require "engram.core"
local metrics = require "engram.cl.metrics"
local seal = require "engram.cl.seal"

-- Bytes of every part; slots and method_state tell the optimizer's and the methods' by name; state_in_training is what was held up to the
-- last task's last step, before the methods filed what only a further task would use.
local function bytes_of(t)
   local bytes = { weights = 0, method = 0, method_state = {}, data = t.stream:bytes(), tracking = t.tracker:bytes() }
   bytes.optimizer, bytes.slots = t.optimizer:bytes()
   for _, p in ipairs(t.parameters) do bytes.weights = bytes.weights + p:bytes() end
   for _, method in ipairs(t.methods) do
      local total, by_name = method:bytes()
      bytes.method = bytes.method + total
      for name, n in pairs(by_name) do bytes.method_state[method.description.name .. "." .. name] = n end
   end
   bytes.state = bytes.optimizer + bytes.method
   bytes.state_in_training = t.state_in_training or bytes.state
   bytes.peak_resident = require "engram".memory().peak_resident
   return bytes
end

-- Seconds of every part; training is what the others leave.
local function time_of(t, seconds)
   local time = { evaluation = t.time.evaluation, continual = t.time.continual, consolidation = t.time.consolidation, total = seconds }
   time.training = seconds - time.evaluation - time.continual - time.consolidation
   return time
end

-- Floating point operations of training: in all, and of an item of the last task.
local function arithmetic_of(t)
   local item = t.operations or {}
   return { total = t.arithmetic, forward_per_item = item.forward, backward_per_item = item.backward }
end

-- The result of the training t as it stands.
return function(t)
   local found, seconds = metrics.of(t.accuracy, t.continual), core.C.eg_clock() - t.started
   found.update_density, found.update_overlap, found.step_density = t.tracker.density, t.tracker:overlaps(), t.step_density
   found.drift = t.tracker.drift
   return { name = t.name, accuracy = t.accuracy, evaluated_on = seal.part(t), published = t.published,
      validation = t.validation and { accuracy = t.validation, metrics = metrics.of(t.validation) }, test_looks = t.looks,
      continual = t.continual, metrics = found, bytes = bytes_of(t),
      steps = t.step, stopped = #t.stopped > 0 and t.stopped or nil, losses = t.losses, seconds = seconds, time = time_of(t, seconds),
      arithmetic = arithmetic_of(t), budget = budget.result(t), penalty_share = t.penalty_share,
      hash = t.model:hash(), stream_hash = t.stream:hash(), model = t.model, optimizer = t.optimizer,
      folder = t.out.folder and t.out.folder.path, forked_from = t.forked_from }
end
