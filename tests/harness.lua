-- harness.lua: what every test file requires. `t.test(name, body)`, `t.expect(value):...`, `t.skip(name, reason)`, and
-- `t.done()` at the end, which prints the file's line of counts and leaves with an exit code. ENGRAM_TEST=word runs
-- the tests whose name holds the word.
local ffi = require "ffi"
local t = {}

local counts = { passed = 0, failed = 0, skipped = 0 }
local filter = os.getenv "ENGRAM_TEST"
local folders = {}

-- ---- values -----------------------------------------------------------------------------------------------

local function is_tensor(value)
   local engram = package.loaded.engram
   return type(value) == "cdata" and engram and engram.is_tensor(value)
end

-- Tensors become nested lists, so that everything compares and prints in one way.
local function plain(value)
   if is_tensor(value) then return value:tolist() end
   return value
end

local function show(value, depth)
   if is_tensor(value) then return tostring(value) end
   if type(value) == "string" then return ("%q"):format(value) end
   if type(value) == "number" then return ("%.17g"):format(value) end
   if type(value) ~= "table" then return tostring(value) end
   if (depth or 0) > 4 then return "{...}" end
   local parts, keys = {}, {}
   for key in pairs(value) do keys[#keys + 1] = key end
   table.sort(keys, function(a, b)
      if type(a) == type(b) and type(a) ~= "table" then return a < b end
      return type(a) < type(b)
   end)
   for i, key in ipairs(keys) do
      if i > 30 then parts[#parts + 1] = "..." break end
      parts[i] = (key == i and "" or tostring(key) .. " = ") .. show(value[key], (depth or 0) + 1)
   end
   return "{" .. table.concat(parts, ", ") .. "}"
end

local function same_number(a, b, tolerance)
   if a == b or (a ~= a and b ~= b) then return true end
   return tolerance > 0 and math.abs(a - b) <= tolerance + tolerance * math.abs(b)
end

-- nil when equal (numbers within tolerance), else where and how the values first differ.
local function difference(a, b, tolerance, path)
   if rawequal(a, b) then return nil end
   a, b, path = plain(a), plain(b), path or ""
   if type(a) == "number" and type(b) == "number" then
      if same_number(a, b, tolerance) then return nil end
   elseif type(a) == "table" and type(b) == "table" then
      for key, value in pairs(b) do
         local inner = difference(a[key], value, tolerance, ("%s[%s]"):format(path, tostring(key)))
         if inner then return inner end
      end
      for key, value in pairs(a) do
         if b[key] == nil then return ("%s[%s]: got %s, expected nothing"):format(path, tostring(key), show(value)) end
      end
      return nil
   elseif a == b then
      return nil
   end
   return ("%s: got %s, expected %s"):format(path == "" and "value" or path, show(a), show(b))
end

-- ---- expectations -----------------------------------------------------------------------------------------

local Expectation = {}
Expectation.__index = Expectation

-- Raises a failure that names the test's own line.
local function fail(...)
   local level = 2
   local info = debug.getinfo(level, "Sl")
   while info and info.source:find("harness.lua", 1, true) do
      level = level + 1
      info = debug.getinfo(level, "Sl")
   end
   local where = info and ("%s:%d: "):format(info.short_src, info.currentline) or ""
   error({ failure = where .. string.format(...) }, 0)
end

local function whole(value, text)
   local shown = show(value)
   return #shown > 400 and text or ("%s\n      got %s"):format(text, shown)
end

function Expectation:equals(expected)
   local found = difference(self.value, expected, 0)
   if found then fail("%s", whole(self.value, found)) end
end

function Expectation:close_to(expected, tolerance)
   local found = difference(self.value, expected, tolerance or 1e-6)
   if found then fail("%s (within %g)", whole(self.value, found), tolerance or 1e-6) end
end

function Expectation:differs_from(other)
   if not difference(self.value, other, 0) then fail("both are %s", show(other)) end
end

function Expectation:is_true()
   if self.value ~= true then fail("got %s, expected true", show(self.value)) end
end

function Expectation:is_false()
   if self.value ~= false then fail("got %s, expected false", show(self.value)) end
end

function Expectation:is_nil()
   if self.value ~= nil then fail("got %s, expected nil", show(self.value)) end
end

function Expectation:below(limit)
   local below = self.value < limit
   if not below then fail("got %s, expected less than %s", show(self.value), show(limit)) end
end

function Expectation:above(limit)
   local above = self.value > limit
   if not above then fail("got %s, expected more than %s", show(self.value), show(limit)) end
end

-- A plain substring of a string.
function Expectation:contains(text)
   if type(self.value) ~= "string" or not self.value:find(text, 1, true) then
      fail("expected %s in:\n      %s", show(text), type(self.value) == "string" and self.value or show(self.value))
   end
end

function Expectation:lacks(text)
   if self.value:find(text, 1, true) then fail("did not expect %s in:\n      %s", show(text), self.value) end
end

-- The function raises an error whose message holds the plain substring; returns the message.
function Expectation:raises(text)
   local ok, message = pcall(self.value)
   if ok then fail("expected an error with %s, but none was raised", show(text or "")) end
   message = tostring(message)
   if text and not message:find(text, 1, true) then fail("expected an error with %s, got: %s", show(text), message) end
   return message
end

function t.expect(value) return setmetatable({ value = value }, Expectation) end

-- ---- tests ------------------------------------------------------------------------------------------------

local function describe(problem)
   if type(problem) == "table" and problem.failure then return problem.failure end
   local trace = debug.traceback("", 3)
   for _, hidden in ipairs{ "tests/harness%.lua", "engram/cli/", "%[C%]" } do
      trace = trace:gsub("\n[^\n]*" .. hidden .. "[^\n]*", "")
   end
   return tostring(problem) .. trace
end

function t.test(name, body)
   if filter and not name:find(filter, 1, true) then return end
   local ok, problem = xpcall(body, describe)
   if ok then
      counts.passed = counts.passed + 1
   else
      counts.failed = counts.failed + 1
      print("FAILED " .. name .. "\n   " .. tostring(problem))
      io.stdout:flush()
   end
end

function t.skip(name, reason)
   if filter and not name:find(filter, 1, true) then return end
   counts.skipped = counts.skipped + 1
   print(("skipped %s: %s"):format(name, reason))
end

-- ---- files and commands -----------------------------------------------------------------------------------

function t.quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

function t.read(path)
   local file = io.open(path, "rb")
   if not file then return nil end
   local text = file:read "*a"
   file:close()
   return text
end

function t.write(path, text)
   local file = assert(io.open(path, "wb"))
   assert(file:write(text))
   file:close()
   return path
end

ffi.cdef "char *mkdtemp(char *);"

local function new_folder_in(place)
   local path = place .. "/engram-test-XXXXXX"
   local bytes = ffi.new("char[?]", #path + 1, path)
   return ffi.C.mkdtemp(bytes) ~= nil and ffi.string(bytes) or nil
end

-- A new empty folder, removed by t.done(). In memory, where that is asked for and there is such a place: syncing costs nothing there.
function t.temporary_folder(in_memory)
   local path = in_memory and new_folder_in "/dev/shm" or assert(new_folder_in(os.getenv "TMPDIR" or "/tmp"))
   folders[#folders + 1] = path
   return path
end

t.program = arg and arg[-1]                    -- the executable under test

local outputs, commands                        -- the folder of what commands print; how many there were

-- Runs a shell command, in which `engram` is the executable under test: exit code, standard output, standard error.
-- A command that runs longer than `timeout` seconds (default 60) is killed and gives 124.
function t.command(line, timeout)
   outputs, commands = outputs or t.temporary_folder(), (commands or 0) + 1
   local out, err = ("%s/%d.out"):format(outputs, commands), ("%s/%d.err"):format(outputs, commands)
   local status = os.execute(("unset ENGRAM_RUNS; PATH=%s:\"$PATH\" exec timeout -k 5 %d sh -c %s >%s 2>%s </dev/null"):format(
      t.quote(t.program:match "^(.*)/"), timeout or 60, t.quote(line), out, err))
   local signal = status % 128                 -- as wait(2) tells it
   return signal > 0 and 128 + signal or status / 256, t.read(out), t.read(err)
end

-- python(modules): the command of a Python that has these ("numpy, torch"), or nil.
function t.python(modules)
   for _, program in ipairs{ "python3", "/usr/bin/python3" } do
      if t.command(("%s -c 'import %s'"):format(program, modules)) == 0 then return program end
   end
end

-- ---- the end ----------------------------------------------------------------------------------------------

function t.done()
   for i, folder in ipairs(folders) do folders[i] = t.quote(folder) end
   if #folders > 0 then os.execute("rm -rf " .. table.concat(folders, " ")) end
   print(("%d passed, %d failed, %d skipped"):format(counts.passed, counts.failed, counts.skipped))
   io.stdout:flush()
   os.exit(counts.failed > 0 and 1 or 0, true)
end

return t
