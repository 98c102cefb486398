-- text/tokenizers/english.lua: English words as spaCy cuts them (core/english.c): punctuation and contractions stand apart.
return { doc = "English words as spaCy cuts them", rule = require "engram.core".C.EG_RULE_ENGLISH }
