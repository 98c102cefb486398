-- cl/metrics/evaluate.lua: the accuracy of a model on a data set, measured so that training does not notice.
local core = require "engram.core"
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

-- How many of a batch's items the model answers rightly.
local function right_of(model, answers, x, y)
   local output = model(x)
   local answer = answers and answers(output) or output:argmax(2)
   return answer:eq(y):sum():item()
end

-- accuracy(model, dataset, {training = false, batch_size = 200, poll = function, answers = function}): percent of items whose largest
-- output is the label; `answers` makes labels of a batch's outputs in another way. training = true leaves dropout on (the published
-- protocol); the stream "dropout" and the buffers (batch norm's running figures) are set back afterwards, so that evaluating does not
-- change training.
return function(model, dataset, options)
   options = core.options("metrics.accuracy", options, { "training", "batch_size", "poll", "answers" })
   local engram = require "engram"
   local batch_size, size = core.whole("metrics.accuracy: batch_size", options.batch_size or 200), dataset:size()
   if size == 0 then return nil, "there are no items" end
   local before, right = model.training, 0
   local dropout = require "engram.random".stream "dropout"
   local counter, buffers = dropout.counter, copy_buffers(model)
   model:train(options.training or false)
   local function add(first)
      local x, y = dataset:batch(engram.arange(first, math.min(first + batch_size - 1, size)))
      right = right + right_of(model, options.answers, x, y)
   end
   local ok, message = pcall(function()
      for first = 1, size, batch_size do
         if options.poll then options.poll() end
         engram.no_grad(tensor.scope, add, first)
      end
   end)
   model:train(before)
   dropout.counter = counter
   restore_buffers(buffers)
   if not ok then error(message, 0) end
   return 100 * right / size
end
