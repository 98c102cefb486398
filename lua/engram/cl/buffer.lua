-- cl/buffer.lua: a memory of items: images, labels, the task of each and, where asked for, the model's logits. It draws from the random
-- stream `replay`, is saved to the bit in checkpoints and counted in bytes like any other state of a method.
--
-- How it is filled:
--   reservoir   every item ever offered is in it with the same probability (Vitter 1985, algorithm R)
--   balanced    as many of each class as there is room for; one of the largest class makes place (GDumb, Prabhu et al. 2020)
--   and by classes or tasks: take() draws so many of each class, or of the whole, of a data set and adds room for them
local core = require "engram.core"
local random = require "engram.random"
local tensor = require "engram.tensor"
local C, check, raise = core.C, core.check, core.raise

local Buffer = {}
Buffer.__index = Buffer

local buffer = {}

local function lib() return require "engram" end

-- new(): empty, without room.
function buffer.new() return setmetatable({ capacity = 0, count = 0, seen = 0 }, Buffer) end

-- Gives the plain table of a checkpoint its methods.
function buffer.revive(plain) return setmetatable(plain, Buffer) end

-- The number of items in it.
function Buffer:size() return self.count end

-- ---- room -------------------------------------------------------------------------------------------------

local FIELDS = { "images", "labels", "tasks", "logits" }

-- Room for `capacity` items like those of the given batch; those that are there stay.
local function make_room(self, capacity, batch)
   if capacity <= self.capacity then return end
   for _, name in ipairs(FIELDS) do
      local example = self[name] or batch[name]
      if example then
         local shape = example.shape
         shape[1] = capacity
         local larger = lib().zeros(shape, { dtype = example.dtype }):keep()
         if self.count > 0 and self[name] then
            larger:narrow(1, 1, self.count):copy_(self[name]:narrow(1, 1, self.count))
            self[name]:release()
         end
         self[name] = larger
      end
   end
   self.capacity = capacity
end

-- ---- bytes ------------------------------------------------------------------------------------------------

-- Images that come from bytes are kept as bytes, with the scale and shift that make numbers of them.

-- format(dataset): { scale =, shift = } of a data set of bytes, else nil.
function buffer.format(dataset)
   return dataset.images.dtype == "uint8" and { scale = dataset.scale, shift = dataset.shift } or nil
end

-- The numbers of bytes at an index (all), as a data set's batch has them.
local function numbers(format, bytes, index)
   local shape = bytes.shape
   index = index and index:contiguous() or lib().arange(1, shape[1])
   shape[1] = index:numel()
   local x = tensor.new(0, shape)
   check(C.eg_batch(x.tensor, bytes.tensor, index.tensor, format.scale, format.shift))
   return x
end

-- The bytes whose numbers these are, or nil where they are no bytes' numbers.
local function bytes_of(format, images)
   local bytes = ((images - format.shift) / format.scale + 0.5):clamp(0, 255):to "uint8"
   return numbers(format, bytes):equal(images) and bytes or nil
end

-- batch.images become bytes where those in the memory are; what has another normalisation makes numbers of them all.
local function pack(self, batch, format)
   if not self.images and format then self.scale, self.shift = format.scale, format.shift end
   if not self.scale then return end
   local alike = format and format.scale == self.scale and format.shift == self.shift
   local bytes = alike and bytes_of(self, batch.images)
   if bytes then
      batch.images = bytes
      return
   end
   if self.images then
      local all = numbers(self, self.images):keep()
      self.images:release()
      self.images = all
   end
   self.scale, self.shift = nil, nil
end

-- Item i of the batch takes the place `slot`.
local function put(self, slot, batch, i)
   for _, name in ipairs(FIELDS) do
      if batch[name] then self[name]:narrow(1, slot, 1):copy_(batch[name]:narrow(1, i, 1)) end
   end
end

-- ---- filling ----------------------------------------------------------------------------------------------

-- A whole number from 1 to n.
local function draw_number(n) return math.floor(random.number "replay" * n) + 1 end

local function reservoir(self, batch, i)
   self.seen = self.seen + 1
   if self.count < self.capacity then
      self.count = self.count + 1
      return put(self, self.count, batch, i)
   end
   local slot = draw_number(self.seen)
   if slot <= self.capacity then put(self, slot, batch, i) end
end

-- { class = { slots } } of what is in it.
local function slots_by_class(self)
   local slots, labels = {}, self.labels:tolist()
   for i = 1, self.count do
      local class = labels[i]
      slots[class] = slots[class] or {}
      table.insert(slots[class], i)
   end
   return slots
end

-- The class that has most; of several the lowest.
local function largest_class(slots)
   local classes = {}
   for class in pairs(slots) do classes[#classes + 1] = class end
   table.sort(classes)
   local largest = classes[1]
   for _, class in ipairs(classes) do
      if #slots[class] > #slots[largest] then largest = class end
   end
   return largest
end

-- An item comes in where its class has fewer than an equal share of the room.
local function balanced(self, batch, i, slots, class)
   self.seen = self.seen + 1
   local own, classes = slots[class] or {}, 0
   slots[class] = own
   for _ in pairs(slots) do classes = classes + 1 end
   local slot
   if self.count < self.capacity then
      self.count = self.count + 1
      slot = self.count
   elseif #own < self.capacity / classes then
      local largest = slots[largest_class(slots)]
      if largest == own then return end
      slot = table.remove(largest, draw_number(#largest))
   else
      return
   end
   own[#own + 1] = slot
   put(self, slot, batch, i)
end

-- add(filling, capacity, batch): offers a batch { images =, labels =, tasks =, logits =, format = } (tasks: a number, or int64 for each
-- item; format: of the data set that the images are of, see buffer.format).
function Buffer:add(filling, capacity, batch)
   local n = #batch.labels
   local given = { images = batch.images:detach(), labels = batch.labels:contiguous(), logits = batch.logits and batch.logits:detach(),
      tasks = type(batch.tasks) == "number" and lib().full({ n }, batch.tasks, { dtype = "int64" }) or batch.tasks }
   pack(self, given, batch.format)
   make_room(self, capacity, given)
   local slots, labels = nil, nil
   if filling == "balanced" then slots, labels = slots_by_class(self), given.labels:tolist() end
   for i = 1, n do
      if slots then balanced(self, given, i, slots, labels[i]) else reservoir(self, given, i) end
   end
end

-- take(dataset, count, by_class, tasks): so many items of each class of the data set (or of all of it) are drawn and stay for good.
-- tasks: the task of them all, or a function that gives it for their labels (int64).
function Buffer:take(dataset, count, by_class, tasks)
   local order = lib().randperm(dataset:size(), { stream = "replay" }):tolist()
   local labels = dataset.labels:tolist()
   local chosen, per_class = {}, {}
   for _, i in ipairs(order) do
      local key = by_class and labels[i] or 0
      per_class[key] = (per_class[key] or 0) + 1
      if per_class[key] <= count then chosen[#chosen + 1] = i end
   end
   table.sort(chosen)
   local images, own = dataset:batch(chosen)
   local given = type(tasks) == "function" and tasks(own) or lib().full({ #chosen }, tasks, { dtype = "int64" })
   local batch = { images = images, labels = own, tasks = given }
   pack(self, batch, buffer.format(dataset))
   make_room(self, self.count + #chosen, batch)
   for _, name in ipairs(FIELDS) do
      if batch[name] then self[name]:narrow(1, self.count + 1, #chosen):copy_(batch[name]) end
   end
   self.count, self.seen = self.count + #chosen, self.seen + dataset:size()
end

-- shrink(n [, most]): n items of each task stay, and at most so many in all, drawn from those that are in it; the room of the others is
-- given back.
function Buffer:shrink(n, most)
   if self.count == 0 then return end
   local parts, last = {}, self.tasks:narrow(1, 1, self.count):max():item()
   for k = 1, last do
      local own = self.tasks:narrow(1, 1, self.count):eq(k):nonzero()
      if #own > n then own = own:index_select(1, lib().randperm(#own, { stream = "replay" }):narrow(1, 1, n)) end
      if #own > 0 then parts[#parts + 1] = own end
   end
   local index = #parts > 0 and lib().cat(parts, 1) or lib().zeros(0, { dtype = "int64" })
   if most and #index > most then index = index:index_select(1, lib().randperm(#index, { stream = "replay" }):narrow(1, 1, most)) end
   for _, name in ipairs(FIELDS) do
      local own = self[name]
      if own then
         self[name] = own:index_select(1, index):keep()
         own:release()
      end
   end
   self.count, self.capacity = #index, #index
end

-- ---- drawing ----------------------------------------------------------------------------------------------

-- The items at an index (int64, from 1): { images, labels, tasks, logits }.
function Buffer:items(index)
   local found = {}
   for _, name in ipairs(FIELDS) do
      local own = self[name]
      if own then found[name] = name == "images" and self.scale and numbers(self, own, index) or own:index_select(1, index) end
   end
   return found
end

-- draw(n): n different items, or all there are; nil when it is empty.
function Buffer:draw(n)
   if self.count == 0 then return nil end
   local order = lib().randperm(self.count, { stream = "replay" })
   return self:items(order:narrow(1, 1, math.min(n, self.count)))
end

-- of_task(k): all items of task k; nil when it is empty.
function Buffer:of_task(k)
   if self.count == 0 then return nil end
   return self:items(self.tasks:narrow(1, 1, self.count):eq(k):nonzero())
end

-- draw_of_tasks(n, tasks): n items of each of the tasks 1 .. tasks, or all that there are of it.
function Buffer:draw_of_tasks(n, tasks)
   if self.count == 0 then return nil end
   local parts = {}
   for k = 1, tasks do
      local own = self.tasks:narrow(1, 1, self.count):eq(k):nonzero()
      if #own > 0 then
         local order = lib().randperm(#own, { stream = "replay" })
         parts[#parts + 1] = own:index_select(1, order:narrow(1, 1, math.min(n, #own)))
      end
   end
   return #parts > 0 and self:items(lib().cat(parts, 1)) or nil
end

-- dataset(classes): what is in it as a data set whose batches also tell each item's task.
function Buffer:dataset(classes)
   if self.count == 0 then raise "cl.buffer: it is empty" end
   local set = require "engram.data".dataset{ name = "memory", images = self.images:narrow(1, 1, self.count):clone():keep(),
      labels = self.labels:narrow(1, 1, self.count):clone():keep(), classes = classes, scale = self.scale, shift = self.shift }
   local tasks = self.tasks:narrow(1, 1, self.count):clone():keep()
   local batch = set.batch
   set.batch = function(own, index)
      local x, y = batch(own, index)
      return x, y, tasks:index_select(1, index)
   end
   return set
end

return buffer
