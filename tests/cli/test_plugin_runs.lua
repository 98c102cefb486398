-- Plugins in runs: killed and resumed to the bit, forked, swept; --plugin; what a checkpoint knows of its optimizer.
local t = require "tests.harness"
local plugins = require "tests.plugins"
local json = require "engram.json"
local folder, lion = plugins.folder, plugins.lion
local script, sh, test = plugins.script, plugins.sh, plugins.test

script("experiment.lua", [[
local ffi = require "ffi"
local engram = require "engram"
local nn, optim, cl, schedule = engram.nn, engram.optim, engram.cl, engram.schedule
local s = engram.settings{ optimizer = "Lion", lr = 0.002 }
ffi.cdef "int raise(int);"
local function items(name, count)
   return engram.data.dataset{ name = name, images = engram.rand(count, 1, 8, 8, { stream = name }),
      labels = engram.randint(1, 4, count, { stream = name }), classes = 4 }
end
local function task(name) return cl.task({ name = name, train = items(name, 40), test = items(name .. " test", 16) }, { epochs = 2 }) end
engram.seed(3)
local run = cl.train{ stream = cl.stream{ task "a", task "b" }, batch_size = 10, checkpoint_every = 3, checkpoints = "task",
   model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Dropout(0.2), nn.Linear(12, 4) } end,
   optimizer = function(model) return optim.of(s.optimizer)(model) end,
   on_step = function(t) if t.step == tonumber(os.getenv "STEP") then ffi.C.raise(9) end end }
print(run.hash, run.bytes and run.metrics.update_density[1])
]])

local function hash_of(out) return out:match "%x%x%x%x%x%x%x%x+" end

-- Killed in the middle of a task and resumed: the bits of a run that was never stopped.
local function check_resume(plugin, name)
   local words = ("--quiet --plugin %s experiment.lua optimizer=%s"):format(plugin, name)
   local runs = "runs-" .. name
   local code, whole, problem = sh(("engram run --runs %s-whole %s"):format(runs, words))
   if code ~= 0 then error(problem, 0) end
   for _, step in ipairs{ 5, 13 } do
      t.expect(sh(("rm -rf %s; STEP=%d engram run --runs %s %s"):format(runs, step, runs, words))):equals(128 + 9)
      local resumed, out, said = sh(("engram resume --quiet --threads 1 %s/experiment/*"):format(runs))
      if resumed ~= 0 then error(said, 0) end
      t.expect(hash_of(out)):equals(hash_of(whole))
      local _, same = sh(("cmp %s/*/*/weights.safetensors %s-whole/*/*/weights.safetensors && echo same"):format(runs, runs))
      t.expect(same):equals "same\n"
   end
   local meta = json.load(folder .. "/" .. select(2, sh(("ls -d %s/experiment/*/meta.json"):format(runs))):match "[^\n]+")
   local path, hash = next(meta.plugins)
   t.expect(meta.plugins_asked[1]):equals(plugin)
   t.expect(hash):equals(require "engram.run.describe".file_hash(path:find "^/" and path or folder .. "/" .. path))
end

test("a run with Lion is killed in a task and resumed to the bit, and notes the file", function()
   lion()
   check_resume("./lion.so", "Lion")
end)

t.test("a run with a plugin in Lua is killed in a task and resumed to the bit", function()
   script("signum.lua", [[
return {
   name = "Signum", version = "1.0", hyper = { lr = { default = 0.002, min = 0 } },
   slots = { mean = { like = "parameter" }, noise = { like = "parameter", initial = 1, reset = true } },
   step = function(p, g, s, h)
      s.noise:mul_(require "engram".rand_like(p:detach(), { stream = "optimizer" }))
      p:add_(s.mean:mul_(0.9):add_(g + s.noise, 0.1):sign(), -h.lr)
   end,
}]])
   check_resume("./signum.lua", "Signum")
end)

t.test("another version or other slots than a checkpoint's are named, by parameter", function()
   local text = t.read(folder .. "/signum.lua")
   local function resume_with(changed)
      sh "rm -rf other; STEP=13 engram run --quiet --runs other --plugin ./signum.lua experiment.lua optimizer=Signum"
      script("signum.lua", changed)
      local code, out, problem = sh "engram resume --quiet other/experiment/*"
      script("signum.lua", text)
      t.expect(code):equals(1)
      return out .. problem
   end
   local said = resume_with((text:gsub('"1.0"', '"1.1"')))
   t.expect(said):contains "signum.lua has changed since the run began"
   t.expect(said):contains("was made with version of Signum = 1.0, the script now has 1.1; a run can only go on as what it was: "
      .. "restore the ./signum.lua of that version, or fork")
   said = resume_with((text:gsub("noise = {", "sound = {"):gsub("s.noise", "s.sound"):gsub('"1.0"', '"2.0"')))
   t.expect(said):contains "has slot 'noise' for parameter 2.weight, which Signum 2.0 does not have: go on with the Signum 1.0 that made it"
   said = resume_with((text:gsub("slots = {", "slots = { more = { like = 'scalar' },")))
   t.expect(said):contains("has no slot 'more' for parameter 2.weight, which Signum 1.0 needs: its slots have changed under one version: "
      .. "restore ./signum.lua as it was when the run began")
end)

t.test("what a plugin tells of itself is in the run's metrics", function()
   script("telling.lua", [[return { name = "Telling", hyper = { lr = { default = 0.1 } }, step = function(p, g, s, h) p:add_(g, -h.lr) end,
      statistics = function(optimizer) return { angle = 7 * optimizer.context.step, odd = 0 / 0 } end }]])
   local code, out, problem = sh "engram run --quiet --runs told --plugin ./telling.lua experiment.lua optimizer=Telling"
   if code ~= 0 then error(out .. problem, 0) end
   local _, lines = sh "grep -h train told/*/*/metrics.jsonl"
   local event = json.decode(lines:match "[^\n]+")
   t.expect(event["optimizer.angle"]):equals(7 * event.step)
   t.expect(event.nonfinite[1]):equals "optimizer.odd"
   t.expect(select(2, sh "engram plot told/experiment/* optimizer.angle")):contains "optimizer.angle"
end)

test("a training forks with a plugin, and a sweep runs with one", function()
   lion()
   script("fork.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local Lion = optim.load "./lion.so"
local stream = cl.stream{ cl.task("glyphs/digits", { limit = 200 }), cl.task("glyphs/garments", { limit = 200 }) }
local function model() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end
local function lion(m) return Lion(m, { lr = 0.001 }) end
local whole = cl.train{ model = model, stream = stream, optimizer = lion, seed = 1, batch_size = 20, checkpoints = "task" }
local forked = cl.fork(engram.run.current().path .. "/ckpt/task1.safetensors", { model = model, stream = stream, optimizer = lion,
   batch_size = 20 })
assert(forked.hash == whole.hash)
local other = cl.fork(engram.run.current().path .. "/ckpt/task1.safetensors", { model = model, stream = stream, batch_size = 20,
   optimizer = function(m) return optim.load("sign_sgd")(m) end })
assert(other.hash ~= whole.hash)
print "forked"]])
   local code, out, problem = sh "engram run --quiet --runs forks fork.lua"
   if code ~= 0 then error(problem, 0) end
   t.expect(out):contains "forked"
   code, out, problem = sh "engram sweep --quiet --runs sweeps --plugin ./lion.so experiment.lua optimizer=Lion,SGD,sign_sgd"
   if code ~= 0 then error(out .. problem, 0) end
   local _, names = sh "grep -h '\"name\": \"[A-Z]' sweeps/experiment/*/*/summary.json | sort -u"
   t.expect(select(2, names:gsub("\n", ""))):equals(3)
end)

t.test("--plugin refuses before anything is done, with exit code 2 and no run directory", function()
   script("never.lua", "print 'ran'")
   for _, command in ipairs{ "run --runs none", "sweep --runs none" } do
      local code, out, problem = sh(("engram %s --plugin %s never.lua x=1"):format(command, "./text-only.so"))
      t.expect(code):equals(2)
      t.expect(out):equals ""
      t.expect(problem):equals "engram: there is no file './text-only.so'\n"
   end
   script("words.so", "words")
   local code, _, problem = sh "engram run --runs none --plugin words.so never.lua; code=$?; ls none 2>/dev/null; exit $code"
   t.expect(code):equals(2)
   t.expect(problem):contains "engram: words.so: is no shared library: "
   script("broken.lua", "return {\n  name = }\n")
   code, _, problem = sh "engram run --runs none --plugin broken.lua never.lua"
   t.expect(code):equals(2)
   t.expect(problem):equals "engram: broken.lua:2: unexpected symbol near '}'\n"
   t.expect(sh "test -e none"):equals(1)
end)

t.test("a plugin that a script loads is refused with exit code 2 and no run directory", function()
   script("loads.lua", "require 'engram'.optim.load(arg[1])\nprint 'ran'")
   local refused = { ["./words.so"] = "is no shared library", ["broken.lua"] = "unexpected symbol", ["gone.lua"] = "there is no file" }
   for name, message in pairs(refused) do
      local code, out, problem = sh("engram run --runs none loads.lua -- " .. name)
      t.expect(code):equals(2)
      t.expect(out):equals ""
      t.expect(problem):contains "engram: loads.lua:1: optim.load: "
      t.expect(problem):contains(message)
   end
   t.expect(sh "test -e none"):equals(1)
   local code, out = sh "engram run --no-run loads.lua -- sign_sgd"
   t.expect({ code, out }):equals{ 0, "ran\n" }
   script("caught.lua", "print(pcall(require 'engram'.optim.load, 'gone.lua'))")
   code, out = sh "engram run --no-run caught.lua"
   t.expect(code):equals(0)
   t.expect(out):contains "false\tcaught.lua:1: optim.load: there is no file 'gone.lua'"
end)

t.test("a run that is gone on with and called wrongly keeps all that it had", function()
   t.expect(sh "cp signum.lua mine.lua; STEP=5 engram run --quiet --into begun experiment.lua optimizer=./mine.lua"):equals(128 + 9)
   script("mine.lua", "return {")
   local code, _, problem = sh "engram resume --quiet begun"
   t.expect(code):equals(2)
   t.expect(problem):contains "optim.load: ./mine.lua:1: unexpected symbol near '<eof>'"
   t.expect(json.load(folder .. "/begun/status.json").status):equals "failed"
   t.expect(sh "cp signum.lua mine.lua; engram resume --quiet begun"):equals(0)
end)

t.done()
