-- select/plan.lua: the words of a selection, `tasks=5 seed=1..2 : method=SGD lr=0.1,0.01 : method=EWC lr=0.1 lambda=1,10`, to the methods
-- that are compared and the trials of each. Before the first colon stands what all have in common, after each a method: what has one value
-- names it, what has several is searched. All methods get the same number of trials.
local expand = require "engram.sweep.expand"
local random = require "engram.random"
local usage_error = require "engram.usage"

-- The words before the first colon, and lists of those after each.
local function groups_of(words)
   local groups = { {} }
   for _, word in ipairs(words) do
      if word == ":" then groups[#groups + 1] = {} else table.insert(groups[#groups], word) end
   end
   local common = table.remove(groups, 1)
   if #groups == 0 then usage_error "select: no methods: each stands after a colon, as in : method=SGD lr=0.1,0.01" end
   for i, group in ipairs(groups) do
      if #group == 0 then usage_error("select: nothing stands after colon %d", i) end
   end
   return common, groups
end

-- The words that all have in common, their keys as a set, and the seeds of the search (nil: the script's own).
local function common_of(words)
   local fixed, keys, seeds = {}, {}, nil
   local _, _, axes = expand(words)
   for _, axis in ipairs(axes) do
      keys[axis.key] = true
      if axis.key == "seed" then seeds = axis.values
      elseif #axis.values > 1 then
         usage_error("select: %s has several values before the first colon: what is searched stands behind the colon of its method",
            axis.key)
      else fixed[#fixed + 1] = axis.key .. "=" .. axis.values[1] end
   end
   return fixed, keys, seeds or { "1" }, axes
end

local function check_keys(axes, keys)
   for _, axis in ipairs(axes) do
      if axis.key == "seed" then usage_error "select: seed=... stands before the first colon: all methods have the same seeds" end
      if keys[axis.key] then usage_error("select: %s stands before the first colon and behind another", axis.key) end
   end
end

-- A method of a group of words: all combinations of what is searched are its trials.
local function method_of(words, keys, i)
   local jobs, searched, axes = expand(words)
   check_keys(axes, keys)
   local fixed, is_searched = {}, {}
   for _, key in ipairs(searched) do is_searched[key] = true end
   for _, axis in ipairs(axes) do
      if not is_searched[axis.key] then fixed[#fixed + 1] = axis.key .. "=" .. axis.values[1] end
   end
   local name = table.concat(fixed, " ")
   return { name = name ~= "" and name or "method " .. i, words = fixed, searched = searched, axes = axes, trials = jobs }
end

-- So many of its trials, drawn at random where it has more, in their order.
local function draw(method, count, seed)
   if count == #method.trials then return end
   local order = require "engram".randperm(#method.trials, { stream = random.private(seed, "select " .. method.name) }):tolist()
   local chosen, kept = {}, {}
   for i = 1, count do chosen[order[i]] = true end
   for i, trial in ipairs(method.trials) do if chosen[i] then kept[#kept + 1] = trial end end
   method.trials = kept
end

local function check_budget(methods, count)
   local sizes, same = {}, true
   for i, method in ipairs(methods) do
      sizes[i] = ("%s has %d"):format(method.name, #method.trials)
      same = same and #method.trials == #methods[1].trials
   end
   if not count and not same then
      usage_error("select: methods must have the same number of trials: %s; give --trials N, which draws N of each, or other values",
         table.concat(sizes, ", "))
   end
   for _, method in ipairs(methods) do
      if count and #method.trials < count then
         usage_error("select: %s has %d trials, fewer than --trials %d: give it more values", method.name, #method.trials, count)
      end
   end
   return count or #methods[1].trials
end

-- plan(words, count, seed) -> { common = words, seeds =, axes = of these words, methods = { { name =, words =, searched = keys, axes =,
-- trials = { { words = } } } } }. count: trials of each method (default: all, which must be equally many); seed: of the draw.
return function(words, count, seed)
   local common, groups = groups_of(words)
   local fixed, keys, seeds, axes = common_of(common)
   local methods, named = {}, {}
   for i, group in ipairs(groups) do
      methods[i] = method_of(group, keys, i)
      if named[methods[i].name] then usage_error("select: '%s' stands behind two colons: one method twice", methods[i].name) end
      named[methods[i].name] = true
   end
   count = check_budget(methods, count)
   for _, method in ipairs(methods) do draw(method, count, seed or 0) end
   return { common = fixed, seeds = seeds, methods = methods, axes = axes }
end
