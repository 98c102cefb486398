-- sweep: a list of runs that differ in their settings. SWEEP/sweep.json holds the list, made once; SWEEP/jobs.txt the same as one
-- shell line a job; SWEEP/NAME/ is the run directory of each, and its status.json all that is known of how far it is.
local core = require "engram.core"
local describe = require "engram.run.describe"
local json = require "engram.json"
local left = require "engram.run.left"
local quote = require "engram.shell"
local run = require "engram.run"
local usage_error = require "engram.usage"
local C = core.C

local sweep = {}
local Sweep = {}
Sweep.__index = Sweep

local VERSION = 1

-- ---- the lines --------------------------------------------------------------------------------------------

-- The shell line that begins the job, goes on with it, or finds it finished. exec: signals reach the run, not a shell.
function Sweep:line(job)
   local words = { "run", "--quiet", "--threads", tostring(self.threads), "--into", self.path .. "/" .. job.name }
   if self.evaluate_on then words[#words + 1], words[#words + 2] = "--evaluate-on", self.evaluate_on end
   if self.budget then words[#words + 1], words[#words + 2] = "--budget", self.budget end
   for _, plugin in ipairs(self.plugins or {}) do words[#words + 1], words[#words + 2] = "--plugin", plugin end
   words[#words + 1] = self.script
   for _, word in ipairs(job.words) do words[#words + 1] = word end
   for i, word in ipairs(words) do words[i] = quote(word) end
   return ("cd %s && exec %s %s"):format(quote(self.folder), quote(self.program), table.concat(words, " "))
end

function Sweep:lines()
   local list = {}
   for i, job in ipairs(self.jobs) do list[i] = self:line(job) end
   return table.concat(list, "\n") .. "\n"
end

function Sweep:log_of(job) return ("%s/logs/%s.txt"):format(self.path, job.name) end

-- ---- making and loading -----------------------------------------------------------------------------------

-- about: { script =, jobs =, varying =, parallel =, threads =, plugins =, evaluate_on =, budget =, runs =, name =, path = where it is not
-- to be a new one below runs }; not yet on disk.
function sweep.new(about)
   local experiment = about.script:match "([^/]*)$":gsub("%.%a+$", "")
   local self = setmetatable(about, Sweep)
   self.path = self.path or describe.absolute((run.new_path(about.runs, experiment, about.name or "sweep"))):gsub("/%./", "/")
   self.folder, self.program = describe.folder(), arg[0]
   return self
end

local function write(path, text)
   if C.eg_file_write(path, text, #text) ~= 0 then core.raise("sweep: %s", core.message()) end
end

-- SHA-256 of the script's file; nil where it cannot be found any more.
function Sweep:script_hash()
   local path = self.script:sub(1, 1) == "/" and self.script or self.folder .. "/" .. self.script
   local found, other = C.eg_file_kind(path) == 1, nil
   if not found then found, other = pcall(require "engram.cli.script".find, "sweep", self.script) end
   return found and describe.file_hash(other or path) or nil
end

-- Whether the script is another than when the sweep was made.
function Sweep:script_has_changed() return self.script_sha256 ~= nil and self:script_hash() ~= self.script_sha256 end

-- jobs.txt for the place and program of today; sweep.json stays as it was made.
function Sweep:write_lines() write(self.path .. "/jobs.txt", self:lines()) end

function Sweep:save()
   if C.eg_make_folders(self.path .. "/logs") ~= 0 then
      error(("sweep: %s; choose another folder with --runs DIR"):format(core.message()), 0)
   end
   self:write_lines()
   local jobs = json.array{}
   for i, job in ipairs(self.jobs) do jobs[i] = { name = job.name, words = json.array{ unpack(job.words) } } end
   json.save(self.path .. "/sweep.json", { version = VERSION, script = self.script, script_sha256 = self:script_hash(),
      folder = self.folder, jobs = jobs, varying = json.array{ unpack(self.varying) }, parallel = self.parallel, threads = self.threads,
      evaluate_on = self.evaluate_on, budget = self.budget, plugins = self.plugins and json.array{ unpack(self.plugins) },
      engram = require "engram.version" })
end

local function check(path, value)
   local function wrong(what) core.raise("sweep: %s/sweep.json: %s; it is no list of jobs that this version made", path, what) end
   if type(value) ~= "table" or value.version ~= VERSION then wrong(("version is not %d"):format(VERSION)) end
   for key, kind in pairs{ script = "string", folder = "string", jobs = "table", varying = "table", parallel = "number",
      threads = "number" } do
      if type(value[key]) ~= kind then wrong(("%s is missing or no %s"):format(key, kind)) end
   end
   for i, job in ipairs(value.jobs) do
      if type(job) ~= "table" or type(job.name) ~= "string" or job.name:find "^%." or job.name:find "/" or type(job.words) ~= "table" then
         wrong(("job %d has no name or words"):format(i))
      end
   end
end

-- The sweep in a folder.
function sweep.load(path)
   path = describe.absolute(path):gsub("/+$", "")
   if C.eg_file_kind(path .. "/sweep.json") ~= 1 then usage_error("sweep: %s is no sweep: it has no sweep.json", path) end
   local value = json.load(path .. "/sweep.json")
   check(path, value)
   value.path, value.program = path, arg[0]
   return setmetatable(value, Sweep)
end

-- ---- how far a job is -------------------------------------------------------------------------------------

-- The state of a job's run directory (see run/left.lua), and what its status.json says.
function Sweep:state(job)
   local path = self.path .. "/" .. job.name
   if C.eg_file_kind(path .. "/status.json") ~= 1 then return "new", {} end
   local ok, status = pcall(run.read, path, "status.json")
   if not ok then return "failed", { error = tostring(status) } end
   return left.state(path, status), status
end

return sweep
