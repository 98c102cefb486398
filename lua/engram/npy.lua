-- npy.lua: one tensor in NumPy's own file format.
local core = require "engram.core"
local tensor = require "engram.tensor"
local C = core.C

local npy = {}

-- npy.load(path): the array as a tensor; integers narrower than 64 bits become int64, except uint8; booleans uint8.
function npy.load(path)
   core.path("npy.load", path)
   return tensor.wrap(C.eg_npy_read(path))
end

-- npy.save(path, x): whole or not at all.
function npy.save(path, x)
   core.path("npy.save", path)
   core.check(C.eg_npy_write(path, tensor.live(x, "npy.save")))
end

return npy
