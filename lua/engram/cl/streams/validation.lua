-- Validation: a part of every task's training items is held out, of every class in proportion, to choose by: what is chosen by the test
-- sets is no longer measured by them. Which items are held depends on the labels and the seed alone, so that tasks that show the same items
-- (permuted, rotated) hold out the same ones.
local common = require "engram.cl.streams.common"
local core = require "engram.core"
local stratified = require "engram.data.stratified"
local raise = core.raise

local WHO = "cl.streams.validation"

-- The change of the training items to those that are held (1) or kept (2); lists: both, as stratified gives them.
local function change_to(which, lists, share, seed)
   return { at_once = true, from = "train", items = #lists[which],
      recipe = ("validation %s %.17g %.17g"):format(which == 1 and "held" or "kept", share, seed),
      pick = function(labels) return (select(which, stratified(WHO .. ": share", labels, share, seed))) end }
end

local function check_task(task)
   if task:has_part "validation" then raise("%s: task '%s' has a validation set already", WHO, task.name) end
   if task.ordered then
      raise("%s: the items of task '%s' stand in the order of time, some of them in another's place: hold out before the stream is blurred",
         WHO, task.name)
   end
   if task.changed_by then
      raise("%s: %s has changed the training items of task '%s', so what is held out would have wrong labels, or be other items in each " ..
         "task: hold out before it, by cl.task(..., { validation = 0.1 }) or by calling %s first", WHO, task.changed_by, task.name, WHO)
   end
end

return {
   name = "validation",
   doc = "items of every task held out to choose by: validation(stream, { share = 0.1, seed = 0 })",
   -- validation(stream, { share = 0.1 or a number of items, seed = 0 })
   make = function(stream, options)
      common.check_stream(WHO, stream)
      options = core.options(WHO, options, { "share", "seed" })
      local share, seed = options.share or 0.1, common.seed(WHO .. ": seed", options.seed)
      return stream:map(function(task)
         check_task(task)
         local lists = require "engram".scope(function() return { stratified(WHO .. ": share", task:labels "train", share, seed) } end)
         return task:derive{ train = change_to(2, lists, share, seed), validation = change_to(1, lists, share, seed) }
      end)
   end,
}
