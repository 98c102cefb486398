-- cl/init.lua: the laboratory: streams of tasks, training over them, methods and metrics.
local stream = require "engram.cl.stream"

return {
   task = stream.task,
   stream = stream.new,
   train = require "engram.cl.train",
   methods = require "engram.cl.methods",
   metrics = require "engram.cl.metrics",
}
