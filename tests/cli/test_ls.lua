-- engram ls, show and diff: runs told apart by state, what they say of a run and of two, and folders that cannot be read.
local t = require "tests.harness"
local json = require "engram.json"
local runs = require "tests.runs"

local folder = t.temporary_folder()
local function sh(line) return t.command(("cd %s || exit\n%s"):format(t.quote(folder), line)) end

local function engram(words, code)
   local got, out, err = sh("engram " .. words)
   t.expect({ words, got, got ~= (code or 0) and err or "" }):equals({ words, code or 0, "" })
   return out, err
end

-- A run of some state, begun at an hour of one day: runs that are not finished have no summary.
local function make(name, hour, about, status)
   local path = runs.write(folder .. "/runs/trial/" .. name, about)
   local meta = json.load(path .. "/meta.json")
   meta.started, meta.processor = ("2026-01-02T%02d:04:05Z"):format(hour), about and about.processor
   json.save(path .. "/meta.json", meta)
   if status then json.save(path .. "/status.json", status) end
   return path
end

local NOBODY = 2 ^ 22 + 1                -- no process has this number
make("a-0001", 1, { seed = 1 })
make("b-0002", 2, { seed = 2, lr = 0.5, optimizer = "Adam" })
make("c-0003", 3, { seed = 3, summary = false }, { status = "failed", error = "disk full\nmore", step = 7 })
make("d-0004", 4, { seed = 4, summary = false }, { status = "interrupted", step = 8, task = 1, epoch = 1 })
make("e-0005", 5, { seed = 5, summary = false },
   { status = "running", process = NOBODY, step = 9, task = 2, epoch = 1, updated = "2026-01-02T05:04:05Z" })
make("g-0007", 7, { trainings = { { name = "sgd-s1" }, { name = "sgd-s2", seed = 2 } } })

-- The lines of a table below its head, each as a list of its cells: two spaces and more stand between them.
local function table_of(out)
   local rows = {}
   for line in out:gmatch "[^\n]+" do
      local row = {}
      for cell in (line .. "  "):gmatch "(%S.-)%s%s+" do row[#row + 1] = cell end
      rows[#rows + 1] = row
   end
   return rows
end

-- ---- ls ---------------------------------------------------------------------------------------------------

t.test("the newest first, with state, seed, settings that differ, step and accuracy", function()
   local rows = table_of(engram "ls")
   t.expect(rows[1]):equals{ "run", "experiment", "state", "seed", "settings", "step", "accuracy", "begun" }
   local names = {}
   for i = 2, #rows do names[i - 1] = rows[i][1] end
   t.expect(names):equals{ "trial/g-0007", "trial/e-0005", "trial/d-0004", "trial/c-0003", "trial/b-0002", "trial/a-0001" }
   t.expect({ unpack(rows[7], 1, 7) }):equals{ "trial/a-0001", "trial", "finished", "1", "lr=0.1", "400", "81.00" }
   t.expect({ unpack(rows[6], 1, 7) }):equals{ "trial/b-0002", "trial", "finished", "2", "lr=0.5", "400", "82.00" }
   t.expect({ unpack(rows[5], 3, 7) }):equals{ "failed", "3", "lr=0.1", "7", "88.00" }       -- of its events: 83 and 93
   t.expect({ unpack(rows[2], 3, 7) }):equals{ "finished", "1,2", "lr=0.1", "-", "81.0-82.0" }
   t.expect(rows[3][3]:match "^killed, %d+ days ago$" ~= nil):is_true()
   t.expect(rows[7][8]:match "^%d+ days ago$" ~= nil):is_true()
end)

t.test("--state takes those in some states", function()
   local function names(words)
      local list = {}
      for i, row in ipairs(table_of(engram("ls " .. words))) do list[i - 1] = i > 1 and row[1]:match "%a%-%d+$" or nil end
      return list
   end
   t.expect(names "--state failed runs/trial"):equals{ "c-0003" }
   t.expect(names "--state killed,interrupted runs/trial"):equals{ "e-0005", "d-0004" }
   t.expect(names "--state finished"):equals{ "g-0007", "b-0002", "a-0001" }
   local out, err = engram "ls --state running"
   t.expect({ out, err }):equals{ "", "engram: none of 6 runs below runs is running\n" }
end)

t.test("a run that a process is at is running, whatever its heartbeat says; without it, killed", function()
   t.write(folder .. "/wait.lua", [[
local engram = require "engram"
engram.run.current():write("here", "x")
while true do engram.zeros(1) end]])
   local _, out = sh [[engram run --quiet --runs live wait.lua & pid=$!
      for i in $(seq 300); do [ -e live/wait/*/here ] && break; sleep 0.1; done
      engram ls live; kill -9 $pid; wait $pid; engram ls live; engram ls --state killed live | wc -l]]
   local rows = table_of(out)
   t.expect(rows[2][3]:match "^running, %d+ s ago$" ~= nil):is_true()
   t.expect(rows[4][3]:match "^killed, %d+ s ago$" ~= nil):is_true()
   t.expect(rows[5][1]):equals "2"
end)

t.test("the table fits the width: names and settings are cut, then columns go", function()
   for width = 40, 110, 10 do
      for line in engram("ls --width " .. width):gmatch "[^\n]+" do
         if #line > width then error(("--width %d: %s"):format(width, line), 0) end
      end
   end
   t.expect(table_of(engram "ls --width 40")[7][1]):equals "trial/a-0001"
   make("a-long-name-that-goes-on-and-on-00aa", 0)
   t.expect(engram "ls --width 60"):contains "trial/a-lon~-on-00aa"
   sh "rm -r runs/trial/a-long*"
end)

t.test("the commands are in the help", function()
   for _, name in ipairs{ "ls", "show", "diff" } do
      t.expect(engram "help"):contains("\n  " .. name .. " ")
      t.expect(engram("help " .. name)):contains("usage: engram " .. name)
   end
end)

t.test("jobs not begun, damaged files, no runs, wrong words", function()
   make("../sweep/SGD-s1", 1)
   json.save(folder .. "/runs/sweep/sweep.json", { version = 1, script = "exp.lua", folder = "/", varying = {}, parallel = 1, threads = 1,
      jobs = { { name = "SGD-s1", words = json.array{} }, { name = "SGD-s2", words = json.array{} } } })
   t.write(folder .. "/runs/sweep/SGD-s1/settings.json", "{")
   local out, err = engram "ls runs/sweep"
   t.expect(table_of(out)[2][1]):equals "SGD-s1"
   t.expect(err):contains "engram: 1 job not begun\n"
   t.expect(err):contains "engram: not read: runs/sweep/SGD-s1/settings.json: "
   sh "rm -r runs/sweep; mkdir empty"
   t.expect({ engram "ls empty" }):equals{ "", "engram: no run below empty\n" }
   for words, message in pairs{ ["ls nosuch"] = "ls: nosuch: there is no such folder", ["ls wait.lua"] = "ls: wait.lua: is no folder",
      ["ls ''"] = "there is no such folder",
      ["ls --state fialed"] = "unknown state 'fialed', did you mean 'failed'?", ["ls --width 0"] = "--width must be at least 1",
      show = "show: which run?", ["show a b"] = "one run at a time", ["diff 0001"] = "expected two runs, got 1",
      ["show 0008"] = "show: there is no run '0008', neither a folder nor the end of a name below runs",
      ["show runs"] = "show: runs holds 6 runs, expected the folder of one", ["show ''"] = "there is no run ''",
      ["show empty"] = "show: empty holds 0 runs",
   } do
      local _, said = engram(words, 2)
      t.expect(said):contains(message)
   end
   make("z-0001", 8)
   local _, said = engram("show 0001", 2)
   t.expect(said):contains "'0001' is the end of 2 names:\n  runs/trial/a-0001\n  runs/trial/z-0001"
   sh "rm -r runs/trial/z-0001"
end)

-- ---- show and diff ----------------------------------------------------------------------------------------

t.write(folder .. "/set.lua", [[
local engram = require "engram"
local nn, optim, cl = engram.nn, engram.optim, engram.cl
local s = engram.settings{ lr = 0.01, optimizer = { name = "SGD", momentum = 0 }, sizes = { 4, 5 }, seed = 1 }
cl.train{ seed = s.seed, model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(784, 10) } end,
   optimizer = function(model) return optim[s.optimizer.name](model, { lr = s.lr }) end,
   stream = cl.stream{ cl.task("glyphs/digits", { limit = 64, test_limit = 50 }),
      cl.task("glyphs/garments", { limit = 64, test_limit = 50 }) } }
if os.getenv "FAIL" then error "on purpose" end]])
t.write(folder .. "/set.yaml", "script: set.lua\noptimizer:\n   name: Adam\n")

t.test("show: settings with their origins, matrix, numbers, files", function()
   sh "engram run --quiet --runs own set.yaml lr=0.5"
   local out = engram "show own/set/*"
   t.expect(out):contains "state    finished in "
   t.expect(out):contains "  lr              0.5   command line\n  optimizer.name  Adam  set.yaml:3\n"
   t.expect(out):contains "  by default: optimizer.momentum=0 seed=1 sizes=4,5\n"
   t.expect(out):contains "command  engram run set.yaml lr=0.5\n"
   t.expect(out):contains "  instructions "
   t.expect(out):contains "  accuracy, %, after  glyphs/digits"
   t.expect(out):contains "average accuracy "
   t.expect(out):contains "  accuracy.csv  config.yaml  log.txt  meta.json  metrics.jsonl  origins.json  overrides.txt"
   t.expect(out):lacks "go on with"
   local lines = select(2, out:gsub("\n", ""))
   t.expect(lines):below(40)
   t.expect(engram "show runs/trial/g-0007"):contains "  sgd-s2                  82          10                -10    400\n"
end)

t.test("show: what stopped a run, where it stands, and the line that resumes, which works", function()
   t.expect(engram "show 0003"):contains "error      disk full\n"
   t.expect(engram "show 0004"):contains "stands at  task 1, epoch 1, step 8\n"
   t.expect(engram "show 0005"):contains "go on with: engram resume runs/trial/e-0005\n"
   sh "FAIL=1 engram run --quiet --runs 'my own' --name x set.lua"
   local line = engram "show 'my own'/set/*":match "go on with: (engram resume '.-')\n"
   t.expect(({ sh(line) })[1]):equals(0)
   local out = engram "show 'my own'/set/*"
   t.expect(out):contains "state    finished in "
   t.expect(out):contains "resumed  20"
end)

t.test("a resumed run keeps where its settings came from", function()
   sh "FAIL=1 engram run --quiet --runs kept set.yaml lr=0.5; cp kept/set/*/origins.json before"
   sh "engram resume kept/set/*"
   t.expect(t.read(folder .. "/before")):contains '"set.yaml:3"'
   t.expect(({ sh "cmp before kept/set/*/origins.json" })[1]):equals(0)
end)

t.test("diff: settings, environment and numbers that differ", function()
   make("h-0008", 8, { seed = 1, lr = 0.2, processor = "another" })
   local out = engram "diff 0001 0008"
   t.expect(out):contains "A  runs/trial/a-0001  finished\nB  runs/trial/h-0008  finished\nsettings\n      A    B\n  lr  0.1  0.2\n"
   t.expect(out):contains "environment\n             A  B\n  processor  -  another\n"
   t.expect(engram "diff 0001 0002"):contains "  average_accuracy     81    82      1\n"
   t.expect(engram "diff 0001 0001"):contains "settings: the same\nenvironment: the same\n"
   sh "for i in 1 2; do engram run --quiet --runs same --name x$i set.lua; done"
   t.expect(engram "diff same/set/*-x1-* same/set/*-x2-*"):contains ": the same weights, to the bit\n"
   sh "rm -r runs/trial/h-0008"
end)

-- ---- folders that cannot be read --------------------------------------------------------------------------

-- Root reads everything: as root, the commands run as somebody else.
local function as_reader()
   if ({ sh "[ $(id -u) = 0 ]" })[1] ~= 0 then return "" end
   local nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups "
   return ({ sh(nobody .. "engram version") })[1] == 0 and nobody or nil
end

local reader = as_reader()
if not reader then
   t.skip("a folder that cannot be read is told by every command", "root reads all, and setpriv cannot become another user here")
else
   t.test("a folder that cannot be read is told by every command", function()
      sh "chmod 755 .; mkdir -p locked/inner; cp -r runs/trial/a-0001 locked/inner/run"
      for _, mode in ipairs{ "000", "444" } do                 -- 444: its names can be read, but nothing in it
         sh(("chmod %s locked/inner"):format(mode))
         for _, command in ipairs{ "report --out x.html", "plot", "compare", "ls", "show" } do
            for _, path in ipairs{ "locked", "locked/inner", "locked/inner/run" } do
               local code, out, err = sh(("%sengram %s %s"):format(reader, command, path))
               t.expect({ command, path, code ~= 0, out }):equals{ command, path, true, "" }
               t.expect(err):contains(path == "locked" and "locked/inner" or path)
               t.expect(err):contains "cannot be read: Permission denied"
               t.expect(err):lacks "there is no"
            end
         end
      end
      sh "chmod 755 locked/inner; cp -r runs/trial/b-0002 locked; chmod 000 locked/inner"
      local code, out, err = sh(reader .. "engram ls locked")
      t.expect({ code, table_of(out)[2][1], err }):equals{ 0, "b-0002",
         "engram: not read: locked/inner: cannot be read: Permission denied\n" }
      sh "chmod 755 locked/inner"
   end)
end

t.done()
