-- select/jobs.lua: settings and seeds to the jobs of a sweep: a name for each that tells it apart, and its words.
local run = require "engram.run"

local jobs = {}

-- The words of a trial: what all have in common, and its own.
function jobs.words(common, own)
   local words = { unpack(common) }
   for _, word in ipairs(own) do words[#words + 1] = word end
   return words
end

-- add(list, common, own, seeds) -> the names of the jobs that were added to the list, one a seed.
function jobs.add(list, common, own, seeds)
   local names = {}
   for i, seed in ipairs(seeds) do
      local words = jobs.words(common, own)
      words[#words + 1] = "seed=" .. seed
      local base, count = run.label(jobs.words(own, { "seed=" .. seed })), 1
      local name = base
      while list[name:lower()] do
         count = count + 1
         name = base .. "-" .. count
      end
      list[name:lower()] = true
      list[#list + 1] = { name = name, words = words }
      names[i] = name
   end
   return names
end

return jobs
