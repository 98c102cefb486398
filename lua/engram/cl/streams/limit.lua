-- The first so many items of every task.
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local raise = core.raise

local WHO = "cl.streams.limit"

local function first(task, part, n)
   if not n then return nil end
   n = math.min(core.whole(("%s: %s"):format(WHO, part), n), task:items(part))
   return { at_once = true, items = n, recipe = "limit " .. n, make = function(set) return set:take(n) end,
      labels = function(labels) return labels:narrow(1, 1, n) end }
end

return {
   name = "limit",
   doc = "the first items of every task: limit(stream, { train = 1000, test = 200 })",
   make = function(stream, options)
      common.check_stream(WHO, stream)
      options = core.options(WHO, options, { "train", "test" })
      if not (options.train or options.test) then raise("%s: give train, test or both: how many items of every task", WHO) end
      return stream:map(function(task)
         return task:derive{ train = first(task, "train", options.train), test = first(task, "test", options.test) }
      end)
   end,
}
