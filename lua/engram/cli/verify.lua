-- engram verify: runs a published table, some runs at a time, and tells cell by cell whether what was found is found again.
local core = require "engram.core"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "run a published table and tell which of its cells are found again",
   usage = "verify [options] TABLE [cells=ROW,ROW/COLUMN,*/COLUMN] | verify",
   text = "Without a word: the tables there are. TABLE is one of them, or a file of your own, ./NAME.yaml. Its runs, each a process, go\n"
      .. "to runs/verify/NAME, where a later call goes on: what is finished there is not run again, more seeds and other cells are added.\n"
      .. "A cell passes when |ours - theirs| <= 2 sqrt(SD_theirs^2 / n_theirs + SD_ours^2 / n). Cells that fail are a result: the exit\n"
      .. "code is 0 when all runs ran and have their figures.",
   options = {
      { "seeds", value = "N", doc = "seeds 1 to N, or A..B or A,B, run and reported (default: the table's, and all that there are)" },
      { "j", value = "N", number = 1, doc = "runs at a time (default: the cores)" },
      { "threads", value = "N", number = 1, doc = "threads of each run (default: 1); never changes a result" },
      { "into", value = "DIR", doc = "the folder of the runs, instead of runs/verify/NAME" },
      { "runs", value = "DIR", doc = "put verify/NAME below DIR" },
      { "measured", doc = "tell what is measured so far, and run nothing" },
      { "fail-fast", doc = "stop the others when a run fails" },
      { "dry-run", doc = "list the runs and stop; nothing is written" },
      { "quiet", doc = "no progress" },
   },
}

-- As tables, jobs and the rest are not loaded before they are needed.
local function tables() return require "engram.verify.table" end

-- ---- the folder -------------------------------------------------------------------------------------------

local function folder_of(values, name)
   if values.into and values.runs then usage_error "verify: --into names the folder itself: it does not go with --runs" end
   if values.into then return values.into end
   local runs = values.runs or os.getenv "ENGRAM_RUNS"
   return ("%s/verify/%s"):format(runs and runs ~= "" and runs or "runs", name)
end

-- The jobs that the folder has already, and then those of now that it has not.
local function all_jobs(path, jobs)
   local list, known = {}, {}
   local old = C.eg_file_kind(path .. "/sweep.json") == 1 and require "engram.sweep".load(path).jobs or {}
   for _, source in ipairs{ old, jobs } do
      for _, job in ipairs(source) do
         if not known[job.name] then list[#list + 1] = job end
         known[job.name] = true
      end
   end
   return list
end

-- ---- telling ----------------------------------------------------------------------------------------------

-- The seeds that the runs of a folder have, in their order.
local function seeds_of(jobs)
   local list, known = {}, {}
   for _, job in ipairs(jobs) do
      local seed = tonumber(job.name:match "%-s(%d+)$")
      if seed and not known[seed] then list[#list + 1], known[seed] = seed, true end
   end
   table.sort(list)
   return list
end

local function all() return true end

-- Writes report.md and report.json, and prints the first: of the seeds asked for, or of all that the folder has. Where cells or seeds of
-- what is measured are only looked at, nothing is written.
local function tell(table_, path, values, fits)
   local verdict, report = require "engram.verify.verdict", require "engram.verify.report"
   local found = verdict.of(table_, path, fits or all, values.seeds or seeds_of(require "engram.sweep".load(path).jobs))
   if values.measured and (values.seeds or fits) then
      print(report.text(table_, found))
   else
      print(report.write(table_, found, path))
      print(("report: %s/report.md, report.json"):format(path))
   end
   local whole = #found.damaged == 0
   for _, cell in ipairs(found.cells) do whole = whole and not cell.missing end
   return whole and 0 or 1
end

local function list_tables()
   for _, name in ipairs(tables().names()) do
      local table_ = tables().load(tables().find(name))
      print(("%-14s %s"):format(name, table_.title))
      print(("%-14s %d rows, %d columns, %d seeds; %s"):format("", #table_.rows, #table_.columns, table_.seeds, table_.source))
   end
   return 0
end

-- ---- running ----------------------------------------------------------------------------------------------

-- A sweep whose jobs find their table beside them, wherever the folder is.
local function sweep_of(values, table_, path, jobs, parallel, threads)
   local sweep = require "engram.sweep".new{ script = require "engram.verify.build".script(table_), jobs = jobs,
      varying = { "row", "column", "seed" }, parallel = parallel, threads = values.threads or threads or 1,
      path = require "engram.run.describe".absolute(path) }
   sweep.folder = sweep.path
   return sweep
end

local function run(values, table_, sweep)
   local told
   local code = require "engram.cli.sweep".run_all(sweep, values, function() told = tell(table_, sweep.path, values) end)
   return code ~= 0 and code or told or 0
end

-- Goes on with the runs in a folder; for `engram resume`.
function command.resume(values, path)
   local kept = require "engram.sweep".load(path)
   local table_ = tables().load(path .. "/table.yaml", path:match "[^/]*$")
   table_.found_script = table_.script and kept.script                -- where it was when the table stood elsewhere
   local planned, jobs = {}, {}
   for _, job in ipairs(kept.jobs) do planned[job.name] = true end
   for _, job in ipairs(require "engram.verify.jobs".expand(table_, all, seeds_of(kept.jobs))) do
      if planned[job.name] then jobs[#jobs + 1] = job end            -- others are of the table as it was once
   end
   if #jobs == 0 then
      usage_error("verify: %s: the script or the table has changed since its runs were planned: call engram verify TABLE again, "
         .. "with --into %s", path, path)
   end
   local sweep = sweep_of(values, table_, path, jobs, kept.parallel, kept.threads)
   if C.eg_make_folders(path .. "/logs") ~= 0 then core.raise("verify: %s", core.message()) end
   sweep:write_lines()
   return run(values, table_, sweep)
end

local function cells_of(words)
   local text
   for _, word in ipairs(words) do
      local value = word:match "^cells=(.*)$"
      if not value then
         usage_error("verify: '%s' is no word of verify: after the table comes cells=ROW,ROW/COLUMN", word)
      elseif text then
         usage_error "verify: cells is given twice"
      end
      text = value
   end
   return text
end

-- Raises where the folder holds files of others, or, by the name alone, the runs of another table.
local function check_folder(values, table_, path)
   if C.eg_file_kind(path) ~= 2 or #core.names_in(path) == 0 then return end
   if C.eg_file_kind(path .. "/sweep.json") ~= 1 then
      usage_error("verify: %s holds other files and no runs of a table: choose a new or empty folder with --into DIR", path)
   end
   local ok, other = pcall(tables().load, path .. "/table.yaml")
   if ok and not values.into and other.title ~= table_.title then
      usage_error("verify: %s has the runs of another table, '%s': choose a folder for these with --into DIR", path, other.title)
   end
end

local function begin(values, table_, path, jobs)
   check_folder(values, table_, path)
   local build = require "engram.verify.build"
   build.check_data(table_, jobs)
   build.check_cells(table_, jobs)
   local sweep = sweep_of(values, table_, path, all_jobs(path, jobs), values.j or math.min(C.eg_cores(), #jobs))
   sweep:save()
   core.check(C.eg_file_write(sweep.path .. "/table.yaml", table_.text, #table_.text))
   sweep.jobs = jobs
   return run(values, table_, sweep)
end

function command.run(values, words)
   local name = table.remove(words, 1)
   if not name then
      if next(values) then usage_error "verify: which table? engram verify alone lists them" end
      return list_tables()
   end
   local expand = require "engram.verify.jobs"
   local path, own = tables().find(name)
   local table_ = tables().load(path, own)
   local cells = cells_of(words)
   local fits = expand.cells(cells, table_)
   values.seeds = values.seeds and expand.seeds(values.seeds)
   local jobs = expand.expand(table_, fits, values.seeds or expand.seeds(tostring(table_.seeds)))
   if #jobs == 0 then usage_error("verify: none of these cells has a figure in %s", table_.path) end
   local build = require "engram.verify.build"
   build.check(table_)
   if values["dry-run"] then
      if pcall(build.check_data, table_, jobs) then build.check_cells(table_, jobs) end
      for _, job in ipairs(jobs) do print(job.name) end
      return 0
   end
   local folder = folder_of(values, table_.name)
   if not values.measured then return begin(values, table_, folder, jobs) end
   if C.eg_file_kind(folder .. "/sweep.json") ~= 1 then usage_error("verify: nothing is measured yet: there is no %s", folder) end
   return tell(table_, folder, values, cells and fits)
end

return command
