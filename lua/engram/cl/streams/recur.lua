-- Tasks that come again: the whole stream several times, or its tasks by a pattern. A task that recurs keeps its items, its output units
-- and its test set.
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local assemble = require "engram.cl.stream".assemble
local raise = core.raise

local WHO = "cl.streams.recur"

-- Numbers of tasks: each round all of them, in their order or in one drawn by the seed.
local function rounds(tasks, times, seed)
   local pattern = {}
   for round = 1, times do
      local order
      if seed and round > 1 then order = common.permutation(tasks, seed, "recur " .. round):tolist() end
      for k = 1, tasks do pattern[#pattern + 1] = order and order[k] or k end
   end
   return pattern
end

local function check_pattern(pattern, tasks)
   if type(pattern) ~= "table" or #pattern == 0 then raise("%s: pattern must be a list of numbers of tasks", WHO) end
   for i, k in ipairs(pattern) do
      if type(k) ~= "number" or k % 1 ~= 0 or k < 1 or k > tasks then
         raise("%s: pattern: element %d is %s, expected the number of a task, 1 to %d", WHO, i, tostring(k), tasks)
      end
   end
   return pattern
end

return {
   name = "recur",
   doc = "tasks that come again: recur(stream, { times = 2 }) or recur(stream, { pattern = { 1, 2, 1 } })",
   -- recur(stream, { times = 2, seed = none: the same order each time } or { pattern = { 1, 2, 1 } })
   make = function(stream, options)
      common.check_stream(WHO, stream)
      options = core.options(WHO, options, { "times", "seed", "pattern" })
      if options.pattern and (options.times or options.seed) then raise("%s: a pattern needs neither times nor seed", WHO) end
      local pattern = options.pattern and check_pattern(options.pattern, #stream) or
         rounds(#stream, core.whole(WHO .. ": times", options.times or 2), options.seed and common.seed(WHO .. ": seed", options.seed))
      local list, met, known = {}, {}, {}
      for i, k in ipairs(pattern) do
         met[k] = (met[k] or 0) + 1
         local origin = stream[k].origin or stream[k]            -- which task it is, whatever stream it comes from
         list[i] = stream[k]:derive{ name = met[k] > 1 and ("%s (%d)"):format(stream[k].name, met[k]) or stream[k].name,
            origin = origin, again = known[origin] or false }
         known[origin] = true
      end
      return assemble(list, stream)
   end,
}
