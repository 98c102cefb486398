-- cl/metrics/over_items.lua: a sum over a data set of what is asked of a model's outputs, measured so that training does not notice.
local core = require "engram.core"
local expected = require "engram.data.expected"
local tensor = require "engram.tensor"

-- Copies of the model's buffers, and what puts them back.
local function copy_buffers(model)
   local list = {}
   for _, buffer in model:named_buffers() do list[#list + 1] = { buffer, buffer:clone():keep() } end
   return list
end

local function restore_buffers(list)
   for _, pair in ipairs(list) do
      pair[1]:copy_(pair[2])
      pair[2]:release()
   end
end

-- over_items(model, dataset, f, {training = false, batch_size = 200, poll = function}): the sum over all batches of f(output, y),
-- and how many items there are. training = true leaves dropout on; the stream "dropout" and the buffers (batch norm's running figures)
-- are set back afterwards, so that measuring does not change training.
return function(model, dataset, f, options)
   local engram = require "engram"
   expected("metrics.accuracy", dataset)
   local batch_size, size = core.whole("metrics.accuracy: batch_size", options.batch_size or 200), dataset:size()
   local sum = 0
   local dropout = require "engram.random".stream "dropout"
   local counter, buffers = dropout.counter, copy_buffers(model)
   local function add(first)
      local x, y = dataset:batch(engram.arange(first, math.min(first + batch_size - 1, size)))
      sum = sum + f(model(x), y)
   end
   local ok, message = pcall(model.in_mode, model, options.training or false, function()
      for first = 1, size, batch_size do
         if options.poll then options.poll() end
         engram.no_grad(tensor.scope, add, first)
      end
   end)
   dropout.counter = counter
   restore_buffers(buffers)
   if not ok then error(message, 0) end
   return sum, size
end
