-- What engram sweep says at its end and engram resume of a folder: the next command, as it can be pasted.
local t = require "tests.harness"
local json = require "engram.json"

local folder = t.temporary_folder()
local function sh(line) return t.command(("cd %s || exit\n%s"):format(t.quote(folder), line), 120) end

t.write(folder .. "/declared.lua", 'local settings = require "engram".settings{ a = 1 }\n')

t.test("what is said names the next command, quoted", function()
   t.write(folder .. "/plain.lua", [[
local engram = require "engram"
local settings = engram.settings{ seed = 1 }
engram.run.current():write_json("summary.json", { complete = true, seed = settings.seed, metrics = { score = 1 } })
]])
   local code, out = sh "engram sweep --quiet --runs 'no table' plain.lua seed=1,2"
   t.expect(code):equals(0)
   t.expect(out):contains "no table: no run has one of average_accuracy, forgetting, backward_transfer; make one with: engram compare '"
   t.expect(out):contains "-sweep-"
   t.expect(out):contains "' --metric NAME\n"
   local _, _, err = sh "engram sweep --slurm --runs 'a slurm' declared.lua a=1,2"
   t.expect(err:match "sbatch %-%-time=HH:MM:SS '/[^']*/a slurm/[^']*/sweep.sbatch'\n" ~= nil):is_true()
end)

t.test("resume of a folder of runs names those below it that can be gone on with", function()
   sh "mkdir -p above/cut above/done"
   for name, state in pairs{ cut = "interrupted", done = "finished" } do
      json.save(("%s/above/%s/meta.json"):format(folder, name), { script = "x.lua" })
      json.save(("%s/above/%s/status.json"):format(folder, name), { status = state })
   end
   local code, _, err = sh "engram resume above"
   t.expect(code):equals(2)
   t.expect(err):contains "above is no run directory: it has no meta.json, and no sweep: it has no sweep.json; below it"
   t.expect(err):contains "; below it can be gone on with:\n"
   t.expect(err):contains "/above/cut\n"
   t.expect(err):lacks "/above/done"
end)

t.done()
