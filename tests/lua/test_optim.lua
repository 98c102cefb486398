-- test_optim.lua: every optimizer against its formula in plain Lua, and what each has for nothing from its description.
local t = require "tests.harness"
local engram = require "engram"
local optim, schedule = engram.optim, engram.schedule
local test, expect = t.test, t.expect

local START = { 0.5, -1.5, 2, 0 }
local function gradient(step, i) return math.sin(step * 1.7 + i) * (i == 4 and step % 2 or 1) end
local STEPS = 12

-- The weights after STEPS steps of an optimizer in float64.
local function trajectory(make, options)
   local w = engram.tensor(START, { dtype = "float64", requires_grad = true })
   local opt = make({ w }, options)
   for step = 1, STEPS do
      local g = {}
      for i = 1, #START do g[i] = gradient(step, i) end
      w.grad = engram.tensor(g, { dtype = "float64" })
      opt:step()
   end
   return w:tolist(), opt, w
end

-- The same in plain Lua: rule(w, g, state, step) returns the new weight.
local function by_hand(rule)
   local result = {}
   for i, w in ipairs(START) do
      local state = {}
      for step = 1, STEPS do w = rule(w, gradient(step, i), state, step) end
      result[i] = w
   end
   return result
end

local function check(name, make, options, rule)
   test(name, function() expect((trajectory(make, options))):close_to(by_hand(rule), 1e-12) end)
end

check("SGD with weight decay", optim.SGD, { lr = 0.1, weight_decay = 0.01 }, function(w, g) return w - 0.1 * (g + 0.01 * w) end)

local function momentum(nesterov, dampening)
   return function(w, g, s)
      s.m = s.m and 0.9 * s.m + (1 - dampening) * g or g
      return w - 0.1 * (nesterov and g + 0.9 * s.m or s.m)
   end
end
check("SGD with momentum", optim.SGD, { lr = 0.1, momentum = 0.9 }, momentum(false, 0))
check("SGD with momentum and dampening", optim.SGD, { lr = 0.1, momentum = 0.9, dampening = 0.3 }, momentum(false, 0.3))
check("SGD with Nesterov", optim.SGD, { learning_rate = 0.1, momentum = 0.9, nesterov = true }, momentum(true, 0))

check("AdaGrad", optim.AdaGrad, { lr = 0.1, epsilon = 1e-10 }, function(w, g, s)
   s.s = (s.s or 0) + g * g
   return w - 0.1 * g / (math.sqrt(s.s) + 1e-10)
end)

check("RMSProp", optim.RMSProp, { lr = 0.1, alpha = 0.9 }, function(w, g, s)
   s.s = 0.9 * (s.s or 0) + 0.1 * g * g
   return w - 0.1 * g / (math.sqrt(s.s) + 1e-8)
end)

local function adam(decay, decoupled)
   return function(w, g, s, step)
      if decoupled then w = w * (1 - 0.1 * decay) else g = g + decay * w end
      s.m = 0.9 * (s.m or 0) + 0.1 * g
      s.v = 0.99 * (s.v or 0) + 0.01 * g * g
      return w - 0.1 * (s.m / (1 - 0.9 ^ step)) / (math.sqrt(s.v / (1 - 0.99 ^ step)) + 1e-8)
   end
end
check("Adam with coupled decay", optim.Adam, { lr = 0.1, beta2 = 0.99, weight_decay = 0.05 }, adam(0.05, false))
check("AdamW", optim.AdamW, { lr = 0.1, beta2 = 0.99, weight_decay = 0.05 }, adam(0.05, true))

for _, power in ipairs{ 1, 2, 3.5 } do
   check(("CLASSP paper, power %g"):format(power), optim.CLASSP, { lr = 0.2, threshold = 0.3, power = power }, function(w, g, s)
      if g * g <= 0.3 then return w end
      s.s = (s.s or 0) + math.abs(g) ^ power
      return w - 0.2 * g / (1e-5 + s.s) ^ (1 / power)
   end)
   check(("CLASSP published, power %g"):format(power), optim.CLASSP,
      { lr = 0.2, threshold = 0.3, power = power, variant = "published" }, function(w, g, s)
      s.s = (s.s or 0) + math.abs(g)
      return w - 0.2 / (s.s + 1e-5) ^ (1 / power) * g
   end)
end

check("CLASSP without decay takes plain steps", optim.CLASSP, { lr = 0.2, threshold = 0.3, decay = false }, function(w, g)
   return g * g > 0.3 and w - 0.2 * g or w
end)

test("CLASSP with threshold 0 and power 2 is AdaGrad", function()
   local adagrad = trajectory(optim.AdaGrad, { lr = 0.1, epsilon = 0 })
   expect((trajectory(optim.CLASSP, { lr = 0.1, power = 2, epsilon = 1e-18 }))):close_to(adagrad, 1e-6)
end)

test("CLASSP: the published gate is one for the tensor, and shut from threshold 1 on", function()
   expect((trajectory(optim.CLASSP, { threshold = 1, variant = "published" }))):equals(START)
   expect((trajectory(optim.CLASSP, { threshold = 1e9 }))):equals(START)
end)

test("CLASSP's sum grows while decay is off, and statistics tell who moved", function()
   local _, opt, w = trajectory(optim.CLASSP, { decay = schedule.per_task{ false, true }, threshold = 0.3 })
   expect(opt:state(w).grad_sum:min():item() > 0):is_true()
   local s = opt:statistics()
   expect(s.step):equals(STEPS)
   expect(s.weights):equals(4)
   expect(s.update_density):equals(s.moved / 4)
   expect(s.moved < 4):is_true()
end)

test("a NaN gradient moves no weight under the paper's rule", function()
   local w = engram.tensor({ 1, 2 }, { requires_grad = true })
   local opt = optim.CLASSP({ w }, {})
   w.grad = engram.tensor{ 0 / 0, 1 }
   opt:step()
   expect(w[1]:item()):equals(1)
end)

-- ---- what comes with every optimizer --------------------------------------------------------------------------------

local function one(options)
   local w = engram.ones(3, { requires_grad = true })
   return w, optim.SGD({ w }, options)
end

test("options are checked, with suggestions", function()
   expect(function() one{ lrr = 1 } end):raises "optim.SGD: unknown option 'lrr', did you mean 'lr'?"
   expect(function() one{ lr = -1 } end):raises "lr = -1, expected at least 0"
   expect(function() one{ lr = "fast" } end):raises "lr must be a number, got string"
   expect(function() one{ lr = 0 / 0 } end):raises "NaN"
   expect(function() one{ nesterov = true } end):raises "nesterov needs momentum > 0"
   expect(function() optim.CLASSP({ engram.ones(1):requires_grad_() }, { variant = "papr" }) end):raises "did you mean 'paper'?"
   expect(function() return optim.SDG end):raises "did you mean 'SGD'?"
   expect(function() optim.SGD({}, {}) end):raises "there are no parameters"
   expect(function() optim.SGD({ engram.ones(1) }, {}) end):raises "parameter 1 does not require a gradient"
   local w, opt = one{ lr = 1 }
   expect(function() opt:set{ lr = 2, momentm = 3 } end):raises "did you mean 'momentum'?"
   expect(function() opt:set{ lr = 2, nesterov = true } end):raises "nesterov needs momentum > 0"
   w.grad = engram.ones(3)
   opt:step()
   expect(w:tolist()):equals{ 0, 0, 0 }
end)

test("zero_grad drops gradients, and a parameter without one is left alone", function()
   local w, opt = one{ lr = 1 }
   w.grad = engram.ones(3)
   opt:zero_grad()
   expect(w.grad):is_nil()
   opt:step()
   expect(w:tolist()):equals{ 1, 1, 1 }
end)

test("slots are made when needed, counted, saved and loaded", function()
   local w = engram.ones(3, { requires_grad = true })
   local plain, adam_opt = optim.SGD({ w }, {}), optim.Adam({ w }, {})
   w.grad = engram.tensor{ 1, 2, 3 }
   plain:step()
   adam_opt:step()
   expect(plain:bytes()):equals(0)
   local total, by_slot = adam_opt:bytes()
   expect({ total, by_slot.first, by_slot.second }):equals{ 24, 12, 12 }
   local saved, order = {}, {}
   for name, slot in adam_opt:named_state() do
      saved[name] = slot:clone()
      order[#order + 1] = name
   end
   expect(order):equals{ "1.first", "1.second", "1.step_count" }
   local other = optim.Adam({ w }, {})
   other:load_named_state(saved)
   expect(other:state(w).second:equal(saved["1.second"])):is_true()
   expect(function() other:load_named_state{ ["1.step_count"] = engram.ones(3) } end):raises "has shape (3), expected ()"
   expect(function() other:load_named_state{ ["1.frst"] = saved["1.first"] } end):raises "did you mean '1.first'?"
   expect(function() other:load_named_state{ ["1.first"] = engram.ones(2) } end):raises "has shape (2), expected (3)"
end)

-- Steps, hands weights and state to another optimizer, and steps on there: as if nothing had happened.
for _, case in ipairs{ { "Adam" }, { "SGD", { momentum = 0.9, dampening = 0.5 } }, { "CLASSP", { threshold = 0.1 } } } do
   local name, options = unpack(case)
   test(name .. " goes on from a saved state as if it had never stopped", function()
      local through, first = engram.tensor(START, { requires_grad = true }), engram.tensor(START, { requires_grad = true })
      local whole, before = optim[name]({ through }, options), optim[name]({ first }, options)
      local second, after = first, before
      for step = 1, 6 do
         if step == 4 then
            second = first:detach():clone():requires_grad_()
            after = optim[name]({ second }, options)
            local saved = {}
            for key, slot in before:named_state() do saved[key] = slot end
            after:load_named_state(saved)
         end
         local g = {}
         for i = 1, #START do g[i] = gradient(step, i) end
         through.grad, second.grad = engram.tensor(g), engram.tensor(g)
         whole:step()
         after:step()
      end
      expect(second:equal(through)):is_true()
   end)
end

test("a Lua optimizer in ten lines has schedules, slots and statistics", function()
   optim.register{
      name = "SignTest",
      hyper = { lr = { default = 0.01, min = 0 } },
      slots = { count = { like = "scalar", initial = 0, reset = true }, last = { like = "parameter" } },
      step = function(p, g, s, h)
         p:add_(g:sign(), -h.lr)
         s.count:add_(1)
         s.last:copy_(g)
         return 2
      end,
   }
   local w = engram.zeros(3, { requires_grad = true })
   local opt = optim.SignTest({ w }, { lr = schedule.per_task{ 1, 10 } })
   w.grad = engram.tensor{ 5, -5, 0 }
   opt:step()
   opt:task_begin(2)
   expect(opt:state(w).count:item()):equals(0)
   opt:step()
   expect(w:tolist()):equals{ -11, 11, 0 }
   expect(opt:state(w).count:item()):equals(1)
   expect(opt:state(w).last:tolist()):equals{ 5, -5, 0 }
   expect(opt:statistics().moved):equals(2)
   expect(function() optim.register{ name = "SignTest", step = print } end):raises "registered already"
   expect(function() optim.register{ name = "Bad", steps = print } end):raises "did you mean 'step'?"
   expect(function() optim.register{ name = "Bad" } end):raises "step must be a function"
   expect(function() optim.register{ name = "Bad", step = print, slots = { step_count = {} } } end):raises "the name is taken"
end)

test("an optimizer is loaded from a file", function()
   local path = t.temporary_folder() .. "/half.lua"
   local file = io.open(path, "w")
   file:write 'return { name = "Half", step = function(p, g) p:mul_(0.5) end }'
   file:close()
   local w = engram.ones(2, { requires_grad = true })
   local opt = optim.load(path)({ w })
   w.grad = engram.ones(2)
   opt:step()
   expect(w:tolist()):equals{ 0.5, 0.5 }
   expect(function() optim.load "nowhere.lua" end):raises "nowhere.lua"
end)

t.test("a gradient that somebody holds outlives zero_grad", function()
   local w = engram.ones(2, { requires_grad = true })
   local opt = optim.SGD({ w }, { lr = 0.1 });
   (w * 2):sum():backward()
   local held = w.grad
   opt:zero_grad()
   t.expect(w.grad):is_nil()
   t.expect(held:tolist()):equals{ 2, 2 }
   local given = engram.ones(2)
   w.grad = given
   opt:zero_grad()
   t.expect(given:tolist()):equals{ 1, 1 }
   t.expect(function() w.grad = engram.ones(2, { dtype = "float64" }) end):raises("grad: is float64, the tensor is float32")
end)

t.test("names that are taken, defaults out of range and parameters given twice are refused", function()
   local function step() end
   t.expect(function() optim.register{ name = "list", step = step } end):raises("the name 'list' is taken by optim.list")
   t.expect(function() optim.register{ name = "Wrong", hyper = { lr = { default = -1, min = 0 } }, step = step } end):raises(
      "default of hyper: lr = -1, expected at least 0")
   local w = engram.ones(2, { requires_grad = true })
   t.expect(function() optim.Adam({ w }, { beta1 = 1 }) end):raises("beta1 = 1, expected less than 1")
   t.expect(function() optim.SGD{ w, w } end):raises("parameter 2 is parameter 1 once more")
   t.expect(function() engram.cl.methods.register{ name = "list" } end):raises("the name 'list' is taken")
end)

t.done()
