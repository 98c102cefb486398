-- optim/native.lua: makes the description of an optimizer from a C plugin (core/engram_plugin.h, core/plugin.c), so that it goes through
-- the same door as one in Lua.
local ffi = require "ffi"
local core = require "engram.core"
local random = require "engram.random"
local C, raise = core.C, core.raise

local WHOLE, SWITCH, CHOICE = 1, 2, 3                  -- ENGRAM_WHOLE, ... of engram_plugin.h
local STREAM = "optimizer"              -- the random stream that plugins draw from

local function text(pointer) return pointer ~= nil and ffi.string(pointer) or nil end

-- ---- what it declares -------------------------------------------------------------------------------------

local function hyper_of(h)
   local about = { doc = text(h.doc) }
   if h.type == CHOICE then
      about.choices = {}
      for i = 1, h.choices do about.choices[i] = ffi.string(h.choice[i - 1]) end
      about.default = about.choices[h.initial + 1]
   elseif h.type == SWITCH then
      about.default = h.initial ~= 0
   else
      about.default, about.type = h.initial, h.type == WHOLE and "whole" or "number"
      if h.minimum > -math.huge then about.min = h.minimum end
      if h.maximum < math.huge then about.max = h.maximum end
   end
   return about
end

-- The parts of the description that are data, and the names in the plugin's order.
local function declared(plugin)
   local hyper, slots, order = {}, {}, { hyper = {}, slots = {}, statistics = {} }
   for i = 0, plugin.hypers - 1 do
      local name = ffi.string(plugin.hyper[i].name)
      hyper[name], order.hyper[i + 1] = hyper_of(plugin.hyper[i]), name
   end
   for i = 0, plugin.slots - 1 do
      local slot = plugin.slot[i]
      local name = ffi.string(slot.name)
      order.slots[i + 1] = name
      slots[name] = { like = slot.scalar == 1 and "scalar" or "parameter", initial = slot.initial, reset = slot.reset == 1,
         doc = text(slot.doc) }
   end
   for i = 0, plugin.statistics - 1 do order.statistics[i + 1] = ffi.string(plugin.statistic[i]) end
   return { name = ffi.string(plugin.name), version = ffi.string(plugin.version), licence = text(plugin.licence),
      doc = text(plugin.doc), source = text(plugin.source), hyper = hyper, slots = slots }, order
end

-- ---- what it does -----------------------------------------------------------------------------------------

-- What the plugin has logged goes to the user and the run's log.
local function tell(name)
   local lines = C.eg_plugin_log()
   if lines == nil then return end
   for line in ffi.string(lines):gmatch "[^\n]+" do print(name .. ": " .. line) end
end

-- `from` begins the message of a failure; that of a step is completed by the optimizer.
local function check(name, status, from)
   tell(name)
   if status ~= 0 then raise("%s%s", from or "", core.message()) end
end

local encode = {
   number = function(value) return value end,
   boolean = function(value) return value and 1 or 0 end,
}

-- Each hyper-parameter as a double: a choice by its place.
local function encoders(description, order)
   local list = {}
   for i, name in ipairs(order.hyper) do
      local places = {}
      for place, choice in ipairs(description.hyper[name].choices or {}) do places[choice] = place - 1 end
      list[i] = next(places) and function(value) return places[value] end or encode[type(description.hyper[name].default)]
   end
   return list
end

local function stepper(plugin, description, order)
   local about, moved = ffi.new "eg_plugin_step", ffi.new "int64_t[1]"
   local hyper = ffi.new("double[?]", math.max(1, #order.hyper))
   local slots = ffi.new("eg_tensor *[?]", math.max(1, #order.slots))
   local encoded, hypers, names = encoders(description, order), order.hyper, order.slots
   about.hyper, about.slots = hyper, slots
   return function(p, g, s, h)
      for i = 1, #hypers do hyper[i - 1] = encoded[i](h[hypers[i]]) end
      for i = 1, #names do slots[i - 1] = s[names[i]].tensor end
      about.name, about.index, about.step, about.parameter_step = h.parameter, h.index - 1, h.step, h.count
      about.task, about.epoch, about.rng = h.task, h.epoch, random.stream(STREAM)
      check(description.name, C.eg_plugin_update(h.optimizer.native, about, p.tensor, g.tensor, moved))
      return tonumber(moved[0])
   end
end

local function statistics(plugin, order)
   local values = ffi.new("double[?]", math.max(1, #order.statistics))
   return function(optimizer)
      local found = {}
      check(optimizer.name, C.eg_plugin_statistics(optimizer.native, values), "optim." .. optimizer.name .. ": ")
      for i, name in ipairs(order.statistics) do found[name] = values[i - 1] end
      return found
   end
end

-- read(path, from): the description of the plugin in a shared library. Raises when anything about it is wrong.
return function(path, from)
   local plugin = C.eg_plugin_open(path)
   if plugin == nil then raise("%s", from .. core.message()) end
   local description, order = declared(plugin)
   function description.create(optimizer)
      local weights = 0
      for _, p in ipairs(optimizer.parameters) do weights = weights + p:numel() end
      optimizer.native = C.eg_plugin_new(plugin, #optimizer.parameters, weights)
      tell(description.name)
      if optimizer.native == nil then raise("optim.%s: %s", description.name, core.message()) end
      ffi.gc(optimizer.native, C.eg_plugin_free)
   end
   description.step = stepper(plugin, description, order)
   local who = "optim." .. description.name .. ": "
   function description.task_begin(optimizer, task) check(description.name, C.eg_plugin_task(optimizer.native, task, 1), who) end
   function description.task_end(optimizer, task) check(description.name, C.eg_plugin_task(optimizer.native, task, 0), who) end
   if #order.statistics > 0 then description.statistics = statistics(plugin, order) end
   return description, plugin.name
end
