-- expand.lua: the words of a sweep, `optimizer=SGD,Adam seed=1..5`, to the list of its jobs: every value of each with every other.
--
-- A value is a word; 1..5 stands for 1,2,3,4,5, 0..1..0.25 for 0,0.25,0.5,0.75,1 and 0.01..10..x10 for 0.01,0.1,1,10; what stands in
-- brackets is one value, a list: hidden=[100,100],[400].
local run = require "engram.run"
local usage_error = require "engram.usage"

local MOST = 10000                       -- jobs of one sweep

-- The parts of a text between commas outside brackets.
local function parts_of(key, text)
   local list, depth, from = {}, 0, 1
   for at = 1, #text + 1 do
      local c = text:sub(at, at)
      if c == "[" then depth = depth + 1 elseif c == "]" then depth = depth - 1 end
      if depth < 0 then usage_error("%s=%s: a ']' without its '['", key, text) end
      if (c == "," and depth == 0) or at > #text then
         list[#list + 1] = text:sub(from, at - 1)
         from = at + 1
      end
   end
   if depth > 0 then usage_error("%s=%s: a '[' without its ']'", key, text) end
   return list
end

-- The numbers of "first..last..xfactor" as words; nil when the part is no such range.
local function geometric(key, part)
   local first, last, factor = part:match "^([%d.eE+-]-)%.%.([%d.eE+-]-)%.%.x([%d.]+)$"
   if not first then return nil end
   local from, to, by = tonumber(first), tonumber(last), tonumber(factor)
   if not (from and to and by and from > 0 and to >= from and by > 1) then
      usage_error("%s=%s: expected numbers above 0 that rise by a factor above 1, as in 0.01..10..x10", key, part)
   end
   local list, value = {}, from
   while value <= to * (1 + 1e-9) do
      if #list == MOST then usage_error("%s=%s: more than %d values", key, part, MOST) end
      list[#list + 1] = ("%.12g"):format(value)
      value = from * by ^ #list
   end
   return list
end

-- The numbers of "first..last" or "first..last..step" as words; nil when the part is no range.
local function range(key, part)
   local first, last, step = part:match "^(%-?[%d.]+)%.%.(%-?[%d.]+)%.%.(%-?[%d.eE-]+)$"
   if not first then first, last = part:match "^(%-?%d+)%.%.(%-?%d+)$" end
   if not first then return nil end
   local from, to, by = tonumber(first), tonumber(last), tonumber(step or 1)
   if not (from and to and by) then usage_error("%s=%s: expected numbers, as in 1..5 or 0..1..0.25", key, part) end
   if by == 0 or (to - from) / by < 0 then
      usage_error("%s=%s: never gets from %s to %s in steps of %s", key, part, first, last, step or "1")
   end
   local count = math.floor((to - from) / by + 1e-9)
   if count >= MOST then usage_error("%s=%s: more than %d values", key, part, MOST) end
   local list = {}
   for i = 0, count do list[i + 1] = ("%.12g"):format(from + i * by) end
   return list
end

-- One word key=value,value to { key =, values = }.
local function axis(word)
   local key, text = word:match "^([%a_][%w_.%-]*)=(.*)$"
   if not key then usage_error("'%s' is no setting: after the file come words like lr=0.1,0.2 or seed=1..5", word) end
   local values, seen = {}, {}
   for _, part in ipairs(parts_of(key, text)) do
      for _, value in ipairs(geometric(key, part) or range(key, part) or { part:match "^%[(.*)%]$" or part }) do
         local same = tonumber(value) or value                  -- 0.1 and 1e-1 are one
         if seen[same] then usage_error("%s=%s: the value %s stands there twice", key, text, value) end
         seen[same] = true
         values[#values + 1] = value
      end
   end
   return { key = key, values = values }
end

local function axes_of(words)
   local list, seen, count = {}, {}, 1
   for i, word in ipairs(words) do
      list[i] = axis(word)
      if seen[list[i].key] then usage_error("%s is given twice", list[i].key) end
      seen[list[i].key], count = true, count * #list[i].values
   end
   if count > MOST then usage_error("%.0f jobs are more than %d", count, MOST) end
   return list
end

-- Every combination, the last key running fastest: lists of the words of a job.
local function combinations(axes)
   local list = { {} }
   for _, one in ipairs(axes) do
      local longer = {}
      for _, words in ipairs(list) do
         for _, value in ipairs(one.values) do
            local more = { unpack(words) }
            more[#more + 1] = one.key .. "=" .. value
            longer[#longer + 1] = more
         end
      end
      list = longer
   end
   return list
end

-- Names by the settings that vary; a number tells apart what a folder's name cannot.
local function name_jobs(jobs, axes)
   local taken = {}
   for _, job in ipairs(jobs) do
      local varying = {}
      for i, word in ipairs(job.words) do
         if #axes[i].values > 1 then varying[#varying + 1] = word end
      end
      local base = run.label(varying)
      if base == "" then base = "run" end
      local name, count = base, 1
      while taken[name:lower()] do
         count = count + 1
         name = base .. "-" .. count
      end
      taken[name:lower()], job.name = true, name
   end
end

-- expand(words) -> jobs { { name =, words = { "lr=0.1", ... } }, ... }, the list of keys that vary, and the axes.
return function(words)
   local axes = axes_of(words)
   local jobs, varying = {}, {}
   for i, list in ipairs(combinations(axes)) do jobs[i] = { words = list } end
   name_jobs(jobs, axes)
   for _, one in ipairs(axes) do
      if #one.values > 1 then varying[#varying + 1] = one.key end
   end
   return jobs, varying, axes
end
