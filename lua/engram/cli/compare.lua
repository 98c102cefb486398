-- engram compare: the runs below some folders, grouped by their settings, with means, intervals and tests over seeds.
local usage_error = require "engram.usage"

local command = {
   summary = "compare runs: means, intervals and tests over seeds",
   usage = "compare [options] DIR...",
   text = "Takes every training below the folders that came to its end, and names each that did not. Rows are the values of the\n"
      .. "settings in --by (default: all that vary), each over the values of --over. p is that of the exact sign-flip test.",
   options = {
      { "by", value = "KEY,...", doc = "the settings that tell the rows apart (also: training, script)" },
      { "over", value = "KEY", doc = "the setting over which means are taken (default: seed)" },
      { "metric", value = "NAME,...", doc = "numbers of summary.json: forgetting, accuracy.2.1, seconds; NAME:min, :max: which is best" },
      { "against", value = "VALUE", doc = "the row that the others are tested against (default: the best)" },
      { "format", value = "NAME", choices = { "markdown", "csv", "latex" }, doc = "form of the table; the first unless given" },
   },
}

local function list_of(text)
   if not text then return nil end
   local list = {}
   for item in text:gmatch "[^,]+" do list[#list + 1] = item end
   return list
end

local function print_lines(stream, heading, lines)
   if #lines == 0 then return end
   stream:write("\n", heading, "\n")
   for _, line in ipairs(lines) do stream:write("  ", line, "\n") end
end

-- Settings by numbers beside each other on test sets: the best of them is chosen by what should only measure it.
local function note_choice(rows, by, notes)
   local keys, judged = {}, false
   for _, row in ipairs(rows) do judged = judged or row.records[1].settings.evaluated_on == "test" end
   for i, key in ipairs(by) do
      local numbers = #rows > 1
      for _, row in ipairs(rows) do numbers = numbers and tonumber(row.labels[i]) ~= nil end
      if numbers then keys[#keys + 1] = key end
   end
   if not judged or #keys == 0 then return end
   notes[#notes + 1] = ("%s: to take the best by this table is to choose by the test sets; engram select chooses by validation sets, and "
      .. "so does --evaluate-on validation"):format(table.concat(keys, ", "))
end

-- Prints the tables of records, and what is not in them.
function command.print(values, records, problems)
   local write, figures = require "engram.compare.write", require "engram.compare.figures"
   local format, over = values.format or "markdown", values.over or "seed"
   local aside = format == "markdown" and io.stdout or io.stderr        -- CSV and LaTeX stay clean
   local rows, by, notes = require "engram.compare.rows"(records, list_of(values.by), over)
   local tables = {}
   for i, metric in ipairs(figures.metrics(records, list_of(values.metric))) do
      tables[i] = figures.table(rows, metric, over, values.against, problems)
      tables[i].over, tables[i].first = over, i == 1
   end
   io.stdout:write((write[format](tables, by, values.against)))
   notes[#notes + 1] = require "engram.run.ended"(records)
   if format == "markdown" then note_choice(rows, by, notes) end
   notes[#notes + 1] = require "engram.run.code".mixed(records)
   local looks = require "engram.compare.looks"(records)
   if looks then aside:write("\n", looks, "\n") end
   print_lines(aside, "note:", notes)
   print_lines(aside, ("not in the table (%d):"):format(#problems), problems)
end

function command.run(values, words)
   if #words == 0 then usage_error "compare: which runs? engram compare DIR..." end
   local records, problems, runs = require "engram.compare.records"(words)
   if #records == 0 then
      print_lines(io.stderr, "engram: not in the table:", problems)
      usage_error("compare: of %d run%s below %s none came to its end", runs, runs == 1 and "" or "s", table.concat(words, ", "))
   end
   command.print(values, records, problems)
   return 0
end

return command
