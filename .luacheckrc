-- Lua as LuaJIT has it; lines of 140 columns at most.
std = "luajit"
max_line_length = 140
ignore = { "212", "213", "532" }              -- unused arguments and loop variables: names say what comes; a, b = nil
