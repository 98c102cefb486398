-- nn/lstm.lua: LSTM(input, hidden [, {layers = 1, bias = true}]): batch first; weights named, laid out and begun as PyTorch's.
local core = require "engram.core"
local tensor = require "engram.tensor"
local engram = require "engram"
local nn = require "engram.nn.base"
local raise = core.raise

local LSTM = nn.Module:extend "LSTM"

function LSTM:init(input, hidden, options)
   options = core.options("nn.LSTM", options, { "layers", "bias", "dtype" })
   self.input, self.hidden = nn.positive("nn.LSTM: input", input), nn.positive("nn.LSTM: hidden", hidden)
   self.layers = nn.positive("nn.LSTM: layers", options.layers or 1)
   self.biased = options.bias ~= false
   local bound = 1 / math.sqrt(hidden)
   local function add(name, ...)
      self[name] = nn.parameter(nn.empty({ ... }, options.dtype))
      nn.initial.uniform_(self[name], -bound, bound)
   end
   for layer = 0, self.layers - 1 do                  -- PyTorch counts them from 0
      add("weight_ih_l" .. layer, 4 * hidden, layer == 0 and input or hidden)
      add("weight_hh_l" .. layer, 4 * hidden, hidden)
      if self.biased then
         add("bias_ih_l" .. layer, 4 * hidden)
         add("bias_hh_l" .. layer, 4 * hidden)
      end
   end
end

-- h or c as given, (layers, n, hidden); zeros where nothing is.
local function initial_state(self, given, name, x)
   local shape = { self.layers, x:size(1), self.hidden }
   if given == nil then return engram.zeros(shape, { dtype = x.dtype }) end
   tensor.live(given, "nn.LSTM: initial " .. name)
   if table.concat(given.shape, ",") ~= table.concat(shape, ",") then
      raise("nn.LSTM: the initial %s must be (layers, samples, hidden) = (%s), got %s", name, table.concat(shape, ", "),
         tensor.shape_text(given))
   end
   return given
end

-- lstm(x [, {h, c}]): x (n, t, input) to the states h of the last layer (n, t, hidden), and { h, c } after the last step,
-- (layers, n, hidden) each, which the next call may begin with.
function LSTM:forward(x, state)
   tensor.live(x, "nn.LSTM: input")
   if x:dim() ~= 3 or x:size(3) ~= self.input or x:size(2) == 0 then
      raise("nn.LSTM: input must be (samples, steps, %d), got %s", self.input, tensor.shape_text(x))
   end
   if state ~= nil and type(state) ~= "table" then raise("nn.LSTM: expected the state as a table {h, c}, got %s", core.typename(state)) end
   local h = initial_state(self, state and state[1], "h", x)
   local c = initial_state(self, state and state[2], "c", x)
   local last_h, last_c = {}, {}
   for layer = 0, self.layers - 1 do
      local gates = x:linear(self["weight_ih_l" .. layer], self.biased and self["bias_ih_l" .. layer] or nil)
      if self.biased then gates = tensor.gate_bias(gates, self["bias_hh_l" .. layer]) end
      local before = engram.cat({ h[layer + 1], c[layer + 1] }, 2)
      local states = tensor.lstm(gates, self["weight_hh_l" .. layer], before)
      local after = states:narrow(2, states:size(2), 1):squeeze(2)
      x = states:narrow(3, 1, self.hidden)
      last_h[layer + 1], last_c[layer + 1] = after:narrow(2, 1, self.hidden), after:narrow(2, self.hidden + 1, self.hidden)
   end
   return x, { engram.stack(last_h, 1), engram.stack(last_c, 1) }
end

function LSTM:settings_text()
   return ("%d, %d%s%s"):format(self.input, self.hidden, self.layers > 1 and ", layers = " .. self.layers or "",
      self.biased and "" or ", bias = false")
end

return { LSTM = LSTM }
