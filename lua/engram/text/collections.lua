-- text/collections.lua: collections of labelled texts by name.
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local folders = require "engram.data.folders"
local random = require "engram.random"
local suggest = require "engram.suggest"
local raise = core.raise

local collections, registry = {}, {}

local function fetched(name, part, class_names)
   local file = name .. "/" .. part .. ".tsv.gz"
   local path = folders.find(file) or folders.missing(name, file)
   return corpus.read(path, { name = name .. "/" .. part, class_names = class_names })
end

-- In an order drawn once and for all: the files are sorted by label.
local function mixed(from)
   local order = require "engram".randperm(from:size(), { stream = random.private(0, from.name) })
   return from:subset(order)
end

function registry.imdb()
   local names = { "neg", "pos" }
   return { train = mixed(fetched("imdb", "train", names)), test = mixed(fetched("imdb", "test", names)) }
end

function registry.phrasebank(options)
   local all = fetched("fpb", "train", { "negative", "neutral", "positive" })
   local held_out = options.held_out or 0.1
   if held_out == 0 then return { train = all } end
   local test, train = all:split(held_out, random.private(options.seed or 0, "phrasebank"))
   return { train = train, test = test }
end

-- load(name [, options]): { name, train, test }.
function collections.load(name, options)
   local make = registry[name]
   if not make then raise("text.load: there is no collection '%s'%s", tostring(name), suggest.hint(name, registry)) end
   local set = make(core.options("text.load", options, { "held_out", "seed" }))
   set.name = name
   return set
end

function collections.names()
   local list = {}
   for name in pairs(registry) do list[#list + 1] = name end
   table.sort(list)
   return list
end

return collections
