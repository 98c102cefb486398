-- The table of CLASSP's vision experiment: a row a method and seed, and the mean over seeds. Used by classp_vision.lua.
local table_of = {}

-- The columns: title and what they show of a run.
local function columns(tasks)
   return {
      { tasks[1] .. " test after task 1", function(run) return run.accuracy[1][1] end },
      { tasks[1] .. " test at the end", function(run) return run.accuracy[2][1] end },
      { tasks[2] .. " test at the end", function(run) return run.accuracy[2][2] end },
      { "published: " .. tasks[1], function(run) return run.published and run.published[1] end },
      { "published: " .. tasks[2], function(run) return run.published and run.published[2] end },
      { "weights changed in task 2, %", function(run) return run.metrics.update_density[2] * 100 end },
      { "weights moved a step, %", function(run) return (run.metrics.step_density[1] + run.metrics.step_density[2]) * 50 end },
      { "state, MB", function(run) return run.bytes.state_in_training / 1e6 end },
   }
end

local function mean(list)
   local sum = 0
   for _, v in ipairs(list) do sum = sum + v end
   return #list > 0 and sum / #list or nil
end

local function line(cells) return "| " .. table.concat(cells, " | ") .. " |" end

local function number(v) return v and ("%.2f"):format(v) or "-" end

local function row_of(result, shown)
   local cells = { result.method, tostring(result.seed) }
   for _, column in ipairs(shown) do
      cells[#cells + 1] = result.run.diverged and "diverged" or number(column[2](result.run))
   end
   return line(cells)
end

local function mean_of(method, results, shown)
   local cells, runs = { "**" .. method .. "**", "mean" }, {}
   for _, result in ipairs(results) do
      if result.method == method and not result.run.diverged then runs[#runs + 1] = result.run end
   end
   for _, column in ipairs(shown) do
      local values = {}
      for _, run in ipairs(runs) do values[#values + 1] = column[2](run) end
      cells[#cells + 1] = number(mean(values))
   end
   return line(cells)
end

-- results: a list of { method =, seed =, run = } in any order.
function table_of.markdown(results, tasks)
   local shown = columns(tasks)
   local titles, rule = { "method", "seed" }, { "---", "---" }
   for _, column in ipairs(shown) do titles[#titles + 1], rule[#rule + 1] = column[1], "---:" end
   local lines, methods, seen, seeds = { line(titles), line(rule) }, {}, {}, {}
   for _, result in ipairs(results) do
      if not seen[result.method] then methods[#methods + 1], seen[result.method] = result.method, true end
      seeds[result.seed] = true
   end
   local several = next(seeds, (next(seeds))) ~= nil
   for _, method in ipairs(methods) do
      for _, result in ipairs(results) do
         if result.method == method then lines[#lines + 1] = row_of(result, shown) end
      end
      if several then lines[#lines + 1] = mean_of(method, results, shown) end
   end
   return table.concat(lines, "\n") .. "\n"
end

-- The same for programs: a record a run.
function table_of.summary(results, tasks, stream)
   local records = {}
   for i, result in ipairs(results) do
      local run = result.run
      records[i] = { method = result.method, seed = result.seed, diverged = run.diverged }
      if not run.diverged then
         records[i].accuracy, records[i].published = { unpack(run.accuracy) }, run.published
         records[i].update_density, records[i].step_density = run.metrics.update_density, run.metrics.step_density
         records[i].state_bytes, records[i].weights_sha256 = run.bytes.state_in_training, run.hash or run.weights_sha256
      end
   end
   return { tasks = tasks, stream_sha256 = stream:hash(), runs = records }
end

return table_of
