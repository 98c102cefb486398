-- optim.load and optim.register: what is wrong with a table or file is said in a sentence; optim.of, the kernels, errors within a step.
local t = require "tests.harness"
local engram = require "engram"
local optim, schedule = engram.optim, engram.schedule
local test, expect = t.test, t.expect

local folder = t.temporary_folder()
local function file(name, text) return t.write(folder .. "/" .. name, text) end

local function weights(values)
   local w = engram.tensor(values, { requires_grad = true })
   w.grad = engram.ones_like(w:detach())
   return w
end

-- ---- tables that are no optimizer -------------------------------------------------------------------------

local function step() end

-- What is wrong, the description, and the sentence.
local wrong = {
   { "no table", 7, "optimizer: expected a table, got number" },
   { "no name", { step = step }, "optimizer: name must be a Lua name, got nil" },
   { "a name that is none", { name = "Sign SGD", step = step }, "optimizer: name must be a Lua name, got Sign SGD" },
   { "an unknown field", { name = "T", setp = step }, "optimizer: unknown field 'setp', did you mean 'step'?" },
   { "no step", { name = "T" }, "optimizer T: step must be a function(p, g, s, h), got nil" },
   { "an empty chain", { name = "T", chain = {} }, "optimizer T: chain must be a list of functions(u, p, s, h), got none" },
   { "a chain with a hole", { name = "T", chain = { step, 3 } },
      "optimizer T: chain[2] must be a function(u, p, s, h), got number" },
   { "a step that is no function", { name = "T", step = 3 }, "optimizer T: step must be a function(p, g, s, h), got number" },
   { "a version that is no text", { name = "T", step = step, version = 1 }, "optimizer T: version must be a string, got number" },
   { "hyper that is no table", { name = "T", step = step, hyper = 1 }, "optimizer T: hyper must be a table, got number" },
   { "slots that is no table", { name = "T", step = step, slots = "m" }, "optimizer T: slots must be a table, got string" },
   { "a hyper-parameter that is a number", { name = "T", step = step, hyper = { lr = 1 } },
      "optimizer T: hyper.lr: expected a table, got number" },
   { "no default", { name = "T", step = step, hyper = { lr = { min = 0 } } }, "optimizer T: hyper.lr has no default" },
   { "a default out of range", { name = "T", step = step, hyper = { lr = { default = 2, max = 1 } } },
      "optimizer T: default of hyper: lr = 2, expected at most 1" },
   { "a NaN default", { name = "T", step = step, hyper = { lr = { default = 0 / 0 } } },
      "optimizer T: default of hyper: lr is not a number (NaN)" },
   { "an infinite default", { name = "T", step = step, hyper = { lr = { default = 1 / 0 } } },
      "optimizer T: default of hyper: lr = inf, expected a finite number" },
   { "a range upside down", { name = "T", step = step, hyper = { lr = { default = 1, min = 2, max = 1 } } },
      "optimizer T: hyper.lr: min = 2 is more than max = 1" },
   { "a limit that is no number", { name = "T", step = step, hyper = { lr = { default = 1, min = "0" } } },
      "optimizer T: hyper.lr: min must be a number" },
   { "an unknown type", { name = "T", step = step, hyper = { lr = { default = 1, type = "nmber" } } },
      "optimizer T: hyper.lr: unknown type 'nmber', did you mean 'number'?" },
   { "a broken whole number", { name = "T", step = step, hyper = { n = { default = 1.5, type = "whole" } } },
      "optimizer T: default of hyper: n = 1.5, expected a whole number" },
   { "a default that is no choice", { name = "T", step = step, hyper = { k = { default = "zzz", choices = { "a", "b" } } } },
      "optimizer T: default of hyper: k = zzz is not one of a, b" },
   { "choices that are none", { name = "T", step = step, hyper = { k = { default = "a", choices = {} } } },
      "optimizer T: hyper.k: choices must be a list of at least one word" },
   { "a choice twice", { name = "T", step = step, hyper = { k = { default = "a", choices = { "a", "a" } } } },
      "optimizer T: hyper.k: choice 'a' stands there twice" },
   { "a hyper-parameter named as the host's own", { name = "T", step = step, hyper = { count = { default = 1 } } },
      "optimizer T: hyper.count: the name is taken: h.count is the number of the parameter's update" },
   { "a hyper-parameter with an odd name", { name = "T", step = step, hyper = { ["a b"] = { default = 1 } } },
      "optimizer T: hyper: 'a b' must be a Lua name" },
   { "an unknown field of a slot", { name = "T", step = step, slots = { m = { intial = 0 } } },
      "optimizer T: slots.m: unknown field 'intial', did you mean 'initial'?" },
   { "a slot like nothing", { name = "T", step = step, slots = { m = { like = "weight" } } },
      "optimizer T: slots.m: like must be 'parameter' or 'scalar', got 'weight'" },
   { "a slot that begins as NaN", { name = "T", step = step, slots = { m = { initial = 0 / 0 } } },
      "optimizer T: slots.m: initial must be finite, got nan" },
   { "a slot with an odd reset", { name = "T", step = step, slots = { m = { reset = 1 } } },
      "optimizer T: slots.m: reset must be true or false, got number" },
   { "a slot named as the host's own", { name = "T", step = step, slots = { step_count = {} } },
      "optimizer T: slots.step_count: the name is taken by the number of steps" },
   { "a slot named as a hyper-parameter", { name = "T", step = step, hyper = { m = { default = 1 } }, slots = { m = {} } },
      "optimizer T: slots.m: a hyper-parameter has this name too: give each a name of its own" },
   { "step and chain", { name = "T", step = step, chain = { step } },
      "optimizer T: it has both step and chain: a chain stands in place of step" },
   { "a slot with a dot in its name", { name = "T", step = step, slots = { ["m.x"] = {} } },
      "optimizer T: slots: 'm.x' must be a Lua name" },
}

for _, case in ipairs(wrong) do
   test("refused: " .. case[1], function()
      local said = expect(function() optim.register(case[2]) end):raises()
      expect(said:gsub("^%S+:%d+: ", ""):gsub("-nan", "nan")):equals(case[3])
   end)
end

-- ---- files that hold none ---------------------------------------------------------------------------------

test("files that return no optimizer are refused with their place", function()
   local path = file("syntax.lua", "return {\n   name = 'X',\n   step = function(p g) end }")
   expect(function() optim.load(path) end):raises("optim.load: " .. path .. ":3: ')' expected near 'g'")
   path = file("nothing.lua", "local x = 1")
   expect(function() optim.load(path) end):raises(path .. ": expected the file to return a table, got nil: return { name = ..., step = ")
   path = file("raises.lua", "\nlocal t = nil\nreturn t.name")
   expect(function() optim.load(path) end):raises(path .. ":3: attempt to index local 't' (a nil value)")
   path = file("table.lua", "return { name = 'X', step = 1 }")
   expect(function() optim.load(path) end):raises("optim.load: " .. path .. ": optimizer X: step must be a function")
   path = file("source.c", "int x;")
   expect(function() optim.load(path) end):raises(path .. ": is the source of a plugin: compile it, cc -std=c11 -O2 -shared -fPIC -I ")
   path = folder .. "/link.lua"
   os.execute(("ln -s nowhere.lua %s"):format(t.quote(path)))
   expect(function() optim.load(path) end):raises("optim.load: " .. path .. " is a link to a file that is not there")
   path = file("bytecode.lua", string.dump(function() return {} end))
   expect(function() optim.load(path) end):raises(path .. ": is compiled Lua, expected its source")
   path = file("taken.lua", "return { name = 'Adam', step = function() end }")
   expect(function() optim.load(path) end):raises("optim.load: " .. path .. ": an optimizer named 'Adam' is registered already")
end)

test("a file is loaded once; one that has changed takes the place of its former self", function()
   local text = "return { name = 'Changing', step = function(p) p:add_(%d) end }"
   local path = file("changing.lua", text:format(1))
   local first, name = optim.load(path)
   expect(name):equals "Changing"
   expect(optim.load(path)):equals(first)
   local copy = file("copy.lua", text:format(1))
   expect(optim.load(copy)):equals(first)                     -- the same bytes
   file("copy.lua", text:format(5))
   expect(function() optim.load(copy) end):raises "an optimizer named 'Changing' is registered already (from "
   local w = weights{ 0 }
   local before = first{ w }
   file("changing.lua", text:format(10))
   optim.load(path){ w }:step()
   expect(w:detach():tolist()):equals{ 10 }
   before:step()
   expect(w:detach():tolist()):equals{ 11 }
   expect(#optim.description "Changing".sha256):equals(64)
end)

-- ---- steps that fail --------------------------------------------------------------------------------------

test("an error within a step names the optimizer, the parameter and the place", function()
   local path = file("wrong_step.lua", [[
return {
   name = "WrongStep", hyper = { how = { default = 0 } }, slots = { m = {} },
   step = function(p, g, s, h)
      if h.how == 1 then return p + nothing end
      if h.how == 2 then p:add_(require "engram".ones(7)) end
      if h.how == 3 then return 99 end
      if h.how == 4 then return "many" end
      return 0
   end,
}]])
   local make = optim.load(path)
   local w = weights{ 1, 2 }
   local opt = make{ w }
   opt:step()
   expect(opt:statistics().update_density):equals(0)
   opt:set{ how = 1 }
   expect(function() opt:step() end):raises("optim.WrongStep: parameter 1: " .. path .. ":4: ")
   opt:set{ how = 2 }
   expect(function() opt:step() end):raises("optim.WrongStep: parameter 1: " .. path .. ":5: ")
   opt:set{ how = 3 }
   expect(function() opt:step() end):raises "step returned 99, expected nothing or how many of the 2 weights moved"
   opt:set{ how = 4 }
   expect(function() opt:step() end):raises "step returned string, expected nothing or how many of the 2 weights moved"
   expect(engram.is_grad_enabled()):is_true()
end)

test("a step finds where it is in h, and create is called once", function()
   local seen, made = {}, 0
   optim.register{ name = "Seeing", create = function(opt) made = made + #opt.parameters end,
      step = function(p, g, s, h)
         seen[#seen + 1] = { h.parameter, h.index, h.step, h.count, h.first, h.task, h.optimizer.name }
      end }
   local opt = optim.Seeing{ weights{ 1 }, weights{ 2 } }
   opt:step()
   opt:task_begin(3)
   opt:step()
   expect(made):equals(2)
   expect(seen[2]):equals{ "2", 2, 1, 1, true, 1, "Seeing" }
   expect(seen[3]):equals{ "1", 1, 2, 2, false, 3, "Seeing" }
end)

test("a chain of functions is a step", function()
   optim.register{ name = "Chained", hyper = { lr = { default = 0.5 } }, slots = { m = {} },
      chain = { function(u) return u:clamp(-1, 1) end, function() end, function(u, _, s) return s.m:add_(u) end } }
   local w = weights{ 0, 0 }
   local opt = optim.Chained{ w }
   for _ = 1, 2 do
      w.grad = engram.tensor{ 5, -0.5 }
      opt:step()
   end
   expect(w:detach():tolist()):equals{ -0.5 * (1 + 2), 0.5 * (0.5 + 1) }
   expect(opt:state(w).m:tolist()):equals{ 2, -1 }
end)

test("statistics are a table of numbers", function()
   local told
   optim.register{ name = "Telling", step = step, statistics = function() return told end }
   local opt = optim.Telling{ weights{ 1 } }
   told = { angle = 3 }
   expect(opt:statistics().angle):equals(3)
   for _, case in ipairs{ { 7, "statistics returned number, expected a table of numbers" },
      { { angle = "three" }, "statistics: angle is a string, expected a number by name" }, { { 3 }, "statistics: 1 is a number" } } do
      told = case[1]
      expect(function() opt:statistics() end):raises("optim.Telling: " .. case[2])
   end
end)

test("hyper-parameters are finite, from a schedule too", function()
   local opt = optim.SGD({ weights{ 1 } }, {})
   for _, value in ipairs{ 1 / 0, 0 / 0 } do
      expect(function() opt:set{ lr = value } end):raises "optim.SGD: lr"
      opt:set{ lr = function() return value end }
      expect(function() opt:step() end):raises "optim.SGD: lr"
   end
   expect(function() opt:set{ lr = -1 / 0 } end):raises "lr = -inf, expected at least 0"
end)

-- ---- by name ------------------------------------------------------------------------------------------------

test("optim.of makes optimizers from names, paths and tables", function()
   local path = file("of.lua",
      "return { name = 'OfFile', hyper = { lr = { default = 1 } }, step = function(p, g, s, h) p:add_(g, -h.lr) end }")
   local w = weights{ 5 }
   expect(tostring(optim.of "SGD" { w })):contains "SGD{ dampening = 0, lr = 0.01"
   expect(tostring(optim.of(path){ w })):equals "OfFile{ lr = 1 }"
   local opt = optim.of{ name = path, lr = { per_task = { 2, 3 } } }{ w }
   opt:step()
   expect(w:detach():tolist()):equals{ 3 }
   expect(tostring(opt)):equals "OfFile{ lr = per_task{2, 3} }"
   expect(tostring(optim.of{ name = "SGD", lr = schedule.constant(2) }{ w })):contains "lr = constant(2)"
   expect(function() optim.of "SDG" end):raises "optim.of: no optimizer is named 'SDG', and there is no such file, did you mean 'SGD'?"
   expect(function() optim.of{ lr = 1 } end):raises "optim.of: expected a name: a registered optimizer or the path of a plugin"
   expect(function() optim.of(3) end):raises "optim.of: expected a name or a table, got number"
   expect(function() optim.of{ name = "SGD", mometum = 1 }{ w } end):raises "unknown option 'mometum', did you mean 'momentum'?"
end)

-- ---- kernels --------------------------------------------------------------------------------------------------

-- A plugin made of a kernel takes the steps of the optimizer that is made of it.
local kernels = {
   SGD = { slots = { velocity = {} }, step = function(p, g, s, h) optim.kernels.sgd_(p, g, s.velocity, h) end,
      options = { momentum = 0.9 } },
   AdaGrad = { slots = { sum = {} }, step = function(p, g, s, h) optim.kernels.adagrad_(p, g, s.sum, h) end },
   RMSProp = { slots = { square = {} }, step = function(p, g, s, h) optim.kernels.rmsprop_(p, g, s.square, h) end },
   AdamW = { slots = { first = {}, second = {} }, step = function(p, g, s, h)
      h.decoupled = true
      optim.kernels.adam_(p, g, s.first, s.second, h)
   end },
   CLASSP = { slots = { grad_sum = {} }, step = function(p, g, s, h) return optim.kernels.classp_(p, g, s.grad_sum, h) end,
      options = { threshold = 0.3 } },
}

for name, own in pairs(kernels) do
   test("a plugin on the kernel of " .. name .. " takes its steps", function()
      local hyper = optim.description(name).hyper
      optim.register{ name = "Own" .. name, hyper = hyper, slots = own.slots, step = own.step }
      local a, b = weights{ 1, -2, 3 }, weights{ 1, -2, 3 }
      local one, two = optim[name]({ a }, own.options), optim["Own" .. name]({ b }, own.options)
      for step_number = 1, 4 do
         local g = engram.tensor{ math.sin(step_number), 0.1, -step_number }
         a.grad, b.grad = g, g:clone()
         one:step()
         two:step()
      end
      expect(a:detach():equal(b:detach())):is_true()
      expect(one:statistics().moved):equals(two:statistics().moved)
   end)
end

test("kernels say what they miss", function()
   local p, g, s = engram.zeros(2), engram.ones(2), engram.zeros(2)
   expect(function() optim.kernels.classp_(p, g, s, { lr = 1 }) end):raises "kernels.classp_: threshold must be a number, got nil"
   expect(function() optim.kernels.adagrad_(p, g, s) end):raises "kernels.adagrad_: expected a table of hyper-parameters, got nil"
   expect(function() optim.kernels.adagrad_(p, g, 3, { lr = 1, epsilon = 0, weight_decay = 0 }) end):raises "expected a tensor, got number"
   expect(function() optim.kernels.adagrad_(p, g, engram.zeros(3), { lr = 1, epsilon = 0, weight_decay = 0 }) end):raises "shapes differ"
end)

-- ---- the example: CLASSP with a gate for each tensor -----------------------------------------------------------

test("CLASSP with a quantile gate moves the same share of every tensor", function()
   local make = optim.load "classp_quantile"
   local small, large = engram.zeros(1000):requires_grad_(), engram.zeros(1000):requires_grad_()
   engram.seed(1)
   local g = engram.randn(1000)
   small.grad, large.grad = g * 1e-4, g * 10
   local opt = make({ small, large }, { quantile = 0.75, every = 2 })
   opt:step()
   expect(opt:statistics().update_density):equals(0.25)
   local gate = opt:state(large).gate:item()
   expect(gate):close_to((g * 10):square():quantile(0.75), 1e-6)
   expect(opt:state(small).gate:item()):close_to(gate * 1e-10, 1e-6)
   large.grad = g
   opt:step()
   expect(opt:state(large).gate:item()):equals(gate)            -- every second update
   opt:step()
   expect(opt:state(large).gate:item()):close_to(gate / 100, 1e-5)
   opt:task_begin(2)
   expect(opt:state(large).gate:item()):equals(-1)
   local plain = optim.CLASSP({ engram.zeros(1000):requires_grad_() }, { threshold = gate })
   plain.parameters[1].grad = g * 10
   plain:step()
   local own = engram.zeros(1000):requires_grad_()
   own.grad = g * 10
   make({ own }, { quantile = 0.75 }):step()
   expect(own:detach():equal(plain.parameters[1]:detach())):is_true()
end)

t.done()
