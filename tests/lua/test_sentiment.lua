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

t.test("EWC as the script has it: squares of batch gradients over task 1, by the number of batches; no half", function()
   local function items(name)
      engram.seed(8)
      local images = engram.randn(12, 5, { stream = name })
      return engram.data.dataset{ name = name, images = images, labels = images:sum(2):gt(0):long() + 1, classes = 2 }
   end
   local squares, count, anchor, penalty = engram.zeros(2, 5, { dtype = "float64" }), 0, nil, nil
   local function watch(state)
      local w = state.model.weight:detach()
      if state.task == 1 then
         squares, count = squares:add_(state.model.weight.grad:to("float64"):square()):keep(), count + 1
         anchor = w:clone():keep()
      elseif state.step_in_task == 2 then
         penalty = state.penalty
      elseif state.step_in_task == 1 then
         anchor = { first = anchor, after = w:clone():keep() }
      end
   end
   cl.train{ seed = 1, batch_size = 4, shuffle = false, model = nn.Linear(5, 2, { bias = false }), on_step = watch,
      optimizer = function(m) return optim.SGD(m, { lr = 0.1 }) end, method = cl.methods.SentimentEWC{ lambda = 20 },
      stream = cl.stream{ cl.task(items "a", { epochs = 3 }), cl.task(items "b") } }
   local moved = anchor.after:to("float64") - anchor.first:to("float64")
   t.expect(count):equals(9)
   t.expect(penalty):close_to(20 * (squares / 9 * moved:square()):sum():item(), 1e-5)
end)

t.done()
