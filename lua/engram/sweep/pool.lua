-- pool.lua: runs the jobs of a sweep, some at a time, each a process of its own. What is known of a job is in its run's status.json,
-- so that a pool that was killed is taken up by the next, beside jobs that somebody else may be running.
local ffi = require "ffi"
local core = require "engram.core"
local left = require "engram.run.left"
local progress = require "engram.run.progress"
local C = core.C

local LOOK = 0.02                        -- seconds between two looks at the processes
local LOOK_ELSEWHERE = 0.5               -- at jobs of other processes

local SIGTERM = 15

local Pool = {}
Pool.__index = Pool

-- ---- processes --------------------------------------------------------------------------------------------

local function start_program(line, log)
   local arguments = ffi.new("const char *[4]", "sh", "-c", line)
   local id = C.eg_start_program(arguments, log)
   if id < 0 then core.raise("sweep: %s", core.message()) end
   return id
end

local ended = ffi.new "int[1]"

-- The exit code of a process, or nil while it runs.
local function code_of(id)
   local answer = C.eg_program_ended(id, ended)
   if answer < 0 then core.raise("sweep: %s", core.message()) end
   return answer == 1 and ended[0] or nil
end

local function last_line(path)
   local file, last = io.open(path), nil
   if not file then return nil end
   for line in file:lines() do
      if line:find "%S" and not line:find "^%s" then last = line end     -- the lines of a traceback are indented
   end
   file:close()
   return last
end

-- ---- one job ----------------------------------------------------------------------------------------------

function Pool:count(what) self.counts[what] = (self.counts[what] or 0) + 1 end

-- What kept a job from its end, in a line.
function Pool:reason(job, code)
   local state, status = self.sweep:state(job)
   job.killed = code > 128 and state == "killed"
   if job.killed then return ("killed by signal %d"):format(code - 128) end
   local said = type(status.error) == "string" and status.error:match "[^\n]+" or last_line(self.sweep:log_of(job))
   return said and said:gsub("^engram: ", "") or ("ended with exit code %d"):format(code)
end

function Pool:finished(job)
   self:count "finished"
   if job.ran then self.line:message(("finished %s"):format(job.name)) end
end

function Pool:failed(job, code)
   if core.interrupted() or self.stopping then return self:count "stopped" end
   job.reason = self:reason(job, code)
   self.failures[#self.failures + 1] = job
   self.line:message(("failed %s: %s"):format(job.name, job.reason))
   self.stopping = self.fail_fast
   if self.stopping then self:stop() end
end

-- Another process is at the job: it takes no place of ours.
function Pool:wait_for(job)
   if not job.told then self.line:message(("%s runs elsewhere: waiting for it"):format(job.name)) end
   job.told, job.looked, job.ran = true, C.eg_clock(), false
   self.elsewhere[#self.elsewhere + 1] = job
end

-- Starts a job, unless it is finished or runs elsewhere.
function Pool:start(job)
   local state = self.sweep:state(job)
   if state == "finished" then return self:finished(job) end
   if state == "running" then return self:wait_for(job) end
   job.ran = true
   job.id = start_program(self.sweep:line(job), self.sweep:log_of(job))
   self.running[#self.running + 1] = job
end

-- Looks at a job of another process; true when it no longer runs there.
function Pool:look_elsewhere(job)
   if C.eg_clock() - job.looked < LOOK_ELSEWHERE then return false end
   job.looked = C.eg_clock()
   if self.sweep:state(job) == "running" then return false end
   table.insert(self.waiting, 1, job)
   return true
end

-- Looks at a job of ours; true when it no longer runs.
function Pool:look(job)
   local code = code_of(job.id)
   if not code then return false end
   if code == left.TAKEN then self:wait_for(job)      -- somebody was quicker, and is seen only now
   elseif code == 0 and self.sweep:state(job) == "finished" then self:finished(job) else self:failed(job, code) end
   return true
end

-- Asks the jobs that run to stop; those of other processes are not ours to stop. SIGTERM, whatever we got: a job that waits for
-- another program does not hear SIGINT.
function Pool:stop()
   for _, job in ipairs(self.running) do C.eg_signal_program(job.id, SIGTERM) end
end

-- ---- all of them ------------------------------------------------------------------------------------------

function Pool:text()
   local parts = { ("sweep %d/%d finished"):format(self.counts.finished or 0, #self.sweep.jobs) }
   if #self.failures > 0 then parts[#parts + 1] = ("%d failed"):format(#self.failures) end
   for _, job in ipairs(self.running) do
      local _, status = self.sweep:state(job)
      parts[#parts + 1] = job.name .. (type(status.step) == "number" and (" step %d"):format(status.step) or "")
   end
   return table.concat(parts, "  ")
end

function Pool:step()
   local signal = core.interrupted()
   if signal and not self.told then
      self.told = true
      self:stop()
   end
   local halted = signal or self.stopping
   while not halted and #self.running < self.parallel and #self.waiting > 0 do self:start(table.remove(self.waiting, 1)) end
   for i = #self.running, 1, -1 do
      if self:look(self.running[i]) then table.remove(self.running, i) end
   end
   for i = #self.elsewhere, 1, -1 do
      if self:look_elsewhere(self.elsewhere[i]) then table.remove(self.elsewhere, i) end
   end
   self.line:update{}
   local jobs = #self.running + (halted and 0 or #self.elsewhere)
   if jobs > 0 then C.eg_sleep(LOOK) end
   return jobs > 0 or (not halted and #self.waiting > 0)
end

-- pool(sweep, { parallel =, fail_fast = }) runs what is not finished -> failures (jobs with .reason), how many are finished, how many
-- were never started, since the others were stopped.
return function(sweep, options)
   local waiting = {}
   for i, job in ipairs(sweep.jobs) do waiting[i] = job end
   local self = setmetatable({ sweep = sweep, parallel = options.parallel, fail_fast = options.fail_fast, waiting = waiting, running = {},
      elsewhere = {}, failures = {}, counts = {} }, Pool)
   self.line = progress.new{}
   function self.line.line() return self:text() end
   C.eg_interrupt_trap(1)                              -- we poll, and hand signals on
   local ok, problem = pcall(function() while self:step() do end end)
   C.eg_interrupt_trap(0)
   if not ok then self:stop() end
   self.line.dirty = false
   self.line:finish()
   if not ok then error(problem, 0) end
   return self.failures, self.counts.finished or 0, #waiting
end
