-- names.lua: names of tasks as headings: all different, also where a task comes again.
local names = {}

-- distinct(list): the names as they are, or, where two are the same, all with their numbers: "1 digits", "2 garments", "3 digits".
function names.distinct(list)
   local seen, twice, numbered = {}, false, {}
   for i, name in ipairs(list) do
      twice, seen[name] = twice or seen[name], true
      numbered[i] = i .. " " .. name
   end
   return twice and numbered or { unpack(list) }
end

-- in_heading(line): the names that distinct() made the heading of accuracy.csv of, `after,NAME,...`.
function names.in_heading(line)
   local list, plain, numbered = {}, {}, true
   for name in line:gmatch ",([^,]*)" do
      list[#list + 1] = name
      plain[#list] = name:match("^" .. #list .. " (.+)$")
      numbered = numbered and plain[#list] ~= nil
   end
   return numbered and plain or list
end

return names
