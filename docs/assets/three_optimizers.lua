-- The run whose report docs/assets/report.png shows: three optimizers, three seeds, two tasks of glyphs, accuracy after every epoch.
-- build/engram run --report docs/assets/three_optimizers.lua, and: chromium --headless --screenshot=FILE --window-size=1200,1480 REPORT
package.path = "experiments/?.lua;" .. package.path
local engram = require "engram"
local cl, optim = engram.cl, engram.optim
local common = require "classp_common"

local function task(name, epochs)
   return cl.task(name, { epochs = epochs, limit = 3000, mean = common.normal.mean, deviation = common.normal.deviation })
end
local stream = cl.stream{ task("glyphs/digits", 6), task("glyphs/garments", 4) }

local methods = {
   { "SGD", common.sgd(0.2) },
   { "Adam", function(model) return optim.Adam(model, { lr = 0.001 }) end },
   { "CLASSP", common.classp("published", 0.5, 0) },
}
for _, method in ipairs(methods) do
   for seed = 1, 3 do
      cl.train{ name = method[1] .. "-s" .. seed, model = common.network(true), optimizer = method[2], stream = stream, seed = seed,
         batch_size = 32, evaluate = "epoch" }
   end
end
