-- cli/plugins.lua: the option --plugin FILE of several commands.
local usage_error = require "engram.usage"

local plugins = {}

-- load(list): loads the optimizers in files before anything else is done; returns their descriptions. One that is refused is a wrong call.
function plugins.load(list)
   local loaded, optim = {}, #(list or {}) > 0 and require "engram.optim"
   for i, path in ipairs(list or {}) do
      local ok, result, name = pcall(optim.load, path)
      if not ok then usage_error("%s", (tostring(result):gsub("optim%.load: ", "", 1))) end
      loaded[i] = optim.description(name)
   end
   return loaded
end

return plugins
