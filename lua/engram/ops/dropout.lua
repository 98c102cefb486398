-- ops/dropout.lua: multiplication by a random mask (Srivastava et al. 2014). The draw is made once, outside the graph; what the
-- graph sees is the linear map x -> x * mask / (1 - p), which is its own adjoint.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local random = require "engram.random"
local C, check, raise = core.C, core.check, core.raise
local methods, live = tensor.methods, tensor.live
local apply = autograd.apply

local function masked(x, mask, p)
   local out = tensor.like(x)
   check(C.eg_dropout_apply(out.tensor, mask.tensor, x.tensor, p))
   return out
end

local mask_apply
mask_apply = {
   doc = "mask_apply(x, mask, p): x * mask / (1 - p), the mask of x's shape or (n, c).",
   keeps = { 2 },
   forward = masked,
   backward = function(node, grad) return apply(mask_apply, grad, node[2], node[3]) end,
   samples = function()
      local e = require "engram"
      return { { e.randn(2, 3), e.tensor({ { 1, 0, 1 }, { 0, 1, 1 } }, { dtype = "uint8" }), 0.4 },
         { e.randn(2, 3, 2, 2), e.tensor({ { 1, 0, 1 }, { 0, 1, 1 } }, { dtype = "uint8" }), 0.25 } }
   end,
}

-- Draws and applies in one kernel; the mask is the second result.
local dropout = {
   doc = "dropout(x, p, stream, channels): x with each element (or channel) dropped with probability p, the rest divided by 1 - p.",
   forward = function(x, p, stream, channels)
      local mask = channels and tensor.new(3, { x:size(1), x:size(2) }) or tensor.like(x, 3)
      local out = tensor.like(x)
      check(C.eg_dropout(out.tensor, mask.tensor, x.tensor, p, stream))
      return out, mask
   end,
   backward = function(node, grad) return apply(mask_apply, grad, node.saved, node[2]) end,
   -- A fresh stream for each call would change the mask between calls; p = 0 keeps all, which a test can differentiate.
   samples = function()
      local e = require "engram"
      return { { e.randn(3, 4), 0, random.private(1, "sample"), false }, { e.randn(2, 3, 2, 2), 0, random.private(1, "sample"), true } }
   end,
}

local function drop(name, channels)
   return function(x, p, stream)
      live(x, name)
      if type(p) ~= "number" or not (p >= 0 and p <= 1) then raise("%s: p must be from 0 to 1, got %s", name, tostring(p)) end
      if p == 0 then return x end
      if channels and x.tensor.dims < 3 then
         raise("%s: expected an input (n, c, ...) with at least three dimensions, got %s", name, tensor.shape_text(x))
      end
      return (apply(dropout, x, p, random.stream(stream or "dropout"), channels))
   end
end

-- x:dropout(p [, stream]): always drops; nn.Dropout does so in training mode only. Masks come from the stream "dropout".
methods.dropout = drop("dropout", false)
-- x:dropout2d(p [, stream]): drops whole channels of (n, c, ...).
methods.dropout2d = drop("dropout2d", true)

return function(define)
   define("mask_apply", mask_apply)
   define("dropout", dropout)
end
