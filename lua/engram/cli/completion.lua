-- cli/completion.lua: bash's completion of the command line, made of the commands' own tables: `engram help --bash`. What a command
-- takes is read from its usage: FILE is a script, RUN, SWEEP and DIR are folders, words in small letters are its verbs. What comes after
-- a verb is in the command's table `after`: a function that lists words, or the name of a function of bash.
local commands = require "engram.cli.commands"
local help = require "engram.help"
local options = require "engram.cli.options"

-- ---- what the tables say ----------------------------------------------------------------------------------

-- What completes a value: words, or the name of one of the functions below.
local by_value = { FILE = "_engram_files", DIR = "_engram_folders", RUN = "_engram_runs", SWEEP = "_engram_runs" }

-- What can be run of experiments/, without folder and ending.
local function experiments()
   local names, seen = {}, {}
   for _, file in ipairs(require "engram.cli.script".experiments()) do
      local base = file.name:match "^(.*)%.%a+$"
      if not seen[base] then names[#names + 1], seen[base] = base, true end
   end
   return names
end

-- Symbols for `engram help`: a colon would end bash's word, so methods stand without their class.
local function symbols()
   local names, seen = {}, {}
   for _, entry in ipairs(help.names()) do
      local name = entry.name:match ":(.*)$" or entry.name
      if not seen[name] then names[#names + 1], seen[name] = name, true end
   end
   return names
end

-- The words that a usage names: "data list | data fetch NAME" has list and fetch, "[a|b [NAME]]" a and b, "[only=NAME]" only=;
-- key= stands for a script's settings.
local function verbs_of(name, usage)
   local words = {}
   for part in (usage .. " | "):gmatch "(.-) | " do words[#words + 1] = part:match("^" .. name .. " (%l[%l-]*)") end
   for group in usage:gmatch "%[([^%[%]]*)" do
      if group:find "^%l[%l|]*|%l+%s*$" then for word in group:gmatch "%f[%w](%l+)%f[%W]" do words[#words + 1] = word end end
      words[#words + 1] = not group:find "^key=" and group:match "^(%l+=)" or nil
   end
   return words
end

local function names_of(list)
   local words = {}
   for _, option in ipairs(list or {}) do words[#words + 1] = options.written(option) end
   return words
end

-- The command of bash that offers words, or what a function of the script finds.
local function offer(words)
   if type(words) == "string" then return ("%s \"$cur\""):format(words) end
   return ("_engram_words '%s' \"$cur\""):format(table.concat(words, " "))
end

-- Cases for the options of a command that take a value.
local function add_values(lines, name, command)
   local free = {}
   for _, option in ipairs(command.options or {}) do
      local case = ("'%s %s'"):format(name, options.written(option))
      local how = option.choices or by_value[option.value]
      if how then lines[#lines + 1] = ("    %s) %s; return ;;"):format(case, offer(how))
      elseif option.value then free[#free + 1] = case end
   end
   if #free > 0 then lines[#lines + 1] = ("    %s) return ;;"):format(table.concat(free, "|")) end
end

-- What may stand where no value is wanted.
local function words_of(name, usage)
   local words = verbs_of(name, usage)
   local function add(list) for _, word in ipairs(list) do words[#words + 1] = word end end
   if name == "verify" then add(require "engram.verify.table".names()) end
   if name == "help" then
      add(commands.names)
      add(symbols())
   end
   return words
end

-- The verbs of a command, or what comes after the one that is there.
local function of_verbs(words, after)
   local cases = {}
   for _, word in ipairs(words) do
      local what = after[word]
      if type(what) == "function" then what = what() end
      cases[#cases + 1] = ("%s) %s ;;"):format(word, what and offer(what) or "")
   end
   return ("case $verb in %s *) %s ;; esac"):format(table.concat(cases, " "), offer(words))
end

local function add_words(lines, name, command)
   local usage, parts = command.usage or name, {}
   local words = words_of(name, usage)
   if command.options then parts[1] = ("options='%s'"):format(table.concat(names_of(command.options), " ")) end
   if command.after then parts[#parts + 1] = of_verbs(words, command.after)
   elseif #words > 0 then parts[#parts + 1] = offer(words) end
   if usage:find "FILE" and not command.words and not command.after then parts[#parts + 1] = offer "_engram_script" end
   if (usage:find "RUN" or usage:find "DIR") and not command.after then parts[#parts + 1] = offer "_engram_runs" end
   if #parts > 0 then lines[#lines + 1] = ("    %s) %s ;;"):format(name, table.concat(parts, "; ")) end
end

-- ---- the script -------------------------------------------------------------------------------------------

local HEAD = [==[
# Bash's completion of engram. Made by `engram help --bash` of the tables in lua/engram/cli/.

_engram_words() { COMPREPLY+=($(compgen -W "$1" -- "$2")); }
_engram_paths() { local IFS=$'\n'; compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen "$@")); }
_engram_files() { _engram_paths -f -- "$1"; }
_engram_folders() { _engram_paths -d -- "$1"; }
_engram_plugins() { _engram_paths -f -X '!*.lua' -- "$1"; _engram_paths -f -X '!*.so' -- "$1"; _engram_folders "$1"; }

# Run directories and sweeps below what was typed, or below runs/; where there are none, folders.
_engram_runs() {
  local path found=
  compopt -o filenames 2>/dev/null
  for path in "$1"*/ "$1"*/*/ runs/*/*/ runs/*/*/*/; do
    path=${path%/}
    [[ $path == "$1"* && ( -e $path/meta.json || -e $path/sweep.json ) && " $found " != *" $path "* ]] || continue
    COMPREPLY+=("$path") found+=" $path"
  done
  [ -n "$found" ] || _engram_folders "$1"
}

# The settings of the script or settings file among the words so far; where there is none yet, such files.
_engram_script() {
  local word folder
  folder=$(dirname "$(readlink -f "$(command -v engram)")")
  for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
    [ "$word" = = ] && continue
    for word in "$word" "$folder"/../{,share/engram/}experiments/"$word"{,.lua,.yaml}; do
      case $word in *.lua|*.yaml|*.yml) [ -f "$word" ] && { _engram_keys "$word" "$1"; return; } ;; esac
    done
  done
  for word in lua yaml yml; do _engram_paths -f -X "!*.$word" -- "$1"; done
  _engram_folders "$1"
  _engram_words "$_engram_experiments" "$1"
}

# The names between the braces of engram.settings{ ... }, read without running the script; of a settings file, its own keys. Behind
# KEY= the choices that are declared for it, also for a list of them.
_engram_keys() {
  local key= value=$2
  [ "$previous" = = ] && key=${COMP_WORDS[COMP_CWORD-2]}
  [ "$value" = = ] && key=$previous value=
  [ -n "$key" ] || compopt -o nospace 2>/dev/null
  COMPREPLY+=($(compgen -P "${value%"${value##*,}"}" -W "$(awk -v wanted="$key" '
    FILENAME ~ /ya?ml$/ {
      if (wanted == "" && match($0, /^[A-Za-z_][A-Za-z0-9_-]*:/) && !/^(script|base):/) print substr($0, 1, RLENGTH - 1) "="
      next
    }
    !on { at = index($0, "engram.settings"); if (!at) next; on = 1; $0 = substr($0, at + 15) }
    { sub(/--.*/, "");
      while (match($0, /"[^"]*"|[{}]|[A-Za-z_][A-Za-z0-9_]*[ ]*=/)) {
        part = substr($0, RSTART, RLENGTH); $0 = substr($0, RSTART + RLENGTH)
        if (part == "{") depth++
        else if (part == "}") { if (--depth == 0) exit }
        else if (part ~ /^"/) { if (depth == 3 && name == wanted && field == "choices") print substr(part, 2, length(part) - 2) }
        else {
          sub(/ *=$/, "", part)
          if (depth == 1) { name = part; if (wanted == "") print part "=" }
          if (depth == 2) field = part
        }
      } }' "$1" 2>/dev/null)" -- "${value##*,}"))
}

_engram() {
  local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} options= verb=
  COMPREPLY=()
  [ "$COMP_CWORD" -gt 2 ] && verb=${COMP_WORDS[2]}]==]

-- completion(): the whole script.
return function()
   local lines = { HEAD, ("  if [ \"$COMP_CWORD\" = 1 ]; then %s; return; fi"):format(offer(commands.names)),
      "  case \"$command $previous\" in" }
   for _, name in ipairs(commands.names) do add_values(lines, name, commands.load(name)) end
   lines[#lines + 1] = "  esac\n  case $command in"
   for _, name in ipairs(commands.names) do add_words(lines, name, commands.load(name)) end
   lines[#lines + 1] = "  esac\n  case $cur in -*) COMPREPLY=(); _engram_words \"$options --help\" \"$cur\" ;; esac\n}\n"
   lines[#lines + 1] = ("_engram_experiments='%s'\ncomplete -F _engram engram\n"):format(table.concat(experiments(), " "))
   return table.concat(lines, "\n")
end
