-- verify/nodes.lua: the parts of a table's file (yaml.parse's nodes), with errors that tell file, line and column.
--
-- Wherever a value may stand, a map whose keys are all columns of the table says a value for each of them: { task: 100, class: 600 }.
-- A choice of a part by name is the name, or a map of it to its options: Flatten, { Adam: { lr: 0.001 } }; several are a list.
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"
local yaml = require "engram.yaml"

local nodes = {}

function nodes.refuse(node, message, ...) usage_error("%s: %s", node.where, message:format(...)) end
local refuse = nodes.refuse

-- The node of a kind, or of one of several.
function nodes.of_kind(node, what, kind, ...)
   for _, allowed in ipairs{ kind, ... } do
      if node.kind == allowed then return node end
   end
   refuse(node, "%s: expected a %s, got a %s", what, table.concat({ kind, ... }, " or a "), node.kind)
end

-- The members of a map as { key = node }, each of which must be allowed.
function nodes.members(node, what, allowed)
   local found, known = {}, {}
   for _, key in ipairs(allowed) do known[key] = true end
   for _, member in ipairs(nodes.of_kind(node, what, "map").members) do
      if not known[member.key] then
         usage_error("%s: %s: unknown key '%s'%s", member.where, what, member.key, suggest.hint(member.key, allowed))
      end
      found[member.key] = member.value
   end
   return found
end

-- ---- values by column -------------------------------------------------------------------------------------

-- Whether a map says a value for each column.
local function is_choice(node, columns)
   if node.kind ~= "map" or #node.members == 0 then return false end
   for _, member in ipairs(node.members) do
      if not columns[member.key] then return false end
   end
   return true
end

-- The node that counts for a column; nil where a map by columns leaves it out. columns: by their names.
function nodes.pick(node, column, columns)
   while node and is_choice(node, columns) do
      local found
      for _, member in ipairs(node.members) do
         local run = columns[member.key].run
         if run ~= member.key then
            refuse(member.value, "the figures of column '%s' are of the runs of '%s': what is trained is said for that one", member.key,
               run)
         end
         if member.key == column then found = member.value end
      end
      node = found
   end
   return node
end

-- The Lua value of a node for a column. named: words that stand for values, as `seed`.
function nodes.value(node, column, columns, named)
   node = nodes.pick(node, column, columns)
   if not node or node.kind == "null" then return nil end
   if node.kind == "string" and named[node.text] ~= nil then return named[node.text] end
   if node.kind ~= "list" and node.kind ~= "map" then return yaml.plain(node) end
   local value = {}
   for i, item in ipairs(node.kind == "list" and node or {}) do value[i] = nodes.value(item, column, columns, named) end
   for _, member in ipairs(node.kind == "map" and node.members or {}) do
      value[member.key] = nodes.value(member.value, column, columns, named)
   end
   return value
end

-- ---- choices by name --------------------------------------------------------------------------------------

local function part_of(node, what, column, columns, named)
   if node.kind == "string" then return { name = node.text, where = node.where } end
   if node.kind ~= "map" or #node.members ~= 1 then
      refuse(node, "%s: expected a name, or a map of one name to its options", what)
   end
   local member = node.members[1]
   return { name = member.key, where = member.where, options = nodes.value(member.value, column, columns, named) }
end

-- The list of { name =, options = (nil for none), where = } of a node.
function nodes.parts(node, what, column, columns, named)
   local list = {}
   node = nodes.pick(node, column, columns)
   if not node or node.kind == "null" then return list end
   for i, item in ipairs(node.kind == "list" and node or { node }) do
      list[i] = part_of(nodes.pick(item, column, columns) or item, what, column, columns, named)
   end
   return list
end

return nodes
