-- vectors.lua: the golden cases. build/engram run tests/vectors.lua vectors=DIR
-- Reads every case of DIR (a folder with case.json and .npy files each), computes it and compares: float64 within 1e-9, float32
-- within 1e-4 of the largest magnitude. One line a case; ends with `N passed, N failed, N skipped`; exits 1 when one fails.
local engram = require "engram"
local core = require "engram.core"
local ffi = require "ffi"
local nn, optim = engram.nn, engram.optim

local settings = engram.settings{ vectors = os.getenv "ENGRAM_VECTORS" or "vectors" }
local folder = settings.vectors

-- ---- reading and comparing --------------------------------------------------------------------------------

local function list(path)
   local names = {}
   local text = core.C.eg_list_folder(path)
   if text == nil then error(core.message(), 0) end
   for name in ffi.string(text):gmatch "[^\n]+" do names[#names + 1] = name end
   return names
end

local function read_json(path)
   local file = assert(io.open(path, "rb"))
   local text = file:read "*a"
   file:close()
   return engram.json.decode(text)
end

local function reader(path)
   return function(name) return engram.npy.load(path .. "/" .. name .. ".npy") end
end

local function exists(path) return core.C.eg_file_kind(path) == 1 end

-- The largest difference relative to the largest magnitude of the case's array; absolute where that is zero.
local function difference(got, want)
   if got:dim() == 0 then got = got:reshape(1) end                  -- the files hold a number so
   if table.concat(got.shape, ",") ~= table.concat(want.shape, ",") then
      error(("shape (%s), expected (%s)"):format(table.concat(got.shape, ", "), table.concat(want.shape, ", ")), 0)
   end
   if want:numel() == 0 then return 0 end
   local a, b = got:detach():double(), want:detach():double()
   local scale = b:abs():max():item()
   if scale == 0 then scale = 1 end
   local worst = (a - b):abs():max():item() / scale
   return worst == worst and worst or math.huge
end

local function labels_of(t) return t:to "int64" + 1 end            -- the files count from 0

-- ---- the kinds --------------------------------------------------------------------------------------------

local skip = {}                                                     -- raised by a kind that cannot be done yet

local function make_layer(case)
   local name = case.layer
   if not rawget(nn, name) then return nil end
   local arguments = {}
   for i, v in ipairs(case.args or {}) do arguments[i] = v end
   local options = {}
   if case.stride then options.stride = case.stride end
   if case.padding then options.padding = case.padding end
   if case.epsilon and name:find "Norm" then options.epsilon = case.epsilon end
   if case.padding and name == "Embedding" then options = { padding_index = tonumber(case.padding:match "%d+") + 1 } end
   if name == "TransformerEncoderLayer" then options = { dropout = 0, norm = case.norm, activation = case.activation } end
   if next(options) then arguments[#arguments + 1] = options end
   return nn[name](unpack(arguments)):to "float64"
end

local kinds = {}

function kinds.layer(case, read, path, compare)
   local input = read "input"
   local tokens = input.dtype == "int64"                           -- which count from 0 in the files, and have no gradient
   if tokens then input = labels_of(input) else input:requires_grad_() end
   local seed = read "seed"
   local output, module
   if case.layer == "cross_entropy" then
      output = nn.cross_entropy(input, labels_of(read "labels"), { reduction = case.reduction })
   elseif rawget(nn, case.layer) then
      module = make_layer(case)
      for name, p in module:named_parameters() do p:detach():copy_(read("param_" .. name)) end
      for name, b in module:named_buffers() do
         if exists(path .. "/" .. name .. ".npy") then b:copy_(read(name)) end           -- as they were before the call
      end
      module:train(case.mode ~= "eval")
      output = module(input)
   elseif engram.is_tensor(input) and pcall(function() return input[case.layer] end) then
      local argument = (case.layer == "softmax" or case.layer == "log_softmax") and -1 or nil
      output = input[case.layer](input, argument)
   else
      error(skip)
   end
   compare("output", output)
   output:backward(seed:reshape(output.shape))
   if not tokens then compare("grad_input", input.grad) end
   if module then
      for name, p in module:named_parameters() do compare("grad_" .. name, p.grad) end
   end
end

-- The hyper-parameters that a case names, as the optimizer knows them.
local function hyper_of(case)
   local hyper = {}
   for _, key in ipairs{ "lr", "epsilon", "momentum", "dampening", "nesterov", "weight_decay", "beta1", "beta2", "alpha", "power",
      "variant" } do
      if case[key] ~= nil then hyper[key] = case[key] end
   end
   return hyper
end

function kinds.optimizer(case, read, path, compare)
   local w = read "w0":requires_grad_()
   local grads, hyper = read "grads", hyper_of(case)
   local plan = exists(path .. "/schedule.npy") and read "schedule"
   if plan then
      hyper.threshold = function(t) return plan[{ t.step, 1 }]:item() end
      hyper.decay = function(t) return plan[{ t.step, 2 }]:item() ~= 0 end
   end
   local opt = optim[case.optimizer]({ w }, hyper)
   local weights, sums = {}, {}
   for step = 1, #grads do
      w.grad = grads[step]:clone()
      opt:step()
      weights[step] = w:detach():clone()
      if plan then sums[step] = opt:state(w).grad_sum:clone() end
   end
   compare("weights", engram.stack(weights, 1))
   if plan then
      local sum = engram.stack(sums, 1)
      compare("grad_sum", sum)
   end
end

-- Sequential of the case's text: "Linear(6,8) Tanh Linear(8,4)"; parameters are named 0.weight, 2.weight as in PyTorch.
local function small_model(text, read)
   local model_layers, at = {}, 1
   for word in (text:match "^[^;]+" .. " "):gmatch "(%S+)%s" do
      local name, a, b = word:match "^(%u%w*)%((%d+),(%d+)%)$"
      if name then model_layers[at] = nn[name](tonumber(a), tonumber(b))
      else model_layers[at] = nn[word]() end
      at = at + 1
   end
   local model = nn.Sequential(model_layers):to "float64"
   local names = {}
   for name, p in model:named_parameters() do
      local index, rest = name:match "^(%d+)%.(.+)$"
      local theirs = ("%d.%s"):format(tonumber(index) - 1, rest)
      p:detach():copy_(read("param_" .. theirs))
      names[#names + 1] = theirs
   end
   return model, names
end

function kinds.higher_order(case, read, _, compare)
   local model, names = small_model(case.model, read)
   local input = read "input":requires_grad_()
   local parameters = model:parameters()
   local f = model(input):square():sum()
   local grads = engram.grad(f, parameters, { create_graph = true })
   local product
   for i, name in ipairs(names) do
      compare("grad_" .. name, grads[i])
      local term = (grads[i] * read("vector_" .. name)):sum()
      product = product and product + term or term
   end
   for i, h in ipairs(engram.grad(product, parameters, { retain_graph = true })) do compare("hvp_" .. names[i], h) end
   local first = engram.grad(model(input):sum(), { input }, { create_graph = true })[1]
   local columns = {}
   for d = 1, input:size(2) do
      local second = engram.grad(first:narrow(2, d, 1):sum(), { input }, { retain_graph = true })[1]
      columns[d] = second:narrow(2, d, 1)
   end
   compare("second_derivative", engram.cat(columns, 2))
end

function kinds.fisher(case, read, _, compare)
   local model, names = small_model(case.model, read)
   local inputs, labels = read "inputs", labels_of(read "labels")
   local dataset = { size = function() return #inputs end,
      batch = function(_, index) return inputs:index_select(1, index), labels:index_select(1, index) end }
   for _, rule in ipairs{ "empirical", "exact" } do
      for i, t in ipairs(engram.fisher.diagonal(model, dataset, { label = rule })) do compare(rule .. "_" .. names[i], t) end
   end
end

function kinds.model(_, read, path, compare)
   if not exists(path .. "/param_conv1.weight.npy") then error(skip) end
   local conv1, conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
   local fc1, fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)
   local model = nn.Sequential{ conv1, nn.ReLU(), conv2, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), fc1, nn.ReLU(), fc2 }
   local named = { conv1 = conv1, conv2 = conv2, fc1 = fc1, fc2 = fc2 }
   for name, layer in pairs(named) do
      layer.weight:detach():copy_(read("param_" .. name .. ".weight"))
      layer.bias:detach():copy_(read("param_" .. name .. ".bias"))
   end
   local output = model(read "input":float())
   compare("output", output)
   local loss = nn.cross_entropy(output, labels_of(read "labels"))
   compare("loss", loss)
   loss:backward()
   for _, name in ipairs{ "conv1", "conv2", "fc1", "fc2" } do
      compare("grad_norm_" .. name .. ".weight", named[name].weight.grad:norm())
      compare("grad_norm_" .. name .. ".bias", named[name].bias.grad:norm())
   end
   compare("grad_conv1.weight", conv1.weight.grad)
   compare("grad_fc2.weight", fc2.weight.grad)
end

-- ---- the run ----------------------------------------------------------------------------------------------

local counts = { passed = 0, failed = 0, skipped = 0 }

local function report(word, name, text)
   counts[word] = counts[word] + 1
   print(("%-8s %-28s %s"):format(word, name, text))
end

local function run_case(name)
   local path = folder .. "/" .. name
   local case = read_json(path .. "/case.json")
   if not kinds[case.kind] then
      return report("skipped", name, ("there is no kind of case '%s' here"):format(tostring(case.kind)))
   end
   local tolerance = case.dtype == "float32" and 1e-4 or 1e-9
   local read = reader(path)
   local worst, where = 0, "-"
   local function compare(what, got)
      if got == nil then error(what .. ": nothing was computed", 0) end
      local d = difference(got, read(what))
      if d >= worst then worst, where = d, what end
   end
   local ok, message = pcall(engram.scope, kinds[case.kind], case, read, path, compare)
   if not ok and message == skip then return report("skipped", name, "no rule for this case here") end
   if not ok then return report("failed", name, tostring(message)) end
   if where == "-" then return report("failed", name, "nothing was compared") end
   report(worst <= tolerance and "passed" or "failed", name, ("worst %.2e of %.0e (%s)"):format(worst, tolerance, where))
end

if core.C.eg_file_kind(folder) ~= 2 then
   error(("no folder of golden cases at '%s'; give vectors=DIR"):format(folder), 0)
end
for _, name in ipairs(list(folder)) do
   if exists(folder .. "/" .. name .. "/case.json") then run_case(name) end
end
print(("%d passed, %d failed, %d skipped"):format(counts.passed, counts.failed, counts.skipped))
if counts.failed > 0 then os.exit(1, true) end
