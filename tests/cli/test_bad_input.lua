-- Bad input gives a clear error: each try is a script (or command) that goes wrong, the words its message must hold, and
-- the check that nothing crashed, nothing half-written remains and no inside of Engram shows in the message.
-- ENGRAM_SHOW=1 prints the table of tries, exit codes and messages.
local t = require "tests.harness"

local CRASH = { [124] = "a timeout", [134] = "an abort", [136] = "SIGFPE", [139] = "SIGSEGV", [137] = "SIGKILL" }

local HEAD = 'local engram = require "engram"\n'

local function files_below(folder)
   local _, out = t.command(("cd %s && find . -mindepth 1 | sort"):format(t.quote(folder)))
   return out
end

-- about: says = words of the message, script = Lua text or command = a shell line, before = a shell line that prepares the
-- folder, code = the exit code (default 1), leaves = the files that may remain.
local function try(name, about)
   t.test(name, function()
      local folder = t.temporary_folder()
      if about.script then t.write(folder .. "/bad.lua", HEAD .. about.script) end
      if about.before then
         local code, _, err = t.command(("cd %s && %s"):format(t.quote(folder), about.before))
         if code ~= 0 then error("cannot prepare: " .. err, 0) end
      end
      local before = files_below(folder)
      local command = about.command or "engram run --no-run --quiet bad.lua"
      local code, out, err = t.command(("cd %s && %s"):format(t.quote(folder), command))
      if os.getenv "ENGRAM_SHOW" then print(("| %s | %d | `%s` |"):format(name, code, err:gsub("\n+$", ""):gsub("\n", " / "))) end
      if CRASH[code] or code > 139 then error(("ended with %s:\n%s%s"):format(CRASH[code] or code, out, err), 0) end
      t.expect(err):contains(about.says)
      t.expect(code):equals(about.code or 1)
      for _, inside in ipairs{ "stack traceback", "/lua/engram/", "[C]", "Sanitizer" } do t.expect(err):lacks(inside) end
      if about.script and not about.command then t.expect(err):contains "bad.lua:" end
      local after = files_below(folder)
      if not about.leaves then t.expect(after):equals(before) end
      t.expect(after):lacks ".part"
   end)
end

-- ---- tensors ----------------------------------------------------------------------------------------------

try("matmul of shapes that do not fit", { script = "local x = engram.ones(2, 3):matmul(engram.ones(4, 5))",
   says = "bad.lua:2: matmul: inner sizes differ: (2, 3) x (4, 5)" })
try("shapes that do not broadcast", { script = "local x = engram.ones(2, 3) + engram.ones(4)",
   says = "shapes do not broadcast: (2, 3) and (4)" })
try("an index out of range", { script = "local x = engram.ones(3)[5]",
   says = "index 5 is out of range for dimension 1 of shape (3)" })
try("reshape to another number of elements", { script = "local x = engram.ones(6):reshape(4, 2)",
   says = "(4, 2) has 8 elements" })
try("a ragged table", { script = "local x = engram.tensor{ { 1, 2 }, { 3 } }", says = "ragged table" })
try("an unknown option", { script = "local x = engram.ones(3, { dtyp = 'float64' })",
   says = "ones: unknown option 'dtyp', did you mean 'dtype'?" })
try("an unknown dtype", { script = "local x = engram.ones(3, { dtype = 'float23' })",
   says = "did you mean 'float32'?" })
try("use of a tensor after its scope", { says = "was released: it was made in a scope that has ended",
   script = "local x\nengram.scope(function() x = engram.ones(3) end)\nx = x:sum()" })
try("a tensor larger than memory", { script = "local x = engram.zeros(1e6, 1e6)",
   says = "out of memory: 4000000000000 bytes asked for" })
try("a tensor larger than numbers", { script = "local x = engram.zeros(1e9, 1e9, 1e9)",
   says = "does not fit into memory" })
try("a negative size", { script = "local x = engram.zeros(3, -1)", says = "-1" })
try("backward of many values", { script = "engram.ones(3, { requires_grad = true }):backward()",
   says = "this one has shape (3)" })
try("backward twice", { says = "this graph was walked before",
   script = "local y = engram.ones(3, { requires_grad = true }):sum()\ny:backward()\ny:backward()" })

-- ---- layers, losses, weights ------------------------------------------------------------------------------

try("a convolution with other channels", { script = "engram.nn.Conv2d(3, 4, 3)(engram.ones(1, 1, 8, 8))",
   says = "conv2d: input has 1 channels, the layer wants 3: input (1, 1, 8, 8), weight (4, 3, 3, 3)" })
try("a linear layer with other features", { script = "engram.nn.Linear(3, 4)(engram.ones(2, 5))",
   says = "linear: input has 5 features" })
try("a label of 0", { script = "engram.nn.cross_entropy(engram.ones(2, 3), engram.tensor({ 0, 1 }, { dtype = 'int64' }))",
   says = "label" })
try("a label beyond the classes", { says = "4",
   script = "engram.nn.cross_entropy(engram.ones(2, 3), engram.tensor({ 1, 4 }, { dtype = 'int64' }))" })
try("more labels than samples", { says = "cross_entropy",
   script = "engram.nn.cross_entropy(engram.ones(2, 3), engram.tensor({ 1, 2, 3 }, { dtype = 'int64' }))" })
try("labels that are no integers", { script = "engram.nn.cross_entropy(engram.ones(2, 3), engram.ones(2))",
   says = "int64" })
local SAVE = [[echo "require('engram').nn.Linear(3, 4):save 'w'" > s.lua && engram run --no-run s.lua]]

try("a weights file that is not there", { script = "engram.nn.Linear(3, 4):load 'w.safetensors'",
   says = "w.safetensors: cannot open: No such file or directory" })
try("a weights file that is text", { before = "echo 'hello weights' > w.safetensors",
   script = "engram.nn.Linear(3, 4):load 'w.safetensors'", says = "w.safetensors" })
try("a weights file cut short", { says = "w.safetensors",
   before = SAVE .. " && head -c 150 w > w.safetensors",
   script = "engram.nn.Linear(3, 4):load 'w.safetensors'" })
try("weights of another model", { says = "weight has shape (4, 3), the model wants (5, 3)",
   before = SAVE,
   script = "engram.nn.Linear(3, 5):load 'w'" })
try("weights with other names", { says = "missing 1.weight, 1.bias unexpected bias, weight",
   before = SAVE,
   script = "engram.nn.Sequential{ engram.nn.Linear(3, 4) }:load 'w'" })
try("saving into a folder that is not there", { script = "engram.nn.Linear(3, 4):save 'no/w'",
   says = "no/w: cannot write: No such file" })
try("saving to a full disk", { script = "engram.nn.Linear(3, 4):save '/dev/full'",
   says = "/dev/full: cannot write: No space left on device" })
try("saving beyond the limit of file sizes", { command = "sh -c \"trap '' XFSZ; ulimit -f 1; exec engram run --no-run bad.lua\"",
   script = "engram.nn.Linear(300, 400):save 'w'", says = "w: cannot write: File too large" })

-- ---- data sets --------------------------------------------------------------------------------------------

-- Two IDX files of four 2x2 images: `images` and `labels`, spoiled by a shell line.
local function idx(spoil)
   return [[printf '\000\000\010\003\000\000\000\004\000\000\000\002\000\000\000\0020123456789abcdef' > images
      printf '\000\000\010\001\000\000\000\004\000\001\002\001' > labels
      ]] .. spoil
end
local LOAD = "engram.data.idx('images', 'labels', { classes = 3 })"

try("an IDX file cut short", { before = idx "head -c 25 images > x && mv x images", script = LOAD, says = "images: " })
try("an IDX file with more than it says", { before = idx "printf extra >> images", script = LOAD, says = "images: " })
try("a file that is not IDX", { before = idx "echo 'hello hello' > images", script = LOAD, says = "images: " })
try("an IDX file of impossible sizes", { script = LOAD, says = "images: ",
   before = idx [[printf '\000\000\010\003\377\377\377\377\377\377\377\377\377\377\377\377' > images]] })
try("a gzip file cut short", { before = idx "gzip images && head -c 30 images.gz > images && rm images.gz", script = LOAD,
   says = "images: " })
try("an empty file", { before = idx ": > labels", script = LOAD, says = "labels: " })
try("fewer labels than images", { before = idx [[printf '\000\000\010\001\000\000\000\002\000\001' > labels]], script = LOAD,
   says = "4 images, but 2 labels" })
try("a label beyond the classes of a data set", { script = LOAD, says = "labels run from 1 to 10, expected 1 to 3",
   before = idx [[printf '\000\000\010\001\000\000\000\004\000\001\011\001' > labels]] })
try("images where labels should be", { before = idx "cp images labels", script = LOAD, says = "labels: holds (4, 2, 2) uint8" })
try("an unknown data set", { script = "engram.data.load 'mnsit'",
   says = "bad.lua:2: data.load: there is no data set 'mnsit', did you mean 'mnist'?" })
try("a data set that is not here", { script = "engram.data.load 'mnist'", says = "fetch it with: engram data fetch mnist",
   command = "ENGRAM_DATA=. XDG_DATA_HOME=. engram run --no-run bad.lua" })
try("an unknown option of a data set", { script = "engram.data.load('glyphs/digits', { tran = 10 })",
   says = "unknown option 'tran', did you mean 'train'?" })
try("fetching what cannot be fetched", { command = "engram data fetch mnsit", code = 2, says = "did you mean 'mnist'?" })

-- ---- optimizers -------------------------------------------------------------------------------------------

try("an unknown optimizer", { script = "engram.optim.CLASP(engram.nn.Linear(2, 2))",
   says = "bad.lua:2: optim: no optimizer named 'CLASP', did you mean 'CLASSP'?" })
try("an unknown hyper-parameter", { script = "engram.optim.SGD(engram.nn.Linear(2, 2), { momentun = 0.9 })",
   says = "did you mean 'momentum'?" })
try("a hyper-parameter out of range", { script = "engram.optim.SGD(engram.nn.Linear(2, 2), { lr = -1 })", says = "lr" })

-- ---- training ---------------------------------------------------------------------------------------------

-- A training on a few glyphs; `change` is Lua code that spoils the options first.
local function train(change)
   return ([[
      local model = engram.nn.Sequential{ engram.nn.Flatten(), engram.nn.Linear(784, 10) }
      local options = { model = model, optimizer = function(m) return engram.optim.SGD(m, { lr = 0.1 }) end, batch_size = 20,
         stream = engram.cl.stream{ engram.cl.task("glyphs/digits", { limit = 200, test_limit = 20 }) } }
      %s
      engram.cl.train(options)]]):format(change)
end

try("training that diverges", { script = train "options.optimizer = engram.optim.SGD(model, { lr = 1e38 })",
   says = "cl.train: diverged: the loss is" })
try("an unknown option of training", { script = train "options.batchsize = 3",
   says = "cl.train: unknown option 'batchsize', did you mean 'batch_size'?" })
try("training without an optimizer", { script = train "options.optimizer = nil", says = "cl.train: optimizer is missing" })
try("a batch of half an image", { script = train "options.batch_size = 0.5", says = "batch_size must be a whole number" })
try("a model with too few outputs", {
   script = train "options.model = engram.nn.Sequential{ engram.nn.Flatten(), engram.nn.Linear(784, 3) }",
   says = "the model has 3 outputs, but the stream has 10 classes" })
try("a model for other images", { script = train "options.model = engram.nn.Linear(3, 10)", says = "linear: input" })
try("an optimizer of another model", { script = train "options.optimizer = engram.optim.SGD(engram.nn.Linear(784, 10))",
   says = "cl.train: the optimizer moves none of the model's parameters" })
try("an evaluation batch of nothing", { script = train "options.evaluate_batch_size = 0",
   says = "evaluate_batch_size must be a whole number of at least 1, got 0" })
try("a task where a stream should be", { script = train "options.stream = options.stream[1]", says = "make it with cl.stream" })
try("a method that was not made", { script = train "options.method = engram.cl.methods.EWC",
   says = "method must be a method or a list of methods" })
try("an unknown method", { script = train "options.method = engram.cl.methods.EWCC()",
   says = "cl.methods: no method named 'EWCC', did you mean 'EWC'?" })
try("an unknown option of a method", { script = train "options.method = engram.cl.methods.EWC{ lamda = 3 }",
   says = "unknown option 'lamda', did you mean 'lambda'?" })
try("a disk that fills while weights are saved", { script = train "", leaves = true, says = "cannot write: File too large",
   command = "sh -c \"trap '' XFSZ; ulimit -f 8; exec engram run --quiet bad.lua\"" })

-- ---- scripts and settings ---------------------------------------------------------------------------------

try("a script that is not there", { command = "touch classp.lua; engram run clasp.lua", code = 2, leaves = true,
   says = "there is no file 'clasp.lua', did you mean 'classp.lua'?" })
try("a folder as script", { command = "engram run .", code = 2, says = "is a folder, expected a script" })
try("a syntax error", { script = "local x = = 3", says = "bad.lua:2: unexpected symbol near '='" })
try("an error in the script", { script = "local x = nil\nprint(x.y)",
   says = "bad.lua:3: attempt to index local 'x' (a nil value)" })
try("an error without a message", { script = "error{}", says = "the script raised a table without a message" })
try("endless recursion", { script = "local function f() return 1 + f() end\nf()", says = "stack overflow" })
try("a script that is no Lua at all", { before = "printf '\\001\\002 binary \\377\\000' > bad.lua",
   command = "engram run bad.lua", says = "bad.lua:1: unexpected symbol" })
try("a script that is bytecode", { before = "printf '\\033LJ\\002\\000' > bad.lua", command = "engram run bad.lua",
   says = "bad.lua: attempt to load chunk with wrong mode" })
try("an unknown setting", { script = "engram.settings{ threshold = 1 }",
   command = "engram run bad.lua treshold=2", code = 2,
   says = "command line: treshold: unknown key, did you mean 'threshold'?" })
try("a setting of the wrong type", { script = "engram.settings{ lr = 1 }",
   command = "engram run bad.lua lr=fast", code = 2,
   says = "command line: lr: expected a number, got 'fast'" })
try("a run directory that cannot be made", { script = "print 'begun'", before = "touch runs",
   command = "engram run bad.lua >&2",
   says = "runs: cannot make the folder: Not a directory; choose another folder with --runs DIR, or none with --no-run" })
try("a run directory under /proc", { script = "print 'begun'", command = "engram run --runs /proc/runs bad.lua >&2",
   says = "/proc/runs: cannot make the folder" })
local MANY_METRICS = "for step = 1, 1000 do engram.run.current():log_metric{ step = step, loss = 1 / 3 } end"

try("a disk that fills while metrics are written", { leaves = true,
   command = "sh -c \"trap '' XFSZ; ulimit -f 8; exec engram run bad.lua\"",
   script = MANY_METRICS,
   says = "metrics.jsonl: cannot write: File too large" })

t.test("metrics on a full disk end with a whole line; the run is marked as failed", function()
   local folder = t.temporary_folder()
   t.write(folder .. "/bad.lua", HEAD .. MANY_METRICS)
   local code = t.command(("cd %s && trap '' XFSZ; ulimit -f 8; engram run bad.lua"):format(folder))
   t.expect(code):equals(1)
   local _, out = t.command(("cd %s/runs/bad/* && tail -c 2 metrics.jsonl && cat status.json"):format(folder))
   t.expect(out):contains "}\n"
   t.expect(out):contains '"status": "failed"'
end)

t.done()
