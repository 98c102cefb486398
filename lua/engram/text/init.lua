-- text: labelled texts become numbers: read -> tokenizer -> vocabulary -> data set. A new tokenizer is a file in tokenizers/ and a word
-- here; a new collection of texts is a function in collections.lua.
local collections = require "engram.text.collections"
local corpus = require "engram.text.corpus"
local dataset = require "engram.text.dataset"
local tokenizer = require "engram.text.tokenizer"
local vocabulary = require "engram.text.vocabulary"

local text = { corpus = corpus.new, read = corpus.read, load = collections.load, names = collections.names, dataset = dataset.new,
   vocabulary = vocabulary.new, load_vocabulary = vocabulary.load, tokenizer = tokenizer.named, tokenizers = {} }

for _, name in ipairs{ "english", "whitespace", "characters" } do
   local description = require("engram.text.tokenizers." .. name)
   tokenizer.register(name, description)
   text.tokenizers[name] = function(options) return tokenizer.named(name, options) end
end

return text
