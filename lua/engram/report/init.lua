-- report/init.lua: engram.report(path [, out]): one HTML file about a run, or about all runs below a folder, that opens anywhere and
-- loads nothing. history.lua reads the runs, groups.lua puts seeds together, page.lua makes the page.
local core = require "engram.core"
local history = require "engram.run.history"
local page = require "engram.report.page"
local C = core.C

-- Writes the report on the run or folder at `path` to `out` (default: report.html in it), whole or not at all. Returns the path of the
-- file and what could not be read, a list of lines.
return function(path, out)
   local found = history.read(path, "report")
   out = out or found.path .. "/report.html"
   if type(out) ~= "string" then core.raise("report: out must be the path of a file, got %s", core.typename(out)) end
   if C.eg_file_kind(out) == 2 then core.raise("report: %s is a folder, expected the path of a file", out) end
   local text = page(found, out)
   if C.eg_file_write(out, text, #text) ~= 0 then core.raise("report: %s", core.message()) end
   return out, found.problems
end
