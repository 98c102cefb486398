/* terminal.c - a pseudo-terminal for tests: runs a program in it and plays a script, a line a step:
 *
 *   send TEXT        types TEXT; \r \n \t \e \\ \xHH stand for what they do elsewhere, \cX for Ctrl-X
 *   keys TEXT        the same, when the program is at its prompt and reads keys itself: the kernel's own line editing would take the
 *                    control ones
 *   line TEXT        as send, and Enter
 *   paste FILE       a bracketed paste of the file
 *   type FILE        its bytes as if typed
 *   expect TEXT      waits until the output, from where the last expect ended, holds TEXT (with the same escapes); control sequences,
 *                    carriage returns and bells are taken out of it first
 *   took NAME        prints the milliseconds from the last send or line until what was last expected: "NAME 12.3"
 *   wait SECONDS     just that
 *   size ROWS COLUMNS
 *   eof              waits until the program has ended
 *
 * usage: terminal SCRIPT TRANSCRIPT PROGRAM [WORD...]. The transcript is all of the output. The exit code is the program's (128 +
 * signal); 200 when an expectation was not met in 60 seconds (TERMINAL_PATIENCE), told on standard error. */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { FAILED = 200 };

static int master;
static pid_t child;
static FILE *transcript;
static char *seen;                /* all output */
static size_t length, room, from; /* of it; from: where the next expectation begins to look */
static bool closed;               /* the program has let go of the terminal */
static double sent, met;          /* when the last text was sent, the last expectation met */
static double patience = 60;
static int line_number;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "line %d: ", line_number);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\nthe output since what was last expected:\n%.*s\n",
          (int)(length - from < 4000 ? length - from : 4000), seen + from);
  va_end(arguments);
  kill(child, SIGKILL);
  exit(FAILED);
}

/* Adds what a reader of the screen would see: \e[...LETTER and \e] ... BEL are left out. */
static void add_seen(char c) {
  static enum { TEXT, ESCAPE, CONTROL, TITLE } state;
  if (state == CONTROL) state = c >= '@' && c <= '~' ? TEXT : CONTROL;
  else if (state == TITLE) state = c == 7 ? TEXT : TITLE;
  else if (state == ESCAPE) state = c == '[' ? CONTROL : c == ']' ? TITLE : TEXT;
  else if (c == 27) state = ESCAPE;
  else if (c != '\r' && c != 7) seen[length++] = c;
}

/* Takes output that has come within so many seconds. */
static void listen_for(double seconds, bool writable, bool *may_write) {
  struct pollfd terminal = {.fd = master, .events = (short)(closed ? 0 : POLLIN | (writable ? POLLOUT : 0))};
  if (closed || poll(&terminal, 1, (int)(1000 * seconds)) <= 0) return;
  if (may_write) *may_write = terminal.revents & POLLOUT;
  if (!(terminal.revents & (POLLIN | POLLHUP))) return;
  if (room - length < 65537) seen = realloc(seen, room = 2 * room + 131072);
  char bytes[65536];
  ssize_t got = read(master, bytes, sizeof bytes);
  if (got <= 0) {
    closed = true;
    return;
  }
  fwrite(bytes, 1, (size_t)got, transcript);
  for (ssize_t i = 0; i < got; i++) add_seen(bytes[i]);
}

/* ---- steps ---- */

/* The text with its escapes resolved, in place; its length. */
static size_t unescape(char *text) {
  char *to = text;
  for (char *at = text; *at; at++) {
    if (*at != '\\') {
      *to++ = *at;
      continue;
    }
    unsigned value;
    switch (*++at) {
      case 'r': *to++ = '\r'; break;
      case 'n': *to++ = '\n'; break;
      case 't': *to++ = '\t'; break;
      case 'e': *to++ = 27; break;
      case 'c': *to++ = (char)(toupper((unsigned char)*++at) & 31); break;
      case 'x':
        if (sscanf(at + 1, "%2x", &value) == 1) *to++ = (char)value;
        at += 2;
        break;
      default: *to++ = *at;
    }
  }
  *to = '\0';
  return (size_t)(to - text);
}

/* Sends bytes, taking output meanwhile: the program may not read before it has written. */
static void send_bytes(const char *bytes, size_t count) {
  double until = now() + patience;
  while (count > 0 && !closed) {
    bool may_write = false;
    if (now() > until) fail("the program reads nothing");
    listen_for(0.1, true, &may_write);
    if (!may_write) continue;
    ssize_t written = write(master, bytes, count < 512 ? count : 512);
    if (written > 0) bytes += written, count -= (size_t)written;
  }
  sent = now();
}

/* Waits until a prompt ends the output and the program has left the kernel's line editing; a program without editing of its own
 * never does: 3 seconds. */
static void wait_for_editing(void) {
  struct termios modes;
  for (double until = now() + 3; now() < until && !closed; listen_for(0.002, false, NULL))
    if (length >= 2 && memcmp(seen + length - 2, "> ", 2) == 0 && tcgetattr(master, &modes) == 0 && !(modes.c_lflag & ICANON)) return;
}

static void send_file(const char *path, bool paste) {
  FILE *file = fopen(path, "rb");
  if (!file) fail("%s: %s", path, strerror(errno));
  if (paste) send_bytes("\033[200~", 6);
  char bytes[4096];
  for (size_t count; (count = fread(bytes, 1, sizeof bytes, file)) > 0;) {
    for (size_t i = 0; i < count; i++)
      if (bytes[i] == '\n') bytes[i] = '\r'; /* as Enter */
    send_bytes(bytes, count);
  }
  if (paste) send_bytes("\033[201~", 6);
  fclose(file);
}

static void expect(const char *text, size_t count) {
  double until = now() + patience;
  for (;;) {
    char *found = length - from >= count ? memmem(seen + from, length - from, text, count) : NULL;
    if (found) {
      met = now();
      from = (size_t)(found - seen) + count;
      return;
    }
    if (closed) fail("the program has ended; expected: %s", text);
    if (now() > until) fail("waited %g seconds for: %s", patience, text);
    listen_for(0.002, false, NULL);
  }
}

static void wait_for_end(void) {
  double until = now() + patience;
  while (!closed && now() < until) listen_for(0.05, false, NULL);
  if (!closed) fail("the program did not end");
}

static void wait_seconds(double seconds) {
  for (double until = now() + seconds; now() < until;) listen_for(0.01, false, NULL);
}

static void set_size(const char *text) {
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  sscanf(text, "%hu %hu", &size.ws_row, &size.ws_col);
  ioctl(master, TIOCSWINSZ, &size);
}

static void play(char *line) {
  char *rest = line + strcspn(line, " ");
  if (*rest) *rest++ = '\0';
  if (*line == '\0' || *line == '#') return;
  if (strcmp(line, "took") == 0) printf("%s %.1f\n", rest, 1000 * (met - sent));
  else if (strcmp(line, "wait") == 0) wait_seconds(atof(rest));
  else if (strcmp(line, "size") == 0) set_size(rest);
  else if (strcmp(line, "eof") == 0) wait_for_end();
  else if (strcmp(line, "paste") == 0) send_file(rest, true);
  else if (strcmp(line, "type") == 0) send_file(rest, false);
  else if (strcmp(line, "expect") == 0) expect(rest, unescape(rest));
  else if (strcmp(line, "send") == 0) send_bytes(rest, unescape(rest));
  else if (strcmp(line, "keys") == 0) {
    wait_for_editing();
    send_bytes(rest, unescape(rest));
  } else if (strcmp(line, "line") == 0) {
    send_bytes(rest, unescape(rest));
    send_bytes("\r", 1);
  } else fail("no such step: %s", line);
}

int main(int count, char **words) {
  if (count < 4) return fprintf(stderr, "usage: terminal SCRIPT TRANSCRIPT PROGRAM [WORD...]\n"), 2;
  FILE *script = fopen(words[1], "r");
  transcript = fopen(words[2], "w");
  if (!script || !transcript) return perror("terminal"), 2;
  if (getenv("TERMINAL_PATIENCE")) patience = atof(getenv("TERMINAL_PATIENCE"));
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  child = forkpty(&master, NULL, NULL, &size);
  if (child < 0) return perror("forkpty"), 2;
  if (child == 0) {
    execvp(words[3], words + 3);
    _exit(127);
  }
  char *line = NULL;
  size_t line_room = 0;
  for (ssize_t got; (got = getline(&line, &line_room, script)) >= 0;) {
    line_number++;
    if (got > 0 && line[got - 1] == '\n') line[got - 1] = '\0';
    play(line);
  }
  wait_for_end();
  int result;
  waitpid(child, &result, 0);
  fclose(transcript);
  free(line);
  return WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
}
