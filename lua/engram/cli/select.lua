-- engram select: which settings methods are given: a search with an equal number of trials for each, what several rules choose, and what
-- the choices are worth on the test sets, which the search does not see.
local core = require "engram.core"
local quote = require "engram.shell"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "choose settings on validation sets, by several rules side by side",
   usage = "select [options] FILE [key=value ...] : key=value key=a,b ... [: ...] | select --resume SWEEP",
   text = "Before the first colon stands what all methods have in common, seed=1..3 of the search among it; behind each colon a\n"
      .. "method: what has one value names it, what has several (as in engram sweep) is searched. Each gets the same number of\n"
      .. "trials, on validation sets, with the test sets sealed. What each rule chose is trained with other seeds and tested.",
   options = {
      { "trials", value = "N", number = 1, doc = "trials of each method, drawn from its combinations (default: all, equally many)" },
      { "draw", value = "SEED", number = 0, doc = "the seed by which they are drawn (default: 0)" },
      { "budget", value = "LIMITS", doc = "of all trainings, so that methods had the same: state_bytes=N,arithmetic=N; see engram run" },
      { "final", value = "SEEDS", doc = "seeds of the final report, as 11..16 (default: the six after those of the search)" },
      { "first", value = "K", number = 1, doc = "tasks that the rule of the first tasks may see (default: 3)" },
      { "by-test", doc = "also choose by the test sets, which is cheating: the search then looks at them" },
      { "j", value = "N", number = 1, doc = "jobs at a time (default: the cores)" },
      { "plugin", value = "FILE", many = true, doc = "load an optimizer (.lua or .so) in each job; may be given again" },
      { "threads", value = "N", number = 1, doc = "threads of each job (default: cores / jobs at a time); never changes a result" },
      { "resume", value = "SWEEP", doc = "go on with a selection; engram resume does the same" },
      { "name", value = "NAME", doc = "name its directory after NAME" },
      { "runs", value = "DIR", doc = "put its directory below DIR" },
      { "dry-run", doc = "list the trials and stop; nothing is written" },
      { "quiet", doc = "no progress" },
   },
}

-- ---- the stages -------------------------------------------------------------------------------------------

local function go_on_with(self) io.stderr:write("engram: go on with: engram resume ", quote(self.path), "\n") end

-- Runs what is not finished of a sweep; the exit code when that was interrupted, else nil.
local function run_stage(self, title, sweep)
   print(("%s: %d job%s, %d at a time: %s"):format(title, #sweep.jobs, #sweep.jobs == 1 and "" or "s", self.parallel, sweep.path))
   io.stdout:flush()
   local failures = require "engram.sweep.pool"(sweep, { parallel = self.parallel })
   for _, job in ipairs(failures) do
      io.stderr:write(("engram: failed: %s: %s\n    log: %s\n"):format(job.name, job.reason, sweep:log_of(job)))
   end
   local signal = core.interrupted()
   if not signal then return nil, failures end
   io.stderr:write "engram: interrupted\n"
   go_on_with(self)
   return 128 + signal
end

-- What was killed, as for want of memory, is no result: nothing is chosen without it. The exit code, or nil.
local function stop_for_killed(self, failures)
   local killed = 0
   for _, job in ipairs(failures) do killed = killed + (job.killed and 1 or 0) end
   if killed == 0 then return nil end
   io.stderr:write(("engram: select: %d of the search's jobs %s killed, so nothing is chosen yet; fewer at a time (-j) need less memory\n")
      :format(killed, killed == 1 and "was" or "were"))
   go_on_with(self)
   return 1
end

-- Everything that is left to do; the exit code.
local function run_all(self, values)
   require "engram.run.progress".quiet = values.quiet or false
   local code, failures
   if not self:is_chosen() then
      code, failures = run_stage(self, "search", self.search)
      code = code or stop_for_killed(self, failures)
      if code then return code end
   end
   local final, choices = self:final()
   code, failures = run_stage(self, "final", final)
   if code then return code end
   local text = self:report(choices)
   core.check(C.eg_file_write(self.path .. "/report.md", text, #text))
   io.stdout:write("\n", text)
   if #failures > 0 then go_on_with(self) end
   return #failures > 0 and 1 or 0
end

-- Goes on with the selection in a folder; for `engram resume` too.
function command.resume(values, path)
   local self = require "engram.select".load(require "engram.run.describe".absolute(path):gsub("/+$", ""))
   self.parallel, self.threads = values.j or self.parallel, values.threads or self.threads
   for _, name in ipairs{ "search", "final" } do
      if name == "search" or self:is_chosen() then
         local sweep = name == "search" and self.search or self:final()
         sweep.threads = self.threads
         sweep:write_lines()                          -- it, or this program, may have been moved
      end
   end
   return run_all(self, values)
end

-- ---- the command ------------------------------------------------------------------------------------------

-- The seeds of the final report: those given, or the six after those of the search; none may be in both.
local function final_seeds(text, seeds)
   local most, searched, list = 0, {}, {}
   for _, seed in ipairs(seeds) do
      if not tonumber(seed) then usage_error("select: seed=%s is no number", seed) end
      most, searched[tonumber(seed)] = math.max(most, tonumber(seed)), true
   end
   if not text then
      for i = 1, 6 do list[i] = ("%.0f"):format(most + i) end
      return list
   end
   local _, _, axes = require "engram.sweep.expand"{ "seed=" .. text }
   for _, seed in ipairs(axes[1].values) do
      if not tonumber(seed) then usage_error("select: --final %s: '%s' is no seed", text, seed) end
      if searched[tonumber(seed)] then
         usage_error("select: --final %s: seed %s is one of the search: a report has seeds of its own", text, seed)
      end
   end
   return axes[1].values
end

local function check_settings(script, plan, plugins)
   for _, method in ipairs(plan.methods) do
      local axes = { unpack(plan.axes) }
      for _, axis in ipairs(method.axes) do axes[#axes + 1] = axis end
      require "engram.cli.sweep".check_settings(script, axes, plugins)
   end
end

local function trials_of(plan)
   local count = 0
   for _, method in ipairs(plan.methods) do count = count + #method.trials * #plan.seeds end
   return count
end

local function print_trials(plan)
   for _, method in ipairs(plan.methods) do
      print(("%s: %d trials, seeds %s"):format(method.name, #method.trials, table.concat(plan.seeds, ",")))
      for _, trial in ipairs(method.trials) do print("  " .. table.concat(trial.words, " ")) end
   end
   return 0
end

function command.run(values, words)
   if values.resume then
      require "engram.cli.sweep".check_resume("select", values, words)
      return command.resume(values, values.resume)
   end
   local script = table.remove(words, 1)
   if not script or script == ":" then usage_error "select: which script? engram select FILE : method=SGD lr=0.1,0.01" end
   require "engram.cli.plugins".load(values.plugin)
   if values.budget then require "engram.cl.budget".of_words(values.budget) end
   local plan = require "engram.select.plan"(words, values.trials, values.draw)
   local finals, first = final_seeds(values.final, plan.seeds), values.first or 3
   check_settings(script, plan, values.plugin)
   if values["dry-run"] then return print_trials(plan) end
   local runs = values.runs or os.getenv "ENGRAM_RUNS"
   local experiment = script:match "([^/]*)$":gsub("%.%a+$", "")
   local path = require "engram.run".new_path(runs ~= "" and runs or nil, experiment, values.name or "select")
   local parallel, threads = require "engram.cli.sweep".shares(values, trials_of(plan))
   local self = require "engram.select".new(plan, { script = script, final_seeds = finals, first = first, by_test = values["by-test"],
      parallel = parallel, threads = threads, plugins = values.plugin, budget = values.budget,
      path = require "engram.run.describe".absolute(path):gsub("/%./", "/") })
   self:save()
   return run_all(self, values)
end

return command
