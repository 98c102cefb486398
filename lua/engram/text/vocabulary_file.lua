-- text/vocabulary_file.lua: a vocabulary as JSON text, with its tokenizer: in a file of its own, or within a checkpoint.
local ffi = require "ffi"
local core = require "engram.core"
local json = require "engram.json"
local safetensors = require "engram.safetensors"
local tokenizer = require "engram.text.tokenizer"
local vocabulary = require "engram.text.vocabulary"
local C, raise = core.C, core.raise
local Vocabulary = vocabulary.Vocabulary

local FORMAT = "engram vocabulary 1"
local NAME = "vocabulary"                             -- of the tensor of bytes in a checkpoint

local files = { name = NAME }

-- ---- writing ----------------------------------------------------------------------------------------------

-- All that makes the same vocabulary again, as JSON: the first of `tokens` has the number `first_index`.
function files.text(self)
   if self.json then return self.json end
   local tokens
   if not self.buckets then
      tokens = json.array{}
      for i = 1, self:size() do tokens[i] = self:token(i) end
   end
   self.json = json.encode{ format = FORMAT, first_index = 1, padding_index = self.padding_index, unknown_index = self.unknown_index,
      tokenizer = self.tokenizer:settings(), buckets = self.buckets, tokens = tokens }
   return self.json
end

-- SHA-256 of that: equal where the same text gives the same numbers.
function Vocabulary:hash()
   self.digest = self.digest or core.sha256(files.text(self))
   return self.digest
end

-- Writes the vocabulary to a file, as JSON.
function Vocabulary:save(path)
   local text = files.text(self) .. "\n"
   core.check(C.eg_file_write(path, text, #text))
end

-- ---- reading ----------------------------------------------------------------------------------------------

local function check_tokens(path, tokens)
   if type(tokens) ~= "table" or #tokens < 2 then raise("%s: a vocabulary has a list of 2 tokens or more", path) end
   local seen = {}
   for i, token in ipairs(tokens) do
      if type(token) ~= "string" then raise("%s: token %d is a %s", path, i, type(token)) end
      if seen[token] then raise("%s: token %d is '%s', and so is token %d", path, i, token, seen[token]) end
      seen[token] = i
   end
   return tokens
end

-- Numbers that a file may tell, and must then tell as they are here.
local function check_numbers(path, saved)
   if saved.buckets ~= nil and saved.tokens ~= nil then raise("%s: has both buckets and tokens; a vocabulary has one of them", path) end
   local expected = { first_index = 1, padding_index = 1, unknown_index = not saved.buckets and 2 or nil }
   for _, key in ipairs{ "first_index", "padding_index", "unknown_index" } do
      if saved[key] ~= nil and saved[key] ~= expected[key] then
         raise("%s: %s is %s, expected %s; text.load_vocabulary reads what Vocabulary:save writes", path, key, tostring(saved[key]),
            expected[key] and tostring(expected[key]) or "none beside buckets")
      end
   end
end

-- f(...), whose errors begin with the path.
local function naming(path, f, ...)
   local ok, result = pcall(f, ...)
   if not ok then raise("%s: %s", path, (tostring(result):gsub("^.-:%d+: ", "", 1))) end
   return result
end

-- The vocabulary of a text that files.text has made; `path` is named in errors.
function files.read(text, path)
   local ok, saved = pcall(json.decode, text)
   if not ok then raise("%s: is no vocabulary: %s", path, tostring(saved):gsub("^.-json: ", "")) end
   if type(saved) ~= "table" or saved.format ~= FORMAT then
      raise("%s: is no vocabulary; one has \"format\": \"%s\" (Vocabulary:save writes it)", path, FORMAT)
   end
   if type(saved.tokenizer) ~= "table" then raise("%s: does not tell its tokenizer", path) end
   check_numbers(path, saved)
   local cutter = naming(path, tokenizer.named, saved.tokenizer.name, saved.tokenizer.options)
   if saved.buckets then return naming(path, vocabulary.hashing, { buckets = saved.buckets, tokenizer = cutter }) end
   local tokens, i = check_tokens(path, saved.tokens), 2
   return vocabulary.of_tokens(function()
      i = i + 1
      return tokens[i]
   end, cutter, tokens[1], tokens[2])
end

-- The text as a tensor of bytes, for a checkpoint.
function files.bytes(self)
   local text = files.text(self)
   local bytes = require "engram.tensor".new(3, { #text })
   ffi.copy(bytes.tensor.data, text, #text)
   return bytes
end

-- load(path): what Vocabulary:save has written, or the vocabulary of a checkpoint.
function files.load(path)
   core.path("text.load_vocabulary", path)
   if path:find "%.safetensors$" then
      local bytes = safetensors.load(path)[NAME]
      if not bytes or bytes.dtype ~= "uint8" then raise("%s: holds no vocabulary", path) end
      return files.read(ffi.string(bytes:contiguous().tensor.data, bytes:numel()), path)
   end
   local file, message = io.open(path, "rb")
   if not file then raise("%s", message) end
   local text = file:read "*a"
   file:close()
   if not text then raise("%s: cannot be read", path) end
   return files.read(text, path)
end

return files
