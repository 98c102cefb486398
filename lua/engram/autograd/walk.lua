-- autograd/walk.lua: from a result back to the leaves: the order, one node's gradients, and the walk itself.
local ffi = require "ffi"
local bit = require "bit"
local core = require "engram.core"
local tensor = require "engram.tensor"
local recording = require "engram.autograd.record"
local rows = require "engram.autograd.rows"
local C, raise = core.C, core.raise
local attach, alias, release = tensor.attach, tensor.alias, tensor.release
local Handle, istype = tensor.Handle, ffi.istype
local SHARED = tensor.SHARED

local walking = {}

-- ---- the order ----------------------------------------------------------------------------------

local stamp = 0

local function visit(record_, stack, n)
   if not record_ then return n end
   if record_.stamp ~= stamp then
      record_.stamp, record_.users, record_.pending = stamp, 0, nil       -- a walk that failed may have left some
      n = n + 1
      stack[n] = record_
   end
   record_.users = record_.users + 1
   return n
end

local function ready(record_, order, n)
   if not record_ then return n end
   record_.users = record_.users - 1
   if record_.users > 0 then return n end
   order[n + 1] = record_
   return n + 1
end

-- Every record that root depends on, each after all that use it.
function walking.order_from(root)
   stamp = stamp + 1
   local stack, n = { root }, 1
   root.stamp, root.users, root.pending = stamp, 0, nil
   while n > 0 do
      local node = stack[n]
      n = n - 1
      if node.freed then
         raise("backward: this graph was walked before and its tensors are freed; give {retain_graph = true} the first time")
      end
      n = visit(node.p1, stack, n)
      n = visit(node.p2, stack, n)
      n = visit(node.p3, stack, n)
   end
   local order, at = { root }, 1
   n = 1
   while at <= n do
      local node = order[at]
      n = ready(node.p1, order, n)
      n = ready(node.p2, order, n)
      n = ready(node.p3, order, n)
      at = at + 1
   end
   return order
end

-- Marks the records from which a target can be reached; the others are not walked.
function walking.mark_paths(order, targets)
   for i = #order, 1, -1 do
      local node = order[i]
      local p1, p2, p3 = node.p1, node.p2, node.p3
      node.wanted = targets[node] or p1 and p1.wanted or p2 and p2.wanted or p3 and p3.wanted or false
   end
end

-- ---- one node ---------------------------------------------------------------------------------------------

local function check_version(node, v)
   if istype(Handle, v) then
      if v.tensor == nil then
         raise("backward: a tensor that %s kept was released: its scope has ended; call backward inside the scope", node.op.name)
      end
      if C.eg_storage_version(v.tensor) ~= v.tensor.version then
         raise("backward: a tensor that %s needs was changed in place after it was used", node.op.name)
      end
   end
end

local function in_graph(v, parent)
   if not (parent and istype(Handle, v)) then return v end
   local x = alias(v)
   attach(x, parent)
   return x
end

-- The node as its operation's backward sees it. With create_graph the kept tensors carry their records again.
local function view_of(node, create_graph)
   local p1, p2, p3 = node.p1, node.p2, node.p3
   local view = { node[1], node[2], node[3], node[4], node[5], node[6], op = node.op, out = node.out, saved = node.saved,
      p1 = p1 and p1.wanted and p1, p2 = p2 and p2.wanted and p2, p3 = p3 and p3.wanted and p3 }
   if create_graph then
      view[1], view[2], view[3] = in_graph(node[1], p1), in_graph(node[2], p2), in_graph(node[3], p3)
      view.out = in_graph(node.out, node)
   end
   return view
end

local function all_wanted(node)
   local p1, p2, p3 = node.p1, node.p2, node.p3
   return (not p1 or p1.wanted) and (not p2 or p2.wanted) and (not p3 or p3.wanted)
end

local function mark_shared(g) g.flags = bit.bor(g.flags, SHARED) end

-- Sums g down to the shape that an argument had before broadcasting.
local function unbroadcast(node, g, v)
   if g and istype(Handle, v) and C.eg_same_shape(g.tensor, v.tensor) == 0 then return g:sum_to(v.shape) end
   return g
end

local function gradients_of(node, grad, create_graph)
   local op = node.op
   for i = 1, 6 do check_version(node, node[i]) end
   check_version(node, node.out)
   local view = not create_graph and all_wanted(node) and node or view_of(node, create_graph)
   local rule = not create_graph and op.fused or op.backward
   local g1, g2, g3 = rule(view, grad)
   if op.broadcasts then
      g1, g2, g3 = unbroadcast(node, g1, node[1]), unbroadcast(node, g2, node[2]), unbroadcast(node, g3, node[3])
   end
   if g1 and (g1 == grad or g1 == g2 or g1 == g3) then mark_shared(g1) end
   if g2 and (g2 == grad or g2 == g3) then mark_shared(g2) end
   if g3 and g3 == grad then mark_shared(g3) end
   return g1, g2, g3
end

-- Adds g to what has come to a record so far.
local function add_to(parent, g)
   if not (parent and g and parent.wanted) then return end
   local before = parent.pending
   if not before then
      parent.pending = g
   elseif rows.is(before) or rows.is(g) then
      parent.pending = rows.sum(before, g)
   else
      parent.pending = before + g
      if not recording.is_enabled() and before.flags == 0 then release(before) end
   end
end

local function free_kept(node)
   for i = 1, 3 do
      local v = node[i]
      if istype(Handle, v) then release(v) end
   end
   if node.out then release(node.out) end
   node[1], node[2], node[3], node[4], node[5], node[6], node.out, node.saved = nil
   node.p1, node.p2, node.p3, node.freed = nil, nil, nil, true
end

-- ---- walks ------------------------------------------------------------------------------------------------

-- Walks from root with gradient `seed`; at each wanted leaf or target calls arrive(state, record, gradient).
local function walk(order, seed, create_graph, retain, arrive, state)
   order[1].pending = seed
   mark_shared(seed)
   for i = 1, #order do
      local node = order[i]
      local grad = node.pending
      node.pending = nil
      if grad and node.wanted then
         arrive(state, node, grad)
         if node.op then
            local g1, g2, g3 = gradients_of(node, grad, create_graph)
            add_to(node.p1, g1)
            add_to(node.p2, g2)
            add_to(node.p3, g3)
            if not create_graph and grad.flags == 0 and not node.holds then release(grad) end
         end
      end
      if node.op and node.wanted and not retain then free_kept(node) end
   end
end

function walking.run(order, seed, create_graph, retain, arrive, state)
   local before = recording.set_enabled(create_graph)
   local ok, message = pcall(walk, order, seed, create_graph, retain, arrive, state)
   recording.set_enabled(before)
   if not ok then
      for i = 1, #order do order[i].pending = nil end
      error(message, 0)
   end
end

walking.mark_shared, walking.gradients_of, walking.add_to = mark_shared, gradients_of, add_to

return walking
