-- cl/metrics/dialects.lua: one name, several formulas: a figure that libraries and papers compute in different ways is chosen by citation.
local core = require "engram.core"
local suggest = require "engram.suggest"

local dialects = { known = {} }

-- define(name, default, formulas [, allowed]): the figure `name`, a function of (x, options); formulas: { citation = function(x, options)
-- }. allowed: other options that it takes.
function dialects.define(name, default, formulas, allowed)
   local who, names = "metrics." .. name, {}
   for citation in pairs(formulas) do names[#names + 1] = citation end
   table.sort(names)
   dialects.known[name] = { default = default, names = names }
   local options_allowed = { "dialect", unpack(allowed or {}) }
   return function(x, options)
      options = core.options(who, options, options_allowed)
      local citation = options.dialect or default
      local formula = formulas[citation]
      if not formula then
         core.raise("%s: dialect '%s' is not one of %s%s", who, tostring(citation), table.concat(names, ", "),
            suggest.hint(citation, names))
      end
      return formula(x, options)
   end
end

-- names(figure): the citations that a figure knows, the default first; nil for one that has one formula only.
function dialects.names(name)
   local known = dialects.known[name]
   if not known then return nil end
   local list = { known.default }
   for _, citation in ipairs(known.names) do
      if citation ~= known.default then list[#list + 1] = citation end
   end
   return list
end

-- missing(value): why a value gives no figure: it is nil, or no finite number; nil for a good one.
function dialects.missing(value)
   if value == nil then return "an accuracy that it needs was not measured" end
   return value - value ~= 0 and "an accuracy that it needs is not a finite number" or nil
end

-- The mean of f(j) for j = first .. last; nil with a reason when one of them is none.
function dialects.mean(first, last, f)
   local sum = 0
   for j = first, last do
      local value = f(j)
      local reason = dialects.missing(value)
      if reason then return nil, reason end
      sum = sum + value
   end
   return sum / (last - first + 1)
end

-- a - b; nil when either is.
function dialects.minus(a, b) return a and b and a - b end

return dialects
