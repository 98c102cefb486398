-- text/tokenizer.lua: what cuts a text into tokens: a rule (tokenizers/*.lua) and its options. A rule is one of the core's, or a function
-- in Lua. A tokenizer is called: tokenizer(text).
local ffi = require "ffi"
local core = require "engram.core"
local suggest = require "engram.suggest"
local C, check, raise = core.C, core.check, core.raise

local tokenizer, rules = {}, {}

local Tokenizer = {}
Tokenizer.__index = Tokenizer

local OPTIONS = { "lower", "max_length", "truncate", "breaks" }
local ENDS = { ["end"] = true, start = true }

-- register(name, { doc =, rule = number in the core }) or { doc =, split = function(text) -> list of tokens }.
function tokenizer.register(name, description)
   description = core.options("text.tokenizers", description, { "doc", "rule", "split" })
   if rules[name] then raise("text.tokenizers: the name '%s' is taken", tostring(name)) end
   if type(description.split) ~= "function" and not description.rule then
      raise("text.tokenizers: '%s' needs a function split", tostring(name))
   end
   rules[name] = description
end

-- An end of a text, at which it is cut off or padded: "end" or "start".
function tokenizer.check_end(what, value)
   if value == nil then return "end" end
   if not ENDS[value] then raise("%s must be \"end\" or \"start\", got '%s'", what, tostring(value)) end
   return value
end

-- named(name [, { lower = false, max_length =, truncate = "end", breaks = false }]): a tokenizer by the name of its rule.
function tokenizer.named(name, options)
   local rule = rules[name]
   if not rule then raise("text.tokenizer: there is no tokenizer '%s'%s", tostring(name), suggest.hint(name, rules)) end
   local who = "text.tokenizers." .. name
   options = core.options(who, options, OPTIONS)
   for _, key in ipairs{ "lower", "breaks" } do
      if options[key] ~= nil and type(options[key]) ~= "boolean" then
         raise("%s: %s must be true or false, got '%s'", who, key, tostring(options[key]))
      end
   end
   local self = setmetatable({ name = name, rule = rule, lower = options.lower == true, breaks = options.breaks == true,
      truncate = tokenizer.check_end(who .. ": truncate", options.truncate) }, Tokenizer)
   if self.breaks and rule.split then raise("%s: breaks is of no use here: the function split cuts the text as it will", who) end
   if options.max_length ~= nil then self.max_length = core.whole(who .. ": max_length", options.max_length) end
   local enough = self.truncate == "end" and self.max_length or 0
   self.how = ffi.new("eg_tokenizer", rule.rule or 0, self.lower, self.breaks, enough)
   return self
end

function tokenizer.is_tokenizer(value) return getmetatable(value) == Tokenizer end

local pieces = ffi.gc(ffi.new "eg_tokens", C.eg_tokens_free)

-- The tokens of a rule in Lua, laid one behind the other.
local function cut_by_split(self, text)
   local list = self.rule.split(text)
   if type(list) ~= "table" then
      raise("tokenizer '%s': split returned %s, expected a list of tokens", self.name,
         list == nil and "nothing" or "a " .. core.typename(list))
   end
   local lengths = ffi.new("int64_t[?]", #list)
   for i, token in ipairs(list) do
      if type(token) ~= "string" then
         raise("tokenizer '%s': token %d that split returned is a %s, expected a string", self.name, i, core.typename(token))
      end
      lengths[i - 1] = #token
   end
   self.held = table.concat(list)
   check(C.eg_tokens_cut(pieces, self.how, self.held, #list, lengths))
end

-- cut(text): the core's list of pieces, which of them come first (from 0), and how many count. The list is used again by the next call.
function tokenizer.cut(self, text)
   if type(text) ~= "string" then raise("tokenizer: expected a text, got %s", core.typename(text)) end
   if self.rule.split then cut_by_split(self, text) else check(C.eg_tokenize(pieces, self.how, text, #text)) end
   local count, most = tonumber(pieces.count), self.max_length
   if not most or count <= most then return pieces, 0, count end
   return pieces, self.truncate == "start" and count - most or 0, most
end

-- The tokens of a text, as a list of strings.
function Tokenizer:__call(text)
   local list, found, first, count = {}, tokenizer.cut(self, text)
   for i = 1, count do
      local piece = found.piece[first + i - 1]
      list[i] = ffi.string(found.text + piece.begin, piece.length)
   end
   return list
end

-- What makes the same one again: text.tokenizer(settings.name, settings.options).
function Tokenizer:settings()
   return { name = self.name, options = { lower = self.lower, breaks = self.breaks, max_length = self.max_length,
      truncate = self.truncate } }
end

function Tokenizer:__tostring()
   local words = {}
   if self.lower then words[#words + 1] = "lower = true" end
   if self.breaks then words[#words + 1] = "breaks = true" end
   if self.max_length then words[#words + 1] = "max_length = " .. self.max_length end
   if self.truncate ~= "end" then words[#words + 1] = 'truncate = "start"' end
   return ("%s{%s}"):format(self.name, #words > 0 and " " .. table.concat(words, ", ") .. " " or "")
end

return tokenizer
