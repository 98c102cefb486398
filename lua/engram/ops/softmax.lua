-- ops/softmax.lua: softmax, its logarithm, and cross-entropy in one kernel.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live, dimension = tensor.methods, tensor.live, tensor.dimension
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end
local function samples() return { { randn(3, 5), 1 }, { randn(4, 3):t(), 0 }, { randn(2, 3, 4), 1 } } end

local softmax = {
   doc = "softmax(x, dim): exp(x) over its sum along dim.",
   keeps = { "out" },
   forward = function(x, dim)
      local out = tensor.like(x)
      check(C.eg_softmax(out.tensor, x.tensor, dim))
      return out
   end,
   backward = function(node, grad)
      local product = grad * node.out
      return product - node.out * product:sum(node[2] + 1, true)
   end,
   fused = function(node, grad)
      local grad_in = tensor.like(node.out)
      check(C.eg_softmax_backward(grad_in.tensor, grad.tensor, node.out.tensor, node[2]))
      return grad_in
   end,
   samples = samples,
}

local log_softmax = {
   doc = "log_softmax(x, dim): x minus the logarithm of the sum of exp(x) along dim.",
   keeps = { "out" },
   forward = function(x, dim)
      local out = tensor.like(x)
      check(C.eg_log_softmax(out.tensor, x.tensor, dim))
      return out
   end,
   backward = function(node, grad) return grad - node.out:exp() * grad:sum(node[2] + 1, true) end,
   fused = function(node, grad)
      local grad_in = tensor.like(node.out)
      check(C.eg_log_softmax_backward(grad_in.tensor, grad.tensor, node.out.tensor, node[2]))
      return grad_in
   end,
   samples = samples,
}

-- Saved: the log-probabilities, which a first-order backward needs; the general one starts again from the logits.
local cross_entropy = {
   doc = "cross_entropy(logits, labels): -log softmax(logits)[label] of each row; labels count from 1.",
   keeps = { 1, 2 },
   forward = function(logits, labels)
      local losses = tensor.new(logits.tensor.dtype, { logits:size(1) })
      local log_probabilities = tensor.like(logits)
      check(C.eg_cross_entropy(losses.tensor, log_probabilities.tensor, logits.tensor, labels.tensor))
      return losses, log_probabilities
   end,
   backward = function(node, grad)
      local logits, labels = node[1], node[2]
      return (logits:softmax(2) - labels:one_hot(logits:size(2), logits.dtype)) * grad:unsqueeze(2)
   end,
   fused = function(node, grad)
      local grad_logits = tensor.like(node.saved)
      check(C.eg_cross_entropy_backward(grad_logits.tensor, grad.tensor, node.saved.tensor, node[2].tensor))
      return grad_logits
   end,
   samples = function()
      return { { randn(4, 5), require "engram".tensor({ 1, 5, 3, 3 }, { dtype = "int64" }) } }
   end,
}

-- The same and its mean in one node: what a training step takes.
local mean_cross_entropy = {
   doc = "mean_cross_entropy(logits, labels): the mean of cross_entropy over the rows.",
   keeps = { 1, 2 },
   forward = function(logits, labels)
      local losses, log_probabilities = cross_entropy.forward(logits, labels)
      local mean = tensor.wrap(C.eg_new_reduced(losses.tensor, -1, 0, -1))
      check(C.eg_reduce(C.EG_MEAN, mean.tensor, losses.tensor, -1))
      tensor.release(losses)
      return mean, log_probabilities
   end,
   backward = function(node, grad)
      local n = node[1]:size(1)
      return cross_entropy.backward(node, (grad / n):expand(n))
   end,
   fused = function(node, grad)
      local n = node[1]:size(1)
      return cross_entropy.fused(node, (grad / n):expand(n))
   end,
   samples = cross_entropy.samples,
}

function methods.softmax(x, dim)
   live(x, "softmax")
   return (apply(softmax, x, dimension(x, dim or -1, "softmax")))
end

function methods.log_softmax(x, dim)
   live(x, "log_softmax")
   return (apply(log_softmax, x, dimension(x, dim or -1, "log_softmax")))
end

-- Losses (n) of logits (n, classes) and labels (n) int64 from 1, or with `mean` their mean.
function tensor.cross_entropy(logits, labels, mean)
   live(logits, "cross_entropy: logits")
   live(labels, "cross_entropy: labels")
   if logits.tensor.dims ~= 2 then
      raise("cross_entropy: logits must be (samples, classes), got %s", tensor.shape_text(logits))
   end
   return (apply(mean and mean_cross_entropy or cross_entropy, logits, labels))
end

return function(define)
   define("softmax", softmax)
   define("log_softmax", log_softmax)
   define("cross_entropy", cross_entropy)
   define("mean_cross_entropy", mean_cross_entropy)
end
