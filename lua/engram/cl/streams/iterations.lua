-- So many steps a task, whatever its number of items: the last epoch is cut short where they do not come out even, as van de Ven et al. do.
local common = require "engram.cl.streams.common"
local core = require "engram.core"

local WHO = "cl.streams.iterations"

return {
   name = "iterations",
   doc = "so many steps a task instead of epochs: iterations(stream, { steps = 2000 })",
   make = function(stream, options)
      common.check_stream(WHO, stream)
      local steps = core.whole(WHO .. ": steps", core.options(WHO, options, { "steps" }).steps)
      return stream:map(function(task) return task:derive{ steps = steps, stop = task.stop and false } end)
   end,
}
