-- test_tensor.lua: constructors, dtypes, views, indexing, reductions, ordering, printing, scopes and their errors.
local t = require "tests.harness"
local engram = require "engram"
local test, expect = t.test, t.expect

local m = engram.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }

-- ---- constructors ---------------------------------------------------------------------------------------------

test("shape, dtype, sizes and #", function()
   expect(m.shape):equals{ 2, 3 }
   expect(m.dtype):equals "float32"
   expect(#m):equals(2)
   expect(m:size(-1)):equals(3)
   expect(m:dim()):equals(2)
   expect(m:numel()):equals(6)
   expect(#engram.tensor(5)):equals(0)
   expect(engram.zeros(0, 3).shape):equals{ 0, 3 }
end)

test("constructors take sizes, a table of sizes, and options last", function()
   expect(engram.zeros(2, 2):tolist()):equals{ { 0, 0 }, { 0, 0 } }
   expect(engram.ones({ 2 }, { dtype = "int64" }):tolist()):equals{ 1, 1 }
   expect(engram.ones({ 2 }, { dtype = "uint8" }).dtype):equals "uint8"
   expect(engram.full(2, 7):tolist()):equals{ 7, 7 }
   expect(engram.full({ 1, 2 }, 3, { dtype = "float64" }):tolist()):equals{ { 3, 3 } }
   expect(engram.full(4):item()):equals(4)
   expect(engram.arange(4):tolist()):equals{ 1, 2, 3, 4 }
   expect(engram.arange(2, 8, 3):tolist()):equals{ 2, 5, 8 }
   expect(engram.arange(0, 1, 0.5):tolist()):equals{ 0, 0.5, 1 }
   expect(engram.arange(3, 1, -1):tolist()):equals{ 3, 2, 1 }
   expect(engram.linspace(0, 1, 3):tolist()):equals{ 0, 0.5, 1 }
   expect(engram.eye(2, 3):tolist()):equals{ { 1, 0, 0 }, { 0, 1, 0 } }
   expect(engram.zeros_like(m).shape):equals{ 2, 3 }
   expect(engram.full_like(m, 2, { dtype = "int64" }):tolist()):equals{ { 2, 2, 2 }, { 2, 2, 2 } }
   expect(engram.tensor{ true, false }:tolist()):equals{ 1, 0 }
end)

test("constructors use what they are told, or refuse it", function()
   local filled = engram.full_like(m, 1, { requires_grad = true })
   expect({ filled.requires_grad, filled:sum():item() }):equals{ true, 6 }
   local whole = engram.randperm(3, { dtype = "int64" })
   expect(whole.dtype):equals "int64"
   local function refused(text, f, ...)
      local arguments = { ... }
      expect(function() f(unpack(arguments)) end):raises(text)
   end
   refused("has a key 'dtype'; options come after it", engram.tensor, { 1, 2, dtype = "float64" })
   refused("has a key 'a'", engram.tensor, { a = 1 })
   refused("has a key 0", engram.tensor, { [0] = 1 })
   refused("element 1: 300 is no uint8 number", engram.tensor, { 300, -1 }, { dtype = "uint8" })
   refused("element 2: nan is no int64 number", engram.tensor, { 1, 0 / 0 }, { dtype = "int64" })
   refused("element 1: 9.2233720368548e+18 is no int64 number", engram.tensor, { 2 ^ 63 }, { dtype = "int64" })
   refused("element 1: 1.5 is no int64 number", engram.tensor, { 1.5 }, { dtype = "int64" })
   refused("element 256: 256 is no uint8 number", engram.arange, 300, { dtype = "uint8" })
   expect(engram.tensor({ -2 ^ 63, 255 }, { dtype = "int64" }):tolist()):equals{ -2 ^ 63, 255 }
   refused("randperm: output is (3) float64, expected int64", engram.randperm, 3, { dtype = "float64" })
   refused("int64 has no gradient", engram.randperm, 3, { requires_grad = true })
   refused("int64 has no gradient", engram.randint, 1, 3, 2, { requires_grad = true })
   refused("randperm: expected how many numbers, got nil", engram.randperm)
   refused("linspace: expected the first number, the last, and how many", engram.linspace, 0, 1)
   refused("eye: expected the number of rows", engram.eye)
   refused("full_like: expected a number to fill with, got nil", engram.full_like, m)
   refused("zeros: expected sizes, or one table of sizes, then options", engram.zeros, 2, { 3 })
   refused("full: expected sizes, or one table of sizes, then the value", engram.full, { 2, 3 }, 1.5, 2)
   refused("one_hot: expected a tensor, got table", engram.one_hot, { 1, 2 }, 3)
   refused("normal_: expected a number, got string", engram.zeros(2).normal_, engram.zeros(2), 0, "a")
   refused("uniform_: expected a number, got string", engram.zeros(2).uniform_, engram.zeros(2), "a")
   refused("bernoulli_: expected a number, got string", engram.zeros(2).bernoulli_, engram.zeros(2), "a")
end)

test("random constructors draw from named streams", function()
   engram.seed(4)
   local a = engram.randn(5)
   engram.rand(3, { stream = "other" })
   local b = engram.randn(5)
   engram.seed(4)
   expect(engram.randn(5):equal(a)):is_true()
   expect(engram.randn(5):equal(b)):is_true()
   expect(function() engram.random.private(1) end):raises "random.private: expected a name, got nil"
   local permutation = engram.randperm(50)
   expect((permutation:sort()):tolist()):equals(engram.arange(50):tolist())
   local dice = engram.randint(1, 6, 1000)
   expect({ dice:min():item(), dice:max():item() }):equals{ 1, 6 }
   local u = engram.rand(10000)
   expect(u:mean():item()):close_to(0.5, 0.02)
   expect(engram.randn(10000):std():item()):close_to(1, 0.03)
end)

-- ---- arithmetic -------------------------------------------------------------------------------------------------

test("arithmetic with numbers, both ways round", function()
   expect((m + 1):tolist()):equals{ { 2, 3, 4 }, { 5, 6, 7 } }
   expect((10 - m)[1]:tolist()):equals{ 9, 8, 7 }
   expect((6 / m)[1]:tolist()):equals{ 6, 3, 2 }
   expect((m ^ 2)[2]:tolist()):equals{ 16, 25, 36 }
   expect((2 ^ m)[1]:tolist()):equals{ 2, 4, 8 }
   expect((-m)[1]:tolist()):equals{ -1, -2, -3 }
   expect((engram.tensor{ -7, 7 } % 3):tolist()):equals{ 2, 1 }
   expect((engram.tensor{ -7, 7 } % -3):tolist()):equals{ -1, -2 }
   expect((7 % engram.tensor{ 3, -3, 2.5 }):tolist()):equals{ 1, -2, 2 }
   expect((7.5 % engram.tensor({ 2, 4 }, { dtype = "int64" })):tolist()):equals{ 1.5, 3.5 }
   expect((7 % engram.tensor({ 2, 4 }, { dtype = "int64" })).dtype):equals "int64"
   expect(function() return 7 % engram.tensor({ 0 }, { dtype = "int64" }) end):raises "by zero"
end)

test("broadcasting and dtype promotion", function()
   expect((m + engram.tensor{ 10, 20, 30 })[2]:tolist()):equals{ 14, 25, 36 }
   expect((m * engram.tensor{ { 2 }, { 3 } })[2]:tolist()):equals{ 12, 15, 18 }
   local whole = engram.tensor({ 3, 4 }, { dtype = "int64" })
   expect((whole + 1).dtype):equals "int64"
   expect((whole + 0.5).dtype):equals "float32"
   expect((whole / 2):tolist()):equals{ 1.5, 2 }
   expect((whole * m[{ {}, 1 }]).dtype):equals "float32"
   expect((m:double() + m).dtype):equals "float64"
   expect((m:gt(2) * m).dtype):equals "float32"
end)

test("integers beyond 2^53 keep their bits; division of whole numbers by zero is an error", function()
   local big = engram.full({ 1 }, 2 ^ 62, { dtype = "int64" }) + 1
   expect((big - 2 ^ 62):item()):equals(1)
   expect(engram.tensor({ 2 ^ 24, 2 ^ 24 + 1 }, { dtype = "int64" }):gt(2 ^ 24 + 0.5):tolist()):equals{ 0, 1 }
   expect(engram.tensor({ 1, 255 }, { dtype = "uint8" }):le(254.5):tolist()):equals{ 1, 0 }
   expect(function() return engram.arange(3) % 0 end):raises "by zero"
end)

test("comparisons are masks; min, max, clamp and where", function()
   expect(m:gt(3):tolist()):equals{ { 0, 0, 0 }, { 1, 1, 1 } }
   expect(m:gt(3).dtype):equals "uint8"
   expect(m:clamp(2, 5):tolist()):equals{ { 2, 2, 3 }, { 4, 5, 5 } }
   expect(engram.where(m:gt(3), m, 0):tolist()):equals{ { 0, 0, 0 }, { 4, 5, 6 } }
   expect(m:maximum(3)[1]:tolist()):equals{ 3, 3, 3 }
end)

test("in-place methods change the tensor and say so", function()
   local x = engram.ones(3)
   expect(x:add_(engram.tensor{ 1, 2, 3 }, 2) == x):is_true()
   expect(x:tolist()):equals{ 3, 5, 7 }
   x:mul_(2):sub_(1):div_(5):clamp_(1, 2)
   expect(x):close_to({ 1, 1.8, 2 }, 1e-6)
   expect(function() engram.ones(2):add_(engram.ones(3)) end):raises "broadcast"
end)

-- ---- views --------------------------------------------------------------------------------------------------------

test("views share memory, reshape copies only where it must", function()
   local x = engram.arange(6):float()
   local v = x:view(2, 3)
   v[{ 1, 2 }] = 20
   expect(x[2]:item()):equals(20)
   expect(v:t():reshape(-1):tolist()):equals{ 1, 4, 20, 5, 3, 6 }
   expect(function() v:t():view(6) end):raises "cannot be seen as (6) without a copy"
   expect(v:reshape(3, -1).shape):equals{ 3, 2 }
   expect(function() v:reshape(4, -1) end):raises "do not fit"
   expect(function() v:reshape(7) end):raises "7 elements"
   expect(function() v:reshape(2, { 3 }) end):raises "reshape: size 2 must be a whole number, got table"
   expect(function() v:view("x", -1) end):raises "view: size 1 must be a whole number, got string"
   expect(function() v:view(-2, 3) end):raises "view: size -2 of dimension 1 is negative"
   expect(v:flatten().shape):equals{ 6 }
   expect(engram.zeros(2, 3, 4):flatten(2).shape):equals{ 2, 12 }
   expect(engram.zeros(2, 3, 4):transpose(1, -1).shape):equals{ 4, 3, 2 }
   expect(engram.zeros(2, 3, 4):permute(3, 1, 2).shape):equals{ 4, 2, 3 }
   expect(engram.zeros(2, 1, 4):squeeze().shape):equals{ 2, 4 }
   expect(engram.zeros(2, 4):unsqueeze(-1).shape):equals{ 2, 4, 1 }
   expect(engram.ones(3, 1):expand(3, 4):sum():item()):equals(12)
   expect(function() m:transpose(1, 3) end):raises "dimension 3 is out of range for shape (2, 3)"
end)

test("indexing reads elements, rows, ranges, masks and positions", function()
   expect(m[2]:tolist()):equals{ 4, 5, 6 }
   expect(m[-1]:tolist()):equals{ 4, 5, 6 }
   expect(m[{ 1, 3 }]:item()):equals(3)
   expect(m[{ {}, { 2, 3 } }]:tolist()):equals{ { 2, 3 }, { 5, 6 } }
   expect(m[{ { 1, 2 }, -1 }]:tolist()):equals{ 3, 6 }
   expect(m[m:gt(2)]:tolist()):equals{ 3, 4, 5, 6 }
   expect(m[engram.tensor({ 2, 1, 2 }, { dtype = "int64" })]:tolist()):equals{ { 4, 5, 6 }, { 1, 2, 3 }, { 4, 5, 6 } }
   expect(function() return m[3] end):raises "index 3 is out of range for dimension 1 of shape (2, 3)"
   expect(function() return m[0] end):raises "index 0 is out of range"
   expect(function() return m[{ 1, 2, 3 }] end):raises "3 indices for shape (2, 3)"
   expect(function() return m:index_select(1, { 5 }) end):raises "out of range"
end)

test("indexing assigns numbers and tensors", function()
   local x = engram.zeros(2, 3)
   x[1] = 1
   x[{ 2, { 1, 2 } }] = engram.tensor{ 5, 6 }
   expect(x:tolist()):equals{ { 1, 1, 1 }, { 5, 6, 0 } }
   x[x:gt(1)] = -1
   expect(x:tolist()):equals{ { 1, 1, 1 }, { -1, -1, 0 } }
   x[engram.tensor({ 2 }, { dtype = "int64" })] = 9
   expect(x[2]:tolist()):equals{ 9, 9, 9 }
end)

-- ---- reductions and order -----------------------------------------------------------------------------------------------

test("reductions over all, one or several dimensions", function()
   expect(m:sum():item()):equals(21)
   expect(m:sum(1):tolist()):equals{ 5, 7, 9 }
   expect(m:sum(-1, true):tolist()):equals{ { 6 }, { 15 } }
   expect(m:sum{ 1, 2 }:item()):equals(21)
   expect(m:mean(2):tolist()):equals{ 2, 5 }
   expect(m:prod():item()):equals(720)
   expect(m:max():item()):equals(6)
   local values, positions = m:max(2)
   expect(values:tolist()):equals{ 3, 6 }
   expect(positions:tolist()):equals{ 3, 3 }
   expect(m:argmin():item()):equals(1)
   expect(m:var():item()):close_to(3.5, 1e-6)
   expect(m:var(nil, false):item()):close_to(35 / 12, 1e-6)
   expect(m:norm():item()):close_to(math.sqrt(91), 1e-6)
   expect(m:norm(1):item()):equals(21)
   expect(m:norm(math.huge):item()):equals(6)
   expect(m:cumsum(2)[2]:tolist()):equals{ 4, 9, 15 }
   expect(engram.ones(3, { dtype = "uint8" }):sum().dtype):equals "int64"
   expect(function() engram.arange(3):mean() end):raises "has no mean"
   expect(function() return m:item() end):raises "expected one element"
end)

test("sorting, topk, quantile, nonzero, one_hot, cat and stack", function()
   local values, positions = engram.tensor{ 3, 1, 2 }:sort()
   expect(values:tolist()):equals{ 1, 2, 3 }
   expect(positions:tolist()):equals{ 2, 3, 1 }
   expect((engram.tensor{ 3, 1, 2 }:topk(2)):tolist()):equals{ 3, 2 }
   expect(engram.tensor{ 0, 1, 2, 3 }:quantile(0.5)):equals(1.5)
   expect(m:gt(4):nonzero():tolist()):equals{ 5, 6 }
   expect(engram.tensor({ 2, 1 }, { dtype = "int64" }):one_hot(3):tolist()):equals{ { 0, 1, 0 }, { 1, 0, 0 } }
   expect(engram.cat({ m, m, m }, 1).shape):equals{ 6, 3 }
   expect(engram.cat({ m, m[{ {}, { 1, 1 } }] }, 2):tolist()):equals{ { 1, 2, 3, 1 }, { 4, 5, 6, 4 } }
   expect(engram.stack({ m[1], m[2] }, 2):tolist()):equals{ { 1, 4 }, { 2, 5 }, { 3, 6 } }
   expect(function() engram.cat({ m, m[1] }) end):raises "different numbers of dimensions"
end)

test("products name their shapes when they do not fit", function()
   expect(m:matmul(m:t()):tolist()):equals{ { 14, 32 }, { 32, 77 } }
   expect(m:matmul(engram.ones(3)):tolist()):equals{ 6, 15 }
   expect(engram.ones(2):matmul(m):tolist()):equals{ 5, 7, 9 }
   expect(engram.ones(3):dot(m[1]):item()):equals(6)
   expect(engram.ones(4, 2, 3):matmul(engram.ones(3, 5)).shape):equals{ 4, 2, 5 }
   expect(function() m:matmul(m) end):raises "matmul: inner sizes differ: (2, 3) x (2, 3)"
end)

test("equal, allclose, any, all, NaN", function()
   expect(m:equal(m:clone())):is_true()
   expect(m:equal(m:double())):equals(false)
   expect(m:allclose(m + 1e-7)):is_true()
   expect(engram.tensor{ 0, 0 / 0 }:isnan():tolist()):equals{ 0, 1 }
   expect(engram.tensor{ 1, 1 / 0 }:isfinite():all()):equals(false)
   expect(m:gt(5):any()):is_true()
end)

-- ---- printing ------------------------------------------------------------------------------------------------------------

test("printing summarises: shape, dtype, edges, NaN and Inf", function()
   expect(tostring(engram.tensor{ 1, 2 })):equals "tensor (2) float32  [1.0000, 2.0000]"
   expect(tostring(engram.arange(3))):equals "tensor (3) int64  [1, 2, 3]"
   local long = tostring(engram.zeros(100000))
   expect(#long < 200):is_true()
   expect(long:find("...", 1, true) ~= nil):is_true()
   expect(tostring(engram.tensor{ 0 / 0, 1 / 0 }):find("1 NaN 1 Inf", 1, true) ~= nil):is_true()
   expect(#tostring(engram.zeros(50, 50, 50)) < 5000):is_true()
end)

-- ---- scopes ---------------------------------------------------------------------------------------------------------------

test("a scope releases what is neither returned nor kept", function()
   local inside, kept
   local a, list = engram.scope(function()
      inside = engram.ones(3)
      kept = engram.ones(2):keep()
      return engram.full(2, 4), { engram.full(1, 5) }
   end)
   expect(a:tolist()):equals{ 4, 4 }
   expect(list[1]:tolist()):equals{ 5 }
   expect(kept:tolist()):equals{ 1, 1 }
   expect(tostring(inside)):equals "tensor (released)"
   for _, use in ipairs{ function() return inside + 1 end, function() return #inside end, function() return inside.shape end,
      function() return inside[1] end, function() return m + inside end, function() inside:add_(1) end,
      function() inside:backward() end } do
      expect(use):raises "was released: it was made in a scope that has ended"
   end
end)

test("what a scope returns belongs to the scope around it; errors release too", function()
   local before = engram.memory().tensors
   local from_inner
   engram.scope(function()
      from_inner = engram.scope(function() return engram.ones(3) end)
      expect(from_inner:sum():item()):equals(3)
   end)
   expect(tostring(from_inner)):equals "tensor (released)"
   expect(function() engram.scope(function() engram.ones(1000) error("mine", 0) end) end):raises "mine"
   expect(engram.memory().tensors):equals(before)
end)

test("a view outlives the tensor it looks at", function()
   local row = engram.scope(function() return m:clone()[2] end)
   expect(row:tolist()):equals{ 4, 5, 6 }
end)

test("reductions over none, over all and over the same dimension twice", function()
   expect(m:sum{}:item()):equals(21)
   expect(m:mean{}:item()):equals(3.5)
   expect(m:sum({ 1, 2 }, true).shape):equals{ 1, 1 }
   expect(function() m:sum{ 1, 1 } end):raises "sum: dimension 1 is named twice"
   expect(function() m:prod{ 1, -2 } end):raises "prod: dimension 1 is named twice"
   expect(m:sum_to{ 3 }:tolist()):equals{ 5, 7, 9 }
   expect(m:sum_to{}:item()):equals(21)
   expect(function() engram.ones(4):sum_to{ 5 } end):raises "sum_to: (5) does not broadcast to (4)"
   expect(function() engram.ones(4):sum_to{ 1, 4 } end):raises "sum_to: (1, 4) does not broadcast to (4)"
   expect(function() m:sum_to(3) end):raises "sum_to: expected a table of sizes, got number"
   expect(function() m:sum_to{ "a" } end):raises "sum_to: size 1 must be a whole number, got a"
   expect(function() m:norm "a" end):raises "norm: p must be a number, got string"
   expect(function() m:view_as(1) end):raises "view_as: expected a tensor, got number"
   expect(function() engram.ones(2):add_(1, "a") end):raises "add_: the factor must be a number, got string"
end)

test("norms: how many are not 0, and gradients at 0", function()
   local function gradient(f, x)
      x = engram.tensor(x):requires_grad_()
      f(x):backward()
      return x.grad:tolist()
   end
   expect(engram.tensor{ 0, -3, 4 }:norm(0):item()):equals(2)
   expect(m:norm(0, 1):tolist()):equals{ 2, 2, 2 }
   for _, p in ipairs{ 1, 1.5, 2, 3, math.huge } do
      expect(gradient(function(x) return x:norm(p) end, { 0, 0, 0 })):equals{ 0, 0, 0 }
   end
   expect(gradient(function(x) return x:norm(2, 2):sum() end, { { 0, 0 }, { 3, 4 } })):close_to{ { 0, 0 }, { 0.6, 0.8 } }
   expect(gradient(function(x) return x:std() end, { 2, 2, 2 })):equals{ 0, 0, 0 }
   expect(engram.tensor{ 0, 2 }:norm(-1):item()):equals(0)
   expect(engram.tensor{ 0, 0 / 0 }:norm():item()):equals(0 / 0)
end)

test("the largest elements share the gradient of max, the smallest that of min", function()
   local x = engram.tensor{ { 1, 3 }, { 3, 1 } }:requires_grad_()
   x:max():backward()
   expect(x.grad:tolist()):equals{ { 0, 0.5 }, { 0.5, 0 } }
   x.grad = nil
   x:min():backward()
   expect(x.grad:tolist()):equals{ { 0.5, 0 }, { 0, 0.5 } }
end)

test("allclose: infinities are close to themselves and to nothing else", function()
   local x = engram.tensor{ math.huge, -math.huge, 1 }
   expect(x:allclose(x)):is_true()
   expect(x:allclose(-x)):is_false()
   expect(engram.tensor{ 1 }:allclose(engram.tensor{ math.huge })):is_false()
   expect(engram.tensor{ 0 / 0 }:allclose(engram.tensor{ 0 / 0 })):is_false()
   expect(engram.tensor{ 1 }:allclose(engram.tensor{ 1 + 1e-6 })):is_true()
   expect(function() x:allclose(1) end):raises "allclose: expected a tensor, got number"
end)

-- ---- errors -----------------------------------------------------------------------------------------------------------------

test("errors point at the user's line and suggest names", function()
   expect(function() return m + "x" end):raises "add: expected a tensor or a number, got string"
   expect(function() return "x" + m end):raises "add: expected a tensor or a number, got string"
   expect(function() return m:pow() end):raises "pow: expected a tensor or a number, got nil"
   expect(function() return m:eq() end):raises "eq: expected a tensor or a number, got nil"
   expect(function() return m:add(1, "x") end):raises "add: expected a tensor or a number, got string"
   expect(function() return m + engram.ones(4) end):raises "test_tensor.lua:"
   expect(function() return m.shap end):raises "did you mean 'shape'?"
   expect(function() return m:matmull(m) end):raises "did you mean 'matmul'?"
   expect(function() engram.zeros(2, { dtyp = "float32" }) end):raises "did you mean 'dtype'?"
   expect(function() engram.zeros(2, { dtype = "float16" }) end):raises "unknown dtype 'float16'"
   expect(function() engram.zeros(-1) end):raises "negative"
   expect(function() engram.zeros(2.5) end):raises "must be a whole number"
   expect(function() engram.tensor{ { 1, 2 }, { 3 } } end):raises "ragged"
   expect(function() engram.zeros(1, 1, 1, 1, 1, 1, 1, 1, 1) end):raises "at most 8"
   expect(function() engram.zeros(1e9, 1e9, 1e9) end):raises "does not fit into memory"
   expect(function() engram.zeros(1e6, 1e6) end):raises "out of memory"
   expect(function() engram.arange(3):exp() end):raises "expected float32 or float64"
end)

test("a scope gives nothing away that it did not make", function()
   local x = engram.ones(3)
   engram.scope(function() return engram.scope(function() return x, { x } end) end)
   expect(x:sum():item()):equals(3)
   local made
   engram.scope(function()
      made = engram.scope(function() return x + 1 end)
      expect(made:sum():item()):equals(6)
   end)
   expect(function() made:sum() end):raises "was released"
end)

test("a tensor that was released says so, whatever is asked of it", function()
   local x
   engram.scope(function() x = engram.zeros(3) end)
   expect(function() x.grad = engram.zeros(3) end):raises "grad: this tensor was released"
   expect(function() x:topk(1) end):raises "topk: this tensor was released"
end)

test("wrong arguments are told in words", function()
   local x = engram.ones(3)
   expect(function() engram.where(x, 1) end):raises "where: expected a tensor, got nil"
   expect(function() x:quantile "a" end):raises "quantile: expected a number from 0 to 1, got string"
   expect(function() x:clamp "a" end):raises "clamp: expected numbers, low and high, got string and number"
   expect(function() engram.scope() end):raises "scope: expected a function"
   expect(function() engram.no_grad() end):raises "no_grad: expected a function"
   local optimizer = engram.optim.SGD({ engram.nn.parameter(x) }, { lr = 1 })
   expect(function() optimizer:step(1) end):raises "step: expected nothing, or the trainer's state"
end)

test("assignment by a mask or positions writes all that is given, or nothing", function()
   local mask = engram.tensor({ { 0, 1, 1 }, { 1, 0, 0 } }, { dtype = "uint8" })
   for _, x in ipairs{ engram.zeros(2, 3), engram.zeros(3, 2):t() } do
      x[mask] = engram.tensor{ 5, 6, 7 }
      expect(x:tolist()):equals{ { 0, 5, 6 }, { 7, 0, 0 } }
      expect(function() x[mask] = engram.tensor{ 1, 2 } end):raises "the mask selects 3 elements, the value has shape (2)"
      expect(function() x[mask:narrow(2, 1, 1)] = 5 end):raises "a uint8 mask must have the tensor's shape (2, 3), it has (2, 1)"
      expect(function() x[mask] = { 1, 2, 3 } end):raises "expected a number or a tensor to assign, got table"
      expect(x:tolist()):equals{ { 0, 5, 6 }, { 7, 0, 0 } }
   end
   local v = engram.zeros(3)
   v[engram.tensor{ 1, 5, 2 }:argmax()] = 9
   expect(v:tolist()):equals{ 0, 9, 0 }
   expect(v[v:argmax()]:item()):equals(9)
   expect(function() v[engram.tensor({ 1, 2 }, { dtype = "int64" })] = engram.tensor{ 1 } end):raises "2 positions, but 1 rows"
end)

t.test("full with its arguments in another order says which is right", function()
   t.expect(function() engram.full(3, { 2, 2 }) end):raises("sizes come before the value")
   t.expect(engram.full({ 2, 2 }, 3):sum():item()):equals(12)
end)

t.done()
