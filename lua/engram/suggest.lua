-- suggest.lua: "did you mean": the known name nearest to a mistyped one.
local suggest = {}

-- Edits (insert, delete, replace, swap of neighbours) that turn one string into the other.
function suggest.distance(a, b)
   local before, last = nil, {}
   for j = 0, #b do last[j] = j end
   for i = 1, #a do
      local row = { [0] = i }
      for j = 1, #b do
         local same = a:byte(i) == b:byte(j)
         row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
         if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
            row[j] = math.min(row[j], before[j - 2] + 1)
         end
      end
      before, last = last, row
   end
   return last[#b]
end

-- The names of a list, or the keys of a set, in alphabetical order.
local function sorted_names(names)
   local list = {}
   if #names > 0 then
      for i, name in ipairs(names) do list[i] = tostring(name) end
   else
      for name in pairs(names) do if type(name) == "string" then list[#list + 1] = name end end
   end
   table.sort(list)
   return list
end

-- The nearest of `names` (a list, or a set by key), or nil when none is near: at most a third of the letters differ.
function suggest.nearest(word, names)
   local best, best_distance
   word = tostring(word)
   for _, name in ipairs(sorted_names(names)) do
      local distance = suggest.distance(word:lower(), name:lower())
      if distance <= math.max(1, math.floor(math.max(#word, #name) / 3)) and (not best or distance < best_distance) then
         best, best_distance = name, distance
      end
   end
   return best
end

-- The end of an error message: ", did you mean 'momentum'?", else the list of what there is (at most `limit` names).
function suggest.hint(word, names, limit)
   local nearest = suggest.nearest(word, names)
   if nearest then return (", did you mean '%s'?"):format(nearest) end
   local list = sorted_names(names)
   if #list == 0 or #list > (limit or 24) then return "" end
   return (" (there are: %s)"):format(table.concat(list, ", "))
end

return suggest
