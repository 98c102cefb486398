-- ops/copy.lua: copies, conversions to another dtype, and filling in place.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local C, check, raise = core.C, core.check, core.raise
local methods, live = tensor.methods, tensor.live
local apply = autograd.apply

local function randn(...) return require "engram".randn(...) end

local ops = {}

ops.clone = {
   doc = "clone(x): a contiguous copy.",
   forward = function(x)
      local out = tensor.like(x)
      check(C.eg_copy(out.tensor, x.tensor))
      return out
   end,
   backward = function(_, grad) return grad end,
   samples = function() return { { randn(3, 4):t() } } end,
}

ops.convert = {
   doc = "to(x, dtype): x in another dtype.",
   forward = function(x, dtype)
      local out = tensor.like(x, dtype)
      check(C.eg_copy(out.tensor, x.tensor))
      return out
   end,
   backward = function(node, grad)
      if node[3] > 1 then return nil end
      return grad:to(tensor.dtype_names[node[3]])
   end,
   samples = function() return { { randn(3, 4):to "float64", 1, 1 } } end,
}

-- ---- methods ----------------------------------------------------------------------------------------------

function methods.clone(x)
   live(x, "clone")
   return apply(ops.clone, x)
end

-- x:contiguous(): x itself when its elements lie in order, else a copy.
function methods.contiguous(x)
   if live(x, "contiguous").contiguous == 1 then return x end
   return apply(ops.clone, x)
end

-- x:to(dtype): converted; x itself when it has that dtype. Real numbers become integers by cutting off the fraction.
function methods.to(x, dtype)
   live(x, "to")
   local number = tensor.dtype_number(dtype)
   if not number then raise "to: expected the name of a dtype" end
   if number == x.tensor.dtype then return x end
   if number > 1 then return ops.convert.forward(x, number) end
   return apply(ops.convert, x, number, x.tensor.dtype)
end
function methods.float(x) return methods.to(x, "float32") end
function methods.double(x) return methods.to(x, "float64") end
function methods.long(x) return methods.to(x, "int64") end
function methods.byte(x) return methods.to(x, "uint8") end

-- x:copy_(y): y's values, converted and broadcast, into x. Returns x.
function methods.copy_(x, y)
   autograd.check_in_place(x, "copy_", y)
   check(C.eg_copy(x.tensor, live(y, "copy_")))
   return x
end

function methods.fill_(x, value)
   autograd.check_in_place(x, "fill_")
   if type(value) ~= "number" then raise("fill_: expected a number, got %s", core.typename(value)) end
   check(C.eg_fill(x.tensor, value))
   return x
end
function methods.zero_(x) return methods.fill_(x, 0) end

return function(define)
   for _, name in ipairs{ "clone", "convert" } do define(name, ops[name]) end
end
