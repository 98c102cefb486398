-- repl/blocks.lua: what a typed or pasted text is before it is run: whether it is complete, where the expression at its end begins,
-- and the parts of a block that is no single chunk.
local lexer = require "engram.repl.lexer"

local blocks = {}

local MOST = 200                        -- places, from the end, where the last expression is looked for

-- More lines complete neither a short string nor, likely, a method that is not called (`x:sum`).
local function is_incomplete(problem)
   return problem:find "'<eof>'$" ~= nil and not problem:find "unfinished string" and not problem:find "function arguments expected"
end

-- Whether the text compiles as an expression: true, false, or nil when it only wants more.
local function is_expression(text, name)
   local good, problem = load("return " .. text, name, "t")
   if good then return true end
   if not is_incomplete(problem) then return false end
   return nil
end

-- Where the expression begins with which a text ends that has statements before it; nil and true when more lines are wanted for it.
-- In a text that compiles it is a call, so it begins with a name: what else could stand there may belong to the statement before.
local function last_expression(text, name, compiles)
   local starts = lexer.starts(text)
   for i = math.max(2, #starts - MOST), #starts do
      local from = starts[i]
      if not compiles or text:find("^[%a_\128-\255]", from) then
         local found = is_expression(text:sub(from), name)
         if found ~= false and load(text:sub(1, from - 1), name, "t") then
            if found then return from end
            return nil, true
         end
      end
   end
end

-- Reads a text: the position where its last expression begins, false when it has none; nil and "incomplete" or the problem.
function blocks.read(text, name)
   local plain, problem = load(text, name, "t")
   local whole = is_expression(text, name)
   if whole then return text:find "%S" and 1 or false end
   local outline = plain and lexer.outline(text)
   local from, more
   if not (outline and outline.returns) then from, more = last_expression(text, name, plain ~= nil) end
   if plain or from then return from or false end
   return nil, (whole == nil or more or is_incomplete(problem)) and "incomplete" or problem
end

-- The same for a script, in which no expression stands alone: false; nil and "incomplete" or the problem.
function blocks.read_plainly(text, name)
   local plain, problem = load(text, name, "t")
   if plain then return false end
   return nil, is_incomplete(problem) and "incomplete" or problem
end

-- Whether the text ends inside of a block, bracket, string or comment: then an empty line may be part of it.
function blocks.is_open(text)
   local _, depth = lexer.starts(text)
   return depth > 0 or lexer.unfinished(text) ~= nil
end

local function lines_of(text)
   local lines = {}
   for line in (text .. "\n"):gmatch "(.-)\r?\n" do lines[#lines + 1] = line end
   return lines
end

-- The last line of the shortest part that begins at line `first`; nil and what blocks.read says of the rest.
local function end_of_part(lines, first, name)
   local padding = ("\n"):rep(first - 1)
   local function read(last) return blocks.read(padding .. table.concat(lines, "\n", first, last), name) end
   for last = first, #lines do
      local from, problem = read(last)
      if from ~= nil then
         while (lines[last + 1] or ""):find "^%s*[.:]" and read(last + 1) ~= nil do last = last + 1 end     -- a chain of methods
         return last
      elseif problem ~= "incomplete" then
         return nil, problem
      end
   end
   return nil, "incomplete"
end

-- The parts of a text that does not compile whole, as if they were typed one by one: a list of { text =, special = (it is no Lua) },
-- in which empty lines keep the numbers of the lines right; nil and "incomplete" or the problem. is_special(line): it is no Lua.
function blocks.parts(text, name, is_special)
   local lines, parts, at = lines_of(text), {}, 1
   while at <= #lines do
      local last, problem = at
      if is_special(lines[at]) then parts[#parts + 1] = { text = lines[at], special = true }
      elseif lines[at]:find "%S" then
         last, problem = end_of_part(lines, at, name)
         if not last then return nil, problem end
         parts[#parts + 1] = { text = ("\n"):rep(at - 1) .. table.concat(lines, "\n", at, last) }
      end
      at = last + 1
   end
   return parts
end

return blocks
