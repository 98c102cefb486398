-- The table of CLASSP's sentiment experiment: a row an optimizer. Used by classp_sentiment.lua.
local sentiment_table = {}

local function percent(value) return value and ("%.2f"):format(value) or "-" end

local COLUMNS = {
   { "seed", function(row) return tostring(row.seed) end },
   { "task 1 before task 2", function(row) return percent(row.before) end },
   { "task 1 after task 2", function(row) return percent(row.after) end },
   { "task 2", function(row) return percent(row.second) end },
   { "epochs", function(row) return ("%d + %d"):format(row.epochs[1], row.epochs[2]) end },
   { "steps", function(row) return ("%d + %d"):format(row.steps[1], row.steps[2]) end },
   { "state, MB", function(row) return ("%.2f"):format(row.state_bytes / 1e6) end },
   { "seconds", function(row) return ("%.0f"):format(row.seconds) end },
}

-- row(name, title, seed, run): what the table keeps of a run, and nothing that holds its model.
function sentiment_table.row(name, title, seed, run)
   local row = { name = name, title = title, seed = seed, before = run.accuracy[1][1], after = run.accuracy[2][1],
      second = run.accuracy[2][2], epochs = {}, steps = {}, why = {}, by = {}, state_bytes = run.bytes.state,
      weights_bytes = run.bytes.weights, seconds = run.seconds, weights_sha256 = run.hash }
   for k, ended in ipairs(run.stopped) do
      row.epochs[k], row.steps[k], row.why[k], row.by[k] = ended.epochs, ended.steps, ended.why, ended.by
   end
   return row
end

local function line(cells) return "| " .. table.concat(cells, " | ") .. " |" end

-- markdown(rows): the table; a row that diverged says so. A cap that ended a task is marked with a star.
function sentiment_table.markdown(rows)
   local titles, rule, lines, capped = { "optimizer" }, { "---" }, {}, false
   for _, column in ipairs(COLUMNS) do titles[#titles + 1], rule[#rule + 1] = column[1], "---:" end
   for _, row in ipairs(rows) do
      local by_cap = row.by and (row.by[1] == "cap" or row.by[2] == "cap")
      local cells = { row.title .. (by_cap and " *" or "") }
      for i, column in ipairs(COLUMNS) do
         cells[#cells + 1] = row.diverged and i > 1 and "diverged" or column[2](row)
      end
      lines[#lines + 1], capped = line(cells), capped or by_cap
   end
   return line(titles) .. "\n" .. line(rule) .. "\n" .. table.concat(lines, "\n") .. "\n" ..
      (capped and "\n\\* a cap, not its rule, ended a task\n" or "")
end

return sentiment_table
