-- The picture of a selection of classp_study: every method's accuracy against its bytes of state, and every trial of CLASSP against the
-- share of weights that a step moves. Not a script of its own.
local statistics = require "engram".statistics

local WIDTH, HEIGHT, LEFT, TOP, PANEL, PLOT, GAP = 1120, 400, 55, 40, 400, 290, 80
local COLOURS = { "#26a", "#c33", "#2a7", "#a3a", "#e80", "#777" }
local CLASSP, OTHERS = 1, 6                            -- their colours

local out
local function put(text, ...) out[#out + 1] = select("#", ...) > 0 and text:format(...) or text end

-- ---- a panel ------------------------------------------------------------------------------------------------

-- Heights of labels, so that those that would lie over each other stand below each other.
local function place_labels(points)
   table.sort(points, function(a, b) return a.at_y < b.at_y end)
   for i, p in ipairs(points) do
      p.label_y = p.at_y
      for j = 1, i - 1 do
         local q = points[j]
         local near = p.at_x < q.at_x + 6.5 * #(q.name or "") and q.at_x < p.at_x + 6.5 * #(p.name or "")
         if near and math.abs(q.label_y - p.label_y) < 12 then p.label_y = q.label_y + 12 end
      end
   end
end

-- The round scale of a panel's accuracies.
local function scale_of(points)
   local low, high = math.huge, -math.huge
   for _, p in ipairs(points) do low, high = math.min(low, p.y - p.half), math.max(high, p.y + p.half) end
   local step = high - low > 30 and 10 or high - low > 4 and 5 or 1
   return math.floor(low / step) * step, math.min(100, math.ceil(high / step) * step), step
end

local function axes(left, title, x_title, ticks, scale)
   put('<text x="%.0f" y="%d">%s</text>', left - 40, TOP - 16, title)
   put('<text x="%.0f" y="%d" text-anchor="middle">%s</text>', left + PANEL / 2, TOP + PLOT + 42, x_title)
   for v = scale.low, scale.high, scale.step do
      put('<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" stroke="#ddd"/>', left, left + PANEL, scale.y_of(v), scale.y_of(v))
      put('<text x="%.0f" y="%.1f" text-anchor="end">%d</text>', left - 6, scale.y_of(v) + 4, v)
   end
   for _, tick in ipairs(ticks) do
      local at = left + PANEL * tick[1]
      put('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#888"/>', at, at, TOP + PLOT, TOP + PLOT + 5)
      put('<text x="%.1f" y="%d" text-anchor="middle">%s</text>', at, TOP + PLOT + 19, tick[2])
   end
end

-- Points { x = (0 to 1), y =, half =, name =, colour = } with ticks { x, label }.
local function panel(left, title, x_title, points, ticks)
   local scale = {}
   scale.low, scale.high, scale.step = scale_of(points)
   function scale.y_of(v) return TOP + PLOT * (scale.high - v) / (scale.high - scale.low) end
   axes(left, title, x_title, ticks, scale)
   for _, p in ipairs(points) do p.at_x, p.at_y = left + PANEL * p.x, scale.y_of(p.y) end
   place_labels(points)
   for _, p in ipairs(points) do
      put('<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s"/>', p.at_x, p.at_x, scale.y_of(p.y - p.half),
         scale.y_of(p.y + p.half), p.colour)
      put('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>', p.at_x, p.at_y, p.colour)
      if p.name then put('<text x="%.1f" y="%.1f" font-size="11" fill="%s">%s</text>', p.at_x + 8, p.label_y + 4, p.colour, p.name) end
   end
end

-- ---- both panels --------------------------------------------------------------------------------------------

-- Megabytes stand on a logarithmic scale from a tenth on, where those with less stand too.
local function state_panel(methods)
   local most = 1
   for _, method in ipairs(methods) do most = math.max(most, method.state or 0) end
   local function x_of(v) return math.log(math.max(v, 0.1) / 0.1) / math.log(5 * most / 0.1) end
   local points, ticks = {}, { { 0, "≤ 0.1" } }
   for _, v in ipairs{ 1, 10, 100, 1000 } do
      if v <= 5 * most then ticks[#ticks + 1] = { x_of(v), tostring(v) } end
   end
   for _, method in ipairs(methods) do
      if method.accuracy then
         points[#points + 1] = { name = method.name, x = x_of(method.state), y = method.accuracy, half = method.half or 0,
            colour = COLOURS[method.name:find("classp", 1, true) and CLASSP or OTHERS] }
      end
   end
   panel(LEFT, "average accuracy, test, %", "state of optimizer and method, MB", points, ticks)
end

-- What a trial of CLASSP sets besides its step size: its curve in the picture.
local function variant_of(words)
   local kept = {}
   for _, word in ipairs(words) do
      if not word:match "^lr=" and not word:match "^method=" then kept[#kept + 1] = word end
   end
   return #kept > 0 and table.concat(kept, " ") or "gate=0"
end

local function trials_panel(trials)
   if #trials == 0 then return end
   local points, colours, variants = {}, {}, {}
   for i, trial in ipairs(trials) do
      local variant, metrics = variant_of(trial.words), trial.summary.metrics
      if not colours[variant] then
         colours[variant] = COLOURS[#variants % #COLOURS + 1]
         variants[#variants + 1] = variant
      end
      points[i] = { x = statistics.mean(metrics.step_density), y = metrics.average_accuracy, half = 0, colour = colours[variant] }
   end
   local left = LEFT + PANEL + GAP
   panel(left, "CLASSP's trials: average accuracy, validation, %", "weights that a step moves, %", points,
      { { 0, "0" }, { 0.25, "25" }, { 0.5, "50" }, { 0.75, "75" }, { 1, "100" } })
   for i, variant in ipairs(variants) do
      put('<text x="%.0f" y="%d" font-size="11" fill="%s">%s</text>', left + PANEL + 12, TOP + 14 * i, colours[variant], variant)
   end
end

-- Writes the SVG file. methods: { name =, accuracy =, half = of its interval, state = MB }, without accuracy where no training came to
-- its end; trials: { words =, summary = }.
return function(path, methods, trials)
   out = {}
   put('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">', WIDTH, HEIGHT)
   put '<rect width="100%" height="100%" fill="white"/>'
   state_panel(methods)
   trials_panel(trials)
   put "</svg>"
   local file, problem = io.open(path, "w")
   if not file then error("picture=" .. problem, 0) end
   file:write(table.concat(out, "\n"), "\n")
   file:close()
end
