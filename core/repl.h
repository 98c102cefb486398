/* repl.h - what main.c needs of repl.c. */
#ifndef ENGRAM_REPL_H
#define ENGRAM_REPL_H
#include <lua.h>

/* The Lua module engram.repl.editor. */
int luaopen_engram_repl_editor(lua_State *L);

#endif
