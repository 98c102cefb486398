-- run.lua: the whole test suite: C tests (cmocka), Lua tests, command line tests, the documentation and the golden vectors,
-- each file in a process of its own, two at a time, the longest first. One line a file, as they end; the last line is `N passed,
-- N failed, N skipped`.
-- From the top folder: engram run --no-run tests/run.lua [build folder [word ...]] runs the files whose path holds a word. With
-- ENGRAM_TEST=word only the tests whose name holds the word, of the files in Lua. A word that nothing holds is a failure.
local JOBS, LIMIT = 2, 420              -- processes at a time; seconds for one file

local program = arg[-1]
local build = table.remove(arg, 1) or "build"

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function lines_of(command)
   local pipe, list = io.popen(command), {}
   for line in pipe:lines() do list[#list + 1] = line end
   pipe:close()
   return list
end

local function read(path)
   local file = assert(io.open(path, "rb"))
   local text = file:read "*a"
   file:close()
   return text
end

local function exists(path)
   local file = io.open(path)
   if file then file:close() end
   return file ~= nil
end

-- ---- what there is to run ---------------------------------------------------------------------------------

local total = { passed = 0, failed = 0, skipped = 0 }
local files = {}

local filter, missed = os.getenv "ENGRAM_TEST", {}        -- missed: the words that no path holds
for _, word in ipairs(arg) do missed[word] = true end

local function wanted(name)
   local any = #arg == 0
   for _, word in ipairs(arg) do
      if name:find(word, 1, true) then any, missed[word] = true, nil end
   end
   return any
end

local function add(name, command)
   if wanted(name) then files[#files + 1] = { name = name, command = command } end
end

local function skip(name, reason)
   if not wanted(name) then return end
   total.skipped = total.skipped + 1
   print(("%-40s skipped: %s"):format(name, reason))
end

-- The instruction sets that this processor has: kernels are tested with each.
local sets = {}
for _, name in ipairs{ "portable", "avx2", "avx512" } do
   if pcall(require "engram.core".instructions, name) then sets[#sets + 1] = name end
end

-- Files, formats and processes have no kernels: once is enough.
local ONCE = { fault = true, file = true, idx = true, json = true, npy = true, program = true, system = true, yaml = true }

local function collect()
   local lua = ("%s run --no-run --quiet "):format(quote(program))
   for _, path in ipairs(lines_of "ls tests/cli/test_*.lua tests/lua/test_*.lua 2>/dev/null") do add(path, lua .. path) end
   for share = 1, 3 do add(("tests/docs/run.lua %d of 3"):format(share), ("%stests/docs/run.lua %d 3"):format(lua, share)) end
   add("tests/docs/symbols.lua", lua .. "tests/docs/symbols.lua")
   if filter then return end
   for _, path in ipairs(lines_of("ls " .. quote(build) .. "/test/test_* 2>/dev/null")) do
      local name = path:match "test_([^/]*)$"
      if exists("tests/core/test_" .. name .. ".c") then           -- else what is left of a test that is gone, or its dependencies
         local last = ONCE[name] and 1 or #sets
         for _, set in ipairs{ unpack(sets, 1, last) } do add(path .. " " .. set, "env ENGRAM_INSTRUCTIONS=" .. set .. " " .. path) end
      end
   end
   local vectors = os.getenv "ENGRAM_VECTORS" or exists "../shared/vectors/README.md" and "../shared/vectors"
   if not exists "tests/vectors.lua" then return end
   if not vectors then return skip("tests/vectors.lua", "ENGRAM_VECTORS is not set") end
   for _, set in ipairs(sets) do
      local environment = ("env ENGRAM_INSTRUCTIONS=%s ENGRAM_VECTORS=%s "):format(set, quote(vectors))
      add("tests/vectors.lua " .. set, environment .. lua .. "tests/vectors.lua")
   end
end

-- ---- the order: what takes longest comes first, so that both places are taken to the end ------------------------------------

local LONG = { "cli/test_resume", "cli/test_sweep", "docs/run", "cli/test_run_faults", "lua/test_experiments", "cli/test_stream_resume",
   "cli/test_repl", "cli/test_bad_input", "cli/test_config" }

local function longest_first()
   local ordered, taken = {}, {}
   for _, word in ipairs(LONG) do
      for _, file in ipairs(files) do
         if not taken[file] and file.name:find(word, 1, true) then taken[file], ordered[#ordered + 1] = true, file end
      end
   end
   for _, file in ipairs(files) do if not taken[file] then ordered[#ordered + 1] = file end end
   files = ordered
end

-- ---- one file ---------------------------------------------------------------------------------------------

-- Counts of a cmocka program or of tests/harness.lua; nil when the output has none, as after a crash.
local function counts(output)
   local passed, failed, skipped = output:match "(%d+) passed, (%d+) failed, (%d+) skipped%s*$"
   if passed then return tonumber(passed), tonumber(failed), tonumber(skipped) end
   passed = output:match "%[  PASSED  %] (%d+) test"
   if not passed then return nil end
   return tonumber(passed), tonumber(output:match "%[  FAILED  %] [^\n]*: (%d+) test" or 0),
      tonumber(output:match "%[  SKIPPED %] [^\n]*: (%d+) test" or 0)
end

local function finish(file, code, seconds)
   local output = read(file.output)
   os.remove(file.output)
   local passed, failed, skipped = counts(output)
   local note = ""
   if not passed or (code ~= 0 and failed == 0) then
      passed, failed, skipped = passed or 0, (failed or 0) + 1, skipped or 0
      note = code == 124 and (", stopped after %d s"):format(LIMIT) or (", ended with exit code %d"):format(code)
   end
   total.passed, total.failed, total.skipped = total.passed + passed, total.failed + failed, total.skipped + skipped
   print(("%-40s %d passed, %d failed, %d skipped  (%.1f s)%s"):format(file.name, passed, failed, skipped, seconds, note))
   if failed > 0 then
      print((("\n" .. output):gsub("\n", "\n    ")))
   else
      for line in output:gmatch "[^\n]+" do if line:find "^skipped " then print("    " .. line) end end
   end
   io.stdout:flush()
end

-- ---- all of them ------------------------------------------------------------------------------------------

-- The number of the file, its exit code and its milliseconds are the script's one line; what the file prints goes to `output`.
local SCRIPT = "start=$(date +%%s%%N); timeout -k 5 %d %s >%s 2>&1 </dev/null; code=$?; "
   .. "echo %d $code $((($(date +%%s%%N) - start) / 1000000))"

-- A NUL-separated list for xargs, which starts a script whenever a place is free.
local function write_scripts(path)
   local scripts = {}
   for i, file in ipairs(files) do
      file.output = path .. "." .. i
      scripts[i] = SCRIPT:format(LIMIT, file.command, quote(file.output), i)
   end
   local list = assert(io.open(path, "wb"))
   list:write(table.concat(scripts, "\0"))
   list:close()
end

local function run_all()
   local path, ended = os.tmpname(), 0
   write_scripts(path)
   local pipe = io.popen(("xargs -0 -r -n 1 -P %d sh -c <%s"):format(JOBS, quote(path)))
   for line in pipe:lines() do
      local number, code, milliseconds = line:match "^(%d+) (%d+) (%d+)$"
      finish(files[tonumber(number)], tonumber(code), milliseconds / 1000)
      ended = ended + 1
   end
   pipe:close()
   os.remove(path)
   if ended < #files then
      print(("%d files did not end"):format(#files - ended))
      total.failed = total.failed + #files - ended
   end
end

collect()
longest_first()
run_all()
for _, word in ipairs(arg) do
   if missed[word] then
      print(("no file of tests has '%s' in its path"):format(word))
      total.failed = total.failed + 1
   end
end
if total.passed + total.failed + total.skipped == 0 then
   print(filter and ("no test has '%s' in its name"):format(filter) or "there is no test to run")
   total.failed = 1
end
print(("\n%d passed, %d failed, %d skipped"):format(total.passed, total.failed, total.skipped))
os.exit(total.failed == 0 and 0 or 1)
