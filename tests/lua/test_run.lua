-- The run directory, metrics, status, progress and JSON.
local t = require "tests.harness"
local json = require "engram.json"
local progress = require "engram.run.progress"
local run = require "engram.run"

local function begin(about)
   about = about or {}
   about.experiment, about.runs = about.experiment or "test", about.runs or t.temporary_folder() .. "/runs"
   return run.begin(about)
end

local function read_json(path) return json.decode(assert(t.read(path), path)) end

local function files_in(folder)
   local list, pipe = {}, io.popen("ls -A " .. t.quote(folder))
   for name in pipe:lines() do list[#list + 1] = name end
   pipe:close()
   return list
end

-- ---- JSON -------------------------------------------------------------------------------------------------

t.test("json: values, sorted keys, lists, escapes", function()
   t.expect(json.encode{ b = { 1, 2.5, "x" }, a = { y = true, x = false }, d = json.null, e = json.array{} })
      :equals '{"a": {"x": false, "y": true}, "b": [1, 2.5, "x"], "d": null, "e": []}'
   t.expect(json.encode 'q"\\\n\1\127'):equals '"q\\"\\\\\\n\\u0001\\u007f"'
end)

t.test("json: numbers keep their bits, and what is not finite is null", function()
   for _, value in ipairs{ 0.1, 1 / 3, 1e300, 5e-324, -2 ^ 53, 123456789012, 1e15 + 0.5 } do
      t.expect(json.decode(json.encode(value))):equals(value)
   end
   t.expect(json.encode{ 1 / 0, -1 / 0, 0 / 0 }):equals("[null, null, null]")
end)

t.test("json: text survives a round trip, indented or not", function()
   local value = { name = "naïve \u{1F600} \0 \t", list = { { 1 }, {}, { a = { b = 1 } } }, none = json.null }
   for _, pretty in ipairs{ true, false } do t.expect(json.decode(json.encode(value, pretty))):equals(value) end
end)

t.test("json: what has no JSON is refused", function()
   t.expect(function() json.encode{ f = print } end):raises("json: a function cannot be written")
   t.expect(function() json.encode{ [print] = 1 } end):raises("json: a key is a function")
   t.expect(function() json.decode "{\"a\": 1" end):raises("json: line 1")
end)

-- ---- the directory ----------------------------------------------------------------------------------------

t.test("a run's directory says what it is", function()
   local words = { "lr=0.1", "seed=3", "optimizer.name=a/b" }
   local r = begin{ experiment = "exp", words = words, seed = 3, command = "engram run exp.lua" }
   t.expect(run.current()):equals(r)
   t.expect(r.path:match "/runs/exp/%d%d%d%d%d%d%d%d%-%d%d%d%d%d%d%-lr=0.1%-s3%-optimizer.name=a_b%-%w%w%w%w$" ~= nil):is_true()
   os.remove(r.path .. "/changes.diff")          -- there, when this tree differs from its commit
   t.expect(files_in(r.path)):equals{ "meta.json", "overrides.txt", "settings.json", "status.json" }
   t.expect(t.read(r.path .. "/overrides.txt")):equals("lr=0.1\nseed=3\noptimizer.name=a/b\n")
   local meta = read_json(r.path .. "/meta.json")
   t.expect(meta.command):equals("engram run exp.lua")
   t.expect(meta.seed):equals(3)
   for _, key in ipairs{ "engram", "luajit", "blas", "build", "flags", "threads", "cores", "started" } do
      t.expect(meta[key]):differs_from(nil)
   end
   t.expect(read_json(r.path .. "/status.json").status):equals("running")
   run.finish()
   t.expect(read_json(r.path .. "/status.json").status):equals("finished")
   t.expect(run.current()):is_nil()
end)

if t.command "git --version" ~= 0 then
   t.skip("a run of a script that differs from its commit keeps the difference", "git is missing")
else
   t.test("a run of a script that differs from its commit keeps the difference", function()
      local folder = t.temporary_folder()
      local code = t.command(("cd %s && git init -q && echo 'print(1)' > s.lua && git add s.lua"):format(folder)
         .. " && git -c user.name=n -c user.email=e commit -qm one && engram run --quiet --name clean s.lua"
         .. " && echo 'print(2)' > s.lua && engram run --quiet --name dirty s.lua")
      t.expect(code):equals(0)
      local _, listed = t.command(("cd %s && cat runs/s/*dirty*/changes.diff && ls runs/s/*clean* && grep commit runs/s/*/meta.json")
         :format(folder))
      t.expect(listed):contains "-print(1)\n+print(2)\n"
      t.expect(listed:match "\nlog.txt\nmeta.json\noverrides.txt\n" ~= nil):is_true()
      t.expect(listed:match '"commit": "%x+",' ~= nil):is_true()
      t.expect(listed:match '"commit": "%x+%+changes",' ~= nil):is_true()
   end)
end

t.test("runs of one second never share a directory", function()
   local runs, seen = t.temporary_folder(), {}
   for _ = 1, 20 do
      local path = begin{ runs = runs }.path
      t.expect(seen[path]):is_nil()
      seen[path] = true
      run.finish()
   end
end)

t.test("--name stands in for the overrides; odd letters are replaced", function()
   local r = begin{ name = "my run/1", words = { "lr=1" } }
   t.expect(r.path:match "[^/]*$"):contains("-my_run_1-")
   run.finish()
end)

t.test("a run that was called wrongly leaves nothing", function()
   local folder = t.temporary_folder()
   begin{ runs = folder .. "/new/runs" }
   run.discard()
   t.expect(files_in(folder .. "/new")):equals{}
   begin{ runs = folder }
   run.discard()
   t.expect(files_in(folder)):equals{ "new" }
end)

t.test("a failed run says why", function()
   local r = begin()
   run.finish("failed", "loss is NaN")
   local status = read_json(r.path .. "/status.json")
   t.expect(status.status):equals("failed")
   t.expect(status.error):equals("loss is NaN")
end)

t.test("metrics are whole lines; what is not finite is null and named", function()
   local r = begin()
   r:log_metric{ step = 1, loss = 0.5 }
   r:log_metric{ step = 2, loss = 0 / 0, ratio = 1 / 0 }
   t.expect(t.read(r.path .. "/metrics.jsonl")):equals('{"loss": 0.5, "step": 1}\n'
      .. '{"loss": null, "nonfinite": ["loss", "ratio"], "ratio": null, "step": 2}\n')
   run.finish()
end)

t.test("sub-runs have folders of their own", function()
   local r = begin()
   local paths = {}
   for i, name in ipairs{ false, false, "ewc", "ewc", "x/y z" } do
      local sub = r:open(name or nil)
      sub:log_metric{ step = i }
      sub:write("note.txt", "x")
      paths[i] = sub.path:sub(#r.path + 1)
   end
   t.expect(paths):equals{ "", "/train-2", "/ewc", "/ewc-2", "/x_y_z" }
   t.expect(t.read(r.path .. "/ewc-2/metrics.jsonl")):equals('{"step": 4}\n')
   t.expect(function() r:open "" end):raises("a sub-run's name must be a word")
   t.expect(function() r:open "../up" end):raises("a sub-run's name must be a word")
   run.finish()
end)

t.test("the log has no carriage returns", function()
   local r = begin()
   r:log "10 %\r20 %\rdone\n"
   r:log "next"
   t.expect(t.read(r.path .. "/log.txt")):equals("done\nnext\n")
   run.finish()
end)

t.test("a directory that cannot be made is a clear error", function()
   local folder = t.temporary_folder()
   t.write(folder .. "/file", "x")
   local message = t.expect(function() begin{ runs = folder .. "/file" } end):raises("Not a directory")
   t.expect(message):contains("choose another folder with --runs DIR, or none with --no-run")
   t.expect(run.current()):is_nil()
end)

t.test("what cannot be written is a clear error, and no part of it stays", function()
   local r = begin()
   os.execute("ln -s /dev/full " .. t.quote(r.path .. "/metrics.jsonl"))
   t.expect(function() r:log_metric{ step = 1 } end):raises("metrics.jsonl: cannot write: No space left on device")
   os.execute("mkdir " .. t.quote(r.path .. "/summary.json"))
   t.expect(function() r:write_json("summary.json", {}) end):raises("summary.json: is a folder, expected a file")
   for _, name in ipairs(files_in(r.path)) do t.expect(name):lacks(".part") end
   run.finish "failed"
end)

t.test("when status.json cannot be rewritten, it is written over", function()
   local r = begin()
   r.set_status = function() error("No space left on device", 0) end
   local say = io.stderr
   rawset(io, "stderr", { write = function() end })
   run.finish("failed", "disk full")
   rawset(io, "stderr", say)
   t.expect(read_json(r.path .. "/status.json")):equals{ status = "failed", error = "disk full" }
end)

t.test("weights are saved through the module", function()
   local r = begin()
   local saved
   r:open("a"):save_weights({ save = function(_, path) saved = path end })
   t.expect(saved):equals(r.path .. "/a/weights.safetensors")
   run.finish()
end)

-- ---- progress ---------------------------------------------------------------------------------------------

t.test("without a terminal: a line at the end of each task, in the log too", function()
   local lines = {}
   progress.quiet = true                          -- this test's own standard error stays empty
   local function log(text) lines[#lines + 1] = text end
   local p = progress.new{ total_steps = 40, tasks = 2, epochs = 1, label = "ewc", log = log }
   for step = 1, 40 do
      p:update{ step = step, task = step <= 20 and 1 or 2, epoch = 1, loss = 2, accuracy = step > 20 and 50 or nil }
   end
   p:message "note"
   p:finish()
   p:finish()
   t.expect(#lines):equals(3)
   t.expect(lines[1]):contains("ewc  task 1/2  epoch 1/1  step 20/40")
   t.expect(lines[1]):contains("loss 2.0000")
   t.expect(lines[2]):equals("note")
   t.expect(lines[3]):contains("task 2/2  epoch 1/1  step 40/40")
   t.expect(lines[3]):contains("accuracy 50.00 %")
   for _, line in ipairs(lines) do t.expect(line):lacks("\r") end
end)

t.test("after a resume, the rate and the time that is left count from the first step of this process", function()
   local p = progress.new{ total_steps = 1000100 }
   p:remember{ state = { step = 1e6, task = 1 } }
   p:update{ step = 1000001 }
   require "engram.core".C.eg_sleep(0.2)
   p:update{ step = 1000002 }
   p:finish()
   t.expect(tonumber(p:line():match "([%d.]+) steps/s")):below(6)
   t.expect(p:line():match "left (%d+)" ~= "0" or p:line():match "left 0:[1-9]" ~= nil):is_true()
end)

t.test("status.json tells at once where a run is; a finished one does nothing; the seed is the training's", function()
   local r = begin()
   r:heartbeat{ doing = "training", task = 1, step = 1 }
   t.expect(read_json(r.path .. "/status.json").step):equals(1)
   r:note_seed(4)
   r:note_seed(5, true)
   r:note_seed(6, true)
   t.expect(read_json(r.path .. "/meta.json").seed):equals(5)
   run.finish()
   t.expect(read_json(r.path .. "/status.json").doing):is_nil()
end)

t.test("the line holds only what is known, also when a loss is not finite", function()
   local p = progress.new{}
   t.expect(p:line()):equals("")
   p:update{ step = 3, loss = 0 / 0 }
   t.expect(p:line()):contains("step 3  loss")
   p:update{ loss = 1 }
   t.expect(p:line()):contains("loss 1.0000")
   t.expect(function() progress.new{ total = 3 } end):raises("unknown option 'total'")
end)

t.test("on a terminal: one line that overwrites itself, cut to the width", function()
   local folder = t.temporary_folder()
   t.write(folder .. "/p.lua", [[
      local progress = require "engram.run.progress"
      local clock = require("engram.core").C.eg_clock
      local p, start = progress.new{ total_steps = 1e6, label = ("x"):rep(100) }, clock()
      local step = 0
      while clock() - start < 0.55 do step = step + 1; p:update{ step = step, loss = 1 } end
      p:finish()]])
   local code, out = t.command(("script -qec 'stty cols 60; engram run --no-run %s/p.lua' /dev/null"):format(folder))
   t.expect(code):equals(0)
   local drawn = 0
   for line in out:gmatch "\r(x[^\r\n\27]*)\27%[K" do
      drawn = drawn + 1
      t.expect(#line):equals(59)
   end
   t.expect(drawn):above(2)
   t.expect(drawn):below(8)
   t.expect(out):contains("\r\27[K")
end)

t.test("a run that its process takes away while another is about to go on with it is told as taken, to be begun again", function()
   local ok, problem = pcall(run.reopen, t.temporary_folder())
   t.expect({ ok, problem.code }):equals{ false, require "engram.run.left".TAKEN }
   t.expect(tostring(problem)):contains "was taken away just now by a process that was stopped before it began"
end)

t.done()
