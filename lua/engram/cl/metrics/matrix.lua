-- cl/metrics/matrix.lua: the accuracy matrix. R[i][j] is the accuracy on task j after training task i, in percent; nil where it was not
-- measured. R.initial[j] is that before any training, R.items[j] the number of test items, R.scenario the stream's,
-- R.recurring whether tasks come again.
local distinct = require "engram.run.names".distinct

local Matrix = {}
Matrix.__index = Matrix

function Matrix.__tostring(self)
   local width = 8
   for _, name in ipairs(self.names) do width = math.max(width, #name) end
   local cell = "%" .. width .. "s"
   local lines = { (" "):rep(width + 6) .. "  on" }
   local head = { (" "):rep(width + 6) }
   for _, name in ipairs(self.names) do head[#head + 1] = cell:format(name) end
   lines[2] = table.concat(head, "  ")
   for i, row in ipairs(self) do
      local words = { ("after " .. cell):format(self.names[i]) }
      for j in ipairs(self.names) do words[#words + 1] = cell:format(row[j] and ("%.2f"):format(row[j]) or "-") end
      lines[#lines + 1] = table.concat(words, "  ")
   end
   return table.concat(lines, "\n")
end

-- A row of CSV; a matrix of many tasks is mostly holes, which are written at once.
local function csv_row(names, row, i)
   local first, last = math.huge, 0
   for j in pairs(row) do first, last = math.min(first, j), math.max(last, j) end
   if last == 0 then first = 1 end
   local words = {}
   for j = first, last do words[#words + 1] = row[j] and ("%.4f"):format(row[j]) or "" end
   return names[i] .. (","):rep(first) .. table.concat(words, ",") .. (","):rep(#names - math.max(last, first))
end

-- As CSV: a row a task, the first column its name; with its number where a task comes twice.
function Matrix:csv()
   local names = distinct(self.names)
   local lines = { "after," .. table.concat(names, ",") }
   for i, row in ipairs(self) do lines[i + 1] = csv_row(names, row, i) end
   return table.concat(lines, "\n") .. "\n"
end

-- matrix(names): rows are added as tasks end: R[i] = { accuracy on task 1, 2, ... }.
return function(names) return setmetatable({ names = names }, Matrix) end
