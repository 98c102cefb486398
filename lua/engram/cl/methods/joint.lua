-- Joint: the data of all tasks from the first step on: what can be reached without a stream. Tasks still follow one another, so that
-- its matrix and metrics stand beside the others'.
local together = require "engram.cl.methods.together"

return together({ name = "Joint", doc = "the data of all tasks from the first step on: the ceiling" }, "compute",
   function(t) return #t.stream end)
