-- Settings files and words of the command line: what they come to, and for each way to get them wrong the exact message.
-- ENGRAM_SHOW=1 prints the table of bad files and words with their messages.
local t = require "tests.harness"

local SCRIPT = [[
local engram = require "engram"
local s = engram.settings{
   lr = { default = 0.1, min = 0, max = 1, doc = "step size" },
   epochs = { default = 2, type = "integer", min = 1 },
   limit = { default = false, type = "integer" },
   flag = true,
   name = "x",
   variant = { default = "paper", choices = { "paper", "published" } },
   seeds = { 1, 2 },
   methods = { default = { "sgd" }, choices = { "sgd", "classp" } },
   optimizer = { doc = "how weights move", settings = { lr = 0.1, threshold = { default = 0, type = "schedule" }, momentum = 0 } },
}
print("ran with", s.lr, s.name)
]]

local folder = t.temporary_folder()

local function put(name, text) return t.write(folder .. "/" .. name, text) end
put("exp.lua", SCRIPT)

local function shell(line, timeout) return t.command(("cd %s && %s"):format(t.quote(folder), line), timeout) end

-- engram config names the script in its first line, which has a test of its own.
local function engram(arguments, timeout)
   local code, out, err = shell("engram " .. arguments, timeout)
   return code, out:gsub("^script: [^\n]*\n", ""), err
end

-- ---- what is refused, each with its message ---------------------------------------------------------------

-- { text of exp.yaml, words, message }; "" stands for an empty file.
local refused = {
   -- keys
   { "lrr: 1", "", "exp.yaml:1:1: lrr: unknown key, did you mean 'lr'?" },
   { "lr: 0.5\noptimizer:\n  lr: 1\n  treshold: 1", "",
      "exp.yaml:4:3: optimizer.treshold: unknown key, did you mean 'threshold'?" },
   { "treshold: 1", "", "exp.yaml:1:1: treshold: unknown key, did you mean 'optimizer.threshold'?" },
   { "zzzzzzzz: 1", "",
      "exp.yaml:1:1: zzzzzzzz: unknown key (there are: epochs, flag, limit, lr, methods, name, optimizer, seeds, variant)" },
   { "optimizer: {qqqqqqqq: 1}", "", "exp.yaml:1:13: optimizer.qqqqqqqq: unknown key (there are: lr, momentum, threshold)" },
   { "optimizer.lr: 1", "", "exp.yaml:1:1: optimizer.lr: unknown key; a file nests it: optimizer: { lr: ... }" },
   { "lr: 1\nlr: 2", "", "exp.yaml:2:1: duplicate key 'lr', first at line 1" },
   { "lr:\n  x: 1", "", "exp.yaml:2:3: lr: expected a number, got a map" },
   { "optimizer: 3", "", "exp.yaml:1:12: optimizer: expected settings (lr, momentum, threshold), got 3" },
   { "optimizer: [1]", "", "exp.yaml:1:12: optimizer: expected settings (lr, momentum, threshold), got a list" },
   { "? [a]\n: 1", "", "exp.yaml:1:3: a key must be a word, got a list" },
   -- types
   { "lr: fast", "", "exp.yaml:1:5: lr: expected a number, got 'fast'" },
   { "lr: '0.1'", "", "exp.yaml:1:5: lr: expected a number, got '0.1'" },
   { "lr:", "", "exp.yaml:1:4: lr: expected a number, got nothing" },
   { "lr: null", "", "exp.yaml:1:5: lr: expected a number, got null" },
   { "lr: .nan", "", "exp.yaml:1:5: lr: expected a number, got .nan" },
   { "lr: 1e999", "", "exp.yaml:1:5: lr: 1e999 is too large for a number: write .inf" },
   { "lr: true", "", "exp.yaml:1:5: lr: expected a number, got true" },
   { "epochs: 1.5", "", "exp.yaml:1:9: epochs: expected a whole number, got 1.5" },
   { "epochs: 12345678901234567890", "",
      "exp.yaml:1:9: epochs: 12345678901234567890 is beyond 2^53, where whole numbers are no longer exact" },
   { "limit: true", "", "exp.yaml:1:8: limit: expected a whole number or false, got true" },
   { "flag: yes", "", "exp.yaml:1:7: flag: expected true or false, got 'yes'" },
   { "flag: 1", "", "exp.yaml:1:7: flag: expected true or false, got 1" },
   { "name:", "", [[exp.yaml:1:6: name: expected a text, got nothing; write "" for an empty one, or "null"]] },
   { "name: [a]", "", "exp.yaml:1:7: name: expected a text, got a list" },
   { "seeds: 3", "", "exp.yaml:1:8: seeds: expected a list, as [a, b], got 3" },
   { "seeds:\n  - 1\n  - two", "", "exp.yaml:3:5: seeds: expected a number, got 'two' (item 2 of the list)" },
   -- ranges and choices
   { "lr: 2", "", "exp.yaml:1:5: lr: expected a number from 0 to 1, got 2" },
   { "epochs: 0", "", "exp.yaml:1:9: epochs: expected a whole number of at least 1, got 0" },
   { "variant: papr", "", "exp.yaml:1:10: variant: expected one of paper, published, got 'papr', did you mean 'paper'?" },
   { "methods: [sgd, adam]", "", "exp.yaml:1:10: methods: expected one of sgd, classp, got 'adam' (item 2 of the list)" },
   { "optimizer:\n  threshold: {per_tsk: [1]}", "",
      "exp.yaml:2:14: optimizer.threshold: schedule.of: none of constant, per_task, step, linear, cosine, exponential, warmup, "
      .. "quantile is named, nor a rule that ends a task, as loss or patience, got 'per_tsk', did you mean 'per_task'?" },
   { "optimizer:\n  threshold: {los: 2}", "",
      "exp.yaml:2:14: optimizer.threshold: schedule.of: none of constant, per_task, step, linear, cosine, exponential, warmup, "
      .. "quantile is named, nor a rule that ends a task, as loss or patience, got 'los', did you mean 'loss'?" },
   { "optimizer:\n  threshold: {quantile: 2}", "",
      "exp.yaml:2:14: optimizer.threshold: schedule.quantile: q must be from 0 to 1, got 2" },
   { "optimizer:\n  threshold: often", "",
      "exp.yaml:2:14: optimizer.threshold: expected a number or a schedule, as {per_task: [0.5, 0]}, got 'often'" },
   -- YAML
   { "lr: 0.1\n\tname: x", "", "exp.yaml:2:1: a tab cannot indent: use spaces" },
   { "seeds: [1, 2", "", "exp.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence that begins at line 1" },
   { "lr: 0.1\n---\nlr: 0.2", "", "exp.yaml:2:1: a second document begins; one file holds one" },
   { "- lr", "", "exp.yaml:1:1: expected a map of settings, got a list" },
   { "lr", "", "exp.yaml:1:1: expected a map of settings, got a string" },
   { "lr: *rate", "", "exp.yaml:1:5: alias '*rate' has no anchor '&rate' before it" },
   { "seeds: &s [1, *s]", "", "exp.yaml:1:15: alias '*s' stands inside its own anchor: the value would hold itself" },
   { "lr: !rate 1", "", "exp.yaml:1:5: unknown tag '!rate' (there are: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)" },
   { "<<: 3", "", "exp.yaml:1:5: '<<' merges a map or a list of maps" },
   { "name: \xff", "", "exp.yaml:1:7: invalid leading UTF-8 octet (0xFF): the text must be UTF-8 without control characters" },
   { "name: a\7", "", "exp.yaml:1:8: control characters are not allowed (0x07): the text must be UTF-8 without control characters" },
   -- base and script
   { "base: other.yaml", "", "exp.yaml:1:7: base: other.yaml: No such file or directory" },
   { "base: exp.yaml", "", "exp.yaml:1:7: base: exp.yaml builds on itself" },
   { "base: 3", "", "exp.yaml:1:7: base: expected the name of a file, or a list of names" },
   { "base: bad_base.yaml", "", "bad_base.yaml:2:1: lrr: unknown key, did you mean 'lr'?" },
   { "base: .", "", "exp.yaml:1:7: base: .: a folder, expected a YAML file" },
   { "script: nothing.lua", "", "exp.yaml:1:9: script: there is no file 'nothing.lua', and no 'nothing.lua' in experiments/ either" },
   { "script: [exp.lua]", "", "exp.yaml:1:9: script: expected the name of a script" },
   -- words
   { "", "lrr=1", "command line: lrr: unknown key, did you mean 'lr'?" },
   { "", "optimizer.lrr=1", "command line: optimizer.lrr: unknown key, did you mean 'lr'?" },
   { "", "treshold=1", "command line: treshold: unknown key, did you mean 'optimizer.threshold'?" },
   { "", "base=x.yaml", "command line: base: unknown key (there are: epochs, flag, limit, lr, methods, name, optimizer, seeds, variant)" },
   { "", "optimizer=3", "command line: optimizer: expected settings (lr, momentum, threshold), got 3" },
   { "", "'optimizer={lrr: 1}'", "command line: optimizer.lrr: unknown key, did you mean 'lr'?" },
   { "", "optimizer..lr=1", "command line: 'optimizer..lr=': a part of the name is empty" },
   { "", "optimizer.=1", "command line: 'optimizer.=': a part of the name is empty" },
   { "", "lr.x=1", "command line: lr: expected a number, got a map" },
   { "", "lr=fast", "command line: lr: expected a number, got 'fast'" },
   { "", "lr=", "command line: lr: expected a number, got nothing" },
   { "", "lr=2", "command line: lr: expected a number from 0 to 1, got 2" },
   { "", "lr=nan", "command line: lr: expected a number, got 'nan'" },
   { "", "lr=[1",
      "command line: lr: line 2, column 1: did not find expected ',' or ']', while parsing a flow sequence that begins at line 1" },
   { "", "flag=on", "command line: flag: expected true or false, got 'on'" },
   { "", "epochs=1e-3", "command line: epochs: expected a whole number, got 1e-3" },
   { "", "seeds=1,b", "command line: seeds: expected a number, got 'b' (item 2 of the list)" },
   { "", "'seeds=[1, b]'", "command line: seeds: expected a number, got 'b' (item 2 of the list)" },
   { "", "'seeds=[1, [2]]'", "command line: seeds: expected a number, got a list (item 2 of the list)" },
   { "", "methods=sgd,adam", "command line: methods: expected one of sgd, classp, got 'adam' (item 2 of the list)" },
   { "", "variant=mine", "command line: variant: expected one of paper, published, got 'mine'" },
   { "", "\"name=$(printf 'a\\377')\"",
      "command line: name: line 1, column 2: invalid leading UTF-8 octet (0xFF): the text must be UTF-8 without control characters" },
   { "", "lr", "command line: 'lr' sets nothing: a setting is written lr=VALUE" },
   { "", "Variant", "command line: 'Variant' sets nothing: a setting is written variant=VALUE" },
   { "", "momentun 0.9", "command line: 'momentun' sets nothing: a setting is written optimizer.momentum=VALUE" },
   { "", "optimizer.lr", "command line: 'optimizer.lr' sets nothing: a setting is written optimizer.lr=VALUE" },
   { "", "--sed", "'--sed' is no option of the script: settings are written key=value, options of engram run before the file, "
      .. "the script's own words after --" },
   { "", "optimizer.momentum = 0.9", "command line: 'optimizer.momentum' sets nothing: a setting is written optimizer.momentum=VALUE" },
   { "", "+lr=0.9", "command line: '+lr=0.9' sets nothing: a setting is written lr=0.9" },
}

put("bad_base.yaml", "lr: 0.2\nlrr: 3\n")

for _, case in ipairs(refused) do
   local text, words, message = unpack(case)
   t.test("refused: " .. (text .. " " .. words):gsub("%c", " "):gsub("[\128-\255]", "?"), function()
      put("exp.yaml", text)
      local code, out, err = engram("config exp.yaml " .. words)
      if os.getenv "ENGRAM_SHOW" then
         print(("| `%s` | `%s` | %s |"):format(text:gsub("\n", "\\n"), words, (err:gsub("^engram: ", ""):gsub("\n", ""))))
      end
      t.expect({ code, out, err }):equals({ 2, "", "engram: " .. message .. "\n" })
   end)
end

t.test("the table is as long as it claims", function() t.expect(#refused):above(40) end)

t.test("the same message from engram run, and no run directory is left", function()
   put("exp.yaml", "optimizer:\n  treshold: 1")
   local code, out, err = engram "run exp.yaml"
   t.expect({ code, out, err }):equals({ 2, "", "engram: exp.yaml:2:3: optimizer.treshold: unknown key, did you mean 'threshold'?\n" })
   t.expect((shell "test -e runs")):differs_from(0)
end)

-- ---- hostile files: refused in bounded time and memory ----------------------------------------------------

local function bomb()
   local lines = { "a0: &a0 [x, x, x, x, x, x, x, x, x]" }
   for i = 1, 30 do lines[#lines + 1] = ("a%d: &a%d [%s]"):format(i, i, (("*a%d, "):format(i - 1)):rep(9)) end
   return table.concat(lines, "\n")
end

local function merges()
   local lines = { "a0: &a0 {k: 1}" }
   for i = 1, 30 do lines[#lines + 1] = ("a%d: &a%d {<<: [*a%d, *a%d], k%d: 1}"):format(i, i, i - 1, i - 1, i) end
   return table.concat(lines, "\n")
end

local hostile = {
   { "a million brackets", ("["):rep(1000000), "hostile.yaml:1:65: nested more than 64 deep" },
   { "deep maps", ("{a: "):rep(200000), "hostile.yaml:1:257: nested more than 64 deep" },
   { "deep block lists", ("- "):rep(500000), "hostile.yaml:1:129: nested more than 64 deep" },
   { "an alias bomb", bomb(), "hostile.yaml:5:10: alias '*a3' makes more than 10000 keys and values" },
   { "a bomb of merge keys", merges(), "alias '*a9' makes more than 10000 keys and values" },
   { "a scalar of 10 MB", "name: " .. ("x"):rep(10 * 2 ^ 20), "hostile.yaml:1:1: 1048577 bytes; at most 1048576 are taken" },
   { "a scalar of 1 MB", "name: " .. ("x"):rep(10 ^ 6), "hostile.yaml:1:7: a text of 1000000 bytes; at most 65536 are taken" },
   { "invalid UTF-8", ("\xff"):rep(10 ^ 6), "hostile.yaml:1:1: invalid leading UTF-8 octet (0xFF)" },
   { "UTF-16", "\255\254l\0r\0", "hostile.yaml:1:1: invalid leading UTF-8 octet (0xFF)" },
   { "zero bytes", ("\0"):rep(10 ^ 6), "hostile.yaml:1:1: control characters are not allowed (0x00)" },
   { "twenty thousand items", "seeds: [" .. ("1, "):rep(20000) .. "]", "more than 10000 keys and values" },
   { "ninety thousand %TAG lines", ("%TAG !a! b\n"):rep(90000), "hostile.yaml:17:1: more than 16 lines that begin with %" },
   { "bases that double", false, "more than 64 files" },
}

for i = 1, 20 do put("base" .. i .. ".yaml", i < 20 and ("base: [base%d.yaml, base%d.yaml]"):format(i + 1, i + 1) or "lr: 0.1") end

-- Two seconds of processor time and 200 MB of address space, of which the program alone takes half. A program with
-- the sanitizers reserves more than there is, and is slower.
local sanitized = require "ffi".string(require "engram.core".C.eg_flags_text):find("-fsanitize", 1, true)
local limits = sanitized and "ulimit -t 20; " or "ulimit -v 200000 -t 2; "

for _, case in ipairs(hostile) do
   local name, text, message = unpack(case)
   t.test("hostile: " .. name, function()
      put("hostile.yaml", text or "base: base1.yaml")
      local code, out, err = shell(limits .. "OPENBLAS_NUM_THREADS=1 engram config --config hostile.yaml exp.lua", 30)
      if code ~= 2 then error(("exit code %d: %s%s"):format(code, out, err), 0) end
      t.expect(err):contains(message)
   end)
end

t.test("a file without an end is not read to its end", function()
   local code, out, err = engram("config --config /dev/zero exp.lua", 20)
   t.expect({ code, out, err }):equals({ 2, "", "engram: /dev/zero:1:1: 1048577 bytes; at most 1048576 are taken\n" })
end)

-- ---- what is taken ----------------------------------------------------------------------------------------

shell "mkdir common"
put("exp.yaml", "base: [common/base.yaml, common/other.yaml]\nlr: 1e-3        # a comment\noptimizer:\n  momentum: 0.9\nname: 1.10\n")
put("common/base.yaml", "lr: 0.5\nseeds: [7, 8, 9]\noptimizer: {lr: 0.3, momentum: 0.1, threshold: {per_task: [0.5, 0]}}\n")
put("common/other.yaml", "base: deepest.yaml\noptimizer:\n  lr: 0x1\n")
put("common/deepest.yaml", "epochs: 5\nflag: false\n")

t.test("a file wins over its bases, a later base over an earlier, a word over all; lists are replaced", function()
   local code, out = engram "config exp.yaml optimizer.momentum=.5 'seeds=[1, 2, 3, 4]' variant=published"
   t.expect({ code, out }):equals({ 0, [[
epochs: 5
flag: false
limit: false
lr: 0.001
methods: [sgd]
name: "1.10"
optimizer:
  lr: 1
  momentum: 0.5
  threshold:
    per_task: [0.5, 0]
seeds: [1, 2, 3, 4]
variant: published
]] })
end)

t.test("--explain says where each value comes from, its doc and its range", function()
   local code, out = engram "config exp.yaml --explain optimizer.momentum=.5 --seed 3"
   t.expect({ code, out }):equals({ 0, [[
epochs: 5         # common/deepest.yaml:1; at least 1; default 2
flag: false       # common/deepest.yaml:2; default true
limit: false      # default
lr: 0.001         # exp.yaml:2; step size; 0 to 1; default 0.1
methods: [sgd]    # default; one of sgd, classp
name: "1.10"      # exp.yaml:5; default x
optimizer:        # how weights move
  lr: 1           # common/other.yaml:3; default 0.1
  momentum: 0.5   # command line; default 0
  threshold:      # common/base.yaml:3; default 0
    per_task: [0.5, 0]
seeds: [7, 8, 9]  # common/base.yaml:2; default [1, 2]
variant: paper    # default; one of paper, published
]] })
   put("explained.yaml", "script: exp.lua\n" .. out)                         -- and it reads back
   t.expect({ engram "config explained.yaml" }):equals({ engram "config exp.yaml optimizer.momentum=.5" })
end)

t.test("engram run takes a settings file, names the run after it and keeps it", function()
   local code, out = engram "run exp.yaml lr=0.2"
   t.expect({ code, out }):equals({ 0, "ran with\t0.2\t1.10\n" })
   shell "cp runs/exp/*/config.yaml again.yaml"
   t.expect({ engram "config --config again.yaml exp.lua" }):equals({ engram "config exp.yaml lr=0.2" })
   t.expect((shell "cmp exp.yaml runs/exp/*/source.yaml")):equals(0)
   code, out = engram "run --no-run --config exp.yaml exp.lua"
   t.expect({ code, out }):equals({ 0, "ran with\t0.001\t1.10\n" })
   put("variant.yaml", "script: exp.lua\nname: v\n")
   code, out = engram "run --name two variant.yaml"
   t.expect({ code, out }):equals({ 0, "ran with\t0.1\tv\n" })
   t.expect((shell "ls runs/variant/*-two-*/source.yaml")):equals(0)
end)

t.test("script: names one of experiments/ too, with or without its ending", function()
   for _, name in ipairs{ "classp_sentiment", "classp_sentiment.lua" } do
      put("copy.yaml", ("script: %s\nseed: 9\n"):format(name))
      t.expect((select(2, engram "config copy.yaml"))):contains "seed: 9\n"
   end
   put("copy.yaml", "script: exp\nname: v\n")
   t.expect({ engram "run --no-run copy.yaml" }):equals{ 0, "ran with\t0.1\tv\n", "" }
end)

t.test("--seed wins over the file, a word over --seed", function()
   put("seed.lua", "print(require 'engram'.settings{ seed = 1 }.seed)")
   put("seed.yaml", "seed: 5")
   t.expect(select(2, engram "run --no-run seed.yaml")):equals "5\n"
   t.expect(select(2, engram "run --no-run --seed 6 seed.yaml")):equals "6\n"
   t.expect(select(2, engram "run --no-run --seed 6 seed.yaml seed=7")):equals "7\n"
   t.expect(select(2, engram "config --seed 6 --explain seed.yaml")):equals "seed: 6  # command line; default 1\n"
end)

t.test("what is not used, or names no script, is said", function()
   put("plain.lua", "print 'done'")
   put("plain.yaml", "lr: 1")
   local code, out, err = engram "run --no-run plain.yaml"
   t.expect({ code, out, err }):equals({ 1, "done\n",
      "engram: plain.yaml: the script declares no settings "
      .. "(with engram.settings{ ... }), so none of these are used\n" })
   code, out, err = engram "config plain.lua"
   t.expect({ code, out, err }):equals({ 1, "done\n", "engram: the script declares no settings\n" })
   put("alone.yaml", "lr: 1")
   code, out, err = engram "run alone.yaml"
   t.expect({ code, out, err }):equals({ 2, "", "engram: alone.yaml: names no script and there is no alone.lua: add `script: NAME.lua`, "
      .. "or engram run --config alone.yaml SCRIPT\n" })
   code, out, err = engram "run --config exp.yaml variant.yaml"
   t.expect({ code, out, err }):equals({ 2, "", "engram: run: variant.yaml is a settings file already; --config goes with a script\n" })
   code, out, err = engram "config"
   t.expect({ code, out, err }):equals({ 2, "", "engram: config: which script? engram config FILE [key=value ...]\n" })
   code, out, err = engram "config exq.yaml"
   t.expect({ code, out, err }):equals({ 2, "", "engram: config: there is no file 'exq.yaml', did you mean 'exp.yaml'?\n" })
   put("required.lua", "require 'engram'.settings{ data = { type = 'string', required = true, doc = 'a folder' } }")
   code, out, err = engram "config required.lua"
   t.expect({ code, out, err }):equals({ 2, "", "engram: data: missing: give data=... or set it in a settings file (a folder)\n" })
   t.expect(select(2, engram "config required.lua data=here")):equals "data: here\n"
end)

t.test("what engram config prints runs as it stands, wherever it lies", function()
   shell "mkdir -p deep; engram config exp.lua lr=0.25 name=y > deep/new.yaml"
   local code, out = shell "cd deep && engram run --no-run new.yaml"
   t.expect({ code, out }):equals{ 0, "ran with\t0.25\ty\n" }
   t.write(folder .. "/deep/marked.yaml", "\239\187\191" .. t.read(folder .. "/deep/new.yaml"))      -- with a byte order mark
   t.expect((shell "engram run --no-run deep/marked.yaml")):equals(0)
end)

t.test("a full disk under standard output is told, and ends with exit code 1", function()
   for _, line in ipairs{ "engram config exp.lua", "engram run --quiet --no-run exp.lua", "engram version" } do
      local code, _, err = shell(line .. " > /dev/full")
      t.expect({ line, code, err:match "^engram: standard output: cannot write" }):equals{ line, 1,
         "engram: standard output: cannot write" }
   end
end)

t.test("settings that no script asks for are told before the first training", function()
   put("trains.lua", "require 'engram'.cl.train{}")
   put("trains.yaml", "lr: 1")
   local code, _, err = engram "run --no-run trains.yaml"
   t.expect({ code, err:match "no settings" }):equals{ 2, "no settings" }
end)

t.done()
