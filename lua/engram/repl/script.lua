-- repl/script.lua: what was typed in a session, as a script for :save: an expression is printed, `_` and `_1` become locals where a later
-- line names them, a `return` ends nothing, and what failed is a comment, after which the locals that it left have their values.
local lexer = require "engram.repl.lexer"
local version = require "engram.version"

local script = {}

local function literal(value)
   if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n"):gsub("%z", "\\0")) end
   if value ~= value then return "0/0" end
   if value == math.huge or value == -math.huge then return value > 0 and "math.huge" or "-math.huge" end
   return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
end

local SIMPLE = { number = true, string = true, boolean = true, ["nil"] = true }

-- A local that a failed line left.
local function left(entry)
   if SIMPLE[entry.kind] then return ("local %s = %s"):format(entry.name, literal(entry.value)) end
   return ("local %s            -- was a %s by then"):format(entry.name, entry.kind)
end

local function failed(chunk, text)
   local lines = { "-- failed: " .. text:gsub("\n", "\n-- ") }
   for _, entry in ipairs(chunk.left or {}) do lines[#lines + 1] = left(entry) end
   return table.concat(lines, "\n")
end

-- "_1, _2" of so many results.
local function result_names(count)
   local names = {}
   for i = 1, count do names[i] = "_" .. i end
   return table.concat(names, ", ")
end

-- The statement for an expression that gave `count` values.
local function shown(chunk, expression)
   if chunk.wanted then
      local names = result_names(chunk.count)
      return ("%s = %s _ = _1%s"):format(names, expression, chunk.silent and "" or (" print(%s)"):format(names))
   end
   return (chunk.silent and "do local _ = %s end" or "print(%s)"):format(expression)
end

local function line_of(chunk)
   local text, outline = chunk.text, lexer.outline(chunk.text)
   if not chunk.good then return failed(chunk, (text:gsub("^%s+", ""))) end
   local from = chunk.from or outline.returns
   if not from then return (text:gsub("^\n+", "")) end
   local expression = text:sub(chunk.from or from + #"return", outline.last)
   if expression:find "%S" then expression = shown(chunk, expression:match "^%s*(.*)$") end
   return (text:sub(1, from - 1):gsub("^\n+", "")) .. expression
end

-- Marks the chunks whose results a later one names; the most results that one of them has.
local function mark_wanted(chunks)
   local giver, most = nil, 0
   for _, chunk in ipairs(chunks) do
      for name in pairs(lexer.outline(chunk.text).names) do
         if giver and name:find "^_%d*$" then
            giver.wanted = true
            most = math.max(most, giver.count)
         end
      end
      if chunk.good and chunk.count > 0 then giver = chunk end
   end
   return most
end

-- The chunks of a session ({ text =, good =, from = where its last expression begins, count = of its results, silent =, left = locals of
-- one that failed }) as the text of a script.
function script.text(chunks)
   local most = mark_wanted(chunks)
   local lines = { ("-- A session of %s, engram %s."):format(os.date "%Y-%m-%d %H:%M", version), 'local engram = require "engram"',
      "local nn, optim, schedule, data, cl = engram.nn, engram.optim, engram.schedule, engram.data, engram.cl" }
   if most > 0 then lines[#lines + 1] = "local _, " .. result_names(most) end
   lines[#lines + 1] = ""
   for _, chunk in ipairs(chunks) do lines[#lines + 1] = line_of(chunk) end
   return table.concat(lines, "\n") .. "\n"
end

return script
