-- text/sentences.lua: labelled texts that need no download: sentences of a grammar (grammars.lua). One seed always gives the same texts,
-- and the first n do not depend on how many are asked for.
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local grammars = require "engram.text.grammars"
local random = require "engram.random"
local C = core.C

local sentences = {}

local function pick(list, stream) return list[1 + math.floor(C.eg_rng_double(stream) * #list)] end

-- A label other than the given one.
local function another(grammar, label, stream)
   local other = pick(grammar.class_names, stream)
   while other == label do other = pick(grammar.class_names, stream) end
   return other
end

local function capital(text) return (text:gsub("^%l", string.upper)) end

-- A form of the rule, with all that it names put in; {Name} begins with a capital.
local function expand(grammar, rule, label, stream)
   local list
   if rule == "fit" then list = grammar.fit[label]
   elseif rule == "unfit" then list = grammar.fit[another(grammar, label, stream)]
   else list = grammar[rule] end
   local form = pick(list, stream)
   if rule == "fit" and grammar[form] then return expand(grammar, form, label, stream) end
   return (form:gsub("{(%a+)}", function(name)
      local inner = expand(grammar, name:lower(), label, stream)
      return name:find "^%u" and capital(inner) or inner
   end))
end

-- A corpus of `count` texts of a domain; every run of as many texts as there are classes holds each class once.
local function make(domain, part, count, seed)
   local grammar, name = grammars[domain], ("sentences/%s/%s"):format(domain, part)
   local stream, texts, labels, order = random.private(seed, name), {}, {}, nil
   local classes = #grammar.class_names
   for i = 1, count do
      if (i - 1) % classes == 0 then order = require "engram".randperm(classes, { stream = stream }):tolist() end
      local label = order[(i - 1) % classes + 1]
      texts[i], labels[i] = capital(expand(grammar, "text", grammar.class_names[label], stream)), label
   end
   return corpus.new{ name = name, texts = texts, labels = labels, class_names = grammar.class_names }
end

-- load("films" or "finance", { train = 4000, test = 1000, seed = 0 }): { train, test }.
function sentences.load(domain, options)
   local train, test = core.whole("sentences: train", options.train or 4000), core.whole("sentences: test", options.test or 1000)
   return { train = make(domain, "train", train, options.seed or 0), test = make(domain, "test", test, options.seed or 0) }
end

return sentences
