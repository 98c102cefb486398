-- rows.lua: puts records (see records.lua) into the rows of a table: those of a row differ in the key `over` alone, most often the
-- seed. What would be averaged by accident (two learning rates in one row, one seed twice) is an error that says how to tell it apart.
local flat = require "engram.run.flat"
local groups = require "engram.run.groups"
local suggest = require "engram.suggest"
local usage_error = require "engram.usage"

local IGNORED = { threads = true }       -- settings that never change a result

-- ---- keys -------------------------------------------------------------------------------------------------

-- The keys, but those in `but`, whose words are not the same in all records.
local function varying(records, but)
   local maps, list = {}, {}
   for i, record in ipairs(records) do maps[i] = record.settings end
   for _, key in ipairs(flat.differences(maps)) do
      if not but[key] and not IGNORED[key] then list[#list + 1] = key end
   end
   return list
end

local function check_keys(records, by, over)
   local known = {}
   for _, record in ipairs(records) do for key in pairs(record.settings) do known[key] = true end end
   for _, key in ipairs{ over, unpack(by) } do
      if not known[key] then usage_error("compare: no run has a setting '%s'%s", key, suggest.hint(key, known)) end
   end
end

-- ---- rows -------------------------------------------------------------------------------------------------

-- Numbers by size, before words.
local function before(a, b)
   local x, y = tonumber(a), tonumber(b)
   if x and y and x ~= y then return x < y end
   if (x == nil) ~= (y == nil) then return x ~= nil end
   return a < b
end

local function row_before(a, b)
   for i = 1, #a.labels do
      if a.labels[i] ~= b.labels[i] then return before(a.labels[i], b.labels[i]) end
   end
   return false
end

-- Two records of one row and one value of `over` must be repeats: the same weights; the second is not counted.
local function check_repeat(first, second, over)
   local hash = first.summary.weights_sha256
   if hash and hash == second.summary.weights_sha256 then return end
   usage_error("compare: %s and %s have the same settings and the same %s (%s), but not the same result: they cannot both count; "
      .. "give the folders of one of them", first.run, second.run, over, tostring(second.settings[over]))
end

local function add(row, record, over, notes)
   local value = record.settings[over] or "-"
   local first = row.at[value]
   if not first then
      row.at[value] = record
      row.records[#row.records + 1] = record
      return
   end
   check_repeat(first, record, over)
   notes[#notes + 1] = ("%s repeats %s, to the bit: counted once"):format(record.run, first.run)
end

local function check_row(members, by, over)
   local but = { [over] = true }
   for _, key in ipairs(by) do but[key] = true end
   local others = varying(members, but)
   if #others == 0 then return end
   usage_error("compare: runs with the same %s also differ in %s; add that to --by", #by > 0 and table.concat(by, ", ") or over,
      table.concat(others, ", "))
end

local function labels_of(record, by)
   local labels = {}
   for i, key in ipairs(by) do labels[i] = record.settings[key] or "-" end
   return labels
end

local function rows_of(records, by, over, notes)
   local rows = {}
   for i, group in ipairs(groups.gather(records, function(record) return table.concat(labels_of(record, by), "\0") end)) do
      rows[i] = { labels = labels_of(group.members[1], by), records = {}, at = {} }
      check_row(group.members, by, over)
      for _, record in ipairs(group.members) do add(rows[i], record, over, notes) end
      table.sort(rows[i].records, function(a, b) return before(a.settings[over] or "-", b.settings[over] or "-") end)
   end
   table.sort(rows, row_before)
   return rows
end

-- rows(records, by or nil, over) -> rows { labels =, records = in order of `over`, at = { value = record } }, the keys of the labels,
-- notes. Without `by`: all keys that vary.
return function(records, by, over)
   local notes = {}
   check_keys(records, by or {}, over)
   if not by then by = varying(records, { [over] = true }) end
   local named = {}
   for _, key in ipairs(by) do named[key] = true end
   local several = #groups.gather(records, function(record) return record.training end) > 1
   if several and not named.training and over ~= "training" then by = { "training", unpack(by) } end
   return rows_of(records, by, over, notes), by, notes
end
