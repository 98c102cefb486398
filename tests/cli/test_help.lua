-- test_help.lua: engram help, the manual page and bash's completion: all made of the reference and the commands' own tables.
local t = require "tests.harness"
local commands = require "engram.cli.commands"
local help = require "engram.help"
local manual = require "engram.cli.manual"
local options = require "engram.cli.options"

local function run(line)
   local code, out, err = t.command(line)
   if code ~= 0 then error(("%s: exit code %d\n%s%s"):format(line, code, out, err), 0) end
   return out
end

local function exists(program) return (t.command("command -v " .. program)) == 0 end

-- ---- symbols ----------------------------------------------------------------------------------------------

t.test("a symbol is found by every form of its name", function()
   local linear = help.text "nn.Linear"
   t.expect(linear):contains "nn.Linear(inputs, outputs, options)"
   for _, form in ipairs{ "engram.nn.Linear", "Linear", " nn.Linear ", "nn.Linear(3, 4)" } do t.expect(help.text(form)):equals(linear) end
   local matmul = help.text "Tensor:matmul"
   t.expect(matmul):contains "product of matrices"
   for _, form in ipairs{ "matmul", "Tensor.matmul", "x:matmul", "mm" } do t.expect(help.text(form)):equals(matmul) end
   t.expect(help.text "engram.zeros"):equals(help.text "zeros")
   t.expect(help.text "opt:step"):contains "Optimizer:step"
   t.expect(help.text "exp_"):contains "Tensor:exp"
   t.expect(help.text "no_such_thing"):is_nil()
   t.expect(help.text "math.floor.of"):is_nil()
end)

t.test("a name with several meanings tells all of them", function()
   local text = help.text "load"
   for _, name in ipairs{ "data.load", "optim.load", "Module:load", "json.load" } do t.expect(text):contains(name) end
   t.expect(help.text "grad"):contains "engram.grad"
   t.expect(help.text "grad"):contains "Tensor.grad"
end)

t.test("rooms and classes list what they hold", function()
   t.expect(help.text "schedule"):contains "- `schedule.cosine`: Half a cosine"
   t.expect(help.text "engram.schedule"):equals(help.text "schedule")
   t.expect(help.text "Optimizer"):contains "`Optimizer:step`"
   t.expect(help.text "Tensor"):contains "`Tensor:matmul`"
   t.expect(help.text "cl.metrics"):contains "`cl.metrics.forgetting`"
end)

t.test("near names and searches", function()
   t.expect(help.nearest "nn.Linaer"[1]):equals "nn.Linear"
   t.expect(help.nearest "optim.sgd"[1]):equals "optim.SGD"
   t.expect(help.nearest "matmult"[1]):equals "Tensor:matmul"
   t.expect(#help.nearest "qqqqqqqqqqqq"):equals(0)
   local found = help.search "QUANTILE"
   t.expect(found[1].name:lower()):contains "quantile"
   t.expect(found[1].line:len()):above(10)
   t.expect(#help.search "no such words anywhere"):equals(0)
end)

t.test("a value is known by its name or its kind", function()
   local engram = require "engram"
   local nn, optim = engram.nn, engram.optim
   t.expect(help.object(engram.zeros)):equals "engram.zeros"
   t.expect(help.object(engram.ones(1).matmul)):equals "Tensor:matmul"
   t.expect(help.object(engram.ones(1))):equals "Tensor"
   t.expect(help.object(nn)):equals "nn"
   t.expect(help.object(engram.cl.metrics)):equals "cl.metrics"
   t.expect(help.object(nn.Linear)):equals "nn.Linear"
   t.expect(help.object(nn.Linear(1, 1))):equals "nn.Linear"
   t.expect(help.object(nn.Module:extend "Mine"())):equals "Module"
   t.expect(help.object(optim.SGD(nn.Linear(1, 1)))):equals "optim.SGD"
   t.expect(help.object(engram.schedule.constant(1))):equals "schedule"
   t.expect(help.object(print)):is_nil()
   t.expect(help.object(nil)):is_nil()
end)

t.test("what is found by name has its help under that name", function()
   for _, entry in ipairs(help.names()) do
      local text = help.text(entry.name)
      if not (text and text:find(entry.name, 1, true)) then error("no help on " .. entry.name, 0) end
   end
end)

-- ---- engram help ------------------------------------------------------------------------------------------

t.test("engram help", function()
   t.expect(run "engram help"):contains "doctor"
   t.expect(run "engram --help"):equals(run "engram help")
   t.expect(run "engram help run"):contains "--dry-run"
   t.expect(run "engram run --help"):equals(run "engram help run")
   t.expect(run "engram help nn.Linear"):equals(help.text "nn.Linear" .. "\n")
end)

t.test("engram help of what is not there tells what is near", function()
   local code, _, err = t.command "engram help nn.Linaer"
   t.expect(code):equals(2)
   t.expect(err):contains "did you mean 'nn.Linear'? Near it are Tensor:linear"
   t.expect(select(3, t.command "engram help swep")):contains "did you mean 'sweep'?"
   t.expect(select(3, t.command "engram help qqqqqqqqqq")):contains "engram help lists the commands"
   t.expect((t.command "engram help one two")):equals(2)
end)

t.test("an option takes its choices alone", function()
   local code, _, err = t.command "engram compare --format markdwn runs"
   t.expect(code):equals(2)
   t.expect(err):contains "--format: 'markdwn' is not one of markdown, csv, latex, did you mean 'markdown'?"
end)

-- ---- the pages made of the tables -------------------------------------------------------------------------

t.test("docs/reference/commands.md is what the tables say: make reference", function()
   t.expect(run "engram help --markdown" == t.read(help.folder .. "/reference/commands.md")):is_true()
end)

-- Every command with every option stands in a text, written as `form` says.
local function names_all(text, form)
   for _, name in ipairs(commands.names) do
      t.expect(text):contains(name)
      for _, option in ipairs(commands.load(name).options or {}) do t.expect(text):contains(form(options.written(option))) end
   end
end

local page = run "engram help --man"

t.test("the manual page has every command and option", function()
   names_all(page, function(option) return "\\fB" .. option:gsub("%-", "\\-") .. "\\fR" end)
end)

t.test("every variable of the environment that the sources read is told", function()
   local told = {}
   for _, row in ipairs(manual.environment) do
      told[row[1]] = true
      t.expect(page):contains(row[1])
   end
   local pipe, missing = io.popen "grep -rhoE '\"(ENGRAM_[A-Z_]+|NO_COLOR)\"' lua core/*.c | sort -u", {}
   local count = 0
   for name in pipe:lines() do
      count = count + 1
      if not told[name:sub(2, -2)] then missing[#missing + 1] = name end
   end
   pipe:close()
   t.expect(count):above(5)
   t.expect(missing):equals{}
end)

if exists "groff" then
   t.test("groff formats the manual page without a warning", function()
      local _, out, err = t.command "engram help --man | groff -man -Tutf8 -P-cbou -ww"
      t.expect(err):equals ""
      t.expect(out):contains "EXIT STATUS"
   end)
else
   t.skip("groff formats the manual page without a warning", "groff is not installed")
end

-- ---- bash -------------------------------------------------------------------------------------------------

-- What bash offers for the last of the words, in a folder with a script, a settings file and a run.
local folder = t.temporary_folder()
t.write(folder .. "/mine.lua", [[
local engram = require "engram"
local settings = engram.settings{ lr = { default = 0.1, min = 0 }, rate = 1,   -- text = nothing
   optimizer = { name = "SGD", momentum = 0 }, label = "a = b", kind = { default = "one", choices = { "one", "other",
      "third" }, doc = "none, of { these }" } }
local other = { unrelated = 1 }
]])
t.write(folder .. "/mine.yaml", "script: mine.lua\nlr: 0.2\noptimizer:\n  momentum: 0\n")
os.execute(("mkdir -p %s/runs/mine/one && touch %s/runs/mine/one/meta.json"):format(t.quote(folder), t.quote(folder)))

local function offered(...)
   local words = {}
   for i, word in ipairs{ ... } do words[i] = t.quote(word) end
   local script = ("cd %s; source <(engram help --bash); COMP_WORDS=(%s); COMP_CWORD=%d; _engram; echo \"${COMPREPLY[@]}\""):format(
      t.quote(folder), table.concat(words, " "), #words - 1)
   local code, out, err = t.command("bash --norc -c " .. t.quote(script))
   t.expect(err):equals ""
   t.expect(code):equals(0)
   return (out:gsub("\n$", ""))
end

if exists "bash" then
   t.test("bash completes commands and options", function()
      t.expect(offered("engram", "")):equals(table.concat(commands.names, " "))
      t.expect(offered("engram", "sw")):equals "sweep"
      t.expect(offered("engram", "run", "--dr")):equals "--dry-run"
      t.expect(offered("engram", "compare", "--format", "")):equals "markdown csv latex"
      t.expect(offered("engram", "run", "--threads", "")):equals ""
      names_all(run "engram help --bash", function(option) return option end)
   end)

   t.test("an option of one letter that is written long is told so", function()
      t.expect(run "engram help plugin"):contains "  --c  "
      t.expect(page):contains "\\fB\\-\\-c\\fR"
      t.expect(offered("engram", "plugin", "--c")):equals "--c"
   end)

   t.test("bash completes what a command takes", function()
      t.expect(offered("engram", "data", "fet")):equals "fetch"
      t.expect(offered("engram", "data", "fetch", "mn")):equals "mnist"
      t.expect(offered("engram", "list", "opt")):equals "optimizers"
      t.expect(offered("engram", "bench", "on")):equals "only="
      t.expect(offered("engram", "help", "nn.Lin")):equals "nn.Linear"
      t.expect(offered("engram", "help", "matm")):equals "matmul"
      t.expect(offered("engram", "run", "classp_vi")):equals "classp_vision"
      t.expect(offered("engram", "run", "mi")):equals "mine.lua mine.yaml"
      t.expect(offered("engram", "resume", "")):equals "runs/mine/one"
      t.expect(offered("engram", "report", "runs/mi")):equals "runs/mine/one"
      t.expect(offered("engram", "run", "--runs", "ru")):equals "runs"
   end)

   t.test("bash completes what a command's verb takes, and no other verb", function()
      t.expect(offered("engram", "plugin", "")):equals "new check list"
      t.expect(offered("engram", "plugin", "new")):equals "new"
      t.expect(offered("engram", "plugin", "check", "")):equals "mine.lua runs"
      t.expect(offered("engram", "plugin", "new", "")):equals ""
      t.expect(offered("engram", "plugin", "check", "--ver")):equals "--verbose"
      t.expect(offered("engram", "list", "optimizers", "")):equals(table.concat(require "engram".optim.list(), " "))
      t.expect(offered("engram", "list", "methods", "EW")):equals "EWC"
      t.expect(offered("engram", "list", "datasets", "")):equals ""
      t.expect(offered("engram", "data", "fetch", "")):equals "fashion-mnist imdb mnist phrasebank"
      t.expect(offered("engram", "data", "check", "mnist", "fa")):equals "fashion-mnist"
      t.expect(offered("engram", "data", "list", "")):equals ""
      t.expect(offered("engram", "data", "")):equals "list fetch check"
   end)

   t.test("bash completes a script's settings", function()
      t.expect(offered("engram", "run", "mine.lua", "")):equals "lr= rate= optimizer= label= kind="
      t.expect(offered("engram", "sweep", "-j", "2", "mine.lua", "lr=1", "ra")):equals "rate="
      t.expect(offered("engram", "run", "mine.yaml", "")):equals "lr= optimizer="
      t.expect(offered("engram", "run", "mine.lua", "kind", "=")):equals "one other third"
      t.expect(offered("engram", "run", "mine.lua", "lr", "=", "2", "kind", "=", "o")):equals "one other"
      t.expect(offered("engram", "sweep", "mine.lua", "kind", "=", "one,th")):equals "one,third"
      t.expect(offered("engram", "run", "mine.lua", "lr", "=")):equals ""
      t.expect(offered("engram", "run", "mine.yaml", "lr", "=", "")):equals ""
      t.expect(offered("engram", "run", "classp_vision", "quan")):contains "quantile="
   end)
else
   t.skip("bash's completion", "bash is not installed")
end

t.done()
