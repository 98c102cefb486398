-- engram.settings and the suggestions of near names.
local t = require "tests.harness"
local settings = require "engram.settings"
local suggest = require "engram.suggest"

-- The values of a declaration under the given words.
local function declare(words, defaults)
   settings.override(words)
   return settings(defaults)
end

local function refused(words, defaults, text)
   t.expect(function() declare(words, defaults) end):raises(text)
end

t.test("defaults stand without overrides", function()
   local s = declare({}, { lr = 0.1, name = "x", flag = true, list = { 1, 2 } })
   t.expect({ s.lr, s.name, s.flag, s.list }):equals({ 0.1, "x", true, { 1, 2 } })
end)

t.test("the default's type decides how a word is read", function()
   local s = declare({ "lr=1e-3", "name=0.5", "flag=false", "list=3,4,5", "hex=0x10", "big=inf", "small=-inf" },
      { lr = 0.1, name = "x", flag = true, list = { 1, 2 }, hex = 1, big = 1, small = 1 })
   t.expect({ s.lr, s.name, s.flag, s.list, s.hex, s.big, s.small })
      :equals({ 1e-3, "0.5", false, { 3, 4, 5 }, 16, math.huge, -math.huge })
end)

t.test("lists: of strings, of booleans, empty, without a default item", function()
   local s = declare({ "names=a,b", "flags=true,false", "none=", "free=1,x" },
      { names = { "z" }, flags = { false }, none = { 1 }, free = {} })
   t.expect({ s.names, s.flags, s.none, s.free }):equals({ { "a", "b" }, { true, false }, {}, { 1, "x" } })
end)

t.test("the last of two words counts, and a value may hold =", function()
   t.expect(declare({ "lr=1", "lr=2" }, { lr = 0 }).lr):equals(2)
   t.expect(declare({ "name=a=b" }, { name = "" }).name):equals("a=b")
end)

t.test("a word that is no key=value is refused where settings are declared; those after -- are the script's alone", function()
   local defaults = { lr = 0.1, optimizer = { momentum = 0 } }
   for word, text in pairs{
      ["x"] = "a setting is written key=value (there are: lr, optimizer.momentum); the script's own words stand after --",
      ["+optimizer.momentum=0.9"] = "a setting is written optimizer.momentum=0.9",
      ["optimizer.momentum"] = "a setting is written optimizer.momentum=VALUE",
      ["lr:1"] = "a setting is written lr=1", [".lr=1"] = "a setting is written key=value", ["=3"] = "a setting is written key=value",
      ["<<=1"] = "a setting is written key=value", ["3"] = "a setting is written key=value",
      ["two.yaml"] = "a settings file stands in the place of the script, or after --config",
   } do
      refused({ "lr=1", word }, defaults, ("command line: '%s' sets nothing: %s"):format(word, text))
   end
   t.expect(declare({ "lr=1", "--", "x", "--y", "lr=2" }, defaults).lr):equals(1)
   t.expect(require "engram.settings.words".of_script{ "lr=1", "--", "x", "--" }):equals{ "lr=1", "x", "--" }
end)

t.test("a table that nearly describes a setting is no table of settings", function()
   refused({}, { lr = { default = 1, mn = 0, doc = "x" } }, "settings: lr: 'mn' is no field of a description, did you mean 'min'?; a table "
      .. "of settings of these names is written { settings = { ... } }")
   refused({}, { lr = { type = "number", min = 0 } }, "settings: lr: has min and type, but no default; a setting without one says required")
   refused({}, { a = { lr = { defalt = 1 } } }, "settings: a.lr.defalt: did you mean 'default'?; a table of settings")
   refused({}, { a = { dco = "x", settings = { lr = 1 } } }, "settings: a: 'dco' stands beside 'settings', where only a doc may")
   refused({}, { lr = { default = 0.5, type = "integer" } }, "settings: lr: the default: expected a whole number, got 0.5")
   refused({}, { lr = { default = 1, min = "0" } }, "settings: lr: min must be a number, got string")
   refused({}, { lr = { default = 1, min = 2, max = 1 } }, "settings: lr: min is 2, more than max, which is 1")
   refused({}, { lr = { default = 1, choices = 3 } }, "settings: lr: choices must be a list, got number")
   refused({}, { lr = { default = 1, doc = 3 } }, "settings: lr: doc must be a text, got number")
   refused({}, { lr = { default = { per_tsk = { 1 } }, type = "schedule" } }, "settings: lr: the default: ")
   t.expect(declare({ "lr.min=2" }, { lr = { settings = { min = 0, max = 1 } } }).lr.min):equals(2)
   t.expect(declare({}, { optimizer = { type = "SGD", lr = 1 } }).optimizer.type):equals "SGD"
end)

t.test("settings are declared once", function()
   declare({ "lr=1" }, { lr = 0 })
   t.expect(function() settings{ mom = 1 } end):raises "are declared already, at "
end)

t.test("the nearest of the optimizers that are registered is suggested", function()
   local names = require "engram".optim.list()
   refused({ "optimizer=Adm" }, { optimizer = { default = "SGD", choices = names } },
      ("command line: optimizer: expected one of %s, got 'Adm', did you mean 'Adam'?"):format(table.concat(names, ", ")))
   refused({ "list=SGD,adagrd" }, { list = { default = { "SGD" }, choices = names } },
      "got 'adagrd' (item 2 of the list), did you mean 'AdaGrad'?")
end)

t.test("nested settings are reached by dots", function()
   local s = declare({ "optimizer.lr=0.5" }, { optimizer = { lr = 0.1, power = 1 }, epochs = 2 })
   t.expect({ s.optimizer.lr, s.optimizer.power, s.epochs }):equals({ 0.5, 1, 2 })
end)

t.test("described settings: range, choices, type", function()
   local defaults = {
      lr = { default = 0.1, min = 0, max = 1, doc = "step size" },
      variant = { default = "paper", choices = { "paper", "published" } },
      limit = { default = false, type = "number" },
   }
   local s = declare({ "lr=1", "variant=published", "limit=10" }, defaults)
   t.expect({ s.lr, s.variant, s.limit }):equals({ 1, "published", 10 })
   t.expect(declare({ "limit=false" }, defaults).limit):equals(false)
   refused({ "lr=2" }, defaults, "command line: lr: expected a number from 0 to 1, got 2")
   refused({ "variant=mine" }, defaults, "command line: variant: expected one of paper, published, got 'mine'")
end)

t.test("values of the wrong type are refused", function()
   refused({ "lr=fast" }, { lr = 0.1 }, "lr: expected a number, got 'fast'")
   refused({ "lr=nan" }, { lr = 0.1 }, "lr: expected a number, got 'nan'")
   refused({ "lr=" }, { lr = 0.1 }, "lr: expected a number, got nothing")
   refused({ "flag=yes" }, { flag = true }, "flag: expected true or false, got 'yes'")
   refused({ "list=1,b" }, { list = { 1 } }, "list: expected a number, got 'b' (item 2 of the list)")
   refused({}, { lr = 0 / 0 }, "settings: lr: the default: expected a number, got nan")
   refused({}, { lr = { default = 0 / 0, min = 0 } }, "settings: lr: the default: expected a number of at least 0, got nan")
end)

t.test("unknown settings are refused with a suggestion", function()
   refused({ "treshold=1" }, { threshold = 0, lr = 1 },
      "command line: treshold: unknown key, did you mean 'threshold'?")
   refused({ "elephant=1" }, { threshold = 0, lr = 1 }, "command line: elephant: unknown key (there are: lr, threshold)")
   refused({ "moment=1" }, { optimizer = { momentum = 1 } }, "moment: unknown key, did you mean 'optimizer.momentum'?")
   refused({ "optimizer.lrr=1" }, { optimizer = { lr = 1 } }, "optimizer.lrr: unknown key, did you mean 'lr'?")
   refused({ "--sed", "lr=1" }, { lr = 0 }, "'--sed' is no option of the script")
end)

t.test("an error about the command line is marked as such", function()
   settings.override{ "x=1" }
   local ok, problem = pcall(settings, { y = 1 })
   t.expect(ok):equals(false)
   t.expect(type(problem) == "table" and type(problem.usage)):equals("string")
end)

t.test("reading or writing what was not declared is an error", function()
   local s = declare({}, { threshold = 1, optimizer = { lr = 1 } })
   t.expect(function() return s.treshold end):raises("settings: 'treshold' was not declared, did you mean 'threshold'?")
   t.expect(function() s.epochs = 3 end):raises("'epochs' was not declared")
   t.expect(function() return s.optimizer.lrr end):raises("'optimizer.lrr' was not declared, did you mean 'lr'?")
end)

t.test("declarations that cannot be are refused", function()
   t.expect(function() settings(3) end):raises("expected a table of defaults, got number")
   t.expect(function() declare({}, { f = print }) end):raises "f: a default is a number, string, boolean, list or table of settings; got a"
   t.expect(function() declare({}, { a = { default = print } }) end):raises("a: a default is")
   t.expect(function() declare({}, { [3] = 1, x = 1 }) end):raises("a name must be a string")
end)

t.test("declarations whose default does not fit are refused", function()
   local function wrong(about, text) t.expect(function() declare({}, { a = about }) end):raises("settings: a: " .. text) end
   wrong({ default = 1, type = "intger" }, "type 'intger' is not one of number, integer, boolean, string, list, schedule")
   wrong({ default = "x", type = "number" }, "the default is a string, its type is number")
   wrong({ default = 2, max = 1 }, "the default: expected a number of at most 1, got 2")
   wrong({ default = "c", choices = { "a", "b" } }, "the default: expected one of a, b, got 'c', did you mean 'a'?")
   wrong({ required = true }, "a setting without a default needs a type")
   t.expect(function() declare({}, { base = 1 }) end):raises "'base' says something else in a settings file"
   t.expect(function() declare({}, { ["a b"] = 1 }) end):raises "'a b' is no name"
   declare({}, { inner = { base = 1, script = 2 } })
end)

t.test("words follow YAML's rules, as their type asks", function()
   local s = declare({ "a=1e-3", "b=0o17", "c=.inf", "d=[3, 4]", "e=[x, 'y, z']", "f='it''s'", "g=#1", "h=a: b", "i=True", "j=*.txt" },
      { a = 0, b = 0, c = 0, d = { 1 }, e = { "" }, f = "", g = "", h = "", i = false, j = "" })
   t.expect({ s.a, s.b, s.c, s.d, s.e, s.f, s.g, s.h, s.i, s.j }):equals(
      { 1e-3, 15, math.huge, { 3, 4 }, { "x", "y, z" }, "it's", "#1", "a: b", true, "*.txt" })
end)

t.test("groups with a doc, required settings, whole numbers, schedules", function()
   local declaration = { optimizer = { doc = "how", settings = { lr = 1 } }, data = { type = "string", required = true },
      n = { default = 3, type = "integer" }, rate = { default = { linear = { 1, 0 }, over = 10 }, type = "schedule" } }
   local s = declare({ "data=here", "n=1e3", "rate={per_task: [0.5, 0]}", "optimizer.lr=2" }, declaration)
   t.expect({ s.data, s.n, s.rate, s.optimizer.lr }):equals({ "here", 1000, { per_task = { 0.5, 0 } }, 2 })
   t.expect(declare({ "data=x" }, declaration).rate):equals({ linear = { 1, 0 }, over = 10 })
   refused({}, declaration, "data: missing: give data=... or set it in a settings file")
   refused({ "data=x", "n=1.5" }, declaration, "command line: n: expected a whole number, got 1.5")
end)

t.test("the origin of each value is known", function()
   declare({ "lr=1" }, { lr = 0, inner = { name = "x" } })
   local origins = {}
   for _, entry in ipairs(settings.known) do origins[entry.key] = entry.origin end
   t.expect(origins):equals({ lr = "command line", ["inner.name"] = "default" })
end)

t.test("distance counts inserts, deletes, replacements and swaps", function()
   for _, case in ipairs{ { "", "", 0 }, { "a", "", 1 }, { "kitten", "sitting", 3 }, { "form", "from", 1 },
      { "abc", "abc", 0 }, { "ab", "xyab", 2 } } do
      t.expect(suggest.distance(case[1], case[2])):equals(case[3])
      t.expect(suggest.distance(case[2], case[1])):equals(case[3])
   end
end)

t.test("a suggestion is made only when a name is near", function()
   t.expect(suggest.nearest("momentun", { "lr", "momentum" })):equals("momentum")
   t.expect(suggest.nearest("sgd", { SGD = true, Adam = true })):equals("SGD")
   t.expect(suggest.nearest("elephant", { "lr", "momentum" })):is_nil()
   t.expect(suggest.hint("xyz", { "lr", "decay" })):equals(" (there are: decay, lr)")
   t.expect(suggest.hint("lt", { "lr", "decay" })):equals(", did you mean 'lr'?")
end)

t.done()
