-- page.lua: the report as one HTML page: its sections in order, its specifications, and the scripts that draw them.
local charts = require "engram.report.charts"
local figures = require "engram.report.figures"
local groups = require "engram.run.groups"
local html = require "engram.report.html"
local tables = require "engram.report.tables"
local e, raw = html.element, html.raw

local Page = {}
Page.__index = Page

-- ---- what sections use ------------------------------------------------------------------------------------

-- A chart over its table: { title, note, spec, table, wide }. The table is open and the chart has no room until a script says that it
-- draws: page.js closes the one, DRAWING makes the other.
function Page:figure(about)
   local id = "chart-" .. #self.specs + 1
   self.specs[#self.specs + 1] = { id = id, spec = about.spec }
   return e("figure", { class = about.wide and "wide" or nil }, e("figcaption", nil, about.title,
         about.note and e("span", { class = "note" }, " ", about.note) or nil),
      e("div", { class = "chart", id = id, role = "img", ["aria-label"] = about.title,
         style = ("min-height:%dpx"):format(about.spec.height + 40) }),
      e("details", { open = true }, e("summary", nil, "Numbers"), about.table))
end

-- The colour of group i; dashes are drawn where colours come again.
function Page:swatch(i)
   if #self.groups < 2 then return nil end
   local colour, dash = charts.style(i)
   local plain = dash[2] == 0
   return e("span", { class = "swatch", style = plain and "background:" .. colour
      or ("background:repeating-linear-gradient(90deg,%s 0 %dpx,transparent %dpx %dpx)"):format(colour, dash[1], dash[1],
         dash[1] + dash[2]) })
end

function Page:seeds_of(group)
   return #group.seeds > 1 and ("mean of seeds %s"):format(table.concat(group.seeds, ", ")) or nil
end

-- The label of a group, marked when its figures are not those of whole trainings.
function Page:label(group)
   if not group.unfinished then return group.label end
   return { (group.label:gsub(" ?%(unfinished%)$", "")), " ", e("span", { class = "badge other" }, "unfinished") }
end

function Page:badge(run)
   return e("span", { class = "badge " .. (run.state == "finished" and "good" or "other") }, run.state)
end

function Page:legend()
   if #self.groups < 2 then return nil end
   local items = {}
   for i, group in ipairs(self.groups) do items[i] = e("li", nil, self:swatch(i), group.label) end
   return e("ul", { class = "legend" }, items)
end

-- ---- sections ---------------------------------------------------------------------------------------------

local SECTIONS = {
   { "summary", "Summary", tables.summary, "At the end of training. Forgetting and backward transfer are in points of accuracy." },
   { "matrices", "Accuracy matrices", figures.matrices, figures.about_matrices },
   { "accuracy", "Accuracy over training", figures.accuracy_curves, figures.about_lines, true },
   { "loss", "Loss", figures.loss_curves, "Mean over the steps since the point before.", true },
   { "forgetting", "Forgetting", figures.forgetting, "The best accuracy on a task before the last task, minus that at the end.", true },
   { "density", "Update density", figures.density, "Weights that end a task with other bits than they began it with.", true },
   { "overlap", "Update overlap", figures.overlaps,
      "Of the weights that moved in either of two tasks, the share that moved in both (Jaccard)." },
   { "cost", "Cost", figures.cost,
      "What the optimizer and the methods hold while they train, and how many weights a task changes, beside what is known at the end.",
      true },
   { "settings", "Settings", tables.settings },
   { "environment", "Environment", tables.environment },
   { "files", "Files", tables.files },
}

local without_trainings = { [tables.summary] = true, [tables.environment] = true, [tables.files] = true }

-- The sections that have something to show, and the links to them.
local function sections(page)
   local parts, links = {}, {}
   for _, section in ipairs(SECTIONS) do
      local id, title, make, note, legend = unpack(section, 1, 5)
      if type(note) == "function" then note = note(page) end
      local body = (#page.groups > 0 or without_trainings[make]) and make(page)
      if body then
         links[#links + 1] = e("a", { href = "#" .. id }, title)
         parts[#parts + 1] = { e("section", { id = id }, e("h2", nil, title), note and e("p", { class = "note" }, note) or nil,
            legend and page:legend() or nil, body), "\n" }
      end
   end
   return parts, e("nav", nil, links)
end

local function several(count, word) return ("%d %s%s"):format(count, word, count == 1 and "" or "s") end

local function header(page)
   local runs, intervals, statuses, cut = page.history.runs, false, {}, ""
   for _, group in ipairs(page.groups) do
      intervals = intervals or #group.members > 1
      if group.unfinished then cut = ", or by being unfinished" end
   end
   if #runs == 1 then statuses = { " ", page:badge(runs[1]) } end
   local line = ("%s, %s"):format(several(#runs, "run"), several(#page.history.trainings, "training"))
   if #page.groups > 0 and intervals then
      line = line .. (" in %s that differ by more than the seed%s; ± and bands: 95 %% interval of the mean over seeds"):format(
         several(#page.groups, "group"), cut)
   end
   local begun
   for _, run in ipairs(runs) do
      local started = run.meta.started
      if type(started) == "string" and (not begun or started < begun) then begun = started end
   end
   return e("header", nil, e("h1", nil, page.title, statuses), e("p", { class = "note" }, line, ". ",
      begun and "Begun " .. begun:gsub("T", " "):gsub("Z$", " UTC") .. "." or nil))
end

local function problems(page)
   local list = {}
   for i, line in ipairs(page.history.problems) do
      if i > 20 then list[i] = e("li", nil, ("and %d more"):format(#page.history.problems - 20)) break end
      list[i] = e("li", nil, line)
   end
   return #list > 0 and e("section", { class = "problems" }, e("h2", nil, "Not read"), e("ul", nil, list)) or nil
end

-- ---- the page ---------------------------------------------------------------------------------------------

local LIBRARIES = { "vega", "vega-lite", "vega-embed" }

local function libraries()
   local parts, licences = {}, {}
   for i, name in ipairs(LIBRARIES) do
      local text = tables.asset("vega/" .. name .. ".min.js"):gsub("\n//# sourceMappingURL=[^\n]*\n?", "\n")
      parts[i] = raw("<script>" .. text .. "</script>\n")
      licences[i] = name .. "\n\n" .. tables.asset("vega/" .. name .. ".LICENSE")
   end
   licences[#licences + 1] = tables.asset "vega/bundled.LICENSE"
   return parts, e("details", { class = "licences" }, e("summary", nil, "Licences of the software in this page"),
      e("pre", nil, table.concat(licences, "\n\n")))
end

-- Nothing may be loaded: the page is all there is. Vega compiles its expressions, hence unsafe-eval.
local POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"

local DRAWING = 'document.documentElement.className = "drawing";'
local NO_SCRIPT = "The charts are drawn by JavaScript, which is off here. Their numbers stand in tables."

local function title_of(history)
   local names, seen = {}, {}
   for _, run in ipairs(history.runs) do
      local name = run.experiment ~= "" and run.experiment or run.name
      if not seen[name] then names[#names + 1], seen[name] = name, true end
   end
   return #names > 3 and ("%s and %d more"):format(names[1], #names - 1) or table.concat(names, ", ")
end

-- page(history, out): the text of the report on what history.read gave, for a file at `out`, to which its links are relative.
return function(history, out)
   local list = groups.of(history.trainings)
   local page = setmetatable({ history = history, groups = list, labels = {}, specs = {},
      tasks = figures.short_names(groups.task_names(list)), folder = tables.folder_of(out), title = title_of(history) }, Page)
   for i, group in ipairs(list) do page.labels[i] = group.label end
   page.spans, page.most_spans = groups.spans(history.trainings)
   local body, links = sections(page)
   local scripts, licences = libraries()
   local specs = {}
   for i, entry in ipairs(page.specs) do specs[i] = html.json(entry.id .. "-spec", entry.spec) end
   local head = e("head", nil, e("meta", { charset = "utf-8" }),
      e("meta", { ["http-equiv"] = "Content-Security-Policy", content = POLICY }),
      e("meta", { name = "viewport", content = "width=device-width, initial-scale=1" }),
      e("meta", { name = "generator", content = "Engram " .. require "engram.version" }), e("title", nil, page.title), "\n",
      e("style", nil, raw(tables.asset "page.css")), raw("<script>" .. DRAWING .. "</script>\n"))
   local main = e("body", nil, header(page), links, e("noscript", nil, e("p", { class = "note" }, NO_SCRIPT)), "\n", problems(page),
      e("main", nil, body),
      e("footer", nil, e("p", nil, "Made by engram report, Engram " .. require "engram.version" .. ". Charts: Vega-Lite."), licences), "\n",
      specs, html.json("chart-config", charts.config), scripts, raw("<script>" .. tables.asset "page.js" .. "</script>"))
   return "<!DOCTYPE html>\n" .. tostring(e("html", { lang = "en" }, head, main)) .. "\n"
end
