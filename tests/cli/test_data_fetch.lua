-- engram data: fetching from good, broken and missing servers; listing and checking. The server is tests/cli/http_server.c.
local t = require "tests.harness"
local engram = require "engram"
local fetch = require "engram.data.fetch"

local work = t.temporary_folder()
local site, log = work .. "/site", work .. "/log"

local function shell(line) assert(os.execute(line) == 0, line) end

local function exists(path)
   local file = io.open(path, "rb")
   if file then file:close() end
   return file ~= nil
end

-- ---- the server and what it serves ------------------------------------------------------------------------

local function start_server()
   shell(("gcc -std=c11 -D_GNU_SOURCE -O1 -o %s/http_server tests/cli/http_server.c"):format(work))
   shell(("%s/http_server %s %s 120 >%s/port 2>/dev/null </dev/null &"):format(work, site, log, work))
   for _ = 1, 100 do
      local port = tonumber(t.read(work .. "/port") or "")
      if port then return "http://127.0.0.1:" .. port end
      os.execute "sleep 0.05"
   end
   error "the server does not start"
end

local function idx(shape, bytes)
   local text = "\0\0\8" .. string.char(#shape)
   for _, size in ipairs(shape) do text = text .. string.char(0, 0, math.floor(size / 256), size % 256) end
   return text .. bytes
end

-- Four small files that hardly compress, and the table that tells what they must unpack to.
local function make_source()
   local source, random = { files = {}, mirrors = {}, items = "40 + 20", shape = "5x5", licence = "none" }, 1
   os.execute("mkdir -p " .. site .. "/tiny")
   for _, part in ipairs{ { "train", 40 }, { "t10k", 20 } } do
      local bytes = {}
      for i = 1, part[2] * 25 do
         random = (random * 16807) % 2147483647
         bytes[i] = string.char(random % 256)
      end
      local contents = { images = idx({ part[2], 5, 5 }, table.concat(bytes)),
         labels = idx({ part[2] }, ("\0\1"):rep(part[2] / 2)) }
      for _, kind in ipairs{ "images-idx3", "labels-idx1" } do
         local name = ("%s-%s-ubyte"):format(part[1], kind)
         local path = t.write(site .. "/tiny/" .. name, contents[kind:match "%a+"])
         local code, sum = t.command("sha256sum " .. path)
         assert(code == 0)
         shell("gzip -n " .. path)
         source.files[#source.files + 1] = { name = name .. ".gz", sha256 = sum:match "%x+" }
      end
   end
   return source
end

local source = make_source()
local server = start_server()
local first = source.files[1].name

-- Fetches the small data set to a new folder (or a given one) from the server in one of its modes; the folder.
local function run(mode, folder)
   folder = folder or t.temporary_folder()
   fetch.run("tiny", source, { folder = folder, mirror = server .. "/" .. mode, quiet = true })
   return folder .. "/tiny"
end

local function refused(mode, ...)
   local folder = t.temporary_folder()
   local message = t.expect(function() run(mode, folder) end):raises("data fetch tiny: " .. first .. " could not be fetched")
   for _, text in ipairs{ ... } do t.expect(message):contains(text) end
   return folder .. "/tiny", message
end

local function requests()
   local text = t.read(log) or ""
   t.write(log, "")
   return text
end

local function same_as_served(folder)
   for _, file in ipairs(source.files) do
      t.expect(t.read(folder .. "/" .. file.name) == t.read(site .. "/tiny/" .. file.name)):is_true()
      t.expect(exists(folder .. "/" .. file.name .. ".part")):is_false()
   end
end

-- ---- fetching ---------------------------------------------------------------------------------------------

t.test("a good server: four files, checked and named", function()
   requests()
   local folder = run "good"
   same_as_served(folder)
   local _, count = requests():gsub("\n", "")
   t.expect(count):equals(4)
   run("good", (folder:gsub("/tiny$", "")))
   t.expect(requests()):equals ""                                     -- what is here is not fetched again
end)

t.test("a transfer that breaks off is resumed where it stopped", function()
   requests()
   t.expect(function() run "truncate" end):raises "the transfer ended early"
   local half = math.floor(#t.read(site .. "/tiny/" .. first) / 2)
   t.expect(requests()):contains(("truncate/tiny/%s %d\n"):format(first, half))
end)

t.test("a part left by an earlier attempt is completed", function()
   local folder = t.temporary_folder()
   os.execute("mkdir " .. folder .. "/tiny")
   t.write(folder .. "/tiny/" .. first .. ".part", t.read(site .. "/tiny/" .. first):sub(1, 100))
   requests()
   same_as_served(run("good", folder))
   t.expect(requests()):contains(("good/tiny/%s 100\n"):format(first))
end)

t.test("a part that is whole, too long or of another file does no harm", function()
   local whole = t.read(site .. "/tiny/" .. first)
   for _, part in ipairs{ whole, whole .. "more", ("x"):rep(100), ("x"):rep(#whole) } do
      local folder = t.temporary_folder()
      os.execute("mkdir " .. folder .. "/tiny")
      t.write(folder .. "/tiny/" .. first .. ".part", part)
      same_as_served(run("good", folder))
   end
end)

t.test("a server that cannot resume is asked from the beginning", function()
   local folder = t.temporary_folder()
   os.execute("mkdir " .. folder .. "/tiny")
   t.write(folder .. "/tiny/" .. first .. ".part", t.read(site .. "/tiny/" .. first):sub(1, 100))
   same_as_served(run("norange", folder))
end)

t.test("a corrupted file is deleted, and the message says so", function()
   local folder = refused("corrupt", server .. "/corrupt/tiny/" .. first .. ": ", "; deleted")
   t.expect(exists(folder .. "/" .. first)):is_false()
   t.expect(exists(folder .. "/" .. first .. ".part")):is_false()
end)

t.test("a web page in place of the file is deleted", function()
   local folder = refused("page", "its content is not the published one", "; deleted")
   t.expect(exists(folder .. "/" .. first)):is_false()
end)

t.test("404, 503, a refused connection and an unknown host say so, and what to do", function()
   refused("good/elsewhere", "the server answers 404: it has no such file", "--mirror or ENGRAM_MIRROR")
   refused("busy", "the server answers 503")
   local function from(mirror)
      return function() fetch.run("tiny", source, { folder = t.temporary_folder(), mirror = mirror, quiet = true }) end
   end
   t.expect(from "http://127.0.0.1:1"):raises "the connection was refused"
   t.expect(from "no-protocol-of-ours:/x"):raises "could not be fetched"
end)

t.test("mirrors are tried in order", function()
   local mirrors = { "http://127.0.0.1:1/", server .. "/corrupt/tiny/", server .. "/truncate/tiny/", server .. "/good/tiny/" }
   local folder = t.temporary_folder()
   local code, _, errors = t.command(("ENGRAM_MIRROR= engram run --no-run %s"):format(t.write(work .. "/mirrors.lua", ([[
      local data, fetch = require("engram").data, require "engram.data.fetch"
      local source = { files = %s, mirrors = %s }
      fetch.run("tiny", source, { folder = %q })]]):format(engram.json.encode(source.files):gsub('"(%w+)": ', "%1 = ")
         :gsub("^%[", "{"):gsub("%]$", "}"), "{'" .. table.concat(mirrors, "', '") .. "'}", folder))))
   t.expect(errors):contains("content verified")
   t.expect(code):equals(0)
   same_as_served(folder .. "/tiny")
end)

t.test("a damaged file that is here is deleted and fetched again", function()
   local folder = t.temporary_folder()
   local path = run("good", folder) .. "/" .. first
   t.write(path, t.read(path):sub(1, 200))
   t.expect(fetch.problem(path, source.files[1])):contains "cannot be unpacked after"
   same_as_served(run("good", folder))
end)

t.test("a file that is here but cannot be read is left alone", function()
   local folder = t.temporary_folder()
   local path = folder .. "/tiny/" .. first
   shell("mkdir -p " .. path)
   local problem, damaged = fetch.problem(path, source.files[1])
   t.expect(problem):contains "is a folder"
   t.expect(damaged):is_false()
   shell(("rmdir %s && echo mine >%s"):format(path, path))
   local function unreadable() return problem, damaged end
   t.expect(function() fetch.run("tiny", { files = { { name = first, check = unreadable } } }, { folder = folder, quiet = true }) end)
      :raises("data fetch tiny: " .. path .. ": is a folder")
   t.expect(t.read(path)):equals "mine\n"
end)

t.test("a folder that cannot be written is named", function()
   t.expect(function() run("good", "/proc/engram") end):raises "/proc/engram"
end)

-- ---- the command ------------------------------------------------------------------------------------------

-- `engram data WORDS`, with the small data set known to it.
local script = t.write(work .. "/command.lua", ([[
   local data = require("engram").data
   data.sources.tiny = require("engram.json").decode %q
   local options, command = require "engram.cli.options", require "engram.cli.data"
   os.exit(command.run(options.parse(command, { ... })))]]):format(engram.json.encode(source)))

local function command(words, environment)
   local code, out, err = t.command(("env ENGRAM_DATA=%s/data XDG_DATA_HOME=%s/home %s engram run --no-run --quiet %s %s"):format(
      work, work, environment or "", script, words))
   return code, out, err
end

t.test("list tells what is here and how to get the rest", function()
   local code, out = command "list"
   t.expect(code):equals(0)
   t.expect((out:gsub(" +", " "))):contains "\ntiny 40 + 20 5x5 not here: engram data fetch tiny none\n"
   t.expect((out:gsub(" +", " "))):contains "\nglyphs/digits any number 28x28 always here part of Engram\n"
   t.expect(out):contains "MIT; Zalando Research"
end)

t.test("fetch, list, check, load", function()
   local code, _, err = command("fetch tiny", "ENGRAM_MIRROR=" .. server .. "/good")
   t.expect(code):equals(0)
   t.expect(err):contains("tiny/" .. first .. ": from " .. server .. "/good/tiny/")
   t.expect(err):contains("content verified")
   t.expect(select(2, command "list")):contains(work .. "/data/tiny")
   local checked, out = command "check tiny"
   t.expect(checked):equals(0)
   t.expect(out):contains(first .. ": sound")
   local set = engram.data.load(work .. "/data/tiny")
   t.expect({ set.train:size(), set.test:size() }):equals{ 40, 20 }
end)

t.test("what was fetched is on disk before it gets its name", function()
   local folder = t.temporary_folder()
   local code, _, err = command(("fetch --folder=%s tiny"):format(folder), "ENGRAM_FAULT=sync:1:EIO ENGRAM_MIRROR=" .. server .. "/good")
   t.expect(code):equals(1)
   t.expect(err):contains(folder .. "/tiny/" .. first .. ".part: cannot be synced")
   t.expect(exists(folder .. "/tiny/" .. first)):is_false()
end)

t.test("an interrupt stops the download at once", function()
   requests()
   local code, out, err = t.command(([[
      ENGRAM_MIRROR=%s/stall engram data fetch --folder=%s mnist & fetch=$!
      for i in $(seq 200); do grep -q stall %s && break; sleep 0.05; done
      date +%%s; kill -TERM $fetch; wait $fetch; code=$?; date +%%s; exit $code]]):format(server, t.temporary_folder(), log))
   t.expect(requests()):contains "stall/mnist/"                            -- asked, and waits for an answer
   t.expect(code):equals(143)
   t.expect(err):contains "interrupted"
   local told, ended = out:match "(%d+)\n(%d+)"
   t.expect(ended - told):below(10)
end)

t.test("check finds damaged and missing files", function()
   local path = work .. "/data/tiny/" .. first
   local bytes = t.read(path)
   t.write(path, bytes:sub(1, -2))
   local code, out = command "check tiny"
   t.expect(code):equals(1)
   t.expect(out):contains(path .. ": ")
   t.expect(out):contains "delete it, then engram data fetch tiny"
   os.remove(path)
   code, out = command "check tiny"
   t.expect(code):equals(1)
   t.expect(out):contains("tiny/" .. first .. ": not here: engram data fetch tiny")
end)

t.test("missing data: the error names the folders and the command", function()
   local code, _, err = t.command(("env ENGRAM_DATA=%s/none XDG_DATA_HOME=%s/home engram run --no-run %s"):format(work, work,
      t.write(work .. "/missing.lua", "require('engram').data.load 'mnist'")))
   t.expect(code):equals(1)
   t.expect(err):contains("missing.lua:1: data 'mnist' is not here; fetch it with: engram data fetch mnist\n"
      .. "There is no mnist/train-images-idx3-ubyte.gz in")
   t.expect(err):contains(work .. "/none\n  " .. work .. "/home/engram/data\n")
end)

t.test("wrong usage is told, with exit code 2", function()
   local function usage(words, text)
      local code, _, err = t.command("engram data " .. words)
      t.expect(err):contains(text)
      t.expect(code):equals(2)
   end
   usage("", "expected list, fetch or check")
   usage("fetsch mnist", "unknown verb 'fetsch', did you mean 'fetch'?")
   usage("fetch", "data fetch: which one? (there are: fashion-mnist, imdb, mnist, phrasebank)")
   usage("fetch mnits", "there is no data set 'mnits', did you mean 'mnist'?")
   usage("fetch glyphs/digits", "'glyphs/digits' is made on the spot")
   usage("list mnist", "data list takes no names")
   usage("fetch --miror=x mnist", "did you mean '--mirror'?")
end)

local real = os.getenv "ENGRAM_DATA"
if real and exists(real .. "/mnist/t10k-labels-idx1-ubyte.gz") then
   t.test("real MNIST through a local mirror", function()
      shell(("ln -s %s/mnist %s/mnist"):format(real, site))
      local home = t.temporary_folder()
      local code, _, err = t.command(("env ENGRAM_DATA= XDG_DATA_HOME=%s ENGRAM_MIRROR=%s/good engram data fetch mnist"):format(
         home, server))
      t.expect(err):contains "mnist/t10k-labels-idx1-ubyte.gz: 4540 bytes, content verified"
      t.expect(code):equals(0)
      t.expect(exists(home .. "/engram/data/mnist/train-images-idx3-ubyte.gz")):is_true()
   end)
else
   t.skip("real MNIST through a local mirror", "ENGRAM_DATA is not set")
end

t.done()
