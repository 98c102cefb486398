-- text/dataset.lua: a corpus as a data set: each text a row of numbers from a vocabulary, then padding.
local ffi = require "ffi"
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local Dataset = require "engram.data.dataset"
local tensor = require "engram.tensor"
local vocabulary = require "engram.text.vocabulary"
local raise = core.raise

local dataset = {}

local function encode_all(from, words, options)
   local rows, longest = {}, 1
   for i, content in ipairs(from.texts) do
      rows[i] = words:encode(content)
      longest = math.max(longest, #rows[i])
   end
   return rows, options.max_length or words.tokenizer.max_length or longest
end

local function one(from, words, options)
   local rows, width = encode_all(from, words, options)
   local tokens = tensor.new(2, { #rows, width })
   local out = ffi.cast("int64_t *", tokens.tensor.data)
   for i, row in ipairs(rows) do
      local first = options.truncate == "start" and math.max(0, #row - width) or 0
      for j = 1, width do out[(i - 1) * width + j - 1] = row[first + j] or words.padding_index end
   end
   return Dataset.new{ name = from.name, images = tokens, labels = from.labels, classes = from.classes, class_names = from.class_names,
      vocabulary = words, trim = options.padding ~= "fixed" and words.padding_index or nil, bucket = options.bucket }
end

-- new(corpus or { train =, test = }, vocabulary, { max_length =, truncate = "end", padding = "batch", bucket = }).
function dataset.new(from, words, options)
   options = core.options("text.dataset", options, { "max_length", "truncate", "padding", "bucket" })
   if not vocabulary.is_vocabulary(words) then raise("text.dataset: expected a vocabulary, got %s", core.typename(words)) end
   if corpus.is_corpus(from) then return one(from, words, options) end
   if type(from) ~= "table" or not from.train then raise("text.dataset: expected a corpus, or { train =, test = }") end
   local set = { name = from.name, source = from.source, classes = from.train.classes, vocabulary = words }
   set.train, set.test = one(from.train, words, options), from.test and one(from.test, words, options)
   return set
end

return dataset
