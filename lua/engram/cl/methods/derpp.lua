-- DER++ (Buzzega et al. 2020, arXiv 2004.07211): DER, and the loss of the labels of a second draw.
-- loss + alpha mean (f(x') - z')^2 + beta loss(f(x''), y''), where x' and x'' are two independent draws.
local der = require "engram.cl.methods.der"
local memory = require "engram.cl.methods.memory"

return {
   name = "DERpp",
   doc = "old items keep the outputs that the model had for them, and others their labels",
   source = "arXiv 2004.07211",
   hyper = memory.hyper({ "reservoir", "balanced" }, {
      alpha = { default = 0.5, min = 0, doc = "weight of the outputs' distance" },
      beta = { default = 0.5, min = 0, doc = "weight of the labels' loss" },
   }),
   state = { memory = "buffer" },
   loss = function(self, t)
      local distance = der.distillation(self, t)
      if not distance then return nil end
      return distance + memory.loss(t, memory.draw(self, t)) * self.hyper.beta
   end,
   after_step = der.offer,
}
