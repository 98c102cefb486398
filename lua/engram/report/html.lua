-- html.lua: HTML from Lua values. Text is always escaped; what html.element made is not escaped again.
local json = require "engram.json"

local html = {}

local Markup = { __tostring = function(self) return self.text end }

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

-- Text for a page: control characters and bytes that are no UTF-8 become U+FFFD.
function html.escape(text)
   text = json.utf8(tostring(text)):gsub("[%z\1-\8\11\12\14-\31\127]", "\239\191\189")
   return (text:gsub("[&<>\"']", entities))
end

-- Text that is markup already: of this library's own files.
function html.raw(text) return setmetatable({ text = text }, Markup) end

local function add(parts, content)
   if content == nil or content == false then return end
   if getmetatable(content) == Markup then
      parts[#parts + 1] = content.text
   elseif type(content) == "table" then
      for i = 1, #content do add(parts, content[i]) end
   else
      parts[#parts + 1] = html.escape(content)
   end
end

local EMPTY = { meta = true, br = true, hr = true, col = true, link = true }

-- element("td", { class = "number" }, content, ...): content is text, markup, or a list of them.
function html.element(name, attributes, ...)
   local parts, keys = { "<" .. name }, {}
   for key in pairs(attributes or {}) do keys[#keys + 1] = key end
   table.sort(keys)
   for _, key in ipairs(keys) do
      local value = attributes[key]
      if value == true then parts[#parts + 1] = " " .. key
      elseif value then parts[#parts + 1] = (' %s="%s"'):format(key, html.escape(value)) end
   end
   parts[#parts + 1] = ">"
   for i = 1, select("#", ...) do add(parts, (select(i, ...))) end
   if not EMPTY[name] then parts[#parts + 1] = "</" .. name .. ">" end
   return html.raw(table.concat(parts))
end

-- A value as JSON inside a script element: nothing in it can end the element or begin a comment.
function html.json(id, value)
   local text = json.encode(value):gsub("[<>&]", { ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026" })
   return html.raw(('<script type="application/json" id="%s">%s</script>\n'):format(html.escape(id), text))
end

-- A table: head is a list of titles, rows lists of cells; a cell is text, markup or a number's text. The first column is a heading
-- of its row; columns named in `words` are words, all others numbers.
function html.table(head, rows, words)
   local e, body, titles = html.element, {}, {}
   local function class(j) return not (words and words[j]) and j > 1 and "number" or nil end
   for j, title in ipairs(head) do titles[j] = e("th", { scope = "col", class = class(j) }, title) end
   for i, row in ipairs(rows) do
      local cells = {}
      for j = 1, #head do
         cells[j] = e(j == 1 and "th" or "td", { scope = j == 1 and "row" or nil, class = class(j) }, row[j] or "–")
      end
      body[i] = e("tr", nil, cells)
   end
   return e("div", { class = "scroll" }, e("table", nil, e("thead", nil, e("tr", nil, titles)), "\n", e("tbody", nil, body)))
end

-- A relative link; every part of the path is encoded.
function html.link(path, text)
   local href = path:gsub("[^%w/._~-]", function(c) return ("%%%02X"):format(c:byte()) end)
   return html.element("a", { href = href }, text or path)
end

return html
