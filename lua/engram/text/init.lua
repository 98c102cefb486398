-- text: labelled texts become numbers: read -> tokenizer -> vocabulary -> data set. A new tokenizer is a file in tokenizers/ and a word
-- here; a new collection of texts is a function in collections.lua.
local core = require "engram.core"
local collections = require "engram.text.collections"
local suggest = require "engram.suggest"
local tokenizer = require "engram.text.tokenizer"
local vocabulary = require "engram.text.vocabulary"

local text = { corpus = require "engram.text.corpus".new, read = require "engram.text.read", load = collections.load,
   names = collections.names, dataset = require "engram.text.dataset".new, vocabulary = vocabulary.new, hashing = vocabulary.hashing,
   load_vocabulary = require "engram.text.vocabulary_file".load, tokenizer = tokenizer.named, tokenizers = {} }

-- register_tokenizer(name, { doc =, split = function(text) -> list of tokens }): makes text.tokenizers.NAME.
function text.register_tokenizer(name, description)
   tokenizer.register(name, description)
   text.tokenizers[name] = function(options) return tokenizer.named(name, options) end
end

setmetatable(text.tokenizers, { __index = function(known, name)
   core.raise("text.tokenizers: there is no tokenizer '%s'%s", tostring(name), suggest.hint(tostring(name), known))
end })

for _, name in ipairs{ "english", "whitespace", "characters" } do
   text.register_tokenizer(name, require("engram.text.tokenizers." .. name))
end

return text
