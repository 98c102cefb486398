-- repl/members.lua: what a value has, found without running anything: raw fields, those of the tables that __index names, and, for
-- what cannot be listed, the names that were declared: a tensor's methods and properties, the rooms of a table that loads them late.
local core = require "engram.core"
local tensor = require "engram.tensor"

local members = {}

-- Stands for a tensor that is not there: what a call would give.
members.a_tensor = {}

local function is_tensor(value) return rawequal(value, members.a_tensor) or core.typename(value) == "tensor" end

-- The tables that indexing `value`, which is no tensor, looks into, the nearest first.
local function tables_of(value)
   local list, seen = {}, {}
   while value ~= nil and not seen[value] do
      seen[value] = true
      if type(value) == "table" then list[#list + 1] = value end
      local metatable = debug.getmetatable(value)
      if type(metatable) ~= "table" then break end
      value = rawget(metatable, "__index")
      if type(value) ~= "table" then break end         -- a function would have to be run
   end
   return list
end

-- The declared names of a table whose fields are loaded when they are first asked for.
local function rooms_of(value)
   local metatable = debug.getmetatable(value)
   return type(value) == "table" and type(metatable) == "table" and rawget(metatable, "rooms") or {}
end

local function is_called(member)
   local metatable = debug.getmetatable(member)
   return type(member) == "function" or type(member) == "table" and type(metatable) == "table" and rawget(metatable, "__call") ~= nil
end

-- A set { name = value or true } of what may stand behind a colon (only_functions) or a dot; of a tensor behind a dot its properties alone.
function members.of(value, only_functions)
   if is_tensor(value) then return only_functions and tensor.methods or tensor.getters end
   local found = {}
   for _, t in ipairs(tables_of(value)) do
      for name, member in next, t do
         if type(name) == "string" and found[name] == nil and (not only_functions or is_called(member)) then found[name] = member end
      end
   end
   if not only_functions then
      for name in pairs(rooms_of(value)) do if found[name] == nil then found[name] = true end end
   end
   return found
end

-- The member of that name: true and the value, or false. A declared room is loaded; a tensor's property is not asked for, but
-- that .grad is a tensor is known, and that a part of one is.
function members.get(value, name)
   if is_tensor(value) then
      if type(name) == "number" or name == "grad" then return true, members.a_tensor end
      return tensor.methods[name] ~= nil, tensor.methods[name]
   end
   for _, t in ipairs(tables_of(value)) do
      local member = rawget(t, name)
      if member ~= nil then return true, member end
   end
   if rooms_of(value)[name] then return true, value[name] end
   return false
end

-- Whether a table is a class, or an object of one, that comes of `class`.
function members.is_a(value, class)
   for _, t in ipairs(type(value) == "table" and tables_of(value) or {}) do if t == class then return true end end
   return false
end

return members
