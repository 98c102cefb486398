-- test_nn.lua: modules: order of parameters, modes, weights files, layers and losses.
local t = require "tests.harness"
local engram = require "engram"
local nn = engram.nn
local test, expect = t.test, t.expect

local function names(iterator)
   local list = {}
   for name in iterator do list[#list + 1] = name end
   return list
end

local Net = nn.Module:extend "Net"
function Net:init(width)
   self.first = nn.Linear(4, width)
   self.scale = nn.parameter(engram.ones(1))
   self.norm = nn.BatchNorm1d(width)
   self.last = nn.Linear(width, 2, { bias = false })
end
function Net:forward(x) return self.last(self.norm(self.first(x)):relu()) * self.scale end

test("parameters come in the order of their assignment, children by name", function()
   local net = Net(3)
   expect(names(net:named_parameters())):equals{ "scale", "first.weight", "first.bias", "norm.weight", "norm.bias", "last.weight" }
   expect(names(net:named_buffers())):equals{ "norm.running_mean", "norm.running_var" }
   expect(names(net:named_modules())):equals{ "", "first", "norm", "last" }
   expect(net:count()):equals(1 + 15 + 6 + 6)
   expect(net(engram.randn(5, 4)).shape):equals{ 5, 2 }
   expect(names(nn.Sequential{ nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1) }:named_parameters()))
      :equals{ "1.weight", "1.bias", "3.weight", "3.bias" }
end)

test("a shared parameter is listed once", function()
   local Tied = nn.Module:extend "Tied"
   function Tied:init() self.a = nn.Linear(2, 2) self.b = nn.Linear(2, 2) self.b.weight = self.a.weight end
   expect(#Tied():parameters()):equals(3)
end)

test("train and eval reach every module; dropout follows", function()
   local net = nn.Sequential{ nn.Dropout(0.5), nn.Sequential{ nn.Dropout2d(0.5) } }
   local x = engram.ones(2, 3, 4, 4)
   expect(net:eval()(x):equal(x)):is_true()
   expect(net:train()(x):equal(x)):equals(false)
   expect(net[2][1].training):is_true()
end)

test("dropout keeps the mean, drops the share, and draws the same again", function()
   engram.seed(2)
   local x = engram.ones(200, 200)
   local y = x:dropout(0.3)
   expect(y:eq(0):sum():item() / 40000):close_to(0.3, 0.02)
   expect(y:max():item()):close_to(1 / 0.7, 1e-6)
   engram.seed(2)
   expect(x:dropout(0.3):equal(y)):is_true()
   local planes = engram.ones(20, 30, 2, 2):dropout2d(0.5)
   local sums = planes:reshape(600, 4):sum(2)
   expect(sums:eq(0):logical_or(sums:eq(8)):all()):is_true()
   expect(x:dropout(1):sum():item()):equals(0)
   expect(function() x:dropout(1.5) end):raises "p must be from 0 to 1"
   expect(function() nn.Dropout(-1) end):raises "p must be from 0 to 1"
end)

test("save and load give the same bits; a file that does not fit changes nothing", function()
   local path = t.temporary_folder() .. "/weights.safetensors"
   local a, b = Net(3), Net(3)
   a:save(path)
   expect(b:hash()):differs_from(a:hash())
   expect(b:load(path):hash()):equals(a:hash())
   local c = Net(5)
   local before = c:hash()
   expect(function() c:load(path) end):raises "first.weight has shape (3, 4), the model wants (5, 4)"
   expect(c:hash()):equals(before)
   expect(function() nn.Linear(4, 3):load(path) end):raises "missing weight, bias"
   local linear = nn.Linear(4, 3)
   expect(function() linear:load_state(nn.Linear(4, 3)) end):raises "expected a table { name = tensor }; a module's is module:state()"
   expect(function() linear:load_state{ weight = {}, bias = linear.bias } end):raises "load_state: weight is no tensor but a table"
   local own, with = linear:state(), { [{}] = 1, more = 2 }
   for name, value in pairs(own) do with[name] = value end
   expect(function() linear:load_state(with) end):raises "does not fit the model: unexpected a table, more"
   expect(function() linear:load_state(7) end):raises "expected a table { name = tensor }"
end)

test("a model converts to float64", function()
   local net = nn.Sequential{ nn.Linear(3, 2), nn.BatchNorm1d(2) }:to "float64"
   local y = net(engram.randn(4, 3, { dtype = "float64" }))
   expect(y.dtype):equals "float64"
   y:square():sum():backward()
   expect(net[1].weight.grad.dtype):equals "float64"
end)

test("first values are PyTorch's: within 1 / sqrt(fan_in), from the stream init", function()
   engram.seed(1)
   local a = nn.Linear(100, 50)
   engram.randn(10)
   expect(a.weight:abs():max():item() <= 0.1):is_true()
   expect(a.weight:abs():max():item() > 0.095):is_true()
   engram.seed(1)
   expect(nn.Linear(100, 50).weight:equal(a.weight)):is_true()
   local conv = nn.Conv2d(4, 8, 5)
   expect(conv.weight:abs():max():item() <= 0.1):is_true()
   local w = nn.parameter(engram.zeros(200, 300))
   nn.initial.xavier_uniform_(w)
   expect(w:abs():max():item()):close_to(math.sqrt(6 / 500), 1e-2)
   nn.initial.kaiming_normal_(w)
   expect(w:std():item()):close_to(math.sqrt(2 / 300), 1e-2)
end)

test("batch norm: running statistics by hand, and evaluation by them", function()
   local norm = nn.BatchNorm2d(2)
   local x = engram.randn(3, 2, 2, 2) * 2 + 1
   norm(x)
   local rows = x:permute(2, 1, 3, 4):reshape(2, 12)
   expect(norm.running_mean):close_to(rows:mean(2) * 0.1, 1e-5)
   expect(norm.running_var):close_to(rows:var(2) * 0.1 + 0.9, 1e-5)
   norm:eval()
   local want = (x[{ 1, 2 }] - norm.running_mean[2]:item()) / math.sqrt(norm.running_var[2]:item() + 1e-5)
   expect(norm(x)[{ 1, 2 }]:detach()):close_to(want, 1e-5)
   expect(function() norm(engram.zeros(3, 5, 2, 2)) end):raises "expected (n, 2, h, w), got (3, 5, 2, 2)"
   expect(function() nn.BatchNorm1d(2):train()(engram.zeros(1, 2)) end):raises "more than one value a channel"
end)

test("convolution and pooling layers have PyTorch's output sizes", function()
   local x = engram.randn(2, 3, 9, 7)
   expect(nn.Conv2d(3, 4, 3)(x).shape):equals{ 2, 4, 7, 5 }
   expect(nn.Conv2d(3, 4, { 5, 3 }, { stride = 2, padding = { 2, 1 } })(x).shape):equals{ 2, 4, 5, 4 }
   expect(nn.MaxPool2d(2)(x).shape):equals{ 2, 3, 4, 3 }
   expect(nn.AvgPool2d(3, { stride = 1, padding = 1 })(x).shape):equals{ 2, 3, 9, 7 }
   expect(nn.Flatten()(x).shape):equals{ 2, 189 }
   local narrow = nn.Conv2d(1, 4, 3)
   expect(function() narrow(x) end):raises "conv2d: input has 3 channels, the layer wants 1: input (2, 3, 9, 7), weight (4, 1, 3, 3)"
   expect(function() nn.Conv2d(3, 4, 20)(x) end):raises "conv2d"
   expect(function() nn.Conv2d(3, 4, 3, { strid = 2 }) end):raises "did you mean 'stride'?"
   expect(function() nn.Linear(3, 0) end):raises "out_features: expected a whole number of at least 1, got 0"
end)

test("losses and their reductions", function()
   local logits, labels = engram.tensor{ { 1, 2, 3 }, { 0, 0, 0 } }, engram.tensor({ 3, 1 }, { dtype = "int64" })
   local first = -math.log(math.exp(3) / (math.exp(1) + math.exp(2) + math.exp(3)))
   expect(nn.cross_entropy(logits, labels, { reduction = "none" })):close_to({ first, math.log(3) }, 1e-6)
   expect(nn.cross_entropy(logits, labels):item()):close_to((first + math.log(3)) / 2, 1e-6)
   expect(nn.CrossEntropyLoss{ reduction = "sum" }(logits, labels):item()):close_to(first + math.log(3), 1e-6)
   expect(nn.nll_loss(logits:log_softmax(), labels):item()):close_to((first + math.log(3)) / 2, 1e-6)
   expect(nn.mse_loss(engram.tensor{ 1, 3 }, engram.tensor{ 0, 0 }):item()):equals(5)
   expect(nn.l1_loss(engram.tensor{ 1, -3 }, engram.tensor{ 0, 0 }):item()):equals(2)
   expect(nn.binary_cross_entropy_with_logits(engram.tensor{ 0 }, engram.tensor{ 1 }):item()):close_to(math.log(2), 1e-6)
   expect(function() nn.cross_entropy(logits, labels + 1) end):raises "label 4 at position 1 is out of range 1..3"
   expect(function() nn.cross_entropy(logits, labels:float()) end):raises "int64"
   expect(function() nn.cross_entropy(logits, labels, { reduction = "men" }) end):raises "'mean', 'sum' or 'none'"
   expect(function() nn.mse_loss(logits, labels) end):raises "shapes differ"
end)

test("huge logits stay finite", function()
   local logits = engram.tensor({ { 1e4, -1e4, 0 } }, { requires_grad = true })
   local loss = nn.cross_entropy(logits, engram.tensor({ 2 }, { dtype = "int64" }))
   loss:backward()
   expect(loss:item()):equals(2e4)
   expect(logits.grad:isfinite():all()):is_true()
end)

test("sequences take functions; wrong items and names are told", function()
   local net = nn.Sequential{ nn.Linear(2, 2), function(x) return x * 0 end }
   expect(net(engram.ones(1, 2)):sum():item()):equals(0)
   expect(function() nn.Sequential{ 3 } end):raises "item 1 is no module and no function but number"
   expect(function() return nn.Linaer end):raises "did you mean 'Linear'?"
   expect(tostring(nn.Sequential{ nn.Linear(2, 3), nn.ReLU() })):equals "Sequential {\n  1: Linear(2, 3)\n  2: ReLU()\n}"
end)

test("a layer prints what it was given, where that is not the default: two that differ are told apart", function()
   expect(tostring(nn.MaxPool2d(2))):equals "MaxPool2d(2)"
   expect(tostring(nn.MaxPool2d({ 3, 2 }, { stride = 2, padding = { 1, 0 } }))):equals "MaxPool2d(3, 2, stride = 2, padding = {1, 0})"
   expect(tostring(nn.AvgPool2d(3, { padding = 1 }))):equals "AvgPool2d(3, padding = 1)"
   expect(tostring(nn.AvgPool2d(3, { stride = 3, padding = 0 }))):equals "AvgPool2d(3)"
   expect(tostring(nn.BatchNorm2d(8))):equals "BatchNorm2d(8)"
   expect(tostring(nn.BatchNorm1d(8, { epsilon = 0.001, momentum = 0.25, affine = false }))):equals
      "BatchNorm1d(8, epsilon = 0.001, momentum = 0.25, affine = false)"
   for _, wrong in ipairs{ "x", -0.1, 1.1, 0 / 0 } do
      expect(function() nn.BatchNorm2d(8, { momentum = wrong }) end):raises "nn.BatchNorm2d: momentum must be a number from 0 to 1, got "
   end
   expect(function() nn.BatchNorm1d(8, { affine = 0 }) end):raises "nn.BatchNorm1d: affine must be true or false, got number"
end)

t.test("Sequential takes relu along with a linear layer or a convolution: the same bits as one after the other", function()
   local function check(layer, x)
      x.grad = nil
      local relu = nn.ReLU()
      local together = nn.Sequential{ layer, relu }(x)
      local apart = relu(layer(x))
      t.expect(together:equal(apart)):is_true()
      local seed = engram.randn(apart.shape, { dtype = apart.dtype })
      local inputs = { x, layer.weight, layer.bias }
      local a, b = engram.grad(together, inputs, { grad_outputs = seed }), engram.grad(apart, inputs, { grad_outputs = seed })
      for i = 1, 3 do t.expect(a[i]:equal(b[i])):is_true() end
   end
   for _, dtype in ipairs{ "float32", "float64" } do
      local o = { dtype = dtype }
      check(nn.Linear(5, 3, o), engram.randn(4, 5, o):requires_grad_())
      check(nn.Linear(40, 50, o), engram.randn(30, 40, o):requires_grad_())
      check(nn.Conv2d(2, 3, 3, o), engram.randn(2, 2, 6, 5, o):requires_grad_())
      check(nn.Conv2d(16, 20, 3, o), engram.randn(2, 16, 8, 8, o):requires_grad_())
   end
end)

t.test("relu taken along keeps NaN, changes no gradient that others hold, and a changed forward is called", function()
   local layer = nn.Linear(2, 2)
   engram.no_grad(function() layer.weight:fill_(1) layer.bias:fill_(0) end)
   local y = nn.Sequential{ layer, nn.ReLU() }(engram.tensor{ { 0 / 0, 1 }, { -1, -1 } })
   t.expect(y:ne(y):sum():item()):equals(2)
   t.expect(y[2]:sum():item()):equals(0)
   local seed = engram.tensor{ { 1, 1 } }
   local out = nn.Sequential{ layer, nn.ReLU() }(engram.tensor{ { -1, -1 } })
   out:backward(seed)
   t.expect(seed:sum():item()):equals(2)
   local Doubled = nn.Linear:extend "Doubled"
   function Doubled:forward(x) return nn.Linear.forward(self, x) * 2 end
   local doubled = Doubled(2, 2)
   engram.no_grad(function() doubled.weight:fill_(1) doubled.bias:fill_(0) end)
   t.expect(nn.Sequential{ doubled, nn.ReLU() }(engram.tensor{ { 1, 1 } }):sum():item()):equals(8)
   local silent = nn.ReLU()
   rawset(silent, "forward", function(_, x) return x end)
   t.expect(nn.Sequential{ layer, silent }(engram.tensor{ { -1, -1 } }):sum():item()):equals(-4)
end)

t.test("holes in lists are refused", function()
   t.expect(function() nn.Sequential{ nn.Linear(2, 2), nil, nn.ReLU() } end):raises("item 2 is no module")
   t.expect(function() engram.tensor{ 1, nil, 3 } end):raises("a table with holes: element 2 is nil")
end)

t.test("a layer that is called with no tensor says so", function()
   local layers = { nn.Linear(3, 2), nn.ReLU(), nn.Softmax(), nn.Dropout(), nn.Flatten(), nn.MaxPool2d(2), nn.Conv2d(1, 2, 3),
      nn.LayerNorm(3), nn.BatchNorm1d(3), nn.Embedding(5, 2), nn.LSTM(3, 2), nn.MultiheadAttention(4, 2),
      nn.Sequential{ nn.Linear(3, 2), nn.ReLU() } }
   for _, layer in ipairs(layers) do
      t.expect(function() layer{ 1, 2, 3 } end):raises "expected a tensor, got table"
   end
end)

-- Rounding of like numbers goes one way, so that it grows with their number where a sum is made in one go: 1e-4 for 20,000 rows.
t.test("gradients of many like inputs are as exact in float32 as those of few", function()
   local function check(layer, shape)
      local own, exact = layer(), layer()
      for name, p in exact:to "float64":named_parameters() do
         engram.no_grad(function() p:copy_(own:state()[name]:to "float64") end)
      end
      own(engram.full(shape, 0.1)):mean():backward()
      exact(engram.full(shape, 0.1, { dtype = "float64" })):mean():backward()
      local gradients = {}
      for name, p in exact:named_parameters() do gradients[name] = p.grad end
      for name, p in own:named_parameters() do
         local difference = ((p.grad:to "float64" - gradients[name]):norm() / gradients[name]:norm()):item()
         t.expect(difference >= 4e-6 and ("%s of %s: relative error %.2g"):format(name, tostring(own), difference)):is_false()
      end
   end
   check(function() return nn.Linear(64, 64) end, { 20000, 64 })
   check(function() return nn.Conv2d(1, 6, 5) end, { 64, 1, 28, 28 })
   check(function() return nn.Conv2d(16, 32, 3) end, { 64, 16, 28, 28 })
   check(function() return nn.LSTM(16, 32) end, { 256, 30, 16 })
   check(function() return nn.MultiheadAttention(60, 3) end, { 300, 30, 60 })
   check(function() return nn.MultiheadAttention(60, 3, { queries = "last" }) end, { 2000, 30, 60 })
end)

t.done()
