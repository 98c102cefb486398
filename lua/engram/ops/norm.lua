-- ops/norm.lua: batch normalisation (Ioffe and Szegedy 2015, arXiv 1502.03167).
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check = core.C, core.check
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end

-- (c) seen as (1, c, 1, 1) beside x
local function beside(v, x)
   local shape = {}
   for d = 1, x:dim() do shape[d] = d == 2 and v:numel() or 1 end
   return v:reshape(shape)
end

-- All dimensions but that of the channels.
local function others(x)
   local dims = {}
   for d = 1, x:dim() do
      if d ~= 2 then dims[#dims + 1] = d end
   end
   return dims
end

-- Means over everything but the channels, (1, c, 1, 1), and sums, (c).
local function channel_mean(x) return x:mean(others(x), true) end
local function channel_sum(x) return x:sum(others(x)) end

-- x normalised and 1 / deviation, made of operations. epsilon: with the batch's statistics; nil: mean and rstd are constants.
local function normalised(node)
   local x, mean, rstd, epsilon = node[1], node[4], node[5], node[6]
   if not epsilon then
      local scale = beside(rstd, x)
      return (x - beside(mean, x)) * scale, scale
   end
   local centred = x - channel_mean(x)
   local scale = (channel_mean(centred * centred) + epsilon):rsqrt()
   return centred * scale, scale
end

local function samples()
   local e = require "engram"
   local x = randn(4, 3, 2, 2)
   local function constant(shape) return e.rand(shape):add(0.5):double() end
   local evaluation = { x, randn(3), randn(3), constant(3), constant(3) }
   return { evaluation }
end

local batchnorm = {
   doc = "batchnorm(x, weight, bias, mean, rstd, epsilon): (x - mean) * rstd * weight + bias per channel; with epsilon, mean and " ..
      "rstd are the batch's own and the gradient passes through them.",
   keeps = { 1, 2, 4, 5 },
   forward = function(x, weight, bias, mean, rstd)
      local out = tensor.like(x)
      check(C.eg_batchnorm(out.tensor, x.tensor, mean.tensor, rstd.tensor, weight and weight.tensor or nil,
         bias and bias.tensor or nil))
      return out
   end,
   backward = function(node, grad)
      local xhat, scale = normalised(node)
      local g = node[2] and grad * beside(node[2], grad) or grad
      local grad_x
      if node.p1 then
         grad_x = g
         if node[6] then grad_x = g - channel_mean(g) - xhat * channel_mean(g * xhat) end
         grad_x = grad_x * scale
      end
      return grad_x, node.p2 and channel_sum(grad * xhat), node.p3 and channel_sum(grad)
   end,
   fused = function(node, grad)
      local x, mean = node[1], node[4]
      local grad_x = node.p1 and tensor.like(x)
      local grad_weight, grad_bias = node.p2 and tensor.like(mean), node.p3 and tensor.like(mean)
      check(C.eg_batchnorm_backward(grad_x and grad_x.tensor or nil, grad_weight and grad_weight.tensor or nil,
         grad_bias and grad_bias.tensor or nil, grad.tensor, x.tensor, mean.tensor, node[5].tensor,
         node[2] and node[2].tensor or nil, node[6] and 1 or 0))
      return grad_x, grad_weight, grad_bias
   end,
   squares = function(node, grad, absolute)
      if node[6] then
         core.raise "batch norm in training mode mixes the samples of a batch; call model:eval() before importance is estimated"
      end
      local xhat = normalised(node)
      local function per_sample(v)
         local gradient = v:reshape(v:size(1), v:size(2), -1):sum(3)
         return (absolute and gradient:abs() or gradient:square()):sum(1)
      end
      return nil, node.p2 and per_sample(grad * xhat), node.p3 and per_sample(grad)
   end,
   samples = samples,
}

-- Training mode as an operation of its own arguments, so that the tests can differentiate it numerically.
local batchnorm_train = {
   doc = "batchnorm_train(x, weight, bias, epsilon): batch norm with the batch's own statistics.",
   keeps = { 1, 2 },
   forward = function(x, weight, bias, epsilon)
      local mean = tensor.new(x.tensor.dtype, { x:size(2) })
      local rstd, variance = tensor.like(mean), tensor.like(mean)
      check(C.eg_batchnorm_stats(mean.tensor, rstd.tensor, variance.tensor, x.tensor, epsilon))
      return batchnorm.forward(x, weight, bias, mean, rstd), { mean, rstd, variance }
   end,
   samples = function()
      return { { randn(4, 3, 2, 2), randn(3), randn(3), 1e-5 }, { randn(6, 3), randn(3), randn(3), 1e-5 }, { randn(5, 2), nil, nil, 1e-5 } }
   end,
}

-- The node of the training form seen as one of the other.
local function as_batchnorm(node)
   return { node[1], node[2], node[3], node.saved[1], node.saved[2], node[4], p1 = node.p1, p2 = node.p2, p3 = node.p3 }
end
batchnorm_train.backward = function(node, grad) return batchnorm.backward(as_batchnorm(node), grad) end
batchnorm_train.fused = function(node, grad) return batchnorm.fused(as_batchnorm(node), grad) end
batchnorm_train.squares = function(node, grad, absolute) return batchnorm.squares(as_batchnorm(node), grad, absolute) end

-- For nn.BatchNorm: the output, and in training mode { mean, rstd, biased variance } of the batch.
function tensor.batch_norm(x, weight, bias, mean, rstd) return (apply(batchnorm, x, weight, bias, mean, rstd)) end
function tensor.batch_norm_train(x, weight, bias, epsilon) return apply(batchnorm_train, x, weight, bias, epsilon) end

return function(define)
   define("batchnorm", batchnorm)
   define("batchnorm_train", batchnorm_train)
end
