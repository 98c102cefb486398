-- Optimizers in C: what is wrong with a file or a descriptor is said in one sentence and never crashes; what the host offers works.
local t = require "tests.harness"
local plugins = require "tests.plugins"
local engram = require "engram"
local optim = engram.optim
local folder, include = plugins.folder, plugins.include
local script, sh, test, compile, source = plugins.script, plugins.sh, plugins.test, plugins.compile, plugins.source

local made = 0

-- The message with which a plugin is refused, without the path before it.
local function refusal(parts)
   made = made + 1
   local path = compile("bad" .. made, type(parts) == "string" and parts or source(parts))
   local message = t.expect(function() optim.load(path) end):raises "optim.load: "
   local from = message:find(path, 1, true)
   if not from then error("the message does not name the file: " .. message, 0) end
   return message:sub(from + #path + 2)
end

local HEADER = " (in " .. require "engram.optim.plugin".header_folder() .. ")"
local AGAIN = "compile it again with this Engram's engram_plugin.h" .. HEADER

local function descriptor(fields)
   return source{ plugin = "static const engram_plugin_descriptor d = {" .. fields .. "};\n"
      .. "const engram_plugin_descriptor *engram_plugin(void) { return &d; }" }
end
local SOUND = ".magic = ENGRAM_MAGIC, .abi_major = 1, .abi_minor = 0, .struct_size = sizeof(engram_plugin_descriptor), .name = \"T\", "
   .. ".version = \"1\", .step = step"

local NAN = "0.0 / 0.0"
local function hyper_of(text) return { hyper = "ENGRAM_HYPER(" .. text .. ")" } end

-- What is wrong, the plugin, and the sentence.
local wrong = {
   { "another major version", descriptor(SOUND .. ", .abi_major = 2, .abi_minor = 1"),
      "optimizer ABI 2.1, this Engram has 1.0: " .. AGAIN },
   { "a newer minor version", descriptor(SOUND .. ", .abi_minor = 7"),
      "optimizer ABI 1.7 is newer than this Engram's 1.0: " .. AGAIN .. ", or use a newer Engram" },
   { "a descriptor that is too small", descriptor(SOUND .. ", .struct_size = 40"),
      ("its descriptor tells a size of 40 bytes, expected 152: %s"):format(AGAIN) },
   { "a descriptor of absurd size", descriptor(SOUND .. ", .struct_size = (size_t)1 << 40"),
      ("its descriptor tells a size of 1099511627776 bytes, expected 152: %s"):format(AGAIN) },
   { "wrong magic", descriptor(SOUND .. ", .magic = 0x1234"),
      "its descriptor begins with 0x1234 instead of ENGRAM_MAGIC: " .. AGAIN },
   { "no descriptor", source{ plugin = "const engram_plugin_descriptor *engram_plugin(void) { (void)step; return NULL; }" },
      "engram_plugin() returned NULL: return the descriptor" },
   { "a wild descriptor",
      source{ plugin = "const engram_plugin_descriptor *engram_plugin(void) { (void)step; return (const void *)8; }" },
      "engram_plugin() returned a pointer to nothing that can be read: return the descriptor" },
   { "no exported function", "int other(void) { return 0; }",
      "exports no function engram_plugin: end it with ENGRAM_PLUGIN(...) of engram_plugin.h" },
   { "a hidden function", "__attribute__((visibility(\"hidden\"))) const void *engram_plugin(void) { return 0; }",
      "exports no function engram_plugin: end it with ENGRAM_PLUGIN(...) of engram_plugin.h" },
   { "data of the function's name", "int engram_plugin = 3;", "its engram_plugin is no function: use ENGRAM_PLUGIN(...)" },
   { "no name", descriptor((SOUND:gsub('"T"', "0"))), "its name is NULL: give it a name" },
   { "a name that is none", { name = "Sign SGD" }, "its name is 'Sign SGD': use letters, digits and underscores, a letter first" },
   { "a wild name", descriptor((SOUND:gsub('"T"', "(const char *)16"))),
      "its name cannot be read, or is longer than 64 letters: point to a constant string" },
   { "no version", descriptor((SOUND:gsub('"1"', "0"))), "it has no version: set .version, such as \"1.0\"" },
   { "an escape sequence in the doc", { fields = ', .doc = "red \\033[31m"' }, "its doc holds a control character: write one plain line" },
   { "no step", descriptor((SOUND:gsub(".step = step", "0"))), nil },
   { "a step that is no function", { fields = ", .create = (void *)24" }, "its create points to no function" },
   { "statistics without a function", { before = 'static const engram_statistic s[] = { ENGRAM_STATISTIC(.name = "a") };',
      fields = ", .statistic = s, .statistics_count = 1" }, "it declares 1 statistics but no function that tells them: set .statistics" },
   { "too many slots", { slots = 33 }, "it declares 33 of `slot`, expected 0 to 32" },
   { "a negative count", { hypers = -1 }, "it declares -1 of `hyper`, expected 0 to 64" },
   { "a count without an array", descriptor(SOUND .. ", .slots = 2"), "`slot` is NULL, but it declares 2: point to an array of them" },
   { "a wild array", descriptor(SOUND .. ", .slots = 2, .slot = (const void *)64"), "`slot` points to nothing that can be read" },
   { "a hyper-parameter without its size", { hyper = '{ .name = "lr" }' },
      "`hyper` has structs of 0 bytes, expected 64: " .. AGAIN .. ", and set struct_size in each" },
   { "more counted than there are", { hyper = 'ENGRAM_HYPER(.name = "lr"), { 1 }', hypers = 2 },
      "`hyper` entry 2 tells 1 bytes, the first 64: set struct_size in each, and count them right" },
   { "a hyper-parameter without a name", hyper_of ".initial = 1", "the name of hyper-parameter 1 is NULL: give it a name" },
   { "two hyper-parameters of one name", { hyper = 'ENGRAM_HYPER(.name = "lr"), ENGRAM_HYPER(.name = "lr")', hypers = 2 },
      "hyper-parameters 1 and 2 are both named 'lr': give each a name of its own" },
   { "a slot named as a hyper-parameter", { slot = 'ENGRAM_SLOT(.name = "lr")' },
      "slot 1 and hyper-parameter 1 are both named 'lr': give each a name of its own" },
   { "a default out of range", hyper_of '.name = "lr", .initial = 3, .minimum = 0, .maximum = 1',
      "hyper-parameter lr has the default 3 outside its range 0 to 1: set minimum and maximum" },
   { "a range upside down", hyper_of '.name = "lr", .minimum = 1, .maximum = -1',
      "hyper-parameter lr has the range 1 to -1: set minimum and maximum, -INFINITY and INFINITY for none" },
   { "a NaN default", hyper_of('.name = "lr", .initial = ' .. NAN .. ", .maximum = 1"),
      "hyper-parameter lr has the default nan: give a finite one" },
   { "an unknown type", hyper_of '.name = "lr", .type = 9',
      "hyper-parameter lr has the unknown type 9: use ENGRAM_NUMBER, _WHOLE, _SWITCH or _CHOICE" },
   { "a broken whole number", hyper_of '.name = "n", .type = ENGRAM_WHOLE, .initial = 1.5, .maximum = 2',
      "hyper-parameter n is a whole number, but its default is 1.5" },
   { "a switch that is 2", hyper_of '.name = "on", .type = ENGRAM_SWITCH, .initial = 2',
      "hyper-parameter on is a switch, but its default is 2: use 0 or 1" },
   { "a choice without choices", hyper_of '.name = "kind", .type = ENGRAM_CHOICE',
      "hyper-parameter kind is a choice without choices: list them, NULL at the end" },
   { "a default that is no choice", { before = 'static const char *const words[] = { "a", "b", 0 };',
      hyper = 'ENGRAM_HYPER(.name = "kind", .type = ENGRAM_CHOICE, .choices = words, .initial = 2)' },
      "hyper-parameter kind has the default 2, expected the place of a choice, 0 to 1" },
   { "two slots of one name", { slot = 'ENGRAM_SLOT(.name = "m"), ENGRAM_SLOT(.name = "m")', slots = 2 },
      "slots 1 and 2 are both named 'm': give each a name of its own" },
   { "a slot like nothing", { slot = 'ENGRAM_SLOT(.name = "m", .like = 5)' },
      "slot m is like 5: use ENGRAM_LIKE_PARAMETER or ENGRAM_SCALAR" },
   { "a slot that begins as NaN", { slot = 'ENGRAM_SLOT(.name = "m", .initial = ' .. NAN .. ")" }, nil },
   { "a slot with an odd reset", { slot = 'ENGRAM_SLOT(.name = "m", .reset_at_task = 2)' },
      "slot m has reset_at_task = 2: use 0 or 1" },
   { "a slot named as the host's own", { slot = 'ENGRAM_SLOT(.name = "step_count")' },
      "optimizer Test: slots.step_count: the name is taken by the number of steps" },
   { "a hyper-parameter named as the host's own", hyper_of '.name = "task", .maximum = 1',
      "optimizer Test: hyper.task: the name is taken: h.task is the task" },
   { "the name of a built-in", { name = "SGD" }, "an optimizer named 'SGD' is registered already" },
   { "the name of a function", { name = "load" }, "the name 'load' is taken by optim.load" },
   { "a symbol that nobody has", { step = "extern int nobody(void); return nobody();" }, "undefined symbol: nobody" },
}

for _, case in ipairs(wrong) do
   test("refused: " .. case[1], function()
      local said = refusal(case[2])
      local wanted = case[3] or ({ ["no step"] = "it has no step function: set .step",
         ["a slot that begins as NaN"] = "slot m begins as" })[case[1]]
      if wanted:find "undefined symbol" or not case[3] then t.expect(said):contains(wanted) else t.expect(said):equals(wanted) end
   end)
end

-- ---- files that are no plugin -----------------------------------------------------------------------------

-- A sound library with some bytes replaced: { offset counted from 0, bytes }.
local function patched(name, changes)
   local bytes = t.read(compile("sound", source{ name = "Sound" }))
   for _, change in ipairs(changes) do bytes = bytes:sub(1, change[1]) .. change[2] .. bytes:sub(change[1] + #change[2] + 1) end
   return t.write(folder .. "/" .. name, bytes)
end

local function said_of(path) return t.expect(function() optim.load(path) end):raises(path) end

test("files that are no library for this machine", function()
   t.expect(said_of(patched("small.so", { { 4, "\1" } }))):contains "is a 32-bit library, this Engram has 64 bits"
   t.expect(said_of(patched("order.so", { { 5, "\2" } }))):contains "has the other byte order"
   t.expect(said_of(patched("arm.so", { { 18, "\183\0" } }))):contains "is made for another processor (ELF machine 183, here 62)"
   t.expect(said_of(patched("program.so", { { 16, "\2" } }))):contains "is a program, no shared library"
   t.expect(said_of(patched("object.so", { { 16, "\1" } }))):contains "is an object file, no shared library"
   t.expect(said_of(t.write(folder .. "/text.so", "just words\n"))):contains "is no shared library"
   t.expect(said_of(t.write(folder .. "/empty.so", ""))):contains "is no shared library"
   local whole = t.read(folder .. "/sound.so")
   t.expect(said_of(t.write(folder .. "/head.so", whole:sub(1, 30)))):contains "is cut short: it ends after 30 bytes"
   for _, share in ipairs{ 0.1, 0.5, 0.9, 0.999 } do
      t.expect(said_of(t.write(folder .. "/cut.so", whole:sub(1, math.floor(#whole * share))))):contains "is cut short or damaged"
   end
end)

t.test("paths that are no file", function()
   t.expect(function() optim.load(folder) end):raises(folder .. " is a folder, expected the file of an optimizer (.lua or .so)")
   t.expect(function() optim.load "" end):raises "optim.load: the path is empty"
   t.expect(function() optim.load(7) end):raises "optim.load: expected a path, got number"
   t.expect(function() optim.load "sing_sgd" end):raises "there is no file 'sing_sgd', did you mean 'sign_sgd'?"
   sh "mkfifo pipe.so"
   t.expect(function() optim.load(folder .. "/pipe.so") end):raises "is no plain file"
   if sh "test $(id -u) = 0" ~= 0 then
      script("closed.so", "x")
      sh "chmod 000 closed.so"
      t.expect(function() optim.load(folder .. "/closed.so") end):raises "Permission denied"
   end
end)

-- ---- failures while it works ------------------------------------------------------------------------------

local function weights(values, options)
   local w = engram.tensor(values, options)
   w:requires_grad_()
   w.grad = engram.ones_like(w:detach())
   return w
end

test("create, step, tasks and statistics that fail say so and leave the process alive", function()
   local make = optim.load(compile("failing", source{ name = "Failing", hyper = 'ENGRAM_HYPER(.name = "how", .type = ENGRAM_WHOLE, '
      .. ".maximum = 9)", before = [[
static engram_status create(const engram_target *target, void **state) {
   *state = (void *)target->host;
   return target->parameters == 3 ? target->host->fail(ENGRAM_MEMORY, "no room for %d", (int)target->weights) : ENGRAM_OK;
}
static engram_status begin(void *s, int64_t task) { return ((engram_host *)s)->fail(ENGRAM_FAILED, "task %d is no good", (int)task); }
static engram_status end(void *s, int64_t task) { (void)s; return task > 1 ? 55 : 0; }
static engram_status tell(void *s, double *values) { (void)s; values[0] = 2.5; return 0; }
static const engram_statistic told[] = { ENGRAM_STATISTIC(.name = "half_five") };]], step = [[
   v->host->log("step %d of %s", (int)v->step, v->name);
   switch ((int)v->hyper[0]) {
      case 1: return v->host->fail(ENGRAM_INVALID, "weight %s: %d elements are too few", v->name, (int)v->count);
      case 2: return 77;
      case 3: v->moved = v->count + 1; return ENGRAM_OK;
      case 4: return v->host->fail(ENGRAM_OK, "failed with OK");
      default: v->moved = 1; return ENGRAM_OK;
   }]], fields = ", .create = create, .task_begin = begin, .task_end = end, "
      .. ".statistics = tell, .statistic = told, .statistics_count = 1" }))
   local w = weights{ 1, 2 }
   t.expect(function() make{ weights{ 1 }, weights{ 1 }, weights{ 1, 2 } } end):raises "optim.Failing: no room for 4"
   local opt = make{ w }
   opt:step()
   t.expect(opt:statistics().half_five):equals(2.5)
   t.expect(opt:statistics().update_density):equals(0.5)
   opt:set{ how = 1 }
   t.expect(function() opt:step() end):raises "optim.Failing: parameter 1: "
   t.expect(function() opt:step() end):raises "weight 1: 2 elements are too few"
   opt:set{ how = 2 }
   t.expect(function() opt:step() end):raises "step returned status 77 without a message"
   opt:set{ how = 3 }
   t.expect(function() opt:step() end):raises "Failing: step says that 3 weights moved, of 2"
   opt:set{ how = 4 }
   t.expect(function() opt:step() end):raises "failed with OK"
   t.expect(function() opt:task_begin(2) end):raises "task 2 is no good"
   t.expect(function() opt:task_end(2) end):raises "optim.Failing: task_end returned status 55 without a message"
   t.expect(function() opt:set{ how = 1.5 } end):raises "optim.Failing: how = 1.5, expected a whole number"
   for _, value in ipairs{ 0 / 0, 1 / 0, -1, 10 } do t.expect(function() opt:set{ how = value } end):raises "optim.Failing: how" end
end)

test("what a plugin logs is printed and in the run's log", function()
   script("logging.lua", ([[
local engram = require "engram"
local w = engram.ones(2, { requires_grad = true })
w.grad = engram.ones(2)
engram.optim.load %q{ w }:step()]]):format(folder .. "/failing.so"))
   local code, out = sh "engram run --runs logged logging.lua && cat logged/logging/*/log.txt"
   t.expect(code):equals(0)
   t.expect(select(2, out:gsub("Failing: step 1 of 1", ""))):equals(2)
end)

-- ---- what the host offers -----------------------------------------------------------------------------------

test("types, choices, scalars, random numbers, sums and products of the host", function()
   local make = optim.load(compile("offers", source{ name = "Offers", before = 'static const char *const kinds[] = { "one", "two", 0 };\n'
      .. "static double ones(void *c, int64_t first, int64_t n) { (void)c; (void)first; return (double)n; }",
      hyper = 'ENGRAM_HYPER(.name = "kind", .type = ENGRAM_CHOICE, .choices = kinds, .initial = 1), '
      .. 'ENGRAM_HYPER(.name = "on", .type = ENGRAM_SWITCH)', hypers = 2,
      slot = 'ENGRAM_SLOT(.name = "sum", .like = ENGRAM_SCALAR, .initial = 5, .reset_at_task = 1), ENGRAM_SLOT(.name = "copy")', slots = 2,
      step = [[
   double *sum = v->slots[0], u[3];
   uint32_t ahead[8], again[8];
   if (v->dtype != ENGRAM_FLOAT64 || v->dims != 2 || v->shape[0] != 2) return v->host->fail(ENGRAM_INVALID, "other shape");
   if (!ENGRAM_HAS(v->host, matmul)) return v->host->fail(ENGRAM_FAILED, "no matmul");
   v->host->random_blocks(v->random, 0, 2, ahead);
   v->host->random_advance(v->random, 1);
   v->host->random_blocks(v->random, 0, 1, again);
   if (memcmp(ahead + 4, again, 16)) return v->host->fail(ENGRAM_FAILED, "blocks are not where they were");
   v->host->uniform(v->random, u, 3);
   *sum += v->host->parallel_sum(100000, ones, 0) + (u[0] < 1) + v->hyper[0] + 10 * v->hyper[1];
   memcpy(v->slots[1], v->data, (size_t)v->count * sizeof(double));
   return v->host->matmul(v->dtype, 2, 2, 2, v->slots[1], 0, v->slots[1], 1, v->data);]] }))
   local w = weights({ { 1, 2 }, { 3, 4 } }, { dtype = "float64" })
   local opt = make({ w }, { on = true })
   opt:step()
   t.expect(w:detach():tolist()):equals{ { 5, 11 }, { 11, 25 } }                -- a times its transpose
   t.expect(opt:state(w).sum:item()):equals(5 + 100000 + 1 + 1 + 10)
   opt:set{ kind = "one", on = false }
   opt:step()
   t.expect(opt:state(w).sum:item()):equals(2 * 100000 + 5 + 1 + 1 + 1 + 10)
   opt:task_begin(2)
   t.expect(opt:state(w).sum:item()):equals(5)
   t.expect((opt:bytes())):equals(8 + 32)
   t.expect(function() opt:set{ kind = "three" } end):raises "kind = three is not one of one, two"
   t.expect(function() make({ weights{ 1 } }):step() end):raises "other shape"
end)

test("one file alone is enough, also for C++ and a strict C compiler", function()
   script("strict.c", source{ name = "Strict", step = "(void)v; return ENGRAM_OK;" })
   local line = "cp %s/engram_plugin.h . && cc -std=c11 -pedantic -Wall -Wextra -Werror -Wno-missing-field-initializers -shared -fPIC -I . "
      .. "strict.c -o strict.so"
   t.expect(sh(line:format(t.quote(include)))):equals(0)
   if sh "command -v c++" == 0 then
      script("plus.cpp", '#include "engram_plugin.h"\nint main() { return sizeof(engram_view) == 0; }\n')
      t.expect(sh "c++ -Wall -Wextra -Werror plus.cpp -o plus && ./plus"):equals(0)
   end
end)

-- ---- Lion ----------------------------------------------------------------------------------------------------

test("Lion, the example in C, is its paper's rule", function()
   local make = optim.load(plugins.lion())
   local start, steps = { 0.5, -1.5, 2, 0 }, 12
   local function gradient(step, i) return math.sin(step * 1.7 + i) * (i == 4 and step % 2 or 1) end
   local w = weights(start, { dtype = "float64" })
   local opt = make({ w }, { lr = 0.05, beta1 = 0.8, beta2 = 0.95, weight_decay = 0.1 })
   local expected, m = { unpack(start) }, { 0, 0, 0, 0 }
   for step = 1, steps do
      local g = {}
      for i = 1, 4 do
         g[i] = gradient(step, i)
         local c = 0.8 * m[i] + 0.2 * g[i]
         expected[i] = expected[i] - 0.05 * ((c > 0 and 1 or c < 0 and -1 or 0) + 0.1 * expected[i])
         m[i] = 0.95 * m[i] + 0.05 * g[i]
      end
      w.grad = engram.tensor(g, { dtype = "float64" })
      opt:step()
   end
   t.expect(w:detach():tolist()):close_to(expected, 1e-12)
   t.expect(opt:state(w).momentum:tolist()):close_to(m, 1e-12)
end)

t.done()
