-- test_autograd.lua: the graph: gradients of every order, accumulation, errors, and that dropping the result drops the graph.
local t = require "tests.harness"
local engram = require "engram"
local test, expect = t.test, t.expect

local function leaf(values, dtype) return engram.tensor(values, { requires_grad = true, dtype = dtype or "float64" }) end

test("backward adds into .grad, and again", function()
   local x = leaf{ 1, 2, 3 }
   x:square():sum():backward()
   expect(x.grad:tolist()):equals{ 2, 4, 6 }
   x:sum():backward()
   expect(x.grad:tolist()):equals{ 3, 5, 7 }
   x.grad = nil
   expect(x.grad):is_nil()
   x.grad = engram.ones(3, { dtype = "float64" })
   expect(x.grad:tolist()):equals{ 1, 1, 1 }
   expect(function() x.grad = engram.ones(2) end):raises "grad: has shape (2), the tensor has (3)"
end)

test("one tensor used twice gets both shares, and the first share is not changed by the second", function()
   local x = leaf{ 2 }
   ;(x + x):sum():backward()
   expect(x.grad:item()):equals(2)
   local y, z = leaf{ 1 }, leaf{ 1 }
   local sum = y + z
   ;(sum + y):sum():backward()
   expect({ y.grad:item(), z.grad:item() }):equals{ 2, 1 }
   y.grad:add_(10)
   expect(z.grad:item()):equals(1)
end)

test("a diamond, and a graph with a part that leads nowhere", function()
   local x = leaf{ 3 }
   local a, b = x * 2, x * 5
   local _ = a:exp()
   ;(a * b):sum():backward()
   expect(x.grad:item()):equals(60)
end)

test("broadcasting is undone", function()
   local row, column = leaf{ 1, 2, 3 }, leaf{ { 1 }, { 2 } }
   ;(row * column):sum():backward()
   expect(row.grad:tolist()):equals{ 3, 3, 3 }
   expect(column.grad:tolist()):equals{ { 6 }, { 6 } }
end)

test("gradients reach through views and indexing", function()
   local x = leaf{ { 1, 2 }, { 3, 4 } }
   ;(x:t()[1] * engram.tensor({ 10, 100 }, { dtype = "float64" })):sum():backward()
   expect(x.grad:tolist()):equals{ { 10, 0 }, { 100, 0 } }
   local y = leaf{ 1, 2, 3 }
   y[engram.tensor({ 2, 2, 3 }, { dtype = "int64" })]:sum():backward()
   expect(y.grad:tolist()):equals{ 0, 2, 1 }
end)

test("a vector needs a gradient argument; a scalar does not", function()
   local x = leaf{ 1, 2 }
   expect(function() (x * 2):backward() end):raises "only a tensor with one element needs no gradient argument"
   ;(x * 2):backward(engram.tensor({ 1, 10 }, { dtype = "float64" }))
   expect(x.grad:tolist()):equals{ 2, 20 }
   expect(function() (x * 2):backward(engram.ones(3)) end):raises "the gradient has shape (3), the tensor (2)"
end)

test("grad returns gradients and leaves .grad alone", function()
   local x, y = leaf{ 2 }, leaf{ 5 }
   local g = engram.grad((x * y):sum(), { x, y })
   expect({ g[1]:item(), g[2]:item() }):equals{ 5, 2 }
   expect(x.grad):is_nil()
   expect(function() engram.grad(x:sum(), { y }) end):raises "has no part in the result"
   expect(engram.grad(x:sum(), { y }, { allow_unused = true })[1]):is_nil()
   expect(function() engram.grad(x:sum(), { engram.ones(1) }) end):raises "does not require a gradient"
   expect(function() engram.grad(x:sum(), { x }, { create_grph = true }) end):raises "did you mean 'create_graph'?"
end)

test("grad with respect to a tensor inside the graph", function()
   local x = leaf{ 3 }
   local y = x * x
   expect(engram.grad((y * y):sum(), { y })[1]:item()):equals(18)
end)

test("any order of derivative", function()
   local x = leaf{ 2 }
   local y, seen = x:pow(5):sum(), {}
   for order = 1, 5 do
      y = engram.grad(y, { x }, { create_graph = true })[1]:sum()
      seen[order] = y:item()
   end
   expect(seen):equals{ 80, 160, 240, 240, 120 }
   local z = leaf{ 0.3 }
   local w = z:tanh():sum()
   for _ = 1, 3 do w = engram.grad(w, { z }, { create_graph = true })[1]:sum() end
   local th = math.tanh(0.3)
   local s = 1 - th ^ 2
   expect(w:item()):close_to(-2 * s * (1 - 3 * th ^ 2), 1e-12)
end)

test("a Hessian-vector product against differences", function()
   local w = leaf{ { 0.3, -0.2 }, { 0.1, 0.5 } }
   local x = engram.tensor({ { 1, 2 }, { -1, 0.5 } }, { dtype = "float64" })
   local v = engram.tensor({ { 1, -1 }, { 2, 0.5 } }, { dtype = "float64" })
   local function slope(at)
      return engram.grad((x:matmul(at):tanh():softmax(2)):log():square():sum(), { at }, { create_graph = true })[1]
   end
   local hv = engram.grad((slope(w) * v):sum(), { w })[1]
   local function shifted(step) return slope((w:detach() + v * step):detach():requires_grad_()):detach() end
   expect(hv):close_to((shifted(1e-5) - shifted(-1e-5)) / 2e-5, 1e-7)
end)

test("create_graph accumulates with a graph", function()
   local x = leaf{ 3 }
   x:pow(3):sum():backward(nil, { create_graph = true })
   expect(engram.grad(x.grad:sum(), { x })[1]:item()):equals(18)
end)

test("a graph can be walked once, or more with retain_graph", function()
   local x = leaf{ 2 }
   local y = (x * x):sum()
   y:backward(nil, { retain_graph = true })
   y:backward()
   expect(x.grad:item()):equals(8)
   expect(function() y:backward() end):raises "this graph was walked before and its tensors are freed"
end)

test("what was changed in place after use is an error, not a wrong gradient", function()
   local x, c = leaf{ 2 }, engram.tensor({ 3 }, { dtype = "float64" })
   local y = (x * c):sum()
   c:add_(1)
   expect(function() y:backward() end):raises "needs was changed in place after it was used"
   local e = (x:exp()):sum()
   engram.no_grad(function() x:add_(1) end)
   e:backward()                                      -- exp keeps its output, so x may change
   expect(x.grad:item()):close_to(math.exp(2), 1e-12)
end)

test("in-place changes of what is recorded are refused", function()
   local x = leaf{ 1 }
   expect(function() x:add_(1) end):raises "part of a graph"
   expect(function() (x * 2):zero_() end):raises "part of a graph"
   local plain = engram.ones(1, { dtype = "float64" })
   expect(function() plain:add_(x) end):raises "requires a gradient, which an in-place change does not record"
   expect(function() x[1] = 3 end):raises "part of a graph"
   engram.no_grad(function() x:add_(1) end)
   expect(x:item()):equals(2)
end)

test("no_grad and detach record nothing; enable_grad records inside no_grad", function()
   local x = leaf{ 2 }
   expect(engram.no_grad(function() return x * 2 end).requires_grad):equals(false)
   expect((x:detach() * 2).requires_grad):equals(false)
   expect(engram.no_grad(function() return engram.enable_grad(function() return x * 2 end) end).requires_grad):is_true()
   expect(function() engram.no_grad(function() error("mine", 0) end) end):raises "mine"
   expect(engram.is_grad_enabled()):is_true()
   expect(function() x:detach():sum():backward() end):raises "does not depend on anything that requires a gradient"
end)

test("requires_grad_ is for real leaves", function()
   expect(function() engram.arange(2):requires_grad_() end):raises "int64 has no gradient"
   expect(function() (leaf{ 1 } * 2):requires_grad_() end):raises "only a leaf"
   local inner = leaf{ 3 } * 2
   inner:retain_grad()
   inner:square():sum():backward()
   expect(inner.grad:item()):equals(12)
end)

test("a chain of 20,000 operations neither overflows nor leaks", function()
   engram.collect()
   local before = engram.memory().tensors
   do
      local x = leaf{ 1 }
      local y = x
      for _ = 1, 20000 do y = y + 1 end
      y:sum():backward()
      expect(x.grad:item()):equals(1)
   end
   engram.collect()
   expect(engram.memory().tensors <= before + 2):is_true()
end)

test("dropping the result drops the graph without backward", function()
   engram.collect()
   local before = engram.memory().tensors
   local function make() return leaf{ 1, 2 }:exp():square():tanh():sum() end
   for _ = 1, 50 do make() end
   engram.collect()
   expect(engram.memory().tensors <= before + 2):is_true()
end)

test("backward outside the scope of its graph says so", function()
   local x = leaf{ 2 }
   local y = engram.scope(function() return (x * x):sum() end)
   expect(function() y:backward() end):raises "call backward inside the scope"
end)

test("a gradient made in a scope outlives it", function()
   local x = leaf{ 2 }
   engram.scope(function() (x * x):sum():backward() end)
   expect(x.grad:item()):equals(4)
   engram.scope(function() (x * 3):sum():backward() end)
   expect(x.grad:item()):equals(7)
end)

test("an error inside backward leaves the graph usable and recording as it was", function()
   local op = { name = "failing", keep = {}, forward = function(x) return x:detach():clone() end,
      backward = function() error("mine", 0) end }
   local x = leaf{ 1 }
   local y = engram.autograd.apply(op, x)
   expect(function() y:sum():backward() end):raises "mine"
   expect(engram.is_grad_enabled()):is_true()
   ;(x * 2):sum():backward()
   expect(x.grad:item()):equals(2)
end)

test("leaves do not share the gradient that a recorded walk gives them", function()
   local x, z, w = leaf{ 1, 1, 1 }, leaf{ 1, 1, 1 }, engram.tensor{ 1, 2, 3 }
   local function backward(options) ((x + z) * w):sum():backward(nil, options) end
   backward{ create_graph = true }
   backward()
   expect(x.grad:tolist()):equals{ 2, 4, 6 }
   expect(z.grad:tolist()):equals{ 2, 4, 6 }
end)

test("what is written into a tensor in place keeps its gradient, or is refused", function()
   local x, rows, index = leaf{ 1, 2 }, engram.zeros(3, 2), engram.tensor({ 1, 3 }, { dtype = "int64" })
   for _, f in ipairs{ function() rows[1] = x * 2 end, function() rows:copy_(x) end,
      function() rows:index_add_(2, { 1, 2 }, (x * 2):expand(3, 2)) end,
      function() engram.zeros(3):scatter_add_(1, index, x) end } do
      expect(f):raises "the operand requires a gradient, which an in-place change does not record"
   end
   rows[1] = x:detach()
   expect(rows[1]:tolist()):equals{ 1, 2 }
end)

test("a change of anything that an operation keeps is noticed, also of its fourth and later arguments", function()
   local norm = engram.nn.BatchNorm1d(2)
   norm:eval()
   local y = norm(engram.tensor{ { 1, 2 }, { 3, 4 } })
   norm:train()
   norm(engram.randn(8, 2) + 10)
   expect(function() y:sum():backward() end):raises "a tensor that batchnorm needs was changed in place"
end)

test("where clamp, maximum and where take another number no gradient comes through, however large it is there", function()
   for name, f in pairs{ clamp = function(x) return x:clamp(0) end, maximum = function(x) return x:maximum(0) end,
      two = function(x) return x:maximum(engram.zeros(2)) end, minimum = function(x) return -(-x):minimum(0) end,
      masked = function(x) return x:masked_fill(x:detach():le(0), 0) end } do
      local x = leaf{ -1, 4 }
      f(x):sqrt():sum():backward()
      expect({ name, x.grad:tolist() }):equals{ name, { 0, 0.25 } }
   end
end)

test("a seed of another dtype becomes the result's", function()
   local x = engram.ones(3, { dtype = "float64", requires_grad = true })
   ;(x * 2):backward(engram.ones(3))
   expect(x.grad.dtype):equals "float64"
end)

test("grad frees what it walked and no more", function()
   local x, w = leaf{ 2, 2 }, leaf{ 1, 1 }
   local h = x * x
   local a, b = (h * w):sum(), h:sum()
   engram.grad(a, { w })
   b:backward()
   expect(x.grad:tolist()):equals{ 4, 4 }
end)

test("a walk that failed leaves nothing behind for the next", function()
   local weight, scale, x = engram.ones(3, 3):requires_grad_(), engram.ones(2, 3):requires_grad_(), engram.randn(2, 3)
   local y = x:linear(weight):tanh() + scale:exp()             -- of which a sample's square is not known
   expect(function() engram.fisher.squared_gradients(y, engram.ones(2, 3), { weight, scale }) end):raises "exp"
   y:backward(engram.ones(2, 3))
   local found = weight.grad:tolist()
   expect(engram.grad(x:linear(weight):tanh():sum(), { weight })[1]:tolist()):equals(found)
end)

t.test("relu passes no gradient where it is dead, however large, and all of it where its output is not a number", function()
   local inf, nan, linear_relu = math.huge, 0 / 0, require "engram.tensor".linear_relu
   local seed = engram.tensor{ inf, inf, inf, 3 }
   local function gradient_of(f)
      local x = engram.tensor({ -1, 0, 2, nan }, { requires_grad = true })
      return engram.grad(f(x), { x }, { grad_outputs = seed, create_graph = true })[1]:detach():tolist()
   end
   t.expect(gradient_of(function(x) return x:relu() end)):equals{ 0, 0, inf, 3 }
   local one, none = engram.ones(1, 1), engram.zeros(1)
   t.expect(gradient_of(function(x) return linear_relu(x:reshape(4, 1), one, none):reshape(4) end)):equals{ 0, 0, inf, 3 }
end)

t.done()
