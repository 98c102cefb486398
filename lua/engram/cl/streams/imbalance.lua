-- Imbalance: some classes, or some tasks, have fewer training items than others: the share that is kept falls exponentially from 1 to
-- `ratio` (the long tail of Cui et al. 2019). Test sets stay as they are.
local common = require "engram.cl.streams.common"
local core = require "engram.core"

local WHO = "cl.streams.imbalance"

-- share(i) of n: 1 for the first, ratio for the last; with a seed the ranks are dealt at random.
local function shares(n, ratio, seed)
   local rank, list = nil, {}
   if seed then rank = common.permutation(n, seed, "imbalance"):tolist() end
   for i = 1, n do list[i] = n == 1 and 1 or ratio ^ (((rank and rank[i] or i) - 1) / (n - 1)) end
   return list
end

local function count(share, items) return math.max(1, math.floor(share * items + 0.5)) end

-- Of each class the first so many items, as indices.
local function kept_by_class(labels, share)
   local left, index, list = {}, {}, labels:tolist()
   for _, label in ipairs(list) do left[label] = (left[label] or 0) + 1 end
   for label, items in pairs(left) do left[label] = count(share[label], items) end
   for i, label in ipairs(list) do
      if left[label] > 0 then
         left[label] = left[label] - 1
         index[#index + 1] = i
      end
   end
   return index
end

local function over_classes(stream, ratio, seed)
   local share = shares(stream.classes, ratio, seed)
   local recipe = ("imbalance classes %d %.17g %s"):format(stream.classes, ratio, tostring(seed))
   return function(task)
      local items = require "engram".scope(function() return #kept_by_class(task:labels "train", share) end)
      return task:derive{ train = { at_once = true, items = items, recipe = recipe,
         pick = function(labels) return kept_by_class(labels, share) end } }
   end
end

-- The first so many items, as indices in their order; a class that has none among them gets its first item in the place of a later one of
-- a class that has others. At least one item of every class.
local function kept_of_task(labels, items)
   local list, first, chosen, index = labels:tolist(), {}, {}, {}
   for i, label in ipairs(list) do
      if not first[label] then
         first[label], chosen[i] = true, true
         items = items - 1
      end
   end
   for i in ipairs(list) do
      if not chosen[i] and items > 0 then
         chosen[i] = true
         items = items - 1
      end
      if chosen[i] then index[#index + 1] = i end
   end
   return index
end

local function over_tasks(stream, ratio, seed)
   local share = shares(#stream, ratio, seed)
   return function(task, k)
      local wanted = count(share[k], task:items "train")
      local items = require "engram".scope(function() return #kept_of_task(task:labels "train", wanted) end)
      return task:derive{ changed_by = WHO, train = { at_once = true, items = items, recipe = "imbalance tasks " .. items,
         pick = function(labels) return kept_of_task(labels, items) end } }
   end
end

return {
   name = "imbalance",
   doc = "fewer and fewer training items of classes or tasks: imbalance(stream, { ratio = 0.1, over = \"classes\" })",
   -- imbalance(stream, { ratio = 0.1, over = "classes" or "tasks", seed = none: in their order })
   make = function(stream, options)
      common.check_stream(WHO, stream)
      options = core.options(WHO, options, { "ratio", "over", "seed" })
      local ratio, over = common.number(WHO .. ": ratio", options.ratio or 0.1, 0, 1), options.over or "classes"
      core.choice(WHO .. ": over", over, { "classes", "tasks" })
      local seed = options.seed and common.seed(WHO .. ": seed", options.seed)
      return stream:map((over == "classes" and over_classes or over_tasks)(stream, ratio, seed))
   end,
}
