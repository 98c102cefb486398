-- engram config: what a script's settings come to, from its defaults, a settings file and the words, without running it.
local command = {
   summary = "show the settings that a run would have, and where each comes from",
   usage = "config [options] FILE [key=value ...]",
   text = "FILE is a script or a settings file, as for engram run. The script runs until it declares its settings, which are\n"
      .. "printed as YAML; what is wrong with them is said instead.",
   pass = true,
   options = {
      { "explain", doc = "with each value's origin (FILE:LINE, command line, default), doc and range" },
      { "config", value = "FILE", doc = "the settings file of a script" },
      { "seed", value = "N", number = 0, doc = "as of engram run" },
      { "threads", value = "N", number = 1, doc = "as of engram run" },
   },
}

function command.run(values, words)
   local file = table.remove(words, 1)
   local how = { show = values.explain and "explained" or "plain", config = values.config, seed = values.seed, threads = values.threads,
      quiet = true, show_script = true }
   return require "engram.cli.run".start("config", how, file, words)
end

return command
