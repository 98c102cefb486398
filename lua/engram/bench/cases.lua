-- bench/cases.lua: the training steps that are timed. Each case is { name, batch, make = function() -> step function }.
local engram = require "engram"
local nn, optim = engram.nn, engram.optim

local function cnn()
   return nn.Sequential{ nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.25),
      nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10) }
end

local function mlp(hidden)
   return function()
      return nn.Sequential{ nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 10) }
   end
end

local optimizers = {
   sgd = function(model) return optim.SGD(model, { lr = 0.01 }) end,
   adam = function(model) return optim.Adam(model, { lr = 0.001 }) end,
   classp = function(model) return optim.CLASSP(model, { lr = 0.01, threshold = 1e-7 }) end,
}

-- One training step inside a scope: forward, loss, backward, update.
local function training(make_model, shape, batch, optimizer)
   return function()
      local model = make_model()
      local x, y = engram.randn(batch, unpack(shape)), engram.randint(1, 10, batch)
      local opt = optimizers[optimizer](model)
      local function body()
         opt:zero_grad()
         nn.cross_entropy(model(x), y):backward()
         opt:step()
      end
      return function() engram.scope(body) end
   end
end

local cases = {}
for _, o in ipairs{ "sgd", "classp" } do
   cases[#cases + 1] = { name = "cnn_b32_" .. o, batch = 32, steps = 8, make = training(cnn, { 1, 28, 28 }, 32, o) }
end
for _, size in ipairs{ { 100, 10, 200 }, { 400, 128, 30 } } do
   for _, o in ipairs{ "sgd", "adam", "classp" } do
      cases[#cases + 1] = { name = ("mlp%d_b%d_%s"):format(size[1], size[2], o), batch = size[2], steps = size[3],
         make = training(mlp(size[1]), { 784 }, size[2], o) }
   end
end

return cases
