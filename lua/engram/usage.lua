-- usage.lua: errors in how a command or script was called. They carry no traceback and end with exit code 2.
local metatable = { __tostring = function(self) return self.usage end }

return function(message, ...)
   if select("#", ...) > 0 then message = message:format(...) end
   error(setmetatable({ usage = message }, metatable), 0)
end
