-- engram sweep: runs a script once for every combination of settings, some at a time, and goes on with what is not finished.
local core = require "engram.core"
local quote = require "engram.shell"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "run a script for every combination of settings",
   usage = "sweep [options] FILE key=a,b seed=1..5 | sweep --resume SWEEP",
   text = "Values stand between commas; 1..5, 0..1..0.25 and 0.01..10..x10 are ranges; a list stands in brackets: hidden=[9,5],[4].\n"
      .. "The jobs and the names of their run directories are fixed once, in SWEEP/sweep.json; SWEEP/jobs.txt has a shell line for\n"
      .. "each, which begins the job, goes on with it, or does nothing when it is finished. A job that fails does not stop the others.",
   options = {
      { "j", value = "N", number = 1, doc = "jobs at a time (default: the cores)" },
      { "plugin", value = "FILE", many = true, doc = "load an optimizer (.lua or .so) in each job; may be given again" },
      { "threads", value = "N", number = 1,
         doc = "threads of each job (default: cores / jobs at a time, 1 with --slurm and --print-jobs); never changes a result" },
      { "resume", value = "SWEEP", doc = "run what is not finished of a sweep; engram resume SWEEP does the same" },
      { "fail-fast", doc = "stop the others when a job fails" },
      { "name", value = "NAME", doc = "name the sweep's directory after NAME" },
      { "runs", value = "DIR", doc = "put the sweep's directory below DIR" },
      { "print-jobs", doc = "print the lines for another job runner instead of running them" },
      { "slurm", doc = "write SWEEP/sweep.sbatch, a Slurm array (-j: tasks at a time), instead of running" },
      { "pack", value = "M", number = 1, doc = "with --slurm: jobs of one task, one after the other" },
      { "evaluate-on", value = "WHAT", choices = { "validation", "both" }, doc = "of each job's trainings: see engram run" },
      { "budget", value = "LIMITS", doc = "of each job's trainings: state_bytes=N,arithmetic=N; see engram run" },
      { "dry-run", doc = "list the jobs and stop; nothing is written" },
      { "quiet", doc = "no progress" },
   },
}

-- ---- before anything runs ---------------------------------------------------------------------------------

-- A script that declares no settings would run to its end.
local function declares_settings(script)
   local file = io.open(script)
   if not file then return true end
   local text = file:read "*a" or ""
   file:close()
   return not script:find "%.lua$" or text:find("settings", 1, true) ~= nil
end

-- refusal(script, words): what `engram run --settings` says of one job when it refuses it, else nil. For `engram verify` too.
function command.refusal(script, words, plugins)
   if not declares_settings(script) then return nil end
   local quoted = {}
   for _, plugin in ipairs(plugins or {}) do quoted[#quoted + 1] = "--plugin " .. quote(plugin) end
   for _, word in ipairs{ script, unpack(words) } do quoted[#quoted + 1] = quote(word) end
   local pipe = io.popen(("timeout 60 %s run --settings %s 2>&1 >/dev/null </dev/null; echo \"$?\""):format(quote(arg[0]),
      table.concat(quoted, " ")))
   local said, code = pipe:read "*a":match "^(.-)\n?(%d+)\n$"
   pipe:close()
   return code == "2" and said:match "([^\n]*)$":gsub("^engram: ", "") or nil
end

-- Every value once, the other keys at their first: a wrong word is told now, not by every job. For `engram select` too.
function command.check_settings(script, axes, plugins)
   local first = {}
   for i, axis in ipairs(axes) do first[i] = axis.key .. "=" .. axis.values[1] end
   local function try(words)
      local said = command.refusal(script, words, plugins)
      if said then usage_error("%s", said) end
   end
   try(first)
   for i, axis in ipairs(axes) do
      for k = 2, #axis.values do
         local words = { unpack(first) }
         words[i] = axis.key .. "=" .. axis.values[k]
         try(words)
      end
   end
end

-- ---- running ----------------------------------------------------------------------------------------------

local function count(n, word) return ("%d %s%s"):format(n, word, n == 1 and "" or "s") end

local function print_failures(sweep, failures, waiting)
   io.stderr:write(("engram: %d of %s failed%s:\n"):format(#failures, count(#sweep.jobs, "job"),
      waiting > 0 and (", %d never started"):format(waiting) or ""))
   for _, job in ipairs(failures) do
      io.stderr:write(("  %s: %s\n    log: %s\n"):format(job.name, job.reason, sweep:log_of(job)))
   end
end

-- The comparison of what is finished, by all that varies but the seed.
local function print_table(sweep)
   local by = {}
   for _, key in ipairs(sweep.varying) do if key ~= "seed" then by[#by + 1] = key end end
   local records, problems = require "engram.compare.records"{ sweep.path }
   if #records == 0 then return end
   local options = { by = #by > 0 and table.concat(by, ",") or nil }
   local ok, problem = pcall(require "engram.cli.compare".print, options, records, problems)
   if ok then return end
   local reason = (type(problem) == "table" and problem.usage or tostring(problem)):gsub("^compare: ", "")
   local option = reason:match "; name others with (%-%-metric NAME)$" or "--over KEY"
   print(("no table: %s; make one with: engram compare %s %s"):format(reason:gsub("; name others with .*", ""), quote(sweep.path), option))
end

local function show_comparison(sweep, finished)
   print_table(sweep)
   if finished == #sweep.jobs and require "engram.sweep.average"(sweep.path) then
      print(("means over seeds for TensorBoard: tensorboard --logdir %s"):format(quote(sweep.path .. "/tensorboard")))
   end
end

-- Runs what is not finished; then show(sweep, finished) tells what is (default: the comparison). The exit code. For `engram verify` too.
function command.run_all(sweep, values, show)
   require "engram.run.progress".quiet = values.quiet or false
   local parallel = values.j or sweep.parallel
   print(("%s, %d at a time, %s each: %s"):format(count(#sweep.jobs, "job"), parallel, count(sweep.threads, "thread"), sweep.path))
   io.stdout:flush()
   if sweep:script_has_changed() then
      io.stderr:write(("engram: note: %s has changed since these jobs were planned: what is finished is of the script as it was\n"):format(
         sweep.script))
   end
   local failures, finished, waiting = require "engram.sweep.pool"(sweep, { parallel = parallel, fail_fast = values["fail-fast"] })
   local signal = core.interrupted()
   if finished > 0 and not signal then (show or show_comparison)(sweep, finished) end
   io.stdout:flush()
   if #failures > 0 then print_failures(sweep, failures, waiting) end
   if signal then io.stderr:write("engram: interrupted\n") end
   if finished < #sweep.jobs then io.stderr:write("engram: go on with: engram resume ", quote(sweep.path), "\n") end
   return signal and 128 + signal or finished < #sweep.jobs and 1 or 0
end

-- Goes on with the sweep in a folder; for `engram resume` too.
function command.resume(values, path)
   local sweep = require "engram.sweep".load(path)
   sweep.threads = values.threads or sweep.threads
   if C.eg_make_folders(sweep.path .. "/logs") ~= 0 then core.raise("sweep: %s", core.message()) end
   sweep:write_lines()                                -- the sweep, or this program, may have been moved
   return command.run_all(sweep, values)
end

local GO_WITH_RESUME = { resume = true, j = true, threads = true, ["fail-fast"] = true, quiet = true }

-- What is gone on with is fixed: words and other options would do nothing. For `engram select` too.
function command.check_resume(who, values, words)
   if words[1] then usage_error("%s --resume takes no words, got '%s': what is run was fixed when it was planned", who, words[1]) end
   for name in pairs(values) do
      if not GO_WITH_RESUME[name] then
         usage_error("%s --resume does not go with --%s: what is run was fixed when it was planned", who, name)
      end
   end
end

-- ---- the command ------------------------------------------------------------------------------------------

local function write_slurm(sweep, values)
   local path, text = sweep.path .. "/sweep.sbatch", require "engram.sweep.slurm"(sweep, sweep.parallel, values.pack or 1)
   core.check(C.eg_file_write(path, text, #text))
   print(path)
   io.stderr:write("engram: submit it with: sbatch --time=HH:MM:SS ", quote(path), "\n")
   return 0
end

-- How many jobs at a time, and how many threads each; for `engram select` too.
function command.shares(values, jobs)
   local parallel = values.j or math.min(C.eg_cores(), jobs)
   return parallel, values.threads
      or (values.slurm or values["print-jobs"]) and 1 or math.max(1, math.floor(C.eg_cores() / parallel))
end

local function make(values, script, words)
   require "engram.cli.plugins".load(values.plugin)   -- what no job could load is said before the first
   if values.budget then require "engram.cl.budget".of_words(values.budget) end
   local jobs, varying, axes = require "engram.sweep.expand"(words)
   command.check_settings(script, axes, values.plugin)
   local parallel, threads = command.shares(values, #jobs)
   local runs = values.runs or os.getenv "ENGRAM_RUNS"
   return require "engram.sweep".new{ script = script, jobs = jobs, varying = varying, parallel = parallel, threads = threads,
      plugins = values.plugin, evaluate_on = values["evaluate-on"], budget = values.budget, name = values.name,
      runs = runs ~= "" and runs or nil }
end

function command.run(values, words)
   if values.resume then
      command.check_resume("sweep", values, words)
      return command.resume(values, values.resume)
   end
   local script = table.remove(words, 1) or usage_error "sweep: which script? engram sweep FILE key=a,b seed=1..5"
   if values.pack and not values.slurm then usage_error "sweep: --pack goes with --slurm" end
   local sweep = make(values, script, words)
   if values["dry-run"] then
      for _, job in ipairs(sweep.jobs) do print(table.concat({ job.name .. ":", script, unpack(job.words) }, " ")) end
      return 0
   end
   sweep:save()
   if values.slurm then return write_slurm(sweep, values) end
   if values["print-jobs"] then
      io.stderr:write("engram: the same list is in ", sweep.path, "/jobs.txt\n")
      io.stdout:write(sweep:lines())
      return 0
   end
   return command.run_all(sweep, values)
end

return command
