-- cl/methods/head.lua: which of a model's parameters make its output layer: those of the last module that has any.
local head = {}

-- of(model): { [i] = true } over the parameters in order.
function head.of(model)
   local prefixes, found = {}, {}
   for name in model:named_parameters() do prefixes[#prefixes + 1] = name:match "^(.*%.)[^.]*$" or "" end
   for i, prefix in ipairs(prefixes) do
      if prefix == prefixes[#prefixes] then found[i] = true end
   end
   return found
end

-- exclude_(model, list): sets what belongs to the output layer to zero: it is then held by nothing.
function head.exclude_(model, list)
   for i in pairs(head.of(model)) do list[i]:zero_() end
end

return head
