-- Gradient Episodic Memory (Lopez-Paz and Ranzato 2017, arXiv 1706.08840): no step may raise the loss on the memory of any old task.
-- Where g . G_k < 0 for a task k, g becomes g + sum over k of v_k G_k with v the solution of
-- min v' (G G' + ridge) v / 2 + (G g)' v over v >= margin: the nearest direction that harms none of them, and a margin more.
--
-- Hsu et al. 2018 train on the memory too, and fill it twice a task, so that each task's items make two gradients:
-- { Rehearsal{ memory = 1100 }, GEM{ filling = "beside", parts = 2 } }.
local autograd = require "engram.autograd"
local memory = require "engram.cl.methods.memory"
local qp = require "engram.cl.methods.qp"

-- The gradients of what the optimizer moves, one behind the other, into a row of those weights; zeros where there is none.
local function fill(row, t, gradients)
   local at = 1
   for i, p in ipairs(t.moving) do
      local n = p:numel()
      local place = row:narrow(1, at, n)
      if gradients[i] then place:copy_(gradients[i]:reshape(-1)) else place:zero_() end
      at = at + n
   end
end

local function weights_of(t)
   local count = 0
   for _, p in ipairs(t.moving) do count = count + p:numel() end
   return count, { dtype = t.moving[1].dtype }
end

local function present_row(t)
   local list, row = {}, require "engram".empty(weights_of(t))
   for i, p in ipairs(t.moving) do list[i] = autograd.gradient_of(p) end
   fill(row, t, list)
   return row
end

-- Part i of n of some items.
local function part_of(items, i, n)
   local count, part = #items.labels, {}
   local first = math.floor((i - 1) * count / n)
   local last = math.floor(i * count / n)
   for name, values in pairs(items) do part[name] = last > first and values:narrow(1, first + 1, last - first) or nil end
   return part
end

-- Its own memory, or that of the first method beside it that has one.
local function memory_of(self, t)
   if self.hyper.filling == "task end" then return self.memory end
   for _, method in ipairs(t.methods) do
      if method ~= self and (method.description.state or {}).memory == "buffer" then return method.memory end
   end
   require "engram.core".raise("GEM: filling = 'beside' takes the memory of the method beside it, and none here has one: give it an ER or "
      .. "a Rehearsal")
end

-- The parts of old tasks' items.
local function parts(self, t)
   local list, found = {}, memory_of(self, t)
   for k = 1, t.task - 1 do
      local items = found:of_task(k)
      for i = 1, items and self.hyper.parts or 0 do
         local part = part_of(items, i, self.hyper.parts)
         if part.labels then list[#list + 1] = part end
      end
   end
   return list
end

-- The rows of old tasks' gradients, (constraints, weights), of parts of their items.
local function constraints(t, list)
   local weights, options = weights_of(t)
   local rows = require "engram".empty(#list, weights, options)
   for i, part in ipairs(list) do
      t.count(#part.labels, #part.labels)
      fill(rows[i], t, autograd.grad(memory.loss(t, part), t.moving, { allow_unused = true }))
   end
   return rows
end

-- The gradients become the row.
local function put_back(t, row)
   local at = 1
   for _, p in ipairs(t.moving) do
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
      filling = { default = "task end", choices = { "task end", "beside" },
         doc = "a memory of its own, or that of the method beside it, as ER or Rehearsal" },
      per_task = { default = 256, min = 1, whole = true, with = { filling = { "task end" } }, doc = "items of each task that stay" },
      parts = { default = 1, min = 1, whole = true, doc = "gradients of each task, each of such a part of its items" },
      margin = { default = 0.5, min = 0, doc = "the least v: how much more than no harm is asked for" },
      ridge = { default = 1e-3, min = 0, doc = "added to the diagonal of G G'" },
   },
   state = { memory = "buffer" },

   begin = memory_of,

   gradients = function(self, t)
      local list = parts(self, t)
      if #list == 0 then return end
      local g, G = present_row(t), constraints(t, list)
      local products = G:matmul(g)
      if products:min():item() >= 0 then return end
      local P = G:matmul(G:t()):tolist()
      for k = 1, #P do P[k][k] = P[k][k] + self.hyper.ridge end
      local v = require "engram".tensor(qp.solve(P, products:tolist(), self.hyper.margin), { dtype = g.dtype })
      put_back(t, g + v:matmul(G))
   end,

   task_end = function(self, t)
      if self.hyper.filling == "task end" and not t.experience.again then memory.take(self, t, self.hyper.per_task, false) end
   end,
}
