-- text/tokenizer.lua: what cuts a text into tokens: a rule (tokenizers/*.lua) with its options. A tokenizer is called: tokenizer(text).
local core = require "engram.core"
local suggest = require "engram.suggest"
local raise = core.raise

local tokenizer, rules = {}, {}

local Tokenizer = {}
Tokenizer.__index = Tokenizer

-- register(name, { doc =, split = function(text) -> list of tokens }).
function tokenizer.register(name, description) rules[name] = description end

-- named(name [, { lower = false }]): a tokenizer by the name of its rule.
function tokenizer.named(name, options)
   local rule = rules[name]
   if not rule then raise("text.tokenizer: there is no tokenizer '%s'%s", tostring(name), suggest.hint(name, rules)) end
   options = core.options("text.tokenizers." .. name, options, { "lower", "max_length", "truncate" })
   return setmetatable({ name = name, rule = rule, lower = options.lower or false, max_length = options.max_length,
      truncate = options.truncate or "end" }, Tokenizer)
end

function tokenizer.is_tokenizer(value) return getmetatable(value) == Tokenizer end

-- The tokens of a text, as a list.
function Tokenizer:__call(text)
   local list = self.rule.split(self.lower and text:lower() or text)
   if not self.max_length or #list <= self.max_length then return list end
   local first = self.truncate == "start" and #list - self.max_length or 0
   local kept = {}
   for i = 1, self.max_length do kept[i] = list[first + i] end
   return kept
end

-- What makes the same one again: tokenizer.named(settings.name, settings.options).
function Tokenizer:settings() return { name = self.name, options = { lower = self.lower, max_length = self.max_length, truncate = self.truncate } } end

function Tokenizer:__tostring() return ("text.tokenizers.%s%s"):format(self.name, self.lower and "{ lower = true }" or "{}") end

return tokenizer
