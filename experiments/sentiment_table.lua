-- The table of CLASSP's sentiment experiment: a row an optimizer. Used by classp_sentiment.lua.
local sentiment_table = {}

local function percent(value) return value and ("%.2f"):format(value) or "-" end

local COLUMNS = {
   { "seed", function(row) return tostring(row.seed) end, always = true },
   { "task 1 before task 2", function(row) return percent(row.before) end },
   { "task 1 after task 2", function(row) return percent(row.after) end },
   { "task 2", function(row) return percent(row.second) end },
   { "epochs", function(row) return ("%d + %d"):format(row.epochs[1], row.epochs[2]) end },
   { "steps", function(row) return ("%d + %d"):format(row.steps[1], row.steps[2]) end },
   { "state, MB", function(row) return ("%.2f"):format(row.state_bytes / 1e6) end, always = true },
   { "seconds", function(row) return ("%.0f"):format(row.seconds) end },
}

-- row(name, title, seed, run): what the table keeps of a run, and nothing that holds its model.
function sentiment_table.row(name, title, seed, run)
   local row = { name = name, title = title, seed = seed, before = run.accuracy[1][1], after = run.accuracy[2][1],
      second = run.accuracy[2][2], epochs = {}, steps = {}, why = {}, by = {}, state_bytes = run.bytes.state_in_training,
      weights_bytes = run.bytes.weights, penalty_share = run.penalty_share, seconds = run.seconds, weights_sha256 = run.hash }
   for k, ended in ipairs(run.stopped) do
      row.epochs[k], row.steps[k], row.why[k], row.by[k] = ended.epochs, ended.steps, ended.why, ended.by
   end
   return row
end

local function line(cells) return "| " .. table.concat(cells, " | ") .. " |" end

local HEAVY = 10                                      -- times the largest loss: a penalty that has dwarfed it

-- What a row is marked with, and the lines that explain the marks: a cap that ended a task, and a penalty that ruled the training.
local function mark_of(row, notes)
   local mark = ""
   if row.by and (row.by[1] == "cap" or row.by[2] == "cap") then
      mark, notes.cap = " *", "\\* a cap, not its rule, ended a task"
   end
   if (row.penalty_share or 0) > HEAVY then
      mark = mark .. " †"
      notes[#notes + 1] = ("† %s: at its largest the penalty was %.3g times the largest loss"):format(row.title, row.penalty_share)
   end
   return mark
end

-- markdown(rows): the table; a row that diverged says so. The state is what is held while the last task is trained.
function sentiment_table.markdown(rows)
   local titles, rule, lines, notes = { "optimizer" }, { "---" }, {}, {}
   for _, column in ipairs(COLUMNS) do titles[#titles + 1], rule[#rule + 1] = column[1], "---:" end
   for _, row in ipairs(rows) do
      local cells = { row.title .. mark_of(row, notes) }
      for _, column in ipairs(COLUMNS) do cells[#cells + 1] = row.diverged and not column.always and "diverged" or column[2](row) end
      lines[#lines + 1] = line(cells)
   end
   if notes.cap then table.insert(notes, 1, notes.cap) end
   notes[#notes + 1] = "state: what the optimizer and the method hold while the last task is trained"
   return line(titles) .. "\n" .. line(rule) .. "\n" .. table.concat(lines, "\n") .. "\n\n" .. table.concat(notes, "\n\n") .. "\n"
end

return sentiment_table
