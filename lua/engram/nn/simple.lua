-- nn/simple.lua: modules without weights: activations, dropout, pooling, Flatten.
local core = require "engram.core"
local nn = require "engram.nn.base"
local methods = require "engram.tensor".methods

local layers = {}

-- A module that calls one method of its input.
local function activation(name, method)
   local class = nn.Module:extend(name)
   class.forward = function(_, x) return methods[method](x) end
   layers[name] = class
end
activation("ReLU", "relu")
activation("Tanh", "tanh")
activation("Sigmoid", "sigmoid")
activation("GELU", "gelu")
activation("Softplus", "softplus")

-- Softmax([dim = -1]) and LogSoftmax([dim = -1])
for name, method in pairs{ Softmax = "softmax", LogSoftmax = "log_softmax" } do
   local class = nn.Module:extend(name)
   function class:init(dim) self.dim = dim or -1 end
   function class:forward(x) return methods[method](x, self.dim) end
   function class:settings_text() return tostring(self.dim) end
   layers[name] = class
end

-- Dropout(p = 0.5): elements; Dropout2d: channels of (n, c, h, w). Only in training mode; masks come from the stream "dropout".
for name, method in pairs{ Dropout = "dropout", Dropout2d = "dropout2d" } do
   local class = nn.Module:extend(name)
   function class:init(p)
      p = p == nil and 0.5 or p
      if type(p) ~= "number" or not (p >= 0 and p <= 1) then core.raise("nn.%s: p must be from 0 to 1, got %s", name, tostring(p)) end
      self.p = p
   end
   function class:forward(x)
      if not self.training then return x end
      return methods[method](x, self.p)
   end
   function class:settings_text() return tostring(self.p) end
   layers[name] = class
end

-- A size or a pair of sizes, in words.
local function size_text(size) return type(size) == "table" and "{" .. table.concat(size, ", ") .. "}" or tostring(size) end

-- MaxPool2d(kernel [, {stride = kernel, padding = 0}]) and AvgPool2d
for name, method in pairs{ MaxPool2d = "max_pool2d", AvgPool2d = "avg_pool2d" } do
   local class = nn.Module:extend(name)
   function class:init(kernel, options)
      self.options = core.options("nn." .. name, options, { "stride", "padding" })
      require "engram.tensor".pair(kernel, nil, "nn." .. name .. ": kernel size")
      self.kernel = kernel
   end
   function class:forward(x) return methods[method](x, self.kernel, self.options) end
   function class:settings_text()
      local kernel = size_text(self.kernel)
      local words, defaults = { (kernel:gsub("[{}]", "")) }, { stride = kernel, padding = "0" }
      for _, key in ipairs{ "stride", "padding" } do
         local text = self.options[key] and size_text(self.options[key]) or defaults[key]
         if text ~= defaults[key] then words[#words + 1] = key .. " = " .. text end
      end
      return table.concat(words, ", ")
   end
   layers[name] = class
end

-- Flatten(first = 2, last = -1): keeps the samples apart.
local Flatten = nn.Module:extend "Flatten"
function Flatten:init(first, last) self.first, self.last = first or 2, last or -1 end
function Flatten:forward(x) return methods.flatten(x, self.first, self.last) end
layers.Flatten = Flatten

-- Identity(): x.
local Identity = nn.Module:extend "Identity"
function Identity:forward(x) return x end
layers.Identity = Identity

return layers
