-- thin.lua: fewer points that show the same curve: largest triangle, three buckets (Steinarsson 2013). First, last and peaks stay.

-- The point of points[from..to] that spans the largest triangle with the last one kept and the mean of the next bucket.
local function farthest(points, from, to, last, x, y)
   local best, chosen = -1, from
   for i = from, to do
      local p = points[i]
      local area = math.abs((last[1] - x) * (p[2] - last[2]) - (last[1] - p[1]) * (y - last[2]))
      if area > best then best, chosen = area, i end
   end
   return chosen
end

local function mean_of(points, from, to)
   local x, y = 0, 0
   for i = from, to do x, y = x + points[i][1], y + points[i][2] end
   return x / (to - from + 1), y / (to - from + 1)
end

-- thin(points, count): at most `count` (3 or more) of points, lists whose first two entries are x and y, in order of x.
return function(points, count)
   local n = #points
   if n <= count then return points end
   local kept, size = { points[1] }, (n - 2) / (count - 2)
   local function first_of(bucket) return math.floor(bucket * size) + 2 end
   for bucket = 0, count - 3 do
      local from, next_from = first_of(bucket), first_of(bucket + 1)
      local x, y = mean_of(points, math.min(next_from, n), math.max(math.min(next_from, n), math.min(first_of(bucket + 2) - 1, n)))
      kept[#kept + 1] = points[farthest(points, from, math.min(next_from, n) - 1, kept[#kept], x, y)]
   end
   kept[#kept + 1] = points[n]
   return kept
end
