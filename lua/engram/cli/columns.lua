-- columns.lua: tables for the terminal: columns side by side, made to fit a width by cutting some and leaving out others.
local columns = {}

local GAP = 2

-- Characters of a text, not bytes.
local function width_of(text) return select(2, text:gsub("[^\128-\191]", "")) end

-- The first `count` characters; the last ones where it is negative.
local function part(text, count)
   local list = {}
   for character in text:gmatch "[^\128-\191][\128-\191]*" do list[#list + 1] = character end
   return table.concat(list, "", count < 0 and math.max(1, #list + count + 1) or 1, count < 0 and #list or math.min(count, #list))
end

-- A text in at most `width` characters: its begin, or, of a name whose end tells it apart, begin and end.
function columns.cut(text, width, keep)
   if width_of(text) <= width then return text end
   keep = math.min(keep or 0, width - 2)
   return part(text, width - 1 - keep) .. "~" .. (keep > 0 and part(text, -keep) or "")
end

local function total(widths, shown)
   local sum = -GAP
   for _, c in ipairs(shown) do sum = sum + widths[c] + GAP end
   return sum
end

local function natural(rows)
   local widths, shown = {}, {}
   for c in ipairs(rows[1]) do
      widths[c], shown[c] = 0, c
      for _, row in ipairs(rows) do widths[c] = math.max(widths[c], width_of(row[c])) end
   end
   return widths, shown
end

local function without(shown, column)
   local list = {}
   for _, c in ipairs(shown) do if c ~= column then list[#list + 1] = c end end
   return list
end

-- The widths of the columns and which are shown, so that they fit.
local function fit(rows, how)
   local widths, shown = natural(rows)
   for _, entry in ipairs(how.width and how.shrink or {}) do
      local c, least = entry[1], entry[2]
      local excess = total(widths, shown) - how.width
      if excess > 0 then widths[c] = math.max(math.min(widths[c], least), widths[c] - excess) end
   end
   for _, c in ipairs(how.width and how.drop or {}) do
      if total(widths, shown) <= how.width then break end
      shown = without(shown, c)
   end
   return widths, shown
end

-- columns.lines(rows [, { right = { [column] = true }, keep = { [column] = characters of its end }, width = characters,
-- shrink = { { column, least width }, ... }, drop = { column, ... } }]) -> lines. The first row is the head.
function columns.lines(rows, how)
   how = how or {}
   local widths, shown = fit(rows, how)
   local right, keep, lines = how.right or {}, how.keep or {}, {}
   for r, row in ipairs(rows) do
      local cells = {}
      for i, c in ipairs(shown) do
         local text = columns.cut(row[c], widths[c], keep[c])
         local space = (" "):rep(widths[c] - width_of(text))
         cells[i] = right[c] and space .. text or text .. space
      end
      lines[r] = table.concat(cells, (" "):rep(GAP)):gsub("%s+$", "")
   end
   return lines
end

return columns
