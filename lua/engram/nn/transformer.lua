-- nn/transformer.lua: TransformerEncoderLayer(width, heads [, feed_forward = 2048, {dropout = 0.1, activation = "relu", norm = "post",
-- epsilon = 1e-5, causal = false, queries = "all"}]): attention, then two linear layers, each with a residual and a LayerNorm
-- (Vaswani et al. 2017, arXiv 1706.03762; norm = "pre": Xiong et al. 2020, arXiv 2002.04745). Weights are named as PyTorch's.
local core = require "engram.core"
local tensor = require "engram.tensor"
local nn = require "engram.nn.base"
local Linear = require "engram.nn.linear".Linear
local LayerNorm = require "engram.nn.layernorm".LayerNorm
local MultiheadAttention = require "engram.nn.attention".MultiheadAttention
local Dropout = require "engram.nn.simple".Dropout

local TransformerEncoderLayer = nn.Module:extend "TransformerEncoderLayer"
local WHO = "nn.TransformerEncoderLayer"

function TransformerEncoderLayer:init(width, heads, feed_forward, options)
   if type(feed_forward) == "table" then feed_forward, options = nil, feed_forward end
   options = core.options(WHO, options, { "dropout", "activation", "norm", "epsilon", "causal", "queries", "dtype" })
   feed_forward = nn.positive(WHO .. ": feed_forward", feed_forward or 2048)
   self.activation = nn.choice(WHO .. ": activation", options.activation, { "relu", "gelu" })
   self.norm = nn.choice(WHO .. ": norm", options.norm, { "post", "pre" })
   local dropout, dtype = options.dropout, options.dtype
   if dropout == nil then dropout = 0.1 end
   self.self_attn = MultiheadAttention(width, heads, { dropout = dropout, causal = options.causal, queries = options.queries,
      dtype = dtype })
   self.linear1 = Linear(width, feed_forward, { dtype = dtype })
   self.dropout = Dropout(dropout)
   self.linear2 = Linear(feed_forward, width, { dtype = dtype })
   self.norm1 = LayerNorm(width, { epsilon = options.epsilon, dtype = dtype })
   self.norm2 = LayerNorm(width, { epsilon = options.epsilon, dtype = dtype })
   self.dropout1 = Dropout(dropout)
   self.dropout2 = Dropout(dropout)
end

-- What the two linear layers add, each position by itself.
local function feed_forward(self, x)
   local first = self.linear1
   local inner = self.activation == "relu" and tensor.linear_relu(x, first.weight, first.bias) or first(x):gelu()
   return self.dropout2(self.linear2(self.dropout(inner)))
end

-- What the attention of `input` gives, and what it is added to: x, or x's last position.
local function attend(self, input, x, options)
   local attention = self.self_attn
   if attention.queries == "all" then return x, attention(input, options) end
   local both = attention:read_last(input, options)
   local read = attention.out_proj(both:narrow(2, 1, 1):squeeze(2))
   if input == x then return both:narrow(2, 2, 1):squeeze(2), read end
   return x:narrow(2, x:size(2), 1):squeeze(2), read
end

-- layer(x [, {padding_mask =}]): (n, t, width) to the same, or with queries = "last" to (n, width), the last position's.
function TransformerEncoderLayer:forward(x, options)
   local residual, y = attend(self, self.norm == "pre" and self.norm1(x) or x, x, options)
   y = residual + self.dropout1(y)
   if self.norm == "pre" then return y + feed_forward(self, self.norm2(y)) end
   y = self.norm1(y)
   return self.norm2(y + feed_forward(self, y))
end

function TransformerEncoderLayer:settings_text()
   local attention = self.self_attn
   return ("%d, %d, %d, dropout = %s, activation = %s, norm = %s%s%s"):format(attention.width, attention.heads, self.linear1.weight:size(1),
      self.dropout.p, self.activation, self.norm, attention.causal and ", causal" or "",
      attention.queries == "last" and ", queries = \"last\"" or "")
end

return { TransformerEncoderLayer = TransformerEncoderLayer }
