-- bench/report.lua: the records of a benchmark as Markdown tables and as JSON, written together or not at all.
local core = require "engram.core"
local json = require "engram.json"
local describe = require "engram.run.describe"
local limits = require "engram.bench.limits"
local C = core.C

local report = {}

-- ---- what was measured, and where -------------------------------------------------------------------------

-- The library, the machine and the peer; `load_before` now, `load_after` when the benchmark has ended.
function report.about(rounds, peer, load)
   local about = describe.library()
   about.threads = nil                                -- each record has its own
   about.blas_core = about.blas:match "core type (.*)$"
   about.processor = describe.processor()
   about.date = describe.time()
   about.rounds = rounds
   about.peer = peer and { name = peer.name, version = peer.version } or json.null
   about.load_before = load
   return about
end

-- Lines of prose for the head of the tables.
function report.head(about)
   local lines = {
      ("Engram %s, %s; BLAS core %s; %s, %d cores; %s."):format(about.engram, about.build, about.blas_core or "unknown",
         about.processor or "unknown processor", about.cores, about.date),
      ("Rounds: %d, of which the tables show the medians; load %s before%s."):format(about.rounds, about.load_before or "unknown",
         about.load_after and (", %s after"):format(about.load_after) or ""),
   }
   if about.peer ~= json.null then
      lines[#lines + 1] = ("Peer: %s%s, by turns with ours."):format(about.peer.name,
         about.peer.version and (" (%s)"):format(about.peer.version) or "")
   end
   return lines
end

-- ---- the tables -------------------------------------------------------------------------------------------

local ROW = "| %-23s | %7s | %9s | %9s | %13s | %13s | %6s | %8s | %12s | %6s | %5s |"
local RULE = "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"

report.case_head = { ROW:format("case", "threads", "ms a step", "samples/s", "rate", "limit", "share", "peer ms", "times faster",
   "rounds", "load"), RULE }

local function text(format, value) return value and format:format(value) or "-" end

function report.case_row(r)
   local rate = "%.1f " .. limits[r.limit].unit
   return ROW:format(r.case, r.threads, text("%.3f", r.seconds.median * 1e3), text("%.0f", r.samples_per_second),
      text(rate, r.per_second / 1e9), text(rate, r.limit_per_second.median / 1e9), text("%.0f %%", r.share * 100),
      text("%.3f", r.peer_seconds and r.peer_seconds.median * 1e3), text("%.2f", r.times_faster), r.rounds, text("%.2f", r.load))
end

-- Each case with more threads than one beside its own time with one: { case, threads, seconds_one, seconds, times_faster }.
function report.speedups(records)
   local one, list = {}, json.array{}
   for _, r in ipairs(records) do
      if r.threads == 1 then one[r.case] = r.seconds.median end
   end
   for _, r in ipairs(records) do
      if r.threads > 1 and one[r.case] then
         list[#list + 1] = { case = r.case, threads = r.threads, seconds_one = one[r.case], seconds = r.seconds.median,
            times_faster = one[r.case] / r.seconds.median }
      end
   end
   return list
end

-- Lines of the table "our threads over our one"; none when there is nothing to compare.
function report.speedup_table(records)
   local lines = {}
   for _, s in ipairs(report.speedups(records)) do
      lines[#lines + 1] = ("| %-23s | %7d | %12.3f | %9.3f | %12.2f |"):format(s.case, s.threads, s.seconds_one * 1e3,
         s.seconds * 1e3, s.times_faster)
   end
   if #lines == 0 then return lines end
   table.insert(lines, 1, ("| %-23s | %7s | %12s | %9s | %12s |"):format("ours", "threads", "ms, 1 thread", "ms a step", "times faster"))
   table.insert(lines, 2, "|---|--:|--:|--:|--:|")
   return lines
end

-- ---- the files --------------------------------------------------------------------------------------------

local function markdown(about, records)
   local lines = { "# Benchmark", "" }
   local function add(more) for _, line in ipairs(more) do lines[#lines + 1] = line end end
   add(report.head(about))
   add{ "", unpack(report.case_head) }
   for _, record in ipairs(records) do add{ report.case_row(record) } end
   add{ "", unpack(report.speedup_table(records)) }
   return table.concat(lines, "\n") .. "\n"
end

-- Writes bench.json and bench.md into the folder; returns their paths. An interrupt waits until both are there.
function report.write(folder, about, records)
   local json_path, markdown_path = folder .. "/bench.json", folder .. "/bench.md"
   local all = { cases = json.array(records), speedups = report.speedups(records) }
   for key, value in pairs(about) do all[key] = value end
   local page = markdown(about, records)
   C.eg_interrupt_trap(1)
   core.check(C.eg_make_folders(folder))
   json.save(json_path, all)
   core.check(C.eg_file_write(markdown_path, page, #page))
   C.eg_interrupt_trap(0)
   return json_path, markdown_path
end

return report
