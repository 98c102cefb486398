-- engram run --tensorboard: event files read back byte by byte, without protobuf-c, and compared with metrics.jsonl.
local t = require "tests.harness"
local bit = require "bit"
local ffi = require "ffi"
local core = require "engram.core"
local json = require "engram.json"

-- ---- a reader of event files ------------------------------------------------------------------------------

local function crc32c(text)
   local value = bit.bnot(0)
   for i = 1, #text do
      value = bit.bxor(value, text:byte(i))
      for _ = 1, 8 do value = bit.bxor(bit.rshift(value, 1), bit.band(value, 1) == 1 and 0x82f63b78 or 0) end
   end
   return bit.bnot(value)
end

local function masked(text)
   local value = crc32c(text)
   return bit.tobit(bit.bor(bit.rshift(value, 15), bit.lshift(value, 17)) + 0xa282ead8) % 2 ^ 32
end

local function little(text, at, bytes)
   local value = 0
   for i = bytes, 1, -1 do value = value * 256 + text:byte(at + i - 1) end
   return value
end

-- The fields of a message, { number = { values } }: varints and fixed numbers as they stand, the rest as text.
local function fields_of(text)
   local found, at = {}, 1
   local function varint()
      local value, factor = 0, 1
      repeat
         local byte = text:byte(at)
         value, factor, at = value + byte % 128 * factor, factor * 128, at + 1
      until byte < 128
      return value
   end
   while at <= #text do
      local key = varint()
      local number, kind, value = math.floor(key / 8), key % 8
      if kind == 0 then value = varint()
      else
         local length = kind == 1 and 8 or kind == 5 and 4 or varint()
         value, at = text:sub(at, at + length - 1), at + length
      end
      found[number] = found[number] or {}
      table.insert(found[number], value)
   end
   return found
end

local function real(text, kind) return tonumber(ffi.cast(kind, text)[0]) end

-- The events of a file: { step, version, start, scalars = { tag = value } }; raises where a length or a checksum is wrong.
local function read_events(path)
   local text, at, list = t.read(path), 1, {}
   while at <= #text do
      local length = little(text, at, 8)
      t.expect(little(text, at + 8, 4)):equals(masked(text:sub(at, at + 7)))
      local data = text:sub(at + 12, at + 11 + length)
      t.expect(#data):equals(length)
      t.expect(little(text, at + 12 + length, 4)):equals(masked(data))
      local event = fields_of(data)
      local entry = { step = event[2] and event[2][1] or 0, version = event[3] and event[3][1], scalars = {},
         start = event[7] and fields_of(event[7][1])[1][1] == 1, wall = real(event[1][1], "const double *") }
      for _, value in ipairs(event[5] and fields_of(event[5][1])[1] or {}) do
         local fields = fields_of(value)
         entry.scalars[fields[1][1]] = real(fields[2][1], "const float *")
      end
      list[#list + 1], at = entry, at + 16 + length
   end
   return list
end

t.test("the reader's own checksum has the published values", function()
   t.expect(crc32c "123456789" % 2 ^ 32):equals(0xe3069283)
   t.expect(masked "123456789"):equals(0xc78ab0e5)
end)

local function single(value) return tonumber(ffi.new("float", value)) end

local TASKS = { "glyphs/digits", "glyphs/garments" }

-- What metrics.jsonl holds, as { tag = { step = value } }.
local function expected(folder)
   local wanted = {}
   local function add(tag, step, value)
      wanted[tag] = wanted[tag] or {}
      wanted[tag][step] = single(value)
   end
   for line in io.lines(folder .. "/metrics.jsonl") do
      local event = json.decode(line)
      for key, value in pairs(event) do
         local counts = key == "step" or key == "task" or key == "epoch"
         if type(value) == "number" and not counts then add(event.event .. "/" .. key, event.step, value) end
         for i, item in ipairs(key == "accuracy" and value or {}) do
            add(event.event .. "/accuracy/" .. TASKS[i], event.step, item)
         end
      end
   end
   return wanted
end

local function files_of(folder, inner)
   local list = {}
   local pipe = io.popen("ls -tr " .. t.quote(folder .. (inner or "/tensorboard")) .. "/*")
   for path in pipe:lines() do list[#list + 1] = path end
   pipe:close()
   return list
end

-- What TensorBoard shows of a folder: a start forgets its step and later ones.
local function shown(folder, inner)
   local found = {}
   for _, path in ipairs(files_of(folder, inner)) do
      for _, event in ipairs(read_events(path)) do
         for _, steps in pairs(event.start and found or {}) do
            for step in pairs(steps) do if step >= event.step then steps[step] = nil end end
         end
         for tag, value in pairs(event.scalars) do
            found[tag] = found[tag] or {}
            found[tag][event.step] = value
         end
      end
   end
   return found
end

-- ---- runs -------------------------------------------------------------------------------------------------

local SCRIPT = [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local settings = engram.settings{ log = { tensorboard = false }, kill = 0 }
cl.train{ seed = 1, model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end, batch_size = 2, checkpoint_every = 150,
   optimizer = function(model) return optim.SGD(model, { lr = 0.01 }) end, evaluate = "epoch",
   stream = cl.stream{ cl.task("glyphs/digits", { limit = 400, test_limit = 20, epochs = 2 }),
      cl.task("glyphs/garments", { limit = 300, test_limit = 20 }) },
   on_step = function(t)
      if t.step ~= settings.kill or os.getenv "AGAIN" then return end
      os.execute("kill -9 " .. engram.run.read(engram.run.current().path, "status.json").process)
   end }
]]

local folder = t.temporary_folder()
t.write(folder .. "/script.lua", SCRIPT)

local function run(words, name)
   local code, out, err = t.command(("cd %s && engram run --quiet --name %s %s"):format(t.quote(folder), name, words), 120)
   local pipe = io.popen("ls -d " .. t.quote(folder) .. "/runs/script/*-" .. name .. "-* 2>/dev/null")
   local path = pipe:read "*l"
   pipe:close()
   return path, code, out .. err
end

if core.C.eg_tensorboard_built() == 0 then
   t.skip("event files", "this build has no protobuf-c")
   t.test("a build without protobuf-c says so", function()
      local _, code, said = run("--tensorboard script.lua", "without")
      t.expect(code):equals(2)
      t.expect(said):contains "this Engram was built without protobuf-c: install libprotobuf-c-dev"
      _, code, said = run("script.lua log.tensorboard=true", "without")
      t.expect(code):equals(2)
      t.expect(said):contains "log.tensorboard: this Engram was built without protobuf-c"
   end)
else
   t.test("event files hold what metrics.jsonl holds", function()
      local path, code = run("--tensorboard script.lua", "whole")
      t.expect(code):equals(0)
      local files = files_of(path)
      t.expect(#files):equals(1)
      t.expect(files[1]:match "[^/]*$" :match "^events%.out%.tfevents%.%d+%.%S+%.%d+%.0$" ~= nil):is_true()
      local events = read_events(files[1])
      t.expect(events[1].version):equals "brain.Event:2"
      t.expect(events[1].wall):above(1.7e9)
      t.expect(#events):above(8)
      t.expect(shown(path)):equals(expected(path))
      t.expect(expected(path)["task/accuracy/glyphs/garments"][550]):differs_from(nil)
   end)

   t.test("the setting log.tensorboard switches them on, nothing else does", function()
      local path, code = run("script.lua log.tensorboard=true", "setting")
      t.expect(code):equals(0)
      t.expect(shown(path)):equals(expected(path))
      path = run("script.lua", "off")
      t.expect(core.C.eg_file_kind(path .. "/tensorboard")):equals(0)
   end)

   t.test("the groups of a sweep have a mean, and one with a deviation added and taken away", function()
      local script = SCRIPT:gsub("kill = 0 }", "kill = 0, seed = 1 }"):gsub("seed = 1, model", "seed = settings.seed, model")
      t.write(folder .. "/seeds.lua", script)
      local code, out = t.command(("cd %s && engram sweep --quiet --runs means seeds.lua log.tensorboard=true seed=1,2"):format(
         t.quote(folder)), 240)
      t.expect(code):equals(0)
      local function first_of(place) return io.popen("ls -d " .. t.quote(place) .. "/*"):read "*l" end
      local path = first_of(folder .. "/means/seeds")
      t.expect(out):contains("tensorboard --logdir " .. path .. "/tensorboard\n")
      local first, second, group = expected(path .. "/s1"), expected(path .. "/s2"), first_of(path .. "/tensorboard")
      local function average(name) return shown(group .. "/" .. name, "") end
      local mean, more, less = average "mean", average "mean+deviation", average "mean-deviation"
      for tag, steps in pairs(first) do
         for step, a in pairs(steps) do
            local b = second[tag][step]
            local half = math.abs(a - b) / math.sqrt(2)
            local middle = (a + b) / 2
            t.expect({ mean[tag][step], more[tag][step], less[tag][step] }):close_to({ middle, middle + half, middle - half }, 1e-4)
         end
      end
   end)

   t.test("after a kill and a resume TensorBoard shows each step once", function()
      for _, words in ipairs{ "--tensorboard script.lua kill=390", "script.lua kill=250 log.tensorboard=true" } do
         local name = "killed" .. #words
         local path, code = run(words, name)
         t.expect(code):equals(137)
         t.expect((t.command("cd " .. t.quote(folder) .. " && AGAIN=1 engram resume --quiet " .. t.quote(path)))):equals(0)
         local files = files_of(path)
         t.expect(#files):equals(2)
         t.expect(read_events(files[2])[2].start):is_true()
         t.expect(shown(path)):equals(expected(path))
      end
   end)
end

t.test("engram doctor tells whether they can be written", function()
   local _, out = t.command "engram doctor"
   t.expect(out):contains(core.C.eg_tensorboard_built() == 1 and "event files can be written" or "protobuf-c was missing")
end)

t.done()
