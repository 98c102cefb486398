-- charts.lua: Vega-Lite specifications as Lua tables. Colours of text and axes are the page's (currentColor), so that one
-- specification serves light and dark; series have the colours of charts.palette, which the page's legend shows.
local json = require "engram.json"

local charts = {}

-- Okabe and Ito's colours, which the colour-blind can tell apart, in an order that keeps neighbours far; then the same in dashes.
charts.palette = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f" }
local DASHES = { { 1, 0 }, { 6, 3 }, { 2, 2 }, { 8, 3, 2, 3 } }

-- Colour and dashes of series i.
function charts.style(i)
   local n = #charts.palette
   return charts.palette[(i - 1) % n + 1], DASHES[math.floor((i - 1) / n) % #DASHES + 1]
end

-- How all charts look.
charts.config = {
   background = "transparent", view = { stroke = json.null },
   font = "system-ui, -apple-system, Roboto, 'Liberation Sans', Arial, sans-serif",
   axis = { labelColor = "currentColor", titleColor = "currentColor", domainColor = "currentColor", tickColor = "currentColor",
      gridColor = "currentColor", gridOpacity = 0.12, domainOpacity = 0.35, tickOpacity = 0.35, labelOpacity = 0.8, titleOpacity = 0.8,
      labelFontSize = 11, titleFontSize = 11, titleFontWeight = "normal", titlePadding = 6 },
   legend = { labelColor = "currentColor", titleColor = "currentColor", titleFontWeight = "normal" },
   rule = { color = "currentColor" }, text = { color = "currentColor", fontSize = 11 },
}

-- Six digits are more than a screen shows.
local function short(value) return value and tonumber(("%.6g"):format(value)) or nil end

local function colour_scale(labels)
   local colours, dashes = json.array{}, json.array{}
   for i in ipairs(labels) do colours[i], dashes[i] = charts.style(i) end
   return { field = "group", type = "nominal", scale = { domain = json.array{ unpack(labels) }, range = colours }, legend = json.null },
      { field = "group", type = "nominal", scale = { domain = json.array{ unpack(labels) }, range = dashes }, legend = json.null }
end

local function base(description, height)
   return { ["$schema"] = "https://vega.github.io/schema/vega-lite/v6.json", description = description, width = "container",
      height = height, autosize = { type = "fit-x", contains = "padding" } }
end

-- ---- curves -----------------------------------------------------------------------------------------------

-- Dashed lines where tasks end, spans = { { task, from, to } }, and their names or numbers where they begin.
local function task_layers(spans, names)
   local ends, starts = json.array{}, json.array{}
   for i, span in ipairs(spans) do
      starts[i] = { step = span.from, text = names[span.task] or tostring(span.task) }
      if i < #spans then ends[i] = { step = span.last } end
   end
   return { { data = { values = ends }, mark = { type = "rule", strokeDash = { 3, 3 }, opacity = 0.45 },
         encoding = { x = { field = "step", type = "quantitative" } } },
      { data = { values = starts }, mark = { type = "text", align = "left", baseline = "bottom", dx = 2, dy = -3, opacity = 0.65,
            fontSize = 10, clip = false },
         encoding = { x = { field = "step", type = "quantitative" }, y = { value = 0 }, text = { field = "text" } } } }
end

local function tooltip(title, format)
   return json.array{ { field = "group", title = "training" }, { field = "step", title = "step", type = "quantitative" },
      { field = "mean", title = title, type = "quantitative", format = format },
      { field = "low", title = "from", type = "quantitative", format = format },
      { field = "high", title = "to", type = "quantitative", format = format } }
end

local POINTED = 60                      -- a chart with no more points than this shows them

-- charts.curves{ title =, labels =, series = { { { step, mean, low, high }, ... }, ... }, spans =, tasks =, domain = { low, high },
-- format =, height = }
function charts.curves(about)
   local values, bands, most, last = json.array{}, false, 0, 0
   for i, points in ipairs(about.series) do
      most, last = math.max(most, #points), math.max(last, points[#points] and points[#points][1] or 0)
      for _, p in ipairs(points) do
         values[#values + 1] = { group = about.labels[i], step = p[1], mean = short(p[2]), low = short(p[3]), high = short(p[4]) }
         bands = bands or p[3] ~= nil
      end
   end
   local colour, dash = colour_scale(about.labels)
   local x = { field = "step", type = "quantitative", title = "step", scale = { nice = false },
      axis = { grid = false, labelOverlap = true, tickCount = about.ticks or 5, format = last < 10000 and ",d" or "~s" } }
   local y = { field = "mean", type = "quantitative", title = about.title, axis = { tickCount = 5 },
      scale = about.domain and { domain = about.domain } or { zero = true } }
   local layers = json.array{ unpack(task_layers(about.spans, about.tasks)) }
   if bands then
      layers[#layers + 1] = { mark = { type = "area", opacity = 0.2, clip = true }, encoding = { x = x,
         y = { field = "low", type = "quantitative", title = about.title, scale = y.scale }, y2 = { field = "high" }, color = colour } }
   end
   layers[#layers + 1] = { mark = { type = "line", strokeWidth = 1.8, clip = false, point = most <= POINTED and { size = 22 } or nil },
      encoding = { x = x, y = y, color = colour, strokeDash = dash, tooltip = tooltip(about.title, about.format) } }
   local spec = base(about.title .. " over training steps", about.height or 190)
   spec.data, spec.layer = { values = values }, layers
   return spec
end

-- ---- bars -------------------------------------------------------------------------------------------------

local SLIMMEST = 14                     -- no bar is broader than this part of its chart

-- Bars side by side: charts.bars{ title =, labels =, categories = names, figures = { [label index] = { [category index] = figure } } }.
-- A figure is { mean, low, high }; low and high draw the interval.
function charts.bars(about)
   local values, intervals = json.array{}, false
   for i, row in ipairs(about.figures) do
      for j, name in ipairs(about.categories) do
         local f = row[j]
         if f then
            intervals = intervals or f.low ~= nil
            values[#values + 1] = { group = about.labels[i], task = name, mean = short(f.mean), low = short(f.low), high = short(f.high) }
         end
      end
   end
   local colour = colour_scale(about.labels)
   local room = math.max(0.12, (0.75 * SLIMMEST / #about.labels - #about.categories + 0.25) / 2)      -- few bars are not broad
   local x = { field = "task", type = "nominal", title = json.null, sort = json.null, axis = { labelAngle = 0, labelLimit = 140,
      labelOverlap = true }, scale = { paddingInner = 0.25, paddingOuter = short(room) } }
   local offset = { field = "group", type = "nominal", sort = json.null, scale = { domain = json.array{ unpack(about.labels) } } }
   local y = { field = "mean", type = "quantitative", title = about.title, axis = { tickCount = 5 } }
   local tip = tooltip(about.title, about.format)
   tip[2] = { field = "task", title = "task" }
   local spec = base(about.title, about.height or 210)
   spec.data = { values = values }
   spec.layer = json.array{ { mark = { type = "bar", cornerRadiusEnd = 1.5 },
      encoding = { x = x, xOffset = offset, y = y, color = colour, tooltip = tip } } }
   if intervals then
      spec.layer[2] = { transform = json.array{ { filter = "isValid(datum.low)" } },
         mark = { type = "rule", strokeWidth = 1.2, opacity = 0.9 }, encoding = { x = x, xOffset = offset,
            y = { field = "low", type = "quantitative", title = about.title }, y2 = { field = "high" }, tooltip = tip } }
   end
   return spec
end

-- ---- points -----------------------------------------------------------------------------------------------

-- charts.points{ title = of y, x_title =, x_scale = a Vega-Lite scale, labels =, points = { [label index] = { x, figure } } }: one
-- figure against another, a point a label; figure.low and .high draw its interval, as far as it lies in `range`, { low, high }.
function charts.points(about)
   local values = json.array{}
   for i, point in pairs(about.points) do
      local f = point[2]
      values[#values + 1] = { group = about.labels[i], x = short(point[1]), mean = short(f.mean),
         low = f.low and short(math.max(f.low, about.range[1])), high = f.high and short(math.min(f.high, about.range[2])) }
   end
   table.sort(values, function(a, b) return a.x < b.x or (a.x == b.x and a.group < b.group) end)
   local colour = colour_scale(about.labels)
   local x = { field = "x", type = "quantitative", title = about.x_title, scale = about.x_scale, axis = { tickCount = 5, grid = false } }
   local y = { field = "mean", type = "quantitative", title = about.title, scale = { zero = false, padding = 8 }, axis = { tickCount = 5 } }
   local tip = tooltip(about.title, about.format)
   tip[2] = { field = "x", title = about.x_title, type = "quantitative", format = ".4~g" }
   local spec = base(about.title .. " against " .. about.x_title, about.height or 230)
   spec.data = { values = values }
   spec.layer = json.array{
      { transform = json.array{ { filter = "isValid(datum.low)" } }, mark = { type = "rule", strokeWidth = 1.4, opacity = 0.6 },
         encoding = { x = x, y = { field = "low", type = "quantitative", title = about.title, scale = y.scale }, y2 = { field = "high" },
            color = colour } },
      { mark = { type = "point", filled = true, size = 70, opacity = 1 }, encoding = { x = x, y = y, color = colour, tooltip = tip } } }
   return spec
end

-- ---- heat maps --------------------------------------------------------------------------------------------

local WRITTEN = 12                      -- a map of no more rows than this has its numbers in it

local function heat_values(about)
   local values = json.array{}
   for i, row in ipairs(about.matrix) do
      for j = 1, row.width do
         local f = row[j]
         if f then
            values[#values + 1] = { row = about.names[i], column = about.names[j], mean = short(f.mean), low = short(f.low),
               high = short(f.high), text = about.show(f.mean) }
         end
      end
   end
   return values
end

-- charts.heat{ title =, matrix = rows of figures, names = of rows and columns, domain = { 0, 100 }, show = function(number),
-- row_title =, column_title = }
function charts.heat(about)
   local spec = base(about.title, math.max(34, math.min(#about.matrix * (#about.matrix > WRITTEN and 18 or 34), 520)))
   local names = json.array{ unpack(about.names) }
   local function axis(field)
      return { field = field, type = "ordinal", title = json.null, sort = names,
         axis = { labelAngle = 0, domain = false, ticks = false, labelLimit = 110, labelOverlap = #names > WRITTEN },
         scale = { paddingInner = 0.04, paddingOuter = 0, domain = names } }
   end
   local x, y = axis "column", axis "row"
   x.axis.orient, y.scale.domain = "top", json.array{ unpack(names, 1, #about.matrix) }
   if #names <= WRITTEN then x.axis.labelLimit = { expr = ("max(14, width / %d - 4)"):format(#names) } end      -- each column has its name
   local tip = json.array{ { field = "row", title = about.row_title }, { field = "column", title = about.column_title },
      { field = "mean", title = about.title, type = "quantitative", format = ".3~f" },
      { field = "low", title = "from", type = "quantitative", format = ".3~f" },
      { field = "high", title = "to", type = "quantitative", format = ".3~f" } }
   local middle = about.domain[1] + 0.5 * (about.domain[2] - about.domain[1])
   spec.data = { values = heat_values(about) }
   spec.layer = json.array{ { mark = { type = "rect", cornerRadius = 2 }, encoding = { x = x, y = y, tooltip = tip, color = {
      field = "mean", type = "quantitative", scale = { scheme = "blues", domain = about.domain }, legend = json.null } } } }
   if #about.matrix <= WRITTEN then
      spec.layer[2] = { mark = { type = "text", fontSize = 11 }, encoding = { x = x, y = y, text = { field = "text" }, tooltip = tip,
         color = { condition = { test = ("datum.mean > %g"):format(middle), value = "#ffffff" }, value = "#10263d" } } }
   end
   return spec
end

return charts
