-- cli/manual.lua: the manual page and the reference of the command line, made of the commands' own tables: `engram help --man` and
-- `engram help --markdown`.
local commands = require "engram.cli.commands"
local options = require "engram.cli.options"

local manual = {}

-- Variables of the environment that the program looks at.
manual.environment = {
   { "ENGRAM_RUNS", "the folder of run directories, instead of ./runs; --runs wins over it" },
   { "ENGRAM_DATA", "the folder of data sets that is looked into first and fetched to" },
   { "ENGRAM_MIRROR", "where data sets are fetched from: URL/NAME/FILE, also file:///path" },
   { "ENGRAM_PLUGINS", "a folder in which optimizers in files are found by name" },
   { "ENGRAM_INSTRUCTIONS", "the instruction set of the kernels: portable, avx2 or avx512 (default: the widest there is)" },
   { "ENGRAM_BENCH_PEER", "the program that engram bench compares with" },
   { "ENGRAM_DEBUG", "when set, errors come with the library's own stack" },
   { "ENGRAM_LUA", "the folder of Lua files, instead of that beside the program" },
   { "ENGRAM_LIBRARY", "the path of libengram.so, where the library is loaded by a luajit of one's own" },
   { "ENGRAM_FAULT", "for tests: makes file operations fail, see core/fault.c" },
   { "XDG_DATA_HOME", "instead of ~/.local/share: data sets are in its engram/data, looked into after ENGRAM_DATA" },
   { "XDG_STATE_HOME", "instead of ~/.local/state: the prompt keeps its lines in its engram/history" },
   { "PYTHON", "the Python that runs the peer of engram bench" },
   { "NO_COLOR", "when set, plots and the prompt have no colours" },
}

manual.exit_codes = {
   { "0", "done" }, { "1", "a script, a run or a check failed" }, { "2", "called wrongly: what was wrong is said on standard error" },
   { "3", "another process is at the run" },
   { "130, 143", "interrupted by Ctrl-C or SIGTERM: 128 and the number of the signal" },
}

-- The paragraphs of a command's text, each with whether its lines are to stay as they are.
local function paragraphs(command)
   local list = {}
   for text in ((command.text or "") .. "\n\n"):gmatch "(.-)\n\n+" do
      if text ~= "" then list[#list + 1] = { text, text:find "^%s" ~= nil } end
   end
   return list
end

local function sentence(text) return text:sub(1, 1):upper() .. text:sub(2) .. "." end

-- ---- the manual page --------------------------------------------------------------------------------------

local function roff(text)
   return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

local function roff_list(lines, title, rows)
   lines[#lines + 1] = ".SH " .. title
   for _, row in ipairs(rows) do lines[#lines + 1] = (".TP\n.B %s\n%s"):format(roff(row[1]), roff(row[2])) end
end

local function roff_command(lines, name)
   local command = commands.load(name)
   lines[#lines + 1] = (".SS engram %s\n%s"):format(roff(command.usage or name), roff(sentence(command.summary)))
   for _, paragraph in ipairs(paragraphs(command)) do
      local text = roff(paragraph[1])
      lines[#lines + 1] = paragraph[2] and ".PP\n.nf\n" .. text .. "\n.fi" or ".PP\n" .. text
   end
   for _, option in ipairs(command.options or {}) do
      local value = option.value and " \\fI" .. roff(option.value) .. "\\fR" or ""
      lines[#lines + 1] = (".TP\n\\fB%s\\fR%s\n%s"):format(roff(options.written(option)), value, roff(options.doc(option)))
   end
end

-- The manual page engram(1), for man.
function manual.man()
   local lines = { '.\\" Made by `engram help --man` of the tables in lua/engram/cli/.',
      ('.TH ENGRAM 1 "" "Engram %s" "User Commands"'):format(require "engram.version"),
      ".SH NAME\nengram \\- continual\\-learning experiments from Lua scripts",
      ".SH SYNOPSIS\n.B engram\n.RI [ COMMAND ]\n.RI [ options ]\n.RI [ words ]",
      ".SH DESCRIPTION\nEngram trains networks on sequences of tasks, from Lua scripts, to the bit the same with any number of threads.\n"
         .. "Without a command it is a Lua prompt. Options of a command that runs a script stand before the script.",
      ".SH COMMANDS" }
   for _, name in ipairs(commands.names) do roff_command(lines, name) end
   roff_list(lines, '"EXIT STATUS"', manual.exit_codes)
   roff_list(lines, "ENVIRONMENT", manual.environment)
   lines[#lines + 1] = ".SH EXAMPLES\n.nf\nengram run experiments/classp_vision.lua data=glyphs small=true\n"
      .. "engram sweep \\-j 2 script.lua lr=0.1,0.01 seed=1..5\nengram help nn.Linear\n.fi"
   return table.concat(lines, "\n") .. "\n"
end

-- ---- the page of the reference ----------------------------------------------------------------------------

local function markdown_command(lines, name)
   local command = commands.load(name)
   lines[#lines + 1] = ("## `engram %s`\n\n%s\n"):format(command.usage or name, sentence(command.summary))
   for _, paragraph in ipairs(paragraphs(command)) do
      lines[#lines + 1] = paragraph[2] and "```\n" .. paragraph[1] .. "\n```\n" or paragraph[1] .. "\n"
   end
   for _, option in ipairs(command.options or {}) do
      lines[#lines + 1] = ("- `%s%s`: %s"):format(options.written(option), option.value and " " .. option.value or "", options.doc(option))
   end
   if #(command.options or {}) > 0 then lines[#lines + 1] = "" end
end

local function markdown_list(lines, title, rows)
   lines[#lines + 1] = ("## %s\n"):format(title)
   for _, row in ipairs(rows) do lines[#lines + 1] = ("- `%s`: %s"):format(row[1], row[2]) end
   lines[#lines + 1] = ""
end

-- docs/reference/commands.md.
function manual.markdown()
   local lines = { "# Commands\n\nMade by `make reference` of the tables in `lua/engram/cli/`. How they are used is told in "
      .. "[the command line](../command-line.md).\n" }
   for _, name in ipairs(commands.names) do markdown_command(lines, name) end
   markdown_list(lines, "Exit codes", manual.exit_codes)
   markdown_list(lines, "Environment", manual.environment)
   return (table.concat(lines, "\n"):gsub("\n+$", "\n"))
end

return manual
