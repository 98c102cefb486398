-- optim/slots.lua: what an optimizer remembers of each parameter: made, reset, saved, taken over and counted by the host.
local core = require "engram.core"
local suggest = require "engram.suggest"
local tensor = require "engram.tensor"
local raise = core.raise

local Slots, methods = {}, {}
Slots.methods = methods                 -- of every optimizer

local function new_slot(slot, p)
   local engram = require "engram"
   local t
   if slot.like == "scalar" then t = engram.full(slot.initial or 0, { dtype = "float64" })
   else t = engram.full_like(p:detach(), slot.initial or 0) end
   return t:keep()
end

-- The table of a parameter's slots: whoever asks for one that is not declared hears of it, at the line that asks.
function Slots.table(self)
   local declared = self.description.slots
   local function refuse(verb, key)
      error(("step %s s.%s, which is not declared%s"):format(verb, tostring(key), suggest.hint(key, declared)), 3)
   end
   return setmetatable({}, {
      __index = function(_, key) if not declared[key] then refuse("reads", key) end end,
      __newindex = function(slots, key, value)
         if not declared[key] then refuse("writes", key) end
         rawset(slots, key, value)
      end,
   })
end

-- Raises when a step has put another tensor (or anything) in the place of a slot; `before` holds the slots in their order.
function Slots.check_kept(self, slots, before)
   for k, key in ipairs(self.order) do
      if slots[key] ~= before[k] then
         slots[key] = before[k]
         raise("step replaces s.%s: a slot is changed in place, as in s.%s:mul_(0.9):add_(g)", key, key)
      end
   end
end

-- Slots are made at the first step, so that those a setting does without (momentum = 0) cost nothing.
function Slots.prepare(self, i, h)
   local slots, p = self.slots[i], self.parameters[i]
   for _, key in ipairs(self.order) do
      local slot = self.description.slots[key]
      if not slots[key] and (not slot.when or slot.when(h)) then slots[key] = new_slot(slot, p) end
   end
   return slots
end

-- opt:state(p): the slots of a parameter by name ({} before the first step).
function methods:state(p)
   for i, own in ipairs(self.parameters) do
      if own == p then return self.slots[i] end
   end
   raise("optim.%s: state: this tensor is none of its parameters", self.name)
end

-- Iterates "PARAMETER.SLOT", tensor over all slots there are, in a fixed order, then "PARAMETER.step_count", how many it has had.
function methods:named_state()
   local list, at = {}, 0
   for i, name in ipairs(self.names) do
      for _, key in ipairs(self.order) do
         if self.slots[i][key] then list[#list + 1] = { name .. "." .. key, self.slots[i][key] } end
      end
      if self.counts[i] > 0 then
         list[#list + 1] = { name .. ".step_count", require "engram".full(self.counts[i], { dtype = "float64" }) }
      end
   end
   return function()
      at = at + 1
      if list[at] then return list[at][1], list[at][2] end
   end
end

-- A saved slot that this optimizer has no place for: of another parameter, or of another optimizer.
local function unknown_slot(self, name, place)
   for i, parameter in ipairs(self.names) do
      local slot = name:sub(1, #parameter + 1) == parameter .. "." and name:sub(#parameter + 2)
      if slot and not slot:find(".", 1, true) and not suggest.nearest(name, place) then
         raise("optim.%s: load: parameter %s was saved with slot '%s', which this optimizer does not have (its slots: %s)", self.name,
            self.names[i], slot, #self.order > 0 and table.concat(self.order, ", ") or "none")
      end
   end
   raise("optim.%s: load: there is no slot '%s'%s", self.name, name, suggest.hint(name, place))
end

-- Takes over what named_state gave ({ name = tensor }); every name and shape is checked before anything changes.
function methods:load_named_state(given)
   local place = {}
   for i, name in ipairs(self.names) do
      for _, key in ipairs(self.order) do place[name .. "." .. key] = { i, key } end
      place[name .. ".step_count"] = { i, "step_count" }
   end
   for name, t in pairs(given) do
      local at = place[name]
      if not at then unknown_slot(self, name, place) end
      local slot = self.description.slots[at[2]]
      local like = slot and slot.like ~= "scalar" and self.parameters[at[1]].shape or {}
      if table.concat(like, ",") ~= table.concat(t.shape, ",") then
         raise("optim.%s: load: slot '%s' has shape %s, expected (%s)", self.name, name, tensor.shape_text(t), table.concat(like, ", "))
      end
   end
   for name, t in pairs(given) do
      local i, key = unpack(place[name])
      if key == "step_count" then self.counts[i] = t:item()
      else self.slots[i][key] = t:detach():clone():keep() end
   end
end

-- A task begins: slots marked `reset` start anew.
function Slots.reset(self)
   for i in ipairs(self.parameters) do
      for _, key in ipairs(self.order) do
         local slot = self.description.slots[key]
         if slot.reset and self.slots[i][key] then self.slots[i][key]:fill_(slot.initial or 0) end
      end
   end
end

-- Bytes of all slots, and a table of bytes by slot.
function methods:bytes()
   local total, by_slot = 0, {}
   for i in ipairs(self.parameters) do
      for _, key in ipairs(self.order) do
         local t = self.slots[i][key]
         if t then
            total = total + t:bytes()
            by_slot[key] = (by_slot[key] or 0) + t:bytes()
         end
      end
   end
   return total, by_slot
end

return Slots
