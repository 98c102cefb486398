-- repl/session.lua: what is typed, compiled and run. Locals of a chunk live on for the next: a chunk that declares locals at its top
-- level gets, before its end, a call that hands over a closure on each of them, and later chunks that name one have their upvalue
-- joined to the closure's. So a variable stays one variable, also for functions that were defined beside it.
local blocks = require "engram.repl.blocks"
local editor = require "engram.repl.editor"
local lexer = require "engram.repl.lexer"

local Session = {}
Session.__index = Session

local SIMPLE = { number = true, string = true, boolean = true }         -- of these :save writes the value
local HOLD, GIVE = "_engram_hold", "_engram_give"       -- what chunks call to hand over their locals, and their results

local function new()
   return setmetatable({ boxes = {}, keeps_locals = true, chunks = {}, count = 0, results = { n = 0 } }, Session)
end

-- ---- locals -----------------------------------------------------------------------------------------------

-- The variable that a function closes over is the session's local of that name from now on.
function Session:hold(closure)
   self.boxes[debug.getupvalue(closure, 1)] = closure
end

-- The session's locals as a list of { name, value }, in alphabetical order.
function Session:locals()
   local list = {}
   for name, closure in pairs(self.boxes) do list[#list + 1] = { name, (select(2, debug.getupvalue(closure, 1))) } end
   table.sort(list, function(a, b) return a[1] < b[1] end)
   return list
end

-- The value of a local or global, without running a metamethod: found (true or false), value.
function Session:lookup(name)
   local closure = self.boxes[name]
   if closure then return true, (select(2, debug.getupvalue(closure, 1))) end
   local value = rawget(_G, name)
   return value ~= nil, value
end

function Session:keep_locals(keep)
   self.keeps_locals = keep
   if not keep then self.boxes = {} end
end

-- A value on its own, as a session's local.
local function box(value)
   local variable = value
   return function() variable = variable end          -- assigned, so that it is a variable for LuaJIT too
end

-- After an error: the chunk's own locals as they are at that moment, from the stack.
function Session:rescue(running)
   if not (self.keeps_locals and running) then return end
   for level = 4, 250 do
      local info = debug.getinfo(level, "f")
      if not info then return end
      if info.func == running.func then
         for i = 1, 250 do
            local name, value = debug.getlocal(level, i)
            if not name then return end
            if running.locals[name] then
               self.boxes[name] = box(value)
               table.insert(running.left, { name = name, kind = type(value), value = SIMPLE[type(value)] and value })
            end
         end
         return
      end
   end
end

-- ---- compiling --------------------------------------------------------------------------------------------

-- `text` as the body of a function whose upvalues are the session's locals that it names, with the call that hands over its own.
local function wrapped(self, text, outline)
   local head, hold = {}, {}
   for name in pairs(self.boxes) do if outline.names[name] then head[#head + 1] = name end end
   head[#head + 1] = HOLD .. ", " .. GIVE
   for i, name in ipairs(outline.locals) do hold[i] = ("%s(function() %s = %s end) "):format(HOLD, name, name) end
   local before, after = text, ""
   if outline.returns then before, after = text:sub(1, outline.returns - 1), text:sub(outline.returns) end
   local call = table.concat(hold)                   -- one each: a call's arguments take registers beside 200 locals
   return ("local %s return function(...) %s%s%s%s\nend"):format(table.concat(head, ", "), before,
      outline.returns and "" or "\n", call, after)
end

local function join(self, f)
   for i = 1, 255 do
      local name = debug.getupvalue(f, i)
      if not name then return f end
      if name == HOLD then debug.setupvalue(f, i, function(closure) self:hold(closure) end)
      elseif name == GIVE then debug.setupvalue(f, i, function(...) self.given = { n = select("#", ...), ... } end)
      else debug.upvaluejoin(f, i, self.boxes[name], 1) end
   end
end

-- The expression at `from` as a statement that hands over what it gives: a `return` would be a tail call, which hides the chunk from
-- tracebacks.
local function giving(text, from, last) return ("%s%s(%s)"):format(text:sub(1, from - 1), GIVE, text:sub(from, last)) end

-- The chunk of a text (a table that run takes); nil and "incomplete" when more lines are wanted; nil and the problem otherwise.
-- `shows`: where the text is or ends with an expression, what it gives is to be shown.
function Session:compile(text, name, shows)
   local from, problem
   if shows then
      text = text:gsub("^(%s*)=", "%1")
      from, problem = blocks.read(text, name)
   else
      from, problem = blocks.read_plainly(text, name)
   end
   if from == nil then return nil, problem end
   local outline = lexer.outline(text)
   from = from and outline.last > 0 and from or nil
   local chunk = { text = text, name = name, from = from, shown = from or shows and outline.returns ~= nil, locals = {}, left = {},
      silent = outline.silent }
   if not self.keeps_locals then outline.locals = {} end
   for _, local_name in ipairs(outline.locals) do chunk.locals[local_name] = true end
   local whole, limit = load(wrapped(self, from and giving(text, from, outline.last) or text, outline), name, "t")
   if not whole then return nil, (limit:gsub("upvalues.*", "%0: it names too many of the session's locals; make some of them global")) end
   chunk.func = join(self, whole())
   return chunk
end

-- ---- running ----------------------------------------------------------------------------------------------

-- Runs a chunk; true and what its expression gave, or what it returned; or false and what `describe`, called where the error
-- happened, made of it.
function Session:run(chunk, describe, ...)
   local outer = self.running
   self.running = chunk
   local function handler(problem)
      pcall(self.rescue, self, chunk)
      return describe(problem)
   end
   self.given = nil
   local function finish(good, ...)
      self.running = outer
      local given = self.given
      if good and given then return good, unpack(given, 1, given.n) end
      return good, ...
   end
   return finish(editor.run(chunk.func, handler, ...))
end

-- Keeps results for the session: _ is the first, _1, _2, ... are all of them, nil included.
function Session:keep_results(chunk, ...)
   chunk.count = select("#", ...)
   if select("#", ...) == 0 then return end
   for i = 1, self.results.n do rawset(_G, "_" .. i, nil) end
   self.results = { n = select("#", ...), ... }
   for i = 1, self.results.n do rawset(_G, "_" .. i, self.results[i]) end
   rawset(_G, "_", (...))
end

-- A name for the next chunk, by which its source is found again: "prompt 3".
function Session:next_name()
   self.count = self.count + 1
   return "=prompt " .. self.count
end

-- Notes a chunk that was run, for :save and ??.
function Session:note(chunk, good)
   self.chunks[#self.chunks + 1] = { text = chunk.text, name = chunk.name, good = good, from = chunk.from, block = chunk.block,
      silent = chunk.silent, count = chunk.count or 0, left = chunk.left }
end

-- The text of the chunk with that name; nil for those of a pipe, which share one.
function Session:source(name)
   for _, chunk in ipairs(self.chunks) do if chunk.name == name and name ~= "=stdin" then return chunk.block or chunk.text end end
end

return new
