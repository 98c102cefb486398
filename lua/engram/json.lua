-- json.lua: Lua values to JSON text and back (parsing is jansson's, in the core).
local ffi = require "ffi"
local core = require "engram.core"
local C = core.C

local json = {}

json.null = setmetatable({}, { __tostring = function() return "null" end })

-- Marks a table as a JSON array, so that an empty one is written as [].
local Array = {}
function json.array(list)
   if type(list or {}) ~= "table" then core.raise("json.array: expected a list, got %s", core.typename(list)) end
   return setmetatable(list or {}, Array)
end

-- ---- writing ----------------------------------------------------------------------------------------------

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- UTF-8's characters above ASCII, by first byte.
local characters = {
   "^[\194-\223][\128-\191]", "^\224[\160-\191][\128-\191]", "^[\225-\236\238\239][\128-\191][\128-\191]",
   "^\237[\128-\159][\128-\191]", "^\240[\144-\191][\128-\191][\128-\191]", "^[\241-\243][\128-\191][\128-\191][\128-\191]",
   "^\244[\128-\143][\128-\191][\128-\191]",
}

local function end_of_character(bytes, at)
   for _, pattern in ipairs(characters) do
      local _, last = bytes:find(pattern, at)
      if last then return last end
   end
end

-- A run of bytes above ASCII: what is no UTF-8 becomes U+FFFD, so that every reader takes the text.
local function valid(bytes)
   local parts, at = {}, 1
   while at <= #bytes do
      local last = end_of_character(bytes, at)
      parts[#parts + 1] = last and bytes:sub(at, last) or "\239\191\189"
      at = (last or at) + 1
   end
   return table.concat(parts)
end

-- The text, with U+FFFD for each byte that is no UTF-8.
function json.utf8(text)
   if type(text) ~= "string" then core.raise("json.utf8: expected a string, got %s", core.typename(text)) end
   return (text:gsub("[\128-\255]+", valid))
end

local function quoted(text)
   text = text:gsub('[%c"\\\127]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end)
   return '"' .. json.utf8(text) .. '"'
end

-- The shortest text that reads back as the same number; JSON has no word for what is not finite.
local function number(value)
   if value ~= value or value == math.huge or value == -math.huge then return "null" end
   if value % 1 == 0 and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
   for digits = 15, 16 do
      local text = ("%." .. digits .. "g"):format(value)
      if tonumber(text) == value then return text end
   end
   return ("%.17g"):format(value)
end

local encode

local function encode_list(list, indent, deeper, depth)
   local parts = {}
   for i = 1, #list do parts[i] = encode(list[i], nil, depth) end          -- short lists stay on one line
   if not deeper or #table.concat(parts) < 100 then return "[" .. table.concat(parts, ", ") .. "]" end
   for i = 1, #list do parts[i] = deeper .. encode(list[i], deeper, depth) end
   return "[\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "]"
end

local function encode_object(object, indent, deeper, depth)
   local keys, parts = {}, {}
   for key in pairs(object) do
      if type(key) ~= "string" and type(key) ~= "number" then core.raise("json: a key is a %s", type(key)) end
      keys[#keys + 1] = key
   end
   table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
   for i, key in ipairs(keys) do
      parts[i] = (deeper or "") .. quoted(tostring(key)) .. ": " .. encode(object[key], deeper, depth)
   end
   if #parts == 0 then return "{}" end
   if deeper then return "{\n" .. table.concat(parts, ",\n") .. "\n" .. indent .. "}" end
   return "{" .. table.concat(parts, ", ") .. "}"
end

-- True for 1 .. n and nothing else: a table with more than its items is written as an object.
local function is_list(value)
   if getmetatable(value) == Array then return true end
   local count = 0
   for _ in pairs(value) do count = count + 1 end
   return count > 0 and count == #value
end
json.is_list = is_list

function encode(value, indent, depth)
   local kind = core.typename(value)
   if value == nil or value == json.null then return "null" end
   if kind == "string" then return quoted(value) end
   if kind == "number" then return number(value) end
   if kind == "boolean" then return tostring(value) end
   if kind == "cdata" and tonumber(value) then return number(tonumber(value)) end
   if kind == "tensor" then return encode(value:tolist(), indent, depth) end
   if kind ~= "table" then core.raise("json: a %s cannot be written", kind) end
   if depth > 100 then core.raise "json: nested more than 100 deep; does a table hold itself?" end
   local deeper = indent and indent .. "  "
   return (is_list(value) and encode_list or encode_object)(value, indent, deeper, depth + 1)
end

-- One line of JSON with sorted keys; with `pretty`, indented. Numbers that are not finite become null.
function json.encode(value, pretty) return encode(value, pretty and "" or nil, 0) end

-- ---- reading ----------------------------------------------------------------------------------------------

local length, key = ffi.new "size_t[1]", ffi.new "const char *[1]"

local function decode(value)
   local kind = C.eg_json_kind(value)
   if kind == C.EG_JSON_NULL then return json.null end
   if kind == C.EG_JSON_FALSE or kind == C.EG_JSON_TRUE then return kind == C.EG_JSON_TRUE end
   if kind == C.EG_JSON_NUMBER then return C.eg_json_number(value) end
   if kind == C.EG_JSON_STRING then
      local text = C.eg_json_string(value, length)
      return ffi.string(text, length[0])
   end
   local result = kind == C.EG_JSON_ARRAY and json.array() or {}
   for i = 0, tonumber(C.eg_json_size(value)) - 1 do
      if kind == C.EG_JSON_ARRAY then
         result[i + 1] = decode(C.eg_json_item(value, i))
      else
         local member = C.eg_json_member(value, i, key, length)
         result[ffi.string(key[0], length[0])] = decode(member)
      end
   end
   return result
end

local function parse(text, source)
   local root = C.eg_json_parse(text, #text)
   if root == nil then core.raise("%s%s", source, core.message()) end
   local ok, result = pcall(decode, root)
   C.eg_json_free(root)
   if not ok then error(result, 0) end
   return result
end

-- The value of a JSON text; null becomes json.null.
function json.decode(text)
   if type(text) ~= "string" then core.raise("json.decode: expected a string, got %s", core.typename(text)) end
   return parse(text, "")
end

-- The value in a file of JSON.
function json.load(path)
   core.path("json.load", path)
   local file, problem = io.open(path, "rb")
   if not file then core.raise("%s", problem) end
   local text = file:read "*a"
   file:close()
   if not text then core.raise("%s: cannot be read", path) end            -- a folder opens, but cannot be read
   return parse(text, path .. ": ")
end

-- Writes value to a file, indented; whole or not at all.
function json.save(path, value)
   core.path("json.save", path)
   local text = json.encode(value, true) .. "\n"
   core.check(C.eg_file_write(path, text, #text))
end

return json
