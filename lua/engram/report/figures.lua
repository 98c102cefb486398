-- figures.lua: the report's charts, each with its table: accuracy matrices, curves, forgetting, update density and overlap, cost.
-- Each function takes the page (page.lua) and returns markup, or nil when the trainings do not tell enough.
local charts = require "engram.report.charts"
local groups = require "engram.run.groups"
local html = require "engram.report.html"
local names = require "engram.run.names"
local thin = require "engram.report.thin"
local e = html.element

local figures = {}

local CURVE_POINTS, TABLE_ROWS, TASK_PANELS = 2000, 24, 11

-- ---- words ------------------------------------------------------------------------------------------------

-- "56.70 ± 1.20" of a figure.
local function shown(figure, format)
   if not figure then return nil end
   format = format or "%.2f"
   return format:format(figure.mean) .. (figure.half and figure.half > 0 and " ± " .. format:format(figure.half) or "")
end
figures.shown = shown

local function percent(figure)
   if not figure then return nil end
   local scaled = { n = figure.n }
   for _, key in ipairs{ "mean", "half", "low", "high" } do scaled[key] = figure[key] and 100 * figure[key] end
   return scaled
end

-- The part that all names begin with, up to a slash: "glyphs/".
local function common_folder(tasks)
   local folder = #tasks > 1 and tasks[1]:match "^.*/" or ""
   for _, name in ipairs(tasks) do
      while name:sub(1, #folder) ~= folder do folder = folder:match "^(.*/)[^/]*/$" or "" end
   end
   return folder
end

-- Names of tasks that are short and all different.
function figures.short_names(tasks)
   local list, folder = {}, common_folder(tasks)
   for i, name in ipairs(tasks) do list[i] = name:sub(#folder + 1) end
   return names.distinct(list)
end

-- ---- matrices ---------------------------------------------------------------------------------------------

local function heat_table(matrix, headings, corner, format)
   local head, body = { corner, unpack(headings) }, {}
   for i, row in ipairs(matrix) do
      body[i] = { headings[i] }
      for j = 1, #headings do body[i][j + 1] = shown(row[j], format) or "–" end
   end
   return html.table(head, body)
end

-- One map a group, side by side. about: { entry, domain, format, title, row_title, column_title, corner }
local function maps(page, about)
   local panels, most = {}, 0
   for _, group in ipairs(page.groups) do
      local headings = figures.short_names(group.members[1].tasks)
      local matrix = groups.matrix(group, about.entry)
      if #matrix > 0 then
         most = math.max(most, #headings)
         panels[#panels + 1] = page:figure{ title = group.label, note = page:seeds_of(group), wide = #headings > 6,
            spec = charts.heat{ title = about.title, matrix = matrix, names = headings, domain = about.domain,
               show = function(v) return about.format:format(v) end, row_title = about.row_title, column_title = about.column_title },
            table = heat_table(matrix, headings, about.corner, about.format) }
      end
   end
   return #panels > 0 and e("div", { class = most <= 3 and "small panels" or "panels" }, panels) or nil
end

function figures.matrices(page)
   return maps(page, { entry = function(training) return training.accuracy end, domain = { 0, 100 }, format = "%.1f",
      title = "accuracy, %", row_title = "after training on", column_title = "accuracy on", corner = "after" })
end

function figures.about_matrices(page)
   local sets = {}
   for _, training in ipairs(page.history.trainings) do sets[training.summary.evaluated_on or "test"] = true end
   return ("Rows: after training on a task. Columns: accuracy on each task, %s."):format(
      sets.test and sets.validation and "test set, or validation set where the label says so" or
      sets.validation and "validation set" or "test set")
end

function figures.overlaps(page)
   return maps(page, { entry = function(training) return #training.overlap > 1 and training.overlap or {} end, domain = { 0, 1 },
      format = "%.2f", title = "overlap", row_title = "weights that moved in", column_title = "and in", corner = "overlap" })
end

-- ---- curves -----------------------------------------------------------------------------------------------

local function at_step(points, step)
   for _, p in ipairs(points) do if p[1] == step then return p end end
end

-- The curves at some of their steps, task ends among them.
local function curve_table(series, labels, spans, format)
   local set, steps, is_end = {}, {}, {}
   for _, span in ipairs(spans) do is_end[span.last] = true end
   for _, points in ipairs(series) do for _, p in ipairs(points) do set[p[1]] = true end end
   for step in pairs(set) do steps[#steps + 1] = step end
   table.sort(steps)
   local rows, every = {}, math.ceil(#steps / TABLE_ROWS)
   for i, step in ipairs(steps) do
      if i % every == 1 % every or i == #steps or is_end[step] and #spans <= TABLE_ROWS then
         local row = { tostring(step) }
         for s, points in ipairs(series) do
            local p = at_step(points, step)
            row[s + 1] = p and shown({ mean = p[2], half = p[4] and p[4] - p[2] }, format) or "–"
         end
         rows[#rows + 1] = row
      end
   end
   return html.table({ "step", unpack(labels) }, rows)
end

-- A chart of a metric's curves, or nil when no group has two points of it.
local function curve_figure(page, about)
   local series, whole, any = {}, {}, false
   for i, group in ipairs(page.groups) do
      whole[i] = groups.curve(group, about.metric, about.task)
      series[i] = thin(whole[i], CURVE_POINTS)
      any = any or #whole[i] > 1
   end
   if not any then return nil end
   local spans = page.spans or {}
   return page:figure{ title = about.title, wide = about.wide, table = curve_table(whole, page.labels, spans, about.format),
      spec = charts.curves{ title = about.axis, labels = page.labels, series = series, spans = spans,
         tasks = #spans <= (about.wide and 8 or 2) and page.tasks or {}, domain = about.domain, format = ".4~g",
         height = about.height, ticks = about.wide and 10 or 4 } }
end

-- Which tasks get a panel: all, or evenly chosen ones when there are many.
local function chosen_tasks(count)
   local list = {}
   for k = 1, math.min(count, TASK_PANELS) do
      list[k] = count <= TASK_PANELS and k or math.floor(1 + (k - 1) * (count - 1) / (TASK_PANELS - 1) + 0.5)
   end
   return list
end

-- What the lines in the curves mean; nothing when there are none to be drawn.
function figures.about_lines(page)
   if page.most_spans < 2 then return nil end
   return page.spans and "Dashed lines: where one task ends and the next begins."
      or "These trainings end their tasks at different steps: no lines show where."
end

function figures.accuracy_curves(page)
   local several = #page.tasks > 1
   local panels = { curve_figure(page, { metric = "accuracy", title = several and "Mean over the tasks seen so far" or "Accuracy",
      axis = "accuracy, %", domain = { 0, 100 }, format = "%.2f", wide = true, height = 230 }) }
   for _, j in ipairs(several and chosen_tasks(#page.tasks) or {}) do
      panels[#panels + 1] = curve_figure(page, { metric = "accuracy", task = j, title = "On " .. page.tasks[j],
         axis = "accuracy, %", domain = { 0, 100 }, format = "%.2f" })
   end
   if #panels == 0 then return nil end
   local first, note = table.remove(panels, 1), nil
   if #page.tasks > TASK_PANELS then
      note = e("p", { class = "note" }, ("%d of %d tasks are drawn; the matrices above hold all."):format(TASK_PANELS, #page.tasks))
   end
   return { e("div", { class = "panels" }, first), e("div", { class = #panels == 4 and "large panels" or "panels" }, panels), note }
end

function figures.loss_curves(page)
   local figure = curve_figure(page,
      { metric = "loss", title = "Training loss", axis = "loss", format = "%.4g", wide = true, height = 230 })
   return figure and e("div", { class = "panels" }, { figure }) or nil
end

-- ---- bars -------------------------------------------------------------------------------------------------

-- A bar chart of figure(group, j) for the categories j. about: { title, axis, categories, figure, format }
local function bar_figure(page, about)
   local rows, head, any, by_group = {}, { "training" }, false, {}
   for j, name in ipairs(about.categories) do head[j + 1] = name end
   for i, group in ipairs(page.groups) do
      by_group[i], rows[i] = {}, { group.label }
      for j in ipairs(about.categories) do
         by_group[i][j] = about.figure(group, j)
         any = any or by_group[i][j] ~= nil
         rows[i][j + 1] = shown(by_group[i][j], about.format) or "–"
      end
   end
   if not any then return nil end
   return e("div", { class = "panels" }, page:figure{ title = about.title, wide = true, table = html.table(head, rows),
      spec = charts.bars{ title = about.axis, labels = page.labels, categories = about.categories, figures = by_group, format = ".4~g" } })
end

-- What a training lost of task j: its best accuracy before the last task, minus that at the end, as metrics.forgetting has it.
local function lost(training, j)
   local rows, best = training.accuracy, nil
   if j >= #rows or not rows[#rows][j] then return nil end
   for i = 1, #rows - 1 do
      if rows[i][j] then best = math.max(best or -math.huge, rows[i][j]) end
   end
   return best and best - rows[#rows][j]
end

function figures.forgetting(page)
   local old = { unpack(page.tasks, 1, #page.tasks - 1) }
   return bar_figure(page, { title = "Forgetting of each task", axis = "points of accuracy lost", categories = old, format = "%.2f",
      figure = function(group, j) return groups.figure(group, function(training) return lost(training, j) end) end })
end

function figures.density(page)
   return bar_figure(page, { title = "Weights changed in each task", axis = "% of the weights", categories = page.tasks, format = "%.2f",
      figure = function(group, j)
         return percent(groups.figure(group, function(training) return training.density[j] end))
      end })
end

-- ---- cost -------------------------------------------------------------------------------------------------

-- Bytes that the optimizer and the methods held while it was trained.
local function state_megabytes(training)
   local bytes = type(training.summary.bytes) == "table" and training.summary.bytes or {}
   local state = bytes.state_in_training or bytes.state
   return type(state) == "number" and state / 1e6 or nil
end

-- Percent of the weights that a task changes, mean over tasks.
local function moved(training)
   local sum = 0
   for _, share in ipairs(training.density) do sum = sum + share end
   return #training.density > 0 and 100 * sum / #training.density or nil
end

-- A chart of average accuracy against x(training), or nil where fewer than two groups tell both.
local function cost_figure(page, about)
   local points, rows, count = {}, {}, 0
   for i, group in ipairs(page.groups) do
      local x, y = groups.figure(group, about.x), groups.figure(group, function(training) return training.metrics.average_accuracy end)
      if x and y and not group.unfinished then
         points[i], count = { x.mean, y }, count + 1
         rows[count] = { group.label, ("%.4g"):format(x.mean), shown(y) }
      end
   end
   if count < 2 then return nil end
   return page:figure{ title = about.title, table = html.table({ "training", about.x_title, "average accuracy, %" }, rows),
      spec = charts.points{ title = "average accuracy, %", x_title = about.x_title, x_scale = about.x_scale, labels = page.labels,
         points = points, range = { 0, 100 }, format = ".2f" } }
end

function figures.cost(page)
   local panels = {}
   panels[1] = cost_figure(page, { title = "Against memory", x = state_megabytes, x_title = "state, MB",
      x_scale = { type = "symlog", constant = 0.1 } })
   panels[#panels + 1] = cost_figure(page, { title = "Against the share of weights that a task changes", x = moved,
      x_title = "weights changed, %", x_scale = { zero = false, padding = 8 } })
   return #panels > 0 and e("div", { class = "panels" }, panels) or nil
end

return figures
