-- test_sentiment.lua: CLASSP's sentiment experiment: its model against a plain calculation, its EWC by hand, and its tables in miniature.
local t = require "tests.harness"
package.path = "experiments/?.lua;" .. package.path
local engram = require "engram"
local common = require "sentiment_common"
local nn, optim, cl, text = engram.nn, engram.optim, engram.cl, engram.text

local corpus = text.corpus{ texts = { "profit rose again", "sales fell", "no news", "the board met in june and said nothing new" },
   labels = { 3, 1, 2, 2 }, class_names = { "negative", "neutral", "positive" } }
local words = text.vocabulary(corpus)
local set = text.dataset(corpus, words, { max_length = 9 })
local FORM = { width = 12, heads = 3, feed_forward = 20 }

local function reader(published)
   engram.seed(4)
   local model = common.model(words, FORM, published)()
   engram.no_grad(function()                                  -- padding is not zeros once a LayerNorm has a bias of its own
      for _, p in model:named_parameters() do
         if p:dim() == 1 then p:add_(engram.randn_like(p), 0.1) end
      end
   end)
   return model:eval()
end

-- The published forward pass as its author wrote it: all positions, then the last.
local function plain(model, index)
   local layer = nn.TransformerEncoderLayer(FORM.width, FORM.heads, FORM.feed_forward):eval()
   layer:load_state((model.encoder:state()))
   local x = model.norm(layer(model.norm(model.embedding(index))))
   return model.output(x:narrow(2, x:size(2), 1):squeeze(2))
end

t.test("published: the last position reads all, padding too", function()
   local model = reader(true)
   local index = set:batch{ 1, 2, 3, 4 }
   t.expect(model(index)):close_to(plain(model, index), 1e-5)
   t.expect(model((set:batch{ 1 })):tolist()[1]):differs_from(model(index):tolist()[1])          -- with less padding it is another
end)

t.test("sound: the last word reads, and padding changes nothing", function()
   local model = reader(false)
   local all = model((set:batch{ 1, 2, 3, 4 }))
   for i = 1, 4 do
      local alone = words:encode(corpus.texts[i])
      t.expect(all[i]):close_to(plain(model, engram.tensor({ alone }, { dtype = "int64" }))[1], 1e-5)
   end
end)

-- A bag of words: its embedding's gradient is rows.
local Bag = nn.Module:extend "Bag"
function Bag:init() self.embedding, self.output = nn.Embedding(20, 4), nn.Linear(4, 2) end
function Bag:forward(index) return self.output(self.embedding(index):mean(2)) end

local function bags(name)
   local index = engram.randint(1, 20, { 12, 3 }, { stream = name })
   return engram.data.dataset{ name = name, images = index, labels = index:select(2, 1):gt(10):long() + 1, classes = 2 }
end

t.test("EWC as the script has it: squares of batch gradients over task 1, by the number of batches; no half", function()
   local squares, anchor, now, penalty, count = {}, {}, {}, nil, 0
   local function watch(state)
      if state.task == 2 and state.step_in_task == 2 then penalty = state.penalty end
      for i, p in ipairs(state.parameters) do
         if state.task == 1 then
            local square = p.grad:to("float64"):square()
            squares[i] = (squares[i] and squares[i] + square or square):keep()
            anchor[i] = p:detach():to("float64"):keep()
         elseif state.step_in_task == 1 then
            now[i] = p:detach():to("float64"):keep()
         end
      end
      count = count + (state.task == 1 and 1 or 0)
   end
   engram.seed(8)
   cl.train{ seed = 1, batch_size = 4, shuffle = false, model = function() return Bag() end, on_step = watch,
      optimizer = function(m) return optim.SGD(m, { lr = 0.1 }) end, method = cl.methods.SentimentEWC{ lambda = 20 },
      stream = cl.stream{ cl.task(bags "a", { epochs = 3 }), cl.task(bags "b") } }
   local expected = 0
   for i in ipairs(squares) do expected = expected + 20 * (squares[i] / 9 * (now[i] - anchor[i]):square()):sum():item() end
   t.expect(count):equals(9)
   t.expect(expected):above(0)
   t.expect(penalty):close_to(expected, 1e-6)
end)

t.done()
