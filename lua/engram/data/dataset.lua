-- data/dataset.lua: labelled items in memory, and what is made of them. A data set is never changed: every method that
-- alters one returns a new one, which shares the items where it can.
local ffi = require "ffi"
local core = require "engram.core"
local stratified = require "engram.data.stratified"
local tensor = require "engram.tensor"
local C, check, raise = core.C, core.check, core.raise

local Dataset = {}
Dataset.__index = Dataset

local FIELDS = { "name", "images", "labels", "classes", "class_names", "scale", "shift", "vocabulary", "trim", "side", "bucket" }

local function lib() return require "engram" end

-- ---- making -----------------------------------------------------------------------------------------------

local function check_labels(self)
   local labels, n = self.labels, #self.images
   if labels.dtype ~= "int64" or labels:dim() ~= 1 then
      raise("%s: labels must be (items) int64, got %s %s", self.name, tensor.shape_text(labels), labels.dtype)
   end
   if #labels ~= n then raise("%s: %d images, but %d labels", self.name, n, #labels) end
   local low, high = 1, 0
   if n > 0 then low, high = labels:min():item(), labels:max():item() end
   self.classes = self.classes or (self.class_names and #self.class_names) or high
   if low < 1 or high > self.classes then
      raise("%s: labels run from %d to %d, expected 1 to %d", self.name, low, high, self.classes)
   end
end

-- A data set of images (items, ...) and labels (items) int64 from 1. A batch holds images * scale + shift, as float32;
-- int64 images (tokens) are handed over as they are. classes: how many there are (default: the largest label).
function Dataset.new(fields)
   fields = core.options("data.dataset", fields, FIELDS)
   local self = { name = "data set", scale = 1, shift = 0 }
   for key, value in pairs(fields) do self[key] = value end
   if tensor.live(self.images, self.name .. ": images").dims < 1 then raise("%s: images must be (items, ...)", self.name) end
   self.images = self.images:detach():contiguous()
   for i, label in ipairs(type(self.labels) == "table" and self.labels or {}) do
      if type(label) == "number" and label % 1 ~= 0 then raise("%s: label %d is %s, expected a whole number", self.name, i, label) end
   end
   if type(self.labels) == "table" then self.labels = lib().tensor(self.labels, { dtype = "int64" }) end
   tensor.live(self.labels, self.name .. ": labels")
   check_labels(self)
   return setmetatable(self, Dataset)
end

-- A copy with some fields changed; its content is no longer hashed.
local function derive(self, changes)
   local copy = {}
   for _, key in ipairs(FIELDS) do copy[key] = self[key] end
   for key, value in pairs(changes) do copy[key] = value end
   return setmetatable(copy, Dataset)
end

-- ---- reading ----------------------------------------------------------------------------------------------

function Dataset:size() return #self.labels end

local function as_index(index)
   if type(index) == "number" then index = { index } end
   if type(index) == "table" then return lib().tensor(index, { dtype = "int64" }) end
   if core.typename(index) ~= "tensor" then
      raise("data set: expected positions as a list or an int64 tensor, got %s", core.shown(index))
   end
   return index
end

-- Rows of numbers without the columns at the end (side = "start": at the start) in which all are padding, where the data set says what
-- that is (trim).
function Dataset:trimmed(rows)
   if not self.trim then return rows end
   local at_start = self.side == "start"
   local width = tonumber(C.eg_padded_width(rows.tensor, self.trim, at_start))
   return rows:narrow(2, at_start and rows:size(2) - width + 1 or 1, width):contiguous()
end

-- The same items, whose batches are as wide as the data set.
function Dataset:untrimmed()
   if not self.trim then return self end
   local copy = derive(self, {})
   copy.trim, copy.bucket = nil, nil
   return copy
end

-- The items at index (an int64 tensor or a list, from 1): x (n, ...), y (n) labels.
function Dataset:batch(index)
   index = as_index(index)
   local images, shape = self.images, self.images.shape
   shape[1] = index:numel()
   local y = self.labels:index_select(1, index)
   if images.dtype == "int64" then return self:trimmed(images:index_select(1, index)), y end
   local x = tensor.new(images.dtype == "float64" and 1 or 0, shape)
   check(C.eg_batch(x.tensor, images.tensor, index.tensor, self.scale, self.shift))
   return x, y
end

-- ---- parts ------------------------------------------------------------------------------------------------

-- The items at index, in that order.
function Dataset:subset(index)
   index = as_index(index)
   return derive(self, { images = self.images:index_select(1, index), labels = self.labels:index_select(1, index) })
end

-- The first n items (all, when there are fewer).
function Dataset:take(n)
   if type(n) ~= "number" or n % 1 ~= 0 or n < 0 then raise("take: expected a number of items, got %s", tostring(n)) end
   if n >= self:size() then return self end
   return derive(self, { images = self.images:narrow(1, 1, n), labels = self.labels:narrow(1, 1, n) })
end

-- Two data sets, drawn without overlap: the first has n items, or the given fraction of them.
function Dataset:split(n, stream)
   local size = self:size()
   local count = core.part("split", n, size, "items")
   local order = lib().randperm(size, { stream = stream or "data" })
   return self:subset(order:narrow(1, 1, count)), self:subset(order:narrow(1, count + 1, size - count))
end

-- Two data sets without overlap, each in the order of the data: what is held out for validation, `share` of the items (or so many), of
-- every class in proportion, and the rest. Drawn by the seed (0) from a random stream of its own.
function Dataset:hold_out(share, seed)
   local held, kept = stratified("hold_out: share", self.labels, share, seed)
   return self:subset(held), self:subset(kept)
end

-- The items of the listed classes, in their order; labels stay as they are.
function Dataset:only(classes)
   if type(classes) ~= "table" then raise("only: expected a list of classes, got %s", core.shown(classes)) end
   local wanted = lib().zeros(self.classes, { dtype = "uint8" })
   for _, class in ipairs(classes) do
      if type(class) ~= "number" or class % 1 ~= 0 or class < 1 or class > self.classes then
         raise("only: class %s is out of range, expected 1 to %d", tostring(class), self.classes)
      end
      tensor.set_element(wanted, class - 1, 1)
   end
   return self:subset(wanted:index_select(1, self.labels):nonzero())
end

-- ---- changes ----------------------------------------------------------------------------------------------

-- What f makes of each label that occurs (1 for the others), and the largest of that.
local function map_labels(self, f)
   local map, most = {}, 0
   for _, label in ipairs(self.labels:tolist()) do
      if not map[label] then
         local new = f(label)
         if type(new) ~= "number" or new % 1 ~= 0 or new < 1 then
            raise("with_labels: label %d became %s, expected a whole number from 1", label, tostring(new))
         end
         map[label], most = new, math.max(most, new)
      end
   end
   for label = 1, self.classes do map[label] = map[label] or 1 end
   return map, most
end

-- The same items with labels f(label), a whole number from 1, or with those of a tensor (items) int64; classes: how many there are now
-- (default: the largest). The classes lose their names.
function Dataset:with_labels(f, classes)
   if tensor.is_tensor(f) then
      local copy = derive(self, { labels = f, classes = classes })
      copy.class_names = nil
      if not classes then copy.classes = nil end
      check_labels(copy)
      return copy
   end
   if type(f) ~= "function" then
      raise("with_labels: expected a function of a label, or labels (items) int64, got %s", core.shown(f))
   end
   local map, most = map_labels(self, f)
   if classes and most > classes then raise("with_labels: label %d is more than the %d classes", most, classes) end
   local copy = derive(self, { classes = classes or most })
   copy.labels = lib().tensor(map, { dtype = "int64" }):index_select(1, self.labels)
   copy.class_names = nil
   return copy
end

-- The same labels with other images, one for each.
function Dataset:with_images(images)
   tensor.live(images, "with_images")
   if #images ~= self:size() then raise("with_images: %d images for %d labels", #images, self:size()) end
   return derive(self, { images = images:detach():contiguous() })
end

-- Images are handed out as (image - mean) / deviation, after the present scale.
function Dataset:normalize(mean, deviation)
   if type(mean) ~= "number" or type(deviation) ~= "number" or deviation <= 0 then
      raise "normalize: expected a mean and a deviation above 0"
   end
   if self.images.dtype == "int64" then
      raise("normalize: the items of '%s' are int64 numbers, such as tokens, which are handed out as they are", self.name)
   end
   return derive(self, { scale = self.scale / deviation, shift = (self.shift - mean) / deviation })
end

-- ---- identity ---------------------------------------------------------------------------------------------

-- SHA-256 over shape, scale and bits of images and labels: two people with one hash train on the same numbers.
function Dataset:content_hash()
   if self.hash then return self.hash end
   local digest, hex = ffi.new "eg_sha256", ffi.new "char[65]"
   local head = ("%s %s %.17g %.17g"):format(tensor.shape_text(self.images), self.images.dtype, self.scale, self.shift)
   C.eg_sha256_begin(digest)
   C.eg_sha256_bytes(digest, head, #head)
   check(C.eg_sha256_tensor(digest, self.images.tensor))
   check(C.eg_sha256_tensor(digest, self.labels.tensor))
   C.eg_sha256_end(digest, hex)
   self.hash = ffi.string(hex)
   return self.hash
end

function Dataset:__tostring()
   return ("%s: %d items %s %s, %d classes"):format(self.name, self:size(), tensor.shape_text(self.images), self.images.dtype,
      self.classes)
end

return Dataset
