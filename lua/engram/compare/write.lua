-- write.lua: the tables of a comparison as Markdown for the screen, as CSV with every digit, or as LaTeX (booktabs).
local json = require "engram.json"
local markdown = require "engram.compare.markdown"

local write = {}

-- Decimals that show five digits of the largest mean.
local function decimals_of(table_)
   local most = 0
   for _, row in ipairs(table_) do most = math.max(most, math.abs(row.mean or 0)) end
   if most == 0 then return 2 end
   return math.max(0, math.min(12, 3 - math.floor(math.log10(most) + 1e-12)))
end

local function number(value, decimals) return value and ("%." .. decimals .. "f"):format(value) or "-" end

-- "3.14e7"
local function scientific(value) return value and (("%.3g"):format(value):gsub("e%+?(%-?)0*", "e%1")) or "-" end

local function probability(value, exact)
   if not value then return "-" end
   return (exact and "" or "~") .. (value < 0.00005 and "<0.0001" or ("%.4f"):format(value))
end

local function name_of(row) return #row.labels > 0 and table.concat(row.labels, ",") or "all" end

-- ---- Markdown ---------------------------------------------------------------------------------------------

local function labels(by, row)
   if #by == 0 then return { row and "all" or "runs" } end
   return { unpack(row and row.labels or by) }
end

-- What a row cost is told beside the first metric alone.
local function has(table_, key)
   if not table_.first then return false end
   for _, row in ipairs(table_) do if row[key] then return true end end
   return false
end

-- The columns after the labels (without_costs: without the last ones), and the cells of a row in them: as text, for Markdown and LaTeX.
local function columns(table_, without_costs)
   local list = { "n", "mean", "deviation", "95 % interval" }
   if table_.differences then list[5], list[6] = "difference", "pairs" end
   if table_.tests > 0 then list[7] = "p" end
   if table_.tests > 1 then list[8] = "p (Holm)" end
   if without_costs then return list end
   if has(table_, "state_bytes") then list[#list + 1] = "state bytes" end
   if has(table_, "arithmetic") then list[#list + 1] = "arithmetic" end
   return list
end

local function cells_of(table_, row, decimals)
   local test = row.test or {}
   local list = { tostring(row.n), number(row.mean, decimals), number(row.deviation, decimals),
      row.low and ("%s to %s"):format(number(row.low, decimals), number(row.high, decimals)) or "-",
      row == table_.reference and "reference" or number(test.difference, decimals), test.n and tostring(test.n) or "-",
      probability(test.p, test.exact), probability(test.adjusted, test.exact) }
   list = { unpack(list, 1, #columns(table_, true)) }
   if has(table_, "state_bytes") then list[#list + 1] = row.state_bytes and ("%.0f"):format(row.state_bytes) or "-" end
   if has(table_, "arithmetic") then list[#list + 1] = scientific(row.arithmetic) end
   return list
end

local function is_best(table_, row) return row.best and #table_ > 1 end

local function title(table_) return ("%s (%s is better)"):format(table_.metric, table_.lower and "lower" or "higher") end

local function has_drawn(table_)
   for _, row in ipairs(table_) do if row.test and row.test.exact == false then return true end end
   return false
end

-- How many pairs would tell the rows apart that these do not.
local function advice(table_, name)
   local words = {}
   for _, row in ipairs(table_) do
      local test = row.test or {}
      local needed = test.needed and tostring(test.needed) or test.beyond and ("more than %d"):format(test.beyond)
      if needed then words[#words + 1] = ("%s: %s (%d at hand)"):format(name_of(row), needed, test.n) end
   end
   if #words == 0 then return nil end
   return ("Pairs that would show such a difference%s at p < 0.05%s, four times out of five: %s."):format(
      name and " of " .. table_.metric or "", table_.tests > 1 and " after Holm" or "", table.concat(words, ", "))
end

-- What the columns hold, where a reader could take them for more.
local function explanation(tables, against)
   local one = tables[1]
   if one.tests == 0 then return {} end
   local lines = { "", ("p: two-sided sign-flip test of the differences to %s, paired by %s%s%s"):format(
      against or "the best row", one.over, one.tests > 1 and "; Holm: p adjusted for all rows of the table" or "",
      against and "." or ". The best row was chosen by the same numbers: --against names one beforehand.") }
   local least = math.huge
   for _, row in ipairs(one) do if row.test and row.test.p then least = math.min(least, row.test.n) end end
   if least < 6 then lines[#lines + 1] = ("With %d pairs the smallest possible p is %g."):format(least, 2 ^ (1 - least)) end
   for _, each in ipairs(tables) do lines[#lines + 1] = advice(each, #tables > 1) end
   for _, each in ipairs(tables) do
      if has_drawn(each) then
         lines[#lines + 1] = "~: above 20 pairs p is estimated from a million sign patterns, always the same."
         break
      end
   end
   return lines
end

-- Every label of a best row is bold: one of several keys does not name it.
local function markdown_row(by, table_, row, decimals)
   local all = labels(by, row)
   for i, text in ipairs(all) do all[i] = is_best(table_, row) and "**" .. text .. "**" or text end
   for _, text in ipairs(cells_of(table_, row, decimals)) do all[#all + 1] = text end
   return all
end

-- markdown(tables, by, against): a table a metric.
function write.markdown(tables, by, against)
   local lines = {}
   for _, table_ in ipairs(tables) do
      local head = labels(by)
      for _, name in ipairs(columns(table_)) do head[#head + 1] = name end
      local rows, decimals = { head }, decimals_of(table_)
      for i, row in ipairs(table_) do rows[i + 1] = markdown_row(by, table_, row, decimals) end
      if #lines > 0 then lines[#lines + 1] = "" end
      lines[#lines + 1] = title(table_)
      lines[#lines + 1] = ""
      local left = {}
      for i = 1, math.max(1, #by) do left[i] = true end
      for _, line in ipairs(markdown(rows, left)) do lines[#lines + 1] = line end
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
   for _, name in ipairs{ "n", "mean", "deviation", "low", "high", "best", "reference", "pairs", "difference", "p", "p_holm", "exact",
      "pairs_needed", "state_bytes", "arithmetic" } do
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
         cells[at + 13], cells[at + 14], cells[at + 15] = test.needed, row.state_bytes, row.arithmetic
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

-- A cell that cells_of made: numbers in mathematics, so that they have a minus, not a hyphen.
local function latex_cell(text)
   if text == "-" then return "--" end
   local digits, power = text:match "^([%d.]+)e(%-?%d+)$"
   if digits then return ("$%s \\cdot 10^{%s}$"):format(digits, power) end
   return (text:gsub("[~<]?%-?%d[%d.]*", function(value)
      return "$" .. value:gsub("~", "\\approx ") .. "$"
   end))
end

local function latex_row(by, table_, row, decimals)
   local all = labels(by, row)
   for i, text in ipairs(all) do all[i] = latex(text) end
   for i, text in ipairs(cells_of(table_, row, decimals)) do
      all[#all + 1] = i == 2 and is_best(table_, row) and "$\\mathbf{" .. text .. "}$" or latex_cell(text)
   end
   return all
end

-- latex(tables, by, against): a booktabs table a metric, with the columns of the Markdown.
function write.latex(tables, by, against)
   local lines = { "% needs \\usepackage{booktabs}" }
   local function add(text) lines[#lines + 1] = text end
   for _, table_ in ipairs(tables) do
      local heads, left, decimals = {}, #labels(by), decimals_of(table_)
      for i, key in ipairs(labels(by)) do heads[i] = latex(key) end
      for _, name in ipairs(columns(table_)) do heads[#heads + 1] = (latex(name):gsub("^p%f[%A]", "$p$")) end
      add("% " .. title(table_))
      add(("\\begin{tabular}{%s%s}"):format(("l"):rep(left), ("r"):rep(#heads - left)))
      add "\\toprule"
      add(table.concat(heads, " & ") .. " \\\\")
      add "\\midrule"
      for _, row in ipairs(table_) do add(table.concat(latex_row(by, table_, row, decimals), " & ") .. " \\\\") end
      add "\\bottomrule"
      add "\\end{tabular}"
   end
   for _, line in ipairs(explanation(tables, against)) do if line ~= "" then add("% " .. line) end end
   return table.concat(lines, "\n") .. "\n"
end

return write
