-- safetensors files that lie, each with its sentence; and the same bits in independent code (NumPy), both ways.
local t = require "tests.harness"
local engram = require "engram"
local safetensors = engram.safetensors

local folder = t.temporary_folder()

-- ---- malformed files --------------------------------------------------------------------------------------

-- A number as u64, little endian.
local function u64(n)
   local bytes = {}
   for i = 1, 8 do
      bytes[i] = string.char(n % 256)
      n = math.floor(n / 256)
   end
   return table.concat(bytes)
end

local function file(header, data) return u64(#header) .. header .. ("x"):rep(data or 0) end

-- A file of one tensor 'a' and as many bytes of data.
local function one(about, data) return file('{"a":' .. about .. "}", data) end

local function u8(shape, from, to) return ('{"dtype":"U8","shape":%s,"data_offsets":[%s,%s]}'):format(shape, from, to) end

local good = one(u8("[3]", 0, 3), 3)

local malformed = {
   { "", "has 0 bytes, too few for a safetensors file" },
   { "\1\2\3", "has 3 bytes, too few for a safetensors file" },
   { good:sub(1, 7), "has 7 bytes, too few for a safetensors file" },
   { u64(0) .. "{}", "claims a header of 0 bytes, expected 2 to 100,000,000: not a safetensors file" },
   { u64(100000001) .. "{}", "claims a header of 100000001 bytes, expected 2 to 100,000,000: not a safetensors file" },
   { ("\255"):rep(8) .. "{}", "claims a header of 18446744073709551615 bytes, expected 2 to 100,000,000: not a safetensors file" },
   { "PK\3\4" .. ("\0"):rep(40), "ends after 44 bytes, within its header of 67,324,752: the file is truncated" },
   { "\128\2}q\0X\5\0\0\0model.weight",
      "claims a header of 1504133810815616 bytes, expected 2 to 100,000,000: not a safetensors file" },
   { u64(500) .. '{"a":1}', "ends after 15 bytes, within its header of 500: the file is truncated" },
   { good:sub(1, 40), "ends after 40 bytes, within its header of 53: the file is truncated" },
   { good:sub(1, -2), "tensor 'a' ends at byte 3 of the data, of which there are 2: the file is truncated" },
   { good .. "y", "goes on for 1 bytes after its last tensor" },
   { file("  {}"), "its header does not begin with {: not a safetensors file" },
   { file "[1, 2]", "its header does not begin with {: not a safetensors file" },
   { file '{"a":', "its header is damaged at byte 13: unexpected token near end of file" },
   { file "{} {}", "its header is damaged at byte 12: end of file expected near '{'" },
   { file "{'a': 1}", "its header is damaged at byte 10: string or '}' expected near '''" },
   { file '{"a":1,"a":2}', "its header is damaged at byte 18: duplicate object key near '\"a\"'" },
   { file '{"\255":1}', "its header is damaged at byte 10: unable to decode byte 0xff near '\"'" },
   { file('{"a":' .. ("["):rep(5000) .. ("]"):rep(5000) .. "}"),
      "its header is damaged at byte 2061: maximum parsing depth reached near '['" },
   { file '{"a":1}', "tensor 'a' is not described by an object" },
   { file '{"__metadata__":[]}', "__metadata__ is not an object" },
   { file '{"__metadata__":{"step":12}}', "__metadata__ 'step' is not a string" },
   { one('{"shape":[3],"data_offsets":[0,3]}', 3),
      "tensor 'a' has no dtype, expected F64 F32 F16 BF16 I64 I32 I16 I8 U32 U16 U8 or BOOL" },
   { one('{"dtype":"C64","shape":[3],"data_offsets":[0,3]}', 3),
      "tensor 'a' has dtype C64, expected F64 F32 F16 BF16 I64 I32 I16 I8 U32 U16 U8 or BOOL" },
   { one('{"dtype":"U8","data_offsets":[0,3]}', 3), "tensor 'a' has a shape that is not a list of at most 8 whole numbers: nothing" },
   { one(u8("[-3]", 0, 3), 3), "tensor 'a' has a shape that is not a list of at most 8 whole numbers: [-3]" },
   { one(u8("[1.5]", 0, 3), 3), "tensor 'a' has a shape that is not a list of at most 8 whole numbers: [1.5]" },
   { one(u8("[1,1,1,1,1,1,1,1,3]", 0, 3), 3), "tensor 'a' has a shape that is not a list of at most 8 whole numbers: [1,1,1,1,1,1,1,1,3]" },
   { one('{"dtype":"U8","shape":[3]}', 3), "tensor 'a' has data_offsets that are not [begin, end]: nothing" },
   { one('{"dtype":"U8","shape":[3],"data_offsets":[0]}', 3), "tensor 'a' has data_offsets that are not [begin, end]: [0]" },
   { one(u8("[3]", 3, 0), 3), "tensor 'a' has data_offsets that are not [begin, end]: [3,0]" },
   { one(u8("[3]", -1, 2), 3), "tensor 'a' has data_offsets that are not [begin, end]: [-1,2]" },
   { one('{"dtype":"U8","shape":[3],"data_offsets":[0,3],"device":"cpu"}', 3),
      "tensor 'a' has an unknown field 'device', expected dtype, shape, data_offsets" },
   { one(u8("[4]", 0, 3), 3), "tensor 'a' of shape (4) and dtype U8 has 3 bytes, expected 4" },
   { one('{"dtype":"F32","shape":[3],"data_offsets":[0,3]}', 3), "tensor 'a' of shape (3) and dtype F32 has 3 bytes, expected 12" },
   { one(u8("[0]", 0, 3), 3), "tensor 'a' of shape (0) and dtype U8 has 3 bytes, expected 0" },
   { one(u8("[4294967296,4294967296]", 0, 0)),
      "tensor 'a' of shape (4294967296, 4294967296) and dtype U8 has 0 bytes, expected more than fit into a file" },
   { one(u8("[9223372036854775807]", 0, "9223372036854775807"), 3),
      "tensor 'a' ends at byte 9,223,372,036,854,775,807 of the data, of which there are 3: the file is truncated" },
   { one(u8("[2]", 1, 3), 3), "tensor 'a' begins at byte 1, expected 0: there is a hole before it" },
   { file('{"a":' .. u8("[2]", 0, 2) .. ',"b":' .. u8("[2]", 1, 3) .. "}", 3),
      "tensor 'b' begins at byte 1, expected 2: it overlaps another" },
   { file('{"a":' .. u8("[2]", 0, 2) .. ',"b":' .. u8("[2]", 3, 5) .. "}", 5),
      "tensor 'b' begins at byte 3, expected 2: there is a hole before it" },
}

for i, case in ipairs(malformed) do
   t.test(("malformed file %d: %s"):format(i, case[2]), function()
      local path = t.write(folder .. "/malformed.safetensors", case[1])
      local live = engram.memory().tensors
      local message = t.expect(function() safetensors.load(path) end):raises(path)
      t.expect((message:gsub("^[^ ]*:%d+: ", ""))):equals(path .. ": " .. case[2])
      t.expect(engram.memory().tensors):equals(live)
   end)
end

t.test("the file that the malformed ones are made from is good", function()
   t.expect(safetensors.load(t.write(folder .. "/good", good)).a:tolist()):equals{ 120, 120, 120 }
end)

-- ---- NumPy ------------------------------------------------------------------------------------------------

-- Reads a file by the format's description alone and writes what it found again, tensors in another order, as a second writer would.
t.write(folder .. "/other.py", [==[
import json, sys, hashlib
import numpy
names = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "u1"}
def read(path):
    raw = open(path, "rb").read()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + length])
    data, found = raw[8 + length:], {}
    metadata = header.pop("__metadata__", {})
    for name, about in header.items():
        begin, end = about["data_offsets"]
        found[name] = numpy.frombuffer(data[begin:end], names[about["dtype"]]).reshape(about["shape"])
    return found, metadata
def write(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name[::-1])):
        array = numpy.ascontiguousarray(tensors[name])
        dtype = next(key for key, value in names.items() if numpy.dtype(value) == array.dtype)
        header[name] = {"dtype": dtype, "shape": list(tensors[name].shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(len(text).to_bytes(8, "little") + text + data)
tensors, metadata = read(sys.argv[1])
for name in sorted(tensors):
    array = tensors[name]
    print(name, array.dtype, ",".join(map(str, array.shape)), hashlib.sha256(array.tobytes()).hexdigest())
write(sys.argv[2], tensors, metadata)
]==])

-- A checkpoint in the middle of a training, with slots, masks, an order and scalars.
local function make_checkpoint()
   t.write(folder .. "/make.lua", [[
      local engram = require "engram"
      local nn, optim, cl = engram.nn, engram.optim, engram.cl
      local images, labels = engram.rand(40, 1, 8, 8), engram.randint(1, 4, 40)
      local set = engram.data.dataset{ name = "random", images = images, labels = labels, classes = 4 }
      print(cl.train{ seed = 1, stream = cl.stream{ cl.task(set), cl.task(set) }, batch_size = 8, checkpoint_every = 1,
         method = cl.methods.EWC{ lambda = 1, samples = 16 },
         model = function() return nn.Sequential{ nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4) } end,
         optimizer = function(model) return optim.Adam(model) end,
         on_step = function(s) if s.step == 8 and not os.getenv "AGAIN" then error "enough" end end }.hash)]])
   t.command(("rm -rf %s/runs; engram run --quiet --runs %s/runs %s/make.lua"):format(folder, folder, folder))
   local _, path = t.command(("echo %s/runs/make/*/ckpt/last.safetensors"):format(folder))
   return path:match "%S+"
end

local function sha256(x)
   local ffi, C = require "ffi", require "engram.core".C
   local digest, hex = ffi.new "eg_sha256", ffi.new "char[65]"
   C.eg_sha256_begin(digest)
   require "engram.core".check(C.eg_sha256_tensor(digest, x.tensor))
   C.eg_sha256_end(digest, hex)
   return ffi.string(hex)
end

local python = t.python "numpy"
if not python then
   t.skip("NumPy reads our checkpoint to the bit, and we read its", "python3 with NumPy is missing")
else
   t.test("NumPy reads our checkpoint to the bit, and we read its", function()
      local path = make_checkpoint()
      local copy = folder .. "/copy.safetensors"
      local code, out, err = t.command(("%s %s/other.py %s %s"):format(python, folder, path, copy))
      t.expect({ code, err }):equals{ 0, "" }
      local ours, metadata = safetensors.load(path)
      local count = 0
      for name, dtype, shape, hash in out:gmatch "(%S+) (%S+) (%S*) (%x+)\n" do
         local x = ours[name]
         t.expect({ name, dtype, shape, hash }):equals{ name, x.dtype, table.concat(x.shape, ","), sha256(x) }
         count = count + 1
      end
      local theirs, their_metadata = safetensors.load(copy)
      for name, x in pairs(ours) do
         t.expect({ name, sha256(theirs[name]), theirs[name].shape }):equals{ name, sha256(x), x.shape }
         count = count - 1
      end
      t.expect(count):equals(0)
      t.expect(their_metadata):equals(metadata)
      t.expect(t.read(copy)):differs_from(t.read(path))
   end)
   t.test("a run goes on to the same bits from a checkpoint that NumPy wrote", function()
      local path = make_checkpoint()
      t.command(("%s %s/other.py %s %s/copy && cp %s/copy %s"):format(python, folder, path, folder, folder, path))
      local _, whole = t.command(("AGAIN=1 engram run --no-run --quiet %s/make.lua"):format(folder))
      local code, out, err = t.command("AGAIN=1 engram resume --quiet " .. path:match "^(.*)/ckpt/")
      t.expect({ code, out, err }):equals{ 0, whole, "" }
      t.expect(#whole):equals(65)
   end)
end

-- ---- the checksum -----------------------------------------------------------------------------------------

t.test("with a checksum, a bit that has changed anywhere is told; without one, a file is taken as it is", function()
   local path = folder .. "/summed.safetensors"
   local tensors = { a = engram.arange(1, 6):view(2, 3), ["b.c"] = engram.tensor{ 1.5, -2 } }
   safetensors.save(path, tensors, { metadata = { step = "12" }, checksum = true })
   local read, metadata = safetensors.load(path)
   t.expect({ read, metadata.step, #metadata.crc32c }):equals{ tensors, "12", 8 }
   local text = t.read(path)
   local at = text:find("12", 1, true)
   for _, place in ipairs{ #text, #text - 30, at, at + 1, text:find("b.c", 1, true) } do
      t.write(path, text:sub(1, place - 1) .. string.char(bit.bxor(text:byte(place), 1)) .. text:sub(place + 1))
      t.expect(function() safetensors.load(path) end):raises("summed.safetensors: is damaged: its CRC-32C is ")
   end
   t.write(path, (text:gsub("crc32c", "CRC32C")))
   t.expect((safetensors.load(path))):equals(tensors)
   safetensors.save(path, tensors, { checksum = true })                  -- and the metadata that was given is as it was
   t.expect(select(2, safetensors.load(path)).step):is_nil()
end)

t.test("a byte of a BOOL tensor is 0 or 1", function()
   local path = t.write(folder .. "/bool.safetensors", file '{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}' .. "\0\1\7")
   t.expect(function() safetensors.load(path) end):raises "tensor 'a' of dtype BOOL has a byte of 7 at element 3, expected 0 or 1"
   t.write(path, file '{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}' .. "\0\1\1")
   t.expect(safetensors.load(path).a:tolist()):equals{ 0, 1, 1 }
end)

t.done()
