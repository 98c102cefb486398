/* A file that is replaced is the old one or the new one, whatever fails or strikes while it is written. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "file.h"
#include "hostile.h"

enum { LARGE = 200000 };

static eg_tensor *tensor_of(uint8_t value) {
  eg_tensor *t = eg_new(EG_UINT8, 1, (int64_t[]){LARGE});
  memset(t->data, value, LARGE);
  return t;
}

static eg_status save(const char *path, uint8_t value) {
  eg_tensor *t[] = {tensor_of(value), tensor_of(value)};
  const char *names[] = {"a", "b"};
  eg_status status = eg_safetensors_write(path, 2, names, t, 0, NULL, NULL);
  eg_free(t[0]);
  eg_free(t[1]);
  return status;
}

/* The value that the checkpoint holds all over; -1 when it is damaged. */
static int value_in(const char *path) {
  eg_safetensors *file = eg_safetensors_open(path);
  if (!file) return -1;
  int value = eg_safetensors_count(file) == 2 ? 0 : -1;
  for (int64_t i = 0; i < 2 && value >= 0; i++) {
    eg_tensor *t = eg_safetensors_read(file, i);
    const uint8_t *byte = t ? t->data : NULL;
    for (int j = 0; t && j < LARGE && value >= 0; j++)
      value = byte[j] == byte[0] && (i == 0 || byte[0] == value) ? byte[0] : -1;
    if (!t) value = -1;
    eg_free(t);
  }
  eg_safetensors_close(file);
  return value;
}

/* A path of this test's own: in_folder's are soon overwritten. */
static const char *lasting(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s", in_folder(name));
  return path;
}

static int files_in(const char *folder) {
  int lines = 0;
  for (const char *at = eg_list_folder(folder); *at; at++) lines += *at == '\n';
  return lines;
}

/* Every operation fails once, with each error; the first count without effect is the number of operations. */
static void an_error_costs_nothing(void **state) {
  static const char *const errors[] = {"EIO", "ENOSPC", "EROFS", "EACCES", "EDQUOT"};
  static const int numbers[] = {EIO, ENOSPC, EROFS, EACCES, EDQUOT};
  assert_int_equal(eg_make_folders(in_folder("errors")), EG_OK);
  const char *path = lasting("errors/last.safetensors");
  for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
    assert_int_equal(save(path, 1), EG_OK);
    for (int at = 1;; at++) {
      char fault[64];
      snprintf(fault, sizeof fault, "any@last:%d:%s", at, errors[e]);
      assert_int_equal(eg_fault_set(fault), EG_OK);
      eg_status status = save(path, 2);
      bool struck = !eg_fault_armed;
      eg_fault_set(NULL);
      assert_int_equal(files_in(in_folder("errors")), 1);
      if (!struck) {
        assert_int_equal(status, EG_OK);
        assert_int_equal(value_in(path), 2);
        assert_int_equal(at, 10); /* open; 5 writes: length, header, padding, two tensors; sync, close, rename */
        break;
      }
      assert_int_equal(status, EG_EIO);
      assert_message("errors/last.safetensors: cannot write: ");
      assert_message(strerror(numbers[e]));
      assert_int_equal(value_in(path), 1);
    }
  }
}

/* The process is killed in every operation. */
static void a_kill_costs_nothing(void **state) {
  assert_int_equal(eg_make_folders(in_folder("kills")), EG_OK);
  const char *path = lasting("kills/last.safetensors");
  int kills = 0;
  for (int at = 1;; at++) {
    int result;
    char fault[64];
    assert_int_equal(save(path, 1), EG_OK);
    snprintf(fault, sizeof fault, "any@last:%d:KILL", at);
    pid_t child = fork();
    if (child == 0) {
      eg_fault_set(fault);
      _exit(save(path, 2) == EG_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFSIGNALED(result)) {
      assert_int_equal(result, 0);
      assert_int_equal(value_in(path), 2);
      break;
    }
    assert_int_equal(WTERMSIG(result), SIGKILL);
    assert_int_equal(value_in(path), 1);
    kills++;
  }
  assert_int_equal(kills, 9);
}

/* A disk that is full stays full until it is not. */
static void a_full_disk_stays_full(void **state) {
  const char *path = lasting("full.txt");
  assert_int_equal(eg_file_write(path, "one\n", 4), EG_OK);
  assert_int_equal(eg_fault_set("write:2+:ENOSPC"), EG_OK);
  assert_int_equal(eg_file_append(path, "two\n", 4), EG_OK);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(eg_file_append(path, "three\n", 6), EG_EIO);
    assert_message("full.txt: cannot write: No space left on device");
    assert_int_equal(eg_file_write(path, "four\n", 5), EG_EIO);
    assert_int_equal(eg_file_size(path), 8); /* the half that got through is taken back */
  }
  eg_fault_set("");
  assert_int_equal(eg_file_append(path, "three\n", 6), EG_OK);
  assert_int_equal(eg_file_size(path), 14);
}

static void other_operations_fail_too(void **state) {
  const char *path = lasting("other.txt");
  assert_int_equal(eg_file_write(path, "12345678", 8), EG_OK);
  eg_fault_set("cut:1:EIO");
  assert_int_equal(eg_file_cut(path, 4), EG_EIO);
  assert_int_equal(eg_file_size(path), 8);
  eg_fault_set("sync:1:EIO");
  assert_int_equal(eg_file_sync(path), EG_EIO);
  assert_message("other.txt: cannot be synced: Input/output error");
  assert_int_equal(eg_file_sync(path), EG_OK);
  assert_int_equal(eg_file_sync(in_folder("none")), EG_EIO);
  eg_fault_set("open:1:EROFS");
  assert_int_equal(eg_file_append(path, "x", 1), EG_EIO);
  assert_message("Read-only file system");
  eg_fault_set("mkdir@new:1:EROFS");
  assert_int_equal(eg_make_folders(in_folder("new/one")), EG_EIO);
  eg_fault_set("mkdir@one:1:EACCES");
  assert_int_equal(eg_make_own_folder(in_folder("new/one")), -1);
  assert_message("new/one: cannot make the folder: Permission denied");
  eg_fault_set("mkdir@one:1:EEXIST");
  assert_int_equal(eg_make_own_folder(in_folder("new/one")), 0);
  assert_int_equal(eg_make_own_folder(in_folder("new/one")), 1);
  assert_int_equal(eg_make_own_folder(in_folder("new/one")), 0);
  assert_int_equal(eg_make_own_folder(""), -1);
  eg_fault_set(NULL);
}

/* One holder at a time, another process or this one; the lock ends with its holder. */
static void folders_are_locked(void **state) {
  int result, lock = eg_folder_lock(own_folder());
  assert_true(lock >= 0);
  assert_int_equal(eg_folder_lock(own_folder()), -1);
  eg_folder_unlock(lock);
  pid_t child = fork();
  if (child == 0) _exit(eg_folder_lock(own_folder()) >= 0 ? 0 : 1);
  waitpid(child, &result, 0);
  assert_int_equal(result, 0);
  lock = eg_folder_lock(own_folder());
  assert_true(lock >= 0);
  eg_folder_unlock(lock);
  eg_folder_unlock(-1);
  assert_int_equal(eg_folder_lock(in_folder("none")), -2);
}

static void refuses_faults_that_are_none(void **state) {
  static const char *const bad[] = {"write",        "write:1",          "write:1:",       "write:0:EIO",
                                    "write:-1:EIO", "write:x:EIO",      "write:1x:EIO",   "write:1++:EIO",
                                    "read:1:EIO",   "write:1:EXDEV",    ":1:EIO",         "@a:1:EIO",
                                    "write@:1:EIO", "write@a:1",        "write:1:KILLED", "write::EIO",
                                    "write:1:eio",  "writewrite:1:EIO", "write:+:ENOSPC"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (eg_fault_set(bad[i]) != EG_EINVAL) fail_msg("accepted '%s'", bad[i]);
    assert_message("expected OPERATION[@WORD]:COUNT[+]:WHAT");
    assert_false(eg_fault_armed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_error_costs_nothing), cmocka_unit_test(a_kill_costs_nothing),
      cmocka_unit_test(a_full_disk_stays_full), cmocka_unit_test(other_operations_fail_too),
      cmocka_unit_test(folders_are_locked),     cmocka_unit_test(refuses_faults_that_are_none),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
