-- Gradient Episodic Memory (Lopez-Paz and Ranzato 2017, arXiv 1706.08840): no step may raise the loss on the memory of any old task.
-- Where g . G_k < 0 for a task k, g becomes g + sum over k of v_k G_k with v the solution of
-- min v' (G G' + ridge) v / 2 + (G g)' v over v >= margin: the nearest direction that harms none of them, and a margin more.
local autograd = require "engram.autograd"
local memory = require "engram.cl.methods.memory"
local qp = require "engram.cl.methods.qp"

-- All gradients in one row; zeros where there is none.
local function row_of(t, gradients)
   local engram, parts = require "engram", {}
   for i, p in ipairs(t.parameters) do
      parts[i] = (gradients[i] or engram.zeros_like(p:detach())):reshape(-1)
   end
   return engram.cat(parts, 1)
end

local function present_gradients(t)
   local list = {}
   for i, p in ipairs(t.parameters) do list[i] = autograd.gradient_of(p) end
   return list
end

-- The rows of old tasks' gradients, (tasks, weights).
local function constraints(self, t)
   local rows = {}
   for k = 1, t.task - 1 do
      local items = self.memory:of_task(k)
      if #items.labels > 0 then
         t.count(#items.labels, #items.labels)
         rows[#rows + 1] = row_of(t, autograd.grad(memory.loss(t, items), t.parameters, { allow_unused = true }))
      end
   end
   return require "engram".stack(rows, 1)
end

-- The gradients become the row.
local function put_back(t, row)
   local at = 1
   for _, p in ipairs(t.parameters) do
      local g, n = autograd.gradient_of(p), p:numel()
      if g then g:copy_(row:narrow(1, at, n):reshape(g.shape)) end
      at = at + n
   end
end

return {
   name = "GEM",
   doc = "a step that would raise the loss of any old task's items is turned until it raises none",
   source = "arXiv 1706.08840",
   hyper = {
      per_task = { default = 256, min = 1, whole = true, doc = "items of each task that stay" },
      margin = { default = 0.5, min = 0, doc = "the least v: how much more than no harm is asked for" },
      ridge = { default = 1e-3, min = 0, doc = "added to the diagonal of G G'" },
   },
   state = { memory = "buffer" },

   gradients = function(self, t)
      self.turned = false
      if t.task == 1 then return end
      local g, G = row_of(t, present_gradients(t)), constraints(self, t)
      local products = G:matmul(g)
      if products:min():item() >= 0 then return end
      local P = G:matmul(G:t()):tolist()
      for k = 1, #P do P[k][k] = P[k][k] + self.hyper.ridge end
      local v = require "engram".tensor(qp.solve(P, products:tolist(), self.hyper.margin), { dtype = g.dtype })
      put_back(t, g + v:matmul(G))
      self.turned = true
   end,

   task_end = function(self, t)
      if not t.experience.again then memory.take(self, t, self.hyper.per_task, false) end
   end,
}
