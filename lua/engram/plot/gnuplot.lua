-- gnuplot.lua: curves as a picture for a paper, drawn by the program gnuplot where it is installed. The end of the file's name says which
-- kind: .pdf, .png, .svg or .eps.
local core = require "engram.core"
local C = core.C

local TERMINALS = { pdf = "pdfcairo size 15cm,9cm", png = "pngcairo size 1000,600", svg = "svg size 800,480 dynamic", eps = "epscairo" }

-- A text in gnuplot's single quotes, in which nothing is special but the quote.
local function quote(text) return "'" .. text:gsub("[%c]", " "):gsub("'", "''") .. "'" end

local function add_data(lines, series)
   for i, one in ipairs(series) do
      lines[#lines + 1] = ("$curve%d << END"):format(i)
      for _, p in ipairs(one.points) do
         local finite = p[1] - p[1] == 0 and p[2] - p[2] == 0
         lines[#lines + 1] = finite and ("%.10g %.10g"):format(p[1], p[2]) or ""     -- an empty line breaks the curve
      end
      lines[#lines + 1] = "END"
   end
end

-- The program for gnuplot: the data is in it.
local function program(about, out, terminal)
   local lines, plots = { "set terminal " .. terminal, "set output " .. quote(out),
      "set title " .. quote(about.title or "") .. " noenhanced", "set key noenhanced", "set grid back lw 0.5", "set xlabel 'step'" }, {}
   for k = 1, #about.spans - 1 do
      lines[#lines + 1] = ("set arrow from first %d,graph 0 to first %d,graph 1 nohead dashtype 2 lc rgb 'gray50'"):format(
         about.spans[k].last, about.spans[k].last)
   end
   add_data(lines, about.series)
   for i, one in ipairs(about.series) do
      plots[i] = ("$curve%d using 1:2 with lines lw 2 title %s"):format(i, quote(one.label))
   end
   lines[#lines + 1] = "plot " .. table.concat(plots, ", ")
   return table.concat(lines, "\n") .. "\n"
end

-- gnuplot({ title =, series =, spans = } as for draw.lua, out): draws them into the file `out`, whole or not at all.
return function(about, out)
   local kind = out:match "%.(%w+)$"
   local terminal = TERMINALS[kind or ""]
   if not terminal then core.raise("plot: %s: expected a name that ends in .pdf, .png, .svg or .eps", out) end
   if os.execute "command -v gnuplot >/dev/null 2>&1" ~= 0 then
      core.raise "plot: the program gnuplot is not installed: install it (Debian: gnuplot-nox), or leave --gnuplot out"
   end
   local part = ("%s.%d.part"):format(out, C.eg_process_id())
   local text = program(about, part, terminal)
   core.check(C.eg_file_write(part .. ".gnuplot", text, #text))
   local word = require "engram.shell"(part .. ".gnuplot")
   local code = os.execute("gnuplot " .. word)
   os.remove(part .. ".gnuplot")
   if code == 0 and os.rename(part, out) then return end
   os.remove(part)
   core.raise("plot: gnuplot could not draw %s", out)
end
