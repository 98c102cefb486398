-- tensorboard.lua: what metrics.jsonl gets, as TensorBoard's scalars too: "train/loss", "task/accuracy/NAME". Each training has a folder
-- tensorboard/ with one file a process, so that no directory ever has two writers at a time.
local ffi = require "ffi"
local core = require "engram.core"
local describe = require "engram.run.describe"
local json = require "engram.json"
local names = require "engram.run.names"
local C = core.C

local tensorboard = {}

-- Raises, as called wrongly, when this build cannot write event files; `who` asked for them.
function tensorboard.check(who)
   if C.eg_tensorboard_built() == 1 then return end
   require "engram.usage"("%s: this Engram was built without protobuf-c: install libprotobuf-c-dev and protobuf-c-compiler, then "
      .. "make again", who)
end

local NOT_SCALARS = { event = true, task = true, epoch = true, step = true, nonfinite = true }

-- tensorboard.scalars(event, tasks) -> { tag = value }: the entries of a list have the names of the tasks, or else numbers.
function tensorboard.scalars(event, tasks)
   local found, headings = {}, names.distinct(tasks or {})
   local function add(tag, value)
      if type(value) == "number" then found[tag] = value end
   end
   for key, value in pairs(event) do
      local tag = tostring(event.event or "event") .. "/" .. tostring(key)
      if type(value) == "table" then
         for i, item in ipairs(value) do add(tag .. "/" .. (headings[i] or i), item) end
      elseif not NOT_SCALARS[key] then
         add(tag, value)
      end
   end
   return found
end

-- Adds the scalars of a step to an event file, in the order of their tags.
function tensorboard.write(path, step, scalars)
   local tags, values = {}, {}
   for tag in pairs(scalars) do tags[#tags + 1] = tag end
   if #tags == 0 then return end
   table.sort(tags)
   for i, tag in ipairs(tags) do values[i] = scalars[tag] end
   core.check(C.eg_tensorboard_scalars(path, step or 0, #tags, ffi.new("const char *[?]", #tags, tags),
      ffi.new("double[?]", #tags, values)))
end

local count = 0                         -- files of this process

-- A new file in a folder; with `restart`, one that tells TensorBoard to forget what other files hold of this and later steps.
function tensorboard.begin(path, restart)
   core.check(C.eg_make_folders(path))
   path = ("%s/events.out.tfevents.%d.%s.%d.%d"):format(path, os.time(), (describe.host() or "host"):gsub("[^%w.-]", "_"),
      C.eg_process_id(), count)
   count = count + 1
   core.check(C.eg_tensorboard_begin(path, restart or -1))
   return path
end

-- What metrics.jsonl holds of `step` and later: before an interrupt, and kept.
local function events_since(folder, step)
   local list = {}
   for line in io.lines(folder.path .. "/metrics.jsonl") do
      local ok, event = pcall(json.decode, line)
      if ok and type(event) == "table" and (tonumber(event.step) or 0) >= step then list[#list + 1] = event end
   end
   return list
end

-- Writes an event that metrics.jsonl has just got.
function tensorboard.log(folder, event)
   local function write(one) tensorboard.write(folder.event_file, one.step, tensorboard.scalars(one, folder.tasks)) end
   if folder.event_file then return write(event) end
   local path = folder.path .. "/tensorboard"
   if not folder.run.resumed then
      folder.event_file = tensorboard.begin(path)
      return write(event)
   end
   local step = event.step or 0
   folder.event_file = tensorboard.begin(path, step)
   for _, kept in ipairs(events_since(folder, step)) do write(kept) end
end

return tensorboard
