-- test_streams.lua: every stream against an independent calculation, its hash, and that it needs the memory of one task.
local t = require "tests.harness"
local engram = require "engram"
local cl = engram.cl
local streams = cl.streams

local function digits(options)
   local all = { train = 60, test = 30 }
   for key, value in pairs(options or {}) do all[key] = value end
   return all
end
local raw = engram.data.load("glyphs/digits", { train = 60, test = 30 })

local function sum(list)
   local total = 0
   for _, v in ipairs(list) do total = total + v end
   return total
end

local function sorted(list)
   table.sort(list)
   return list
end

-- One number for each item, by which it is known again.
local function keys(set)
   local flat = set.images:reshape(set:size(), -1):to("float64")
   return (flat * engram.arange(1, flat:size(2)):to "float64"):sum(2):tolist()
end

-- ---- split ------------------------------------------------------------------------------------------------

t.test("split: contiguous classes in the fixed order, every item once", function()
   local stream = streams.split("glyphs/digits", digits{ tasks = 5, scenario = "class" })
   t.expect(#stream):equals(5)
   t.expect(stream.classes):equals(10)
   local items, seen = 0, {}
   for k, task in ipairs(stream) do
      t.expect({ task.label, task.first_class, task.last_class }):equals{ k, 2 * k - 1, 2 * k }
      t.expect({ task.train.labels:min():item(), task.train.labels:max():item() }):equals{ 2 * k - 1, 2 * k }
      items = items + task.train:size()
      for _, key in ipairs(keys(task.train)) do seen[#seen + 1] = key end
   end
   t.expect(items):equals(60)
   t.expect(sorted(seen)):equals(sorted(keys(raw.train)))
   t.expect(stream[2].name):equals "2+3"
end)

t.test("split: a class keeps its items, and its label follows the order", function()
   local stream = streams.split("glyphs/digits", digits{ tasks = 5, scenario = "task", order = 7 })
   local dealt = {}
   for _, task in ipairs(stream) do
      for place, class in ipairs(task.of_classes) do
         dealt[#dealt + 1] = class
         local own = task.test:only{ task.first_class + place - 1 }
         t.expect(keys(own)):equals(keys(raw.test:only{ class }))
      end
   end
   t.expect(dealt):differs_from{ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }
   t.expect(sorted(dealt)):equals{ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }
   local again = streams.split("glyphs/digits", digits{ tasks = 5, scenario = "task", order = 7 })
   t.expect(again:hash()):equals(stream:hash())
   t.expect(streams.split("glyphs/digits", digits{ tasks = 5, scenario = "task", order = 8 }):hash()):differs_from(stream:hash())
end)

t.test("split, domain: labels begin at 1 in every task", function()
   local stream = streams.split("glyphs/digits", digits{ tasks = 2 })
   t.expect(stream.classes):equals(5)
   t.expect(stream[2].train.labels:min():item()):equals(1)
   t.expect(stream[2].train.labels:max():item()):equals(5)
end)

-- ---- permuted ---------------------------------------------------------------------------------------------

local function pixels(set, item) return set.images[item]:reshape(-1):tolist() end

t.test("permuted: one bijection of the pixels a task, the same for train and test", function()
   local marks = engram.arange(0, 15):byte():reshape(1, 1, 4, 4)
   local set = engram.data.dataset{ name = "marks", images = marks, labels = { 1 }, classes = 2 }
   local stream = streams.permuted({ name = "marks", train = set, test = set }, { tasks = 3, seed = 4 })
   local orders = {}
   for k, task in ipairs(stream) do
      orders[k] = pixels(task.train, 1)
      t.expect(pixels(task.test, 1)):equals(orders[k])
      t.expect(sorted{ unpack(orders[k]) }):equals(marks:reshape(-1):tolist())
   end
   t.expect(orders[1]):differs_from(orders[2])
   t.expect(orders[2]):differs_from(orders[3])
   local identity = streams.permuted({ train = set, test = set }, { tasks = 2, seed = 4, first = "identity" })
   t.expect(pixels(identity[1].train, 1)):equals(marks:reshape(-1):tolist())
   t.expect(pixels(identity[2].train, 1)):equals(orders[2])
end)

t.test("permuted: the channels of a pixel stay together", function()
   local images = engram.arange(0, 17):byte():reshape(1, 2, 3, 3)
   local set = engram.data.dataset{ images = images, labels = { 1 } }
   local x = pixels(streams.permuted(set, { tasks = 1, seed = 1 })[1].train, 1)
   for i = 1, 9 do t.expect(x[i + 9]):equals(x[i] + 9) end
end)

t.test("permuted on padded pictures moves the border too", function()
   local stream = streams.permuted("glyphs/digits", digits{ tasks = 2, pad = 32 })
   t.expect(stream[1].train.images.shape):equals{ 60, 1, 32, 32 }
   t.expect(sum(pixels(stream[2].train, 3))):equals(sum(pixels(raw.train, 3)))
end)

-- ---- rotated ----------------------------------------------------------------------------------------------

-- A picture (list of rows) turned counter-clockwise, pixel by pixel, in plain Lua.
local function turned(rows, degrees)
   local n, out = #rows, {}
   local c, s, middle = math.cos(math.rad(degrees)), math.sin(math.rad(degrees)), (#rows + 1) / 2
   local function at(y, x) return rows[y] and rows[y][x] or 0 end
   for y = 1, n do
      out[y] = {}
      for x = 1, n do
         local px, py = x - middle, y - middle
         local sx, sy = c * px - s * py + middle, s * px + c * py + middle
         local x0, y0 = math.floor(sx), math.floor(sy)
         local fx, fy = sx - x0, sy - y0
         local top = (1 - fx) * at(y0, x0) + fx * at(y0, x0 + 1)
         local bottom = (1 - fx) * at(y0 + 1, x0) + fx * at(y0 + 1, x0 + 1)
         out[y][x] = (1 - fy) * top + fy * bottom
      end
   end
   return out
end

t.test("rotated: bilinear, as a plain loop turns it", function()
   local images = engram.rand(3, 1, 7, 7, { stream = "turn", dtype = "float64" }):keep()
   local set = engram.data.dataset{ images = images, labels = { 1, 2, 1 } }
   local angles = { 0, 30, 90, 133.7 }
   local stream = streams.rotated({ name = "r", train = set, test = set }, { angles = angles })
   for k, angle in ipairs(angles) do
      for item = 1, 3 do
         t.expect(stream[k].train.images[{ item, 1 }]:tolist()):close_to(turned(images[{ item, 1 }]:tolist(), angle), 1e-5)
      end
   end
   t.expect(stream[1].train.images:equal(images)):is_true()
end)

t.test("rotated: a quarter turn is counter-clockwise, and bytes are rounded", function()
   local picture = engram.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = "uint8" }):reshape(1, 1, 2, 2)
   local set = engram.data.dataset{ images = picture, labels = { 1 } }
   local stream = streams.rotated(set, { angles = { 90, 45 } })
   t.expect(stream[1].train.images:tolist()):equals{ { { { 2, 4 }, { 1, 3 } } } }
   local expected = turned({ { 1, 2 }, { 3, 4 } }, 45)
   for y = 1, 2 do
      for x = 1, 2 do
         t.expect(stream[2].train.images[{ 1, 1, y, x }]:item()):equals(math.floor(expected[y][x] + 0.5))
      end
   end
end)

-- Turned by 45 degrees the corners come from outside, nearest to the middles of the edges, and those middles from corners.
t.test("rotated: the nearest pixel, unmixed", function()
   local picture = engram.tensor({ { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } }, { dtype = "uint8" }):reshape(1, 1, 3, 3)
   local set = engram.data.dataset{ images = picture, labels = { 1 } }
   local stream = streams.rotated(set, { angles = { 45, 90, 10 }, interpolation = "nearest" })
   t.expect(stream[1].train.images:tolist()):equals{ { { { 2, 3, 6 }, { 1, 5, 9 }, { 4, 7, 8 } } } }
   t.expect(stream[2].train.images:tolist()):equals{ { { { 3, 6, 9 }, { 2, 5, 8 }, { 1, 4, 7 } } } }
   t.expect(stream[3].train.images:equal(picture)):is_true()
   t.expect(stream:hash()):differs_from(streams.rotated(set, { angles = { 45, 90, 10 } }):hash())
end)

t.test("rotated: angles of a seed lie in [0, 180)", function()
   local stream = streams.rotated("glyphs/digits", digits{ tasks = 40, seed = 2 })
   local lowest, highest = 180, 0
   for _, task in ipairs(stream) do lowest, highest = math.min(lowest, task.angle), math.max(highest, task.angle) end
   t.expect(lowest >= 0 and lowest < 30 and highest > 150 and highest < 180):is_true()
end)

-- ---- streams of streams -----------------------------------------------------------------------------------

local function permuted(n, more) return streams.permuted("glyphs/digits", digits{ tasks = n, seed = 1, epochs = more and more.epochs }) end

t.test("online: one epoch each", function()
   local stream = streams.online(permuted(2, { epochs = 5 }))
   t.expect({ stream[1].epochs, stream[2].epochs }):equals{ 1, 1 }
end)

t.test("iterations: so many steps a task, the last epoch cut short; online takes them back", function()
   local nn, optim = engram.nn, engram.optim
   local stream = streams.iterations(permuted(2, { epochs = 5 }), { steps = 7 })
   t.expect(stream:hash()):differs_from(permuted(2, { epochs = 5 }):hash())
   local epochs = {}
   local function run(s)
      return cl.train{ model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end, stream = s, batch_size = 20,
         seed = 1, optimizer = function(m) return optim.SGD(m) end, on_step = function(x) epochs[#epochs + 1] = x.epoch end }
   end
   t.expect(run(stream).steps):equals(14)
   t.expect(epochs):equals{ 1, 1, 1, 2, 2, 2, 3, 1, 1, 1, 2, 2, 2, 3 }
   t.expect(run(streams.online(stream)).steps):equals(6)
end)

t.test("pad and limit", function()
   local stream = streams.limit(streams.pad(permuted(2), { size = 30 }), { train = 7, test = 3 })
   t.expect(stream[2].train.images.shape):equals{ 7, 1, 30, 30 }
   t.expect(stream[2]:items "test"):equals(3)
   t.expect(stream[2].test:size()):equals(3)
   local plain = permuted(2)
   t.expect(stream[2].train.images[{ {}, 1, { 2, 29 }, { 2, 29 } }]:equal(plain[2].train.images[{ { 1, 7 }, 1 }])):is_true()
   t.expect(stream[2].train.images:long():sum():item()):equals(plain[2].train:take(7).images:long():sum():item())
end)

t.test("sequence: as cl.stream of tasks", function()
   local one = streams.sequence({ "glyphs/digits", "glyphs/garments" }, { limit = 20, test_limit = 10, scenario = "task", epochs = 2 })
   local two = cl.stream{ cl.task("glyphs/digits", { limit = 20, test_limit = 10, epochs = 2 }),
      cl.task("glyphs/garments", { limit = 20, test_limit = 10, epochs = 2 }), scenario = "task" }
   t.expect(one:hash()):equals(two:hash())
   t.expect(one.classes):equals(20)
   local each = streams.sequence({ "glyphs/digits", "glyphs/garments" }, { limit = 20, test_limit = 10, epochs = { 4, 1 } })
   t.expect({ each[1].epochs, each[2].epochs }):equals{ 4, 1 }
end)

t.test("recur: a task that comes again has its items and units, under a number of its own", function()
   local stream = streams.recur(streams.split("glyphs/digits", digits{ tasks = 5, scenario = "class" }), { pattern = { 1, 2, 1 } })
   t.expect(#stream):equals(3)
   t.expect({ stream[3].label, stream[3].first_class, stream[3].last_class }):equals{ 3, 1, 2 }
   t.expect(stream[3].train:content_hash()):equals(stream[1].train:content_hash())
   t.expect(stream.reach):equals{ 2, 4, 4 }
   t.expect(stream.classes):equals(10)
   stream[1]:release()
   t.expect(stream[3].train:size() > 0):is_true()
   t.expect({ stream[1].again, stream[2].again, stream[3].again }):equals{ false, false, true }
   local rounds = streams.recur(permuted(3), { times = 2, seed = 5 })
   t.expect(#rounds):equals(6)
   local hashes = {}
   for k = 1, 6 do hashes[k] = rounds:task_hash(k) end
   for _, k in ipairs{ 0, 7, "scenario" } do
      t.expect(function() rounds:task_hash(k) end):raises("expected the number of a task, 1 to 6, got " .. k)
   end
   t.expect(sorted{ hashes[4], hashes[5], hashes[6] }):equals(sorted{ hashes[1], hashes[2], hashes[3] })
end)

t.test("blur: no item is lost or met twice; the shares are those of the shape; the order is that of time", function()
   local n = 4000
   local function set_of(value)
      return engram.data.dataset{ name = "v" .. value, images = (engram.arange(1, n) * 10 + value):double():reshape(n, 1, 1, 1),
         labels = engram.full({ n }, value, { dtype = "int64" }), classes = 3 }
   end
   for shape, share in pairs{ linear = 0.25, sigmoid = 0.1155 } do           -- the mean of (1 - d) / 2, and of 1 / (1 + exp(6 d))
      local stream = streams.blur(cl.stream{ cl.task(set_of(1)), cl.task(set_of(2)), cl.task(set_of(3)) },
         { width = 0.5, shape = shape, seed = 3 })
      local all, guests = {}, {}
      for k, task in ipairs(stream) do
         t.expect(task.train:size()):equals(n)
         t.expect(task.ordered):is_true()
         local labels = task.train.labels:tolist()
         guests[k] = { before = 0, after = 0, near = 0 }
         for i, label in ipairs(labels) do
            if label ~= k then
               local side = i <= n / 2 and "before" or "after"
               t.expect(label):equals(side == "before" and k - 1 or k + 1)
               guests[k][side] = guests[k][side] + 1
               if i > n - 100 then guests[k].near = guests[k].near + 1 end
            end
         end
         for _, v in ipairs(task.train.images:reshape(-1):tolist()) do all[#all + 1] = v end
      end
      t.expect(#all):equals(3 * n)
      table.sort(all)
      for i = 2, #all do if all[i] == all[i - 1] then error "an item is there twice" end end
      t.expect(guests[1].before):equals(0)
      t.expect(guests[3].after):equals(0)
      t.expect(guests[1].after):equals(guests[2].before)
      t.expect(guests[2].after / (n / 2)):close_to(share, 0.12)
      t.expect(guests[1].near > 35 and guests[1].near < 62):is_true()        -- about half of the last hundred
   end
end)

t.test("imbalance: shares of classes and of tasks fall to the ratio", function()
   local stream = streams.imbalance(streams.split("glyphs/digits", { train = 1000, test = 30, tasks = 5, scenario = "class" }),
      { ratio = 0.1 })
   local counts = {}
   for _, task in ipairs(stream) do
      t.expect(task:items "train"):equals(task.train:size())
      for class = task.first_class, task.last_class do counts[class] = task.train.labels:eq(class):sum():item() end
   end
   for class = 1, 10 do t.expect(counts[class]):equals(math.floor(100 * 0.1 ^ ((class - 1) / 9) + 0.5)) end
   local tasks = streams.imbalance(permuted(3), { ratio = 0.25, over = "tasks" })
   t.expect({ tasks[1]:items "train", tasks[2].train:size(), tasks[3].train:size() }):equals{ 60, 30, 15 }
   local seeded = streams.imbalance(permuted(3), { ratio = 0.25, over = "tasks", seed = 3 })
   t.expect(sorted{ seeded[1].train:size(), seeded[2].train:size(), seeded[3].train:size() }):equals{ 15, 30, 60 }
end)

t.test("label noise: exactly the rate, never the true label, within the task; test labels stay", function()
   local clean = streams.split("glyphs/digits", { train = 1000, test = 30, tasks = 2, scenario = "task" })
   local stream = streams.label_noise(clean, { rate = 0.3, seed = 9 })
   for k, task in ipairs(stream) do
      local wrong = task.train.labels:ne(clean[k].train.labels):sum():item()
      t.expect(wrong):equals(math.floor(0.3 * task:items "train" + 0.5))
      t.expect(task.train.labels:min():item()):equals(task.first_class)
      t.expect(task.train.labels:max():item()):equals(task.last_class)
      t.expect(task.test.labels:equal(clean[k].test.labels)):is_true()
      for other = 1, 4 do                                                     -- each of the other classes is as likely
         local shift = (task.train.labels - clean[k].train.labels):remainder(5):eq(other):sum():item()
         t.expect(shift / wrong > 0.15 and shift / wrong < 0.35):is_true()
      end
   end
   t.expect(streams.label_noise(clean, { rate = 0 })[1].train.labels:equal(clean[1].train.labels)):is_true()
end)

t.test("drift: task 1 as it was; each further task moves the chosen share of pixels, on top of what was moved", function()
   local n = 400
   local set = engram.data.dataset{ images = engram.arange(0, n - 1):double():reshape(1, 1, 20, 20), labels = { 1 } }
   local stream = streams.drift(streams.recur(cl.stream{ cl.task(set) }, { times = 4 }), { rate = 0.25, seed = 2 })
   local before = pixels(stream[1].train, 1)
   t.expect(before):equals(set.images:reshape(-1):tolist())
   for _, k in ipairs{ 2, 3, 4 } do
      local now, moved = pixels(stream[k].train, 1), 0
      for i = 1, n do if now[i] ~= before[i] then moved = moved + 1 end end
      t.expect(moved):equals(100)
      t.expect(sorted{ unpack(now) }):equals(set.images:reshape(-1):tolist())
      t.expect(pixels(stream[k].test, 1)):equals(now)
      before = now
   end
   stream[2]:release()
   t.expect(pixels(stream[2].train, 1)):equals(pixels(stream[2].test, 1))       -- made again, out of order
end)

-- ---- laziness and hashes ----------------------------------------------------------------------------------

t.test("data are made when they are asked for, with the same bits each time, in any order", function()
   local stream = permuted(6)
   t.expect(stream[4]:has "train"):equals(false)
   t.expect(stream[4]:items "train"):equals(60)
   local last, first = stream[6].train:content_hash(), stream[1].train:content_hash()
   stream[6]:release()
   t.expect(stream[6]:has "train"):equals(false)
   t.expect(stream[1].train:content_hash()):equals(first)
   t.expect(stream[6].train:content_hash()):equals(last)
   t.expect(last):differs_from(first)
end)

t.test("making a stream draws nothing from the streams of a run", function()
   engram.seed(1)
   local before = engram.json.encode(engram.random.state())
   local stream = streams.label_noise(streams.blur(permuted(3)), { rate = 0.1 })
   t.expect(stream[2].train:size()):equals(60)
   t.expect(engram.json.encode(engram.random.state())):equals(before)
end)

t.test("a stream that is composed needs the memory of one task", function()
   local stream = streams.label_noise(streams.blur(streams.pad(permuted(50))), { rate = 0.1 })
   stream:hash()
   local function live()
      engram.collect()
      return engram.memory().live
   end
   local used = {}
   for k = 1, #stream do
      local task = stream[k]
      local total = task.train:size() + task.test:size()
      t.expect(total):equals(90)
      task:release()
      used[k] = live()
   end
   t.expect(used[50] <= used[2] + 64):is_true()
end)

t.test("hashes: the declared classes count, and so do the labels and items that follow from them", function()
   local function set(classes)
      return engram.data.dataset{ name = "d", images = engram.randn(40, 3, { stream = "x" }):keep(),
         labels = engram.randint(1, 2, 40, { stream = "x" }):keep(), classes = classes }
   end
   engram.seed(3)
   local two = set(2)
   engram.seed(3)
   local five = set(5)
   t.expect(two:content_hash()):equals(five:content_hash())
   for _, scenario in ipairs{ "domain", "task", "class" } do
      local function pair(make)
         local a, b = make(two), make(five)
         t.expect(a:hash()):differs_from(b:hash())
         t.expect(a:task_hash(1)):differs_from(b:task_hash(1))
         t.expect(make(two):hash()):equals(a:hash())
      end
      local function plain(data) return cl.stream{ cl.task(data), cl.task(data), scenario = scenario } end
      local function made(data) return streams.permuted(data, { tasks = 2, scenario = scenario }) end
      for _, make in ipairs{ plain, made } do
         pair(make)
         pair(function(data) return streams.label_noise(make(data), { rate = 1 }) end)
         pair(function(data) return streams.imbalance(make(data), { ratio = 0.1 }) end)
         pair(function(data) return streams.imbalance(streams.label_noise(make(data)), { ratio = 0.1 }) end)
      end
      local function noisy(data) return streams.label_noise(made(data), { rate = 1 }) end
      t.expect(noisy(two)[1]:identity "train"):differs_from(noisy(five)[1]:identity "train")       -- a part's own, too
      local function tail(data) return streams.imbalance(made(data), { ratio = 0.1 }) end
      t.expect(tail(two)[1]:items "train"):differs_from(tail(five)[1]:items "train")
      t.expect(tail(two)[1]:identity "train"):differs_from(tail(five)[1]:identity "train")
   end
end)

t.test("imbalance over tasks keeps an item of every class", function()
   local labels = {}
   for i = 1, 40 do labels[i] = i <= 30 and 1 or i <= 38 and 2 or 3 end                        -- in the order of their classes
   local set = engram.data.dataset{ name = "sorted", images = engram.arange(1, 40):reshape(40, 1):float(),
      labels = engram.tensor(labels, { dtype = "int64" }), classes = 3 }
   local function kept(make)
      local stream = streams.imbalance(make(set), { ratio = 0.1, over = "tasks" })
      local task = stream[#stream]
      t.expect(task:labels("train"):tolist()):equals(task.train.labels:tolist())
      return task.train.labels:tolist(), task:items "train"
   end
   for _, make in ipairs{ function(data) return cl.stream{ cl.task(data), cl.task(data) } end,
      function(data) return streams.permuted(data, { tasks = 2 }) end } do
      local list, items = kept(make)
      t.expect(list):equals{ 1, 1, 2, 3 }
      t.expect(items):equals(4)
   end
   local list = kept(function(data) return cl.stream{ cl.task(data), cl.task(data:take(30)) } end)      -- one class: the first three
   t.expect(list):equals{ 1, 1, 1 }
end)

t.test("drift: a rate that moves no pixel is refused, rate 0 is no drift", function()
   local ten = engram.data.dataset{ name = "ten", images = engram.rand(4, 1, 2, 5), labels = engram.ones(4):long(), classes = 1 }
   local stream = cl.stream{ cl.task(ten), cl.task(ten) }
   for _, rate in ipairs{ 0.01, 0.1, 0.14 } do
      t.expect(function() streams.drift(stream, { rate = rate }) end)
         :raises "fewer than two cannot change places: give a rate of at least 0.15"
   end
   local moved = streams.drift(stream, { rate = 0.15 })[2].train.images
   t.expect(moved:equal(stream[2].train.images)):equals(false)
   t.expect(streams.drift(stream, { rate = 0 })[2].train.images:equal(stream[2].train.images)):is_true()
end)

t.test("hashes: every choice counts, and they are what they were", function()
   local made = {
      split = streams.split("glyphs/digits", digits{ tasks = 5, scenario = "class" }),
      split_all = streams.split("glyphs/digits", digits{ tasks = 5, scenario = "class", outputs = "all" }),
      split_task = streams.split("glyphs/digits", digits{ tasks = 5, scenario = "task" }),
      permuted = permuted(3), rotated = streams.rotated("glyphs/digits", digits{ tasks = 3, seed = 1 }),
      recur = streams.recur(permuted(3)), blur = streams.blur(permuted(3)), imbalance = streams.imbalance(permuted(3)),
      noise = streams.label_noise(permuted(3)), drift = streams.drift(permuted(3)), pad = streams.pad(permuted(3)),
      limit = streams.limit(permuted(3), { train = 9 }), epochs = permuted(3, { epochs = 2 }),
      sequence = streams.sequence({ "glyphs/digits", "glyphs/garments" }, { limit = 20, test_limit = 10 }),
   }
   local owner = {}
   for name, stream in pairs(made) do
      local hash = stream:hash()
      if owner[hash] then error(("%s and %s have one hash"):format(name, owner[hash])) end
      owner[hash] = name
   end
   local golden = {
      blur = "979c9135557cc21d", drift = "bdc87316ae05c416", epochs = "489fcb0addc279e3", imbalance = "683908e777368ab7",
      limit = "279aefa703f0d35e", noise = "289143f41a547e96", pad = "09ce7f75bb78322e", permuted = "b074f4b9346d45fb",
      recur = "3d273e505ff9333f", rotated = "bca2081d4a0e3edc", sequence = "e9b7d406b3c2c886", split = "df2014151e2c312e",
      split_all = "21ff51a6b6cd2576", split_task = "8930f8324616ccfa"
   }
   for name, hash in pairs(golden) do t.expect(name .. " " .. made[name]:hash():sub(1, 16)):equals(name .. " " .. hash) end
end)

t.test("the bits of the tasks are what they were", function()
   local function content(stream, k) return stream[k].train:content_hash():sub(1, 16) end
   t.expect(content(streams.split("glyphs/digits", digits{ tasks = 5, order = 3 }), 2)):equals "a039d981aa431bb0"
   t.expect(content(permuted(3), 3)):equals "6da3f82217ca02e5"
   t.expect(content(streams.rotated("glyphs/digits", digits{ tasks = 3, seed = 1 }), 2)):equals "291b6165b8b98f13"
   t.expect(content(streams.blur(permuted(3)), 2)):equals "2e1e2c32e48c49e9"
   t.expect(content(streams.label_noise(permuted(3)), 2)):equals "a1f94bb6584d6d6e"
   t.expect(content(streams.drift(permuted(3)), 3)):equals "c02b92fc12402ede"
end)

-- ---- errors -----------------------------------------------------------------------------------------------

t.test("split: a class that the test set lacks has no items to test on, and its task has the others", function()
   local function set(labels) return engram.data.dataset{ images = engram.rand(#labels, 2), labels = labels } end
   local stream = streams.split({ train = set{ 1, 2, 3, 4 }, test = set{ 1, 2, 3 } }, { tasks = 2 })
   t.expect({ stream[2].test.labels:tolist(), stream[2].test.classes, stream[2]:items "test" }):equals{ { 1 }, 2, 1 }
   t.expect(function() streams.split({ train = set{ 1, 2, 3, 4 }, test = set{ 1, 2, 3 } }, { tasks = 4 }) end):raises
      "task 4 (4) has no items to test on"
end)

t.test("a part that a task does not have is told by name", function()
   local stream = permuted(2)
   for _, ask in ipairs{ "data", "draw", "labels", "items", "has", "identity", "release" } do
      t.expect(function() stream[1][ask](stream[1], "validation") end):raises("stream: task '" .. stream[1].name ..
         "' has no part 'validation', it has train, test")
      t.expect(function() stream[1][ask](stream[1], "tset") end):raises "has no part 'tset', it has train, test, did you mean 'test'?"
   end
   t.expect(stream[1].validation):is_nil()
end)

t.test("what cannot be is an error that says so", function()
   local function fails(f, message) t.expect(f):raises(message) end
   fails(function() streams.split("glyphs/digits", digits{ tasks = 3 }) end, "10 classes cannot be dealt evenly to 3 tasks")
   fails(function() streams.split("glyphs/digits", digits{ order = "random" }) end, "order must be 'fixed' or a seed")
   fails(function() streams.split("glyphs/digits", digits{ taks = 3 }) end, "did you mean 'tasks'?")
   fails(function() streams.split("mnits") end, "there is no data set 'mnits'")
   fails(function() streams.permuted("glyphs/digits", digits{ pad = 20 }) end, "pictures of 28x28 do not fit into 20x20")
   fails(function() streams.permuted("glyphs/digits", digits{ first = "identiy" }) end, "did you mean 'identity'?")
   fails(function() streams.rotated("glyphs/digits", digits{ angles = { 10, "x" } }) end, "angle 2 must be a number")
   fails(function() streams.rotated("glyphs/digits", digits{ angles = { 10 }, tasks = 3 }) end, "angles say how many tasks")
   fails(function() streams.rotated("glyphs/digits", digits{ interpolation = "linear" }) end, "did you mean 'bilinear'?")
   fails(function() streams.blur(raw.train) end, "expected a stream")
   fails(function() streams.blur(permuted(2), { width = 0.7 }) end, "width must be a number from 0 to 0.5")
   fails(function() streams.blur(permuted(2), { shape = "line" }) end, "did you mean 'linear'?")
   fails(function() streams.recur(permuted(2), { pattern = { 1, 3 } }) end, "element 2 is 3, expected the number of a task, 1 to 2")
   fails(function() streams.imbalance(permuted(2), { over = "class" }) end, "did you mean 'classes'?")
   fails(function() streams.label_noise(permuted(2), { rate = 0 / 0 }) end, "rate must be a number from 0 to 1")
   fails(function() streams.limit(permuted(2)) end, "give train, test or both")
   fails(function() streams.sequence "mnist" end, "expected a list of data sets")
   fails(function() streams.sequence({ "glyphs/digits", "glyphs/garments" }, { epochs = { 1 } }) end,
      "epochs has 1 numbers for 2 data sets")
   fails(function() return streams.splitt end, "did you mean 'split'?")
   local wide = engram.data.dataset{ images = engram.zeros(4, 1, 4, 4), labels = { 1, 2, 1, 2 }, scale = 2 }
   local plain = engram.data.dataset{ images = engram.zeros(4, 1, 4, 4), labels = { 1, 2, 1, 2 } }
   fails(function() return streams.blur(cl.stream{ cl.task(wide), cl.task(plain) }, { width = 0.5, seed = 1 })[1].train end,
      "differ in dtype or normalisation")
end)

t.done()
