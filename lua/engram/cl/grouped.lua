-- cl/grouped.lua: a whole number as it is read: 1234567 is 1,234,567.
return function(n)
   local text = ("%.0f"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
   return (text:gsub("^,", ""))
end
