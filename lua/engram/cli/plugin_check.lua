-- cli/plugin_check.lua: `engram plugin check FILE`. The checks run in a process of their own, so that a plugin that crashes or hangs is
-- told as such; it writes lines into a file, which are read as they come: "> NAME" when a check begins, then "PASS" or "FAIL".
local ffi = require "ffi"
local core = require "engram.core"
local usage_error = require "engram.usage"
local C = core.C

local check = {}

local REFUSED = 2
local SIGNALS = { [4] = "SIGILL", [6] = "SIGABRT", [7] = "SIGBUS", [8] = "SIGFPE", [9] = "SIGKILL", [11] = "SIGSEGV", [15] = "SIGTERM" }

-- ---- inside: the process that runs the plugin -------------------------------------------------------------

local function say(...)
   io.stdout:write(string.format(...), "\n")
   io.stdout:flush()
end

local function one_line(text) return (tostring(text):gsub("%s*\n%s*", " ")) end

local function describe(about)
   local words = {}
   for _, part in ipairs{ { "hyper", about.hyper }, { "slots", about.slots } } do
      local names = {}
      for name in pairs(part[2]) do names[#names + 1] = name end
      table.sort(names)
      words[#words + 1] = part[1] .. ": " .. (#names > 0 and table.concat(names, ", ") or "none")
   end
   return ("%s %s (%s); %s"):format(about.name, about.version or "without a version", about.licence or "no licence told",
      table.concat(words, "; "))
end

-- Runs all checks on the plugin in a file and tells of each; the exit code.
function check.inside(path)
   say "> loading"
   local optim = require "engram.optim"
   local ok, make, name = pcall(optim.load, path)
   if not ok then
      say("REFUSED %s", one_line(make):gsub("optim%.load: ", "", 1))
      return REFUSED
   end
   local description, failures = optim.description(name), 0
   say("NOTE %s", describe(description))
   for _, entry in ipairs(require "engram.optim.conformance") do
      say("> %s", entry[1])
      local start = C.eg_clock()
      local good, result = pcall(entry[2], make, description)
      local text = type(result) == "table" and result.failed or result
      say("%s %s: %s [%.2f s]", good and "PASS" or "FAIL", entry[1], one_line(text), C.eg_clock() - start)
      if not good then failures = failures + 1 end
   end
   say "> end"
   return failures > 0 and 1 or 0
end

-- ---- outside: the process that looks after it --------------------------------------------------------------

-- start(verb, path, log): begins `engram plugin VERB PATH` with all that it prints in the file `log`; its number.
function check.start(verb, path, log)
   local words = { arg[0], "plugin", verb, path }
   local list = ffi.new("const char *[?]", #words + 1)
   for i, word in ipairs(words) do list[i - 1] = word end
   list[#words] = nil
   local id = C.eg_start_program(list, log)
   if id < 0 then core.raise("%s", core.message()) end
   return id
end

-- The text of a check's outcome; one failure that many checks meet is told once.
local function once(state, kind, text)
   local name, why = text:match "^(.-): (.*)$"
   if kind ~= "FAIL" or not why then return text end
   local met = state.met[why]
   state.met[why] = met or name
   return met and ("%s: as in '%s'"):format(name, met) or text
end

-- Prints what the lines say; notes the check that is under way, and counts.
local function take(state, line)
   local kind, text = line:match "^(%u+) (.*)$"
   if line:find "^> " then
      state.doing, state.since = line:sub(3), C.eg_clock()
   elseif kind == "PASS" or kind == "FAIL" then
      state[kind] = state[kind] + 1
      print(kind .. "  " .. once(state, kind, state.verbose and text or text:gsub(" %[%d+%.%d+ s%]$", "")))
   elseif kind == "REFUSED" then
      state.refused = text
   elseif state.verbose then
      print("      " .. (kind == "NOTE" and text or line))
   end
   io.stdout:flush()
end

local function read_new(state, file)
   state.rest = state.rest .. (file:read "*a" or "")
   for line in state.rest:gmatch "([^\n]*)\n" do take(state, line) end
   state.rest = state.rest:match "[^\n]*$"
end

-- Waits until the process has ended, was told to end, or was too long at one check; its exit code.
local function look_after(state, id, file, limit)
   local code = ffi.new "int[1]"
   repeat
      local ended = C.eg_program_ended(id, code)
      read_new(state, file)
      if ended < 0 then core.raise("%s", core.message()) end
      if ended == 1 then return code[0] end
      if C.eg_clock() - state.since > limit or core.interrupted() then
         state.late = not core.interrupted()
         C.eg_signal_program(id, 9)
      end
      C.eg_sleep(0.02)
   until false
end

-- What became of a process that did not come to its end.
local function fate(state, code, limit)
   if state.late then return ("still running after %d s: it was stopped"):format(limit) end
   if code > 128 then
      return ("the plugin crashed with signal %d%s"):format(code - 128, SIGNALS[code - 128] and " (" .. SIGNALS[code - 128] .. ")" or "")
   end
   return ("the plugin ended the process, with exit code %d"):format(code)
end

function check.run(values, words)
   local path = words[1] or usage_error "plugin check: which file? engram plugin check FILE"
   if words[2] then usage_error("plugin check: one file at a time, got '%s' too", words[2]) end
   local limit, log = values.limit or 120, os.tmpname()
   local state = { PASS = 0, FAIL = 0, rest = "", met = {}, doing = "starting", since = C.eg_clock(), verbose = values.verbose }
   local id, file = check.start("check-inside", path, log), io.open(log, "rb")
   local ok, code = pcall(look_after, state, id, file, limit)
   file:close()
   os.remove(log)
   if not ok then C.eg_signal_program(id, 9) end
   if core.interrupted() then
      io.stderr:write "engram: interrupted\n"
      return 128 + core.interrupted()
   end
   if not ok then error(code, 0) end
   if state.refused then usage_error("%s", state.refused) end
   if state.doing ~= "end" then
      state.FAIL = state.FAIL + 1
      print(("FAIL  %s: %s; what comes after was not checked"):format(state.doing, fate(state, code, limit)))
   end
   print(("%s: %d passed, %d failed"):format(path, state.PASS, state.FAIL))
   return state.FAIL > 0 and 1 or 0
end

return check
