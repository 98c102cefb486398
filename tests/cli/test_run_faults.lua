-- What a run does on a bad day: file operations that fail, one by one; a disk that fills; a folder that is read-only; runs of one
-- second; a clock that jumps. ENGRAM_FAULT (core/fault.c) makes an operation fail or strikes in it.
local t = require "tests.harness"
local safetensors = require "engram.safetensors"
local json = require "engram.json"

local folder = t.temporary_folder(true)
local function sh(line, timeout) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), timeout or 60) end
local function run_folder(runs) return (select(2, sh("echo " .. runs .. "/small/*")):match "%S+") end

t.write(folder .. "/small.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local images, labels = engram.rand(24, 4), engram.randint(1, 2, 24)
local set = engram.data.dataset{ name = "points", images = images, labels = labels, classes = 2 }
print(cl.train{ seed = 1, stream = cl.stream{ cl.task{ train = set, test = set:take(8) } }, batch_size = 8,
   checkpoint_every = 1,
   model = function() return nn.Linear(4, 2) end, optimizer = function(model) return optim.SGD(model, { lr = 0.1, momentum = 0.9 }) end,
   on_step = function(s)
      local jump = tonumber(os.getenv "SLEEP" or 0)
      if jump > 0 then os.execute("sleep " .. jump) end
   end }.hash)]])

local function run_to(runs, environment)
   return sh(("rm -rf %s; %s engram run --quiet --runs %s small.lua"):format(runs, environment or "", runs))
end

local function read(runs, name) return t.read(("%s/%s/%s"):format(folder, run_folder(runs), name)) end

-- The step at which a checkpoint was made, and how many tensors it has; raises when it is damaged.
local function checkpoint_step(path)
   local tensors, metadata = safetensors.load(folder .. "/" .. path)
   local count = 0
   for _ in pairs(tensors) do count = count + 1 end
   return json.decode(metadata.engram).counters.step, count
end

-- Runs with the fault, keeps a copy of the checkpoint, and resumes, in one command (these tests do it a hundred times). Returns the
-- two exit codes, the complaint, what resuming said, the files that it should not have left, and metrics.jsonl.
local function struck(fault)
   local _, out = sh(([[rm -rf cut now kept; ENGRAM_FAULT=%s engram run --quiet --runs cut small.lua >first 2>complaint; echo $?
      if ls cut/small/* >/dev/null 2>&1; then mv cut/small/* now; cp now/ckpt/last.safetensors kept 2>/dev/null
         engram resume --quiet now >resumed 2>&1; echo $?; else mkdir now; cp first resumed; echo 0; fi
      find now -name '*.part' -o -name ckpt]]):format(fault))
   local ended, resumed, left = out:match "^(%d+)\n(%d+)\n(.*)$"
   local function text(name) return t.read(folder .. "/" .. name) end
   local hash = text "resumed":gsub("^note: [^\n]* has no checkpoint[^\n]*\n", "")
   return { ended = tonumber(ended), resumed = tonumber(resumed), left = left, complaint = text "complaint", hash = hash,
      metrics = text "now/metrics.jsonl", fault = fault }
end

local code, whole = run_to "whole"

t.test("the run that faults are put into is good", function() t.expect({ code, #whole }):equals{ 0, 65 } end)

local whole_metrics = read("whole", "metrics.jsonl")

t.test("an error or a kill at every write, sync and rename of a checkpoint never costs the one before", function()
   struck "open@last.safetensors:2:KILL"
   local step, tensors = checkpoint_step "kept"
   t.expect(step):equals(1)
   local operations = 7 + tensors                       -- open; length, header, padding and each tensor; sync, close, rename
   for at = operations + 1, 2 * operations do
      for _, what in ipairs{ "EIO", "KILL" } do
         local got = struck(("any@last.safetensors:%d:%s"):format(at, what))
         if at > 2 * operations - 2 and checkpoint_step "kept" == 2 then break end          -- a header of whole words has no padding
         t.expect({ got.fault, got.ended, checkpoint_step "kept" }):equals{ got.fault, what == "KILL" and 137 or 1, 1, tensors }
         if what == "EIO" then t.expect(got.complaint):contains "ckpt/last.safetensors: cannot write: Input/output error" end
         t.expect({ got.fault, got.resumed, got.hash, got.metrics, got.left }):equals{ got.fault, 0, whole, whole_metrics, "" }
      end
   end
   struck(("any@last.safetensors:%d:KILL"):format(2 * operations + 1))
   t.expect((checkpoint_step "kept")):equals(2)         -- the count was right: the second one is whole
end)

t.test("an error at any file operation of a run is one sentence; what is there can be gone on with or never began", function()
   for at = 1, 200, 9 do
      local got = struck(("any:%d:EIO"):format(at))
      if got.ended ~= 0 then
         t.expect({ got.fault, got.ended }):equals{ got.fault, 1 }
         t.expect(got.complaint):contains "Input/output error"
         t.expect(got.complaint):lacks "traceback"
         t.expect({ got.fault, got.resumed, got.hash == whole or got.hash == "" }):equals{ got.fault, 0, true }
      end
      if got.metrics then t.expect({ got.fault, got.metrics }):equals{ got.fault, whole_metrics } end
   end
end)

-- ---- a disk that fills ------------------------------------------------------------------------------------

t.test("a disk that fills stops the run with the file's name; with room again it goes on to the same bits", function()
   for _, at in ipairs{ 12, 30, 45 } do
      local ended, _, complaint = run_to("cut", ("ENGRAM_FAULT=write:%d+:ENOSPC"):format(at))
      t.expect(ended):equals(1)
      t.expect(complaint):contains "cannot write: No space left on device"
      local status = json.decode(read("cut", "status.json"))
      t.expect({ at, status.status, status.error:find("No space left on device", 1, true) ~= nil }):equals{ at, "failed", true }
      local resumed, hash = sh "engram resume --quiet cut/small/*"
      t.expect({ at, resumed, hash }):equals{ at, 0, whole }
      t.expect(read("cut", "metrics.jsonl")):equals(read("whole", "metrics.jsonl"))
   end
end)

-- In a mount namespace of our own, where that is allowed.
local namespace = "unshare --mount --map-root-user sh -c "
if sh(namespace .. "'mkdir -p disk && mount -t tmpfs -o size=64k none disk'") ~= 0 then
   t.skip("a real disk that is full, and one that is read-only", "no mount namespaces here")
else
   t.test("a real disk that is full", function()
      local ended, out, complaint = sh(namespace .. [['mount -t tmpfs -o size=64k none disk
         head -c 36000 /dev/zero > disk/other; engram run --quiet --runs disk small.lua; echo "code $?"; cat disk/small/*/status.json
         rm disk/other; engram resume --quiet disk/small/*']])
      t.expect(ended):equals(0)
      t.expect(complaint):contains "No space left on device"
      t.expect(out):contains "code 1"
      t.expect(out):contains '"status": "failed"'
      t.expect(out:sub(-65)):equals(whole)
   end)

   t.test("a real folder that is read-only", function()
      run_to("cut", "ENGRAM_FAULT=open@last.safetensors:3:KILL")
      local _, out, complaint = sh(namespace .. [['mount --bind cut cut; mount -o remount,ro,bind cut; engram run --runs cut small.lua
         echo $?; engram resume cut/small/*; echo $?']])
      t.expect(out):equals "1\n1\n"
      t.expect(complaint):contains ": cannot make the folder: Read-only file system; choose another folder with --runs DIR, or none with"
      t.expect(complaint):contains "/status.json: cannot write: Read-only file system"
      t.expect((select(2, sh "engram resume --quiet cut/small/*"))):equals(whole)
   end)
end

t.test("a run directory that cannot be made or written is an error before the script runs, and nothing is left", function()
   for _, fault in ipairs{ "mkdir@cut:1:EROFS", "mkdir@small:1:EACCES", "open@meta:1:EROFS", "write@status:1:ENOSPC",
      "sync@overrides:1:EIO" } do
      local ended, out, complaint = run_to("cut", "ENGRAM_FAULT=" .. fault)
      t.expect({ fault, ended, out }):equals{ fault, 1, "" }
      t.expect(complaint):contains "cannot "
      t.expect({ fault, (select(2, sh "ls -A cut 2>/dev/null")) }):equals{ fault, "" }
   end
end)

-- ---- runs of one second -----------------------------------------------------------------------------------

t.test("runs that start in one second have directories of their own", function()
   local _, out = sh [[rm -rf many; for i in 1 2 3 4 5 6 7 8; do engram run --quiet --runs many small.lua >out$i & done; wait
      ls many/small | wc -l; cat out? | sort -u; cat many/small/*/status.json | grep -c '"finished"']]
   t.expect(out):equals("8\n" .. whole .. "8\n")
end)

t.test("a directory of the same name and second is not shared", function()
   local ended, hash = run_to("cut", "ENGRAM_FAULT=mkdir@small/:1:EEXIST")
   t.expect({ ended, hash }):equals{ 0, whole }
end)

-- ---- a clock that jumps -----------------------------------------------------------------------------------

-- A preloaded library in which the time of day jumps a day back and two days forth from call to call.
t.write(folder .. "/jumps.c", [[
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static time_t jump(void) { static int calls; return ++calls % 2 ? -86400 : 2 * 86400; }
time_t time(time_t *out) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  now.tv_sec += jump();
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += jump();
  return result;
}
]])

t.test("a clock that jumps changes no bit, no duration and no rhythm", function()
   t.expect((sh "gcc -shared -fPIC -O1 -o jumps.so jumps.c")):equals(0)
   local preload = "ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=./jumps.so SLEEP=0.2"
   local ended, hash = run_to("cut", preload)
   t.expect({ ended, hash }):equals{ 0, whole }
   local status = json.decode(read("cut", "status.json"))
   local meta = json.decode(read("cut", "meta.json"))
   t.expect(status.started .. status.started):differs_from(status.updated .. meta.started)      -- the clock did jump
   t.expect(status.seconds):above(0.6)
   t.expect(status.seconds):below(60)
   t.expect(json.decode(read("cut", "summary.json")).seconds):below(60)
   run_to("cut", preload .. " ENGRAM_FAULT=open@last.safetensors:3:KILL")
   t.expect((select(2, sh(preload .. " engram resume --quiet cut/small/*")))):equals(whole)
end)

t.done()
