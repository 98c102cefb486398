-- text/tokenizers/characters.lua: every character of UTF-8 (core/tokens.c).
return { doc = "every character of UTF-8", rule = require "engram.core".C.EG_RULE_CHARACTERS }
