-- cl/methods/qp.lua: min v' P v / 2 + q' v over v >= low, for a positive definite P of a few rows, in Lua numbers: what GEM solves a step.
-- An active set method (Lawson and Hanson 1974): rows whose multiplier is negative become free one by one; a free row that would pass its
-- bound on the way to the minimum of the free ones goes back to it.
local qp = {}

local TOLERANCE = 1e-12

-- Solves A x = b for the positive definite A by Cholesky's decomposition; lists from 1.
local function solve(A, b)
   local n, L, x = #b, {}, {}
   for i = 1, n do
      L[i] = {}
      for j = 1, i do
         local sum = A[i][j]
         for k = 1, j - 1 do sum = sum - L[i][k] * L[j][k] end
         L[i][j] = i == j and math.sqrt(sum) or sum / L[j][j]
      end
   end
   for i = 1, n do
      local sum = b[i]
      for k = 1, i - 1 do sum = sum - L[i][k] * x[k] end
      x[i] = sum / L[i][i]
   end
   for i = n, 1, -1 do
      local sum = x[i]
      for k = i + 1, n do sum = sum - L[k][i] * x[k] end
      x[i] = sum / L[i][i]
   end
   return x
end

-- The minimum over the free rows alone, with the others at 0.
local function free_minimum(P, q, free)
   local A, b = {}, {}
   for a, i in ipairs(free) do
      A[a], b[a] = {}, -q[i]
      for c, j in ipairs(free) do A[a][c] = P[i][j] end
   end
   return solve(A, b)
end

-- The row at its bound that would gain most by leaving it, or nil.
local function most_negative(P, q, u, is_free)
   local best, value = nil, 0
   for i = 1, #q do
      if not is_free[i] then
         local slope, size = q[i], math.abs(q[i])
         for j = 1, #q do slope, size = slope + P[i][j] * u[j], size + math.abs(P[i][j] * u[j]) end
         if slope < value - TOLERANCE * size then best, value = i, slope end
      end
   end
   return best
end

local function list_of(is_free, n)
   local free = {}
   for i = 1, n do if is_free[i] then free[#free + 1] = i end end
   return free
end

-- Moves u to the minimum of the free rows; those that meet their bound on the way stay there.
local function settle(P, q, u, is_free)
   while true do
      local free = list_of(is_free, #q)
      local target, share, first = free_minimum(P, q, free), 1, nil
      for a, i in ipairs(free) do
         if target[a] <= 0 and u[i] / (u[i] - target[a]) < share then share, first = u[i] / (u[i] - target[a]), i end
      end
      for a, i in ipairs(free) do u[i] = u[i] + share * (target[a] - u[i]) end
      if not first then return end
      u[first], is_free[first] = 0, nil
   end
end

-- solve(P, q, low): v, a list. P: rows of a symmetric positive definite matrix; low: the bound of all rows (default 0).
function qp.solve(P, q, low)
   low = low or 0
   local n, u, is_free, shifted = #q, {}, {}, {}
   for i = 1, n do
      u[i], shifted[i] = 0, q[i]
      for j = 1, n do shifted[i] = shifted[i] + P[i][j] * low end
   end
   for _ = 1, 10 * n + 10 do
      local i = most_negative(P, shifted, u, is_free)
      if not i then break end
      is_free[i] = true
      settle(P, shifted, u, is_free)
   end
   for i = 1, n do u[i] = u[i] + low end
   return u
end

return qp
