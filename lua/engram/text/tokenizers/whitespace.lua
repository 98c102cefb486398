-- Words between white space.
return {
   doc = "words between white space",
   split = function(text)
      local list = {}
      for word in text:gmatch "%S+" do list[#list + 1] = word end
      return list
   end,
}
