-- ops/embedding.lua: rows of a table by number, and the adjoint, which puts rows where they came from.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local rows_of = require "engram.autograd.rows".new
local C, check, raise = core.C, core.check, core.raise
local methods, live = tensor.methods, tensor.live
local apply = autograd.apply

local function lib() return require "engram" end

local function gathered(table_, index, blank)
   local shape = index.shape
   shape[#shape + 1] = table_:size(2)
   local out = tensor.new(table_.tensor.dtype, shape)
   check(C.eg_embedding(out.tensor, table_.tensor, index.tensor, blank))
   return out
end

local ops = {}

ops.embedding = {
   doc = "embedding(weight, index, rows, padding): the rows of weight (rows, width) at index; the padding's row gets no gradient.",
   keeps = { 2 },
   forward = function(weight, index) return gathered(weight, index, 0) end,
   backward = function(node, grad) return apply(ops.embedding_place, grad, node[2], node[3], node[4]) end,
   fused = function(node, grad)                      -- a leaf takes rows
      local rows = rows_of(grad, node[2], node[3], node[4])
      return node.p1.op and rows:dense() or rows
   end,
   squares = function(node, grad, absolute)
      local squares = tensor.new(grad.tensor.dtype, { node[3], grad:size(-1) })
      check(C.eg_fill(squares.tensor, 0))
      check(C.eg_fisher_embedding(squares.tensor, grad.tensor, node[2].tensor, node[4] or 0, absolute and 1 or 0))
      return squares
   end,
   samples = function()
      local e = lib()
      return { { e.randn(5, 3), e.tensor({ { 1, 5 }, { 5, 2 } }, { dtype = "int64" }), 5 },
         { e.randn(4, 20), e.tensor({ 3, 1, 3 }, { dtype = "int64" }), 4 } }
   end,
}

ops.embedding_place = {
   doc = "embedding_place(x, index, rows, padding): zeros (rows, width) with the rows of x added at index; the padding's are left out.",
   keeps = { 2 },
   forward = function(x, index, rows, padding) return rows_of(x, index, rows, padding):dense() end,
   backward = function(node, grad) return apply(ops.embedding_take, grad, node[2], node[3], node[4]) end,
   samples = function()
      local e = lib()
      return { { e.randn(2, 2, 3), e.tensor({ { 1, 5 }, { 5, 2 } }, { dtype = "int64" }), 5, 2 },
         { e.randn(3, 2), e.tensor({ 3, 1, 3 }, { dtype = "int64" }), 4 } }
   end,
}

ops.embedding_take = {
   doc = "embedding_take(x, index, rows, padding): the rows of x at index, zeros for the padding; the adjoint of embedding_place.",
   keeps = { 2 },
   forward = function(x, index, _, padding) return gathered(x, index, padding or 0) end,
   backward = function(node, grad) return apply(ops.embedding_place, grad, node[2], node[3], node[4]) end,
   samples = function()
      local e = lib()
      return { { e.randn(5, 3), e.tensor({ { 1, 5 }, { 5, 2 } }, { dtype = "int64" }), 5, 2 } }
   end,
}

-- weight:embedding(index [, padding]): the rows of weight (rows, width) at the numbers of index (int64, any shape, from 1): index's
-- shape with the width behind it. The row of number `padding` gets no gradient.
function methods.embedding(weight, index, padding)
   live(weight, "embedding: weight")
   live(index, "embedding: index")
   if weight.tensor.dims ~= 2 then raise("embedding: weight must be (rows, width), got %s", tensor.shape_text(weight)) end
   if padding ~= nil and (type(padding) ~= "number" or padding % 1 ~= 0 or padding < 1 or padding > weight:size(1)) then
      raise("embedding: padding must be a number from 1 to %d, the rows of the weight, or nil, got %s", weight:size(1), core.shown(padding))
   end
   return (apply(ops.embedding, weight, index, weight:size(1), padding))
end

return function(define)
   for _, name in ipairs{ "embedding", "embedding_place", "embedding_take" } do define(name, ops[name]) end
end
