-- run.lua: the documentation is a test. Every ```lua and ```sh block of README.md and docs/*.md runs (page.lua), a page
-- a process, in an empty folder that sees the project's; a block headed `no-run REASON` is skipped by name.
local t = require "tests.harness"

local pages = {}
local pipe = io.popen "ls README.md docs/*.md 2>/dev/null"
for path in pipe:lines() do pages[#pages + 1] = path end
pipe:close()

for _, path in ipairs(pages) do
   local number, blocks = 0, 0
   for line in io.lines(path) do
      number = number + 1
      local language, note = line:match "^```(%a+)%s*(.*)$"
      if language == "lua" or language == "sh" then
         local reason = note:match "^no%-run%s+(.+)$"
         if reason then t.skip(("%s:%d"):format(path, number), reason) else blocks = blocks + 1 end
      end
   end
   if blocks > 0 then
      t.test(path, function()
         local code, out, err = t.command(('root=$PWD; cd %s && ln -s "$root"/* . && rm -f runs && exec engram run --no-run %s %s'):format(
            t.quote(t.temporary_folder()), "tests/docs/page.lua --", t.quote(path)), 300)
         if code ~= 0 then error(out .. err, 0) end
      end)
   end
end

t.done()
