-- optim/optimizer.lua: what every optimizer has for nothing: checked hyper-parameters that may be schedules, slots that the host
-- allocates, saves, counts and resets, statistics, and the walk over the parameters.
local core = require "engram.core"
local tensor = require "engram.tensor"
local autograd = require "engram.autograd"
local schedule = require "engram.schedule"
local suggest = require "engram.suggest"
local describe = require "engram.optim.description"
local Slots = require "engram.optim.slots"
local prepare = Slots.prepare
local raise = core.raise

local Optimizer = {}
Optimizer.__index = Optimizer
for name, method in pairs(Slots.methods) do Optimizer[name] = method end

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
   if type(options) ~= "table" then raise("%s: set: expected a table, as opt:set{ lr = 0.1 }, got %s", who, core.shown(options)) end
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
      slots = {}, before = {}, counts = {}, resolved = {}, moved = 0, weights = 0 }, Optimizer)
   for key, hyper in pairs(description.hyper) do self.hyper[key] = hyper.default end
   if options ~= nil and type(options) ~= "table" then raise("%s: options must be a table, got %s", who, core.typename(options)) end
   self:set(options or {})
   self.context = { task = 1, epoch = 1, step = 0, step_in_task = 0, optimizer = self }
   self.context.gradient_quantile = function(q) return self:gradient_quantile(q) end
   self.order = sorted_keys(description.slots)
   for i in ipairs(list) do self.slots[i], self.counts[i] = Slots.table(self), 0 end
   if description.create then description.create(self) end
   return self
end

-- ---- steps ------------------------------------------------------------------------------------------------

-- Drops all gradients; the next backward makes new ones.
function Optimizer:zero_grad()
   for _, p in ipairs(self.parameters) do autograd.drop_gradient(p) end
end

-- The q-th quantile of the squares of all present gradients; one that is 0, as gradients of words are that are not in a batch, is noted.
function Optimizer:gradient_quantile(q)
   local value = tensor.scope(function()
      local squares = {}
      for _, p in ipairs(self.parameters) do
         local g = autograd.gradient_of(p)
         if g then squares[#squares + 1] = g:detach():reshape(-1):square() end
      end
      if #squares == 0 then return 0 end
      return require "engram".cat(squares, 1):quantile(q)
   end)
   if value == 0 and q > 0 then self.void_quantile = q end
   return value
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
   if given ~= nil then
      if type(given) ~= "table" then core.raise("step: expected nothing, or the trainer's state, got %s", core.typename(given)) end
      for _, key in ipairs{ "task", "epoch", "step", "step_in_task", "steps_per_epoch", "steps_in_task", "loss" } do
         if given[key] ~= nil then own[key] = given[key] end
      end
   end
   return own
end

-- How many weights a step has moved: what it returned, or all.
local function moved_of(self, p, n)
   if n == nil then return p:numel() end
   if type(n) ~= "number" or not (n >= 0 and n <= p:numel()) then
      raise("step returned %s, expected nothing or how many of the %d weights moved", type(n) == "number" and n or core.typename(n),
         p:numel())
   end
   return n
end

-- The gradient of p, and the step for it: rows alone where the optimizer leaves the others as they are.
local function gradient_and_step(self, p, h)
   local of_rows = self.description.rows
   local rows = of_rows and of_rows.when(h) and autograd.rows_of(p)
   if rows then return rows, of_rows.step end
   return autograd.gradient_of(p), self.description.step
end

-- One step, which must leave every slot's tensor in its place.
local function guarded_step(self, step, p, g, slots, h)
   local order, before = self.order, self.before
   for k = 1, #order do before[k] = slots[order[k]] end
   local n = step(p, g, slots, h)
   for k = 1, #order do
      if not rawequal(slots[order[k]], before[k]) then Slots.check_kept(self, slots, before) end
   end
   return n
end

local function update(self, h)
   local moved, weights = 0, 0
   for i, p in ipairs(self.parameters) do
      local g, step = gradient_and_step(self, p, h)
      if g then
         local slots = prepare(self, i, h)
         local count = self.counts[i] + 1
         self.at = i
         self.counts[i], h.count, h.first, h.parameter, h.index = count, count, count == 1, self.names[i], i
         if not g:is_contiguous() then g = g:contiguous() end
         local n = moved_of(self, p, guarded_step(self, step, p, g, slots, h))
         weights = weights + p:numel()
         moved = moved + n
      end
   end
   self.moved, self.weights = moved, weights
end

local function take_step(self, now)
   self.at = nil
   local h = resolve(self, now)
   h.step, h.task, h.epoch, h.optimizer = now.step, now.task, now.epoch, self
   update(self, h)
end

-- The message of an error within a step: a tensor taken for a number is told in the words of a description.
local function explained(message)
   if not (message:find "'struct eg_handle'" or message:find "a number, got tensor") then return message end
   local place = not message:find "/engram/ops/[%w_]+%.lua:%d+:" and message:match "^%S+:%d+: " or ""   -- the library's lines tell nothing
   return place .. "a tensor stands where a number is expected; the number in a scalar slot s.NAME is s.NAME:item()"
end

-- opt:step([context]): one update of every parameter that has a gradient. Returns the optimizer.
function Optimizer:step(context)
   local now = advance(self, context)
   local before = autograd.set_enabled(false)
   local ok, message = pcall(take_step, self, now)
   autograd.set_enabled(before)
   if not ok then
      if self.at and type(message) == "string" and not core.interrupted() then
         message = ("optim.%s: parameter %s: %s"):format(self.name, self.names[self.at], explained(message))
      end
      error(message, 0)
   end
   return self
end

-- ---- tasks and statistics ---------------------------------------------------------------------------------

-- A task begins: per-task schedules move on, slots marked `reset` start anew.
function Optimizer:task_begin(task)
   self.context.task, self.context.step_in_task, self.context.epoch = task, 0, 1
   Slots.reset(self)
   if self.description.task_begin then self.description.task_begin(self, task) end
end

-- opt:reset(): slots and step counts are as before the first step. Hyper-parameters and the place in schedules stay.
function Optimizer:reset()
   for i in ipairs(self.parameters) do
      for key, slot in pairs(self.slots[i]) do slot:fill_(self.description.slots[key].initial or 0) end
      self.counts[i] = 0
   end
end

function Optimizer:task_end(task)
   if self.description.task_end then self.description.task_end(self, task) end
end

-- What the description's own `statistics` tells: a table of numbers, nil when it has none.
function Optimizer:own_statistics()
   if not self.description.statistics then return nil end
   local found = self.description.statistics(self)
   if type(found) ~= "table" then
      raise("optim.%s: statistics returned %s, expected a table of numbers", self.name, core.typename(found))
   end
   for key, value in pairs(found) do
      if type(key) ~= "string" or type(value) ~= "number" then
         raise("optim.%s: statistics: %s is a %s, expected a number by name", self.name, tostring(key), core.typename(value))
      end
   end
   return found
end

-- { step, weights, moved, update_density } of the last step, and what the description's own `statistics` adds.
function Optimizer:statistics()
   local s = { step = self.context.step, weights = self.weights, moved = self.moved,
      update_density = self.weights > 0 and self.moved / self.weights or nil }
   for key, value in pairs(self:own_statistics() or {}) do s[key] = value end
   return s
end

function Optimizer.__tostring(self)
   local words = {}
   for _, key in ipairs(sorted_keys(self.hyper)) do words[#words + 1] = key .. " = " .. schedule.describe(self.hyper[key]) end
   return ("%s{ %s }"):format(self.name, table.concat(words, ", "))
end

return { check = describe.check, make = make, Optimizer = Optimizer }
