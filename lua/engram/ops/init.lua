-- ops/init.lua: the registry of differentiable operations.
--
-- define(name, operation) checks an operation and files it. An operation has
--   doc        one line
--   forward    function(a, b, ...) -> output, saved
--   backward   function(node, grad) -> gradient of each of the first three arguments, made of operations
--   fused      optional: the same by kernels, first order only
--   squares    optional: function(node, grad) -> per argument, the sum over samples of the squared per-sample gradient
--   squares_of_sum  optional, instead: function(node, total) -> the same for several gradients at once, given the sum of their
--              squares; `delta` = function(node, grad) -> what is squared, where it is not the gradient itself
--   per_sample  optional, instead: function(node, grad) -> per argument, the gradient of each sample (n, ...); for small parameters,
--              which may then be used several times
--   rows_per_sample  optional: function(node) -> how many rows of the gradient belong to a sample, where it is not one
--   arithmetic  optional: function(node) -> floating point operations of the forward, and of the backward, where that is not as much again
--              for each of the first two arguments that requires a gradient; a product and a sum are two, what is done element by
--              element is not counted (docs/protocol.md)
--   keeps      which arguments (by number) and whether the "out"put the backward needs
--   broadcasts true when arguments are stretched to the output's shape; the engine undoes it
--   samples    function() -> list of argument lists, from which the tests are generated (tests/lua/test_ops.lua)
local ops = {}
local names = {}

local function define(name, operation)
   if ops[name] then error("operation '" .. name .. "' is registered already", 2) end
   if type(operation.samples) ~= "function" then error("operation '" .. name .. "' has no samples; it cannot be tested", 2) end
   if not (operation.forward and operation.backward) then error("operation '" .. name .. "' needs forward and backward", 2) end
   operation.name = name
   operation.keep = {}
   for _, what in ipairs(operation.keeps or {}) do operation.keep[what] = true end
   ops[name] = operation
   names[#names + 1] = name
   return operation
end

for _, family in ipairs{ "unary", "binary", "view", "copy", "reduce", "index", "matmul", "conv", "pool", "norm", "softmax", "dropout",
   "layernorm", "embedding", "attention", "attention_last", "lstm" } do
   require("engram.ops." .. family)(define)
end

return { registry = ops, names = names, define = define }
