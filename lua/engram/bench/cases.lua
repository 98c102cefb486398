-- bench/cases.lua: what is timed. A case is { name, batch (nil: no samples), steps = how many a round, limit = "sgemm" or "triad",
-- work = floating-point operations or bytes a step needs at least, make = function() -> step function }.
--
-- Work is counted from the mathematics, not from what a kernel does: products as direct convolution and matrix product, forward and
-- both adjoints; bytes as each array read once and written once. A cleverer kernel may therefore pass 100 % of its limit.
local engram = require "engram"
local nn, optim = engram.nn, engram.optim

local cases = {}

-- ---- models, and the multiplications of each layer for one sample, the first layer first --------------------------------

local function cnn()
   return nn.Sequential{ nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.25),
      nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10) }
end

local cnn_layers = { 32 * 1 * 3 * 3 * 26 * 26, 64 * 32 * 3 * 3 * 24 * 24, 9216 * 128, 128 * 10 }

local function mlp(hidden)
   return nn.Sequential{ nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 10) }
end

local function mlp_layers(hidden) return { 784 * hidden, hidden * hidden, hidden * 10 } end

-- Forward, the weights' gradient, and the input's gradient of every layer but the first; two operations a multiplication.
local function training_work(layers, batch)
   local all = 0
   for _, multiplications in ipairs(layers) do all = all + multiplications end
   return 2 * batch * (3 * all - layers[1])
end

-- ---- training steps: forward, loss, backward, update, inside a scope ------------------------------------------------------

local optimizers = {
   sgd = function(target) return optim.SGD(target, { lr = 0.01 }) end,
   adam = function(target) return optim.Adam(target, { lr = 0.001 }) end,
   adagrad = function(target) return optim.AdaGrad(target, { lr = 0.01 }) end,
   classp = function(target) return optim.CLASSP(target, { lr = 0.01, threshold = 1e-7 }) end,
}

local function add_training(name, optimizer, batch, shape, steps, layers, make_model)
   local function make()
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
   cases[#cases + 1] = { name = ("%s_b%d_%s"):format(name, batch, optimizer), batch = batch, steps = steps, limit = "sgemm",
      work = training_work(layers, batch), make = make }
end

for _, optimizer in ipairs{ "sgd", "classp" } do add_training("cnn", optimizer, 32, { 1, 28, 28 }, 8, cnn_layers, cnn) end
for _, size in ipairs{ { 100, 10, 200 }, { 400, 128, 30 } } do
   local hidden, batch, steps = unpack(size)
   for _, optimizer in ipairs{ "sgd", "adam", "classp" } do
      add_training("mlp" .. hidden, optimizer, batch, { 784 }, steps, mlp_layers(hidden), function() return mlp(hidden) end)
   end
end

-- ---- the sentiment model of CLASSP's author: 30 words of 82,000 a sample, one encoder layer, the last position is read ----------------

local sentiment = { batch = 750, words = 30, vocabulary = 82000, width = 600, heads = 30, feed_forward = 2048 }

local Sentiment = nn.Module:extend "Sentiment"
function Sentiment:init(size)
   self.embedding = nn.Embedding(size.vocabulary, size.width, { padding_index = 1 })
   self.dropout, self.norm = nn.Dropout(0.1), nn.LayerNorm(size.width)
   self.encoder = nn.TransformerEncoderLayer(size.width, size.heads, size.feed_forward, { dropout = 0.1, queries = "last" })
   self.linear = nn.Linear(size.width, 3)
end
function Sentiment:forward(words)
   local x = self.norm(self.dropout(self.embedding(words)))
   return self.linear(self.norm(self.encoder(x)))
end

-- Multiplications of a sample, forwards. Counted is what one query needs: itself and its way through the weight of the keys, scores
-- and weighted sums over the width for each head, the weight of the values, the output and the feed-forward at one position.
local function sentiment_work(size)
   local square, attention = size.width * size.width, size.heads * size.words * size.width
   return 4 * square + 2 * attention + 2 * size.width * size.feed_forward + 3 * size.width
end

-- Words as a text has them: the r-th most frequent about 1 / r as often as the first.
local function words_of(size)
   return engram.rand(size.batch, size.words, { dtype = "float64" }):mul(math.log(size.vocabulary)):exp():floor():to "int64"
      :clamp(1, size.vocabulary)
end

for _, variant in ipairs{ "published", "paper" } do
   local function make()
      local model = Sentiment(sentiment)
      local words, labels = words_of(sentiment), engram.randint(1, 3, sentiment.batch)
      local threshold = variant == "published" and 0.99 or 1e-7
      local opt = optim.CLASSP(model, { lr = 0.025, threshold = threshold, epsilon = 1e-4, variant = variant })
      local function body()
         opt:zero_grad()
         nn.cross_entropy(model(words), labels):backward()
         opt:step()
      end
      return function() engram.scope(body) end
   end
   cases[#cases + 1] = { name = "sentiment_b750_" .. variant, batch = sentiment.batch, steps = 2, limit = "sgemm",
      work = 2 * 3 * sentiment.batch * sentiment_work(sentiment), make = make }
end

-- ---- optimizer steps alone: ten million weights in one tensor, their gradient set --------------------------------------------

local WEIGHTS = 10000000

-- arrays: how many are read and how many written; parameter and slots count twice, the gradient once.
local function add_optimizer(name, arrays)
   local function make()
      local weights = engram.randn(WEIGHTS, { requires_grad = true })
      weights.grad = engram.randn(WEIGHTS)
      local opt = optimizers[name]{ weights }
      return function() opt:step() end
   end
   cases[#cases + 1] = { name = ("optim_%s_10m"):format(name), steps = 3, limit = "triad", work = 4 * WEIGHTS * arrays, make = make }
end

add_optimizer("sgd", 3)
add_optimizer("adam", 7)
add_optimizer("adagrad", 5)
add_optimizer("classp", 5)

-- ---- CLASSP in Lua (experiments/plugins/) beside the built-in: a million weights, which fit the caches -----------------------------

local FEW = 1000000

local function add_pair(name, make_optimizer)
   local function make()
      local weights = engram.randn(FEW, { requires_grad = true })
      weights.grad = engram.randn(FEW)
      local opt = make_optimizer{ weights }
      return function() engram.scope(opt.step, opt) end
   end
   cases[#cases + 1] = { name = name, steps = 60, limit = "triad", work = 4 * FEW * 5, make = make }
end

add_pair("optim_classp_1m", function(target) return optim.CLASSP(target, { lr = 0.01, threshold = 2.7 }) end)
add_pair("optim_classp_quantile_lua_1m", function(target)
   return optim.load "classp_quantile"(target, { lr = 0.01, quantile = 0.9 })
end)

-- ---- the exact diagonal Fisher information ------------------------------------------------------------------------------------

local SAMPLES, CLASSES = 64, 10

-- One forward; for each class the squared gradients of the weights and, above the first layer, the gradients of the inputs.
local function fisher_work(layers)
   local all = 0
   for _, multiplications in ipairs(layers) do all = all + multiplications end
   return 2 * SAMPLES * (all + CLASSES * (2 * all - layers[1]))
end

cases[#cases + 1] = {
   name = "fisher_exact_mlp400_n64", batch = SAMPLES, steps = 5, limit = "sgemm", work = fisher_work(mlp_layers(400)),
   make = function()
      local model = mlp(400)
      local set = engram.data.dataset{ images = engram.randn(SAMPLES, 784), labels = engram.randint(1, CLASSES, SAMPLES),
         classes = CLASSES }
      local function body() engram.fisher.diagonal(model, set, { label = "exact" }) end
      return function() engram.scope(body) end
   end,
}

return cases
