-- Lua as LuaJIT has it; lines of 130 columns at most.
std = "luajit"
max_line_length = 130
ignore = { "212", "213" }                     -- unused arguments and loop variables: names that say what comes
