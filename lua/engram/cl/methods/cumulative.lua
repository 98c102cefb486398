-- Cumulative: each task is trained on its data and those of all tasks before: nothing is thrown away.
return require "engram.cl.methods.together"({ name = "Cumulative", doc = "the data of all tasks so far" }, "epochs",
   function(_, k) return k end)
