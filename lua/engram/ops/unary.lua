-- ops/unary.lua: element-wise functions of one tensor.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check = core.C, core.check
local methods, live = tensor.methods, tensor.live
local apply = autograd.apply

local function plain(x) return x end
local function positive(x) return x:abs():add(0.5) end
local function apart_from_zero(x) return x:add(x:sign():mul(0.2)) end

-- name, code, gradient in terms of the input x or the output y (whichever the table says is kept), where to test
local function sign_like(node, grad) return grad * node[1]:sign() end
local function alive(node, grad) return grad:masked_fill(node.out:le(0), 0) end         -- infinity times 0 would be no number
local INV_SQRT_2PI, SQRT_HALF, TWO_OVER_SQRT_PI = 0.3989422804014327, 0.7071067811865476, 1.1283791670955126

local functions = {
   { "neg", C.EG_NEG, {}, function(_, grad) return -grad end },
   { "abs", C.EG_ABS, { 1 }, sign_like, apart_from_zero },
   { "exp", C.EG_EXP, { "out" }, function(node, grad) return grad * node.out end, fused = true },
   { "expm1", C.EG_EXPM1, { "out" }, function(node, grad) return grad * (node.out + 1) end },
   { "log", C.EG_LOG, { 1 }, function(node, grad) return grad / node[1] end, positive },
   { "log1p", C.EG_LOG1P, { 1 }, function(node, grad) return grad / (node[1] + 1) end, positive },
   { "sqrt", C.EG_SQRT, { "out" }, function(node, grad) return grad / (node.out * 2) end, positive, fused = true },
   { "rsqrt", C.EG_RSQRT, { "out" }, function(node, grad) return grad * node.out:pow(3) * -0.5 end, positive, fused = true },
   { "square", C.EG_SQUARE, { 1 }, function(node, grad) return grad * node[1] * 2 end },
   { "reciprocal", C.EG_RECIPROCAL, { "out" }, function(node, grad) return -(grad * node.out * node.out) end, positive },
   { "sin", C.EG_SIN, { 1 }, function(node, grad) return grad * node[1]:cos() end },
   { "cos", C.EG_COS, { 1 }, function(node, grad) return -(grad * node[1]:sin()) end },
   { "tanh", C.EG_TANH, { "out" }, function(node, grad) return grad * (1 - node.out * node.out) end, fused = true },
   { "sigmoid", C.EG_SIGMOID, { "out" }, function(node, grad) return grad * node.out * (1 - node.out) end, fused = true },
   { "softplus", C.EG_SOFTPLUS, { 1 }, function(node, grad) return grad * node[1]:sigmoid() end },
   { "relu", C.EG_RELU, { "out" }, alive, apart_from_zero, fused = true },
   { "gelu", C.EG_GELU, { 1 }, function(node, grad)
      local x = node[1]
      local density = (x * x * -0.5):exp() * INV_SQRT_2PI
      return grad * (((x * SQRT_HALF):erf() + 1) * 0.5 + x * density)
   end, fused = true },
   { "erf", C.EG_ERF, { 1 }, function(node, grad) return grad * (-(node[1] * node[1])):exp() * TWO_OVER_SQRT_PI end },
   { "sign", C.EG_SIGN, {}, function(_, grad) return grad * 0 end, apart_from_zero },
   { "floor", C.EG_FLOOR, {}, function(_, grad) return grad * 0 end, apart_from_zero },
   { "ceil", C.EG_CEIL, {}, function(_, grad) return grad * 0 end, apart_from_zero },
   { "round", C.EG_ROUND, {}, function(_, grad) return grad * 0 end, apart_from_zero },
}

local function operation(name, code, keeps, backward, domain, fused)
   local saved = keeps[1]
   return {
      doc = name .. "(x), element by element.",
      keeps = keeps,
      forward = function(x)
         local out = tensor.like(x)
         check(C.eg_unary(code, out.tensor, x.tensor))
         return out
      end,
      backward = backward,
      fused = fused and function(node, grad)
         local kept = saved == "out" and node.out or node[1]
         local grad_in = tensor.like(grad)
         check(C.eg_unary_backward(code, grad_in.tensor, grad.tensor, kept.tensor))
         return grad_in
      end,
      samples = function()
         local engram = require "engram"
         domain = domain or plain
         return { { domain(engram.randn(3, 4)) }, { domain(engram.randn(2, 3, 4):transpose(1, 3)) }, { domain(engram.randn(1)) } }
      end,
   }
end

-- Tests that answer with a mask (uint8).
local function predicate(code)
   return function(x)
      live(x)
      local out = tensor.like(x, 3)
      check(C.eg_unary(code, out.tensor, x.tensor))
      return out
   end
end

-- clamp(x, low, high): gradient 1 inside the range (ends included), 0 outside.
local clamp = {
   doc = "clamp(x, low, high): the nearest number in [low, high]; a nil end is open.",
   keeps = { 1 },
   forward = function(x, low, high)
      local out = tensor.like(x)
      check(C.eg_clamp(out.tensor, x.tensor, low, high))
      return out
   end,
   backward = function(node, grad)
      return grad:masked_fill(node[1]:ge(node[2]):logical_and(node[1]:le(node[3])):logical_not(), 0)
   end,
   samples = function()
      local engram = require "engram"
      return { { engram.randn(3, 4), -0.5, 0.7 }, { engram.randn(4, 3):t(), 0, math.huge } }
   end,
}

return function(define)
   for _, f in ipairs(functions) do
      local name, code = f[1], f[2]
      local op = define(name, operation(name, code, f[3], f[4], f[5], f.fused))
      methods[name] = function(x)
         live(x, name)
         return apply(op, x)
      end
      methods[name .. "_"] = function(x)
         autograd.check_in_place(x, name .. "_")
         check(C.eg_unary(code, x.tensor, x.tensor))
         return x
      end
   end
   methods.isnan, methods.isfinite = predicate(C.EG_ISNAN), predicate(C.EG_ISFINITE)
   methods.logical_not = predicate(C.EG_NOT)
   tensor.metatable.__unm = methods.neg

   define("clamp", clamp)
   local function ends(who, low, high)
      low, high = low or -math.huge, high or math.huge
      if type(low) ~= "number" or type(high) ~= "number" then
         core.raise("%s: expected numbers, low and high, got %s and %s", who, core.typename(low), core.typename(high))
      end
      return low, high
   end
   function methods.clamp(x, low, high)
      live(x, "clamp")
      return apply(clamp, x, ends("clamp", low, high))
   end
   function methods.clamp_(x, low, high)
      autograd.check_in_place(x, "clamp_")
      check(C.eg_clamp(x.tensor, x.tensor, ends("clamp_", low, high)))
      return x
   end
end
