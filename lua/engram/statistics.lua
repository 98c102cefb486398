-- statistics.lua: what a comparison over seeds needs: mean, standard deviation, Student's t, an exact paired test, Holm's correction, how
-- many seeds would tell two methods apart, and whether a published figure is met.
-- Lists are plain Lua tables of numbers. What is not defined (the deviation of one number) is nil.
local bit = require "bit"
local core = require "engram.core"
local raise = core.raise

local statistics = {}

local function check_list(who, list, least)
   if type(list) ~= "table" then raise("statistics.%s: expected a list of numbers, got %s", who, core.typename(list)) end
   for i = 1, #list do
      local x = list[i]
      if type(x) ~= "number" or x - x ~= 0 then
         raise("statistics.%s: expected finite numbers, item %d is %s", who, i, type(x) == "number" and tostring(x) or core.typename(x))
      end
   end
   if #list < least then raise("statistics.%s: expected at least %d number%s, got %d", who, least, least == 1 and "" or "s", #list) end
end

-- ---- mean and deviation -----------------------------------------------------------------------------------

-- mean(list): the arithmetic mean.
function statistics.mean(list)
   check_list("mean", list, 1)
   local sum = 0
   for _, x in ipairs(list) do sum = sum + x end
   return sum / #list
end

-- deviation(list): the standard deviation of a sample, with n - 1; nil for one number.
function statistics.deviation(list)
   check_list("deviation", list, 1)
   local mean, sum = statistics.mean(list), 0
   if #list < 2 then return nil end
   for _, x in ipairs(list) do sum = sum + (x - mean) ^ 2 end
   return math.sqrt(sum / (#list - 1))
end

-- ---- Student's t ------------------------------------------------------------------------------------------

-- The logarithm of the gamma function for x > 0 (Lanczos' series, g = 7, nine terms: 15 digits).
local lanczos = { 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
   -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7 }

local function log_gamma(x)
   if x < 0.5 then return math.log(math.pi / math.sin(math.pi * x)) - log_gamma(1 - x) end
   x = x - 1
   local sum, t = 0.99999999999980993, x + 7.5
   for i, coefficient in ipairs(lanczos) do sum = sum + coefficient / (x + i) end
   return 0.5 * math.log(2 * math.pi) + (x + 0.5) * math.log(t) - t + math.log(sum)
end

-- The continued fraction of the incomplete beta function, by Lentz' method.
local function beta_fraction(x, a, b)
   local tiny = 1e-300
   local function guarded(value) return math.abs(value) < tiny and tiny or value end
   local c, d = 1, 1 / guarded(1 - (a + b) * x / (a + 1))
   local result = d
   for m = 1, 10000 do
      local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      d, c = 1 / guarded(1 + even * d), guarded(1 + even / c)
      result = result * d * c
      local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      d, c = 1 / guarded(1 + odd * d), guarded(1 + odd / c)
      result = result * d * c
      if math.abs(d * c - 1) < 1e-16 then break end
   end
   return result
end

-- The regularized incomplete beta function I_x(a, b); y = 1 - x, given apart because it may be too small to tell from x.
local function incomplete_beta(x, y, a, b)
   if x <= 0 or y <= 0 then return x <= 0 and 0 or 1 end
   local front = math.exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * math.log(x) + b * math.log(y))
   if x < (a + 1) / (a + b + 2) then return front * beta_fraction(x, a, b) / a end
   return 1 - front * beta_fraction(y, b, a) / b
end

local function check_freedom(who, freedom)
   if type(freedom) ~= "number" or not (freedom > 0 and freedom < math.huge) then
      raise("statistics.%s: degrees of freedom must be a finite number above 0, got %s", who, tostring(freedom))
   end
end

-- A probability that is neither 0 nor 1.
local function check_share(who, what, value)
   if type(value) ~= "number" or not (value > 0 and value < 1) then
      raise("statistics.%s: %s must be between 0 and 1, got %s", who, what, tostring(value))
   end
   return value
end

-- t_cumulative(t, freedom): the probability that Student's t is at most t.
function statistics.t_cumulative(t, freedom)
   check_freedom("t_cumulative", freedom)
   if type(t) ~= "number" or t ~= t then raise("statistics.t_cumulative: t must be a number, got %s", core.shown(t)) end
   local tail = incomplete_beta(freedom / (freedom + t * t), t * t / (freedom + t * t), freedom / 2, 0.5) / 2
   return t > 0 and 1 - tail or tail
end

-- t_quantile(p, freedom): the t below which Student's t is with probability p, 0 < p < 1.
function statistics.t_quantile(p, freedom)
   check_freedom("t_quantile", freedom)
   check_share("t_quantile", "p", p)
   if p == 0.5 then return 0 end
   local tail = math.min(p, 1 - p)                       -- found in the lower tail, where small probabilities keep their digits
   local low, high = -1, 0
   while statistics.t_cumulative(low, freedom) > tail do low, high = low * 2, low end
   for _ = 1, 200 do
      local middle = (low + high) / 2
      if middle == low or middle == high then break end
      if statistics.t_cumulative(middle, freedom) > tail then high = middle else low = middle end
   end
   return p < 0.5 and low or -low
end

-- interval(list, level): the limits of the t-interval of the mean (level 0.95 unless given); nil for one number.
function statistics.interval(list, level)
   check_list("interval", list, 1)
   local mean, deviation = statistics.mean(list), statistics.deviation(list)
   if not deviation then return nil end
   local half = statistics.t_quantile(0.5 + check_share("interval", "level", level or 0.95) / 2, #list - 1) * deviation / math.sqrt(#list)
   return mean - half, mean + half
end

-- ---- the exact paired test --------------------------------------------------------------------------------

local MOST_EXACT, DRAWS = 20, 2 ^ 20                     -- pairs whose sign patterns are all tried; patterns that are drawn beyond

-- How many of the 2^(n - at + 1) ways to give signs to d[at .. n] bring |sum| to at least `limit`.
local function count_patterns(d, at, sum, limit)
   if at > #d then return math.abs(sum) >= limit and 1 or 0 end
   return count_patterns(d, at + 1, sum + d[at], limit) + count_patterns(d, at + 1, sum - d[at], limit)
end

-- The share of DRAWS random sign patterns, always the same ones (xorshift, Marsaglia 2003).
local function share_of_draws(d, limit)
   local word, hits = 2463534242, 0
   for _ = 1, DRAWS do
      local sum = 0
      for i = 1, #d do
         word = bit.bxor(word, bit.lshift(word, 13))
         word = bit.bxor(word, bit.rshift(word, 17))
         word = bit.bxor(word, bit.lshift(word, 5))
         sum = word < 0 and sum - d[i] or sum + d[i]
      end
      if math.abs(sum) >= limit then hits = hits + 1 end
   end
   return (hits + 1) / (DRAWS + 1)
end

-- sign_flip(differences) -> p, exact. The two-sided sign-flip permutation test of "the differences are as often up as down": the share
-- of all 2^n patterns of signs whose sum is at least as far from 0. Above 20 differences p is estimated and `exact` is false.
function statistics.sign_flip(differences)
   check_list("sign_flip", differences, 1)
   local sum, size = 0, 0
   for _, d in ipairs(differences) do sum, size = sum + d, size + math.abs(d) end
   local limit = math.abs(sum) - 1e-12 * size            -- equal sums may differ in their last bits
   if #differences > MOST_EXACT then return share_of_draws(differences, limit), false end
   return count_patterns(differences, 2, differences[1], limit) / 2 ^ (#differences - 1), true
end

-- paired_test(a, b) -> { n =, difference = mean of a - b, p =, exact = }: the sign-flip test of a[i] - b[i].
function statistics.paired_test(a, b)
   check_list("paired_test", a, 1)
   check_list("paired_test", b, 1)
   if #a ~= #b then raise("statistics.paired_test: expected pairs, got %d numbers and %d", #a, #b) end
   local differences = {}
   for i = 1, #a do differences[i] = a[i] - b[i] end
   local p, exact = statistics.sign_flip(differences)
   return { n = #a, difference = statistics.mean(differences), p = p, exact = exact }
end

-- ---- several tests at once --------------------------------------------------------------------------------

-- holm(list): the p-values of a family of tests, adjusted by Holm's method (1979), in the order given.
function statistics.holm(list)
   check_list("holm", list, 0)
   for i, p in ipairs(list) do
      if p < 0 or p > 1 then raise("statistics.holm: p-value %d is %g, expected 0 to 1", i, p) end
   end
   local order, adjusted, most = {}, {}, 0
   for i = 1, #list do order[i] = i end
   table.sort(order, function(i, j) return list[i] < list[j] or (list[i] == list[j] and i < j) end)
   for rank, i in ipairs(order) do
      most = math.max(most, math.min(1, (#list - rank + 1) * list[i]))
      adjusted[i] = most
   end
   return adjusted
end

-- ---- how many seeds ---------------------------------------------------------------------------------------

-- The normal distribution's cumulative probability, to 15 decimals (the series of Marsaglia 2004).
local function normal(x)
   if math.abs(x) > 8 then return x > 0 and 1 or 0 end
   local sum, term, k = x, x, 1
   repeat
      k = k + 2
      term = term * x * x / k
      sum = sum + term
   until math.abs(term) < 1e-17 * math.abs(sum) or term == 0
   return 0.5 + sum * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
end

local SLICES = 800                                       -- of Simpson's rule: ten digits

-- power(n, effect, level): the probability that a two-sided paired t-test of n pairs finds a difference whose mean is `effect` standard
-- deviations: that of a noncentral t beyond its quantile, integrated over the sample's deviation.
function statistics.power(n, effect, level)
   n = core.whole("statistics.power: n", n, 2)
   if type(effect) ~= "number" or effect - effect ~= 0 then
      raise("statistics.power: effect must be a finite number, got %s", tostring(effect))
   end
   level = check_share("power", "level", level or 0.05)
   local freedom, shift = n - 1, effect * math.sqrt(n)
   local limit = statistics.t_quantile(1 - level / 2, freedom)
   local reach = 9 / math.sqrt(freedom)
   local low, high = math.max(0, 1 - reach), 1 + reach
   local head, sum = math.log(2) + freedom / 2 * math.log(freedom / 2) - log_gamma(freedom / 2), 0
   for i = 0, SLICES do
      local s = low + (high - low) * i / SLICES
      local density = s > 0 and math.exp(head + (freedom - 1) * math.log(s) - freedom * s * s / 2)
         or freedom == 1 and math.exp(head) or 0
      local weight = (i == 0 or i == SLICES) and 1 or i % 2 == 1 and 4 or 2
      sum = sum + weight * density * (normal(shift - limit * s) + normal(-shift - limit * s))
   end
   return sum * (high - low) / (3 * SLICES)
end

statistics.MOST_SEEDS = 10000                            -- more are not advised

-- seeds_to_separate(differences, { level = 0.05, power = 0.8, tests = 1 }) -> n, or nil and why there is none. So many pairs would show,
-- with probability `power`, a difference such as these have in the mean and in deviation; never fewer than the exact sign-flip test needs
-- to reach the level at all: its smallest p is 2^(1 - n). tests: of Holm's family, of which this is taken for the smallest p.
function statistics.seeds_to_separate(differences, options)
   check_list("seeds_to_separate", differences, 2)
   options = core.options("statistics.seeds_to_separate", options, { "level", "power", "tests" })
   local level = check_share("seeds_to_separate", "level", options.level or 0.05)
      / core.whole("statistics.seeds_to_separate: tests", options.tests or 1)
   local wanted = check_share("seeds_to_separate", "power", options.power or 0.8)
   local mean, deviation = statistics.mean(differences), statistics.deviation(differences)
   if mean == 0 then return nil, "the mean difference is 0" end
   local least = math.max(2, math.ceil(1 - math.log(level) / math.log(2) - 1e-9))
   if deviation == 0 then return least end
   local effect = math.abs(mean) / deviation
   local function suffices(n) return statistics.power(n, effect, level) >= wanted end
   if suffices(least) then return least end
   local low, high = least, least * 2
   while not suffices(high) do
      if high > statistics.MOST_SEEDS then
         return nil, ("more than %d: the mean difference is %.2g of its deviation"):format(statistics.MOST_SEEDS, effect)
      end
      low, high = high, high * 2
   end
   while high - low > 1 do
      local middle = math.floor((low + high) / 2)
      if suffices(middle) then high = middle else low = middle end
   end
   return high
end

-- ---- published figures ------------------------------------------------------------------------------------

-- cell(list, { mean =, deviation =, n = }) -> { n, mean, deviation, difference, tolerance, passes }: whether the mean of a list agrees with
-- a published one: |difference| <= 2 sqrt(deviation_theirs^2 / n_theirs + deviation^2 / n). Of one number, which has no deviation,
-- `passes` is nil.
function statistics.cell(list, reference)
   check_list("cell", list, 1)
   reference = core.options("statistics.cell", reference, { "mean", "deviation", "n" })
   for _, key in ipairs{ "mean", "deviation", "n" } do
      local value = reference[key]
      if type(value) ~= "number" or value - value ~= 0 then
         raise("statistics.cell: the reference needs mean, deviation and n: %s is %s", key, tostring(value))
      end
   end
   local found = { n = #list, mean = statistics.mean(list), deviation = statistics.deviation(list) }
   found.difference = found.mean - reference.mean
   if not found.deviation then return found end
   found.tolerance = 2 * math.sqrt(reference.deviation ^ 2 / reference.n + found.deviation ^ 2 / #list)
   found.passes = math.abs(found.difference) <= found.tolerance
   return found
end

return statistics
