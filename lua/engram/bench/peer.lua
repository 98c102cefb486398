-- bench/peer.lua: another library's times for the same cases. A peer is a program that takes --threads N --only NAME --rounds R and
-- prints a line {"case": NAME, "seconds_per_step": S} for each case whose name holds NAME. A .py file is run by Python.
local core = require "engram.core"
local json = require "engram.json"
local program = require "engram.program"
local C = core.C

local Peer = {}
Peer.__index = Peer

local function read(path)
   local file = io.open(path, "rb")
   local text = file and file:read "*a" or ""
   if file then file:close() end
   return text
end

-- Runs a program: exit code, standard output, standard error. An interrupt is handed on to it (a pipe of io.popen would
-- leave it running), and raised here once its output is cleared away.
local function capture(words)
   local out, err = os.tmpname(), os.tmpname()
   local list = { "sh", "-c", 'out=$1 err=$2; shift 2; exec "$@" >"$out" 2>"$err" </dev/null', "sh", out, err }
   for _, word in ipairs(words) do list[#list + 1] = word end
   C.eg_interrupt_trap(1)
   local code = program(list)
   local said, complained = read(out), read(err)
   os.remove(out)
   os.remove(err)
   C.eg_interrupt_trap(0)
   if core.interrupted() then error("interrupted", 0) end
   return code, said, complained
end

-- Debian's torch belongs to its own interpreter, which need not be the first one found.
local function interpreters()
   local chosen = os.getenv "PYTHON"
   if chosen and chosen ~= "" then return { chosen } end
   return { "python3", "/usr/bin/python3" }
end

-- The interpreter for a script, and the version of torch when the script wants it; nil and the reason when none will do.
local function interpreter_for(script)
   local text = read(script)
   local wants_torch = text:find "import torch" or text:find "from torch"
   local probe = wants_torch and "import torch; print('PyTorch ' + torch.__version__)" or "print('')"
   local list = interpreters()
   for _, python in ipairs(list) do
      local code, version = capture{ python, "-c", probe }
      if code == 0 then return python, version:match "^[^\n]+" end
   end
   return nil, ("%s %s"):format(table.concat(list, " and "), wants_torch and "cannot import torch" or "cannot be run")
end

-- A peer for the script at path; nil and the reason when it cannot be run here. The file must exist.
function Peer.find(path)
   local name = path:match "[^/]+$"
   if not path:find "/" then path = "./" .. path end
   if not path:find "%.py$" then return setmetatable({ name = name, words = { path } }, Peer) end
   local python, version = interpreter_for(path)
   if not python then return nil, version end
   return setmetatable({ name = name, version = version, words = { python, path } }, Peer)
end

-- The record of a case among the lines of what the peer said.
local function seconds_of(case, said)
   for line in said:gmatch "[^\n]+" do
      local ok, record = pcall(json.decode, line)
      local seconds = ok and type(record) == "table" and record.case == case and record.seconds_per_step
      if type(seconds) == "number" and seconds > 0 then return seconds end
   end
end

-- Seconds of one step of the case in one round; nil and the reason when the peer has none. The environment holds its libraries to the
-- number of threads too: torch.set_num_threads alone leaves OpenBLAS under it with all cores.
function Peer:round(case, threads)
   local words = { "env", "OPENBLAS_NUM_THREADS=" .. threads, "OMP_NUM_THREADS=" .. threads, unpack(self.words) }
   for _, word in ipairs{ "--threads", tostring(threads), "--only", case, "--rounds", "1" } do words[#words + 1] = word end
   local code, said, complained = capture(words)
   local seconds = seconds_of(case, said)
   if seconds then return seconds end
   if code == 0 then return nil, "it has no such case" end
   return nil, ("exit code %d: %s"):format(code, complained:match "([^\n]+)%s*$" or "it said nothing")
end

return Peer
