-- verify/job.lua: the script of one run of `engram verify`: trains what a row of a table says for a column, with a seed. The weights are
-- not kept: summary.json has their SHA-256.
local engram = require "engram"
local build = require "engram.verify.build"
local tables = require "engram.verify.table"

local settings = engram.settings{
   table = { required = true, type = "string", doc = "the table's file" },
   row = { required = true, type = "string" },
   column = { required = true, type = "string" },
   digest = { required = true, type = "string", doc = "of what the table says of this cell's training" },
   seed = { default = 1, min = 0 },
}

local table_ = tables.load(settings.table)
local row, column = table_.row[settings.row], table_.column[settings.column]
if not (row and column) then error(("%s: there is no cell %s/%s"):format(settings.table, settings.row, settings.column), 0) end
if table_:digest(row, column) ~= settings.digest then
   error(("%s: what it says of %s/%s has changed since this run was planned: call engram verify again"):format(settings.table, settings.row,
      settings.column), 0)
end

local result = engram.cl.train(build.options(table_, row, column, settings.seed))
if result.folder then os.remove(result.folder .. "/weights.safetensors") end
