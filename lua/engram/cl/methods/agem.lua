-- Averaged Gradient Episodic Memory (Chaudhry et al. 2019, arXiv 1812.00420): no step may raise the loss of a batch drawn from memory.
-- Where g . r < 0, with r the gradient of that loss, g becomes g - (g . r) / (r . r) r; otherwise it stays as it is.
local autograd = require "engram.autograd"
local memory = require "engram.cl.methods.memory"

local function dot(a, b) return (a * b):sum():item() end

-- g . r and r . r over the parameters that the optimizer moves.
local function products(t, reference)
   local gr, rr = 0, 0
   for i, p in ipairs(t.moving) do
      local g, r = autograd.gradient_of(p), reference[i]
      if r then rr = rr + dot(r, r) end
      if g and r then gr = gr + dot(g, r) end
   end
   return gr, rr
end

return {
   name = "AGEM",
   doc = "a step that would raise the loss of a batch of old items loses that part",
   source = "arXiv 1812.00420",
   hyper = memory.hyper({ "task end", "one batch" }, {
      memory = { default = 0, min = 0, whole = true, with = { filling = { "one batch" } },
         doc = "the most items that stay, of all that were offered the same share; 0: all" },
      offered = { default = 0, min = 0, whole = true, with = { filling = { "one batch" } },
         doc = "items of a task that are offered; 0: as many as a batch has" },
      epsilon = { default = 0, min = 0, doc = "added to r . r" },
      convention = { default = "paper", choices = { "paper", "van-de-ven", "mammoth" }, doc = "whose formula" },
   }),
   presets = { ["van-de-ven"] = { epsilon = 1e-7 }, mammoth = { filling = "one batch" } },
   state = { memory = "buffer" },

   gradients = function(self, t)
      local drawn = memory.draw(self, t)
      if not drawn then return end
      t.count(#drawn.labels, #drawn.labels)
      local reference = autograd.grad(memory.loss(t, drawn), t.moving, { allow_unused = true })
      local gr, rr = products(t, reference)
      for i, p in ipairs(gr < 0 and t.moving or {}) do
         local g = autograd.gradient_of(p)
         if g and reference[i] then g:add_(reference[i], -gr / (rr + self.hyper.epsilon)) end
      end
   end,

   task_end = memory.file,
}
