-- text/corpus.lua: labelled texts: { texts = strings, labels = numbers from 1, class_names = }. Like a data set, a corpus is never changed.
local core = require "engram.core"
local C, raise = core.C, core.raise

local corpus = {}

local Corpus = {}
Corpus.__index = Corpus

-- The names of classes: a list of strings, all different; or nil.
function corpus.check_class_names(who, names)
   if names == nil then return nil end
   if type(names) ~= "table" or #names == 0 then
      raise("%s: class_names must be a list of names, such as { \"neg\", \"pos\" }, got %s", who,
         type(names) == "string" and "'" .. names .. "'" or type(names) == "table" and "an empty table" or core.typename(names))
   end
   local place = {}
   for i, name in ipairs(names) do
      if type(name) ~= "string" then raise("%s: class name %d is a %s, expected a string", who, i, core.typename(name)) end
      if place[name] then raise("%s: class names %d and %d are both '%s'", who, place[name], i, name) end
      place[name] = i
   end
   return names
end

-- Texts are held to what the readers of files ask for.
local function check_text(name, i, content)
   if type(content) ~= "string" then raise("%s: text %d is a %s", name, i, core.typename(content)) end
   if content:find("\0", 1, true) then raise("%s: text %d has a NUL byte, at position %d", name, i, content:find("\0", 1, true)) end
   local valid = tonumber(C.eg_utf8_valid(content, #content))
   if valid < #content then
      raise("%s: text %d: byte %02x at position %d is no UTF-8", name, i, content:byte(valid + 1), valid + 1)
   end
end

-- new{ texts =, labels =, name =, class_names =, classes = }: texts are strings, labels whole numbers from 1, one each.
function corpus.new(fields)
   fields = core.options("text.corpus", fields, { "texts", "labels", "name", "class_names", "classes" })
   local self = setmetatable({ name = fields.name or "corpus", texts = fields.texts, labels = fields.labels,
      class_names = fields.class_names }, Corpus)
   if type(self.texts) ~= "table" or type(self.labels) ~= "table" then raise "text.corpus: expected lists of texts and labels" end
   corpus.check_class_names(self.name, self.class_names)
   if #self.texts ~= #self.labels then raise("%s: %d texts, but %d labels", self.name, #self.texts, #self.labels) end
   local most = 0
   for i, label in ipairs(self.labels) do
      if type(label) ~= "number" or label % 1 ~= 0 or label < 1 then
         raise("%s: label %d is %s, expected a whole number from 1", self.name, i, tostring(label))
      end
      check_text(self.name, i, self.texts[i])
      most = math.max(most, label)
   end
   if fields.classes ~= nil then core.whole(self.name .. ": classes", fields.classes) end
   self.classes = fields.classes or self.class_names and #self.class_names or most
   if most > self.classes then raise("%s: label %d, but there are %d classes", self.name, most, self.classes) end
   return self
end

function corpus.is_corpus(value) return getmetatable(value) == Corpus end

local function derive(self, texts, labels)
   return setmetatable({ name = self.name, texts = texts, labels = labels, class_names = self.class_names, classes = self.classes }, Corpus)
end

function Corpus:size() return #self.texts end

-- The texts at the positions of a list or an int64 tensor, in that order.
function Corpus:subset(index)
   if core.typename(index) == "tensor" then index = index:tolist() end
   local texts, labels = {}, {}
   for i, k in ipairs(index) do
      if not self.texts[k] then raise("subset: text %s is out of range, there are %d", tostring(k), self:size()) end
      texts[i], labels[i] = self.texts[k], self.labels[k]
   end
   return derive(self, texts, labels)
end

-- The first n texts (all, when there are fewer).
function Corpus:take(n)
   local index = {}
   for i = 1, math.min(core.whole("take: the number of texts", n), self:size()) do index[i] = i end
   return self:subset(index)
end

-- Two corpora drawn without overlap: the first has n texts, or the given fraction of them.
function Corpus:split(n, stream)
   local size = self:size()
   local count = core.part("split", n, size, "texts")
   local order = require "engram".randperm(size, { stream = stream or "data" }):tolist()
   local first, second = {}, {}
   for i, k in ipairs(order) do table.insert(i <= count and first or second, k) end
   return self:subset(first), self:subset(second)
end

function Corpus:__tostring() return ("%s: %d texts, %d classes"):format(self.name, self:size(), self.classes) end

return corpus
