-- One data set after the other: what cl.stream{ cl.task(...), ... } makes, in a line.
local core = require "engram.core"
local stream = require "engram.cl.stream"
local raise = core.raise

return {
   name = "sequence",
   doc = "one data set after the other: sequence({ \"mnist\", \"fashion-mnist\" }, { scenario = \"task\" })",
   -- sequence({ source, ... }, { scenario =, outputs =, epochs =, limit =, test_limit =, validation =, mean =, deviation = })
   make = function(sources, options)
      options = core.options("cl.streams.sequence", options,
         { "scenario", "outputs", "epochs", "limit", "test_limit", "validation", "mean", "deviation" })
      if type(sources) ~= "table" or sources.images or sources.train then
         raise("cl.streams.sequence: expected a list of data sets or names of them, got %s",
            type(sources) == "table" and "one data set" or core.typename(sources))
      end
      local list = { scenario = options.scenario, outputs = options.outputs }
      for k, source in ipairs(sources) do
         list[k] = stream.task(source, { epochs = options.epochs, limit = options.limit, test_limit = options.test_limit,
            validation = options.validation, mean = options.mean, deviation = options.deviation })
      end
      return stream.new(list)
   end,
}
