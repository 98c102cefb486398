-- tensor.lua: the Tensor type: handles over the core's tensors, their properties, scopes, and when to collect garbage.
--
-- A tensor is a small cdata (so that #x works) which owns one eg_tensor. What the graph knows of it, its record, is a
-- plain Lua table in `records`, found by the number in the handle; most tensors have none.
local ffi = require "ffi"
local core = require "engram.core"
local C, raise = core.C, core.raise

local tensor = {}
local methods, getters, setters = {}, {}, {}
tensor.methods, tensor.getters, tensor.setters = methods, getters, setters

local KEPT, SHARED, SEEN = 1, 2, 4       -- flags of a handle; SEEN: a gradient that somebody has asked for or given
tensor.KEPT, tensor.SHARED, tensor.SEEN = KEPT, SHARED, SEEN

tensor.dtypes = { float32 = 0, float64 = 1, int64 = 2, uint8 = 3 }
local dtype_names = { [0] = "float32", "float64", "int64", "uint8" }
tensor.dtype_names = dtype_names

-- ---- handles ----------------------------------------------------------------------------------------------

local metatable = { __gc = C.eg_handle_drop }
tensor.metatable = metatable

local function no_such_field(key)
   local names = {}
   for _, list in ipairs{ methods, getters } do
      for name in pairs(list) do names[name] = true end
   end
   raise("tensor has no field or method '%s'%s", key, require "engram.suggest".hint(key, names))
end

function metatable.__index(x, key)
   local method = methods[key]
   if method then return method end
   local getter = getters[key]
   if getter then return getter(x) end
   if type(key) == "string" then no_such_field(key) end
   return methods.index(x, key)
end

function metatable.__newindex(x, key, value)
   local setter = setters[key]
   if setter then return setter(x, value) end
   if type(key) == "string" then raise("tensor has no field '%s' that can be assigned", key) end
   methods.index_assign(x, key, value)
end

function metatable.__len(x)
   local t = x.tensor
   if t == nil then tensor.live(x) end
   return t.dims > 0 and tonumber(t.size[0]) or 0
end

local Handle = ffi.metatype("eg_handle", metatable)
tensor.Handle, core.Handle = Handle, Handle

local function is_tensor(value) return ffi.istype(Handle, value) end
tensor.is_tensor = is_tensor

metatable.__eq = function(a, b) return is_tensor(a) and is_tensor(b) and a.tensor == b.tensor end

-- The core's tensor in x; raises when x is no tensor or was released.
function tensor.live(x, name)
   if not is_tensor(x) then raise("%s: expected a tensor, got %s", name or "tensor", core.typename(x)) end
   if x.tensor == nil then
      raise("%sthis tensor was released: it was made in a scope that has ended; return it from the scope or call :keep()",
         name and name .. ": " or "")
   end
   return x.tensor
end
local live = tensor.live

-- ---- records and release ----------------------------------------------------------------------------------

local records = {}
tensor.records = records

-- Numbers of records: how many were ever given, and, up to `free` in the list, those that nobody has now. They are counted and not told by
-- the length of a list, and change in an order in which a finalizer that comes between loses a number and never makes two of it.
local used, free, free_numbers = 0, 0, {}

local function take_number()
   if free == 0 then
      used = used + 1
      return used
   end
   local n = free
   local number = free_numbers[n]
   free = n - 1
   return number
end

local function give_back(number)
   records[number] = nil
   local n = free + 1
   free_numbers[n] = number
   free = n
end

-- For handles with a record; the collector calls it, so it must not fail.
local function finalize(x)
   if x.record ~= 0 then give_back(x.record) end
   C.eg_handle_drop(x)
end

-- Gives x a record (a table of the graph).
function tensor.attach(x, record)
   local number = x.record
   if number == 0 then
      number = take_number()
      x.record = number
      ffi.gc(x, finalize)
   end
   records[number] = record
end

-- Frees x at once. Using it afterwards is an error.
function tensor.release(x)
   if x.tensor == nil then return end
   ffi.gc(x, nil)
   local number = x.record
   if number ~= 0 then
      x.record = 0
      give_back(number)
   end
   C.eg_free(x.tensor)
   x.tensor = nil
end
local release = tensor.release

-- ---- scopes and collection --------------------------------------------------------------------------------

local scope                                          -- the innermost open scope: a list of the tensors made in it
local collect_above, SLACK = 2 ^ 26, 2 ^ 26          -- bytes

-- LuaJIT's collector does not see the core's memory: when live bytes have doubled since last time, it is made to run.
local function collect()
   collectgarbage()
   collectgarbage()                                  -- the first freed records; the second frees what they held
   collect_above = 2 * tonumber(C.eg_live_bytes()) + SLACK
end
tensor.collect = collect

-- A handle over a new eg_tensor; raises the core's message for NULL.
local function wrap(pointer)
   if pointer == nil then raise("%s", core.message()) end
   local x = Handle(pointer, 0, 0)
   if scope then
      local n = scope.n + 1
      scope.n, scope[n] = n, x
   end
   if C.eg_live_bytes() > collect_above then collect() end
   return x
end
tensor.wrap = wrap

-- Marks what is returned, also within tables, as kept.
local function hold(value, held, seen)
   if is_tensor(value) then
      if bit.band(value.flags, KEPT) == 0 then
         value.flags = bit.bor(value.flags, KEPT)
         held[value] = true
      end
   elseif type(value) == "table" and not seen[value] then
      seen[value] = true
      for _, inner in next, value do hold(inner, held, seen) end
   end
end

-- Of what is returned, that which was made here belongs to the scope around from now on; the rest is whose it was.
local function leave(inner, outer, returned)
   scope = outer
   local held = {}
   for i = 1, returned.n do hold(returned[i], held, {}) end
   for i = 1, inner.n do
      local x = inner[i]
      if bit.band(x.flags, KEPT) == 0 then
         release(x)
      elseif outer and held[x] then
         outer.n = outer.n + 1
         outer[outer.n] = x
      end
   end
   for x in pairs(held) do x.flags = bit.band(x.flags, bit.bnot(KEPT)) end
end

local function pack(...) return { n = select("#", ...), ... } end

-- scope(f, ...): calls f(...); then releases every tensor made inside, except those returned (also within tables) and
-- those that were :keep()t. An error inside releases them too and is raised again.
function tensor.scope(f, ...)
   if f == nil then raise "scope: expected a function" end
   local outer = scope
   local inner = { n = 0 }
   scope = inner
   local results = pack(pcall(f, ...))
   leave(inner, outer, results)
   if not results[1] then error(results[2], 0) end
   return unpack(results, 2, results.n)
end

-- Two halves of scope for loops that must not call through a closure; used by the trainer.
function tensor.scope_open()
   local outer = scope
   scope = { n = 0, outer = outer }
   return scope
end

function tensor.scope_close(inner)
   local outer = inner.outer
   scope = outer
   for i = 1, inner.n do
      local x = inner[i]
      if bit.band(x.flags, KEPT) == 0 then release(x) end
   end
end

-- x:keep(): x outlives the scope it was made in. Returns x.
function methods.keep(x)
   live(x, "keep")
   x.flags = bit.bor(x.flags, KEPT)
   return x
end

-- x:release(): frees x now instead of when the collector comes by.
function methods.release(x) release(x) end

-- ---- new tensors ------------------------------------------------------------------------------------------

local sizes = ffi.new "int64_t[8]"                    -- for handing shapes to the core

-- Writes a Lua shape into the shared buffer; returns the number of dimensions and the buffer.
function tensor.set_sizes(shape, who)
   local n = #shape
   if n > 8 then raise("%s: %d dimensions, at most 8 are supported", who or "shape", n) end
   for i = 1, n do
      local size = shape[i]
      if type(size) ~= "number" or size % 1 ~= 0 then
         raise("%s: size %d must be a whole number, got %s", who or "shape", i, tostring(size))
      end
      if size < 0 then raise("%s: size %d of dimension %d is negative", who or "shape", size, i) end
      sizes[i - 1] = size
   end
   return n, sizes
end

-- An uninitialised tensor of a dtype number and a Lua shape.
function tensor.new(dtype, shape, who)
   local n, buffer = tensor.set_sizes(shape, who)
   local pointer = C.eg_new(dtype, n, buffer)
   if pointer == nil then
      collect()
      pointer = C.eg_new(dtype, n, buffer)
   end
   return wrap(pointer)
end

-- Uninitialised, of x's shape; dtype number -1: x's.
function tensor.like(x, dtype)
   local pointer = C.eg_new_like(x.tensor, dtype or -1)
   if pointer == nil then
      collect()
      pointer = C.eg_new_like(x.tensor, dtype or -1)
   end
   return wrap(pointer)
end

-- Uninitialised, of the broadcast shape of a and b.
function tensor.broadcast(a, b, dtype)
   local pointer = C.eg_new_broadcast(a.tensor, b.tensor, dtype or -1)
   if pointer == nil then
      collect()
      pointer = C.eg_new_broadcast(a.tensor, b.tensor, dtype or -1)
   end
   return wrap(pointer)
end

-- The two handles change places: each then holds the other's elements. For those who undo it before anybody else looks.
function tensor.change_places(a, b) a.tensor, b.tensor = live(b), live(a) end

-- A second handle over the same memory, outside the graph.
function tensor.alias(x) return wrap(C.eg_alias(x.tensor)) end

-- The number of a dtype given by name; nil gives `default`.
function tensor.dtype_number(name, default)
   if name == nil then return default end
   local number = tensor.dtypes[name]
   if not number then
      raise("unknown dtype '%s'%s", tostring(name), require "engram.suggest".hint(name, tensor.dtypes))
   end
   return number
end

-- A 0-based dimension from a 1-based or negative one.
function tensor.dimension(x, dim, who)
   local dims = x.tensor.dims
   if type(dim) ~= "number" or dim % 1 ~= 0 or dim == 0 or dim > dims or dim < -dims then
      raise("%s: dimension %s is out of range for shape %s, expected 1 to %d or -%d to -1", who, tostring(dim),
         tensor.shape_text(x), dims, dims)
   end
   return dim > 0 and dim - 1 or dims + dim
end

-- ---- properties -------------------------------------------------------------------------------------------

function getters.shape(x)
   local t = live(x)
   local shape = {}
   for d = 0, t.dims - 1 do shape[d + 1] = tonumber(t.size[d]) end
   return shape
end

function getters.dtype(x) return dtype_names[live(x).dtype] end

function tensor.shape_text(x) return "(" .. table.concat(getters.shape(x), ", ") .. ")" end

function methods.dim(x) return live(x).dims end
function methods.numel(x) return tonumber(live(x).count) end
function methods.is_contiguous(x) return live(x).contiguous == 1 end

-- x:size() is the shape, x:size(d) one of its sizes.
function methods.size(x, dim)
   if dim == nil then return getters.shape(live(x) and x) end
   return tonumber(live(x).size[tensor.dimension(x, dim, "size")])
end

-- Bytes of x's elements (shared memory counts for each view).
function methods.bytes(x) return tonumber(live(x).count * C.eg_element_size(x.tensor.dtype)) end

return tensor
