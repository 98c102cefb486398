-- cl/methods/repository.lua: EWC's importances as the CLASSP author's vision script gets them, for convention = "classp-repository": a
-- model of its own is trained on task 1 for one epoch by SGD while the squares of the batch-mean gradients are summed, divided by the
-- number of items; its weights are the anchor. The penalty is lambda sum F (w - anchor)^2 from the second epoch of task 1 on.
local autograd = require "engram.autograd"
local consolidate = require "engram.consolidate"
local core = require "engram.core"
local scenario = require "engram.cl.scenario"

local repository = {}

-- scout(t, lr): the importances and the anchor. It needs cl.train{ model = function }.
function repository.scout(t, lr)
   if not t.make_model then
      core.raise "EWC: convention 'classp-repository' trains a model of its own: give cl.train{ model = function() ... end }"
   end
   local engram = require "engram"
   local model = t.make_model()
   local opt = engram.optim.SGD(model, { lr = lr })
   local parameters, squares = model:parameters(), {}
   for i, p in ipairs(parameters) do squares[i] = engram.zeros_like(p):keep() end
   local set = t.stream[1].train
   local loader = engram.data.loader(set, { batch_size = t.batch_size, shuffle = t.shuffle, stream = "scout order" })
   local function step()
      local x, y = loader:next()
      if not x then return false end
      opt:zero_grad()
      scenario.loss({ stream = t.stream, task = 1, loss_function = t.loss_function }, model(x), y, 1):backward()
      for i, p in ipairs(parameters) do
         local grad = autograd.gradient_of(p)
         if grad then squares[i]:add_(grad:square()) end
      end
      opt:step()
      return true
   end
   while engram.scope(step) do t.poll() end
   t.count(set:size(), set:size())
   for _, f in ipairs(squares) do f:mul_(1 / set:size()) end
   return squares, consolidate.copies(parameters)
end

return repository
