-- draw.lua: curves as lines of text: axes with round numbers, dotted lines where tasks end, a legend. draw(about) -> text.
local canvas = require "engram.plot.canvas"

local COLOURS = { 34, 31, 32, 35, 33, 36, 90 }        -- the terminal's own blue, red, green, ...
local LETTERS = "abcdefghijklmnopqrstuvwxyz"

local SIGNS = {
   utf8 = { side = "│", tick = "┤", corner = "└", floor = "─", mark = "┬", boundary = "┊" },
   ascii = { side = "|", tick = "+", corner = "+", floor = "-", mark = "+", boundary = ":" },
}

-- ---- scales -----------------------------------------------------------------------------------------------

local function finite(v) return v - v == 0 end

-- Smallest and largest x and y of all finite points; nil when there is none. A curve without height gets some.
local function bounds(series)
   local x0, x1, y0, y1 = math.huge, -math.huge, math.huge, -math.huge
   for _, one in ipairs(series) do
      for _, p in ipairs(one.points) do
         if finite(p[1]) and finite(p[2]) then
            x0, x1, y0, y1 = math.min(x0, p[1]), math.max(x1, p[1]), math.min(y0, p[2]), math.max(y1, p[2])
         end
      end
   end
   if x0 > x1 then return nil end
   if x0 == x1 then x0, x1 = x0 - 1, x1 + 1 end
   if y1 - y0 <= 1e-12 * math.max(math.abs(y0), math.abs(y1)) then         -- flat, but for rounding
      local room = y0 == 0 and 1 or math.abs(y0) / 2
      y0, y1 = y0 - room, y1 + room
   end
   return x0, x1, y0, y1
end

-- A step of 1, 2 or 5 times a power of ten that cuts a range into about `count` parts.
local function round_step(range, count)
   local rough = range / math.max(count, 1)
   local power = 10 ^ math.floor(math.log10(rough))
   for _, factor in ipairs{ 1, 2, 5, 10 } do
      if factor * power >= rough * 0.999 then return factor * power end
   end
end

local function ticks(low, high, count)
   local step, list = round_step(high - low, count), {}
   for k = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do
      list[#list + 1] = { k * step, ("%.6g"):format(k == 0 and 0 or k * step) }
   end
   return list
end

-- ---- the drawing ------------------------------------------------------------------------------------------

local function letter(i) return LETTERS:sub((i - 1) % 26 + 1, (i - 1) % 26 + 1) end

-- Columns that a text of UTF-8 takes, a character a column.
local function columns_of(text) return select(2, text:gsub("[^\128-\191]", "")) end

local Drawing = {}
Drawing.__index = Drawing

function Drawing:mark(i) return #self.series > 1 and letter(i) or "*" end

function Drawing:paint(text, i)
   return self.colour and ("\27[%dm%s\27[0m"):format(COLOURS[(i - 1) % #COLOURS + 1], text) or text
end

local function position(value, low, high, size) return math.floor((value - low) / (high - low) * (size - 1) + 0.5) end

function Drawing:trace()
   local grid = self.grid
   for i, one in ipairs(self.series) do
      local last_x, last_y
      for _, p in ipairs(one.points) do
         local x, y
         if finite(p[1]) and finite(p[2]) then
            x = position(p[1], self.x0, self.x1, grid.width)
            y = grid.height - 1 - position(p[2], self.y0, self.y1, grid.height)
            grid:line(last_x or x, last_y or y, x, y, i)
            one.end_row = math.floor(y / grid.down)
         end
         last_x, last_y = x, y
      end
   end
end

-- Columns at which tasks end, all but the last.
function Drawing:boundary_columns()
   local set = {}
   for k = 1, #self.spans - 1 do
      local x = self.spans[k].last
      if x > self.x0 and x < self.x1 then set[position(x, self.x0, self.x1, self.grid.columns)] = true end
   end
   return set
end

-- The names of tasks over the places where they begin; numbers where names have no room.
function Drawing:heading()
   local width, starts, spans = self.grid.columns, {}, {}
   for _, span in ipairs(self.spans) do if span.last > self.x0 then spans[#spans + 1] = span end end
   for k, span in ipairs(spans) do
      local x = k == 1 and self.x0 or span.from
      starts[k] = math.max(0, position(math.min(math.max(x, self.x0), self.x1), self.x0, self.x1, width))
   end
   local function line_of(text_of)
      local out, used = {}, 0
      for k, start in ipairs(starts) do
         local text = text_of(k)
         if start < used or start + columns_of(text) > width then return nil end
         out[#out + 1] = (" "):rep(start - used) .. text
         used = start + columns_of(text) + 1
         if k < #starts then out[#out + 1] = " " end
      end
      return table.concat(out)
   end
   if #self.spans < 2 then return nil end
   local function number(k) return tostring(spans[k].task) end
   return line_of(function(k) return self.tasks[spans[k].task] or number(k) end) or line_of(number)
end

-- A row of the plot: label, axis, characters, and the letters of the curves that end in it.
function Drawing:row(r, labels, boundary)
   local parts, signs = {}, self.signs
   local label = labels[r]
   parts[1] = ("%" .. self.margin .. "s "):format(label or "") .. (label and signs.tick or signs.side)
   for column = 0, self.grid.columns - 1 do
      local text, owner = self.grid:character(column, r, function(i) return self:mark(i) end)
      parts[#parts + 1] = text and self:paint(text, owner) or boundary[column] and signs.boundary or " "
   end
   local ends = {}
   for i, one in ipairs(self.series) do
      if #self.series > 1 and one.end_row == r then ends[#ends + 1] = self:paint(letter(i), i) end
   end
   return (table.concat(parts) .. " " .. table.concat(ends)):gsub("%s+$", "")
end

-- The x axis and its numbers.
function Drawing:floor()
   local width, signs, line, numbers = self.grid.columns, self.signs, {}, ""
   for column = 1, width do line[column] = signs.floor end
   for _, tick in ipairs(ticks(self.x0, self.x1, width / 12)) do
      local column = position(tick[1], self.x0, self.x1, width)
      local start = math.max(0, math.min(column - math.floor(#tick[2] / 2), width - #tick[2]))
      if start > #numbers or start == 0 and numbers == "" then
         line[column + 1] = signs.mark
         numbers = numbers .. (" "):rep(start - #numbers) .. tick[2]
      end
   end
   local pad = (" "):rep(self.margin + 1)
   return pad .. signs.corner .. table.concat(line), pad .. " " .. numbers
end

function Drawing:legend(width)
   local lines, line, used = {}, {}, 0
   for i, one in ipairs(self.series) do
      local size = columns_of(one.label) + 5
      if used + size > width and used > 0 then lines[#lines + 1], line, used = table.concat(line), {}, 0 end
      line[#line + 1] = self:paint(letter(i), i) .. " " .. one.label .. "   "
      used = used + size
   end
   lines[#lines + 1] = table.concat(line)
   for i, text in ipairs(lines) do lines[i] = text:gsub("%s+$", "") end
   return lines
end

-- draw{ title =, series = { { label =, points = { { x, y }, ... } }, ... }, spans = { { task, from, last } }, tasks = names, width =,
-- height =, ascii =, colour = } -> lines of text, at most `width` columns wide; nil when no point is finite.
return function(about)
   local x0, x1, y0, y1 = bounds(about.series)
   if not x0 then return nil end
   local marks, margin = ticks(y0, y1, math.max(3, about.height / 4)), 0
   for _, tick in ipairs(marks) do margin = math.max(margin, #tick[2]) end
   local room = #about.series > 1 and 1 + math.min(#about.series, 8) or 0
   local self = setmetatable({ series = about.series, spans = about.spans or {}, tasks = about.tasks or {}, margin = margin,
      signs = about.ascii and SIGNS.ascii or SIGNS.utf8, colour = about.colour, x0 = x0, x1 = x1, y0 = y0, y1 = y1,
      grid = canvas.new(math.max(10, about.width - margin - 2 - room), about.height, about.ascii) }, Drawing)
   self:trace()
   local lines, labels = {}, {}
   for _, tick in ipairs(marks) do labels[about.height - 1 - position(tick[1], y0, y1, about.height)] = tick[2] end
   if about.title then lines[1] = (" "):rep(margin + 2) .. about.title end
   local heading, boundary = self:heading(), self:boundary_columns()
   if heading then lines[#lines + 1] = (" "):rep(margin + 2) .. heading end
   for r = 0, about.height - 1 do lines[#lines + 1] = self:row(r, labels, boundary) end
   lines[#lines + 1], lines[#lines + 2] = self:floor()
   if #about.series > 1 then
      for _, line in ipairs(self:legend(about.width)) do lines[#lines + 1] = line end
   end
   return table.concat(lines, "\n")
end
