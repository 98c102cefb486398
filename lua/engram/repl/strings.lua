-- repl/strings.lua: what may stand in a string at the cursor. Where it is the first argument of a function that is known, or the value
-- of `dtype`, what that takes; elsewhere file names, then all names that Engram's functions take.
local core = require "engram.core"
local chain = require "engram.repl.chain"

local strings = {}

local MOST = 2000                       -- candidates

-- ---- kinds ----------------------------------------------------------------------------------------------------

-- The paths that `part` begins; folders end with a slash. Where endings are given, files with one of them alone.
function strings.files(part, endings)
   local folder, name = part:match "^(.*/)([^/]*)$"
   folder, name = folder or "", name or part
   local home = os.getenv "HOME"
   local where = folder == "" and "." or home and folder:gsub("^~/", home .. "/") or folder
   local ok, names = pcall(core.names_in, where)
   local list = {}
   for _, found in ipairs(ok and names or {}) do
      if found:sub(1, #name) == name and (found:sub(1, 1) ~= "." or name ~= "") and #list < MOST then
         local is_folder = core.C.eg_file_kind((where == "/" and "" or where) .. "/" .. found) == 2
         local fits = is_folder or not endings or endings[found:match "%.%w+$"]
         if fits then list[#list + 1] = folder .. found .. (is_folder and "/" or "") end
      end
   end
   return list
end

-- The names that Engram's functions take as strings: optimizers, methods, data sets, the keys of the settings last declared.
local function all_names()
   local names, engram = {}, require "engram"
   for _, list in ipairs{ engram.optim.list(), engram.cl.methods.list(), engram.data.names() } do
      for _, name in ipairs(list) do names[#names + 1] = name end
   end
   for _, known in ipairs(require "engram.settings".known or {}) do names[#names + 1] = known.key end
   return names
end

-- What `require` finds: modules that are loaded, and those in the folders of package.path.
local function modules(part)
   local folder, names = part:match "^(.*%.)" or "", {}
   for name in pairs(package.loaded) do
      if name:sub(1, #folder) == folder and not name:find(".", #folder + 1, true) then names[#names + 1] = name end
   end
   for before, after in package.path:gmatch "([^;?]*)%?([^;]*)" do
      local where = before .. folder:gsub("%.", "/")
      local ok, found = pcall(core.names_in, where == "" and "." or where)
      for _, name in ipairs(ok and found or {}) do
         local base = after == ".lua" and name ~= "init.lua" and name:match "^([%w_-]+)%.lua$"
         if after:find "^/" and core.C.eg_file_kind(where .. name .. after) == 1 then base = name end
         if base then names[#names + 1] = folder .. base end
      end
   end
   return names
end

-- ---- where the string stands ----------------------------------------------------------------------------------

local OF_PLUGINS = { [".lua"] = true, [".so"] = true }

-- What a function takes as its first argument: names, and files; nil where it is not known.
local function taken_by(f, part)
   local engram = require "engram"
   local plugin = require "engram.optim.plugin"
   if f == engram.optim.load then return plugin.names(), strings.files(part, OF_PLUGINS) end
   if f == engram.optim.of then
      local names = plugin.names()
      for _, name in ipairs(engram.optim.list()) do names[#names + 1] = name end
      return names, strings.files(part, OF_PLUGINS)
   end
   if f == engram.data.load or f == engram.cl.task then return engram.data.names(), {} end
   if f == require then return modules(part), {} end
end

-- The same for a string with these tokens before it: f "..., f("..., dtype = "..., x.dtype == "...
local function taken(session, tokens, part)
   local last = #tokens
   if chain.is_symbol(tokens[last], "=") then
      while chain.is_symbol(tokens[last], "=") or chain.is_symbol(tokens[last], "~") do last = last - 1 end
      local key = tokens[last]
      if not (key and key.word == "dtype") then return nil end
      local names = {}
      for name in pairs(require "engram.tensor".dtypes) do names[#names + 1] = name end
      return names, {}
   end
   if chain.is_symbol(tokens[last], "(") then last = last - 1 end
   if not (tokens[last] and tokens[last].kind == "name") then return nil end
   local found, f = chain.resolve(session, tokens, last)
   if found and type(f) == "function" then return taken_by(f, part) end
end

-- candidates(session, before, part): what a string that begins with `part` behind the text `before` may be.
function strings.candidates(session, before, part)
   local ok, names, files = pcall(taken, session, chain.tokens(before), part)
   local named_first = ok and names ~= nil
   if not named_first then
      ok, names = pcall(all_names)
      files = strings.files(part)
   end
   local list, seen = {}, {}
   local function add(words)
      for _, word in ipairs(words) do
         if word:sub(1, #part) == part and not seen[word] then list[#list + 1], seen[word] = word, true end
      end
   end
   if not ok then names = {} end
   table.sort(names)
   add(named_first and names or files)
   add(named_first and files or names)
   return list
end

return strings
