-- markdown.lua: a table of Markdown whose columns have one width each, so that it reads as well as it is written.

-- Characters of a text, not bytes.
local function width_of(text) return select(2, text:gsub("[^\128-\191]", "")) end

-- markdown(rows, left) -> lines. rows: lists of texts, the head first; left: { [column] = true } for the columns that stand to the left.
return function(rows, left)
   local widths, lines = {}, {}
   for _, row in ipairs(rows) do
      for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 3, width_of(cell)) end
   end
   for r, row in ipairs(rows) do
      local cells, rule = {}, {}
      for i, cell in ipairs(row) do
         local space = (" "):rep(widths[i] - width_of(cell))
         cells[i] = left[i] and cell .. space or space .. cell
         rule[i] = left[i] and ("-"):rep(widths[i]) or ("-"):rep(widths[i] - 1) .. ":"
      end
      lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
      if r == 1 then lines[#lines + 1] = "| " .. table.concat(rule, " | ") .. " |" end
   end
   return lines
end
