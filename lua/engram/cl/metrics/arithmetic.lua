-- cl/metrics/arithmetic.lua: the floating point operations of a step, counted from its graph: a product and a sum count as two. Products of
-- matrices and convolutions are counted, which are nearly all; what is done element by element is not.
local autograd = require "engram.autograd"
local tensor = require "engram.tensor"

-- Elements of the leading dimensions of a and b, broadcast.
local function batches(a, b)
   local count = 1
   for d = 3, math.max(#a, #b) do count = count * math.max(a[#a - d + 1] or 1, b[#b - d + 1] or 1) end
   return count
end

local function linear(node) return 2 * node[1]:numel() * node[2]:size(1) end

local function matmul(node)
   local a, b = node[1].shape, node[2].shape
   return 2 * batches(a, b) * a[#a - 1] * a[#a] * b[#b]
end

local function conv2d(node)
   local x, weight, how = node[1].shape, node[2].shape, node[4]
   local height = math.floor((x[3] + 2 * tonumber(how.padding_h) - weight[3]) / tonumber(how.stride_h)) + 1
   local width = math.floor((x[4] + 2 * tonumber(how.padding_w) - weight[4]) / tonumber(how.stride_w)) + 1
   return 2 * x[1] * height * width * weight[1] * weight[2] * weight[3] * weight[4]
end

local counts = { linear = linear, linear_relu = linear, matmul = matmul, conv2d = conv2d, conv2d_relu = conv2d }

-- arithmetic(loss) -> { forward =, backward = }: of a loss whose graph was not walked yet. The backward of a product is a product for
-- each of its two factors that requires a gradient.
return function(loss)
   local sum = { forward = 0, backward = 0 }
   local record = tensor.records[loss.record]
   if not record then return sum end
   for _, node in ipairs(autograd.internal.order_from(record)) do
      local count = node.op and counts[node.op.name]
      if count then
         local operations = count(node)
         sum.forward = sum.forward + operations
         sum.backward = sum.backward + operations * ((node.p1 and 1 or 0) + (node.p2 and 1 or 0))
      end
   end
   return sum
end
