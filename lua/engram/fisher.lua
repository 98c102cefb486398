-- fisher.lua: the diagonal of the Fisher information, exact per sample at full batch speed.
--
-- F_i = mean over samples x of E_y [ (d log p(y|x) / d w_i)^2 ], where y is
--   exact      every class, weighted by the model's probability (Kirkpatrick et al. 2017; van de Ven 2025, arXiv 2502.11756)
--   sampled    one class drawn from the model's distribution
--   empirical  the true label
-- For a linear layer the per-sample gradients are outer products, so their squares sum up in one product of squared matrices;
-- a convolution needs one product a sample. Other graphs fall back to one backward pass a sample.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local random = require "engram.random"
local raise = core.raise
local internal = autograd.internal

local fisher = {}
fisher.labels = { exact = true, sampled = true, empirical = true }

-- ---- one walk that squares --------------------------------------------------------------------------------

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
      add_square(found, found.each, leaf, g:square():sum(1))
      found.each[leaf] = nil
   end
end

-- What a layer's parameters get from one seed. A layer whose inputs are the same for all seeds only notes the squares at its
-- output: one product at the end serves them all.
local function square(node, grad, found)
   local op = node.op
   local rows = op.rows_per_sample and op.rows_per_sample(node) or 1
   if grad:size(1) ~= found.samples * rows then
      raise("fisher: operation '%s' sees %d rows for %d samples", op.name, grad:size(1), found.samples)
   end
   if op.per_sample then
      add_each(found, node, op.per_sample(node, grad))
   elseif op.squares_of_sum and rows == 1 then
      local delta = (op.delta and op.delta(node, grad) or grad):square()
      if found.total[node] then found.total[node]:add_(delta) else found.total[node] = delta end
   elseif op.squares then
      add_squares(found, node, op.squares(node, grad))
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

-- squared_gradients(output, seeds, parameters [, poll]): for output (n, ...) whose row i depends on sample i alone and seeds of its
-- shape (a tensor or a list), the list of sums over seeds and i of (d <output_i, seed_i> / d parameter)^2. The graph is kept for
-- further walks. `poll` is called before each seed's walk and may raise.
function fisher.squared_gradients(output, seeds, parameters, poll)
   local found = { from = {}, total = {}, each = {}, samples = output:size(1) }
   for _, p in ipairs(parameters) do found[internal.parent_of(p)] = false end
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
      for node, total in pairs(found.total) do add_squares(found, node, node.op.squares_of_sum(node, total)) end
   end)
   local squares = {}
   for i, p in ipairs(parameters) do
      squares[i] = found[internal.parent_of(p)] or require "engram".zeros_like(p)
   end
   return squares
end
autograd.squared_gradients = fisher.squared_gradients

-- ---- the seeds of a batch ---------------------------------------------------------------------------------

-- d log p(label) / d logits = one_hot(label) - p
local function label_seed(logits, labels)
   return labels:one_hot(logits:size(2), logits.dtype) - logits:softmax(2)
end

-- One class a row, drawn from the row's distribution: the first class at which the running sum passes a uniform number.
local function sample_labels(probabilities, stream)
   local engram = require "engram"
   local u = engram.rand(probabilities:size(1), 1, { dtype = probabilities.dtype, stream = stream })
   local passed = probabilities:cumsum(2):le(u):to("int64"):sum(2) + 1
   return passed:clamp(1, probabilities:size(2))
end

-- The list of { seed } for the label rule; exact gives one a class, weighted by the root of its probability.
local function seeds(logits, labels, rule, stream)
   if rule == "empirical" then return { label_seed(logits, labels) } end
   local probabilities = logits:softmax(2)
   if rule == "sampled" then return { label_seed(logits, sample_labels(probabilities, stream)) } end
   local engram = require "engram"
   local list, n = {}, #logits
   for class = 1, logits:size(2) do
      local all = engram.full({ n }, class, { dtype = "int64" })
      list[class] = label_seed(logits, all) * probabilities:narrow(2, class, 1):sqrt()
   end
   return list
end

-- ---- the diagonal -----------------------------------------------------------------------------------------

local function by_walk(model, parameters, x, labels, options, totals)
   local logits = model(x)
   if logits:dim() ~= 2 then raise("fisher: the model must give (samples, classes), got %s", tensor.shape_text(logits)) end
   local list = seeds(logits:detach(), labels, options.label, options.stream)
   for i, s in ipairs(fisher.squared_gradients(logits, list, parameters, options.poll)) do totals[i]:add_(s) end
end

-- One backward a sample and class: any graph, slowly.
local function by_sample(model, parameters, x, labels, options, totals)
   for n = 1, #x do
      options.poll()
      local logits = model(x:narrow(1, n, 1))
      for _, seed in ipairs(seeds(logits:detach(), labels:narrow(1, n, 1), options.label, options.stream)) do
         local grads = autograd.grad(logits, parameters, { grad_outputs = seed, retain_graph = true, allow_unused = true })
         for i = 1, #parameters do
            if grads[i] then totals[i]:add_(grads[i]:square()) end
         end
      end
   end
end

local function add_batch(model, parameters, x, labels, options, totals)
   local before = autograd.set_enabled(true)
   local mark = options.stream and random.stream(options.stream).counter
   local ok, message = pcall(by_walk, model, parameters, x, labels, options, totals)
   local text = tostring(message)
   if not ok and (text:find("fisher: operation", 1, true) or text:find("fisher: a parameter is used", 1, true)) then
      if mark then random.stream(options.stream).counter = mark end
      for _, t in ipairs(totals) do t:zero_() end
      ok, message = pcall(by_sample, model, parameters, x, labels, options, totals)
   end
   autograd.set_enabled(before)
   if not ok then error(message, 0) end
end

-- diagonal(model, dataset, {label = "exact", samples = all, batch_size = 100, stream = "fisher", poll = function}): the list of mean
-- squared gradients, one tensor a parameter, in the order of model:parameters(). Taken in evaluation mode; the model's mode and
-- gradients are left as they were. The first `samples` of the data set are used. `poll` is called for every walk and may raise.
function fisher.diagonal(model, dataset, options)
   options = core.options("fisher.diagonal", options, { "label", "samples", "batch_size", "stream", "poll" })
   local rule = options.label or "exact"
   if not fisher.labels[rule] then
      raise("fisher.diagonal: label must be 'exact', 'sampled' or 'empirical', got '%s'", tostring(rule))
   end
   local have = dataset:size()
   if have == 0 then raise "fisher.diagonal: the data set has no items" end
   local count = math.min(core.whole("fisher.diagonal: samples", options.samples or have), have)
   local size = core.whole("fisher.diagonal: batch_size", options.batch_size or 100)
   local engram = require "engram"
   local parameters, totals = model:parameters(), {}
   for i, p in ipairs(parameters) do totals[i] = engram.zeros_like(p) end
   local training = model.training
   model:eval()
   local how = { label = rule, stream = options.stream or "fisher", poll = options.poll or function() end }
   local ok, message = pcall(function()
      for first = 1, count, size do
         tensor.scope(function()
            local batch = {}
            for i, p in ipairs(parameters) do batch[i] = engram.zeros_like(p) end
            local x, labels = dataset:batch(engram.arange(first, math.min(first + size - 1, count)))
            add_batch(model, parameters, x, labels, how, batch)
            for i = 1, #totals do totals[i]:add_(batch[i]) end
         end)
      end
   end)
   model:train(training)
   if not ok then error(message, 0) end
   for _, t in ipairs(totals) do t:mul_(1 / count) end
   return totals
end

return fisher
