-- nn/init.lua: modules and losses; one file a family, one line here.
local base = require "engram.nn.base"

local nn = { Module = base.Module, parameter = base.parameter, is_module = base.is_module, initial = base.initial }

for _, family in ipairs{ "linear", "conv", "simple", "sequential", "batchnorm", "losses", "layernorm", "embedding",
   "attention", "transformer", "position", "lstm" } do
   for name, value in pairs(require("engram.nn." .. family)) do nn[name] = value end
end

return setmetatable(nn, { __index = function(_, key)
   require "engram.core".raise("nn: there is no '%s'%s", tostring(key), require "engram.suggest".hint(key, nn))
end })
