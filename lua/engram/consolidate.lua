-- consolidate.lua: the quadratic penalty that holds weights near an anchor, added to gradients by one kernel, outside the graph.
local ffi = require "ffi"
local core = require "engram.core"
local autograd = require "engram.autograd"
local tensor = require "engram.tensor"
local C = core.C

local consolidate = {}
local penalty = ffi.new "double[1]"

-- quadratic_penalty_(parameters, anchors, importances, factor): each parameter's .grad += factor importance (p - anchor).
-- Returns factor / 2 times the sum of importance (p - anchor)^2. Parameters without a gradient are counted but not changed.
function consolidate.quadratic_penalty_(parameters, anchors, importances, factor)
   local total = 0
   for i, p in ipairs(parameters) do
      local grad = autograd.gradient_of(p)
      core.check(C.eg_quadratic_penalty(grad and grad.tensor or nil, tensor.live(p), tensor.live(anchors[i], "anchor"),
         tensor.live(importances[i], "importance"), factor, penalty))
      total = total + penalty[0]
   end
   return total
end

return consolidate
