-- data/expected.lua: what says that a data set was expected, and what would make one of what was given instead.
local core = require "engram.core"

local function kind_of(value)
   if type(value) ~= "table" then return core.shown(value) end
   if require "engram.text.corpus".is_corpus(value) then return "a corpus; text.dataset(corpus, vocabulary) makes one of it" end
   return value.train and "a table { train = }; give its train" or "a table"
end

-- expected(who, value): raises unless the value is a data set, or like one: size() items, handed out by batch(index).
return function(who, value)
   if type(value) == "table" and type(value.batch) == "function" then return end
   core.raise("%s: expected a data set, as data.dataset, text.dataset or data.load(name).train, got %s", who, kind_of(value))
end
