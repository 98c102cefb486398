-- What CLASSP's sentiment experiment is made of: the texts, the model, and EWC as its author's script has it. Not a script of its own.
local engram = require "engram"
local nn, text, cl, autograd = engram.nn, engram.text, engram.cl, engram.autograd
local consolidate = engram.consolidate

local common = {}

local WORDS = 30                                      -- of a text; the rest is not read

-- ---- texts ------------------------------------------------------------------------------------------------

-- The two collections, by data = "real" or "built-in".
local COLLECTIONS = { real = { "phrasebank", "imdb" }, ["built-in"] = { "phrases", "reviews" } }

-- What the built-in texts say, by label, and what they say it of. Their words alone tell the label: the model knows no order, and cannot
-- learn the built-in sentences of a grammar (text.load "sentences/films") in a minute.
local SAY = {
   phrases = { { "profit fell", "sales dropped", "a loss was booked", "jobs were cut" },
      { "the board met", "a report was issued", "the name changed", "an office opened" },
      { "profit rose", "sales grew", "orders doubled", "margins improved" } },
   reviews = { { "dull and long", "a bad script", "i fell asleep", "poor acting" },
      { "fresh and warm", "a good script", "i laughed", "strong acting" } },
}
local OF = { phrases = { "in the first quarter", "at the mill", "in Finland", "for the group", "this year", "net of tax" },
   reviews = { "the film", "her last movie", "this sequel", "the director", "the plot", "its hero" } }
local NAMES = { phrases = { "negative", "neutral", "positive" }, reviews = { "neg", "pos" } }

-- Two sayings of a label among three subjects, drawn.
local function generate(name, count, part)
   local stream = engram.random.private(0, name .. part)
   local texts, labels = {}, {}
   local function one_of(list) return list[engram.randint(1, #list, 1, { stream = stream }):item()] end
   for i = 1, count do
      labels[i] = engram.randint(1, #SAY[name], 1, { stream = stream }):item()
      local words = { one_of(OF[name]), one_of(SAY[name][labels[i]]), one_of(OF[name]), one_of(SAY[name][labels[i]]), one_of(OF[name]) }
      texts[i] = table.concat(words, " ", engram.randint(1, 2, 1, { stream = stream }):item())
   end
   return text.corpus{ name = name, texts = texts, labels = labels, class_names = NAMES[name] }
end

-- The texts of a task: published: all that the script trains on, which it is judged on as well; else a tenth held back for validation
-- and a test set of its own. limit: the first so many of each part; 0: all.
local function parts_of(name, published, limit)
   local set = SAY[name] and { train = generate(name, 600, ""), test = generate(name, 200, " test") }
      or text.load(name, name == "phrasebank" and { held_out = published and 0 or 0.1 } or nil)
   local function some(corpus) return corpus and limit > 0 and corpus:take(limit) or corpus end
   if published then return { name = name, train = some(set.train) } end
   if some(set.train):size() < 5 then
      error(("limit=%d leaves no text for validation, for which the sound protocol holds a tenth back: give at least 5"):format(limit), 0)
   end
   local kept, rest = some(set.train):split(0.1, engram.random.private(0, "validation of " .. name))
   return { name = name, train = rest, validation = kept, test = some(set.test) }
end

-- The tasks and the vocabulary: every word of both tasks' training texts. The words of test sets are none of it. options: padding (of
-- text.dataset) and epochs (a list).
function common.tasks(data, published, limit, options)
   options = options or {}
   local parts, corpora = {}, {}
   for k, name in ipairs(COLLECTIONS[data]) do
      parts[k] = parts_of(name, published, limit)
      corpora[k] = parts[k].train
   end
   local words = text.vocabulary(corpora, { tokenizer = text.tokenizers.english{ max_length = WORDS } })
   local tasks = {}
   for k, part in ipairs(parts) do
      local set = { name = part.name }
      for _, name in ipairs{ "train", "validation", "test" } do
         set[name] = part[name] and text.dataset(part[name], words,
            { max_length = WORDS, side = published and "end" or "start", padding = options.padding })
      end
      tasks[k] = cl.task(published and set.train or set, { name = part.name, epochs = options.epochs and options.epochs[k] })
   end
   return tasks, words
end

-- ---- the model --------------------------------------------------------------------------------------------

-- Embedding, LayerNorm, one encoder layer, the same LayerNorm again, and three outputs of one position.
local Reader = nn.Module:extend "Reader"

function Reader:init(words, form, published)
   self.published, self.padding = published, words.padding_index
   self.embedding = nn.Embedding(words:size(), form.width, { padding_index = self.padding })
   self.dropout = nn.Dropout(0.1)
   self.norm = nn.LayerNorm(form.width)
   self.encoder = nn.TransformerEncoderLayer(form.width, form.heads, form.feed_forward, { dropout = 0.1, queries = "last" })
   self.output = nn.Linear(form.width, 3)
end

-- published: the last position of the batch reads, which in all texts but the longest is padding, and nothing is masked. Else padding
-- stands before the words: the last word reads, and padding is not looked at.
function Reader:forward(index)
   local mask = not self.published and index:eq(self.padding) or nil
   local x = self.norm(self.dropout(self.embedding(index)))
   return self.output(self.norm(self.encoder(x, { padding_mask = mask })))
end

-- A function that makes it; form: { width =, heads =, feed_forward = }.
function common.model(words, form, published)
   return function() return Reader(words, form, published) end
end

-- ---- EWC as the script has it -----------------------------------------------------------------------------

-- Adds the squares of a parameter's gradient; where it is rows, of those alone.
local function add_squares(sum, p)
   local rows = autograd.rows_of(p)
   if rows then return sum:index_add_(1, rows.index, rows.values:square()) end
   local gradient = autograd.gradient_of(p)
   if gradient then sum:add_(gradient:square()) end
end

-- The squares of the batch-mean gradients are summed over all steps of task 1 and divided by their number (both go back with the weights
-- where a rule restores them); the anchor is where it ends.
-- The penalty is lambda sum F (w - anchor)^2.
cl.methods.register{
   name = "SentimentEWC",
   doc = "EWC as the CLASSP author's sentiment script has it",
   regularizer = true,
   hyper = { lambda = { default = 5000, min = 0, doc = "weight of the penalty" } },
   state = { importance = "parameters", steps = "scalar", anchor = "tasks" },
   gradients = function(self, t)
      if t.task == 1 then return end
      t.penalty = (t.penalty or 0)
         + consolidate.quadratic_penalty_(t.parameters, self.anchor[1], self.importance, 2 * self.hyper.lambda)
   end,
   after_step = function(self, t)
      if t.task > 1 then return end
      self.steps = self.steps + 1
      for i, p in ipairs(t.parameters) do add_squares(self.importance[i], p) end
   end,
   task_end = function(self, t)
      if t.task > 1 then return end
      for _, sum in ipairs(self.importance) do sum:mul_(1 / self.steps) end
      self.anchor[1] = consolidate.copies(t.parameters)
   end,
}

return common
