-- random.lua: one root seed, named Philox streams. A new consumer names a stream of its own and shifts no other.
local ffi = require "ffi"
local core = require "engram.core"
local C = core.C

local random = {}
local root = 0
local streams = {}

local function check_seed(seed)
   if type(seed) ~= "number" or seed % 1 ~= 0 or seed < 0 or seed > 2 ^ 53 then
      core.raise("seed: expected a whole number from 0 to 2^53, got %s", tostring(seed))
   end
end

-- Sets the root seed and sets every stream back to its start. Without an argument: returns the seed.
function random.seed(seed)
   if seed == nil then return root end
   check_seed(seed)
   root = seed
   for name, stream in pairs(streams) do
      stream.key, stream.counter = C.eg_rng_key(root, name), 0
   end
end

-- The stream `name` (default "default"), made on first use from the root seed and its name; a private stream is itself.
function random.stream(name)
   name = name or "default"
   if ffi.istype("eg_rng", name) then return name end
   local stream = streams[name]
   if not stream then
      if type(name) ~= "string" then core.raise("random.stream: expected a name, got %s", core.typename(name)) end
      stream = ffi.new("eg_rng", C.eg_rng_key(root, name), 0)
      streams[name] = stream
   end
   return stream
end

-- A stream that belongs to nobody else: made from `seed` and `name`, not part of the state.
function random.private(seed, name)
   check_seed(seed)
   if type(name) ~= "string" then core.raise("random.private: expected a name, got %s", core.typename(name)) end
   return ffi.new("eg_rng", C.eg_rng_key(seed, name), 0)
end

-- { seed =, counters = { name = blocks taken } }: all there is to know, for a checkpoint.
function random.state()
   local counters = {}
   for name, stream in pairs(streams) do counters[name] = tonumber(stream.counter) end
   return { seed = root, counters = counters }
end

function random.load_state(state)
   if type(state) ~= "table" or type(state.counters) ~= "table" then
      core.raise "random.load_state: expected a table made by random.state()"
   end
   random.seed(state.seed)
   for name, counter in pairs(state.counters) do random.stream(name).counter = counter end
end

-- A number in [0, 1) from the named stream.
function random.number(name) return C.eg_rng_double(random.stream(name)) end

return random
