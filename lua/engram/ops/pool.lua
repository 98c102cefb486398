-- ops/pool.lua: maximum and average over windows of the plane.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check = core.C, core.check
local methods, live, wrap, pair = tensor.methods, tensor.live, tensor.wrap, tensor.pair
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end
local function plan(...) return ffi.new("eg_pool", ...) end

local maxpool2d, maxpool2d_place, maxpool2d_take, avgpool2d, avgpool2d_spread

local function pooling_samples()
   return { { randn(2, 3, 4, 6), plan(2, 2, 2, 2, 0, 0), { 2, 3, 4, 6 } },
      { randn(1, 2, 5, 5), plan(3, 2, 2, 1, 1, 0), { 1, 2, 5, 5 } } }
end

-- The index of the largest element rides along as the second result; the backward finds it in node.saved.
maxpool2d = {
   doc = "maxpool2d(x, plan): the largest element of each window.",
   forward = function(x, how)
      local out = wrap(C.eg_pool2d_new(x.tensor, how, -1))
      local small = how.kernel_h * how.kernel_w <= 256
      local index = wrap(C.eg_pool2d_new(x.tensor, how, small and 3 or 2))
      check(C.eg_maxpool2d(out.tensor, index.tensor, x.tensor, how))
      return out, index
   end,
   backward = function(node, grad) return apply(maxpool2d_place, grad, node.saved, node[3], node[2]) end,
   samples = pooling_samples,
}

local function some_index(x, how)
   local _, index = maxpool2d.forward(x, how)
   return index
end

maxpool2d_place = {
   doc = "maxpool2d_place(grad, index, shape, plan): each gradient at the place of its largest element.",
   keeps = { 2 },
   forward = function(grad, index, shape, how)
      local out = tensor.new(grad.tensor.dtype, shape)
      check(C.eg_maxpool2d_backward(out.tensor, grad.tensor, index.tensor, how))
      return out
   end,
   backward = function(node, v) return apply(maxpool2d_take, v, node[2], node[4], node[3]) end,
   samples = function()
      local how = plan(2, 2, 2, 2, 0, 0)
      return { { randn(2, 3, 2, 3), some_index(randn(2, 3, 4, 6), how), { 2, 3, 4, 6 }, how } }
   end,
}

maxpool2d_take = {
   doc = "maxpool2d_take(x, index, plan): x at the places of the index; the adjoint of maxpool2d_place.",
   keeps = { 2 },
   forward = function(x, index, how)
      local out = tensor.like(index, x.tensor.dtype)
      check(C.eg_maxpool2d_take(out.tensor, x.tensor, index.tensor, how))
      return out
   end,
   backward = function(node, grad) return apply(maxpool2d_place, grad, node[2], node[4], node[3]) end,
   samples = function()
      local how = plan(2, 2, 2, 2, 0, 0)
      return { { randn(2, 3, 4, 6), some_index(randn(2, 3, 4, 6), how), how, { 2, 3, 4, 6 } } }
   end,
}

avgpool2d = {
   doc = "avgpool2d(x, plan): the mean of each window; padding counts as zeros.",
   forward = function(x, how)
      local out = wrap(C.eg_pool2d_new(x.tensor, how, -1))
      check(C.eg_avgpool2d(out.tensor, x.tensor, how))
      return out
   end,
   backward = function(node, grad) return apply(avgpool2d_spread, grad, node[3], node[2]) end,
   samples = pooling_samples,
}

avgpool2d_spread = {
   doc = "avgpool2d_spread(grad, shape, plan): each gradient spread evenly over its window; the adjoint of avgpool2d.",
   forward = function(grad, shape, how)
      local out = tensor.new(grad.tensor.dtype, shape)
      check(C.eg_avgpool2d_backward(out.tensor, grad.tensor, how))
      return out
   end,
   backward = function(node, v) return apply(avgpool2d, v, node[3], node[2]) end,
   samples = function() return { { randn(2, 3, 2, 3), { 2, 3, 4, 6 }, plan(2, 2, 2, 2, 0, 0) } } end,
}

local function pooling(name, op)
   return function(x, kernel, options)
      live(x, name)
      options = core.options(name, options, { "stride", "padding" })
      local kh, kw = pair(kernel, nil, name .. ": kernel size")
      local sh, sw = pair(options.stride, { kh, kw }, name .. ": stride")
      local ph, pw = pair(options.padding, 0, name .. ": padding")
      return (apply(op, x, plan(kh, kw, sh, sw, ph, pw), x.shape))
   end
end

-- x:max_pool2d(kernel [, { stride = kernel, padding = 0 }]): x (n, c, h, w); numbers or pairs {height, width}.
methods.max_pool2d = pooling("max_pool2d", maxpool2d)
-- x:avg_pool2d(kernel [, { stride = kernel, padding = 0 }])
methods.avg_pool2d = pooling("avg_pool2d", avgpool2d)

return function(define)
   define("maxpool2d", maxpool2d)
   define("maxpool2d_place", maxpool2d_place)
   define("maxpool2d_take", maxpool2d_take)
   define("avgpool2d", avgpool2d)
   define("avgpool2d_spread", avgpool2d_spread)
end
