-- engram doctor: what this installation is made of and what it finds.
local core = require "engram.core"
local describe = require "engram.run.describe"
local C = core.C

local command = { summary = "print versions, build, machine and data folders", usage = "doctor" }

local function megabytes(bytes) return ("%.0f MB"):format(tonumber(bytes) / 2 ^ 20) end

local function memory()
   local file = io.open "/proc/meminfo"
   local text = file and file:read "*a" or ""
   if file then file:close() end
   local function field(name) return (tonumber(text:match(name .. ":%s*(%d+)")) or 0) * 1024 end
   return ("%s, %s free; this process %s"):format(megabytes(field "MemTotal"), megabytes(field "MemAvailable"),
      megabytes(C.eg_resident_bytes()))
end

local function data_folders()
   local ok, data = pcall(require, "engram.data")
   if not ok or not data.folders then return os.getenv "ENGRAM_DATA" or "ENGRAM_DATA is not set" end
   local found = {}
   for _, folder in ipairs(data.folders()) do
      found[#found + 1] = folder .. (C.eg_file_kind(folder) == 2 and "" or " (not there)")
   end
   return table.concat(found, ", ")
end

function command.run()
   local about = describe.library()
   local rows = {
      { "engram", about.engram }, { "library", about.build }, { "flags", about.flags }, { "luajit", about.luajit },
      { "blas", about.blas }, { "cores", ("%d, threads used: %d"):format(about.cores, about.threads) },
      { "tensorboard", C.eg_tensorboard_built() == 1 and "event files can be written" or "not built: protobuf-c was missing" },
      { "prompt", require "engram.repl.editor".name },
      { "processor", describe.processor() or "unknown" }, { "memory", memory() }, { "data", data_folders() },
      { "program", arg[0] },
   }
   for _, row in ipairs(rows) do print(("%-12s %s"):format(row[1], row[2])) end
   return 0
end

return command
