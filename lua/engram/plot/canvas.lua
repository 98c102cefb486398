-- canvas.lua: a grid of dots drawn as characters: eight dots a character in braille, or one a character in ASCII.
local bit = require "bit"

local Canvas = {}
Canvas.__index = Canvas

local canvas = {}

-- The bits of U+2800 by column and row within a character (Unicode, Braille Patterns).
local DOTS = { [0] = { [0] = 0x01, 0x02, 0x04, 0x40 }, { [0] = 0x08, 0x10, 0x20, 0x80 } }

-- The UTF-8 of a code point from U+0800 to U+FFFF.
local function utf8(code)
   return string.char(0xe0 + bit.rshift(code, 12), 0x80 + bit.band(bit.rshift(code, 6), 63), 0x80 + bit.band(code, 63))
end

-- canvas.new(columns, rows, ascii): columns and rows of characters.
function canvas.new(columns, rows, ascii)
   local across, down = ascii and 1 or 2, ascii and 1 or 4
   return setmetatable({ columns = columns, rows = rows, ascii = ascii, across = across, down = down,
      width = columns * across, height = rows * down, cells = {}, owner = {} }, Canvas)
end

-- Sets a dot, counted from 0 at the top left, for series i.
function Canvas:dot(x, y, i)
   if x < 0 or y < 0 or x >= self.width or y >= self.height then return end
   local column, row = math.floor(x / self.across), math.floor(y / self.down)
   local cell = row * self.columns + column
   self.cells[cell] = self.ascii and 1 or bit.bor(self.cells[cell] or 0, DOTS[x % 2][y % 4])
   self.owner[cell] = i
end

-- A straight line of dots between two dots (Bresenham).
function Canvas:line(x0, y0, x1, y1, i)
   local dx, dy = math.abs(x1 - x0), -math.abs(y1 - y0)
   local sx, sy, off = x0 < x1 and 1 or -1, y0 < y1 and 1 or -1, dx + dy
   while true do
      self:dot(x0, y0, i)
      if x0 == x1 and y0 == y1 then return end
      local twice = 2 * off
      if twice >= dy then off, x0 = off + dy, x0 + sx end
      if twice <= dx then off, y0 = off + dx, y0 + sy end
   end
end

-- The character at a column and row, from 0, and the series it belongs to; nil where there is no dot.
function Canvas:character(column, row, mark)
   local cell = row * self.columns + column
   local dots, owner = self.cells[cell], self.owner[cell]
   if not dots then return nil end
   return self.ascii and mark(owner) or utf8(0x2800 + dots), owner
end

return canvas
