-- optim/rows.lua: steps of the optimizers that leave weights without a gradient exactly as they are: where a gradient consists of rows
-- (autograd/rows.lua), only those rows are touched, with the same bits. `when(h)`: the hyper-parameters with which that is so.
local ffi = require "ffi"
local core = require "engram.core"
local C, check = core.C, core.check

local rows = {}

local sgd, classp, moved = ffi.new "eg_sgd", ffi.new "eg_classp", ffi.new "int64_t[1]"
local LEAST = 1e-37                     -- an epsilon that float32 does not round to 0, which would divide 0 by 0 in all other rows

rows.sgd = {
   when = function(h) return h.momentum == 0 and h.weight_decay == 0 end,
   step = function(p, g, _, h)
      sgd.lr, sgd.dampening = h.lr, h.dampening
      check(C.eg_sgd_rows(p.tensor, g.index.tensor, g.values.tensor, sgd))
   end,
}

rows.adagrad = {
   when = function(h) return h.weight_decay == 0 and h.epsilon >= LEAST end,
   step = function(p, g, s, h) check(C.eg_adagrad_rows(p.tensor, g.index.tensor, g.values.tensor, s.sum.tensor, h.lr, h.epsilon)) end,
}

rows.classp = {
   when = function(h) return h.variant == "paper" or not h.decay or h.epsilon >= LEAST end,
   step = function(p, g, s, h)
      classp.lr, classp.threshold, classp.power, classp.epsilon = h.lr, h.threshold, h.power, h.epsilon
      classp.decay, classp.published = h.decay and 1 or 0, h.variant == "published" and 1 or 0
      check(C.eg_classp_rows(p.tensor, g.index.tensor, g.values.tensor, s.grad_sum.tensor, classp, moved))
      return tonumber(moved[0])
   end,
}

return rows
