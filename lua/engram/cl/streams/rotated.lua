-- Rotated (Lopez-Paz and Ranzato 2017): every task is the same data set turned by an angle, counter-clockwise about the middle of the
-- picture, with zeros outside: each pixel mixed of the four around its place (bilinear), or the nearest one, as torchvision turns pictures.
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local experience = require "engram.cl.experience"
local random = require "engram.random"
local stream = require "engram.cl.stream"
local raise = core.raise

local WHO = "cl.streams.rotated"
local CHUNK = 64                                      -- pictures turned at a time: they stay in the cache
local GRID = 2 ^ 20                                   -- sines are rounded to it, so that no bit depends on a mathematics library

local function rounded(x) return math.floor(x * GRID + 0.5) / GRID end

-- What a pixel is made of that comes from column sx and row sy, counted from 0: a list of { column, row, weight }.
local SOURCES = {
   nearest = function(sx, sy) return { { math.floor(sx + 0.5), math.floor(sy + 0.5), 1 } } end,
   bilinear = function(sx, sy)
      local left, top, list = math.floor(sx), math.floor(sy), {}
      for corner = 0, 3 do
         local c, r = left + corner % 2, top + math.floor(corner / 2)
         list[corner + 1] = { c, r, (1 - math.abs(sx - c)) * (1 - math.abs(sy - r)) }
      end
      return list
   end,
}

-- For each pixel of the turned picture those it is made of: lists of indices and of weights. Outside there is nothing.
local function mixture(height, width, degrees, sources)
   local cos, sin = rounded(math.cos(math.rad(degrees))), rounded(math.sin(math.rad(degrees)))
   local cx, cy = (width - 1) / 2, (height - 1) / 2
   local index, weight = {}, {}
   for at = 1, height * width do
      local x, y = (at - 1) % width - cx, math.floor((at - 1) / width) - cy
      for k, source in ipairs(sources(cos * x - sin * y + cx, sin * x + cos * y + cy)) do
         local c, r, share = unpack(source)
         local inside = c >= 0 and c < width and r >= 0 and r < height
         index[k], weight[k] = index[k] or {}, weight[k] or {}
         index[k][at], weight[k][at] = inside and r * width + c + 1 or 1, inside and share or 0
      end
   end
   return index, weight
end

-- pixels (pictures, height * width)
local function turn_chunk(pixels, index, weight)
   local sum
   for k = 1, #index do
      local term = pixels:index_select(2, index[k]):mul(weight[k])
      sum = sum and sum:add_(term) or term
   end
   return sum
end

-- A data set turned; bytes stay bytes, rounded to the nearest.
local function turned(set, degrees, sources)
   local engram, images = require "engram", set.images
   local n, channels, height, width = unpack(images.shape)
   local indices, weights = mixture(height, width, degrees, sources)
   local real = images.dtype == "float64" and "float64" or "float32"
   for k = 1, #indices do
      indices[k] = engram.tensor(indices[k], { dtype = "int64" })
      weights[k] = engram.tensor(weights[k], { dtype = real })
   end
   local pictures = images:reshape(n * channels, height * width)
   local out = engram.empty_like(pictures)
   for first = 1, n * channels, CHUNK do
      local count = math.min(CHUNK, n * channels - first + 1)
      engram.scope(function()
         local chunk = turn_chunk(pictures:narrow(1, first, count):to(real), indices, weights)
         if images.dtype == "uint8" then chunk = chunk:add_(0.5) end
         out:narrow(1, first, count):copy_(chunk)
      end)
   end
   return set:with_images(out:reshape(n, channels, height, width))
end

local function part_of(set, degrees, interpolation)
   local how = interpolation == "bilinear" and "" or " " .. interpolation   -- as recipes were before there was a choice
   return common.part(set, { recipe = ("rotated %.17g%s"):format(degrees, how), labels = common.unchanged, by_item = true,
      make = function(items) return turned(items, degrees, SOURCES[interpolation]) end })
end

-- The angles: those given, or uniform in [0, 180), drawn by the seed.
local function angles_of(options)
   if options.angles == nil then
      local source, list = random.private(common.seed(WHO .. ": seed", options.seed), "rotated"), {}
      for k = 1, core.whole(WHO .. ": tasks", options.tasks or 10) do list[k] = 180 * random.number(source) end
      return list
   end
   if options.tasks or options.seed then raise("%s: angles say how many tasks there are and need no seed", WHO) end
   if type(options.angles) ~= "table" or #options.angles == 0 then raise("%s: angles must be a list of degrees", WHO) end
   for k, angle in ipairs(options.angles) do common.number(("%s: angle %d"):format(WHO, k), angle, -360, 360) end
   return options.angles
end

return {
   name = "rotated",
   doc = "one data set, turned by another angle in each task: rotated(\"mnist\", { tasks = 20 })",
   -- rotated(source, { tasks = 10, seed = 0, angles = { degrees, ... }, interpolation = "bilinear" or "nearest", scenario =, ... })
   make = function(source, options)
      options = common.options(WHO, options, { "angles", "interpolation" })
      local interpolation = options.interpolation or "bilinear"
      core.choice(WHO .. ": interpolation", interpolation, { "bilinear", "nearest" })
      local base, list = common.base(WHO, source, options), {}
      local shape = base.train.images.shape
      table.remove(shape, 1)
      common.picture(WHO, shape)
      if base.train.images.dtype == "int64" then raise("%s: pictures of int64 cannot be mixed; give bytes or real numbers", WHO) end
      for k, angle in ipairs(angles_of(options)) do
         local made = common.parts(base, function(set) return part_of(set, angle, interpolation) end)
         list[k] = experience.new{ name = ("%s at %.1f"):format(base.name, angle), epochs = base.epochs, classes = base.classes,
            source = base.source, tested_on_training = base.tested_on_training, angle = angle,
            train = made.train, validation = made.validation, test = made.test }
      end
      list.scenario, list.outputs = options.scenario, options.outputs
      return stream.new(list)
   end,
}
