-- consolidate.lua: what holds weights near an anchor, outside the graph: the quadratic penalty on gradients, and the path integral that
-- tells which weights brought the loss down. One kernel, one pass over memory each.
local ffi = require "ffi"
local core = require "engram.core"
local autograd = require "engram.autograd"
local tensor = require "engram.tensor"
local C = core.C
local live = tensor.live

local consolidate = {}
local penalty = ffi.new "double[1]"

local function check_list(who, list)
   if type(list) ~= "table" then core.raise("consolidate.%s: expected a list of tensors, got %s", who, core.typename(list)) end
end

local function check_lists(who, a, b, c)
   check_list(who, a)
   check_list(who, b)
   check_list(who, c)
end

-- The gradient of p in one piece, or nil.
local function gradient_of(p)
   local grad = autograd.gradient_of(p)
   if grad and not grad:is_contiguous() then
      p.grad = grad:contiguous()
      grad = autograd.gradient_of(p)
   end
   return grad
end

-- quadratic_penalty_(parameters, anchors, importances, factor [, before]): each parameter's .grad += factor importance (p - anchor).
-- Returns factor / 2 times the sum of importance (p - anchor)^2. Parameters without a gradient are counted but not changed.
-- before: a list of tensors that get the gradients as they were.
function consolidate.quadratic_penalty_(parameters, anchors, importances, factor, before)
   check_lists("quadratic_penalty_", parameters, anchors, importances)
   local total = 0
   for i, p in ipairs(parameters) do
      local grad = gradient_of(p)
      core.check(C.eg_quadratic_penalty(grad and grad.tensor or nil, before and live(before[i], "before") or nil, live(p),
         live(anchors[i], "anchor"), live(importances[i], "importance"), factor, penalty))
      total = total + penalty[0]
   end
   return total
end

-- path_integral_(paths, previous, parameters [, gradients]): paths += gradient (previous - p), then previous = p, for every parameter
-- that has a gradient (default: its .grad). Called after a step, it adds what the step took off the loss, weight by weight.
function consolidate.path_integral_(paths, previous, parameters, gradients)
   check_lists("path_integral_", paths, previous, parameters)
   for i, p in ipairs(parameters) do
      local grad = gradient_of(p)
      if grad then
         if gradients then grad = gradients[i] end
         core.check(C.eg_path_integral(live(paths[i], "path"), live(previous[i], "previous"), live(p), live(grad, "gradient")))
      end
   end
end

-- copies(parameters): the values now, as tensors that stay.
function consolidate.copies(parameters)
   check_list("copies", parameters)
   local list = {}
   for i, p in ipairs(parameters) do list[i] = live(p, "consolidate.copies") and p:detach():clone():keep() end
   return list
end

return consolidate
