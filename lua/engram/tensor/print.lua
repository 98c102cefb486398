-- tensor/print.lua: what a tensor says of itself: shape, dtype, a look at its edges, and how many elements are not finite.
local ffi = require "ffi"
local core = require "engram.core"
local tensor = require "engram.tensor"
local C = core.C

local EDGE, SUMMARISE_ABOVE = 3, 1000

-- One format for all the numbers shown, so that columns line up.
local function formatter(values, integer)
   if integer then
      local width = 1
      for _, v in ipairs(values) do width = math.max(width, #("%d"):format(v)) end
      return function(v) return ("%" .. width .. "d"):format(v) end
   end
   local largest, smallest = 0, math.huge
   for _, v in ipairs(values) do
      local size = math.abs(v)
      if size < math.huge and size > 0 then largest, smallest = math.max(largest, size), math.min(smallest, size) end
   end
   local pattern = (largest >= 1e5 or smallest < 1e-4) and "%.4e" or "%.4f"
   local width = 1
   local function text(v)
      if v ~= v then return "nan" end
      if v == math.huge then return "inf" end
      if v == -math.huge then return "-inf" end
      return pattern:format(v)
   end
   for _, v in ipairs(values) do width = math.max(width, #text(v)) end
   return function(v) return (" "):rep(width - #text(v)) .. text(v) end
end

-- Positions 1 .. size of a dimension that are shown (`dims` counts it and those inside); 0 stands for the dots between the edges. The
-- fourth dimension from the end has edges of one, and one position stands for those further out, or the edges alone would be pages.
local function shown(size, dims, summary)
   local edge = dims <= 3 and EDGE or dims <= 4 and 1 or 0
   if not summary or size <= math.max(2 * edge, 1) then edge = size end
   local list = {}
   for i = 1, math.min(math.max(edge, 1), size) do list[i] = i end
   if edge >= size then return list end
   list[#list + 1] = 0
   for i = size - edge + 1, size do list[#list + 1] = i end
   return list
end

local function gather(x, summary, values)
   if x:dim() == 0 then
      values[#values + 1] = x:item()
      return
   end
   for _, i in ipairs(shown(#x, x:dim(), summary)) do
      if i > 0 then gather(x:select(1, i), summary, values) end
   end
end

-- Numbers in one line or, on a terminal, in as many as its width asks for.
local function write_row(parts, indent)
   local width = C.eg_is_terminal(1) == 1 and C.eg_terminal_width() or 0
   local each = #parts > 0 and #parts[1] + 2 or 1
   local per_line = math.max(1, math.floor((width - indent - 1) / each))
   if width == 0 or #parts <= per_line then return table.concat(parts, ", ") end
   local lines = {}
   for first = 1, #parts, per_line do
      lines[#lines + 1] = table.concat(parts, ", ", first, math.min(first + per_line - 1, #parts))
   end
   return table.concat(lines, ",\n" .. (" "):rep(indent + 1))
end

local function write(x, summary, format, indent)
   if x:dim() == 0 then return format(x:item()) end
   local parts = {}
   for _, i in ipairs(shown(#x, x:dim(), summary)) do
      parts[#parts + 1] = i == 0 and "..." or write(x:select(1, i), summary, format, indent + 1)
   end
   if x:dim() == 1 then return "[" .. write_row(parts, indent) .. "]" end
   return "[" .. table.concat(parts, "," .. ("\n"):rep(x:dim() - 1) .. (" "):rep(indent + 1)) .. "]"
end

local function bytes_text(bytes)
   if bytes < 1024 then return ("%d B"):format(bytes) end
   if bytes < 1024 ^ 2 then return ("%.1f KB"):format(bytes / 1024) end
   return ("%.1f MB"):format(bytes / 1024 ^ 2)
end

local function describe(x)
   local count = x:numel()
   local summary = count > SUMMARISE_ABOVE
   local parts = { "(" .. table.concat(x.shape, ", ") .. ")", x.dtype }
   if summary then parts[#parts + 1] = bytes_text(x:bytes()) end
   if x.tensor.dtype <= 1 then
      local nan, infinite = ffi.new "int64_t[1]", ffi.new "int64_t[1]"
      core.check(C.eg_count_nonfinite(x.tensor, nan, infinite))
      if nan[0] > 0 then parts[#parts + 1] = ("%d NaN"):format(tonumber(nan[0])) end
      if infinite[0] > 0 then parts[#parts + 1] = ("%d Inf"):format(tonumber(infinite[0])) end
   end
   if x.requires_grad then parts[#parts + 1] = "requires_grad" end
   if count == 0 then return "tensor " .. table.concat(parts, " ") end
   local plain = x:detach()
   local values = {}
   gather(plain, summary, values)
   local body = write(plain, summary, formatter(values, x.tensor.dtype > 1), 0)
   local separator = body:find "\n" and "\n" or "  "
   return "tensor " .. table.concat(parts, " ") .. separator .. body
end

tensor.metatable.__tostring = function(x)
   if x.tensor == nil then return "tensor (released)" end
   return tensor.scope(describe, x)
end

-- x .. "text" and "text" .. x
tensor.metatable.__concat = function(a, b) return tostring(a) .. tostring(b) end
