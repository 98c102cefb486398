-- cl/init.lua: the laboratory: streams of tasks, training over them, methods and metrics.
local stream = require "engram.cl.stream"
local train = require "engram.cl.train"

return {
   task = stream.task,
   stream = stream.new,
   train = function(given) return train.train(given) end,
   fork = require "engram.cl.fork",
   methods = require "engram.cl.methods",
   metrics = require "engram.cl.metrics",
   scenario = require "engram.cl.scenario",
   streams = require "engram.cl.streams",
}
