/* main.c - the engram executable: hosts LuaJIT, finds Engram's Lua files, turns signals into interrupts and hands the
 * command line to lua/engram/cli/main.lua, whose result is the exit code. */
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"
#include "repl.h"

enum { PATH_LENGTH = 4096 };

static lua_State *host; /* NULL when no Lua code can be running */
static pthread_t main_thread;

/* ---- signals ---- */

static volatile sig_atomic_t asked; /* how many signals since the flag was clear */
static char own_files[PATH_LENGTH]; /* "@FOLDER/engram/": how the sources of Engram's own Lua code begin */

/* Whether Engram's own Lua code is at work, or what C it calls: cut short, it would lose a tensor that nobody holds yet. */
static bool in_own_code(lua_State *L) {
  lua_Debug at;
  for (int level = 0; lua_getstack(L, level, &at) && lua_getinfo(L, "S", &at); level++)
    if (*at.what != 'C') return strncmp(at.source, own_files, strlen(own_files)) == 0;
  return false;
}

/* Raises once the user's code is reached (a second signal does not wait for that); in what the prompt runs again and again until it
 * has ended, out of every pcall. */
static void stop_hook(lua_State *L, lua_Debug *at) {
  if (eg_prompt_handles(L, at) || (asked < 2 && in_own_code(L))) return;
  if (!eg_prompt_runs()) lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted");
}

/* What the second interrupt says. */
static void tell_how_to_force(void) {
  static const char run[] = "\nengram: stopping at the next safe point; once more stops at once, without saving\n";
  static const char prompt[] =
      "\nengram: what runs has not stopped yet; once more ends the session, and what is in it is lost\n";
  bool session = eg_prompt_runs();
  ssize_t ignored = write(STDERR_FILENO, session ? prompt : run, (session ? sizeof prompt : sizeof run) - 1);
  (void)ignored;
}

/* The first signal asks: tensor operations fail, the trainer stops after its step, interpreted Lua code raises an
 * error (unless somebody polls the flag). The second tells how to force, the third has the system's own effect. */
static void on_signal(int number) {
  if (!pthread_equal(pthread_self(), main_thread)) { /* a thread of BLAS got it: what waits is the main one */
    pthread_kill(main_thread, number);
    return;
  }
  asked = eg_interrupt_get() ? asked + 1 : 1;
  eg_interrupt_set(number);
  if (host && (asked > 1 || eg_interrupt_pending()))
    lua_sethook(host, stop_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
  if (asked == 2) {
    tell_how_to_force();
  } else if (asked > 2) {
    signal(number, SIG_DFL);
    raise(number);
  }
}

static void catch_signals(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1};
  struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: Ctrl-C ends a read at the prompt */
  main_thread = pthread_self();
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaction(numbers[i], &action, NULL);
  signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a failed write, not a death */
}

/* ---- Engram's Lua files ---- */

/* folder/name; false when it cannot be read. */
static bool readable(char path[PATH_LENGTH], const char *folder, const char *name) {
  return snprintf(path, PATH_LENGTH, "%s/%s", folder, name) < PATH_LENGTH && access(path, R_OK) == 0;
}

static bool is_lua_folder(const char *folder) {
  char path[PATH_LENGTH];
  return readable(path, folder, "engram/cli/main.lua");
}

/* Writes the folder that holds engram/: $ENGRAM_LUA, the installed one, or the source tree's (beside build/ or above
 * build/asan/). */
static bool find_lua_folder(char folder[PATH_LENGTH], const char *program) {
  const char *chosen = getenv("ENGRAM_LUA");
  if (chosen && *chosen) return is_lua_folder(chosen) && realpath(chosen, folder);
  char beside[PATH_LENGTH];
  snprintf(beside, sizeof beside, "%.*s", (int)(strrchr(program, '/') - program), program);
  static const char *const places[] = {"../share/engram/lua", "../lua", "../../lua"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char path[PATH_LENGTH];
    if (readable(path, beside, places[i]) && is_lua_folder(path) && realpath(path, folder)) return true;
  }
  return false;
}

/* package.path: Engram's own files first; in the source tree also its root, for `require "tests.harness"`. */
static void set_package_path(lua_State *L, const char *folder) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "path");
  const char *before = lua_tostring(L, -1);
  lua_pushlstring(L, folder, (size_t)(strrchr(folder, '/') - folder));
  const char *root = lua_tostring(L, -1);
  char harness[PATH_LENGTH];
  if (readable(harness, root, "tests/harness.lua"))
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s/?.lua;%s", folder, folder, root, before);
  else lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", folder, folder, before);
  lua_setfield(L, -4, "path");
  lua_pop(L, 3);
}

/* ---- start ---- */

/* `require "engram.repl.editor"` finds repl.c. */
static void offer_editor(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_engram_repl_editor);
  lua_setfield(L, -2, "engram.repl.editor");
  lua_pop(L, 2);
}

/* The words of the command line, as in plain Lua; arg[0] is the path of this executable. */
static void set_arguments(lua_State *L, const char *program, int count, char **words) {
  lua_newtable(L);
  lua_pushstring(L, program);
  lua_rawseti(L, -2, 0);
  for (int i = 1; i < count; i++) {
    lua_pushstring(L, words[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
}

/* Runs the command line; the exit code. */
static int run(lua_State *L, const char *folder) {
  char path[PATH_LENGTH];
  readable(path, folder, "engram/cli/main.lua");
  if (luaL_loadfile(L, path) == 0 && lua_pcall(L, 0, 1, 0) == 0) return (int)lua_tointeger(L, -1);
  const char *text = lua_tostring(L, -1);
  fprintf(stderr, "engram: %s\n", text ? text : "an error without a message");
  return eg_interrupt_get() ? 128 + eg_interrupt_get() : 1;
}

static int fail(const char *text) {
  fprintf(stderr, "engram: %s\n", text);
  return 1;
}

/* ENGRAM_INSTRUCTIONS asks for a narrower instruction set than the processor's widest. */
static bool choose_instructions(void) {
  const char *wanted = getenv("ENGRAM_INSTRUCTIONS");
  return !wanted || !*wanted || eg_instructions_set(wanted) == EG_OK;
}

int main(int count, char **words) {
  char program[PATH_LENGTH] = "", folder[PATH_LENGTH];
  if (!choose_instructions() || eg_fault_set(getenv("ENGRAM_FAULT"))) return fail(eg_error_message());
  if (readlink("/proc/self/exe", program, sizeof program - 1) <= 0) return fail("cannot read /proc/self/exe");
  if (!find_lua_folder(folder, program))
    return fail("no Lua files beside the executable; set ENGRAM_LUA to the folder that holds engram/");
  lua_State *L = luaL_newstate();
  if (!L) return fail("out of memory");
  luaL_openlibs(L);
  set_package_path(L, folder);
  if (snprintf(own_files, sizeof own_files, "@%s/engram/", folder) >= PATH_LENGTH)
    return fail("the path of the Lua files is too long");
  offer_editor(L);
  set_arguments(L, program, count, words);
  host = L;
  catch_signals();
  int code = run(L, folder);
  host = NULL;
  lua_close(L);
  return code;
}
