-- engram data: lists the data sets, fetches them and checks the files.
local data = require "engram.data"
local fetch = require "engram.data.fetch"
local folders = require "engram.data.folders"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local command = {
   summary = "list, fetch and check data sets",
   usage = "data list | data fetch NAME... | data check [NAME...]",
   text = "Files are looked for in $ENGRAM_DATA, then in the user's data folder (~/.local/share/engram/data), and fetched to\n"
      .. "the first of them that is set. A fetched file is kept only if its content is the published one.",
   options = {
      { "mirror", value = "URL", doc = "fetch from URL/NAME/FILE instead of the known mirrors (also: ENGRAM_MIRROR)" },
      { "folder", value = "DIR", doc = "fetch to DIR/NAME" },
      { "quiet", doc = "say nothing unless something fails" },
   },
}

-- ---- list -------------------------------------------------------------------------------------------------

local function where(name)
   local source = data.sources[name]
   if not source then return "always here" end
   for _, file in ipairs(source.files) do
      local instead = folders.instead(source)
      if instead then return instead[1].path:match "^(.*)/" end
      if not folders.find(name .. "/" .. file.name) then return "not here: engram data fetch " .. name end
   end
   return folders.find(name .. "/" .. source.files[1].name):match "^(.*)/"
end

local function list()
   local rows, widths = { { "name", "items", "shape", "where", "licence, source" } }, {}
   for _, name in ipairs(data.names()) do
      local about = data.about(name)
      rows[#rows + 1] = { name, about.items or "?", about.shape or "?", where(name), about.licence or "" }
   end
   for _, row in ipairs(rows) do
      for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
   end
   for _, row in ipairs(rows) do
      local cells = {}
      for i, cell in ipairs(row) do cells[i] = i < #row and cell .. (" "):rep(widths[i] - #cell) or cell end
      print(table.concat(cells, "  "))
   end
   return 0
end

-- ---- fetch and check --------------------------------------------------------------------------------------

local function fetchable()
   local names = {}
   for _, name in ipairs(data.names()) do if data.sources[name] then names[#names + 1] = name end end
   return names
end

local function check_name(name)
   if data.sources[name] then return end
   if data.about(name) then usage_error("data: '%s' is made on the spot: there is nothing to fetch or check", name) end
   usage_error("data: there is no data set '%s'%s", name, suggest.hint(name, fetchable()))
end

local function fetch_all(names, values)
   if #names == 0 then usage_error("data fetch: which one? (there are: %s)", table.concat(fetchable(), ", ")) end
   for _, name in ipairs(names) do check_name(name) end
   for _, name in ipairs(names) do
      fetch.run(name, data.sources[name], { folder = values.folder, mirror = values.mirror, quiet = values.quiet })
   end
   return 0
end

-- Prints one line a file; true when all are here and sound.
local function check(name, quiet)
   local sound, source = true, data.sources[name]
   local here = {}
   for i, file in ipairs(source.files) do here[i] = { file = file, path = folders.find(name .. "/" .. file.name) } end
   if not here[1].path then here = folders.instead(source) or here end
   for _, found in ipairs(here) do
      local file, path = found.file, found.path
      local problem, damaged
      if path then problem, damaged = fetch.problem(path, file) end
      if not path then print(("%s/%s: not here: engram data fetch %s"):format(name, file.name, name))
      elseif problem then print(problem .. (damaged and ": delete it, then engram data fetch " .. name or ""))
      elseif not quiet then print(path .. ": sound") end
      sound = sound and path ~= nil and not problem
   end
   return sound
end

local function check_all(names, values)
   for _, name in ipairs(names) do check_name(name) end
   local sound = true
   for _, name in ipairs(#names > 0 and names or fetchable()) do sound = check(name, values.quiet) and sound end
   return sound and 0 or 1
end

-- ---- the command ------------------------------------------------------------------------------------------

local verbs = { list = list, fetch = fetch_all, check = check_all }

command.after = { fetch = fetchable, check = fetchable }        -- for bash's completion

function command.run(values, words)
   local verb = table.remove(words, 1) or usage_error "data: expected list, fetch or check; engram data --help tells more"
   if not verbs[verb] then usage_error("data: unknown verb '%s'%s", verb, suggest.hint(verb, verbs)) end
   if verb == "list" and #words > 0 then usage_error "data list takes no names" end
   return verbs[verb](words, values)
end

return command
