-- help.lua: the reference as the prompt's `?` and `engram help` show it. It is docs/reference/*.md, read when it is first asked for:
-- a heading ### `nn.Linear(inputs, outputs, options)` names a symbol (or several), and what stands below it is its help.
local core = require "engram.core"
local objects = require "engram.help.objects"
local prototypes = require "engram.help.prototypes"
local suggest = require "engram.suggest"

local help = {}

-- The folder docs/ beside that of the Lua files, in the source tree and where they are installed.
help.folder = (debug.getinfo(1, "S").source:match "^@(.*)/lua/engram/help%.lua$" or ".") .. "/docs"

local MANY = 3                          -- meanings of a name that are shown in full; of more, a line each
local LINES = 40                        -- symbols of a room that get a line each; of more, their names

-- ---- reading ----------------------------------------------------------------------------------------------

local index                             -- { sections = in the order of the pages, by_name = { form -> list of sections }, pages }

local function names_of(heading)
   local names = {}
   for form in heading:gmatch "`([^`]+)`" do names[#names + 1] = { form = form, name = form:match "^[%w_.:]+" } end
   return names
end

-- Reads one page into `sections`; returns { rooms, text }: the names in its title, and what stands under the title.
local function read_page(path, sections)
   local page, section, fenced, part, title = { rooms = {}, lines = {}, commands = {} }, nil, false, nil, nil
   for line in io.lines(path) do
      if line:find "^```" then fenced = not fenced end
      local level, heading = line:match "^(#+) (.*)$"
      if level and not fenced then
         section = nil
         if #level == 1 then
            title = heading:gsub("`", "")
            for _, name in ipairs(names_of(heading)) do page.rooms[#page.rooms + 1] = name.name end
         end
         if #level == 2 then part = heading end
         if heading:find "^`[:?$]" then                -- what a line of the prompt may be: no symbol
            section = { names = names_of(heading), heading = line, lines = {} }
            table.insert(page.commands, section)
         elseif #level == 3 then
            section = { names = names_of(heading), heading = line, part = part or title, lines = {} }
            sections[#sections + 1] = section
         end
      end
      if section then
         if line ~= section.heading then table.insert(section.lines, line) end
      elseif not part and not (level and #level > 1) then
         table.insert(page.lines, line)
      end
   end
   return page
end

local function joined(lines) return (table.concat(lines, "\n"):gsub("^%s+", ""):gsub("%s+$", "")) end

-- The parts of a name from which it may be asked for: "cl.methods.EWC", "methods.EWC", "EWC".
local function forms_of(name)
   local forms, rest = { name, name:find "^engram" and name or "engram." .. name }, name
   while rest:find "[.:]" do
      rest = rest:match "^[^.:]*[.:](.*)$"
      forms[#forms + 1] = rest
   end
   if name:find ":" then forms[#forms + 1] = (name:gsub(":", ".")) end
   return forms
end

local function add_section(by_name, section)
   section.text = joined(section.lines)
   for _, entry in ipairs(section.names) do
      for _, form in ipairs(forms_of(entry.name)) do
         by_name[form] = by_name[form] or {}
         local list = by_name[form]
         if list[#list] ~= section then list[#list + 1] = section end
      end
   end
end

local function read()
   if index then return index end
   local folder = help.folder .. "/reference"
   index = { sections = {}, by_name = {}, pages = {} }
   local names = core.names_in(folder)
   for _, name in ipairs(names) do
      if name:find "%.md$" then table.insert(index.pages, read_page(folder .. "/" .. name, index.sections)) end
   end
   if #index.sections == 0 then
      index = nil
      core.raise("help: there is no reference in %s", folder)
   end
   for _, section in ipairs(index.sections) do add_section(index.by_name, section) end
   return index
end

-- ---- one symbol -------------------------------------------------------------------------------------------

local function first_sentence(text)
   local paragraph = (text:match "^(.-)\n%s*\n" or text):gsub("%s*\n%s*", " ")
   return paragraph:match "^(.-[%w`)][.])%s+[%u`]" or paragraph
end

local function line_of(section, name)
   return ("- `%s`: %s"):format(name, first_sentence(section.text))
end

-- The sections that the name means, the exact one alone where there is one.
local function find(name)
   local by_name = read().by_name
   local exact = by_name[name] or by_name[name:gsub("^engram%.", "")]
   if exact then
      for _, section in ipairs(exact) do
         for _, entry in ipairs(section.names) do if entry.name == name then return { section } end end
      end
      return exact
   end
   local last, found = name:match "^[%w_.]+[.:]([%w_]+)$", {}          -- x:matmul, model:save, x.shape: members of some class
   for _, section in ipairs(last and by_name[last] or {}) do
      if section.names[1].name:find "^%u" then found[#found + 1] = section end
   end
   return found
end

local function meanings(name, sections)
   local parts = {}
   if #sections <= MANY then
      for i, section in ipairs(sections) do parts[i] = section.heading .. "\n\n" .. section.text end
      return table.concat(parts, "\n\n")
   end
   for i, section in ipairs(sections) do parts[i] = line_of(section, section.names[1].name) end
   return ("`%s` is several things:\n\n%s"):format(name, table.concat(parts, "\n"))
end

-- ---- rooms and classes ------------------------------------------------------------------------------------

-- The symbols whose names begin with room. or room:, each { section, name }.
local function members(room)
   local list = {}
   for _, section in ipairs(read().sections) do
      for _, entry in ipairs(section.names) do
         local before = entry.name:sub(1, #room + 1)
         if before == room .. "." or before == room .. ":" then list[#list + 1] = { section, entry.name } end
      end
   end
   return list
end

-- The help on a command of the prompt, as ":who"; nil when there is none.
local function command_text(name)
   for _, page in ipairs(read().pages) do
      for _, section in ipairs(page.commands) do
         for _, entry in ipairs(section.names) do
            if entry.name == name then return section.heading .. "\n\n" .. joined(section.lines) end
         end
      end
   end
end

local function names_by_part(list)
   local lines, part = {}, false
   for _, member in ipairs(list) do
      if member[1].part ~= part then
         part = member[1].part
         lines[#lines + 1] = ("\n%s:"):format(part)
      end
      lines[#lines] = lines[#lines] .. " `" .. member[2] .. "`"
   end
   return table.concat(lines, "\n")
end

local function room_text(room)
   local list, lines = members(room), {}
   if #list == 0 then return nil end
   for _, page in ipairs(read().pages) do
      for _, name in ipairs(page.rooms) do if name == room then lines[#lines + 1] = joined(page.lines) .. "\n" end end
   end
   if #lines == 0 then lines[1] = ("# `%s`\n"):format(room) end
   if #list > LINES then return lines[1] .. names_by_part(list) end
   for _, member in ipairs(list) do lines[#lines + 1] = line_of(member[1], member[2]) end
   return table.concat(lines, "\n")
end

-- ---- what is asked ----------------------------------------------------------------------------------------

-- text(name): the help on a symbol, by any of its names ("nn.Linear", "engram.nn.Linear", "Linear", "Tensor:matmul", "matmul", "x:matmul"),
-- on a room ("nn") or a class ("Optimizer"), a command of the prompt (":who") or a function of the core ("eg_matmul"), as Markdown; nil
-- for an unknown name.
function help.text(name)
   name = tostring(name):gsub("^%s+", ""):gsub("%s+$", ""):gsub("%(.*$", "")
   if name:find "^:" then return command_text(name:match "^:%a+") end
   if name:find "^C?%.?eg_" then
      local text, place = prototypes.text(name)
      return text and place .. "\n" .. text
   end
   local sections = find(name)
   local room = room_text((name:gsub("^engram%.", "")))
   if room and not (#sections > 0 and name:find "^%u") then return room end
   if #sections == 0 then return room end
   return meanings(name, sections) .. (room and "\n\n" .. room or "")
end

-- names(): every symbol that has a heading, as { name =, form = }, in the order of the pages.
function help.names()
   local list = {}
   for _, section in ipairs(read().sections) do
      for _, entry in ipairs(section.names) do list[#list + 1] = entry end
   end
   return list
end

-- How far a symbol's name is from what was asked, nil for too far: its last part counts, then its room, then its case.
local function distance(asked, name)
   local room, last = name:match "^(.-)[.:]?([^.:]+)$"
   local wanted_room, word = asked:match "^(.-)[.:]?([^.:]+)$"
   local edits = suggest.distance(word:lower(), last:lower())
   if #word > 2 and last:lower():sub(1, #word) == word:lower() then edits = math.min(edits, 1) end         -- its begin
   if edits > math.max(1, math.floor(math.max(#word, #last) / 3)) then
      return #word > 2 and last:lower():find(word:lower(), 1, true) and 100 + #last or nil
   end
   return edits + (room:lower() == wanted_room:lower() and 0 or 0.4) + (word:sub(1, 1) == last:sub(1, 1) and 0 or 0.2)
end

-- nearest(name): the names that are most like it, at most five, the best first.
function help.nearest(name)
   name = name:gsub("^engram%.", ""):gsub("[^%w_.:].*$", "")
   local found, seen = {}, {}
   for _, entry in ipairs(name:find "[%w_]$" and help.names() or {}) do
      local far = not seen[entry.name] and distance(name, entry.name)
      seen[entry.name] = true
      if far then found[#found + 1] = { entry.name, far } end
   end
   table.sort(found, function(a, b) return a[2] < b[2] or a[2] == b[2] and a[1] < b[1] end)
   local names = {}
   for i = 1, math.min(5, #found) do names[i] = found[i][1] end
   return names
end

-- The line of a section that holds the word, or its first sentence.
local function line_with(section, word)
   for _, line in ipairs(section.lines) do
      if line:lower():find(word, 1, true) then return line end
   end
   return first_sentence(section.text)
end

-- search(word): all symbols whose name or help holds the word, whatever its case: a list of { name =, line = }, names that hold it first.
function help.search(word)
   word = word:lower()
   local by_name, by_text = {}, {}
   for _, section in ipairs(read().sections) do
      local named = false
      for _, entry in ipairs(section.names) do
         if entry.name:lower():find(word, 1, true) then
            by_name[#by_name + 1] = { name = entry.name, line = first_sentence(section.text) }
            named = true
         end
      end
      if not named and section.text:lower():find(word, 1, true) then
         by_text[#by_text + 1] = { name = section.names[1].name, line = line_with(section, word) }
      end
   end
   for _, found in ipairs(by_text) do by_name[#by_name + 1] = found end
   return by_name
end

-- object(value): the name under which the reference has a function, a class, or what a value is: "nn.Linear" for a linear layer,
-- "optim.SGD" for an optimizer, "Tensor"; nil when it has none.
function help.object(value) return objects.name_of(value, help.names()) end

return help
