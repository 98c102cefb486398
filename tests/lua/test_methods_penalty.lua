-- test_methods_penalty.lua: the methods that hold weights by a quadratic penalty, each convention against plain Lua numbers (plain.lua),
-- and the mistakes that others have made.
local t = require "tests.harness"
local plain = require "tests.plain"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl

local LR, BATCH = 0.1, 4

-- Items in float64; 10 of them, so that the last batch of an epoch is not full.
local function items(name, classes)
   return engram.data.dataset{ name = name, images = engram.randn(10, 3, { stream = name, dtype = "float64" }):keep(),
      labels = engram.randint(1, classes, 10, { stream = name }):keep(), classes = classes }
end
local first, second, third = items("first", 3), items("second", 3), items("third", 3)

local function make_model(outputs)
   return function() return nn.Sequential{ nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, outputs) }:to "float64" end
end
local function stream(scenario)
   return cl.stream{ cl.task(first), cl.task(second), cl.task(third), scenario = scenario or "domain" }
end
local function train(method, given)
   local options = { model = make_model(3), stream = stream(), batch_size = BATCH, seed = 5, shuffle = false, evaluate = "never",
      method = method, optimizer = function(model) return optim.SGD(model, { lr = LR }) end }
   for key, value in pairs(given or {}) do options[key] = value end
   return cl.train(options)
end

local function initial(outputs)
   engram.seed(5)
   return plain.from(make_model(outputs)():parameters())
end

local function expect_weights(run, w)
   t.expect(plain.from(run.model:parameters())):close_to(w, 1e-10)
end

-- ---- the size of gradients, by hand -----------------------------------------------------------------------

-- Sums of d log p(y) / d w, squared and weighted, over items; `rule` gives { { label, weight }, ... } for an item.
local function mean_of_squares(w, list, rule)
   local total = plain.zeros(w)
   for _, item in ipairs(list) do
      local z = plain.forward(w, item.x)
      for _, pair in ipairs(rule(plain.softmax(z, item.first, item.last), item)) do
         local g = plain.gradient(w, item.x, plain.seed(z, pair[1], item.first, item.last))
         plain.each(g, function(i, j) total[i][j] = total[i][j] + pair[2] * g[i][j] ^ 2 / #list end)
      end
   end
   return total
end

local function most_probable(p)
   local best = 1
   for o = 2, #p do if p[o] > p[best] then best = o end end
   return best
end

local rules = {
   exact = function(p)
      local list = {}
      for c = 1, #p do if p[c] > 0 then list[#list + 1] = { c, p[c] } end end
      return list
   end,
   empirical = function(_, item) return { { item.y, 1 } } end,
   argmax = function(p) return { { most_probable(p), 1 } } end,
   weighted = function(p, item) return { { item.y, p[item.y] } } end,
}

-- Mean over batches of the squared mean gradient; label(p, item) tells whose label.
local function mean_of_squared_means(w, batches, label)
   local total = plain.zeros(w)
   for _, batch in ipairs(batches) do
      local mean = plain.zeros(w)
      for _, item in ipairs(batch) do
         local z = plain.forward(w, item.x)
         local y = label(plain.softmax(z, item.first, item.last), item)
         plain.add(mean, plain.gradient(w, item.x, plain.seed(z, y, item.first, item.last)), 1 / #batch)
      end
      plain.each(mean, function(i, j) total[i][j] = total[i][j] + mean[i][j] ^ 2 / #batches end)
   end
   return total
end

-- ---- EWC --------------------------------------------------------------------------------------------------

-- A training with penalties sum over memory of factor F (w - anchor)^2; about: { factor, F = function(w, items, batches), merge }.
local function ewc_by_hand(about, w, tasks)
   local memory = {}
   return plain.train(w, tasks, { lr = LR, batch = BATCH,
      gradients = function(now, g)
         for _, old in ipairs(memory) do
            plain.each(g, function(i, j) g[i][j] = g[i][j] + 2 * about.factor * old.F[i][j] * (now[i][j] - old.anchor[i][j]) end)
         end
      end,
      task_end = function(now, _, list, batches)
         about.merge(memory, about.F(now, list, batches), plain.copy(now))
      end })
end

local function separate(memory, F, anchor) memory[#memory + 1] = { F = F, anchor = anchor } end
local function merged(old_share, new_share)
   return function(memory, F, anchor)
      plain.each(F, function(i, j) F[i][j] = new_share * F[i][j] + (memory[1] and old_share * memory[1].F[i][j] or 0) end)
      memory[1] = { F = F, anchor = anchor }
   end
end
local function scaled(F, by)
   plain.each(F, function(i, j) F[i][j] = F[i][j] * by end)
   return F
end
local function of_rule(name) return function(w, list) return mean_of_squares(w, list, rules[name]) end end

local function three_tasks(last)
   return { plain.items(first, 1, last), plain.items(second, 1, last), plain.items(third, 1, last) }
end

local cases = {
   { "sound", { lambda = 4 }, { factor = 2, F = of_rule "exact", merge = separate } },
   { "sound online", { lambda = 4, mode = "online", gamma = 0.7 }, { factor = 2, F = of_rule "exact", merge = merged(0.7, 1) } },
   { "sound empirical", { lambda = 4, fisher = "empirical" }, { factor = 2, F = of_rule "empirical", merge = separate } },
   { "sound argmax", { lambda = 4, fisher = "argmax" }, { factor = 2, F = of_rule "argmax", merge = separate } },
   { "avalanche", { convention = "avalanche", lambda = 4 },
      { factor = 4, merge = separate,                      -- no 1/2; the last batch counts as much as the others
         F = function(w, _, batches) return mean_of_squared_means(w, batches, function(_, item) return item.y end) end } },
   { "avalanche online", { convention = "avalanche", mode = "online", gamma = 0.5, lambda = 4 },
      { factor = 4, merge = merged(0.5, 1),                -- gamma in the accumulation alone
         F = function(w, _, batches) return mean_of_squared_means(w, batches, function(_, item) return item.y end) end } },
   { "mammoth", { convention = "mammoth", gamma = 0.9, lambda = 4 },
      { factor = 4, merge = merged(0.9, 1),                -- p(y) times the square, over batches * batch size: 12, not 10 items
         F = function(w, list) return scaled(mean_of_squares(w, list, rules.weighted), 10 / 12) end } },
   { "van-de-ven", { convention = "van-de-ven", lambda = 4 },
      { factor = 2, merge = separate, F = function(w, list) return scaled(mean_of_squares(w, list, rules.exact), 10 / 9) end } },
   { "van-de-ven online", { convention = "van-de-ven", mode = "online", gamma = 0.8, lambda = 4 },
      { factor = 0.8 * 2, merge = merged(0.8, 1),          -- gamma in the penalty too
         F = function(w, list) return scaled(mean_of_squares(w, list, rules.exact), 10 / 9) end } },
   { "van-de-ven, 6 samples", { convention = "van-de-ven", samples = 6, lambda = 4 },
      { factor = 2, merge = separate,                      -- its loop takes one more, and divides by all
         F = function(w, list) return mean_of_squares(w, { unpack(list, 1, 7) }, rules.exact) end } },
   { "van-de-ven, 9 samples of 10", { convention = "van-de-ven", samples = 9, lambda = 4 },
      { factor = 2, merge = separate,                      -- one more is all: the loop comes to its end, where it divides by items - 1
         F = function(w, list) return scaled(mean_of_squares(w, list, rules.exact), 10 / 9) end } },
   { "van-de-ven, more samples than items", { convention = "van-de-ven", samples = 11, lambda = 4 },
      { factor = 2, merge = separate, F = function(w, list) return scaled(mean_of_squares(w, list, rules.exact), 10 / 9) end } },
   { "facil", { convention = "facil", lambda = 4 },
      { factor = 2, merge = merged(0.5, 0.5),              -- full batches alone; the output layer is free
         F = function(w, _, batches)
            local F = mean_of_squared_means(w, { batches[1], batches[2] }, most_probable)
            for i = 3, 4 do for j = 1, #F[i] do F[i][j] = 0 end end
            return F
         end } },
   { "hsu", { convention = "hsu", lambda = 4 }, { factor = 4, F = of_rule "argmax", merge = separate } },
}

for _, case in ipairs(cases) do
   local name, settings, about = unpack(case)
   t.test("EWC " .. name, function()
      expect_weights(train(cl.methods.EWC(settings)), ewc_by_hand(about, initial(3), three_tasks(3)))
   end)
end

t.test("EWC's sampled Fisher is one label a sample: its mean over many draws comes near the exact one", function()
   engram.seed(2)
   local model, sum = make_model(3)(), 0
   local exact = engram.fisher.diagonal(model, first)[1]:sum():item()
   for _ = 1, 300 do sum = sum + engram.fisher.diagonal(model, first, { label = "sampled" })[1]:sum():item() / 300 end
   t.expect(math.abs(sum / exact - 1)):below(0.1)
end)

t.test("EWC over a task's own units in the task-incremental scenario, over those seen in the class-incremental one", function()
   local run = train(cl.methods.EWC{ lambda = 4 }, { model = make_model(9), stream = stream "task" })
   local tasks, own = {}, stream "task"
   for k = 1, 3 do tasks[k] = plain.items(own[k].train, 3 * k - 2, 3 * k) end
   expect_weights(run, ewc_by_hand({ factor = 2, F = of_rule "exact", merge = separate }, initial(9), tasks))
   run = train(cl.methods.EWC{ lambda = 4 }, { model = make_model(9), stream = stream "class" })
   own = stream "class"
   for k = 1, 3 do tasks[k] = plain.items(own[k].train, 1, 3 * k) end
   expect_weights(run, ewc_by_hand({ factor = 2, F = of_rule "exact", merge = separate }, initial(9), tasks))
end)

t.test("the common lambda says what a convention's lambda is with the 1/2", function()
   local EWC = cl.methods.EWC
   t.expect(EWC{ lambda = 10 }:common_lambda()):equals(10)
   for _, convention in ipairs{ "avalanche", "mammoth", "hsu" } do
      t.expect(EWC{ lambda = 10, convention = convention }:common_lambda()):equals(20)
   end
   t.expect(EWC{ lambda = 10, convention = "van-de-ven" }:common_lambda()):equals(10)
   t.expect(EWC{ lambda = 10, convention = "van-de-ven", mode = "online", gamma = 0.5 }:common_lambda()):equals(5)
   t.expect(EWC{ lambda = 10, convention = "classp-repository" }:common_lambda(20)):equals(1)
   t.expect(cl.methods.SI{ lambda = 10 }:common_lambda()):equals(20)
   t.expect(cl.methods.SI{ lambda = 10, convention = "avalanche" }:common_lambda()):equals(10)
   t.expect(cl.methods.MAS{ lambda = 10, convention = "facil" }:common_lambda()):equals(10)
   t.expect(cl.methods.MAS{ lambda = 10, convention = "avalanche" }:common_lambda()):equals(20)
   t.expect(cl.methods.L2{ lambda = 10 }:common_lambda()):equals(20)
   t.expect(function() EWC{ batched = true } end):raises "with batched = true give 'empirical'"
   t.expect(function() EWC{ convention = "mamoth" } end):raises "did you mean 'mammoth'?"
   t.expect(cl.methods.SI{ convention = "mammoth", clip = 2 }.hyper.clip):equals(2)          -- a convention's numbers are defaults
end)

-- ---- L2 ---------------------------------------------------------------------------------------------------

t.test("L2 pulls to the weights of the last task", function()
   for _, half in ipairs{ false, true } do
      local anchor
      local w = plain.train(initial(3), three_tasks(3), { lr = LR, batch = BATCH,
         gradients = function(now, g)
            if not anchor then return end
            plain.each(g, function(i, j) g[i][j] = g[i][j] + (half and 1 or 2) * 0.6 * (now[i][j] - anchor[i][j]) end)
         end,
         task_end = function(now) anchor = plain.copy(now) end })
      expect_weights(train(cl.methods.L2{ lambda = 0.6, half = half }), w)
   end
end)

-- ---- SI ---------------------------------------------------------------------------------------------------

-- about: { c, damping, total = whether the gradient along the path holds the penalty's, clip, clean = function(importance) }
local function si_by_hand(about, w)
   local path, sum, importance, anchor = plain.zeros(w), plain.zeros(w), nil, plain.copy(w)
   local task_gradient
   return plain.train(w, three_tasks(3), { lr = LR, batch = BATCH,
      task_begin = function() path = plain.zeros(w) end,
      gradients = function(now, g)
         task_gradient = plain.copy(g)
         plain.each(g, function(i, j)
            if importance then g[i][j] = g[i][j] + 2 * about.c * importance[i][j] * (now[i][j] - anchor[i][j]) end
            if about.clip then g[i][j] = math.max(-about.clip, math.min(about.clip, g[i][j])) end
         end)
      end,
      after_step = function(before, now, g)
         local along = about.total and g or task_gradient
         plain.each(g, function(i, j) path[i][j] = path[i][j] - along[i][j] * (now[i][j] - before[i][j]) end)
      end,
      task_end = function(now)
         importance = plain.zeros(w)
         plain.each(w, function(i, j)
            sum[i][j] = sum[i][j] + path[i][j] / ((now[i][j] - anchor[i][j]) ^ 2 + about.damping)
            importance[i][j] = about.clean(sum[i][j], i)
         end)
         anchor = plain.copy(now)
      end })
end

local function as_it_is(x) return x end
local si_cases = {
   { "paper", { lambda = 3 }, { c = 3, damping = 0.1, clean = function(x) return math.max(0, x) end } },
   { "paper, damping 0.01", { lambda = 3, damping = 0.01 }, { c = 3, damping = 0.01, clean = function(x) return math.max(0, x) end } },
   { "paper, clip 0.2", { lambda = 3, clip = 0.2 }, { c = 3, damping = 0.1, clip = 0.2, clean = function(x) return math.max(0, x) end } },
   { "van-de-ven", { convention = "van-de-ven", lambda = 3 }, { c = 3, damping = 0.1, total = true, clean = as_it_is } },
   { "avalanche", { convention = "avalanche", lambda = 30 },
      { c = 15, damping = 1e-7, total = true, clean = function(x) return math.min(x, 0.001) end } },
   { "mammoth", { convention = "mammoth", lambda = 3, clip = 0.2 }, { c = 3, damping = 0.1, total = true, clip = 0.2, clean = as_it_is } },
   { "hsu", { convention = "hsu", lambda = 3 }, { c = 3, damping = 0.1, clean = as_it_is } },
   { "facil", { convention = "facil", lambda = 3 }, { c = 3, damping = 0.1, clean = function(x, i) return i > 2 and 0 or x end } },
}
for _, case in ipairs(si_cases) do
   t.test("SI " .. case[1], function() expect_weights(train(cl.methods.SI(case[2])), si_by_hand(case[3], initial(3))) end)
end

-- With momentum the weights move by more than the gradient: a path of lr g^2 would be another.
t.test("SI's path is made of what the weights really moved", function()
   local one = cl.stream{ cl.task(first, { epochs = 2 }) }
   local method = cl.methods.SI{ damping = 0.2, floor = false }
   local weights, gradients = {}, {}
   local start
   local run = train(method, { stream = one, optimizer = function(model)
      start = plain.from(model:parameters())
      return optim.SGD(model, { lr = LR, momentum = 0.9 })
   end, on_step = function(state)
      local g = {}
      for i, p in ipairs(state.parameters) do g[i] = p.grad:clone() end
      weights[#weights + 1], gradients[#gradients + 1] = plain.from(state.parameters), plain.from(g)
   end })
   local expected, before = plain.zeros(start), start
   for n, after in ipairs(weights) do
      plain.each(after, function(i, j) expected[i][j] = expected[i][j] - gradients[n][i][j] * (after[i][j] - before[i][j]) end)
      before = after
   end
   local final = plain.from(run.model:parameters())
   plain.each(expected, function(i, j) expected[i][j] = expected[i][j] / ((final[i][j] - start[i][j]) ^ 2 + 0.2) end)
   t.expect(plain.from(method.importance[1])):close_to(expected, 1e-10)
end)

-- ---- MAS --------------------------------------------------------------------------------------------------

-- d size / d outputs for each norm.
local norms = {
   squared = function(z) return 2, z end,
   plain = function(z)
      local sum = 0
      for o = 1, #z do sum = sum + z[o] ^ 2 end
      return 1 / math.sqrt(sum), z
   end,
   ["mean square"] = function(z) return 2 / #z, z end,
}
local function absolute_gradients(w, groups, norm)
   local total = plain.zeros(w)
   for _, group in ipairs(groups) do
      local mean = plain.zeros(w)
      for _, item in ipairs(group) do
         local by, z = norms[norm](plain.forward(w, item.x))
         local dz = {}
         for o = 1, #z do dz[o] = by * z[o] end
         plain.add(mean, plain.gradient(w, item.x, dz), 1 / #group)
      end
      plain.each(mean, function(i, j) total[i][j] = total[i][j] + math.abs(mean[i][j]) / #groups end)
   end
   return total
end
local function singly(list)
   local groups = {}
   for i, item in ipairs(list) do groups[i] = { item } end
   return groups
end
local mas_cases = {
   { "paper", { lambda = 2 }, { factor = 2, merge = merged(1, 1),
      F = function(w, list) return absolute_gradients(w, singly(list), "squared") end } },
   { "avalanche", { convention = "avalanche", lambda = 2 },
      { factor = 2,                                        -- no 1/2; the first task's count whole
         merge = function(memory, F, anchor) merged(0.5, memory[1] and 0.5 or 1)(memory, F, anchor) end,
         F = function(w, _, batches) return absolute_gradients(w, batches, "squared") end } },
   { "facil", { convention = "facil", lambda = 2 }, { factor = 1, merge = merged(0.5, 0.5),
      F = function(w, _, batches)
         local F = absolute_gradients(w, { batches[1], batches[2] }, "plain")
         for i = 3, 4 do for j = 1, #F[i] do F[i][j] = 0 end end
         return F
      end } },
   { "hsu", { convention = "hsu", lambda = 2 }, { factor = 2, merge = merged(1, 1),
      F = function(w, _, batches) return absolute_gradients(w, batches, "mean square") end } },
}
for _, case in ipairs(mas_cases) do
   t.test("MAS " .. case[1], function()
      expect_weights(train(cl.methods.MAS(case[2])), ewc_by_hand(case[3], initial(3), three_tasks(3)))
   end)
end

t.test("two penalties add up", function()
   local anchor, memory = nil, {}
   local w = plain.train(initial(3), three_tasks(3), { lr = LR, batch = BATCH,
      gradients = function(now, g)
         for _, old in ipairs(memory) do
            plain.each(g, function(i, j) g[i][j] = g[i][j] + 3 * old.F[i][j] * (now[i][j] - old.anchor[i][j]) end)
         end
         if anchor then plain.each(g, function(i, j) g[i][j] = g[i][j] + 2 * 0.2 * (now[i][j] - anchor[i][j]) end) end
      end,
      task_end = function(now, _, list)
         anchor = plain.copy(now)
         separate(memory, mean_of_squares(now, list, rules.exact), anchor)
      end })
   expect_weights(train{ cl.methods.EWC{ lambda = 3 }, cl.methods.L2{ lambda = 0.2 } }, w)
end)

t.done()
