-- Split (Zenke et al. 2017; van de Ven et al. 2022): the classes of one data set are dealt to the tasks, so many each.
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local experience = require "engram.cl.experience"
local stream = require "engram.cl.stream"
local raise = core.raise

local WHO = "cl.streams.split"

-- The classes in the order in which they are dealt: as they are, or drawn by a seed.
local function class_order(classes, order)
   local list = {}
   for c = 1, classes do list[c] = c end
   if order == nil or order == "fixed" then return list end
   if type(order) == "string" then raise("%s: order must be 'fixed' or a seed, got '%s'", WHO, order) end
   return common.permutation(classes, common.seed(WHO .. ": order", order), "split"):tolist()
end

-- The items of some classes, whose labels become 1, 2, ... in the order of the list. A class beyond the set's has none in it.
local function part_of(set, classes)
   local place, items, known = {}, 0, {}
   for i, class in ipairs(classes) do
      place[class] = i
      if class <= set.classes then known[#known + 1] = class end
      items = items + set.labels:eq(class):sum():item()
   end
   return common.part(set, { items = items, recipe = "split: classes " .. table.concat(classes, " "),
      make = function() return set:only(known):with_labels(function(label) return place[label] end, #classes) end })
end

local function name_of(set, classes, k)
   local words = {}
   for i, class in ipairs(classes) do words[i] = set.class_names and set.class_names[class] or tostring(class) end
   if #words > 4 then return "part " .. k end
   return (table.concat(words, "+"):gsub(",", ";"))
end

return {
   name = "split",
   doc = "the classes of one data set, so many a task: split(\"mnist\", { tasks = 5, scenario = \"class\" })",
   -- split(source, { tasks = 5, scenario =, order = "fixed" or a seed, ... })
   make = function(source, options)
      options = common.options(WHO, options, { "order" })
      if options.seed then raise("%s: the order of the classes is drawn by order = %s, not by seed", WHO, tostring(options.seed)) end
      local tasks = core.whole(WHO .. ": tasks", options.tasks or 5)
      local base = common.base(WHO, source, options)
      if base.classes % tasks ~= 0 then
         raise("%s: %d classes cannot be dealt evenly to %d tasks", WHO, base.classes, tasks)
      end
      local order, each, list = class_order(base.classes, options.order), base.classes / tasks, {}
      for k = 1, tasks do
         local classes = { unpack(order, (k - 1) * each + 1, k * each) }
         local made = common.parts(base, function(set) return part_of(set, classes) end)
         list[k] = experience.new{ name = name_of(base.train, classes, k), epochs = base.epochs, classes = each, source = base.source,
            of_classes = classes, tested_on_training = base.tested_on_training, train = made.train, validation = made.validation,
            test = made.test }
         for part, verb in pairs{ train = "train", validation = "validate", test = "test" } do
            if made[part] and made[part].items == 0 then raise("%s: task %d (%s) has no items to %s on", WHO, k, list[k].name, verb) end
         end
      end
      list.scenario, list.outputs = options.scenario, options.outputs
      return stream.new(list)
   end,
}
