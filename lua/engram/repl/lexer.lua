-- repl/lexer.lua: Lua's tokens, as far as the prompt wants to know them: where names stand, which locals a chunk declares at its
-- top level, where its last `return` begins, and whether the cursor is inside a string.
local lexer = {}

local KEYWORDS = {}
local list = "and break do else elseif end false for function goto if in local nil not or repeat return then true until while"
for word in list:gmatch "%a+" do KEYWORDS[word] = true end
lexer.keywords = KEYWORDS

-- The last position of the string that begins with a quote at `from`; nil when it has no end.
local function end_of_string(text, from, quote)
   local at = from + 1
   while true do
      at = text:find("[\\\n" .. quote .. "]", at)
      local found = at and text:sub(at, at)
      if found == quote then return at end
      if found ~= "\\" then return nil end
      at = at + (text:sub(at + 1, at + 1) == "z" and #text:match("^%s*", at + 2) or 0) + 2
   end
end

-- The last position of the long bracket at `from` ("[[", "[==["), nil when it has no end; false when there is none.
local function end_of_bracket(text, from)
   local level = text:match("^%[(=*)%[", from)
   return level and select(2, text:find("]" .. level .. "]", from, true)) or level and nil
end

local function is_bracket(text, from) return text:find("^%[=*%[", from) ~= nil end

-- The kind of the token at `from` ("name", "keyword", "string", "number", "comment", "symbol") and its last position, which is
-- nil for a string or comment without an end.
local function token_at(text, from)
   local first = text:sub(from, from)
   if first:find "[%a_\128-\255]" then
      local last = select(2, text:find("^[%w_\128-\255]+", from))
      return KEYWORDS[text:sub(from, last)] and "keyword" or "name", last
   end
   if first:find "%d" or text:find("^%.%d", from) then return "number", select(2, text:find("^%.?[%w%.]+", from)) end
   if first == '"' or first == "'" then return "string", end_of_string(text, from, first) end
   if text:sub(from, from + 1) == "--" then
      if is_bracket(text, from + 2) then return "comment", end_of_bracket(text, from + 2) end
      return "comment", (text:find("\n", from, true) or #text + 1) - 1
   end
   if is_bracket(text, from) then return "string", end_of_bracket(text, from) end
   return "symbol", from
end

-- Iterates kind, first, last over the tokens; the last one is cut short where it has no end (last is then nil).
function lexer.tokens(text)
   local at = 1
   return function()
      local from = at and text:find("%S", at)
      if not from then return nil end
      local kind, last = token_at(text, from)
      at = last and last + 1
      return kind, from, last
   end
end

-- The position where an unfinished string or comment begins, and its kind; nil when the text ends outside.
function lexer.unfinished(text)
   for kind, from, last in lexer.tokens(text) do
      if not last then return from, kind end
   end
   if text:find("%-%-[^\n]*$") then                   -- a comment that the line's end would end
      local kind, from
      for k, f in lexer.tokens(text) do kind, from = k, f end
      if kind == "comment" then return from, kind end
   end
end

local OPENS = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }
local CLOSES = { ["end"] = true, ["until"] = true }

local BRACKETS = { ["("] = 1, ["["] = 1, ["{"] = 1, [")"] = -1, ["]"] = -1, ["}"] = -1 }
lexer.brackets = BRACKETS

-- The positions of the tokens outside of all blocks and brackets, comments aside, and how many of these are open at the end.
function lexer.starts(text)
   local starts, depth = {}, 0
   for kind, from, last in lexer.tokens(text) do
      if kind ~= "comment" then
         if depth == 0 then starts[#starts + 1] = from end
         local word = last and text:sub(from, last)
         if kind == "keyword" then depth = depth + (OPENS[word] and 1 or 0) - (CLOSES[word] and 1 or 0)
         elseif kind == "symbol" then depth = depth + (BRACKETS[word] or 0) end
      end
   end
   return starts, depth
end

-- What a chunk (that compiles) holds: { locals = names declared at its top level, in order; names = the set of all names in it;
-- returns = where its top-level `return` begins; silent = it ends with a semicolon }.
function lexer.outline(text)
   local outline, depth, seen = { locals = {}, names = {}, last = 0, silent = false }, 0, {}
   local declaring, wanted = false, false              -- inside of a `local`; the next name is one that it declares
   for kind, from, last in lexer.tokens(text) do
      if kind ~= "comment" then
         local word = text:sub(from, last)
         if kind == "name" then
            outline.names[word] = true
            if wanted and not seen[word] then
               seen[word] = true
               table.insert(outline.locals, word)
            end
            declaring, wanted = declaring and wanted, false
         elseif word == "local" then
            declaring = depth == 0
            wanted = declaring
         elseif word == "," then
            wanted = declaring
         else
            if OPENS[word] and kind == "keyword" then depth = depth + 1 end
            if CLOSES[word] and kind == "keyword" then depth = depth - 1 end
            if word == "return" and depth == 0 then outline.returns = from end
            declaring, wanted = false, wanted and word == "function"
         end
         outline.silent = word == ";"
         if not outline.silent then outline.last = last end
      end
   end
   return outline
end

return lexer
