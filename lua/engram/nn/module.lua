-- nn/module.lua: what every module shares: ordered parameters, buffers and children, modes, and the weights file.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local raise, is_tensor = core.raise, tensor.is_tensor

local Module = { class_name = "Module" }
Module.__index = Module

local function is_module(value)
   return type(value) == "table" and rawget(value, "_children") ~= nil
end

-- A module's fields are plain; parameters and children are noted in the order of their first assignment.
local function note(self, key, value)
   if is_tensor(value) and value.requires_grad and value.is_leaf then
      table.insert(self._parameters, key)
   elseif is_module(value) then
      table.insert(self._children, key)
   end
   rawset(self, key, value)
end

local function construct(class, ...)
   local self = setmetatable({ _parameters = {}, _buffers = {}, _children = {}, training = true }, class)
   self:init(...)
   return self
end

-- Module:extend(name): a new kind of module. Give it init(self, ...) and forward(self, x); then name(...) makes one.
function Module:extend(name)
   local class = setmetatable({ class_name = name }, { __index = self, __call = construct })
   class.__index = class
   class.__newindex = note
   class.__call = function(object, ...) return object:forward(...) end
   class.__tostring = self.describe
   return class
end

function Module:init() end

function Module:forward() raise("%s has no forward method", self.class_name) end

-- self:buffer(name, t): a tensor that is saved with the module but not trained.
function Module:buffer(name, t)
   tensor.methods.keep(t)
   rawset(self, name, t)
   table.insert(self._buffers, name)
end

-- ---- walking ----------------------------------------------------------------------------------------------

local function walk(module, prefix, found)
   found[#found + 1] = { prefix, module }
   for _, key in ipairs(module._children) do
      local child = rawget(module, key)
      if child then walk(child, prefix .. key .. ".", found) end
   end
   return found
end

local function gather(self, list_name)
   local found, seen = {}, {}
   for _, entry in ipairs(walk(self, "", {})) do
      local prefix, module = entry[1], entry[2]
      for _, key in ipairs(module[list_name]) do
         local t = rawget(module, key)
         if t and not seen[t] then
            seen[t] = true
            found[#found + 1] = { prefix .. key, t }
         end
      end
   end
   return found
end

local function iterate(list)
   local i = 0
   return function()
      i = i + 1
      if list[i] then return list[i][1], list[i][2] end
   end
end

-- Iterators over name, tensor in order of assignment, children included: "1.weight", "first.bias".
function Module:named_parameters() return iterate(gather(self, "_parameters")) end
function Module:named_buffers() return iterate(gather(self, "_buffers")) end

-- Iterator over name, module; the module itself has the name "".
function Module:named_modules()
   local list = walk(self, "", {})
   for _, entry in ipairs(list) do entry[1] = entry[1]:sub(1, -2) end
   return iterate(list)
end

-- The list of parameters.
function Module:parameters()
   local list = {}
   for i, entry in ipairs(gather(self, "_parameters")) do list[i] = entry[2] end
   return list
end

-- The number of trained weights.
function Module:count()
   local total = 0
   for _, p in self:named_parameters() do total = total + p:numel() end
   return total
end

-- module:apply(f): calls f(module) for itself and every module below. Returns the module.
function Module:apply(f)
   if type(f) ~= "function" then raise("apply: expected a function of a module, got %s", core.typename(f)) end
   for _, module in self:named_modules() do f(module) end
   return self
end

-- ---- modes ------------------------------------------------------------------------------------------------

-- Training mode (dropout drops, batch norm uses the batch) or, with false, evaluation mode. Returns the module.
function Module:train(mode)
   for _, module in self:named_modules() do rawset(module, "training", mode ~= false) end
   return self
end
function Module:eval() return self:train(false) end

-- module:in_mode(training, f, ...): what f(...) returns, with everything in training (true) or evaluation mode (false). Then each module
-- is in its own mode again, also after an error.
function Module:in_mode(training, f, ...)
   local before = {}
   for _, module in self:named_modules() do before[module] = module.training end
   self:train(training)
   local ok, result = pcall(f, ...)
   for module, mode in pairs(before) do rawset(module, "training", mode) end
   if not ok then error(result, 0) end
   return result
end

-- Drops all gradients.
function Module:zero_grad()
   for _, p in ipairs(self:parameters()) do autograd.drop_gradient(p) end
end

-- module:to(dtype): converts parameters and buffers in place of the old ones. Returns the module.
function Module:to(dtype)
   for _, module in self:named_modules() do
      for _, key in ipairs(module._parameters) do
         rawset(module, key, rawget(module, key):detach():to(dtype):clone():keep():requires_grad_())
      end
      for _, key in ipairs(module._buffers) do
         local b = rawget(module, key)
         if b.tensor.dtype <= 1 then rawset(module, key, b:to(dtype):clone():keep()) end
      end
   end
   return self
end

-- ---- weights ----------------------------------------------------------------------------------------------

-- { name = tensor } of parameters and buffers, and the list of names in order; the tensors are the module's own.
function Module:state()
   local state, order = {}, {}
   for _, list in ipairs{ gather(self, "_parameters"), gather(self, "_buffers") } do
      for _, entry in ipairs(list) do
         state[entry[1]] = entry[2]
         order[#order + 1] = entry[1]
      end
   end
   return state, order
end

local function check_state(self, given, source)
   local own, order = self:state()
   local missing = {}
   for _, name in ipairs(order) do
      local t = given[name]
      if not t then
         missing[#missing + 1] = name
      elseif not is_tensor(t) then
         raise("%s: %s is no tensor but a %s", source, name, core.typename(t))
      elseif table.concat(t.shape, ",") ~= table.concat(own[name].shape, ",") then
         raise("%s: %s has shape %s, the model wants %s", source, name, tensor.shape_text(t), tensor.shape_text(own[name]))
      end
   end
   local extra = {}
   for name in pairs(given) do
      if not own[name] then extra[#extra + 1] = type(name) == "string" and name or core.shown(name) end
   end
   table.sort(extra)
   if #missing > 0 or #extra > 0 then
      raise("%s: does not fit the model:%s%s", source, #missing > 0 and " missing " .. table.concat(missing, ", ") or "",
         #extra > 0 and " unexpected " .. table.concat(extra, ", ") or "")
   end
   return own, order
end

-- Copies values from a state of the same names and shapes; nothing is changed unless everything fits. Returns the module.
function Module:load_state(given, source)
   if type(given) ~= "table" or is_module(given) then
      raise("load_state: expected a table { name = tensor }%s", is_module(given) and "; a module's is module:state()" or "")
   end
   local own, order = check_state(self, given, source or "load_state")
   autograd.no_grad(function()
      for _, name in ipairs(order) do own[name]:copy_(given[name]) end
   end)
   return self
end

-- module:save(path), module:load(path): safetensors.
function Module:save(path)
   local state, order = self:state()
   require "engram.safetensors".save(path, state, { order = order })
   return self
end

function Module:load(path) return self:load_state(require "engram.safetensors".load(path), path) end

-- SHA-256 over names, shapes and bits of parameters and buffers: equal when two models are the same to the bit.
function Module:hash()
   local ffi, C = require "ffi", core.C
   local digest, hex = ffi.new "eg_sha256", ffi.new "char[65]"
   local state, order = self:state()
   C.eg_sha256_begin(digest)
   for _, name in ipairs(order) do
      local label = name .. tensor.shape_text(state[name]) .. state[name].dtype
      C.eg_sha256_bytes(digest, label, #label)
      core.check(C.eg_sha256_tensor(digest, state[name].tensor))
   end
   C.eg_sha256_end(digest, hex)
   return ffi.string(hex)
end

-- ---- printing ---------------------------------------------------------------------------------------------

-- What stands in the brackets; modules with settings override it.
function Module:settings_text() return "" end

function Module:describe(indent)
   indent = indent or ""
   local settings = self:settings_text()
   if #self._children == 0 then return self.class_name .. "(" .. settings .. ")" end
   local lines = { self.class_name .. (settings ~= "" and "(" .. settings .. ")" or "") .. " {" }
   for _, key in ipairs(self._children) do
      lines[#lines + 1] = indent .. "  " .. key .. ": " .. Module.describe(rawget(self, key), indent .. "  ")
   end
   lines[#lines + 1] = indent .. "}"
   return table.concat(lines, "\n")
end

return { Module = Module, is_module = is_module }
