-- engram.yaml: what is written reads back equal, reading into Lua values, and schedules from plain data.
local t = require "tests.harness"
local engram = require "engram"
local yaml, schedule = engram.yaml, engram.schedule

t.test("every value reads back equal", function()
   local list = engram.json.array
   for _, value in ipairs{ 1, -1.5, 0.1, 1e-5, 1e300, -1e-300, 2 ^ 53, math.huge, -math.huge, 0 / 0, true, false, yaml.null, list{},
      list{ 1, "1", "true", list{ list{} } }, { a = 1, b = { c = list{ 1, 2 }, d = { e = "x" } } }, {}, { a = {} },
      { list = list{ { a = 1, b = list{ 2 } }, { c = "x" } } },
      { ["1"] = 2, ["a b"] = 3, ["a: b"] = 4, ["<<"] = 5, ["y"] = 6, ["null"] = 7 } } do
      t.expect(yaml.decode(yaml.encode(value))):equals(value)
      t.expect(yaml.encode(yaml.decode(yaml.encode(value)))):equals(yaml.encode(value))
   end
end)

t.test("every text reads back equal", function()
   local texts = { "", " ", "a", "a b", " a", "a ", "null", "Null", "~", "true", "no", "y", "1", "1e3", ".inf", "0x1", "-", "- a",
      "a: b", "a #b", "#a", "*a", "&a", "!a", "%a", "@a", "`a", "'a'", '"a"', "[a]", "{a}", "a,b", "a]b", "?", "? a", ":", "a:",
      "a\nb", "\n", "a\n\n", "\ta",
      "a\\b", "/path/to a/file.txt", "caf\195\169", "\194\133", "\226\128\168", "\226\128\169", "\239\187\191", "\239\191\190",
      "\240\159\152\128", "\0", "\1\31\127", "\194\128", "lr=0.1", "2026-11-25", "a" .. ("b "):rep(200) .. "c", "<<", "...", "---", "_" }
   for byte = 1, 127 do texts[#texts + 1] = string.char(byte) .. "x" .. string.char(byte) end
   for _, text in ipairs(texts) do
      t.expect(yaml.decode(yaml.encode(text))):equals(text)
      local around = { [text .. "k"] = engram.json.array{ text, { a = text } } }
      t.expect(yaml.decode(yaml.encode(around))):equals(around)
   end
end)

-- Random trees of words that are near to YAML's own.
t.test("random values read back equal", function()
   local letters = { "a", "1", "-", ":", " ", "#", "[", "]", "{", "}", ",", "&", "*", "!", "|", ">", "'", '"', "%", "@", "?", "~", "\n",
      ".", "e" }
   local function random(n) return engram.randint(1, n, 1, { stream = "test" }):item() end
   local function text()
      local parts = {}
      for i = 1, random(6) do parts[i] = letters[random(#letters)] end
      return table.concat(parts)
   end
   local function value(depth)
      local kind = random(depth > 3 and 3 or 5)
      if kind == 1 then return text() elseif kind == 2 then return random(100) / 8 elseif kind == 3 then return random(2) == 1 end
      local result = kind == 4 and engram.json.array{} or {}
      for i = 1, random(4) do result[kind == 4 and i or text()] = value(depth + 1) end
      return result
   end
   for _ = 1, 300 do
      local tree = { a = value(1), b = value(1) }
      t.expect(yaml.decode(yaml.encode(tree))):equals(tree)
   end
end)

t.test("maps are spread over lines, lists stay on one while it is short", function()
   t.expect(yaml.encode{ b = { 1, 2 }, a = { x = "one two", y = {} }, c = "no" }):equals(
      'a:\n  x: one two\n  "y": {}\nb: [1, 2]\nc: "no"\n')
   local long = {}
   for i = 1, 60 do long[i] = i end
   t.expect(yaml.encode{ long = long }):contains "long:\n  - 1\n  - 2\n"
end)

t.test("files: read, written, and refused with their name", function()
   local folder = t.temporary_folder()
   yaml.save(folder .. "/a.yaml", { lr = 1e-3, list = { 1, 2 } })
   t.expect(yaml.load(folder .. "/a.yaml")):equals{ lr = 1e-3, list = { 1, 2 } }
   t.write(folder .. "/b.yaml", "a: 1\na: 2")
   t.expect(function() yaml.load(folder .. "/b.yaml") end):raises(folder .. "/b.yaml:2:1: duplicate key 'a', first at line 1")
   t.expect(function() yaml.load(folder .. "/c.yaml") end):raises "c.yaml: No such file"
   t.expect(function() yaml.load() end):raises "yaml.load: expected a path, got nil"
   t.expect(function() yaml.save({}, folder) end):raises "yaml.save: expected a path, got table"
   t.expect(function() yaml.load(folder) end):raises "a folder, expected a YAML file"
   t.expect(function() yaml.decode(3) end):raises "yaml.decode: expected a string, got number"
   t.expect(function() yaml.decode "[" end):raises "yaml.decode: line 2, column 1: "
   t.expect(function() yaml.encode{ f = print } end):raises "yaml: a function cannot be written"
   local loop = {}
   loop.loop = loop
   t.expect(function() yaml.encode(loop) end):raises "nested more than 50 deep"
end)

t.test("schedules from plain data are those of the constructors", function()
   local function at(value, place) return schedule.resolve(schedule.of(value), place) end
   t.expect(at(0.5, {})):equals(0.5)
   t.expect(at(true, {})):equals(true)
   t.expect(at(yaml.decode "{per_task: [0.5, 0]}", { task = 1 })):equals(0.5)
   t.expect(at(yaml.decode "{per_task: [false, true]}", { task = 3 })):equals(true)
   t.expect(at(yaml.decode "{linear: [1, 0], over: 11}", { step = 6 })):close_to(0.5)
   t.expect(at(yaml.decode "{step: 1, every: 2, factor: 0.5}", { epoch = 5 })):equals(0.25)
   t.expect(at(yaml.decode "{constant: 3}", {})):equals(3)
   t.expect(at(yaml.decode "{per_task: [{linear: [1, 0], over: 11}, 7]}", { task = 1, step = 6 })):close_to(0.5)
   t.expect(at(yaml.decode "{warmup: {exponential: [8, 0.5]}, over: 2}", { step = 3 })):equals(2)
   t.expect(tostring(schedule.of{ quantile = 0.9, every = 100 })):equals "quantile(0.9, every 100)"
   t.expect(function() schedule.of "x" end):raises "schedule.of: expected a number, a switch or a table, got string"
   t.expect(function() schedule.of{ per_task = { 1 }, quantile = 1 } end):raises "one schedule at a time: two are named"
   t.expect(function() schedule.of{ per_task = { 1 }, every = 3 } end):raises "schedule.per_task: unknown option 'every'"
   t.expect(function() schedule.of{ linear = { 1 }, over = 3 } end):raises "schedule.linear: the last value must be a number"
end)

t.done()
