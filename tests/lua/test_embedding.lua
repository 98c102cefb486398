-- test_embedding.lua: Embedding, and its gradient of rows: dense for whoever asks, and for optimizers the same bits either way.
local t = require "tests.harness"
local engram = require "engram"
local autograd = require "engram.autograd"
local core = require "engram.core"
local nn, optim = engram.nn, engram.optim

local function tokens(list) return engram.tensor(list, { dtype = "int64" }) end

local function live_bytes() return tonumber(core.C.eg_live_bytes()) end

t.test("rows by number, in the shape of the index", function()
   engram.seed(1)
   local layer = nn.Embedding(5, 3, { padding_index = 2 })
   local y = layer(tokens{ { 5, 2 }, { 1, 5 } })
   t.expect(y.shape):equals{ 2, 2, 3 }
   t.expect(y[{ 1, 1 }]):equals(layer.weight[5])
   t.expect(y[{ 1, 2 }]):equals{ 0, 0, 0 }
   t.expect(layer(tokens{ 4 })):equals{ layer.weight[4]:tolist() }
   t.expect(tostring(layer)):equals "Embedding(5, 3, padding_index = 2)"
end)

t.test("the gradient is dense for those who read it, and 0 for the padding", function()
   local layer = nn.Embedding(4, 2, { padding_index = 1 })
   layer(tokens{ { 3, 1 }, { 3, 4 } }):sum():backward()
   t.expect(layer.weight.grad):equals{ { 0, 0 }, { 0, 0 }, { 2, 2 }, { 1, 1 } }
   layer(tokens{ 2, 3 }):sum():backward()                            -- adds to a dense one
   t.expect(layer.weight.grad):equals{ { 0, 0 }, { 1, 1 }, { 3, 3 }, { 1, 1 } }
   layer:zero_grad()
   t.expect(layer.weight.grad):is_nil()
   layer(tokens{ 2 }):sum():backward()
   layer.weight.grad = nil
   t.expect(layer.weight.grad):is_nil()
end)

t.test("gradients of rows add up, over calls and within a graph", function()
   local layer = nn.Embedding(5, 2)
   layer(tokens{ 2, 5 }):sum():backward()
   layer(tokens{ 5, 1 }):sum():backward()
   t.expect(autograd.rows_of(layer.weight).index):equals{ 1, 2, 5 }
   t.expect(layer.weight.grad):equals{ { 1, 1 }, { 1, 1 }, { 0, 0 }, { 0, 0 }, { 2, 2 } }
   layer:zero_grad();
   (layer(tokens{ 2, 3 }) * layer(tokens{ 3, 4 })):sum():backward()
   local w = layer.weight:detach()
   local both = engram.zeros(5, 2)
   both[2], both[3], both[4] = w[3], w[2] + w[4], w[3]
   t.expect(layer.weight.grad):close_to(both, 1e-6)
   layer:zero_grad();
   (layer(tokens{ 1 }):sum() + layer.weight:sum()):backward()        -- rows and a dense gradient
   t.expect(layer.weight.grad):equals{ { 2, 2 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 } }
end)

t.test("a table that is the result of an operation gets a dense gradient", function()
   local w = engram.randn(4, 2, { requires_grad = true });
   (w * 3):embedding(tokens{ 2, 2 }):sum():backward()
   t.expect(w.grad):equals{ { 0, 0 }, { 6, 6 }, { 0, 0 }, { 0, 0 } }
   local g = engram.grad(w:embedding(tokens{ 1 }):square():sum(), { w }, { create_graph = true })[1]
   t.expect(g.requires_grad):is_true()
   t.expect(engram.grad(g:sum(), { w })[1]):equals{ { 2, 2 }, { 0, 0 }, { 0, 0 }, { 0, 0 } }
end)

-- ---- optimizers -------------------------------------------------------------------------------------------

local function model_of(dtype)
   engram.seed(4)
   return nn.Sequential{ nn.Embedding(40, 19, { padding_index = 1, dtype = dtype }), nn.Flatten(), nn.Linear(6 * 19, 3, { dtype = dtype }) }
end

-- Twenty steps of a few rows of forty, repeated and padded ones among them; `dense` asks for the gradient first. What there is after each.
local function trajectory(make, dtype, dense)
   local model = model_of(dtype)
   local opt, seen = make(model), {}
   for step = 1, 20 do
      engram.scope(function()
         engram.seed(100 + step)
         local x = engram.randint(1, 12, 7, 6) * engram.randint(1, 3, 7, 6)
         x[{ 1, 6 }], x[{ 2, 6 }], x[{ 3, 1 }] = 1, 1, x[{ 3, 2 }]:item()
         opt:zero_grad()
         nn.cross_entropy(model(x), engram.randint(1, 3, 7)):backward()
         if dense then t.expect(model[1].weight.grad.shape):equals{ 40, 19 } end
         t.expect(autograd.rows_of(model[1].weight) ~= nil):equals(not dense)
         opt:step()
         local state = { model:hash(), opt:statistics().moved, opt:statistics().weights }
         for name, slot in opt:named_state() do state[#state + 1] = name .. " " .. tostring(slot:double():sum():item()) end
         seen[step] = table.concat(state, "\n")
      end)
   end
   return seen
end

local makers = {
   SGD = function(m) return optim.SGD(m, { lr = 0.1 }) end,
   ["SGD with momentum"] = function(m) return optim.SGD(m, { lr = 0.1, momentum = 0.9 }) end,
   ["SGD with weight decay"] = function(m) return optim.SGD(m, { lr = 0.1, weight_decay = 0.01 }) end,
   AdaGrad = function(m) return optim.AdaGrad(m, { lr = 0.1 }) end,
   ["AdaGrad, epsilon 0 in float32"] = function(m) return optim.AdaGrad(m, { lr = 0.1, epsilon = 1e-60, weight_decay = 1e-3 }) end,
   Adam = function(m) return optim.Adam(m, { lr = 0.01 }) end,
   RMSProp = function(m) return optim.RMSProp(m, { lr = 0.01 }) end,
   ["CLASSP paper"] = function(m) return optim.CLASSP(m, { lr = 0.1, threshold = 1e-5 }) end,
   ["CLASSP paper, threshold 0, power 2"] = function(m) return optim.CLASSP(m, { lr = 0.1, power = 2 }) end,
   ["CLASSP paper, power 3, decay off"] = function(m) return optim.CLASSP(m, { lr = 0.1, power = 3, decay = false }) end,
   ["CLASSP published"] = function(m) return optim.CLASSP(m, { lr = 0.1, threshold = 0.99, variant = "published" }) end,
   ["CLASSP published, shut"] = function(m) return optim.CLASSP(m, { lr = 0.1, threshold = 2, variant = "published" }) end,
   ["a Lua optimizer"] = function(m)
      local description = { name = "SignOfEmbedding", hyper = {}, slots = {}, step = function(p, g) p:add_(g:sign(), -0.01) end }
      return require "engram.optim.optimizer".make(description, m, {})
   end,
}
local takes_rows = { SGD = true, AdaGrad = true }

for name, make in pairs(makers) do
   for _, dtype in ipairs{ "float32", "float64" } do
      t.test(("%s, %s: rows and the dense gradient give the same bits"):format(name, dtype), function()
         t.expect(trajectory(make, dtype, false)):equals(trajectory(make, dtype, true))
      end)
   end
   t.test(name .. ": rows stay rows where the rest keeps still", function()
      engram.seed(1)
      local layer = nn.Embedding(20000, 16)
      local opt = make(layer)
      local function step()
         opt:zero_grad()
         layer(tokens{ 3, 7, 19999, 3 }):square():sum():backward()
         opt:step()
      end
      step()                                                         -- makes the slots
      local before, bytes = layer.weight:detach():clone(), layer.weight:bytes()
      opt:zero_grad()
      local live = live_bytes()
      step()
      local sparse = takes_rows[name] or name:find "CLASSP" ~= nil
      t.expect(live_bytes() - live < bytes / 2):equals(sparse)
      t.expect(autograd.rows_of(layer.weight) ~= nil):equals(sparse)
      if not name:find "shut" then t.expect(layer.weight:detach()[7]):differs_from(before[7]) end
      if sparse then t.expect(layer.weight:detach():narrow(1, 8, 10000)):equals(before:narrow(1, 8, 10000)) end
   end)
end

t.test("a gradient quantile and a penalty see the dense gradient", function()
   local model = model_of()
   local opt = optim.CLASSP(model, { lr = 0.1, threshold = engram.schedule.quantile(0.5) })
   nn.cross_entropy(model(tokens{ { 1, 2, 3, 4, 5, 6 } }), tokens{ 2 }):backward()
   t.expect(opt:gradient_quantile(0.5)):equals(0)                    -- most rows of the table have none
   opt:step()
   t.expect(opt:statistics().update_density):below(0.6)
end)

t.test("a killed training goes on to the bit", function()
   local function train(model, opt, from, to)
      for step = from, to do
         engram.seed(step)
         opt:zero_grad()
         nn.cross_entropy(model(engram.randint(1, 40, 5, 6)), engram.randint(1, 3, 5)):backward()
         opt:step()
      end
   end
   local function fresh()
      local model = model_of()
      return model, optim.CLASSP(model, { lr = 0.1, threshold = 1e-6 })
   end
   local model, opt = fresh()
   train(model, opt, 1, 12)
   local half, half_opt = fresh()
   train(half, half_opt, 1, 5)
   local path, slots = t.temporary_folder() .. "/half.safetensors", {}
   half:save(path)
   for name, slot in half_opt:named_state() do slots[name] = slot end
   local other, other_opt = fresh()
   other:load(path)
   other_opt:load_named_state(slots)
   train(other, other_opt, 6, 12)
   t.expect(other:hash()):equals(model:hash())
end)

-- ---- errors -----------------------------------------------------------------------------------------------

t.test("numbers out of range, fractions and wrong settings are refused", function()
   local layer = nn.Embedding(5, 3)
   t.expect(function() layer(tokens{ { 1, 0 }, { 2, 3 } }) end)
      :raises "embedding: index 0 at position 2 is out of range 1..5 (indices count from 1)"
   t.expect(function() layer(tokens{ 6 }) end):raises "index 6 at position 1 is out of range 1..5"
   t.expect(function() layer(tokens{ -1 }) end):raises "index -1"
   t.expect(function() layer(engram.randn(2)) end):raises 'the index is (2) float32, expected int64; convert it with :to("int64")'
   t.expect(function() layer{ 1 } end):raises "embedding: index: expected a tensor, got table"
   t.expect(function() engram.randn(3):embedding(tokens{ 1 }) end):raises "weight must be (rows, width), got (3)"
   t.expect(function() nn.Embedding(0, 3) end):raises "nn.Embedding: count: expected a whole number of at least 1, got 0"
   t.expect(function() nn.Embedding(5, 3, { padding_index = 6 }) end):raises "padding_index 6 is out of range 1..5"
   t.expect(function() nn.Embedding(5, 3, { padding_index = 0 }) end):raises "padding_index: expected a whole number of at least 1, got 0"
   t.expect(function() nn.Embedding(5, 3, { paddding_index = 1 }) end)
      :raises "unknown option 'paddding_index', did you mean 'padding_index'"
end)

t.done()
