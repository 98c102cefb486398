-- shell.lua: a word as a shell takes it, for the lines that people and programs are given to run.
return function(word)
   if word:find "^[%w_./=:,+@-]+$" then return word end
   return "'" .. word:gsub("'", "'\\''") .. "'"
end
