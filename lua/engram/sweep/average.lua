-- average.lua: what TensorBoard cannot make itself: for each group of a sweep's runs that differ by the seed alone, their mean, and the
-- mean with a standard deviation added and taken away, as runs of their own: SWEEP/tensorboard/GROUP/mean, mean+deviation, ...
local C = require "engram.core".C
local groups = require "engram.run.groups"
local history = require "engram.run.history"
local statistics = require "engram.statistics"
local tensorboard = require "engram.run.tensorboard"

-- The values of all members by step and tag, { [step] = { tag = list } }, and the steps in order.
local function gather(group)
   local by_step, steps = {}, {}
   for _, training in ipairs(group.members) do
      for _, event in ipairs(training.events) do
         local step = type(event.step) == "number" and event.step or 0
         if not by_step[step] then by_step[step], steps[#steps + 1] = {}, step end
         local at = by_step[step]
         for tag, value in pairs(tensorboard.scalars(event, training.tasks)) do
            at[tag] = at[tag] or {}
            table.insert(at[tag], value)
         end
      end
   end
   table.sort(steps)
   return by_step, steps
end

-- A run for TensorBoard: `figure(values)` of each tag at each step that all members have.
local function write_run(path, group, figure)
   local by_step, steps = gather(group)
   local file = tensorboard.begin(path, C.eg_file_kind(path) == 2 and 0 or nil)
   for _, step in ipairs(steps) do
      local scalars = {}
      for tag, values in pairs(by_step[step]) do
         if #values == #group.members then scalars[tag] = figure(values) end
      end
      tensorboard.write(file, step, scalars)
   end
end

local RUNS = {
   ["mean"] = statistics.mean,
   ["mean+deviation"] = function(values) return statistics.mean(values) + statistics.deviation(values) end,
   ["mean-deviation"] = function(values) return statistics.mean(values) - statistics.deviation(values) end,
}

-- average(path): writes them for the sweep at a path, if its runs wrote event files. Returns whether there are any.
return function(path)
   local list, found = {}, false
   for _, run in ipairs(history.runs{ path }.runs) do
      for _, training in ipairs(run.trainings) do
         if C.eg_file_kind(training.path .. "/tensorboard") == 2 and not training.unfinished then list[#list + 1] = training end
      end
   end
   for i, group in ipairs(groups.of(list)) do
      if #group.members > 1 then
         local folder = ("%s/tensorboard/%d-%s/"):format(path, i, (group.label:gsub("[^%w_.=+,-]", "_")))
         for name, figure in pairs(RUNS) do write_run(folder .. name, group, figure) end
         found = true
      end
   end
   return found
end
