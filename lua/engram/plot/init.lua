-- plot/init.lua: engram.plot(what [, options]): curves as text, for the prompt, for scripts and for `engram plot`.
local core = require "engram.core"
local draw = require "engram.plot.draw"
local groups = require "engram.run.groups"
local history = require "engram.run.history"
local json = require "engram.json"
local suggest = require "engram.suggest"
local C, raise = core.C, core.raise

local MOST = 26                         -- curves in one plot: they have letters

-- ---- what there is to plot --------------------------------------------------------------------------------

local function number_of(value)
   if type(value) == "number" then return value end
   if value == json.null or value == nil then return 0 / 0 end
   raise("plot: expected numbers, got a %s", core.typename(value))
end

-- { 3, 2, 1 } or { { step, value }, ... } or { { step =, loss = }, ... } as points.
local function points_of(values)
   if core.typename(values) == "tensor" then values = values:tolist() end
   if type(values) ~= "table" then raise("plot: expected a list of numbers, got a %s", core.typename(values)) end
   local points = {}
   for i, value in ipairs(values) do
      if type(value) == "table" then points[i] = { number_of(value[1] or value.step), number_of(value[2] or value.loss) }
      else points[i] = { i, number_of(value) } end
   end
   return points
end

-- The curves of a table: a list is one; of names to lists, one each; of a result of cl.train, its losses.
local function series_of(what)
   if type(what) == "table" and type(what.losses) == "table" then return { { label = "loss", points = points_of(what.losses) } }, "loss" end
   if core.typename(what) == "tensor" or what[1] ~= nil then return { { label = "", points = points_of(what) } } end
   local names, series = {}, {}
   for name in pairs(what) do names[#names + 1] = tostring(name) end
   table.sort(names)
   for i, name in ipairs(names) do series[i] = { label = name, points = points_of(what[name]) } end
   return series
end

-- ---- runs -------------------------------------------------------------------------------------------------

-- The task that "accuracy.2" or "accuracy.digits" names.
local function task_of(word, trainings)
   if not word then return nil end
   local names = {}
   for _, training in ipairs(trainings) do
      for j, name in ipairs(training.tasks) do
         names[name] = true
         if word == tostring(j) or word == name then return j end
      end
   end
   raise("plot: there is no task '%s'%s; accuracy.1 is that on the first task", word, suggest.hint(word, names))
end

-- The metric asked for, or the first of loss and accuracy that there is; with the task of "accuracy.2".
local function choose_metric(wanted, trainings, path)
   local known, list = {}, {}
   for _, training in ipairs(trainings) do
      for _, name in ipairs(history.metrics(training)) do
         if not known[name] then known[name], list[#list + 1] = true, name end
      end
   end
   table.sort(list)
   if #list == 0 then raise("plot: %s has no metrics yet", path) end
   if not wanted then return known.loss and "loss" or known.accuracy and "accuracy" or list[1] end
   local task = wanted:match "^accuracy%.(.+)$"
   local name = task and "accuracy" or wanted
   if not known[name] then
      local nearest = suggest.nearest(name, known)
      raise("plot: %s has no metric '%s'%s (metrics: %s)", path, name, nearest and (", did you mean '%s'?"):format(nearest) or "",
         table.concat(list, ", "))
   end
   return name, task_of(task, trainings), task
end

-- The curves of the runs at a path, a group of seeds one curve.
local function series_of_runs(path, wanted)
   local found = history.read(path, "plot")
   local metric, task, task_name = choose_metric(wanted, found.trainings, path)
   local series, seeds, list = {}, 1, groups.of(found.trainings)
   for _, group in ipairs(list) do
      local points = groups.curve(group, metric, task)
      if #points > 0 then
         series[#series + 1] = { label = group.label, points = points }
         seeds = math.max(seeds, #group.members)
      end
   end
   local tasks = groups.task_names(list)
   local title = metric .. (task and " on " .. (tasks[task] or task_name) or metric == "accuracy" and ", mean of the tasks seen" or "")
   if #series == 1 and series[1].label ~= "" then title = title .. ": " .. series[1].label end
   return series, title .. (seeds > 1 and " (mean of seeds)" or ""), groups.spans(found.trainings) or {}, tasks
end

-- ---- the plot ---------------------------------------------------------------------------------------------

-- True when the locale's characters are UTF-8.
local function is_utf8()
   for _, name in ipairs{ "LC_ALL", "LC_CTYPE", "LANG" } do
      local value = os.getenv(name)
      if value and value ~= "" then return value:lower():gsub("-", ""):find("utf8", 1, true) ~= nil end
   end
   return false
end

local function size(name, value, default, low, high)
   if value == nil then return default end
   if type(value) ~= "number" or value % 1 ~= 0 or value < low or value > high then
      raise("plot: %s must be a whole number from %d to %d, got %s", name, low, high, tostring(value))
   end
   return value
end

local function terminal_width()
   local width = C.eg_terminal_width()
   return width > 0 and math.max(40, math.min(width, 200)) or 80
end

local OPTIONS = { "metric", "title", "width", "height", "ascii", "colour", "gnuplot" }

-- plot(what, { metric =, title =, width =, height =, ascii =, colour =, gnuplot = file }) -> text; with `gnuplot` the program of that name
-- draws the curves into the file, and its name is returned. `what` is the path of a run or of a folder of runs, a
-- list of numbers (or of { x, y }), a tensor, a table { name = list }, or what cl.train returned.
return function(what, options)
   options = core.options("plot", options, OPTIONS)
   local kind = core.typename(what)
   if kind ~= "string" and kind ~= "table" and kind ~= "tensor" then
      raise("plot: expected a run's path, a list of numbers or a table of lists, got %s", kind == "nil" and "nothing" or "a " .. kind)
   end
   local series, title, spans, tasks
   if kind == "string" then series, title, spans, tasks = series_of_runs(what, options.metric)
   else series, title = series_of(what) end
   if options.gnuplot then
      require "engram.plot.gnuplot"({ title = options.title or title, series = series, spans = spans or {} }, options.gnuplot)
      return options.gnuplot
   end
   local more = #series - MOST
   for i = #series, MOST + 1, -1 do series[i] = nil end
   local ascii = options.ascii
   if ascii == nil then ascii = not is_utf8() end
   local text = draw{ title = options.title or title, series = series, spans = spans, tasks = tasks, ascii = ascii,
      width = size("width", options.width, terminal_width(), 30, 1000), height = size("height", options.height, 16, 4, 200),
      colour = options.colour }
   if not text then raise "plot: there is no finite number to plot" end
   return more > 0 and ("%s\n%d more curves are not drawn"):format(text, more) or text
end
