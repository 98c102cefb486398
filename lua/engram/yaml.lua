-- yaml.lua: YAML texts to Lua values and back. Reading is the core's (core/yaml.c: YAML 1.2 core types, anchors, merge keys,
-- limits); writing is here, and what it writes reads back equal.
local ffi = require "ffi"
local core = require "engram.core"
local json = require "engram.json"
local C = core.C

local yaml = { null = json.null }

local MAX_BYTES = 2 ^ 20                -- as the core's: a longer file is refused, and not read to its end

-- ---- reading ----------------------------------------------------------------------------------------------

local kinds = { [C.EG_YAML_NULL] = "null", [C.EG_YAML_FALSE] = "boolean", [C.EG_YAML_TRUE] = "boolean",
   [C.EG_YAML_NUMBER] = "number", [C.EG_YAML_STRING] = "string", [C.EG_YAML_LIST] = "list", [C.EG_YAML_MAP] = "map" }

local function scalar_of(value, node)
   node.text = ffi.string(value.text, value.length)
   if node.kind == "number" then node.value = value.number
   elseif node.kind == "boolean" then node.value = value.kind == C.EG_YAML_TRUE
   elseif node.kind == "string" then node.value = node.text
   else node.value = yaml.null end
   return node
end

-- The core's tree as Lua tables: { kind, where = "NAME:LINE:COLUMN", origin = "NAME:LINE" } and value and text of a scalar, the
-- items of a list, or members of a map, each { key, where, value = node }.
local function node_of(value, name)
   local node = { kind = kinds[value.kind], where = name and ("%s:%d:%d"):format(name, value.line, value.column),
      origin = name and ("%s:%d"):format(name, value.line) }
   if node.kind ~= "list" and node.kind ~= "map" then return scalar_of(value, node) end
   if node.kind == "map" then node.members = {} end
   for i = 0, tonumber(value.children) - 1 do
      local child = value.child[i]
      if node.kind == "list" then
         node[i + 1] = node_of(child, name)
      else
         node.members[i + 1] = { key = ffi.string(child.key, child.key_length), value = node_of(child, name),
            where = name and ("%s:%d:%d"):format(name, child.key_line, child.key_column) }
      end
   end
   return node
end

-- parse(text [, name]): the text as a tree of nodes, which with a name know their places; nil and the core's message when it is refused.
function yaml.parse(text, name)
   local root = C.eg_yaml_parse(text, #text, name)
   if root == nil then return nil, core.message() end
   local node = node_of(root, name)
   C.eg_yaml_free(root)
   return node
end

-- plain(node): the Lua value of a node; null becomes yaml.null.
function yaml.plain(node)
   if node.kind == "list" then
      local list = json.array{}
      for i, item in ipairs(node) do list[i] = yaml.plain(item) end
      return list
   elseif node.kind == "map" then
      local map = {}
      for _, member in ipairs(node.members) do map[member.key] = yaml.plain(member.value) end
      return map
   end
   return node.value
end

-- read(path): the text of a file that is no longer than settings may be; nil and the reason when it cannot be read.
function yaml.read(path)
   local file, problem = io.open(path, "rb")
   if not file then return nil, problem end
   local text = file:read(MAX_BYTES + 1)
   local is_folder = not text and file:read(0) == nil and C.eg_file_kind(path) == 2
   file:close()
   if is_folder then return nil, path .. ": a folder, expected a YAML file" end
   return text or ""
end

local function decoded(text, name)
   local node, problem = yaml.parse(text, name)
   if not node then core.raise("%s%s", name and "" or "yaml.decode: ", problem) end
   return yaml.plain(node)
end

-- The value of a YAML text; null becomes yaml.null.
function yaml.decode(text)
   if type(text) ~= "string" then core.raise("yaml.decode: expected a string, got %s", core.typename(text)) end
   return decoded(text)
end

-- The value in a YAML file.
function yaml.load(path)
   core.path("yaml.load", path)
   local text, problem = yaml.read(path)
   if not text then core.raise("%s", problem) end
   return decoded(text, path)
end

-- ---- writing ----------------------------------------------------------------------------------------------

-- Words that some reader (also of YAML 1.1) takes for something else than a text.
local taken = {}
for word in ("null true false yes no on off y n"):gmatch "%a+" do taken[word] = true end

local function code_point(bytes)
   local a, b, c = bytes:byte(1, 3)
   return ("\\u%04X"):format(c and a % 16 * 4096 + b % 64 * 64 + c % 64 or a % 32 * 64 + b % 64)
end

-- JSON's quotes, with what YAML takes for a line break or does not print escaped too.
local function quoted(text)
   return (json.encode(text):gsub("\194[\128-\159]", code_point):gsub("\226\128[\168\169]", code_point)
      :gsub("\239\187\191", code_point):gsub("\239\191[\190\191]", code_point))
end

local function word(text)
   local plain = text:find "^[%a_/][%w_%-./+=]*$" or text:find "^[%a_/][%w_%-./+= ]*[%w_/]$"
   return plain and not taken[text:lower()] and text or quoted(text)
end

-- With a point before the exponent, so that readers of YAML 1.1 see a number too.
local function number(value)
   if value ~= value then return ".nan" end
   if value == math.huge or value == -math.huge then return value > 0 and ".inf" or "-.inf" end
   return (json.encode(value):gsub("^(%-?%d+)e", "%1.0e"))
end

local is_list = json.is_list

local function sorted_keys(map)
   local keys = {}
   for key in pairs(map) do
      if type(key) ~= "string" and type(key) ~= "number" then core.raise("yaml: a key is a %s", type(key)) end
      keys[#keys + 1] = key
   end
   table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
   return keys
end

-- The value on one line.
local function flow(value, depth)
   local kind = core.typename(value)
   if value == nil or value == yaml.null then return "null" end
   if kind == "string" then return word(value) end
   if kind == "number" then return number(value) end
   if kind == "boolean" then return tostring(value) end
   if kind ~= "table" then core.raise("yaml: a %s cannot be written", kind) end
   if depth > 50 then core.raise "yaml: nested more than 50 deep; does a table hold itself?" end
   local parts = {}
   if is_list(value) then
      for i, item in ipairs(value) do parts[i] = flow(item, depth + 1) end
      return "[" .. table.concat(parts, ", ") .. "]"
   end
   for i, key in ipairs(sorted_keys(value)) do parts[i] = word(tostring(key)) .. ": " .. flow(value[key], depth + 1) end
   return "{" .. table.concat(parts, ", ") .. "}"
end

-- Adds the lines of a map or list: { text, path }. A map is spread over lines, a list only when its line were too long.
local function block(value, indent, path, lines)
   if is_list(value) then
      for _, item in ipairs(value) do lines[#lines + 1] = { indent .. "- " .. flow(item, 1) } end
      return
   end
   for _, key in ipairs(sorted_keys(value)) do
      local item, inner = value[key], path and path .. "." .. key or tostring(key)
      local text = flow(item, #indent / 2 + 1)
      local on_lines = type(item) == "table" and item ~= yaml.null and (is_list(item) and #text > 100 or #text > 2 and not is_list(item))
      lines[#lines + 1] = { indent .. word(tostring(key)) .. ":" .. (on_lines and "" or " " .. text), inner }
      if on_lines then block(item, indent .. "  ", inner, lines) end
   end
end

-- encode(value [, notes]): the value as YAML with sorted keys. notes, a table by dotted path, are put behind as comments.
function yaml.encode(value, notes)
   if type(value) ~= "table" or is_list(value) or next(value) == nil then return flow(value, 0) .. "\n" end
   local lines, width, texts = {}, 0, {}
   block(value, "", nil, lines)
   for _, line in ipairs(lines) do
      if notes and notes[line[2]] then width = math.min(40, math.max(width, #line[1])) end
   end
   for i, line in ipairs(lines) do
      local note = notes and notes[line[2]]
      texts[i] = note and line[1] .. (" "):rep(width - #line[1]) .. "  # " .. note or line[1]
   end
   return table.concat(texts, "\n") .. "\n"
end

-- Writes value to a file as YAML; whole or not at all.
function yaml.save(path, value)
   core.path("yaml.save", path)
   local text = yaml.encode(value)
   core.check(C.eg_file_write(path, text, #text))
end

return yaml
