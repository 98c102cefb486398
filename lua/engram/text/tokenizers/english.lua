-- text/tokenizers/english.lua: English words as spaCy cuts them: punctuation and contractions stand apart (core/tokens.c).
return { doc = "English words as spaCy cuts them: punctuation and contractions stand apart", rule = require "engram.core".C.EG_RULE_ENGLISH }
