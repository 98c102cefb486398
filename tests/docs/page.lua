-- page.lua PAGE: runs the blocks of one page of documentation as one session.
-- The page becomes one Lua chunk in which prose is empty lines: locals last from block to block, and errors name the
-- page's own lines. What a line prints is compared with its `--> value`; further lines of `--> value` continue it. Numbers
-- may differ in their last digits; `...` stands for anything. An expression alone before `-->` is printed. A block of shell ends
-- with exit code 0, and what it prints is compared with its lines `# --> text`, where it has any.
local page = arg[1]

-- ---- from the page to a chunk -----------------------------------------------------------------------------

local code, expected, shells = {}, {}, {}          -- by line number
local block_start = {}                             -- line of code -> first line of its block

-- `expression` -> `print(expression)`, where it is one.
local function with_print(text)
   if text:match "^%s*print%s*%(" or not loadstring("return " .. text) or text:match "^%s*$" then return text end
   return "print(" .. text .. ")"
end

local function read_page()
   local language, start, number = nil, nil, 0
   for line in io.lines(page) do
      number = number + 1
      code[number] = ""
      local fence, note = line:match "^```(%a*)%s*(.*)$"
      if fence and language then
         language = nil
      elseif fence then
         language, start = note:find "^no%-run%s" and "skipped" or fence ~= "" and fence or "text", number
         if language == "sh" then
            shells[number] = { expected = {} }
            code[number] = ("run_shell(%d)"):format(number)
         end
      elseif language == "sh" then
         local value = line:match "^# %-%-> ?(.*)$"
         table.insert(value and shells[start].expected or shells[start], value or line)
      elseif language == "lua" then
         local before, value = line:match "^(.-)%s*%-%-> ?(.*)$"
         code[number] = before and with_print(before) or line
         expected[number], block_start[number] = value, start
      end
   end
end

-- ---- the session ------------------------------------------------------------------------------------------

local printed = {}                                 -- { line =, text = } in order

local function page_line()
   for level = 3, 40 do
      local info = debug.getinfo(level, "Sl")
      if not info then return 0 end
      if info.source == "@" .. page then return info.currentline end
   end
end

local function record(...)
   local parts = {}
   for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
   printed[#printed + 1] = { line = page_line(), text = table.concat(parts, "\t") }
end

local function run_shell(number)
   local script = "set -e\n" .. table.concat(shells[number], "\n")
   local quoted = "'" .. script:gsub("'", "'\\''") .. "'"
   local pipe = io.popen(("timeout 240 sh -c %s 2>&1 </dev/null; code=$?; echo; echo $code"):format(quoted))
   local out, status = pipe:read "*a":match "^(.*)\n(%d+)\n$"
   pipe:close()
   if status ~= "0" then error(("%s:%d: the block ended with exit code %s:\n%s"):format(page, number, status, out), 0) end
   shells[number].printed = out
end

-- The rooms that a block may name without engram before them.
local rooms = { nn = true, optim = true, schedule = true, data = true, cl = true, json = true, random = true, statistics = true }

local function run_session()
   local engram = require "engram"
   local environment = setmetatable({ print = record, run_shell = run_shell, engram = engram },
      { __index = function(_, name) return rooms[name] and engram[name] or _G[name] end })
   local chunk, problem = loadstring(table.concat(code, "\n"), "@" .. page)
   if not chunk then error(problem, 0) end
   setfenv(chunk, environment)()
end

-- ---- comparison -------------------------------------------------------------------------------------------

local function close(a, b)
   a, b = tonumber(a), tonumber(b)
   return a and b and (a == b or math.abs(a - b) <= 2e-3 * math.max(math.abs(a), math.abs(b)) or (a ~= a and b ~= b))
end

local function words_of(text)
   local list = {}
   for word in text:gsub("([%[%](){},:])", " %1 "):gmatch "%S+" do list[#list + 1] = word end
   return list
end

-- Word by word; "..." takes any number of words.
local function matches(got, want, i, j)
   i, j = i or 1, j or 1
   if want[j] == nil then return got[i] == nil end
   if want[j] == "..." then
      for skip = i, #got + 1 do if matches(got, want, skip, j + 1) then return true end end
      return false
   end
   if got[i] == nil or not (got[i] == want[j] or close(got[i], want[j])) then return false end
   return matches(got, want, i + 1, j + 1)
end

-- Checks the group of `-->` lines first..last: against what its own lines printed or, when it stands on lines of its own,
-- what the block printed since the group before.
local function check_group(first, last, since)
   local from = code[first]:match "%S" and first or math.max(since + 1, block_start[first])
   local got, want = {}, {}
   for _, entry in ipairs(printed) do
      if entry.line >= from and entry.line <= last then got[#got + 1] = entry.text end
   end
   for number = first, last do want[#want + 1] = expected[number] end
   got, want = table.concat(got, "\n"), table.concat(want, "\n")
   if matches(words_of(got), words_of(want)) then return true end
   io.stderr:write(("%s:%d: printed\n%s\nbut the page says\n%s\n"):format(page, first, got, want))
   return false
end

local function check_shell(number)
   local shell = shells[number]
   if not shell or #shell.expected == 0 then return true end
   local want = table.concat(shell.expected, "\n")
   if matches(words_of(shell.printed), words_of(want)) then return true end
   io.stderr:write(("%s:%d: printed\n%s\nbut the page says\n%s\n"):format(page, number, shell.printed, want))
   return false
end

local function check_page()
   local good, number, since = true, 1, 0
   while number <= #code do
      good = check_shell(number) and good
      if expected[number] then
         local last = number
         while expected[last + 1] and not code[last + 1]:match "%S" do last = last + 1 end
         good = check_group(number, last, since) and good
         since, number = last, last
      end
      number = number + 1
   end
   return good
end

read_page()
run_session()
os.exit(check_page() and 0 or 1)
