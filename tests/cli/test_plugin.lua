-- engram plugin: new, check and list.
local t = require "tests.harness"
local plugins = require "tests.plugins"
local folder, examples = plugins.folder, plugins.examples
local script, sh, test, compile, source = plugins.script, plugins.sh, plugins.test, plugins.compile, plugins.source

t.test("plugin new writes what works, and overwrites nothing", function()
   local code, out = sh "engram plugin new GentleStep --lua && engram run --no-run gentle_step/test_gentle_step.lua"
   t.expect(code):equals(0)
   t.expect(out):contains "GentleStep: the three steps are as by hand"
   t.expect(sh "engram plugin check gentle_step/gentle_step.lua"):equals(0)
   local text = t.read(folder .. "/gentle_step/gentle_step.lua")
   local again, _, problem = sh "engram plugin new GentleStep --lua"
   t.expect(again):equals(2)
   t.expect(problem):equals "engram: plugin new: gentle_step/gentle_step.lua is there already; choose another name or folder\n"
   t.expect(t.read(folder .. "/gentle_step/gentle_step.lua")):equals(text)
   for words, said in pairs{ [""] = "which name?", ["X"] = "in which language? give --lua or --c", ["X --lua --c"] = "in which language?",
      ["9x --c"] = "'9x' is no name", ["SGD --c"] = "the name 'SGD' is taken", ["A --lua b c"] = "got 'c' too" } do
      code, _, problem = sh("engram plugin new " .. words)
      t.expect(code):equals(2)
      t.expect(problem):contains(said)
   end
   code, _, problem = sh "engram plugin nwe X"
   t.expect(code):equals(2)
   t.expect(problem):contains "did you mean 'new'?"
end)

test("plugin new --c needs only cc, make and the header", function()
   t.expect(sh "engram plugin new Nudge --c there"):equals(0)
   local code, out, problem = sh(("make -C there check ENGRAM=%s"):format(t.quote(t.program)))
   if code ~= 0 then error(out .. problem, 0) end
   t.expect(out):contains "Nudge: the three steps are as by hand"
   t.expect(out):contains "./nudge.so: 12 passed, 0 failed"
end, "make")

-- The output of engram plugin check of a plugin, which must have failed.
local function check_fails(path, options)
   local code, out, problem = sh(("engram plugin check %s %s"):format(options or "", path))
   t.expect(code):equals(1)
   t.expect(problem):equals ""
   return out
end

test("plugin check tells what a plugin in C does wrong", function()
   t.expect(check_fails(compile("crash", source{ name = "Crash", step = "(void)v; *(volatile int *)16 = 1; return 0;" }))):contains(
      "FAIL  a quadratic converges in float32: the plugin ")
   t.expect(check_fails(compile("leave", source{ name = "Leave", step = "(void)v; _Exit(0);" }))):contains(
      "the plugin ended the process, with exit code 0; what comes after was not checked")
   local hang = compile("hang", source{ name = "Hang", step = "(void)v; for (volatile int i = 0;; i++) {}" })
   t.expect(check_fails(hang, "--limit 2")):contains(
      "FAIL  a quadratic converges in float32: still running after 2 s: it was stopped")
   t.expect(check_fails(compile("lost", source{ name = "Lost", before = "static double hidden;", step = [[
      float *w = v->data; const float *g = v->grad;
      if (v->dtype == ENGRAM_FLOAT32) for (int64_t i = 0; i < v->count; i++) w[i] -= 0.01f * g[i] + (float)(hidden += 1e-9);
      else for (int64_t i = 0; i < v->count; i++) ((double *)v->data)[i] -= 0.01 * ((const double *)v->grad)[i];
      return 0;]] }))):contains "FAIL  two runs are equal"
   t.expect(check_fails(compile("beside", source{ name = "Beside", step = "float *w = v->data; w[v->count] = 0; return 0;" }))):contains(
      "step writes beside the elements of a parameter or slot")
   if not os.getenv "ASAN_OPTIONS" then
      local out = check_fails(folder .. "/crash.so")
      t.expect(out):contains "the plugin crashed with signal 11 (SIGSEGV); what comes after was not checked"
   end
   compile("other", source{ fields = ", .abi_major = 2" })
   local code, out, problem = sh "engram plugin check other.so"
   t.expect(code):equals(2)
   t.expect(out):equals ""
   t.expect(problem):contains "engram: other.so: optimizer ABI 2.0, this Engram has 1.0: compile it again with "
end)

t.test("plugin check tells what a plugin in Lua does wrong", function()
   local function with(name, step, more)
      return script(name, "return { name = 'P', hyper = { lr = { default = 0.01, min = 0 }, b = { default = 0.5, min = 0, max = 1 } }, "
         .. (more or "") .. " step = function(p, g, s, h) " .. step .. " end }")
   end
   t.expect(check_fails(with("up.lua", "p:add_(g, h.lr)"))):contains "FAIL  a quadratic converges in float32: the loss of a quadratic does"
   local poison = "s.m:mul_(0.9):add_(g) local e = require 'engram' p:add_(e.where(g:eq(g), g, e.zeros_like(g)), -h.lr)"
   t.expect(check_fails(with("poison.lua", poison, "slots = { m = {} },"))):contains "FAIL  a NaN gradient is not hidden"
   t.expect(check_fails(with("limit.lua", "if h.b == 1 then error('one') end p:add_(g, -h.lr)"))):contains(
      "hyper-parameter b = 1 lies in its range, but the step fails: optim.P: parameter 1: ")
   t.expect(check_fails(with("gradient.lua", "g:mul_(0.5) p:add_(g, -h.lr)"))):contains "step changes the gradient"
   t.expect(check_fails(with("state.lua", "n = (n or 0) + 1 p:add_(g, -h.lr / n)"))):contains "FAIL  two runs are equal"
   local code, _, problem = sh "engram plugin check"
   t.expect(code):equals(2)
   t.expect(problem):contains "plugin check: which file?"
end)

t.test("lists show what is loaded and what is found by name", function()
   local code, out = sh(("engram list --plugin %s/sign_sgd.lua optimizers SignSGD"):format(t.quote(examples)))
   t.expect(code):equals(0)
   t.expect(out):contains "sign_sgd.lua, version 1.0, licence MIT"
   t.expect(select(2, sh "ENGRAM_PLUGINS=gentle_step engram plugin list")):contains "GentleStep"
   t.expect(select(2, sh "ENGRAM_PLUGINS=gentle_step engram plugin list")):contains "SignSGD        1.0"
end)

t.test("what is often written wrongly in Lua is told in the words of a description, once", function()
   for name, case in pairs{
      undeclared = { "s.k = 3 p:add_(g, -h.lr)", "", "parameter 1: undeclared.lua:1: step writes s.k, which is not declared" },
      misspelt = { "s.vleocity:add_(g)", "slots = { velocity = {} },",
         "misspelt.lua:1: step reads s.vleocity, which is not declared, did you mean 'velocity'?" },
      number = { "p:add_(g, -h.lr / (s.c + 1))", "slots = { c = { like = 'scalar' } },",
         "a tensor stands where a number is expected; the number in a scalar slot s.NAME is s.NAME:item()" },
      replaced = { "s.m = s.m * 0.9 + g p:add_(s.m, -h.lr)", "slots = { m = {} },", "step replaces s.m: a slot is changed in place" },
      other = { "p = p - g * h.lr", "", "no weight changes: change p in place" },
      random = { "p:add_(g, -h.lr * math.random())", "", 'random numbers come from engram.rand(n, { stream = "optimizer" })' } } do
      local step, slots, said = unpack(case)
      script(name .. ".lua", ("return { name = 'P', hyper = { lr = { default = 0.01, min = 0 } }, %s step = function(p, g, s, h) %s end }")
         :format(slots, step))
      local out = check_fails(name .. ".lua")
      t.expect(out):contains(said)
      t.expect(out:find "eg_add" or out:find "lua/engram"):is_nil()
      t.expect(select(2, out:gsub(": optim%.P: ", ""))):below(3)
   end
end)

t.test("a check that is interrupted says so and leaves no process", function()
   script("endless.lua", "return { name = 'Endless', step = function() while true do end end }")
   local _, out, problem = sh("engram plugin check endless.lua & sleep 2; kill -TERM $!; wait $!; echo $?; "
      .. "ps ax | grep -c '[c]heck-inside endless'")
   t.expect(out):equals "143\n0\n"
   t.expect(problem):equals "engram: interrupted\n"
end)

t.test("plugin list runs no scripts, shows nothing that a plugin prints, and outlives one that ends", function()
   sh "mkdir -p shelf"
   script("shelf/training.lua", "io.open('ran', 'w'):close() print 'trains'\nlocal function step() end\nfor i = 1, 3 do step() end")
   script("shelf/loud.lua", "print 'loud'\nreturn { name = 'Loud', version = '3', step = function(p) print(p) end }")
   script("shelf/leaves.lua", "os.exit(0)\nreturn { name = 'Leaves', step = 1 }")
   script("shelf/wrong.lua", "return { name = 'Wrong', step = 1 }")
   local code, out, problem = sh "ENGRAM_PLUGINS=shelf engram plugin list"
   t.expect(code):equals(0)
   t.expect(problem):equals ""
   t.expect(out):contains "Loud           3"
   t.expect(out):contains "refused        shelf/leaves.lua: it ended the process"
   t.expect(out):contains "refused        shelf/wrong.lua: optimizer Wrong: step must be a function"
   t.expect(out:find "loud\n" or out:find "train"):is_nil()
   t.expect(sh "test -e ran"):equals(1)
end)

t.test("the examples pass the checks", function()
   for _, name in ipairs{ "sign_sgd.lua", "classp_quantile.lua" } do
      local code, out = sh(("engram plugin check %s/%s"):format(t.quote(examples), name))
      t.expect(out):contains "12 passed, 0 failed"
      t.expect(code):equals(0)
   end
   local lines = select(2, t.read(examples .. "/sign_sgd.lua"):gsub("\n", "\n"))
   t.expect(lines):below(30)
end)

test("the example in C passes the checks", function()
   plugins.lion()
   local code, out = sh "engram plugin check ./lion.so"
   t.expect(out):contains "12 passed, 0 failed"
   t.expect(code):equals(0)
end)

t.done()
