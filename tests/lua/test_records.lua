-- test_records.lua: tensors of a graph and the numbers of their records, in a process of their own: few numbers are free at the start.
local t = require "tests.harness"
local engram = require "engram"

-- The collector's finalizers give numbers of records back. Here one does, of the newest record, at the i-th instruction at which a number
-- is taken, while two others are free.
local function records_with_a_finalizer_at(i)
   local tensor = require "engram.tensor"
   local function fresh() return engram.ones(1):requires_grad_() end
   local function release(list) for _, x in ipairs(list) do x:release() end end
   local two, spare, dead, count = { fresh(), fresh() }, { fresh(), fresh() }, { fresh() }, 0
   release(two)
   debug.sethook(function()
      local about = debug.getinfo(2, "nf")
      if about.func ~= tensor.attach and about.name ~= "take_number" then return end
      count = count + 1
      if count ~= i then return end
      dead[1] = nil
      collectgarbage()
      collectgarbage()
   end, "", 1)
   local live = { fresh() }
   debug.sethook()
   for k = 2, 3 do live[k] = fresh() end
   release(spare)
   for k = 4, 8 do live[k] = fresh() end
   local owner, shared = {}, 0
   for _, x in ipairs(live) do
      if owner[x.record] or not tensor.records[x.record] then shared = shared + 1 end
      owner[x.record] = true
   end
   return shared, not dead[1], live
end

t.test("every tensor of a graph has a record of its own, wherever the collector comes between", function()
   jit.off()
   jit.flush()
   for _ = 1, 4 do collectgarbage() end
   local all = {}
   for k = 1, 200 do all[-k] = engram.ones(1):requires_grad_() end                    -- no number is free,
   for k = 1, 50 do all[-k]:release() end                                             -- though many were once
   for k = 1, 50 do all[-k] = engram.ones(1):requires_grad_() end
   for i = 1, 100 do
      local shared, reached, live = records_with_a_finalizer_at(i)
      t.expect({ i, shared }):equals{ i, 0 }
      if not reached then break end
      all[i] = live                                                                  -- nor when the next begins
   end
   jit.on()
   t.expect(#all):above(5)
end)

t.done()
