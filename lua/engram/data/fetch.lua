-- data/fetch.lua: brings a data set's files here by the curl program: mirrors in order, partial downloads resumed, every
-- file checked before it gets its name. A file that is not what it should be is deleted.
local ffi = require "ffi"
local core = require "engram.core"
local folders = require "engram.data.folders"
local program = require "engram.program"
local C, raise = core.C, core.raise

local fetch = {}

local ATTEMPTS = 3                                     -- at one mirror, as long as each brings the file further

-- ---- checking ---------------------------------------------------------------------------------------------

local hex = ffi.new "char[65]"

-- nil when the file is, or unpacks to, what it should, else what is wrong with it, and true when that is its content: a file that could not
-- be read may be sound.
function fetch.problem(path, file)
   if file.check then return file.check(path) end
   local status = (file.archive and C.eg_sha256_file or C.eg_sha256_unpacked)(path, hex)
   if status ~= 0 then
      if core.interrupted() then raise "interrupted" end
      return core.message(), status == C.EG_EFORMAT
   end
   if ffi.string(hex) == file.sha256 then return nil end
   return ("%s: its content is not the published one (SHA-256 %s..., expected %s...)"):format(path,
      ffi.string(hex, 12), file.sha256:sub(1, 12)), true
end

-- ---- one transfer -----------------------------------------------------------------------------------------

local function size_of(path) return tonumber(C.eg_file_size(path)) end

-- Runs curl, which appends to `part`; its exit code and the server's answer (0: none). The shell only keeps curl's output.
local function curl(url, part, quiet)
   local answer_file = os.tmpname()
   local words = { "sh", "-c", 'exec curl "$@" >"$0"', answer_file, "--fail", "--location", "--continue-at", "-",
      "--connect-timeout", "20", "--speed-limit", "1", "--speed-time", "60", "--write-out", "%{http_code}", "--output", part,
      (quiet or C.eg_is_terminal(2) == 0) and "--silent" or "--progress-bar", "--url", url }
   local code = program(words)
   local file = io.open(answer_file)
   local answer = file and tonumber(file:read "*l" or "")
   if file then file:close() end
   os.remove(answer_file)
   if core.interrupted() or code == 128 + 2 then raise "interrupted" end
   return code, answer or 0
end

local reasons = {
   [3] = "the address is malformed", [5] = "the proxy's name is unknown", [6] = "the host's name is unknown: no network?",
   [7] = "the connection was refused", [18] = "the transfer ended early",
   [23] = "the file could not be written: is the disk full?",
   [28] = "the server does not answer", [35] = "no secure connection", [37] = "there is no such file",
   [47] = "it redirects without end", [52] = "the server's answer is empty", [56] = "the connection broke",
   [60] = "the server's certificate is not trusted; are ca-certificates installed and the clock right?",
   [127] = "the program curl is not installed; install it, or put the files in place by hand",
}

local function reason(code, answer)
   if code == 22 then
      return ("the server answers %d%s"):format(answer, answer == 404 and ": it has no such file" or "")
   end
   return reasons[code] or ("curl ended with code %d"):format(code)
end

-- ---- one file ---------------------------------------------------------------------------------------------

-- Brings `part` to its end from one mirror, and checks it. nil when all is well, else the reason; what was received of
-- a file stays for the next attempt, what is wrong is deleted.
local function from_mirror(url, part, file, say)
   local why
   for _ = 1, ATTEMPTS do
      local before = size_of(part)
      local code, answer = curl(url, part, say.quiet)
      local useless = code == 33 or answer == 416      -- the server cannot resume, or has nothing after our part
      local stale = before > 0 and (useless or (code == 0 and fetch.problem(part, file)))
      if code == 0 and not stale then
         local problem = fetch.problem(part, file)
         if problem then os.remove(part) end
         return problem and problem:gsub("^.-: ", "", 1) .. "; deleted"
      end
      why = reason(code, answer)
      if stale then os.remove(part)                             -- what we had is of another file: from the beginning
      elseif size_of(part) <= math.max(before, 0) then return why end
   end
   return why
end

local function addresses(name, source, mirror)
   if mirror then return { (mirror:gsub("/+$", "")) .. "/" .. name .. "/" } end
   return source.mirrors
end

local function give_up(name, file, folder, failures)
   raise("data fetch %s: %s could not be fetched:\n  %s\nCheck the network and try again (what was received is kept, unless damaged),"
      .. " name another mirror with --mirror or ENGRAM_MIRROR,\nor put the file into %s by hand.", name, file.name,
      table.concat(failures, "\n  "), folder)
end

local function fetch_file(name, source, file, folder, options, say)
   local path, failures = folder .. "/" .. file.name, {}
   local part = path .. ".part"
   for _, base in ipairs(addresses(name, source, options.mirror)) do
      say("%s/%s: from %s", name, file.name, base)
      local why = from_mirror(base .. file.name, part, file, say)
      if not why then
         core.check(C.eg_file_sync(part))
         core.check(C.eg_rename(part, path))
         say("%s/%s: %d bytes, content verified", name, file.name, size_of(path))
         return
      end
      failures[#failures + 1] = base .. file.name .. ": " .. why
   end
   give_up(name, file, folder, failures)
end

-- True when the file is in `folder`, or anywhere with `elsewhere`, and sound. One in `folder` that is damaged is deleted; raises for one
-- that cannot be read.
local function is_here(name, file, folder, elsewhere, say)
   local own = folder .. "/" .. file.name
   local path = C.eg_file_kind(own) == 1 and own or elsewhere and folders.find(name .. "/" .. file.name)
   if not path then return false end
   local problem, damaged = fetch.problem(path, file)
   if not problem then
      say("%s/%s: here and sound", name, file.name)
      return true
   end
   if path == own then
      if not damaged then raise("data fetch %s: %s", name, problem) end
      os.remove(path)
   end
   say("%s; %s", problem, path == own and "deleted" or "fetching another to " .. own)
   return false
end

-- True when the files that do instead of the published ones are all here and sound.
local function has_instead(source, say)
   local here = folders.instead(source)
   if not here then return false end
   for _, found in ipairs(here) do
      local problem = fetch.problem(found.path, found.file)
      if problem then
         say("%s; fetching the published files", problem)
         return false
      end
      say("%s: here and sound", found.path)
   end
   return true
end

-- ---- a data set -------------------------------------------------------------------------------------------

-- Fetches what is missing of `source` (see sources.lua). Options: folder (default: folders.own()), mirror (one address
-- with a folder for each data set; default: $ENGRAM_MIRROR, then the source's own), quiet.
function fetch.run(name, source, options)
   options = core.options("data.fetch", options, { "folder", "mirror", "quiet" })
   local folder = (options.folder or folders.own()) .. "/" .. name
   local mirror = options.mirror or os.getenv "ENGRAM_MIRROR"
   local say = setmetatable({ quiet = options.quiet }, { __call = function(_, ...)
      if not options.quiet then io.stderr:write((...):format(select(2, ...)), "\n") end
   end })
   local missing = {}
   if not options.folder and not folders.find(name .. "/" .. source.files[1].name) and has_instead(source, say) then return end
   for _, file in ipairs(source.files) do
      if not is_here(name, file, folder, not options.folder, say) then missing[#missing + 1] = file end
   end
   if #missing == 0 then return end
   core.check(C.eg_make_folders(folder))
   if C.eg_writable(folder) == 0 then raise("data fetch %s: %s cannot be written; name another with --folder", name, folder) end
   for _, file in ipairs(missing) do
      fetch_file(name, source, file, folder, { mirror = mirror ~= "" and mirror or nil }, say)
   end
end

return fetch
