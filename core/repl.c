/* repl.c - the prompt's line editor as a Lua C module, engram.repl.editor: completion calls back into Lua, which takes a
 * lua_State (the FFI has none to give). The editor is chosen at build: readline, libedit, or none. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#if defined EG_READLINE
#include <readline/history.h>
#include <readline/readline.h>
#elif defined EG_LIBEDIT
#include <editline/readline.h>
#endif

#include "internal.h"
#include "repl.h"

enum { PATH_LENGTH = 4096 };

/* ---- waiting for a key ---- */

static volatile sig_atomic_t screen_changed; /* the signal that says so, while a line is edited */

static void mend_screen(void) {
#if defined EG_READLINE || defined EG_LIBEDIT
  if (screen_changed == SIGCONT) rl_prep_terminal(1);
  if (screen_changed == SIGWINCH) rl_resize_terminal();
  if (screen_changed) rl_forced_update_display();
#endif
  screen_changed = 0;
}

/* Signals are let in only while this waits, so that none is missed between looking and waiting. False: asked to stop. */
static bool wait_for_input(int descriptor) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1, SIGCONT, SIGWINCH};
  struct pollfd input = {.fd = descriptor, .events = POLLIN};
  if (eg_interrupt_get() == 0 && poll(&input, 1, 0) > 0) return true;
  sigset_t held, before;
  sigemptyset(&held);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&held, numbers[i]);
  pthread_sigmask(SIG_BLOCK, &held, &before);
  int ready = 0;
  while (eg_interrupt_get() == 0 && (ready = ppoll(&input, 1, NULL, &before)) < 0 && errno == EINTR) mend_screen();
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return ready > 0;
}

/* What shows the prompt: standard error when the output is no terminal, so that a pipe gets the results alone. */
static FILE *screen(void) { return isatty(STDOUT_FILENO) ? stdout : stderr; }

/* ---- plain reading: from a pipe, and where there is no editor ---- */

/* A line without its end, nil at the end of the input, false at an interrupt. */
static int read_plainly(lua_State *L, const char *prompt) {
  char *line = NULL;
  size_t room = 0;
  bool terminal = isatty(STDIN_FILENO);
  fflush(stdout);
  fputs(prompt, screen());
  fflush(screen());
  ssize_t length = terminal && !wait_for_input(STDIN_FILENO) ? -1 : getline(&line, &room, stdin);
  bool interrupted = eg_interrupt_get() != 0;
  if (interrupted && terminal) fputs("\n", screen());
  if (length < 0) clearerr(stdin);
  if (length > 0 && line[length - 1] == '\n') length--;
  if (interrupted) lua_pushboolean(L, 0);
  else if (length < 0) lua_pushnil(L);
  else lua_pushlstring(L, line, (size_t)length);
  free(line);
  return 1;
}

#if defined EG_READLINE || defined EG_LIBEDIT

/* ---- keys for the editor ---- */

static void on_screen_change(int number) { screen_changed = number; }

/* An interrupt looks like the end of the input to the editor, whatever it is doing; read_edited tells them apart. */
static int next_byte(FILE *stream) {
  unsigned char byte;
  ssize_t got;
  do {
    if (!wait_for_input(fileno(stream))) return EOF;
    got = read(fileno(stream), &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1 ? byte : EOF;
}

#ifdef EG_LIBEDIT
/* libedit wants characters, not bytes; a byte that begins none stands for itself. */
static int next_character(FILE *stream) {
  mbstate_t state = {0};
  for (;;) {
    int byte = next_byte(stream);
    if (byte == EOF) return EOF;
    char text = (char)byte;
    wchar_t character;
    size_t used = mbrtowc(&character, &text, 1, &state);
    if (used == (size_t)-1) return byte;
    if (used != (size_t)-2) return (int)character;
  }
}
#endif

/* ---- completion ---- */

static lua_State *lua; /* of the read that is going on */
static int completer =
    LUA_NOREF; /* function(line up to the cursor) -> list of words, the part of one that is there, what to append */
static int candidates = LUA_NOREF; /* its list */
static size_t part_length;

/* Asks the completer. */
static void find_candidates(void) {
  int top = lua_gettop(lua);
  part_length = 0;
  rl_completion_append_character = '\0';
  luaL_unref(lua, LUA_REGISTRYINDEX, candidates);
  candidates = LUA_NOREF;
  lua_rawgeti(lua, LUA_REGISTRYINDEX, completer);
  lua_pushlstring(lua, rl_line_buffer, (size_t)rl_point);
  if (lua_pcall(lua, 1, 3, 0) == 0 && lua_istable(lua, top + 1)) {
    if (lua_isstring(lua, top + 2)) part_length = lua_objlen(lua, top + 2);
    if (lua_isstring(lua, top + 3)) rl_completion_append_character = *lua_tostring(lua, top + 3);
    lua_settop(lua, top + 1);
    candidates = luaL_ref(lua, LUA_REGISTRYINDEX);
  }
  lua_settop(lua, top);
}

/* What the editor takes for the word, `text`, is the end of the part that the completer went by. */
static char *next_candidate(const char *text, int again) {
  static int place;
  if (!again) place = 0;
  size_t length = strlen(text), skip = part_length - EG_MIN(part_length, length);
  char *found = NULL;
  lua_rawgeti(lua, LUA_REGISTRYINDEX, candidates);
  for (bool more = lua_istable(lua, -1); more && !found;) {
    lua_rawgeti(lua, -1, ++place);
    const char *word = lua_tostring(lua, -1);
    more = word != NULL;
    if (more && strlen(word) >= skip + length && strncmp(word + skip, text, length) == 0) found = strdup(word + skip);
    lua_pop(lua, 1);
  }
  lua_pop(lua, 1);
  return found;
}

static char **complete(const char *text, int from, int to) {
  (void)from, (void)to;
  find_candidates();
  rl_attempted_completion_over = 1;
  return rl_completion_matches(text, next_candidate);
}

/* ---- reading with an editor ---- */

/* A locale with UTF-8, so that the cursor counts characters; keys above 127 are text, not Meta. */
static void prepare_characters(void) {
  setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
#ifdef EG_READLINE
  rl_initialize();
  rl_variable_bind("input-meta", "on");
  rl_variable_bind("output-meta", "on");
  rl_variable_bind("convert-meta", "off");
  rl_variable_bind("enable-bracketed-paste", "on");
  rl_getc_function = next_byte;
  rl_catch_sigwinch = 0;
#else
  rl_getc_function = next_character;
  rl_initialize();
#endif
}

static void prepare_editor(void) {
  static char breaks[] = " \t\n\"\\'`@$><=;|&{}()[]+-*/^%#~,.:?!";
  static bool prepared;
  if (prepared) return;
  prepared = true;
  rl_readline_name = "engram";
  rl_catch_signals = 0; /* main.c has them */
  prepare_characters();
  rl_attempted_completion_function = complete;
  rl_basic_word_break_characters = rl_completer_word_break_characters = breaks; /* libedit goes by the first */
  rl_basic_quote_characters = "";
  using_history();
  struct sigaction action = {.sa_handler = on_screen_change};
  sigemptyset(&action.sa_mask);
  sigaction(SIGCONT, &action, NULL);
  sigaction(SIGWINCH, &action, NULL);
}

static int read_edited(lua_State *L, const char *prompt) {
  prepare_editor();
  lua = L;
  fflush(stdout);
  rl_outstream = screen();
  char *line = readline(prompt);
  bool interrupted = eg_interrupt_get() != 0;
  if (interrupted && !line) fputs("\n", screen());
  if (interrupted) lua_pushboolean(L, 0);
  else if (line) lua_pushstring(L, line);
  else lua_pushnil(L);
  free(line);
  return 1;
}

static int set_completer(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, completer);
  completer = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static int remember(lua_State *L) {
  const char *text = luaL_checkstring(L, 1);
  prepare_editor();
  add_history(text);
  return 0;
}

#else

static int read_edited(lua_State *L, const char *prompt) { return read_plainly(L, prompt); }
static int set_completer(lua_State *L) { return (void)L, 0; }
static int remember(lua_State *L) { return (void)L, 0; }

#endif

/* editor.read(prompt): a line; nil at the end of the input; false when an interrupt (in the core's flag) cleared the line.
 * Without a prompt, or from a pipe: plainly. */
static int read_line(lua_State *L) {
  const char *prompt = luaL_optstring(L, 1, "");
  eg_interrupt_trap(1); /* the flag alone: there is nothing to stop while reading */
  bool edits = *prompt && isatty(STDIN_FILENO) && isatty(fileno(screen()));
  int results = edits ? read_edited(L, prompt) : read_plainly(L, prompt);
  eg_interrupt_trap(0);
  return results;
}

/* ---- running what was typed ---- */

static volatile sig_atomic_t running; /* a chunk of an interactive session, not yet its error's handler */

bool eg_prompt_runs(void) { return running; }

/* Calls the Lua handler (the upvalue) with the error; by then no interrupt is raised any more. */
static int on_error(lua_State *L) {
  running = 0;
  lua_sethook(L, NULL, 0, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

bool eg_prompt_handles(lua_State *L, lua_Debug *at) {
  if (!running || !lua_getinfo(L, "f", at)) return false;
  bool handles = lua_tocfunction(L, -1) == on_error;
  lua_pop(L, 1);
  return handles;
}

/* editor.run(f, handler, ...): xpcall, but an interrupt is raised in f until f has ended, whatever catches it. In C, so that it cannot
 * strike between the end of f and the disarming. */
static int run_guarded(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  sig_atomic_t outer = running;
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, on_error, 1);
  lua_replace(L, 2);
  lua_pushvalue(L, 1);
  lua_insert(L, 3); /* f, on_error, f, arguments */
  running = 1;
  int status = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, 2);
  lua_sethook(L, NULL, 0, 0);
  running = outer;
  lua_pushboolean(L, status == 0);
  lua_replace(L, 2);
  return lua_gettop(L) - 1;
}

/* ---- a file for its owner alone ---- */

static bool write_all(int descriptor, const char *text, size_t length) {
  while (length > 0) {
    ssize_t written = write(descriptor, text, length);
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text += written, length -= (size_t)written;
  }
  return true;
}

/* Appends to path or, through a file beside it, replaces it; errno of what failed. */
static int write_private(const char *path, const char *text, size_t length, bool append) {
  char beside[PATH_LENGTH];
  if (snprintf(beside, sizeof beside, append ? "%s" : "%s.new", path) >= PATH_LENGTH) return ENAMETOOLONG;
  int descriptor = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0600);
  if (descriptor < 0) return errno;
  int problem = write_all(descriptor, text, length) ? 0 : errno;
  if (close(descriptor) && !problem) problem = errno;
  if (!append && !problem && rename(beside, path)) problem = errno;
  if (!append && problem) unlink(beside);
  return problem;
}

/* editor.write_private(path, text, append): true, or nil and what went wrong. */
static int lua_write_private(lua_State *L) {
  size_t length;
  const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &length);
  int problem = write_private(path, text, length, lua_toboolean(L, 3));
  if (!problem) return lua_pushboolean(L, 1), 1;
  lua_pushnil(L);
  lua_pushstring(L, strerror(problem));
  return 2;
}

/* ---- the module ---- */

static void push_name(lua_State *L) {
#if defined EG_READLINE
  lua_pushfstring(L, "GNU readline %s", rl_library_version);
#elif defined EG_LIBEDIT
  lua_pushfstring(L, "libedit (%s)", rl_library_version);
#else
  lua_pushliteral(L, "none: lines are read plainly, without editing, history or completion");
#endif
}

int luaopen_engram_repl_editor(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", read_line},
                                       {"run", run_guarded},
                                       {"set_completer", set_completer},
                                       {"remember", remember},
                                       {"write_private", lua_write_private},
                                       {NULL, NULL}};
  lua_newtable(L);
  luaL_register(L, NULL, functions);
  push_name(L);
  lua_setfield(L, -2, "name");
  return 1;
}
