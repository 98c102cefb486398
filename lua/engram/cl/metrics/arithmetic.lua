-- cl/metrics/arithmetic.lua: the floating point operations of a step, counted from its graph: a product and a sum count as two. Products of
-- matrices and convolutions are counted, also within attention and an LSTM, which are nearly all; what is done element by element is not.
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

-- Queries with keys, and weights with values: of the first both gradients need that of the weights.
local function attention(node)
   local q, k = node[1].shape, node[2].shape
   local product = 2 * q[1] * q[2] * k[2] * q[3]
   local ways = (node.p1 and 1 or 0) + (node.p2 and 1 or 0) + (node.p3 and 1 or 0) + ((node.p1 or node.p2) and 1 or 0)
   return 2 * product, ways * product
end

local function self_attention(node)
   local x = node[1].shape
   local both = 2 * 2 * x[1] * x[2] * x[2] * x[3] / 3
   return both, 2 * both
end

-- The last position's query, through the weights of keys; with the sequence, twice; through the weights of values.
local function attention_last(node)
   local x = node[1].shape
   return 2 * x[1] * x[3] * (3 * x[3] + 2 * tonumber(node[4].heads) * x[2])
end

-- The state before each step with its weight; what the input gives to the gates is a linear layer's.
local function lstm(node)
   local gates, hidden = node[1].shape, node[2]:size(2)
   local product = 2 * gates[1] * gates[2] * gates[3] * hidden
   return product, product * (node.p2 and 2 or 1)
end

local counts = { linear = linear, linear_relu = linear, matmul = matmul, conv2d = conv2d, conv2d_relu = conv2d, attention = attention,
   self_attention = self_attention, attention_last = attention_last, lstm = lstm }

-- arithmetic(loss) -> { forward =, backward = }: of a loss whose graph was not walked yet. The backward of a product is a product for
-- each of its two factors that requires a gradient.
return function(loss)
   local sum = { forward = 0, backward = 0 }
   local record = tensor.records[loss.record]
   if not record then return sum end
   for _, node in ipairs(autograd.internal.order_from(record)) do
      local count = node.op and counts[node.op.name]
      if count then
         local forward, backward = count(node)
         sum.forward = sum.forward + forward
         sum.backward = sum.backward + (backward or forward * ((node.p1 and 1 or 0) + (node.p2 and 1 or 0)))
      end
   end
   return sum
end
