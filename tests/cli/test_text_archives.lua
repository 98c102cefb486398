-- IMDB and Financial PhraseBank from archives of the published form (made here, with other texts): fetched from a folder, checked, loaded.
local t = require "tests.harness"
local fetch = require "engram.data.fetch"
local sources = require "engram.data.sources"

local site, home = t.temporary_folder(), t.temporary_folder()

-- ---- archives ---------------------------------------------------------------------------------------------

local function tar_member(name, content)
   local head = name .. ("\0"):rep(100 - #name) .. "0000644\0" .. ("0000000\0"):rep(2) .. ("%011o\0"):format(#content)
      .. ("0"):rep(11) .. "\0"
   local tail = "0" .. ("\0"):rep(355)
   local sum = 8 * 32
   for _, text in ipairs{ head, tail } do for i = 1, #text do sum = sum + text:byte(i) end end
   return head .. ("%06o\0 "):format(sum) .. tail .. content .. ("\0"):rep(-#content % 512)
end

-- A tar of 50,000 reviews and some that have no label.
local function make_imdb(path)
   local file = assert(io.open(path, "wb"))
   for _, part in ipairs{ "test", "train" } do
      for _, label in ipairs{ "pos", "neg" } do
         for i = 0, 12499 do
            local content = ("%s %s\n number  %d"):format(part, label, i)
            file:write(tar_member(("aclImdb/%s/%s/%d_7.txt"):format(part, label, i), content))
         end
      end
   end
   file:write(tar_member("aclImdb/train/unsup/0_0.txt", "nobody's"), ("\0"):rep(1024))
   file:close()
end

local function little(value, bytes)
   local text = ""
   for _ = 1, bytes do
      text = text .. string.char(value % 256)
      value = math.floor(value / 256)
   end
   return text
end

local bit = require "bit"

-- The checksum that a zip has of a file, little endian.
local function crc32(content)
   local crc = -1
   for i = 1, #content do
      crc = bit.bxor(crc, content:byte(i))
      for _ = 1, 8 do crc = bit.bxor(bit.rshift(crc, 1), bit.band(-bit.band(crc, 1), 0xedb88320)) end
   end
   return little(bit.bnot(crc) % 2 ^ 32, 4)
end

-- A zip of files that are not packed: { name, content }.
local function zip(list)
   local body, directory = "", ""
   for _, item in ipairs(list) do
      local name, content = unpack(item)
      local sizes = crc32(content) .. little(#content, 4) .. little(#content, 4) .. little(#name, 2)
      directory = directory .. "PK\1\2" .. ("\0"):rep(12) .. sizes .. ("\0"):rep(12) .. little(#body, 4) .. name
      body = body .. "PK\3\4" .. ("\0"):rep(10) .. sizes .. "\0\0" .. name .. content
   end
   return body .. directory .. "PK\5\6\0\0\0\0" .. little(#list, 2):rep(2) .. little(#directory, 4) .. little(#body, 4) .. "\0\0"
end

local function make_phrasebank(path)
   local lines, labels = {}, { "positive", "neutral", "negative" }
   for i = 1, 4846 do lines[i] = ("Sales of me@work Sepp\228l\228  grew to %d .@%s\r\n"):format(i, labels[i % 3 + 1]) end
   t.write(path, zip{ { "__MACOSX/._Sentences_50Agree.txt", "x" }, { "FinancialPhraseBank-v1.0/Sentences_AllAgree.txt", "other@neutral\n" },
      { "FinancialPhraseBank-v1.0/Sentences_50Agree.txt", table.concat(lines) } })
end

-- The source as it is, but with the sum of the archive that was made.
local function source_of(name)
   local copy = {}
   for key, value in pairs(sources[name]) do copy[key] = value end
   local file = copy.files[1]
   local _, sum = t.command(("sha256sum %s/%s/%s"):format(site, name, file.name))
   copy.files = { { name = file.name, archive = true, sha256 = sum:match "%x+" } }
   copy.instead = nil
   return copy
end

os.execute(("mkdir %s/imdb %s/phrasebank"):format(site, site))
make_imdb(site .. "/imdb/aclImdb_v1.tar")
assert(os.execute(("gzip -1 -n %s/imdb/aclImdb_v1.tar"):format(site)) == 0)
make_phrasebank(site .. "/phrasebank/FinancialPhraseBank-v1.0.zip")

local function fetch_it(name, source)
   fetch.run(name, source, { folder = home, mirror = "file://" .. site, quiet = true })
end

-- What a script prints where only the fetched files are found.
local function run(script)
   t.write(home .. "/script.lua", script)
   local line = "cd %s && XDG_DATA_HOME=/nowhere ENGRAM_DATA=%s engram run --no-run --quiet script.lua"
   local code, out, err = t.command(line:format(home, home), 120)
   return out, err, code
end

-- ---- tests ------------------------------------------------------------------------------------------------

t.test("an archive that is not the published one is refused and deleted", function()
   local message = t.expect(function() fetch_it("imdb", sources.imdb) end):raises "its content is not the published one"
   t.expect(message):contains "deleted"
   t.expect(t.read(home .. "/imdb/aclImdb_v1.tar.gz")):is_nil()
end)

t.test("an archive with the right sum is fetched, and its texts are loaded", function()
   fetch_it("imdb", source_of "imdb")
   fetch_it("phrasebank", source_of "phrasebank")
   local out, err, code = run [[
      local text = require "engram".text
      local films, finance = text.load "imdb", text.load("phrasebank", { held_out = 0 })
      for _, part in ipairs{ "train", "test" } do
         local wrong, seen, corpus = 0, {}, films[part]
         for i, content in ipairs(corpus.texts) do
            local of, label = content:match "^(%a+) (%a+) number %d+$"
            if of ~= part or corpus.class_names[corpus.labels[i] ] ~= label or seen[content] then wrong = wrong + 1 end
            seen[content] = true
         end
         print(part, corpus:size(), wrong)
      end
      print(finance.train, finance.train.texts[3], finance.train.class_names[finance.train.labels[3] ])]]
   t.expect({ code, err }):equals{ 0, "" }
   t.expect(out):equals("train\t25000\t0\ntest\t25000\t0\n"
      .. "phrasebank: 4846 texts, 3 classes\tSales of me@work Seppälä grew to 3 .\tpositive\n")
end)

t.test("an archive in which a byte was turned over is damaged, whatever its texts look like", function()
   local path = home .. "/phrasebank/FinancialPhraseBank-v1.0.zip"
   local whole = t.read(path)
   t.write(path, (whole:gsub("grew to 7 ", "grew to 8 ", 1)))
   local _, err, code = run [[require "engram".text.load("phrasebank", { held_out = 0 })]]
   t.write(path, whole)
   t.expect(code):equals(1)
   t.expect(err):contains "is no whole archive: the checksum of a file is wrong; fetch it again"
end)

t.test("list and check tell what is here", function()
   local environment = ("XDG_DATA_HOME=/nowhere ENGRAM_DATA=%s "):format(home)
   local code, out = t.command(environment .. "engram data check imdb phrasebank")
   t.expect(code):equals(1)                                            -- for these archives were made here
   t.expect(out):contains "aclImdb_v1.tar.gz: its content is not the published one"
   out = select(2, t.command(environment .. "engram data list"))
   t.expect(out):contains(home .. "/phrasebank")
   out = select(2, t.command "XDG_DATA_HOME=/nowhere ENGRAM_DATA= engram data list")
   t.expect(out):contains "not here: engram data fetch imdb"
   local missing, err = t.command("cd " .. home .. [[ && echo 'require "engram".data.load "imdb"' > load.lua && ]]
      .. "XDG_DATA_HOME=/nowhere ENGRAM_DATA= engram run --no-run --quiet load.lua 2>&1")
   t.expect(missing):differs_from(0)
   t.expect(err):contains "fetch it with: engram data fetch imdb"
end)

t.test("files of lines do as well, when their lines are as many as they should be", function()
   local folder = t.temporary_folder()
   os.execute("mkdir " .. folder .. "/fpb")
   local lines = {}
   for i = 1, 4846 do lines[i] = ("%s\ttext %d\n"):format(i <= 604 and "negative" or i <= 3483 and "neutral" or "positive", i) end
   local path = t.write(folder .. "/fpb/train.tsv", table.concat(lines))
   local environment = ("XDG_DATA_HOME=/nowhere ENGRAM_DATA=%s "):format(folder)
   local code, out = t.command(environment .. "engram data check phrasebank")
   t.expect({ code, out }):equals{ 0, path .. ": sound\n" }
   t.expect((t.command(environment .. "engram data fetch --quiet phrasebank"))):equals(0)         -- there is nothing to fetch
   t.write(path, table.concat(lines, "", 1, 4845))
   code, out = t.command(environment .. "engram data check phrasebank")
   t.expect(code):equals(1)
   t.expect(out):contains "has 1362 texts of class 3, expected 1363"
   local load = t.write(folder .. "/load.lua", 'print(require "engram".text.load("phrasebank", { held_out = 0 }).train:size())')
   local err
   code, out, err = t.command(environment .. "engram run --no-run " .. load)
   t.expect({ code, out, err }):equals{ 0, "4845\n", ("warning: %s: has 1362 texts of class 3, expected 1363: these are not the "
      .. "published texts\n"):format(path) }
   t.write(path, table.concat(lines))
   t.expect({ t.command(environment .. "engram run --no-run " .. load) }):equals{ 0, "4846\n", "" }
end)

t.done()
