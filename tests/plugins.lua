-- plugins.lua: for tests of optimizers in C: compiles them from small texts into a folder, where commands are run.
local t = require "tests.harness"

local plugins = {}

local folder = t.temporary_folder()
plugins.folder = folder
local root = t.program:match "^(.*)/[^/]*$" .. "/.."
local function find(path) return t.read(root .. "/" .. path) and root .. "/" .. path or root .. "/../" .. path end
plugins.include = find "core/engram_plugin.h":match "^(.*)/"
plugins.examples = find "experiments/plugins/lion.c":match "^(.*)/"

function plugins.script(name, text) return t.write(folder .. "/" .. name, text) end
function plugins.sh(line, timeout) return t.command(("cd %s || exit; %s"):format(t.quote(folder), line), timeout or 120) end

local has_compiler = plugins.sh "command -v cc" == 0

-- A test that compiles, and may need another tool; skipped by name without them.
function plugins.test(name, body, tool)
   if not has_compiler then return t.skip(name, "there is no cc") end
   if tool and plugins.sh("command -v " .. tool) ~= 0 then return t.skip(name, "there is no " .. tool) end
   t.test(name, body)
end

function plugins.compile(name, text, flags)
   plugins.script(name .. ".c", text)
   local line = ("cc -std=c11 -O2 -shared -fPIC -I %s %s %s.c -o %s.so"):format(t.quote(plugins.include), flags or "", name, name)
   local code, _, problem = plugins.sh(line)
   if code ~= 0 then error(problem, 0) end
   return folder .. "/" .. name .. ".so"
end

-- ---- a plugin that is right, and what can be wrong with it ------------------------------------------------

-- The text of a plugin; each part may be replaced.
function plugins.source(parts)
   parts = parts or {}
   return ([[
#include "engram_plugin.h"
#include <stdlib.h>
#include <string.h>
BEFORE
static const engram_hyper hyper[] = { HYPER };
static const engram_slot slot[] = { SLOT };
static engram_status step(void *state, engram_view *v) { (void)state; STEP }
]]):gsub("%f[%u](%u+)%f[%U]", { BEFORE = parts.before or "", HYPER = parts.hyper or 'ENGRAM_HYPER(.name = "lr", .initial = 0.1, '
      .. '.minimum = 0, .maximum = 1)', SLOT = parts.slot or 'ENGRAM_SLOT(.name = "memory")',
      STEP = parts.step or "float *w = v->data; for (int64_t i = 0; i < v->count; i++) w[i] -= 0.1f; return ENGRAM_OK;" })
      .. (parts.plugin or ('ENGRAM_PLUGIN(.name = "%s", .version = "1", .hyper = hyper, .hypers = %d, .slot = slot, .slots = %d, '
      .. '.step = step%s)'):format(parts.name or "Test", parts.hypers or 1, parts.slots or 1, parts.fields or "")) .. "\n"
end

-- The example in C, compiled.
function plugins.lion()
   return plugins.compile("lion", t.read(plugins.examples .. "/lion.c"), "-Wall -Wextra -Werror")
end

return plugins
