-- engram run: executes a script with its settings overridden and a run directory open.
local ffi = require "ffi"
local core = require "engram.core"
local progress = require "engram.run.progress"
local run = require "engram.run"
local settings = require "engram.settings"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "run a script, with its settings overridden",
   usage = "run [options] FILE [key=value ...]",
   text = "FILE is a Lua script, or the name of one in experiments/. The words after FILE are in `arg`; those of the form\n"
      .. "key=value override what the script declares with engram.settings{...}. The run's settings, metrics, weights\n"
      .. "and status go to a new directory below ./runs (or $ENGRAM_RUNS, or --runs).",
   pass = true,
   options = {
      { "name", value = "NAME", doc = "name the run's directory after NAME instead of the overrides" },
      { "runs", value = "DIR", doc = "put run directories below DIR" },
      { "no-run", doc = "write no run directory" },
      { "settings", doc = "list the settings that the script declares, and stop" },
      { "seed", value = "N", number = true, doc = "the root seed, and the default of a setting named seed" },
      { "threads", value = "N", number = true, doc = "threads (default: the cores); never changes a result" },
      { "report", doc = "write an HTML report into the run's directory when it is finished" },
      { "tensorboard", doc = "write TensorBoard's event files too, into tensorboard/ beside each metrics.jsonl" },
      { "quiet", doc = "no progress" },
   },
}

-- ---- the script -------------------------------------------------------------------------------------------

local lua_folder = package.searchpath("engram.core", package.path):match "^(.*)/engram/core%.lua$"
local experiments = lua_folder .. "/../experiments"

local function lua_files(folder)
   local list, names = {}, C.eg_file_kind(folder) == 2 and C.eg_list_folder(folder)
   if not names or names == nil then return list end
   for name in ffi.string(names):gmatch "[^\n]+" do
      if name:find "%.lua$" then list[#list + 1] = name end
   end
   return list
end

-- The path of the script that was meant; a file of experiments/ needs neither folder nor ending.
local function find_script(file)
   if not file then usage_error "run: which script? engram run FILE [key=value ...]" end
   if C.eg_file_kind(file) == 1 then return file end
   if C.eg_file_kind(file) == 2 then usage_error("run: %s is a folder, expected a script", file) end
   for _, path in ipairs{ experiments .. "/" .. file, experiments .. "/" .. file .. ".lua" } do
      if not file:find "/" and C.eg_file_kind(path) == 1 then return path end
   end
   local folder, name = file:match "^(.*)/([^/]*)$"
   local nearest = suggest.nearest(name or file, lua_files(folder or "."))
   if nearest then nearest = (folder and folder .. "/" or "") .. nearest
   elseif not folder then nearest = suggest.nearest(file, lua_files(experiments)) end
   usage_error("run: there is no file '%s'%s", file, nearest and (", did you mean '%s'?"):format(nearest) or "")
end

-- ---- errors: the message and the user's own frames --------------------------------------------------------

local function is_ours(info)
   local ours = "@" .. lua_folder .. "/engram/"
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
   local message = tostring(problem):gsub("\n\tno f[^\n]*", "")       -- the places where require looked
   return { message = message, text = traceback(message) }
end

-- ---- the run ----------------------------------------------------------------------------------------------

local function overrides(words)
   local list = {}
   for _, word in ipairs(words) do if word:find "^[%a_][%w_.%-]*=" then list[#list + 1] = word end end
   return list
end

local function open_run(values, script, words)
   if values["no-run"] or values.settings then return end
   local folder = values.runs or os.getenv "ENGRAM_RUNS"
   run.begin{
      experiment = script:match "([^/]*)$":gsub("%.lua$", ""), name = values.name, words = overrides(words), script = script,
      runs = folder ~= "" and folder or nil, seed = values.seed, threads = values.threads, arguments = words,
      report = values.report, tensorboard = values.tensorboard,
      command = "engram run " .. table.concat({ script, unpack(words) }, " "),
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

local function prepare(values, script, words)
   words[-1], words[0] = arg[0], script
   _G.arg = words
   package.path = package.path .. ";" .. (script:match "^(.*/)" or "./") .. "?.lua"
   progress.quiet = values.quiet or false
   if values.threads then core.threads(values.threads) end
   if values.seed then require("engram.random").seed(values.seed) end
   settings.defaults_of_run = { seed = values.seed, threads = values.threads }
   settings.override(words)
   function settings.on_declare(resolved, listing)
      if values.settings then
         print(listing)
         os.exit(0)
      end
      local current, log = run.current(), rawget(resolved, "log")
      if type(log) == "table" and rawget(log, "tensorboard") == true then
         require "engram.run.tensorboard".check "log.tensorboard"
         if current then current.tensorboard = true end
      end
      if current then current:write_json("settings.json", resolved) end
   end
end

-- LuaJIT's own failures (out of stack, out of memory, bytecode) name no place.
local function with_name(script, message)
   return message:find(script, 1, true) and message or script .. ": " .. message
end

-- Ends a run that went well, with the report that the script or --report asked for; the exit code. What the run did stands without it.
local function finish_well()
   local current = run.current()
   run.finish "finished"
   if not current or not current.wants_report then return 0 end
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
      exit(code, true)
   end)
end

-- The exit code for how the script ended.
local function conclude(ok, problem)
   local signal = core.interrupted()
   C.eg_interrupt_trap(1)                -- what is left to do must not be interrupted
   io.stdout:flush()
   local folder = run.current() and run.current().path
   if problem and problem.usage then
      run.discard()
      usage_error("%s", problem.usage)
   elseif signal then
      run.finish("interrupted")
      io.stderr:write("engram: interrupted", folder and "; what was done is in " .. folder or "", "\n")
      if folder then io.stderr:write("engram: go on with: engram resume ", folder, "\n") end
      return 128 + signal
   elseif ok then
      return finish_well()
   end
   run.finish("failed", problem.message)
   io.stderr:write("engram: ", problem.text, "\n")
   return 1
end

-- Runs the script with its words in the run that open() opens; the exit code. For `engram resume` too.
function command.execute(values, script, words, open)
   local chunk, problem = loadfile(script, "t")
   if not chunk then
      io.stderr:write("engram: ", with_name(script, problem), "\n")
      return 1
   end
   prepare(values, script, words)
   open()
   tee_print()
   catch_exit()
   local ok, result = xpcall(chunk, describe_error, unpack(words))
   if type(result) == "string" then result = { message = result, text = with_name(script, result) } end
   return conclude(ok, not ok and result or nil)
end

function command.run(values, words)
   if values.tensorboard then require "engram.run.tensorboard".check "run: --tensorboard" end
   local script = find_script(table.remove(words, 1))
   return command.execute(values, script, words, function() open_run(values, script, words) end)
end

return command
