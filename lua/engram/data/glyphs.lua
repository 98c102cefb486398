-- data/glyphs.lua: data that needs no download: ten drawn digits and ten drawn garments, 28x28 bytes, each item with a
-- place, size, slant, width, brightness and noise of its own. One seed always gives the same bytes, and the first n items
-- do not depend on how many are asked for.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local random = require "engram.random"
local raster = require "engram.data.raster"
local shapes = require "engram.data.shapes"
local Dataset = require "engram.data.dataset"
local C, check = core.C, core.check

local glyphs = {}

local SIZE, PIXELS, CENTRE = raster.SIZE, raster.SIZE * raster.SIZE, (raster.SIZE - 1) / 2
local CHUNK, DRAWS = 500, 16                           -- items drawn at a time; random numbers for an item's geometry

local points = ffi.new "double[128]"
local picture = ffi.new("double[?]", PIXELS)

local function between(u, low, high) return low + (high - low) * u end

-- The item's own transformation: u -> rotation, slant, sizes, place, and a slight bend.
local function placement(u, style)
   local angle = between(u[0], -style.angle, style.angle)
   local size, aspect = between(u[1], 6.8, 10.2), between(u[2], 0.85, 1.18)
   return {
      cos = math.cos(angle), sin = math.sin(angle), slant = between(u[3], -style.slant, style.slant),
      x_size = size * aspect, y_size = size / aspect,
      x = CENTRE + between(u[4], -style.shift, style.shift), y = CENTRE + between(u[5], -style.shift, style.shift),
      bend = between(u[6], -0.16, 0.16), phase = between(u[7], -1.5, 1.5),
   }
end

-- Writes a part's points, in pixels, to the shared buffer.
local function place(part, p)
   for i = 0, part.n - 1 do
      local x, y = part.points[2 * i], part.points[2 * i + 1]
      x, y = x + p.bend * math.sin(2 * y + p.phase), y + p.bend * math.sin(2 * x + p.phase)
      x = p.x_size * (x + p.slant * y)
      y = p.y_size * y
      points[2 * i] = p.x + p.cos * x - p.sin * y
      points[2 * i + 1] = p.y + p.sin * x + p.cos * y
   end
end

local function draw(shape, u, style)
   local p = placement(u, style)
   local half, level = between(u[8], style.thin, style.thick), between(u[9], 0.55, 1)
   ffi.fill(picture, ffi.sizeof(picture))
   for _, part in ipairs(shape) do
      place(part, p)
      if part.kind == "fill" then raster.fill(picture, points, part.n, level)
      else raster.stroke(picture, points, part.n, half, part.kind == "cut" and -0.15 or level) end
   end
end

-- The picture as bytes, under stripes (cloth) and noise: the sum of two uniform numbers, so that no bit depends on a
-- machine's mathematics library.
local function develop(out, u, first_noise, second_noise, style)
   local stripe, across, along = style.stripes * u[10], between(u[11], -1.2, 1.2), between(u[12], -1.2, 1.2)
   local strength = between(u[13], 0.04, style.noise)
   for y = 0, SIZE - 1 do
      for x = 0, SIZE - 1 do
         local i = y * SIZE + x
         local value = picture[i] * (1 - stripe * (0.5 + 0.5 * math.sin(across * x + along * y)))
         value = value + strength * (first_noise[i] + second_noise[i] - 1)
         out[i] = math.floor(math.max(0, math.min(1, value)) * 255 + 0.5)
      end
   end
end

local function uniform(stream, ...)
   local x = tensor.new(0, { ... })
   check(C.eg_uniform(x.tensor, stream, 0, 1))
   return x, ffi.cast("float *", x.tensor.data)
end

-- Labels of a chunk: every run of ten items holds each class once, in random order.
local function draw_labels(stream, labels)
   local order = tensor.new(2, { 10 })
   for first = 0, CHUNK - 1, 10 do
      check(C.eg_randperm(order.tensor, stream))
      ffi.copy(labels + first, order.tensor.data, 80)
   end
   order:release()
end

local function draw_chunk(drawings, style, stream, images, labels, count)
   draw_labels(stream, labels)
   local u_tensor, u = uniform(stream, CHUNK, DRAWS)
   local noise_tensor, noise = uniform(stream, CHUNK, 2 * PIXELS)
   for i = 0, count - 1 do
      draw(drawings[tonumber(labels[i])], u + i * DRAWS, style)
      develop(images + i * PIXELS, u + i * DRAWS, noise + 2 * i * PIXELS, noise + (2 * i + 1) * PIXELS, style)
   end
   u_tensor:release()
   noise_tensor:release()
end

local styles = {
   digits = { angle = 0.35, slant = 0.25, shift = 2.5, thin = 0.7, thick = 1.7, stripes = 0, noise = 0.45,
      names = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" } },
   garments = { angle = 0.25, slant = 0.15, shift = 2, thin = 0.6, thick = 0.9, stripes = 0.7, noise = 0.4,
      names = { "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot" } },
}

-- A data set of `count` items of a kind, from the stream of its own name: train and test share no random number.
local function make(kind, part, count, seed)
   local name = ("glyphs/%s/%s"):format(kind, part)
   local style, stream = styles[kind], random.private(seed, name)
   local images, labels = tensor.new(3, { count, 1, SIZE, SIZE }), tensor.new(2, { count })
   local chunk_labels = ffi.new("int64_t[?]", CHUNK)
   for first = 0, count - 1, CHUNK do
      local n = math.min(CHUNK, count - first)
      draw_chunk(shapes[kind], style, stream, ffi.cast("uint8_t *", images.tensor.data) + first * PIXELS, chunk_labels, n)
      ffi.copy(ffi.cast("int64_t *", labels.tensor.data) + first, chunk_labels, n * 8)
   end
   return Dataset.new{ name = name, images = images, labels = labels, class_names = style.names, scale = 1 / 255 }
end

local function load(kind, options)
   local seed = options.seed or 0
   local function at_most(count, limit) return limit and math.min(count, limit) or count end         -- what is not wanted is not drawn
   return { train = make(kind, "train", at_most(options.train or 6000, options.limit), seed),
      test = make(kind, "test", at_most(options.test or 1000, options.test_limit), seed) }
end

-- Options: train, test (how many items: 6000 and 1000), seed (0; other drawings than those of everybody else).
function glyphs.register(data)
   for _, kind in ipairs{ "digits", "garments" } do
      data.register("glyphs/" .. kind, {
         doc = "drawn " .. kind .. ", made on the spot", items = "any number", shape = "28x28", licence = "part of Engram",
         options = { "seed" }, load = function(options) return load(kind, options) end,
      })
   end
end

return glyphs
