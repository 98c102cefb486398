-- text/tokenizers/whitespace.lua: what stands between white space (core/tokens.c).
return { doc = "what stands between white space", rule = require "engram.core".C.EG_RULE_WHITESPACE }
