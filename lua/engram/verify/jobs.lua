-- verify/jobs.lua: the runs of a table: one for each row, column with a run of its own, and seed. A run's name has a digest of what is
-- trained, so that runs of a row stay where its reference is mended, and are made anew where its settings are.
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

-- The words of cells=ROW,ROW/COLUMN,*/COLUMN as functions of a row and a column.
local function pattern_of(word, table_)
   local row, column = word:match "^([^/]*)/([^/]*)$"
   row, column = row or word, column or "*"
   if row ~= "*" and not table_.row[row] then
      usage_error("verify: cells=%s: there is no row '%s'%s", word, row, suggest.hint(row, table_.row, 60))
   end
   if column ~= "*" and not table_.column[column] then
      usage_error("verify: cells=%s: there is no column '%s'%s", word, column, suggest.hint(column, table_.column))
   end
   return function(r, c) return (row == "*" or r == row) and (column == "*" or c == column) end
end

local jobs = {}

-- cells(text, table): a function that tells whether the cell of a row and a column (by name) is among those of `text`; nil: all are.
function jobs.cells(text, table_)
   local patterns = {}
   for word in (text or "*"):gmatch "[^,]+" do patterns[#patterns + 1] = pattern_of(word, table_) end
   if #patterns == 0 then usage_error("verify: cells=%s: names no cell; as in cells=EWC,SI/class,*/task", text) end
   return function(row, column)
      for _, fits in ipairs(patterns) do
         if fits(row, column) then return true end
      end
      return false
   end
end

-- The columns whose figure for a row comes of the run of `column`.
local function wanted(table_, row, column, fits)
   for _, other in ipairs(table_.columns) do
      if other.run == column.key and row.cells[other.key] and fits(row.key, other.key) then return true end
   end
   return false
end

-- name(table, row, column, seed): of a run's directory.
function jobs.name(table_, row, column, seed)
   return ("%s-%s-%s-s%d"):format(row.key, column.run, table_:digest(row, column), seed)
end

-- The words of a run: of the script of a table, or of verify/job.lua, which makes it of parts.
local function words_of(table_, row, column, seed)
   local words = {}
   if table_.script then
      for i, one in ipairs(table_:settings(row, column)) do words[i] = one.key .. "=" .. one.value end
   else
      words = { "table=table.yaml", "row=" .. row.key, "column=" .. column.key, "digest=" .. table_:digest(row, column) }
   end
   words[#words + 1] = "seed=" .. seed
   return words
end

-- seeds(text): the list of seeds that "10" (the first ten), "11..20" or "3,7" stands for.
function jobs.seeds(text)
   if text:find "^%d+$" then text = "1.." .. text end
   local ok, _, _, axes = pcall(require "engram.sweep.expand", { "seed=" .. text })
   local list = {}
   for i, word in ipairs(ok and axes[1].values or { "" }) do
      list[i] = tonumber(word)
      if not (list[i] and list[i] % 1 == 0 and list[i] >= 0) then
         usage_error("--seeds: expected how many, or which, as 11..20 or 3,7, got '%s'", (text:gsub("^1%.%.(%d+)$", "%1")))
      end
   end
   return list
end

-- expand(table, fits, seeds): { { name =, words =, row =, column =, seed = }, ... }: all cells of the first of the seeds, then of the
-- second ...
function jobs.expand(table_, fits, seeds)
   local list = {}
   for _, seed in ipairs(seeds) do
      for _, row in ipairs(table_.rows) do
         for _, column in ipairs(table_.columns) do
            if column.run == column.key and wanted(table_, row, column, fits) then
               list[#list + 1] = { name = jobs.name(table_, row, column, seed), row = row.key, column = column.key, seed = seed,
                  words = words_of(table_, row, column, seed) }
            end
         end
      end
   end
   return list
end

return jobs
