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
   self.biased = nn.flag("nn.LSTM: bias", options.bias) ~= false
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

-- What was given beside x: { h, c, lengths = }.
local function check_state(state, x)
   if state == nil then return {} end
   if type(state) ~= "table" then raise("nn.LSTM: expected the state as a table {h, c}, got %s", core.typename(state)) end
   for key in pairs(state) do
      if key ~= 1 and key ~= 2 and key ~= "lengths" then
         raise("nn.LSTM: the state is { h, c, lengths = }, it has no %s%s", core.shown(key),
            require "engram.suggest".hint(key, { "lengths" }))
      end
   end
   local lengths = state.lengths
   if lengths == nil then return state end
   tensor.live(lengths, "nn.LSTM: lengths")
   if lengths.dtype ~= "int64" or lengths:dim() ~= 1 or lengths:size(1) ~= x:size(1) then
      raise("nn.LSTM: lengths must be (samples) = (%d) int64, got %s %s", x:size(1), tensor.shape_text(lengths), lengths.dtype)
   end
   for i, length in ipairs(lengths:tolist()) do
      if length < 1 or length > x:size(2) then
         raise("nn.LSTM: length %d is %d, expected 1 to %d, the steps that there are", i, length, x:size(2))
      end
   end
   return state
end

-- What a layer leaves: its h of every step, and the state (n, 2 hidden) behind the last. No step reads a later one, so that those behind a
-- sequence's length need only be taken out.
local function counted(states, hidden, lengths)
   local h, steps = states:narrow(3, 1, hidden), states:size(2)
   if not lengths then return h, states:narrow(2, steps, 1):squeeze(2) end
   local behind = engram.arange(steps):unsqueeze(1):gt(lengths:unsqueeze(2)):unsqueeze(3)
   local last = lengths:reshape(-1, 1, 1):expand(-1, 1, 2 * hidden)
   return h:masked_fill(behind, 0), states:gather(2, last):squeeze(2)
end

-- lstm(x [, {h, c, lengths =}]): x (n, t, input) to the states h of the last layer (n, t, hidden), and { h, c } after the last step,
-- (layers, n, hidden) each, which the next call may begin with. lengths (n) int64: how many steps of each sequence count: h is 0 behind
-- them, and { h, c } are those of the last that counts.
function LSTM:forward(x, state)
   tensor.live(x, "nn.LSTM: input")
   if x:dim() ~= 3 or x:size(3) ~= self.input then
      raise("nn.LSTM: input must be (samples, steps, %d), got %s", self.input, tensor.shape_text(x))
   end
   if x:size(2) == 0 then raise("nn.LSTM: input %s has no steps", tensor.shape_text(x)) end
   state = check_state(state, x)
   local h, c = initial_state(self, state[1], "h", x), initial_state(self, state[2], "c", x)
   local last_h, last_c = {}, {}
   for layer = 0, self.layers - 1 do
      local gates = x:linear(self["weight_ih_l" .. layer], self.biased and self["bias_ih_l" .. layer] or nil)
      if self.biased then gates = tensor.gate_bias(gates, self["bias_hh_l" .. layer]) end
      local before = engram.cat({ h[layer + 1], c[layer + 1] }, 2)
      local after
      x, after = counted(tensor.lstm(gates, self["weight_hh_l" .. layer], before), self.hidden, state.lengths)
      last_h[layer + 1], last_c[layer + 1] = after:narrow(2, 1, self.hidden), after:narrow(2, self.hidden + 1, self.hidden)
   end
   return x, { engram.stack(last_h, 1), engram.stack(last_c, 1) }
end

function LSTM:settings_text()
   return ("%d, %d%s%s"):format(self.input, self.hidden, self.layers > 1 and ", layers = " .. self.layers or "",
      self.biased and "" or ", bias = false")
end

return { LSTM = LSTM }
