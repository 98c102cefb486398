-- verify/build.lua: a cell of a table as what cl.train takes: stream, network, optimizer, methods. What the library refuses is told with
-- the place in the table's file.
local core = require "engram.core"
local nodes = require "engram.verify.nodes"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local build = {}

local function lib() return require "engram" end

-- f(...), whose errors are those of the file at `where`.
local function at(where, f, ...)
   local ok, value = pcall(f, ...)
   if ok then return value end
   usage_error("%s: %s", where, tostring(value):gsub("\n.*", ""))
end

local function pick(part, what, known, from)
   if known[part.name] then return from[part.name] end
   usage_error("%s: %s: there is no '%s'%s", part.where, what, part.name, suggest.hint(part.name, known, 40))
end

local function set_of(list)
   local set = {}
   for _, name in ipairs(list) do set[name] = true end
   return set
end

-- Options as a table, for what takes no list.
local function options_of(part, what)
   if part.options == nil then return {} end
   if type(part.options) ~= "table" or #part.options > 0 then usage_error("%s: %s: expected a map of options", part.where, what) end
   return part.options
end

-- ---- streams ----------------------------------------------------------------------------------------------

local MAKERS = { split = true, permuted = true, rotated = true, sequence = true }

local function first_of(row, parts)
   local first = parts[1] or nodes.refuse(row.nodes.stream, "rows.%s.stream: says nothing", row.key)
   if not MAKERS[first.name] then
      usage_error("%s: the first of a stream makes it: '%s' is not one of permuted, rotated, sequence, split%s", first.where, first.name,
         suggest.nearest(first.name, MAKERS) and suggest.hint(first.name, MAKERS) or "")
   end
   local options = options_of(first, first.name)
   local source = options.of
   if source == nil then usage_error("%s: %s: of: which data set?", first.where, first.name) end
   options.of = nil
   return first, source, options
end

-- The stream of a run; `seed` stands for its seed.
function build.stream(table_, row, column, seed)
   local streams, parts = lib().cl.streams, table_:parts(row, column, "stream", { seed = seed })
   local first, source, options = first_of(row, parts)
   options.scenario = column.scenario
   local stream = at(first.where, streams[first.name], source, options)
   for i = 2, #parts do
      local make = pick(parts[i], "stream", set_of(streams.list()), streams)
      stream = at(parts[i].where, make, stream, options_of(parts[i], parts[i].name))
   end
   return stream
end

-- The names of the data sets that a run's stream is made of.
function build.sources(table_, row, column)
   local first, source = first_of(row, table_:parts(row, column, "stream", { seed = 1 }))
   local names = type(source) == "table" and source or { source }
   for _, name in ipairs(names) do
      local known = type(name) ~= "string" or lib().data.about(name) or name:find "/" and core.C.eg_file_kind(name) ~= 0
      if not known then
         usage_error("%s: there is no data set '%s'%s", first.where, name, suggest.hint(name, lib().data.names()))
      end
   end
   return names, first.where
end

-- ---- network ----------------------------------------------------------------------------------------------

local function layer_of(part, layers)
   local make, options = pick(part, "network", layers, lib().nn), part.options
   if type(options) == "table" and #options > 0 then return at(part.where, make, unpack(options)) end
   return at(part.where, make, options)
end

local function layers()
   local set = {}
   for name in pairs(lib().nn) do
      if name:find "^%u" and name ~= "Module" then set[name] = true end
   end
   return set
end

-- Weights by a rule of nn.initial, biases 0.
local function initialise(model, rule)
   local draw = lib().nn.initial[rule .. "_"]
   for _, p in ipairs(model:parameters()) do
      if p:dim() > 1 then draw(p) else lib().nn.initial.constant_(p, 0) end
   end
end

local RULES = { "kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal" }

local function rule_of(table_, row, column)
   local rule, node = table_:value(row, column, "initial")
   if rule == nil or set_of(RULES)[rule] then return rule end
   nodes.refuse(node, "rows.%s.initial: '%s' is not one of %s", row.key, tostring(rule), table.concat(RULES, ", "))
end

-- A function that makes the network; `outputs` stands for the classes of the stream.
function build.network(table_, row, column, outputs)
   local parts, known = table_:parts(row, column, "network", { outputs = outputs }), layers()
   local rule = rule_of(table_, row, column)
   return function()
      local list = {}
      for i, part in ipairs(parts) do list[i] = layer_of(part, known) end
      local model = lib().nn.Sequential(list)
      if rule then initialise(model, rule) end
      return model
   end
end

-- ---- optimizer, methods, options of the training ----------------------------------------------------------

-- A function of the model that makes the optimizer.
function build.optimizer(table_, row, column)
   local parts, optim = table_:parts(row, column, "optimizer"), lib().optim
   if #parts ~= 1 then nodes.refuse(row.nodes.optimizer, "rows.%s.optimizer: expected one, got %d", row.key, #parts) end
   pick(parts[1], "optimizer", set_of(optim.list()), optim)
   local given = { name = parts[1].name }
   for key, value in pairs(options_of(parts[1], "optimizer")) do given[key] = value end
   local make = at(parts[1].where, optim.of, given)
   return function(model) return at(parts[1].where, make, model) end
end

function build.methods(table_, row, column)
   local methods, list = lib().cl.methods, {}
   local known = set_of(methods.list())
   for i, part in ipairs(table_:parts(row, column, "method")) do
      list[i] = at(part.where, pick(part, "method", known, methods), options_of(part, "method"))
   end
   return list
end

local ALLOWED = { "batch_size", "drop_last", "shuffle", "protocol", "evaluate_tasks", "budget" }

local function check_option(key, row, node)
   if set_of(ALLOWED)[key] then return end
   nodes.refuse(node, "rows.%s.training: unknown key '%s'%s", row.key, key, suggest.hint(key, ALLOWED))
end

function build.training(table_, row, column)
   local given, node = table_:value(row, column, "training")
   if given == nil then return {} end
   if type(given) ~= "table" or #given > 0 then nodes.refuse(node, "rows.%s.training: expected a map of options", row.key) end
   for key in pairs(given) do check_option(key, row, node) end
   return given
end

-- ---- all of it --------------------------------------------------------------------------------------------

-- options(table, row, column, seed): what cl.train is given for a cell.
function build.options(table_, row, column, seed)
   local stream = build.stream(table_, row, column, seed)
   local given = build.training(table_, row, column)
   given.stream, given.seed = stream, seed
   given.model = build.network(table_, row, column, stream.classes)
   given.optimizer, given.method = build.optimizer(table_, row, column), build.methods(table_, row, column)
   return given
end

-- What a script refuses of a cell's settings is told with the place of the setting that it names.
local function check_settings(script, table_, row, column)
   local settings, words, place = table_:settings(row, column), {}, {}
   for i, one in ipairs(settings) do
      if one.key == "seed" then usage_error("%s: settings: seed is what each run has of its own", one.where) end
      words[i], place[one.key] = one.key .. "=" .. one.value, one.where
   end
   local said = require "engram.cli.sweep".refusal(script, words)
   if not said then return end
   said = said:gsub("^command line: ", "")
   usage_error("%s: %s", place[said:match "^[%w_]+"] or row.where, said)
end

-- The script whose runs a table's are; one of a table's own stands relative to its file.
function build.script(table_)
   if not table_.script then return package.searchpath("engram.verify.job", package.path) end
   if table_.found_script then return table_.found_script end
   local path = table_.script
   if path:find "[/.]" and not path:find "^/" then path = (table_.path:match "^(.*/)" or "") .. path end
   path = require "engram.cli.script".find(table_.script_where .. ": script", path)
   return require "engram.run.describe".absolute(path)
end

-- A figure that no training of parts has; a script's, and one within another (accuracy.2.1), are known when it is there.
local function check_metric(column)
   local metrics, known = lib().cl.metrics, set_of{ "steps", "seconds" }
   local found = metrics.of(metrics.matrix{ "a" })
   for _, names in ipairs{ found, found.reasons } do
      for name in pairs(names) do known[name] = true end
   end
   known.reasons = nil
   if column.metric:find("%.") or known[column.metric] then return end
   usage_error("%s: columns.%s.metric: there is no figure '%s'%s", column.metric_where, column.key, column.metric,
      suggest.hint(column.metric, known, 60))
end

-- check(table): raises for what no run could be made of, as far as that is known without data.
function build.check(table_)
   local script = table_.script and build.script(table_)
   for _, column in ipairs(script and {} or table_.columns) do check_metric(column) end
   for _, row in ipairs(table_.rows) do
      for _, column in ipairs(table_.columns) do
         local runs = column.run == column.key and table_:has_run(row, column)
         if runs and script then
            check_settings(script, table_, row, column)
         elseif runs then
            build.sources(table_, row, column)
            build.network(table_, row, column, 10)()
            build.optimizer(table_, row, column)({ lib().nn.parameter(lib().ones(2, 2)) })
            build.methods(table_, row, column)
            build.training(table_, row, column)
         end
      end
   end
   require "engram.tensor".collect()
end

-- check_data(table, jobs): raises where a data set that a run needs is not here.
function build.check_data(table_, jobs)
   if table_.script then return end                   -- a script says itself what it lacks
   local seen = {}
   for _, job in ipairs(jobs) do
      local sources, where = build.sources(table_, table_.row[job.row], table_.column[job.column])
      for _, name in ipairs(sources) do
         if not seen[name] then
            local ok, problem = pcall(lib().data.load, name)
            if not ok then core.raise("%s: %s", where, tostring(problem)) end
         end
         seen[name] = true
      end
   end
   require "engram.tensor".collect()
end

-- The parts of a cell as they meet: what cl.train is told, and two items of the stream's shape on their way through the network.
local function check_together(table_, row, column)
   local function where(key) return (row.nodes[key] or row).where end
   local given = build.options(table_, row, column, 1)
   at(where "training", require "engram.cl.options".check, given)
   local first = given.stream[1]
   local items = lib().ones(2, unpack(first:shape())):to(first:made_of().vocabulary and "int64" or "float32")
   at(where "network", function() return given.model()(items) end)
end

-- check_cells(table, jobs): raises for what a run of these jobs could not be made of; their data must be here.
function build.check_cells(table_, jobs)
   if table_.script then return end
   local seen = {}
   for _, job in ipairs(jobs) do
      local name = job.row .. "/" .. job.column
      if not seen[name] then
         require "engram.tensor".scope(check_together, table_, table_.row[job.row], table_.column[job.column])
      end
      seen[name] = true
   end
   require "engram.tensor".collect()
end

return build
