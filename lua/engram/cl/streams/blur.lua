-- Boundaries that blur: around the end of a task its items and those of the next change places, the more the nearer to the boundary. No
-- item is lost or met twice. The items of a blurred task stand in the order of time, so that its training does not shuffle them.
--
-- An item at distance d (0 at the boundary, 1 at the far end of the window) changes places with its mirror image in the other task with
-- probability (1 - d) / 2 (linear) or 1 / (1 + exp(6 d)) (sigmoid).
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local random = require "engram.random"
local raise = core.raise

local WHO = "cl.streams.blur"

local shapes = {
   linear = function(d) return (1 - d) / 2 end,
   sigmoid = function(d) return 1 / (1 + math.exp(6 * d)) end,
}

-- The distances d = 1, 2, ... (in items) at which the last items of one task and the first of the next change places.
local function exchanged(before, after, how)
   local window = math.floor(how.width * math.min(before:items "train", after:items "train"))
   local source, list = random.private(how.seed, "blur " .. before.label), {}
   for d = 1, window do
      if random.number(source) < how.probability((d - 0.5) / window) then list[#list + 1] = d end
   end
   return list
end

local function check_alike(a, b)
   if a.images.dtype ~= b.images.dtype or a.scale ~= b.scale or a.shift ~= b.shift then
      raise("%s: the images of '%s' and '%s' differ in dtype or normalisation and cannot stand in one task", WHO, a.name, b.name)
   end
end

-- own with the items at `places` replaced by those of `other` at `from`.
local function replaced(own, other, places, from)
   if #places == 0 then return own end
   check_alike(own, other)
   local engram, n, index = require "engram", own:size(), {}
   for i = 1, n do index[i] = i end
   for i, place in ipairs(places) do index[place] = n + i end
   local guests = other:subset(from)
   local images = engram.cat({ own.images, guests.images }, 1):index_select(1, index)
   local labels = engram.cat({ own.labels, guests.labels }, 1):index_select(1, index)
   return own:with_images(images):with_labels(labels, math.max(own.classes, other.classes))
end

local function train_of(stream, k, how)
   local own = stream[k]
   local n = own:items "train"
   local function mixed(set)
      for _, step in ipairs{ -1, 1 } do
         local other = stream[k + step]
         if other then
            local list = exchanged(step < 0 and other or own, step < 0 and own or other, how)
            local mine, theirs, last = {}, {}, other:items "train" + 1
            for i, d in ipairs(list) do mine[i], theirs[i] = step < 0 and d or n + 1 - d, step < 0 and last - d or d end
            set = replaced(set, other:draw "train", mine, theirs)
         end
      end
      return set
   end
   local function of()
      local words = {}
      for j = math.max(1, k - 1), math.min(#stream, k + 1) do words[#words + 1] = j .. " " .. stream[j]:identity "train" end
      return table.concat(words, "\n")
   end
   return { make = mixed, of = of, recipe = ("blur %s %.17g %.17g"):format(how.shape, how.width, how.seed) }
end

return {
   name = "blur",
   doc = "boundaries that blur: blur(stream, { width = 0.2, shape = \"linear\" or \"sigmoid\", seed = 0 })",
   -- blur(stream, { width = 0.2, shape = "linear", seed = 0 }); width: of a task's items, so many on each side of a boundary
   make = function(stream, options)
      common.check_stream(WHO, stream)
      options = core.options(WHO, options, { "width", "shape", "seed" })
      local shape = options.shape or "linear"
      core.choice(WHO .. ": shape", shape, { "linear", "sigmoid" })
      local how = { width = common.number(WHO .. ": width", options.width or 0.2, 0, 0.5), shape = shape, probability = shapes[shape],
         seed = common.seed(WHO .. ": seed", options.seed) }
      return stream:map(function(task, k)
         local highest = task.highest_unit or task.last_class
         for _, other in ipairs{ stream[k - 1] or task, stream[k + 1] or task } do
            highest = math.max(highest, other.highest_unit or other.last_class)
         end
         return task:derive{ train = train_of(stream, k, how), ordered = true, mixed = true, highest_unit = highest }
      end)
   end,
}
