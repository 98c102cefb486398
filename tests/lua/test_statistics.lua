-- engram.statistics: published tables, closed forms and counts made by hand.
local t = require "tests.harness"
local engram = require "engram"
local statistics = engram.statistics

t.test("mean and standard deviation of a sample", function()
   t.expect(statistics.mean{ 2, 4, 4, 4, 5, 5, 7, 9 }):equals(5)
   t.expect(statistics.deviation{ 2, 4, 4, 4, 5, 5, 7, 9 }):close_to(math.sqrt(32 / 7), 1e-15)
   t.expect(statistics.deviation{ 3 }):is_nil()
   t.expect(statistics.deviation{ 1e9 + 1, 1e9 + 2, 1e9 + 3 }):close_to(1, 1e-12)
end)

-- ---- Student's t ------------------------------------------------------------------------------------------

-- Percentage points as the printed tables have them (three decimals), by degrees of freedom: 0.95, 0.975, 0.995, 0.9995.
local printed = {
   [1] = { 6.314, 12.706, 63.657, 636.619 }, [2] = { 2.920, 4.303, 9.925, 31.599 }, [3] = { 2.353, 3.182, 5.841, 12.924 },
   [4] = { 2.132, 2.776, 4.604, 8.610 }, [5] = { 2.015, 2.571, 4.032, 6.869 }, [9] = { 1.833, 2.262, 3.250, 4.781 },
   [10] = { 1.812, 2.228, 3.169, 4.587 }, [19] = { 1.729, 2.093, 2.861, 3.883 }, [30] = { 1.697, 2.042, 2.750, 3.646 },
   [60] = { 1.671, 2.000, 2.660, 3.460 }, [120] = { 1.658, 1.980, 2.617, 3.373 },
}

t.test("what is no number has no probability", function()
   t.expect(function() statistics.t_cumulative(nil, 5) end):raises "statistics.t_cumulative: t must be a number, got nil"
   t.expect(function() statistics.t_cumulative(0 / 0, 5) end):raises "statistics.t_cumulative: t must be a number, got nan"
   t.expect({ statistics.t_cumulative(math.huge, 5), statistics.t_cumulative(-math.huge, 5) }):equals{ 1, 0 }
end)

t.test("t quantiles are those of the printed tables", function()
   for freedom, row in pairs(printed) do
      for i, p in ipairs{ 0.95, 0.975, 0.995, 0.9995 } do
         local got = ("%.3f"):format(statistics.t_quantile(p, freedom))
         t.expect({ freedom, p, got }):equals({ freedom, p, ("%.3f"):format(row[i]) })
         t.expect(statistics.t_quantile(1 - p, freedom)):close_to(-statistics.t_quantile(p, freedom), 1e-11)
      end
   end
end)

t.test("t quantiles have closed forms for 1, 2 and 4 degrees of freedom, and the normal's in the limit", function()
   for _, p in ipairs{ 0.001, 0.2, 0.5, 0.6, 0.9, 0.999999 } do
      t.expect(statistics.t_quantile(p, 1)):close_to(math.tan(math.pi * (p - 0.5)), 1e-9)
      local a = 4 * p * (1 - p)
      t.expect(statistics.t_quantile(p, 2)):close_to(2 * (p - 0.5) * math.sqrt(2 / a), 1e-9)
      local q = math.cos(math.acos(math.sqrt(a)) / 3) / math.sqrt(a)
      t.expect(statistics.t_quantile(p, 4)):close_to((p > 0.5 and 1 or -1) * 2 * math.sqrt(math.max(0, q - 1)), 1e-6)
   end
   t.expect(statistics.t_quantile(0.975, 1e7)):close_to(1.959963984540054, 1e-6)
end)

t.test("the cumulative probability turns the quantile back, far out too", function()
   for _, freedom in ipairs{ 1, 2.5, 7, 100 } do
      for _, p in ipairs{ 1e-10, 0.001, 0.3, 0.7, 0.999 } do
         local back = statistics.t_cumulative(statistics.t_quantile(p, freedom), freedom)
         t.expect(back / p):close_to(1, 1e-9)
      end
      t.expect(statistics.t_cumulative(0, freedom)):close_to(0.5, 1e-14)
   end
end)

t.test("the interval of a mean", function()
   local low, high = statistics.interval{ 1, 2, 3, 4, 5 }                 -- 3 -+ 2.776445105 * 1.58113883 / sqrt(5)
   t.expect({ low, high }):close_to({ 1.036756838522439, 4.963243161477561 }, 1e-12)
   low, high = statistics.interval({ 1, 2, 3, 4, 5 }, 0.9)                -- 2.131846786
   t.expect({ low, high }):close_to({ 3 - 2.131846786326649 * math.sqrt(0.5), 3 + 2.131846786326649 * math.sqrt(0.5) }, 1e-12)
   t.expect(statistics.interval{ 1 }):is_nil()
   t.expect({ statistics.interval{ 2, 2, 2 } }):equals({ 2, 2 })
end)

-- ---- tests ------------------------------------------------------------------------------------------------

t.test("the sign-flip test, counted by hand", function()
   t.expect({ statistics.sign_flip{ 1, 2, 3 } }):equals({ 2 / 8, true })          -- +++ and ---
   t.expect({ statistics.sign_flip{ 1, 2, -3 } }):equals({ 1, true })             -- a sum of 0: every pattern is as far
   t.expect({ statistics.sign_flip{ 3, 2, -1 } }):equals({ 4 / 8, true })         -- |sum| >= 4: 3+2+1, 3+2-1 and their mirrors
   t.expect({ statistics.sign_flip{ 0.1, 0.2, 0.3, 0.4, 0.5 } }):equals({ 2 / 32, true })
   t.expect({ statistics.sign_flip{ 0, 0 } }):equals({ 1, true })
   t.expect({ statistics.sign_flip{ -7 } }):equals({ 1, true })
   t.expect({ statistics.sign_flip{ 0.1, 0.2, -0.3, 0.4 } }):equals({ 10 / 16, true })   -- ties that rounding must not part
end)

-- Darwin's maize (Fisher 1935, The Design of Experiments, section 21): 15 pairs, differences in eighths of an inch. Of the 32768
-- patterns of signs, Fisher counts 863 sums at least as large as 314 upwards, and as many downwards.
t.test("Darwin's maize as Fisher counted it", function()
   local differences = { 49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48 }
   local p, exact = statistics.sign_flip(differences)
   t.expect({ p * 32768, exact }):equals({ 2 * 863, true })
end)

t.test("above twenty pairs p is drawn, near the exact one, and said to be no exact one", function()
   local d = {}
   for i = 1, 20 do d[i] = (i * 37 % 11) - 4 end
   local exact = statistics.sign_flip(d)
   d[21] = 0                                                              -- changes nothing but the way
   local p, is_exact = statistics.sign_flip(d)
   t.expect(is_exact):is_false()
   t.expect(p):close_to(exact, 0.002)
   t.expect(statistics.sign_flip(d)):equals(p)
end)

t.test("the paired test", function()
   t.expect(statistics.paired_test({ 5, 6, 7 }, { 4, 4, 4 })):equals({ n = 3, difference = 2, p = 0.25, exact = true })
end)

t.test("Holm's correction: steps down, never falls, at most 1, in the order given", function()
   t.expect(statistics.holm{ 0.01, 0.04, 0.03, 0.005 }):close_to({ 0.03, 0.06, 0.06, 0.02 }, 1e-15)
   t.expect(statistics.holm{ 0.5, 0.9 }):equals({ 1, 1 })
   t.expect(statistics.holm{ 0.25 }):equals({ 0.25 })
   t.expect(statistics.holm{}):equals({})
   t.expect(function() statistics.holm{ 2, -1 } end):raises "p-value 1 is 2, expected 0 to 1"
end)

-- ---- how many seeds ---------------------------------------------------------------------------------------

-- The first three are G*Power's (Faul et al. 2007: 0.8030969, 0.8077775, 0.8213105); all are those of a Python integration of another
-- formula, the chi-square probability over the normal's density.
t.test("the power of a paired t-test is that of the noncentral t", function()
   for _, case in ipairs{ { 10, 1, 0.05, 0.8030968566 }, { 34, 0.5, 0.05, 0.8077775013 }, { 15, 0.8, 0.05, 0.8213105387 },
      { 6, 2, 0.05, 0.9705035694 }, { 2, 5, 0.05, 0.4209614091 }, { 50, 0.4, 0.01, 0.5622996850 }, { 6, 1.5, 0.0125, 0.5232151280 } } do
      t.expect(statistics.power(case[1], case[2], case[3])):close_to(case[4], 1e-9)
   end
   t.expect(statistics.power(7, 0)):close_to(0.05, 1e-9)                          -- no effect: the level itself
end)

t.test("the seeds that would separate two methods", function()
   t.expect(statistics.seeds_to_separate{ 1, -1.001 }):is_nil()
   t.expect(select(2, statistics.seeds_to_separate{ 1, -1 })):equals "the mean difference is 0"
   local n = statistics.seeds_to_separate{ 0, 2 }                                  -- an effect of 1 / sqrt(2)
   t.expect(n):equals(18)
   t.expect(statistics.power(n, 1 / math.sqrt(2))):above(0.8)
   t.expect(statistics.power(n - 1, 1 / math.sqrt(2))):below(0.8)
   t.expect(statistics.seeds_to_separate({ 0, 2 }, { tests = 4 })):above(n)
   t.expect(statistics.seeds_to_separate({ 0, 2 }, { power = 0.5 })):below(n)
end)

t.test("no difference, however clear, is shown by fewer seeds than the exact test needs", function()
   t.expect(statistics.seeds_to_separate{ 5, 5.01 }):equals(6)                     -- 2 / 2^6 = 0.03125, 2 / 2^5 = 0.0625
   t.expect(statistics.seeds_to_separate{ 5, 5 }):equals(6)
   t.expect(statistics.seeds_to_separate({ 5, 5.01 }, { tests = 11 })):equals(9)   -- 0.05 / 11 = 0.0045: 2 / 2^9 = 0.0039
   local p = statistics.sign_flip{ 5, 5, 5, 5, 5, 5 }
   t.expect(p):below(0.05)
   t.expect(statistics.sign_flip{ 5, 5, 5, 5, 5 }):above(0.05)
end)

-- EWC, task-incremental Split MNIST (Hsu et al. 2018, table 2): 97.70 +- 0.81 of 10 runs; by hand: 2 sqrt(0.81^2 / 10 + 0.04 / 3) = 0.5619.
t.test("a cell of a published table", function()
   local cell = statistics.cell({ 97.9, 98.3, 98.1 }, { mean = 97.70, deviation = 0.81, n = 10 })
   t.expect({ cell.n, cell.mean, cell.difference }):close_to({ 3, 98.1, 0.4 }, 1e-12)
   t.expect(cell.tolerance):close_to(0.5619371, 1e-7)
   t.expect(cell.passes):is_true()
   t.expect(statistics.cell({ 98.2, 98.6, 98.4 }, { mean = 97.70, deviation = 0.81, n = 10 }).passes):is_false()
   t.expect(statistics.cell({ 97.70 }, { mean = 97.70, deviation = 0.81, n = 10 }).passes):is_nil()
   t.expect(function() statistics.cell({ 1 }, { mean = 2 }) end)
      :raises "statistics.cell: the reference needs mean, deviation and n: deviation is nil"
end)

t.test("wrong arguments are told", function()
   local function refused(text, f, ...)
      local arguments = { ... }
      t.expect(function() f(unpack(arguments)) end):raises(text)
   end
   refused("statistics.mean: expected a list of numbers, got number", statistics.mean, 3)
   refused("statistics.mean: expected at least 1 number, got 0", statistics.mean, {})
   refused("statistics.deviation: expected", statistics.deviation, nil)
   refused("statistics.mean: expected finite numbers, item 2 is nan", statistics.mean, { 1, 0 / 0 })
   refused("statistics.mean: expected finite numbers, item 1 is string", statistics.mean, { "1" })
   refused("p must be between 0 and 1, got 1", statistics.t_quantile, 1, 3)
   refused("degrees of freedom must be a finite number above 0, got 0", statistics.t_quantile, 0.5, 0)
   refused("degrees of freedom must be a finite number above 0, got inf", statistics.t_quantile, 0.975, 1 / 0)
   refused("effect must be a finite number, got nan", statistics.power, 5, 0 / 0)
   refused("level must be between 0 and 1, got 1.5", statistics.interval, { 1, 2, 3 }, 1.5)
   refused("power must be between 0 and 1, got -1", statistics.seeds_to_separate, { 1, 2, 1 }, { power = -1 })
   refused("tests must be a whole number of at least 1, got 0", statistics.seeds_to_separate, { 1, 2, 1 }, { tests = 0 })
   refused("expected pairs, got 2 numbers and 1", statistics.paired_test, { 1, 2 }, { 1 })
end)

t.done()
