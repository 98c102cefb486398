-- interval.lua: the mean of a few measurements, and how far the true mean may lie from it: Student's 95 % interval.

-- The 0.975 quantile of Student's distribution for 1, 2, ... degrees of freedom.
local QUANTILES = { 12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788 }

-- Above the table: the expansion about the normal quantile (Abramowitz and Stegun 26.7.5).
local function quantile(n)
   if QUANTILES[n] then return QUANTILES[n] end
   local z = 1.959963985
   return z + (z ^ 3 + z) / (4 * n) + (5 * z ^ 5 + 16 * z ^ 3 + 3 * z) / (96 * n ^ 2)
      + (3 * z ^ 7 + 19 * z ^ 5 + 17 * z ^ 3 - 15 * z) / (384 * n ^ 3)
end

-- interval(values) -> mean, half the width of the interval (nil for one value), number of values; nil for none.
return function(values)
   local n, sum, squares = #values, 0, 0
   if n == 0 then return nil end
   for _, value in ipairs(values) do sum = sum + value end
   local mean = sum / n
   for _, value in ipairs(values) do squares = squares + (value - mean) ^ 2 end
   return mean, n > 1 and quantile(n - 1) * math.sqrt(squares / (n - 1) / n) or nil, n
end
