-- How long Ctrl-C takes at the prompt, from the key to the line "interrupted": an endless loop, a training, long kernels; ROUNDS times
-- each. Also checks that the session's variables are as they were. From the top folder, after `make c-tests`:
--    engram run --no-run tests/cli/interrupt_latency.lua [ROUNDS]
local t = require "tests.harness"

local ROUNDS = tonumber(arg[1]) or 20
local work = t.temporary_folder()

local cases = {
   { "loop", "", "while true do end", 0.2 },
   { "function", "function spin() local n = 0 while true do n = n + 1 end end", "spin()", 0.2 },
   { "training", "model = nn.Sequential{ nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10) }; "
      .. "o = optim.SGD(model, { lr = 0.1 }); "
      .. "s = cl.stream{ cl.task('glyphs/digits', { limit = 2000, test_limit = 100, epochs = 10000 }) }",
      "cl.train{ model = model, optimizer = o, stream = s, batch_size = 16 }", 1 },
   { "product", "a = engram.randn(4000, 4000)", "for i = 1, 1000 do a:matmul(a) end", 0.4 },
   { "convolution", "x = engram.randn(16, 64, 64, 64); w = engram.randn(64, 64, 5, 5)", "for i = 1, 10000 do x:conv2d(w) end", 0.4 },
   { "sum", "v = engram.randn(3e7)", "for i = 1, 1e6 do v:sum() end", 0.4 },
   { "sort", "v = engram.randn(1e7)", "v:sort()", 0.5 },
}

-- The milliseconds of a case, sorted.
local function measure(name, prepare, line, seconds)
   local steps = { "expect > ", "line kept = 42; " .. prepare, "expect > ", "line local also_kept = 7", "expect > " }
   for _ = 1, ROUNDS do
      for _, step in ipairs{ "line " .. line, "wait " .. seconds + math.random() * 0.1, "send \\cc", "expect interrupted", "took " .. name,
         "expect > ", "line kept, also_kept", "expect \\n42   7\\n", "expect > " } do steps[#steps + 1] = step end
   end
   steps[#steps + 1] = "keys \\cd"
   local file = t.write(work .. "/steps", table.concat(steps, "\n") .. "\n")
   local code, out, err = t.command(("cd %s && XDG_STATE_HOME=%s %s %s screen engram"):format(work, work,
      t.quote(t.program:match "^(.*)/" .. "/test/terminal"), file), 600)
   if code ~= 0 then error(name .. ": " .. err, 0) end
   local times = {}
   for ms in out:gmatch "%S+ ([%d.]+)\n" do times[#times + 1] = tonumber(ms) end
   table.sort(times)
   return times
end

for _, case in ipairs(cases) do
   local times = measure(unpack(case))
   print(("%-12s %d times: median %.1f ms, worst %.1f ms"):format(case[1], #times, times[math.ceil(#times / 2)], times[#times]))
   io.stdout:flush()
end
t.done()
