-- symbols.lua: the reference and the library name the same things. Every public symbol has a heading in docs/reference/*.md, every heading
-- is a symbol that is there; what pages say of rooms, commands and options is there too. (docs/reference/commands.md is made of the
-- commands' tables: tests/cli/test_help.lua.)
local t = require "tests.harness"
local engram = require "engram"
local help = require "engram.help"
local objects = require "engram.help.objects"

local headed = {}                              -- "Tensor:matmul" -> true
for _, entry in ipairs(help.names()) do headed[entry.name] = true end

local function public(name) return type(name) == "string" and not name:find "^_" end

local function has_heading(container, name)
   return headed[container .. "." .. name] or headed[container .. ":" .. name]
end

-- Fails with the list of what a container has and the reference has not. `leave`: names that are no public symbols.
local function complete(container, leave)
   t.test("every symbol of " .. container .. " has a heading", function()
      local missing, count = {}, 0
      for name in pairs(objects.container(container)) do
         if public(name) and not (leave or {})[name] then
            count = count + 1
            if not has_heading(container, name) then missing[#missing + 1] = container .. "." .. name end
         end
      end
      table.sort(missing)
      t.expect(count):above(0)
      if #missing > 0 then
         error(("without a heading ### `NAME(...)` in docs/reference: %s"):format(table.concat(missing, ", ")), 0)
      end
   end)
end

-- ---- rooms, the rooms within them, and classes ------------------------------------------------------------

local rooms = { random = true, ops = true, autograd = true }            -- these are loaded from the beginning
for name in pairs(getmetatable(engram).rooms) do
   rooms[name] = true
   local _ = engram[name]                                               -- loads it: a room may be a function
end

-- Of these the reference names what scripts use; the rest is there for the command line.
local machinery = { run = true, settings = true, report = true, plot = true }
local internal = { autograd = { internal = true }, Dataset = { new = true }, Loader = { new = true } }

-- The rooms within a room: its tables that have no heading as a whole.
local function rooms_of(container)
   local inner = {}
   for name, value in pairs(objects.container(container)) do
      local is_room = type(value) == "table" and rawget(value, "__index") == nil
      if public(name) and is_room and not has_heading(container, name) then inner[name] = true end
   end
   return inner
end

complete("engram", rooms)
for name in pairs(rooms) do
   if not machinery[name] then
      local inner = internal[name] or rooms_of(name)
      complete(name, inner)
      for deeper in pairs(internal[name] and {} or inner) do complete(name .. "." .. deeper) end
   end
end
for name in pairs(objects.classes) do
   if name ~= "Run" and name ~= "Method" then complete(name, internal[name]) end
end

-- ---- and back ---------------------------------------------------------------------------------------------

t.test("every heading is a symbol that is there", function()
   local gone, twice, seen = {}, {}, {}
   for _, entry in ipairs(help.names()) do
      if objects.resolve(entry.name) == nil then
         local owner = entry.name:match "^(%u%w*)[.:]"
         local unknown = owner and not objects.classes[owner]
         gone[#gone + 1] = entry.form .. (unknown and (" (lua/engram/help/objects.lua knows no class %s)"):format(owner) or "")
      end
      if seen[entry.name] then twice[#twice + 1] = entry.form end
      seen[entry.name] = true
   end
   if #gone > 0 then error("documented but gone: " .. table.concat(gone, ", "), 0) end
   if #twice > 0 then error("documented twice: " .. table.concat(twice, ", "), 0) end
end)

t.test("methods are written with a colon, functions with a point", function()
   local wrong = {}
   for _, entry in ipairs(help.names()) do
      local owner, mark = entry.name:match "^(.*)([.:])[^.:]+$"
      local is_class = objects.classes[owner] ~= nil
      local called = entry.form:find("(", 1, true) ~= nil
      if (mark == ":") ~= (is_class and called) then wrong[#wrong + 1] = entry.form end
   end
   if #wrong > 0 then error("written wrongly: " .. table.concat(wrong, ", "), 0) end
end)

-- The names that topic pages give to a room.
t.test("every symbol that a page names is there", function()
   local gone = {}
   local pipe = io.popen "ls README.md docs/*.md"
   for path in pipe:lines() do
      local text = t.read(path):gsub("```.-```", "")
      for code in text:gmatch "`([^`\n]+)`" do
         for room, name in code:gmatch "%f[%w_]([%l]+)%.([%a_][%w_]*)%f[^%w_]" do
            local file = ({ lua = 1, md = 1, h = 1, c = 1, html = 1, bash = 1 })[name]                  -- engram.h, docs/data.md
               or package.searchpath(room .. "." .. name, package.path)                      -- require "engram.core"
            local known = rooms[room] and not machinery[room] or room == "engram"         -- a run is often called `run`
            if known and not file and name ~= "NAME" and objects.resolve(room .. "." .. name) == nil then
               gone[#gone + 1] = ("%s: %s.%s"):format(path, room, name)
            end
         end
      end
   end
   pipe:close()
   if #gone > 0 then error("documented but gone: " .. table.concat(gone, ", "), 0) end
end)

-- Files are named from the top folder, core/ or lua/engram/.
t.test("every file that the guide names is there", function()
   local gone, count = {}, 0
   for code in t.read "docs/architecture.md":gsub("```.-\n```", ""):gmatch "`([^`\n]+)`" do
      local name = code:match "^[%l_/]+%.(%l+)$" and code or code:match "^[%l_]+/[%l_/]*$"
      local ending = name and name:match "%.(%l+)$"
      if name and (not ending or ({ lua = 1, c = 1, h = 1, md = 1 })[ending]) then
         count = count + 1
         local found = false
         for _, folder in ipairs{ "", "core/", "lua/engram/" } do
            local file = io.open(folder .. name)
            found = found or file ~= nil
            if file then file:close() end
         end
         if not found then gone[#gone + 1] = name end
      end
   end
   t.expect(count):above(50)
   if #gone > 0 then error("named but gone: " .. table.concat(gone, ", "), 0) end
end)

-- `engram run --seed` on any page, in text and in blocks: the command has the option.
t.test("every command and option that a page names is there", function()
   local commands = require "engram.cli.commands"
   local known, gone, count = {}, {}, 0
   for _, name in ipairs(commands.names) do
      known[name] = { ["--help"] = true }
      for _, option in ipairs(commands.load(name).options or {}) do known[name]["--" .. option[1]] = true end
   end
   local pipe = io.popen "ls README.md docs/*.md"
   for path in pipe:lines() do
      for line in io.lines(path) do
         for name, rest in (line:gsub("[`|;&]", "\n") .. "\n"):gmatch "%f[%w./]engram (%l+)([^\n]*)" do
            for option in known[name] and rest:gmatch "%s(%-%-[%l%-]+)" or function() end do
               count = count + 1
               if not known[name][option] then gone[#gone + 1] = ("%s: engram %s %s"):format(path, name, option) end
            end
         end
      end
   end
   pipe:close()
   t.expect(count):above(20)
   if #gone > 0 then error("documented but gone: " .. table.concat(gone, ", "), 0) end
end)

t.done()
