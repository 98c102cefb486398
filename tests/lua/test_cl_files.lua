-- test_cl_files.lua: what a training leaves in its run's folder, also when it is cut short.
local t = require "tests.harness"
local engram = require "engram"

t.test("the summary of a run names optimizer, methods and settings; what is not defined is null", function()
   local folder = t.temporary_folder()
   t.write(folder .. "/still.lua", [[
      local engram = require "engram"
      local cl, nn, optim = engram.cl, engram.nn, engram.optim
      local few = { limit = 64, test_limit = 10 }
      local tasks = { cl.task("glyphs/digits", few), cl.task("glyphs/garments", few) }
      cl.train{ model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end, stream = cl.stream(tasks), seed = 7,
         optimizer = function(model) return optim.SGD(model, { lr = function(s) return s.task - 1 end }) end,
         method = cl.methods.EWC{ lambda = 3 }, name = "still", evaluate = "epoch", protocol = "published" }]])
   local line = "cd %s && engram run --quiet --name it still.lua && mv runs/still/*-it-*/still/* ."
   local code, _, err = t.command(line:format(t.quote(folder)))
   if code ~= 0 then error(err, 0) end
   local summary = engram.json.load(folder .. "/summary.json")
   t.expect(summary.complete):is_true()
   t.expect(summary.optimizer.name):equals "SGD"
   t.expect(summary.optimizer.hyper.nesterov):is_false()
   t.expect(summary.methods[1].name):equals "EWC"
   t.expect(summary.methods[1].hyper.lambda):equals(3)
   t.expect(summary.seed):equals(7)
   t.expect(summary.metrics.update_density):close_to({ 0, 1 }, 0.01)
   t.expect(rawequal(summary.metrics.update_overlap[1][1], engram.json.null)):is_true()
   t.expect(summary.metrics.update_overlap[2][2]):equals(1)
   local events, rows = {}, {}
   for text in io.lines(folder .. "/metrics.jsonl") do
      local event = engram.json.decode(text)
      events[#events + 1], rows[event.event .. event.task] = event.event, event.accuracy
   end
   t.expect(events):equals{ "epoch", "train", "task", "epoch", "train", "task" }
   t.expect(rows.epoch2):equals(rows.task2)                      -- by the same protocol: the net has no dropout
   t.expect(rows.task2):equals(summary.accuracy[2])
end)

-- A script that trains two small tasks with a hook of `on_step`; its exit code, its errors and the path of its run.
local function run_script(on_step)
   local folder = t.temporary_folder()
   t.write(folder .. "/short.lua", ([[
      local engram = require "engram"
      local cl, nn, optim = engram.cl, engram.nn, engram.optim
      local few = { limit = 64, test_limit = 10 }
      cl.train{ model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end, name = "short", seed = 7, batch_size = 16,
         stream = cl.stream{ cl.task("glyphs/digits", few), cl.task("glyphs/garments", few) },
         optimizer = function(model) return optim.SGD(model, { lr = 0.01 }) end, on_step = function(s) %s end }
      print "never here"]]):format(on_step))
   local code, out, err = t.command(("cd %s && engram run --quiet --name it short.lua"):format(t.quote(folder)))
   t.expect(out):lacks "never here"
   local pipe = io.popen("ls -d " .. t.quote(folder) .. "/runs/short/*-it-*")
   local path = pipe:read "*l"
   pipe:close()
   return code, err, path
end

t.test("an interrupt in the second task leaves what was done: metrics, matrix, summary and weights", function()
   local code, err, path = run_script "if s.task == 2 then require 'engram.core'.C.eg_interrupt_set(2) end"
   t.expect(code):equals(130)
   t.expect(err):contains "interrupted; what was done is in"
   t.expect(engram.json.load(path .. "/status.json").status):equals "interrupted"
   local summary = engram.json.load(path .. "/short/summary.json")
   t.expect(summary.complete):is_false()
   t.expect(summary.steps):equals(5)
   t.expect(#summary.accuracy):equals(1)
   t.expect(#engram.safetensors.load(path .. "/short/weights.safetensors")["2.weight"]):equals(10)
end)

t.test("a loss that is not finite leaves what was done, and says so in the summary", function()
   local code, err, path = run_script "if s.task == 2 then s.optimizer:set{ lr = 1e38 } end"
   t.expect(code):equals(1)
   t.expect(err):contains "at step 7 (task 2, epoch 1)"
   local summary = engram.json.load(path .. "/short/summary.json")
   t.expect(summary.complete):is_false()
   t.expect(summary.error):contains "the loss is not a number"
   t.expect(#summary.accuracy):equals(1)
end)

t.done()
