-- What the prompt's completion offers for a line: in strings by what takes them, behind indices and calls, in commands and questions.
-- How it looks at a terminal is in test_repl.lua.
local t = require "tests.harness"

-- What the completer offers for a line in a session with a few variables: a space before and after each candidate.
local function offers(line)
   local engram = require "engram"
   local nn, optim = engram.nn, engram.optim
   local model = nn.Sequential{ nn.Flatten(), nn.Linear(3, 2) }
   local globals = { engram = engram, nn = nn, optim = optim, data = engram.data, cl = engram.cl, model = model, x = engram.ones(2, 3),
      opt = optim.SGD(model, { lr = 0.1 }) }
   local complete = require "engram.repl.completion".completer(require "engram.repl.session"(),
      require "engram.repl.commands".known, function() return "" end)
   for name, value in pairs(globals) do rawset(_G, name, value) end
   local ok, list = pcall(complete, line)
   for name in pairs(globals) do rawset(_G, name, nil) end
   if not ok then error(list, 0) end
   return " " .. table.concat(list, " ") .. " "
end

t.test("completion in a string knows what takes it", function()
   for line, names in pairs{ ['optim.load("sig'] = " sign_sgd ",
      ['data.load "'] = " fashion-mnist glyphs/digits glyphs/garments imdb mnist phrasebank sentences/films sentences/finance ",
      ["cl.task('g"] = " glyphs/digits glyphs/garments ", ['engram.ones(2, { dtype="'] = " float32 float64 int64 uint8 ",
      ['engram.ones(2, { dtype = "f'] = " float32 float64 ", ['x.dtype == "'] = " float32 float64 int64 uint8 ",
      ['require "eng'] = " engram ", ['require "engram.optim.cl'] = " engram.optim.classp ", ['print "CLA'] = " CLASSP " } do
      t.expect(offers(line)):equals(names)
   end
   local _, listed = t.command "engram plugin list"
   t.expect(listed):contains "/sign_sgd.lua"
   for path in listed:gmatch "/([%w_]+)%.%a+\n" do t.expect(offers 'optim.load "'):contains(" " .. path .. " ") end
   t.expect(offers 'optim.of("'):contains " SGD "
   local folder = t.temporary_folder()
   os.execute(("cd %s && mkdir more && touch mine.lua other.txt"):format(t.quote(folder)))
   t.expect(offers(('optim.load "%s/'):format(folder))):equals((" %s/mine.lua %s/more/ "):format(folder, folder))
   t.expect(offers(('print "%s/'):format(folder))):contains(folder .. "/other.txt ")
end)

t.test("completion behind indices, brackets and calls whose result is known", function()
   for line, names in pairs{ ["model[2]:para"] = " parameters ", ["model[2].wei"] = " weight ", ["model[2].weight:unsq"] = " unsqueeze ",
      ["engram.ones(3):unsq"] = " unsqueeze ", ["x:sum(1, (2 + 3)):unsq"] = " unsqueeze ", ["(x):unsq"] = " unsqueeze ",
      ["x[{ 1, 2 }]:unsq"] = "  ", ["x[1]:unsq"] = " unsqueeze ", ["('abc'):upp"] = " upper ", ["('abc'):upper():rev"] = " reverse ",
      ["nn.Linear(2, 3):named_p"] = " named_parameters ",
      ["optim.SGD(model, {}):zero"] = " zero_grad ",
      ["require('engram').nn.Lin"] = " Linear ", ["y = 'a'..mod"] = " model module ", ["x:item():a"] = "  ", ["unknown().a"] = "  ",
      ["x:grad.a"] = "  ",
      ["x."] = " dtype grad is_leaf requires_grad shape ", ["opt.__in"] = " __index ", [":locals "] = " off on ",
      ["??eg_matmul_n"] = " eg_matmul_new ", ["?Tensor:matm"] = " Tensor:matmul ", ["?model[2]:for"] = " model[2]:forward ",
      ["?swe"] = " sweep ", ["?:wh"] = " :who ", [":plot mod"] = " model module " } do
      t.expect(offers(line)):equals(names)
   end
   for _, line in ipairs{ "model:", "opt.", "nn.Linear(2, 3).", "model[2]." } do
      t.expect(offers(line)):contains " state "
      t.expect(offers(line)):lacks " _"
   end
   t.expect(offers "x:"):lacks " shape "
end)

-- Methods that give no tensor are listed in repl/chain.lua; this finds what the list does not know.
t.test("a method that completion takes to give a tensor gives one", function()
   local engram, tensor = require "engram", require "engram.tensor"
   local tried = 0
   for name, method in pairs(tensor.methods) do
      if offers(("x:%s():unsq"):format(name)) == " unsqueeze " then
         for _, arguments in ipairs{ {}, { engram.ones(2, 2) }, { 1 }, { 1, 1 } } do
            local ok, result = pcall(method, engram.ones(2, 2), unpack(arguments))
            if ok then
               tried = tried + 1
               if not engram.is_tensor(result) then error(name .. " gave no tensor", 0) end
            end
         end
      end
   end
   t.expect(tried):above(100)
end)

t.done()
