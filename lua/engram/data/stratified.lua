-- data/stratified.lua: items drawn from every class in proportion: of each class the share of the whole that it is in the data, by largest
-- remainders, so that the number in all is exact.
local core = require "engram.core"
local random = require "engram.random"
local raise = core.raise

-- How many of n items a share (a fraction below 1, or a number) is; some are held and some stay.
local function total_of(who, share, n)
   local total = core.part(who, share, n, "items")
   if total < 1 or total >= n then raise("%s = %s holds out %d of %d items: some must be held, some must stay", who, share, total, n) end
   return total
end

-- { class = so many } that add up to `total`, of classes with so many items.
local function quotas(sizes, total, n)
   local quota, classes, left = {}, {}, total
   for class, size in pairs(sizes) do
      quota[class] = math.floor(total * size / n)
      left, classes[#classes + 1] = left - quota[class], class
   end
   local function rest(class) return total * sizes[class] % n end
   table.sort(classes, function(a, b)
      if rest(a) ~= rest(b) then return rest(a) > rest(b) end
      return a < b
   end)
   for i = 1, left do quota[classes[i]] = quota[classes[i]] + 1 end
   return quota
end

-- stratified(who, labels, share, seed) -> held, kept: two lists of numbers of items, each in the order of the data. Which are held is drawn
-- from a random stream of its own. labels: (items) int64; `who` begins the message of an error.
return function(who, labels, share, seed)
   local list, sizes = labels:tolist(), {}
   for _, label in ipairs(list) do sizes[label] = (sizes[label] or 0) + 1 end
   local quota = quotas(sizes, total_of(who, share, #list), #list)
   local order = require "engram".randperm(#list, { stream = random.private(seed or 0, "validation") }):tolist()
   local is_held, held, kept = {}, {}, {}
   for _, i in ipairs(order) do
      local label = list[i]
      if quota[label] > 0 then quota[label], is_held[i] = quota[label] - 1, true end
   end
   for i = 1, #list do
      local into = is_held[i] and held or kept
      into[#into + 1] = i
   end
   return held, kept
end
