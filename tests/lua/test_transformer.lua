-- test_transformer.lua: attention, encoder layers, positional encodings and LSTM: masks, the last position alone against all, per-sample
-- squares against a loop over samples, threads, errors. PyTorch's numbers are in the golden vectors.
local t = require "tests.harness"
local engram = require "engram"
local autograd = require "engram.autograd"
local nn, optim = engram.nn, engram.optim

local function worst(a, b)
   a, b = a:detach():double(), b:detach():double()
   return (a - b):abs():max():item() / math.max(b:abs():max():item(), 1e-30)
end

local function bytes(rows) return engram.tensor(rows, { dtype = "uint8" }) end
local function last_of(x) return x:narrow(2, x:size(2), 1):squeeze(2) end

-- ---- the last position alone ------------------------------------------------------------------------------

-- Output and gradients of a layer that reads the last position, and of one that reads all and then takes the last.
local function compare(make, n, steps, width, dtype, mask)
   engram.seed(2)
   local last, all = make "last", make "all"
   for _, p in ipairs(last:parameters()) do autograd.no_grad(function() p:normal_(0, 0.3) end) end
   all:load_state(last:state())
   local x = engram.randn(n, steps, width, { dtype = dtype })
   local seed = engram.randn(n, width, { dtype = dtype })
   local function run(layer, take)
      local input = x:clone():requires_grad_()
      local y = take(layer(input, { padding_mask = mask }))
      y:backward(seed)
      local got = { y, input.grad }
      for name, p in layer:named_parameters() do
         -- The key's bias adds the same to all scores of a query: its gradient is 0, but for rounding where keys are made.
         local g = p.grad
         if name:find "in_proj_bias" then g = engram.cat({ g:narrow(1, 1, width), g:narrow(1, 2 * width + 1, width) }, 1) end
         got[#got + 1] = g
      end
      return got
   end
   local got, want = run(last, function(y) return y end), run(all, last_of)
   t.expect(got[1].shape):equals{ n, width }
   for i = 1, #want do t.expect(worst(got[i], want[i])):below(dtype == "float64" and 1e-12 or 2e-5) end
end

for _, case in ipairs{ { 5, 7, 48, 4 }, { 20, 30, 120, 30 }, { 3, 1, 8, 2 }, { 33, 18, 33, 3 }, { 2, 40, 17, 1 } } do
   local n, steps, width, heads = unpack(case)
   for _, dtype in ipairs{ "float64", "float32" } do
      t.test(("queries = \"last\" is the last of all: (%d, %d, %d), %d heads, %s"):format(n, steps, width, heads, dtype), function()
         local mask = engram.zeros(n, steps, { dtype = "uint8" })
         if steps > 2 then mask[{ 1, 2 }], mask[{ n, steps }], mask[{ 2, 1 }] = 1, 1, 1 end
         for _, padding in ipairs{ false, mask } do
            compare(function(queries) return nn.MultiheadAttention(width, heads, { queries = queries, dtype = dtype }) end, n, steps, width,
               dtype, padding or nil)
            for _, how in ipairs{ { "post", "relu" }, { "pre", "gelu" } } do
               compare(function(queries)
                  return nn.TransformerEncoderLayer(width, heads, 50, { norm = how[1], activation = how[2], dropout = 0, queries = queries,
                     dtype = dtype })
               end, n, steps, width, dtype, padding or nil)
            end
         end
      end)
   end
end

t.test("without biases too, and for keys of their own", function()
   compare(function(queries) return nn.MultiheadAttention(16, 2, { queries = queries, bias = false, dtype = "float64" }) end, 3, 4, 16,
      "float64")
   local last, all = nn.MultiheadAttention(16, 2, { queries = "last" }), nn.MultiheadAttention(16, 2)
   all:load_state(last:state())
   local q, k = engram.randn(3, 4, 16), engram.randn(3, 6, 16)
   t.expect(last(q, k, k)):close_to(last_of(all(q, k, k)), 1e-5)
   t.expect(last(q, k)):close_to(last_of(all(q, k, k)), 1e-5)
end)

-- ---- masks ------------------------------------------------------------------------------------------------

t.test("padded keys have no influence", function()
   local layer = nn.MultiheadAttention(12, 3)
   local x = engram.randn(2, 5, 12)
   local mask = bytes{ { 0, 0, 0, 1, 1 }, { 0, 0, 0, 0, 0 } }
   local before = layer(x, { padding_mask = mask })
   local other = x:clone()
   other[1]:narrow(1, 4, 2):fill_(9)
   local after = layer(other, { padding_mask = mask })
   t.expect(after[1]:narrow(1, 1, 3)):equals(before[1]:narrow(1, 1, 3))
   t.expect(layer(x:narrow(1, 1, 1):narrow(2, 1, 3))[1]):close_to(before[1]:narrow(1, 1, 3), 1e-5)
   t.expect(layer(x, { padding_mask = mask:to "int64" })):equals(before)
end)

t.test("a query without keys reads zeros, and gives no gradient", function()
   for _, queries in ipairs{ "all", "last" } do
      local layer = nn.MultiheadAttention(12, 3, { queries = queries, dtype = "float64" })
      autograd.no_grad(function() layer.in_proj_bias:fill_(0.5) layer.out_proj.bias:fill_(0.25) end)
      local x = engram.randn(2, 4, 12, { dtype = "float64", requires_grad = true })
      local y = layer(x, { padding_mask = bytes{ { 1, 1, 1, 1 }, { 0, 0, 0, 0 } } })
      t.expect(y[1]:sub(0.25):abs():max():item()):equals(0)
      y[1]:sum():backward()
      t.expect(x.grad:abs():max():item()):equals(0)
   end
end)

t.test("with `causal` no position sees those behind it", function()
   local layer = nn.TransformerEncoderLayer(12, 3, 20, { causal = true, dropout = 0 })
   local x = engram.randn(2, 6, 12)
   local whole, part = layer(x), layer(x:narrow(2, 1, 4))
   t.expect(whole:narrow(2, 1, 4)):close_to(part, 1e-5)
   local last = nn.TransformerEncoderLayer(12, 3, 20, { causal = true, dropout = 0, queries = "last" })
   last:load_state(layer:state())
   t.expect(last(x)):close_to(last_of(whole), 1e-5)
   local other = nn.MultiheadAttention(12, 3, { causal = true })
   t.expect(other(x:narrow(2, 1, 2), x, x)):differs_from(other(x:narrow(2, 1, 2), x:narrow(2, 1, 2)))
end)

t.test("dropout on the weights: drawn in training, gone in evaluation, the mean kept", function()
   for _, queries in ipairs{ "all", "last" } do
      local layer = nn.MultiheadAttention(8, 2, { dropout = 0.5, queries = queries })
      local x = engram.randn(1, 6, 8)
      engram.seed(5)
      local first = layer(x)
      engram.seed(5)
      t.expect(layer(x)):equals(first)
      t.expect(layer(x)):differs_from(first)
      local total = engram.zeros_like(first:detach())
      for _ = 1, 2000 do engram.scope(function() total:add_(layer(x):detach(), 1 / 2000) end) end
      layer:eval()
      t.expect(layer(x)):equals(layer(x))
      t.expect(total):close_to(layer(x):detach(), 0.06)
   end
end)

-- ---- layer normalisation and positions --------------------------------------------------------------------

t.test("layer normalisation of a large mean, and of a constant row", function()
   local layer = nn.LayerNorm(40)
   local x = engram.randn(3, 40)
   t.expect(layer(x + 1000)):close_to(layer(x), 2e-3)
   t.expect(nn.LayerNorm(4)(engram.full({ 2, 4 }, 7))):equals{ { 0, 0, 0, 0 }, { 0, 0, 0, 0 } }
   t.expect(#nn.LayerNorm(4, { affine = false }):parameters()):equals(0)
   t.expect(nn.LayerNorm(4, { affine = false })(x:narrow(2, 1, 4):contiguous()):mean():item()):close_to(0, 1e-6)
end)

t.test("sinusoidal positions are those of the paper; learned ones are rows of a weight", function()
   local zeros = engram.zeros(2, 5, 7, { dtype = "float64" })
   local y = nn.PositionalEncoding(7, { length = 9 })(zeros)
   for p = 0, 4 do
      for i = 0, 6 do
         local angle = p / 10000 ^ (2 * math.floor(i / 2) / 7)
         t.expect(y[{ 2, p + 1, i + 1 }]:item()):close_to(i % 2 == 0 and math.sin(angle) or math.cos(angle), 1e-12)
      end
   end
   local learned = nn.PositionalEncoding(7, { kind = "learned", length = 9 })
   t.expect(learned(zeros:float())[1]):equals(learned.weight:narrow(1, 1, 5))
   t.expect(learned:count()):equals(63)
   t.expect(function() learned(engram.zeros(1, 10, 7)) end):raises "nn.PositionalEncoding: 10 positions, at most length = 9 are encoded"
   t.expect(function() nn.PositionalEncoding(4, { kind = "sine" }) end):raises "kind must be 'sinusoidal' or 'learned', got 'sine'"
end)

-- ---- LSTM -------------------------------------------------------------------------------------------------

t.test("an LSTM in two pieces is the LSTM in one", function()
   local layer = nn.LSTM(5, 20, { layers = 2 })
   local x = engram.randn(18, 9, 5)
   local whole, state = layer(x)
   local first, middle = layer(x:narrow(2, 1, 4))
   local second, after = layer(x:narrow(2, 5, 5), middle)
   t.expect(engram.cat({ first, second }, 2)):equals(whole)
   t.expect(after[1]):equals(state[1])
   t.expect(after[2]):equals(state[2])
   t.expect(state[1][2]):equals(last_of(whole))
   t.expect(nn.Sequential{ layer, last_of, nn.Linear(20, 3) }(x).shape):equals{ 18, 3 }
end)

-- Sequences of 4, 1, 6 and 2 steps in one batch; what is behind them is of any size.
local LENGTHS = { 4, 1, 6, 2 }
local function ragged()
   engram.seed(12)
   local layer = nn.LSTM(3, 5, { layers = 2, dtype = "float64" })
   local x = engram.randn(4, 6, 3, { dtype = "float64" }) * 10
   local state = { engram.randn(2, 4, 5, { dtype = "float64" }), engram.randn(2, 4, 5, { dtype = "float64" }),
      lengths = engram.tensor(LENGTHS, { dtype = "int64" }) }
   return layer, x, state
end

t.test("an LSTM with lengths: each sequence as if it were alone, zeros behind it", function()
   local layer, x, state = ragged()
   local y, after = layer(x, state)
   t.expect(y.shape):equals{ 4, 6, 5 }
   for i, length in ipairs(LENGTHS) do
      local alone, own = layer(x:narrow(1, i, 1):narrow(2, 1, length), { state[1]:narrow(2, i, 1), state[2]:narrow(2, i, 1) })
      t.expect(worst(y[i]:narrow(1, 1, length), alone[1])):below(1e-13)
      if length < 6 then t.expect(y[i]:narrow(1, length + 1, 6 - length):abs():max():item()):equals(0) end
      for k = 1, 2 do t.expect(worst(after[k]:narrow(2, i, 1), own[k])):below(1e-13) end
   end
   local whole, full = layer(x, { state[1], state[2] })
   state.lengths = engram.full({ 4 }, 6, { dtype = "int64" })
   y, after = layer(x, state)
   t.expect({ y:tolist(), after[1]:tolist(), after[2]:tolist() }):equals{ whole:tolist(), full[1]:tolist(), full[2]:tolist() }
end)

t.test("an LSTM with lengths: gradients are the quotients of differences", function()
   local layer, x, state = ragged()
   local seeds
   local function loss()
      local y, after = layer(x, state)
      seeds = seeds or { engram.randn_like(y), engram.randn_like(after[1]), engram.randn_like(after[2]) }
      return (y * seeds[1]):sum() + (after[1] * seeds[2]):sum() + (after[2] * seeds[3]):sum()
   end
   x, state[1], state[2] = x:requires_grad_(), state[1]:requires_grad_(), state[2]:requires_grad_()
   loss():backward()
   local inputs = { x = x, h = state[1], c = state[2] }
   for name, p in layer:named_parameters() do inputs[name] = p end
   for name, p in pairs(inputs) do
      local flat, gradient = p:detach():reshape(-1), p.grad:reshape(-1)
      for k = 1, p:numel(), 7 do
         local was = flat[k]:item()
         local function at(value)
            return autograd.no_grad(function()
               flat[k] = value
               return loss():item()
            end)
         end
         local quotient = (at(was + 1e-5) - at(was - 1e-5)) / 2e-5
         at(was)
         t.expect({ name, k, math.abs(gradient[k]:item() - quotient) < 1e-6 * math.max(1, math.abs(quotient)) }):equals{ name, k, true }
      end
   end
end)

-- ---- per-sample squares -----------------------------------------------------------------------------------

local function squares_by_loop(model, x, seeds)
   local totals
   for n = 1, #x do
      local y = model(x:narrow(1, n, 1))
      for _, seed in ipairs(seeds) do
         local grads = engram.grad(y, model:parameters(), { grad_outputs = seed:narrow(1, n, 1), retain_graph = true })
         for i, g in ipairs(grads) do grads[i] = g:square() end
         totals = totals or grads
         if totals ~= grads then for i, g in ipairs(grads) do totals[i] = totals[i] + g end end
      end
   end
   return totals
end

local function check_squares(name, make)
   t.test("per-sample squares: " .. name, function()
      engram.seed(6)
      local model = make():to "float64"
      for _, p in ipairs(model:parameters()) do autograd.no_grad(function() p:normal_(0, 0.4) end) end
      local x = engram.randint(1, 9, 6, 5)
      x[{ 2, 3 }], x[{ 2, 4 }] = 1, 1
      local y = model(x)
      local seeds = { engram.randn(y.shape, { dtype = "float64" }), engram.randn(y.shape, { dtype = "float64" }) }
      local got, want = engram.fisher.squared_gradients(y, seeds, model:parameters()), squares_by_loop(model, x, seeds)
      for i in ipairs(want) do
         t.expect(worst(got[i], want[i])):below(1e-11)
      end
   end)
end

local width = 12
local function embedding() return nn.Embedding(9, width, { padding_index = 1 }) end

check_squares("embedding, LayerNorm, linear over positions", function()
   return nn.Sequential{ embedding(), nn.LayerNorm(width), nn.Linear(width, 7), nn.ReLU(), nn.Linear(7, 4), nn.Flatten(), nn.Linear(20, 3) }
end)
for _, norm in ipairs{ "post", "pre" } do
   for _, queries in ipairs{ "all", "last" } do
      check_squares(("encoder layer, %s-norm, queries = %q"):format(norm, queries), function()
         return nn.Sequential{ embedding(), nn.PositionalEncoding(width, { kind = "learned", length = 8 }),
            nn.TransformerEncoderLayer(width, 3, 20, { dropout = 0, norm = norm, queries = queries, activation = "gelu" }),
            queries == "last" and nn.Identity() or last_of, nn.Linear(width, 3) }
      end)
   end
end
check_squares("attention of one head", function()
   return nn.Sequential{ embedding(), nn.MultiheadAttention(width, 1, { queries = "last" }), nn.Linear(width, 3) }
end)
check_squares("a LayerNorm used twice", function()
   local norm = nn.LayerNorm(width)
   return nn.Sequential{ embedding(), norm, nn.TransformerEncoderLayer(width, 3, 20, { queries = "last", dropout = 0 }), norm,
      nn.Linear(width, 3) }
end)
check_squares("LSTM", function()
   return nn.Sequential{ embedding(), nn.LSTM(width, 5, { layers = 2 }), last_of, nn.Linear(5, 3) }
end)

-- The mean of an LSTM's steps and its last one; how many count is told by the first token.
local Ragged = nn.Module:extend "Ragged"
function Ragged:init() self.embedding, self.lstm, self.linear = embedding(), nn.LSTM(width, 5, { layers = 2 }), nn.Linear(5, 3) end
function Ragged:forward(x)
   local y, state = self.lstm(self.embedding(x), { lengths = x:narrow(2, 1, 1):squeeze(2):remainder(5) + 1 })
   return self.linear(y:mean(2) + state[1][2])
end
check_squares("LSTM with lengths", Ragged)

-- ---- threads ----------------------------------------------------------------------------------------------

-- Weights after some steps: large enough that every kernel is cut for threads.
local function trained(queries, threads)
   local before = engram.threads()
   engram.threads(threads)
   engram.seed(9)
   local norm = nn.LayerNorm(64)
   local model = nn.Sequential{ nn.Embedding(500, 64, { padding_index = 1 }), nn.Dropout(0.1), norm,
      nn.TransformerEncoderLayer(64, 4, 128, { queries = queries }), queries == "all" and last_of or nn.Identity(), norm, nn.Linear(64, 3) }
   local rest = nn.LSTM(64, 32)
   local both = nn.Module:extend "Both"
   function both:init() self.model, self.rest = model, rest end
   local opt = optim.CLASSP(both(), { lr = 0.05, epsilon = 1e-4 })
   local x, y = engram.randint(1, 500, 300, 20), engram.randint(1, 3, 300)
   for _ = 1, 3 do
      engram.scope(function()
         opt:zero_grad()
         local loss = nn.cross_entropy(model(x), y) + rest(model[1](x)):square():mean()
         loss:backward()
         opt:step()
      end)
   end
   local logits = model(x)
   local squares = engram.scope(function()
      model:eval()
      local list = engram.fisher.squared_gradients(model(x), engram.randn(300, 3), model:parameters())
      local sums = {}
      for i, s in ipairs(list) do sums[i] = s:double():sum():item() end
      return sums
   end)
   engram.threads(before)
   return { model:hash(), rest:hash(), logits:double():sum():item(), squares }
end

for _, queries in ipairs{ "all", "last" } do
   t.test(("1, 2 and 4 threads give the same bits, queries = %q"):format(queries), function()
      local one = trained(queries, 1)
      for _, threads in ipairs{ 2, 4 } do t.expect(trained(queries, threads)):equals(one) end
   end)
end

-- ---- weights and errors -----------------------------------------------------------------------------------

t.test("weights have PyTorch's names and come back from a file", function()
   local layer, names = nn.TransformerEncoderLayer(12, 3, 20), {}
   for name in layer:named_parameters() do names[#names + 1] = name end
   t.expect(names):equals{ "self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
      "linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias", "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias" }
   local path = t.temporary_folder() .. "/layer.safetensors"
   layer:save(path)
   t.expect(nn.TransformerEncoderLayer(12, 3, 20, { queries = "last" }):load(path):hash()):equals(layer:hash())
   t.expect(nn.TransformerEncoderLayer(12, 3):count()):equals(12 * 36 + 36 + 144 + 12 + 2 * 12 * 2048 + 2048 + 12 + 48)
   t.expect(layer:describe()):contains "self_attn"
end)

t.test("layers print with their settings, also those that have parts", function()
   t.expect(tostring(nn.MultiheadAttention(12, 3, { dropout = 0.2, causal = true, bias = false }))):contains(
      "MultiheadAttention(12, 3, dropout = 0.2, bias = false, causal) {\n  out_proj: Linear(")
   local text = tostring(nn.TransformerEncoderLayer(12, 3, 20, { queries = "last", norm = "pre", activation = "gelu", epsilon = 1e-6 }))
   t.expect(text):contains(
      'TransformerEncoderLayer(12, 3, 20, dropout = 0.1, activation = gelu, norm = pre, queries = "last") {\n  self_attn: ')
   t.expect(text):contains "norm1: LayerNorm(12, epsilon = 1e-06)\n"
   t.expect(text):contains "dropout1: Dropout(0.1)\n  dropout2: Dropout(0.1)\n}"
   t.expect(tostring(nn.LayerNorm(12, { affine = false }))):equals "LayerNorm(12, affine = false)"
end)

t.test("wrong shapes and settings are refused", function()
   local layer = nn.MultiheadAttention(12, 3)
   local x = engram.randn(2, 4, 12)
   t.expect(function() nn.MultiheadAttention(12, 5) end):raises "a width of 12 cannot be cut into 5 heads"
   t.expect(function() nn.MultiheadAttention(12, 3, { causal = "yes" }) end):raises "causal must be true or false, got string"
   t.expect(function() nn.MultiheadAttention(12, 3, { bias = 0 }) end):raises "bias must be true or false, got number"
   t.expect(function() nn.TransformerEncoderLayer(12, 3, { causal = 1 }) end):raises "causal must be true or false, got number"
   for _, pair in ipairs{ { -1, "-1" }, { 0 / 0, "nan" }, { "x", "string" }, { math.huge, "inf" } } do
      t.expect(function() nn.LayerNorm(4, { epsilon = pair[1] }) end):raises("epsilon must be a finite number of at least 0, got ")
      t.expect(function() nn.BatchNorm1d(4, { epsilon = pair[1] }) end):raises(pair[2])
   end
   t.expect(function() nn.LayerNorm(4, { affine = "no" }) end):raises "nn.LayerNorm: affine must be true or false, got string"
   t.expect(function() nn.MultiheadAttention(12, 3, { queries = "first" }) end):raises "queries must be 'all' or 'last', got 'first'"
   t.expect(function() nn.MultiheadAttention(12, 3, { dropout = 1 }) end):raises "dropout must be at least 0 and less than 1, got 1"
   t.expect(function() layer(engram.randn(2, 12)) end):raises "input must be (samples, positions, 12), got (2, 12)"
   t.expect(function() layer(x, engram.randn(3, 4, 12)) end):raises "the queries (2, 4, 12): expected the same samples and width"
   t.expect(function() layer(x, { padding_mask = bytes{ { 0, 1 } } }) end)
      :raises "padding_mask must be (samples, keys) = (2, 4), got (1, 2)"
   t.expect(function() layer(x, { mask = 1 }) end):raises "unknown option 'mask'"
   local mask = bytes{ { 0, 0, 1, 1 }, { 0, 0, 0, 1 } }
   t.expect(function() layer(x, { padding_mask = mask:to "float32" * 0.5 }) end):raises "padding_mask holds more than 0 and 1"
   t.expect(function() layer(x, { padding_mask = mask:to "float32" * (0 / 0) }) end):raises "padding_mask holds more than 0 and 1"
   t.expect(layer(x, nil, nil, { padding_mask = mask }):equal(layer(x, { padding_mask = mask }))):is_true()
   t.expect(function() layer(x, nil, x) end):raises "a value needs a key"
   t.expect(function() layer(x, { padding_mask = mask }, nil, {}) end):raises "key must be a tensor or nil, got a table"
   t.expect(function() nn.TransformerEncoderLayer(12, 3, 20, { dropout = false }) end):raises "dropout must be at least 0"
   for _, make in ipairs{ nn.LayerNorm, nn.PositionalEncoding } do
      t.expect(function() make(12, { dtype = "int64" }) end):raises "float64"
   end
   t.expect(function() x:layer_norm(nil, nil, "a") end):raises "layer_norm: epsilon must be a number, got 'a'"
   t.expect(function() nn.MultiheadAttention(12, 3, { queries = "last" })(engram.randn(2, 0, 12)) end)
      :raises "there is no last position: input (2, 0, 12)"
   t.expect(function() nn.TransformerEncoderLayer(12, 3, 20, { norm = "both" }) end):raises "norm must be 'post' or 'pre', got 'both'"
   t.expect(function() nn.TransformerEncoderLayer(12, 3, 20, { activation = "tanh" }) end)
      :raises "activation must be 'relu' or 'gelu', got 'tanh'"
   t.expect(function() nn.LayerNorm(3)(x) end):raises "nn.LayerNorm: expected (..., 3), got (2, 4, 12)"
   t.expect(function() x:layer_norm(engram.ones(3)) end):raises "layer_norm: weight has shape (3), expected (12)"
   t.expect(function() nn.LSTM(12, 4)(x:narrow(2, 1, 0)) end):raises "nn.LSTM: input (2, 0, 12) has no steps"
   t.expect(function() nn.LSTM(5, 4)(x) end):raises "input must be (samples, steps, 5), got (2, 4, 12)"
   t.expect(function() nn.LSTM(12, 4)(x, { engram.zeros(1, 3, 4) }) end)
      :raises "the initial h must be (layers, samples, hidden) = (1, 2, 4), got (1, 3, 4)"
   local lstm = nn.LSTM(12, 4)
   local function given(state) return function() lstm(x, state) end end
   t.expect(given{ length = 3 }):raises "the state is { h, c, lengths = }, it has no 'length', did you mean 'lengths'?"
   t.expect(given{ 1, 2 }):raises "nn.LSTM: initial h"
   t.expect(given{ nil, nil, 3 }):raises "it has no 3"
   t.expect(given{ lengths = { 1, 2 } }):raises "nn.LSTM: lengths"
   t.expect(given{ lengths = engram.tensor{ 1, 2 } }):raises "lengths must be (samples) = (2) int64, got (2) float32"
   t.expect(given{ lengths = engram.tensor({ 1, 2, 3 }, { dtype = "int64" }) }):raises "lengths must be (samples) = (2) int64, got (3)"
   t.expect(given{ lengths = engram.tensor({ 1, 5 }, { dtype = "int64" }) }):raises "length 2 is 5, expected 1 to 4"
   t.expect(given{ lengths = engram.tensor({ 0, 4 }, { dtype = "int64" }) }):raises "length 1 is 0, expected 1 to 4"
   t.expect(function() nn.LSTM(12, 4, { bias = 0 }) end):raises "nn.LSTM: bias must be true or false, got number"
   t.expect(function() nn.Sequential{ nn.Linear(12, 12) }(x, { padding_mask = 1 }) end)
      :raises "nn.Sequential: passes one value from layer to layer, but was called with a second, a table; call its layers by hand"
   t.expect(function() nn.PositionalEncoding(12)(engram.zeros(2, 4, 12, { dtype = "int64" })) end)
      :raises "nn.PositionalEncoding: expected float32 or float64, got int64; for token numbers, put an nn.Embedding before it"
   local index = engram.tensor({ 1, 2 }, { dtype = "int64" })
   for _, padding in ipairs{ 0, 4, 1.5, "1" } do
      t.expect(function() engram.zeros(3, 2):embedding(index, padding) end):raises "padding must be a number from 1 to 3"
   end
   t.expect(function() autograd.rows_of(3) end):raises "autograd.rows_of: expected a tensor, got 3"
   t.expect(function() nn.LSTM(12, 4)(x, engram.zeros(1, 2, 4)) end):raises "expected the state as a table {h, c}, got tensor"
end)

t.done()
