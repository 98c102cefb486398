-- test_schedule.lua: every schedule at its ends and in between.
local t = require "tests.harness"
local engram = require "engram"
local schedule = engram.schedule
local test, expect = t.test, t.expect

local function at(value, by, counts)
   local list = {}
   for i, n in ipairs(counts) do
      local now = { task = 1, epoch = 1, step = 1, step_in_task = 1 }
      now[by] = n
      list[i] = schedule.resolve(value, now)
   end
   return list
end

test("plain values and functions", function()
   expect(schedule.resolve(3, {})):equals(3)
   expect(schedule.resolve(false, {})):equals(false)
   expect(schedule.resolve(function(s) return s.step * 2 end, { step = 4 })):equals(8)
   expect(at(schedule.constant(5), "step", { 1, 9 })):equals{ 5, 5 }
end)

test("per_task holds its last value, and may hold schedules", function()
   expect(at(schedule.per_task{ 0.5, 0 }, "task", { 1, 2, 3 })):equals{ 0.5, 0, 0 }
   expect(at(schedule.per_task{ false, true }, "task", { 1, 2 })):equals{ false, true }
   expect(at(schedule.per_task{ schedule.exponential(8, 0.5) }, "step", { 1, 2, 4 })):equals{ 8, 4, 1 }
end)

test("step, linear, cosine, exponential, warmup", function()
   expect(at(schedule.step(1, { every = 2, factor = 0.1 }), "epoch", { 1, 2, 3, 5 })):close_to({ 1, 1, 0.1, 0.01 }, 1e-12)
   expect(at(schedule.linear(0, 1, { over = 5 }), "step", { 1, 3, 5, 9 })):close_to({ 0, 0.5, 1, 1 }, 1e-12)
   expect(at(schedule.cosine(1, 0, { over = 5 }), "step", { 1, 3, 5, 9 })):close_to({ 1, 0.5, 0, 0 }, 1e-12)
   expect(at(schedule.exponential(1, 0.5, { by = "epoch" }), "epoch", { 1, 2, 3 })):close_to({ 1, 0.5, 0.25 }, 1e-12)
   expect(at(schedule.warmup(1, { over = 4 }), "step", { 1, 2, 4, 8 })):close_to({ 0.25, 0.5, 1, 1 }, 1e-12)
   expect(at(schedule.warmup(schedule.exponential(4, 0.5), { over = 2 }), "step", { 1, 2, 3 })):close_to({ 2, 2, 1 }, 1e-12)
end)

test("a schedule's text tells it from every other", function()
   expect(tostring(schedule.quantile(0.9))):equals "quantile(0.9)"
   expect(tostring(schedule.quantile(0.9, { every = 100 }))):equals "quantile(0.9, every 100)"
   expect(tostring(schedule.warmup(1, { over = 4 }))):equals "warmup(1 over 4 step)"
   expect(tostring(schedule.warmup(1, { over = 4, from = 0.1 }))):equals "warmup(1 over 4 step, from 0.1)"
   expect(tostring(schedule.linear(0.1, 0.01, { over = 1171875 }))):equals "linear(0.1 to 0.01 over 1171875 step)"
   expect(tostring(schedule.quantile(0.9999995))):equals "quantile(0.9999995)"
   expect(tostring(schedule.step(0.12345678, { every = 2 }))):equals "step(0.12345678, every 2 epoch, factor 0.1)"
   expect(tostring(schedule.exponential(1, 0.99999999))):equals "exponential(1, 0.99999999 by step)"
   expect(tostring(schedule.cosine(1e-9, 0, { over = 10 }))):equals "cosine(1e-09 to 0 over 10 step)"
end)

test("quantile lets the top share through, and is found again every so many steps", function()
   local w = engram.zeros(100, { requires_grad = true, dtype = "float64" })
   local asked = 0
   local opt = engram.optim.CLASSP({ w }, { threshold = schedule.quantile(0.9, { every = 3 }) })
   local plain = opt.context.gradient_quantile
   opt.context.gradient_quantile = function(q)
      asked = asked + 1
      return plain(q)
   end
   for step = 1, 6 do
      w.grad = engram.arange(100):double() * step
      opt:step()
      if step % 3 == 1 then expect(opt:statistics().moved):equals(10) end
   end
   expect(asked):equals(2)
end)

test("quantiles are taken over all parameters", function()
   local a, b = engram.zeros(2, { requires_grad = true }), engram.zeros(3, { requires_grad = true })
   local opt = engram.optim.SGD({ a, b }, {})
   a.grad, b.grad = engram.tensor{ 1, -2 }, engram.tensor{ 3, 4, 0 }
   expect(opt:gradient_quantile(0.5)):equals(4)
end)

test("wrong arguments", function()
   expect(function() schedule.linear(0, 1) end):raises "over must be a number of at least 1"
   expect(function() schedule.linear(0, "x", { over = 2 }) end):raises "the last value must be a number"
   expect(function() schedule.step(1, { every = 2, by = "steps" }) end):raises "by must be"
   expect(function() schedule.quantile(1.5) end):raises "q must be from 0 to 1"
   expect(function() schedule.per_task{} end):raises "at least one value"
   expect(function() schedule.warmup(1, { ove = 3 }) end):raises "did you mean 'over'?"
end)

test("a schedule's value is checked like a plain one", function()
   local w = engram.ones(1, { requires_grad = true })
   local opt = engram.optim.SGD({ w }, { lr = function() return -1 end })
   w.grad = engram.ones(1)
   expect(function() opt:step() end):raises "lr = -1, expected at least 0"
   local text = tostring(engram.optim.SGD({ w }, { lr = schedule.linear(1, 0, { over = 9 }) }))
   expect(text:find("linear(1 to 0 over 9 step)", 1, true) ~= nil):is_true()
end)

t.done()
