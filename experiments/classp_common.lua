-- What CLASSP's vision experiments share: the data, the published network, the published schedule. Not a script of its own.
local engram = require "engram"
local nn, optim, schedule = engram.nn, engram.optim, engram.schedule

local common = {}

-- The published normalisation of both data sets.
common.normal = { mean = 0.1307, deviation = 0.3081 }

local function here(name) return (pcall(engram.data.load, name)) end

-- The names of the two data sets for data = "auto", "mnist" or "glyphs".
function common.choose_data(wanted)
   if wanted == "mnist" or (wanted == "auto" and here "mnist" and here "fashion-mnist") then return "mnist", "fashion-mnist" end
   return "glyphs/digits", "glyphs/garments"
end

-- A function that makes the published network; small: a quarter of its channels.
function common.network(small)
   local a, b, c = 32, 64, 128
   if small then a, b, c = 8, 16, 64 end
   return function()
      return nn.Sequential{ nn.Conv2d(1, a, 3), nn.ReLU(), nn.Conv2d(a, b, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.25),
         nn.Flatten(), nn.Linear(b * 144, c), nn.ReLU(), nn.Dropout(0.5), nn.Linear(c, 10) }
   end
end

-- A function that makes CLASSP for a model: lr 0.2, power 1, epsilon 1e-5; decay off in task 1 and on from task 2.
function common.classp(variant, threshold_1, threshold_2)
   return function(model)
      return optim.CLASSP(model, { lr = 0.2, power = 1, epsilon = 1e-5, variant = variant,
         threshold = schedule.per_task{ threshold_1, threshold_2 }, decay = schedule.per_task{ false, true } })
   end
end

function common.sgd(lr) return function(model) return optim.SGD(model, { lr = lr }) end end

return common
