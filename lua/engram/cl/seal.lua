-- cl/seal.lua: what a training is judged by, and the seal on the test sets. Where something is chosen it is chosen on the validation sets,
-- and a training that is evaluated on them alone cannot come near the test sets; whether, when and how often another one looked at them is
-- in its folder (test_sets.json) and in its summary. A script that asks a stream for them itself is noted there too.
local core = require "engram.core"
local describe = require "engram.run.describe"
local warnings = require "engram.cl.warnings"
local C, raise = core.C, core.raise

local seal = {}

seal.wanted = nil                       -- `engram run --evaluate-on`: what all trainings of this process are evaluated on

-- of_process(): whether no test set may be looked at by this process, whatever its script does.
function seal.of_process() return seal.wanted == "validation" end

local SHARE = 0.1                       -- held out of every task where validation is asked for and the stream has none

-- The tasks that have no validation set, in words, and how many.
local function without_validation(t)
   local words = {}
   for k, task in ipairs(t.stream) do
      if not task:has_part "validation" then words[#words + 1] = ("task %d, '%s'"):format(k, task.name) end
   end
   return table.concat(words, ", "), #words
end

local function held_out(t)
   local names, count = without_validation(t)
   if count == 0 then return t.stream end
   if count < #t.stream then
      raise("cl.train: evaluate_on = '%s' needs a validation set of every task, and %s, has none: hold it out by cl.task(..., " ..
         "{ validation = 0.1 })", t.evaluate_on, names)
   end
   warnings.note(t, "held out", "validation: the stream has no validation sets, so %g %% of each task's training items are held out",
      100 * SHARE)
   return require "engram.cl.streams".validation(t.stream, { share = SHARE })
end

-- begin(t): t.evaluate_on as it holds, and t.stream with what that needs and no more: validation sets, and a seal on the test sets.
function seal.begin(t)
   if seal.wanted and t.evaluate_on ~= seal.wanted then
      warnings.note(t, "evaluate on", "evaluated on %s, as the command line says, in place of %s", seal.wanted, t.evaluate_on)
      t.evaluate_on = seal.wanted
   end
   if t.evaluate_on ~= "test" and t.protocol == "published" then
      raise("cl.train: protocol = 'published' judges by the training sets, evaluate_on = '%s' by others: leave out one of them",
         t.evaluate_on)
   end
   if t.evaluate_on ~= "validation" and t.stream:is_sealed() then
      raise("cl.train: the test sets of the stream are sealed: choose with evaluate_on = 'validation'; for the final report give " ..
         "stream:unseal()")
   end
   if t.evaluate_on ~= "test" then t.stream = held_out(t) end
   if t.evaluate_on == "validation" then t.stream = t.stream:seal() end
end

-- part(t): the sets that the matrix is measured on, "test" or "validation".
function seal.part(t) return t.evaluate_on == "validation" and "validation" or "test" end

-- Notes in a run's folder that test sets were opened, once.
local function note_opened(folder, by)
   local name = "test_sets.json"
   if folder and C.eg_file_kind(folder.path .. "/" .. name) ~= 1 then folder:write_json(name, { opened = describe.time(), by = by }) end
end

-- looked(t): a look at the test sets, which is counted; the first one is noted at once, so that a run that is killed has it too.
function seal.looked(t)
   t.looks = (t.looks or 0) + 1
   if t.looks == 1 then note_opened(t.out and t.out.folder) end
end

-- asked(): somebody besides the trainer asks a stream for a test set.
function seal.asked() note_opened(require "engram.run".current(), "script") end

return seal
