/* Clocks, memory figures, folders and programs. */
#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "hostile.h"

static void clock_runs_forward(void **state) {
  double before = eg_clock();
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  double passed = eg_clock() - before;
  assert_true(passed >= 0.02 && passed < 5);
}

static void memory_figures_follow_use(void **state) {
  int64_t before = eg_resident_bytes();
  assert_true(before > 1 << 20);
  volatile char *block = malloc(1 << 26);
  for (int i = 0; i < 1 << 26; i += 1024) block[i] = 1;
  assert_true(eg_resident_bytes() - before > 1 << 25);
  free((void *)block);
  assert_true(eg_peak_resident_bytes() >= before + (1 << 25));
}

static void a_file_is_no_terminal(void **state) {
  int file = open("/dev/null", O_RDONLY);
  assert_int_equal(eg_is_terminal(file), 0);
  close(file);
  assert_int_equal(eg_is_terminal(-1), 0);
  assert_in_range(eg_terminal_width(), 0, 100000);
  assert_int_equal(eg_process_id(), getpid());
}

static void makes_folders(void **state) {
  const char *deep = in_folder("a/b//c/d/");
  assert_int_equal(eg_make_folders(deep), EG_OK);
  assert_int_equal(eg_make_folders(deep), EG_OK);
  assert_int_equal(eg_file_kind(in_folder("a/b/c/d")), 2);
  assert_int_equal(eg_make_folders("/"), EG_OK);
  assert_int_equal(eg_make_folders(""), EG_EINVAL);
  assert_int_equal(eg_make_folders(NULL), EG_EINVAL);
  put_file("a/file", "x", 1);
  assert_int_equal(eg_make_folders(in_folder("a/file")), EG_EIO);
  assert_int_equal(eg_make_folders(in_folder("a/file/b")), EG_EIO);
  assert_message("a/file: cannot make the folder: Not a directory");
  assert_int_equal(eg_make_folders("/proc/engram/x"), EG_EIO);
  assert_message("/proc/engram: cannot make the folder: ");
}

static void tells_kinds_and_sizes(void **state) {
  const char *path = put_file("sized", "12345", 5);
  assert_int_equal(eg_file_kind(path), 1);
  assert_int_equal(eg_file_size(path), 5);
  assert_int_equal(eg_file_kind(own_folder()), 2);
  assert_int_equal(eg_file_kind("/dev/null"), 3);
  assert_int_equal(eg_file_kind(in_folder("none")), 0);
  assert_int_equal(eg_file_kind(NULL), 0);
  assert_int_equal(eg_file_size(in_folder("none")), -1);
  assert_int_equal(eg_file_size(NULL), -1);
  assert_int_equal(eg_writable(path), 1);
  assert_int_equal(eg_writable(in_folder("no/such/file")), 1);
  assert_int_equal(eg_writable(in_folder("sized/below")), 0);
  assert_int_equal(eg_writable(NULL), 0);
}

static void renames(void **state) {
  const char *from = put_file("from", "x", 1), *to = in_folder("to");
  assert_int_equal(eg_rename(from, to), EG_OK);
  assert_int_equal(eg_file_kind(from), 0);
  assert_int_equal(eg_file_kind(to), 1);
  assert_int_equal(eg_rename(from, to), EG_EIO);
  assert_message("No such file");
  assert_int_equal(eg_rename(NULL, to), EG_EINVAL);
}

static void lists_folders(void **state) {
  assert_int_equal(eg_make_folders(in_folder("list/c")), EG_OK);
  put_file("list/b", "", 0);
  put_file("list/B", "", 0);
  put_file("list/.hidden", "", 0);
  put_file("list/two\nlines", "", 0);
  assert_string_equal(eg_list_folder(in_folder("list")), ".hidden\nB\nb\nc\n");
  assert_string_equal(eg_list_folder(in_folder("list/c")), "");
  assert_null(eg_list_folder(in_folder("none")));
  assert_message("cannot list the folder: No such file");
  assert_null(eg_list_folder(in_folder("list/b")));
  assert_null(eg_list_folder(NULL));
}

static int shell(const char *line) { return eg_run_program((const char *[]){"sh", "-c", line, NULL}); }

static void runs_programs(void **state) {
  assert_int_equal(shell("exit 0"), 0);
  assert_int_equal(shell("exit 7"), 7);
  assert_int_equal(shell("kill -TERM $$"), 128 + SIGTERM);
  assert_int_equal(eg_run_program((const char *[]){"/no/such/program", NULL}), -1);
  assert_message("/no/such/program: cannot run: No such file or directory");
  assert_int_equal(eg_run_program((const char *[]){NULL}), -1);
  assert_int_equal(eg_run_program(NULL), -1);
}

/* The program gets its arguments untouched, and default signals even where this process ignores or blocks them. */
static void hands_over_arguments_and_signals(void **state) {
  const char *path = in_folder("arguments");
  char line[600];
  snprintf(line, sizeof line, "printf '%%s|' \"$@\" > %s", path);
  assert_int_equal(eg_run_program((const char *[]){"sh", "-c", line, "sh", "two words", "", "$HOME;*", NULL}), 0);
  size_t length;
  uint8_t *bytes = get_file(path, &length);
  assert_int_equal(length, 19);
  assert_memory_equal(bytes, "two words||$HOME;*|", 19);
  free(bytes);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  signal(SIGINT, SIG_IGN);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  assert_int_equal(shell("kill -INT $$; exit 1"), 128 + SIGINT);
  assert_int_equal(shell("kill -TERM $$; exit 1"), 128 + SIGTERM);
  sigprocmask(SIG_SETMASK, &before, NULL);
  signal(SIGINT, SIG_DFL);
}

static void hands_on_an_interrupt(void **state) {
  double before = eg_clock();
  eg_interrupt_set(SIGTERM);
  int code = shell("sleep 20");
  eg_interrupt_set(0);
  assert_int_equal(code, 128 + SIGTERM);
  assert_true(eg_clock() - before < 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clock_runs_forward),
      cmocka_unit_test(memory_figures_follow_use),
      cmocka_unit_test(a_file_is_no_terminal),
      cmocka_unit_test(makes_folders),
      cmocka_unit_test(tells_kinds_and_sizes),
      cmocka_unit_test(renames),
      cmocka_unit_test(lists_folders),
      cmocka_unit_test(runs_programs),
      cmocka_unit_test(hands_over_arguments_and_signals),
      cmocka_unit_test(hands_on_an_interrupt),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
