/* Clocks, memory figures and folders. */
#include <fcntl.h>
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clock_runs_forward),    cmocka_unit_test(memory_figures_follow_use),
      cmocka_unit_test(a_file_is_no_terminal), cmocka_unit_test(makes_folders),
      cmocka_unit_test(tells_kinds_and_sizes), cmocka_unit_test(renames),
      cmocka_unit_test(lists_folders),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
