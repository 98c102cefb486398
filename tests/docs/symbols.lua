-- symbols.lua: every public symbol stands in backquotes on some page of docs/, and every name that the pages give to a room of
-- the library is there: engram.x, nn.x, optim.x, schedule.x, data.x, cl.x, and the methods of tensors, modules and optimizers.
local t = require "tests.harness"
local engram = require "engram"
local tensor = require "engram.tensor"

-- All words inside backquotes or code blocks of the documentation.
local words, dotted = {}, {}
local pipe = io.popen "ls README.md docs/*.md"
for path in pipe:lines() do
   local text = io.open(path):read "*a"
   for code in text:gmatch "```.-```" do
      for word in code:gmatch "[%a_][%w_]*" do words[word] = true end
   end
   for code in text:gsub("```.-```", ""):gmatch "`([^`]+)`" do
      for word in code:gmatch "[%a_][%w_]*" do words[word] = true end
      for room, name in code:gmatch "([%a_]+)%.([%a_][%w_]*)" do dotted[#dotted + 1] = { path, room, name } end
   end
end
pipe:close()

local Module, Optimizer = engram.nn.Module, require("engram.optim.optimizer").Optimizer

-- Names with a leading underscore or capital are internal or tested as what they are; twins in place follow from their originals.
local function check(room, names)
   t.test("every symbol of " .. room .. " is documented", function()
      local missing = {}
      for name in pairs(names) do
         local plain = name:gsub("_$", "")
         if type(name) == "string" and not name:find "^_" and not words[name] and not words[plain] then missing[#missing + 1] = name end
      end
      table.sort(missing)
      if #missing > 0 then error("not in the documentation: " .. table.concat(missing, ", "), 0) end
   end)
end

check("engram", engram)
check("tensors", tensor.methods)
check("tensor properties", tensor.getters)
check("nn", engram.nn)
check("modules", Module)
check("optim", engram.optim)
check("optimizers", Optimizer)
check("schedule", engram.schedule)
check("data", engram.data)
check("cl", engram.cl)
check("cl.methods", engram.cl.methods)
check("cl.metrics", engram.cl.metrics)
check("random", engram.random)
check("fisher", engram.fisher)
check("statistics", engram.statistics)

local rooms = { engram = engram, nn = engram.nn, optim = engram.optim, schedule = engram.schedule, data = engram.data, cl = engram.cl,
   random = engram.random, fisher = engram.fisher, consolidate = engram.consolidate, statistics = engram.statistics }

t.test("every symbol that the documentation names is there", function()
   local gone = {}
   for _, entry in ipairs(dotted) do
      local path, room, name = unpack(entry)
      local file = ({ lua = 1, md = 1, h = 1, core = 1, NAME = 1 })[name]         -- engram.h, docs/data.md, require "engram.core"
      local ok, value = pcall(function() return rooms[room] and rooms[room][name] end)
      if rooms[room] and not file and not (ok and value ~= nil) then gone[#gone + 1] = ("%s: %s.%s"):format(path, room, name) end
   end
   if #gone > 0 then error("documented but gone: " .. table.concat(gone, ", "), 0) end
end)

t.done()
