-- looks.lua: how often the test sets were looked at for a comparison: a table whose methods were chosen by them does not measure them.

-- looks(records) -> a line, or nil where no record tells (of an Engram that did not count).
return function(records)
   local looks, trainings, told = 0, 0, 0
   for _, record in ipairs(records) do
      local count = record.summary.test_looks
      if type(count) == "number" then
         told, looks = told + 1, looks + count
         if count > 0 then trainings = trainings + 1 end
      end
   end
   if told == 0 then return nil end
   if looks == 0 then return "test sets: never looked at" end
   return ("test sets: looked at %d times by %d of %d trainings"):format(looks, trainings, #records)
end
