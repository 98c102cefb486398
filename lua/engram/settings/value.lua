-- settings/value.lua: one setting's value, read from a node of a settings file or a word of the command line as its type asks,
-- and checked against its range and choices. Every reader returns the value, or nil and what is wrong with it.
local core = require "engram.core"
local description = require "engram.settings.description"
local json = require "engram.json"
local suggest = require "engram.suggest"
local yaml = require "engram.yaml"

local value = {}

-- What stands there, for a message.
local function shown(node)
   if node.kind == "null" then return node.text ~= "" and node.text or "nothing" end
   if node.kind == "list" or node.kind == "map" then return "a " .. node.kind end
   local text = #node.text > 60 and node.text:sub(1, 57) .. "..." or node.text
   return node.kind == "string" and "'" .. text:gsub("%c", "?") .. "'" or text
end
value.shown = shown

local function expected(what, node) return nil, ("expected %s, got %s"):format(what, shown(node)) end

-- ---- the types --------------------------------------------------------------------------------------------

local read = {}

local function or_false(about, what) return about.default == false and what .. " or false" or what end

function read.number(node, about)
   if about.default == false and node.value == false then return false end
   if node.kind ~= "number" or node.value ~= node.value then return expected(or_false(about, "a number"), node) end
   if math.abs(node.value) == math.huge and not node.text:lower():find "inf" then
      return nil, ("%s is too large for a number: write .inf"):format(shown(node))
   end
   return node.value
end

function read.integer(node, about)
   if about.default == false and node.value == false then return false end
   if node.kind ~= "number" or node.value % 1 ~= 0 then return expected(or_false(about, "a whole number"), node) end
   if math.abs(node.value) > 2 ^ 53 then return nil, ("%s is beyond 2^53, where whole numbers are no longer exact"):format(shown(node)) end
   return node.value
end

function read.boolean(node)
   if node.kind == "boolean" then return node.value end
   return expected("true or false", node)
end

-- A text is taken as it was written: `name: 1.10` is "1.10".
function read.string(node)
   if node.kind == "null" then return nil, ('expected a text, got %s; write "" for an empty one, or "null"'):format(shown(node)) end
   if not node.text then return expected("a text", node) end
   return node.text
end

-- The items are read like the default's first one, or, where it has none, as what they are.
function read.list(node, about)
   if node.kind ~= "list" then return expected("a list, as [a, b]", node) end
   local list, first = json.array{}, about.default and about.default[1]
   local kind = type(first)
   for i, item in ipairs(node) do
      local problem
      if read[kind] then list[i], problem = read[kind](item, {}) else list[i] = yaml.plain(item) end
      if problem then return nil, ("%s (item %d of the list)"):format(problem, i), item end
   end
   return list
end

-- What is wrong with a value that is to be a schedule; nil when schedule.of takes it.
local function schedule_problem(plain)
   local ok, problem = pcall(require "engram.schedule".of, plain)
   return not ok and tostring(problem):gsub("^.-:%d+: ", "") or nil
end

-- A number, a switch, or a map as schedule.of takes it.
function read.schedule(node)
   if node.kind ~= "number" and node.kind ~= "boolean" and node.kind ~= "map" then
      return expected("a number or a schedule, as {per_task: [0.5, 0]}", node)
   end
   local plain = yaml.plain(node)
   local problem = schedule_problem(plain)
   if problem then return nil, problem end
   return plain
end

-- ---- range and choices ------------------------------------------------------------------------------------

local function is_choice(item, choices)
   for _, choice in ipairs(choices) do if choice == item then return true end end
   return false
end

local function fits(item, about)
   if about.choices then return is_choice(item, about.choices) end
   return type(item) ~= "number" or (item >= (about.min or -math.huge) and item <= (about.max or math.huge))
end

local function wanted(about)
   local range = description.range(about)
   if about.choices then return range end
   local kind = about.type == "integer" and "a whole number" or "a number"
   return range and kind .. (about.min and about.max and " from " or " of ") .. range or kind
end

-- ", did you mean 'Adam'?" where a choice is near.
local function hint(item, about)
   local near = about.choices and suggest.nearest(item, about.choices)
   return near and (", did you mean '%s'?"):format(near) or ""
end

-- What is wrong with a value, or an item of a list; nil when it is in its range and one of its choices.
function value.problem(result, about)
   for i, item in ipairs(about.type == "list" and result or { result }) do
      if not fits(item, about) and not (item == false and about.default == false) then
         return ("expected %s, got %s%s%s"):format(wanted(about), type(item) == "string" and "'" .. item .. "'" or tostring(item),
            about.type == "list" and (" (item %d of the list)"):format(i) or "", hint(item, about))
      end
   end
end

-- ---- nodes and words --------------------------------------------------------------------------------------

-- A word of the command line as a node, by YAML's rules.
local function parsed(text)
   local node, problem = yaml.parse(text)
   if not node then return nil, problem end
   if node.kind == "string" and text:find "^[+-]?inf$" then                  -- as Lua writes it
      node.kind, node.value = "number", tonumber(text)
   end
   return node
end

-- A text on the command line needs no quotes; what begins with one is YAML.
local function text_node(text)
   if text:find "^[\"']" then return parsed(text) end
   local checked, problem = yaml.parse("'" .. text:gsub("'", "''") .. "'")   -- is it UTF-8?
   if not checked then return nil, (problem:gsub("column (%d+)", function(n) return "column " .. n - 1 end)) end
   return { kind = "string", text = text, value = text }
end

-- a,b,c is a list too.
local function list_node(text, about)
   if text:find "^%s*%[" then return parsed(text) end
   local node, of_texts = { kind = "list" }, about.default and type(about.default[1]) == "string"
   if text == "" then return node end
   for item in (text .. ","):gmatch "([^,]*)," do
      local inner, problem = (of_texts and text_node or parsed)(item)
      if not inner then return nil, ("%s (item %d of the list)"):format(problem, #node + 1) end
      node[#node + 1] = inner
   end
   return node
end

-- node(node, about): the node itself, or that of a word of the command line; nil and what is wrong.
function value.node(node, about)
   if node.kind ~= "word" then return node end
   if about.type == "string" then return text_node(node.text) end
   if about.type == "list" then return list_node(node.text, about) end
   return parsed(node.text)
end

-- read(node, about): the value; nil, what is wrong, and the inner node where it is.
function value.read(node, about)
   local found, problem = value.node(node, about)
   if not found then return nil, problem end
   local result, place
   result, problem, place = read[about.type](found, about)
   if problem then return nil, problem, place end
   return result, value.problem(result, about)
end

-- The type that a declared default must have; raises when it has another, or is outside its own range.
function value.check_default(key, about)
   local default = about.default
   local kind = description.is_list(default) and "list" or type(default)
   local want = about.type == "integer" and "number" or about.type
   local ok = kind == want or default == false or default == nil or want == "schedule"
   if not ok then core.raise("settings: %s: the default is a %s, its type is %s", key, kind, about.type) end
   local problem
   if want == "schedule" and default ~= nil then problem = schedule_problem(default)
   elseif about.type == "integer" and default and default % 1 ~= 0 then problem = ("expected a whole number, got %s"):format(default)
   elseif default ~= nil then problem = value.problem(default, about) end
   if problem then core.raise("settings: %s: the default: %s", key, problem) end
end

return value
