-- optim/conformance.lua: what an optimizer must do, whoever wrote it. `engram plugin check FILE` runs these, in a process of their own.
--
-- A check is { name, function(make, description) -> what was seen }; it raises when the optimizer falls short. make(parameters, options).
local engram = require "engram"
local core = require "engram.core"
local random = require "engram.random"
local problem = require "engram.optim.conformance.problem"
local schedule = require "engram.schedule"
local fail, count_nonfinite, expect_same = problem.fail, problem.count_nonfinite, problem.expect_same
local parameters, set_gradients, take_steps, run = problem.parameters, problem.set_gradients, problem.take_steps, problem.run

-- ---- it optimizes -----------------------------------------------------------------------------------------

local RATES = { 1, 10, 100, 1000, 0.1 }

-- loss = half the sum of a (w - target)^2; the least share of the first loss that 400 steps reach.
local function descend(make, dtype, options)
   engram.seed(7)
   local list, first, last = parameters(dtype, { { 20 } }), nil, nil
   local a, target = engram.linspace(0.5, 2, 20, { dtype = dtype }), engram.ones(20, { dtype = dtype })
   local opt = make(list, options)
   for step = 1, 400 do
      last = engram.scope(function()
         local loss = ((list[1] - target):square() * a):sum() * 0.5
         opt:zero_grad()
         loss:backward()
         opt:step{ step = step, loss = loss:item() }
         return loss:item()
      end)
      first = first or last
   end
   return first, last
end

local function quadratic(dtype)
   return function(make, description)
      local lr, best = description.hyper.lr, nil
      for _, rate in ipairs(lr and type(lr.default) == "number" and lr.default > 0 and RATES or { 1 }) do
         local options = lr and type(lr.default) == "number" and { lr = lr.default * rate } or nil
         local fits = not options or not lr.max or options.lr <= lr.max
         if fits then
            local first, last = descend(make, dtype, options)
            local text = ("loss %.4g -> %.4g%s"):format(first, last, options and (", lr = %g"):format(options.lr) or "")
            if last < 0.1 * first then return text end
            if not best or last < best[1] then best = { last, text, stood = last == first } end
         end
      end
      if best.stood then fail "no weight changes: change p in place, as in p:add_(g, -h.lr); `p = p - g` makes another tensor" end
   fail("the loss of a quadratic does not fall to a tenth in 400 steps with any lr tried; best: %s", best[2])
   end
end

-- ---- it is a function of what it was given ----------------------------------------------------------------

local function repeats(make, description)
   for _, options in ipairs(problem.variants(make, description)) do
      local _, one = run(make, { options = options })
      local _, other = run(make, { options = options })
      expect_same(one, other, 'two runs with one seed (random numbers come from engram.rand(n, { stream = "optimizer" }))')
   end
   return "same bits"
end

local function threads(make, description)
   local before = core.threads()
   for _, options in ipairs(problem.variants(make, description)) do
      local first
      for _, count in ipairs{ 1, 2, 4 } do
         core.threads(count)
         local _, opt = run(make, { sizes = { { 700, 500 }, { 3 } }, steps = 3, options = options })
         if first then expect_same(first, opt, ("1 and %d threads"):format(count)) end
         first = first or opt
      end
   end
   core.threads(before)
   return "same bits with 1, 2 and 4 threads"
end

-- An optimizer after 10 steps, the first 5 of which another one took: through a file, as a run that is killed and resumed.
local function resumed(make, options)
   local list, before = run(make, { steps = 5, options = options })
   local path, saved = os.tmpname(), {}
   for name, t in before:named_state() do saved[name] = t end
   engram.safetensors.save(path, saved)
   local place, after = random.state(), make(list, options)
   after:load_named_state(engram.safetensors.load(path))
   os.remove(path)
   random.load_state(place)
   after.context.step, after.context.step_in_task = before.context.step, before.context.step_in_task
   take_steps(after, list, 6, 10)
   return after
end

local function round_trip(make, description)
   local after
   for _, options in ipairs(problem.variants(make, description)) do
      local _, whole = run(make, { steps = 10, options = options })
      after = resumed(make, options)
      expect_same(whole, after, "5 steps, saved, loaded, 5 steps, against 10 steps (is there state outside the slots?)")
   end
   return ("%d bytes of slots"):format((after:bytes()))
end

local function both_types(make)
   local words = {}
   for _, dtype in ipairs{ "float32", "float64" } do
      local list, opt = run(make, { dtype = dtype })
      for i, p in ipairs(list) do
         if p.dtype ~= dtype then fail("a parameter of %s became %s", dtype, p.dtype) end
         if count_nonfinite(p) > 0 then fail("%s: parameter %d is no longer finite after 10 steps", dtype, i) end
         for name, slot in pairs(opt:state(p)) do
            if count_nonfinite(slot) > 0 then fail("%s: slot %s is no longer finite after 10 steps", dtype, name) end
         end
      end
      words[#words + 1] = dtype
   end
   return table.concat(words, " and ")
end

local function shapes(make)
   local sizes = { {}, { 1 }, { 2, 3 }, { 2, 1, 3, 2 }, { 16385 } }
   local list = {}
   for i, size in ipairs(sizes) do
      local p = #size == 0 and engram.full(0.5) or engram.ones(unpack(size))
      list[i] = p:keep():requires_grad_()
   end
   local opt = make(list)
   take_steps(opt, list, 1, 2)
   return "0 to 4 dimensions, 1 to 16385 elements"
end

-- ---- it touches nothing else --------------------------------------------------------------------------------

local MARGIN, MARK = 64, 12345.5

-- A contiguous tensor with marked memory before and behind it, and a function that tells whether the marks stand.
local function guarded(values)
   local n = values:numel()
   local block = engram.full(n + 2 * MARGIN, MARK, { dtype = values.dtype }):keep()
   local inner = block:narrow(1, MARGIN + 1, n)
   inner:copy_(values:detach():reshape(-1))
   return inner:view(unpack(values.shape)):keep(), function()
      return block:narrow(1, 1, MARGIN):eq(MARK):all() and block:narrow(1, MARGIN + n + 1, MARGIN):eq(MARK):all()
   end
end

local function bounds(make)
   local list, sound = {}, {}
   for i, p in ipairs(parameters("float32", { { 33, 5 }, { 7 } })) do list[i], sound[i] = guarded(p) list[i]:requires_grad_() end
   local opt = make(list)
   take_steps(opt, list, 1, 1)
   for _, p in ipairs(list) do
      local slots = opt:state(p)
      for name, slot in pairs(slots) do
         if slot:dim() > 0 then slots[name], sound[#sound + 1] = guarded(slot) end
      end
   end
   for step = 2, 4 do
      set_gradients(list, step)
      local before = list[1].grad:clone()
      opt:step()
      if not before:equal(list[1].grad) then fail "step changes the gradient: it is others' to read" end
   end
   for _, stands in ipairs(sound) do
      if not stands() then fail "step writes beside the elements of a parameter or slot" end
   end
   return "gradients and neighbouring memory as they were"
end

-- ---- bad numbers --------------------------------------------------------------------------------------------

-- What becomes of a gradient with one NaN: refused, visible in the weights, or kept out; but not hidden in a slot.
local function nan_gradient(make, options)
   engram.seed(7)
   local list = parameters("float32", { { 50 } })
   local opt = make(list, options)
   take_steps(opt, list, 1, 2)
   set_gradients(list, 3)
   list[1].grad[3] = 0 / 0
   local ok, message = pcall(opt.step, opt)
   if not ok then return "refused: " .. tostring(message) end
   local weights, poisoned = count_nonfinite(list[1]), {}
   for name, slot in pairs(opt:state(list[1])) do
      if count_nonfinite(slot) > 0 then poisoned[#poisoned + 1] = name end
   end
   if weights > 0 then return ("%d of %d weights become NaN, which ends a training"):format(weights, list[1]:numel()) end
   if #poisoned == 0 then return "weights and slots stay finite" end
   table.sort(poisoned)
   fail("a NaN gradient stays in slot %s while the weights are finite: no training would notice; refuse it, or let it reach the weight",
      table.concat(poisoned, ", "))
end

local function nan_gradients(make, description)
   local text
   for _, options in ipairs(problem.variants(make, description)) do text = nan_gradient(make, options) end
   return text
end

-- ---- hyper-parameters ---------------------------------------------------------------------------------------

local function refused(make, key, value)
   local ok = pcall(make, parameters("float32", { { 5 } }), { [key] = value })
   if ok then fail("hyper-parameter %s takes %s", key, tostring(value)) end
   local late = pcall(function()
      local list = parameters("float32", { { 5 } })
      local opt = make(list, { [key] = schedule.constant(value) })
      take_steps(opt, list, 1, 1)
   end)
   if late then fail("hyper-parameter %s takes %s from a schedule", key, tostring(value)) end
end

-- A value within the declared range must not make the step fail (unless the optimizer's own check of all values refuses it at once).
local function accepted(make, key, value)
   local list = parameters("float32", { { 5 } })
   local made, opt = pcall(make, list, { [key] = value })
   if not made then return end
   local ok, message = pcall(take_steps, opt, list, 1, 2)
   if not ok then fail("hyper-parameter %s = %s lies in its range, but the step fails: %s", key, tostring(value), tostring(message)) end
end

local function limits(make, description)
   local tried = 0
   for key, hyper in pairs(description.hyper) do
      if hyper.choices then
         for _, choice in ipairs(hyper.choices) do accepted(make, key, choice) end
         refused(make, key, "none of these")
      elseif type(hyper.default) == "number" then
         for _, value in ipairs{ 0 / 0, 1 / 0, -1 / 0, "1", true } do refused(make, key, value) end
         if hyper.min then refused(make, key, hyper.min - math.max(1, math.abs(hyper.min))) end
         if hyper.max then refused(make, key, hyper.max + math.max(1, math.abs(hyper.max))) end
         for _, value in pairs{ hyper.min, hyper.max } do accepted(make, key, value) end
      else
         refused(make, key, 1)
         if type(hyper.default) == "boolean" then accepted(make, key, not hyper.default) end
      end
      tried = tried + 1
   end
   return ("%d hyper-parameter%s"):format(tried, tried == 1 and "" or "s")
end

-- ---- tasks and statistics -----------------------------------------------------------------------------------

local function tasks(make, description)
   local list, opt = run(make, {})
   local before = {}
   for name, t in opt:named_state() do before[name] = t:clone() end
   local weights = list[1]:detach():clone()
   opt:task_end(1)
   opt:task_begin(2)
   if not weights:equal(list[1]:detach()) then fail "task_end or task_begin changes weights" end
   local reset = {}
   for i, name in ipairs(opt.names) do
      for key, slot in pairs(description.slots) do
         local t = opt:state(list[i])[key]
         if t and slot.reset and not t:eq(slot.initial or 0):all() then fail("slot %s is not reset at a task", key) end
         if t and not slot.reset and not t:equal(before[name .. "." .. key]) then fail("slot %s changes between tasks", key) end
         if slot.reset then reset[key] = true end
      end
   end
   take_steps(opt, list, 11, 12)
   local names = {}
   for key in pairs(reset) do names[#names + 1] = key end
   table.sort(names)
   return #names > 0 and "reset: " .. table.concat(names, ", ") or "no slot asks to be reset"
end

local function statistics(make)
   local _, opt = run(make, {})
   local found, words = opt:statistics(), {}
   if type(found.update_density) ~= "number" or found.update_density < 0 or found.update_density > 1 then
      fail("the update density is %s", tostring(found.update_density))
   end
   for key, value in pairs(found) do
      if type(value) ~= "number" then fail("statistic %s is a %s, expected a number", key, core.typename(value)) end
      words[#words + 1] = ("%s = %g"):format(key, value)
   end
   table.sort(words)
   return table.concat(words, ", ")
end

return {
   { "a quadratic converges in float32", quadratic "float32" },
   { "a quadratic converges in float64", quadratic "float64" },
   { "float32 and float64 stay finite and what they are", both_types },
   { "parameters of any shape", shapes },
   { "two runs are equal", repeats },
   { "threads do not matter", threads },
   { "a checkpoint gives back every bit", round_trip },
   { "nothing else is written", bounds },
   { "a NaN gradient is not hidden", nan_gradients },
   { "limits of the hyper-parameters hold", limits },
   { "tasks begin and end", tasks },
   { "statistics are numbers", statistics },
}
