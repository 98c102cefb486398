-- cl/methods/together.lua: what Joint and Cumulative share: a task trains on the data of several.
--   budget "compute"   as many steps as the task alone would take: the whole costs what the stream costs
--   budget "epochs"    as many epochs, of all the data: the task costs as much more as there are more of them
local union = require "engram.cl.methods.union"
local warnings = require "engram.cl.warnings"

-- fields: name and doc; budget: the default; count(t, k): how many tasks' data task k trains on.
return function(fields, budget, count)
   fields.hyper = { budget = { default = budget, choices = { "compute", "epochs" },
      doc = "as many steps as the task alone would take, or as many epochs of all the data" } }
   fields.state, fields.scratch = {}, { "data" }

   function fields.plan(self, t, k, alone)
      local items, experience = union.new(t.stream, count(t, k)):size(), t.stream[k]
      local steps = self.hyper.budget == "compute" and alone or nil
      if not steps and experience.steps then steps = math.ceil(experience.steps * items / experience:items "train") end
      return { items = items, steps = steps }
   end

   function fields.train_data(self, t)
      local tasks = count(t, t.task)
      t.seen = tasks                                       -- the units of all these are active
      self.data = union.new(t.stream, tasks)
      for k = 1, tasks do
         local bucket = t.stream[k]:made_of().bucket
         if bucket then
            warnings.once(t, "bucket", "%s draws its batches from several tasks at once, not by length: bucket = %d of '%s' has no effect",
               fields.name, bucket, t.stream[k].name)
         end
      end
      return self.data
   end

   -- What the method holds is data: of the tasks that are not the present one.
   function fields.extra_bytes(self) return { data = self.data and self.data:bytes() or 0 } end

   return fields
end
