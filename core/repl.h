/* repl.h - what main.c needs of repl.c. */
#ifndef ENGRAM_REPL_H
#define ENGRAM_REPL_H
#include <lua.h>
#include <stdbool.h>

/* The Lua module engram.repl.editor. */
int luaopen_engram_repl_editor(lua_State *L);

/* What the prompt was given is running: an interrupt is raised in it again and again, whatever catches it. */
bool eg_prompt_runs(void);

/* For a hook: it stands in the handler of the prompt's errors, which is not to be disturbed. */
bool eg_prompt_handles(lua_State *L, lua_Debug *at);

#endif
