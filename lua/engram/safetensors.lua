-- safetensors.lua: named tensors and text in one file that any NumPy or PyTorch user can open.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local C, raise = core.C, core.raise

local safetensors = {}

-- The names to write, in the order given or sorted: pairs() has no order that two runs share.
local function names_in_order(who, table_, order)
   local names = {}
   for name in pairs(table_) do
      if type(name) ~= "string" then raise("%s: names must be strings, got %s", who, core.typename(name)) end
      names[#names + 1] = name
   end
   table.sort(names)
   if not order then return names end
   for _, name in ipairs(order) do
      if table_[name] == nil then raise("%s: the order names '%s', which is not there", who, tostring(name)) end
   end
   if #order ~= #names then raise("%s: the order has %d names for %d tensors", who, #order, #names) end
   return order
end

local function strings(list) return ffi.new("const char *[?]", #list + 1, list) end

-- ---- the checksum -----------------------------------------------------------------------------------------

local CHECKSUM = "crc32c"               -- its key in the metadata

-- CRC-32C of all that a file says: metadata by key, then tensors by name, each name and text with a zero behind it. As 8 digits.
local function checksum_of(tensors, metadata)
   local sum = ffi.new "uint32_t[1]"
   local function add(text) sum[0] = C.eg_crc32c_more(sum[0], text, #text + 1) end
   for _, key in ipairs(names_in_order("safetensors", metadata)) do
      if key ~= CHECKSUM then
         add(key)
         add(metadata[key])
      end
   end
   for _, name in ipairs(names_in_order("safetensors", tensors)) do
      add(name)
      core.check(C.eg_crc32c_tensor(sum, tensor.live(tensors[name], name)))
   end
   return ("%08x"):format(tonumber(sum[0]))
end

-- A file without a checksum is taken as it is: other programs write none.
local function check_sum(path, tensors, metadata)
   local said = metadata[CHECKSUM]
   if not said then return end
   local is = checksum_of(tensors, metadata)
   if is ~= said then
      raise("%s: is damaged: its CRC-32C is %s, it was saved with %.20s", path, is, said)
   end
end

-- ---- files ------------------------------------------------------------------------------------------------

-- The metadata's keys and texts.
local function texts_of(metadata)
   local keys, values = names_in_order("safetensors.save: metadata", metadata), {}
   for i, key in ipairs(keys) do
      values[i] = metadata[key]
      if type(values[i]) ~= "string" or values[i]:find "%z" then
         raise("safetensors.save: metadata '%s' must be text, got %s", key, core.typename(values[i]))
      end
   end
   return keys, values
end

-- The metadata with the checksum of it and the tensors.
local function with_checksum(tensors, metadata)
   local copy = {}
   for key, text in pairs(metadata) do copy[key] = text end
   copy[CHECKSUM] = checksum_of(tensors, metadata)
   return copy
end

-- safetensors.save(path, { name = tensor } [, { metadata = { key = text }, order = { names }, checksum = true }]): whole or not at all.
-- Tensors lie in the file by element size, wide ones first, and within one size in `order` (default: by name). `checksum` adds the
-- CRC-32C of it all to the metadata, as crc32c, which safetensors.load compares.
function safetensors.save(path, tensors, options)
   options = core.options("safetensors.save", options, { "metadata", "order", "checksum" })
   core.path("safetensors.save", path)
   if type(tensors) ~= "table" then raise("safetensors.save: expected { name = tensor }, got %s", core.typename(tensors)) end
   local names = names_in_order("safetensors.save", tensors, options.order)
   local pointers = ffi.new("eg_tensor *[?]", #names + 1)
   for i, name in ipairs(names) do pointers[i - 1] = tensor.live(tensors[name], name) end
   local metadata = options.metadata or {}
   local keys, values = texts_of(metadata)
   if options.checksum then keys, values = texts_of(with_checksum(tensors, metadata)) end
   core.check(C.eg_safetensors_write(path, #names, strings(names), pointers, #keys, strings(keys), strings(values)))
end

local function read_all(file)
   local tensors, order, metadata = {}, {}, {}
   for i = 0, tonumber(C.eg_safetensors_count(file)) - 1 do
      local name = ffi.string(C.eg_safetensors_name(file, i))
      order[i + 1], tensors[name] = name, tensor.wrap(C.eg_safetensors_read(file, i))
   end
   for i = 0, tonumber(C.eg_safetensors_metadata_count(file)) - 1 do
      metadata[ffi.string(C.eg_safetensors_metadata_key(file, i))] = ffi.string(C.eg_safetensors_metadata_value(file, i))
   end
   return tensors, metadata, order
end

-- safetensors.load(path): { name = tensor }, { key = text } of its metadata, and the list of names in the file's order.
-- float16 and bfloat16 become float32, narrow integers int64, booleans uint8. Raises where a checksum is not that of what was read.
function safetensors.load(path)
   core.path("safetensors.load", path)
   local file = C.eg_safetensors_open(path)
   if file == nil then raise("%s", core.message()) end
   local ok, tensors, metadata, order = pcall(read_all, file)
   C.eg_safetensors_close(file)
   if not ok then error(tensors, 0) end
   check_sum(path, tensors, metadata)
   return tensors, metadata, order
end

return safetensors
