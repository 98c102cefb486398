-- test_methods_memory.lua: the methods that see or keep old items, or old answers, against plain Lua numbers (plain.lua), and the mistakes
-- that others have made.
local t = require "tests.harness"
local plain = require "tests.plain"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local buffer = require "engram.cl.buffer"
local qp = require "engram.cl.methods.qp"
local teacher = require "engram.cl.teacher"

local LR, BATCH, ALL = 0.1, 4, 1000                    -- ALL: more than there is, so that no draw leaves anything out

local function items(name)
   return engram.data.dataset{ name = name, images = engram.randn(10, 3, { stream = name, dtype = "float64" }):keep(),
      labels = engram.randint(1, 3, 10, { stream = name }):keep(), classes = 3 }
end
local sets = { items "first", items "second", items "third" }

local function stream(scenario)
   return cl.stream{ cl.task(sets[1]), cl.task(sets[2]), cl.task(sets[3]), scenario = scenario }
end
local function outputs(scenario) return scenario == "domain" and 3 or 9 end
local function make_model(scenario)
   return function() return nn.Sequential{ nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, outputs(scenario)) }:to "float64" end
end
local function train(scenario, method, given)
   local options = { model = make_model(scenario), stream = stream(scenario), batch_size = BATCH, seed = 5, shuffle = false,
      evaluate = "never", method = method, optimizer = function(model) return optim.SGD(model, { lr = LR }) end }
   for key, value in pairs(given or {}) do options[key] = value end
   return cl.train(options)
end
local function initial(scenario)
   engram.seed(5)
   return plain.from(make_model(scenario)():parameters())
end

-- The tasks' items with the units of their labels; activate() says which units count in task k.
local function tasks_of(scenario)
   local list, own = {}, stream(scenario)
   for k = 1, 3 do
      list[k] = plain.items(own[k].train)
      for _, item in ipairs(list[k]) do item.task = k end
   end
   return list
end
local function activate(list, scenario, k)
   for _, item in ipairs(list) do
      if scenario == "task" then item.first, item.last = 3 * item.task - 2, 3 * item.task
      elseif scenario == "class" then item.first, item.last = 1, 3 * k
      else item.first, item.last = 1, 3 end
   end
   return list
end

local function expect_weights(run, w)
   t.expect(plain.from(run.model:parameters())):close_to(w, 1e-10)
end
local function join(a, b)
   local list = { unpack(a) }
   for _, item in ipairs(b) do list[#list + 1] = item end
   return list
end
local function dot(a, b)
   local sum = 0
   plain.each(a, function(i, j) sum = sum + a[i][j] * b[i][j] end)
   return sum
end

-- A training in plain numbers; how.step(w, g, k, batch, seen) changes the gradient; what has been trained on is in `seen`.
local function by_hand(scenario, how)
   local seen, w = {}, how.w or initial(scenario)
   return plain.train(w, tasks_of(scenario), { lr = LR, batch = BATCH,
      task_begin = function(now, k, list)
         activate(list, scenario, k)
         if how.task_begin then how.task_begin(now, k) end
      end,
      gradients = function(now, g, k, batch)
         local changed = how.step(now, g, k, batch, activate(seen, scenario, k))
         if how.every_step then seen = join(seen, batch) end
         return changed
      end,
      task_end = function(_, _, list) if not how.every_step then seen = join(seen, list) end end })
end

local SCENARIOS = { "domain", "task", "class" }

-- ---- ER ---------------------------------------------------------------------------------------------------

for _, scenario in ipairs(SCENARIOS) do
   t.test("ER, one loss over batch and replay: " .. scenario, function()
      local w = by_hand(scenario, { every_step = true, step = function(now, _, _, batch, seen)
         return plain.batch_gradient(now, join(batch, seen))
      end })
      expect_weights(train(scenario, cl.methods.ER{ memory = ALL, replay_batch = ALL }), w)
   end)

   t.test("ER as van de Ven weighs it: " .. scenario, function()
      local w = by_hand(scenario, { step = function(now, g, k, _, seen)
         if k == 1 then return g end
         local sum = plain.add(plain.zeros(g), g, 1 / k)
         return plain.add(sum, plain.batch_gradient(now, seen), 1 - 1 / k)
      end })
      expect_weights(train(scenario, cl.methods.ER{ convention = "van-de-ven", per_class = ALL, replay_batch = ALL }), w)
   end)
end

-- ---- A-GEM and GEM ----------------------------------------------------------------------------------------

for _, scenario in ipairs(SCENARIOS) do
   t.test("A-GEM projects where the product is negative, and only there: " .. scenario, function()
      local projected, free = 0, 0
      local w = by_hand(scenario, { step = function(now, g, k, _, seen)
         if k == 1 then return g end
         local r = plain.batch_gradient(now, seen)
         local gr = dot(g, r)
         if gr >= 0 then
            free = free + 1
            return g
         end
         projected = projected + 1
         return plain.add(g, r, -gr / dot(r, r))
      end })
      expect_weights(train(scenario, cl.methods.AGEM{ per_class = ALL, replay_batch = ALL }), w)
      if scenario == "domain" then
         t.expect(projected):above(0)
         t.expect(free):above(0)
      end
   end)
end

-- min v' P v / 2 + q' v over v >= low by trying every set of rows at their bound.
local function brute_force(P, q, low)
   local n, best, best_value = #q, nil, math.huge
   for mask = 0, 2 ^ n - 1 do
      local free, v = {}, {}
      for i = 1, n do
         if math.floor(mask / 2 ^ (i - 1)) % 2 == 1 then free[#free + 1] = i else v[i] = low end
      end
      local A = {}                                        -- Gauss elimination of P_ff v_f = -q_f - P_fb low
      for a, i in ipairs(free) do
         A[a] = {}
         for c, j in ipairs(free) do A[a][c] = P[i][j] end
         local right = -q[i]
         for j = 1, n do if v[j] then right = right - P[i][j] * low end end
         A[a][#free + 1] = right
      end
      for a = 1, #free do
         for b = a + 1, #free do
            local by = A[b][a] / A[a][a]
            for c = a, #free + 1 do A[b][c] = A[b][c] - by * A[a][c] end
         end
      end
      for a = #free, 1, -1 do
         local sum = A[a][#free + 1]
         for c = a + 1, #free do sum = sum - A[a][c] * v[free[c]] end
         v[free[a]] = sum / A[a][a]
      end
      local value, fits = 0, true
      for i = 1, n do
         fits = fits and v[i] >= low - 1e-12
         value = value + q[i] * v[i]
         for j = 1, n do value = value + P[i][j] * v[i] * v[j] / 2 end
      end
      if fits and value < best_value then best, best_value = v, value end
   end
   return best
end

t.test("GEM's solver finds what trying every active set finds", function()
   engram.seed(3)
   local bound, inside = 0, 0
   for round = 1, 200 do
      local n, low = 1 + round % 7, ({ 0, 0.5, 2 })[1 + round % 3]
      local G = engram.randn(n, 1 + round % 9, { dtype = "float64" })
      local P, q = G:matmul(G:t()):tolist(), engram.randn(n, { dtype = "float64" }):tolist()
      for i = 1, n do P[i][i] = P[i][i] + 1e-3 end
      local v = qp.solve(P, q, low)
      t.expect(v):close_to(brute_force(P, q, low), 1e-7)
      for i = 1, n do if v[i] == low then bound = bound + 1 else inside = inside + 1 end end
   end
   t.expect(bound):above(100)
   t.expect(inside):above(100)
end)

-- The gradients of the old tasks, each of `parts` parts of its items.
local function gem_rows(now, k, seen, parts)
   local rows = {}
   for j = 1, k - 1 do
      local own = {}
      for _, item in ipairs(seen) do if item.task == j then own[#own + 1] = item end end
      for i = 1, parts do
         rows[#rows + 1] = plain.batch_gradient(now, { unpack(own, (i - 1) * #own / parts + 1, i * #own / parts) })
      end
   end
   return rows
end

-- How GEM turns g by hand; nil where it leaves it.
local function gem_by_hand(g, rows)
   local P, q, violated = {}, {}, false
   for j, row in ipairs(rows) do
      q[j] = dot(row, g)
      violated = violated or q[j] < 0
   end
   if not violated then return nil end
   for i = 1, #rows do
      P[i] = {}
      for j = 1, #rows do P[i][j] = dot(rows[i], rows[j]) + (i == j and 1e-3 or 0) end
   end
   for j, v in ipairs(brute_force(P, q, 0.5)) do plain.add(g, rows[j], v) end
   return g
end

for _, scenario in ipairs(SCENARIOS) do
   for parts = 1, 2 do
      t.test(("GEM, %d gradients of each task: %s"):format(parts, scenario), function()
         local turned, left = 0, 0
         local w = by_hand(scenario, { step = function(now, g, k, _, seen)
            local other = gem_by_hand(g, gem_rows(now, k, seen, parts))
            if other then turned = turned + 1 elseif k > 1 then left = left + 1 end
            return other or g
         end })
         expect_weights(train(scenario, cl.methods.GEM{ per_task = ALL, parts = parts }), w)
         t.expect(turned):above(0)
         if scenario == "domain" and parts == 1 then t.expect(left):above(0) end
      end)
   end
end

-- ---- DER and DER++ ----------------------------------------------------------------------------------------

-- The gradient of alpha mean (f(x) - z)^2 over the seen items and all outputs.
local function distillation(now, seen, alpha)
   local g = plain.zeros(now)
   for _, item in ipairs(seen) do
      local z, dz = plain.forward(now, item.x), {}
      for o = 1, #z do dz[o] = 2 * alpha * (z[o] - item.z[o]) / (#z * #seen) end
      plain.add(g, plain.gradient(now, item.x, dz))
   end
   return g
end

for _, scenario in ipairs(SCENARIOS) do
   for name, beta in pairs{ DER = 0, DERpp = 0.7 } do
      t.test(name .. ": " .. scenario, function()
         local w = by_hand(scenario, { every_step = true, step = function(now, g, _, batch, seen)
            if #seen > 0 then
               plain.add(g, distillation(now, seen, 0.3))
               plain.add(g, plain.batch_gradient(now, seen), beta)
            end
            for _, item in ipairs(batch) do item.z = plain.forward(now, item.x) end        -- before the step
            return g
         end })
         local settings = { alpha = 0.3, memory = ALL, replay_batch = ALL }
         if name == "DERpp" then settings.beta = beta end
         expect_weights(train(scenario, cl.methods[name](settings)), w)
      end)
   end
end

t.test("DER++ draws twice, independently", function()
   local method, draws = cl.methods.DERpp{ memory = 20, replay_batch = 4 }, {}
   train("domain", method, { on_step = function(state)
      if state.step > 1 then return end
      function method.memory.draw(own, n)
         local drawn = getmetatable(own).draw(own, n)
         draws[#draws + 1] = drawn.images:tolist()
         return drawn
      end
   end })
   t.expect(#draws):equals(2 * 8)                           -- of nine steps the first has nothing to draw from
   local same = 0
   for i = 1, #draws, 2 do
      if engram.tensor(draws[i]):equal(engram.tensor(draws[i + 1])) then same = same + 1 end
   end
   t.expect(same):below(2)
end)

-- ---- LwF --------------------------------------------------------------------------------------------------

local function sum_of(list, first, last)
   local sum = 0
   for o = first, last do sum = sum + list[o] end
   return sum
end

-- The gradient at the outputs of - sum over first .. last of p_old log p, each softmax over its own range.
local function kd_seed(z, old, T, about)
   local q = plain.softmax(z, about.first, about.last, T)
   local p = plain.softmax(old, about.old_first or about.first, about.old_last or about.last, T)
   local dz, low, high = {}, about.sum_first or 1, about.sum_last or #z
   local mass = sum_of(p, low, high)
   for o = 1, #z do dz[o] = (mass * q[o] - (o >= low and o <= high and p[o] or 0)) / T end
   return dz
end

-- What each convention distils in task k: a list of { ranges, weight }.
local function heads(k)
   local list = {}
   for j = 1, k - 1 do list[j] = { { first = 3 * j - 2, last = 3 * j }, 1 } end
   return list
end
local function old_units(k) return { { { first = 1, last = 3 * (k - 1) }, 1 } } end
local function whole() return { { { first = 1, last = 3 }, 1 } } end
local lwf_cases = {
   { "paper", 1, { task = heads, class = old_units, domain = whole } },
   { "van-de-ven", 1, { task = heads, domain = function(k) return { { { first = 1, last = 3 }, k - 1 } } end,
      class = function(k) return { { { first = 1, last = 3 * k, old_first = 1, old_last = 3 * k - 3 }, 1 } } end } },
   { "van-de-ven-2018", 4, { task = function(k)
      local list = heads(k)
      for _, part in ipairs(list) do part[2] = 1 / 3 end
      return list
   end, domain = function(k) return { { { first = 1, last = 3 }, (k - 1) / 3 } } end,
      class = function(k) return { { { first = 1, last = 3 * k, old_first = 1, old_last = 3 * k - 3 }, (k - 1) / (3 * k) } } end } },
   { "van-de-ven-2019", 4, { task = heads, domain = function(k) return { { { first = 1, last = 3 }, k - 1 } } end,
      class = function(k) return { { { first = 1, last = 3 * k, old_first = 1, old_last = 3 * k - 3 }, k - 1 } } end } },
   { "avalanche", 1, { task = heads, domain = whole,
      class = function(k) return { { { first = 1, last = 9, sum_first = 1, sum_last = 3 * k - 3 }, 1 } } end } },
   { "facil", 1, { task = old_units, class = old_units, domain = whole } },
   { "mammoth", 0.5, { task = old_units, class = old_units, domain = whole } },
   { "contilab", 4, { task = heads, class = old_units, domain = whole } },
}
for _, case in ipairs(lwf_cases) do
   local convention, weight, parts_of = unpack(case)
   for _, scenario in ipairs(SCENARIOS) do
      t.test(("LwF %s: %s"):format(convention, scenario), function()
         local old
         local w = by_hand(scenario, { task_begin = function(now) old = plain.copy(now) end, step = function(now, g, k, batch)
            for _, item in ipairs(k > 1 and batch or {}) do
               local z, before = plain.forward(now, item.x), plain.forward(old, item.x)
               for _, part in ipairs(parts_of[scenario](k)) do
                  plain.add(g, plain.gradient(now, item.x, kd_seed(z, before, 2, part[1])), weight * part[2] / #batch)
               end
            end
            return g
         end })
         expect_weights(train(scenario, cl.methods.LwF{ convention = convention }), w)
      end)
   end
end

t.test("LwF distils each old head once, however often its task came, and never the one that is trained", function()
   local function penalty_over_entropies(scenario, pattern, convention)
      local method, ratio = cl.methods.LwF{ convention = convention }, nil
      train(scenario, method, { stream = cl.streams.recur(stream(scenario), { pattern = pattern }), on_step = function(now)
         if now.task < #pattern or now.step_in_task > 1 then return end
         local old = teacher.answer(now.model, method.teacher, now.fresh.x)      -- at the first step new and old are one
         local entropies = {}
         for head = 1, outputs(scenario) / 3 do
            local z = old:narrow(2, 3 * head - 2, 3) / 2
            entropies[head] = -(z:softmax(2) * z:log_softmax(2)):sum(2):mean():item()
         end
         ratio = { now.penalty, entropies }
      end })
      return unpack(ratio)
   end
   local function expect_heads(pattern, ...)
      local penalty, entropies = penalty_over_entropies("task", pattern)
      local sum = 0
      for _, head in ipairs{ ... } do sum = sum + entropies[head] end
      if select("#", ...) == 0 then t.expect(penalty):is_nil() else t.expect(penalty):close_to(sum, 1e-9) end
   end
   expect_heads({ 1, 2, 3 }, 1, 2)
   expect_heads({ 1, 2, 1, 3 }, 1, 2)
   expect_heads({ 1, 2, 1 }, 2)
   expect_heads{ 1, 1 }
   local penalty, entropies = penalty_over_entropies("domain", { 1, 2, 1, 3 }, "van-de-ven")          -- a sum over two old tasks
   t.expect(penalty):close_to(2 * entropies[1], 1e-9)
end)

t.test("GDumb keeps the items of a task that comes again once", function()
   local method = cl.methods.GDumb{ memory = ALL, epochs = 1 }
   local run = train("domain", method, { stream = cl.streams.recur(stream "domain", { pattern = { 1, 2, 1 } }) })
   t.expect(method.memory.labels:gt(0):sum():item()):equals(20)
   t.expect(run.steps):equals(3 + 5 + 5)                    -- of 10, 20 and 20 items
end)

t.test("a teacher answers in evaluation mode, with its own weights, and leaves the model as it was", function()
   engram.seed(4)
   local model = nn.Sequential{ nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2) }
   local x = engram.randn(6, 3)
   local weights = teacher.take(model)
   model:eval()
   local want = engram.no_grad(model, x):tolist()
   model:train()
   local opt = optim.SGD(model, { lr = 0.5 })
   model(x):square():sum():backward()
   opt:step()
   local dropped = engram.random.stream("dropout").counter
   local out = model(x):sum()                               -- a graph that is still to be walked
   local counter = engram.random.stream("dropout").counter
   t.expect(counter):differs_from(dropped)
   local hash = model:hash()                                -- batch norm's running figures have moved
   t.expect(teacher.answer(model, weights, x)):equals(want)
   t.expect({ model:hash(), model.training }):equals{ hash, true }
   t.expect(engram.random.stream("dropout").counter):equals(counter)
   out:backward()
   t.expect(teacher.answer(model, weights, x)):equals(want)
   t.expect(function() teacher.answer(model, weights, engram.randn(2, 7)) end):raises "linear: input has 7 features"
   t.expect({ model:hash(), model.training }):equals{ hash, true }
end)

t.test("LwF's teacher is the model as it was at the task's begin, through all of the task", function()
   local method, seen, ends = cl.methods.LwF{}, {}, {}
   train("domain", method, { on_step = function(state)
      if state.task > 1 then seen[state.task] = seen[state.task] or {} end
      if state.task > 1 then table.insert(seen[state.task], plain.from{ method.teacher["1.weight"] }[1]) end
      ends[state.task] = plain.from(state.parameters)[1]
   end })
   for k = 2, 3 do
      t.expect(#seen[k]):equals(3)
      for _, weights in ipairs(seen[k]) do t.expect(weights):equals(ends[k - 1]) end
   end
end)

-- ---- all the data -----------------------------------------------------------------------------------------

-- Plain steps over batches of a list, each with its units.
local function steps(w, list, scenario, seen, count)
   for n = 1, count do
      local batch, batches = {}, math.ceil(#list / BATCH)
      local first = (n - 1) % batches * BATCH + 1
      for i = first, math.min(first + BATCH - 1, #list) do batch[#batch + 1] = list[i] end
      plain.add(w, plain.batch_gradient(w, activate(batch, scenario, seen)), -LR)
   end
   return w
end

-- The item that is the i-th of all that Joint meets, the passes over so many counted.
local function pass(number, size, i)
   return engram.randperm(size, { stream = require "engram.random".private(5, "Joint pass " .. number) })[(i - 1) % size + 1]:item()
end

for _, scenario in ipairs(SCENARIOS) do
   t.test("Joint and Cumulative: " .. scenario, function()
      local tasks = tasks_of(scenario)
      local everything = join(join(tasks[1], tasks[2]), tasks[3])
      local w = initial(scenario)
      local first = 0
      for _ = 1, 3 do                                                      -- three steps a task, in passes over all that follow one another
         local own = {}
         for i = first + 1, first + 3 * BATCH do own[#own + 1] = everything[pass(math.floor((i - 1) / #everything), #everything, i)] end
         steps(w, own, scenario, 3, 3)
         first = first + #own
      end
      local run = train(scenario, cl.methods.Joint{})
      expect_weights(run, w)
      t.expect(run.steps):equals(9)
      w = initial(scenario)
      for _ = 1, 3 do steps(w, everything, scenario, 3, 8) end
      run = train(scenario, cl.methods.Joint{ budget = "epochs" })
      expect_weights(run, w)
      t.expect(run.steps):equals(24)
      w = initial(scenario)
      for k, list in ipairs{ tasks[1], join(tasks[1], tasks[2]), everything } do steps(w, list, scenario, k, math.ceil(#list / BATCH)) end
      run = train(scenario, cl.methods.Cumulative{})
      expect_weights(run, w)
      t.expect(run.steps):equals(3 + 5 + 8)
      w = initial(scenario)
      for k, list in ipairs{ tasks[1], join(tasks[1], tasks[2]), everything } do steps(w, list, scenario, k, 3) end
      expect_weights(train(scenario, cl.methods.Cumulative{ budget = "compute" }), w)
   end)

   t.test("GDumb trains anew on its memory alone: " .. scenario, function()
      local tasks = tasks_of(scenario)
      engram.seed(5)
      local w
      for _ = 1, 3 do w = plain.from(make_model(scenario)():parameters()) end          -- the third model that was made
      steps(w, join(join(tasks[1], tasks[2]), tasks[3]), scenario, 3, 2 * 8)
      local run = train(scenario, cl.methods.GDumb{ memory = ALL, epochs = 2 })
      expect_weights(run, w)
      t.expect(run.steps):equals(2 * (3 + 5 + 8))
   end)
end

t.test("methods together: a penalty and a replay are both in the gradient; a memory gets what the stream gave, once", function()
   local anchor
   local w = plain.train(initial "domain", tasks_of "domain", { lr = LR, batch = BATCH,
      task_begin = function(_, k, list) activate(list, "domain", k) end,
      gradients = function(now, g, k)
         if not anchor then return g end
         local seen = {}
         for j = 1, k - 1 do seen = join(seen, activate(tasks_of("domain")[j], "domain", k)) end
         local sum = plain.add(plain.add(plain.zeros(g), g, 1 / k), plain.batch_gradient(now, seen), 1 - 1 / k)
         plain.each(g, function(i, j) sum[i][j] = sum[i][j] + 2 * 0.3 * (now[i][j] - anchor[i][j]) end)
         return sum
      end,
      task_end = function(now) anchor = plain.copy(now) end })
   expect_weights(train("domain", { cl.methods.L2{ lambda = 0.3 },
      cl.methods.ER{ convention = "van-de-ven", per_class = ALL, replay_batch = ALL } }), w)
   local er, der = cl.methods.ER{ memory = ALL, replay_batch = 3 }, cl.methods.DER{ memory = ALL, replay_batch = 3 }
   train("task", { er, der })
   t.expect({ er.memory.count, der.memory.count }):equals{ 30, 30 }
   t.expect(der.memory.images:narrow(1, 1, 30):equal(er.memory.images:narrow(1, 1, 30))):is_true()
end)

t.test("any two methods train together", function()
   local names = cl.methods.list()
   local function make(name) return cl.methods[name](name == "GDumb" and { epochs = 1 } or nil) end
   local planner = { Joint = true, Cumulative = true, GDumb = true, Rehearsal = true }
   local weights = { L2 = true, EWC = true, SI = true, MAS = true, LwF = true, PackNet = true }          -- what they keep speaks of them
   local function conflict(a, b) return planner[a] and planner[b] or a == "GDumb" and weights[b] or b == "GDumb" and weights[a] end
   for i = 1, #names do
      for j = 1, #names do
         local pair = { make(names[i]), i ~= j and make(names[j]) or nil }
         if i ~= j and conflict(names[i], names[j]) then
            t.expect(function() train("task", pair) end):raises(planner[names[i]] and planner[names[j]] and "both choose what is trained"
               or "GDumb trains from scratch for every task")
         else
            t.expect({ names[i], names[j], #train("task", pair).hash }):equals{ names[i], names[j], 64 }
         end
      end
   end
end)

t.test("the order of a list of methods does not matter to SI's path, and the same object twice is an error", function()
   for _, other in ipairs{ function() return cl.methods.EWC{ lambda = 30 } end, function() return cl.methods.L2{ lambda = 1 } end } do
      local before, after = cl.methods.SI{ lambda = 3 }, cl.methods.SI{ lambda = 3 }
      train("domain", { before, other() })
      train("domain", { other(), after })
      t.expect(plain.from(after.importance[1])):close_to(plain.from(before.importance[1]), 1e-10)
   end
   local once = cl.methods.EWC{}
   t.expect(function() train("domain", { once, cl.methods.L2{}, once }) end):raises "elements 1 and 3 are the same EWC"
end)

t.test("a task that comes again adds nothing to a memory that has its share, and is no task to come", function()
   local again = cl.streams.recur(stream "domain", { times = 3 })
   for name, options in pairs{ ER = { convention = "van-de-ven", per_class = 2 }, AGEM = { per_class = 2 }, GEM = { per_task = 4 } } do
      local once, thrice = cl.methods[name](options), cl.methods[name](options)
      train("domain", once)
      local run = train("domain", thrice, { stream = again, evaluate = "task" })
      t.expect({ name, thrice.memory:size() }):equals{ name, once.memory:size() }
      t.expect(run.metrics.forward_transfer):is_nil()
      t.expect(run.metrics.reasons.forward_transfer):contains "tasks come again"
   end
   train("task", cl.methods.ER{ convention = "van-de-ven", per_class = 2 }, { stream = cl.streams.recur(stream "task", { times = 2 }) })
end)

t.test("a memory of bytes holds bytes, and gives the numbers that a batch of the data set has", function()
   local function digits(scale)
      return engram.data.dataset{ name = "bytes", images = engram.randint(0, 255, 20, 1, 4, 4, { stream = "bytes" }):to "uint8",
         labels = engram.randint(1, 3, 20, { stream = "bytes" }), classes = 3, scale = scale, shift = -0.13 }
   end
   local set, memory = digits(1 / 77), buffer.new()
   local x, y = set:batch(engram.arange(1, 20))
   memory:add("reservoir", 20, { images = x, labels = y, tasks = 1, format = buffer.format(set) })
   t.expect({ memory.images.dtype, memory.images:bytes() }):equals{ "uint8", 20 * 16 }
   t.expect(memory:items(engram.arange(1, 20)).images:equal(x)):is_true()
   t.expect((memory:dataset(3):batch(engram.arange(1, 20))):equal(x)):is_true()
   memory:take(set, 5, false, 2)
   t.expect(memory.images.dtype):equals "uint8"
   memory:take(digits(1 / 99), 5, false, 3)                  -- another normalisation: they can only be numbers
   t.expect(memory.images.dtype):equals "float32"
   t.expect(memory:items(engram.arange(1, 20)).images:equal(x)):is_true()
end)

t.test("LwF distils over the task's own items alone, whatever stands beside them", function()
   local function at_second(methods)
      local found
      train("class", methods, { on_step = function(state)
         if state.task == 2 and state.step_in_task == 2 then found = state.penalty end
      end })
      return found
   end
   cl.methods.register{ name = "Beside", doc = "items beside the batch in one step", hyper = {}, state = {},
      batch = function(_, state)
         if state.task ~= 2 or state.step_in_task ~= 2 then return end
         state.tasks = engram.full({ 2 * #state.y }, 2, { dtype = "int64" })
         state.x, state.y = engram.cat{ state.x, state.x * 3 }, engram.cat{ state.y, state.y }
      end }
   t.expect(at_second{ cl.methods.LwF{}, cl.methods.Beside{} }):close_to(at_second{ cl.methods.LwF{} }, 1e-12)
end)

t.test("a fork takes over what a method keeps: it is the longer training, to the bit", function()
   local function first_tasks(count, scenario)
      local list = { scenario = scenario }
      for k = 1, count do list[k] = cl.task(sets[k]) end
      return cl.stream(list)
   end
   for _, name in ipairs(cl.methods.list()) do
      if name ~= "Joint" then                               -- it sees tasks that the shorter stream has not
         local method = cl.methods[name](name == "GDumb" and { epochs = 1 } or nil)
         local scenario = name == "PackNet" and "task" or "domain"
         local long = train(scenario, method, { stream = first_tasks(3, scenario) })
         local base = train(scenario, cl.methods.again(method), { stream = first_tasks(2, scenario) })
         t.expect({ name, cl.fork(base, { stream = first_tasks(3, scenario) }).hash }):equals{ name, long.hash }
      end
   end
end)

t.test("an optimizer that holds the last layer alone: no method sees more of the gradients than a frozen body has", function()
   local function frozen(m)
      for i, p in ipairs(m:parameters()) do
         if i <= 2 then p:requires_grad_(false) end
      end
      return m
   end
   local function weights(method, freeze)
      return plain.from(train("domain", method, {
         model = function() return freeze and frozen(make_model "domain"()) or make_model "domain"() end,
         optimizer = function(m) return optim.SGD({ m[3].weight, m[3].bias }, { lr = LR }) end }).model:parameters())
   end
   for _, method in ipairs{ cl.methods.AGEM{ per_class = ALL }, cl.methods.GEM{ per_task = ALL, margin = 0 } } do
      local again = cl.methods.again(method)
      t.expect(weights(method, false)):close_to(weights(again, true), 1e-12)
   end
end)

t.test("gradients of parameters that the optimizer does not hold are those of one step", function()
   local sizes = {}
   train("domain", nil, { optimizer = function(m) return optim.SGD({ m[3].weight, m[3].bias }, { lr = 0 }) end,
      stream = cl.stream{ cl.task(sets[1]:take(4), { epochs = 3 }) }, on_step = function(state)
      sizes[state.step] = state.model[1].weight.grad:abs():sum():item()
   end })
   t.expect({ sizes[2], sizes[3] }):close_to({ sizes[1], sizes[1] }, 1e-12)
end)

t.test("PackNet leaves the model whole before the first task", function()
   local given = { evaluate = "task" }
   t.expect(train("task", cl.methods.PackNet{}, given).accuracy.initial):equals(train("task", nil, given).accuracy.initial)
end)

t.test("blurred tasks, whose items have units of other tasks, with every method", function()
   for _, scenario in ipairs(SCENARIOS) do
      for _, name in ipairs(cl.methods.list()) do
         if name ~= "PackNet" or scenario == "task" then
            local method = cl.methods[name](name == "GDumb" and { epochs = 1 } or nil)
            local run = train(scenario, method, { stream = cl.streams.blur(stream(scenario), { width = 0.5 }) })
            t.expect({ name, scenario, #run.hash, run.losses[#run.losses].loss < 10 }):equals{ name, scenario, 64, true }
         end
      end
   end
end)

t.test("Joint: the tasks share one training on all data, in which an item is met as often as in the stream, in the seed's order", function()
   local function met(given)
      local images, labels = engram.arange(30):to("float64"):reshape(30, 1), engram.ones(30, { dtype = "int64" })
      local set = engram.data.dataset{ images = images, labels = labels }
      local list = {}
      for k = 1, 3 do list[k] = cl.task(set, { epochs = given.epochs }) end
      list.scenario = "domain"
      local made, times, order = cl.stream(list), {}, {}
      if given.steps then made = cl.streams.iterations(made, { steps = given.steps }) end
      local run = cl.train{ model = function() return nn.Linear(1, 2):to "float64" end, stream = made, seed = given.seed or 1,
         batch_size = 8, evaluate = "never", optimizer = function(m) return optim.SGD(m, { lr = 1e-6 }) end,
         drop_last = given.drop_last, shuffle = given.shuffle, method = cl.methods.Joint{}, on_step = function(state)
            for i, x in ipairs(state.x:reshape(#state.x):tolist()) do
               local item = x + 100 * state.tasks[i]:item()
               times[item] = (times[item] or 0) + 1
               table.insert(order, item)
            end
         end }
      local least, most, different = math.huge, 0, 0
      for _, n in pairs(times) do least, most, different = math.min(least, n), math.max(most, n), different + 1 end
      return { different, least, most, run.steps }, order
   end
   local one, order = met{}
   t.expect(one):equals{ 90, 1, 2, 12 }                                    -- 96 items: a pass and a part of the second
   t.expect(met{ epochs = 2 }):equals{ 90, 2, 3, 24 }
   t.expect(met{ steps = 12 }):equals{ 90, 3, 4, 36 }
   t.expect(met{ drop_last = true }):equals{ 72, 1, 1, 9 }
   t.expect(met{ drop_last = true, epochs = 5 }):equals{ 90, 4, 4, 45 }
   t.expect(select(2, met{})):equals(order)
   t.expect(select(2, met{ seed = 2 })):differs_from(order)
   local first, unshuffled = {}, select(2, met{ shuffle = false })
   for i = 1, 32 do first[math.floor(unshuffled[i] / 100)] = true end
   t.expect(first):equals{ true, true, true }                              -- of all tasks, in the first
end)

t.test("a stream in the order of time: what a method mixes of several tasks, or keeps, is shuffled all the same", function()
   local function order_of(method)
      local tasks = {}
      train("class", method, { stream = cl.streams.blur(stream "class", { width = 0.2 }), shuffle = true, on_step = function(state)
         tasks[state.task] = tasks[state.task] or {}
         for _, k in ipairs(state.tasks and state.tasks:tolist() or {}) do table.insert(tasks[state.task], k) end
      end })
      return tasks
   end
   local function is_sorted(list)
      for i = 2, #list do
         if list[i] < list[i - 1] then return false end
      end
      return true
   end
   for _, method in ipairs{ cl.methods.Joint{}, cl.methods.Joint{ budget = "epochs" }, cl.methods.Cumulative{}, cl.methods.Rehearsal{},
      cl.methods.GDumb{ epochs = 1 } } do
      local tasks = order_of(method)
      t.expect({ cl.methods.describe(method), #tasks[3] > 0, is_sorted(tasks[3]) }):equals{ cl.methods.describe(method), true, false }
   end
   local met = {}
   for _, k in ipairs(order_of(cl.methods.Joint{})[1]) do met[k] = true end
   t.expect(met):equals{ true, true, true }
end)

t.test("tasks that blur and come again: importances are those of a task's own units, whenever it comes", function()
   for _, method in ipairs{ cl.methods.EWC{}, cl.methods.MAS{} } do
      local own = cl.streams.blur(cl.streams.recur(stream "task", { times = 2 }), { width = 0.4 })
      t.expect(#train("task", method, { stream = own, shuffle = true }).hash):equals(64)
   end
end)

t.test("Rehearsal keeps no more than its memory where tasks blur", function()
   for _, scenario in ipairs(SCENARIOS) do
      for seed = 1, 6 do
         local method, most = cl.methods.Rehearsal{ memory = 9 }, 0
         train(scenario, method, { stream = cl.streams.blur(stream(scenario), { width = 0.5, seed = seed }),
            on_step = function() most = math.max(most, method.memory:size()) end })
         t.expect({ scenario, seed, math.max(most, method.memory:size()) }):equals{ scenario, seed, 9 }
      end
   end
end)

t.test("the bytes of a union are known without its data, which are not drawn again", function()
   local made = cl.streams.permuted("glyphs/digits", { tasks = 3, train = 20, test = 10 })
   local run = cl.train{ model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end, stream = made, seed = 1,
      optimizer = function(m) return optim.SGD(m, { lr = LR }) end, method = cl.methods.Joint{}, evaluate = "never" }
   t.expect(run.bytes.method_state["Joint.data"]):equals(3 * 20 * (784 + 8))
   for k = 1, 3 do t.expect({ k, made[k]:has "train" }):equals{ k, false } end
end)

t.test("two methods cannot both choose what is trained on", function()
   t.expect(function() train("domain", { cl.methods.Joint{}, cl.methods.GDumb{} }) end):raises "Joint and GDumb both choose what is"
   t.expect(function() train("domain", cl.methods.GDumb{}, { model = make_model "domain"() }) end):raises "GDumb trains from scratch"
end)

-- ---- PackNet ----------------------------------------------------------------------------------------------

t.test("PackNet: frozen weights keep their bits, whatever the optimizer does; old accuracies stay", function()
   local method, frozen = cl.methods.PackNet{ prune = 0.5, retrain = 0.34 }, {}
   local run = train("task", method, { evaluate = "task", optimizer = function(m)
      return optim.SGD(m, { lr = LR, momentum = 0.9, weight_decay = 0.01 })
   end, on_step = function(state)
      if state.step_in_task == state.steps_in_task then
         frozen[state.task] = { weights = plain.from(state.parameters), belongs = plain.from(method.belongs) }
      end
   end })
   local final, checked = plain.from(run.model:parameters()), 0
   for k = 1, 2 do
      plain.each(final, function(i, j)
         if frozen[k].belongs[i][j] == k then
            t.expect(final[i][j]):equals(frozen[k].weights[i][j])
            checked = checked + 1
         end
      end)
      for later = k + 1, 3 do t.expect(run.accuracy[later][k]):equals(run.accuracy[k][k]) end
   end
   t.expect(checked):above(20)
   local of_layer = { [0] = 0, 0, 0, 0 }
   for _, owner in ipairs(frozen[3].belongs[1]) do of_layer[owner] = of_layer[owner] + 1 end
   t.expect({ of_layer[1], of_layer[2], of_layer[3] }):equals{ 6, 3, 1 }               -- of 12; then of the 6, then of the 3 that were free
   for j, owner in ipairs(frozen[3].belongs[1]) do if owner == 0 then t.expect(final[1][j]):equals(0) end end
end)

t.test("PackNet: what does not move belongs to the first task whole and is never pruned", function()
   local function layers(given, freeze)
      local before, after, owners
      local method = cl.methods.PackNet{ prune = 0.5 }
      local run = train("task", method, { evaluate = "task", model = function()
         local m = make_model "task"()
         if freeze then m[1].weight:requires_grad_(false) end
         before = plain.from(m:parameters())
         return m
      end, optimizer = given })
      after, owners = plain.from(run.model:parameters()), plain.from(method.belongs)
      t.expect(run.accuracy[3][1]):equals(run.accuracy[1][1])
      return before, after, owners
   end
   local ones = {}
   for i = 1, 12 do ones[i] = 1 end
   local before, after, owners = layers(function(m) return optim.SGD({ m[3].weight, m[3].bias }, { lr = LR }) end)
   t.expect({ after[1], owners[1] }):equals{ before[1], ones }
   before, after, owners = layers(function(m) return optim.SGD({ m[1].bias, m[3].weight, m[3].bias }, { lr = LR }) end, true)
   t.expect({ after[1], owners[1] }):equals{ before[1], ones }
end)

t.test("PackNet prunes a task that a budget ends early, after its last step", function()
   local method, given = cl.methods.PackNet{ prune = 0.5, retrain = 0.3 }, { evaluate = "task" }
   given.stream = cl.stream{ cl.task(sets[1], { epochs = 4 }), cl.task(sets[2], { epochs = 4 }), scenario = "task" }
   local long = train("task", cl.methods.again(method), given)
   given.budget = { arithmetic_per_task = long.arithmetic.total / 8 }
   local run = train("task", method, given)
   t.expect(run.steps):below(long.steps * 0.7)
   local count = { [0] = 0, 0, 0 }
   for _, owner in ipairs(plain.from(method.belongs)[1]) do count[owner] = count[owner] + 1 end
   t.expect({ count[1], count[2], count[0] }):equals{ 6, 3, 3 }
   t.expect(run.accuracy[2][1]):equals(run.accuracy[1][1])
end)

t.test("PackNet begins with the first task: a fork from others' is refused, one of its own goes on", function()
   local base = train("task", nil, { stream = cl.stream{ cl.task(sets[1]), scenario = "task" } })
   t.expect(function() cl.fork(base, { stream = stream "task", method = cl.methods.PackNet{} }) end):raises
      "PackNet must train from the first task on, and this is a fork from task 1 of a run without it"
   base = train("task", cl.methods.PackNet{}, { stream = cl.stream{ cl.task(sets[1]), scenario = "task" } })
   t.expect(#cl.fork(base, { stream = stream "task" }).hash):equals(64)
end)

t.test("PackNet against plain numbers", function()
   local w, belongs = initial "task", nil
   local function mine(k)
      local masks = plain.zeros(w)
      plain.each(w, function(i, j)
         local row = i == 3 and math.floor((j - 1) / 4) + 1 or j
         if i == 1 and belongs[i][j] == 0 or i == 2 and k == 1 or i > 2 and row >= 3 * k - 2 and row <= 3 * k then belongs[i][j] = k end
         masks[i][j] = belongs[i][j] == k and 1 or 0
      end)
      return masks
   end
   belongs = plain.zeros(w)
   local masks, n
   plain.train(w, tasks_of "task", { lr = LR, batch = BATCH,
      task_begin = function(_, k, list)
         activate(list, "task", k)
         masks, n = mine(k), 0
      end,
      gradients = function(_, g) plain.each(g, function(i, j) g[i][j] = g[i][j] * masks[i][j] end) end,
      after_step = function(_, now, _, k)
         n = n + 1
         if n ~= 2 then return end                         -- of three steps one comes after the pruning
         local sizes = {}
         for j = 1, #now[1] do if belongs[1][j] == k then sizes[#sizes + 1] = math.abs(now[1][j]) end end
         table.sort(sizes)
         local limit = sizes[math.floor(0.5 * #sizes + 0.5)]
         for j = 1, #now[1] do
            if belongs[1][j] == k and math.abs(now[1][j]) <= limit then belongs[1][j], now[1][j], masks[1][j] = 0, 0, 0 end
         end
      end })
   expect_weights(train("task", cl.methods.PackNet{ prune = 0.5, retrain = 0.34 }), w)
end)

t.test("PackNet needs the task of an item, and no running figures", function()
   t.expect(function() train("class", cl.methods.PackNet{}) end):raises "it needs scenario = 'task', this stream has 'class'"
   t.expect(function()
      train("task", cl.methods.PackNet{}, { model = function()
         return nn.Sequential{ nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 9) }:to "float64"
      end })
   end):raises "a layer keeps running figures"
end)

-- ---- the optimizer anew -----------------------------------------------------------------------------------

t.test("ResetOptimizer: momentum begins anew with every task", function()
   local velocity
   local w = initial "domain"
   plain.train(w, tasks_of "domain", { lr = LR, batch = BATCH,
      task_begin = function(_, k, list)
         activate(list, "domain", k)
         velocity = plain.zeros(w)
      end,
      gradients = function(_, g)
         plain.each(g, function(i, j) velocity[i][j] = 0.9 * velocity[i][j] + g[i][j] end)
         return plain.copy(velocity)
      end })
   local function momentum(m) return optim.SGD(m, { lr = LR, momentum = 0.9 }) end
   expect_weights(train("domain", cl.methods.ResetOptimizer{}, { optimizer = momentum }), w)
   t.expect(train("domain", nil, { optimizer = momentum }).hash):differs_from(
      train("domain", cl.methods.ResetOptimizer{}, { optimizer = momentum }).hash)
end)

-- ---- the memory -------------------------------------------------------------------------------------------

local function offer(memory, filling, capacity, first, count, label)
   local labels = {}
   for i = 1, count do labels[i] = label and label(first + i - 1) or 1 end
   memory:add(filling, capacity, { images = engram.arange(first, first + count - 1):double():reshape(count, 1),
      labels = engram.tensor(labels, { dtype = "int64" }), tasks = 1 })
end

t.test("a reservoir holds every item ever offered with the same probability", function()
   engram.seed(11)
   local counts, runs, offered, capacity = {}, 1000, 40, 8        -- 40,000 offers
   for i = 1, offered do counts[i] = 0 end
   for _ = 1, runs do
      engram.scope(function()
         local memory = buffer.new()
         for first = 1, offered, 5 do offer(memory, "reservoir", capacity, first, 5) end
         local held = memory.images:reshape(-1):tolist()
         t.expect(#held):equals(capacity)
         for _, i in ipairs(held) do counts[i] = counts[i] + 1 end
      end)
   end
   local expected, chi = runs * capacity / offered, 0
   for i = 1, offered do
      chi = chi + (counts[i] - expected) ^ 2 / (expected * (1 - capacity / offered))
      t.expect(math.abs(counts[i] - expected)):below(5 * math.sqrt(expected * (1 - capacity / offered)))
   end
   t.expect(chi):below(75)                                  -- 39 degrees of freedom: 1 in 2000
   t.expect(chi):above(15)
end)

t.test("a balanced memory holds as many of each class as it can", function()
   engram.seed(12)
   local memory = buffer.new()
   offer(memory, "balanced", 12, 1, 30, function() return 1 end)
   local function by_class()
      local found = { 0, 0, 0 }
      for _, c in ipairs(memory.labels:tolist()) do if c > 0 then found[c] = found[c] + 1 end end
      return found
   end
   t.expect(by_class()):equals{ 12, 0, 0 }
   offer(memory, "balanced", 12, 31, 30, function() return 2 end)
   t.expect(by_class()):equals{ 6, 6, 0 }
   offer(memory, "balanced", 12, 61, 2, function() return 3 end)
   t.expect(by_class()[3]):equals(2)
   offer(memory, "balanced", 12, 63, 28, function() return 3 end)
   t.expect(by_class()):equals{ 4, 4, 4 }
   for n, label in ipairs(memory.labels:tolist()) do          -- labels stay with their items
      local i = memory.images:reshape(-1):tolist()[n]
      t.expect(label):equals(i <= 30 and 1 or i <= 60 and 2 or 3)
   end
end)

t.test("a draw holds different items; the rest of the random streams stays where it is", function()
   engram.seed(13)
   local memory = buffer.new()
   t.expect(memory:draw(3)):is_nil()
   offer(memory, "reservoir", 10, 1, 10)
   local order = engram.random.stream("order").counter
   local drawn = memory:draw(10).images:reshape(-1):tolist()
   table.sort(drawn)
   t.expect(drawn):equals(engram.arange(10):double():tolist())
   t.expect(#memory:draw(4).labels):equals(4)
   t.expect(#memory:draw(99).labels):equals(10)
   t.expect(engram.random.stream("order").counter):equals(order)
end)

t.done()
