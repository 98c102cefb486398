-- The prompt: on a pseudo-terminal (tests/cli/terminal.c), where each test plays a few steps, and from a pipe.
local t = require "tests.harness"

local work = t.temporary_folder()
local terminal = t.program:match "^(.*)/" .. "/test/terminal"

local function write(name, text) return t.write(work .. "/" .. name, text) end

-- ---- sessions -----------------------------------------------------------------------------------------------

local count = 0

-- Plays steps (a list, in the language of terminal.c) in a folder of their own; the exit code, the transcript without control
-- sequences, and what the terminal program printed. about: { folder =, program = with its words, environment = }.
local function play(steps, about)
   about = about or {}
   count = count + 1
   local folder = about.folder or work .. "/" .. count
   os.execute("mkdir -p " .. t.quote(folder))
   t.write(folder .. "/steps", table.concat(steps, "\n") .. "\n")
   local environment = ("XDG_STATE_HOME=%s/state TERM=xterm LC_ALL=C.UTF-8 NO_COLOR= %s"):format(t.quote(folder), about.environment or "")
   local code, out, err = t.command(("cd %s && env %s %s steps screen %s"):format(t.quote(folder), environment, t.quote(terminal),
      about.program or "engram"), 200)
   local screen = (t.read(folder .. "/screen") or ""):gsub("\27%[[0-9;?]*%a", ""):gsub("[\r\a]", "")
   if code >= 124 and not about.code then error(("exit code %d\n%s\nthe screen:\n%s"):format(code, err, screen), 0) end
   t.expect(code):equals(about.code or 0)
   return screen, out, folder
end

-- Types lines, each at a prompt, and leaves; what each printed, in order.
local function type_lines(lines, about)
   local steps = { "expect > " }
   for _, line in ipairs(lines) do
      steps[#steps + 1] = "line " .. line:gsub("\\", "\\\\") .. " --" .. #steps            -- marks the end of the echo
      steps[#steps + 1] = "expect --" .. #steps - 1 .. "\\n"
      steps[#steps + 1] = "expect > "
      if line:find "^[:?$]" then steps[#steps - 2], steps[#steps - 1] = "line " .. line:gsub("\\", "\\\\"), "expect \\n" end
   end
   -- What is shown may hold "> " too, so that lines are typed ahead; Ctrl-D must not be.
   for _, step in ipairs{ "line print('the ' .. 'end')", "expect \\nthe end\\n> ", "keys \\cd" } do steps[#steps + 1] = step end
   return (play(steps, about))
end

-- The screen of lines holds the text.
local function shows(lines, ...)
   local screen = type_lines(lines)
   for _, text in ipairs{ ... } do t.expect(screen):contains(text) end
   return screen
end

-- ---- editing, history ---------------------------------------------------------------------------------------

t.test("a line can be edited; the arrows bring back earlier lines; Ctrl-R finds them", function()
   local screen = play{ "expect > ", "keys x = 12\\e[D3\\r", "expect > ",          -- the arrow: 132
      "line x", "expect \\n132\\n", "line y = 'needle'", "expect > ", "line x + 1", "expect \\n133\\n",
      "keys \\e[A\\e[A\\e[A\\r", "expect \\n132\\n> ", "keys \\crneed", "expect needle", "send \\r", "expect > ",
      "line y", "expect \"needle\"", "keys \\cd" }
   t.expect(screen):contains ":help lists what the prompt can do"
end)

t.test("history: a file of the owner's, written line by line, read by the next session; multi-line entries stay whole", function()
   local _, _, folder = play{ "expect > ", "line kept = 1 -- \\\\n", "expect > ", "line kept = 1 -- \\\\n", "expect > ",
      "line for i = 1, 2 do",
      "expect >> ", "line end", "expect > ", "keys \\cd" }
   local path = folder .. "/state/engram/history"
   t.expect(t.read(path)):equals "kept = 1 -- \\\\n\nfor i = 1, 2 do\nend\n"
   local _, mode = t.command("stat -c '%a' " .. path)
   t.expect(mode):equals "600\n"
   play({ "expect > ", "keys \\e[A\\e[A\\e[A\\r", "expect > ", "line kept", "expect \\n1\\n", "keys \\cd" }, { folder = folder })
end)

t.test("history is capped at 10 000 entries; foreign bytes and endless lines do no harm", function()
   local folder = work .. "/capped"
   os.execute("mkdir -p " .. folder .. "/state/engram")
   local lines = {}
   for i = 1, 12000 do lines[i] = "x = " .. i end
   lines[11990], lines[11991], lines[11992] = "\255\254\0", ("y"):rep(1e6), "bad \\q escape\\"
   t.write(folder .. "/state/engram/history", table.concat(lines, "\n") .. "\n")
   play({ "expect > ", "keys \\e[A\\r", "expect > ", "line x", "expect 12000", "keys \\cd" }, { folder = folder })
   local text = t.read(folder .. "/state/engram/history")
   t.expect(select(2, text:gsub("\n", ""))):below(10003)
   t.expect(text):contains "x = 12000\nx\n"
   t.expect(text):lacks "x = 1990\n"
end)

t.test("a history that cannot be written is one note, not a failure", function()
   local folder = work .. "/unwritable"
   os.execute("mkdir -p " .. folder)
   t.write(folder .. "/state", "a file where the folder should be")
   local screen = play({ "expect history is not kept: ", "expect > ", "line 1 + 1", "expect \\n2\\n", "keys \\cd" }, { folder = folder })
   t.expect(select(2, screen:gsub("history is not kept", ""))):equals(1)
end)

-- ---- completion ---------------------------------------------------------------------------------------------

t.test("completion of globals, the session's locals, keywords, fields and methods", function()
   play{ "expect > ", "line local wanderlust = 5; t = { inner = { depth = 3 } }; setmetatable(t, { __index = { inherited = 4 } })",
      "expect > ",
      "line wander\\t", "expect \\n5\\n", "line collectg\\t 'count' > 0", "expect \\ntrue\\n", "line t.inn\\t.de\\t", "expect \\n3\\n",
      "line t.inh\\t", "expect \\n4\\n", "line ('x'):re\\tp(3)", "expect \\n\"xxx\"\\n> ",
      "line x = engram.on\\t", "expect engram.one\\n> ",
      "line x = engram.ones(2, 3)", "expect > ", "line x.sha\\t[2]", "expect \\n3\\n", "line x:uns\\t(1).shape[3]", "expect \\n3\\n",
      "line x:nu\\t()", "expect \\n6\\n", "line m = nn.Linear(2, 2)", "expect > ", "line #m:para\\t()", "expect \\n2\\n",
      "line m.wei\\t.dt\\t", "expect \"float32\"", "line engram.optim.Ada\\t\\t", "expect AdaGrad", "expect AdamW", "send \\cc", "wait 1",
      "line funct\\t f() retu\\t 8 end", "expect > ", "line f()", "expect \\n8\\n", "keys \\cd" }
end)

t.test("completion behind results, in questions and in strings, at the terminal", function()
   play{ "expect > ", "line engram.ones(2, 3)", "expect > ", "line _1:nu\\t()", "expect \\n6\\n", "line 7, engram.ones(4)", "expect > ",
      "line _2:nu\\t()", "expect \\n4\\n", "line ??eg_matmul_n\\t", "expect eg_matmul_new(", "line ?Tensor:matm\\t",
      "expect Tensor:matmul(", "line engram.zeros(2, { dtype = 'float6\\t })", "expect float64", "keys \\cd" }
end)

t.test("completion runs no metamethod", function()
   play{ "expect > ", "line ran = 0; trap = setmetatable({ seen = 1 }, { __index = function() ran = ran + 1 return {} end })", "expect > ",
      "line trap.se\\t", "expect \\n1\\n", "send trap.other.f\\t\\t", "wait 0.3", "send \\cc", "wait 1", "line ran", "expect \\n0\\n",
         "keys \\cd" }
end)

t.test("completion in strings: files, then registered names; commands after a colon", function()
   local folder = work .. "/files"
   os.execute("mkdir -p " .. folder .. "/deep/er")
   t.write(folder .. "/deep/er/leaf file.txt", "found")
   play({ "expect > ", "line io.open('deep/e\\tl\\t):read '*a'", "expect \"found\"", "line name = 'CLA\\t", "expect > ",
      "line name", "expect \"CLASSP\"", "line name = \"glyphs/dig\\t", "expect > ", "line name", "expect \"glyphs/digits\"",
      "line s = engram.settings{ unusual_rate = 2, optimizer = { nesting = 1 } }", "expect > ", "line name = 'unus\\t", "expect > ",
      "line name", "expect \"unusual_rate\"", "line name = 'optimizer.nes\\t", "expect > ", "line name", "expect \"optimizer.nesting\"",
      "line :who name\\t", "expect optimizer.nesting", "send :loc\\t\\r", "expect locals are kept",
      "line :load dee\\t\\tx", "expect cannot be read", "keys \\cd" }, { folder = folder })
end)

-- ---- printing -----------------------------------------------------------------------------------------------

t.test("expressions print their value, a semicolon silences; _ and _1, _2 keep results, nil too", function()
   local screen = type_lines{ "1 + 2", "'quiet' .. 'ly';", "_", "nil, 7, nil", "_1 == nil and _2 == 7 and _3 == nil", "_", "= 4 * 5",
      "f = function() return end", "f()", "return 8, 9", "_2" }
   t.expect((screen:gsub("> [^\n]*%-%-%d+", ">"))):contains(
      '>\n3\n>\n>\n"quietly"\n>\nnil   7   nil\n>\ntrue\n>\ntrue\n>\n20\n>\n>\n>\n8   9\n>\n9\n')
end)

t.test("tensors print shape, dtype, size, four digits, edges above 1000 elements, NaN and Inf, within the terminal's width", function()
   local screen = shows({ "x = engram.zeros(100, 100) + 1 / 3", "x[{1, 1}] = 0 / 0; x[{2, 2}] = math.huge", "x", "print(x)",
      "engram.arange(60)",
      "engram.zeros(10, 10, 10, 10, 10, 10)", "print(engram.zeros(6, 6, 6, 6, 6, 6, 6))" },
      "tensor (100, 100) float32 39.1 KB 1 NaN 1 Inf\n[[   nan, 0.3333, 0.3333, ..., 0.3333, 0.3333, 0.3333],\n", ",\n ...,\n")
   for line in screen:gmatch "[^\n]+" do
      if not line:find "^>" and not line:find ":help" then t.expect(#line):below(81) end
   end
   t.expect(select(2, screen:gsub("\n", ""))):below(400)
end)

t.test("tables print with sorted keys, limited in depth and width, with cycles marked; text without control characters", function()
   local screen = shows({ "t = { 3, 2, zebra = 1, apple = 'caf\195\169', deep = { { { { { 1 } } } } } }", "t.self = t", "t",
      "big = {}; for i = 1, 1e5 do big[i] = i end", "big", "('\\27[31m\\0\\n\255 ' .. ('x'):rep(5000))",
      "setmetatable({}, { __tostring = function() return 'I speak' end })", "{ f = print, n = nn.ReLU(), x = engram.ones(2) }" },
      '{ 3, 2, apple = "caf\195\169", deep = { { { {...} } } }, self = <cycle>, zebra = 1 }', "... 99960 more",
         "\\027[31m\\000\\n\\255 xxx",
      "... (500", "\nI speak\n", "f = function: builtin", "n = ReLU()", "x = tensor (2) float32")
   for line in screen:gmatch "[^\n]+" do
      if not line:find "^>" and not line:find "xxx" then t.expect(#line):below(100) end
   end
end)

t.test("a library prints a line a name; deep tables a screenful", function()
   for _, name in ipairs{ "engram", "cl", "nn", "optim", "package", "_G" } do
      local screen = shows({ "cl.methods, nn.Linear, optim.SGD;", name })
      local _, lines = screen:gsub("\n", "")
      t.expect(lines):below(70)
   end
   t.expect(shows{ "nn" }):contains "   Linear = class,\n"
   local fill = "deep = {} for i = 1, 20 do deep[i] = {} for j = 1, 9 do deep[i]['name' .. j] = { ('n'):rep(50) } end end"
   local _, lines = shows({ fill, "deep" }, "\n..."):gsub("\n", "")
   t.expect(lines):below(70)
end)

-- ---- help ---------------------------------------------------------------------------------------------------

t.test("?symbol explains, ??symbol shows the source or the C prototype", function()
   shows({ "?engram.matmull", "?no_such_thing", "??nn.Linear", "??eg_matmul", "??engram.json.save",
      "function mine(a) return a + 1 end -- my own",
      "x = engram.ones(1)", "??x:matmul", "??print", "?", "??mine" },
      "there is no help on 'engram.matmull'", "there is no help on 'no_such_thing'", "nn/linear.lua:", "function Linear:init(",
      "core/engram.h:", "/* out = a b. (m,k)x(k,n);", "eg_status eg_matmul(eg_tensor *out, const eg_tensor *a, const eg_tensor *b);",
      "engram/json.lua:", "function methods.matmul(a, b)", "it has no source in Lua", "?NAME tells what",
      "prompt 1:1\nfunction mine(a) return a + 1 end -- my own")
end)

t.test("? and ?? know plugins, functions of the core, commands of the prompt and of engram, and parts of a model", function()
   shows({ "SS = optim.load 'sign_sgd'", "?optim.SignSGD", "?SS", "??SS", "??optim.SGD", "??cl.methods.EWC", "?eg_matmul",
      "?:who",
      "?sweep", "?engram run", "model = nn.Sequential{ nn.Linear(2, 3) }", "?model[1]", "?model[1]:forward",
      "??Tensor:unsqueeze", "??Linear" },
      "optim.SignSGD\n\nsteps of one size", "`lr = 0.001`: at least 0; size of a step", "doc = \"size of a step\"", "optim/sgd.lua",
      "methods/ewc.lua", "name = \"EWC\"", "eg_status eg_matmul(", "The locals and globals that the session has made",
      "usage: engram sweep",
      "usage: engram run", "nn.Linear(inputs, outputs, options)", "Module:forward(x)\n\nWhat the module computes.",
      "function methods.unsqueeze(", "function Linear:init(")
   for word, text in pairs{ eg_matmul = "eg_status eg_matmul(", [":who"] = "The locals and globals that" } do
      local code, out = t.command("engram help " .. word)
      t.expect(code):equals(0)
      t.expect(out):contains(text)
   end
end)

local has_help = pcall(require, "engram.help")
if has_help then
   t.test("?symbol is the documentation's text, also for a method of a variable", function()
      local help = require "engram.help"
      local word = help.text "optim.load":match "%a%a%a%a%a%a+ %a+ %a+"
      shows({ "?optim.load", "?engram.optim.load", "?optim.laod" }, word, "did you mean")
   end)
else
   t.skip("?symbol is the documentation's text", "there is no engram.help")
end

-- ---- errors, lines, blocks ----------------------------------------------------------------------------------

t.test("an error shows the message and our frames; :tb all of it; the session goes on", function()
   local screen = shows({ "kept = 5", "local function inner(x) return x.field.missing end",
      "local function outer() local y = inner{} return y end",
      "outer()", ":tb", "kept", "engram.ones(2, 3):matmul(engram.ones(2))", "error{ code = 1 }", "error()", "syntax error here",
         "engram.ones(1).nothing",
      "x = 'unfinished", "   :tb", "$", ":nonsense", ":hepl" },
      "prompt 2:1: attempt to index field 'field' (a nil value)\n   prompt 2:1: in inner\n   prompt 3:1: in outer\n"
         .. "   prompt 4:1: in the chunk\n",
      "stack traceback:\n  prompt 2:1: in function 'inner'", "\n5\n", "matmul: inner sizes differ",
      "an error that is no text: { code = 1 }",
      "an error that is no text: nil", "'=' expected near 'error'", "unfinished string", "unknown command ':nonsense'",
      "$ COMMAND runs a shell command", "unknown command ':hepl', did you mean 'help'?",
      "prompt 10:1: tensor has no field or method 'nothing'")
   t.expect(screen):lacks "repl/session.lua"
end)

t.test("what people type who come from elsewhere: help, exit, :q; a method that is not called is no incomplete line", function()
   play{ "expect > ", "line help", "expect :locals [on|off]", "expect > ", "line :hel", "expect :timeit CODE", "expect > ",
      "line ('x'):rep", "expect function arguments expected", "expect > ", "line help = 5", "expect > ", "line help", "expect \\n5\\n> ",
      "line require 'nowhere_at_all'", "expect module 'nowhere_at_all' not found\\n> ", "line :t", "expect unknown command ':t'",
      "expect > ", "line exit()" }
   play{ "expect > ", "line :q" }
   play{ "expect > ", "line quit = 1", "expect > ", "line quit", "expect \\n1\\n> ", "keys \\cd" }
end)

t.test("incomplete lines ask for more, unfinished strings do not", function()
   play{ "expect > ", "line for i = 1, 2 do", "expect >> ", "line print('at', i)", "expect >> ", "line end", "expect at\\t1",
      "expect at\\t2", "expect > ",
      "line x = [[a", "expect >> ", "line b]]", "expect > ", "line x", "expect \"a\\\\nb\"", "line x = 1 +", "expect >> ", "line 2",
         "expect > ",
      "line x", "expect \\n3\\n", "line y = \"abc", "expect unfinished string", "expect > ", "line function f(", "expect >> ",
         "send \\cc", "wait 1",
      "line x", "expect \\n3\\n", "keys \\cd" }
end)

t.test("locals are kept from line to line, shared with the functions beside them; :locals off", function()
   local screen = shows({ "local n, step = 0, 2", "local function up() n = n + step return n end", "up() + up()", "n",
      "n = 10; step = 5", "up()",
      "local n = 'new'", "n, up()", "local a = 1 return a + 1", "a", "local b = 3 error 'late'", "b", "do local hidden = 1 end", "hidden",
      "for i = 1, 2 do local j = i end", "j", "local print = print; print('shadow')", ":locals off", "n", "local z = 1", "z",
         ":locals on" },
      "prompt 11:1: late")
   t.expect((screen:gsub("> [^\n]*%-%-%d+", ">"):gsub("prompt 11:1: late", "late"))):contains(
      '>\n>\n>\n6\n>\n4\n>\n>\n15\n>\n>\n"new"   20\n>\n2\n>\n1\n>\nlate\n>\n3\n>\n>\nnil\n>\n>\nnil\n>\nshadow\n')
   t.expect(screen):contains "locals end with their line, as in plain Lua"
end)

t.test("a pasted block is one chunk; its 200 lines of locals stay", function()
   local lines = { "local engram = require 'engram'", "local function scale(x)", "   return x * 2", "end" }
   for i = 1, 190 do lines[#lines + 1] = ("local v%d = %s"):format(i, i == 1 and "1" or ("v%d + 1"):format(i - 1)) end
   lines[#lines + 1] = "local total = 0"
   lines[#lines + 1] = "for i = 1, 3 do"
   lines[#lines + 1] = ""
   lines[#lines + 1] = "   total = total + scale(i)"
   lines[#lines + 1] = "end"
   lines[#lines + 1] = "count = (count or 0) + 1"
   t.expect(#lines):equals(200)
   local path = write("block.lua", table.concat(lines, "\n"))
   play{ "expect > ", "paste " .. path, "wait 0.3", "send \\r", "expect > ", "line v190, total, count, scale(4)",
      "expect \\n190   12   1   8\\n",
      "line total = total + v1", "expect > ", "line total", "expect \\n13\\n", "keys \\cd" }
end)

-- Pastes a text and then plays the steps.
local function paste(text, ...)
   local path = write("pasted.lua", text)
   return play{ "expect > ", "paste " .. path, "wait 0.3", "send \\r", ... }
end

t.test("a pasted block shows its last expression, a call too; a bare name at its end wants no more lines", function()
   paste("local q1 = 5\nq1 * 2", "expect \\n10\\n", "expect > ", "line q1", "expect \\n5\\n", "keys \\cd")
   paste("local q2 = { 1, 2 }\nlocal function f(t)\n   return #t, t[1]\nend\n\nf(\n   q2)", "expect \\n2   1\\n", "expect > ",
      "line q2[2] + _1", "expect \\n4\\n", "keys \\cd")
   paste("local q3 = 'there'\nq3", "expect \"there\"\\n> ", "keys \\cd")
   paste("local q4\nq5 = 6\nif q4 then q5 = 7 end\nprint('on' .. q5);", "expect on6\\n> ", "line q5", "expect \\n6\\n", "keys \\cd")
   paste("local f = function(a) return a end\nlocal q6 = f\n{ 4 }[1] = 5", "expect prompt 1:3:", "expect > ", "keys \\cd")
end)

t.test("a pasted block with expressions and commands between runs part by part, or not at all", function()
   local screen = paste("local a1 = 5\na1 + 1\n:who\nfor i = 1, 2 do\n\n   print('at', i)\nend\n"
      .. "local t1 = ('x')\n   :rep(3)\n   :upper()\nt1",
      "expect \"XXX\"", "expect > ", "keys \\cd")
   for _, text in ipairs{ "\n6\n", "\na1    local ", "at\t1\nat\t2\n" } do t.expect(screen):contains(text) end
   screen = paste("b1 = 1\nb1 + 1\nb1 = nil .. 'x'\nb1 = 7", "expect rest of the block was not run", "expect > ", "line b1",
      "expect \\n1\\n",
      "keys \\cd")
   t.expect(screen):contains "prompt 1:3: attempt to concatenate a nil value"
   paste("c1 = 1\nc1\nc1 = 2)", "expect prompt 1:3: ", "expect > ", "line c1", "expect \\nnil\\n", "keys \\cd")
   paste("d1 = 1\nd1 + 1\nfor i = 1, 3 do d1 = d1 + i", "expect >> ", "line end", "expect \\n2\\n", "expect > ", "line d1",
      "expect \\n7\\n",
      "keys \\cd")
end)

t.test("an expression behind statements on a line is shown; an empty line ends what is not complete, but not a block", function()
   play{ "expect > ", "line x=engram.ones(2,3); x.shape[2]", "expect \\n3\\n> ", "line local l=1 local l=2 l", "expect \\n2\\n> ",
      "line x=engram.ones(2,3); x.shap", "expect tensor has no field or method 'shap'", "expect > ", "line y = 5; -y", "expect \\n-5\\n> ",
      "line y = 1 y +", "expect >> ", "line 2", "expect \\n3\\n> ", "line y =", "expect >> ", "line",
      "expect the code is not complete: y =\\n> ",
      "line function f()", "expect >> ", "line", "expect >> ", "line return 8 end", "expect > ", "line f()", "expect \\n8\\n> ",
      "line local z = f() f(z);", "expect > ", "line z", "expect \\n8\\n> ", "keys \\cd" }
end)

t.test("an expression that is not complete asks for more", function()
   play{ "expect > ", "line {1,", "expect >> ", "line 2}", "expect \\n{ 1, 2 }\\n> ", "line 1 +", "expect >> ", "line 1",
      "expect \\n2\\n> ",
      "line not", "expect >> ", "line nil", "expect \\ntrue\\n> ", "line a ==", "expect >> ", "line nil", "expect \\ntrue\\n> ",
      "line function(x)", "expect >> ", "line return x end", "expect function: prompt 5:1", "expect > ", "line {1, }}",
      "expect prompt 6:1: ",
      "expect > ", "keys \\cd" }
end)

t.test("a long line's time is told; :time and :timeit", function()
   local screen = shows({ "local c = os.clock() while os.clock() - c < 0.6 do end", "1", ":time 1 + 1", ":timeit math.sin(1)", ":time",
      ":timeit x.y.z",
      ":time local kept = 4", "kept" }, "s)\n", "\n2\n", " rounds of ", ":time: of what?", "attempt to index global 'x'", "\n4\n")
   t.expect(select(2, screen:gsub("%d m?s%)", ""))):equals(1)
end)

t.test("malformed UTF-8 and a line of a megabyte are taken as they are", function()
   local path = write("long.txt", "x = '" .. ("y"):rep(2 ^ 20) .. "'")
   play{ "expect > ", "line s = 'a\\xff\\xc3\\x28'", "expect > ", "line s", "expect \"a\\\\255", "expect > ",
      "paste " .. path, "send \\r", "expect \\n> ", "line #x", "expect \\n1048576\\n", "keys \\cd" }
end)

-- ---- inspecting, files --------------------------------------------------------------------------------------

t.test(":who lists names with shapes and sizes, :mem the memory, :help the commands", function()
   shows({ "x = engram.zeros(512, 512)", "local model = nn.Linear(10, 10)", "words = 'text'",
      "deep = nn.Sequential{ model, nn.ReLU() }; t = setmetatable({}, { __tostring = function() return ('long'):rep(100) end })", ":who",
         ":who wor", ":mem", ":help" },
      "deep   global   440 B  Sequential { ...\n", "t      global          longlong",
         "x      global  1.0 MB  tensor (512, 512) float32\n", "model  local    440 B  Linear(10, 10)\n", 'words  global          "text"\n',
         "tensors  ",
      "process  ", ":timeit CODE")
end)

t.test(":load runs a file and keeps its locals; :save writes the session as a script; :plot draws", function()
   local folder = work .. "/loading"
   os.execute("mkdir -p " .. folder)
   t.write(folder .. "/part.lua",
      "#!/usr/bin/env engram\nlocal base = 20\nfunction double(x) return 2 * x + base end\nwords = { ... }\nreturn base\n")
   t.write(folder .. "/wrong.lua", "local early = 'here'\nlocal late = nil .. 'x'\n")
   local screen = type_lines({ ":load part.lua a b", "base, double(1), words[2], arg[1]", ":load wrong.lua", "early",
      ":load nothing.lua", ":load .",
      "local mine = base + 1", "mine * 2", "oops(", ")", ":save out.lua", ":save out.lua", ":save no/such/folder.lua",
         ":plot { 1, 2, 4, 8 }", ":plot",
      "$ echo from the shell; exit 3" }, { folder = folder })
   for _, text in ipairs{ '\n20   22   "b"   "a"\n', "wrong.lua:2: attempt to concatenate a nil value", '\n"here"\n',
      "cannot be read: nothing.lua",
      "cannot be read: . is no file", "out.lua: ", ":save: out.lua is there already", ":save: no/such/folder.lua", "8 |", ":plot: of what?",
      "\nfrom the shell\nexit code 3\n" } do
      if text ~= "8 |" then t.expect(screen):contains(text) end
   end
   local code, out = t.command(("cd %s && engram run --no-run out.lua"):format(folder))
   t.expect(code):equals(0)
   t.expect(out):contains "20\t22\t"
   t.expect(out):contains "\n42\n"
end)

t.test("what :save writes runs: = before an expression, _ and _1, what a failed line left, silent lines, blocks", function()
   local folder = work .. "/saving"
   os.execute("mkdir -p " .. folder)
   write("saving/block.lua", "local c = 3\nc + 1\nc = c * 2")
   play({ "expect > ", "line local a1 = 4", "expect > ", "line = a1 + 1", "expect \\n5\\n> ",
      "line local kept, text = _ * 2, 'a\\\\n' error 'late'",
      "expect late", "expect > ", "line a1, kept", "expect \\n4   10\\n> ", "line _2 + _1, text", "expect \\n14 ", "expect > ",
      "line a1 * 100;",
      "expect > ", "line _ + 1", "expect \\n401\\n> ", "paste block.lua", "wait 0.3", "send \\r", "expect \\n4\\n> ",
      "line local d = 1 return d + c", "expect \\n7\\n> ", "line x=1; x+8", "expect \\n9\\n> ", "line :save out.lua", "expect chunks\\n> ",
      "keys \\cd" }, { folder = folder })
   local code, out, err = t.command(("cd %s && engram run --no-run out.lua"):format(folder))
   t.expect({ code, out, err }):equals{ 0, "5\n4\t10\n14\ta\n\n401\n4\n7\n9\n", "" }
end)

t.test(":plot takes bare numbers, and tells what is neither a variable nor a run", function()
   local screen = shows({ ":plot 1,4,9,16", ":plot nosuch", ":plot no/such", "y = { 1, 2, 3 }", ":plot y" },
      "neither a variable nor a run 'nosuch'", "neither a variable nor a run 'no/such'")
   t.expect(screen):lacks "must be a table"
   t.expect(screen):lacks "got nothing"
end)

t.test("engram repl FILE runs it, then stays; a failing file too", function()
   local path = write("start.lua",
      "local s = require('engram').settings{ lr = 0.1 }\nlocal answer = 42\nhelper = require 'beside'\nprint('ran', s.lr, arg[1])\n")
   write("beside.lua", "return { forever = function() while true do end end }")
   play({ "expect ran\\t0.5\\tlr=0.5", "expect > ", "line answer", "expect \\n42\\n", "line helper.forever()", "wait 0.3", "send \\cc",
      "expect interrupted",
      "expect > ", "line answer + 1", "expect \\n43\\n",
         "keys \\cd" }, { program = "engram repl " .. t.quote(path) .. " lr=0.5" })
   write("start.lua", "local before = 1\nerror 'stop'\n")
   play({ "expect start.lua:2: stop", "expect > ", "line before", "expect \\n1\\n", "keys \\cd" },
      { program = "engram repl " .. t.quote(path) })
end)

-- ---- Ctrl-C -------------------------------------------------------------------------------------------------

t.test("Ctrl-C at the prompt clears the line; Ctrl-D leaves", function()
   play{ "expect > ", "send x = 1 + half", "wait 0.2", "send \\cc", "wait 1", "line x == nil", "expect \\ntrue\\n",
      "send \\cc\\cc\\cc", "wait 0.3", "line 1 + 1", "expect \\n2\\n",
      "keys \\cd" }
   play{ "expect > ", "line :quit" }
   play({ "expect > ", "line error 'last'", "expect last", "expect > ", "keys \\cd" })                       -- not an exit code of its own
end)

-- The session's variables are as they were, a global and a local.
local INTACT = { "expect > ", "line kept, also_kept", "expect \\n42   7\\n" }

local function interrupted(prepare, line, seconds)
   local steps = { "expect > ", "line kept = 42; " .. prepare, "expect > ", "line local also_kept = 7", "expect > " }
   for _ = 1, 2 do
      steps[#steps + 1] = "line " .. line
      steps[#steps + 1] = "wait " .. (seconds or 0.3)
      steps[#steps + 1] = "send \\cc"
      steps[#steps + 1] = "expect interrupted"
      for _, step in ipairs(INTACT) do steps[#steps + 1] = step end
   end
   steps[#steps + 1] = "keys \\cd"
   return play(steps)
end

t.test("Ctrl-C ends an endless loop: at the prompt, in a function, in a coroutine, in loaded text", function()
   interrupted("", "while true do end")
   interrupted("function spin() local n = 0 while true do n = n + 1 end end", "spin()")
   interrupted("", "coroutine.wrap(function() while true do end end)()")
   interrupted("f = loadstring 'for i = 1, 1e12 do local x = i * 2 end'", "f()")
end)

t.test("one Ctrl-C ends a loop that catches errors: pcall around a loop, around an operation, xpcall, a coroutine", function()
   interrupted("", "while true do pcall(function() while true do end end) end")
   interrupted("x = engram.ones(3)", "while true do pcall(function() x:sum() end) end")
   interrupted("n = 0", "while true do xpcall(function() while true do end end, function() n = n + 1 end) end")
   interrupted("", "while true do pcall(coroutine.wrap(function() while true do pcall(function() while true do end end) end end)) end")
   interrupted("", "while true do pcall(require, 'no_such_module') end")
   interrupted("", "for i = 1, 1e9 do pcall(error, { i }) end")
end)

t.test("Ctrl-C ends a training", function()
   interrupted("model = nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) }; o = optim.SGD(model, { lr = 0.1 }); "
      .. "s = cl.stream{ cl.task('glyphs/digits', { limit = 500, test_limit = 20, epochs = 10000 }) }",
      "cl.train{ model = model, optimizer = o, stream = s, batch_size = 5 }", 1)
end)

t.test("Ctrl-C ends long kernels: a product, a convolution, a sum, a sort", function()
   interrupted("a = engram.randn(3000, 3000)", "for i = 1, 1000 do a:matmul(a) end")
   interrupted("x = engram.randn(8, 32, 64, 64); w = engram.randn(32, 32, 5, 5)", "for i = 1, 10000 do x:conv2d(w) end")
   interrupted("v = engram.randn(1e7)", "for i = 1, 100000 do v:sum() end")
   interrupted("v = engram.randn(1e7)", "v:sort()", 0.1)
end)

t.test("an interrupted kernel leaves what it would have changed in place whole", function()
   play{ "expect > ", "line v = engram.zeros(3e7)", "expect > ", "line while true do v:add_(1) end", "wait 0.5", "send \\cc",
      "expect interrupted",
      "expect > ", "line (v:max() - v:min()):item(), v[1]:item() > 0", "expect \\n0   true\\n", "keys \\cd" }
end)

t.test("the second Ctrl-C tells how to force, the third ends the process", function()
   play({ "expect > ", "line ('x'):rep(40):find(('x*'):rep(20) .. 'y')", "wait 0.3", "send \\cc", "wait 0.2", "send \\cc",
      "expect once more ends the session, and what is in it is lost",
      "send \\cc", "eof" }, { code = 130 })
end)

-- ---- from a pipe --------------------------------------------------------------------------------------------

local function piped(text, words, environment)
   return t.command(("cd %s && %s engram %s < %s"):format(work, environment or "", words or "", write("input.txt", text)))
end

t.test("piped input: no prompt, no colour, no banner; one session with line numbers; exit code 1 at an error", function()
   local code, out, err = piped "local x = 2\nfor i = 1, 2 do\n  print(i * x)\nend\nprint(engram.version ~= nil)\n"
   t.expect({ code, out, err }):equals({ 0, "2\n4\ntrue\n", "" })
   for text, message in pairs{ ["\n\nerror 'no'\nprint 'not reached'"] = "stdin:3: no\n", ["x = 1 +\n"] = "stdin:1: unexpected symbol",
      ["for"] = "stdin:1:", ["x = 'a"] = "unfinished string", [":load nothing.lua"] = "cannot be read",
         ["?no_such_thing"] = "there is no help" } do
      code, out, err = piped(text)
      t.expect({ code, out }):equals({ 1, "" })
      t.expect(err):contains(message)
      t.expect(err):lacks "\27"
   end
   t.expect({ piped "" }):equals{ 0, "", "" }
   t.expect({ piped("x = '" .. ("y"):rep(2 ^ 20) .. "'\nprint(#x)\n") }):equals{ 0, "1048576\n", "" }
   t.expect({ piped "print(#'\255\254')" }):equals{ 0, "2\n", "" }
   t.expect({ piped ":locals off\nlocal x = 1\nprint(x)\n" }):equals{ 0, "locals end with their line, as in plain Lua\nnil\n", "" }
end)

t.test("with the output in a pipe, banner and prompts go to the screen, results into the pipe", function()
   local folder = work .. "/out"
   local screen = play({ "expect leaves.", "expect > ", "line 6 * 7", "expect > ", "line print 'printed'", "expect > ", "line error 'no'",
      "expect no", "expect > ", "line 6 *\\t 8", "expect > ", "keys \\cd" },
      { folder = folder, program = "sh -c 'engram | cat > pipe'" })
   t.expect(t.read(folder .. "/pipe")):equals "42\nprinted\n48\n"
   t.expect(screen):contains "prompt 3:1: no"
   t.expect(screen):lacks "42"
end)

t.test("engram repl FILE from a pipe: the file, then the input", function()
   local path = write("first.lua", "local x = 5\n")
   t.expect({ piped("print(x + 1)\n", "repl " .. path) }):equals{ 0, "6\n", "" }
   local code, _, err = piped("print 'not reached'\n", "repl " .. write("first.lua", "error 'early'"))
   t.expect(code):equals(1)
   t.expect(err):contains "first.lua:1: early"
   code, _, err = piped("", "repl missing.lua")
   t.expect(code):equals(2)
   t.expect(err):contains "repl: there is no file 'missing.lua'"
   code, _, err = piped("print 'not reached'\n", "repl " .. write("first.lua", "require 'engram'.settings{ lr = 1 }") .. " lrr=3")
   t.expect({ code, err }):equals{ 2, "command line: lrr: unknown key, did you mean 'lr'?\n" }
end)

t.test("NO_COLOR is respected, colours are for terminals", function()
   local function raw(environment)
      local _, _, folder = play({ "expect > ", "line error 'red'", "expect red", "expect > ", "keys \\cd" }, { environment = environment })
      return t.read(folder .. "/screen")
   end
   t.expect(raw ""):contains "\27[31m"
   t.expect(raw "NO_COLOR=1"):lacks "\27[31m"
end)

t.test("engram doctor tells the editor", function()
   local _, out = t.command "engram doctor"
   t.expect(out:match "\nprompt%s+%a+" ~= nil):is_true()
end)

t.done()
