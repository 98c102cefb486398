-- engram list: what there is by name, each with a line about it; of an optimizer or method also its hyper-parameters.
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local command = {
   summary = "list optimizers, methods, streams, data sets, schedules or experiments",
   usage = "list [optimizers|methods|streams|datasets|schedules|experiments [NAME]]",
   text = "Without a word: all of them. With NAME, which only optimizers and methods take: the hyper-parameters of that one.",
   options = { { "plugin", value = "FILE", many = true, doc = "load an optimizer (.lua or .so) first; may be given again" } },
}

local lua_folder = package.searchpath("engram.core", package.path):match "^(.*)/core%.lua$"

-- ---- where the names come from: { name, doc } lists -------------------------------------------------------

-- The functions of a file that its own comments introduce as `-- name(arguments): what it does`, below a headline.
local function commented(path, headline)
   local rows, begun = {}, not headline
   for line in io.lines(path) do
      begun = begun or line:find("-- ---- " .. headline, 1, true) == 1
      local call, doc = line:match "^%-%- (%l[%w_]*%b()):%s*(.+)$"
      if not call then call, doc = line:match "^%-%- (%l[%w_]*%b{}):%s*(.+)$" end
      if call and begun then rows[#rows + 1] = { call, doc } end
   end
   return rows
end

-- The names of a registry with list() and description(name).
local function registered(registry)
   local rows = {}
   for i, name in ipairs(registry.list()) do rows[i] = { name, registry.description(name).doc or "" } end
   return rows
end

local function datasets()
   local data, rows = require "engram.data", {}
   for i, name in ipairs(data.names()) do rows[i] = { name, data.about(name).doc or "" } end
   return rows
end

-- The scripts of experiments/, by their first line of comment.
local function experiments()
   local rows = {}
   for _, file in ipairs(require "engram.cli.script".experiments()) do
      if file.name:find "%.lua$" then rows[#rows + 1] = { file.name, file.text:match "^%-%-%s*([^\n]*)" or "" } end
   end
   return rows
end

local kinds = {
   { "optimizers", function() return registered(require "engram.optim") end },
   { "methods", function() return registered(require "engram.cl".methods) end },
   { "streams", function() return registered(require "engram.cl".streams) end },
   { "schedules", function() return commented(lua_folder .. "/schedule.lua", "constructors") end },
   { "datasets", datasets },
   { "experiments", experiments },
}

-- ---- printing ---------------------------------------------------------------------------------------------

-- Two columns; a name too long for its column has a line of its own.
local function print_rows(rows, indent)
   local width = 12
   for _, row in ipairs(rows) do width = math.min(24, math.max(width, #row[1])) end
   for _, row in ipairs(rows) do
      local gap = #row[1] > width and "\n" .. indent .. (" "):rep(width + 2) or (" "):rep(width + 2 - #row[1])
      print(indent .. row[1] .. (row[2] ~= "" and gap .. row[2] or ""))
   end
end

local registries = {
   optimizers = function() return require "engram.optim" end,
   methods = function() return require "engram.cl".methods end,
}

-- For bash's completion.
command.after = {}
for kind, registry in pairs(registries) do command.after[kind] = function() return registry().list() end end

-- One optimizer or method: its source and its hyper-parameters with default, range and doc.
local function print_one(kind, name)
   if not registries[kind] then usage_error("list: only optimizers and methods have more to tell, not %s", kind) end
   local registry = registries[kind]()
   local names = registry.list()
   local known = false
   for _, other in ipairs(names) do known = known or other == name end
   if not known then usage_error("list: no %s named '%s'%s", kind:gsub("s$", ""), name, suggest.hint(name, names)) end
   local about, rows = registry.description(name), {}
   print(("%s: %s%s"):format(name, about.doc or "", about.source and (" (%s)"):format(about.source) or ""))
   if about.path then
      print(("  %s, version %s, licence %s"):format(about.path, about.version or "not told", about.licence or "not told"))
   end
   for key, hyper in pairs(about.hyper or {}) do
      local text = hyper.doc or ""
      if hyper.choices then text = text .. " (" .. table.concat(hyper.choices, ", ") .. ")" end
      rows[#rows + 1] = { ("%s=%s"):format(key, tostring(hyper.default)), text }
   end
   table.sort(rows, function(a, b) return a[1] < b[1] end)
   print_rows(rows, "  ")
end

function command.run(values, words)
   require "engram.cli.plugins".load(values.plugin)
   local wanted, names = words[1], {}
   for i, kind in ipairs(kinds) do names[i] = kind[1] end
   if words[2] then print_one(wanted, words[2]) return 0 end
   local shown = false
   for _, kind in ipairs(kinds) do
      if wanted == nil or wanted == kind[1] then
         if wanted == nil then print((shown and "\n" or "") .. kind[1]) end
         print_rows(kind[2](), wanted == nil and "  " or "")
         shown = true
      end
   end
   if not shown then usage_error("list: there is no list of '%s'%s", wanted, suggest.hint(wanted, names)) end
   return 0
end

return command
