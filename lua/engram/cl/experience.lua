-- cl/experience.lua: one task of a stream: what is known of it, and its data sets `train` and `test` (and `validation`, where one is held
-- out), which may be made only when they are asked for and released after use: so a stream of 500 tasks needs the memory of one.
--
-- A part is { set = data set } that is there from the start, or { make = function() -> data set, items =, shape =, recipe = function() ->
-- text, base = data sets } whose data are drawn up by `make` each time, with the same bits. The recipe says in words and hashes all that
-- they are made of; the base is what stays in memory for it. Where each item is made of one (`by_item`), `make(rows)` makes those at rows
-- alone. Data of a part that is `sealed` cannot be asked for.
local core = require "engram.core"
local suggest = require "engram.suggest"
local tensor = require "engram.tensor"
local raise = core.raise

local Experience = {}
local experience = {}

-- ---- data -------------------------------------------------------------------------------------------------

-- The set, with handles of its own on its tensors, which outlive the scope they were made in.
local function owned(set)
   local own = setmetatable({}, getmetatable(set))
   for key, value in pairs(set) do own[key] = value end
   own.images, own.labels = set.images:detach():keep(), set.labels:detach():keep()
   return own
end

local function is_there(part)
   return part.set ~= nil or (part.made ~= nil and part.made.images.tensor ~= nil)
end

local PARTS = { "train", "validation", "test" }

-- The part of that name; raises where the task has none.
local function part_of(self, name)
   local part = self.parts[name]
   if part then return part end
   local names, known = {}, {}
   for _, own in ipairs(PARTS) do
      if self.parts[own] then names[#names + 1], known[own] = own, true end
   end
   raise("stream: task '%s' has no part '%s', it has %s%s", rawget(self, "name"), tostring(name), table.concat(names, ", "),
      suggest.hint(tostring(name), known))
end

local function check_seal(self, part)
   if part.sealed then
      raise("stream: the test set of '%s' is sealed: what is chosen is chosen on the validation set; for the final report give " ..
         "stream:unseal(), or train with evaluate_on = 'test'", rawget(self, "name"))
   end
end

local function data_of(part)
   if part.set then return part.set end
   if not is_there(part) then
      tensor.scope(function() part.made = owned(part.make()) end)
      if part.made:size() ~= part.items then
         raise("stream: %s has %d items, %d were expected", part.made.name, part.made:size(), part.items)
      end
   end
   return part.made
end

-- The data set of a part, without a note that somebody asked for a test set: for the trainer, and for makers of streams.
function Experience:open(name)
   local part = part_of(self, name)
   check_seal(self, part)
   return data_of(part)
end

-- The data set of a part ("train", "test" or "validation"), as `experience.train` gives it.
function Experience:data(name)
   local set = Experience.open(self, name)
   if name == "test" then require "engram.cl.seal".asked() end
   return set
end

function Experience.__index(self, key) return rawget(self, "parts")[key] and Experience.data(self, key) or Experience[key] end

-- The data of a part ("train" or "test"), or its items at `rows` (indices), drawn up anew where they are made: for makers of other data,
-- inside a scope.
function Experience:draw(part, rows)
   part = part_of(self, part)
   check_seal(self, part)
   if part.by_item then return part.make(rows) end
   local set = part.set or part.make()
   return rows and set:subset(rows) or set
end

-- The labels of a part, without the images where those need not be made for it: for counting, inside a scope.
function Experience:labels(part)
   part = part_of(self, part)
   check_seal(self, part)
   if part.set or part.made then return (part.set or part.made).labels end
   return part.labels and part.labels() or part.make().labels
end

-- How many items a part has, whether it is there or not.
function Experience:items(part)
   part = part_of(self, part)
   return part.set and part.set:size() or part.items
end

-- How long it is trained on, in words.
function Experience:duration()
   if self.stop then return "until " .. tostring(self.stop) end
   return self.steps and ("%d steps"):format(self.steps) or ("%d epochs"):format(self.epochs)
end

-- What it is, on one line.
function Experience.__tostring(self)
   local held = self:has_part "validation" and (" + %d"):format(self:items "validation") or ""
   return ("%s: %d%s + %d items, %s"):format(self.name, self:items "train", held, self:items "test", self:duration())
end

-- Steps of an epoch and in all, in batches of a size.
function Experience:steps_of(batch_size, drop_last)
   local an_epoch = self:items "train" / batch_size
   an_epoch = drop_last and math.floor(an_epoch) or math.ceil(an_epoch)
   return an_epoch, self.steps or self.epochs * an_epoch
end

-- The shape of one item, as a list.
function Experience:shape()
   local part = self.parts.train
   if part.shape then return part.shape end
   local shape = part.set.images.shape
   table.remove(shape, 1)
   return shape
end

-- The data set that the training items are, or are made of: for what it tells of them.
function Experience:made_of()
   local part = self.parts.train
   return part.set or part.base and part.base[1] or {}
end

-- True when there is a part: a validation set is not always held out.
function Experience:has_part(name) return self.parts[name] ~= nil end

-- True when the data of a part are in memory.
function Experience:has(part) return is_there(part_of(self, part)) end

-- Frees what was made for a part, or for all; it is made again when it is asked for.
function Experience:release(which)
   if which then part_of(self, which) end
   for _, name in ipairs(which and { which } or PARTS) do
      local made = self.parts[name] and self.parts[name].made
      if made then
         made.images:release()
         made.labels:release()
         self.parts[name].made = nil
      end
   end
end

-- Frees what was made, except for the parts in `present` (a set).
function Experience:release_but(present)
   for name, part in pairs(self.parts) do
      if part.made and not present[part] then self:release(name) end
   end
end

-- Adds to `sets` (a set of data sets) what is in memory for this experience.
function Experience:held(sets)
   for _, part in pairs(self.parts) do
      for _, set in ipairs(part.base or { part.set }) do sets[set] = true end
      if is_there(part) then sets[part.set or part.made] = true end
   end
end

-- SHA-256 that stands for the bits of a part: of its content, or of its recipe.
function Experience:identity(part)
   part = part_of(self, part)
   if part.set then return part.set:content_hash() end
   part.identity = part.identity or core.sha256(part.recipe())
   return part.identity
end

-- ---- making -----------------------------------------------------------------------------------------------

-- new{ name =, epochs =, classes =, source =, train = data set or part, test =, validation = the same, ... }
function experience.new(fields)
   local self = { parts = {} }
   for key, value in pairs(fields) do
      if key == "train" or key == "test" or key == "validation" then self.parts[key] = value.images and { set = value } or value
      else self[key] = value end
   end
   return setmetatable(self, Experience)
end

function experience.is_experience(value) return getmetatable(value) == Experience end

-- A part with the same content, whose data are its own to release.
local function twin(part)
   return { set = part.set, make = part.make, by_item = part.by_item, labels = part.labels, items = part.items, shape = part.shape,
      recipe = part.recipe, base = part.base, sealed = part.sealed }
end

-- What a change that picks items does to data that are there, and to labels.
local function picking(pick)
   local function make(set) return set:subset(pick(set.labels)) end
   local function labels(own) return own:index_select(1, require "engram".tensor(pick(own), { dtype = "int64" })) end
   return make, labels
end

local function derived(self, name, change)
   name = change and change.from or name
   local part = self.parts[name]
   if not part then return nil end
   if not change then return twin(part) end
   local pick, make, labels = change.pick, change.make, change.labels
   if pick then make, labels = picking(pick) end
   if change.at_once and part.set then return { set = make(part.set), sealed = part.sealed } end
   return { base = part.base or { part.set }, items = change.items or self:items(name), shape = change.shape or self:shape(),
      sealed = part.sealed, labels = labels and function() return labels(self:labels(name)) end, by_item = change.by_item,
      make = function(rows)
         if pick then return self:draw(name, pick(self:labels(name))) end
         return make(self:draw(name, rows))
      end,
      recipe = function() return change.recipe .. "\n" .. (change.of and change.of() or self:identity(name)) end }
end

-- derive{ train = change, test = change, validation = change, fields... }: another experience made from this one. A change is
-- { make = function(data set) -> data set, recipe = text, items =, shape =, labels = function(labels) -> labels, for which no image is
-- made }; in the place of make and labels, pick = function(labels) -> list of the items that stay, and no other is made; by_item: make
-- changes each item by itself; at_once: of data that are there it is made now; `of` (a function) is the identity of what it is made of,
-- where that is more than this experience's own data; from: the part that it is made from, where that is another. Parts without a change
-- stay as they are.
function Experience:derive(changes)
   local copy = {}
   for key, value in pairs(self) do copy[key] = value end
   for key, value in pairs(changes) do copy[key] = value end
   copy.parts = {}
   for _, name in ipairs(PARTS) do copy.parts[name], copy[name] = derived(self, name, changes[name]), nil end
   return setmetatable(copy, Experience)
end

-- The same experience, its test set sealed or not; a run that chooses opens none.
function Experience:with_seal(sealed)
   if not sealed and require "engram.cl.seal".of_process() then
      raise "stream:unseal(): this run chooses on validation sets (--evaluate-on validation), so its test sets stay sealed"
   end
   local copy = self:derive{}
   copy.parts.test.sealed = sealed or nil
   return copy
end

return experience
