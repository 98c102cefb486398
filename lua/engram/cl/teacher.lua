-- cl/teacher.lua: a model as it was: its weights and buffers by name, and what it answers. The model itself lends its modules, so that a
-- teacher costs one copy of the weights and no more code: for the time of a call its tensors change places with the teacher's.
local autograd = require "engram.autograd"
local tensor = require "engram.tensor"

local teacher = {}

-- take(model): the weights and buffers now, { name = tensor }, as tensors that stay.
function teacher.take(model)
   local weights = {}
   for name, value in pairs((model:state())) do weights[name] = value:detach():clone():keep() end
   return weights
end

local function change_places(own, weights)
   for name, value in pairs(own) do tensor.change_places(value, weights[name]) end
end

-- answer(model, weights, x): what the model with these weights gives for x, in evaluation mode and outside the graph. The model's weights,
-- modes, gradients and graph are left as they were.
function teacher.answer(model, weights, x)
   local own = model:state()
   change_places(own, weights)
   local ok, result = pcall(model.in_mode, model, false, autograd.no_grad, model, x)
   change_places(own, weights)
   if not ok then error(result, 0) end
   return result
end

return teacher
