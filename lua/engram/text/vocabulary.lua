-- text/vocabulary.lua: the numbers of tokens, from 1 as in nn.Embedding: padding is 1, unknown 2, then the tokens of some texts. Or,
-- without a list of tokens, the numbers of buckets that they are hashed into.
local ffi = require "ffi"
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local tokenizer = require "engram.text.tokenizer"
local C, check, raise = core.C, core.check, core.raise

local vocabulary = {}

local Vocabulary = {}
Vocabulary.__index = Vocabulary
vocabulary.Vocabulary = Vocabulary

local SPECIAL = 2                                     -- the numbers that no token of a text has: padding and unknown

local function new_words()
   local words = C.eg_words_new()
   if words == nil then raise("%s", core.message()) end
   return ffi.gc(words, C.eg_words_free)
end

local function add_word(words, token)
   if C.eg_words_add(words, token, #token) == 0 then raise("%s", core.message()) end
end

local length, count = ffi.new "size_t[1]", ffi.new "int64_t[1]"

-- A word of a table of the core, and how often it came.
local function word_of(words, number)
   local bytes = C.eg_words_get(words, number, length, count)
   if bytes ~= nil then return ffi.string(bytes, length[0]), tonumber(count[0]) end
end

local function check_tokenizer(who, given)
   if given == nil then return tokenizer.named "english" end
   if type(given) == "string" then return tokenizer.named(given) end
   if not tokenizer.is_tokenizer(given) then
      raise("%s: tokenizer must be a tokenizer or the name of one, got %s", who, core.typename(given))
   end
   return given
end

-- ---- making -----------------------------------------------------------------------------------------------

-- Each token of the corpora, counted, in the order in which they first occur.
local function count_tokens(corpora, cutter)
   local words = new_words()
   for _, each in ipairs(corpora) do
      for _, content in ipairs(each.texts) do
         if core.interrupted() then raise "interrupted" end
         local tokens, first, n = tokenizer.cut(cutter, content)
         check(C.eg_words_count(words, tokens, first, n))
      end
   end
   return words
end

-- The numbers of the words that stay, in the order that was asked for.
local function choose(words, options)
   local list, counts = {}, {}
   for i = 1, tonumber(C.eg_words_size(words)) do
      local _, n = word_of(words, i)
      counts[i] = n
      if n >= options.min_count then list[#list + 1] = i end
   end
   if options.order == "frequency" or options.max_size then
      table.sort(list, function(a, b) return counts[a] > counts[b] or (counts[a] == counts[b] and a < b) end)
   end
   for i = #list, (options.max_size or math.huge) + 1 - SPECIAL, -1 do list[i] = nil end
   if options.order == "first" then table.sort(list) end
   return list
end

-- A file holds a vocabulary as text: of bytes that are none, two would become one there.
local function check_token(token, cutter)
   local valid = tonumber(C.eg_utf8_valid(token, #token))
   if valid < #token then
      raise("text.vocabulary: the token '%s' of tokenizer '%s' is no UTF-8 from byte %d on; let the tokenizer cut between characters, " ..
         "or number bytes with text.hashing", token:gsub("[%c\128-\255]", function(c) return ("\\x%02x"):format(c:byte()) end),
         cutter.name, valid + 1)
   end
   return token
end

-- The vocabulary of `next_token()`, which gives tokens one after the other, then nil.
function vocabulary.of_tokens(next_token, cutter, padding, unknown)
   local words = new_words()
   add_word(words, check_token(padding, cutter))
   add_word(words, check_token(unknown, cutter))
   if C.eg_words_size(words) ~= SPECIAL then raise("text.vocabulary: padding and unknown are both '%s'", padding) end
   for token in next_token do add_word(words, check_token(token, cutter)) end
   return setmetatable({ words = words, tokenizer = cutter, padding = padding, unknown = unknown, padding_index = 1,
      unknown_index = SPECIAL }, Vocabulary)
end

-- A corpus, or the training part of what text.load gives; nil for anything else.
local function corpus_of(value)
   if type(value) == "table" and corpus.is_corpus(value.train) then return value.train end
   return corpus.is_corpus(value) and value or nil
end

local function check_corpora(given)
   if corpus_of(given) then return { corpus_of(given) } end
   if type(given) ~= "table" or #given == 0 then
      raise("text.vocabulary: expected a corpus, a list of them, or { train = } of one, got %s",
         type(given) == "table" and "a table with none" or core.shown(given))
   end
   local corpora = {}
   for i, each in ipairs(given) do
      corpora[i] = corpus_of(each) or raise("text.vocabulary: item %d is no corpus, but a %s", i, core.typename(each))
   end
   return corpora
end

-- How a special number is written.
local function written(what, given, usual)
   if given == nil then return usual end
   if type(given) ~= "string" then raise("text.vocabulary: %s must be a string, got %s", what, core.typename(given)) end
   return given
end

-- new(corpora, { tokenizer =, min_count = 1, max_size =, order = "frequency", padding = "<pad>", unknown = "<unknown>" }).
function vocabulary.new(corpora, options)
   options = core.options("text.vocabulary", options, { "tokenizer", "min_count", "max_size", "order", "padding", "unknown" })
   corpora = check_corpora(corpora)
   local how = { min_count = core.whole("text.vocabulary: min_count", options.min_count or 1), order = options.order or "frequency" }
   if options.max_size then how.max_size = core.whole("text.vocabulary: max_size", options.max_size) end
   if how.max_size and how.max_size <= SPECIAL then raise "text.vocabulary: max_size counts padding and unknown; expected 3 or more" end
   if how.order ~= "frequency" and how.order ~= "first" then
      raise("text.vocabulary: order must be \"frequency\" or \"first\", got '%s'", tostring(how.order))
   end
   local cutter = check_tokenizer("text.vocabulary", options.tokenizer)
   local padding, unknown = written("padding", options.padding, "<pad>"), written("unknown", options.unknown, "<unknown>")
   local found = count_tokens(corpora, cutter)
   if C.eg_words_size(found) == 0 then raise("text.vocabulary: the texts hold no token that tokenizer '%s' finds", cutter.name) end
   local list, i = choose(found, how), 0
   if #list == 0 then
      raise("text.vocabulary: min_count = %d leaves none of the %d tokens of the texts", how.min_count, tonumber(C.eg_words_size(found)))
   end
   return vocabulary.of_tokens(function()
      i = i + 1
      return list[i] and (word_of(found, list[i]))
   end, cutter, padding, unknown)
end

-- hashing{ buckets = 65536, tokenizer = }: no list of tokens: number 2 + (FNV-1a of 64 bits of its bytes) mod buckets.
function vocabulary.hashing(options)
   options = core.options("text.hashing", options, { "buckets", "tokenizer" })
   local buckets = core.whole("text.hashing: buckets", options.buckets or 65536)
   return setmetatable({ buckets = buckets, tokenizer = check_tokenizer("text.hashing", options.tokenizer), padding_index = 1 },
      Vocabulary)
end

function vocabulary.is_vocabulary(value) return getmetatable(value) == Vocabulary end

-- ---- tokens and numbers -----------------------------------------------------------------------------------

-- How many numbers there are: the rows of an embedding.
function Vocabulary:size() return self.buckets and self.buckets + 1 or tonumber(C.eg_words_size(self.words)) end

-- Writes the numbers of `n` tokens from `first` on (see tokenizer.cut).
local function fill(self, out, tokens, first, n)
   if self.buckets then C.eg_hash_encode(out, self.buckets, self.padding_index, tokens, first, n)
   else C.eg_words_encode(out, self.words, SPECIAL, tokens, first, n) end
end
vocabulary.fill = fill

-- The number of a token; that of unknown for one that is not there.
function Vocabulary:index(token)
   if type(token) ~= "string" then raise("Vocabulary:index: expected a token, got %s", core.typename(token)) end
   if self.buckets then return self.padding_index + 1 + tonumber(C.eg_hash_bytes(token, #token) % self.buckets) end
   local number = tonumber(C.eg_words_find(self.words, token, #token))
   return number > SPECIAL and number or self.unknown_index
end

-- The token of a number, nil where there is none (or no list of them).
function Vocabulary:token(index)
   if type(index) ~= "number" or index % 1 ~= 0 then raise("Vocabulary:token: expected a whole number, got %s", tostring(index)) end
   if not self.buckets then return (word_of(self.words, index)) end
end

-- The numbers of a text's tokens, as a list.
function Vocabulary:encode(content)
   local list, tokens, first, n = {}, tokenizer.cut(self.tokenizer, content)
   local numbers = ffi.new("int64_t[?]", n)
   fill(self, numbers, tokens, first, n)
   for i = 1, n do list[i] = tonumber(numbers[i - 1]) end
   return list
end

-- The tokens of numbers (a list or an int64 tensor), without padding.
function Vocabulary:decode(index)
   if self.buckets then raise "Vocabulary:decode: buckets have no tokens" end
   if core.typename(index) == "tensor" then index = index:tolist() end
   if type(index) ~= "table" then raise("Vocabulary:decode: expected a list of numbers or a tensor, got %s", core.shown(index)) end
   local list = {}
   for k, i in ipairs(index) do
      if type(i) ~= "number" then raise("Vocabulary:decode: item %d is %s, expected a number", k, core.shown(i)) end
      if i ~= self.padding_index then
         list[#list + 1] = self:token(i) or raise("Vocabulary:decode: number %s is out of range 1..%d", tostring(i), self:size())
      end
   end
   return list
end

function Vocabulary:__tostring()
   if self.buckets then return ("%d buckets, %s"):format(self.buckets, tostring(self.tokenizer)) end
   return ("vocabulary of %d tokens, %s"):format(self:size(), tostring(self.tokenizer))
end

return vocabulary
