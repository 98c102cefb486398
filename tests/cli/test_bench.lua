-- engram bench: options, what it writes, ratios to a peer that is a shell script, interrupts. Times themselves are not tested.
local t = require "tests.harness"
local engram = require "engram"

local folder = t.temporary_folder()
local SMALLEST = "only=mlp100_b10_sgd threads=1 "

local function bench(words, environment)
   return t.command(("cd %s && unset ENGRAM_BENCH_PEER; %s engram bench %s"):format(t.quote(folder), environment or "", words))
end

local function program(name, text)
   t.write(folder .. "/" .. name, text)
   t.command("chmod +x " .. t.quote(folder .. "/" .. name))
   return name
end

local function records(out) return engram.json.load(folder .. "/" .. out .. "/bench.json") end

local function columns(row)
   local list = {}
   for cell in row:gmatch "| +([^|]-) +%f[|]" do list[#list + 1] = cell end
   return list
end

-- ---- cases ------------------------------------------------------------------------------------------------

local cases = {}
for _, case in ipairs(require "engram.bench.cases") do cases[case.name] = case end

t.test("the cases, and the work of a step worked out by hand", function()
   local work = {}
   for name, case in pairs(cases) do work[name] = case.work end
   local mlp100 = 2 * 10 * (2 * 78400 + 3 * 10000 + 3 * 1000)
   local mlp400 = 2 * 128 * (2 * 313600 + 3 * 160000 + 3 * 4000)
   local sentiment = 2 * 3 * 750 * (4 * 600 * 600 + 2 * 30 * 30 * 600 + 2 * 600 * 2048 + 3 * 600)
   local cnn = 2 * 32 * (2 * 194688 + 3 * 10616832 + 3 * 1179648 + 3 * 1280)
   t.expect(work):equals{
      cnn_b32_sgd = cnn, cnn_b32_classp = cnn, mlp100_b10_sgd = mlp100, mlp100_b10_adam = mlp100, mlp100_b10_classp = mlp100,
      mlp400_b128_sgd = mlp400, mlp400_b128_adam = mlp400, mlp400_b128_classp = mlp400,
      sentiment_b750_published = sentiment, sentiment_b750_paper = sentiment,
      optim_sgd_10m = 120e6, optim_adam_10m = 280e6, optim_adagrad_10m = 200e6, optim_classp_10m = 200e6,
      optim_classp_1m = 20e6, optim_classp_quantile_lua_1m = 20e6,
      fisher_exact_mlp400_n64 = 2 * 64 * (477600 + 10 * (477600 + 164000)),
   }
   t.expect({ cases.cnn_b32_sgd.limit, cases.optim_adam_10m.limit, cases.fisher_exact_mlp400_n64.limit })
      :equals{ "sgemm", "triad", "sgemm" }
end)

t.test("a step of each kind runs", function()
   for _, name in ipairs{ "cnn_b32_classp", "mlp100_b10_adam", "optim_sgd_10m", "fisher_exact_mlp400_n64", "sentiment_b750_paper" } do
      cases[name].make()()
      engram.collect()
   end
end)

t.test("median, least and most", function()
   local spread = require("engram.bench.measure").spread
   t.expect(spread{ 3, 1, 2 }):equals{ median = 2, min = 1, max = 3 }
   t.expect(spread{ 4, 1, 2, 8 }):equals{ median = 3, min = 1, max = 8 }
   t.expect(spread{ 5 }):equals{ median = 5, min = 5, max = 5 }
   t.expect(spread{}):is_nil()
end)

-- ---- without a peer ---------------------------------------------------------------------------------------

t.test("without a peer: the table, both files and what they record", function()
   local code, out, err = bench "only=mlp100_b10_sgd threads=2,1 rounds=2 out=plain"
   t.expect(code):equals(0)
   t.expect(err):contains "bench: rounds in all: 4, about "
   local head, row = out:match "(| case .-)\n|%-.-\n(.-)\n"
   t.expect(columns(head)):equals{ "case", "threads", "ms a step", "samples/s", "rate", "limit", "share", "peer ms",
      "times faster", "rounds", "load" }
   local cells = columns(row)
   t.expect({ cells[1], cells[2], cells[8], cells[9], cells[10] }):equals{ "mlp100_b10_sgd", "2", "-", "-", "2" }
   t.expect(cells[5]):contains " GFLOP/s"
   t.expect(cells[7]):contains " %"
   t.expect(out:match "\n(plain/.*)$"):equals "plain/bench.json\nplain/bench.md\n"
   local all = records "plain"
   t.expect({ all.engram, all.rounds, all.peer == engram.json.null, #all.cases }):equals{ engram.version, 2, true, 2 }
   for _, key in ipairs{ "build", "blas_core", "date" } do t.expect(type(all[key])):equals "string" end
   for _, key in ipairs{ "cores", "load_before", "load_after" } do t.expect(type(all[key])):equals "number" end
   local two, one = unpack(all.cases)
   t.expect({ one.threads, two.threads, one.batch, one.limit }):equals{ 1, 2, 10, "sgemm" }
   t.expect(one.seconds.min <= one.seconds.median and one.seconds.median <= one.seconds.max):is_true()
   t.expect(one.samples_per_second):close_to(10 / one.seconds.median)
   t.expect(one.per_second):close_to(3796000 / one.seconds.median)
   t.expect(one.share):close_to(one.per_second / one.limit_per_second.median)
   t.expect(one.peer_seconds == nil and one.times_faster == nil):is_true()
   t.expect(all.speedups):equals{ { case = "mlp100_b10_sgd", threads = 2, seconds_one = one.seconds.median,
      seconds = two.seconds.median, times_faster = one.seconds.median / two.seconds.median } }
   local page = t.read(folder .. "/plain/bench.md")
   for _, text in ipairs{
      "# Benchmark\n", "Rounds: 2, of which the tables show the medians; load ", " before, ", row, "| ours ", "ms, 1 thread",
   } do
      t.expect(page):contains(text)
   end
end)

-- ---- beside a peer ----------------------------------------------------------------------------------------

-- A round of the peer takes 30, 10, 20 seconds a step; lines about other cases and of no JSON are no concern of ours.
local peer = program("peer", [[#!/bin/sh
echo "$*" >> asked
echo '{"case": "mlp100_b10_sgd_momentum", "seconds_per_step": 7}'
echo 'a line that is no JSON'
case $(wc -l < asked) in 1) s=30;; 2) s=10;; *) s=20;; esac
echo "{\"case\": \"mlp100_b10_sgd\", \"seconds_per_step\": $s, \"batch\": 10, \"threads\": 1}"
]])

t.test("beside a peer: asked once a round, ratio of the medians", function()
   local code, out = bench(SMALLEST .. "rounds=3 out=beside peer=" .. peer)
   t.expect({ code, t.read(folder .. "/asked") }):equals{ 0, ("--threads 1 --only mlp100_b10_sgd --rounds 1\n"):rep(3) }
   local all = records "beside"
   local record = all.cases[1]
   t.expect(all.peer):equals{ name = "peer" }
   t.expect(record.peer_seconds):equals{ median = 20, min = 10, max = 30 }
   t.expect(record.times_faster):close_to(20 / record.seconds.median)
   local cells = columns(out:match "\n(| mlp100.-)\n")
   t.expect({ cells[8], cells[9] }):equals{ "20000.000", ("%.2f"):format(record.times_faster) }
   t.expect(out):contains "Peer: peer, by turns with ours."
   t.expect(out):lacks "| ours "
end)

t.test("$ENGRAM_BENCH_PEER is the default, peer=none leaves it out", function()
   local short = SMALLEST .. "rounds=1 "
   bench(short .. "out=variable", "ENGRAM_BENCH_PEER=./peer")
   bench(short .. "out=none peer=none", "ENGRAM_BENCH_PEER=./peer")
   t.expect({ records("variable").peer.name, records("none").peer == engram.json.null }):equals{ "peer", true }
end)

t.test("a peer that fails or knows no such case: a line says so, and no ratio", function()
   local failing = program("failing", "#!/bin/sh\necho 'first' >&2\necho 'out of cheese' >&2\nexit 3\n")
   local code, out, err = bench(SMALLEST .. "rounds=2 out=unpaired peer=" .. failing)
   t.expect(code):equals(0)
   t.expect(err):contains "bench: the peer gave no time for mlp100_b10_sgd: exit code 3: out of cheese\n"
   t.expect({ columns(out:match "\n(| mlp100.-)\n")[9], records("unpaired").cases[1].times_faster }):equals{ "-", nil }
   local _, _, said = bench(SMALLEST .. "rounds=1 out=unpaired peer=" .. program("other", "#!/bin/sh\n"))
   t.expect(said):contains "bench: the peer gave no time for mlp100_b10_sgd: it has no such case\n"
end)

t.test("a script in Python: its interpreter, the version of torch, and a line when torch is missing", function()
   program("script.py", "import torch\n")
   program("python", '#!/bin/sh\nif [ "$1" = -c ]; then echo "PyTorch 9.8"; exit; fi\n'
      .. '[ "$1" = ./script.py ] && echo \'{"case": "mlp100_b10_sgd", "seconds_per_step": 4}\'\n')
   local short = SMALLEST .. "rounds=1 peer=script.py "
   local _, out = bench(short .. "out=by_python", "PYTHON=./python")
   t.expect(out):contains "Peer: script.py (PyTorch 9.8), by turns with ours."
   t.expect(records("by_python").cases[1].peer_seconds.median):equals(4)
   local code, _, err = bench(short .. "out=no_torch", "PYTHON=false")
   t.expect(code):equals(0)
   t.expect(err):contains "bench: no peer, so no ratios: false cannot import torch\n"
   t.expect(records("no_torch").peer == engram.json.null):is_true()
end)

-- ---- wrong options, interrupts ----------------------------------------------------------------------------

t.test("wrong options end with exit code 2 and a suggestion", function()
   t.write(folder .. "/file", "")
   for words, message in pairs{
      ["thread=1"] = "bench: unknown option 'thread=1', did you mean 'threads'?",
      ["--ruonds=1"] = "did you mean 'rounds'?",
      ["quickly"] = "bench: unknown option 'quickly'",
      ["only"] = "bench: only: expected a value, as in only=...",
      ["only=mlp100_b10_sdg"] = "bench: no case has 'mlp100_b10_sdg' in its name, did you mean 'mlp100_b10_sgd'?",
      ["only=transformer"] = "(there are: cnn_b32_classp, cnn_b32_sgd, ",
      ["threads=0"] = "bench: threads: expected whole numbers from 1 to 256 as in 1,2, got '0'",
      ["threads=1,x"] = "got '1,x'",
      ["rounds=0"] = "bench: rounds: expected a whole number from 1 to 1000, got '0'",
      ["rounds=2.5"] = "got '2.5'",
      ["peer=nowhere.py"] = "bench: peer: there is no file 'nowhere.py'",
      ["out=file"] = "bench: out: file is no folder",
      ["out=file/x"] = "bench: out: file/x cannot be written",
   } do
      local code, out, err = bench(words)
      t.expect({ words, code, out }):equals{ words, 2, "" }
      t.expect(err):contains(message)
   end
end)

t.test("interrupted: the peer is stopped and no file is touched", function()
   program("slow", "#!/bin/sh\necho $$ > started\nexec sleep 60\n")
   t.command(("mkdir %s/stopped && echo old > %s/stopped/bench.json"):format(folder, folder))
   local code, out = t.command(([[cd %s; engram bench %s rounds=1 out=stopped peer=slow >said 2>&1 & pid=$!
      cd %s; n=0; until [ -s started ] || [ $n -ge 600 ]; do sleep 0.05; n=$((n + 1)); done
      kill -INT $pid; wait $pid; code=$?
      kill -0 $(cat started) 2>/dev/null && echo "the peer runs on"
      tail -n 1 said; ls -A stopped; cat stopped/bench.json; exit $code]]):format(folder, SMALLEST, folder))
   t.expect({ code, out }):equals{ 130, "engram: interrupted; no file was written\nbench.json\nold\n" }
end)

t.done()
