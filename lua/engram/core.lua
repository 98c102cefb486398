-- core.lua: loads libengram, declares core/engram.h to the FFI, and turns status codes into Lua errors.
local ffi = require "ffi"

local core = {}

-- The library is found beside this tree (build/, lib/) or by the executable that has it loaded already.
local function load_library()
   local here = debug.getinfo(1, "S").source:match "^@(.*)/lua/engram/core%.lua$" or "."
   local tried = {}
   for _, path in ipairs{ os.getenv "ENGRAM_LIBRARY" or "", here .. "/build/libengram.so", here .. "/../../lib/libengram.so" } do
      if path ~= "" then
         local ok, library = pcall(ffi.load, path)
         if ok then return library end
         tried[#tried + 1] = tostring(library)
      end
   end
   error("engram: cannot load libengram.so; run `make` first:\n  " .. table.concat(tried, "\n  "), 0)
end

local function hosted()                 -- the engram executable is linked to the library
   ffi.cdef "extern const char eg_header_text[];"
   return pcall(function() return ffi.C.eg_header_text[0] end)
end

local C = hosted() and ffi.C or load_library()
ffi.cdef(ffi.string(ffi.cast("const char *", C.eg_header_text)))
core.C = C

-- ---- errors -----------------------------------------------------------------------------------------------

local library_folder = debug.getinfo(1, "S").source:match "^@(.*/)core%.lua$" or "lua/engram/"

-- "file:line: " of the first caller outside this library, so that an error points at the user's line.
local function position()
   for level = 3, 60 do
      local info = debug.getinfo(level, "Sl")
      if not info then break end
      if info.what ~= "C" and info.source:sub(2, #library_folder + 1) ~= library_folder and info.currentline > 0 then
         return ("%s:%d: "):format(info.short_src, info.currentline)
      end
   end
   return ""
end

-- What a message says of a value that may come of a file: at most so many bytes of a text, cut between characters.
function core.cut(value, most)
   if type(value) ~= "string" or #value <= most then return value end
   local last = most
   while last > 1 and (value:byte(last + 1) or 0) >= 0x80 and value:byte(last + 1) < 0xC0 do last = last - 1 end
   return ("%s... (%d bytes)"):format(value:sub(1, last), #value)
end

local MOST = 4000                       -- what no message is meant to say of one thing

-- Raises message, with the user's file and line before it.
function core.raise(message, ...)
   local values = { ... }
   for i = 1, select("#", ...) do values[i] = core.cut(values[i], MOST) end
   if select("#", ...) > 0 then message = message:format(unpack(values, 1, select("#", ...))) end
   error(position() .. message, 0)
end
local raise = core.raise

-- Raises the core's last message unless status is EG_OK.
function core.check(status)
   if status ~= 0 then raise("%s", ffi.string(C.eg_error_message())) end
end

function core.message() return ffi.string(C.eg_error_message()) end

-- ---- options ----------------------------------------------------------------------------------------------

local suggest

-- Checks a table of options: every key must be in `allowed` (a set or a list of names); nil stands for no options.
function core.options(who, given, allowed)
   if given == nil then return {} end
   if type(given) ~= "table" then raise("%s: options must be a table, got %s", who, core.typename(given)) end
   suggest = suggest or require "engram.suggest"
   local names = allowed
   if #allowed > 0 then
      names = {}
      for _, name in ipairs(allowed) do names[name] = true end
   end
   for key in pairs(given) do
      if names[key] == nil then
         raise("%s: unknown option %s%s", who, type(key) == "string" and "'" .. key .. "'" or "[" .. core.shown(key) .. "]",
            suggest.hint(key, names))
      end
   end
   return given
end

-- Returns value; raises unless it is a whole number of at least 1. `what` names it: "cl.task: limit".
function core.whole(what, value)
   if type(value) ~= "number" or value % 1 ~= 0 or value < 1 then
      raise("%s must be a whole number of at least 1, got %s", what,
         type(value) == "number" and tostring(value) or core.typename(value))
   end
   return value
end

-- Returns value; raises unless it is one of these names. `what` names it: "cl.train: evaluate".
function core.choice(what, value, choices)
   for _, choice in ipairs(choices) do
      if value == choice then return value end
   end
   suggest = suggest or require "engram.suggest"
   local near = type(value) == "string" and suggest.nearest(value, choices)
   raise("%s = %s is not one of %s%s", what, core.shown(value), table.concat(choices, ", "), near and suggest.hint(value, choices) or "")
end

-- Raises unless value is a path.
function core.path(who, value)
   if type(value) ~= "string" then raise("%s: expected a path, got %s", who, core.typename(value)) end
end

-- How many of `size` things are meant by n: so many, or below 1 that fraction of them; raises for anything else. things: their name.
function core.part(who, n, size, things)
   local count = type(n) == "number" and (n < 1 and math.floor(n * size + 0.5) or n)
   if not count or count % 1 ~= 0 or count < 0 or count > size then
      raise("%s: expected a fraction or a number of %s up to %d, got %s", who, things, size, tostring(n))
   end
   return count
end

-- The type of a value as users know it: "tensor" for tensors, else Lua's.
function core.typename(value)
   if type(value) == "cdata" and core.Handle and ffi.istype(core.Handle, value) then return "tensor" end
   return type(value)
end

-- What an error shows of a value: strings, numbers, booleans and nil as they are written, of others the type.
function core.shown(value)
   local kind = core.typename(value)
   if kind == "string" then return "'" .. value .. "'" end
   return (kind == "number" or kind == "boolean" or kind == "nil") and tostring(value) or "a " .. kind
end

-- ---- threads, interrupts, memory --------------------------------------------------------------------------

-- Sets the number of threads (1 to 256) when given; returns it. Threads never change a bit of any result.
function core.threads(count)
   if count ~= nil then
      if type(count) ~= "number" or count % 1 ~= 0 then raise("threads: expected a whole number, got %s", tostring(count)) end
      core.check(C.eg_threads_set(count))
   end
   return C.eg_threads_get()
end

-- Sets the instruction set of the kernels ("portable", "avx2" or "avx512") when given; returns it. At first it is the widest
-- that the processor has, or that of the environment's ENGRAM_INSTRUCTIONS. Bits are the same within one set, not between them.
function core.instructions(name)
   if name ~= nil then
      if type(name) ~= "string" then raise("instructions: expected a name, got %s", tostring(name)) end
      core.check(C.eg_instructions_set(name))
   end
   return ffi.string(C.eg_instructions())
end

-- The names in a folder, in alphabetical order; none where there is no folder. Raises when it cannot be listed.
function core.names_in(path)
   local list = {}
   if C.eg_file_kind(path) ~= 2 then return list end
   local text = C.eg_list_folder(path)
   if text == nil then raise("%s", core.message()) end
   for name in ffi.string(text):gmatch "[^\n]+" do list[#list + 1] = name end
   return list
end

-- SHA-256 of a text.
function core.sha256(text)
   local digest, hex = ffi.new "eg_sha256", ffi.new "char[65]"
   C.eg_sha256_begin(digest)
   C.eg_sha256_bytes(digest, text, #text)
   C.eg_sha256_end(digest, hex)
   return ffi.string(hex)
end

-- The signal that asked this process to stop, or nil.
function core.interrupted()
   local signal = C.eg_interrupt_get()
   return signal ~= 0 and signal or nil
end

return core
