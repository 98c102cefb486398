-- cl/metrics/movement.lua: which weights moved in each task, how many of them are the same in two tasks, and how far each layer went.
local core = require "engram.core"
local tensor = require "engram.tensor"
local C, check = core.C, core.check

local WINDOW = 20                                     -- overlaps are known between tasks less than so many apart

local Tracker = {}
Tracker.__index = Tracker

-- |U_k and U_l| / |U_k or U_l| for two tasks; nil when neither moved anything.
local function overlap(a, b)
   local both, either = 0, 0
   tensor.scope(function()
      for i = 1, #a do
         both = both + a[i]:logical_and(b[i]):sum():item()
         either = either + a[i]:logical_or(b[i]):sum():item()
      end
   end)
   if either == 0 then return nil end
   return both / either
end

local CHUNK = 2 ^ 18                                  -- elements that are float64 at a time

-- |now - before| / |before|; nil when before is all zeros.
local function relative_distance(now, before)
   local way, length, count = 0, 0, now:numel()
   tensor.scope(function()
      now, before = now:detach():reshape(count), before:reshape(count)
      for first = 1, count, CHUNK do
         tensor.scope(function()
            local size = math.min(CHUNK, count - first + 1)
            local new, old = now:narrow(1, first, size):to "float64", before:narrow(1, first, size):to "float64"
            way, length = way + (new - old):square():sum():item(), length + old:square():sum():item()
         end)
      end
   end)
   return length > 0 and math.sqrt(way / length) or nil
end

function Tracker:task_begin()
   self.before = {}
   for i, p in ipairs(self.parameters) do self.before[i] = p:detach():clone():keep() end
end

-- Keeps the masks of the last WINDOW tasks, and the overlaps of the newest with them.
local function remember(self, masks)
   self.masks[#self.masks + 1] = masks
   if #self.masks > WINDOW then
      for _, mask in ipairs(table.remove(self.masks, 1)) do mask:release() end
   end
   local row, before = {}, #self.density - #self.masks
   for place, other in ipairs(self.masks) do row[before + place] = overlap(masks, other) end
   self.overlap_rows[#self.density] = row
end

function Tracker:task_end()
   local masks, drift, moved = {}, {}, 0
   for i, p in ipairs(self.parameters) do
      local mask = tensor.like(p, 3):zero_():keep()
      check(C.eg_mark_different(mask.tensor, p.tensor, self.before[i].tensor))
      moved = moved + mask:sum():item()
      drift[self.names[i]] = relative_distance(p, self.before[i])
      masks[i] = mask
      self.before[i]:release()
   end
   self.before = nil
   self.density[#self.density + 1] = moved / self.total
   self.drift[#self.drift + 1] = drift
   remember(self, masks)
end

-- The matrix of overlaps between tasks; 1 on the diagonal. nil for tasks WINDOW or more apart, whose masks are not kept.
function Tracker:overlaps()
   local matrix = {}
   for k = 1, #self.density do matrix[k] = {} end
   for k, row in ipairs(self.overlap_rows) do
      for l, value in pairs(row) do matrix[k][l], matrix[l][k] = value, value end
   end
   return matrix
end

-- Bytes of what the tracker holds: the masks of the last tasks, and during a task the weights that it began with.
function Tracker:bytes()
   local total = 0
   for _, list in ipairs{ self.before or {}, unpack(self.masks) } do
      for _, t in ipairs(list) do total = total + t:bytes() end
   end
   return total
end

-- tracker(parameters [, names]): notes, task by task, which weights end with other bits than they began with (density, overlaps), and how
-- far each parameter went (drift: by name, relative to its length at the beginning of the task).
return function(parameters, names)
   local total, own = 0, {}
   for i, p in ipairs(parameters) do
      total = total + p:numel()
      own[i] = names and names[i] or tostring(i)
   end
   return setmetatable({ parameters = parameters, names = own, total = total, masks = {}, density = {}, drift = {}, overlap_rows = {} },
      Tracker)
end
