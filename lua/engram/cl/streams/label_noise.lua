-- Label noise: a share of the training labels of every task becomes another class of the task, each of them equally likely. Test labels
-- stay true.
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local random = require "engram.random"
local raise = core.raise

local WHO = "cl.streams.label_noise"

-- labels with `count` of them changed; k: the number of the task, of which every draw is its own.
local function noisy(labels, task, k, count, seed)
   local engram = require "engram"
   local n, first, m = #labels, task.first_class, task.last_class - task.first_class + 1
   local chosen = common.permutation(n, seed, "label noise " .. k):narrow(1, 1, count)
   local shift = engram.randint(1, m - 1, count, { stream = random.private(seed, "label noise by " .. k) })
   local changed = labels:clone()
   if count > 0 then changed[chosen] = (labels:index_select(1, chosen) - first + shift):remainder(m) + first end
   return changed
end

return {
   name = "label_noise",
   doc = "a share of the training labels is wrong: label_noise(stream, { rate = 0.1, seed = 0 })",
   -- label_noise(stream, { rate = 0.1, seed = 0 }): round(rate * items) labels of every task
   make = function(stream, options)
      common.check_stream(WHO, stream)
      options = core.options(WHO, options, { "rate", "seed" })
      local rate = common.number(WHO .. ": rate", options.rate or 0.1, 0, 1)
      local seed = common.seed(WHO .. ": seed", options.seed)
      return stream:map(function(task, k)
         if task.last_class == task.first_class then raise("%s: task %d has one class; a label has no other to become", WHO, k) end
         local count = math.floor(rate * task:items "train" + 0.5)
         local recipe = ("label noise %d %d %.17g units %d to %d"):format(k, count, seed, task.first_class, task.last_class)
         local function change(labels) return noisy(labels, task, k, count, seed) end
         return task:derive{ changed_by = WHO, train = { recipe = recipe, labels = change,
            make = function(set) return set:with_labels(change(set.labels), set.classes) end } }
      end)
   end,
}
