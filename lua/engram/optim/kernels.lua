-- optim/kernels.lua: the fused steps that the stock optimizers are made of, for plugins to build on: one pass over memory each, in place.
--
-- Parameter, gradient and slots are contiguous tensors of one shape and dtype; h is a table of hyper-parameters, such as a step gets.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local C, raise = core.C, core.raise

local kernels = {}

local sgd, adam, classp = ffi.new "eg_sgd", ffi.new "eg_adam", ffi.new "eg_classp"
local moved = ffi.new "int64_t[1]"

local live = tensor.live
local NEEDED = {
   sgd_ = { "lr", "momentum", "dampening", "weight_decay" }, adagrad_ = { "lr", "epsilon", "weight_decay" },
   rmsprop_ = { "lr", "alpha", "epsilon", "weight_decay" }, adam_ = { "lr", "beta1", "beta2", "epsilon", "weight_decay", "count" },
   classp_ = { "lr", "threshold", "power", "epsilon" },
}

-- Raises unless h has the numbers that a kernel needs.
local function check(name, h)
   if type(h) ~= "table" then raise("kernels.%s: expected a table of hyper-parameters, got %s", name, core.typename(h)) end
   for _, key in ipairs(NEEDED[name]) do
      if type(h[key]) ~= "number" then raise("kernels.%s: %s must be a number, got %s", name, key, core.typename(h[key])) end
   end
end

-- sgd_(p, g, momentum, h): g <- g + weight_decay p;  m <- momentum m + (1 - dampening) g;  p <- p - lr m, or with h.nesterov
-- p - lr (g + momentum m). `momentum` may be nil when h.momentum is 0; with h.first it starts as the gradient.
function kernels.sgd_(p, g, momentum, h)
   check("sgd_", h)
   sgd.lr, sgd.momentum, sgd.dampening, sgd.weight_decay = h.lr, h.momentum, h.dampening, h.weight_decay
   sgd.nesterov, sgd.first = h.nesterov and 1 or 0, h.first and 1 or 0
   core.check(C.eg_sgd_step(live(p), live(g), momentum and live(momentum), sgd))
end

-- adagrad_(p, g, sum, h): sum <- sum + g^2;  p <- p - lr g / (sqrt(sum) + epsilon).
function kernels.adagrad_(p, g, sum, h)
   check("adagrad_", h)
   core.check(C.eg_adagrad_step(live(p), live(g), live(sum), h.lr, h.epsilon, h.weight_decay))
end

-- rmsprop_(p, g, square, h): square <- alpha square + (1 - alpha) g^2;  p <- p - lr g / (sqrt(square) + epsilon).
function kernels.rmsprop_(p, g, square, h)
   check("rmsprop_", h)
   core.check(C.eg_rmsprop_step(live(p), live(g), live(square), h.lr, h.alpha, h.epsilon, h.weight_decay))
end

-- adam_(p, g, first, second, h): Adam, with h.decoupled AdamW; h.count is the number of the update, from 1.
function kernels.adam_(p, g, first, second, h)
   check("adam_", h)
   adam.lr, adam.beta1, adam.beta2, adam.epsilon, adam.weight_decay = h.lr, h.beta1, h.beta2, h.epsilon, h.weight_decay
   adam.decoupled, adam.step = h.decoupled and 1 or 0, h.count
   core.check(C.eg_adam_step(live(p), live(g), live(first), live(second), adam))
end

-- classp_(p, g, grad_sum, h): CLASSP's step with h.lr, threshold, power, epsilon, decay (default true) and variant (default "paper").
-- Returns how many weights moved.
function kernels.classp_(p, g, grad_sum, h)
   check("classp_", h)
   classp.lr, classp.threshold, classp.power, classp.epsilon = h.lr, h.threshold, h.power, h.epsilon
   classp.decay, classp.published = h.decay == false and 0 or 1, h.variant == "published" and 1 or 0
   core.check(C.eg_classp_step(live(p), live(g), live(grad_sum), classp, moved))
   return tonumber(moved[0])
end

return kernels
