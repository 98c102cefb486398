-- engram report: one HTML file about a run, or about all runs below a folder.
local usage_error = require "engram.usage"

local command = {
   summary = "make an HTML report of a run or a folder of runs",
   usage = "report [options] RUN|DIR",
   text = "Writes report.html into RUN or DIR: accuracy matrices, curves, forgetting, update density and overlap, settings,\n"
      .. "environment. The file holds all it needs and opens without a network. Runs that differ by their seed alone are\n"
      .. "put together: mean and 95 % interval.",
   options = {
      { "out", value = "FILE", doc = "write FILE instead" },
   },
}

function command.run(values, words)
   if not words[1] then usage_error "report: of which run? engram report RUN" end
   if words[2] then usage_error("report: one run or folder at a time, got '%s' too; a folder of runs makes one report", words[2]) end
   local ok, out, problems = pcall(require "engram.report", words[1], values.out)
   if not ok then
      local unwritable = not values.out and tostring(out):find("report.html: cannot write", 1, true)
      error(unwritable and tostring(out) .. "; choose another file with --out FILE" or out, 0)
   end
   for _, line in ipairs(problems) do io.stderr:write("engram: not read: ", line, "\n") end
   print("report: " .. out)
   return 0
end

return command
