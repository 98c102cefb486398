-- A training whose settings come from a file: resumed with what it began with, and told by --dry-run.
local t = require "tests.harness"

local folder = t.temporary_folder()

local function put(name, text) return t.write(folder .. "/" .. name, text) end

local function shell(line, timeout) return t.command(("cd %s && %s"):format(t.quote(folder), line), timeout) end

local function engram(arguments, timeout) return shell("engram " .. arguments, timeout) end

local TRAINING = [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local s = engram.settings{ lr = 0.1, limit = 320 }
print("rate", s.lr)
cl.train{ seed = 1, model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
   optimizer = function(model) return optim.SGD(model, { lr = s.lr }) end,
   stream = cl.stream{ cl.task("glyphs/digits", { limit = s.limit, test_limit = 50, epochs = 2 }) },
   on_step = function(t)
      if t.step ~= 7 or not os.getenv "KILL" then return end
      os.execute("kill -9 " .. engram.run.read(engram.run.current().path, "status.json").process)
   end }
]]

t.test("a resumed run has the settings it began with, whatever has become of the file", function()
   put("train.lua", TRAINING)
   put("train.yaml", "base: train_base.yaml\n")
   put("train_base.yaml", "lr: 0.25\n")
   shell "export KILL=1; engram run --name cut train.yaml"
   put("train_base.yaml", "lr: 0.5\n")
   shell "rm train.yaml"
   local code, out = engram "resume --quiet runs/train/*-cut-*"
   t.expect({ code, out }):equals({ 0, "rate\t0.25\n" })
end)

t.test("--dry-run tells model, optimizer, data and steps, and writes nothing", function()
   put("train.yaml", "lr: 0.25\nlimit: 640\n")
   shell "rm -rf runs"
   local code, out, err = engram "run --dry-run train.yaml"
   t.expect({ code, err }):equals({ 0, "" })
   for _, text in ipairs{ "rate\t0.25\n", "2.weight                 (10, 784)                   7,840\n", "7,850\n", "SGD{ ", "lr = 0.25",
      "task 1: glyphs/digits, 640 to train, 50 to test, 2 epochs\n", "steps\n  40\n", "expected time\n  about ", " ms a step (over 10)" } do
      t.expect(out):contains(text)
   end
   t.expect((shell "test -e runs")):differs_from(0)
   put("plain.lua", "print 'done'")
   code, out, err = engram "run --dry-run plain.lua"
   t.expect({ code, out, err }):equals({ 1, "done\n", "engram: the script came to its end without a cl.train\n" })
   put("early.lua", TRAINING:gsub("local s = [^\n]*\n", "local s = { lr = 1, limit = 320 }\n"))
   code, out, err = engram "config early.lua"
   t.expect({ code, out, err }):equals({ 1, "rate\t1\n", "engram: the script declares no settings before its first cl.train\n"
      .. "   early.lua:5: in the script\n" })
end)

t.test("--dry-run of methods whose work begins with a long loop", function()
   for _, method in ipairs{ "GDumb{ epochs = 1 }", 'EWC{ convention = "classp-repository" }' } do
      put("with.lua", ((TRAINING:gsub("   on_step = .*$", function() return "   method = cl.methods." .. method .. " }\n" end))))
      local code, out, err = engram "run --dry-run with.lua"
      t.expect({ method, code, err }):equals{ method, 0, "" }
      t.expect(out):contains "expected time\n"
   end
end)

t.done()
