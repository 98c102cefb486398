-- nn/position.lua: PositionalEncoding(width [, {kind = "sinusoidal", length = 512}]): adds to (n, t, width) what tells positions apart:
-- sines and cosines (Vaswani et al. 2017, arXiv 1706.03762), or with kind = "learned" rows of a weight (length, width).
local core = require "engram.core"
local tensor = require "engram.tensor"
local engram = require "engram"
local nn = require "engram.nn.base"

local PositionalEncoding = nn.Module:extend "PositionalEncoding"
local WHO = "nn.PositionalEncoding"

-- (length, width): sin(p r^k) in odd columns, cos(p r^k) in even ones, p from 0, r = 10000^(-2 / width), k from 0.
local function waves(length, width, dtype)
   local position = engram.arange(0, length - 1):double():unsqueeze(2)
   local rates = engram.arange(0, math.ceil(width / 2) - 1):double():mul(-2 / width * math.log(10000)):exp():unsqueeze(1)
   local angles = position:matmul(rates)
   local both = engram.stack({ angles:sin(), angles:cos() }, 3):reshape(length, -1)
   return both:narrow(2, 1, width):contiguous():to(dtype or "float32")
end

function PositionalEncoding:init(width, options)
   options = core.options(WHO, options, { "kind", "length", "dtype" })
   self.width, self.length = nn.positive(WHO .. ": width", width), nn.positive(WHO .. ": length", options.length or 512)
   self.kind = nn.choice(WHO .. ": kind", options.kind, { "sinusoidal", "learned" })
   nn.choice(WHO .. ": dtype", options.dtype, { "float32", "float64" })
   if self.kind == "learned" then
      self.weight = nn.parameter(nn.empty({ self.length, width }, options.dtype))
      nn.initial.normal_(self.weight, 0, 0.02)
   else
      rawset(self, "waves", waves(self.length, width, options.dtype):keep())
   end
end

function PositionalEncoding:forward(x)
   tensor.live(x, WHO)
   if x:dim() ~= 3 or x:size(3) ~= self.width then
      core.raise("%s: expected (samples, positions, %d), got %s", WHO, self.width, tensor.shape_text(x))
   end
   if x.tensor.dtype > 1 then
      core.raise("%s: expected float32 or float64, got %s; for token numbers, put an nn.Embedding before it", WHO, x.dtype)
   end
   if x:size(2) > self.length then
      core.raise("%s: %d positions, at most length = %d are encoded", WHO, x:size(2), self.length)
   end
   if self.kind == "learned" then return tensor.add_positions(x, self.weight) end
   if self.waves.dtype ~= x.dtype then rawset(self, "waves", waves(self.length, self.width, x.dtype):keep()) end
   return tensor.add_positions(x, self.waves)
end

function PositionalEncoding:settings_text() return ("%d, %s, length = %d"):format(self.width, self.kind, self.length) end

return { PositionalEncoding = PositionalEncoding }
