-- optim/optimizer.lua: what every optimizer has for nothing: checked hyper-parameters that may be schedules, slots that the host
-- allocates, saves, counts and resets, statistics, and the walk over the parameters.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local schedule = require "engram.schedule"
local suggest = require "engram.suggest"
local describe = require "engram.optim.description"
local raise = core.raise

local Optimizer = {}
Optimizer.__index = Optimizer

local function sorted_keys(t)
   local keys = {}
   for key in pairs(t) do keys[#keys + 1] = key end
   table.sort(keys)
   return keys
end

-- ---- hyper-parameters -------------------------------------------------------------------------------------

local aliases = { learning_rate = "lr" }

-- opt:set{ lr = 0.1 }: changes hyper-parameters (values or schedules); all are checked before any is changed.
function Optimizer:set(options)
   local who = "optim." .. self.description.name
   local declared, given = self.description.hyper, {}
   for key, value in pairs(options) do
      key = declared[key] and key or aliases[key] or key
      local hyper = declared[key]
      if not hyper then raise("%s: unknown option '%s'%s", who, tostring(key), suggest.hint(key, declared)) end
      given[key] = schedule.is_schedule(value) and value or describe.check_value(who, key, hyper, value)
   end
   for key, value in pairs(self.hyper) do
      if given[key] == nil then given[key] = value end
   end
   if self.description.check then self.description.check(given, who) end
   for key, value in pairs(given) do self.hyper[key] = value end
end

-- ---- making -----------------------------------------------------------------------------------------------

local function named_parameters(target, who)
   local names, list = {}, {}
   if type(target) == "table" and type(target.named_parameters) == "function" then
      for name, p in target:named_parameters() do names[#names + 1], list[#list + 1] = name, p end
   elseif tensor.is_tensor(target) then
      names, list = { "1" }, { target }
   elseif type(target) == "table" then
      for i, p in ipairs(target) do names[i], list[i] = tostring(i), p end
   else
      raise("%s: expected a model or a list of tensors, got %s", who, core.typename(target))
   end
   if #list == 0 then raise("%s: there are no parameters to train", who) end
   local place = {}
   for i, p in ipairs(list) do
      if place[p] then raise("%s: parameter %s is parameter %s once more", who, names[i], place[p]) end
      place[p] = names[i]
      tensor.live(p, ("%s: parameter %s"):format(who, names[i]))
      if not (p.requires_grad and p.is_leaf) then raise("%s: parameter %s does not require a gradient", who, names[i]) end
      if not p:is_contiguous() then raise("%s: parameter %s is not contiguous", who, names[i]) end
   end
   return names, list
end

local function make(description, target, options)
   local who = "optim." .. description.name
   local names, list = named_parameters(target, who)
   local self = setmetatable({ description = description, name = description.name, names = names, parameters = list, hyper = {},
      slots = {}, counts = {}, resolved = {}, moved = 0, weights = 0 }, Optimizer)
   for key, hyper in pairs(description.hyper) do self.hyper[key] = hyper.default end
   if options ~= nil and type(options) ~= "table" then raise("%s: options must be a table, got %s", who, core.typename(options)) end
   self:set(options or {})
   self.context = { task = 1, epoch = 1, step = 0, step_in_task = 0, optimizer = self }
   self.context.gradient_quantile = function(q) return self:gradient_quantile(q) end
   self.order = sorted_keys(description.slots)
   for i in ipairs(list) do self.slots[i], self.counts[i] = {}, 0 end
   return self
end

-- ---- slots ------------------------------------------------------------------------------------------------

local function new_slot(slot, p)
   local engram = require "engram"
   local t
   if slot.like == "scalar" then t = engram.full(slot.initial or 0, { dtype = "float64" })
   else t = engram.full_like(p:detach(), slot.initial or 0) end
   return t:keep()
end

-- Slots are made at the first step, so that those a setting does without (momentum = 0) cost nothing.
local function prepare(self, i, h)
   local slots, p = self.slots[i], self.parameters[i]
   for _, key in ipairs(self.order) do
      local slot = self.description.slots[key]
      if not slots[key] and (not slot.when or slot.when(h)) then slots[key] = new_slot(slot, p) end
   end
   return slots
end

-- opt:state(p): the slots of a parameter by name ({} before the first step).
function Optimizer:state(p)
   for i, own in ipairs(self.parameters) do
      if own == p then return self.slots[i] end
   end
   raise("optim.%s: state: this tensor is none of its parameters", self.name)
end

-- Iterates "PARAMETER.SLOT", tensor over all slots there are, in a fixed order, then "PARAMETER.step_count", how many it has had.
function Optimizer:named_state()
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

-- Takes over what named_state gave ({ name = tensor }); every name and shape is checked before anything changes.
function Optimizer:load_named_state(given)
   local place = {}
   for i, name in ipairs(self.names) do
      for _, key in ipairs(self.order) do place[name .. "." .. key] = { i, key } end
      place[name .. ".step_count"] = { i, "step_count" }
   end
   for name, t in pairs(given) do
      local at = place[name]
      if not at then raise("optim.%s: load: there is no slot '%s'%s", self.name, name, suggest.hint(name, place)) end
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

-- ---- steps ------------------------------------------------------------------------------------------------

-- Drops all gradients; the next backward makes new ones.
function Optimizer:zero_grad()
   for _, p in ipairs(self.parameters) do autograd.drop_gradient(p) end
end

-- The q-th quantile of the squares of all present gradients.
function Optimizer:gradient_quantile(q)
   return tensor.scope(function()
      local squares = {}
      for _, p in ipairs(self.parameters) do
         local g = autograd.gradient_of(p)
         if g then squares[#squares + 1] = g:detach():reshape(-1):square() end
      end
      if #squares == 0 then return 0 end
      return require "engram".cat(squares, 1):quantile(q)
   end)
end

local function resolve(self, context)
   local h, description = self.resolved, self.description
   for key, hyper in pairs(description.hyper) do
      local value = self.hyper[key]
      if schedule.is_schedule(value) then
         value = describe.check_value("optim." .. self.name, key, hyper, schedule.resolve(value, context))
      end
      h[key] = value
   end
   return h
end

-- The context of this step: the trainer's where given, else counted here.
local function advance(self, given)
   local own = self.context
   own.step, own.step_in_task = own.step + 1, own.step_in_task + 1
   if given then
      for _, key in ipairs{ "task", "epoch", "step", "step_in_task", "steps_per_epoch", "steps_in_task", "loss" } do
         if given[key] ~= nil then own[key] = given[key] end
      end
   end
   return own
end

-- The gradient of p, and the step for it: rows alone where the optimizer leaves the others as they are.
local function gradient_and_step(self, p, h)
   local of_rows = self.description.rows
   local rows = of_rows and of_rows.when(h) and autograd.rows_of(p)
   if rows then return rows, of_rows.step end
   return autograd.gradient_of(p), self.description.step
end

local function update(self, h)
   local moved, weights = 0, 0
   for i, p in ipairs(self.parameters) do
      local g, step = gradient_and_step(self, p, h)
      if g then
         local slots = prepare(self, i, h)
         local count = self.counts[i] + 1
         self.counts[i], h.count, h.first = count, count, count == 1
         if not g:is_contiguous() then g = g:contiguous() end
         local n = step(p, g, slots, h)
         weights = weights + p:numel()
         moved = moved + (n or p:numel())
      end
   end
   self.moved, self.weights = moved, weights
end

local function take_step(self, now)
   local h = resolve(self, now)
   h.step = now.step
   update(self, h)
end

-- opt:step([context]): one update of every parameter that has a gradient. Returns the optimizer.
function Optimizer:step(context)
   local now = advance(self, context)
   local before = autograd.set_enabled(false)
   local ok, message = pcall(take_step, self, now)
   autograd.set_enabled(before)
   if not ok then error(message, 0) end
   return self
end

-- ---- tasks, statistics, bytes -----------------------------------------------------------------------------

-- A task begins: per-task schedules move on, slots marked `reset` start anew.
function Optimizer:task_begin(task)
   self.context.task, self.context.step_in_task, self.context.epoch = task, 0, 1
   for i in ipairs(self.parameters) do
      for _, key in ipairs(self.order) do
         local slot = self.description.slots[key]
         if slot.reset and self.slots[i][key] then self.slots[i][key]:fill_(slot.initial or 0) end
      end
   end
   if self.description.task_begin then self.description.task_begin(self, task) end
end

function Optimizer:task_end(task)
   if self.description.task_end then self.description.task_end(self, task) end
end

-- { step, weights, moved, update_density } of the last step, and what the description's own `statistics` adds.
function Optimizer:statistics()
   local s = { step = self.context.step, weights = self.weights, moved = self.moved,
      update_density = self.weights > 0 and self.moved / self.weights or nil }
   if self.description.statistics then
      for key, value in pairs(self.description.statistics(self) or {}) do s[key] = value end
   end
   return s
end

-- Bytes of all slots, and a table of bytes by slot.
function Optimizer:bytes()
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

function Optimizer.__tostring(self)
   local words = {}
   for _, key in ipairs(sorted_keys(self.hyper)) do words[#words + 1] = key .. " = " .. schedule.describe(self.hyper[key]) end
   return ("%s{ %s }"):format(self.name, table.concat(words, ", "))
end

return { check = describe.check, make = make, Optimizer = Optimizer }
