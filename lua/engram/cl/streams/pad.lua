-- Pictures in the middle of larger ones, with zeros around them: 28x28 as 32x32, as Hsu et al. 2018 and van de Ven and Tolias 2019 do.
local common = require "engram.cl.streams.common"
local core = require "engram.core"

local WHO = "cl.streams.pad"

return {
   name = "pad",
   doc = "zeros around the pictures: pad(stream, { size = 32 })",
   make = function(stream, options)
      common.check_stream(WHO, stream)
      local size = core.options(WHO, options, { "size" }).size or 32
      return stream:map(function(task)
         local change = { shape = common.padded_shape(WHO, task:shape(), size), recipe = "pad " .. size, labels = common.unchanged,
            by_item = true, make = function(set) return common.padded(WHO, set, size) end }
         return task:derive{ train = change, validation = change, test = change }
      end)
   end,
}
