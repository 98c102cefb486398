-- run/code.lua: the code that a run is of: the library, the script and the modules that it loads. Runs that are told together are told
-- apart where they are not of the same, for their bits may differ, and so may what they mean.
local ffi = require "ffi"
local core = require "engram.core"
local describe = require "engram.run.describe"
local json = require "engram.json"
local C = core.C

ffi.cdef "extern const char eg_sources_text[];"

local code = {}

local folder = package.searchpath("engram.core", package.path):match "^(.*)/core%.lua$"

-- Adds the Lua files below a folder to a list.
local function add_files(path, list)
   for _, name in ipairs(core.names_in(path)) do
      local file = path .. "/" .. name
      if name:find "%.lua$" then list[#list + 1] = file
      elseif C.eg_file_kind(file) == 2 then add_files(file, list) end
   end
   return list
end

-- library(): SHA-256 over the library's Lua files and the C sources that it was built of.
function code.library()
   local files, words = add_files(folder, {}), {}
   table.sort(files)
   for i, file in ipairs(files) do
      local sha256 = describe.file_hash(file) or core.raise("run: %s", core.message())
      words[i] = file:sub(#folder + 2) .. " " .. sha256
   end
   words[#words + 1] = ffi.string(C.eg_sources_text)
   return core.sha256(table.concat(words, "\n"))
end

-- modules(): { name = SHA-256 of its file } of the modules that a script has loaded besides the library; nil for none.
function code.modules()
   local found = {}
   for name in pairs(package.loaded) do
      local path = type(name) == "string" and package.searchpath(name, package.path)
      if path and path:sub(1, #folder + 1) ~= folder .. "/" then found[name] = describe.file_hash(path) end
   end
   return next(found) and found or nil
end

-- ---- kinds of code ----------------------------------------------------------------------------------------

-- What the run in a folder is of: { name = word }, and the script's name; nil where it cannot be read.
local function parts_of(path)
   local ok, meta = pcall(json.load, path .. "/meta.json")
   if not ok or type(meta) ~= "table" then return nil end
   local parts = { Engram = meta.library_sha256 or "an earlier one", compiler = meta.build, flags = meta.flags, BLAS = meta.blas }
   local script = tostring(meta.script):match "[^/]*$"
   parts[script] = meta.script_sha256
   for name, sha256 in pairs(type(meta.modules) == "table" and meta.modules or {}) do parts[script .. "'s " .. name] = sha256 end
   return parts
end

-- The names of the parts of which there are several, sorted. A run without a part that others have is of another script.
local function differing(list)
   local first, names, known = {}, {}, {}
   for _, parts in ipairs(list) do
      for name, word in pairs(parts) do
         first[name] = first[name] or word
         if first[name] ~= word and not known[name] then names[#names + 1], known[name] = name, true end
      end
   end
   table.sort(names)
   return names
end

local function shown(word)
   word = tostring(word or "another")
   return word:find "^%x+$" and #word == 64 and word:sub(1, 8) or word
end

-- mixed(records): a line that tells how many runs are of each kind of code, where those of the records (by `run`, a folder) are of
-- several; or nil.
function code.mixed(records)
   local list, counts, order, known = {}, {}, {}, {}
   for _, record in ipairs(records) do
      if not known[record.run] then list[#list + 1], known[record.run] = parts_of(record.run), true end
   end
   local names = differing(list)
   if #names == 0 then return nil end
   for _, parts in ipairs(list) do
      local words = {}
      for _, name in ipairs(names) do words[#words + 1] = parts[name] and name .. " " .. shown(parts[name]) end
      local kind = table.concat(words, ", ")
      if not counts[kind] then order[#order + 1] = kind end
      counts[kind] = (counts[kind] or 0) + 1
   end
   for i, kind in ipairs(order) do order[i] = ("%d of %s"):format(counts[kind], kind == "" and "other code" or kind) end
   return "these runs are not all of the same code, so that their bits may differ: " .. table.concat(order, "; ")
end

return code
