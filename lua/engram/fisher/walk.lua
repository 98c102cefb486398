-- fisher/walk.lua: one backward walk over a graph that gives, for each parameter, the sum over samples of the squared (or absolute)
-- per-sample gradient, at full batch speed: an operation with parameters says how (`squares` or `squares_of_sum` in ops/).
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local raise = core.raise
local internal = autograd.internal

-- found[leaf] is false until squares come; they come from one node alone, once for each seed.
local function add_square(found, node, leaf, s)
   if not (leaf and s and found[leaf] ~= nil) then return end
   if not found[leaf] then
      found[leaf], found.from[leaf] = s, node
   elseif found.from[leaf] == node then
      found[leaf]:add_(s)
   else
      raise "fisher: a parameter is used more than once, so its per-sample gradients cannot be squared one use at a time"
   end
end

local function add_squares(found, node, s1, s2, s3)
   for i, s in pairs{ s1 or false, s2 or false, s3 or false } do
      local leaf = node["p" .. i]
      if leaf and found[leaf] ~= nil and not s then
         raise("fisher: operation '%s' has no rule for per-sample squares of a parameter as its argument %d", node.op.name, i)
      end
      add_square(found, node, leaf, s)
   end
end

-- Gradients of each sample, which may come from several nodes; they are squared when the seed's walk is over.
local function add_each(found, node, g1, g2, g3)
   for i, g in pairs{ g1 or false, g2 or false, g3 or false } do
      local leaf = node["p" .. i]
      if leaf and g and found[leaf] ~= nil then
         found.each[leaf] = found.each[leaf] and found.each[leaf] + g or g
      end
   end
end

local function square_each(found)
   for leaf, g in pairs(found.each) do
      add_square(found, found.each, leaf, (found.absolute and g:abs() or g:square()):sum(1))
      found.each[leaf] = nil
   end
end

local function all_zero(grad, first, count)
   return count == 0 or grad:narrow(1, first, count):abs():max():item() == 0
end

-- How many rows of a node's gradient belong to a sample. Raises where there are not so many, and, when the seed is that of one sample
-- alone, where other samples' rows get something of it.
local function rows_of(node, grad, found)
   local op, one, n = node.op, found.one, grad:size(1)
   local rows = op.rows_per_sample and op.rows_per_sample(node) or 1
   if n ~= found.samples * rows then raise("fisher: operation '%s' sees %d rows for %d samples", op.name, n, found.samples) end
   if one and not (all_zero(grad, 1, (one - 1) * rows) and all_zero(grad, one * rows + 1, n - one * rows)) then
      raise("fisher: operation '%s' sees %d rows that are not its %d samples, each by itself", op.name, n, found.samples)
   end
   return rows
end

-- What a layer's parameters get from one seed. A layer whose inputs are the same for all seeds only notes the squares at its
-- output: one product at the end serves them all.
local function square(node, grad, found)
   local op = node.op
   local rows = rows_of(node, grad, found)
   if found.one then return end
   if op.per_sample then
      add_each(found, node, op.per_sample(node, grad))
   elseif op.squares_of_sum and rows == 1 then
      local delta = op.delta and op.delta(node, grad) or grad
      delta = found.absolute and delta:abs() or delta:square()
      if found.total[node] then found.total[node]:add_(delta) else found.total[node] = delta end
   elseif op.squares then
      add_squares(found, node, op.squares(node, grad, found.absolute))
   else
      raise("fisher: operation '%s' takes a parameter but has no rule for per-sample squares", op.name)
   end
end

-- The parameters' share of one node; the gradient goes on only to what lies below.
local function visit(node, grad, found)
   local p1, p2, p3 = node.p1, node.p2, node.p3
   local at_leaf = p1 and found[p1] ~= nil or p2 and found[p2] ~= nil or p3 and found[p3] ~= nil
   if at_leaf then square(node, grad, found) end
   if (p1 and p1.op) or (p2 and p2.op) or (p3 and p3.op) then
      local g1, g2, g3 = internal.gradients_of(node, grad, false)
      internal.add_to(p1, g1)
      internal.add_to(p2, g2)
      internal.add_to(p3, g3)
   end
end

local function walk(order, seed, found)
   order[1].pending = seed
   internal.mark_shared(seed)
   for i = 1, #order do
      local node = order[i]
      local grad = node.pending
      node.pending = nil
      if grad and node.wanted then
         visit(node, grad, found)
         if grad.flags == 0 then tensor.release(grad) end
      end
   end
   square_each(found)
end

-- Raises where the rows of a node at a parameter are not the samples, though as many: positions, say, in a batch of as many texts. The
-- first sample's seed alone would miss a node of which only the first row is used.
local function check_rows(order, output, found)
   for _, sample in ipairs{ 1, found.samples } do
      local seed = require "engram".zeros_like(output)
      seed:narrow(1, sample, 1):fill_(1)
      found.one = sample
      walk(order, seed, found)
   end
   found.one = nil
end

-- For output (n, ...) whose row i depends on sample i alone and seeds of its shape (a tensor or a list), the list of sums over seeds
-- and i of (d <output_i, seed_i> / d parameter)^2, or with `absolute` of its absolute value. The graph is kept for further walks.
-- `poll` is called before each seed's walk and may raise. A parameter that requires no gradient gets zeros. `sure`: that the rows of
-- this graph's gradients are its samples is known and not checked again.
return function(output, seeds, parameters, poll, absolute, sure)
   local found = { from = {}, total = {}, each = {}, samples = output:size(1), absolute = absolute }
   for _, p in ipairs(parameters) do
      local leaf = internal.parent_of(p)
      if leaf then found[leaf] = false end
   end
   if tensor.is_tensor(seeds) then seeds = { seeds } end
   if #seeds == 0 then raise "fisher: expected a seed of the output's shape, or a list of them, got an empty list" end
   local root
   for _, seed in ipairs(seeds) do root = internal.seed_for(output, seed, "fisher") end
   local order = internal.order_from(root)
   for i = #order, 1, -1 do                                    -- leaves get squares, not gradients
      local node = order[i]
      local p1, p2, p3 = node.p1, node.p2, node.p3
      node.wanted = node.op and (p1 and (p1.wanted or found[p1] ~= nil) or p2 and (p2.wanted or found[p2] ~= nil)
         or p3 and (p3.wanted or found[p3] ~= nil)) or false
   end
   autograd.no_grad(function()
      for _, seed in ipairs(seeds) do
         if poll then poll() end
         walk(order, seed, found)
      end
      if not sure and found.samples > 1 then check_rows(order, output, found) end      -- after the rules, which may say more
      for node, total in pairs(found.total) do add_squares(found, node, node.op.squares_of_sum(node, total, absolute)) end
   end)
   local squares = {}
   for i, p in ipairs(parameters) do
      squares[i] = found[internal.parent_of(p) or p] or require "engram".zeros_like(p)
   end
   return squares
end
