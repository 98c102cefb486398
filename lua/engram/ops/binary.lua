-- ops/binary.lua: arithmetic and comparisons of two tensors, or of a tensor and a number, with NumPy's broadcasting.
--
-- Operands of different dtypes meet at the higher of uint8 < int64 < float32 < float64. A number takes the tensor's dtype;
-- a fraction makes an integer tensor float32, as does division.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, is_tensor, live = tensor.methods, tensor.is_tensor, tensor.live
local apply = autograd.apply

-- ---- the operations on equal dtypes -----------------------------------------------------------------------

local function two(code)
   return function(a, b)
      local out = tensor.broadcast(a, b)
      check(C.eg_binary(code, out.tensor, a.tensor, b.tensor))
      return out
   end
end

local function pairs_of(make)
   return function()
      local engram = require "engram"
      local function randn(...) return make and make(engram.randn(...)) or engram.randn(...) end
      return { { randn(3, 4), randn(3, 4) }, { randn(3, 4), randn(4) }, { randn(2, 1, 4), randn(3, 1) },
         { randn(4, 3):t(), randn(1, 4) } }
   end
end
local function positive(x) return x:abs():add(0.5) end

-- The gradient of a where it was chosen of a and b, half of it where they are equal; none where it loses.
local function chosen(grad, a, b, loses)
   return tensor.where(a:eq(b), grad * 0.5, grad):masked_fill(methods[loses](a, b), 0)
end

local binary = {
   add = { "a + b", C.EG_ADD, {}, function(_, grad) return grad, grad end },
   sub = { "a - b", C.EG_SUB, {}, function(node, grad) return grad, node.p2 and -grad end },
   mul = { "a * b", C.EG_MUL, { 1, 2 }, function(node, grad)
      return node.p1 and grad * node[2], node.p2 and grad * node[1]
   end },
   div = { "a / b", C.EG_DIV, { 2, "out" }, function(node, grad)
      local first = grad / node[2]
      return first, node.p2 and -(first * node.out)
   end, positive },
   pow = { "a ^ b, a positive where b requires a gradient", C.EG_POW, { 1, 2, "out" }, function(node, grad)
      local a, b = node[1], node[2]
      return node.p1 and grad * b * a:pow(b - 1), node.p2 and grad * node.out * a:log()
   end, positive },
   remainder = { "a - b * floor(a / b), the sign of b", C.EG_REMAINDER, { 1, 2 }, function(node, grad)
      return grad, node.p2 and -(grad * (node[1] / node[2]):floor())
   end, positive },
   maximum = { "the larger of a and b; where they are equal each gets half of the gradient", C.EG_MAXIMUM, { 1, 2 }, function(node, grad)
      return node.p1 and chosen(grad, node[1], node[2], "lt"), node.p2 and chosen(grad, node[2], node[1], "lt")
   end },
   minimum = { "the smaller of a and b; where they are equal each gets half of the gradient", C.EG_MINIMUM, { 1, 2 }, function(node, grad)
      return node.p1 and chosen(grad, node[1], node[2], "gt"), node.p2 and chosen(grad, node[2], node[1], "gt")
   end },
}
local order = { "add", "sub", "mul", "div", "pow", "remainder", "maximum", "minimum" }

-- With a number s; reversed: s op x.
local function with_number(code, reversed)
   return function(x, s)
      local out = tensor.like(x)
      check(C.eg_binary_scalar(code, out.tensor, x.tensor, s, reversed))
      return out
   end
end

local function zero(_, grad) return require "engram".zeros_like(grad) end
local scalar = {
   add = { C.EG_ADD, 0, {}, function(_, grad) return grad end },
   sub = { C.EG_SUB, 0, {}, function(_, grad) return grad end },
   rsub = { C.EG_SUB, 1, {}, function(_, grad) return -grad end },
   mul = { C.EG_MUL, 0, {}, function(node, grad) return grad * node[2] end },
   div = { C.EG_DIV, 0, {}, function(node, grad) return grad / node[2] end },
   rdiv = { C.EG_DIV, 1, { 1, "out" }, function(node, grad) return -(grad * node.out / node[1]) end },
   pow = { C.EG_POW, 0, { 1 }, function(node, grad)
      if node[2] == 0 then return zero(node, grad) end
      return grad * node[1]:pow(node[2] - 1) * node[2]
   end },
   rpow = { C.EG_POW, 1, { "out" }, function(node, grad) return grad * node.out * math.log(node[2]) end },
   remainder = { C.EG_REMAINDER, 0, {}, function(_, grad) return grad end },
   rremainder = { C.EG_REMAINDER, 1, { 1 }, function(node, grad) return -(grad * (node[2] / node[1]):floor()) end },
   maximum = { C.EG_MAXIMUM, 0, { 1 }, function(node, grad)
      return chosen(grad, node[1], node[2], "lt")
   end },
   minimum = { C.EG_MINIMUM, 0, { 1 }, function(node, grad)
      return chosen(grad, node[1], node[2], "gt")
   end },
}
local scalar_order = { "add", "sub", "rsub", "mul", "div", "rdiv", "pow", "rpow", "remainder", "rremainder", "maximum",
   "minimum" }

-- ---- dtypes -----------------------------------------------------------------------------------------------

local rank = { [3] = 0, [2] = 1, [0] = 2, [1] = 3 }               -- uint8 < int64 < float32 < float64

local function promote(a, b)
   local x, y = a.tensor.dtype, b.tensor.dtype
   if x == y then return a, b end
   if rank[x] > rank[y] then return a, b:to(tensor.dtype_names[x]) end
   return a:to(tensor.dtype_names[y]), b
end

-- An integer tensor that meets a fraction, a division or a power becomes float32.
local function real_enough(x, number, name)
   local dtype = x.tensor.dtype
   if dtype > 1 and (number % 1 ~= 0 or name == "div" or name == "rdiv" or name == "pow" or name == "rpow") then
      return x:to "float32"
   end
   return x
end

local function refuse(name, a, b)
   local other = a
   if is_tensor(a) then other = b end
   raise("%s: expected a tensor or a number, got %s", name, core.typename(other))
end

-- ---- methods ----------------------------------------------------------------------------------------------

local function method(name, op, with, reversed)
   return function(a, b, alpha)
      if is_tensor(a) then
         live(a, name)
         if type(b) == "number" then
            if alpha then b = b * (type(alpha) == "number" and alpha or refuse(name, a, alpha)) end
            return apply(with, real_enough(a, b, name), b)
         end
         if is_tensor(b) then
            live(b, name)
            if alpha and alpha ~= 1 then b = b * alpha end
            a, b = promote(a, b)
            if name == "div" or name == "pow" then a, b = real_enough(a, 0, name), real_enough(b, 0, name) end
            return apply(op, a, b)
         end
      elseif type(a) == "number" and is_tensor(b) and reversed then
         return apply(reversed, real_enough(live(b, name) and b, a, reversed.name:match "^(%a+)_"), a)
      end
      return refuse(name, a, b)
   end
end

-- x:add_(y, alpha): in place; y is converted to x's dtype and may broadcast to x's shape, not the other way round.
local function in_place(name, code)
   return function(x, y, alpha)
      autograd.check_in_place(x, name .. "_", y)
      if alpha and type(alpha) ~= "number" then raise("%s_: the factor must be a number, got %s", name, core.typename(alpha)) end
      if type(y) == "number" then
         check(C.eg_binary_scalar(code, x.tensor, x.tensor, alpha and y * alpha or y, 0))
         return x
      end
      if not is_tensor(y) then return refuse(name .. "_", x, y) end
      live(y, name .. "_")
      if y.tensor.dtype ~= x.tensor.dtype then y = y:to(x.dtype) end
      if alpha and alpha ~= 1 then
         if code == C.EG_ADD or code == C.EG_SUB then
            check(C.eg_add_scaled(x.tensor, x.tensor, y.tensor, code == C.EG_ADD and alpha or -alpha))
            return x
         end
         y = y * alpha
      end
      check(C.eg_binary(code, x.tensor, x.tensor, y.tensor))
      return x
   end
end

local comparisons = { eq = C.EG_EQ, ne = C.EG_NE, lt = C.EG_LT, le = C.EG_LE, gt = C.EG_GT, ge = C.EG_GE,
   logical_and = C.EG_AND, logical_or = C.EG_OR }

local function comparison(name, code)
   return function(a, b)
      live(a, name)
      local out
      if type(b) == "number" then
         out = tensor.like(a, 3)
         check(C.eg_binary_scalar(code, out.tensor, a.tensor, b, 0))
         return out
      end
      if not is_tensor(b) then return refuse(name, a, b) end
      live(b, name)
      a, b = promote(a, b)
      out = tensor.broadcast(a, b, 3)
      check(C.eg_binary(code, out.tensor, a.tensor, b.tensor))
      return out
   end
end

return function(define)
   local defined = {}
   for _, name in ipairs(order) do
      local doc, code, keeps, backward, domain = unpack(binary[name], 1, 5)
      defined[name] = define(name, { doc = doc .. ", element by element, broadcast.", keeps = keeps, broadcasts = true,
         forward = two(code), backward = backward, samples = pairs_of(domain) })
   end
   for _, name in ipairs(scalar_order) do
      local code, reversed, keeps, backward = unpack(scalar[name], 1, 4)
      defined[name .. "_scalar"] = define(name .. "_scalar", { doc = name .. " with a number.", keeps = keeps,
         forward = with_number(code, reversed), backward = backward, samples = function()
            local engram = require "engram"
            return { { engram.randn(3, 4):abs():add(0.5), 2.5 }, { engram.randn(4, 3):abs():add(0.5):t(), 3 } }
         end })
   end
   for _, name in ipairs(order) do
      methods[name] = method(name, defined[name], defined[name .. "_scalar"], defined["r" .. name .. "_scalar"]
         or (name == "add" or name == "mul") and defined[name .. "_scalar"])
      methods[name .. "_"] = in_place(name, binary[name][2])
   end
   for name, code in pairs(comparisons) do methods[name] = comparison(name, code) end

   local metatable = tensor.metatable
   metatable.__add, metatable.__sub, metatable.__mul, metatable.__div = methods.add, methods.sub, methods.mul, methods.div
   metatable.__pow, metatable.__mod = methods.pow, methods.remainder
end
