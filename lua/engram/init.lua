-- init.lua: the public table: local engram = require "engram"
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local random = require "engram.random"
local ops = require "engram.ops"

local engram = { version = require "engram.version", random = random, ops = ops, autograd = autograd }
package.loaded["engram"] = engram                     -- files below may require it while it is being filled

for name, constructor in pairs(require "engram.tensor.construct") do engram[name] = constructor end
require "engram.tensor.index"
require "engram.tensor.print"

engram.is_tensor, engram.scope, engram.collect = tensor.is_tensor, tensor.scope, tensor.collect
engram.grad, engram.no_grad, engram.enable_grad = autograd.grad, autograd.no_grad, autograd.enable_grad
engram.is_grad_enabled = autograd.is_enabled
engram.seed, engram.threads, engram.instructions = random.seed, core.threads, core.instructions

-- { live =, peak =, pooled =, resident =, peak_resident = } bytes, and the number of live tensors.
function engram.memory()
   local C = core.C
   return { live = tonumber(C.eg_live_bytes()), peak = tonumber(C.eg_peak_bytes()), pooled = tonumber(C.eg_pooled_bytes()),
      tensors = tonumber(C.eg_live_tensors()), resident = tonumber(C.eg_resident_bytes()),
      peak_resident = tonumber(C.eg_peak_resident_bytes()) }
end

-- The rooms above are loaded when they are first asked for.
local rooms = { nn = "engram.nn", optim = "engram.optim", schedule = "engram.schedule", data = "engram.data", cl = "engram.cl",
   text = "engram.text", json = "engram.json", yaml = "engram.yaml", safetensors = "engram.safetensors", npy = "engram.npy",
   run = "engram.run", settings = "engram.settings", fisher = "engram.fisher", statistics = "engram.statistics",
   consolidate = "engram.consolidate", report = "engram.report", plot = "engram.plot" }

return setmetatable(engram, { rooms = rooms, __index = function(self, key)
   if not rooms[key] then return nil end
   local room = require(rooms[key])
   rawset(self, key, room)
   return room
end })
