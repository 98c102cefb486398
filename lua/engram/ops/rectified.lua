-- ops/rectified.lua: an operation followed by relu, in one pass. Its rules are the operation's own, with the gradient of where the
-- result is positive, or not a number.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C = core.C

-- The gradient before relu. One that nobody else holds is changed in place.
local function slope(node, grad)
   if autograd.is_enabled() then return grad:masked_fill(node.out:le(0), 0) end
   local mine = grad.flags == 0 and grad.tensor.contiguous == 1 and C.eg_storage_users(grad.tensor) == 1
   local before = mine and grad or tensor.like(grad)
   core.check(C.eg_unary_backward(C.EG_RELU, before.tensor, grad.tensor, node.out.tensor))
   return before
end

-- The operation `op` with another forward function, which applies relu too.
return function(op, doc, forward)
   local function with(rule)
      return function(node, grad, absolute)
         local before = slope(node, grad)
         local g1, g2, g3 = rule(node, before, absolute)
         if before ~= grad and not autograd.is_enabled() then tensor.release(before) end
         return g1, g2, g3
      end
   end
   return { doc = doc, keeps = { 1, 2, "out" }, forward = forward, backward = with(op.backward), delta = slope,
      squares = op.squares and with(op.squares), squares_of_sum = op.squares_of_sum,
      rows_per_sample = op.rows_per_sample, arithmetic = op.arithmetic, samples = op.samples }
end
