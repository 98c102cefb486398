-- Tensors in files: safetensors, npy and a model's weights.
local t = require "tests.harness"
local engram = require "engram"
local nn, safetensors, npy = engram.nn, engram.safetensors, engram.npy

local folder = t.temporary_folder()
local dtypes = { "float32", "float64", "int64", "uint8" }

local function all_equal(a, b)
   t.expect(a.dtype):equals(b.dtype)
   t.expect(a.shape):equals(b.shape)
   t.expect(a):equals(b)
end

t.test("safetensors: tensors of every dtype and shape come back", function()
   local path, given = folder .. "/all.safetensors", {}
   for _, dtype in ipairs(dtypes) do
      given[dtype .. ".scalar"] = engram.tensor(7, { dtype = dtype })
      given[dtype .. ".empty"] = engram.zeros(0, 3, { dtype = dtype })
      given[dtype .. ".cube"] = engram.arange(24, { dtype = dtype }):view(2, 3, 4)
      given[dtype .. ".turned"] = given[dtype .. ".cube"]:transpose(1, 3)
   end
   safetensors.save(path, given)
   local back, metadata, order = safetensors.load(path)
   for name, x in pairs(given) do all_equal(back[name], x) end
   t.expect(#order):equals(16)
   t.expect(metadata):equals{}
end)

t.test("safetensors: order and metadata", function()
   local path = folder .. "/order.safetensors"
   local tensors = { a = engram.ones(2), b = engram.zeros(1), c = engram.ones(1, { dtype = "float64" }) }
   safetensors.save(path, tensors, { order = { "b", "a", "c" }, metadata = { settings = '{"lr": 0.1}', name = "é" } })
   local _, metadata, order = safetensors.load(path)
   t.expect(order):equals{ "c", "b", "a" }
   t.expect(metadata):equals{ settings = '{"lr": 0.1}', name = "é" }
   local before = t.read(path)
   safetensors.save(path, tensors, { order = { "b", "a", "c" }, metadata = { settings = '{"lr": 0.1}', name = "é" } })
   t.expect(t.read(path)):equals(before)
end)

t.test("safetensors: what cannot be saved is refused and nothing is written", function()
   local path, x = folder .. "/refused.safetensors", engram.ones(2)
   local gone = engram.ones(2)
   gone:release()
   local function refused(text, ...)
      local arguments = { ... }
      t.expect(function() safetensors.save(path, unpack(arguments)) end):raises(text)
   end
   refused("expected { name = tensor }", 3)
   refused("names must be strings, got number", { x })
   refused("b: expected a tensor, got number", { b = 3 })
   refused("gone: this tensor was released", { gone = gone })
   refused("belongs to the format", { __metadata__ = x })
   refused("the order names 'c'", { a = x }, { order = { "c" } })
   refused("the order has 1 names for 2 tensors", { a = x, b = x }, { order = { "a" } })
   refused("metadata 'k' must be text", { a = x }, { metadata = { k = 3 } })
   refused("did you mean 'metadata'?", { a = x }, { metadat = {} })
   refused("is not UTF-8", { ["\255"] = x })
   t.expect(t.read(path)):is_nil()
   t.expect(function() safetensors.save(nil, { a = x }) end):raises "expected a path, got nil"
   t.expect(function() safetensors.load(folder .. "/none") end):raises "No such file"
   t.expect(function() safetensors.save("/dev/full", { a = x }) end):raises "/dev/full: cannot write: No space left"
end)

t.test("safetensors: a file that is cut is refused, and nothing leaks", function()
   local path = folder .. "/cut.safetensors"
   safetensors.save(path, { a = engram.arange(20), b = engram.ones(3) })
   local text = t.read(path)
   engram.collect()
   local live = engram.memory().tensors
   for cut = 0, #text - 1, 3 do
      t.write(path, text:sub(1, cut))
      t.expect(function() safetensors.load(path) end):raises(path)
   end
   engram.collect()
   t.expect(engram.memory().tensors):equals(live)
end)

t.test("npy: tensors of every dtype come back", function()
   local path = folder .. "/x.npy"
   for _, dtype in ipairs(dtypes) do
      local x = engram.arange(6, { dtype = dtype }):view(2, 3):t()
      npy.save(path, x)
      all_equal(npy.load(path), x)
   end
   t.expect(function() npy.save(path, 3) end):raises "npy.save: expected a tensor, got number"
   t.expect(function() npy.save(3, engram.ones(1)) end):raises "expected a path"
   t.expect(function() npy.load(folder .. "/none.npy") end):raises "none.npy: cannot open"
   t.write(path, "no array")
   t.expect(function() npy.load(path) end):raises "not a .npy file"
end)

t.test("weights of a model come back to the bit", function()
   local path = folder .. "/model.safetensors"
   local function make() return nn.Sequential{ nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3) } end
   local model, other = make(), make()
   model:save(path)
   t.expect(other:hash()):differs_from(model:hash())
   other:load(path)
   t.expect(other:hash()):equals(model:hash())
   local wider = nn.Sequential{ nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3) }
   local before = wider:hash()
   t.expect(function() wider:load(path) end):raises(path .. ": 1.weight has shape (4, 5), the model wants (4, 6)")
   t.expect(wider:hash()):equals(before)
end)

t.done()
