-- autograd.lua: gradients: backward, grad, and what tensors know of them.
-- What operations leave behind is in autograd/record.lua, the walk back over it in autograd/walk.lua.
local bit = require "bit"
local core = require "engram.core"
local tensor = require "engram.tensor"
local recording = require "engram.autograd.record"
local walking = require "engram.autograd.walk"
local rows = require "engram.autograd.rows"
local C, raise = core.C, core.raise
local records, attach, alias = tensor.records, tensor.attach, tensor.alias
local KEPT, SEEN = tensor.KEPT, tensor.SEEN
local parent_of, mark_shared = recording.parent_of, walking.mark_shared

local autograd = { apply = recording.apply, check_in_place = recording.check_in_place, is_enabled = recording.is_enabled,
   set_enabled = recording.set_enabled, no_grad = recording.no_grad, enable_grad = recording.enable_grad }

-- ---- backward and grad ------------------------------------------------------------------------------------

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
      return node, alias(grad:to(y.dtype))
   end
   if y.tensor.count ~= 1 then
      raise("%s: only a tensor with one element needs no gradient argument, this one has shape %s; sum it, or pass a gradient",
         who, tensor.shape_text(y))
   end
   local one = tensor.like(y)
   core.check(C.eg_fill(one.tensor, 1))
   return node, one
end

-- A gradient that nobody else holds may become .grad as it is; what a graph is made of may be held by other leaves.
local function own(g, create_graph)
   if create_graph then return g:clone() end
   if g.flags == 0 and g.tensor.contiguous == 1 and C.eg_storage_users(g.tensor) == 1 then return g end
   return g:clone()
end

-- The gradient that a record has, dense.
local function dense_gradient(node)
   if node.rows then
      node.grad = node.rows:dense():keep()
      node.rows:release()
      node.rows = nil
   end
   return node.grad
end

local function accumulate_rows(node, g)
   local before = node.grad
   if before and before.tensor ~= nil then return g:add_to(before) end
   local earlier = node.rows
   node.rows = (earlier and rows.sum(earlier, g) or g):keep()
   if earlier then earlier:release() end
end

local function accumulate(create_graph, node, g)
   if node.op and not node.retains then return end
   if rows.is(g) then return accumulate_rows(node, g) end
   local before = dense_gradient(node)
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
   local order = walking.order_from(node)
   for i = 1, #order do order[i].wanted = true end
   walking.run(order, seed, create_graph, options.retain_graph or create_graph, accumulate, create_graph)
end

local function collect_target(found, node, g)
   if found[node] ~= nil then
      if rows.is(g) then g = g:dense() end
      found[node] = g
      mark_shared(g)
   end
end

-- grad(y, {x...}, {create_graph =, retain_graph =, grad_outputs =, allow_unused =}): the list of dy/dx. An x that y does not
-- depend on, or that requires no gradient, is an error, or nil in the list with allow_unused.
function autograd.grad(y, inputs, options)
   options = core.options("grad", options, { "create_graph", "retain_graph", "grad_outputs", "allow_unused" })
   if tensor.is_tensor(inputs) then inputs = { inputs } end
   local node, seed = seed_for(y, options.grad_outputs, "grad")
   local targets, found = {}, {}
   for i, x in ipairs(inputs) do
      local target = parent_of(tensor.is_tensor(x) and x or tensor.live(x, "grad: input " .. i))
      if target then
         targets[target], found[target] = true, false
      elseif not options.allow_unused then
         raise("grad: input %d does not require a gradient; pass {allow_unused = true} to get nil for it", i)
      end
   end
   local order = walking.order_from(node)
   walking.mark_paths(order, targets)
   local create_graph = options.create_graph or false
   local retain = options.retain_graph
   if retain == nil then retain = create_graph end
   walking.run(order, seed, create_graph, retain, collect_target, found)
   local result = {}
   for i, x in ipairs(inputs) do
      local target = parent_of(x)
      local g = target and found[target]
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

-- The gradient of x, or nil: for those that do not keep it.
function autograd.gradient_of(x)
   local record_ = x.record ~= 0 and records[x.record]
   return record_ and dense_gradient(record_) or nil
end

-- The gradient of x as the rows that it has (autograd/rows.lua); nil where it is dense, or there is none.
function autograd.rows_of(x)
   if not tensor.is_tensor(x) then core.raise("autograd.rows_of: expected a tensor, got %s", core.shown(x)) end
   local record_ = x.record ~= 0 and records[x.record]
   return record_ and record_.rows or nil
end

local function seen(g)
   g.flags = bit.bor(g.flags, SEEN)
   return g
end

function getters.grad(x)
   local g = autograd.gradient_of(x)
   return g and seen(g)
end

-- Drops the gradient of x; frees it at once unless somebody may hold it.
function autograd.drop_gradient(x)
   local record_ = x.record ~= 0 and records[x.record]
   if not record_ then return end
   local g, sparse = record_.grad, record_.rows
   record_.grad, record_.rows = nil, nil
   if sparse then sparse:release() end
   if not g then return end
   if bit.band(g.flags, SEEN) == 0 then tensor.release(g) end
end

function setters.grad(x, value)
   tensor.live(x, "grad")
   if value ~= nil then
      tensor.live(value, "grad")
      if C.eg_same_shape(x.tensor, value.tensor) == 0 then
         raise("grad: has shape %s, the tensor has %s", tensor.shape_text(value), tensor.shape_text(x))
      end
      if x.tensor.dtype ~= value.tensor.dtype then raise("grad: is %s, the tensor is %s", value.dtype, x.dtype) end
      seen(value:keep())
   elseif x.record == 0 then
      return
   end
   autograd.drop_gradient(x)
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
autograd.internal = { order_from = walking.order_from, gradients_of = walking.gradients_of, add_to = walking.add_to,
   mark_shared = mark_shared, parent_of = parent_of, seed_for = seed_for }

return autograd
