-- cl/metrics/arithmetic.lua: the floating point operations of a step, summed over its graph: each operation tells its own.
local autograd = require "engram.autograd"
local tensor = require "engram.tensor"

-- arithmetic(loss) -> { forward =, backward = }: of a loss whose graph was not walked yet. An operation that does not say what its
-- backward takes has a product for each of its two factors that requires a gradient.
return function(loss)
   local sum = { forward = 0, backward = 0 }
   local record = tensor.records[loss.record]
   if not record then return sum end
   for _, node in ipairs(autograd.internal.order_from(record)) do
      if node.op and node.op.arithmetic then
         local forward, backward = node.op.arithmetic(node)
         sum.forward = sum.forward + forward
         sum.backward = sum.backward + (backward or forward * ((node.p1 and 1 or 0) + (node.p2 and 1 or 0)))
      end
   end
   return sum
end
