-- ops/attention.lua: scaled dot-product attention of several heads (Vaswani et al. 2017, arXiv 1706.03762).
--
-- A plan (eg_attention) says how: heads, scale, causal, dropout. A padding mask (n, keys) uint8 is 1 where a key is not looked at; the
-- dropout mask (n, heads, queries, keys), drawn outside the graph, is 1 where a weight is kept.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local random = require "engram.random"
local C, check = core.C, core.check
local apply = autograd.apply

local function lib() return require "engram" end
local function pointer(x) return x and x.tensor or nil end

-- How heads of (n, t, width) look at keys: plan{ heads =, width =, causal =, dropout = }.
function tensor.attention_plan(options)
   return ffi.new("eg_attention", { heads = options.heads, scale = 1 / math.sqrt(options.width / options.heads),
      causal = options.causal and 1 or 0, dropout = options.dropout or 0 })
end

-- A dropout mask for weights of a shape, from the stream "dropout"; nil where nothing is dropped.
function tensor.attention_drop(plan, n, queries, keys)
   if plan.dropout == 0 then return nil end
   local kept = tensor.new(3, { n, tonumber(plan.heads), queries, keys })
   check(C.eg_bernoulli(kept.tensor, random.stream "dropout", 1 - plan.dropout))
   return kept
end

-- ---- made of operations -----------------------------------------------------------------------------------

-- (n, t, width) to (n, heads, t, width / heads), and back.
local function split(x, heads) return x:reshape(x:size(1), x:size(2), heads, x:size(3) / heads):transpose(2, 3) end
local function merge(x) return x:transpose(2, 3):reshape(x:size(1), x:size(3), x:size(2) * x:size(4)) end

-- What no query looks at, broadcast to (n, heads, queries, keys); nil where all is seen.
local function hidden(plan, mask, queries, keys)
   local e = lib()
   local padded = mask and mask:reshape(mask:size(1), 1, 1, keys)
   if plan.causal == 0 then return padded end
   local last = e.arange(1, queries):reshape(queries, 1) + (keys - queries)
   local ahead = e.arange(1, keys):reshape(1, keys):gt(last):reshape(1, 1, queries, keys)
   return padded and padded:logical_or(ahead) or ahead
end

local function weights_of(q, k, plan, mask)
   local scores = q:matmul(k:transpose(-1, -2)) * plan.scale
   local away = hidden(plan, mask, q:size(3), k:size(3))
   if not away then return scores:softmax(-1) end
   return scores:masked_fill(away, -1e30):softmax(-1):masked_fill(away, 0)
end

local function dropped(x, plan, kept)
   if not kept then return x end
   return apply(lib().ops.registry.mask_apply, x, kept, plan.dropout)
end

-- Gradients of q, k and v (n, t, width).
local function gradients(q, k, v, plan, mask, kept, grad)
   local heads = tonumber(plan.heads)
   q, k, v, grad = split(q, heads), split(k, heads), split(v, heads), split(grad, heads)
   local weights = weights_of(q, k, plan, mask)
   local grad_v = dropped(weights, plan, kept):transpose(-1, -2):matmul(grad)
   local g = dropped(grad:matmul(v:transpose(-1, -2)), plan, kept)
   local scores = weights * (g - (g * weights):sum(-1, true)) * plan.scale
   return merge(scores:matmul(k)), merge(scores:transpose(-1, -2):matmul(q)), merge(grad_v)
end
tensor.attention_gradients = gradients

-- ---- the operations ---------------------------------------------------------------------------------------

local function new_weights(q, k, plan) return tensor.new(q.tensor.dtype, { q:size(1), tonumber(plan.heads), q:size(2), k:size(2) }) end

local function bytes(shape, zeros)
   local t = lib().ones(shape, { dtype = "uint8" })
   for _, at in ipairs(zeros) do t[at] = 0 end
   return t
end

local function plan_of(heads, width, causal, dropout)
   return tensor.attention_plan{ heads = heads, width = width, causal = causal, dropout = dropout }
end

local attention = {
   doc = "attention(q, k, v, plan, mask, kept): softmax(scale q k^T) v for each head.",
   keeps = { 1, 2, 3, 5, 6 },
   forward = function(q, k, v, plan, mask, kept)
      local out, weights = tensor.like(q), new_weights(q, k, plan)
      check(C.eg_attention_forward(out.tensor, weights.tensor, q.tensor, k.tensor, v.tensor, pointer(mask), pointer(kept), plan))
      return out, weights
   end,
   backward = function(node, grad) return gradients(node[1], node[2], node[3], node[4], node[5], node[6], grad) end,
   fused = function(node, grad)
      local q, k, v = node[1], node[2], node[3]
      local grad_q, grad_k, grad_v = tensor.like(q), tensor.like(k), tensor.like(v)
      check(C.eg_attention_backward(grad_q.tensor, grad_k.tensor, grad_v.tensor, grad.tensor, node.saved.tensor, q.tensor, k.tensor,
         v.tensor, pointer(node[6]), node[4]))
      return grad_q, grad_k, grad_v
   end,
   -- Queries with keys, and weights with values: of the first both gradients need that of the weights.
   arithmetic = function(node)
      local q, k = node[1].shape, node[2].shape
      local product = 2 * q[1] * q[2] * k[2] * q[3]
      local ways = (node.p1 and 1 or 0) + (node.p2 and 1 or 0) + (node.p3 and 1 or 0) + ((node.p1 or node.p2) and 1 or 0)
      return 2 * product, ways * product
   end,
   samples = function()
      local r, kept = lib().randn, bytes({ 1, 3, 2, 4 }, { { 1, 1, 1, 2 }, { 1, 3, 2, 4 } })
      return { { r(2, 3, 4), r(2, 5, 4), r(2, 5, 4), plan_of(2, 4) },
         { r(2, 3, 4), r(2, 3, 4), r(2, 3, 4), plan_of(1, 4, true), lib().tensor({ { 0, 0, 1 }, { 1, 0, 0 } }, { dtype = "uint8" }) },
         { r(1, 2, 6), r(1, 4, 6), r(1, 4, 6), plan_of(3, 6, false, 0.25), nil, kept } }
   end,
}

-- Queries, keys and values beside each other, as one product of the layer makes them.
local function thirds(x)
   local width = x:size(3) / 3
   return x:narrow(3, 1, width), x:narrow(3, width + 1, width), x:narrow(3, 2 * width + 1, width)
end

local self_attention = {
   doc = "self_attention(qkv, plan, mask, kept): attention(q, k, v) of qkv (n, t, 3 width).",
   keeps = { 1, 3, 4 },
   forward = function(qkv, plan, mask, kept)
      local q, k, v = thirds(qkv)
      local out, weights = tensor.new(qkv.tensor.dtype, q.shape), new_weights(q, k, plan)
      check(C.eg_attention_forward(out.tensor, weights.tensor, q.tensor, k.tensor, v.tensor, pointer(mask), pointer(kept), plan))
      return out, weights
   end,
   backward = function(node, grad)
      local q, k, v = thirds(node[1])
      local e = lib()
      return e.cat({ gradients(q, k, v, node[2], node[3], node[4], grad) }, 3)
   end,
   fused = function(node, grad)
      local out = tensor.like(node[1])
      local q, k, v = thirds(node[1])
      local grad_q, grad_k, grad_v = thirds(out)
      check(C.eg_attention_backward(grad_q.tensor, grad_k.tensor, grad_v.tensor, grad.tensor, node.saved.tensor, q.tensor, k.tensor,
         v.tensor, pointer(node[4]), node[2]))
      return out
   end,
   arithmetic = function(node)
      local x = node[1].shape
      local both = 2 * 2 * x[1] * x[2] * x[2] * x[3] / 3
      return both, 2 * both
   end,
   samples = function()
      local r = lib().randn
      return { { r(2, 3, 12), plan_of(2, 4) }, { r(2, 4, 18), plan_of(3, 6, true, 0.5), nil, bytes({ 2, 3, 4, 4 }, { { 1, 2, 3, 1 } }) },
         { r(2, 3, 6), plan_of(1, 2), lib().tensor({ { 0, 1, 0 }, { 0, 0, 1 } }, { dtype = "uint8" }) } }
   end,
}

-- For nn.MultiheadAttention.
function tensor.attention(q, k, v, plan, mask, kept) return (apply(attention, q, k, v, plan, mask, kept)) end
function tensor.self_attention(qkv, plan, mask, kept) return (apply(self_attention, qkv, plan, mask, kept)) end

return function(define)
   define("attention", attention)
   define("self_attention", self_attention)
end
