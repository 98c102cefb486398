-- text/dataset.lua: a corpus as a data set: each text a row of numbers from a vocabulary, then padding.
local ffi = require "ffi"
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local Dataset = require "engram.data.dataset"
local tensor = require "engram.tensor"
local tokenizer = require "engram.text.tokenizer"
local vocabulary = require "engram.text.vocabulary"
local raise = core.raise

local dataset = {}

-- The numbers of all texts, one behind the other, and where each begins.
local function encode_all(from, words)
   local room, used, begins = 1024, 0, { 0 }
   local flat = ffi.new("int64_t[?]", room)
   for i, content in ipairs(from.texts) do
      if core.interrupted() then raise "interrupted" end
      local tokens, first, n = tokenizer.cut(words.tokenizer, content)
      if used + n > room then
         room = 2 * (used + n)
         local larger = ffi.new("int64_t[?]", room)
         ffi.copy(larger, flat, used * 8)
         flat = larger
      end
      vocabulary.fill(words, flat + used, tokens, first, n)
      used = used + n
      begins[i + 1] = used
   end
   return flat, begins
end

local function longest_of(begins)
   local longest = 1
   for i = 2, #begins do longest = math.max(longest, begins[i] - begins[i - 1]) end
   return longest
end

-- Rows of a tensor (texts, width), cut off and padded.
local function rows_of(flat, begins, width, words, options)
   local tokens = tensor.new(2, { #begins - 1, width })
   local out = ffi.cast("int64_t *", tokens.tensor.data)
   for i = 1, #begins - 1 do
      local first, n = begins[i], begins[i + 1] - begins[i]
      if n > width then
         if options.truncate == "start" then first = first + n - width end
         n = width
      end
      local row, before = out + (i - 1) * width, options.side == "start" and width - n or 0
      for j = 0, width - 1 do row[j] = words.padding_index end
      ffi.copy(row + before, flat + first, n * 8)
   end
   return tokens
end

local function one(from, words, options)
   if from:size() == 0 then raise("text.dataset: '%s' has no texts", from.name) end
   local flat, begins = encode_all(from, words)
   local width = options.max_length or words.tokenizer.max_length or longest_of(begins)
   return Dataset.new{ name = from.name, images = rows_of(flat, begins, width, words, options), labels = from.labels,
      classes = from.classes, class_names = from.class_names, vocabulary = words,
      trim = options.padding == "batch" and words.padding_index or nil, side = options.side,
      bucket = options.bucket }
end

local function check_set(from)
   if type(from) ~= "table" or not corpus.is_corpus(from.train) then
      raise("text.dataset: expected a corpus or { train =, test = } of them, got %s", core.typename(from))
   end
   core.options("text.dataset: { train =, test = }", from, { "train", "test", "name", "source" })
   if from.test ~= nil and not corpus.is_corpus(from.test) then
      raise("text.dataset: test is no corpus, but a %s", core.typename(from.test))
   end
end

-- The options with their defaults; raises for those that are of no use.
local function check_options(given)
   given = core.options("text.dataset", given, { "max_length", "truncate", "padding", "side", "bucket" })
   local options = { truncate = tokenizer.check_end("text.dataset: truncate", given.truncate), padding = given.padding or "batch",
      side = tokenizer.check_end("text.dataset: side", given.side) }
   if given.max_length then options.max_length = core.whole("text.dataset: max_length", given.max_length) end
   if given.bucket then options.bucket = core.whole("text.dataset: bucket", given.bucket) end
   if options.padding ~= "batch" and options.padding ~= "fixed" then
      raise("text.dataset: padding must be \"batch\" or \"fixed\", got '%s'", tostring(options.padding))
   end
   if options.bucket and options.padding == "fixed" then
      raise "text.dataset: bucket is for batches as wide as their longest text; with padding = \"fixed\" it would have no effect"
   end
   return options
end

-- new(corpus or { train =, test = }, vocabulary, { max_length =, truncate = "end", padding = "batch", side = "end", bucket = }). side:
-- where padding stands.
function dataset.new(from, words, given)
   local options = check_options(given)
   if not vocabulary.is_vocabulary(words) then raise("text.dataset: expected a vocabulary, got %s", core.typename(words)) end
   if corpus.is_corpus(from) then return one(from, words, options) end
   check_set(from)
   local set = { name = from.name, source = from.source, classes = from.train.classes, vocabulary = words }
   set.train, set.test = one(from.train, words, options), from.test and one(from.test, words, options)
   return set
end

return dataset
