-- engram bench: times the cases of bench/cases.lua, each beside the limit of the machine and, where one is given, a peer.
local core = require "engram.core"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"
local C = core.C

local command = {
   summary = "time training steps beside the machine's limits and a peer",
   usage = "bench [only=NAME] [threads=1,2] [rounds=3] [peer=FILE|none] [out=FOLDER]",
   text = "  only=NAME        the cases whose name holds NAME\n"
      .. "  threads=1,2      the numbers of threads, one after the other\n"
      .. "  rounds=3         rounds of each; the tables show the medians\n"
      .. "  peer=FILE|none   a program that times the same cases elsewhere (default: $ENGRAM_BENCH_PEER, else none);\n"
      .. "                   a .py file is run by $PYTHON, else by python3 or /usr/bin/python3, whichever has its torch\n"
      .. "  out=FOLDER       bench.json and bench.md go here (default: bench/ in the build folder, else a temporary one)\n\n"
      .. "All cases take a minute, with PyTorch as a peer five minutes. What the columns mean: docs/performance.md.",
   words = true,
}

-- ---- options ----------------------------------------------------------------------------------------------

local function whole(text, most)
   local number = text:match "^%d+$" and tonumber(text)
   return number and number >= 1 and number <= most and number or nil
end

local function only(text)
   local names = {}
   for _, case in ipairs(require "engram.bench.cases") do
      if case.name:find(text, 1, true) then return text end
      names[#names + 1] = case.name
   end
   usage_error("bench: no case has '%s' in its name%s", text, suggest.hint(text, names))
end

local function threads(text)
   local list, seen = {}, {}
   for word in (text .. ","):gmatch "(.-)," do
      local count = whole(word, 256)
      if not count then usage_error("bench: threads: expected whole numbers from 1 to 256 as in 1,2, got '%s'", text) end
      if not seen[count] then list[#list + 1] = count end
      seen[count] = true
   end
   return list
end

local function rounds(text)
   return whole(text, 1000) or usage_error("bench: rounds: expected a whole number from 1 to 1000, got '%s'", text)
end

local function peer(text)
   if text == "none" then return nil end
   if C.eg_file_kind(text) == 1 then return text end
   usage_error("bench: peer: there is no file '%s'", text)
end

local function out(text)
   local kind = C.eg_file_kind(text)
   if kind == 1 or kind == 3 then usage_error("bench: out: %s is no folder", text) end
   if C.eg_writable(text) == 0 then usage_error("bench: out: %s cannot be written", text) end
   return text
end

local known = { only = only, threads = threads, rounds = rounds, peer = peer, out = out }

local function parse(words)
   local given = { threads = "1,2", rounds = "3", peer = os.getenv "ENGRAM_BENCH_PEER" }
   if given.peer == "" then given.peer = nil end
   for _, word in ipairs(words) do
      local key, value = word:match "^%-*([^=]+)=(.+)$"
      local name = key or word:match "^%-*([^=]*)"
      if not known[name] then usage_error("bench: unknown option '%s'%s", word, suggest.hint(name, known)) end
      if not key then usage_error("bench: %s: expected a value, as in %s=...", name, name) end
      given[key] = value
   end
   local options = {}
   for key, text in pairs(given) do options[key] = known[key](text) end
   return options
end

-- ---- the run ----------------------------------------------------------------------------------------------

local function say(...) io.stderr:write("bench: ", string.format(...), "\n") end

local function chosen_cases(text)
   local list = {}
   for _, case in ipairs(require "engram.bench.cases") do
      if not text or case.name:find(text, 1, true) then list[#list + 1] = case end
   end
   return list
end

local function find_peer(path)
   if not path then return nil end
   local found, problem = require "engram.bench.peer".find(path)
   if not found then say("no peer, so no ratios: %s", problem) end
   return found
end

local function print_lines(lines)
   for _, line in ipairs(lines) do print(line) end
   io.stdout:flush()
end

-- Beside the executable when that stands in a build folder; an installed one has no place of its own.
local function default_folder()
   local build = arg[0]:match "^(.*)/"
   if C.eg_file_kind(build .. "/libengram.so") == 1 and C.eg_writable(build .. "/bench") == 1 then return build .. "/bench" end
   local name = os.tmpname()
   os.remove(name)
   return name
end

-- Seconds of a round, start of the process and limit included: ours, and the peer's.
local OURS, THEIRS = 0.4, 3.5

local function announce(rounds_in_all, with_peer)
   local seconds = rounds_in_all * (OURS + (with_peer and THEIRS or 0))
   say("rounds in all: %d, about %s", rounds_in_all,
      seconds < 90 and ("%.0f s"):format(math.ceil(seconds)) or ("%.0f minutes"):format(seconds / 60))
end

local function measure_all(options, found, row)
   local measure = require "engram.bench.measure"
   local records = {}
   for _, case in ipairs(chosen_cases(options.only)) do
      for _, count in ipairs(options.threads) do
         records[#records + 1] = measure.case(case, count, options.rounds, found, function(text) say("%s", text) end)
         require "engram".collect()                   -- ten million weights make room for the next
         row(records[#records])
      end
   end
   return records
end

-- What was measured, and where.
local function benchmark(options, report)
   local load = require "engram.bench.measure".load
   local found = find_peer(options.peer)
   announce(#chosen_cases(options.only) * #options.threads * options.rounds, found)
   local about = report.about(options.rounds, found, load())
   print_lines(report.head(about))
   print_lines{ "", unpack(report.case_head) }
   local records = measure_all(options, found, function(record) print_lines{ report.case_row(record) } end)
   about.load_after = load()
   return about, records
end

function command.run(words)
   local options = parse(words)
   local report = require "engram.bench.report"
   local ok, about, records = pcall(benchmark, options, report)
   if not ok and core.interrupted() then
      io.stderr:write "engram: interrupted; no file was written\n"
      return 128 + core.interrupted()
   end
   if not ok then error(about, 0) end
   print_lines{ "", unpack(report.speedup_table(records)) }
   print_lines{ report.write(options.out or default_folder(), about, records) }
   return 0
end

return command
