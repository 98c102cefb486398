-- run.lua: the documentation is a test. Every ```lua and ```sh block of README.md, docs/*.md and docs/reference/*.md runs (page.lua), a
-- page a process, in an empty folder that sees the project's; a block headed `no-run REASON` is skipped by name.
-- engram run --no-run tests/docs/run.lua [N OF]: the N-th of OF shares of the pages.
local t = require "tests.harness"
local share, shares = tonumber(arg[1]) or 1, tonumber(arg[2]) or 1

local pages = {}
local pipe = io.popen "ls README.md docs/*.md docs/reference/*.md"
for path in pipe:lines() do pages[#pages + 1] = path end
pipe:close()

-- Languages of blocks: these run, are read, or are there to be looked at.
local languages = { lua = "run", sh = "run", yaml = "read", c = "compile", text = "look", [""] = "look" }

-- The blocks of a page: { line =, language =, reason = why it is not run, text = }.
local function blocks_of(path)
   local blocks, block, number = {}, nil, 0
   for line in io.lines(path) do
      number = number + 1
      local fence, note = line:match "^```(%S*)%s*(.*)$"
      if fence and block then
         block.text = table.concat(block, "\n") .. "\n"
         block = nil
      elseif fence then
         block = { line = number, language = fence, note = note, reason = note:match "^no%-run%s+(.+)$" }
         blocks[#blocks + 1] = block
      elseif block then
         block[#block + 1] = line
      end
   end
   if block then error(("%s:%d: this block has no end"):format(path, block.line), 0) end
   return blocks
end

local function check_block(path, block)
   local where = ("%s:%d"):format(path, block.line)
   local how = languages[block.language]
   if not how then
      error(("%s: a block of '%s' would not be tested; expected lua, sh, yaml, c, text or nothing"):format(where, block.language), 0)
   end
   if block.note ~= "" and not block.reason then error(where .. ": expected `no-run REASON`, got: " .. block.note, 0) end
   if how == "read" and not block.reason then
      local node, problem = require "engram.yaml".parse(block.text, where)
      if not node then error(problem, 0) end
   elseif how == "compile" and not block.reason then
      local source = t.write(t.temporary_folder() .. "/block.c", block.text)
      local code, _, err = t.command("gcc -std=c11 -Wall -Werror -fsyntax-only -Icore " .. t.quote(source))
      if code ~= 0 then error(where .. ":\n" .. err, 0) end
   end
end

local mine = {}
for i, path in ipairs(pages) do if i % shares == share - 1 then mine[#mine + 1] = path end end

for _, path in ipairs(mine) do
   local run = 0
   t.test(path .. ": every block is tested or says why not", function()
      for _, block in ipairs(blocks_of(path)) do
         check_block(path, block)
         if block.reason then t.skip(("%s:%d"):format(path, block.line), block.reason)
         elseif languages[block.language] == "run" then run = run + 1 end
      end
   end)
   if run > 0 then
      t.test(path, function()
         local code, out, err = t.command(('root=$PWD; cd %s && ln -s "$root"/* . && rm -f runs && exec engram run --no-run %s %s'):format(
            t.quote(t.temporary_folder()), "tests/docs/page.lua --", t.quote(path)), 300)
         if code ~= 0 then error(out .. err, 0) end
      end)
   end
end

-- ---- links ------------------------------------------------------------------------------------------------

-- The anchors of a page: its headings in small letters, without punctuation, with - for spaces.
local function anchors_of(text)
   local anchors = {}
   for heading in ("\n" .. text:gsub("```.-\n```", "")):gmatch "\n#+ ([^\n]*)" do
      anchors[heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-")] = true
   end
   return anchors
end

-- The file that a link on a page leads to; nil for one in the network.
local function target_of(path, link)
   if link:find "^%a+://" then return nil end
   local file = (path:match "^(.*/)" or "") .. link:match "^[^#]*"
   while file:find "[^/]+/%.%./" do file = file:gsub("[^/]+/%.%./", "", 1) end
   return link:sub(1, 1) == "#" and path or file
end

local function leads_nowhere(path, link)
   local file = target_of(path, link)
   if not file then return false end
   local opened, anchor = io.open(file), link:match "#(.*)$"
   if not opened then return true end
   local text = opened:read "*a"                       -- nil for a folder
   opened:close()
   return anchor and not anchors_of(text or "")[anchor] or false
end

local function check_links()
   local broken, linked, missing, count = {}, {}, {}, 0
   for _, path in ipairs(pages) do
      for link in t.read(path):gsub("```.-\n```", ""):gmatch "%]%(([^)%s]+)%)" do
         count = count + 1
         if path == "docs/index.md" then linked[target_of(path, link) or ""] = true end
         if leads_nowhere(path, link) then broken[#broken + 1] = path .. ": " .. link end
      end
   end
   t.expect(count):above(50)
   if #broken > 0 then error("these links lead nowhere: " .. table.concat(broken, ", "), 0) end
   for _, path in ipairs(pages) do
      if path ~= "docs/index.md" and not linked[path] then missing[#missing + 1] = path end
   end
   if #missing > 0 then error("not in docs/index.md: " .. table.concat(missing, ", "), 0) end
end

if share == 1 then t.test("every link leads to a file and a heading, and every page stands in docs/index.md", check_links) end
t.done()
