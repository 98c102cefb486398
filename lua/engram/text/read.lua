-- text/read.lua: a corpus of a file of records (core/records.c): tab- or comma-separated, plain or gzip. Whatever is wrong with a line is
-- told with its number; no line is passed over.
local ffi = require "ffi"
local core = require "engram.core"
local corpus = require "engram.text.corpus"
local suggest = require "engram.suggest"
local tokenizer = require "engram.text.tokenizer"
local C, check, raise = core.C, core.check, core.raise

local OPTIONS = { "name", "format", "header", "label", "text", "class_names", "empty", "encoding" }
local FORMATS = { tsv = "\t", csv = "," }
local ENCODINGS = { ["utf-8"] = 0, ["latin-1"] = 1 }

local function choice(what, value, choices)
   if choices[value] == nil then raise("text.read: %s '%s' is unknown%s", what, tostring(value), suggest.hint(value, choices)) end
   return value
end

-- ---- records ----------------------------------------------------------------------------------------------

local fields, length = ffi.new "int64_t[1]", ffi.new "size_t[1]"

local function field(records, i) return ffi.string(C.eg_records_field(records, i, length), length[0]) end

local PARTED = { tsv = "read as tsv, whose columns end at tabs; format = \"csv\" is for commas",
   csv = "read as csv, whose columns end at commas; format = \"tsv\" is for tabs" }

-- The number of the column that `given` means, a number from 1 or a name of the header.
local function column(path, what, given, header, count, format)
   if type(given) == "number" then
      if given % 1 ~= 0 or given < 1 or given > count then
         raise("%s:1: %s is column %s, but the line has %d%s", path, what, tostring(given), count,
            count == 1 and " (" .. PARTED[format] .. ")" or "")
      end
      return given
   end
   if not header then raise("%s: %s is column '%s', but there is no header; say header = true", path, what, tostring(given)) end
   local known = {}
   for i, name in ipairs(header) do
      if known[name] and name == given then
         raise("%s:1: columns %d and %d are both named '%s'; say %s = %d or %d", path, known[name], i, core.cut(name, 80),
            what:match "%a+$", known[name], i)
      end
      known[name] = i
   end
   return known[given] or raise("%s:1: has no column '%s'%s", path, tostring(given), suggest.hint(given, known))
end

-- What a column of labels, and one of texts, is called where a header needs no words more.
local KNOWN = { label = { label = true, sentiment = true, class = true, target = true },
   text = { text = true, review = true, sentence = true, phrase = true } }

-- The column of a kind by its name in the header, or the one of two that is not the other; nil where that is not clear.
local function by_header(kind, header, other)
   local found
   for i, name in ipairs(header) do
      if i ~= other and KNOWN[kind][name:match "^%s*(.-)%s*$":lower()] then
         if found then return nil end
         found = i
      end
   end
   return found or #header == 2 and other and 3 - other or nil
end

-- The columns of label and text where there is a header, which tells those that are not given.
local function named_columns(path, options, header)
   local count = #header
   local label = options.label and column(path, "the label", options.label, header, count, options.format)
   local content = options.text and column(path, "the text", options.text, header, count, options.format)
   label = label or by_header("label", header, content)
   content = content or by_header("text", header, label)
   if label and content then return label, content end
   local what = label and "texts" or content and "labels" or "labels and the texts"
   raise("%s:1: has %d column%s ('%s'), which do not tell where the %s stand; say label = \"NAME\", text = \"NAME\", or their numbers",
      path, count, count == 1 and "" or "s", core.cut(table.concat(header, "', '"), 400), what)
end

-- A first line that reads like a header is one, unless header = false says that it is not.
local function check_no_header(path, first)
   local label, content = by_header("label", first), by_header("text", first)
   if label and content then
      raise("%s:1: reads like a header ('%s' and '%s'); say header = true, or header = false if these are a label and a text", path,
         first[label], first[content])
   end
end

-- The columns of label and text. Where there are more than two, both must be named: else text would be lost without a word.
local function columns(path, options, header, count)
   local label, content
   if header then
      label, content = named_columns(path, options, header)
   else
      label = column(path, "the label", options.label or 1, nil, count, options.format)
      content = column(path, "the text", options.text or 2, nil, count, options.format)
      if count > 2 and not (options.label and options.text) then
         raise("%s:1: has %d columns; say which hold label and text: label = 1, text = 2, or by name with header = true%s", path, count,
            options.format == "tsv" and " (a tab within a text makes two columns of it)" or "")
      end
   end
   if label == content then raise("%s: the label and the text are both column %d", path, label) end
   return label, content
end

-- Calls each(label, text, line) for the records.
local function walk(path, options, each)
   local separator = FORMATS[options.format]
   local records = C.eg_records_open(path, separator:byte(), options.format == "csv", ENCODINGS[options.encoding])
   if records == nil then raise("%s", core.message()) end
   records = ffi.gc(records, C.eg_records_close)
   local count, label, content
   while true do
      if core.interrupted() then raise "interrupted" end
      check(C.eg_records_next(records, fields))
      local n, line = tonumber(fields[0]), tonumber(C.eg_records_line(records))
      if n == 0 then break end
      if not count then
         local first = {}
         for i = 1, n do first[i] = field(records, i - 1) end
         if options.header == nil then check_no_header(path, first) end
         count, label, content = n, columns(path, options, options.header and first or nil, n)
      end
      if n ~= count then
         raise("%s:%d: has %d column%s, expected %d as in line 1; is a %s missing, or too many?", path, line, n,
            n == 1 and "" or "s", count, options.format == "tsv" and "tab" or "comma")
      end
      if not (options.header and line == 1) then each(field(records, label - 1), field(records, content - 1), line) end
   end
   C.eg_records_close(ffi.gc(records, nil))
end

-- ---- labels -----------------------------------------------------------------------------------------------

local SPACES = { "%s+", "\194\160", "\239\187\191" }     -- white space of ASCII, the space that does not break, the byte-order mark

-- A label without the white space around it.
local function stripped(label)
   local before
   repeat
      before = label
      for _, space in ipairs(SPACES) do label = label:gsub("^" .. space, ""):gsub(space .. "$", "") end
   until label == before
   return label
end

local function check_label(path, line, given)
   local label = stripped(given)
   if label == "" then raise("%s:%d: has no label", path, line) end
   if label:find "[\r\n]" then raise("%s:%d: the label goes over a line's end; is a quote in the wrong place?", path, line) end
   return label
end

-- "nan", "inf" and "0x10" are words.
local function is_number(label)
   return label:find "^[+-]?[%d.]+[eE]?[+-]?%d*$" ~= nil and math.abs(tonumber(label) or math.huge) < math.huge
end

local function by_number(a, b)
   local x, y = tonumber(a), tonumber(b)
   return x < y or (x == y and a < b)
end

-- The labels that occur, sorted: as numbers where all are finite decimal numbers.
local function names_of(labels)
   local seen, names, numbers = {}, {}, true
   for _, label in ipairs(labels) do
      if not seen[label] then
         seen[label], names[#names + 1] = true, label
         numbers = numbers and is_number(label)
      end
   end
   table.sort(names, numbers and by_number or nil)
   return names
end

local function numbered(path, labels, lines, names)
   local number, list = {}, {}
   for i, name in ipairs(names) do number[name] = i end
   for i, label in ipairs(labels) do
      list[i] = number[label] or raise("%s:%d: unknown label '%s'; expected %s", path, lines[i], core.cut(label, 80),
         core.cut(table.concat(names, ", "), 400))
   end
   return list
end

-- ---- a corpus ---------------------------------------------------------------------------------------------

local function header_of(given)
   if given ~= nil and type(given) ~= "boolean" then raise("text.read: header must be true or false, got %s", tostring(given)) end
   return given
end

local MANY = 20                         -- texts of which each has a label of its own: then the columns are the other way round

-- A text without a token: nothing, or only white space (also that of Unicode).
local function is_empty(content, spaces) return select(3, tokenizer.cut(spaces, content)) == 0 end

-- read(path, { format = "tsv" or "csv" (by the name), header = false, label =, text =, class_names =, empty = "error", encoding =
-- "utf-8", name = }). Raises PATH:LINE: what is wrong, and what to do.
return function(path, options)
   options = core.options("text.read", options, OPTIONS)
   core.path("text.read", path)
   local bare = path:gsub("%.[gG][zZ]$", "")
   local how = { header = header_of(options.header), label = options.label, text = options.text,
      format = choice("format", options.format or (bare:lower():find "%.csv$" and "csv" or "tsv"), FORMATS),
      encoding = choice("encoding", options.encoding or "utf-8", ENCODINGS) }
   local empty = choice("empty", options.empty or "error", { error = true, keep = true })
   local names = corpus.check_class_names("text.read", options.class_names)
   local spaces = require "engram.text".tokenizers.whitespace{ max_length = 1 }
   local labels, texts, lines = {}, {}, {}
   walk(path, how, function(label, content, line)
      label = check_label(path, line, label)
      if empty == "error" and is_empty(content, spaces) then
         raise("%s:%d: the text is empty; take the line out, or say empty = \"keep\" for a text without tokens", path, line)
      end
      labels[#labels + 1], texts[#texts + 1], lines[#lines + 1] = label, content, line
   end)
   if #texts == 0 then raise("%s: holds no texts", path) end
   if not names then
      names = names_of(labels)
      if #names == #texts and #texts >= MANY and not options.label then
         raise("%s: all %d texts have a label of their own; is the label another column? label = 1 says that it is not", path, #texts)
      end
   end
   return corpus.new{ name = options.name or bare:match "([^/]*)$", texts = texts, labels = numbered(path, labels, lines, names),
      class_names = names }
end
