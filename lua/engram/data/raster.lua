-- data/raster.lua: draws strokes and polygons, with soft edges, into a small picture of doubles (0 .. 1, row by row).
-- Points are x, y pairs in pixels; pixel (x, y) has its centre there.
local max, min, sqrt, floor, ceil = math.max, math.min, math.sqrt, math.floor, math.ceil

local raster = { SIZE = 28 }
local SIZE = raster.SIZE

-- Squared distance from (x, y) to the segment (ax, ay) - (bx, by).
local function distance2(x, y, ax, ay, bx, by)
   local dx, dy = bx - ax, by - ay
   local length2 = dx * dx + dy * dy
   local t = length2 > 0 and ((x - ax) * dx + (y - ay) * dy) / length2 or 0
   t = max(0, min(1, t))
   local ex, ey = ax + t * dx - x, ay + t * dy - y
   return ex * ex + ey * ey
end

local function segment(picture, ax, ay, bx, by, half, level)
   local reach = half + 0.5
   for y = max(0, ceil(min(ay, by) - reach)), min(SIZE - 1, floor(max(ay, by) + reach)) do
      for x = max(0, ceil(min(ax, bx) - reach)), min(SIZE - 1, floor(max(ax, bx) + reach)) do
         local cover = min(1, reach - sqrt(distance2(x, y, ax, ay, bx, by)))
         if cover > 0 then
            local at = y * SIZE + x
            picture[at] = level > 0 and max(picture[at], cover * level) or min(picture[at], 1 - cover * (1 + level))
         end
      end
   end
end

-- A line through n points, 2 * half pixels wide. level > 0: at least as bright as this; level <= 0: darkens to -level.
function raster.stroke(picture, points, n, half, level)
   for i = 0, n - 2 do
      segment(picture, points[2 * i], points[2 * i + 1], points[2 * i + 2], points[2 * i + 3], half, level)
   end
end

-- Signed distance to the polygon's edge: positive inside (even-odd).
local function depth(points, n, x, y)
   local nearest, inside = 1e9, false
   local ax, ay = points[2 * n - 2], points[2 * n - 1]
   for i = 0, n - 1 do
      local bx, by = points[2 * i], points[2 * i + 1]
      nearest = min(nearest, distance2(x, y, ax, ay, bx, by))
      if (ay > y) ~= (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax) then inside = not inside end
      ax, ay = bx, by
   end
   return inside and sqrt(nearest) or -sqrt(nearest)
end

-- The polygon through n points, filled.
function raster.fill(picture, points, n, level)
   local left, right, top, bottom = SIZE, 0, SIZE, 0
   for i = 0, n - 1 do
      left, right = min(left, points[2 * i]), max(right, points[2 * i])
      top, bottom = min(top, points[2 * i + 1]), max(bottom, points[2 * i + 1])
   end
   for y = max(0, floor(top)), min(SIZE - 1, ceil(bottom)) do
      for x = max(0, floor(left)), min(SIZE - 1, ceil(right)) do
         local cover = min(1, 0.5 + depth(points, n, x, y))
         local at = y * SIZE + x
         if cover > 0 then picture[at] = max(picture[at], cover * level) end
      end
   end
end

return raster
