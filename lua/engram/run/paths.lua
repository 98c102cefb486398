-- run/paths.lua: how run directories are named: RUNS/EXPERIMENT/20261123-183000-lr=0.1-s3-ab12.
local C = require "engram.core".C

local paths = {}

local function safe(text) return (text:gsub("[^%w_.=+,-]", "_")) end

-- "lr=0.1-s3" of the words key=value: what tells this run from its siblings.
function paths.label(words)
   local parts = {}
   for _, word in ipairs(words or {}) do
      local key, value = word:match "^([%a_][%w_.%-]*)=(.*)$"
      if key then parts[#parts + 1] = key == "seed" and "s" .. value or word end
   end
   return safe(table.concat(parts, "-")):sub(1, 80)
end

-- Four letters that no other run of this second has: two runs must never share a directory.
local function random_word()
   local source = io.open("/dev/urandom", "rb")
   local letters, word = "0123456789abcdefghjkmnpqrstvwxyz", ""
   local bytes = source and source:read(4) or tostring(C.eg_process_id()):rep(4)
   if source then source:close() end
   for i = 1, 4 do
      local at = bytes:byte(i) % 32 + 1
      word = word .. letters:sub(at, at)
   end
   return word
end

-- RUNS/EXPERIMENT, which holds an experiment's runs.
function paths.base(runs, experiment) return ("%s/%s"):format(runs or "runs", safe(experiment)) end

-- A path that nothing has yet, RUNS/EXPERIMENT/DATE-TIME-MIDDLE-ID.
function paths.new(runs, experiment, middle)
   while true do
      local path = ("%s/%s%s-%s"):format(paths.base(runs, experiment), os.date "%Y%m%d-%H%M%S",
         middle ~= "" and "-" .. safe(middle) or "", random_word())
      if C.eg_file_kind(path) == 0 then return path end
   end
end

return paths
