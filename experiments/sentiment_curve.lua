-- The losses of the sentiment experiment's model over some steps of one batch, without dropout, for a peer that goes through the same.
--
-- Asked: does PyTorch learn as Engram does?  Writes the first weights, the batch and the losses to `folder` as NumPy files, from where
-- experiments/peers/torch_sentiment.py --curve takes them. Expected: docs/performance.md, "A peer".
local engram = require "engram"
local nn, optim, text = engram.nn, engram.optim, engram.text
local common = require "sentiment_common"

local settings = engram.settings{
   folder = { default = "curve", doc = "where the files go; it is there already" },
   variant = { default = "published", choices = { "published", "paper" }, doc = "CLASSP's" },
   dtype = { default = "float32", choices = { "float32", "float64" } },
   steps = { default = 20, type = "integer", min = 1 },
   batch = { default = 750, type = "integer", min = 2 },
   vocabulary = { default = 82000, type = "integer", min = 3 },
   width = { default = 600, type = "integer", min = 20, doc = "a multiple of 20, the width of a head" },
   feed_forward = { default = 2048, type = "integer", min = 1 },
   seed = 3,
}
if settings.width % 20 ~= 0 then error(("width must be a multiple of 20, the width of a head; got %d"):format(settings.width), 0) end
engram.seed(settings.seed)

local words = text.hashing{ buckets = settings.vocabulary - 1 }
local model = common.model(words, { width = settings.width, heads = settings.width / 20, feed_forward = settings.feed_forward }, true)()
model:to(settings.dtype):eval()                       -- dropout rests, gradients do not

-- The r-th most frequent word about 1 / r as often as the first; of two texts in five the last third is padding.
local tokens = engram.rand(settings.batch, 30, { dtype = "float64" }):mul(math.log(settings.vocabulary)):exp():floor():to "int64"
   :clamp(1, settings.vocabulary)
tokens:narrow(1, 1, math.ceil(settings.batch * 0.4)):narrow(2, 21, 10):fill_(words.padding_index)
local labels = engram.randint(1, 3, settings.batch)

local function write(name, x) engram.npy.save(("%s/%s.npy"):format(settings.folder, name), x:detach()) end
write("tokens", tokens)
write("labels", labels)
for name, p in model:named_parameters() do write(name, p) end
local file = assert(io.open(settings.folder .. "/variant", "w"))
file:write(settings.variant, "\n")
file:close()

local optimizer = optim.CLASSP(model, { lr = 0.025, epsilon = 1e-4, variant = settings.variant,
   threshold = settings.variant == "published" and 0.99 or 1e-7 })
local losses = {}
for i = 1, settings.steps do
   losses[i] = engram.scope(function()
      optimizer:zero_grad()
      local loss = nn.cross_entropy(model(tokens), labels)
      loss:backward()
      optimizer:step()
      return loss:item()
   end)
   print(("%3d  %.15g"):format(i, losses[i]))
end
write("losses", engram.tensor(losses, { dtype = "float64" }))
print(("peak memory %.0f MB"):format(engram.memory().peak_resident / 1e6))
