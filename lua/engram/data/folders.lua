-- data/folders.lua: where data sets are looked for, and where they are fetched to.
local core = require "engram.core"
local C = core.C

local folders = {}

local function set(name)
   local value = os.getenv(name)
   return value ~= nil and value ~= "" and value or nil
end

-- The folders, first to last: $ENGRAM_DATA, then the user's own.
function folders.list()
   local list = { set "ENGRAM_DATA" }
   local home = set "XDG_DATA_HOME" or (set "HOME" and set "HOME" .. "/.local/share")
   if home then list[#list + 1] = home .. "/engram/data" end
   return list
end

-- The path of a file such as "mnist/train-labels-idx1-ubyte.gz", packed or not, in the first folder that has it.
function folders.find(name)
   for _, folder in ipairs(folders.list()) do
      for _, path in ipairs{ folder .. "/" .. name, folder .. "/" .. name:gsub("%.gz$", "") } do
         if C.eg_file_kind(path) == 1 then return path end
      end
   end
end

-- { { path =, file = }, ... } of the files that do instead of those of a source; nil where one is not here.
function folders.instead(source)
   if not source.instead then return nil end
   local list = {}
   for i, file in ipairs(source.instead.files) do
      list[i] = { path = folders.find(source.instead.folder .. "/" .. file.name), file = file }
      if not list[i].path then return nil end
   end
   return list
end

-- Where to fetch to: $ENGRAM_DATA when it is set, else the user's own folder.
function folders.own()
   local folder = folders.list()[1]
   if not folder then core.raise "data: neither ENGRAM_DATA, XDG_DATA_HOME nor HOME is set: there is no folder for data" end
   return folder
end

-- Raises that the data set `name` is not here, and says where it was looked for.
function folders.missing(name, file)
   core.raise("data '%s' is not here; fetch it with: engram data fetch %s\nThere is no %s in\n  %s", name, name, file,
      table.concat(folders.list(), "\n  "))
end

return folders
