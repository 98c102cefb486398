-- Data sets: what they hold, their parts and changes, batches, the drawn glyphs, IDX files and the registry.
local t = require "tests.harness"
local engram = require "engram"
local data, nn = engram.data, engram.nn

local function small(fields)
   local set = { name = "small", images = engram.arange(24, { dtype = "uint8" }):view(6, 1, 2, 2), labels = { 1, 2, 3, 1, 2, 3 } }
   for key, value in pairs(fields or {}) do set[key] = value end
   return data.dataset(set)
end

-- The bytes of an IDX file of unsigned bytes.
local function idx(shape, bytes)
   local text = "\0\0\8" .. string.char(#shape)
   for _, size in ipairs(shape) do text = text .. string.char(0, 0, math.floor(size / 256), size % 256) end
   return text .. bytes
end

-- ---- data sets --------------------------------------------------------------------------------------------

t.test("a batch is scaled, its labels are int64, its order is the index's", function()
   local set = small{ scale = 0.5, shift = -1 }
   local x, y = set:batch{ 3, 1 }
   t.expect(x.shape):equals{ 2, 1, 2, 2 }
   t.expect(x.dtype):equals "float32"
   t.expect(x:view(2, 4)):equals{ { 3.5, 4, 4.5, 5 }, { -0.5, 0, 0.5, 1 } }
   t.expect(y):equals{ 3, 1 }
   t.expect(y.dtype):equals "int64"
   t.expect((set:batch(engram.tensor({ 2 }, { dtype = "int64" }))):view(4)):equals{ 1.5, 2, 2.5, 3 }
   t.expect((set:batch(2)).shape):equals{ 1, 1, 2, 2 }
   t.expect(function() set:batch{ 7 } end):raises "7"
   t.expect(function() set:batch{ 0 } end):raises "0"
end)

t.test("real images keep their dtype, tokens are handed over as they are", function()
   local real = data.dataset{ images = engram.ones(2, 3, { dtype = "float64" }), labels = { 1, 1 }, scale = 2 }
   t.expect((real:batch{ 1 }).dtype):equals "float64"
   t.expect((real:batch{ 1 })):equals{ { 2, 2, 2 } }
   local tokens = data.dataset{ images = engram.tensor({ { 4, 5 }, { 6, 7 } }, { dtype = "int64" }), labels = { 1, 2 } }
   t.expect((tokens:batch{ 2 })):equals{ { 6, 7 } }
   t.expect((tokens:batch{ 2 }).dtype):equals "int64"
end)

t.test("what is no data set is refused", function()
   t.expect(function() small{ labels = { 1, 2 } } end):raises "small: 6 images, but 2 labels"
   t.expect(function() small{ labels = { 0, 1, 1, 1, 1, 1 } } end):raises "small: labels run from 0 to 1, expected 1 to 1"
   t.expect(function() small{ classes = 2 } end):raises "small: labels run from 1 to 3, expected 1 to 2"
   t.expect(function() small{ labels = engram.ones(6) } end):raises "labels must be (items) int64"
   t.expect(function() small{ images = 3 } end):raises "small: images: expected a tensor"
   t.expect(function() small{ image = 3 } end):raises "did you mean 'images'?"
   t.expect(function() data.dataset() end):raises "data set: images: expected a tensor, got nil"
end)

t.test("subset, take and only", function()
   local set = small()
   t.expect(set:subset{ 6, 1 }.labels):equals{ 3, 1 }
   t.expect(set:subset{ 6, 1 }.images:view(2, 4)):equals{ { 21, 22, 23, 24 }, { 1, 2, 3, 4 } }
   t.expect(set:take(2):size()):equals(2)
   t.expect(set:take(2).classes):equals(3)
   t.expect(set:take(99):size()):equals(6)
   t.expect(set:take(0):size()):equals(0)
   t.expect(set:only{ 3, 1 }.labels):equals{ 1, 3, 1, 3 }
   t.expect(set:only({}):size()):equals(0)
   t.expect(function() set:take(-1) end):raises "take: expected a number of items"
   t.expect(function() set:only{ 4 } end):raises "only: class 4 is out of range, expected 1 to 3"
   t.expect(function() set:only(3) end):raises "only: expected a list of classes, got 3"
end)

t.test("split draws two parts without overlap", function()
   local set = small()
   engram.seed(3)
   local a, b = set:split(2)
   t.expect({ a:size(), b:size() }):equals{ 2, 4 }
   local firsts = {}
   for _, part in ipairs{ a, b } do
      for i = 1, part:size() do firsts[#firsts + 1] = part.images[i]:view(4)[1]:item() end
   end
   table.sort(firsts)
   t.expect(firsts):equals{ 1, 5, 9, 13, 17, 21 }
   engram.seed(3)
   t.expect((set:split(2)).images):equals(a.images)
   t.expect((set:split(0.5)):size()):equals(3)
   t.expect((set:split(0)):size()):equals(0)
   t.expect(function() set:split(7) end):raises "split: expected a fraction or a number of items up to 6"
   t.expect(function() set:split(1.5) end):raises "split: expected"
end)

t.test("labels can be renamed and joined", function()
   local set = small{ class_names = { "a", "b", "c" } }
   local swapped = set:with_labels(function(label) return 4 - label end)
   t.expect(swapped.labels):equals{ 3, 2, 1, 3, 2, 1 }
   t.expect(swapped.class_names):is_nil()
   local parity = set:with_labels(function(label) return label % 2 + 1 end)
   t.expect(parity.labels):equals{ 2, 1, 2, 2, 1, 2 }
   t.expect(parity.classes):equals(2)
   local odd = set:only{ 1, 3 }:with_labels(function(label) return (label + 1) / 2 end)       -- asked of present labels only
   t.expect({ odd.classes, odd.labels:tolist() }):equals{ 2, { 1, 2, 1, 2 } }
   t.expect(set:with_labels(function() return 1 end, 5).classes):equals(5)
   t.expect(set.labels):equals{ 1, 2, 3, 1, 2, 3 }
   t.expect(function() set:with_labels(function() return 0 end) end):raises "label 1 became 0"
   t.expect(function() set:with_labels{ 1, 2 } end):raises "with_labels: expected a function of a label, or labels (items) int64"
   t.expect(function() set:with_labels(function() return 9 end, 5) end):raises "label 9 is more than the 5 classes"
end)

t.test("normalize and with_images", function()
   local set = small{ scale = 1 / 255 }
   local x = set:normalize(0.1307, 0.3081):batch{ 1 }
   t.expect(x:view(4)):close_to({ (1 / 255 - 0.1307) / 0.3081, (2 / 255 - 0.1307) / 0.3081, (3 / 255 - 0.1307) / 0.3081,
      (4 / 255 - 0.1307) / 0.3081 }, 1e-6)
   t.expect(set:with_images(engram.zeros(6, 5)).images.shape):equals{ 6, 5 }
   t.expect(function() set:with_images() end):raises "with_images: expected a tensor, got nil"
   t.expect(function() set:with_images(engram.zeros(5, 5)) end):raises "5 images for 6 labels"
   t.expect(function() set:normalize(0, 0) end):raises "a deviation above 0"
end)

t.test("the content's hash follows every bit that a batch shows", function()
   local set = small()
   t.expect(set:content_hash()):equals(small():content_hash())
   t.expect(#set:content_hash()):equals(64)
   t.expect(small{ name = "other" }:content_hash()):equals(set:content_hash())
   t.expect(small{ scale = 2 }:content_hash()):differs_from(set:content_hash())
   t.expect(small{ labels = { 1, 2, 3, 1, 2, 2 } }:content_hash()):differs_from(set:content_hash())
   t.expect(set:with_images(set.images:view(6, 4)):content_hash()):differs_from(set:content_hash())
   t.expect(tostring(set)):equals "small: 6 items (6, 1, 2, 2) uint8, 3 classes"
end)

-- ---- batches ----------------------------------------------------------------------------------------------

t.test("a loader hands out every item once, in an order drawn anew each epoch", function()
   local loader = data.loader(small(), { batch_size = 4 })
   t.expect(loader.steps):equals(2)
   local orders = {}
   for epoch = 1, 3 do
      local seen, sizes = {}, {}
      for x, y, index in loader do
         sizes[#sizes + 1] = #y
         t.expect(#x):equals(#y)
         for i = 1, #index do seen[#seen + 1] = index[i]:item() end
      end
      t.expect(sizes):equals{ 4, 2 }
      orders[epoch] = table.concat(seen, " ")
      table.sort(seen)
      t.expect(seen):equals{ 1, 2, 3, 4, 5, 6 }
   end
   t.expect(orders[1] == orders[2] and orders[2] == orders[3]):is_false()
end)

t.test("loader options", function()
   local order = {}
   for _, y in data.loader(small(), { batch_size = 4, shuffle = false, drop_last = true }) do order[#order + 1] = y:tolist() end
   t.expect(order):equals{ { 1, 2, 3, 1 } }
   for _ in data.loader(small():take(0)) do error "a batch of nothing" end
   t.expect(function() data.loader(small(), { batch_size = 0 }) end):raises "batch_size must be a whole number of at least 1"
   t.expect(function() data.loader(small(), { batchsize = 1 }) end):raises "did you mean 'batch_size'?"
   t.expect(function() data.loader(small(), { bucket = 2, shuffle = false }) end):raises "with shuffle = false"
end)

t.test("shuffles come from the stream named order, and from no other", function()
   local function first(stream)
      local _, _, index = data.loader(small(), { batch_size = 6, stream = stream }):next()
      return index:tolist()
   end
   engram.seed(5)
   local a = first()
   engram.seed(5)
   engram.rand(10)
   t.expect(first()):equals(a)
   engram.seed(5)
   t.expect(first "order"):equals(a)
end)

t.test("a loader goes on where its state was saved", function()
   local function rest(loader)
      local list = {}
      for _, _, index in loader do list[#list + 1] = index:tolist() end
      return list
   end
   local loader = data.loader(small(), { batch_size = 2 })
   loader:next()
   local state = loader:state()
   local other = data.loader(small(), { batch_size = 2 })
   other:load_state(state)
   local expected = rest(loader)
   t.expect(rest(other)):equals(expected)
   loader:next()                                              -- the state stays what it was
   other:load_state(state)
   t.expect(rest(other)):equals(expected)
   t.expect(function() other:load_state() end):raises "expected what state() gave, { position =, order = }, got nil"
   t.expect(function() other:load_state{} end):raises "got a table without a position"
   t.expect(function() data.loader(small():take(3)):load_state{ position = 0, order = engram.arange(6) } end)
      :raises "the saved order has 6 items, the data set 3"
end)

t.test("a loader works across scopes", function()
   local loader, count = data.loader(small(), { batch_size = 2 }), 0
   for _ = 1, 3 do
      engram.scope(function()
         local x = loader:next()
         count = count + #x
      end)
   end
   t.expect(count):equals(6)
   t.expect(loader:next()):is_nil()
end)

-- ---- glyphs -----------------------------------------------------------------------------------------------

t.test("glyphs: shape, balance, range", function()
   for _, name in ipairs{ "glyphs/digits", "glyphs/garments" } do
      local set = data.load(name, { train = 200, test = 50 })
      t.expect(set.train.images.shape):equals{ 200, 1, 28, 28 }
      t.expect({ set.test:size(), set.classes, set.train.images.dtype }):equals{ 50, 10, "uint8" }
      for class = 1, 10 do t.expect(set.train:only{ class }:size()):equals(20) end
      local x = set.train:batch{ 1, 2, 3 }
      t.expect(x:max():item() <= 1 and x:min():item() >= 0 and x:max():item() > 0.4):is_true()
      t.expect(#set.train.class_names):equals(10)
   end
end)

t.test("glyphs: the same on every machine, whatever else was drawn", function()
   engram.seed(11)
   engram.rand(5)
   local digits = data.load("glyphs/digits", { train = 100, test = 10 })
   local garments = data.load("glyphs/garments", { train = 100, test = 10 })
   t.expect(digits.train:content_hash():sub(1, 16)):equals "70612ef750f21917"
   t.expect(garments.train:content_hash():sub(1, 16)):equals "117450f0194a494f"
end)

t.test("glyphs: the first items do not depend on how many are asked for; train, test and seeds differ", function()
   local few, many = data.load("glyphs/digits", { train = 30, test = 30 }), data.load("glyphs/digits", { train = 700, test = 30 })
   t.expect(many.train:take(30):content_hash()):equals(few.train:content_hash())
   t.expect(few.test:content_hash()):differs_from(few.train:content_hash())
   t.expect(data.load("glyphs/digits", { train = 30, test = 30, seed = 1 }).train:content_hash())
      :differs_from(few.train:content_hash())
end)

-- ---- IDX files --------------------------------------------------------------------------------------------

local function idx_folder()
   local folder = t.temporary_folder()
   for part, n in pairs{ train = 4, t10k = 2 } do
      t.write(("%s/%s-images-idx3-ubyte"):format(folder, part), idx({ n, 2, 3 }, ("\0\51\102\153\204\255"):rep(n)))
      t.write(("%s/%s-labels-idx1-ubyte"):format(folder, part), idx({ n }, ("\0\1"):rep(n / 2)))
   end
   return folder
end

t.test("a folder of IDX files, packed or not", function()
   local folder = idx_folder()
   for pass = 1, 2 do
      if pass == 2 then os.execute("gzip " .. folder .. "/*") end
      local set = data.load(folder)
      t.expect(set.train.images.shape):equals{ 4, 1, 2, 3 }
      t.expect(set.train.labels):equals{ 1, 2, 1, 2 }
      t.expect(set.test:size()):equals(2)
      t.expect((set.train:batch{ 1 }):view(6)):close_to({ 0, 0.2, 0.4, 0.6, 0.8, 1 }, 1e-6)
   end
end)

t.test("data.load's own options", function()
   local folder = idx_folder()
   local set = data.load(folder, { train = 2, mean = 0.5, deviation = 0.5 })
   t.expect(set.train:size()):equals(2)
   t.expect((set.test:batch{ 1 }):view(6)):close_to({ -1, -0.6, -0.2, 0.2, 0.6, 1 }, 1e-6)
   t.expect(function() data.load(folder, { trian = 2 }) end):raises "did you mean 'train'?"
   t.expect(function() data.load("glyphs/digits", { sead = 2 }) end):raises "did you mean 'seed'?"
end)

t.test("IDX pairs that do not belong together are refused", function()
   local folder = idx_folder()
   local images, labels = folder .. "/train-images-idx3-ubyte", folder .. "/train-labels-idx1-ubyte"
   t.expect(data.idx(images, labels, { name = "mine", classes = 5 }).classes):equals(5)
   t.expect(function() data.idx(labels, images) end):raises "expected one whole number an item"
   t.expect(function() data.idx(images, folder .. "/t10k-labels-idx1-ubyte") end):raises "4 images, but 2 labels"
   t.expect(function() data.idx(images, folder .. "/none") end):raises "none: cannot open: No such file"
   t.write(labels, idx({ 4 }, "\0\1"))
   t.expect(function() data.load(folder) end):raises "ends after 10 of 12 bytes: the file is truncated; fetch it again"
   t.expect(function() data.load(t.temporary_folder()) end):raises "train-images-idx3-ubyte: cannot open"
end)

-- ---- the registry -----------------------------------------------------------------------------------------

t.test("data sets have names, and users can add theirs", function()
   data.register("test/small", { doc = "for tests", options = { "shift" }, load = function(options)
      return { train = small{ shift = options.shift }, test = small():take(3) }
   end })
   local set = data.load("test/small", { shift = 2, test = 1 })
   t.expect({ set.name, set.classes, set.train.shift, set.test:size() }):equals{ "test/small", 3, 2, 1 }
   t.expect(table.concat(data.names(), " ")):contains "glyphs/digits glyphs/garments"
   t.expect(function() data.load "mnits" end):raises "there is no data set 'mnits', did you mean 'mnist'?"
   t.expect(function() data.load(3) end):raises "expected a name, got number"
   t.expect(function() data.register("x", {}) end):raises "'x' has no load function"
   t.expect(function() data.register "x" end):raises "'x' has no load function"
   t.expect(function() data.idx() end):raises "data.idx: images: expected a path, got nil"
   t.expect(function() data.idx("a", 1) end):raises "data.idx: labels: expected a path, got number"
end)

if os.getenv "ENGRAM_DATA" and data.folders()[1] then
   t.test("real MNIST and Fashion-MNIST", function()
      for _, name in ipairs{ "mnist", "fashion-mnist" } do
         local set = data.load(name)
         t.expect(set.train.images.shape):equals{ 60000, 1, 28, 28 }
         t.expect(set.test.images.shape):equals{ 10000, 1, 28, 28 }
         t.expect(set.classes):equals(10)
      end
      t.expect(data.load("mnist").train:take(5).labels):equals{ 6, 1, 5, 2, 10 }
   end)
else
   t.skip("real MNIST and Fashion-MNIST", "ENGRAM_DATA is not set")
end

-- A linear classifier cannot do it, a small convolutional network can: measured at full size in docs/data.md; here the
-- sizes are cut so that the test stays short.
local function accuracy(model, set)
   model:eval()
   local hits = 0
   for x, y in data.loader(set, { batch_size = 200, shuffle = false }) do
      hits = hits + engram.no_grad(function() return model(x):argmax(2):eq(y):sum():item() end)
   end
   return 100 * hits / set:size()
end

t.test("glyphs are learnt by a small convolutional network", function()
   engram.seed(1)
   local set = data.load("glyphs/digits", { train = 1500, test = 300 })
   local model = nn.Sequential{ nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(3), nn.Flatten(), nn.Linear(512, 10) }
   for _ = 1, 4 do
      for x, y in data.loader(set.train, { batch_size = 20 }) do
         model:zero_grad()
         nn.cross_entropy(model(x), y):backward()
         engram.no_grad(function() for _, p in ipairs(model:parameters()) do p:sub_(p.grad, 0.2) end end)
      end
   end
   t.expect(accuracy(model, set.test)):above(80)
end)

t.test("labels must be whole numbers", function()
   t.expect(function() engram.data.dataset{ images = engram.randn(2, 3), labels = { 1, 1.5 } } end):raises(
      "label 2 is 1.5, expected a whole number")
end)

t.test("labels of a tensor, a loader that is let go, and random streams that are nobody's", function()
   local set = data.dataset{ images = engram.ones(4, 1), labels = { 1, 2, 1, 2 }, class_names = { "a", "b" } }
   local other = set:with_labels(engram.tensor({ 3, 1, 2, 2 }, { dtype = "int64" }))
   t.expect({ other.classes, other.class_names, other.labels:tolist() }):equals{ 3, nil, { 3, 1, 2, 2 } }
   t.expect(function() set:with_labels(engram.tensor({ 3, 1, 2, 2 }, { dtype = "int64" }), 2) end):raises "labels run from 1 to 3"
   t.expect(function() set:with_labels(engram.ones(3):long()) end):raises "4 images, but 3 labels"
   local loader = data.loader(set, { batch_size = 2 })
   loader:next()
   loader:release()
   t.expect(loader:state().order):is_nil()
   local before = engram.json.encode(engram.random.state())
   local first = engram.randperm(9, { stream = engram.random.private(5, "mine") }):tolist()
   t.expect(engram.randperm(9, { stream = engram.random.private(5, "mine") }):tolist()):equals(first)
   t.expect(engram.json.encode(engram.random.state())):equals(before)
end)

t.done()
