-- The engram command: help, exit codes, running scripts, signals, installation. The prompt has test_repl.lua.
local t = require "tests.harness"

local folder = t.temporary_folder()

local function script(name, text) return t.write(folder .. "/" .. name, text) end

-- Runs `engram ARGUMENTS` in the folder: exit code, standard output, standard error.
local function engram(arguments, timeout)
   return t.command(("cd %s && engram %s"):format(t.quote(folder), arguments), timeout)
end

local function expect_command(arguments, code, out, err)
   local got, stdout, stderr = engram(arguments)
   t.expect({ got, stderr }):equals({ code, err and stderr or "" })
   if out then t.expect(stdout):contains(out) end
   if err then t.expect(stderr):contains(err) end
end

-- ---- help and usage ---------------------------------------------------------------------------------------

t.test("version, help, doctor", function()
   expect_command("--version", 0, "engram " .. require "engram.version" .. "\n")
   expect_command("version", 0, "engram ")
   expect_command("--help", 0, "usage: engram COMMAND")
   expect_command("help run", 0, "--no-run")
   expect_command("run --help", 0, "usage: engram run [options] FILE [key=value ...]")
   expect_command("data fetch --help", 0, "usage: engram data list | data fetch NAME...")
   expect_command("doctor", 0, "OpenBLAS")
end)

t.test("ENGRAM_INSTRUCTIONS chooses the instruction set; a wrong one is refused", function()
   local code, out, err = t.command "ENGRAM_INSTRUCTIONS=portable engram doctor"
   t.expect({ code, err }):equals({ 0, "" })
   t.expect(out):contains "portable"
   code, out, err = t.command "ENGRAM_INSTRUCTIONS=mmx engram doctor"
   t.expect({ code, out }):equals({ 1, "" })
   t.expect(err):contains "engram: instructions: 'mmx' is not one of this processor's instruction sets: portable"
end)

t.test("each command has help with its usage", function()
   local _, out = engram "help"
   local count = 0
   for name in out:gmatch "\n  (%l+)" do
      if name ~= "help" then expect_command("help " .. name, 0, "usage: engram " .. name) end
      count = count + 1
   end
   t.expect(count):above(4)
end)

t.test("wrong usage ends with exit code 2 and a suggestion", function()
   expect_command("foo.lua", 2, "", "unknown command 'foo.lua': a script is run by engram run foo.lua")
   expect_command("rnu", 2, "", "unknown command 'rnu', did you mean 'run'?")
   expect_command("help rnu", 2, "", "did you mean 'run'?")
   expect_command("--versoin", 2, "", "unknown option '--versoin'")
   expect_command("run", 2, "", "run: which script?")
   expect_command("run --sed 3 x.lua", 2, "", "unknown option '--sed', did you mean '--seed'?")
   expect_command("run --seed x x.lua", 2, "", "--seed: expected a whole number, got 'x'")
   expect_command("run --quiet=1 x.lua", 2, "", "--quiet takes no value")
   expect_command("run --no-run --report x.lua", 2, "", "run: --no-run writes no run directory: it does not go with --report")
   expect_command("run --name", 2, "", "--name: expected NAME after it")
end)

-- ---- scripts ----------------------------------------------------------------------------------------------

t.test("a script sees its words and its settings", function()
   script("words.lua", [[
      local s = require("engram").settings{ lr = 0.1, optimizer = { power = 1 } }
      print(arg[0], #arg, arg[1], arg[2], select("#", ...), s.lr, s.optimizer.power)]])
   expect_command("run --no-run words.lua lr=0.5 optimizer.power=2", 0, "words.lua\t2\tlr=0.5\toptimizer.power=2\t2\t0.5\t2\n")
   script("plain.lua", "print(#arg, ...)")
   expect_command("run plain.lua --no-run a --seed 3 -- --seed", 0, "2\ta\t--seed\n")
   expect_command("run --settings words.lua lr=0.5", 0, "lr: 0.5     # command line; default 0.1\noptimizer:\n  power: 1  # default\n")
end)

t.test("--seed and --threads", function()
   script("seed.lua", [[
      local engram = require "engram"
      print(engram.seed(), engram.threads(), engram.settings{ seed = 1 }.seed)]])
   expect_command("run --no-run seed.lua", 0, "\t1\n")
   expect_command("run --no-run --seed 7 --threads 1 seed.lua", 0, "7\t1\t7\n")
   expect_command("run --no-run --seed 7 --threads 1 seed.lua seed=2", 0, "7\t1\t2\n")
   expect_command("run --no-run --threads 0 seed.lua", 2, "", "--threads must be at least 1, got 0")
end)

t.test("modules beside the script are found", function()
   script("beside.lua", "return 42")
   script("user.lua", "print(require 'beside')")
   expect_command("run --no-run user.lua", 0, "42")
   local code, out = t.command(("engram run --no-run %s/user.lua"):format(folder))
   t.expect({ code, out }):equals({ 0, "42\n" })
end)

t.test("an error names the script's line and the user's frames alone", function()
   script("fails.lua", "local function inner()\n   local x\n   return x.y\nend\n"
      .. "local function outer() inner() return 1 end\nouter()\n")
   local code, out, err = engram "run --no-run fails.lua"
   t.expect({ code, out }):equals({ 1, "" })
   t.expect(err):equals("engram: fails.lua:3: attempt to index local 'x' (a nil value)\n"
      .. "   fails.lua:3: in inner\n   fails.lua:5: in outer\n   fails.lua:6: in the script\n")
end)

t.test("os.exit ends the run with its code", function()
   script("exits.lua", "os.exit(tonumber(arg[1]))")
   for _, code in ipairs{ 0, 1, 7 } do t.expect((engram("run --no-run exits.lua " .. code))):equals(code) end
end)

t.test("a run has a directory with what it was and printed", function()
   script("prints.lua", [[
      local engram = require "engram"
      local s = engram.settings{ lr = 0.1, name = "x" }
      print("rate", s.lr)
      local sub = engram.run.current():open "first"
      sub:log_metric{ step = 1, loss = 0.5 }
      if s.name == "fail" then error "it failed" end]])
   expect_command("run --runs out prints.lua lr=0.2", 0, "rate\t0.2",
      "look at it with: engram show out/prints/")
   expect_command("run --runs out --name odd prints.lua name=fail", 1, "rate", "it failed")
   local code, out = t.command(([[cd %s/out/prints && cat *-lr=0.2-*/settings.json *-lr=0.2-*/log.txt *-lr=0.2-*/overrides.txt \
      *-lr=0.2-*/first/metrics.jsonl && grep '"status"\|"error"' */status.json]]):format(folder))
   t.expect(code):equals(0)
   t.expect(out):contains('{\n  "lr": 0.2,\n  "name": "x"\n}\nrate\t0.2\nlr=0.2\n{"loss": 0.5, "step": 1}\n')
   t.expect(out):contains('"status": "finished"')
   t.expect(out):contains('"error": "prints.lua:6: it failed"')
   t.expect(out):contains('"status": "failed"')
end)

t.test("runs go below ENGRAM_RUNS, else ./runs; not at all with --no-run", function()
   script("quiet.lua", "")
   t.command(("cd %s && ENGRAM_RUNS=elsewhere engram run quiet.lua && engram run --name here quiet.lua"):format(folder))
   local _, out = t.command(("cd %s && ls -d elsewhere/quiet/* runs/quiet/*-here-*; ls runs/quiet | wc -l"):format(folder))
   t.expect(out:match "^elsewhere/quiet/%S+\nruns/quiet/%S+\n1\n$" ~= nil):is_true()
end)

-- ---- signals ----------------------------------------------------------------------------------------------

-- Shell code that waits until a file holds a text, at most 30 seconds.
local await = [[await() { n=0; until grep -qs "$2" "$1" || [ $n -ge 600 ]; do sleep 0.05; n=$((n + 1)); done; }
]]

-- Starts a script that says "ready", sends it the signal and waits.
local function signalled(name, signal)
   return t.command(await .. ([[cd %s; engram run --runs stopped %s >said 2>&1 & pid=$!; await said ready
      kill -%s $pid; wait $pid; code=$?; cat said; rm said; exit $code]]):format(folder, name, signal))
end

t.test("a signal stops interpreted code and tensor loops; the run is marked", function()
   script("loop.lua", "jit.off(true, true) io.stderr:write 'ready\\n' local n = 0 while true do n = n + 1 end")
   script("tensors.lua", [[
      local engram = require "engram"
      local x = engram.ones(4)
      io.stderr:write "ready\n"
      while true do x = x * 1 end]])
   for signal, code in pairs{ INT = 130, TERM = 143, USR1 = 138 } do
      local got, out = signalled("loop.lua", signal)
      t.expect(got):equals(code)
      t.expect(out):contains "engram: interrupted; what was done is in stopped/loop/"
   end
   t.expect((signalled("tensors.lua", "INT"))):equals(130)
   local _, count = t.command(("cd %s && cat stopped/*/*/status.json | grep -c '\"status\": \"interrupted\"'"):format(folder))
   t.expect(count):equals "4\n"
end)

t.test("Ctrl-C in a training: what was done is kept", function()
   script("training.lua", [[
      local engram = require "engram"
      local model = engram.nn.Sequential{ engram.nn.Flatten(), engram.nn.Linear(784, 10) }
      local steps = 0
      engram.cl.train{ name = "only", model = model, optimizer = engram.optim.SGD(model, { lr = 0.1 }), batch_size = 5,
         stream = engram.cl.stream{ engram.cl.task("glyphs/digits", { limit = 500, test_limit = 20, epochs = 10000 }) },
         on_step = function(t) if t.step == 150 then io.stderr:write "ready\n" end end }
      print "not reached"]])
   local code, out = signalled("training.lua", "INT")
   t.expect(code):equals(130)
   t.expect(out):contains "engram: interrupted; what was done is in stopped/training/"
   t.expect(out):lacks "not reached"
   local look = "cd %s/stopped/training/* && ls only && grep -h status status.json && tail -c 2 only/metrics.jsonl"
   local _, listed = t.command(look:format(folder))
   t.expect(listed):equals('accuracy.csv\nckpt\nmetrics.jsonl\nsummary.json\ntest_sets.json\nweights.safetensors\n'
      .. '  "status": "interrupted",\n}\n')
end)

t.test("the second signal tells how to force, the third stops compiled loops too", function()
   script("deaf.lua", "io.stderr:write 'ready\\n' local n = 0 while true do n = n + 1 end")
   local code, out = t.command(await .. ([[cd %s; engram run --no-run deaf.lua 2>said & pid=$!; await said ready
      until grep -q "once more" said; do kill -INT $pid || break; sleep 0.1; done; kill -INT $pid
      wait $pid; code=$?; cat said; exit $code]]):format(folder))
   t.expect(code):equals(130)
   t.expect(out):contains "once more stops at once, without saving"
end)

-- ---- installation -----------------------------------------------------------------------------------------

t.test("make install gives a tree that works from anywhere; uninstall takes all of it away", function()
   local build = t.program:match "^(.*)/"
   local make = ("make -s -o all BUILD=%s DESTDIR=%s/inst PREFIX=/opt/engram "):format(t.quote(build), folder)
   local code, out, err = t.command(make .. "install")
   t.expect({ code, out, err }):equals({ 0, "", "" })
   local installed = folder .. "/inst/opt/engram"
   script("where.lua", "print(require('engram').version, package.searchpath('engram.core', package.path))")
   code, out = t.command(("cd / && %s/bin/engram run --no-run %s/where.lua"):format(installed, folder))
   t.expect({ code, out }):equals({ 0, require "engram.version" .. "\t" .. installed .. "/share/engram/lua/engram/core.lua\n" })
   code, out = t.command(("cd / && %s/bin/engram help nn.Linear"):format(installed))
   t.expect({ code, out }):equals({ 0, require "engram.help".text "nn.Linear" .. "\n" })
   t.expect(t.read(installed .. "/share/man/man1/engram.1")):contains ".TH ENGRAM 1"
   t.expect(t.read(installed .. "/share/bash-completion/completions/engram")):contains "complete -F _engram engram"
   local about = ("PKG_CONFIG_PATH=%s/lib/pkgconfig pkg-config engram "):format(installed)
   code, out = t.command(about .. "--modversion && " .. about .. "--cflags --libs")
   t.expect(code):equals(0)
   t.expect(out:gsub(" *\n", "\n")):equals(require "engram.version"
      .. "\n-I/opt/engram/include/engram -L/opt/engram/lib -lengram\n")
   t.command(make .. "uninstall")
   code, out = t.command(("find %s/inst -type f | wc -l"):format(folder))
   t.expect({ code, out }):equals({ 0, "0\n" })
end)

t.done()
