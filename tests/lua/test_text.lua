-- Texts as data sets: tokenizers, vocabularies, rows and their padding, batches of like length, training, checkpoints.
local t = require "tests.harness"
local engram = require "engram"
local text, data, cl, nn, optim = engram.text, engram.data, engram.cl, engram.nn, engram.optim

local function reviews()
   return text.corpus{ name = "reviews", texts = { "a fine film", "not a fine film at all", "fine", "" }, labels = { 2, 1, 2, 1 },
      class_names = { "neg", "pos" } }
end

local spaces = text.tokenizers.whitespace()

-- ---- corpora ----------------------------------------------------------------------------------------------

t.test("a corpus keeps its texts, and parts of it share nothing", function()
   local all = reviews()
   t.expect(all:size()):equals(4)
   t.expect(all:subset{ 3, 1 }.texts):equals{ "fine", "a fine film" }
   t.expect(all:take(2).labels):equals{ 2, 1 }
   engram.seed(1)
   local first, second = all:split(0.5)
   t.expect(first:size() + second:size()):equals(4)
   local seen = {}
   for _, part in ipairs{ first, second } do for _, content in ipairs(part.texts) do seen[content] = true end end
   for _, content in ipairs(all.texts) do t.expect(seen[content]):equals(true) end
   t.expect(function() all:subset{ 5 } end):raises "text 5 is out of range, there are 4"
   t.expect(function() text.corpus{ texts = { "a" }, labels = { 0 } } end):raises "label 1 is 0"
   t.expect(function() text.corpus{ texts = { "a" }, labels = {} } end):raises "1 texts, but 0 labels"
   t.expect(function() text.corpus{ texts = { 7 }, labels = { 1 } } end):raises "text 1 is a number"
   t.expect(function() text.corpus{ texts = { "a" }, labels = { 3 }, class_names = { "x", "y" } } end):raises "label 3, but there are 2"
   local function of(content, names)
      return function() text.corpus{ texts = { "a", content }, labels = { 1, 2 }, class_names = names } end
   end
   t.expect(of "caf\233"):raises "corpus: text 2: byte e9 at position 4 is no UTF-8"
   t.expect(of "a\0b"):raises "text 2 has a NUL byte, at position 2"
   t.expect(of("b", { "pos", "pos" })):raises "class names 1 and 2 are both 'pos'"
   t.expect(of("b", "pos")):raises "class_names must be a list of names"
   t.expect(of("b", { "pos", 2 })):raises "class name 2 is a number"
   t.expect(function() text.corpus{ texts = { "a" }, labels = { 1 }, classes = "two" } end):raises "classes must be a whole number"
end)

-- ---- tokenizers -------------------------------------------------------------------------------------------

t.test("tokenizers cut, truncate at either end, and say what makes them again", function()
   local english = text.tokenizers.english{ lower = true, max_length = 3 }
   t.expect(english "I don't KNOW; I'm lost."):equals{ "i", "do", "n't" }
   t.expect(text.tokenizers.whitespace{ max_length = 2, truncate = "start" } "a b c d"):equals{ "c", "d" }
   t.expect(text.tokenizers.characters() "né…"):equals{ "n", "é", "…" }
   t.expect(text.tokenizers.english{ breaks = true } "bad.<br /><br />The end"):equals{ "bad", ".", "The", "end" }
   t.expect(text.tokenizers.english() ""):equals{}
   t.expect(text.tokenizers.english{ lower = true } "Mr. Lane's U.S. show :D"):equals{ "mr.", "lane", "'s", "u.s.", "show", ":d" }
   t.expect(text.tokenizers.characters{ breaks = true, lower = true } "A<br />B<b>"):equals{ "a", "b", "<", "b", ">" }
   local settings = english:settings()
   t.expect(text.tokenizer(settings.name, settings.options) "A B C D"):equals{ "a", "b", "c" }
   t.expect(tostring(english)):equals "english{ lower = true, max_length = 3 }"
   t.expect(function() text.tokenizer "engish" end):raises "did you mean 'english'"
   t.expect(function() text.tokenizers.engish() end):raises "there is no tokenizer 'engish', did you mean 'english'"
   t.expect(function() text.tokenizers.english{ truncate = "middle" } end):raises 'must be "end" or "start"'
   t.expect(function() text.tokenizers.english{ max_length = 0 } end):raises "max_length must be a whole number of at least 1"
   t.expect(function() english(7) end):raises "expected a text, got number"
   t.expect(function() text.tokenizers.english{ lower = "no" } end):raises "english: lower must be true or false, got 'no'"
   t.expect(function() text.tokenizers.whitespace{ breaks = 1 } end):raises "breaks must be true or false, got '1'"
end)

t.test("a tokenizer of one's own goes the same way", function()
   text.register_tokenizer("commas", { doc = "between commas", split = function(s)
      local list = {}
      for word in s:gmatch "[^,]+" do list[#list + 1] = word end
      return list
   end })
   local commas = text.tokenizers.commas{ lower = true, max_length = 2 }
   t.expect(commas "\195\132 B,C,d"):equals{ "\195\164 b", "c" }
   t.expect(function() text.tokenizers.commas{ breaks = true } end):raises "commas: breaks is of no use here"
   local words = text.vocabulary(text.corpus{ texts = { "x,y,x" }, labels = { 1 } }, { tokenizer = text.tokenizers.commas() })
   t.expect(words:encode "y,x,z"):equals{ 4, 3, 2 }
   t.expect(function() text.register_tokenizer "none" end):raises "'none' needs a function split"
   t.expect(function() text.register_tokenizer("commas", { split = print }) end):raises "the name 'commas' is taken"
end)

t.test("what a split returns must be a list of strings, and a vocabulary's tokens must be text", function()
   local said
   text.register_tokenizer("given", { doc = "what the test says", split = function() return said end })
   local given, one = text.tokenizers.given(), text.corpus{ texts = { "\195\169" }, labels = { 1 } }
   t.expect(function() given "x" end):raises "tokenizer 'given': split returned nothing, expected a list of tokens"
   said = "x"
   t.expect(function() given "x" end):raises "split returned a string"
   said = { "a", 5 }
   t.expect(function() given "x" end):raises "token 2 that split returned is a number"
   said = { "a", "\195", "\169" }                                              -- cut inside a character
   t.expect(function() text.vocabulary(one, { tokenizer = given }) end):raises(
      "the token '\\xc3' of tokenizer 'given' is no UTF-8 from byte 1 on")
   t.expect(function() text.vocabulary(one, { tokenizer = spaces, padding = "\255" }) end):raises "token '\\xff'"
   t.expect(#text.hashing{ buckets = 5, tokenizer = given }:encode "x"):equals(3)
   t.expect(text.vocabulary(one, { tokenizer = spaces }):hash()):differs_from(
      text.vocabulary(text.corpus{ texts = { "\195\168" }, labels = { 1 } }, { tokenizer = spaces }):hash())
end)

-- ---- vocabularies -----------------------------------------------------------------------------------------

t.test("numbers: padding, unknown, then by frequency and first occurrence", function()
   local words = text.vocabulary(reviews(), { tokenizer = spaces })
   t.expect(words:size()):equals(8)
   t.expect(words:encode "fine a film not at all zebra"):equals{ 3, 4, 5, 6, 7, 8, 2 }
   t.expect(words:decode{ 3, 5, 1, 2, 1 }):equals{ "fine", "film", "<unknown>" }
   t.expect(words:decode(engram.tensor({ 4, 1 }, { dtype = "int64" }))):equals{ "a" }
   t.expect(words:token(1)):equals "<pad>"
   t.expect(words:token(99)):is_nil()
   t.expect(words:index "not"):equals(6)
   t.expect(words:encode "<pad> <unknown> fine"):equals{ 2, 2, 3 }           -- a text cannot name a special number
   local first = text.vocabulary({ reviews() }, { tokenizer = spaces, order = "first" })
   t.expect(first:encode "a fine film not at all"):equals{ 3, 4, 5, 6, 7, 8 }
   t.expect(function() words:decode{ 99 } end):raises "number 99 is out of range 1..8"
   t.expect(function() words:decode{ 3, {} } end):raises "decode: item 2 is a table, expected a number"
   t.expect(function() words:decode "fine" end):raises "decode: expected a list of numbers or a tensor, got 'fine'"
end)

t.test("rare tokens and those over the size are left out", function()
   local frequent = text.vocabulary(reviews(), { tokenizer = spaces, min_count = 2 })
   t.expect(frequent:encode "fine a film not"):equals{ 3, 4, 5, 2 }
   local small = text.vocabulary(reviews(), { tokenizer = spaces, max_size = 4 })
   t.expect(small:size()):equals(4)
   t.expect(small:encode "fine a film"):equals{ 3, 4, 2 }
   local early = text.vocabulary(reviews(), { tokenizer = spaces, max_size = 4, order = "first" })
   t.expect(early:encode "a fine film"):equals{ 3, 4, 2 }
   t.expect(function() text.vocabulary(reviews(), { max_size = 2 }) end):raises "expected 3 or more"
   t.expect(function() text.vocabulary(reviews(), { padding = "x", unknown = "x" }) end):raises "are both 'x'"
   t.expect(function() text.vocabulary(reviews(), { padding = 5 }) end):raises "padding must be a string, got number"
   t.expect(function() text.vocabulary(reviews(), { unknown = false }) end):raises "unknown must be a string, got boolean"
   t.expect(function() text.vocabulary { 7 } end):raises "item 1 is no corpus"
   t.expect(text.vocabulary(reviews(), { tokenizer = "whitespace" }):hash()):equals(
      text.vocabulary(reviews(), { tokenizer = spaces }):hash())
   t.expect(function() text.vocabulary(reviews(), { tokenizer = "engish" }) end):raises "no tokenizer 'engish', did you mean 'english'"
   t.expect(function() text.vocabulary(reviews(), { tokenizer = 7 }) end):raises "must be a tokenizer or the name of one, got number"
   local own, both = text.vocabulary(reviews()), { train = reviews(), test = text.corpus{ texts = { "zebra" }, labels = { 1 } } }
   t.expect(text.vocabulary(both):hash()):equals(own:hash())                 -- of the training texts alone
   t.expect(text.vocabulary{ both, reviews() }:size()):equals(own:size())
   for _, none in ipairs{ {}, { train = {} }, { test = reviews() } } do
      t.expect(function() text.vocabulary(none) end):raises "a corpus, a list of them, or { train = } of one, got a table with none"
   end
   local empty = text.corpus{ texts = { " " }, labels = { 1 } }
   t.expect(function() text.vocabulary(empty) end):raises "hold no token that tokenizer 'english' finds"
end)

t.test("hashed numbers are those of FNV-1a", function()
   local hashed = text.hashing{ buckets = 1000, tokenizer = spaces }
   t.expect(hashed:size()):equals(1001)
   -- 64 bits of "foobar": 0x85944171f73967e8, of which the remainder by 1000 is 352
   t.expect(hashed:index "foobar"):equals(2 + tonumber(0x85944171f73967e8ULL % 1000))
   t.expect(hashed:encode "foobar x foobar"):equals{ hashed:index "foobar", hashed:index "x", hashed:index "foobar" }
   t.expect(hashed:token(5)):is_nil()
   t.expect(function() hashed:decode{ 5 } end):raises "buckets have no tokens"
end)

t.test("a vocabulary in a file is the same one", function()
   local odd = text.corpus{ texts = { 'say "é\\" \1 x' }, labels = { 1 } }
   local path = t.temporary_folder() .. "/words.json"
   for _, words in ipairs{ text.vocabulary({ reviews(), odd }, { tokenizer = text.tokenizers.whitespace{ lower = true, max_length = 5 } }),
      text.hashing{ buckets = 12 } } do
      words:save(path)
      local read = text.load_vocabulary(path)
      t.expect(read:hash()):equals(words:hash())
      t.expect(tostring(read)):equals(tostring(words))
      for _, content in ipairs{ "Fine é\\\" film", 'say "é\\" \1 x', "a b c d e f g" } do
         t.expect(read:encode(content)):equals(words:encode(content))
      end
   end
   t.expect(engram.json.load(path).first_index):equals(1)
   local head = '{"format": "engram vocabulary 1"'
   local cases = { { "{", "is no vocabulary" }, { "[]", "is no vocabulary" }, { head .. "}", "does not tell its tokenizer" },
      { head .. ', "tokenizer": {"name": "whitespace"}, "tokens": ["a", "b", "a"]}', "token 3 is 'a', and so is token 1" },
      { head .. ', "tokenizer": {"name": "gone"}, "tokens": ["a", "b"]}', "no tokenizer 'gone'" },
      { head .. ', "tokenizer": {"name": "whitespace", "options": {"lower": 7}}, "tokens": ["a", "b"]}',
         path .. ": text.tokenizers.whitespace: lower must be true or false, got '7'" } }
   local rest = head .. ', "tokenizer": {"name": "whitespace"}, '
   for said, message in pairs{ ['"first_index": 0, "tokens": ["a", "b"]'] = "first_index is 0, expected 1",
      ['"padding_index": 0, "tokens": ["a", "b"]'] = "padding_index is 0, expected 1",
      ['"unknown_index": 9, "tokens": ["a", "b"]'] = "unknown_index is 9, expected 2", ['"buckets": -3'] = "buckets must be a whole number",
      ['"unknown_index": 2, "buckets": 5, "tokens": ["a", "b"]'] = "has both buckets and tokens" } do
      table.insert(cases, { rest .. said .. "}", message })
   end
   for _, case in ipairs(cases) do
      t.write(path, case[1])
      t.expect(function() text.load_vocabulary(path) end):raises(case[2])
   end
   t.expect(function() text.load_vocabulary(path .. "x") end):raises "No such file"
end)

-- ---- rows -------------------------------------------------------------------------------------------------

t.test("rows are padded, cut at either end, and batches as wide as their longest", function()
   local words = text.vocabulary(reviews(), { tokenizer = spaces })
   local set = text.dataset(reviews(), words)
   t.expect(set.images):equals{ { 4, 3, 5, 1, 1, 1 }, { 6, 4, 3, 5, 7, 8 }, { 3, 1, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1, 1 } }
   t.expect((set:batch{ 1, 3 })):equals{ { 4, 3, 5 }, { 3, 1, 1 } }
   t.expect((set:batch{ 4 })):equals{ { 1 } }
   t.expect((set:batch{ 1, 2 })):equals{ { 4, 3, 5, 1, 1, 1 }, { 6, 4, 3, 5, 7, 8 } }
   t.expect((set:untrimmed():batch{ 3 }).shape):equals{ 1, 6 }
   t.expect(text.dataset(reviews(), words, { max_length = 2, truncate = "start" }).images):equals{ { 3, 5 }, { 7, 8 }, { 3, 1 }, { 1, 1 } }
   local fixed = text.dataset(reviews(), words, { max_length = 4, padding = "fixed" })
   t.expect((fixed:batch{ 3 })):equals{ { 3, 1, 1, 1 } }
   t.expect(fixed.class_names):equals{ "neg", "pos" }
   local both = text.dataset({ train = reviews(), test = reviews():take(1) }, words)
   t.expect(both.train:size() + both.test:size()):equals(5)
   t.expect(set:subset{ 3 }.vocabulary == words):is_true()
   t.expect(function() text.dataset(reviews(), "words") end):raises "expected a vocabulary, got string"
   t.expect(function() text.dataset({}, words) end):raises "expected a corpus or { train =, test = }"
   t.expect(function() text.dataset({ train = reviews(), tst = reviews() }, words) end):raises "unknown option 'tst', did you mean 'test'"
   t.expect(function() text.dataset({ train = reviews(), test = {} }, words) end):raises "test is no corpus, but a table"
   t.expect(function() set:batch "all" end):raises "expected positions as a list or an int64 tensor, got 'all'"
   t.expect(function() set:normalize(0.5, 2) end):raises "normalize: the items of 'reviews' are int64 numbers"
   t.expect(function() data.loader(reviews()) end):raises "got a corpus; text.dataset(corpus, vocabulary) makes one of it"
   t.expect(function() data.loader(both) end):raises "got a table { train = }; give its train"
   t.expect(function() data.loader "reviews" end):raises "data.loader: expected a data set, as data.dataset, text.dataset"
   for _, key in ipairs{ "max_length", "side", "train" } do
      t.expect(function() cl.task("sentences/films", { [key] = 10, epochs = 2 }) end):raises(
         ("cl.task: '%s' is an option of the data set: cl.task(engram.data.load(\"sentences/films\", { %s = ... }), ...)"):format(key, key))
   end
   for _, texts in ipairs{ reviews(), { train = reviews() }, text.load("sentences/films", { train = 4, test = 4 }) } do
      t.expect(function() cl.task(texts) end):raises "cl.task: these are texts, not yet numbers: text.dataset("
   end
   t.expect(function() text.dataset(reviews(), words, { padding = "none" }) end):raises '"batch" or "fixed"'
end)

t.test("padding may stand at the start: texts still keep their first tokens, and batches lose columns there", function()
   local words = text.vocabulary(reviews(), { tokenizer = spaces })
   local set = text.dataset(reviews(), words, { side = "start" })
   t.expect(set.images):equals{ { 1, 1, 1, 4, 3, 5 }, { 6, 4, 3, 5, 7, 8 }, { 1, 1, 1, 1, 1, 3 }, { 1, 1, 1, 1, 1, 1 } }
   t.expect((set:batch{ 1, 3 })):equals{ { 4, 3, 5 }, { 1, 1, 3 } }
   t.expect((set:batch{ 4 })):equals{ { 1 } }
   t.expect((set:subset{ 3, 1 }:batch{ 1 })):equals{ { 3 } }
   t.expect(text.dataset(reviews(), words, { side = "start", max_length = 2 }).images):equals{ { 4, 3 }, { 6, 4 }, { 1, 3 }, { 1, 1 } }
   t.expect((text.dataset(reviews(), words, { side = "start", padding = "fixed" }):batch{ 3 })):equals{ { 1, 1, 1, 1, 1, 3 } }
   t.expect(text.dataset(reviews(), words):content_hash()):differs_from(set:content_hash())
   t.expect(text.dataset(reviews(), words, { side = "end" }):content_hash()):equals(text.dataset(reviews(), words):content_hash())
   t.expect(function() text.dataset(reviews(), words, { side = "left" }) end):raises "side must be \"end\" or \"start\", got 'left'"
   t.expect(function() text.dataset(reviews(), words, { padding = "fixed", bucket = 2 }) end):raises 'with padding = "fixed" it would have'
   t.expect(function() cl.stream{ cl.task(set), cl.task(text.dataset(reviews(), words)) } end):raises "give text.dataset one side"
end)

-- A data set of 103 texts of 1 to 40 words.
local function many(side)
   local texts, labels = {}, {}
   for i = 1, 103 do texts[i], labels[i] = ("w "):rep(i * 37 % 40 + 1) .. "n" .. i, i % 2 + 1 end
   local all = text.corpus{ texts = texts, labels = labels }
   return text.dataset(all, text.vocabulary(all, { tokenizer = spaces }), { bucket = 4, side = side })
end

local function epoch(loader)
   local seen, padded = {}, 0
   for x, _, index in loader do
      padded = padded + x:eq(1):sum():item()
      for _, i in ipairs(index:tolist()) do seen[#seen + 1] = i end
   end
   return seen, padded
end

t.test("buckets: every item once, little padding, another order each epoch, the same with one seed", function()
   local set = many()
   engram.seed(3)
   local loader = data.loader(set, { batch_size = 10 })
   local first, padded = epoch(loader)
   local second = epoch(loader)
   local sorted = { unpack(first) }
   table.sort(sorted)
   for i = 1, 103 do t.expect(sorted[i]):equals(i) end
   t.expect(table.concat(first, " ")):differs_from(table.concat(second, " "))
   engram.seed(3)
   t.expect(epoch(data.loader(set, { batch_size = 10 }))):equals(first)
   local plain = set:subset(engram.arange(103))
   plain.bucket = nil
   local _, without = epoch(data.loader(plain, { batch_size = 10 }))
   t.expect(padded):below(without / 2)
   engram.seed(3)
   local turned, as_many = epoch(data.loader(many "start", { batch_size = 10 }))
   t.expect({ turned, as_many }):equals{ first, padded }
   t.expect(function() data.loader(set:untrimmed(), { bucket = 2 }) end):raises "bucket is for texts"
end)

t.test("a loader of buckets goes on to the bit from its state", function()
   local set = many()
   engram.seed(5)
   local loader = data.loader(set, { batch_size = 10 })
   for _ = 1, 4 do loader:next() end
   local state, rest = loader:state(), {}
   local order = state.order:clone()
   for _, _, index in loader do rest[#rest + 1] = index:tolist() end
   local other = data.loader(set, { batch_size = 10 })
   other:load_state{ position = 4, order = order }
   for i = 1, #rest do
      local _, _, index = other:next()
      t.expect(index:tolist()):equals(rest[i])
   end
end)

-- ---- training ---------------------------------------------------------------------------------------------

-- Means of embeddings, then a linear layer.
local Bag = nn.Module:extend "Bag"
function Bag:init(words, classes)
   self.embedding = nn.Embedding(words:size(), 8, { padding_index = words.padding_index })
   self.output = nn.Linear(8, classes)
end
function Bag:forward(x) return self.output(self.embedding(x):sum(2)) end

local function two_tasks(options)
   local films = text.load("sentences/films", { train = 120, test = 40 })
   local finance = text.load("sentences/finance", { train = 120, test = 40 })
   local words = text.vocabulary({ finance.train, films.train }, { tokenizer = text.tokenizers.english{ max_length = 24 } })
   return cl.stream{ cl.task(text.dataset(finance, words, options)), cl.task(text.dataset(films, words, options)) }, words
end

local function train(stream, words, options)
   local all = { stream = stream, seed = 1, batch_size = 20, model = function() return Bag(words, 3) end,
      optimizer = function(model) return optim.CLASSP(model, { lr = 0.1 }) end }
   for key, value in pairs(options or {}) do all[key] = value end
   return cl.train(all)
end

t.test("two tasks of texts train, with buckets too, the same in a second run", function()
   local stream, words = two_tasks{ bucket = 3 }
   t.expect(stream:vocabulary() == words):is_true()
   local run = train(stream, words, { evaluate_every = 3, evaluate_items = 40 })
   t.expect(run.steps):equals(12)
   t.expect(train(two_tasks{ bucket = 3 }, words).hash):equals(train(stream, words).hash)
end)

t.test("methods that replay: joint training pads, a memory asks for rows of one width", function()
   local stream, words = two_tasks()
   t.expect(train(stream, words, { method = cl.methods.Joint() }).steps):above(0)
   t.expect(function() train(stream, words, { method = cl.methods.ER{ memory = 10 } }) end):raises 'with padding = "fixed"'
   t.expect(train(two_tasks{ padding = "fixed" }, words, { method = cl.methods.ER{ memory = 10 } }).steps):equals(12)
end)

t.test("a memory asks for rows of one width of texts that are made when they are asked for, too", function()
   local stream, words = two_tasks()
   local finance = text.load("sentences/finance", { train = 120, test = 40 })
   local set = { train = text.dataset(finance.train, words), test = text.dataset(finance.test, words) }
   for _, late in ipairs{ cl.streams.split(set, { tasks = 3 }), cl.streams.label_noise(stream), cl.streams.blur(stream) } do
      t.expect(function() train(late, words, { method = cl.methods.ER{ memory = 10 } }) end):raises 'with padding = "fixed"'
   end
end)

local Progress = getmetatable(require "engram.run.progress".new{}).__index

-- What f warns of, as a list.
local function heard(f)
   local words, remark = {}, Progress.remark
   Progress.remark = function(_, content) words[#words + 1] = content:match "^warning.*" end
   local ok, message = pcall(f)
   Progress.remark = remark
   if not ok then error(message, 0) end
   return words
end

t.test("joint training says once that it has no use for buckets; texts cannot be permuted", function()
   for _, name in ipairs{ "Joint", "Cumulative" } do
      local function run(options)
         local stream, words = two_tasks(options)
         return train(stream, words, { method = cl.methods[name]() }).hash
      end
      t.expect(heard(function() t.expect(run{ bucket = 3 }):equals(run()) end)):equals{ "warning: " .. name .. " draws its batches from " ..
         "several tasks at once, not by length: bucket = 3 of 'sentences/finance' has no effect" }
   end
   t.expect(function() cl.streams.permuted("sentences/finance", { tasks = 2, train = 60, test = 30 }) end):raises "rows of tokens"
end)

t.test("tasks with other vocabularies do not make a stream", function()
   local a, b = data.load("sentences/films", { train = 20, test = 10, max_length = 8 }),
      data.load("sentences/finance", { train = 20, test = 10, max_length = 8 })
   t.expect(function() cl.stream{ cl.task(a), cl.task(b) } end):raises "numbered by different vocabularies"
   t.expect(function() cl.stream{ cl.task "sentences/films", cl.task "sentences/finance" } end):raises "numbered by different vocabularies"
   local numbers = data.dataset{ name = "numbers", images = a.train.images, labels = a.train.labels }
   t.expect(function() cl.stream{ cl.task(a), cl.task(numbers) } end):raises "holds texts with a vocabulary, the other none"
   local wide = data.load("sentences/finance", { train = 20, test = 10, max_length = 9, vocabulary = a.vocabulary })
   t.expect(function() cl.stream{ cl.task(a), cl.task(wide) } end):raises "differ in shape: 8 in 'sentences/films', 9 in"
   t.expect(#cl.stream{ cl.task(a), cl.task(data.load("sentences/finance", { train = 20, test = 10, max_length = 8,
      vocabulary = a.vocabulary })) }):equals(2)
   local function both() data.load("sentences/films", { vocabulary = a.vocabulary, min_count = 2 }) end
   t.expect(both):raises "min_count would have no effect"
end)

-- The models of docs/text.md: the mean of the words, and the last word of rows that are padded at the start.
local Reader = nn.Module:extend "Reader"
function Reader:init(words, queries)
   self.padding, self.queries = words.padding_index, queries
   self.embedding = nn.Embedding(words:size(), 16, { padding_index = words.padding_index })
   self.encoder = nn.TransformerEncoderLayer(16, 4, 32, { queries = queries })
   self.output = nn.Linear(16, 3)
end
function Reader:forward(tokens)
   local padding = tokens:eq(self.padding)
   local x, words = self.encoder(self.embedding(tokens), { padding_mask = padding }), padding:eq(0):float():unsqueeze(3)
   return self.output(self.queries == "last" and x or (x * words):sum(2) / words:sum(2))
end

t.test("accuracy does not depend on how wide a batch is: a mean of words, and a last word behind the padding", function()
   for queries, side in pairs{ all = "end", last = "start" } do
      local stream, words = two_tasks{ side = side }
      local function accuracy(size)
         return train(stream, words, { model = function() return Reader(words, queries) end, evaluate_batch_size = size }).accuracy
      end
      local one = accuracy(1)
      t.expect({ queries, accuracy(7) }):equals{ queries, one }
      t.expect({ queries, accuracy(100) }):equals{ queries, one }
   end
end)

-- ---- built-in sentences -----------------------------------------------------------------------------------

t.test("sentences: one seed, one text; the first do not depend on how many; classes in equal parts", function()
   for name, classes in pairs{ ["sentences/films"] = 2, ["sentences/finance"] = 3 } do
      local few, more = text.load(name, { train = 30, test = 12 }), text.load(name, { train = 60, test = 12 })
      t.expect(more.train:take(30).texts):equals(few.train.texts)
      t.expect(few.train.classes):equals(classes)
      local counts = {}
      for _, label in ipairs(more.train.labels) do counts[label] = (counts[label] or 0) + 1 end
      for class = 1, classes do t.expect(counts[class]):equals(60 / classes) end
      t.expect(text.load(name, { train = 30, test = 12, seed = 1 }).train.texts[1]):differs_from(few.train.texts[1])
      for _, content in ipairs(more.train.texts) do
         t.expect(content):lacks "{"
         t.expect(content:find "^%l" == nil):is_true()
      end
   end
   for name, shared in pairs{ ["sentences/films"] = 67, ["sentences/finance"] = 149 } do          -- of 1,000, as docs/text.md says
      local set, seen, count = text.load(name), {}, 0
      for _, content in ipairs(set.train.texts) do seen[content] = true end
      for _, content in ipairs(set.test.texts) do count = count + (seen[content] and 1 or 0) end
      t.expect({ name, count }):equals{ name, shared }
   end
   t.expect(function() text.load "sentences/film" end):raises "did you mean 'sentences/films'"
   t.expect(function() text.load("sentences/films", { held_out = 0.1 }) end)
      :raises "unknown option 'held_out' (there are: seed, test, train)"
end)

t.done()
