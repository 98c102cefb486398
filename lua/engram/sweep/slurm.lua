-- slurm.lua: the batch script with which a Slurm array runs the lines of jobs.txt. It is written, not submitted: partitions, times and
-- accounts are the site's, and go on sbatch's own command line.
local quote = require "engram.shell"

local template = [[
#!/bin/bash
# The jobs of NAME, PACK a task: sbatch --time=HH:MM:SS [--partition=... --account=...] THIS FILE
# A job that is stopped (time limit, preemption) saves a checkpoint and is queued again; one that is finished does nothing.
#SBATCH --job-name=NAME
#SBATCH --array=0-LAST%LIMIT
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=THREADS
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=OUTPUT
jobs=JOBS
first=$((SLURM_ARRAY_TASK_ID * PACK + 1)) last=$(((SLURM_ARRAY_TASK_ID + 1) * PACK)) failed=0
while read -r line <&3; do
  srun --ntasks=1 --cpus-per-task=THREADS sh -c "$line" </dev/null
  code=$?
  case $code in
    0) ;;
    130 | 138 | 143) # stopped, not failed: the checkpoint is written
      scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
      exit $code ;;
    *) failed=$code ;;
  esac
done 3< <(sed -n "${first},${last}p" "$jobs")
exit $failed
]]

-- slurm(sweep, limit, pack) -> the script: an array of tasks of `pack` jobs each, at most `limit` tasks at a time.
return function(sweep, limit, pack)
   local values = {
      NAME = sweep.path:match "([^/]*)$", PACK = tostring(pack), LAST = ("%d"):format(math.ceil(#sweep.jobs / pack) - 1),
      LIMIT = tostring(limit), THREADS = tostring(sweep.threads), JOBS = quote(sweep.path .. "/jobs.txt"),
      OUTPUT = '"' .. (sweep.path .. "/logs/slurm-%a.txt"):gsub("%%([^a])", "%%%%%1"):gsub('(["\\])', "\\%1") .. '"',
   }
   return (template:gsub("%u%u%u+", function(word) return values[word] end))
end
