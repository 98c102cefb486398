-- describe.lua: what a run was made with: versions, machine, source. For meta.json and `engram doctor`.
local ffi = require "ffi"
local core = require "engram.core"
local quote = require "engram.shell"
local C = core.C

ffi.cdef "extern const char eg_flags_text[];"

local describe = {}

-- The fields of meta.json that people are shown, in their order.
describe.fields = { "engram", "commit", "script", "command", "started", "host", "processor", "cores", "threads", "instructions", "blas",
   "luajit", "build", "flags", "seed" }

function describe.time() return os.date "!%Y-%m-%dT%H:%M:%SZ" end

local function first_line_of(command)
   local pipe = io.popen(command .. " 2>/dev/null")
   local line = pipe:read "*l"
   pipe:close()
   return line
end

local function first_line_of_file(path)
   local file = io.open(path)
   local line = file and file:read "*l"
   if file then file:close() end
   return line
end

function describe.host() return first_line_of_file "/proc/sys/kernel/hostname" end

function describe.processor()
   local file = io.open "/proc/cpuinfo"
   local text = file and file:read "*a" or ""
   if file then file:close() end
   return text:match "model name%s*:%s*([^\n]+)"
end

-- The commit that a script's folder is at, "+changes" when files differ from it; nil outside git.
function describe.commit(folder)
   local git = "git -C " .. quote(folder)
   local commit = first_line_of(git .. " rev-parse HEAD")
   if commit and first_line_of(git .. " status --porcelain --untracked-files=no") then commit = commit .. "+changes" end
   return commit
end

local LIMIT = 1000000                   -- bytes of a difference that are kept

-- What the files in a script's folder differ by from their commit, as text; nil when they do not, and outside git.
function describe.changes(folder)
   local pipe = io.popen("git -C " .. quote(folder) .. " diff --no-ext-diff --no-color HEAD 2>/dev/null")
   local text = pipe:read(LIMIT + 1)
   pipe:close()
   if text and #text > LIMIT then text = text:sub(1, LIMIT) .. "\n... cut after " .. LIMIT .. " bytes\n" end
   return text
end

-- The folder that this process is in; $PWD may name another.
function describe.folder()
   local path = C.eg_current_folder()
   if path == nil then core.raise("the current folder: %s", core.message()) end
   return ffi.string(path)
end

-- A path that holds in every folder.
function describe.absolute(path)
   if path:sub(1, 1) == "/" then return path end
   return describe.folder() .. "/" .. path:gsub("^%./", "")
end

-- SHA-256 of a file; nil when it cannot be read.
function describe.file_hash(path)
   local hex = ffi.new "char[65]"
   return C.eg_sha256_file(path, hex) == 0 and ffi.string(hex) or nil
end

-- What the library is: one table for people and for meta.json.
function describe.library()
   return {
      engram = require "engram.version", luajit = jit.version, blas = ffi.string(C.eg_blas()), build = ffi.string(C.eg_build()),
      instructions = ffi.string(C.eg_instructions()),
      flags = ffi.string(C.eg_flags_text), threads = C.eg_threads_get(), cores = C.eg_cores(),
   }
end

-- meta.json of a run about to begin, and the text of changes.diff where there are any.
function describe.meta(about)
   local meta = describe.library()
   meta.command, meta.script = about.command, about.script
   meta.seed, meta.seed_asked = about.seed, about.seed or false           -- the first is that of the training, once it is known
   meta.arguments = require "engram.json".array{ unpack(about.arguments or {}) }
   meta.threads_asked, meta.report, meta.tensorboard = about.threads, about.report, about.tensorboard
   meta.evaluate_on, meta.budget = about.evaluate_on, about.budget
   meta.plugins_asked = about.plugins and require "engram.json".array{ unpack(about.plugins) }
   meta.folder = describe.folder()
   local folder = (about.script or "."):match "^(.*)/[^/]*$" or "."
   meta.commit = describe.commit(folder)
   meta.script_sha256 = about.script and describe.file_hash(about.script)
   meta.host, meta.processor = describe.host(), describe.processor()
   meta.started = describe.time()
   return meta, meta.commit and meta.commit:find "+changes$" and describe.changes(folder) or nil
end

return describe
