-- repl/members.lua: what a value has, found without running anything: raw fields, those of the tables that __index names, and, for
-- what cannot be listed, the names that were declared: a tensor's methods and properties, the rooms of a table that loads them late.
local core = require "engram.core"
local tensor = require "engram.tensor"

local members = {}

-- The tables that indexing `value` looks into, the nearest first. A tensor's are its declared methods and properties.
local function tables_of(value)
   if core.typename(value) == "tensor" then return { tensor.methods, tensor.getters }, true end
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

-- A set { name = value or true } of what may stand behind a dot or (only functions) a colon.
function members.of(value, only_functions)
   local found, are_declared = {}
   local list
   list, are_declared = tables_of(value)
   for _, t in ipairs(list) do
      for name, member in next, t do
         local fits = not only_functions or (type(member) == "function" and t ~= tensor.getters)
            or (type(member) == "table" and (debug.getmetatable(member) or {}).__call ~= nil and not are_declared)
         if type(name) == "string" and fits and found[name] == nil then found[name] = member end
      end
   end
   if not only_functions then
      for name in pairs(rooms_of(value)) do if found[name] == nil then found[name] = true end end
   end
   return found
end

-- The member of that name: true and the value, or false. A declared room is loaded; a tensor's property is not asked for, but
-- that .grad is a tensor is known.
function members.get(value, name)
   local list, is_tensor = tables_of(value)
   if is_tensor and type(name) == "number" then return true, value end     -- a part of a tensor is one
   if is_tensor and tensor.getters[name] and rawget(tensor.methods, name) == nil then return name == "grad", value end
   for _, t in ipairs(list) do
      local member = rawget(t, name)
      if member ~= nil then return true, member end
   end
   if rooms_of(value)[name] then return true, value[name] end
   return false
end

-- Follows "nn.Linear", "x:sum" or "model[1]" from the session's names: true and the value, the container and its last name; or false.
function members.follow(session, path)
   local first, rest = path:match "^([%a_\128-\255][%w_\128-\255]*)(.*)$"
   if not first then return false end
   local found, value = session:lookup(first)
   if not found then found, value = members.get(_G, first) end
   local owner
   while found and rest ~= "" do
      local name, further = rest:match "^[.:]([%a_\128-\255][%w_\128-\255]*)(.*)$"
      if not name then name, further = rest:match "^%[(%d+)%](.*)$" end
      if not name then return false end
      owner, rest = value, further
      found, value = members.get(value, tonumber(name) or name)
   end
   return found, value, owner
end

return members
