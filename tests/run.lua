-- run.lua: the whole test suite: C tests (cmocka), Lua tests, command line tests, the documentation and the golden vectors,
-- each file in a process of its own, two at a time. One line a file; the last line is `N passed, N failed, N skipped`.
-- From the top folder: engram run --no-run tests/run.lua [build folder [word ...]] runs the files whose path holds a word.
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

local function exists(path)
   local file = io.open(path)
   if file then file:close() end
   return file ~= nil
end

-- ---- what there is to run ---------------------------------------------------------------------------------

local total = { passed = 0, failed = 0, skipped = 0 }
local files = {}

local function wanted(name)
   if #arg == 0 then return true end
   for _, word in ipairs(arg) do if name:find(word, 1, true) then return true end end
   return false
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
   for _, path in ipairs(lines_of("ls " .. quote(build) .. "/test/test_*")) do
      if not path:find "%.d$" then
         local last = ONCE[path:match "test_([^/]*)$"] and 1 or #sets
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

-- ---- one file ---------------------------------------------------------------------------------------------

-- Starts the file; its output, then its exit code and the seconds it took, come through a pipe.
local function start(file)
   local line = "start=$(date +%%s.%%N); timeout -k 5 %d %s 2>&1 </dev/null; code=$?; echo; echo $code $start $(date +%%s.%%N)"
   file.pipe = io.popen(line:format(LIMIT, file.command))
end

-- Counts of a cmocka program or of tests/harness.lua; nil when the output has none, as after a crash.
local function counts(output)
   local passed, failed, skipped = output:match "(%d+) passed, (%d+) failed, (%d+) skipped%s*$"
   if passed then return tonumber(passed), tonumber(failed), tonumber(skipped) end
   passed = output:match "%[  PASSED  %] (%d+) test"
   if not passed then return nil end
   return tonumber(passed), tonumber(output:match "%[  FAILED  %] [^\n]*: (%d+) test" or 0),
      tonumber(output:match "%[  SKIPPED %] [^\n]*: (%d+) test" or 0)
end

local function finish(file)
   local output, code, from, to = file.pipe:read "*a":match "^(.*)\n(%d+) ([%d.]+) ([%d.]+)\n$"
   file.pipe:close()
   code = tonumber(code) or 1
   local passed, failed, skipped = counts(output or "")
   local note = ""
   if not passed or (code ~= 0 and failed == 0) then
      passed, failed, skipped = passed or 0, (failed or 0) + 1, skipped or 0
      note = code == 124 and (", stopped after %d s"):format(LIMIT) or (", ended with exit code %d"):format(code)
   end
   total.passed, total.failed, total.skipped = total.passed + passed, total.failed + failed, total.skipped + skipped
   print(("%-40s %d passed, %d failed, %d skipped  (%.1f s)%s"):format(file.name, passed, failed, skipped,
      (tonumber(to) or 0) - (tonumber(from) or 0), note))
   if failed > 0 then
      print((("\n" .. (output or "")):gsub("\n", "\n    ")))
   else
      for line in output:gmatch "[^\n]+" do if line:find "^skipped " then print("    " .. line) end end
   end
   io.stdout:flush()
end

-- ---- all of them ------------------------------------------------------------------------------------------

collect()
for i = 1, #files + JOBS - 1 do
   if files[i] then start(files[i]) end
   if i >= JOBS then finish(files[i - JOBS + 1]) end
end
if #files == 0 and total.skipped == 0 then
   print "there is no test to run"
   total.failed = 1
end
print(("\n%d passed, %d failed, %d skipped"):format(total.passed, total.failed, total.skipped))
os.exit(total.failed == 0 and 0 or 1)
