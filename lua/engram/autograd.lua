-- autograd.lua: the graph: what apply records, and the walks backward over it.
--
-- A record is a plain table. A leaf: { requires =, grad = }. A node: { op =, [1..] = kept arguments, out =, saved =,
-- p1 p2 p3 = records of the arguments that require a gradient (only the first three arguments can) }. Records point
-- towards the leaves only, so dropping the result drops the graph.
local ffi = require "ffi"
local bit = require "bit"
local core = require "engram.core"
local tensor = require "engram.tensor"
local C, raise = core.C, core.raise
local records, attach, alias, release = tensor.records, tensor.attach, tensor.alias, tensor.release
local Handle, istype = tensor.Handle, ffi.istype
local KEPT, SHARED = tensor.KEPT, tensor.SHARED

local autograd = {}
local enabled = true

-- ---- recording --------------------------------------------------------------------------------------------

-- The record through which a gradient would flow into v; nil when none would.
local function parent_of(v)
   if istype(Handle, v) and v.record ~= 0 then
      local record = records[v.record]
      if record.requires then return record end
   end
end

local function kept(v, keep)
   if istype(Handle, v) then return keep and alias(v) or nil end
   return v
end

-- Arguments that broadcasting stretched, or that a kernel needs later, are kept as aliases outside the graph.
local function stretched(op, v, out)
   return op.broadcasts and istype(Handle, v) and C.eg_same_shape(v.tensor, out.tensor) == 0
end

local function record(op, out, saved, p1, p2, p3, a, b, c, d, e, f)
   local keep = op.keep
   local node = { kept(a, keep[1] or stretched(op, a, out)), kept(b, keep[2] or stretched(op, b, out)),
      kept(c, keep[3] or stretched(op, c, out)), op = op, requires = true, p1 = p1, p2 = p2, p3 = p3, saved = saved }
   if d ~= nil then node[4] = kept(d, keep[4]) end
   if e ~= nil then node[5] = kept(e, keep[5]) end
   if f ~= nil then node[6] = kept(f, keep[6]) end
   if keep.out then node.out = alias(out) end
   attach(out, node)
end

-- Calls op.forward(a, ...) and, where an argument requires a gradient, leaves a node on the output.
-- Returns the output and op.forward's second result.
function autograd.apply(op, a, b, c, d, e, f)
   local out, saved = op.forward(a, b, c, d, e, f)
   if enabled then
      local p1, p2, p3 = parent_of(a), parent_of(b), parent_of(c)
      if p1 or p2 or p3 then record(op, out, saved, p1, p2, p3, a, b, c, d, e, f) end
   end
   if saved == nil then return out end
   return out, saved
end

-- Raises when x may not be changed in place: it is a leaf that requires a gradient, or part of a graph being recorded.
function autograd.check_in_place(x, who)
   tensor.live(x, who)
   if enabled and x.record ~= 0 and records[x.record].requires then
      raise("%s: changes in place a tensor that is part of a graph; do it inside engram.no_grad, or use the operation " ..
         "without the trailing _", who)
   end
   C.eg_storage_touch(x.tensor)
end

function autograd.is_enabled() return enabled end

local function restore(before, ok, ...)
   enabled = before
   if not ok then error((...), 0) end
   return ...
end

-- no_grad(f, ...): calls f(...) without recording; returns what f returns.
function autograd.no_grad(f, ...)
   local before = enabled
   enabled = false
   return restore(before, pcall(f, ...))
end

function autograd.enable_grad(f, ...)
   local before = enabled
   enabled = true
   return restore(before, pcall(f, ...))
end

-- For loops that must not call through a closure: sets recording, returns what it was.
function autograd.set_enabled(value)
   local before = enabled
   enabled = value
   return before
end

-- ---- the order of a walk ----------------------------------------------------------------------------------

local stamp = 0

local function visit(record_, stack, n)
   if not record_ then return n end
   if record_.stamp ~= stamp then
      record_.stamp, record_.users = stamp, 0
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
local function order_from(root)
   stamp = stamp + 1
   local stack, n = { root }, 1
   root.stamp, root.users = stamp, 0
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
local function mark_paths(order, targets)
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
   check_version(node, node[1])
   check_version(node, node[2])
   check_version(node, node[3])
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
   else
      parent.pending = before + g
      if not enabled and before.flags == 0 then release(before) end
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
      if node.op and not retain then free_kept(node) end
   end
end

local function walk_safely(order, seed, create_graph, retain, arrive, state)
   local before = enabled
   enabled = create_graph
   local ok, message = pcall(walk, order, seed, create_graph, retain, arrive, state)
   enabled = before
   if not ok then
      for i = 1, #order do order[i].pending = nil end
      error(message, 0)
   end
end

local function seed_for(y, grad, who)
   tensor.live(y, who)
   local node = y.record ~= 0 and records[y.record]
   if not (node and node.requires) then
      raise("%s: this tensor does not depend on anything that requires a gradient (nor does it itself)", who)
   end
   if grad then
      tensor.live(grad, who)
      if C.eg_same_shape(grad.tensor, y.tensor) == 0 then
         raise("%s: the gradient has shape %s, the tensor %s", who, tensor.shape_text(grad), tensor.shape_text(y))
      end
      return node, alias(grad)
   end
   if y.tensor.count ~= 1 then
      raise("%s: only a tensor with one element needs no gradient argument, this one has shape %s; sum it, or pass a gradient",
         who, tensor.shape_text(y))
   end
   local one = tensor.like(y)
   core.check(C.eg_fill(one.tensor, 1))
   return node, one
end

-- A gradient that nobody else holds may become .grad as it is.
local function own(g, create_graph)
   if create_graph then return g end
   if g.flags == 0 and g.tensor.contiguous == 1 and C.eg_storage_users(g.tensor) == 1 then return g end
   return g:clone()
end

local function accumulate(create_graph, node, g)
   if node.op and not node.retains then return end
   local before = node.grad
   if not before or before.tensor == nil then
      node.grad = own(g, create_graph)
   elseif create_graph then
      node.grad = before + g
   else
      before:add_(g)
   end
   node.grad.flags = bit.bor(node.grad.flags, KEPT)
end

-- y:backward([grad], {retain_graph =, create_graph =}): adds dy/dx into x.grad for every leaf x that requires it.
function autograd.backward(y, grad, options)
   options = options and core.options("backward", options, { "retain_graph", "create_graph" }) or {}
   local create_graph = options.create_graph or false
   local node, seed = seed_for(y, grad, "backward")
   local order = order_from(node)
   for i = 1, #order do order[i].wanted = true end
   walk_safely(order, seed, create_graph, options.retain_graph or create_graph, accumulate, create_graph)
end

local function collect_target(found, node, g)
   if found[node] ~= nil then
      found[node] = g
      mark_shared(g)
   end
end

-- grad(y, {x...}, {create_graph =, retain_graph =, grad_outputs =, allow_unused =}): the list of dy/dx. An x that y does not
-- depend on is an error, or nil in the list with allow_unused.
function autograd.grad(y, inputs, options)
   options = core.options("grad", options, { "create_graph", "retain_graph", "grad_outputs", "allow_unused" })
   if tensor.is_tensor(inputs) then inputs = { inputs } end
   local node, seed = seed_for(y, options.grad_outputs, "grad")
   local targets, found = {}, {}
   for i, x in ipairs(inputs) do
      local target = parent_of(tensor.is_tensor(x) and x or tensor.live(x, "grad: input " .. i))
      if not target then raise("grad: input %d does not require a gradient", i) end
      targets[target], found[target] = true, false
   end
   local order = order_from(node)
   mark_paths(order, targets)
   local create_graph = options.create_graph or false
   local retain = options.retain_graph
   if retain == nil then retain = create_graph end
   walk_safely(order, seed, create_graph, retain, collect_target, found)
   local result = {}
   for i, x in ipairs(inputs) do
      local g = found[parent_of(x)]
      if not g and not options.allow_unused then
         raise("grad: input %d (shape %s) has no part in the result; pass {allow_unused = true} to get nil for it", i,
            tensor.shape_text(x))
      end
      result[i] = g or nil
   end
   return result
end

-- ---- tensor properties ------------------------------------------------------------------------------------

local getters, setters, methods = tensor.getters, tensor.setters, tensor.methods

-- The record of x, made when it has none.
local function record_of(x)
   tensor.live(x)
   if x.record == 0 then attach(x, { requires = false }) end
   return records[x.record]
end
autograd.record_of = record_of

function getters.grad(x)
   local record_ = x.record ~= 0 and records[x.record]
   return record_ and record_.grad or nil
end

function setters.grad(x, value)
   if value ~= nil then
      tensor.live(value, "grad")
      if C.eg_same_shape(x.tensor, value.tensor) == 0 then
         raise("grad: has shape %s, the tensor has %s", tensor.shape_text(value), tensor.shape_text(x))
      end
      value:keep()
   elseif x.record == 0 then
      return
   end
   record_of(x).grad = value
end

function getters.requires_grad(x)
   local record_ = x.record ~= 0 and records[x.record]
   return record_ and record_.requires or false
end

function getters.is_leaf(x)
   local record_ = x.record ~= 0 and records[x.record]
   return not (record_ and record_.op)
end

-- x:requires_grad_([value]): a leaf's gradient is wanted (default true). Real dtypes only. Returns x.
function methods.requires_grad_(x, value)
   local t = tensor.live(x, "requires_grad_")
   if t.dtype > 1 then raise("requires_grad_: %s has no gradient, only float32 and float64 do", x.dtype) end
   local record_ = record_of(x)
   if record_.op then raise "requires_grad_: only a leaf can be told so; this tensor is the result of an operation" end
   record_.requires = value ~= false
   return x
end

-- x:retain_grad(): the gradient of a tensor inside the graph is kept in .grad too. Returns x.
function methods.retain_grad(x)
   local record_ = record_of(x)
   if not record_.requires then raise "retain_grad: this tensor does not require a gradient" end
   record_.retains, record_.holds = true, true
   return x
end

-- x:detach(): the same memory outside the graph.
function methods.detach(x)
   tensor.live(x, "detach")
   return alias(x)
end

methods.backward = autograd.backward

-- Shared with consolidation: see fisher.lua.
autograd.internal = { order_from = order_from, view_of = view_of, gradients_of = gradients_of, add_to = add_to,
   mark_shared = mark_shared, free_kept = free_kept, parent_of = parent_of, seed_for = seed_for }

return autograd
