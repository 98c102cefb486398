-- engram diff: what two runs differ in: settings, environment, and the numbers that they came to.
local columns = require "engram.cli.columns"
local flat = require "engram.run.flat"
local runs = require "engram.cli.runs"
local usage_error = require "engram.usage"

local command = {
   summary = "what two runs differ in: settings, environment, results",
   usage = "diff RUN RUN",
   text = "A RUN is a run's folder, or the end of its name when it is below ./runs (or $ENGRAM_RUNS). Trainings of one name are\n"
      .. "compared with one another.",
}

local function print_table(title, rows, how)
   print(title)
   for _, line in ipairs(columns.lines(rows, how)) do print("  " .. line) end
end

-- The keys in which two maps of words differ, a row each.
local function print_words(title, a, b)
   local rows = { { "", "A", "B" } }
   for i, key in ipairs(flat.differences{ a, b }) do
      rows[i + 1] = { key, columns.cut(a[key] or "-", 40, 10), columns.cut(b[key] or "-", 40, 10) }
   end
   if #rows == 1 then print(title .. ": the same") else print_table(title, rows) end
end

local function sorted_keys(a, b)
   local set, keys = {}, {}
   for _, map in ipairs{ a, b } do
      for key in pairs(map) do
         if not set[key] then keys[#keys + 1], set[key] = key, true end
      end
   end
   table.sort(keys)
   return keys
end

-- The numbers of two trainings side by side; the weights' bits are compared too.
local function print_training(a, b)
   local x, y, rows = a and runs.numbers(a) or {}, b and runs.numbers(b) or {}, { { "", "A", "B", "B - A" } }
   for i, key in ipairs(sorted_keys(x, y)) do
      local both = x[key] and y[key]
      rows[i + 1] = { key, runs.number(x[key]), runs.number(y[key]), both and (y[key] == x[key] and "0" or runs.number(y[key] - x[key]))
         or "-" }
   end
   local name = (a or b).name
   local first, second = a and a.summary.weights_sha256, b and b.summary.weights_sha256
   local weights = first and second and (first == second and ": the same weights, to the bit" or ": other weights") or ""
   print_table("training" .. (name and " " .. name or "") .. weights, rows, { right = { false, true, true, true } })
end

local function by_folder(run)
   local map = {}
   for _, training in ipairs(run.trainings) do map[training.folder] = training end
   return map
end

function command.run(_, words)
   if #words ~= 2 then usage_error("diff: expected two runs, got %d: engram diff RUN RUN", #words) end
   local a, b = runs.one("diff", words[1]), runs.one("diff", words[2])
   print(table.concat(columns.lines{ { "A", a.path, runs.state(a) }, { "B", b.path, runs.state(b) } }, "\n"))
   print_words("settings", a.words, b.words)
   print_words("environment", runs.environment(a), runs.environment(b))
   local of_a, of_b = by_folder(a), by_folder(b)
   for _, folder in ipairs(sorted_keys(of_a, of_b)) do print_training(of_a[folder], of_b[folder]) end
   io.stdout:flush()
   for _, run in ipairs{ a, b } do
      for _, line in ipairs(run.problems) do io.stderr:write("engram: not read: ", line, "\n") end
   end
   return 0
end

return command
