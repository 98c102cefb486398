-- data/buckets.lua: an epoch's order in which the rows of a batch are of like length, so that little of it is padding. Of a shuffled order
-- so many batches at a time are sorted by length; then the batches are shuffled. What is not a whole batch stays the last.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local C, check, raise = core.C, core.check, core.raise

local buckets = {}

-- The number of batches to sort at a time, or nil.
function buckets.check(dataset, bucket)
   bucket = bucket or dataset.bucket
   if not bucket then return nil end
   core.whole("data.loader: bucket", bucket)
   if not dataset.trim then raise "data.loader: bucket is for texts that are padded batch by batch (text.dataset)" end
   return bucket
end

local function lengths_of(dataset)
   local lengths = tensor.new(2, { dataset:size() })
   check(C.eg_row_lengths(lengths.tensor, dataset.images:contiguous().tensor, dataset.trim, dataset.side == "start"))
   return lengths
end

local function numbers(x) return ffi.cast("int64_t *", x.tensor.data) end

-- Sorts items by length in place, those of equal length as they stood.
local function sort_run(items, first, count, length)
   local run = {}
   for i = 1, count do run[i] = { item = items[first + i - 1], place = i, length = length[items[first + i - 1] - 1] } end
   table.sort(run, function(a, b) return a.length < b.length or (a.length == b.length and a.place < b.place) end)
   for i = 1, count do items[first + i - 1] = run[i].item end
end

-- order(loader, shuffled) -> order (items) int64. Draws the order of the batches from the loader's stream.
function buckets.order(loader, shuffled)
   local size, batch = loader.dataset:size(), loader.batch_size
   local whole = math.floor(size / batch)
   local out, sorted, lengths = tensor.new(2, { size }), shuffled:clone(), lengths_of(loader.dataset)
   local from, to, length = numbers(sorted), numbers(out), numbers(lengths)
   local run = loader.bucket * batch
   for first = 0, whole * batch - 1, run do sort_run(from, first, math.min(run, whole * batch - first), length) end
   if whole > 0 then
      local places = require "engram".randperm(whole, { stream = loader.stream })
      local place = numbers(places)
      for i = 0, whole - 1 do ffi.copy(to + i * batch, from + (tonumber(place[i]) - 1) * batch, batch * 8) end
   end
   ffi.copy(to + whole * batch, from + whole * batch, (size - whole * batch) * 8)
   return out
end

return buckets
