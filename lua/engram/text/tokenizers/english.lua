-- English words.
return {
   doc = "English words: punctuation and contractions stand apart",
   split = function(text)
      local list = {}
      for word in text:gmatch "%S+" do
         local rest = {}
         while #word > 0 and word:find "^[%(%)\"'%[%]<>,;:!?$#*]" do list[#list + 1], word = word:sub(1, 1), word:sub(2) end
         while #word > 1 and word:find "[%(%)\"'%[%]<>,;:!?.*]$" do table.insert(rest, 1, word:sub(-1)); word = word:sub(1, -2) end
         local stem, ending = word:match "^(.-)(n't)$"
         if not stem then stem, ending = word:match "^(.-)('%a+)$" end
         if stem and #stem > 0 then list[#list + 1] = stem; list[#list + 1] = ending
         elseif #word > 0 then list[#list + 1] = word end
         for _, token in ipairs(rest) do list[#list + 1] = token end
      end
      return list
   end,
}
