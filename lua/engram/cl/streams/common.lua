-- cl/streams/common.lua: what the makers of streams share: the data set they start from, their options, seeds and changes to images.
local core = require "engram.core"
local random = require "engram.random"
local stream = require "engram.cl.stream"
local raise = core.raise

local common = {}

local function engram() return require "engram" end

-- ---- options ----------------------------------------------------------------------------------------------

common.base_options = { "tasks", "scenario", "outputs", "epochs", "seed", "train", "test", "validation", "mean",
   "deviation" }

-- The options of a stream made from a data set: base_options and its own.
function common.options(who, given, own)
   local allowed = { unpack(common.base_options) }
   for _, name in ipairs(own or {}) do allowed[#allowed + 1] = name end
   return core.options(who, given, allowed)
end

-- The first argument of a function that makes a stream of a stream.
function common.check_stream(who, value)
   if not stream.is_stream(value) then
      raise("%s: expected a stream, as cl.stream or cl.streams.split makes one, got %s", who, core.typename(value))
   end
   return value
end

-- A number from low to high (both allowed).
function common.number(what, value, low, high)
   if type(value) ~= "number" or not (value >= low and value <= high) then
      raise("%s must be a number from %g to %g, got %s", what, low, high,
         type(value) == "number" and tostring(value) or core.typename(value))
   end
   return value
end

-- A seed: a whole number from 0; nil gives 0.
function common.seed(what, value)
   if value == nil then return 0 end
   if type(value) ~= "number" or value % 1 ~= 0 or value < 0 or value > 2 ^ 53 then
      raise("%s must be a whole number from 0 to 2^53, got %s", what, tostring(value))
   end
   return value
end

-- The numbers 1 .. n in random order, drawn from a stream that belongs to nobody else: the same whenever they are asked for.
function common.permutation(n, seed, name)
   return engram().randperm(n, { stream = random.private(seed, name) })
end

-- ---- the data set that a stream is made of ----------------------------------------------------------------

-- { name, train, validation, test, classes, source, epochs } of a name or a data set; train and test: the first so many items;
-- validation: the share of the training items, or how many, that is held out.
function common.base(who, source, options)
   local data = engram().data
   local set = source
   if type(source) == "string" then set = data.load(source, { train = options.train, test = options.test }) end
   if type(set) ~= "table" then raise("%s: expected the name of a data set or a data set, got %s", who, core.typename(set)) end
   local task = stream.open_task(set, { limit = options.train, test_limit = options.test, epochs = options.epochs, mean = options.mean,
      deviation = options.deviation, validation = options.validation })
   return { name = task.name, train = task.train, validation = task.validation, test = task:open "test", classes = task.classes,
      source = task.source, epochs = task.epochs, tested_on_training = task.tested_on_training }
end

-- { train =, validation =, test = } of what f makes of each data set that the base has.
function common.parts(base, f)
   local made = {}
   for _, name in ipairs{ "train", "validation", "test" } do made[name] = base[name] and f(base[name]) end
   return made
end

-- A part of an experience that is made from a data set. `change`: as Experience:derive takes it.
function common.part(set, change)
   local shape = set.images.shape
   table.remove(shape, 1)
   return { items = change.items or set:size(), shape = change.shape or shape, base = { set }, by_item = change.by_item,
      make = function(rows) return change.make(rows and set:subset(rows) or set) end,
      labels = change.labels and function() return change.labels(set.labels) end,
      recipe = function() return change.recipe .. "\n" .. set:content_hash() end }
end

-- ---- images -----------------------------------------------------------------------------------------------

local function unchanged(labels) return labels end
common.unchanged = unchanged

-- Shape (c, h, w) of the items of an experience or a list; raises for items that are no pictures.
function common.picture(who, shape)
   if #shape ~= 3 then
      raise("%s: expected pictures (channels, height, width), got items (%s)", who, table.concat(shape, ", "))
   end
   return unpack(shape)
end

-- The shape of a picture in the middle of a square of `size`.
function common.padded_shape(who, shape, size)
   local channels, height, width = common.picture(who, shape)
   size = core.whole(who .. ": size", size)
   if size < height or size < width then raise("%s: pictures of %dx%d do not fit into %dx%d", who, height, width, size, size) end
   return { channels, size, size }
end

-- A data set's pictures in the middle of squares, with zeros around them.
function common.padded(who, set, size)
   local n, channels, height, width = unpack(set.images.shape)
   common.padded_shape(who, { channels, height, width }, size)
   local images = engram().zeros(n, channels, size, size, { dtype = set.images.dtype })
   local top, left = math.floor((size - height) / 2), math.floor((size - width) / 2)
   images:narrow(3, top + 1, height):narrow(4, left + 1, width):copy_(set.images)
   return set:with_images(images)
end

-- A change that moves the pixels: pixel i of the new picture is pixel order()[i] of the old, the same in every channel. Items that are
-- no pictures are moved as a whole. order(): an int64 tensor.
function common.moved_pixels(shape, order, recipe)
   local pixels, channels = 1, #shape == 3 and shape[1] or 1
   for _, size in ipairs(shape) do pixels = pixels * size end
   pixels = pixels / channels
   return { labels = unchanged, by_item = true, recipe = recipe, make = function(set)
      local images = set.images
      return set:with_images(images:reshape(#images, channels, pixels):index_select(3, order()):reshape(images.shape))
   end }, pixels
end

-- A text that stands for a list of numbers.
function common.digest(list) return core.sha256(table.concat(list, " ")) end

return common
