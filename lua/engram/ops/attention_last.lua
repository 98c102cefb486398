-- ops/attention_last.lua: self-attention of the last position alone, a tenth of the arithmetic: see core/attention_last.c.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check = core.C, core.check
local apply = autograd.apply

local function lib() return require "engram" end
local function pointer(x) return x and x.tensor or nil end
local function whole(x) return x and (x:is_contiguous() and x or x:detach():contiguous()) end

-- The weight or bias of query (1), key (2) or value (3).
local function third(t, i)
   local width = t:size(1) / 3
   return t:narrow(1, (i - 1) * width + 1, width)
end

local function last_of(x) return x:narrow(2, x:size(2), 1):squeeze(2) end

-- The last position's query, outside the graph.
local function query_of(x, weight, bias)
   return last_of(x:detach()):linear(third(weight:detach(), 1), bias and third(bias:detach(), 1))
end

-- Gradients, or sums of `size`s of each sample's, of the weight and bias. The kernel gives the bias's beside the weight's alone.
local function parameter_gradients(node, grad, grad_x, size)
   local x, weight, bias = node[1], whole(node[2]), node[3]
   local weights, q = node.saved[1], node.saved[2]
   local grad_q, grad_weight = tensor.like(q), (node.p2 or node.p3) and tensor.like(weight) or nil
   local grad_bias = node.p3 and tensor.like(bias) or nil
   if grad_bias then check(C.eg_fill(grad_bias.tensor, 0)) end
   check(C.eg_attention_last_backward(pointer(grad_x), grad_q.tensor, pointer(grad_weight), pointer(grad_bias), grad.tensor,
      weights.tensor, q.tensor, x.tensor, weight.tensor, pointer(bias), pointer(node[6]), node[4], size))
   return grad_q, grad_weight, grad_bias
end

local attention_last = {
   doc = "attention_last(x, weight, bias, plan, mask, kept): (n, 2, width): what the last position of x (n, t, width) reads by " ..
      "self-attention with weight (3 width, width) and bias (3 width), and that position itself.",
   keeps = { 1, 2, 3, 5, 6 },
   forward = function(x, weight, bias, plan, mask, kept)
      weight = whole(weight)
      local n, keys, width = x:size(1), x:size(2), x:size(3)
      local q = query_of(x, weight, bias)
      local out, weights = tensor.new(x.tensor.dtype, { n, 2, width }), tensor.new(x.tensor.dtype, { n, tonumber(plan.heads), keys })
      check(C.eg_attention_last_forward(out.tensor, weights.tensor, q.tensor, x.tensor, weight.tensor, pointer(bias), pointer(mask),
         pointer(kept), plan))
      return out, { weights, q }
   end,
   -- By keys and values: the full calculation.
   backward = function(node, grad)
      local x, weight, bias, plan, mask, kept = node[1], node[2], node[3], node[4], node[5], node[6]
      local n, keys, width = x:size(1), x:size(2), x:size(3)
      local last, of_last = last_of(x), grad:narrow(2, 2, 1)
      local function project(of, i) return of:linear(third(weight, i), bias and third(bias, i)) end
      local q, k, v = project(last, 1):unsqueeze(2), project(x, 2), project(x, 3)
      local grad_q, grad_k, grad_v = tensor.attention_gradients(q, k, v, plan, mask, kept and kept:unsqueeze(3), grad:narrow(2, 1, 1))
      local function flat(t) return t:reshape(-1, width) end
      local to_last = grad_q:matmul(third(weight, 1)) + of_last
      local zeros = lib().zeros(n, keys - 1, width, { dtype = x.dtype })
      local grad_x = grad_k:matmul(third(weight, 2)) + grad_v:matmul(third(weight, 3)) + lib().cat({ zeros, to_last }, 2)
      grad_q, grad_k, grad_v = flat(grad_q), flat(grad_k), flat(grad_v)
      local grad_weight = lib().cat({ grad_q:t():matmul(last), grad_k:t():matmul(flat(x)), grad_v:t():matmul(flat(x)) }, 1)
      local grad_bias = node.p3 and lib().cat({ grad_q:sum(1), grad_k:sum(1), grad_v:sum(1) }, 1)
      return grad_x, grad_weight, grad_bias
   end,
   fused = function(node, grad)
      local x, weight = node[1], node[2]
      local grad_x = node.p1 and tensor.like(x)
      local grad_q, grad_weight, grad_bias = parameter_gradients(node, grad, grad_x, 0)
      local last = last_of(x)
      if grad_x then last_of(grad_x):add_(grad_q:matmul(third(weight, 1))) end
      local of_weight, turned, of_bias = node.p2 and third(grad_weight, 1), grad_q:t(), grad_bias and third(grad_bias, 1)
      if of_weight then check(C.eg_matmul(of_weight.tensor, turned.tensor, last.tensor)) end
      if of_bias then check(C.eg_reduce(C.EG_SUM, of_bias.tensor, grad_q.tensor, 0)) end
      return grad_x, node.p2 and grad_weight, grad_bias
   end,
   squares = function(node, grad, absolute)
      local grad_q, weight, bias = parameter_gradients(node, grad, nil, absolute and 2 or 1)
      local of_weight, of_bias = third(weight, 1), bias and third(bias, 1)
      check(C.eg_fill(of_weight.tensor, 0))
      local last = last_of(node[1])
      check(C.eg_fisher_linear(of_weight.tensor, pointer(of_bias), grad_q.tensor, last.tensor, 1, absolute and 2 or 0))
      return nil, weight, bias
   end,
   -- The last position's query, through the weights of keys; with the sequence, twice; through the weights of values.
   arithmetic = function(node)
      local x = node[1].shape
      return 2 * x[1] * x[3] * (3 * x[3] + 2 * tonumber(node[4].heads) * x[2])
   end,
   samples = function()
      local r, e = lib().randn, lib()
      local function plan(heads, width, dropout) return tensor.attention_plan{ heads = heads, width = width, dropout = dropout } end
      local mask = e.tensor({ { 0, 0, 1 }, { 1, 0, 0 } }, { dtype = "uint8" })
      local kept = e.ones(1, 3, 4, { dtype = "uint8" })
      kept[{ 1, 1, 2 }], kept[{ 1, 3, 4 }] = 0, 0
      return { { r(2, 3, 4), r(12, 4), r(12), plan(2, 4) }, { r(2, 3, 4), r(12, 4), r(12), plan(1, 4), mask },
         { r(1, 4, 6), r(18, 6), r(18), plan(3, 6, 0.25), nil, kept }, { r(2, 1, 4), r(12, 4), nil, plan(2, 4) } }
   end,
}

-- For nn.MultiheadAttention.
function tensor.attention_last(x, weight, bias, plan, mask, kept) return (apply(attention_last, x, weight, bias, plan, mask, kept)) end

return function(define) define("attention_last", attention_last) end
