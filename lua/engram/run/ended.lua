-- run/ended.lua: trainings that their budget ended before the last task: what stands of the tasks behind is of a network that did not see
-- them.

-- ended(records) -> a line, or nil where there are none. records: { run = path, summary = }.
return function(records)
   local count, example = 0, nil
   for _, record in ipairs(records) do
      local found = type(record.summary.budget) == "table" and record.summary.budget.ended
      if type(found) == "table" and type(found.task) == "number" and type(found.tasks) == "number" and found.task < found.tasks then
         count = count + 1
         example = example or ("%s in task %d of %d"):format(record.run, found.task, found.tasks)
      end
   end
   if count == 0 then return nil end
   return ("%d of %d trainings %s ended by the budget of arithmetic before the last task, %s%s: the tasks behind are judged untrained")
      :format(count, #records, count == 1 and "was" or "were", example, count == 1 and "" or " for one")
end
