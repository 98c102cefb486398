-- data/loader.lua: a data set in batches. `for x, y, index in data.loader(set, { batch_size = 32 }) do ... end`
local buckets = require "engram.data.buckets"
local core = require "engram.core"
local expected = require "engram.data.expected"
local raise = core.raise

local Loader = {}
Loader.__index = Loader

local function lib() return require "engram" end

-- Options: batch_size (32), shuffle (true; false: the order of the data set), stream ("order": where shuffles are drawn
-- from), drop_last (false: the last batch may be smaller), bucket (the data set's; none: batches of rows of like length are taken from
-- so many batches at a time).
function Loader.new(dataset, options)
   expected("data.loader", dataset)
   options = core.options("data.loader", options, { "batch_size", "shuffle", "stream", "drop_last", "bucket" })
   local batch = options.batch_size or 32
   if type(batch) ~= "number" or batch % 1 ~= 0 or batch < 1 then
      raise("data.loader: batch_size must be a whole number of at least 1, got %s", tostring(batch))
   end
   if options.bucket and options.shuffle == false then
      raise "data.loader: bucket draws the order of batches; with shuffle = false, which keeps the data set's, it would have no effect"
   end
   local size = dataset:size()
   return setmetatable({
      dataset = dataset, batch_size = batch, shuffle = options.shuffle ~= false, stream = options.stream or "order",
      bucket = buckets.check(dataset, options.bucket),
      steps = options.drop_last and math.floor(size / batch) or math.ceil(size / batch),      -- batches an epoch
      position = 0,                                                                           -- batches handed out
   }, Loader)
end

-- Starts an epoch: draws its order.
function Loader:begin()
   if self.order then self.order:release() end
   local size, engram = self.dataset:size(), lib()
   local order = self.shuffle and engram.randperm(size, { stream = self.stream }) or engram.arange(size)
   if self.bucket and self.shuffle then order = buckets.order(self, order) end
   self.order = order:keep()
   self.position = 0
end

-- Frees the order of an epoch that is not gone on with.
function Loader:release()
   if self.order then self.order:release() end
   self.order = nil
end

-- The next batch: x, y, index, and what else the data set tells of its items (a union: the task of each); nil at the end of the epoch,
-- after which the next call begins another.
function Loader:next()
   if not self.order then self:begin() end
   if self.position >= self.steps then
      self.order:release()
      self.order = nil
      return nil
   end
   local first = self.position * self.batch_size + 1
   local count = math.min(self.batch_size, self.dataset:size() - first + 1)
   self.position = self.position + 1
   local index = self.order:narrow(1, first, count)
   local x, y, tasks = self.dataset:batch(index)
   return x, y, index, tasks
end

-- A loader stands in a `for` itself; after a break, begin() starts over.
function Loader:__call() return self:next() end

-- Where the loader is within its epoch, for a checkpoint: { position =, order = tensor or nil }, which stay as they are.
function Loader:state() return { position = self.position, order = self.order and self.order:clone():keep() } end

function Loader:load_state(state)
   if type(state) ~= "table" or type(state.position) ~= "number" then
      raise("data.loader: load_state: expected what state() gave, { position =, order = }, got %s",
         type(state) == "table" and "a table without a position" or core.typename(state))
   end
   if state.order and #state.order ~= self.dataset:size() then
      raise("data.loader: the saved order has %d items, the data set %d", #state.order, self.dataset:size())
   end
   self.position, self.order = state.position, state.order and state.order:clone():keep()
end

return Loader
