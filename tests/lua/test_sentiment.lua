-- test_sentiment.lua: CLASSP's sentiment experiment: its model against a plain calculation, its EWC by hand, and its tables in miniature.
local t = require "tests.harness"
package.path = "experiments/?.lua;" .. package.path
local engram = require "engram"
local common = require "sentiment_common"
local sentiment_table = require "sentiment_table"
local nn, optim, cl, text = engram.nn, engram.optim, engram.cl, engram.text

local corpus = text.corpus{ texts = { "profit rose again", "sales fell", "no news", "the board met in june and said nothing new" },
   labels = { 3, 1, 2, 2 }, class_names = { "negative", "neutral", "positive" } }
local words = text.vocabulary(corpus)
local function rows(side) return text.dataset(corpus, words, { max_length = 9, side = side }) end
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
   local model, set = reader(true), rows "end"
   local index = set:batch{ 1, 2, 3, 4 }
   t.expect(model(index)):close_to(plain(model, index), 1e-5)
   t.expect(model((set:batch{ 1 })):tolist()[1]):differs_from(model(index):tolist()[1])          -- with less padding it is another
end)

t.test("sound: the last word reads, and padding changes nothing", function()
   local model = reader(false)
   local all = model((rows "start":batch{ 1, 2, 3, 4 }))
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

-- ---- the peer ---------------------------------------------------------------------------------------------

local peer = "experiments/peers/torch_sentiment.py"
local python = t.python "torch, numpy"

-- The losses that both sides print for a few steps of a small form, and the largest difference.
local function both_curves(variant, dtype)
   local folder = t.temporary_folder()
   local code, out, err = t.command(("engram run --no-run --quiet experiments/sentiment_curve.lua folder=%s variant=%s dtype=%s " ..
      "steps=6 batch=20 vocabulary=300 width=60 feed_forward=50"):format(t.quote(folder), variant, dtype), 120)
   t.expect({ code, err }):equals{ 0, "" }
   local ours = {}
   for loss in out:gmatch "%d+  ([%d.e-]+)\n" do ours[#ours + 1] = tonumber(loss) end
   t.expect({ #ours, ours[1] > 2 * ours[6] }):equals{ 6, true }
   code, out = t.command(("%s %s --curve %s"):format(python, peer, t.quote(folder)), 120)
   t.expect({ code, select(2, out:gsub("PyTorch", "")) }):equals{ 0, 6 }
   return tonumber(out:match "largest difference (%S+)")
end

if not python then
   t.skip("the model's losses are those of its peer in PyTorch", "no python3 has torch")
else
   t.test("the model's losses are those of its peer in PyTorch", function()
      for _, variant in ipairs{ "published", "paper" } do
         t.expect(both_curves(variant, "float64")):below(1e-13)
         t.expect(both_curves(variant, "float32")):below(1e-4)
      end
   end)
   t.test("the peer prints what engram bench reads", function()
      local sizes = "--batch 8 --vocabulary 50 --width 40 --feed-forward 30"
      local code, out = t.command(("%s %s --threads 1 --only paper --rounds 1 %s"):format(python, peer, sizes), 120)
      local line = engram.json.decode(out)
      t.expect({ code, line.case, line.batch, line.seconds_per_step > 0, line.peak_bytes > 1e6 }):equals{ 0, "sentiment_b750_paper", 8,
         true, true }
   end)
end

-- ---- the experiment ---------------------------------------------------------------------------------------

local folder = t.temporary_folder(true)
local function sh(line) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), 300) end

-- Runs it: its output, and the summary of its run in the folder `runs`.
local function run(runs, settings, environment)
   local line = "rm -rf %s; %s engram run --quiet --runs %s classp_sentiment %s"
   local code, out, err = sh(line:format(runs, environment or "", runs, settings))
   local _, path = sh(("ls -d %s/classp_sentiment/*"):format(runs))
   local summary = t.read(folder .. "/" .. path:gsub("\n.*", "") .. "/table.json")
   return { code = code, out = out, err = err, path = path:gsub("\n.*", ""), summary = summary and engram.json.decode(summary) }
end

local published = run("published", "threads=1 max_epochs=9 lambda=20")

t.test("the published protocol: a row an optimizer, until a loss or a cap", function()
   t.expect(published.code):equals(0)
   t.expect(published.out):contains "published protocol: 600 phrases, then 600 reviews"
   t.expect(#published.summary.runs):equals(11)
   local by_name = {}
   for _, row in ipairs(published.summary.runs) do
      by_name[row.name] = row
      t.expect({ row.name, row.steps[1] }):equals{ row.name, 12 * row.epochs[1] }
   end
   local sgd, adagrad, classp = by_name.sgd, by_name.adagrad, by_name.classp
   t.expect({ sgd.by[1], adagrad.by[1], classp.by[1] }):equals{ "cap", "rule", "rule" }
   t.expect(published.out):contains "| SGD * | 1 |"
   t.expect(adagrad.why[1]):contains "batch loss 0.0"
   t.expect(adagrad.why[2]):contains "batch loss and penalty"
   t.expect({ adagrad.before > 90, adagrad.second > 80 }):equals{ true, true }
   -- Both EWC use two numbers a weight in task 2.
   t.expect({ sgd.state_bytes, classp.state_bytes, by_name.ewc.state_bytes, by_name["ewc-published"].state_bytes }):equals{ 0,
      classp.weights_bytes, 2 * classp.weights_bytes, 2 * classp.weights_bytes }
   t.expect(by_name["classp-open"].weights_sha256):equals(classp.weights_sha256)       -- below 1 a threshold of the script's does nothing
   t.expect(by_name["paper-open-2"].weights_sha256):differs_from(by_name["paper-open"].weights_sha256)
end)

t.test("the sound protocol: patience on validation texts, and test sets", function()
   local sound = run("sound", "protocol=sound optimizer=classp,ewc max_epochs=90 threads=2")
   t.expect(sound.code):equals(0)
   t.expect(sound.out):contains "sound protocol: 540 phrases, then 540 reviews"
   for i, name in ipairs{ "classp", "ewc" } do
      local row = sound.summary.runs[i]
      t.expect({ row.name, row.by[1], row.before > 80, row.second > 80 }):equals{ name, "rule", true, true }
      t.expect(row.why[1]):contains "validation loss was no better than"
   end
   local inner = engram.json.load(folder .. "/" .. sound.path .. "/ewc/summary.json")
   t.expect({ inner.protocol, inner.stopped[1].restored_epoch }):equals{ "test", sound.summary.runs[2].epochs[1] - 3 }
end)

t.test("a row that diverges shows its state, and a penalty that dwarfs the loss is marked", function()
   local wild = run("wild", "optimizer=ewc,ewc-published lambda=1e5 lambda_published=1e5 max_epochs=4 threads=1")
   t.expect(wild.code):equals(0)
   local row = wild.summary.runs[1]
   t.expect(row.diverged):contains "the penalty runs away"
   t.expect(row.state_bytes):equals(2 * published.summary.runs[1].weights_bytes)
   t.expect(wild.out):contains "| EWC (sound) | 1 | diverged | diverged | diverged | diverged | diverged | 0.09 | diverged |"
   local by_name = {}
   for _, found in ipairs(published.summary.runs) do by_name[found.name] = found.penalty_share or "none" end
   t.expect({ by_name.sgd, by_name.ewc < 10, by_name.ewc > 0 }):equals{ "none", true, true }
   local marked = sentiment_table.markdown{ { title = "EWC", seed = 1, before = 90, after = 80, second = 70,
      epochs = { 1, 2 }, steps = { 3, 4 }, by = { "rule", "cap" }, state_bytes = 1e6, seconds = 5, penalty_share = 25.04 } }
   t.expect(marked):contains "| EWC * † | 1 | 90.00 | 80.00 | 70.00 | 1 + 2 | 3 + 4 | 1.00 | 5 |"
   t.expect(marked):contains "† EWC: at its largest the penalty was 25 times the largest loss"
end)

t.test("killed within a row and resumed on two threads it ends with the same table", function()
   local cut = run("cut", "threads=1 max_epochs=9 lambda=20", "ENGRAM_FAULT=rename@/sgd/ckpt:2:KILL")
   t.expect({ cut.code, cut.summary }):equals{ 137 }
   t.expect((sh("engram resume --quiet --threads 2 " .. cut.path))):equals(0)
   local resumed = engram.json.load(folder .. "/" .. cut.path .. "/table.json")
   for i, row in ipairs(resumed.runs) do
      row.seconds = published.summary.runs[i].seconds
      t.expect(row):equals(published.summary.runs[i])
   end
end)

t.test("a sweep takes optimizers and seeds", function()
   local code, out = sh "engram sweep -j 2 classp_sentiment optimizer=sgd,classp seed=1,2 max_epochs=1 limit=100 2>&1"
   t.expect(code):equals(0)
   for _, part in ipairs{ "optimizer=sgd", "optimizer=classp" } do t.expect(out):contains(part) end
end)

t.test("an unknown row, and settings that list the defaults", function()
   local few = run("few", "protocol=sound limit=4")
   t.expect({ few.code, few.summary }):equals{ 1 }
   t.expect(few.err):contains "limit=4 leaves no text for validation"
   t.expect(run("none", "optimizer=").err):contains "optimizer= names no row of the table"
   local wrong = run("wrong", "optimizer=sdg")
   t.expect({ wrong.code, wrong.summary }):equals{ 1 }
   t.expect(wrong.err):contains "unknown optimizer 'sdg', did you mean 'sgd'?"
   t.expect({ t.command "engram config classp_sentiment.yaml" }):equals{ t.command "engram config classp_sentiment.lua" }
end)

t.done()
