-- run/flat.lua: nested values as a map of words, "optimizer.lr" = "0.1": what settings are compared, grouped and shown by.
local json = require "engram.json"

local flat = {}

local function is_map(value) return type(value) == "table" and value ~= json.null and #value == 0 and next(value) ~= nil end

-- A value as a word: "0.1", "SGD", "1,2,3" of a list.
function flat.word(value)
   if type(value) == "string" then return value end
   if type(value) ~= "table" or value == json.null or #value == 0 then return json.encode(value) end
   local items = {}
   for i, item in ipairs(value) do items[i] = flat.word(item) end
   return table.concat(items, ",")
end

-- flat.add(into, prefix, value): a word for each leaf of the value; null is none.
function flat.add(into, prefix, value)
   if is_map(value) then
      for key, inner in pairs(value) do flat.add(into, prefix == "" and tostring(key) or prefix .. "." .. tostring(key), inner) end
   elseif value ~= nil and value ~= json.null and prefix ~= "" then
      into[prefix] = flat.word(value)
   end
   return into
end

-- The keys of the maps whose words are not the same in all, in alphabetical order.
function flat.differences(maps)
   local seen, list = {}, {}
   for _, map in ipairs(maps) do for key in pairs(map) do seen[key] = true end end
   for key in pairs(seen) do
      for _, map in ipairs(maps) do
         if map[key] ~= maps[1][key] then
            list[#list + 1] = key
            break
         end
      end
   end
   table.sort(list)
   return list
end

return flat
