-- tables.lua: the report's parts that are tables alone: summary, settings, environment, files.
local core = require "engram.core"
local describe = require "engram.run.describe"
local figures = require "engram.report.figures"
local groups = require "engram.run.groups"
local html = require "engram.report.html"
local looks = require "engram.compare.looks"
local C = core.C
local e = html.element

local tables = {}

-- ---- summary ----------------------------------------------------------------------------------------------

local function metric(name) return function(training) return training.metrics[name] end end

-- Title, what it shows of a training, format, and which is best: 1 the largest, -1 the smallest.
local COLUMNS = {
   { "average accuracy,\194\160%", metric "average_accuracy", "%.2f", 1 },
   { "backward transfer", metric "backward_transfer", "%.2f", 1 },
   { "forgetting", metric "forgetting", "%.2f", -1 },
   { "learning accuracy,\194\160%", metric "learning_accuracy", "%.2f", 1 },
   { "steps", function(training) return training.summary.steps end, "%.0f" },
   { "seconds", function(training) return training.summary.seconds end, "%.1f" },
}

-- The best figure of a column among the trainings that came to their end; nil where there is no choice.
local function best_of(page, rows, column)
   local best, count = nil, 0
   for i, row in ipairs(rows) do
      if column[4] and row[column] and not page.groups[i].unfinished then
         best, count = math.max(best or -math.huge, column[4] * row[column].mean), count + 1
      end
   end
   return count > 1 and column[4] * best or nil
end

-- How far a training has come: "killed, in task 2 of 3".
local function standing(training)
   local last, state = training.spans[#training.spans], training.run.state
   if state == "finished" then state = training.state == "damaged" and "damaged" or "cut short" end
   return state .. (last and (", in task %d%s"):format(last.task, #training.tasks > 0 and " of " .. #training.tasks or "") or "")
end

-- The first line of what ended a training or a run; nil where it was told to stop.
local function error_of(training, run)
   for _, text in ipairs{ training and training.summary.error or false, run.status.error or false } do
      if type(text) == "string" and text ~= "interrupted" then return text:match "[^\n]*" end
   end
end

-- What did not come to its end, how far it came, and why; runs that have no training to show too.
local function unfinished(page)
   local rows = {}
   for i, group in ipairs(page.groups) do
      for _, training in ipairs(group.unfinished and group.members or {}) do
         rows[#rows + 1] = { { page:swatch(i), training.run.name, training.folder ~= "" and "/" .. training.folder or nil },
            standing(training), error_of(training, training.run) }
      end
   end
   for _, run in ipairs(page.history.runs) do
      local known = run.state == "finished"
      for _, training in ipairs(run.trainings) do known = known or training.unfinished end
      if not known then rows[#rows + 1] = { run.name, run.state, error_of(nil, run) } end
   end
   return #rows > 0 and { e("h3", nil, "Not finished"), html.table({ "run", "how far", "error" }, rows, { true, true, true }) } or nil
end

function tables.summary(page)
   local found, head, rows = {}, { "training", "seeds" }, {}
   for i, group in ipairs(page.groups) do
      found[i] = {}
      for _, column in ipairs(COLUMNS) do found[i][column] = groups.figure(group, column[2]) end
      rows[i] = { { page:swatch(i), page:label(group) }, #group.seeds > 1 and #group.seeds .. ": " .. table.concat(group.seeds, ", ")
         or group.seeds[1] }
   end
   for j, column in ipairs(COLUMNS) do
      head[j + 2] = column[1]
      local best = best_of(page, found, column)
      for i, group in ipairs(page.groups) do
         local figure = found[i][column]
         local text = figures.shown(figure, column[3])
         rows[i][j + 2] = best and figure and figure.mean == best and not group.unfinished and e("strong", nil, text) or text or "–"
      end
   end
   local whole, rest = #rows > 0 and html.table(head, rows, { [2] = true }), unfinished(page)
   local looked = looks(page.history.trainings)
   looked = looked and e("p", { class = "note" }, (looked:gsub("^t", "T")), ".")
   return (whole or rest) and { whole or {}, looked or {}, rest or {} } or nil
end

-- ---- settings ---------------------------------------------------------------------------------------------

-- What differs between the groups, a row a key; then what is the same in all.
function tables.settings(page)
   local list, different, parts = page.groups, {}, {}
   local rows, words = {}, { [1] = true }
   for _, key in ipairs(groups.differences(list)) do
      local row = { key }
      for i, group in ipairs(list) do row[i + 1], words[i + 1] = group.about[key] or "–", true end
      different[key], rows[#rows + 1] = true, row
   end
   local head = { "setting" }
   for i in ipairs(list) do head[i + 1] = { page:swatch(i), page.labels[i] } end
   if #rows > 0 then parts[1] = html.table(head, rows, words) end
   local same, keys = {}, {}
   for key in pairs(list[1].about) do if not different[key] then keys[#keys + 1] = key end end
   table.sort(keys)
   for i, key in ipairs(keys) do same[i] = { key, list[1].about[key] } end
   local title = #rows > 0 and ("The same in all: %d settings"):format(#same) or "All settings"
   if #same > 0 then
      parts[#parts + 1] = e("details", { open = #rows == 0 and #same < 25 }, e("summary", nil, title),
         html.table({ "setting", "value" }, same, { true, true }))
   end
   return parts
end

-- ---- environment ------------------------------------------------------------------------------------------

-- The values of a field of meta.json over the runs, each with the runs it belongs to when they differ.
local function values_of(runs, field)
   local list, by_value = {}, {}
   for _, run in ipairs(runs) do
      local value = run.meta[field]
      if type(value) == "string" or type(value) == "number" then
         value = tostring(value)
         if not by_value[value] then
            by_value[value] = { value = value, runs = 0 }
            list[#list + 1] = by_value[value]
         end
         by_value[value].runs = by_value[value].runs + 1
      end
   end
   return list
end

local MOST_VALUES = 5

function tables.environment(page)
   local runs, rows = page.history.runs, {}
   for _, field in ipairs(describe.fields) do
      local values, lines = values_of(runs, field), {}
      for i, entry in ipairs(values) do
         if i > MOST_VALUES then
            lines[#lines + 1] = ("and %d more"):format(#values - MOST_VALUES)
            break
         end
         lines[#lines + 1] = e("div", nil, entry.value, #values > 1 and entry.runs > 1 and ("  (%d runs)"):format(entry.runs) or "")
      end
      if #values > 0 then rows[#rows + 1] = { field, lines } end
   end
   return html.table({ "what", "value" }, rows, { true, true })
end

-- ---- files ------------------------------------------------------------------------------------------------

local RUN_FILES = { "settings.json", "overrides.txt", "meta.json", "status.json", "log.txt", "report.md" }
local TRAINING_FILES = { "metrics.jsonl", "accuracy.csv", "summary.json", "weights.safetensors", "ckpt/last.safetensors" }

local function absolute(path)
   local parts = {}
   for part in describe.absolute(path):gmatch "[^/]+" do
      if part == ".." then parts[#parts] = nil elseif part ~= "." then parts[#parts + 1] = part end
   end
   return parts
end

-- The way from a folder to a path.
local function relative(folder, path)
   local from, to, same, parts = absolute(folder), absolute(path), 0, {}
   while from[same + 1] and from[same + 1] == to[same + 1] do same = same + 1 end
   for _ = same + 1, #from do parts[#parts + 1] = ".." end
   for i = same + 1, #to do parts[#parts + 1] = to[i] end
   return #parts > 0 and table.concat(parts, "/") or "."
end

local function links(page, folder, names)
   local list = {}
   for _, name in ipairs(names) do
      local path = folder .. "/" .. name
      if C.eg_file_kind(path) == 1 then
         list[#list + 1] = { #list > 0 and " · " or "", html.link(relative(page.folder, path), name) }
      end
   end
   return list
end

local function took(status) return type(status.seconds) == "number" and ("%.1f s"):format(status.seconds) or "–" end

function tables.files(page)
   local rows = {}
   for _, run in ipairs(page.history.runs) do
      local of_run = { links(page, run.path, RUN_FILES) }
      rows[#rows + 1] = { run.name, page:badge(run), took(run.status), of_run }
      for _, training in ipairs(run.trainings) do
         local own = links(page, training.path, TRAINING_FILES)
         if training.folder == "" then
            of_run[2] = { " · ", own }
         else
            rows[#rows + 1] = { { "– ", training.name }, training.summary.complete == false and "cut short" or "", "", own }
         end
      end
   end
   return html.table({ "run", "status", "took", "files" }, rows, { true, true, false, true })
end

-- The folder of a file.
function tables.folder_of(path) return path:match "^(.+)/[^/]*$" or path:sub(1, 1) == "/" and "/" or "." end

-- This library's own file in lua/engram/report/.
local here = debug.getinfo(1, "S").source:match "^@(.*/)tables%.lua$" or ""
function tables.asset(name)
   local file, problem = io.open(here .. name, "rb")
   if not file then core.raise("report: %s", problem) end
   local text = file:read "*a"
   file:close()
   return text
end

return tables
