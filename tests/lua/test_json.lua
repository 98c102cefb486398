-- engram.json: what is written, what is read, and that the two agree.
local t = require "tests.harness"
local engram = require "engram"
local json = engram.json

local function written(value, text) t.expect(json.encode(value)):equals(text) end

t.test("plain values", function()
   written(nil, "null")
   written(json.null, "null")
   written(true, "true")
   written("a", '"a"')
   written(3, "3")
   written(-0.5, "-0.5")
   written(2 ^ 40, "1099511627776")
end)

t.test("numbers read back as they were", function()
   for _, value in ipairs{ 0.1, 1 / 3, 1e-300, 1.7976931348623157e308, 5e-324, 2 ^ 53, 2 ^ 60 + 512, 123456789.123, -1e21,
      1e15 + 0.5 } do
      t.expect(json.decode(json.encode(value))):equals(value)
   end
   written(0.1, "0.1")
   written(1e21, "1e+21")
end)

t.test("what is not finite becomes null", function()
   written({ 0 / 0, math.huge, -math.huge }, "[null, null, null]")
end)

t.test("keys are sorted, numbers as keys become text", function()
   written({ b = 1, a = { d = 1, c = 2 } }, '{"a": {"c": 2, "d": 1}, "b": 1}')
   written({ [10] = "x", [2] = "y" }, '{"10": "x", "2": "y"}')
end)

t.test("lists, empty tables, empty lists, and lists with names", function()
   written({ 1, { 2, {} } }, "[1, [2, {}]]")
   written({ list = json.array(), object = {} }, '{"list": [], "object": {}}')
   written({ 1, 2, name = "x" }, '{"1": 1, "2": 2, "name": "x"}')
   written(json.decode "[]", "[]")
end)

t.test("strings: escapes, control characters, UTF-8", function()
   written('a"b\\c\n\t\r\0\127', '"a\\"b\\\\c\\n\\t\\r\\u0000\\u007f"')
   written("grüß \226\130\172 \240\157\132\158", '"grüß \226\130\172 \240\157\132\158"')
end)

t.test("bytes that are no UTF-8 become the replacement character, and the text stays readable", function()
   local bad = { "\255", "a\195", "\192\128", "\237\160\128", "\244\144\128\128", "\226\130", "\128x" }
   for _, text in ipairs(bad) do
      local back = json.decode(json.encode(text))
      t.expect(back):contains "\239\191\189"
   end
   written("a\195\169\255b", '"a\195\169\239\191\189b"')
   for byte = 128, 255 do json.decode(json.encode(("x"):rep(3) .. string.char(byte) .. "y")) end
end)

t.test("tensors and 64-bit numbers", function()
   written(engram.tensor{ { 1, 2 }, { 3, 4 } }, "[[1, 2], [3, 4]]")
   written(engram.tensor(2.5), "2.5")
   written(12LL, "12")
end)

t.test("pretty text is indented, short lists stay on a line, and means the same", function()
   local value = { a = { b = { 1, 2, 3 } }, list = {}, s = "x" }
   for i = 1, 60 do value.list[i] = i end
   local text = json.encode(value, true)
   t.expect(text):contains '\n    "b": [1, 2, 3]'
   t.expect(json.decode(text)):equals(json.decode(json.encode(value)))
end)

t.test("what cannot be written is refused", function()
   local loop = {}
   loop.loop = loop
   t.expect(function() json.encode(loop) end):raises "does a table hold itself?"
   t.expect(function() json.encode{ print } end):raises "json: a function cannot be written"
   t.expect(function() json.utf8() end):raises "json.utf8: expected a string, got nil"
   t.expect(function() json.encode{ [{}] = 1 } end):raises "json: a key is a table"
end)

t.test("reading: every kind of value", function()
   local value = json.decode ' {"a": [1, -2.5e1, true, false, null], "b": {"c": "\\u00e9\\n"}, "d": {}} '
   t.expect(value.a[2]):equals(-25)
   t.expect(value.a[5]):equals(json.null)
   t.expect(tostring(json.null)):equals "null"
   t.expect(value.b.c):equals "é\n"
   t.expect(#value.a):equals(5)
   t.expect(json.decode '"a\\u0000b"'):equals "a\0b"
end)

t.test("reading: errors name line and column", function()
   t.expect(function() json.decode '{"a": 1,\n "a": 2}' end):raises "json: line 2, column 4: duplicate object key"
   t.expect(function() json.decode "[1, 2" end):raises "json: line 1"
   t.expect(function() json.decode "" end):raises "json: line 1"
   t.expect(function() json.decode(nil) end):raises "json.decode: expected a string, got nil"
end)

t.test("files", function()
   local path = t.temporary_folder() .. "/a.json"
   json.save(path, { x = { 1, 2 } })
   t.expect(json.load(path)):equals{ x = { 1, 2 } }
   t.write(path, "{")
   t.expect(function() json.load(path) end):raises(path .. ": json: line 1")
   t.expect(function() json.load(path .. ".none") end):raises "No such file"
   t.expect(function() json.load "/tmp" end):raises "/tmp"
   t.expect(function() json.array(3) end):raises "json.array: expected a list, got number"
   t.expect(function() json.load() end):raises "json.load: expected a path, got nil"
   t.expect(function() json.save(nil, {}) end):raises "json.save: expected a path, got nil"
   t.expect(function() json.save("/dev/full", {}) end):raises "/dev/full: cannot write: No space left"
end)

t.done()
