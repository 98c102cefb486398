-- Dark Experience Replay (Buzzega et al. 2020, arXiv 2004.07211): old items keep the outputs that the model had for them.
-- loss + alpha mean (f(x') - z')^2, over a draw x', z' from a reservoir; z are the outputs in training mode before the step.
local der = {}

local memory = require "engram.cl.methods.memory"

-- alpha times the mean squared difference of the outputs for a draw from what they were; nil while there is none.
function der.distillation(self, t)
   local drawn = memory.draw(self, t)
   if not drawn then return nil end
   return (t.model(drawn.images) - drawn.logits):square():mean() * self.hyper.alpha
end

-- The outputs for the stream's own items come first, whatever other methods have put beside them.
function der.offer(self, t) memory.offer(self, t, t.logits:detach():narrow(1, 1, #t.fresh.y)) end

der.description = {
   name = "DER",
   doc = "old items keep the outputs that the model had for them",
   source = "arXiv 2004.07211",
   hyper = memory.hyper({ "reservoir", "balanced" }, { alpha = { default = 0.5, min = 0, doc = "weight of the outputs' distance" } }),
   state = { memory = "buffer" },
   loss = der.distillation,
   after_step = der.offer,
}

return der
