-- engram.plot and engram plot: drawings checked character by character.
local t = require "tests.harness"
local runs = require "tests.runs"
local engram = require "engram"
local plot = engram.plot

local folder = t.temporary_folder()

t.test("a list of numbers in ASCII", function()
   t.expect(plot({ 0, 1, 2, 3, 4 }, { width = 30, height = 5, ascii = true })):equals(table.concat({
      "4 +                       ****",
      "  |                 ******",
      "2 +          *******",
      "  |    ******",
      "0 +****",
      "  +-------+------------+------",
      "          2            4" }, "\n"))
end)

t.test("a curve that is flat but for rounding is drawn as a flat one", function()
   t.expect(plot({ 0.3, 0.1 + 0.2 }, { width = 30, height = 5, ascii = true })):contains "0.3"
end)

t.test("the same in braille has eight dots a character", function()
   local text = plot({ 0, 1, 2, 3, 4 }, { width = 30, height = 5, ascii = false })
   t.expect(text):contains "⠉"
   t.expect(text):contains "└"
   t.expect(text:find "%*"):is_nil()
end)

t.test("every dot of a character has its own bit", function()
   local canvas = require "engram.plot.canvas"
   for y = 0, 3 do
      for x = 0, 1 do
         local c = canvas.new(1, 1)
         c:dot(x, y, 1)
         local code = ({ [0] = { [0] = 1, 2, 4, 64 }, { [0] = 8, 16, 32, 128 } })[x][y]
         t.expect(c:character(0, 0)):equals("\226" .. string.char(160 + math.floor(code / 64), 128 + code % 64))
      end
   end
   local c = canvas.new(2, 1)
   c:line(0, 0, 3, 3, 1)
   t.expect(c:character(0, 0) .. c:character(1, 0)):equals "⠑⢄"
   c:dot(-1, 0, 1)
   c:dot(4, 0, 1)
   t.expect(c:character(0, 0)):equals "⠑"
end)

t.test("several lists have letters and a legend", function()
   local text = plot({ first = { 1, 1 }, second = { 2, 2 } }, { width = 40, height = 6, ascii = true })
   t.expect(text):contains "a first   b second"
   t.expect(text:find "b b\n" ~= nil and text:find "a a\n" ~= nil):is_true()
   t.expect(plot({ first = { 1, 2 }, second = { 2, 2 } }, { colour = true })):contains "\27[31mb\27[0m second"
end)

t.test("losses of a training, tensors and points are taken", function()
   local by_points = plot({ { 10, 1 }, { 20, 3 } }, { width = 40, height = 5, ascii = true, title = "loss" })
   t.expect(plot({ losses = { { step = 10, loss = 1 }, { step = 20, loss = 3 } } }, { width = 40, height = 5, ascii = true })):equals(
      by_points)
   t.expect(plot(engram.tensor{ 1, 2, 4 }, { ascii = true })):equals(plot({ 1, 2, 4 }, { ascii = true }))
end)

t.test("numbers that are not finite break the curve", function()
   local text = plot({ 1, 0 / 0, 1, 1 / 0, 1 }, { width = 44, height = 4, ascii = true })
   t.expect(select(2, text:gsub("%*", ""))):equals(3)
   t.expect(function() plot{ 0 / 0 } end):raises "there is no finite number"
   t.expect(function() plot{} end):raises "there is no finite number"
end)

t.test("one point and a flat curve are drawn", function()
   t.expect(plot({ 5 }, { ascii = true })):contains "*"
   t.expect(plot({ 0, 0, 0 }, { ascii = true })):contains "0 +***"
   t.expect(plot({ 1e300, -1e300 }, { ascii = true })):contains "e+300"
end)

t.test("no line is wider than was asked", function()
   for width = 30, 120, 7 do
      local text = plot({ a = { 1, 1000000, 3 }, b = { 2, 1e-5, 9 }, ["a long name"] = { 4, 4 } }, { width = width, ascii = true })
      for line in text:gmatch "[^\n]+" do t.expect(#line <= width):is_true() end
   end
end)

t.test("bad arguments are told", function()
   t.expect(function() plot() end):raises "expected a run's path, a list of numbers or a table of lists, got nothing"
   t.expect(function() plot{ "a" } end):raises "expected numbers, got a string"
   t.expect(function() plot({ 1 }, { widht = 3 }) end):raises "did you mean 'width'"
   t.expect(function() plot({ 1 }, { width = 3 }) end):raises "width must be a whole number from 30 to 1000, got 3"
   t.expect(function() plot({ 1 }, { height = 0.5 }) end):raises "height must be"
end)

-- ---- runs -------------------------------------------------------------------------------------------------

for seed = 1, 2 do
   runs.write(folder .. "/r/sgd" .. seed, { seed = seed })
   runs.write(folder .. "/r/adam" .. seed, { seed = seed, optimizer = "Adam" })
end

t.test("runs: a curve a group, tasks above, boundaries between", function()
   local text = plot(folder .. "/r", { width = 60, height = 8, ascii = true, metric = "accuracy" })
   for _, words in ipairs{ "accuracy, mean of the tasks seen (mean of seeds)", "a Adam   b SGD" } do t.expect(text):contains(words) end
   text = plot(folder .. "/r", { width = 60, height = 8, ascii = true })
   t.expect(text):contains "loss (mean of seeds)"
   t.expect(text):contains "set/task1"
   t.expect(text):contains ":"
   t.expect(plot(folder .. "/r", { metric = "accuracy.2" })):contains "accuracy on set/task2"
   t.expect(plot(folder .. "/r", { metric = "accuracy.set/task2" })):contains "accuracy on set/task2"
   t.expect(function() plot(folder .. "/r", { metric = "acuracy" }) end):raises "did you mean 'accuracy'? (metrics: accuracy, loss)"
   t.expect(function() plot(folder .. "/r", { metric = "accuracy.9" }) end):raises "there is no task '9'"
end)

t.test("runs with forks are drawn, with the ends of the tasks before and after", function()
   local path = runs.write(folder .. "/forks", { trainings = { { name = "base", tasks = 2 }, { name = "fork", tasks = 3, forked = 2 } } })
   local text = plot(path, { width = 60, height = 8, ascii = true })
   t.expect(text):contains "a base   b fork"
   t.expect(text:match "\n +(set/task1 +set/task2 +set/task3)\n" ~= nil):is_true()
   t.expect(select(2, text:match "\n([^\n]*:[^\n]*)\n":gsub(":", ""))):equals(2)
end)

t.test("gnuplot draws a picture, where there is a gnuplot", function()
   local stub = folder .. "/bin"
   os.execute("mkdir -p " .. t.quote(stub))
   t.write(stub .. "/gnuplot", '#!/bin/sh\ncp "$1" "' .. folder .. '/program"\n'
      .. 'sed -n "s/^set output .\\(.*\\).$/\\1/p" "$1" | xargs touch\n')
   os.execute("chmod +x " .. t.quote(stub .. "/gnuplot"))
   local words = (" plot %s --gnuplot %s"):format(t.quote(folder .. "/r"), t.quote(folder .. "/curves.svg"))
   local code, out = t.command("PATH=" .. t.quote(stub) .. ":$PATH engram" .. words)
   t.expect({ code, out }):equals{ 0, folder .. "/curves.svg\n" }
   t.expect(t.read(folder .. "/curves.svg")):equals ""
   local program = t.read(folder .. "/program")
   for _, line in ipairs{ "set terminal svg", "set arrow from first 200,graph 0", "$curve1 << END\n100 ", "with lines lw 2 title 'Adam'",
      "set title 'loss (mean of seeds)'" } do t.expect(program):contains(line) end
   t.write(stub .. "/gnuplot", "#!/bin/sh\nexit 1\n")
   code = t.command("PATH=" .. t.quote(stub) .. ":$PATH engram" .. words)
   t.expect(code):equals(1)
   t.expect((select(3, t.command("engram plot --gnuplot x.gif " .. t.quote(folder .. "/r"))))):contains "expected a name that ends in .pdf"
   local listed = io.popen("ls -A " .. t.quote(folder) .. " | grep -c part")
   t.expect(listed:read "*l"):equals "0"
   listed:close()
end)

t.test("an unknown metric lists the names once", function()
   local ok, problem = pcall(plot, folder .. "/r", { metric = "zzz" })
   t.expect(ok):equals(false)
   t.expect(select(2, tostring(problem):gsub("accuracy, loss", ""))):equals(1)
end)

t.test("the command falls back to ASCII by the locale", function()
   local function draw(words)
      local code, out = t.command(("unset LC_ALL LC_CTYPE; %s plot %s --width 50 --height 5"):format(words, t.quote(folder .. "/r")))
      t.expect(code):equals(0)
      return out
   end
   t.expect(draw "LANG=C.UTF-8 engram"):contains "└"
   t.expect(draw "LANG=C engram"):lacks "└"
   t.expect(draw "LANG=C LC_ALL=en_US.utf8 engram"):contains "└"
   t.expect((select(2, t.command("LANG=C.UTF-8 engram plot --ascii " .. t.quote(folder .. "/r"))))):lacks "└"
   t.expect(draw "LANG=C.UTF-8 engram"):lacks "\27"
   t.expect((t.command "engram plot")):equals(2)
   t.expect((t.command("engram plot a b c"))):equals(2)
   t.expect((t.command("engram plot " .. t.quote(folder .. "/r") .. " --width wide"))):equals(2)
end)

t.done()
