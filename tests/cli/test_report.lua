-- engram report: the page holds everything, escapes everything, loads nothing, and draws in a browser.
local t = require "tests.harness"
local runs = require "tests.runs"
local report = require "engram.report"
local html = require "engram.report.html"
local thin = require "engram.report.thin"
local json = require "engram.json"

local folder = t.temporary_folder()

local function page_of(path, out)
   local file, problems = report(path, out)
   return t.read(file), problems, file
end

-- As expect(text):contains and lacks, but a failure does not print a megabyte.
local function has(text, words)
   if not text:find(words, 1, true) then error(("the page lacks %q"):format(words), 0) end
end

local function lacks(text, words)
   if text:find(words, 1, true) then error(("the page holds %q"):format(words), 0) end
end

-- The page without its scripts and styles: what a reader without JavaScript gets.
local function plain(text) return (text:gsub("<script.-</script>", ""):gsub("<style.-</style>", "")) end

local several = folder .. "/several"
for seed = 1, 3 do
   runs.write(several .. "/sgd-" .. seed, { seed = seed })
   runs.write(several .. "/adam-" .. seed, { seed = seed, optimizer = "Adam", lr = 0.001 })
end

-- ---- what it says -----------------------------------------------------------------------------------------

t.test("tables hold the figures without JavaScript", function()
   local text = plain((page_of(several)))
   for _, words in ipairs{ "82.00 ± 2.48", "Accuracy matrices", "mean of seeds 1, 2, 3", "92.00 ± 2.48", "Forgetting of each task",
      "10.00", "Weights changed in each task", "20.00", "Update overlap", "0.50", "Against memory", "state, MB",
      "optimizer.lr", "0.001", "host", "here",
      "6 runs, 6 trainings in 2 groups", 'href="adam-1/metrics.jsonl"', "0.205 ± 0.2484" } do
      has(text, words)
   end
end)

t.test("every chart has a specification of JSON and a table", function()
   local text = page_of(several)
   local charts, tables = 0, select(2, text:gsub("<figure.-</figure>", function(figure)
      has(figure, 'class="chart" id=')
      has(figure, "<table>")
   end))
   for id, spec in text:gmatch '<script type="application/json" id="(chart%-%d+)%-spec">(.-)</script>' do
      charts = charts + 1
      t.expect(json.decode(spec)["$schema"]):contains "vega-lite/v6"
      has(text, 'class="chart" id="' .. id .. '"')
   end
   t.expect(charts):equals(tables)
   t.expect(charts):equals(12)          -- 2 matrices, 3 accuracies, loss, forgetting, density, 2 overlaps, 2 costs
end)

t.test("the same runs give the same bytes", function()
   t.expect(page_of(several, folder .. "/a.html") == page_of(several, folder .. "/b.html")):is_true()
end)

t.test("links lead from the file to the runs", function()
   has((page_of(several, folder .. "/links.html")), 'href="several/adam-1/metrics.jsonl"')
   os.execute("mkdir " .. t.quote(folder .. "/away"))
   has((page_of(several, folder .. "/away/links.html")), 'href="../several/adam-1/metrics.jsonl"')
end)

t.test("a run of one task, one cut short and one without accuracies have reports too", function()
   lacks((page_of(runs.write(folder .. "/single", { tasks = 1 }))), "Forgetting of each task")
   local text = page_of(runs.write(folder .. "/cut", { status = "interrupted", summary = false }))
   has(text, '<span class="badge other">interrupted</span>')
   has((plain(text)), "81.0")
   local bare = runs.write(folder .. "/bare", { metrics = "", summary = false })
   has((page_of(bare)), "1 run, 0 trainings")
end)

t.test("20 tasks and 12 groups have panels, numbers for names and dashes for colours", function()
   for i = 1, 12 do runs.write(("%s/many/%02d"):format(folder, i), { tasks = 20, lr = i }) end
   local text = page_of(folder .. "/many")
   has(text, "11 of 20 tasks are drawn")
   has(text, "repeating-linear-gradient")
end)

t.test("what is unfinished is marked, never the best, and its error is told", function()
   local path = folder .. "/unfinished"
   runs.write(path .. "/sgd", { seed = 1 })
   runs.write(path .. "/sgd2", { seed = 2, lr = 0.2 })
   runs.write(path .. "/adam", { seed = 15, optimizer = "Adam", lr = 7, status = "interrupted", complete = false, error = "interrupted" })
   runs.write(path .. "/bad", { seed = 3, lr = 9, status = "failed", complete = false, error = "cl.train: diverged at <step> 7\nmore" })
   local text = plain((page_of(path)))
   has(text, "<strong>82.00</strong>")
   has(text, "95.00")
   lacks(text, "<strong>95.00</strong>")
   has(text, 'lr=7 <span class="badge other">unfinished</span>')
   has(text, "interrupted, in task 2 of 2")
   has(text, "cl.train: diverged at &lt;step&gt; 7</td>")
   has(text, "Begun 2026-01-02 03:04:05 UTC.")
   lacks(plain((page_of(several))), "Not finished")
end)

t.test("begun is when the first run began, not the first folder", function()
   local path = folder .. "/begun"
   json.save(runs.write(path .. "/a", {}) .. "/meta.json", { script = "x.lua", started = "2026-03-01T00:00:00Z" })
   json.save(runs.write(path .. "/b", { lr = 2 }) .. "/meta.json", { script = "x.lua", started = "2026-02-01T00:00:00Z" })
   has((page_of(path)), "Begun 2026-02-01 00:00:00 UTC.")
end)

t.test("lines where tasks end stand where all trainings agree, else the page says that there are none", function()
   local path = runs.write(folder .. "/forks", { trainings = { { name = "base", tasks = 2 }, { name = "fork", tasks = 3, forked = 2 } } })
   local text = page_of(path)
   has(text, "Dashed lines: where one task ends")
   has(text, '[{"step": 200}, {"step": 400}]')
   runs.write(folder .. "/apart/a", {})
   runs.write(folder .. "/apart/b", { lr = 2, metrics = '{"event":"task","task":1,"step":90,"accuracy":[1,2]}\n'
      .. '{"event":"task","task":2,"step":180,"accuracy":[1,2]}\n' })
   text = page_of(folder .. "/apart")
   lacks(text, "Dashed lines")
   has(text, "These trainings end their tasks at different steps: no lines show where.")
   lacks(text, '{"step": 90}')
   lacks((page_of(folder .. "/single")), "Dashed lines")
end)

t.test("every column of a small matrix has its name, shortened where there is no room", function()
   local spec = json.decode(page_of(several):match '<script type="application/json" id="chart%-1%-spec">(.-)</script>')
   local axis = spec.layer[1].encoding.x.axis
   t.expect({ axis.labelOverlap, axis.labelLimit }):equals{ false, { expr = "max(14, width / 2 - 4)" } }
end)

t.test("without scripts the tables are open and the charts take no room", function()
   local text = page_of(several)
   t.expect(select(2, text:gsub("<details open><summary>Numbers", ""))):equals(12)
   has(text, "<noscript>")
   has(text, ".chart { display: none;")
   has(text, ".drawing .chart { display: block; }")
end)

-- ---- hostile contents -------------------------------------------------------------------------------------

t.test("text is escaped wherever it stands", function()
   local evil = '</script><script>alert(1)</script><img src="http://a.b/c.png" onerror=\'x\'>&\1\255'
   local path = runs.write(folder .. "/evil", { task = evil, optimizer = evil, name = evil })
   json.save(path .. "/meta.json", { script = evil .. ".lua", command = evil, host = evil, started = evil })
   json.save(path .. "/settings.json", { lr = evil, [evil] = evil })
   t.write(path .. "/metrics.jsonl", t.read(path .. "/metrics.jsonl") .. "<b>broken\n")
   local text, problems = page_of(path)
   t.expect(#problems):equals(1)
   lacks(text, "<script>alert")
   lacks(plain(text), "<img")
   lacks(text, "<b>")
   has(text, "&lt;/script&gt;&lt;script&gt;alert(1)")
   t.expect(text:find("[%z\1-\8\255]")):is_nil()
   t.expect(html.escape "a<b>&\"'\0\255"):equals "a&lt;b&gt;&amp;&quot;&#39;\239\191\189\239\191\189"
end)

t.test("file names are encoded in links", function()
   local path = folder .. "/odd/a b#c?d%'\"<x>"
   runs.write(path)
   has((page_of(folder .. "/odd")), 'href="a%20b%23c%3Fd%25%27%22%3Cx%3E/metrics.jsonl"')
end)

t.test("nothing is loaded from anywhere", function()
   local text = plain((page_of(several)))
   for tag, rest in text:gmatch "<(%a+)([^>]*)>" do
      t.expect(({ script = 1, link = 1, img = 1, iframe = 1, object = 1, embed = 1, base = 1, source = 1 })[tag:lower()]):is_nil()
      t.expect(rest:find "src%s*=" == nil and rest:find 'href="%a+:' == nil and rest:find 'href="//' == nil):is_true()
   end
   local whole = page_of(several)
   has(whole, "default-src &#39;none&#39;")
   for style in whole:gmatch "<style>(.-)</style>" do
      t.expect(style:find "url%(" == nil and style:find "@import" == nil):is_true()
   end
   for attributes in whole:gmatch "<script([^>]*)>" do
      t.expect(attributes == "" or attributes:find '^ type="application/json" id="[%w-]+"$' ~= nil):is_true()
   end
end)

-- ---- the files that came with it --------------------------------------------------------------------------

t.test("the vendored files are those that their table names", function()
   local here, count = "lua/engram/report/vega/", 0
   for name, hash in t.read(here .. "README.md"):gmatch "\n| (%S+) |[^\n]* (%x+) |" do
      count = count + 1
      t.expect(#hash):equals(64)
      local pipe = io.popen("sha256sum " .. here .. name)
      t.expect(pipe:read "*l":match "^%x+"):equals(hash)
      pipe:close()
      if name:find "%.js$" then t.expect(t.read(here .. name):lower():find "</script" == nil):is_true() end
   end
   t.expect(count):equals(7)
   has((page_of(several)), "University of Washington Interactive Data Lab")
end)

-- ---- fewer points -----------------------------------------------------------------------------------------

t.test("thinned curves keep their ends and their peaks", function()
   local points = {}
   for i = 1, 50000 do points[i] = { i, math.sin(i / 3000) } end
   points[31234] = { 31234, 40 }
   local few = thin(points, 2000)
   t.expect(#few):equals(2000)
   t.expect({ few[1], few[2000] }):equals{ points[1], points[50000] }
   local peak, ordered = false, true
   for i, p in ipairs(few) do
      peak = peak or p[2] == 40
      ordered = ordered and (i == 1 or p[1] > few[i - 1][1])
   end
   t.expect(peak and ordered):is_true()
   t.expect(thin(few, 2000)):equals(few)
end)

t.test("a long run has a page of bounded size", function()
   local lines = {}
   for i = 1, 30000 do lines[i] = ('{"event":"train","task":1,"epoch":1,"step":%d,"loss":%.3f}'):format(i, 1 + i % 97) end
   local path = runs.write(folder .. "/long", { tasks = 1, metrics = table.concat(lines, "\n") .. "\n", summary = false })
   t.expect(#page_of(path)):below(1200000)
end)

-- ---- the command ------------------------------------------------------------------------------------------

t.test("the command writes the file or says why not", function()
   local path = t.quote(several)
   local code, out = t.command("engram report " .. path)
   t.expect(code):equals(0)
   t.expect(out):equals("report: " .. several .. "/report.html\n")
   local function fails(words, wanted, message)
      local result, _, err = t.command("engram report " .. words)
      t.expect(result):equals(wanted)
      t.expect(err):contains(message)
   end
   fails("", 2, "report: of which run?")
   fails(path .. " b", 2, "got 'b' too")
   fails(path .. " --uot x", 2, "did you mean '--out'")
   fails(path .. " --out " .. t.quote(folder), 1, "is a folder, expected the path of a file")
   fails(path .. " --out " .. t.quote(folder .. "/no/where.html"), 1, "no/where.html: cannot write")
   fails(t.quote(folder .. "/none"), 1, "there is no such folder")
   t.expect(t.read(folder .. "/no/where.html")):is_nil()
end)

t.test("a full disk leaves the old report", function()
   local old = t.read(several .. "/report.html")
   local code, _, err = t.command("ulimit -f 100; trap '' XFSZ; exec engram report " .. t.quote(several))
   t.expect(code):equals(1)
   t.expect(err):contains "report.html: cannot write"
   t.expect(t.read(several .. "/report.html") == old):is_true()
   local pipe = io.popen("ls -a " .. t.quote(several) .. " | grep -c part")
   t.expect(pipe:read "*l"):equals "0"
   pipe:close()
end)

t.test("engram run --report ends with the report of the finished run", function()
   local script = t.write(folder .. "/script.lua", 'require "engram".run.current():log_metric{ event = "e", step = 1, loss = 2 }\n')
   local code, out = t.command(("cd %s && engram run --report %s && engram run --report %s key=1 || echo $?"):format(t.quote(folder),
      script, script))
   t.expect(code):equals(0)
   local path = out:match "^report: (%S+/report%.html)\n"
   has((t.read(folder .. "/" .. path)), '<span class="badge good">finished</span>')
end)

-- ---- in a browser -----------------------------------------------------------------------------------------

local chromium = io.popen("command -v chromium || command -v chromium-browser"):read "*l"

local function browse(path)
   local quiet = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
      .. "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=20000"
   local profile = t.temporary_folder()
   return t.command(("%s %s --user-data-dir=%s --dump-dom %s"):format(chromium, quiet, profile, t.quote("file://" .. path)), 120)
end

if not chromium then
   t.skip("charts are drawn in a browser", "there is no chromium")
else
   t.test("charts are drawn in a browser", function()
      local _, _, file = page_of(several)
      local code, dom, log = browse(file)
      t.expect(code):equals(0)
      has(dom, 'data-drawn="12"')
      has(dom, 'class="drawing"')
      t.expect(select(2, dom:gsub("<details[^>]*><summary>Numbers", ""))):equals(12)
      lacks(dom, '<details open=""><summary>Numbers')
      lacks(plain(dom), "could not be drawn")
      t.expect(select(2, dom:gsub('<svg[^>]*class="marks"', ""))):equals(12)
      for mark, least in pairs{ ["mark%-rect"] = 4, ["mark%-line"] = 4, ["mark%-area"] = 4, ["mark%-rule"] = 6 } do
         t.expect(select(2, dom:gsub('class="' .. mark, ""))):above(least - 1)
      end
      t.expect(log:match "CONSOLE[^\n]*" or "nothing was said"):equals "nothing was said"   -- nor was anything kept from loading
   end)
end

t.done()
