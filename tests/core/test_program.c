/* Programs: run and waited for, started and looked after; folders claimed for one process. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "hostile.h"

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

/* ---- started, and looked after ---- */

static int start(const char *line, const char *log) {
  return eg_start_program((const char *[]){"sh", "-c", line, NULL}, log);
}

/* Its exit code, after at most ten seconds. */
static int ending(int id) {
  int code = -1;
  for (int i = 0; i < 1000; i++) {
    int ended = eg_program_ended(id, &code);
    assert_true(ended >= 0);
    if (ended) return code;
    eg_sleep(0.01);
  }
  fail_msg("the program did not end");
  return -1;
}

static void expect_text(const char *path, const char *text) {
  size_t length;
  uint8_t *bytes = get_file(path, &length);
  assert_int_equal(length, strlen(text));
  assert_memory_equal(bytes, text, length);
  free(bytes);
}

static void starts_programs_beside_one_another(void **state) {
  const char *log = in_folder("log");
  double before = eg_clock();
  int slow = start("sleep 0.2; echo slow", log), quick = start("echo quick; echo error >&2; exit 3", log), code;
  assert_true(slow > 0 && quick > 0 && eg_clock() - before < 0.2);
  assert_int_equal(eg_program_ended(slow, &code), 0);
  assert_int_equal(ending(quick), 3);
  assert_int_equal(ending(slow), 0);
  expect_text(log, "quick\nerror\nslow\n");
  assert_int_equal(ending(start("read line || echo no input", log)), 0);
  expect_text(log, "quick\nerror\nslow\nno input\n");
}

static void refuses_what_cannot_start(void **state) {
  int code = 77;
  assert_int_equal(eg_start_program((const char *[]){"/no/such/program", NULL}, in_folder("log")), -1);
  assert_message("/no/such/program: cannot run: No such file or directory");
  assert_int_equal(start("true", in_folder("no/such/folder")), -1);
  assert_message("no/such/folder: cannot be written: No such file");
  assert_int_equal(start("true", NULL), -1);
  assert_int_equal(eg_start_program((const char *[]){NULL}, in_folder("log")), -1);
  assert_int_equal(eg_start_program(NULL, in_folder("log")), -1);
  assert_int_equal(eg_program_ended(getpid(), &code), -1);
  assert_message("cannot wait");
  assert_int_equal(eg_program_ended(-1, &code), -1);
  assert_int_equal(code, 77);
  assert_int_equal(eg_signal_program(-1, SIGTERM), EG_EINVAL);
  assert_int_equal(eg_signal_program(0, SIGTERM), EG_EINVAL);
}

static void signals_reach_one_program(void **state) {
  signal(SIGTERM, SIG_IGN); /* which the program does not inherit */
  int stopped = start("sleep 20", in_folder("log")), other = start("sleep 0.3; exit 5", in_folder("log"));
  signal(SIGTERM, SIG_DFL);
  assert_int_not_equal(getpgid(stopped), getpgid(0));
  assert_int_equal(eg_signal_program(stopped, SIGTERM), EG_OK);
  assert_int_equal(ending(stopped), 128 + SIGTERM);
  assert_int_equal(ending(other), 5);
  assert_int_equal(eg_signal_program(stopped, SIGTERM), EG_EINVAL);
}

/* A process that starts a program and is killed: the program is asked to stop. */
static void programs_die_with_who_started_them(void **state) {
  const char *log = in_folder("orphan");
  unlink(log);
  pid_t starter = fork();
  if (starter == 0) {
    start("trap 'echo stopped; exit' TERM; echo ready; while :; do sleep 0.01; done", log);
    pause();
  }
  for (int i = 0; i < 1000 && eg_file_size(log) < 6; i++) eg_sleep(0.01);
  kill(starter, SIGKILL);
  waitpid(starter, NULL, 0);
  for (int i = 0; i < 1000 && eg_file_size(log) < 14; i++) eg_sleep(0.01);
  expect_text(log, "ready\nstopped\n");
}

/* ---- one process a folder ---- */

/* What a child gets: 0 a lock, else eg_folder_lock's answer. */
static int in_a_child(const char *folder) {
  pid_t child = fork();
  if (child == 0) {
    int lock = eg_folder_lock(folder);
    _exit(lock >= 0 ? 10 : 10 + lock);
  }
  int result;
  waitpid(child, &result, 0);
  return WEXITSTATUS(result) - 10;
}

static void one_process_has_a_folder(void **state) {
  const char *folder = own_folder();
  assert_int_equal(in_a_child(folder), 0);
  assert_int_equal(in_a_child(folder), 0); /* gone with its process */
  int lock = eg_folder_lock(folder);
  assert_true(lock >= 0);
  assert_int_equal(in_a_child(folder), -1);
  eg_folder_unlock(lock);
  assert_int_equal(in_a_child(folder), 0);
  assert_int_equal(eg_folder_lock("/no/such/folder"), -2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(runs_programs),
      cmocka_unit_test(hands_over_arguments_and_signals),
      cmocka_unit_test(hands_on_an_interrupt),
      cmocka_unit_test(starts_programs_beside_one_another),
      cmocka_unit_test(refuses_what_cannot_start),
      cmocka_unit_test(signals_reach_one_program),
      cmocka_unit_test(programs_die_with_who_started_them),
      cmocka_unit_test(one_process_has_a_folder),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
