-- looks.lua: how often the test sets were looked at for a comparison: a table whose methods were chosen by them does not measure them.
local core = require "engram.core"
local json = require "engram.json"

-- Whether the script of a run (its folder, or what history.lua read of it) asked for test sets itself.
local function asked_for(run)
   local file = (type(run) == "table" and run.path or run) .. "/test_sets.json"
   local ok, noted = pcall(json.load, file)
   return core.C.eg_file_kind(file) == 1 and ok and type(noted) == "table" and noted.by == "script"
end

-- looks(records) -> a line, or nil where no record tells (of an Engram that did not count).
return function(records)
   local looks, trainings, told, asked = 0, 0, 0, 0
   for _, record in ipairs(records) do
      local count = record.summary.test_looks
      if type(count) == "number" then
         told, looks = told + 1, looks + count
         if count > 0 then trainings = trainings + 1 end
      end
      if asked_for(record.run) then asked = asked + 1 end
   end
   if told == 0 then return nil end
   local by_script = asked > 0 and ("; asked for by the script itself in %d of %d"):format(asked, #records) or ""
   if looks == 0 then return (asked > 0 and "test sets: looked at by no training" or "test sets: never looked at") .. by_script end
   return ("test sets: looked at %d times by %d of %d trainings%s"):format(looks, trainings, #records, by_script)
end
