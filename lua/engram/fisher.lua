-- fisher.lua: how much each weight matters: the diagonal of the Fisher information, and the outputs' sensitivity; exact per sample at
-- full batch speed, or by the batch.
--
-- F_i = mean over samples x of E_y [ (d log p(y|x) / d w_i)^2 ], where y is
--   exact      every class, weighted by the model's probability (Kirkpatrick et al. 2017; van de Ven 2025, arXiv 2502.11756)
--   sampled    one class drawn from the model's distribution
--   empirical  the true label
--   argmax     the class that the model finds most probable
--   weighted   the true label, weighted by its probability: one term of the exact sum, which is what Mammoth takes
-- For a linear layer the per-sample gradients are outer products, so their squares sum up in one product of squared matrices;
-- a convolution needs one product a sample. Other graphs fall back to one backward pass a sample.
-- `batched`: the square of a batch's mean gradient instead, about 1 / batch of the empirical one near a minimum.
local core = require "engram.core"
local expected = require "engram.data.expected"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local random = require "engram.random"
local walk = require "engram.fisher.walk"
local raise = core.raise

local fisher = {}
fisher.labels = { exact = true, sampled = true, empirical = true, argmax = true, weighted = true }
fisher.norms = { squared = true, plain = true, ["mean square"] = true }

-- squared_gradients(output, seeds, parameters [, poll]): for output (n, ...) whose row i depends on sample i alone and seeds of its
-- shape (a tensor or a list), the list of sums over seeds and i of (d <output_i, seed_i> / d parameter)^2. The graph is kept for
-- further walks. `poll` is called before each seed's walk and may raise. Raises for a graph in which a parameter is used twice, or on
-- something whose rows are not the samples.
function fisher.squared_gradients(output, seeds, parameters, poll) return walk(output, seeds, parameters, poll, false) end

-- absolute_gradients(output, seeds, parameters [, poll]): the same with absolute values for squares.
function fisher.absolute_gradients(output, seeds, parameters, poll) return walk(output, seeds, parameters, poll, true) end
autograd.squared_gradients = fisher.squared_gradients

-- ---- the seeds of a batch: what is differentiated, as its gradient at the outputs -------------------------------------

-- d log p(label) / d logits = one_hot(label) - p
local function label_seed(logits, labels, probabilities)
   return labels:one_hot(logits:size(2), logits.dtype) - (probabilities or logits:softmax(2))
end

-- One class a row, drawn from the row's distribution: the first class at which the running sum passes a uniform number.
local function sample_labels(probabilities, stream)
   local engram = require "engram"
   local u = engram.rand(probabilities:size(1), 1, { dtype = probabilities.dtype, stream = stream })
   local passed = probabilities:cumsum(2):le(u):to("int64"):sum(2) + 1
   return passed:clamp(1, probabilities:size(2))
end

local rules = {
   empirical = function(logits, labels) return { label_seed(logits, labels) } end,
   argmax = function(logits) return { label_seed(logits, logits:argmax(2)) } end,
   sampled = function(logits, _, stream)
      local probabilities = logits:softmax(2)
      return { label_seed(logits, sample_labels(probabilities, stream), probabilities) }
   end,
   weighted = function(logits, labels)
      local probabilities = logits:softmax(2)
      local weight = probabilities:gather(2, labels:unsqueeze(2)):sqrt()
      return { label_seed(logits, labels, probabilities) * weight }
   end,
   exact = function(logits)                               -- one seed a class, weighted by the root of its probability
      local engram, probabilities, list = require "engram", logits:softmax(2), {}
      for class = 1, logits:size(2) do
         local all = engram.full({ #logits }, class, { dtype = "int64" })
         list[class] = label_seed(logits, all, probabilities) * probabilities:narrow(2, class, 1):sqrt()
      end
      return list
   end,
   squared = function(outputs) return { outputs * 2 } end,
   ["mean square"] = function(outputs) return { outputs * (2 / outputs:size(2)) } end,
   plain = function(outputs)                              -- where all outputs are 0 the norm has no gradient
      local norm = outputs:square():sum(2, true):sqrt()
      return { outputs / norm:where(norm:gt(0), 1) }
   end,
}

-- ---- one batch --------------------------------------------------------------------------------------------

local function outputs_of(model, x, labels, units)
   local outputs = model(x)
   if outputs:dim() ~= 2 then raise("fisher: the model must give (samples, classes), got %s", tensor.shape_text(outputs)) end
   if not units then return outputs, labels end
   local first, count = units[1], units[2] - units[1] + 1
   return outputs:narrow(2, first, count), labels - (first - 1)
end

local function by_walk(model, parameters, x, labels, how, totals)
   local outputs, own = outputs_of(model, x, labels, how.units)
   local list, shape = rules[how.rule](outputs:detach(), own, how.stream), tensor.shape_text(x)
   for i, s in ipairs(walk(outputs, list, parameters, how.poll, how.absolute, how.sure[shape])) do totals[i]:add_(s) end
   how.sure[shape] = true
end

-- One backward a sample and seed: any graph, slowly.
local function by_sample(model, parameters, x, labels, how, totals)
   for n = 1, #x do
      how.poll()
      local outputs, own = outputs_of(model, x:narrow(1, n, 1), labels:narrow(1, n, 1), how.units)
      for _, seed in ipairs(rules[how.rule](outputs:detach(), own, how.stream)) do
         local grads = autograd.grad(outputs, parameters, { grad_outputs = seed, retain_graph = true, allow_unused = true })
         for i = 1, #parameters do
            if grads[i] then totals[i]:add_(how.absolute and grads[i]:abs() or grads[i]:square()) end
         end
      end
   end
end

-- The size of the batch's mean gradient.
local function by_batch(model, parameters, x, labels, how, totals)
   how.poll()
   local outputs, own = outputs_of(model, x, labels, how.units)
   local seed = rules[how.rule](outputs:detach(), own, how.stream)[1] / #x
   local grads = autograd.grad(outputs, parameters, { grad_outputs = seed, allow_unused = true })
   for i = 1, #parameters do
      if grads[i] then totals[i]:add_(how.absolute and grads[i]:abs() or grads[i]:square()) end
   end
end

-- What the walk cannot do it says in these words.
local function is_beyond_walk(message)
   return message:find("fisher: operation", 1, true) or message:find("fisher: a parameter is used", 1, true)
end

local function add_batch(model, parameters, x, labels, how, totals)
   local before = autograd.set_enabled(true)
   local mark = random.stream(how.stream).counter
   local way = how.batched and by_batch or how.slowly and by_sample or by_walk
   local ok, message = pcall(way, model, parameters, x, labels, how, totals)
   if not ok and way == by_walk and is_beyond_walk(tostring(message)) then
      how.slowly, random.stream(how.stream).counter = true, mark
      for _, t in ipairs(totals) do t:zero_() end
      ok, message = pcall(by_sample, model, parameters, x, labels, how, totals)
   end
   autograd.set_enabled(before)
   if not ok then error(message, 0) end
end

-- ---- all of a data set ------------------------------------------------------------------------------------

local NAMES = { "label", "norm", "batched", "samples", "batch_size", "units", "stream", "poll", "drop_last" }

-- How many items, the size of a batch and how many batches.
local function extent(who, dataset, options)
   expected(who, dataset)
   local have = dataset:size()
   if have == 0 then raise("%s: the data set has no items", who) end
   local count = math.min(core.whole(who .. ": samples", options.samples or have), have)
   local size = core.whole(who .. ": batch_size", options.batch_size or 100)
   if options.drop_last and count >= size then count = count - count % size end
   return count, size, math.ceil(count / size)
end

-- The mean over items, or over batches, of what `how` asks for; one tensor a parameter. In evaluation mode; the model's modes
-- and gradients are left as they were.
local function mean_size(who, model, dataset, options, how)
   local count, size, batches = extent(who, dataset, options)
   how.batched, how.units, how.stream = options.batched, options.units, options.stream or "fisher"
   how.poll, how.sure = options.poll or function() end, {}
   local engram = require "engram"
   local parameters, totals = model:parameters(), {}
   for i, p in ipairs(parameters) do totals[i] = engram.zeros_like(p) end
   local function add(first)
      local batch = {}
      for i, p in ipairs(parameters) do batch[i] = engram.zeros_like(p) end
      local x, labels = dataset:batch(engram.arange(first, math.min(first + size - 1, count)))
      add_batch(model, parameters, x, labels, how, batch)
      for i = 1, #totals do totals[i]:add_(batch[i]) end
   end
   model:in_mode(false, function()
      for first = 1, count, size do tensor.scope(add, first) end
   end)
   for _, t in ipairs(totals) do t:mul_(1 / (how.batched and batches or count)) end
   return totals
end

-- diagonal(model, dataset, {label = "exact", samples = all, batch_size = 100, batched = false, units = {first, last}, drop_last = false,
-- stream = "fisher", poll = function}): the list of mean squared gradients of log p(label), one tensor a parameter, in the order of
-- model:parameters(). batched: squares of the mean gradients of batches instead, and their mean over the batches. units: only these
-- outputs count. The first `samples` items of the data set are used; drop_last leaves a last batch that is not full. Evaluation mode;
-- the model's modes and gradients stay as they were. `poll` is called for every walk and may raise.
function fisher.diagonal(model, dataset, options)
   options = core.options("fisher.diagonal", options, NAMES)
   local rule = options.label or "exact"
   if not fisher.labels[rule] then
      raise("fisher.diagonal: label must be 'exact', 'sampled', 'empirical', 'argmax' or 'weighted', got '%s'", tostring(rule))
   end
   if options.batched and (rule == "exact" or rule == "weighted") then
      raise("fisher.diagonal: label '%s' weighs each sample's square; batched takes 'sampled', 'empirical' or 'argmax'", rule)
   end
   return mean_size("fisher.diagonal", model, dataset, options, { rule = rule })
end

-- sensitivity(model, dataset, {norm = "squared", ...}): the list of mean absolute gradients of the outputs' size (Memory Aware Synapses,
-- Aljundi et al. 2018): norm "squared" is the sum of their squares, "plain" its root, "mean square" their mean. Labels do not matter.
-- The other options are those of diagonal.
function fisher.sensitivity(model, dataset, options)
   options = core.options("fisher.sensitivity", options, NAMES)
   local norm = options.norm or "squared"
   if not fisher.norms[norm] then
      raise("fisher.sensitivity: norm must be 'squared', 'plain' or 'mean square', got '%s'", tostring(norm))
   end
   return mean_size("fisher.sensitivity", model, dataset, options, { rule = norm, absolute = true })
end

return fisher
