-- engram sweep: what a list of jobs holds; a worker and the pool killed and the sweep resumed; the same list through other job runners.
local t = require "tests.harness"
local json = require "engram".json

local folder = t.temporary_folder()
local function sh(line, timeout) return t.command(("cd %s || exit\n%s"):format(t.quote(folder), line), timeout) end
local function has(program) return (sh("command -v " .. program)) == 0 end

-- A job whose words stand in the file `kill` (as "WORDS WHO") kills itself or the pool after its fifth step, once.
t.write(folder .. "/job.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local s = engram.settings{ optimizer = { default = "SGD", choices = { "SGD", "Adam" } }, seed = 1, wait = 0 }
local function who_dies()
   local file = io.open "kill"
   if not file then return end
   local words, who = file:read "*a":match "^(.*) (%a+)\n$"
   file:close()
   if words == ("%s %d"):format(s.optimizer, s.seed) then
      os.remove "kill"
      local parent = io.open "/proc/self/stat":read "*l":match "%) %a (%d+)"
      os.execute("kill -9 " .. (who == "pool" and parent or "$PPID"))
   end
end
cl.train{ seed = s.seed, batch_size = 10, checkpoint_every = 4,
   model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
   optimizer = function(m) return optim[s.optimizer](m, { lr = s.optimizer == "SGD" and 0.05 or 0.001 }) end,
   on_step = function(state)
      if state.step == 6 then who_dies() end
      if s.wait > 0 then os.execute("sleep " .. s.wait) end
   end,
   stream = cl.stream{ cl.task("glyphs/digits", { limit = 100, test_limit = 50 }),
      cl.task("glyphs/garments", { limit = 60, test_limit = 50 }) } }
]])

local WORDS = "job.lua optimizer=SGD,Adam seed=1..5"

-- The folder of the newest sweep below RUNS.
local function sweep_in(runs) return (select(2, sh("ls -d $PWD/" .. runs .. "/job/*")):gsub("\n", "")) end

-- The table, and what tells every bit of the jobs of that pattern.
local function outcome(runs, jobs)
   local code, text = sh(("engram compare %s/job/*/%s --by optimizer --over seed"):format(runs, jobs or ""))
   t.expect(code):equals(0)
   local _, bits = sh(("cd %s/job/* && sha256sum %s/weights.safetensors %s/metrics.jsonl"):format(runs, jobs or "*", jobs or "*"))
   return text, bits
end

local whole, whole_bits

-- ---- the pool ---------------------------------------------------------------------------------------------

t.test("two optimizers, five seeds, two processes: all run, and a table at the end", function()
   local code, out, err = sh("engram sweep -j 2 --runs whole " .. WORDS, 120)
   t.expect(code):equals(0)
   t.expect(out):contains "10 jobs, 2 at a time, "
   t.expect(err):contains "finished optimizer=Adam-s5\n"
   whole, whole_bits = outcome "whole"
   t.expect(out):contains(whole)
   t.expect(select(2, whole_bits:gsub("\n", ""))):equals(20)
   t.expect(whole):contains "SGD**   |   5 |"
   t.expect(whole):lacks "not in the table"
   t.expect({ sh "engram resume -j 1 whole/job/*/optimizer=SGD-s1" }):equals{ 2, "", "engram: resume: -j goes with a sweep, a selection or "
      .. "engram verify; " .. sweep_in "whole" .. "/optimizer=SGD-s1 is none\n" }
   t.expect(select(2, sh "engram resume -j 3 whole/job/*")):contains "10 jobs, 3 at a time"
   code, out = sh "engram resume whole/job/*"
   t.expect(code):equals(0)
   t.expect(out):contains(whole)
end)

t.test("a worker killed, then the pool killed, then resumed: the same table and the same bits", function()
   sh "echo SGD 2 worker > kill"
   local code, _, err = sh("engram sweep -j 2 --runs cut --quiet " .. WORDS, 120)
   local path = sweep_in "cut"
   t.expect(code):equals(1)
   t.expect(err):contains("engram: 1 of 10 jobs failed:\n  optimizer=SGD-s2: killed by signal 9\n    log: " .. path
      .. "/logs/optimizer=SGD-s2.txt\n" .. "engram: go on with: engram resume " .. path .. "\n")
   local _, said = sh "engram compare cut"
   t.expect(said):contains("not in the table (1):\n  cut/" .. path:match "[^/]*/[^/]*$" .. "/optimizer=SGD-s2: killed\n")
   sh("rm -rf cut/job/*/optimizer=Adam-s*")
   sh "echo Adam 3 pool > kill"
   code = sh("engram sweep --quiet --resume " .. path, 120)
   t.expect(code):equals(137)
   _, said = sh "cat cut/job/*/optimizer=Adam-s5/status.json"
   t.expect(said):equals ""
   local out
   code, out, err = sh("engram resume --quiet " .. path, 120)
   t.expect({ code, err }):equals({ 0, "" })
   t.expect(out):contains(whole)
   t.expect({ outcome "cut" }):equals({ whole, whole_bits })
   _, said = sh "cat cut/job/*/optimizer=SGD-s2/status.json"
   t.expect(said):contains '"resumed": ["20'
end)

t.test("Ctrl-C reaches the jobs: they save, the sweep says how to go on, and nothing is left running", function()
   -- Slow jobs: both must have a checkpoint at one time, even where they start seconds apart.
   local code, _, err = sh([[engram sweep -j 2 --quiet --runs stop job.lua wait=0.5 seed=1..3 & pid=$!
      until ls stop/job/*/s1/ckpt/last.safetensors stop/job/*/s2/ckpt/last.safetensors >/dev/null 2>&1; do sleep 0.02; done
      kill -INT $pid; wait $pid]], 60)
   t.expect(code):equals(130)
   t.expect(err):contains("engram: interrupted\nengram: go on with: engram resume " .. sweep_in "stop")
   t.expect(err):lacks "failed"
   local _, states = sh "grep -h '\"status\"' stop/job/*/*/status.json"
   t.expect(states):equals '  "status": "interrupted",\n  "status": "interrupted",\n'
   t.expect((sh "pgrep -f '[i]nto .*stop/job'")):equals(1)
end)

-- ---- failures ---------------------------------------------------------------------------------------------

t.write(folder .. "/failing.lua", [[
local s = require "engram".settings{ part = 1 }
if s.part == 2 then error("part 2 never works") end
if s.part == 3 then os.exit(7) end
print("part " .. s.part)]])

t.test("a failure does not stop the rest; the list at the end has the last line and the log", function()
   local code, out, err = sh "engram sweep -j 1 --runs bad failing.lua part=1..4"
   local path = select(2, sh "ls -d $PWD/bad/failing/*"):gsub("\n", "")
   t.expect(code):equals(1)
   t.expect(err):contains(("engram: 2 of 4 jobs failed:\n  part=2: failing.lua:2: part 2 never works\n    log: %s/logs/part=2.txt\n"
      .. "  part=3: ended with exit code 7\n    log: %s/logs/part=3.txt\n"):format(path, path))
   t.expect(err):contains "finished part=4\n"
   t.expect(out):lacks "|"
   local _, log = sh "cat bad/failing/*/logs/part=4.txt"
   t.expect(log):equals "part 4\n"
end)

t.test("--fail-fast stops at the first", function()
   local code, _, err = sh "engram sweep --fail-fast -j 1 --runs fast failing.lua part=1..4"
   t.expect(code):equals(1)
   t.expect(err):contains "engram: 1 of 4 jobs failed, 2 never started:\n  part=2: "
   t.expect(err):lacks "finished part=4"
   t.expect((sh "ls fast/failing/*/part=3")):equals(2)
end)

-- ---- the list ---------------------------------------------------------------------------------------------

local function listed(words)
   local code, out, err = sh("engram sweep --dry-run failing2.lua " .. words)
   t.expect({ code, err }):equals({ 0, "" })
   return out
end
t.write(folder .. "/failing2.lua", "print(arg[1])")

t.test("values: lists, ranges, brackets; every combination, the last key fastest", function()
   t.expect(listed "a=1,2 b=x,y c=0"):equals("a=1-b=x: failing2.lua a=1 b=x c=0\na=1-b=y: failing2.lua a=1 b=y c=0\n"
      .. "a=2-b=x: failing2.lua a=2 b=x c=0\na=2-b=y: failing2.lua a=2 b=y c=0\n")
   t.expect(listed "seed=9..11,3"):equals("s9: failing2.lua seed=9\ns10: failing2.lua seed=10\ns11: failing2.lua seed=11\n"
      .. "s3: failing2.lua seed=3\n")
   t.expect(listed "lr=0.01..1..x10"):equals("lr=0.01: failing2.lua lr=0.01\nlr=0.1: failing2.lua lr=0.1\nlr=1: failing2.lua lr=1\n")
   t.expect(listed "lr=0..0.3..0.1"):equals("lr=0: failing2.lua lr=0\nlr=0.1: failing2.lua lr=0.1\nlr=0.2: failing2.lua lr=0.2\n"
      .. "lr=0.3: failing2.lua lr=0.3\n")
   t.expect(listed "n=1..-1..-1"):equals "n=1: failing2.lua n=1\nn=0: failing2.lua n=0\nn=-1: failing2.lua n=-1\n"
   t.expect(listed "'h=[10,20],[30]'"):equals "h=10,20: failing2.lua h=10,20\nh=30: failing2.lua h=30\n"
   t.expect(listed "path=a/b,a_b"):equals "path=a_b: failing2.lua path=a/b\npath=a_b-2: failing2.lua path=a_b\n"
   t.expect(listed ""):equals "run: failing2.lua\n"
   t.expect((sh "ls runs")):equals(2)
end)

t.test("what is wrong is told before anything runs", function()
   for words, message in pairs{
      [""] = "sweep: which script?", ["nosuch.lua a=1"] = "run: there is no file 'nosuch.lua'",
      ["job.lua optimizer=SGD,Adm"] = "optimizer: expected one of SGD, Adam, got 'Adm', did you mean 'Adam'?",
      ["job.lua sed=1..3"] = "sed: unknown key, did you mean 'seed'?",
      ["job.lua seed"] = "'seed' is no setting: after the file come words like lr=0.1,0.2 or seed=1..5",
      ["job.lua seed=1,1"] = "seed=1,1: the value 1 stands there twice", ["job.lua seed=1 seed=2"] = "seed is given twice",
      ["job.lua seed=5..1"] = "seed=5..1: never gets from 5 to 1 in steps of 1", ["job.lua 'seed=[1'"] = "a '[' without its ']'",
      ["job.lua lr=0..1..x10"] = "expected numbers above 0 that rise by a factor above 1",
      ["job.lua seed=1..9..0"] = "never gets from 1 to 9 in steps of 0", ["job.lua 'seed=1]'"] = "a ']' without its '['",
      ["job.lua seed=1..100000"] = "more than 10000 values", ["job.lua a=1..200 b=1..200"] = "40000 jobs are more than 10000",
      ["-j 0 job.lua seed=1"] = "-j must be at least 1", ["-j x job.lua"] = "-j: expected a whole number, got 'x'",
      ["--pack 2 job.lua seed=1"] = "--pack goes with --slurm", ["--resume none"] = "none is no sweep: it has no sweep.json",
      ["--resume a b=1"] = "takes no words, got 'b=1'", ["--resume a --dry-run"] = "sweep --resume does not go with --dry-run",
   } do
      local code, _, err = sh("engram sweep " .. words)
      t.expect({ words, code, err }):equals({ words, 2, err })
      t.expect(err):contains(message)
   end
   sh "mkdir -p broken && echo '{\"version\": 1}' > broken/sweep.json"
   local code, _, err = sh "engram resume broken"
   t.expect(code):equals(1)
   t.expect(err):contains "broken/sweep.json: "
   t.expect((sh "ls runs")):equals(2)
end)

-- ---- one job by its line ----------------------------------------------------------------------------------

t.test("engram run --into begins, goes on, finds finished; refuses what is another's", function()
   local line = "engram run --quiet --into one/here job.lua seed=3"
   sh "echo SGD 3 worker > kill"
   t.expect((sh(line))):equals(137)
   t.expect((sh(line))):equals(0)
   local code, out = sh(line)
   t.expect(code):equals(0)
   t.expect(out):contains "one/here is finished; there is nothing left to do"
   t.expect((sh "cmp one/here/weights.safetensors whole/job/*/optimizer=SGD-s3/weights.safetensors")):equals(0)
   for words, message in pairs{
      ["--into one/here job.lua seed=4"] = "one/here is the run of 'engram run job.lua seed=3', not of 'engram run job.lua seed=4'",
      ["--into . job.lua"] = "run: --into: . holds other files (", ["--into job.lua job.lua"] = "job.lua is no folder",
      ["--into x --no-run job.lua"] = "it does not go with --no-run", ["--into x job.lua sed=1"] = "sed: unknown key",
   } do
      local got, _, err = sh("engram run " .. words)
      t.expect({ words, got, err }):equals({ words, 2, err })
      t.expect(err):contains(message)
   end
   t.expect((sh "ls x")):equals(2)
   local _, _, said = sh("mkdir two && flock two engram run --quiet --into two job.lua")
   t.expect(said):contains "two: another process is at it"
   t.expect((sh("flock two engram run --quiet --into two job.lua"))):equals(3)
end)

t.test("--into tells runs of other settings files, seeds and words with spaces from its own", function()
   sh "printf 'wait: 0\n' > a.yaml; cp a.yaml b.yaml"
   t.expect((sh "engram run --quiet --into filed --config a.yaml job.lua")):equals(0)
   local function refused(words, text)
      local code, _, err = sh("engram run --quiet --into filed " .. words)
      t.expect({ words, code, err }):equals{ words, 2, err }
      t.expect(err):contains(text)
   end
   t.expect((sh "engram run --quiet --into filed --config a.yaml job.lua")):equals(0)
   refused("--config b.yaml job.lua", "filed is the run of 'engram run --config a.yaml job.lua', not of 'engram run --config b.yaml ")
   refused("--config a.yaml --seed 4 job.lua", "not of 'engram run --config a.yaml --seed 4 job.lua'")
   refused("--config a.yaml job.lua -- 'a b'", "not of 'engram run --config a.yaml job.lua -- 'a b''")
   sh "printf 'wait: 0.0\n' > a.yaml"
   refused("--config a.yaml job.lua", "a.yaml has changed since filed began with it")
end)

t.test("a caller that changes folder without saying so in PWD gets its sweep and its runs there", function()
   sh "mkdir elsewhere && cp job.lua elsewhere"
   t.expect((sh "cd elsewhere && PWD=/ engram sweep --quiet job.lua seed=1,2")):equals(0)
   t.expect((sh "cd elsewhere && env -u PWD engram sweep --quiet job.lua seed=1")):equals(0)
   t.expect(select(2, sh "ls elsewhere/runs/job | wc -l")):equals "2\n"
end)

t.test("a sweep waits for a job that runs elsewhere", function()
   sh "engram sweep --print-jobs --runs shared job.lua wait=0.05 seed=1,2 > shared.txt"
   local code, _, err = sh([[head -1 shared.txt | sh & until ls shared/job/*/s1/status.json >/dev/null 2>&1; do sleep 0.01; done
      engram resume shared/job/* && wait]], 60)
   t.expect(code):equals(0)
   t.expect(err):contains "s1 runs elsewhere: waiting for it\n"
   t.expect(err):lacks "finished s1"
end)

t.test("a sweep waits for a job that another process has locked, and has not yet begun to write", function()
   sh "engram sweep --print-jobs --runs locked job.lua seed=1,2 > locked.txt"
   local code, out, err = sh([[cd locked/job/* && mkdir s1 && : >said &&
      (timeout 50 flock s1 sh -c 'touch held; until grep -q elsewhere said; do sleep 0.05; done' &)
      until test -e held; do sleep 0.01; done; engram resume . 2>said; code=$?; cat said >&2; exit $code]], 60)
   t.expect({ code, out:match "%d jobs, %d at a time" ~= nil }):equals{ 0, true }
   t.expect(err):contains "s1 runs elsewhere: waiting for it\n"
   t.expect(err):contains "finished s1\n"
   t.expect(select(2, err:gsub("runs elsewhere", ""))):equals(1)
end)

t.test("two parents of one sweep run its jobs together", function()
   sh "engram sweep --print-jobs --runs both job.lua seed=1..4 > both.txt"
   local code = sh([[cd both/job/* && { engram resume --quiet . >a 2>&1; echo $? >>a; } & cd both/job/*; engram resume . >b 2>&1
      code=$?; wait; tail -n 1 a | grep -qx 0 && exit $code]], 120)
   t.expect(code):equals(0)
end)

t.test("what another process is at takes no place: the other parent runs what the first job waits for", function()
   t.write(folder .. "/pair.lua", [[
local seed = require "engram".settings{ seed = 1 }.seed
local function is_there() local file = io.open "second"; if file then file:close() end; return file end
if seed == 2 then io.open("second", "w"):close() end
for i = 1, seed == 1 and not is_there() and 200 or 0 do
   os.execute "sleep 0.1"
   if is_there() then break end
   if i == 200 then error "the second job was never begun" end
end]])
   sh "engram sweep --print-jobs --runs pair pair.lua seed=1,2 > pair.txt"
   local code = sh([[cd pair/pair/* && { engram sweep --resume . -j 1 >a 2>&1; echo $? >>a; } & cd pair/pair/*
      until grep -qs running s1/status.json; do sleep 0.01; done
      engram sweep --resume . -j 1 >b 2>&1; code=$?; wait; tail -n 1 a | grep -qx 0 && exit $code]], 120)
   t.expect(code):equals(0)
   t.expect(t.read(folder .. "/" .. select(2, sh "echo pair/pair/*"):match "%S+" .. "/b")):contains "finished s2"
end)

-- ---- other job runners ------------------------------------------------------------------------------------

local FEW = "job.lua optimizer=SGD,Adam seed=1,2"

local function expect_few(runs) t.expect({ outcome(runs) }):equals({ outcome("whole", "*-s[12]") }) end

local function print_jobs(runs, words)
   local code, out, err = sh(("engram sweep --print-jobs --runs %s %s > %s.txt"):format(runs, words, runs))
   t.expect({ code, out }):equals({ 0, "" })
   t.expect(err):contains "/jobs.txt"
   t.expect((sh(("cmp %s.txt %s/jobs.txt"):format(runs, sweep_in(runs))))):equals(0)
end

if has "parallel" then
   t.test("the same list through GNU parallel: the same table and bits", function()
      print_jobs("parallel", WORDS)
      t.expect((sh("parallel -j2 --will-cite < parallel.txt", 120))):equals(0)
      t.expect({ outcome "parallel" }):equals({ whole, whole_bits })
   end)
else
   t.skip("the same list through GNU parallel", "parallel is not installed")
end

t.test("the same list through xargs, twice: the same table and bits, and nothing done again", function()
   print_jobs("xargs", FEW)
   sh "echo Adam 1 worker > kill"
   local again = "xargs -d '\\n' -n 1 -P %d sh -c < xargs.txt"
   t.expect((sh(again:format(1), 120))):equals(125)        -- a killed command stops xargs
   again = again:format(2)
   t.expect((sh(again, 120))):equals(0)
   expect_few "xargs"
   local code, out = sh(again)
   t.expect(code):equals(0)
   t.expect(select(2, out:gsub("is finished; there is nothing left to do", ""))):equals(4)
end)

-- Stubs that do what Slurm would: srun runs its command, scontrol notes what it is asked.
local function slurm_stubs()
   sh "mkdir -p stubs"
   t.write(folder .. "/stubs/srun", "#!/bin/sh\nwhile case $1 in --*) true ;; *) false ;; esac; do shift; done\nexec \"$@\"\n")
   t.write(folder .. "/stubs/scontrol", "#!/bin/sh\necho \"$@\" >> requeued\n")
   t.write(folder .. "/stubs/sbatch", [=[#!/bin/bash
range=$(sed -n 's/^#SBATCH --array=\([0-9]*\)-\([0-9]*\)%.*/\1 \2/p' "$1")
for id in $(seq $range); do
   SLURM_ARRAY_TASK_ID=$id SLURM_ARRAY_JOB_ID=7 bash "$1" || exit
done
]=])
   sh "chmod +x stubs/*"
end

t.test("as a Slurm array of three jobs a task, by stubs: the same table and bits; a stopped task is queued again", function()
   local code, out = sh("engram sweep --slurm --pack 3 -j 2 --threads 1 --runs slurm " .. FEW)
   t.expect({ code, out }):equals({ 0, sweep_in "slurm" .. "/sweep.sbatch\n" })
   local script = t.read(sweep_in "slurm" .. "/sweep.sbatch")
   for _, line in ipairs{ "--array=0-1%2", "--cpus-per-task=1", "--signal=TERM@120", "--requeue", "--open-mode=append" } do
      t.expect(script):contains("\n#SBATCH " .. line .. "\n")
   end
   slurm_stubs()
   sh "echo SGD 2 worker > kill"
   local sbatch = "PATH=$PWD/stubs:$PATH; sbatch slurm/job/*/sweep.sbatch"
   t.expect((sh(sbatch, 120))):equals(137)                 -- the pack's last code, though its other jobs ran
   t.expect((sh "ls slurm/job/*/optimizer=Adam-s1/summary.json")):equals(0)
   t.expect((sh(sbatch, 120))):equals(0)
   expect_few "slurm"
   t.write(folder .. "/stubs/srun", "#!/bin/sh\nexit 143\n")
   t.expect((sh(sbatch))):equals(143)
   t.expect(t.read(folder .. "/requeued")):equals "requeue 7_0\n"
end)

t.test("folders with spaces and quotes", function()
   local code, _, err = sh([[mkdir "it's 5% here" && cp failing2.lua "it's 5% here/" && cd "it's 5% here" &&
      engram sweep --print-jobs failing2.lua "a=x y,\$HOME" > jobs && sh jobs && sh -c "$(tail -1 jobs)" &&
      engram sweep --slurm failing2.lua a=1,2 > /dev/null && PATH=$PWD/../stubs:$PATH && bash -n runs/*/*/sweep.sbatch]])
   t.expect({ code, err:match "^(.-)\n" }):equals({ 0, err:match "^(.-)\n" })
   local _, states = sh [[cat "it's 5% here"/runs/failing2/*/a=*/overrides.txt]]
   t.expect(states):contains "a=x y\n"
   t.expect(states):contains "a=$HOME\n"
end)

t.test("a script that was changed meanwhile is told when a sweep is gone on with", function()
   t.write(folder .. "/text.lua", "require 'engram'.settings{ seed = 1 }\n")
   t.expect((sh "engram sweep --quiet --runs text text.lua seed=1..2")):equals(0)
   t.expect(select(3, sh "engram resume --quiet text/text/*")):lacks "has changed"
   t.write(folder .. "/text.lua", "require 'engram'.settings{ seed = 1 } -- mended\n")
   t.expect(select(3, sh "engram resume --quiet text/text/*")):contains(
      "engram: note: text.lua has changed since these jobs were planned: what is finished is of the script as it was\n")
end)

t.test("sweep.json fixes the jobs", function()
   local value = json.load(sweep_in "whole" .. "/sweep.json")
   t.expect({ #value.jobs, value.jobs[7].name, value.jobs[7].words }):equals(
      { 10, "optimizer=Adam-s2", { "optimizer=Adam", "seed=2" } })
   t.expect(value.varying):equals({ "optimizer", "seed" })
end)

t.done()
