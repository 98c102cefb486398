-- ops/lstm.lua: one layer of long short-term memory over all steps (Hochreiter and Schmidhuber 1997), gates in PyTorch's order i f g o;
-- and the bias that a recurrent layer adds to its gates.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check = core.C, core.check
local apply = autograd.apply

local function lib() return require "engram" end

local function at(x, t) return x:narrow(2, t, 1):squeeze(2) end

-- The four gates of a step (n, hidden) each, and the state behind it.
local function step(gates_in, weight, h, c)
   local hidden = weight:size(2)
   local gates = gates_in + h:matmul(weight:t())
   local function part(k) return gates:narrow(2, (k - 1) * hidden + 1, hidden) end
   local i, f, g, o = part(1):sigmoid(), part(2):sigmoid(), part(3):tanh(), part(4):sigmoid()
   c = f * c + i * g
   return { i, f, g, o }, o * c:tanh(), c
end

-- h before each step, (n, t, hidden): what the weight is multiplied with.
local function before(states, initial, hidden)
   local first, steps = initial:narrow(2, 1, hidden):unsqueeze(2), states:size(2)
   if steps == 1 then return first end
   return lib().cat({ first, states:narrow(2, 1, steps - 1):narrow(3, 1, hidden) }, 2)
end

local function gradient_of_weight(grad_in, states, initial, hidden)
   local h = before(states, initial, hidden):reshape(-1, hidden)
   return grad_in:reshape(-1, 4 * hidden):t():matmul(h)
end

local lstm = {
   doc = "lstm(gates, weight, initial): (n, t, 2 hidden): the state h, c after each step, from what the input gives to the gates " ..
      "(n, t, 4 hidden), the state's weight (4 hidden, hidden) and the state before (n, 2 hidden).",
   keeps = { 1, 2, 3, "out" },
   forward = function(gates_in, weight, initial)
      local states = tensor.new(gates_in.tensor.dtype, { gates_in:size(1), gates_in:size(2), 2 * weight:size(2) })
      local gates = tensor.like(gates_in)
      check(C.eg_lstm_forward(states.tensor, gates.tensor, gates_in.tensor, weight.tensor, initial.tensor))
      return states, gates
   end,
   -- Step by step forwards, then back.
   backward = function(node, grad)
      local gates_in, weight, initial = node[1], node[2], node[3]
      local hidden, steps = weight:size(2), gates_in:size(2)
      local h, c = initial:narrow(2, 1, hidden), initial:narrow(2, hidden + 1, hidden)
      local gates, hs, cs = {}, { h }, { c }
      for t = 1, steps do gates[t], hs[t + 1], cs[t + 1] = step(at(gates_in, t), weight, hs[t], cs[t]) end
      local dh, dc, parts, grad_weight = h * 0, c * 0, {}, nil
      for t = steps, 1, -1 do
         local i, f, g, o = unpack(gates[t])
         local u, from = cs[t + 1]:tanh(), at(grad, t)
         dh = dh + from:narrow(2, 1, hidden)
         dc = dc + from:narrow(2, hidden + 1, hidden) + dh * o * (1 - u * u)
         local d = lib().cat({ dc * g * i * (1 - i), dc * cs[t] * f * (1 - f), dc * i * (1 - g * g), dh * u * o * (1 - o) }, 2)
         parts[t] = d:unsqueeze(2)
         local share = d:t():matmul(hs[t])
         grad_weight = grad_weight and grad_weight + share or share
         dh, dc = d:matmul(weight), dc * f
      end
      return lib().cat(parts, 2), grad_weight, lib().cat({ dh, dc }, 2)
   end,
   fused = function(node, grad)
      local weight, initial = node[2], node[3]
      local grad_in, grad_initial = tensor.like(node[1]), tensor.like(initial)
      check(C.eg_lstm_backward(grad_in.tensor, grad_initial.tensor, grad.tensor, node.out.tensor, node.saved.tensor, weight.tensor,
         initial.tensor))
      return grad_in, node.p2 and gradient_of_weight(grad_in, node.out, initial, weight:size(2)), grad_initial
   end,
   squares = function(node, grad, absolute)
      local weight, initial = node[2], node[3]
      local hidden, steps = weight:size(2), grad:size(2)
      local grad_in, grad_initial, squares = tensor.like(node[1]), tensor.like(initial), tensor.like(weight)
      check(C.eg_lstm_backward(grad_in.tensor, grad_initial.tensor, grad.tensor, node.out.tensor, node.saved.tensor, weight.tensor,
         initial.tensor))
      check(C.eg_fill(squares.tensor, 0))
      local rows, states = grad_in:reshape(-1, 4 * hidden), before(node.out, initial, hidden):reshape(-1, hidden)
      check(C.eg_fisher_sequence(squares.tensor, nil, rows.tensor, states.tensor, steps, absolute and 1 or 0))
      return nil, squares
   end,
   -- The state before each step with its weight; what the input gives to the gates is a linear layer's.
   arithmetic = function(node)
      local gates, hidden = node[1].shape, node[2]:size(2)
      local product = 2 * gates[1] * gates[2] * gates[3] * hidden
      return product, product * (node.p2 and 2 or 1)
   end,
   samples = function()
      local r = lib().randn
      return { { r(2, 3, 8), r(8, 2), r(2, 4) }, { r(1, 1, 12), r(12, 3), r(1, 6) } }
   end,
}

local gate_bias = {
   doc = "gate_bias(x, bias): x (n, ..., width) plus bias (width).",
   forward = function(x, bias)
      local out = tensor.like(x)
      check(C.eg_binary(C.EG_ADD, out.tensor, x.tensor, bias.tensor))
      return out
   end,
   backward = function(node, grad) return grad, node.p2 and grad:reshape(-1, grad:size(-1)):sum(1) end,
   per_sample = function(_, grad) return nil, grad:reshape(grad:size(1), -1, grad:size(-1)):sum(2) end,
   samples = function() return { { lib().randn(2, 3, 4), lib().randn(4) } } end,
}

local add_positions = {
   doc = "add_positions(x, table): x (n, t, width) plus the first t rows of table (length, width).",
   forward = function(x, table_)
      local out = tensor.like(x)
      check(C.eg_binary(C.EG_ADD, out.tensor, x.tensor, table_:detach():narrow(1, 1, x:size(2)).tensor))
      return out
   end,
   keeps = { 2 },
   backward = function(node, grad)
      local rows, length = grad:sum(1), node[2]:size(1)
      if length > rows:size(1) then
         rows = lib().cat({ rows, lib().zeros(length - rows:size(1), rows:size(2), { dtype = rows.dtype }) }, 1)
      end
      return grad, rows
   end,
   squares = function(node, grad, absolute)
      local squares = lib().zeros_like(node[2]:detach())
      squares:narrow(1, 1, grad:size(2)):add_((absolute and grad:abs() or grad:square()):sum(1))
      return nil, squares
   end,
   samples = function() return { { lib().randn(2, 3, 4), lib().randn(5, 4) }, { lib().randn(2, 3, 2), lib().randn(3, 2) } } end,
}

-- For nn.LSTM and nn.PositionalEncoding.
function tensor.lstm(gates, weight, initial) return (apply(lstm, gates, weight, initial)) end
function tensor.gate_bias(x, bias) return (apply(gate_bias, x, bias)) end
function tensor.add_positions(x, table_) return (apply(add_positions, x, table_)) end

return function(define)
   define("lstm", lstm)
   define("gate_bias", gate_bias)
   define("add_positions", add_positions)
end
