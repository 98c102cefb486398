-- verify/report.lua: the verdict as a table for people (Markdown, on the screen and in report.md) and for programs (report.json).
local C = require "engram.core".C
local core = require "engram.core"
local json = require "engram.json"
local markdown = require "engram.compare.markdown"
local progress = require "engram.run.progress"

local report = {}

local function decimals(value, count) return value and ("%." .. (count or 2) .. "f"):format(value) or "-" end

local function line_of(cell)
   local reference = cell.reference
   return { cell.row, cell.column, cell.verdict, reference.certainty, decimals(cell.mean), decimals(cell.deviation), tostring(cell.n),
      reference.mean and decimals(reference.mean) or "unknown", decimals(reference.deviation), tostring(reference.n),
      cell.difference and ("%+.2f"):format(cell.difference) or "-", decimals(cell.tolerance) }
end

local HEAD = { "row", "column", "verdict", "certainty", "ours", "SD", "n", "theirs", "SD", "n", "difference", "tolerance" }

local function lines_of_cells(found)
   local rows = { HEAD }
   for _, cell in ipairs(found.cells) do rows[#rows + 1] = line_of(cell) end
   return markdown(rows, { true, true, true, true })
end

local function share(counts)
   local judged = counts.pass + counts.fail
   return ("%d of %d cells pass%s%s"):format(counts.pass, judged, judged > 0 and (" (%.0f %%)"):format(100 * counts.pass / judged) or "",
      counts.open > 0 and (", %d without a verdict"):format(counts.open) or "")
end

-- ", 12.3 TFLOP (70 GFLOP/s a run)": what the table costs on any machine, and how fast this one was.
local function work_of(found)
   if not found.arithmetic or found.seconds == 0 then return "" end
   return (", %.3g TFLOP (%.3g GFLOP/s a run)"):format(found.arithmetic / 1e12, found.arithmetic / found.seconds / 1e9)
end

-- "3 of 4 cells pass (75 %)", and the same by certainty where there are several.
local function summary_lines(found)
   local lines, kinds = { share(found.counts) }, {}
   for kind in pairs(found.counts.by_certainty) do kinds[#kinds + 1] = kind end
   table.sort(kinds)
   for _, kind in ipairs(#kinds > 1 and kinds or {}) do
      lines[#lines + 1] = ("- %s: %s"):format(kind, share(found.counts.by_certainty[kind]))
   end
   lines[#lines + 1] = ("%d run%s%s, %s in all, %s of wall time%s"):format(found.runs, found.runs == 1 and "" or "s",
      found.failed > 0 and (" (%d failed)"):format(found.failed) or "", progress.duration(found.seconds), progress.duration(found.wall),
      work_of(found))
   if found.runs > 0 then lines[#lines + 1] = "results SHA-256 " .. found.results_sha256 end
   return lines
end

local function note_lines(table_, found)
   local lines = { found.mixed }
   lines[#lines + 1] = found.ended
   if found.unfinished > 0 then
      lines[#lines + 1] = ("%d more run%s begun and not at the end: engram resume of the folder goes on"):format(found.unfinished,
         found.unfinished == 1 and " is" or "s are")
   end
   for _, name in ipairs(found.damaged) do
      lines[#lines + 1] = name .. " is damaged: its status.json or summary.json cannot be read; remove its folder, and a later call runs "
         .. "it again"
   end
   for _, cell in ipairs(found.cells) do
      local missing = cell.missing
      if #cell.failed > 0 then
         lines[#lines + 1] = ("%s/%s: failed with seed%s %s, so that it does not pass; see logs/"):format(cell.row, cell.column,
            #cell.failed == 1 and "" or "s", table.concat(cell.failed, ", "))
      end
      if missing then
         lines[#lines + 1] = ("%s/%s: %d run%s no number '%s' in summary.json"):format(cell.row, cell.column, missing.runs,
            missing.runs == 1 and " has" or "s have", missing.metric)
      end
   end
   if table_.note then lines[#lines + 1] = table_.note end
   for _, row in ipairs(table_.rows) do
      if row.note then lines[#lines + 1] = ("%s: %s"):format(row.key, row.note) end
   end
   return lines
end

-- text(table, found): the report in Markdown.
function report.text(table_, found)
   local lines = { "# " .. table_.title, "", "Source: " .. table_.source, "" }
   local function add(list) for _, line in ipairs(list) do lines[#lines + 1] = line end end
   add(lines_of_cells(found))
   lines[#lines + 1] = ""
   add(summary_lines(found))
   local notes = note_lines(table_, found)
   if #notes > 0 then lines[#lines + 1] = "" end
   add(notes)
   return table.concat(lines, "\n") .. "\n"
end

-- write(table, found, path): report.md and report.json in a folder; the text.
function report.write(table_, found, path)
   local text, cells = report.text(table_, found), json.array{ unpack(found.cells) }
   core.check(C.eg_file_write(path .. "/report.md", text, #text))
   json.save(path .. "/report.json", { table = table_.name, title = table_.title, source = table_.source, cells = cells,
      counts = found.counts, runs = found.runs, failed = found.failed, unfinished = found.unfinished, damaged = found.damaged,
      seconds = found.seconds, wall = found.wall, arithmetic = found.arithmetic, mixed = found.mixed, ended = found.ended,
      results_sha256 = found.results_sha256, engram = require "engram.version" })
   return text
end

return report
