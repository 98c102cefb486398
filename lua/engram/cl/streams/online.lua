-- Online: every item is met once, whatever the tasks' epochs were.
local common = require "engram.cl.streams.common"
local core = require "engram.core"

local WHO = "cl.streams.online"

return {
   name = "online",
   doc = "a single pass over every task: online(stream)",
   make = function(stream, options)
      common.check_stream(WHO, stream)
      core.options(WHO, options, {})                       -- it takes none
      return stream:map(function(task) return task:derive{ epochs = 1, steps = false, stop = task.stop and false } end)
   end,
}
