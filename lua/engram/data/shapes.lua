-- data/shapes.lua: the twenty drawings of the glyph data sets, as strokes and polygons. x runs right and y down from -1 to 1.
-- A drawing is a list of parts: { "stroke" | "fill" | "cut", x, y, x, y, ... }; a cut darkens what lies under it.
local ffi = require "ffi"

-- Points of an ellipse's arc; angles in turns, 0 is right, 0.25 is down.
local function arc(cx, cy, rx, ry, from, to)
   local points, steps = {}, math.ceil(math.abs(to - from) * 16)
   for i = 0, steps do
      local angle = 2 * math.pi * (from + (to - from) * i / steps)
      points[#points + 1] = cx + rx * math.cos(angle)
      points[#points + 1] = cy + ry * math.sin(angle)
   end
   return points
end

-- One part of numbers and of lists of numbers.
local function part(kind, ...)
   local list = {}
   for _, item in ipairs{ ... } do
      if type(item) == "number" then item = { item } end
      for _, value in ipairs(item) do list[#list + 1] = value end
   end
   return { kind = kind, n = #list / 2, points = ffi.new("double[?]", #list, list) }
end

local function stroke(...) return part("stroke", ...) end
local function fill(...) return part("fill", ...) end
local function cut(...) return part("cut", ...) end

local digits = {
   { stroke(arc(0, 0, .55, .9, 0, 1)) },                                                                     -- 0
   { stroke(-.35, -.5, .1, -.9, .1, .9) },                                                                   -- 1
   { stroke(arc(0, -.4, .5, .5, -.5, .1), -.5, .9, .55, .9) },                                               -- 2
   { stroke(arc(-.05, -.45, .48, .45, -.43, .25)), stroke(arc(-.05, .45, .55, .45, -.25, .43)) },            -- 3
   { stroke(.25, .9, .25, -.9, -.55, .35, .6, .35) },                                                        -- 4
   { stroke(.5, -.9, -.4, -.9, -.45, -.05, arc(-.05, .35, .55, .55, -.3, .4)) },                             -- 5
   { stroke(arc(.3, .35, .8, 1.25, -.27, -.5), arc(0, .4, .5, .5, .5, 1.5)) },                               -- 6
   { stroke(-.55, -.9, .55, -.9, -.1, .9) },                                                                 -- 7
   { stroke(arc(0, -.45, .42, .45, 0, 1)), stroke(arc(0, .45, .52, .45, 0, 1)) },                            -- 8
   { stroke(arc(-.3, -.35, .8, 1.25, .23, 0), arc(0, -.4, .5, .5, 0, 1)) },                                  -- 9
}

local garments = {
   -- T-shirt: short sleeves
   { fill(-.35, -.75, .35, -.75, .9, -.4, .7, -.05, .45, -.2, .45, .75, -.45, .75, -.45, -.2, -.7, -.05, -.9, -.4),
     cut(arc(0, -.8, .22, .2, .45, .05)) },
   -- trousers
   { fill(-.42, -.9, .42, -.9, .5, .9, .12, .9, 0, -.25, -.12, .9, -.5, .9) },
   -- pullover: long sleeves, ribbed hem
   { fill(-.3, -.75, .3, -.75, .65, -.6, .95, .6, .68, .65, .48, -.1, .48, .75, -.48, .75, -.48, -.1,
          -.68, .65, -.95, .6, -.65, -.6),
     cut(-.45, .55, .45, .55) },
   -- dress: no sleeves, wide hem
   { fill(-.32, -.9, -.12, -.6, .12, -.6, .32, -.9, .3, -.15, .68, .9, -.68, .9, -.3, -.15) },
   -- coat: long, open down the front
   { fill(-.32, -.9, .32, -.9, .65, -.7, .9, .45, .65, .5, .52, -.1, .6, .95, -.6, .95,
          -.52, -.1, -.65, .5, -.9, .45, -.65, -.7),
     cut(0, -.85, 0, .95) },
   -- sandal: a sole and straps
   { stroke(-.9, .45, -.3, .6, .4, .5, .9, .55), stroke(-.75, .45, -.35, -.1, -.1, .55), stroke(.25, .5, .5, -.1, .8, .5),
     stroke(-.35, -.1, .5, -.1) },
   -- shirt: long sleeves, a collar and a row of buttons
   { fill(-.3, -.8, .3, -.8, .6, -.65, .9, .5, .65, .55, .45, -.1, .45, .75, -.45, .75, -.45, -.1, -.65, .55, -.9, .5, -.6, -.65),
     cut(-.3, -.75, 0, -.4, .3, -.75), cut(0, -.15, 0, -.1), cut(0, .2, 0, .25), cut(0, .55, 0, .6) },
   -- sneaker: low, with laces and a light sole
   { fill(-.9, -.25, -.6, -.35, -.35, -.1, .1, -.05, .9, .25, .92, .5, -.92, .5), cut(-.9, .34, .9, .34),
     cut(-.15, -.1, .05, .1) },
   -- bag: a box under a handle
   { fill(-.8, -.2, .8, -.2, .7, .8, -.7, .8), stroke(arc(0, -.2, .45, .6, .5, 1)), cut(-.7, .1, .7, .1) },
   -- ankle boot: a shaft over a heel
   { fill(-.75, -.8, -.1, -.8, -.05, .05, .85, .3, .9, .7, -.2, .7, -.25, .8, -.75, .8) },
}

return { digits = digits, garments = garments }
