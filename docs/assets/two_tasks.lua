-- Draws docs/assets/two_tasks.svg: test accuracy on both tasks over a training on glyphs, SGD and CLASSP (as published), from a real run.
-- build/engram run --no-run docs/assets/two_tasks.lua [out=docs/assets/two_tasks.svg]
package.path = "experiments/?.lua;" .. package.path
local engram = require "engram"
local cl = engram.cl
local common = require "classp_common"
local settings = engram.settings{ out = "docs/assets/two_tasks.svg", every = 20 }

local function task(name, epochs)
   return cl.task(name, { epochs = epochs, test_limit = 500, mean = common.normal.mean, deviation = common.normal.deviation })
end
local stream = cl.stream{ task("glyphs/digits", 2), task("glyphs/garments", 1) }

-- { { step, accuracy on task 1, accuracy on task 2 }, ... }
local function curve(optimizer)
   local points = {}
   cl.train{ model = common.network(true), optimizer = optimizer, stream = stream, seed = 1, shuffle = false, evaluate = "never",
      on_step = function(t)
         if t.step % settings.every ~= 1 then return end
         local row = { t.step }
         for j = 1, 2 do row[j + 1] = cl.metrics.accuracy(t.model, stream[j].test) end
         points[#points + 1] = row
      end }
   return points
end

local WIDTH, HEIGHT, LEFT, TOP, PLOT, LEGEND = 760, 330, 60, 40, 240, 190
local steps = 3 * math.ceil(stream[1].train:size() / 32)
local function x_of(step) return LEFT + step / steps * (WIDTH - LEFT - LEGEND) end
local function y_of(accuracy) return TOP + PLOT * (1 - accuracy / 100) end

local out = {}
local function put(text, ...) out[#out + 1] = select("#", ...) > 0 and text:format(...) or text end

local function line(points, column, colour, dash)
   local words = {}
   for _, p in ipairs(points) do words[#words + 1] = ("%.1f,%.1f"):format(x_of(p[1]), y_of(p[column])) end
   put('<polyline fill="none" stroke="%s" stroke-width="2"%s points="%s"/>', colour, dash and ' stroke-dasharray="5 4"' or "",
      table.concat(words, " "))
end

put('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">', WIDTH, HEIGHT)
put '<rect width="100%" height="100%" fill="white"/>'
for accuracy = 0, 100, 25 do
   put('<line x1="%d" x2="%.0f" y1="%.0f" y2="%.0f" stroke="#ddd"/>', LEFT, x_of(steps), y_of(accuracy), y_of(accuracy))
   put('<text x="%d" y="%.0f" text-anchor="end">%d %%</text>', LEFT - 8, y_of(accuracy) + 4, accuracy)
end
local switch = x_of(steps * 2 / 3)
put('<line x1="%.0f" x2="%.0f" y1="%d" y2="%d" stroke="#888" stroke-dasharray="2 3"/>', switch, switch, TOP, TOP + PLOT)
put('<text x="%.0f" y="%d" text-anchor="middle">task 1: digits</text>', (LEFT + switch) / 2, TOP - 12)
put('<text x="%.0f" y="%d" text-anchor="middle">task 2: garments</text>', (switch + x_of(steps)) / 2, TOP - 12)
put('<text x="%.0f" y="%d" text-anchor="middle">training steps (%d in all)</text>', (LEFT + x_of(steps)) / 2, HEIGHT - 14, steps)

for i, row in ipairs{ { "SGD", common.sgd(0.2), "#c33" }, { "CLASSP", common.classp("published", 0.5, 0), "#26a" } } do
   local points = curve(row[2])
   line(points, 2, row[3])
   line(points, 3, row[3], true)
   for j, label in ipairs{ "on digits", "on garments" } do
      local y = TOP + 20 + (i - 1) * 60 + (j - 1) * 22
      put('<line x1="%.0f" x2="%.0f" y1="%d" y2="%d" stroke="%s" stroke-width="2"%s/>', x_of(steps) + 12, x_of(steps) + 36, y, y, row[3],
         j == 2 and ' stroke-dasharray="5 4"' or "")
      put('<text x="%.0f" y="%d">%s %s</text>', x_of(steps) + 42, y + 4, row[1], label)
   end
end
put "</svg>"
local file = assert(io.open(settings.out, "w"))
file:write(table.concat(out, "\n"), "\n")
file:close()
print("wrote " .. settings.out)
