-- text/vocabulary.lua: the numbers of tokens, from 1: padding, unknown, then the tokens of some texts, the most frequent first.
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local json = require "engram.json"
local tokenizer = require "engram.text.tokenizer"
local raise = core.raise

local vocabulary = {}

local Vocabulary = {}
Vocabulary.__index = Vocabulary

local function from_tokens(tokens, cutter)
   local self = setmetatable({ tokens = tokens, numbers = {}, tokenizer = cutter, padding_index = 1, unknown_index = 2 }, Vocabulary)
   for i, token in ipairs(tokens) do self.numbers[token] = i end
   return self
end

local function count_tokens(corpora, cutter)
   local counts, list = {}, {}
   for _, each in ipairs(corpora) do
      for _, content in ipairs(each.texts) do
         for _, token in ipairs(cutter(content)) do
            if not counts[token] then counts[token], list[#list + 1] = 0, token end
            counts[token] = counts[token] + 1
         end
      end
   end
   return counts, list
end

-- new(corpora, { tokenizer =, min_count = 1, max_size =, padding = "<pad>", unknown = "<unknown>" }).
function vocabulary.new(corpora, options)
   options = core.options("text.vocabulary", options, { "tokenizer", "min_count", "max_size", "padding", "unknown" })
   if corpus.is_corpus(corpora) then corpora = { corpora } end
   local cutter = options.tokenizer or tokenizer.named "english"
   local counts, list = count_tokens(corpora, cutter)
   local place = {}
   for i, token in ipairs(list) do place[token] = i end
   table.sort(list, function(a, b)
      if counts[a] ~= counts[b] then return counts[a] > counts[b] end
      return place[a] < place[b]
   end)
   local tokens = { options.padding or "<pad>", options.unknown or "<unknown>" }
   for _, token in ipairs(list) do
      if counts[token] >= (options.min_count or 1) and #tokens < (options.max_size or math.huge) then tokens[#tokens + 1] = token end
   end
   return from_tokens(tokens, cutter)
end

function Vocabulary:size() return #self.tokens end
function Vocabulary:index(token) return self.numbers[token] or self.unknown_index end
function Vocabulary:token(index) return self.tokens[index] end

-- The numbers of a text's tokens.
function Vocabulary:encode(content)
   local list = self.tokenizer(content)
   for i, token in ipairs(list) do list[i] = self:index(token) end
   return list
end

-- The tokens of numbers (a list or an int64 tensor), without padding.
function Vocabulary:decode(index)
   if core.typename(index) == "tensor" then index = index:tolist() end
   local list = {}
   for _, i in ipairs(index) do
      if i ~= self.padding_index then list[#list + 1] = self.tokens[i] or raise("decode: %s is out of range", tostring(i)) end
   end
   return list
end

function Vocabulary:save(path) json.save(path, { first = 1, tokens = self.tokens, tokenizer = self.tokenizer:settings() }) end

function vocabulary.load(path)
   local saved = json.load(path)
   return from_tokens(saved.tokens, tokenizer.named(saved.tokenizer.name, saved.tokenizer.options))
end

function vocabulary.is_vocabulary(value) return getmetatable(value) == Vocabulary end

function Vocabulary:__tostring() return ("vocabulary of %d tokens, %s"):format(self:size(), tostring(self.tokenizer)) end

return vocabulary
