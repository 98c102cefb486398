-- records.lua: what the runs below some folders found: a record for each training that came to its end, and a line for each run,
-- job or training that did not.
--
-- A record: { run = path, training = name or "", settings = { key = text }, summary = }. Settings are flat (optimizer.lr) and texts.
local core = require "engram.core"
local json = require "engram.json"
local sweeps = require "engram.sweep"
local C = core.C

local DEEPEST = 6                        -- folders below the one that is asked for

-- ---- settings ---------------------------------------------------------------------------------------------

local function text_of(value)
   if type(value) == "string" then return value end
   if type(value) ~= "table" or value == json.null then return json.encode(value) end
   local items = {}
   for i, item in ipairs(value) do items[i] = text_of(item) end
   return table.concat(items, ",")
end

local function flatten(value, prefix, into)
   for key, inner in pairs(value) do
      local full = prefix .. tostring(key)
      if type(inner) == "table" and inner ~= json.null and next(inner) ~= nil and #inner == 0 then flatten(inner, full .. ".", into)
      else into[full] = text_of(inner) end
   end
   return into
end

-- The settings of a training: the run's, and what its files tell besides.
local function settings_of(run, training, summary)
   local settings = flatten(run.settings, "", {})
   settings.script = settings.script or tostring(run.meta.script):match "([^/]*)$":gsub("%.lua$", "")
   settings.training = training
   if settings.seed == nil and type(summary.seed) == "number" then settings.seed = text_of(summary.seed) end
   return settings
end

-- ---- one run ----------------------------------------------------------------------------------------------

local Records = {}
Records.__index = Records

function Records:problem(path, ...) self.problems[#self.problems + 1] = ("%s: %s"):format(path, string.format(...)) end

local function load(path)
   if C.eg_file_kind(path) ~= 1 then return nil end
   local ok, value = pcall(json.load, path)
   if ok and type(value) == "table" then return value end
   return nil, ok and path .. ": no object" or tostring(value)
end

-- The training in a folder, when there is one; true when there was something.
function Records:training(run, name)
   local path = name == "" and run.path or run.path .. "/" .. name
   local summary, problem = load(path .. "/summary.json")
   if problem then self:problem(path, "%s", problem) end
   if not summary then return problem ~= nil end
   local complete = summary.complete
   if complete == nil then complete = run.state == "finished" end
   if complete then
      self.list[#self.list + 1] = { run = run.path, training = name, settings = settings_of(run, name, summary), summary = summary }
   elseif run.state == "finished" or type(summary.error) == "string" and summary.error ~= "interrupted" then
      self:problem(path, "%s", tostring(summary.error or "the training did not come to its end"):match "[^\n]*")
   end
   return true
end

-- What kept a run from its end.
local function told(state, status)
   local message = type(status.error) == "string" and ": " .. status.error:match "[^\n]*" or ""
   return state .. message
end

function Records:run(path)
   local state, status = sweeps.state(path)
   local run = { path = path, state = state, meta = load(path .. "/meta.json") or {}, settings = load(path .. "/settings.json") or {} }
   local before, found = #self.problems, self:training(run, "")
   for _, name in ipairs(core.names_in(path)) do
      if C.eg_file_kind(path .. "/" .. name) == 2 then found = self:training(run, name) or found end
   end
   self.runs = self.runs + 1
   if state ~= "finished" and #self.problems == before then self:problem(path, "%s", told(state, status))
   elseif not found then self:problem(path, "no training in it: there is no summary.json") end
end

-- ---- folders ----------------------------------------------------------------------------------------------

function Records:folder(path, depth)
   if self.seen[path] then return end
   self.seen[path] = true
   if C.eg_file_kind(path .. "/meta.json") == 1 then return self:run(path) end
   if C.eg_file_kind(path .. "/sweep.json") == 1 then
      for _, job in ipairs(sweeps.load(path).jobs) do
         local folder = path .. "/" .. job.name
         if C.eg_file_kind(folder .. "/meta.json") ~= 1 then self:problem(folder, "not begun") end
      end
   end
   if depth == DEEPEST then return end
   for _, name in ipairs(core.names_in(path)) do
      local inner = path .. "/" .. name
      if name:sub(1, 1) ~= "." and C.eg_file_kind(inner) == 2 then self:folder(inner, depth + 1) end
   end
end

-- records(paths) -> list of records, list of lines about what is not in it, number of runs.
return function(paths)
   local self = setmetatable({ list = {}, problems = {}, runs = 0, seen = {} }, Records)
   for _, path in ipairs(paths) do
      if C.eg_file_kind(path) ~= 2 then require "engram.usage"("compare: there is no folder '%s'", path) end
      self:folder(#path > 1 and path:gsub("/+$", "") or path, 0)
   end
   return self.list, self.problems, self.runs
end
