-- verify/table.lua: a published table as a file of data: what is trained for each cell, and what was found by others. A cell is made of
-- parts (stream, network, optimizer ...), or is a script with settings. docs/verify.md tells the keys. What is wrong is told with file,
-- line and column before anything runs.
local core = require "engram.core"
local nodes = require "engram.verify.nodes"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"
local yaml = require "engram.yaml"
local C = core.C

local tables = {}
local Table = {}
Table.__index = Table

local folder = package.searchpath("engram.core", package.path):match "^(.*)/core%.lua$" .. "/verify/tables"

local PARTS = { "stream", "network", "initial", "optimizer", "method", "training" }         -- a row may say them anew
local SETTINGS = { "settings" }                                                             -- of a table of a script
local JUDGED = { "source", "certainty", "n", "spread", "note" }

tables.certainties = { "exact", "from memory", "measured off a figure" }
local SCENARIOS = { "task", "domain", "class" }

-- The factor that makes the deviation of a sample of what stands behind the plus-minus of n runs.
local spreads = {
   deviation = function() return 1 end,
   population = function(n) return math.sqrt(n / (n - 1)) end,
   sem = function(n) return math.sqrt(n) end,
}

-- ---- single values ----------------------------------------------------------------------------------------

local function text_of(node, what) return node and nodes.of_kind(node, what, "string").text end

local function count_of(node, what, least)
   local value = nodes.of_kind(node, what, "number").value
   if value % 1 ~= 0 or value < least then
      nodes.refuse(node, "%s: expected a whole number of at least %d, got %s", what, least, node.text)
   end
   return value
end

local function one_of(node, what, choices)
   local text = text_of(node, what)
   for _, choice in ipairs(choices) do
      if text == choice then return text end
   end
   nodes.refuse(node, "%s: '%s' is not one of %s%s", what, text, table.concat(choices, ", "),
      suggest.nearest(text, choices) and suggest.hint(text, choices) or "")
end

-- ---- columns ----------------------------------------------------------------------------------------------

local function column_of(member, self)
   local what = "columns." .. member.key
   local given = nodes.members(member.value, what, { "scenario", "metric", "run_of" })
   local column = { key = member.key, scenario = given.scenario and one_of(given.scenario, what .. ".scenario", SCENARIOS),
      metric = text_of(given.metric, what .. ".metric") or "average_accuracy", metric_where = given.metric and given.metric.where,
      run = member.key }
   if given.run_of then
      local other = self.column[text_of(given.run_of, what .. ".run_of")]
      if not other or other.run ~= other.key then
         nodes.refuse(given.run_of, "%s.run_of: '%s' is no column before it that has a run of its own", what, given.run_of.text)
      end
      if given.scenario then nodes.refuse(given.scenario, "%s: run_of takes the scenario of that run; leave out one of them", what) end
      column.run = other.key
   end
   return column
end

local function read_columns(self, node)
   self.columns, self.column = {}, {}
   for i, member in ipairs(nodes.of_kind(node, "columns", "map").members) do
      self.columns[i] = column_of(member, self)
      self.column[member.key] = self.columns[i]
   end
   if #self.columns == 0 then nodes.refuse(node, "columns: expected at least one") end
end

-- ---- rows -------------------------------------------------------------------------------------------------

-- "97.70 ± 0.81", or a number alone.
local function figures_of(node, what)
   nodes.of_kind(node, what, "string", "number")
   if node.kind == "number" and math.abs(node.value) < math.huge then return node.value end
   if node.kind == "number" then nodes.refuse(node, "%s: %s is no figure; one that is not known is unknown", what, node.text) end
   local mean, spread = node.text:match "^(%-?[%d.]+) ?± ?([%d.]+)$"
   if not mean then mean, spread = node.text:match "^(%-?[%d.]+) ?%+%- ?([%d.]+)$" end
   mean, spread = tonumber(mean), tonumber(spread)
   if not (mean and spread) then
      nodes.refuse(node, "%s: expected a number, a mean and its spread as 97.70 ± 0.81, or unknown, got '%s'", what, node.text)
   end
   return mean, spread
end

-- What others found: { mean =, deviation = (of a sample; nil for none), n =, given = the spread as it stands there, spread = its kind,
-- certainty = }; of the word `unknown` no mean.
local function reference_of(node, what, row)
   if node.kind == "string" and node.text == "unknown" then return { n = 0, certainty = row.certainty } end
   local mean, given = figures_of(node, what)
   local found = { mean = mean, given = given, n = row.n, spread = given and row.spread, certainty = row.certainty }
   if given then
      if row.n < 2 and row.spread == "population" then nodes.refuse(node, "%s: the population's deviation of 1 run is no measure", what) end
      found.deviation = given * spreads[row.spread](row.n)
   end
   return found
end

local function read_cells(self, row, node, what)
   row.cells = {}
   for _, member in ipairs(nodes.of_kind(node, what, "map").members) do
      if not self.column[member.key] then
         usage_error("%s: %s: there is no column '%s'%s", member.where, what, member.key, suggest.hint(member.key, self.column))
      end
      if member.value.kind ~= "null" then row.cells[member.key] = reference_of(member.value, what .. "." .. member.key, row) end
   end
   if next(row.cells) == nil then nodes.refuse(node, "%s: expected the figures of at least one column", what) end
end

-- Adds what may stand in a row and in the table to `into`; `base`: the table's.
local function read_judged(into, given, what, base)
   into.source = text_of(given.source, what .. "source") or base.source
   into.certainty = given.certainty and one_of(given.certainty, what .. "certainty", tables.certainties) or base.certainty
   into.n = given.n and count_of(given.n, what .. "n", 1) or base.n
   into.spread = given.spread and one_of(given.spread, what .. "spread", { "deviation", "population", "sem" }) or base.spread
   into.note = text_of(given.note, what .. "note")
end

local function with(...)
   local list = {}
   for _, names in ipairs{ ... } do
      for _, name in ipairs(names) do list[#list + 1] = name end
   end
   return list
end

local function read_row(self, member)
   local what = "rows." .. member.key
   if not member.key:find "^%w[%w_+-]*$" then
      usage_error("%s: %s: a row's name is of letters, digits, - + and _", member.where, what)
   end
   local given = nodes.members(member.value, what, with({ "cells" }, self.trained, JUDGED))
   local row = { key = member.key, nodes = {}, where = member.where }
   read_judged(row, given, what .. ".", self)
   if not given.cells then usage_error("%s: %s: has no cells: what others found, by column", member.where, what) end
   read_cells(self, row, given.cells, what .. ".cells")
   for _, key in ipairs(self.trained) do row.nodes[key] = given[key] or self.nodes[key] end
   for _, key in ipairs(self.script and {} or { "stream", "network", "optimizer" }) do
      if not row.nodes[key] then usage_error("%s: %s: has no %s, and the table has none", member.where, what, key) end
   end
   return row
end

-- ---- the whole --------------------------------------------------------------------------------------------

local function read(self, root)
   local given = nodes.members(root, "the table", with({ "title", "seeds", "columns", "rows", "script" }, PARTS, SETTINGS, JUDGED))
   for _, key in ipairs{ "title", "source", "certainty", "n", "spread", "columns", "rows" } do
      if not given[key] then nodes.refuse(root, "the table has no %s", key) end
   end
   self.title, self.nodes = text_of(given.title, "title"), {}
   self.script, self.script_where = text_of(given.script, "script"), given.script and given.script.where
   self.trained = self.script and SETTINGS or PARTS
   for _, key in ipairs(self.script and PARTS or SETTINGS) do
      if given[key] then
         nodes.refuse(given[key], self.script and "%s: a table of a script has settings instead" or "%s: of which script?", key)
      end
   end
   self.seeds = given.seeds and count_of(given.seeds, "seeds", 1) or 5
   read_judged(self, given, "", {})
   read_columns(self, given.columns)
   for _, key in ipairs(self.trained) do self.nodes[key] = given[key] end
   self.rows, self.row = {}, {}
   for i, member in ipairs(nodes.of_kind(given.rows, "rows", "map").members) do
      self.rows[i] = read_row(self, member)
      self.row[member.key] = self.rows[i]
   end
end

-- load(path [, name]): the table in a file: { name, title, source, seeds, note, script, columns and rows (lists), column and row (by
-- name) }. A column: { key, scenario, metric, run = the column whose run it is of }. A row: { key, cells = { column = reference }, source,
-- note, certainty, n, spread, nodes }.
function tables.load(path, name)
   local text, problem = yaml.read(path)
   if not text then usage_error("verify: %s", problem) end
   local root
   root, problem = yaml.parse(text, path)
   if not root then usage_error("%s", problem) end
   local self = setmetatable({ path = path, text = text, name = name or path:match "([^/]*)$":gsub("%.ya?ml$", "") }, Table)
   read(self, root)
   return self
end

-- The names of the tables that Engram brings, sorted.
function tables.names()
   local list = {}
   for _, name in ipairs(core.names_in(folder)) do list[#list + 1] = name:match "^(.*)%.yaml$" end
   table.sort(list)
   return list
end

-- find(word): the path and name of a table that Engram brings, or of a file.
function tables.find(word)
   if word:find "/" or word:find "%.ya?ml$" then
      if C.eg_file_kind(word) ~= 1 then usage_error("verify: there is no file '%s'", word) end
      return word
   end
   for _, name in ipairs(tables.names()) do
      if name == word then return ("%s/%s.yaml"):format(folder, name), name end
   end
   usage_error("verify: there is no table '%s'%s; a table of your own is given as a file, ./NAME.yaml", word,
      suggest.hint(word, tables.names()))
end

-- parts(row, column, key, named): what the row says of the stream, network, optimizer or method for a column's run.
function Table:parts(row, column, key, named)
   local node = row.nodes[key]
   return node and nodes.parts(node, ("rows.%s.%s"):format(row.key, key), column.run, self.column, named or {}) or {}
end

-- value(row, column, key): the same for what is no choice by name: initial, training.
function Table:value(row, column, key)
   local node = row.nodes[key]
   return node and nodes.value(node, column.run, self.column, {}), node
end

-- settings(row, column): what a script is given for a column's run, { { key =, value = in YAML, where = }, ... }: the table's and, which
-- count more, the row's.
function Table:settings(row, column)
   local list, at = {}, {}
   for _, node in ipairs{ self.nodes.settings or false, row.nodes.settings or false } do
      node = node and nodes.pick(node, column.run, self.column)
      for _, member in ipairs(node and nodes.of_kind(node, "settings", "map").members or {}) do
         local value = nodes.value(member.value, column.run, self.column, {})
         if value ~= nil then
            at[member.key] = at[member.key] or #list + 1
            list[at[member.key]] = { key = member.key, where = member.where, value = yaml.encode(value):gsub("\n$", "") }
         end
      end
   end
   return list
end

-- SHA-256 of the script's file.
function Table:script_hash()
   local path = require "engram.verify.build".script(self)
   self.script_sha256 = self.script_sha256 or require "engram.run.describe".file_hash(path)
   return self.script_sha256
end

-- digest(row, column): eight letters that stand for all that is trained for a cell: another number of epochs, or another text of the
-- script, gives others, another reference or note does not.
function Table:digest(row, column)
   local trained = { scenario = self.column[column.run].scenario, script = self.script and self:script_hash() }
   for _, key in ipairs(self.script and {} or PARTS) do
      trained[key] = row.nodes[key] and nodes.value(row.nodes[key], column.run, self.column, {})
   end
   if self.script then
      trained.settings = {}
      for _, one in ipairs(self:settings(row, column)) do trained.settings[one.key] = one.value end
   end
   return core.sha256(yaml.encode(trained)):sub(1, 8)
end

-- has_run(row, column): whether the row has a figure of that column's run.
function Table:has_run(row, column)
   for _, other in ipairs(self.columns) do
      if other.run == column.run and row.cells[other.key] then return true end
   end
   return false
end

return tables
