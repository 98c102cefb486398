-- tensor/construct.lua: new tensors from nothing, from Lua tables and from random streams. Options come last:
-- { dtype = "float32", requires_grad = false, stream = "default" }.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local random = require "engram.random"
local C, check, raise = core.C, core.check, core.raise

local construct = {}
local ALLOWED = { "dtype", "requires_grad", "stream" }

local function refuse_sizes(who) raise("%s: expected sizes, or one table of sizes, then options", who) end

-- Splits f(2, 3, {dtype = ...}) or f({2, 3}, {...}) into a shape and options.
local function split(who, ...)
   local given = { ... }
   local last = given[#given]
   local options
   if type(last) == "table" and (#last == 0 and (next(last) ~= nil or #given > 1)) then
      options = core.options(who, last, ALLOWED)
      given[#given] = nil
   end
   local shape = given
   if type(given[1]) == "table" then
      if #given > 1 then refuse_sizes(who) end
      shape = given[1]
   elseif type(given[#given]) == "table" then
      refuse_sizes(who)
   end
   return shape, options or {}
end

local function finish(x, options)
   if options.requires_grad then x:requires_grad_() end
   return x
end

local function filled(who, value)
   return function(...)
      local shape, options = split(who, ...)
      local x = tensor.new(tensor.dtype_number(options.dtype, 0), shape, who)
      if value then check(C.eg_fill(x.tensor, value)) end
      return finish(x, options)
   end
end
construct.zeros, construct.ones, construct.empty = filled("zeros", 0), filled("ones", 1), filled("empty")

-- full(sizes..., value) or full({sizes}, value); full(value) is a scalar.
function construct.full(...)
   local given, options = { ... }, nil
   if type(given[#given]) == "table" then options = table.remove(given) end
   if options and #options > 0 then raise "full: sizes come before the value, options last: full({2, 3}, 0.5, {dtype = \"float64\"})" end
   options = core.options("full", options, ALLOWED)
   local value = table.remove(given)
   local shape = type(given[1]) == "table" and given[1] or given
   if shape == given[1] and #given > 1 then raise "full: expected sizes, or one table of sizes, then the value to fill with" end
   if type(value) ~= "number" then raise("full: expected a number to fill with, got %s", core.typename(value)) end
   local x = tensor.new(tensor.dtype_number(options.dtype, 0), shape, "full")
   check(C.eg_fill(x.tensor, value))
   return finish(x, options)
end

local function drawn(who, draw)
   return function(...)
      local shape, options = split(who, ...)
      local x = tensor.new(tensor.dtype_number(options.dtype, 0), shape, who)
      check(draw(x.tensor, random.stream(options.stream)))
      return finish(x, options)
   end
end
-- rand: uniform in [0, 1). randn: normal, mean 0, deviation 1.
construct.rand = drawn("rand", function(t, stream) return C.eg_uniform(t, stream, 0, 1) end)
construct.randn = drawn("randn", function(t, stream) return C.eg_normal(t, stream, 0, 1) end)

-- randint(low, high, sizes...): whole numbers low .. high, both ends included; int64 unless told otherwise.
function construct.randint(low, high, ...)
   local shape, options = split("randint", ...)
   if type(low) ~= "number" or type(high) ~= "number" then raise "randint: expected low, high, then sizes" end
   local x = tensor.new(tensor.dtype_number(options.dtype, 2), shape, "randint")
   check(C.eg_randint(x.tensor, random.stream(options.stream), low, high))
   return finish(x, options)
end

-- randperm(n): the numbers 1 .. n in random order (int64).
function construct.randperm(n, options)
   options = core.options("randperm", options, ALLOWED)
   if type(n) ~= "number" then raise("randperm: expected how many numbers, got %s", core.typename(n)) end
   local x = tensor.new(tensor.dtype_number(options.dtype, 2), { n }, "randperm")
   check(C.eg_randperm(x.tensor, random.stream(options.stream)))
   return finish(x, options)
end

-- arange(first, last [, step]): first, first + step, ... up to last (included); arange(n) is 1 .. n. int64 when all are whole.
function construct.arange(first, last, step, options)
   if type(last) == "table" then last, options = nil, last end
   if type(step) == "table" then step, options = nil, step end
   options = core.options("arange", options, ALLOWED)
   if last == nil then first, last = 1, first end
   step = step or 1
   if type(first) ~= "number" or type(last) ~= "number" or type(step) ~= "number" or step == 0 then
      raise "arange: expected numbers, and a step other than 0"
   end
   local count = math.max(0, math.floor((last - first) / step + 1e-9) + 1)
   local whole = first % 1 == 0 and step % 1 == 0
   local x = tensor.new(tensor.dtype_number(options.dtype, whole and 2 or 0), { count }, "arange")
   for i = 0, count - 1 do tensor.set_element(x, i, first + i * step) end
   return finish(x, options)
end

-- linspace(first, last, count): evenly spaced, both ends included.
function construct.linspace(first, last, count, options)
   options = core.options("linspace", options, ALLOWED)
   if type(first) ~= "number" or type(last) ~= "number" or type(count) ~= "number" then
      raise "linspace: expected the first number, the last, and how many there are"
   end
   local x = tensor.new(tensor.dtype_number(options.dtype, 0), { count }, "linspace")
   for i = 0, count - 1 do
      tensor.set_element(x, i, count == 1 and first or first + (last - first) * i / (count - 1))
   end
   return finish(x, options)
end

-- eye(n [, m]): ones on the diagonal.
function construct.eye(n, m, options)
   if type(m) == "table" then m, options = nil, m end
   options = core.options("eye", options, ALLOWED)
   if type(n) ~= "number" or type(m or n) ~= "number" then raise "eye: expected the number of rows, then that of columns" end
   local x = construct.zeros(n, m or n, { dtype = options.dtype })
   for i = 0, math.min(n, m or n) - 1 do tensor.set_element(x, i * (m or n) + i, 1) end
   return finish(x, options)
end

-- ---- from Lua tables --------------------------------------------------------------------------------------

local function measure(value, shape, depth)
   if type(value) ~= "table" then return end
   shape[depth] = #value
   for key in pairs(value) do
      if type(key) ~= "number" or key < 1 then
         raise("tensor: the table of numbers has a key %s; options come after it: engram.tensor({ 1, 2 }, { dtype = \"float64\" })",
            core.shown(key))
      end
   end
   if table.maxn(value) ~= #value then raise("tensor: a table with holes: element %d is nil", #value + 1) end
   if depth > 8 then raise "tensor: a table nested more than 8 deep" end
   if #value > 0 then measure(value[1], shape, depth + 1) end
end

local function pour(x, value, shape, depth, at)
   if depth > #shape then
      if type(value) == "boolean" then value = value and 1 or 0 end
      if type(value) ~= "number" then raise("tensor: expected a number at element %d, got %s", at + 1, core.typename(value)) end
      tensor.set_element(x, at, value)
      return at + 1
   end
   if type(value) ~= "table" or #value ~= shape[depth] then
      raise("tensor: a ragged table: expected %d elements in dimension %d, got %s", shape[depth], depth,
         type(value) == "table" and #value or core.typename(value))
   end
   for i = 1, shape[depth] do at = pour(x, value[i], shape, depth + 1, at) end
   return at
end

-- tensor(table or number [, options]): nested tables of numbers or booleans; float32 unless told otherwise.
function construct.tensor(value, options)
   options = core.options("tensor", options, ALLOWED)
   if tensor.is_tensor(value) then return finish(value:detach():to(options.dtype or value.dtype):clone(), options) end
   if type(value) ~= "table" and type(value) ~= "number" then
      raise("tensor: expected a table of numbers or a number, got %s", core.typename(value))
   end
   local shape = {}
   measure(value, shape, 1)
   local x = tensor.new(tensor.dtype_number(options.dtype, 0), shape, "tensor")
   pour(x, value, shape, 1, 0)
   return finish(x, options)
end

-- ---- like another -----------------------------------------------------------------------------------------

for _, name in ipairs{ "zeros", "ones", "empty", "rand", "randn" } do
   construct[name .. "_like"] = function(x, options)
      tensor.live(x, name .. "_like")
      options = core.options(name .. "_like", options, ALLOWED)
      return construct[name](x.shape, { dtype = options.dtype or x.dtype, requires_grad = options.requires_grad, stream = options.stream })
   end
end

function construct.full_like(x, value, options)
   tensor.live(x, "full_like")
   if type(value) ~= "number" then raise("full_like: expected a number to fill with, got %s", core.typename(value)) end
   options = core.options("full_like", options, ALLOWED)
   return construct.full(x.shape, value, { dtype = options.dtype or x.dtype, requires_grad = options.requires_grad })
end

function construct.one_hot(labels, classes, dtype) return tensor.methods.one_hot(labels, classes, dtype) end
construct.cat, construct.stack, construct.where = tensor.cat, tensor.stack, tensor.where

-- ---- in-place draws ---------------------------------------------------------------------------------------

local methods = tensor.methods

local function number(who, value, default)
   if type(value or default) ~= "number" then raise("%s: expected a number, got %s", who, core.typename(value)) end
   return value or default
end

-- x:uniform_([low, high [, stream]]) and x:normal_([mean, deviation [, stream]]): drawn anew in place.
function methods.uniform_(x, low, high, stream)
   require "engram.autograd".check_in_place(x, "uniform_")
   check(C.eg_uniform(x.tensor, random.stream(stream), number("uniform_", low, 0), number("uniform_", high, 1)))
   return x
end
function methods.normal_(x, mean, deviation, stream)
   require "engram.autograd".check_in_place(x, "normal_")
   check(C.eg_normal(x.tensor, random.stream(stream), number("normal_", mean, 0), number("normal_", deviation, 1)))
   return x
end
function methods.bernoulli_(x, p, stream)
   require "engram.autograd".check_in_place(x, "bernoulli_")
   check(C.eg_bernoulli(x.tensor, random.stream(stream), number("bernoulli_", p, 0.5)))
   return x
end

-- ---- elements ---------------------------------------------------------------------------------------------

local pointers = { [0] = ffi.typeof "float *", ffi.typeof "double *", ffi.typeof "int64_t *", ffi.typeof "uint8_t *" }

local least, most = { [2] = -2 ^ 63, [3] = 0 }, { [2] = 2 ^ 63 - 1024, [3] = 255 }     -- of whole numbers that a Lua number can be

-- The i-th element (0-based, row-major) of a contiguous tensor as a Lua number, and its assignment.
function tensor.element(x, i)
   local t = x.tensor
   return tonumber(ffi.cast(pointers[t.dtype], t.data)[i])
end
function tensor.set_element(x, i, value)
   local t = x.tensor
   if t.dtype > 1 and (value % 1 ~= 0 or value < least[t.dtype] or value > most[t.dtype]) then
      raise("element %d: %s is no %s number", i + 1, value, x.dtype)
   end
   ffi.cast(pointers[t.dtype], t.data)[i] = value
end

local function unpour(x, shape, depth, at)
   if depth > #shape then return tensor.element(x, at), at + 1 end
   local list = {}
   for i = 1, shape[depth] do list[i], at = unpour(x, shape, depth + 1, at) end
   return list, at
end

-- x:tolist(): nested Lua tables of numbers; a number for a scalar.
function methods.tolist(x)
   tensor.live(x, "tolist")
   return (unpour(x:detach():contiguous(), x.shape, 1, 0))
end

return construct
