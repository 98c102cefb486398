-- Budgets of bytes and arithmetic, and what of a method's arithmetic is counted: against counts made by hand.
local t = require "tests.harness"
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local M = cl.methods

local ITEMS = 40                                          -- of each of 5 tasks, of 784 numbers
local stream = cl.streams.split("glyphs/digits", { train = 200, test = 100, scenario = "task" })
local WEIGHTS = 784 * 10 + 10

local function train(options)
   local given = { stream = stream, seed = 2, batch_size = 10,
      model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
      optimizer = function(model) return optim.SGD(model, { lr = 0.1 }) end }
   for key, value in pairs(options or {}) do given[key] = value end
   return cl.train(given)
end
local function refused(options, text) t.expect(function() train(options) end):raises(text) end

-- ---- what is counted --------------------------------------------------------------------------------------

local PRODUCT = 2 * 784 * 10                              -- an item, one way; backward there is one for the weights alone

t.test("what methods compute besides the step is counted too", function()
   local plain = 5 * ITEMS * 2 * PRODUCT
   local function is(method, more) t.expect({ method.description.name, train{ method = method }.arithmetic.total })
      :equals{ method.description.name, plain + more * PRODUCT } end
   is(M.Naive{}, 0)
   is(M.SI{}, 0)
   is(M.EWC{ fisher = "empirical" }, 5 * ITEMS * 2)
   is(M.EWC{}, 5 * ITEMS * (1 + 2))                        -- the two outputs of a task, each its own way back
   is(M.EWC{ fisher = "sampled", samples = 10 }, 5 * 10 * 2)
   is(M.MAS{}, 5 * ITEMS * 2)
   is(M.LwF{}, 4 * ITEMS)                                  -- the teacher's answers, from task 2 on
   is(M.AGEM{ per_class = 100 }, 4 * 4 * 10 * 2)           -- a batch beside each of four batches
   is(M.GEM{ per_task = 5 }, 4 * (1 + 2 + 3 + 4) * 5 * 2)  -- in each step the items of all old tasks
end)

t.test("replayed items count from the second step on, in the loss or beside it", function()
   t.expect(train{ method = M.ER{ memory = 1000 } }.arithmetic.total):equals((5 * ITEMS + 19 * 10) * 2 * PRODUCT)
end)

-- ---- arithmetic -------------------------------------------------------------------------------------------

t.test("a training ends when its arithmetic is spent, with all that an end has", function()
   local step = 10 * 2 * PRODUCT
   local run = train{ budget = { arithmetic = 6 * step } }
   t.expect({ run.steps, #run.accuracy, run.arithmetic.total }):equals{ 6, 5, 6 * step }
   for k = 3, 5 do t.expect(run.accuracy[k]):equals(run.accuracy[2]) end                   -- judged as they are met, untrained
   t.expect(run.budget):equals{ arithmetic = 6 * step, ended = { task = 2, tasks = 5, step = 6 } }
   t.expect(train{ budget = { arithmetic = 5.5 * step } }.steps):equals(6)                 -- it is spent when it is reached
   local whole = train{ budget = { arithmetic = 1e15 } }
   t.expect({ whole.steps, whole.budget.ended, whole.hash }):equals{ 20, nil, train().hash }
end)

t.test("once the arithmetic is spent a method computes nothing more for tasks that do not come", function()
   local step, fisher = 10 * 2 * PRODUCT, ITEMS * 3 * PRODUCT
   local run = train{ method = M.EWC{}, budget = { arithmetic = 6 * step + fisher } }
   t.expect({ run.steps, run.arithmetic.total, run.bytes.state_in_training }):equals{ 6, 6 * step + fisher, 2 * 4 * WEIGHTS }
end)

t.test("the steps that are trained are the same as without a budget", function()
   local hash
   train{ on_step = function(s) if s.step == 6 then hash = s.model:hash() end end }
   t.expect(train{ budget = { arithmetic = 6 * 20 * PRODUCT } }.hash):equals(hash)
end)

t.test("each task may have its own, in several epochs too, with the continual record's last point", function()
   local many = cl.streams.split("glyphs/digits", { train = 200, test = 100, scenario = "task", epochs = 3 })
   local run = train{ stream = many, budget = { arithmetic_per_task = 5 * 20 * PRODUCT }, evaluate_every = 100, evaluate = "epoch" }
   t.expect({ run.steps, #run.accuracy, run.budget.ended }):equals{ 25, 5, nil }
   t.expect(run.continual[2].step_in_task):equals(5)
   local replay = train{ budget = { arithmetic_per_task = 2 * 20 * PRODUCT }, method = M.ER{ memory = 1000 } }
   t.expect(replay.steps):equals(2 + 4 * 1)                                               -- from task 2 on a step costs twice as much
end)

t.test("what a method computes at the end of a task is of the next one's budget", function()
   local many = cl.streams.split("glyphs/digits", { train = 200, test = 100, scenario = "task", epochs = 3 })
   local step, fisher = 10 * 2 * PRODUCT, ITEMS * 2 * PRODUCT
   local run = train{ stream = many, budget = { arithmetic_per_task = 6 * step }, method = M.EWC{ fisher = "empirical" } }
   t.expect(run.steps):equals(6 + 4 * (6 * step - fisher) / step)
   t.expect(run.arithmetic.total):equals(5 * 6 * step + fisher)                           -- the last one's is nobody's
end)

t.test("what a step goes beyond a task's arithmetic is of the next one's, and a task that has none left is refused", function()
   local many = cl.streams.split("glyphs/digits", { train = 200, test = 100, scenario = "task", epochs = 3 })
   local step, fisher = 10 * 2 * PRODUCT, ITEMS * 2 * PRODUCT
   t.expect(train{ stream = many, budget = { arithmetic_per_task = 5.5 * step } }.steps):equals(28)         -- 6, 5, 6, 5, 6
   local function given(limit)
      return { stream = many, budget = { arithmetic_per_task = limit }, method = M.EWC{ fisher = "empirical" } }
   end
   t.expect(train(given(fisher + step)).steps):equals(5 + 4)
   refused(given(fisher), "arithmetic_per_task = 1.254e+06 leaves nothing for task 2: after the last step that it allowed to task 1, "
      .. "1.254e+06 was computed (EWC); give more")
end)

t.test("under a budget an early end is no smaller stream: averages are over all tasks", function()
   local run = train{ budget = { arithmetic = 6 * 10 * 2 * PRODUCT }, evaluate_tasks = "seen" }
   t.expect({ #run.accuracy, #run.accuracy[5] }):equals{ 5, 5 }
   t.expect(run.metrics.average_accuracy):close_to(engram.statistics.mean(run.accuracy[5]), 1e-9)
end)

-- ---- bytes ------------------------------------------------------------------------------------------------

local ITEM = 784 + 8 + 8                                  -- of a memory: bytes of the picture, label, task

t.test("a state that is too large is refused, with the setting that would fit", function()
   refused({ method = M.ER{ memory = 500 }, budget = { state_bytes = 250 * ITEM } }, "at task 1 the state is 400,000 bytes, 200,000 more "
      .. "than state_bytes = 200,000 allows: ER.memory 400,000 (memory = 250 fits, it is 500)")
   t.expect(train{ method = M.ER{ memory = 250 }, budget = { state_bytes = 250 * ITEM } }.bytes.state):equals(250 * ITEM)
   refused({ method = M.ER{ memory = 251 }, budget = { state_bytes = 250 * ITEM } }, "memory = 250 fits")
   refused({ method = M.ER{ memory = 10 }, budget = { state_bytes = ITEM - 1 } }, "not one item fits")
end)

t.test("a memory that grows is refused at the task where it would be too large; what fits fits all of them", function()
   local limit = 25 * ITEM
   refused({ method = M.AGEM{ per_class = 5 }, budget = { state_bytes = limit } }, "at task 3 the state is 24,000 bytes")
   refused({ method = M.AGEM{ per_class = 5 }, budget = { state_bytes = limit } }, "per_class = 2 fits, it is 5")
   t.expect(train{ method = M.AGEM{ per_class = 2 }, budget = { state_bytes = limit } }.bytes.state):equals(20 * ITEM)
end)

t.test("penalties a task, slots of the optimizer, several parts", function()
   local weights = 4 * WEIGHTS
   refused({ method = M.EWC{ fisher = "empirical" }, budget = { state_bytes = 2 * weights } },
      "at task 2 the state is 125,600 bytes, 62,800 more")
   refused({ method = M.EWC{ fisher = "empirical" }, budget = { state_bytes = 2 * weights } }, "mode = 'online' keeps one")
   t.expect(train{ method = M.EWC{ mode = "online", fisher = "empirical" }, budget = { state_bytes = 2 * weights } }.bytes.state)
      :equals(2 * weights)
   local function adam(model) return optim.Adam(model) end
   refused({ optimizer = adam, budget = { state_bytes = 2 * weights - 1 } }, "at task 1 the state is 62,800 bytes, 1 more")
   t.expect(train{ optimizer = adam, budget = { state_bytes = 2 * weights } }.bytes.optimizer):equals(2 * weights)
   t.expect(train{ budget = { state_bytes = 0 } }.bytes.state):equals(0)
end)

t.test("what is no budget is told", function()
   refused({ budget = {} }, "budget: give one of state_bytes, arithmetic, arithmetic_per_task")
   refused({ budget = 5 }, "budget must be a table, as { state_bytes = 2e6 }, got number")
   refused({ budget = { bytes = 5 } }, "unknown option 'bytes'")
   refused({ budget = { arithmetic = 0 } }, "budget.arithmetic must be a number of at least 1, got 0")
   refused({ budget = { state_bytes = "2e6" } }, "budget.state_bytes must be a number of at least 0, got 2e6")
   refused({ budget = { seconds = 60 } }, "unknown option 'seconds'")
end)

t.done()
