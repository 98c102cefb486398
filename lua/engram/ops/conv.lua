-- ops/conv.lua: two-dimensional convolution and its two adjoints. Each is linear in both arguments and differentiates
-- into the other two, so every order of derivative is there.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live = tensor.methods, tensor.live
local rectified = require "engram.ops.rectified"
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end
local function plan(sh, sw, ph, pw) return ffi.new("eg_conv", sh, sw, ph, pw) end

-- The bias gets the sum over samples and pixels: whole planes first, which lie in order.
local function channel_sum(grad) return grad:reshape(grad:size(1), grad:size(2), -1):sum(3):sum(1) end

local conv2d, conv2d_input, conv2d_weight

conv2d = {
   doc = "conv2d(x, weight, bias, plan): x (n, c, h, w) with weight (o, c, kh, kw), bias (o).",
   keeps = { 1, 2 },
   forward = function(x, weight, bias, how)
      local out = tensor.wrap(C.eg_conv2d_new(x.tensor, weight.tensor, how))
      check(C.eg_conv2d(out.tensor, x.tensor, weight.tensor, bias and bias.tensor or nil, how))
      return out
   end,
   backward = function(node, grad)
      local x, weight, how = node[1], node[2], node[4]
      return node.p1 and apply(conv2d_input, grad, weight, x.shape, how),
         node.p2 and apply(conv2d_weight, grad, x, weight.shape, how),
         node.p3 and channel_sum(grad)
   end,
   squares = function(node, grad, absolute)
      local weight, bias = tensor.like(node[2]), node.p3 and tensor.new(grad.tensor.dtype, { grad:size(2) })
      check(C.eg_fill(weight.tensor, 0))
      if bias then check(C.eg_fill(bias.tensor, 0)) end
      check(C.eg_fisher_conv2d(weight.tensor, bias and bias.tensor or nil, grad.tensor, node[1].tensor, node[4], 1,
         absolute and C.EG_ABSOLUTE or C.EG_SQUARES))
      return nil, weight, bias
   end,
   arithmetic = function(node)
      local x, weight, how = node[1].shape, node[2].shape, node[4]
      local height = math.floor((x[3] + 2 * tonumber(how.padding_h) - weight[3]) / tonumber(how.stride_h)) + 1
      local width = math.floor((x[4] + 2 * tonumber(how.padding_w) - weight[4]) / tonumber(how.stride_w)) + 1
      return 2 * x[1] * height * width * weight[1] * weight[2] * weight[3] * weight[4]
   end,
   samples = function()
      return { { randn(2, 3, 5, 4), randn(4, 3, 3, 3), randn(4), plan(1, 1, 0, 0) },
         { randn(2, 2, 5, 6), randn(3, 2, 3, 2), nil, plan(2, 1, 1, 0) } }
   end,
}

local conv2d_relu = rectified(conv2d, "conv2d_relu(x, weight, bias, plan): the positive part of conv2d(...), in one pass.",
   function(x, weight, bias, how)
      local out = tensor.wrap(C.eg_conv2d_new(x.tensor, weight.tensor, how))
      check(C.eg_conv2d_relu(out.tensor, x.tensor, weight.tensor, bias and bias.tensor or nil, how))
      return out
   end)

conv2d_input = {
   doc = "conv2d_input(grad, weight, shape, plan): conv2d's adjoint in x; a transposed convolution.",
   keeps = { 1, 2 },
   forward = function(grad, weight, shape, how)
      local out = tensor.new(grad.tensor.dtype, shape)
      check(C.eg_conv2d_input(out.tensor, grad.tensor, weight.tensor, how))
      return out
   end,
   backward = function(node, v)
      local grad, weight, how = node[1], node[2], node[4]
      return node.p1 and apply(conv2d, v, weight, nil, how), node.p2 and apply(conv2d_weight, grad, v, weight.shape, how)
   end,
   samples = function()
      return { { randn(2, 4, 3, 2), randn(4, 3, 3, 3), { 2, 3, 5, 4 }, plan(1, 1, 0, 0) } }
   end,
}

conv2d_weight = {
   doc = "conv2d_weight(grad, x, shape, plan): conv2d's adjoint in the weight.",
   keeps = { 1, 2 },
   forward = function(grad, x, shape, how)
      local out = tensor.new(grad.tensor.dtype, shape)
      check(C.eg_conv2d_weight(out.tensor, grad.tensor, x.tensor, how))
      return out
   end,
   backward = function(node, v)
      local grad, x, how = node[1], node[2], node[4]
      return node.p1 and apply(conv2d, x, v, nil, how), node.p2 and apply(conv2d_input, grad, v, x.shape, how)
   end,
   samples = function()
      return { { randn(2, 4, 3, 2), randn(2, 3, 5, 4), { 4, 3, 3, 3 }, plan(1, 1, 0, 0) } }
   end,
}

-- A number or a pair { height, width }.
function tensor.pair(value, default, who)
   if value == nil then value = default end
   if type(value) == "number" then return value, value end
   if type(value) == "table" and type(value[1]) == "number" and type(value[2]) == "number" then return value[1], value[2] end
   raise("%s: expected a number or a pair {height, width}", who)
end

-- x:conv2d(weight [, bias [, { stride = 1, padding = 0 }]]): cross-correlation, as in PyTorch; stride and padding are numbers or
-- pairs {height, width}. x (n, c, h, w), weight (o, c, kh, kw), bias (o) -> (n, o, h', w').
function methods.conv2d(x, weight, bias, options)
   live(x, "conv2d: input")
   live(weight, "conv2d: weight")
   if bias then live(bias, "conv2d: bias") end
   options = core.options("conv2d", options, { "stride", "padding" })
   local sh, sw = tensor.pair(options.stride, 1, "conv2d: stride")
   local ph, pw = tensor.pair(options.padding, 0, "conv2d: padding")
   return (apply(conv2d, x, weight, bias, plan(sh, sw, ph, pw)))
end

-- The same with a prepared plan, for layers; with `relu` its positive part, in one pass.
function tensor.conv2d_planned(x, weight, bias, how, relu)
   live(x, "conv2d: input")
   return (apply(relu and conv2d_relu or conv2d, x, weight, bias, how))
end
tensor.conv2d_plan = plan

return function(define)
   define("conv2d", conv2d)
   define("conv2d_relu", conv2d_relu)
   define("conv2d_input", conv2d_input)
   define("conv2d_weight", conv2d_weight)
end
