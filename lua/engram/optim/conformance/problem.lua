-- optim/conformance/problem.lua: the small problems on which optimizers are checked. Everything is the same in every call.
local engram = require "engram"

local problem = {}

function problem.fail(message, ...) error({ failed = message:format(...) }, 0) end

function problem.count_nonfinite(t) return t:numel() - t:detach():isfinite():to("float64"):sum():item() end

local SIZES = { { 40, 30 }, { 7 } }

-- Parameters of the sizes, the same in every call.
function problem.parameters(dtype, sizes)
   local list = {}
   for i, size in ipairs(sizes or SIZES) do
      local values = engram.randn(size[1] or 1, size[2] or 1, { stream = "check " .. i, dtype = "float64" })
      list[i] = values:reshape(unpack(size)):to(dtype or "float32"):keep():requires_grad_()
   end
   return list
end

-- Gradients that are a function of the step, the same in every call.
function problem.set_gradients(list, step)
   for i, p in ipairs(list) do
      local position = engram.arange(1, p:numel(), { dtype = "float64" })
      local g = (position * 0.37 + step * 1.7 + i):sin() * (0.5 + step % 3)
      p.grad = g:reshape(unpack(p.shape)):to(p.dtype)
   end
end

function problem.take_steps(opt, list, first, last)
   for step = first, last do
      engram.scope(function()
         problem.set_gradients(list, step)
         opt:step()
         for _, p in ipairs(list) do p.grad = nil end
      end)
   end
end

-- Everything from the start: weights after some steps, and the optimizer. The random streams begin anew.
function problem.run(make, how)
   engram.seed(7)
   local list = problem.parameters(how.dtype, how.sizes)
   local opt = make(list, how.options)
   problem.take_steps(opt, list, 1, how.steps or 10)
   return list, opt
end

-- Raises when weights or slots of two optimizers differ in a bit.
function problem.expect_same(a, b, what)
   for i, p in ipairs(a.parameters) do
      if not p:detach():equal(b.parameters[i]:detach()) then problem.fail("%s: the weights differ", what) end
   end
   local slots = {}
   for name, t in b:named_state() do slots[name] = t end
   for name, t in a:named_state() do
      if not slots[name] or not t:equal(slots[name]) then problem.fail("%s: slot %s differs", what, name) end
   end
end

-- Options with which every slot is likely to be in use: the defaults, and a half in place of every number that is 0.
function problem.variants(make, description)
   local list, raised = { {} }, {}
   for key, hyper in pairs(description.hyper) do
      if hyper.default == 0 and hyper.type ~= "whole" then raised[key] = math.min(0.5, hyper.max or 0.5) end
   end
   if next(raised) and pcall(make, problem.parameters(), raised) then list[2] = raised end
   return list
end

return problem
