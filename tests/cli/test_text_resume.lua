-- A run over texts that is killed and resumed ends with the weights of one that never stopped; its folder and checkpoint hold the
-- vocabulary, and a run cannot go on with another.
local t = require "tests.harness"
local engram = require "engram"

local folder = t.temporary_folder(true)
local function sh(line) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), 300) end

t.write(folder .. "/experiment.lua", [[
local ffi = require "ffi"
local engram = require "engram"
local nn, optim, cl, text = engram.nn, engram.optim, engram.cl, engram.text
ffi.cdef "int raise(int);"
local films, finance = text.load("sentences/films", { train = 90, test = 30 }), text.load("sentences/finance", { train = 90, test = 30 })
local lower = os.getenv "LOWER" == "1"
local words = text.vocabulary({ finance.train, films.train }, { tokenizer = text.tokenizers.english{ lower = lower, max_length = 20 } })
local others = { none = {}, fixed = { padding = "fixed" }, narrow = { bucket = 2, max_length = 12 },
   start = { bucket = 2, side = "start" } }
local rows = others[os.getenv "ROWS" or ""] or { bucket = 2 }
local stream = cl.stream{ cl.task(text.dataset(finance, words, rows), { epochs = 2 }), cl.task(text.dataset(films, words, rows)) }
local Bag = nn.Module:extend "Bag"
function Bag:init()
   self.embedding, self.output = nn.Embedding(1000, 6, { padding_index = words.padding_index }), nn.Linear(6, 3)
end
function Bag:forward(x) return self.output(self.embedding(x):mean(2)) end
local strike = tonumber(os.getenv "STRIKE")
print(cl.train{ model = function() return Bag() end, optimizer = function(m) return optim.CLASSP(m, { lr = 0.1 }) end, stream = stream,
   batch_size = 10, seed = 4, checkpoint_every = 1, evaluate_every = 4, evaluate_items = 20,
   on_step = function(s) if s.step == strike then ffi.C.raise(9) end end }.hash)]])

t.test("killed within an epoch of buckets and resumed, to the bit", function()
   local code, whole = sh "engram run --quiet --runs whole experiment.lua"
   t.expect(code):equals(0)
   for _, step in ipairs{ 4, 13, 21 } do
      local killed = sh(("rm -rf cut; STRIKE=%d engram run --quiet --runs cut experiment.lua"):format(step))
      t.expect(killed):equals(137)
      local resumed, hash = sh "engram resume --quiet --threads 2 cut/experiment/*"
      t.expect({ step, resumed, hash }):equals{ step, 0, whole }
   end
end)

t.test("the run's folder and its checkpoint hold the vocabulary", function()
   t.expect((sh "rm -rf cut; STRIKE=13 engram run --quiet --runs cut experiment.lua")):equals(137)
   local _, path = sh "echo $PWD/cut/experiment/*"
   path = path:gsub("%s+$", "")
   local words = engram.text.load_vocabulary(path .. "/vocabulary.json")
   t.expect(words:token(1)):equals "<pad>"
   t.expect(engram.text.load_vocabulary(path .. "/ckpt/last.safetensors"):hash()):equals(words:hash())
   _, path = sh "echo $PWD/whole/experiment/*"
   t.expect(engram.text.load_vocabulary(path:gsub("%s+$", "") .. "/vocabulary.json"):hash()):equals(words:hash())
   t.expect(function() engram.text.load_vocabulary(path:gsub("%s+$", "") .. "/weights.safetensors") end):raises "holds no vocabulary"
end)

t.test("a run does not go on with another vocabulary", function()
   t.expect((sh "rm -rf cut; STRIKE=13 engram run --quiet --runs cut experiment.lua")):equals(137)
   local code, _, err = sh "LOWER=1 engram resume --quiet cut/experiment/*"
   t.expect(code):differs_from(0)
   t.expect(err):contains "was made with vocabulary = "
end)

t.test("nor with rows of another width, other padding, another side or other buckets", function()
   t.expect((sh "rm -rf cut; STRIKE=13 engram run --quiet --runs cut experiment.lua")):equals(137)
   local was = "was made with rows of texts = width 20, padding batch, bucket 2, the script now has "
   for rows, now in pairs{ none = "width 20, padding batch, bucket none", fixed = "width 20, padding fixed, bucket none",
      narrow = "width 12, padding batch, bucket 2", start = "width 20, padding batch at the start, bucket 2" } do
      local code, _, err = sh(("ROWS=%s engram resume --quiet cut/experiment/*"):format(rows))
      t.expect(code):differs_from(0)
      t.expect(err):contains(was .. now)
   end
end)

t.done()
