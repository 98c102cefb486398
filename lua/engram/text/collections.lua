-- text/collections.lua: collections of labelled texts by name, as corpora (text.load) and as data sets (data.load).
local core = require "engram.core"
local archives = require "engram.text.archives"
local folders = require "engram.data.folders"
local random = require "engram.random"
local read = require "engram.text.read"
local sentences = require "engram.text.sentences"
local suggest = require "engram.suggest"
local raise = core.raise

local collections, registry = {}, {}

-- ---- those that are fetched -------------------------------------------------------------------------------

-- A corpus in an order drawn once and for all: the files are sorted by label, and the first texts should hold every class.
local function mixed(from)
   return from:subset(require "engram".randperm(from:size(), { stream = random.private(0, from.name) }))
end

-- The file with the texts of a source as it is published, or those of the same texts as tab-separated lines.
local function found(name, source)
   local archive = folders.find(name .. "/" .. source.files[1].name)
   if archive then return archive end
   local lines = {}
   for i, file in ipairs(source.instead.files) do
      lines[i] = folders.find(source.instead.folder .. "/" .. file.name)
      if not lines[i] then folders.missing(name, name .. "/" .. source.files[1].name) end
   end
   return nil, lines
end

-- The corpus of lines that stand in for part i of what is published; that they are others is said, for results would be too.
local function read_lines(path, name, source, i)
   local lines = read(path, { name = name, class_names = source.class_names })
   local wrong = source.instead.files[i].problem(lines, path)
   if wrong then io.stderr:write("warning: ", wrong, ": these are not the published texts\n") end
   return lines
end

local function source_of(name) return require "engram.data.sources"[name] end

registry.imdb = { options = {}, load = function()
   local source = source_of "imdb"
   local archive, lines = found("imdb", source)
   local set = archive and archives.imdb(archive, source.class_names)
      or { train = read_lines(lines[1], "imdb/train", source, 1), test = read_lines(lines[2], "imdb/test", source, 2) }
   return { train = mixed(set.train), test = mixed(set.test) }
end }

registry.phrasebank = { options = { "held_out", "seed" }, load = function(options)
   local source = source_of "phrasebank"
   local archive, lines = found("phrasebank", source)
   local all = archive and archives.phrasebank(archive, source.class_names)
      or read_lines(lines[1], "phrasebank", source, 1)
   if options.held_out == 0 then return { train = all } end
   local test, train = all:split(options.held_out or 0.1, random.private(options.seed or 0, "phrasebank"))
   return { train = train, test = test }
end }

-- ---- those that are made ----------------------------------------------------------------------------------

for _, domain in ipairs{ "films", "finance" } do
   registry["sentences/" .. domain] = { options = { "train", "test", "seed" },
      load = function(options) return sentences.load(domain, options) end }
end

-- ---- by name ----------------------------------------------------------------------------------------------

-- load(name [, options]): { name, train, test } of corpora.
function collections.load(name, options)
   local entry = registry[name]
   if not entry then raise("text.load: there is no collection '%s'%s", tostring(name), suggest.hint(name, registry)) end
   options = core.options(("text.load('%s')"):format(name), options, entry.options)
   local set = entry.load(options)
   set.name = name
   return set
end

function collections.names()
   local list = {}
   for name in pairs(registry) do list[#list + 1] = name end
   table.sort(list)
   return list
end

-- ---- as data sets -----------------------------------------------------------------------------------------

local VOCABULARY = { "tokenizer", "min_count", "max_size" }
local ROWS = { "max_length", "truncate", "padding", "side", "bucket" }

local function some(options, names)
   local chosen = {}
   for _, name in ipairs(names) do chosen[name] = options[name] end
   return chosen
end

local function as_data_set(name, options)
   local text = require "engram.text"
   local set = collections.load(name, some(options, registry[name].options))
   local vocabulary = options.vocabulary or text.vocabulary(set.train, some(options, VOCABULARY))
   for _, key in ipairs(options.vocabulary and VOCABULARY or {}) do
      if options[key] ~= nil then raise("data.load('%s'): the vocabulary is given, so %s would have no effect", name, key) end
   end
   if not set.test then raise("data.load('%s'): held_out = 0 leaves no test set; use text.load and text.dataset", name) end
   return text.dataset(set, vocabulary, some(options, ROWS))
end

-- Makes data.load know the collections.
function collections.register(data)
   for name, entry in pairs(registry) do
      local options = { "vocabulary" }
      for _, list in ipairs{ VOCABULARY, ROWS, entry.options } do
         for _, key in ipairs(list) do if key ~= "train" and key ~= "test" then options[#options + 1] = key end end
      end
      local source = data.sources[name]
      data.register(name, { options = options, load = function(given) return as_data_set(name, given) end,
         doc = source and source.doc or "sentences of a grammar, made on the spot", items = source and source.items or "any number",
         shape = "texts", licence = source and source.licence or "part of Engram" })
   end
end

return collections
