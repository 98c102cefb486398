-- text/archives.lua: the texts in the archives that IMDB and Financial PhraseBank are published as.
local ffi = require "ffi"
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local json = require "engram.json"
local C, check, raise = core.C, core.check, core.raise

local archives = {}

-- Calls each(name, read) for the files of an archive; read() gives a file's bytes.
local function walk(path, each)
   local archive = C.eg_archive_open(path)
   if archive == nil then raise("%s", core.message()) end
   archive = ffi.gc(archive, C.eg_archive_close)
   local name, size = ffi.new "const char *[1]", ffi.new "int64_t[1]"
   while true do
      if core.interrupted() then raise "interrupted" end
      check(C.eg_archive_next(archive, name, size))
      if name[0] == nil then break end
      each(ffi.string(name[0]), function()
         local bytes = ffi.new("char[?]", size[0])
         check(C.eg_archive_read(archive, bytes))
         return ffi.string(bytes, size[0])
      end)
   end
   C.eg_archive_close(ffi.gc(archive, nil))
end

-- A text with single spaces for white space.
local function plain(text) return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

-- ---- IMDB: aclImdb/train/neg/0_3.txt and so on ------------------------------------------------------------

local function sorted_part(name, list, class_names)
   table.sort(list, function(a, b) return a.label < b.label or (a.label == b.label and a.file < b.file) end)
   local texts, labels = {}, {}
   for i, item in ipairs(list) do texts[i], labels[i] = item.text, item.label end
   return corpus.new{ name = name, texts = texts, labels = labels, class_names = class_names }
end

-- { train =, test = } of the archive, by class and name of file. Bytes that are no UTF-8 become U+FFFD.
function archives.imdb(path, class_names)
   local parts, number = { train = {}, test = {} }, {}
   for i, name in ipairs(class_names) do number[name] = i end
   walk(path, function(name, read)
      local part, label, file = name:match "([^/]+)/([^/]+)/([^/]+)%.txt$"
      if not (parts[part] and number[label]) then return end
      table.insert(parts[part], { file = file, label = number[label], text = json.utf8(plain(read())) })
   end)
   for _, part in ipairs{ "train", "test" } do
      if #parts[part] ~= 25000 then raise("%s: has %d reviews in %s, expected 25,000; fetch it again", path, #parts[part], part) end
      parts[part] = sorted_part("imdb/" .. part, parts[part], class_names)
   end
   return parts
end

-- ---- Financial PhraseBank: lines sentence@label, in ISO-8859-1 --------------------------------------------

local function utf8_of_latin(text)
   return (text:gsub("[\128-\255]", function(c)
      local byte = c:byte()
      return string.char(0xC0 + math.floor(byte / 64), 0x80 + byte % 64)
   end))
end

local function sentences_of(path, bytes, class_names)
   local number, texts, labels, line_number = {}, {}, {}, 0
   for i, name in ipairs(class_names) do number[name] = i end
   for line in bytes:gmatch "([^\n]*)\n?" do
      line_number = line_number + 1
      local sentence, label = line:gsub("\r$", ""):match "^(.*)@(%a+)%s*$"
      if number[label] then
         texts[#texts + 1], labels[#labels + 1] = plain(utf8_of_latin(sentence)), number[label]
      elseif line:find "%S" then
         raise("%s: line %d is no sentence@label", path, line_number)
      end
   end
   return texts, labels
end

-- The corpus of the sentences on which half of the annotators agree.
function archives.phrasebank(path, class_names)
   local texts, labels
   walk(path, function(name, read)
      if name:find "Sentences_50Agree%.txt$" and not name:find "__MACOSX" then texts, labels = sentences_of(path, read(), class_names) end
   end)
   if not texts then raise("%s: has no file Sentences_50Agree.txt; fetch it again", path) end
   if #texts ~= 4846 then raise("%s: has %d sentences, expected 4,846; fetch it again", path, #texts) end
   return corpus.new{ name = "phrasebank", texts = texts, labels = labels, class_names = class_names }
end

return archives
