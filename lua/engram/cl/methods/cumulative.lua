-- Cumulative: each task is trained on its data and those of all tasks before: nothing is thrown away.
local together = require "engram.cl.methods.together"

return together({ name = "Cumulative", doc = "the data of all tasks so far" }, "epochs",
   function(_, k) return k end)
