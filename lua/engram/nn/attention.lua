-- nn/attention.lua: MultiheadAttention(width, heads [, {dropout = 0, bias = true, causal = false, queries = "all"}]): batch first,
-- weights named and laid out as PyTorch's: in_proj_weight (3 width, width) for query, key and value, out_proj.
local core = require "engram.core"
local tensor = require "engram.tensor"
local engram = require "engram"
local nn = require "engram.nn.base"
local Linear = require "engram.nn.linear".Linear
local raise = core.raise

local MultiheadAttention = nn.Module:extend "MultiheadAttention"

local function check_dropout(who, p)
   if p == nil then return 0 end
   if type(p) ~= "number" or not (p >= 0 and p < 1) then
      raise("%s: dropout must be at least 0 and less than 1, got %s", who, core.shown(p))
   end
   return p
end

function MultiheadAttention:init(width, heads, options)
   local who = "nn.MultiheadAttention"
   options = core.options(who, options, { "dropout", "bias", "causal", "queries", "dtype" })
   self.width, self.heads = nn.positive(who .. ": width", width), nn.positive(who .. ": heads", heads)
   if width % heads ~= 0 then raise("%s: a width of %d cannot be cut into %d heads", who, width, heads) end
   self.queries = nn.choice(who .. ": queries", options.queries, { "all", "last" })
   self.causal = nn.flag(who .. ": causal", options.causal) or false
   nn.flag(who .. ": bias", options.bias)
   self.dropout = check_dropout(who, options.dropout)
   local how = { heads = heads, width = width, causal = self.causal and self.queries == "all" }
   self.plan = tensor.attention_plan(how)
   how.dropout = self.dropout
   self.training_plan = tensor.attention_plan(how)
   self.in_proj_weight = nn.parameter(nn.empty({ 3 * width, width }, options.dtype))
   nn.initial.xavier_uniform_(self.in_proj_weight)
   if options.bias ~= false then self.in_proj_bias = nn.parameter(engram.zeros(3 * width, { dtype = options.dtype })) end
   self.out_proj = Linear(width, width, { bias = options.bias, dtype = options.dtype })
   if self.out_proj.bias then nn.initial.constant_(self.out_proj.bias, 0) end
end

local function check_sequence(self, name, x)
   tensor.live(x, "nn.MultiheadAttention: " .. name)
   if x:dim() ~= 3 or x:size(3) ~= self.width then
      raise("nn.MultiheadAttention: %s must be (samples, positions, %d), got %s", name, self.width, tensor.shape_text(x))
   end
end

-- A mask (samples, keys) as uint8, true where a key is padding.
local function check_mask(mask, x)
   if mask == nil then return nil end
   tensor.live(mask, "nn.MultiheadAttention: padding_mask")
   if mask:dim() ~= 2 or mask:size(1) ~= x:size(1) or mask:size(2) ~= x:size(2) then
      raise("nn.MultiheadAttention: padding_mask must be (samples, keys) = (%d, %d), got %s", x:size(1), x:size(2), tensor.shape_text(mask))
   end
   if mask.dtype ~= "uint8" then
      local padding = mask:ne(0)
      if padding:ne(mask:eq(1)):sum():item() > 0 then
         raise "nn.MultiheadAttention: padding_mask holds more than 0 and 1 (1: the key is padding)"
      end
      mask = padding
   end
   return mask:contiguous()
end

-- How weights are dropped: the plan, and the mask for as many queries.
local function drop(self, x, queries, keys)
   local plan = self.training and self.training_plan or self.plan
   return plan, tensor.attention_drop(plan, x:size(1), queries, keys)
end

-- One third of the projection's weight or bias.
local function third(self, t, i) return t and t:narrow(1, (i - 1) * self.width + 1, self.width) end

local function project(self, x, i)
   return x:linear(third(self, self.in_proj_weight, i), third(self, rawget(self, "in_proj_bias"), i))
end

-- Keys and values of their own: each of the three goes through its third of the projection.
local function cross(self, query, key, value, mask)
   local plan, kept = drop(self, query, query:size(2), key:size(2))
   return tensor.attention(project(self, query, 1), project(self, key, 2), project(self, value, 3), plan, mask, kept)
end

-- For layers with a residual: (n, 2, width), what the last position reads (before out_proj) and that position itself.
function MultiheadAttention:read_last(x, options)
   options = core.options("nn.MultiheadAttention", options, { "padding_mask" })
   check_sequence(self, "input", x)
   if x:size(2) == 0 then raise("nn.MultiheadAttention: there is no last position: input %s", tensor.shape_text(x)) end
   local plan, kept = drop(self, x, 1, x:size(2))
   return tensor.attention_last(x, self.in_proj_weight, rawget(self, "in_proj_bias"), plan, check_mask(options.padding_mask, x),
      kept and kept:squeeze(3))
end

-- attention(x [, options]) or attention(query, key, value [, options]): (n, t, width) each, to (n, t, width), or with queries = "last"
-- (n, width): what the last query reads. options.padding_mask (n, keys): 1 (or true) where a key is padding; a query all of whose keys
-- are padding reads zeros.
function MultiheadAttention:forward(query, key, value, options)
   if not tensor.is_tensor(key) then
      if key ~= nil and options ~= nil then raise("nn.MultiheadAttention: key must be a tensor or nil, got %s", core.shown(key)) end
      if value ~= nil then raise("nn.MultiheadAttention: a value needs a key, got %s as key", core.shown(key)) end
      options, key = options or key, nil
   end
   local last = self.queries == "last"
   if last and not key then return self.out_proj(self:read_last(query, options):narrow(2, 1, 1):squeeze(2)) end
   options = core.options("nn.MultiheadAttention", options, { "padding_mask" })
   check_sequence(self, key and "query" or "input", query)
   if key then
      value = value or key
      check_sequence(self, "key", key)
      check_sequence(self, "value", value)
   end
   local mask = check_mask(options.padding_mask, key or query)
   if last then query = query:narrow(2, query:size(2), 1) end
   if not key then
      local plan, kept = drop(self, query, query:size(2), query:size(2))
      return self.out_proj(tensor.self_attention(query:linear(self.in_proj_weight, rawget(self, "in_proj_bias")), plan, mask, kept))
   end
   local y = self.out_proj(cross(self, query, key, value, mask))
   return last and y:squeeze(2) or y
end

function MultiheadAttention:settings_text()
   return ("%d, %d%s%s%s%s"):format(self.width, self.heads, self.dropout > 0 and ", dropout = " .. self.dropout or "",
      rawget(self, "in_proj_bias") and "" or ", bias = false", self.causal and ", causal" or "",
      self.queries == "last" and ", queries = \"last\"" or "")
end

return { MultiheadAttention = MultiheadAttention }
