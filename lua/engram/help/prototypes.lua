-- help/prototypes.lua: the functions of the core as core/engram.h declares them: the prototype with the comment above it.
local prototypes = {}

local lua_folder = package.searchpath("engram.core", package.path):match "^(.*)/engram/core%.lua$"

-- engram.h, opened, and its path: the source tree's, or the installed one's.
local function header()
   local above = lua_folder:match "^(.*)/[^/]*$" or ".."
   local prefix = above:match "^(.*)/[^/]*/[^/]*$" or above
   for _, path in ipairs{ above .. "/core/engram.h", prefix .. "/include/engram/engram.h" } do
      local file = io.open(path)
      if file then return file, path end
   end
end

-- text("eg_matmul"), also "C.eg_matmul": comment and prototype, and the place "PATH:LINE"; nil for what is none.
function prototypes.text(path)
   local name = path:match "^C?%.?(eg_[%w_]+)$"
   local file, where
   if name then file, where = header() end
   if not file then return nil end
   local text = file:read "*a"
   file:close()
   local at = text:find("\n[%w_ *]-%f[%w_]" .. name .. "%(")
   if not at then return nil end
   local prototype = text:match("^[^;]*;[^\n]*", at + 1)
   local comment = text:sub(1, at):match "\n(/%*[^\n]-%*/)\n$" or text:sub(1, at):match ".*\n(/%*.-%*/)\n$"
   local line = select(2, text:sub(1, at):gsub("\n", "")) + 1
   return (comment and comment .. "\n" or "") .. prototype, ("%s:%d"):format(where, line)
end

-- names(): all functions that engram.h declares.
function prototypes.names()
   local names, file = {}, header()
   if not file then return names end
   for line in file:lines() do names[#names + 1] = line:match "^%a[%w_ ]*[ *](eg_[%w_]+)%(" end
   file:close()
   return names
end

return prototypes
