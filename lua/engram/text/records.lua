-- text/records.lua: files of lines.
local core = require "engram.core"

local records = {}

function records.lines(path)
   local packed = path:find "%.gz$"
   local file = packed and io.popen(("gzip -dc '%s'"):format(path)) or io.open(path)
   if not file then core.raise("%s: cannot be opened", path) end
   return function()
      local line = file:read "*l"
      if not line then file:close() return nil end
      local label, content = line:match "^([^\t]*)\t(.*)$"
      if not label then core.raise("%s: a line without a tab", path) end
      return label, content
   end
end

return records
