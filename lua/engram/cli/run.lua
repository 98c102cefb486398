-- engram run: executes a script with its settings overridden and a run directory open.
local core = require "engram.core"
local describe = require "engram.run.describe"
local into = require "engram.run.into"
local left = require "engram.run.left"
local plugins = require "engram.cli.plugins"
local progress = require "engram.run.progress"
local quote = require "engram.shell"
local rehearsal = require "engram.cl.rehearsal"
local run = require "engram.run"
local scripts = require "engram.cli.script"
local settings = require "engram.settings"
local usage_error = require "engram.usage"
local words_of = require "engram.settings.words"
local C = core.C

local command = {
   summary = "run a script, with its settings overridden",
   usage = "run [options] FILE [key=value ...]",
   text = "FILE is a Lua script, the name of one in experiments/, or a settings file (YAML) that says `script: NAME.lua` or stands\n"
      .. "beside the script of its name. Words after FILE of the form key=value override what the file says and the script\n"
      .. "declares with engram.settings{...}; words after -- are the script's alone (all are in `arg`). The run's settings,\n"
      .. "metrics, weights and status go to a new directory below ./runs (or $ENGRAM_RUNS, or --runs).",
   pass = true,
   options = {
      { "name", value = "NAME", doc = "name the run's directory after NAME instead of the overrides" },
      { "runs", value = "DIR", doc = "put run directories below DIR" },
      { "into", value = "DIR", doc = "make DIR the run's directory: begin it, go on with it, or do nothing when it is finished" },
      { "no-run", doc = "write no run directory" },
      { "config", value = "FILE", doc = "take settings from a file of YAML" },
      { "dry-run", doc = "tell the first training's model, optimizer, data, steps and expected time, and stop" },
      { "settings", doc = "list the settings that the script declares, and stop: engram config --explain" },
      { "plugin", value = "FILE", many = true, doc = "load an optimizer (.lua or .so) before the script; may be given again" },
      { "seed", value = "N", number = 0, doc = "the root seed, and the default of a setting named seed" },
      { "threads", value = "N", number = 1, doc = "threads (default: the cores); never changes a result" },
      { "evaluate-on", value = "WHAT", choices = { "validation", "both" },
         doc = "of every training, whatever the script says: validation sets, with the test sets sealed, or both" },
      { "budget", value = "LIMITS", doc = "what no training may go beyond, whatever the script says: state_bytes=N,arithmetic=N" },
      { "report", doc = "write an HTML report into the run's directory when it is finished" },
      { "tensorboard", doc = "write TensorBoard's event files too, into tensorboard/ beside each metrics.jsonl" },
      { "quiet", doc = "no progress" },
   },
}

-- ---- errors: the message and the user's own frames --------------------------------------------------------

local function is_ours(info)
   local ours = "@" .. scripts.lua_folder .. "/engram/"
   return info.source:sub(1, 1) ~= "@" or info.source:sub(1, #ours) == ours
end

local function traceback(message)
   local lines = { message }
   if os.getenv "ENGRAM_DEBUG" then return debug.traceback(message, 3) end
   for level = 3, 200 do
      local info = debug.getinfo(level, "Sln")
      if not info or #lines > 10 then break end
      if info.what ~= "C" and info.currentline > 0 and not is_ours(info) then
         lines[#lines + 1] = ("   %s:%d: in %s"):format(info.short_src, info.currentline,
            info.what == "main" and "the script" or info.name or "a function")
      end
   end
   if #lines == 2 and message:find(lines[2]:match "^%s*(.-:%d+:)", 1, true) then lines[2] = nil end  -- says nothing more
   return table.concat(lines, "\n")
end

local function describe_error(problem)
   if type(problem) == "table" and problem.usage then return problem end
   if type(problem) ~= "string" and not (getmetatable(problem) or {}).__tostring then
      problem = ("the script raised a %s without a message"):format(type(problem))
   end
   local message = tostring(problem):gsub(":?\n\tno f[^\n]*", "")     -- the places where require looked
   return { message = message, text = traceback(message) }
end

-- ---- the run ----------------------------------------------------------------------------------------------

local function open_run(values, script, words, given)
   if values["no-run"] or values.show or values["dry-run"] then return end
   local folder = values.runs or os.getenv "ENGRAM_RUNS"
   run.begin{
      experiment = (given and given.path or script):match "([^/]*)$":gsub("%.%a+$", ""),
      name = values.name, words = words_of.overrides(words), script = script,
      runs = folder ~= "" and folder or nil, path = values.into, seed = values.seed, threads = values.threads, arguments = words,
      report = values.report, evaluate_on = values["evaluate-on"], budget = values.budget,
      tensorboard = values.tensorboard, source = given and given.text, plugins = values.plugin,
      command = into.command(values, values.file or script, words),
   }
end

-- What a script prints is also in its log.
local function tee_print()
   local plain_print = print
   function _G.print(...)
      plain_print(...)
      local current = run.current()
      if not current then return end
      local parts = {}
      for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
      current:log(table.concat(parts, "\t"))
   end
end

-- Returns the script's words.
local function prepare(values, script, words, given)
   local own = words_of.of_script(words)
   own[-1], own[0] = arg[0], script
   _G.arg = own
   package.path = package.path .. ";" .. (script:match "^(.*/)" or "./") .. "?.lua"
   progress.quiet = values.quiet or false
   if values.threads then core.threads(values.threads) end
   if values.seed then require("engram.random").seed(values.seed) end
   settings.defaults_of_run = { seed = values.seed, threads = values.threads }
   settings.changed = { threads = values.changed_threads }
   require "engram.cl.seal".wanted = values["evaluate-on"]
   local budget = require "engram.cl.budget"
   budget.wanted = values.budget and budget.of_words(values.budget)
   rehearsal.wanted = values["dry-run"] and "dry-run" or values.show and "settings"
   settings.override(words)
   settings.file(given)
   function settings.on_declare(resolved)
      if values.show then
         if values.show_script then io.stdout:write("script: ", require "engram.yaml".encode(describe.absolute(script))) end
         io.stdout:write(settings.yaml(values.show == "explained"))
         os.exit(0)
      end
      local current, log = run.current(), rawget(resolved, "log")
      if type(log) == "table" and rawget(log, "tensorboard") == true then
         require "engram.run.tensorboard".check "log.tensorboard"
         if current then current.tensorboard = true end
      end
      if not current then return end
      current:write_json("settings.json", resolved)
      if type(rawget(resolved, "seed")) == "number" then current:note_seed(resolved.seed) end
      current:write("config.yaml", settings.yaml())
      if C.eg_file_kind(current.path .. "/origins.json") == 0 then current:write_json("origins.json", settings.origins()) end
   end
   return own
end

-- LuaJIT's own failures (out of stack, out of memory, bytecode) name no place.
local function with_name(script, message)
   return message:find(script, 1, true) and message or script .. ": " .. message
end

local function say(...) io.stderr:write("engram: ", table.concat{ ... }, "\n") end

-- How to go on with a run that failed, by what it said; nothing where it has no checkpoint to go on from.
local function say_how_to_go_on(folder, message)
   local line = "go on with: engram resume " .. quote(folder)
   if message:find("No space left on device", 1, true) or message:find("Disk quota exceeded", 1, true) then
      say("make room, then ", line)
   elseif message:find("Read-only file system", 1, true) then
      say("when it can be written again, ", line)
   elseif left.has_checkpoint(folder) then
      say("when that is mended, ", line)
   end
end

-- Ends a run that went well, with the report that the script or --report asked for; the exit code. What the run did stands without it.
local function finish_well()
   local current = run.current()
   run.finish "finished"
   if not current then return 0 end
   if not progress.quiet then
      say("finished in ", progress.duration(C.eg_clock() - current.clock), ": ", current.path)
      say("look at it with: engram show ", quote(current.path))
   end
   if not current.wants_report then return 0 end
   local ok, result = pcall(function() return require "engram.report"(current.path) end)
   if not ok then
      io.stderr:write("engram: ", tostring(result), "\n")
      return 1
   end
   print("report: " .. result)
   return 0
end

-- os.exit in a script ends the run too, and closes the Lua state.
local function catch_exit()
   local exit = os.exit
   rawset(os, "exit", function(code)
      if code == nil or code == true then code = 0 elseif code == false then code = 1 end
      if code == 0 then code = finish_well() else run.finish "failed" end
      exit(require "engram.cli.output"(code), true)
   end)
end

-- The exit code for how the script ended.
local function conclude(ok, problem)
   local signal = core.interrupted()
   C.eg_interrupt_trap(1)                -- what is left to do must not be interrupted
   io.stdout:flush()
   local folder = run.current() and run.current().path
   if problem and problem.usage then
      run.discard(problem.usage)
      usage_error("%s", problem.usage)
   elseif signal then
      run.finish("interrupted")
      say("interrupted", folder and "; what was done is in " .. folder or "")
      if folder then say("go on with: engram resume ", quote(folder)) end
      return 128 + signal
   elseif ok then
      return finish_well()
   end
   run.finish("failed", problem.message)
   say(problem.text)
   if folder then say_how_to_go_on(folder, problem.message) end
   return 1
end

-- What is left to say when the script came to its end; nil when all is well.
local function left_over(values)
   if settings.unused() then return settings.unused() end
   if values.show then return "the script declares no settings" end
   if values["dry-run"] then return "the script came to its end without a cl.train" end
end

-- Runs the script with its words in the run that open() opens; the exit code. For `engram resume` too. `given`: a settings file.
function command.execute(values, script, words, open, given)
   local chunk, problem = loadfile(script, "t")
   if not chunk then
      io.stderr:write("engram: ", with_name(script, problem), "\n")
      return 1
   end
   local loaded = plugins.load(values.plugin)
   local own = prepare(values, script, words, given)
   open()
   for _, plugin in ipairs(run.current() and loaded or {}) do run.current():note_plugin(plugin.path, plugin.sha256) end
   tee_print()
   catch_exit()
   local ok, result = xpcall(chunk, describe_error, unpack(own))
   if type(result) == "string" then result = { message = result, text = with_name(script, result) } end
   local unsaid = ok and left_over(values)
   if unsaid then ok, result = false, { message = unsaid, text = unsaid } end
   return conclude(ok, not ok and result or nil)
end

-- Runs FILE with its words; `who` is the command's name, for messages.
function command.start(who, values, file, words)
   local script, given = scripts.find(who, file, values.config)
   values.file = file
   return command.execute(values, script, words, function() open_run(values, script, words, given) end, given)
end

-- What writes no run directory has no place for what these would write.
local function check_no_run(values)
   for _, other in ipairs(values["no-run"] and { "name", "runs", "report", "tensorboard" } or {}) do
      if values[other] then usage_error("run: --no-run writes no run directory: it does not go with --%s", other) end
   end
end

function command.run(values, words)
   if values.tensorboard then require "engram.run.tensorboard".check "run: --tensorboard" end
   check_no_run(values)
   local file = table.remove(words, 1)
   if values.into and file and into.begun(values, file, words) then
      return require "engram.cli.resume".run({ threads = values.threads, quiet = values.quiet, into = true }, { values.into })
   end
   values.show = values.settings and "explained"
   return command.start("run", values, file, words)
end

return command
