-- progress.lua: how far a training is. On a terminal one line of standard error that overwrites itself, ten times a second
-- at most; elsewhere a plain line every 30 seconds and one at the end of each task. Plain lines also go to the run's log.
local core = require "engram.core"
local C = core.C

local progress = { quiet = false }      -- quiet: the log alone (engram run --quiet)

local REDRAW, PLAIN = 0.1, 30           -- seconds between two lines

local Progress = {}
Progress.__index = Progress

-- about: { total_steps =, tasks =, epochs =, label =, log = function(text) }, each optional.
function progress.new(about)
   core.options("progress.new", about, { "total_steps", "tasks", "epochs", "label", "log" })
   local now = C.eg_clock()
   return setmetatable({
      about = about or {}, state = {}, terminal = not progress.quiet and C.eg_is_terminal(2) == 1,
      shown = now, dirty = false,
   }, Progress)
end

-- ---- the line ---------------------------------------------------------------------------------------------

local function count(name, value, total)
   if not value then return nil end
   return total and ("%s %d/%d"):format(name, value, total) or ("%s %d"):format(name, value)
end

-- Three digits, and all of those before the point: 0.0123, 12.3, 12345.
local function short(value)
   return value >= 100 and ("%.0f"):format(value) or ("%.3g"):format(value)
end

-- 75 -> "1:15", 4000 -> "1:06:40"
function progress.duration(seconds)
   if seconds ~= seconds or seconds > 360000 then return "?" end
   local s = math.floor(seconds + 0.5)
   if s < 3600 then return ("%d:%02d"):format(math.floor(s / 60), s % 60) end
   return ("%d:%02d:%02d"):format(math.floor(s / 3600), math.floor(s / 60) % 60, s % 60)
end

function Progress:line()
   local s, about, parts = self.state, self.about, {}
   local function add(text) if text then parts[#parts + 1] = text end end
   add(about.label)
   add(count("task", s.task, about.tasks))
   add(count("epoch", s.epoch, about.epochs))
   add(count("step", s.step, about.total_steps))
   if self.rate and self.rate > 0 then add(short(self.rate) .. " steps/s") end
   if self.loss then add(("loss %.4f"):format(self.loss)) end
   if s.accuracy then add(("accuracy %.2f %%"):format(s.accuracy)) end
   local left = about.total_steps and s.step and about.total_steps - s.step
   local done = self.first and s.step - self.first.step
   if left and left > 0 and done and done > 0 then add("left " .. progress.duration(left * (C.eg_clock() - self.first.clock) / done)) end
   return table.concat(parts, "  ")
end

-- Steps a second since the last line, smoothed. Both this and the time that is left count from the first step that was told: those
-- before it are another process's.
local function measure(self, now)
   if not self.state.step then return end
   if not self.first then
      self.first = { step = self.state.step, clock = now }
      self.rate_clock, self.rate_step = now, self.state.step
   end
   local seconds, steps = now - self.rate_clock, self.state.step - self.rate_step
   if seconds < REDRAW / 2 or steps <= 0 then return end
   local rate = steps / seconds
   self.rate = self.rate and 0.7 * self.rate + 0.3 * rate or rate
   self.rate_clock, self.rate_step = now, self.state.step
end

-- Cuts text to the columns of the terminal, between characters of UTF-8.
local function cut(text, columns)
   local at, used = 1, 0
   while at <= #text do
      local next_at = (text:find("[^\128-\191]", at + 1)) or #text + 1
      if used == columns then return text:sub(1, at - 1) end
      at, used = next_at, used + 1
   end
   return text
end

local function clear(self)
   if self.drawn then io.stderr:write "\r\27[K" end
   self.drawn = false
end

local function draw(self)
   local width = C.eg_terminal_width()
   io.stderr:write("\r", cut(self:line(), width > 1 and width - 1 or 79), "\27[K")
   io.stderr:flush()
   self.drawn = true
end

local function plain(self, text)
   clear(self)
   if not progress.quiet then
      io.stdout:flush()
      io.stderr:write(text, "\n")
   end
   if self.about.log then self.about.log(text) end
end

-- ---- what a training calls --------------------------------------------------------------------------------

-- The state now: { step =, task =, epoch =, loss =, accuracy = }; what is missing stays as it was.
function Progress:update(state)
   if state.task and self.state.task and state.task ~= self.state.task then self:task_end() end
   for key, value in pairs(state) do self.state[key] = value end
   local loss = state.loss
   if loss then self.loss = (self.loss and self.loss == self.loss) and 0.95 * self.loss + 0.05 * loss or loss end
   self.dirty = true
   local now = C.eg_clock()
   if not self.first then measure(self, now) end
   if now - self.shown < (self.terminal and REDRAW or PLAIN) then return end
   self.shown = now
   measure(self, now)
   if self.terminal then draw(self) else plain(self, self:line()) end
end

-- A plain line that says how the task ended.
function Progress:task_end()
   if not self.dirty then return end
   self.dirty = false
   measure(self, C.eg_clock())
   plain(self, self:line())
   self.shown, self.loss = C.eg_clock(), nil
end

-- What the line has gathered, for a checkpoint, and back.
function Progress:memory() return { state = self.state, loss = self.loss, dirty = self.dirty } end

function Progress:remember(memory) self.state, self.loss, self.dirty = memory.state, memory.loss, memory.dirty end

-- A line of its own.
function Progress:message(text) plain(self, text) end

-- A line for the log; `aloud`: for standard error too, also when that is quiet.
function Progress:remark(text, aloud)
   clear(self)
   if aloud then
      io.stdout:flush()
      io.stderr:write(text, "\n")
   end
   if self.about.log then self.about.log(text) end
end

-- A line for standard error alone: what differs from one run to its repetition has no place in the log.
function Progress:say(text)
   clear(self)
   if progress.quiet then return end
   io.stdout:flush()
   io.stderr:write(text, "\n")
end

function Progress:finish()
   self:task_end()
   clear(self)
end

return progress
