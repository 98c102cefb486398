-- write.lua: the tables of a comparison as Markdown for the screen, as CSV with every digit, or as LaTeX (booktabs).
local json = require "engram.json"

local write = {}

-- Decimals that show five digits of the largest mean.
local function decimals_of(table_)
   local most = 0
   for _, row in ipairs(table_) do most = math.max(most, math.abs(row.mean or 0)) end
   if most == 0 then return 2 end
   return math.max(0, math.min(12, 3 - math.floor(math.log10(most) + 1e-12)))
end

local function number(value, decimals) return value and ("%." .. decimals .. "f"):format(value) or "-" end

local function probability(value, exact)
   if not value then return "-" end
   return (exact and "" or "~") .. (value < 0.00005 and "<0.0001" or ("%.4f"):format(value))
end

local function name_of(row) return #row.labels > 0 and table.concat(row.labels, ",") or "all" end

-- ---- Markdown ---------------------------------------------------------------------------------------------

local function width_of(text) return select(2, text:gsub("[^\128-\191]", "")) end

-- Columns of one width; the first `left` to the left, the others to the right.
local function aligned(rows, left)
   local widths, lines = {}, {}
   for _, row in ipairs(rows) do
      for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 3, width_of(cell)) end
   end
   for r, row in ipairs(rows) do
      local cells, rule = {}, {}
      for i, cell in ipairs(row) do
         local space = (" "):rep(widths[i] - width_of(cell))
         cells[i] = i <= left and cell .. space or space .. cell
         rule[i] = i <= left and ("-"):rep(widths[i]) or ("-"):rep(widths[i] - 1) .. ":"
      end
      lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
      if r == 1 then lines[#lines + 1] = "| " .. table.concat(rule, " | ") .. " |" end
   end
   return lines
end

local function labels(by, row)
   if #by == 0 then return { row and "all" or "runs" } end
   return { unpack(row and row.labels or by) }
end

local function markdown_row(by, table_, row, decimals)
   local cells = labels(by, row)
   if row.best and #table_ > 1 then cells[1] = "**" .. cells[1] .. "**" end
   local function add(text) cells[#cells + 1] = text end
   add(tostring(row.n))
   add(number(row.mean, decimals))
   add(number(row.deviation, decimals))
   add(row.low and ("%s to %s"):format(number(row.low, decimals), number(row.high, decimals)) or "-")
   if table_.tests == 0 then return cells end
   local test = row.test or {}
   add(row == table_.reference and "reference" or number(test.difference, decimals))
   add(test.n and tostring(test.n) or "-")
   add(probability(test.p, test.exact))
   if table_.tests > 1 then add(probability(test.adjusted, test.exact)) end
   return cells
end

local function title(table_) return ("%s (%s is better)"):format(table_.metric, table_.lower and "lower" or "higher") end

local function has_drawn(table_)
   for _, row in ipairs(table_) do if row.test and not row.test.exact then return true end end
   return false
end

-- What the columns hold, where a reader could take them for more.
local function explanation(tables, against)
   local one = tables[1]
   if one.tests == 0 then return {} end
   local lines = { "", ("p: two-sided sign-flip test of the differences to %s, paired by %s%s%s"):format(
      against or "the best row", one.over, one.tests > 1 and "; Holm: p adjusted for all rows of the table" or "",
      against and "." or ". The best row was chosen by the same numbers: --against names one beforehand.") }
   local least = math.huge
   for _, row in ipairs(one) do if row.test then least = math.min(least, row.test.n) end end
   if least < 6 then
      lines[#lines + 1] = ("With %d pair%s the smallest possible p is %g."):format(least, least == 1 and "" or "s", 2 ^ (1 - least))
   end
   for _, each in ipairs(tables) do
      if has_drawn(each) then
         lines[#lines + 1] = "~: above 20 pairs p is estimated from a million sign patterns, always the same."
         break
      end
   end
   return lines
end

-- markdown(tables, by, against): a table a metric.
function write.markdown(tables, by, against)
   local lines = {}
   for _, table_ in ipairs(tables) do
      local head = labels(by)
      for _, name in ipairs{ "n", "mean", "deviation", "95 % interval" } do head[#head + 1] = name end
      if table_.tests > 0 then for _, name in ipairs{ "difference", "pairs", "p" } do head[#head + 1] = name end end
      if table_.tests > 1 then head[#head + 1] = "p (Holm)" end
      local rows, decimals = { head }, decimals_of(table_)
      for i, row in ipairs(table_) do rows[i + 1] = markdown_row(by, table_, row, decimals) end
      if #lines > 0 then lines[#lines + 1] = "" end
      lines[#lines + 1] = title(table_)
      lines[#lines + 1] = ""
      for _, line in ipairs(aligned(rows, math.max(1, #by))) do lines[#lines + 1] = line end
   end
   for _, line in ipairs(explanation(tables, against)) do lines[#lines + 1] = line end
   return table.concat(lines, "\n") .. "\n"
end

-- ---- CSV --------------------------------------------------------------------------------------------------

local function csv_cell(value)
   if value == nil then return "" end
   local text = type(value) == "string" and value or json.encode(value)
   return text:find '[",\n\r]' and '"' .. text:gsub('"', '""') .. '"' or text
end

-- csv(tables, by): one table, a line for each metric and row; what is not defined is empty.
function write.csv(tables, by)
   local lines = {}
   local function line(cells, count)
      for i = 1, count do cells[i] = csv_cell(cells[i]) end
      lines[#lines + 1] = table.concat(cells, ",", 1, count)
   end
   local head = { "metric", unpack(by) }
   for _, name in ipairs{ "n", "mean", "deviation", "low", "high", "best", "reference", "pairs", "difference", "p", "p_holm", "exact" } do
      head[#head + 1] = name
   end
   line(head, #head)
   for _, table_ in ipairs(tables) do
      for _, row in ipairs(table_) do
         local test, at = row.test or {}, 1 + #by
         local cells = { table_.metric, unpack(row.labels) }
         cells[at + 1], cells[at + 2], cells[at + 3], cells[at + 4], cells[at + 5] = row.n, row.mean, row.deviation, row.low, row.high
         cells[at + 6], cells[at + 7] = row.best, table_.reference and name_of(table_.reference)
         cells[at + 8], cells[at + 9], cells[at + 10], cells[at + 11], cells[at + 12] = test.n, test.difference, test.p, test.adjusted,
            test.exact
         line(cells, #head)
      end
   end
   return table.concat(lines, "\n") .. "\n"
end

-- ---- LaTeX ------------------------------------------------------------------------------------------------

local special = { ["\\"] = "\\textbackslash{}", ["~"] = "\\textasciitilde{}", ["^"] = "\\textasciicircum{}" }

local function latex(text)
   return (text:gsub("[\\~^#$%%&_{}]", function(c) return special[c] or "\\" .. c end))
end

local function latex_cell(table_, row, decimals)
   if not row.mean then return "--" end
   local text = number(row.mean, decimals)
   if row.best and #table_ > 1 then text = "\\mathbf{" .. text .. "}" end
   if row.low then text = text .. " \\pm " .. number((row.high - row.low) / 2, decimals) end
   return "$" .. text .. "$"
end

-- latex(tables, by): one booktabs table, a column a metric: mean and half the 95 % interval, the best in bold.
function write.latex(tables, by)
   local heads, lines = {}, {}
   for i, key in ipairs(labels(by)) do heads[i] = latex(key) end
   local left = #heads
   heads[left + 1] = "n"
   for _, table_ in ipairs(tables) do heads[#heads + 1] = latex(table_.metric) end
   lines[1] = "% mean and half width of the 95 % t-interval; needs \\usepackage{booktabs}"
   lines[2] = ("\\begin{tabular}{%s%s}"):format(("l"):rep(left), ("r"):rep(#heads - left))
   lines[3] = "\\toprule"
   lines[4] = table.concat(heads, " & ") .. " \\\\"
   lines[5] = "\\midrule"
   for r, row in ipairs(tables[1]) do
      local cells = {}
      for i, text in ipairs(labels(by, row)) do cells[i] = latex(text) end
      cells[#cells + 1] = tostring(row.n)
      for _, table_ in ipairs(tables) do cells[#cells + 1] = latex_cell(table_, table_[r], decimals_of(table_)) end
      lines[#lines + 1] = table.concat(cells, " & ") .. " \\\\"
   end
   lines[#lines + 1] = "\\bottomrule"
   lines[#lines + 1] = "\\end{tabular}"
   return table.concat(lines, "\n") .. "\n"
end

return write
