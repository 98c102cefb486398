-- Every character of UTF-8 is a token.
return {
   doc = "characters of UTF-8",
   split = function(text)
      local list = {}
      for character in text:gmatch "[%z\1-\127\194-\244][\128-\191]*" do list[#list + 1] = character end
      return list
   end,
}
