-- test_ops.lua: every registered operation, from its samples: the gradient against finite differences in float64, the fused kernel
-- against the composed rule, second order, strided inputs, and float32 against float64. A new operation is tested by its samples.
-- engram run --no-run tests/lua/test_ops.lua FILE tests those that FILE defines, and no others.
local t = require "tests.harness"
local engram = require "engram"
local autograd = require "engram.autograd"
local registry, names = engram.ops.registry, engram.ops.names

if arg[1] then
   local known = #names
   dofile(arg[1])
   names = { unpack(names, known + 1) }
end

local function is_real(v) return engram.is_tensor(v) and (v.dtype == "float32" or v.dtype == "float64") end

-- The arguments with real tensors made float64 leaves (the same strides: conversion keeps shape, so transpose again).
local function leaves(arguments, dtype)
   local list, inputs = {}, {}
   for i = 1, 6 do
      local v = arguments[i]
      if is_real(v) then
         v = v:detach():to(dtype):clone()
         if i <= 3 then
            v:requires_grad_()
            inputs[#inputs + 1] = v
         end
      end
      list[i] = v
   end
   return list, inputs
end

local function call(op, list) return (autograd.apply(op, unpack(list, 1, 6))) end

-- A fixed random weighting makes a scalar of any output.
local function weighting(y)
   local state = engram.random.private(7, "weighting")
   local w = engram.zeros(y.shape, { dtype = "float64" })
   engram.no_grad(function() require "engram.core".check(require "engram.core".C.eg_normal(w.tensor, state, 0, 1)) end)
   return w:to(y.dtype)
end

local function scalar(op, list)
   local y = call(op, list)
   return (y * weighting(y)):sum()
end

local STEP = 1e-5

-- d f / d x by central differences.
local function numeric(f, x)
   local flat = x:detach():view(-1)
   local grad = {}
   for i = 1, x:numel() do
      local before = flat[i]:item()
      flat[i] = before + STEP
      local above = engram.scope(function() return f():item() end)
      flat[i] = before - STEP
      local below = engram.scope(function() return f():item() end)
      flat[i] = before
      grad[i] = (above - below) / (2 * STEP)
   end
   return engram.tensor(grad, { dtype = "float64" }):reshape(x.shape)
end

local function close(got, want, tolerance, what)
   local worst = (got:detach():double() - want:detach():double()):abs()
   local allowed = want:detach():double():abs() * tolerance + tolerance
   if not worst:le(allowed):all() then
      error(("%s: worst difference %g\n got %s\nwant %s"):format(what, worst:max():item(), tostring(got), tostring(want)), 0)
   end
end

local function first_order(op, arguments, create_graph)
   local list, inputs = leaves(arguments, "float64")
   if #inputs == 0 then return end
   local grads = engram.grad(scalar(op, list), inputs, { create_graph = create_graph, allow_unused = true })
   for i, x in ipairs(inputs) do
      local want = numeric(function() return engram.no_grad(scalar, op, list) end, x)
      close(grads[i] or engram.zeros_like(x), want, 1e-6, ("argument %d, %s rule"):format(i, create_graph and "composed" or "fused"))
   end
end

-- The gradient of a weighting of the gradients, against differences of the gradients.
local function second_order(op, arguments)
   local list, inputs = leaves(arguments, "float64")
   if #inputs == 0 then return end
   local function slope()
      local grads = engram.grad(scalar(op, list):square(), inputs, { create_graph = true, allow_unused = true })
      local total
      for i = 1, #inputs do
         if grads[i] then
            local term = (grads[i] * weighting(grads[i])):sum()
            total = total and total + term or term
         end
      end
      return total
   end
   local grads = engram.grad(slope(), inputs, { allow_unused = true })
   for i, x in ipairs(inputs) do
      close(grads[i] or engram.zeros_like(x), numeric(slope, x), 1e-4, ("second order, argument %d"):format(i))
   end
end

-- Transposed copies must give the same result as plain ones.
local function strides(op, arguments)
   local list = leaves(arguments, "float64")
   local plain = call(op, list)
   for i = 1, 6 do
      local v = list[i]
      if engram.is_tensor(v) and v.dtype ~= "uint8" and v:dim() >= 2 then
         list[i] = v:detach():transpose(1, -1):clone():transpose(1, -1)
      end
   end
   close(call(op, list), plain, 1e-12, "strided arguments")
end

local function single_precision(op, arguments)
   local wide, narrow = leaves(arguments, "float64"), leaves(arguments, "float32")
   close(call(op, narrow), call(op, wide), 1e-4, "float32")
end

for _, name in ipairs(names) do
   local op = registry[name]
   engram.seed(3)
   for number, arguments in ipairs(op.samples()) do
      local label = ("%s, sample %d"):format(name, number)
      for i = 1, 6 do if is_real(arguments[i]) then arguments[i] = arguments[i]:keep() end end
      t.test(label .. ": gradient", function() first_order(op, arguments, true) end)
      if op.fused then t.test(label .. ": fused gradient", function() first_order(op, arguments, false) end) end
      t.test(label .. ": second order", function() second_order(op, arguments) end)
      if name ~= "convert" then t.test(label .. ": float32", function() single_precision(op, arguments) end) end
      t.test(label .. ": strides", function() strides(op, arguments) end)
   end
end

t.test("an operation without samples does not register", function()
   t.expect(function() engram.ops.define("nothing", { forward = print, backward = print }) end):raises "has no samples"
end)

t.done()
