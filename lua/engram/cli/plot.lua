-- engram plot: a run's curves in the terminal.
local core = require "engram.core"
local usage_error = require "engram.usage"

local command = {
   summary = "draw a run's curves in the terminal",
   usage = "plot [options] RUN|DIR [METRIC]",
   text = "METRIC is loss (the default), accuracy (the mean of the tasks seen), accuracy.2 or accuracy.NAME (on one task), or any\n"
      .. "other number of metrics.jsonl. Runs that differ by their seed alone are one curve, their mean. Braille characters\n"
      .. "where the locale is UTF-8, else ASCII.",
   options = {
      { "ascii", doc = "ASCII characters alone" },
      { "width", value = "N", number = 1, doc = "columns (default: the terminal's)" },
      { "gnuplot", value = "FILE", doc = "let gnuplot draw the curves into FILE: .pdf, .png, .svg or .eps" },
      { "height", value = "N", number = 1, doc = "rows of the plot (default: 16)" },
   },
}

function command.run(values, words)
   if not words[1] then usage_error "plot: of which run? engram plot RUN [METRIC]" end
   if words[3] then usage_error("plot: one run and one metric at a time, got '%s' too", words[3]) end
   local plain = os.getenv "NO_COLOR"
   print(require "engram.plot"(words[1], { metric = words[2], ascii = values.ascii, width = values.width, height = values.height,
      gnuplot = values.gnuplot, colour = core.C.eg_is_terminal(1) == 1 and (plain == nil or plain == "") }))
   return 0
end

return command
