-- test_ewc.lua: EWC against an independent calculation in float64, and the mistakes that others have made.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl

local function tiny(seed, n)
   local stream = "ewc" .. seed
   local labels = engram.randint(1, 3, n or 40, { stream = stream })
   local images = engram.randn(n or 40, 5, { stream = stream })
   return engram.data.dataset{ name = "tiny" .. seed, images = images:keep(), labels = labels:keep(), classes = 3 }
end
local first, second = tiny(1), tiny(2)
local function make_model() return nn.Sequential{ nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3) } end
local function sgd(model) return optim.SGD(model, { lr = 0.05 }) end

local function train(options)
   local all = { model = make_model, optimizer = sgd, stream = cl.stream{ cl.task(first), cl.task(second) }, batch_size = 10, seed = 3,
      shuffle = false, evaluate = "never" }
   for key, value in pairs(options or {}) do all[key] = value end
   return cl.train(all)
end

-- The exact diagonal Fisher by one backward a sample and class.
local function fisher_by_hand(model, set, rule)
   local totals, parameters = {}, model:parameters()
   for i, p in ipairs(parameters) do totals[i] = engram.zeros_like(p) end
   for n = 1, set:size() do
      local x, y = set:batch{ n }
      local log_p = model(x):log_softmax(2)
      for c = 1, 3 do
         local weight = rule == "exact" and log_p[{ 1, c }]:exp():item() or (y:item() == c and 1 or 0)
         local grads = engram.grad(log_p[{ 1, c }], parameters, { retain_graph = true })
         for i, g in ipairs(grads) do totals[i]:add_(g:square(), weight / set:size()) end
      end
   end
   return totals
end

-- What EWC should do, written with operations on .grad: a plain loop.
local function by_hand(lambda, rule, mode)
   engram.seed(3)
   local model = make_model()
   local opt = sgd(model)
   local parameters, memory = model:parameters(), {}
   for _, set in ipairs{ first, second, first } do
      for at = 1, set:size(), 10 do
         local x, y = set:batch(engram.arange(at, at + 9))
         opt:zero_grad()
         nn.cross_entropy(model(x), y):backward()
         for _, old in ipairs(memory) do
            for i, p in ipairs(parameters) do
               p.grad = p.grad + old.fisher[i] * (p:detach() - old.anchor[i]) * lambda
            end
         end
         opt:step()
      end
      local anchor = {}
      for i, p in ipairs(parameters) do anchor[i] = p:detach():clone() end
      local new = fisher_by_hand(model, set, rule)
      if mode == "online" and memory[1] then
         for i, f in ipairs(new) do memory[1].fisher[i]:add_(f) end
         memory[1].anchor = anchor
      else
         memory[#memory + 1] = { fisher = new, anchor = anchor }
      end
   end
   return parameters
end

for _, case in ipairs{ { "exact", "separate" }, { "empirical", "separate" }, { "exact", "online" } } do
   t.test(("EWC %s %s equals the plain loop over three tasks"):format(case[1], case[2]), function()
      local run = train{ stream = cl.stream{ cl.task(first), cl.task(second), cl.task(first) },
         method = cl.methods.EWC{ lambda = 20, fisher = case[1], mode = case[2] } }
      for i, want in ipairs(by_hand(20, case[1], case[2])) do t.expect(run.model:parameters()[i]:detach()):close_to(want:detach(), 1e-4) end
   end)
end

t.test("the penalty has an effect, and none in the first task", function()
   local plain, held = train(), train{ method = cl.methods.EWC{ lambda = 50 } }
   t.expect(held.hash):differs_from(plain.hash)
   local one = { cl.task(first) }
   t.expect(train{ stream = cl.stream(one), method = cl.methods.EWC{ lambda = 50 } }.hash):equals(train{ stream = cl.stream(one) }.hash)
   t.expect(train{ method = cl.methods.EWC{ lambda = 0 } }.hash):equals(plain.hash)
end)

t.test("the Fisher is taken in evaluation mode and leaves training mode and gradients alone", function()
   local model = nn.Sequential{ nn.Linear(5, 6), nn.Dropout(0.5), nn.Linear(6, 3) }
   local a = engram.fisher.diagonal(model, first)
   local b = engram.fisher.diagonal(model, first, { batch_size = 7 })
   t.expect(model.training):is_true()
   t.expect(model:parameters()[1].grad):is_nil()
   for i in ipairs(a) do t.expect(a[i]):close_to(b[i], 1e-5) end
end)

t.test("the Fisher, the sensitivity and accuracies leave every module's own mode alone, also after an error", function()
   local model = nn.Sequential{ nn.Linear(5, 6), nn.Dropout(0.5), nn.Linear(6, 3) }
   model[2]:eval()
   local function fails() error("enough", 0) end
   local function check()
      t.expect({ model.training, model[1].training, model[2].training, model[3].training }):equals{ true, true, false, true }
   end
   for _, measure in ipairs{ engram.fisher.diagonal, engram.fisher.sensitivity, cl.metrics.accuracy } do
      measure(model, first)
      check()
      t.expect(function() measure(model, first, { poll = fails }) end):raises "enough"
      check()
   end
end)

t.test("the Fisher polls at every walk, so that Ctrl-C need not wait for a batch", function()
   local polls = 0
   engram.fisher.diagonal(make_model(), first, { poll = function() polls = polls + 1 end })
   t.expect(polls):equals(3)                                     -- a walk a class
   t.expect(function() engram.fisher.diagonal(make_model(), first, { poll = function() error("interrupted", 0) end }) end)
      :raises "interrupted"
   t.expect(function() engram.fisher.diagonal(make_model(), first, { batch_size = 0 }) end):raises "batch_size must be a whole number"
   t.expect(function() engram.fisher.diagonal(make_model(), first, { samples = 0.5 }) end):raises "samples must be a whole number"
end)

t.test("bytes: an anchor and an importance a task, or one of each online", function()
   local separate = train{ method = cl.methods.EWC{ lambda = 1 } }
   local online = train{ method = cl.methods.EWC{ lambda = 1, mode = "online" } }
   t.expect(separate.bytes.method):equals(4 * separate.bytes.weights)
   t.expect(online.bytes.method):equals(2 * online.bytes.weights)
end)

t.test("sampled labels come from their own stream", function()
   local plain = train{ method = cl.methods.EWC{ lambda = 0, fisher = "sampled" } }
   t.expect(plain.hash):equals(train().hash)
   local function sampled() return train{ method = cl.methods.EWC{ lambda = 30, fisher = "sampled" } } end
   local a, b = sampled(), sampled()
   t.expect(a.hash):equals(b.hash)
end)

-- The author's convention, calculated apart: squares of batch-mean gradients during one epoch of another model, over N; from epoch 2 of
-- task 1 the gradient gets 2 lambda F (w - anchor).
t.test("convention classp-repository equals the plain loop", function()
   local lambda = 40
   local run = train{ stream = cl.stream{ cl.task(first, { epochs = 2 }), cl.task(second) },
      method = cl.methods.EWC{ convention = "classp-repository", lambda = lambda, scout_lr = 0.25 } }
   engram.seed(3)
   local model = make_model()
   local scout = make_model()
   local scout_opt = optim.SGD(scout, { lr = 0.25 })
   local squares = {}
   for i, p in ipairs(scout:parameters()) do squares[i] = engram.zeros_like(p) end
   for at = 1, 40, 10 do
      local x, y = first:batch(engram.arange(at, at + 9))
      scout_opt:zero_grad()
      nn.cross_entropy(scout(x), y):backward()
      for i, p in ipairs(scout:parameters()) do squares[i]:add_(p.grad:square(), 1 / 40) end
      scout_opt:step()
   end
   local opt = sgd(model)
   for pass, set in ipairs{ first, first, second } do
      for at = 1, 40, 10 do
         local x, y = set:batch(engram.arange(at, at + 9))
         opt:zero_grad()
         nn.cross_entropy(model(x), y):backward()
         for i, p in ipairs(model:parameters()) do
            if pass > 1 then p.grad = p.grad + squares[i] * (p:detach() - scout:parameters()[i]:detach()) * (2 * lambda) end
         end
         opt:step()
      end
   end
   for i, want in ipairs(model:parameters()) do t.expect(run.model:parameters()[i]:detach()):close_to(want:detach(), 1e-4) end
end)

t.test("convention classp-repository: its own model has the training's loss, and may have a parameter without a part in it", function()
   local labels = 0
   local function counted(logits, y)
      labels = labels + #y
      return nn.cross_entropy(logits, y)
   end
   local Net = nn.Module:extend "Net"
   function Net:init() self.body, self.idle = make_model(), nn.Linear(2, 2) end
   function Net:forward(x) return self.body(x) end
   train{ model = function() return Net() end, loss = counted, stream = cl.stream{ cl.task(first), cl.task(second) },
      method = cl.methods.EWC{ convention = "classp-repository" } }
   t.expect(labels):equals(3 * 40)
end)

t.test("errors", function()
   local consolidate, list = engram.consolidate, { engram.ones(2) }
   t.expect(function() consolidate.copies(3) end):raises "consolidate.copies: expected a list of tensors, got number"
   t.expect(function() consolidate.copies{ 3 } end):raises "consolidate.copies: expected a tensor, got number"
   t.expect(function() consolidate.quadratic_penalty_(list, list) end):raises "quadratic_penalty_: expected a list of tensors, got nil"
   t.expect(function() consolidate.path_integral_() end):raises "path_integral_: expected a list of tensors, got nil"
   t.expect(function() cl.methods.EWC{ lamda = 1 } end):raises "did you mean 'lambda'?"
   t.expect(function() cl.methods.EWC{ fisher = "exct" } end):raises "did you mean 'exact'?"
   t.expect(function() cl.methods.EWC{ lambda = -1 } end):raises "expected at least 0"
   t.expect(function() train{ model = make_model(), optimizer = nil, method = cl.methods.EWC{ convention = "classp-repository" } } end)
      :raises "trains a model of its own"
end)

t.test("the Fisher information is per sample where a layer sees several rows of a sample, or a parameter as its input", function()
   local Rows = nn.Module:extend "Rows"                       -- a linear layer over three rows of each sample, then their mean
   function Rows:init() self.layer, self.prompt = nn.Linear(4, 5), nn.parameter(engram.randn(2, 4)) end
   function Rows:forward(x)
      local rows = x:reshape(x:size(1), 3, 4)
      return self.layer(rows):relu():mean(2) + self.layer(self.prompt):mean(1)
   end
   engram.seed(5)
   local model, x = Rows(), engram.randn(6, 1, 3, 4)
   local set = engram.data.dataset{ images = x, labels = engram.randint(1, 5, 6), classes = 5 }
   local found = engram.fisher.diagonal(model, set, { label = "empirical" })
   local expected = {}
   for i, p in ipairs(model:parameters()) do expected[i] = engram.zeros_like(p) end
   for n = 1, 6 do
      local item, label = set:batch{ n }
      for i, g in ipairs(engram.grad(nn.cross_entropy(model(item), label), model:parameters())) do expected[i]:add_(g:square() / 6) end
   end
   for i = 1, #expected do t.expect(found[i]:allclose(expected[i], 1e-4, 1e-7)):is_true() end
   t.expect(function() engram.autograd.squared_gradients(model(x), engram.ones(6, 5), model:parameters()) end):raises "fisher: operation"
   t.expect(function() engram.autograd.squared_gradients(model(x), {}, model:parameters()) end):raises "an empty list"
end)

-- The mean over items of squared (or absolute) gradients, by one backward an item.
local function by_items(model, set, size)
   local parameters, expected = model:parameters(), {}
   for i, p in ipairs(parameters) do expected[i] = engram.zeros_like(p) end
   for n = 1, set:size() do
      local item, label = set:batch{ n }
      local grads = engram.grad(nn.cross_entropy(model(item), label), parameters, { allow_unused = true })
      for i = 1, #parameters do
         if grads[i] then expected[i]:add_(grads[i]:square() / size) end
      end
   end
   return expected
end

t.test("the Fisher information is per sample where something else has as many rows as there are samples", function()
   local function texts(n, width)
      return engram.data.dataset{ images = engram.randint(1, 9, { n, width }), labels = engram.randint(1, 3, { n }), classes = 3 }
   end
   local kinds = {
      positions = function(self, x) return self.words(x) + self.places(engram.arange(1, x:size(2))) end,
      ["time first"] = function(self, x) return self.layer(self.words(x):tanh():transpose(1, 2)):transpose(1, 2) end,
      ["the first position alone"] = function(self, x)
         return self.layer(self.words(x):tanh():transpose(1, 2)):narrow(1, 1, 1):transpose(1, 2)
      end,
      ["the last position alone"] = function(self, x)
         return self.layer(self.words(x):tanh():transpose(1, 2)):narrow(1, x:size(2), 1):transpose(1, 2)
      end,
      ["all samples in each"] = function(self, x)
         local y = self.words(x)
         return self.layer(y) - self.layer(y):mean(1, true)
      end,
   }
   for name, body in pairs(kinds) do
      local Reader = nn.Module:extend "Reader"
      function Reader:init()
         self.words, self.places = nn.Embedding(9, 4, { dtype = "float64" }), nn.Embedding(8, 4, { dtype = "float64" })
         self.layer, self.output = nn.Linear(4, 4, { dtype = "float64" }), nn.Linear(4, 3, { dtype = "float64" })
      end
      function Reader:forward(x) return self.output(body(self, x):mean(2)) end
      engram.seed(5)
      local model, set = Reader(), texts(12, 6)
      if name ~= "all samples in each" then
         local expected = by_items(model, set, 12)
         for _, size in ipairs{ 1, 4, 6, 12 } do
            local found = engram.fisher.diagonal(model, set, { label = "empirical", batch_size = size })
            for i = 1, #expected do t.expect({ name, size, i, found[i]:allclose(expected[i], 1e-9) }):equals{ name, size, i, true } end
         end
      end
      local x = set:batch(engram.arange(1, 6))
      t.expect(function() engram.autograd.squared_gradients(model(x), engram.ones(6, 3, { dtype = "float64" }), model:parameters()) end)
         :raises "fisher: "
   end
end)

t.test("frozen parameters: no importance of their own, that of the others as it is", function()
   for _, queries in ipairs{ "all", "last" } do
      local Reader = nn.Module:extend "Reader"
      function Reader:init()
         self.words = nn.Embedding(9, 4, { dtype = "float64" })
         self.attention = nn.MultiheadAttention(4, 2, { dtype = "float64", queries = queries })
         self.lstm, self.norm = nn.LSTM(4, 4, { dtype = "float64" }), nn.LayerNorm(4, { dtype = "float64" })
         self.output = nn.Linear(4, 3, { dtype = "float64" })
      end
      function Reader:forward(x)
         local y = self.words(x)
         local read = self.attention(y)
         if queries == "all" then read = read:mean(2) end
         return self.output(self.norm(read + self.lstm(y):mean(2)))
      end
      engram.seed(5)
      local model = Reader()
      local set = engram.data.dataset{ images = engram.randint(1, 9, { 6, 5 }), labels = engram.randint(1, 3, { 6 }), classes = 3 }
      local expected = by_items(model, set, 6)
      for i, p in ipairs(model:parameters()) do
         p:requires_grad_(false)
         local found = engram.fisher.diagonal(model, set, { label = "empirical" })
         for j = 1, #expected do
            local right = j == i and found[j]:abs():max():item() == 0 or j ~= i and found[j]:allclose(expected[j], 1e-9)
            t.expect({ queries, i, j, right }):equals{ queries, i, j, true }
         end
         p:requires_grad_(true)
      end
   end
end)

t.test("methods train a model of which a part is frozen, and leave that part alone", function()
   local tasks = {}
   for k = 1, 2 do
      tasks[k] = cl.task({ train = engram.data.dataset{ images = engram.randn(40, 6), labels = engram.randint(1, 2, { 40 }), classes = 2 },
         test = engram.data.dataset{ images = engram.randn(10, 6), labels = engram.randint(1, 2, { 10 }), classes = 2 } })
   end
   for _, name in ipairs{ "EWC", "MAS", "SI", "LwF", "ER", "AGEM", "GEM" } do
      engram.seed(1)
      local model = nn.Sequential{ nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2) }
      model[1].weight:requires_grad_(false)
      local before, bias = model[1].weight:clone(), model[1].bias:detach():clone()
      cl.train{ model = model, stream = cl.stream(tasks), batch_size = 10, seed = 1, method = cl.methods[name](), evaluate = "never",
         optimizer = function(m)
            local free = {}
            for _, p in ipairs(m:parameters()) do
               if p.requires_grad then free[#free + 1] = p end
            end
            return optim.SGD(free, { lr = 0.1 })
         end }
      t.expect({ name, model[1].weight:equal(before), model[1].bias:equal(bias) }):equals{ name, true, false }
   end
end)

t.test("a method prints its settings", function()
   t.expect(tostring(cl.methods.EWC{ lambda = 3 })):contains "gamma_in_penalty = false, half = true, lambda = 3, "
end)

t.done()
