-- Validation sets that are held out, test sets that stay sealed, and what a training notes of its looks at them.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local streams = cl.streams

-- 90 items of three classes, 60, 20 and 10 of them, each known by its number.
local function numbered()
   local labels = {}
   for i = 1, 90 do labels[i] = i % 9 < 6 and 1 or i % 9 < 8 and 2 or 3 end
   return engram.data.dataset{ name = "numbered", images = engram.arange(1, 90):to("float32"):reshape(90, 1), labels = labels, classes = 3 }
end

local function numbers(set) return set.images:reshape(-1):to("int64"):tolist() end

local function counts(set)
   local found = { 0, 0, 0 }
   for _, label in ipairs(set.labels:tolist()) do found[label] = found[label] + 1 end
   return found
end

-- ---- what is held out -------------------------------------------------------------------------------------

t.test("a share of every class is held out, in the order of the data, and nothing is lost or met twice", function()
   local held, kept = numbered():hold_out(0.1)
   t.expect(counts(held)):equals{ 6, 2, 1 }
   t.expect(counts(kept)):equals{ 54, 18, 9 }
   local seen = {}
   for _, set in ipairs{ held, kept } do
      local before = 0
      for _, i in ipairs(numbers(set)) do
         t.expect(i):above(before)
         seen[i], before = (seen[i] or 0) + 1, i
      end
   end
   for i = 1, 90 do t.expect(seen[i]):equals(1) end
   for i, label in ipairs(held.labels:tolist()) do
      t.expect(label):equals(numbered().labels:tolist()[numbers(held)[i]])
   end
end)

t.test("a number of items is dealt by largest remainders", function()
   t.expect(counts((numbered():hold_out(10)))):equals{ 7, 2, 1 }           -- 6.67, 2.22, 1.11
   t.expect(counts((numbered():hold_out(4)))):equals{ 3, 1, 0 }            -- 2.67, 0.89, 0.44
   t.expect(numbered():hold_out(89).labels:size(1)):equals(89)
end)

t.test("the seed alone says which, and no random stream of the run is touched", function()
   engram.seed(3)
   local before = engram.json.encode(engram.random.state().counters)
   local first = numbers((numbered():hold_out(0.2)))
   engram.seed(4)
   t.expect(numbers((numbered():hold_out(0.2)))):equals(first)
   t.expect(numbers((numbered():hold_out(0.2, 1)))):differs_from(first)
   engram.seed(3)
   t.expect(engram.json.encode(engram.random.state().counters)):equals(before)
end)

t.test("what cannot be held out is told", function()
   local function refused(share, text) t.expect(function() numbered():hold_out(share) end):raises(text) end
   refused(0, "holds out 0 of 90 items")
   refused(-1, "hold_out: share: expected a fraction or a number of items up to 90, got -1")
   refused(1.5, "got 1.5")
   refused("a tenth", "got a tenth")
   refused(90, "holds out 90 of 90 items: some must be held, some must stay")
   refused(0.001, "holds out 0 of 90 items")
end)

-- ---- streams ----------------------------------------------------------------------------------------------

local small = { train = 200, test = 100, tasks = 5 }
local function with(more)
   local all = {}
   for _, options in ipairs{ small, more } do for key, value in pairs(options) do all[key] = value end end
   return all
end

t.test("every maker holds out, and its test sets stay as they were", function()
   local makers = { split = streams.split, permuted = streams.permuted, rotated = streams.rotated }
   for name, make in pairs(makers) do
      local options = name == "split" and { scenario = "task" } or { tasks = 2 }
      local plain = make("glyphs/digits", with(options))
      options.validation = 0.1
      local held = make("glyphs/digits", with(options))
      for k, task in ipairs(held) do
         t.expect({ name, task:items "train" + task:items "validation" }):equals{ name, plain[k]:items "train" }
         t.expect(task:items "validation"):equals(plain[k]:items "train" / 10)
         t.expect({ task.train:size(), task.validation:size() }):equals{ task:items "train", task:items "validation" }
         t.expect({ task:identity "test", task.test:content_hash() }):equals{ plain[k]:identity "test", plain[k].test:content_hash() }
         local low, high = task.validation.labels:min():item(), task.validation.labels:max():item()
         t.expect(low >= task.first_class and high <= task.last_class):is_true()
      end
      t.expect(held:hash()):differs_from(plain:hash())
      t.expect(held:task_hash(1)):differs_from(plain:task_hash(1))
   end
end)

t.test("a stream of any kind: the images that are held are not among those that are trained on", function()
   local function keys(set)
      local flat = set.images:reshape(set:size(), -1):to "float64"
      return (flat * engram.arange(1, flat:size(2)):to "float64"):sum(2):tolist()
   end
   local cut = { train = 200, test = 100 }
   for _, stream in ipairs{ cl.stream{ cl.task("glyphs/digits", { limit = 200, test_limit = 100 }) },
      streams.split("glyphs/digits", with{ scenario = "class" }), streams.permuted("glyphs/digits", { tasks = 2, train = 200, test = 100 }),
      streams.rotated("glyphs/digits", { tasks = 2, train = 200, test = 100, scenario = "class" }),
      streams.drift(streams.pad(streams.split("glyphs/digits", cut)), { rate = 0.2 }) } do
      local held = streams.validation(stream, { share = 0.15 })
      for k, task in ipairs(held) do
         local kept, all = {}, keys(stream[k].train)
         local own = keys(task.validation)
         for _, key in ipairs(keys(task.train)) do kept[key] = true end
         for _, key in ipairs(own) do t.expect(kept[key]):is_nil() end
         local both = keys(task.train)
         for _, key in ipairs(own) do both[#both + 1] = key end
         table.sort(both)
         table.sort(all)
         t.expect(both):equals(all)
         t.expect(task:labels("validation"):tolist()):equals(task.validation.labels:tolist())
      end
      t.expect(streams.validation(stream, { share = 0.15 }):hash()):equals(held:hash())
      t.expect(streams.validation(stream, { share = 0.15, seed = 1 }):hash()):differs_from(held:hash())
   end
end)

t.test("for the items that are held the others are not made", function()
   local made = {}
   local change = { recipe = "counted", by_item = true, labels = function(labels) return labels end,
      make = function(set)
         made[#made + 1] = set:size()
         return set
      end }
   local stream = cl.stream{ cl.task("glyphs/digits", { limit = 200, test_limit = 100 }):derive{ train = change } }
   local task = streams.validation(streams.pad(stream), { share = 0.15 })[1]
   t.expect({ task.validation:size(), task.train:size() }):equals{ 30, 170 }
   t.expect(made):equals{ 30, 170 }
end)

t.test("what changes test items changes validation items alike", function()
   local before = streams.split("glyphs/digits", with{ scenario = "task", validation = 0.2 })
   local after = streams.pad(before, { size = 32 })
   t.expect(after[2].validation.images.shape):equals{ before[2]:items "validation", 1, 32, 32 }
   t.expect(after[2].validation.images:narrow(3, 3, 28):narrow(4, 3, 28):equal(before[2].validation.images)):is_true()
   local drifted = streams.drift(before, { rate = 1 })
   t.expect(drifted[2].validation.images:equal(before[2].validation.images)):is_false()
   t.expect(drifted[2].validation.images:to("float64"):sum():item()):equals(before[2].validation.images:to("float64"):sum():item())
end)

t.test("permuted tasks hold out the same images, and so do tasks that come again", function()
   local stream = streams.permuted("glyphs/digits", { tasks = 2, train = 200, test = 100, validation = 20 })
   local function inks(k) return stream[k].validation.images:to("float64"):sum({ 2, 3, 4 }):tolist() end
   t.expect(inks(2)):equals(inks(1))
   local again = streams.validation(streams.recur(streams.split("glyphs/digits", with{ scenario = "task" })), { share = 0.1 })
   t.expect(again[6].validation.images:equal(again[1].validation.images)):is_true()
end)

t.test("a blurred stream, or one that has validation sets, is refused", function()
   local stream = streams.split("glyphs/digits", with{ scenario = "task" })
   t.expect(function() streams.validation(streams.blur(stream)) end):raises "hold out before the stream is blurred"
   t.expect(function() streams.validation(streams.validation(stream)) end):raises "has a validation set already"
   local blurred = streams.blur(streams.validation(stream))
   t.expect(blurred[1]:items "validation"):equals(4)
end)

-- ---- the seal ---------------------------------------------------------------------------------------------

t.test("a sealed test set is not to be had, whatever is made of the stream; its hash and its size are", function()
   local stream = streams.split("glyphs/digits", with{ scenario = "task", validation = 0.1 })
   local sealed = stream:seal()
   for _, one in ipairs{ sealed, streams.pad(sealed), streams.recur(sealed), streams.online(sealed),
      cl.stream{ sealed[1], sealed[2] } } do
      t.expect(one:is_sealed()):is_true()
      t.expect(function() return one[1].test end):raises "the test set of '0+1' is sealed"
      t.expect(one[1].validation:size()):equals(4)
   end
   t.expect(function() return sealed[1]:draw "test" end):raises "stream:unseal()"
   t.expect({ sealed:hash(), sealed[2]:items "test" }):equals{ stream:hash(), 20 }
   t.expect(sealed:unseal()[1].test:size()):equals(20)
   t.expect({ stream:is_sealed(), sealed:unseal():is_sealed() }):equals{ false, false }
end)

local function train(stream, options)
   local given = { stream = stream, seed = 2, batch_size = 10,
      model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
      optimizer = function(model) return optim.SGD(model, { lr = 0.1 }) end }
   for key, value in pairs(options or {}) do given[key] = value end
   return cl.train(given)
end

local held = streams.split("glyphs/digits", with{ scenario = "task", validation = 0.2 })

t.test("evaluate_on: validation, test or both; the training is the same to the bit, and looks are counted", function()
   local test, validation, both = train(held), train(held, { evaluate_on = "validation" }), train(held, { evaluate_on = "both" })
   t.expect({ validation.hash, both.hash }):equals{ test.hash, test.hash }
   t.expect(both.accuracy):equals(test.accuracy)
   t.expect(both.validation.accuracy):equals(validation.accuracy)
   t.expect(both.validation.metrics.forward_transfer):equals(validation.metrics.forward_transfer)
   t.expect(validation.accuracy[5]):differs_from(test.accuracy[5])
   t.expect({ test.test_looks, validation.test_looks, both.test_looks }):equals{ 6, 0, 6 }         -- before all tasks, after each
   t.expect({ test.evaluated_on, validation.evaluated_on, both.evaluated_on }):equals{ "test", "validation", "test" }
   t.expect(validation.accuracy.items):equals{ 8, 8, 8, 8, 8 }
   local last = cl.metrics.accuracy(validation.model, held[5].validation, { answers = function(logits)
      return cl.scenario.answers(held, logits, 5, 5)
   end })
   t.expect(validation.accuracy[5][5]):equals(last)
end)

t.test("continual evaluation looks where the matrix does", function()
   local validation = train(held, { evaluate_on = "validation", evaluate_every = 2, evaluate_items = 1000 })
   t.expect(validation.test_looks):equals(0)
   t.expect(validation.continual[#validation.continual].accuracy[5]):close_to(validation.accuracy[5][5], 1e-12)
   t.expect(train(held, { evaluate_every = 2 }).test_looks):equals(6 + 5 * 3)                      -- steps 0, 2 and 4 of every task
end)

t.test("a training that chooses holds out a tenth where the stream has nothing to choose by", function()
   local stream = streams.split("glyphs/digits", with{ scenario = "task" })
   local run = train(stream, { evaluate_on = "validation" })
   t.expect(run.stream_hash):equals(streams.validation(stream, { share = 0.1 }):hash())
   t.expect(run.accuracy.items):equals{ 4, 4, 4, 4, 4 }
end)

t.test("a training that chooses says which tasks have nothing to choose by, where others have", function()
   local stream = cl.stream{ cl.task("glyphs/digits", { limit = 40, test_limit = 10, validation = 0.1 }),
      cl.task("glyphs/garments", { limit = 40, test_limit = 10 }) }
   for _, on in ipairs{ "validation", "both" } do
      t.expect(function() train(stream, { evaluate_on = on }) end):raises("cl.train: evaluate_on = '" .. on .. "' needs a validation " ..
         "set of every task, and task 2, 'glyphs/garments', has none: hold it out by cl.task(..., { validation = 0.1 })")
   end
end)

t.test("what is held out after labels were made wrong, or tasks cut unlike, would be no measure", function()
   local stream = streams.permuted("glyphs/digits", { tasks = 2, train = 100, test = 20 })
   for name, changed in pairs{ label_noise = streams.label_noise(stream), imbalance = streams.imbalance(stream, { over = "tasks" }) } do
      for _, late in ipairs{ changed, streams.recur(changed) } do
         t.expect(function() streams.validation(late) end):raises("cl.streams.validation: cl.streams." .. name .. " has changed the " ..
            "training items of task '" .. late[1].name .. "'")
         t.expect(function() train(late, { evaluate_on = "validation" }) end):raises "hold out before it, by cl.task(..., { validation ="
      end
   end
   local noisy = streams.label_noise(streams.validation(stream, { share = 0.2 }), { rate = 1 })
   t.expect(noisy[1].validation.labels:tolist()):equals(streams.validation(stream, { share = 0.2 })[1].validation.labels:tolist())
end)

t.test("a training on a sealed stream cannot be judged by its test sets", function()
   for _, on in ipairs{ "test", "both" } do
      t.expect(function() train(held:seal(), { evaluate_on = on }) end):raises "give stream:unseal()"
   end
   local reached
   t.expect(function() train(held, { evaluate_on = "validation", on_step = function(s) reached = s.stream[1].test end }) end)
      :raises "is sealed"
   t.expect(reached):is_nil()
   t.expect(train(held:seal(), { evaluate_on = "validation" }).hash):equals(train(held).hash)
   t.expect(function() train(held, { evaluate_on = "validation", protocol = "published" }) end):raises "leave out one of them"
   t.expect(function() train(held, { evaluate_on = "tests" }) end):raises "did you mean 'test'"
end)

t.test("a fork counts its own looks", function()
   local two = streams.permuted("glyphs/digits", { tasks = 2, train = 100, test = 50, validation = 0.2 })
   local base = train(cl.stream{ two[1] })
   local fork = cl.fork(base, { stream = two, evaluate_on = "validation" })
   t.expect({ base.test_looks, fork.test_looks }):equals{ 2, 0 }
   t.expect(fork.hash):equals(train(two).hash)
end)

t.test("a data set is not for choosing and for testing at once", function()
   local digits = engram.data.load("glyphs/digits", { train = 20, test = 10 })
   t.expect(function() engram.cl.task{ train = digits.train, test = digits.test, validation = digits.test } end)
      :raises "cl.task: validation and test are the same data set"
   t.expect(function() return engram.cl.stream{ engram.cl.task(digits) }:seal()[1]:labels "test" end):raises "is sealed"
end)

t.done()
