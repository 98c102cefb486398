-- cl/metrics/evaluate.lua: the accuracy of a model on a data set.
local core = require "engram.core"
local over_items = require "engram.cl.metrics.over_items"
local tensor = require "engram.tensor"

-- accuracy(model, dataset, {training = false, batch_size = 200, poll = function, answers = function}): percent of items whose largest
-- output is the label; `answers` makes labels of a batch's outputs in another way. training = true leaves dropout on (the published
-- protocol). It does not change training: see over_items.lua.
return function(model, dataset, options)
   options = core.options("metrics.accuracy", options, { "training", "batch_size", "poll", "answers" })
   local answers = options.answers
   local right, size = over_items(model, dataset, function(output, y)
      if output:dim() ~= 2 or output:size(1) ~= y:size(1) then
         core.raise("metrics.accuracy: the model must give a row of outputs for each item, (%d, classes), and gave %s", y:size(1),
            tensor.shape_text(output))
      end
      local answer = answers and answers(output) or output:argmax(2)
      return answer:eq(y):sum():item()
   end, options)
   if size == 0 then return nil, "there are no items" end
   return 100 * right / size
end
