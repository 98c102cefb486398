-- autograd/record.lua: what an operation leaves behind: nodes, and the switch that says whether any are left.
--
-- A record is a plain table. A leaf: { requires =, grad = }. A node: { op =, [1..] = kept arguments, out =, saved =,
-- p1 p2 p3 = records of the arguments that require a gradient (only the first three arguments can) }. Records point
-- towards the leaves only, so dropping the result drops the graph.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local C, raise = core.C, core.raise
local records, attach, alias = tensor.records, tensor.attach, tensor.alias
local Handle, istype = tensor.Handle, ffi.istype

local recording = {}
local enabled = true

-- The record through which a gradient would flow into v; nil when none would.
local function parent_of(v)
   if istype(Handle, v) and v.record ~= 0 then
      local record = records[v.record]
      if record.requires then return record end
   end
end
recording.parent_of = parent_of

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
function recording.apply(op, a, b, c, d, e, f)
   local out, saved = op.forward(a, b, c, d, e, f)
   if enabled then
      local p1, p2, p3 = parent_of(a), parent_of(b), parent_of(c)
      if p1 or p2 or p3 then record(op, out, saved, p1, p2, p3, a, b, c, d, e, f) end
   end
   if saved == nil then return out end
   return out, saved
end

-- Raises when x may not be changed in place, by y: it is a leaf that requires a gradient, or part of a graph being recorded; or y is,
-- whose part in it would be lost. Counts the change, so that a graph that kept x notices.
function recording.check_in_place(x, who, y)
   tensor.live(x, who)
   if enabled and x.record ~= 0 and records[x.record].requires then
      raise("%s: changes in place a tensor that is part of a graph; do it inside engram.no_grad, or use the operation " ..
         "without the trailing _", who)
   end
   if enabled and y and parent_of(y) then
      raise("%s: the operand requires a gradient, which an in-place change does not record; use the operation without the " ..
         "trailing _, cat, stack or where, or give its :detach()", who)
   end
   C.eg_storage_touch(x.tensor)
end

function recording.is_enabled() return enabled end

local function restore(before, ok, ...)
   enabled = before
   if not ok then error((...), 0) end
   return ...
end

-- no_grad(f, ...): calls f(...) without recording; returns what f returns.
function recording.no_grad(f, ...)
   if f == nil then raise "no_grad: expected a function" end
   local before = enabled
   enabled = false
   return restore(before, pcall(f, ...))
end

function recording.enable_grad(f, ...)
   if f == nil then raise "enable_grad: expected a function" end
   local before = enabled
   enabled = true
   return restore(before, pcall(f, ...))
end

-- For loops that must not call through a closure: sets recording, returns what it was.
function recording.set_enabled(value)
   local before = enabled
   enabled = value
   return before
end

return recording
