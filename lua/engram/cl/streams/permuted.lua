-- Permuted (Goodfellow et al. 2013; Kirkpatrick et al. 2017): every task is the same data set under a permutation of its pixels, one a
-- task, the same for its training and its test items.
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local experience = require "engram.cl.experience"
local stream = require "engram.cl.stream"
local raise = core.raise

local WHO = "cl.streams.permuted"

local function part_of(set, seed, k)
   local shape = set.images.shape
   table.remove(shape, 1)
   local pixels
   local function order() return common.permutation(pixels, seed, "permuted " .. k) end
   local change
   change, pixels = common.moved_pixels(shape, order)
   local digest
   change.recipe = ""
   local part = common.part(set, change)
   local of_set = part.recipe
   part.recipe = function()
      digest = digest or common.digest(order():tolist())
      return "permuted " .. digest .. of_set()
   end
   return part
end

return {
   name = "permuted",
   doc = "one data set, its pixels in another order in each task: permuted(\"mnist\", { tasks = 10 })",
   -- permuted(source, { tasks = 10, seed = 0, pad = 32, first = "permuted" or "identity", scenario =, ... })
   make = function(source, options)
      options = common.options(WHO, options, { "pad", "first" })
      local tasks, seed = core.whole(WHO .. ": tasks", options.tasks or 10), common.seed(WHO .. ": seed", options.seed)
      local first = options.first or "permuted"
      core.choice(WHO .. ": first", first, { "permuted", "identity" })
      local base, list = common.base(WHO, source, options), {}
      if base.train.vocabulary or base.train.trim then
         raise("%s: the items are rows of tokens, whose padding would be moved with them; give pictures or other numbers", WHO)
      end
      for _, part in ipairs(options.pad and { "train", "validation", "test" } or {}) do
         base[part] = base[part] and common.padded(WHO, base[part], options.pad)
         if base[part] then base[part].images:keep() end
      end
      for k = 1, tasks do
         local as_it_is = k == 1 and first == "identity"
         local made = common.parts(base, function(set) return as_it_is and set or part_of(set, seed, k) end)
         list[k] = experience.new{ name = ("%s %d"):format(base.name, k), epochs = base.epochs, classes = base.classes,
            source = base.source, tested_on_training = base.tested_on_training, train = made.train, validation = made.validation,
            test = made.test }
      end
      list.scenario, list.outputs = options.scenario, options.outputs
      return stream.new(list)
   end,
}
