-- Drift: the input changes from task to task at a chosen rate. Task 1 is as it was; before each further task a share `rate` of the pixels
-- changes places among themselves, on top of all changes before. Rate 1 moves every pixel each time; a low rate drifts slowly.
local common = require "engram.cl.streams.common"
local core = require "engram.core"

local WHO = "cl.streams.drift"

-- The permutation of task k after that of task k - 1, as a Lua list.
local function step(before, k, rate, seed)
   local n, after = #before, {}
   local count = math.floor(rate * n + 0.5)
   local places = common.permutation(n, seed, "drift places " .. k):tolist()
   for i = 1, n do after[i] = before[i] end
   for i = 1, count do after[places[i]] = before[places[i % count + 1]] end        -- places are in random order: a random cycle
   return after
end

-- A function of k that gives the permutation of task k; the last one is remembered, so that a stream in its order costs a step a task.
local function walk(pixels, rate, seed)
   local at, order
   return function(k)
      if not at or k < at then
         at, order = 1, {}
         for i = 1, pixels do order[i] = i end
      end
      while at < k do
         at = at + 1
         order = step(order, at, rate, seed)
      end
      return order
   end
end

return {
   name = "drift",
   doc = "pixels that change places at a rate: drift(stream, { rate = 0.1, seed = 0 })",
   -- drift(stream, { rate = 0.1, seed = 0 })
   make = function(stream, options)
      common.check_stream(WHO, stream)
      options = core.options(WHO, options, { "rate", "seed" })
      local rate, seed = common.number(WHO .. ": rate", options.rate or 0.1, 0, 1), common.seed(WHO .. ": seed", options.seed)
      local orders
      return stream:map(function(task, k)
         local function order() return require "engram".tensor(orders(k), { dtype = "int64" }) end
         local change, pixels = common.moved_pixels(task:shape(), order, ("drift %d %.17g %.17g"):format(k, rate, seed))
         orders = orders or walk(pixels, rate, seed)
         if k == 1 then return task end
         return task:derive{ train = change, validation = change, test = change }
      end)
   end,
}
