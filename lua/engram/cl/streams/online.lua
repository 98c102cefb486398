-- Online: every item is met once, whatever the tasks' epochs were.
local common = require "engram.cl.streams.common"

return {
   name = "online",
   doc = "a single pass over every task: online(stream)",
   make = function(stream)
      return common.check_stream("cl.streams.online", stream):map(function(task) return task:derive{ epochs = 1, steps = false } end)
   end,
}
