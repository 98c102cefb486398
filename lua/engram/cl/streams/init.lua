-- cl/streams/init.lua: the registry of streams: what makes one (split, permuted, ...) and what makes another of one (blur, recur, ...).
-- A stream is one file, which returns { name, doc, make = function }, and a line here; users see it as cl.streams.NAME.
local core = require "engram.core"
local suggest = require "engram.suggest"
local raise = core.raise

local streams, registry, names = {}, {}, {}

-- register{ name =, doc =, make = function(...) -> stream }: makes cl.streams.NAME.
function streams.register(description)
   core.options("cl.streams.register", description, { "name", "doc", "make" })
   local name = description.name
   if type(name) ~= "string" then raise "cl.streams.register: a stream needs a name" end
   if type(description.make) ~= "function" then raise("cl.streams.register: '%s' has no function make", name) end
   if rawget(streams, name) then raise("cl.streams.register: the name '%s' is taken", name) end
   registry[name], names[#names + 1] = description, name
   streams[name] = description.make
   return description.make
end

function streams.list() return { unpack(names) } end
function streams.description(name) return registry[name] end

local FILES = { "split", "permuted", "rotated", "sequence", "online", "iterations", "blur", "recur", "imbalance", "label_noise", "drift",
   "pad", "limit", "validation" }

for _, file in ipairs(FILES) do
   streams.register(require("engram.cl.streams." .. file))
end

return setmetatable(streams, { __index = function(_, key)
   raise("cl.streams: no stream named '%s'%s", tostring(key), suggest.hint(key, registry))
end })
