-- ops/layernorm.lua: layer normalisation (Ba, Kiros and Hinton 2016, arXiv 1607.06450): each row by its own mean and deviation.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live = tensor.methods, tensor.live
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end

local function pointer(x) return x and x.tensor or nil end

-- x normalised and 1 / deviation, made of operations.
local function normalised(x, epsilon)
   local centred = x - x:mean(-1, true)
   local scale = (centred:square():mean(-1, true) + epsilon):rsqrt()
   return centred * scale, scale
end

-- Sums over all but the last dimension.
local function column_sum(x) return x:reshape(-1, x:size(-1)):sum(1) end

-- Sums within each sample of x (n, ..., width): (n, width).
local function sample_sum(x)
   if x:dim() == 1 then return x:unsqueeze(1) end
   return x:reshape(x:size(1), -1, x:size(-1)):sum(2)
end

local layer_norm = {
   doc = "layer_norm(x, weight, bias, epsilon): (x - mean) / sqrt(variance + epsilon) * weight + bias along the last dimension.",
   keeps = { 1, 2 },
   forward = function(x, weight, bias, epsilon)
      local out, width = tensor.like(x), x:size(-1)
      local stats = tensor.new(x.tensor.dtype, { width > 0 and x:numel() / width or 0, 2 })
      check(C.eg_layernorm(out.tensor, stats.tensor, x.tensor, pointer(weight), pointer(bias), epsilon))
      return out, stats
   end,
   backward = function(node, grad)
      local xhat, scale = normalised(node[1], node[4])
      local g = node[2] and grad * node[2] or grad
      local grad_x = node.p1 and (g - g:mean(-1, true) - xhat * (g * xhat):mean(-1, true)) * scale
      return grad_x, node.p2 and column_sum(grad * xhat), node.p3 and column_sum(grad)
   end,
   fused = function(node, grad)
      local x = node[1]
      local grad_x = node.p1 and tensor.like(x)
      local grad_weight = node.p2 and tensor.new(x.tensor.dtype, { x:size(-1) })
      local grad_bias = node.p3 and tensor.new(x.tensor.dtype, { x:size(-1) })
      check(C.eg_layernorm_backward(pointer(grad_x), pointer(grad_weight), pointer(grad_bias), grad.tensor, x.tensor,
         node.saved.tensor, pointer(node[2])))
      return grad_x, grad_weight, grad_bias
   end,
   per_sample = function(node, grad)
      return nil, node.p2 and sample_sum(grad * normalised(node[1], node[4])), node.p3 and sample_sum(grad)
   end,
   samples = function()
      return { { randn(4, 3, 5), randn(5), randn(5), 1e-5 }, { randn(2, 6), nil, nil, 1e-5 }, { randn(7), randn(7), nil, 1e-3 } }
   end,
}

-- x:layer_norm([weight, bias, epsilon = 1e-5]): along the last dimension; weight and bias (width) or nil.
function methods.layer_norm(x, weight, bias, epsilon)
   live(x, "layer_norm")
   if weight then live(weight, "layer_norm: weight") end
   if bias then live(bias, "layer_norm: bias") end
   if x.tensor.dims == 0 then raise "layer_norm: a scalar has no dimension to take a mean along" end
   if epsilon ~= nil and type(epsilon) ~= "number" then raise("layer_norm: epsilon must be a number, got %s", core.shown(epsilon)) end
   return (apply(layer_norm, x, weight, bias, epsilon or 1e-5))
end

return function(define) define("layer_norm", layer_norm) end
