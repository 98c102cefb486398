/* Files that appear whole or not at all, and SHA-256. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <zlib.h>

#include "file.h"
#include "hostile.h"

static void holds(const char *path, const char *text) {
  size_t length;
  uint8_t *bytes = get_file(path, &length);
  assert_int_equal(length, strlen(text));
  assert_memory_equal(bytes, text, length);
  free(bytes);
}

/* The folder holds these names and nothing else: no temporary file is left. */
static void folder_holds(const char *folder, const char *names) {
  const char *listed = eg_list_folder(folder);
  assert_non_null(listed);
  assert_string_equal(listed, names);
}

static const char *own(const char *name) {
  const char *path = in_folder(name);
  assert_int_equal(eg_make_folders(path), EG_OK);
  return path;
}

static void writes_and_replaces(void **state) {
  own("write");
  const char *path = in_folder("write/a.txt");
  assert_int_equal(eg_file_write(path, "one", 3), EG_OK);
  holds(path, "one");
  assert_int_equal(eg_file_write(path, "", 0), EG_OK);
  holds(path, "");
  assert_int_equal(eg_file_write(path, NULL, 0), EG_OK);
  folder_holds(in_folder("write"), "a.txt\n");
}

static void keeps_mode_and_links(void **state) {
  own("links");
  struct stat about;
  const char *path = in_folder("links/a.txt"), *link = in_folder("links/link");
  mode_t mask = umask(027);
  assert_int_equal(eg_file_write(path, "one", 3), EG_OK);
  umask(mask);
  assert_int_equal(stat(path, &about), 0);
  assert_int_equal(about.st_mode & 0777, 0640);
  chmod(path, 0604);
  assert_int_equal(symlink("a.txt", link), 0);
  assert_int_equal(eg_file_write(link, "two", 3), EG_OK);
  holds(path, "two");
  assert_int_equal(lstat(link, &about), 0);
  assert_true(S_ISLNK(about.st_mode));
  assert_int_equal(stat(path, &about), 0);
  assert_int_equal(about.st_mode & 0777, 0604);
}

static void writes_here_and_with_long_names(void **state) {
  char before[512], name[256];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(own("here")), 0);
  memset(name, 'n', 255);
  name[255] = '\0';
  assert_int_equal(eg_file_write(name, "x", 1), EG_OK);
  assert_int_equal(eg_file_size(name), 1);
  unlink(name);
  folder_holds(".", "");
  assert_int_equal(chdir(before), 0);
}

/* A limit on the size of files stands in for a disk that fills up halfway. */
static void leaves_the_old_file_when_the_disk_is_full(void **state) {
  own("full");
  const char *path = in_folder("full/a.bin");
  static char large[300000];
  struct rlimit before, tight;
  assert_int_equal(eg_file_write(path, "old", 3), EG_OK);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  tight = before;
  tight.rlim_cur = 100000;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
  eg_tensor *t = eg_new(EG_UINT8, 1, (int64_t[]){sizeof large});
  memset(t->data, 0, sizeof large);
  const char *names[] = {"t"};
  eg_status plain = eg_file_write(path, large, sizeof large), npy = eg_npy_write(path, t);
  eg_status safetensors = eg_safetensors_write(path, 1, names, &t, 0, NULL, NULL);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(plain, EG_EIO);
  assert_int_equal(npy, EG_EIO);
  assert_int_equal(safetensors, EG_EIO);
  assert_message("full/a.bin: cannot write: File too large");
  holds(path, "old");
  folder_holds(in_folder("full"), "a.bin\n");
  eg_free(t);
}

static void appends_lines_whole_or_not_at_all(void **state) {
  const char *path = in_folder("log");
  static char large[300000];
  struct rlimit before, tight;
  assert_int_equal(eg_file_append(path, "one\n", 4), EG_OK);
  assert_int_equal(eg_file_append(path, "two\n", 4), EG_OK);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  tight = before;
  tight.rlim_cur = 100000;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
  eg_status status = eg_file_append(path, large, sizeof large);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(status, EG_EIO);
  holds(path, "one\ntwo\n");
  assert_int_equal(eg_file_append(in_folder("no/folder"), "x", 1), EG_EIO);
  assert_int_equal(eg_file_append("/dev/full", "x", 1), EG_EIO);
  assert_int_equal(eg_file_append(NULL, "x", 1), EG_EINVAL);
  assert_int_equal(eg_file_append(path, NULL, 1), EG_EINVAL);
}

static void devices_are_written_as_they_stand(void **state) {
  assert_int_equal(eg_file_write("/dev/full", "x", 1), EG_EIO);
  assert_string_equal(eg_error_message(), "/dev/full: cannot write: No space left on device");
  assert_int_equal(eg_file_write("/dev/null", "x", 1), EG_OK);
  assert_int_equal(eg_file_kind("/dev/null"), 3);
}

static void reports_folders_that_refuse(void **state) {
  const char *folder = own("locked"), *path = in_folder("locked/a.txt");
  assert_int_equal(eg_file_write(path, "old", 3), EG_OK);
  assert_int_equal(chmod(folder, 0555), 0);
  chmod(own_folder(), 0755);
  bool root = geteuid() == 0;
  if (root) assert_int_equal(seteuid(65534), 0); /* modes do not hold root back */
  eg_status status = eg_file_write(path, "new", 3);
  int writable = eg_writable(folder), below = eg_writable(in_folder("locked/no/such"));
  if (root) assert_int_equal(seteuid(0), 0);
  assert_int_equal(chmod(folder, 0755), 0);
  assert_int_equal(status, EG_EIO);
  assert_message("locked/a.txt: cannot write: Permission denied");
  assert_int_equal(writable, 0);
  assert_int_equal(below, 0);
  holds(path, "old");
  folder_holds(folder, "a.txt\n");
}

static void refuses_paths_that_are_none(void **state) {
  static char endless[PATH_MAX + 10];
  memset(endless, 'x', sizeof endless - 1);
  assert_int_equal(eg_file_write(NULL, "x", 1), EG_EINVAL);
  assert_int_equal(eg_file_write("", "x", 1), EG_EINVAL);
  assert_int_equal(eg_file_write(endless, "x", 1), EG_EINVAL);
  assert_message("the path is longer than");
  endless[PATH_MAX - 10] = '\0'; /* no room for the temporary name */
  endless[2000] = '/';
  assert_true(eg_file_write(endless, "x", 1) != EG_OK);
  assert_int_equal(eg_file_write(own_folder(), "x", 1), EG_EIO);
  assert_message("is a folder, expected a file");
  assert_int_equal(eg_file_write(in_folder("a.txt"), NULL, 1), EG_EINVAL);
}

static void writes_numbers_for_people(void **state) {
  assert_string_equal(eg_commas(0), "0");
  assert_string_equal(eg_commas(999), "999");
  assert_string_equal(eg_commas(1000), "1,000");
  assert_string_equal(eg_commas(47040016), "47,040,016");
  assert_string_equal(eg_commas(-123456), "-123,456");
  assert_string_equal(eg_commas(INT64_MIN), "-9,223,372,036,854,775,808");
}

/* ---- SHA-256: the examples of FIPS 180-4 and its appendices ---- */

static void hash(const void *bytes, size_t length, size_t step, char hex[65]) {
  eg_sha256 h;
  eg_sha256_begin(&h);
  for (size_t at = 0; at < length; at += step) eg_sha256_bytes(&h, (const char *)bytes + at, EG_MIN(step, length - at));
  eg_sha256_end(&h, hex);
}

static void hashes_the_published_examples(void **state) {
  static const char *const cases[][2] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrst"
       "u",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
  };
  char hex[65];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t step = 1; step < 130; step++) {
      hash(cases[i][0], strlen(cases[i][0]), step, hex);
      assert_string_equal(hex, cases[i][1]);
    }
  char *million = malloc(1000000);
  memset(million, 'a', 1000000);
  hash(million, 1000000, 4099, hex);
  assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  free(million);
}

/* Every length around the padding, in one piece and byte by byte. */
static void hashes_every_length(void **state) {
  uint8_t bytes[200];
  char whole[65], pieces[65];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31);
  for (size_t length = 0; length <= sizeof bytes; length++) {
    hash(bytes, length, 1000, whole);
    hash(bytes, length, 1, pieces);
    assert_string_equal(whole, pieces);
  }
}

static void hashes_tensors_in_row_major_order(void **state) {
  eg_sha256 h;
  char expected[65], hex[65];
  eg_tensor *t = eg_new(EG_UINT8, 2, (int64_t[]){2, 3});
  memcpy(t->data, "abcdef", 6);
  eg_tensor *turned = eg_view(t, 2, (int64_t[]){3, 2}, (int64_t[]){1, 3}, 0);
  const eg_tensor *tensors[] = {t, turned};
  const char *orders[] = {"abcdef", "adbecf"};
  for (int i = 0; i < 2; i++) {
    hash(orders[i], 6, 6, expected);
    eg_sha256_begin(&h);
    assert_int_equal(eg_sha256_tensor(&h, tensors[i]), EG_OK);
    eg_sha256_end(&h, hex);
    assert_string_equal(hex, expected);
  }
  assert_int_equal(eg_sha256_tensor(&h, NULL), EG_ERELEASED);
  eg_free(turned);
  eg_free(t);
}

static void hashes_files_packed_and_unpacked(void **state) {
  static uint8_t bytes[200000];
  char expected[65], hex[65];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * i >> 3);
  hash(bytes, sizeof bytes, sizeof bytes, expected);
  const char *plain = put_file("plain", bytes, sizeof bytes), *packed = in_folder("packed.gz");
  gzFile file = gzopen(packed, "wb");
  gzwrite(file, bytes, sizeof bytes);
  gzclose(file);
  assert_int_equal(eg_sha256_file(plain, hex), EG_OK);
  assert_string_equal(hex, expected);
  assert_int_equal(eg_sha256_unpacked(plain, hex), EG_OK);
  assert_string_equal(hex, expected);
  assert_int_equal(eg_sha256_unpacked(packed, hex), EG_OK);
  assert_string_equal(hex, expected);
  assert_int_equal(eg_sha256_file(packed, hex), EG_OK);
  assert_string_not_equal(hex, expected);
  assert_int_equal(eg_sha256_file(put_file("empty", "", 0), hex), EG_OK);
  assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_int_equal(eg_sha256_file(in_folder("none"), hex), EG_EIO);
  assert_int_equal(eg_sha256_file(own_folder(), hex), EG_EIO);
  size_t length;
  uint8_t *cut = get_file(packed, &length);
  assert_int_equal(eg_sha256_unpacked(put_file("cut.gz", cut, length / 2), hex), EG_EFORMAT);
  assert_message("/cut.gz: cannot be unpacked after");
  cut[length / 2] ^= 0x55;
  assert_int_equal(eg_sha256_unpacked(put_file("bad.gz", cut, length), hex), EG_EFORMAT);
  free(cut);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_and_replaces),
      cmocka_unit_test(keeps_mode_and_links),
      cmocka_unit_test(writes_here_and_with_long_names),
      cmocka_unit_test(leaves_the_old_file_when_the_disk_is_full),
      cmocka_unit_test(appends_lines_whole_or_not_at_all),
      cmocka_unit_test(devices_are_written_as_they_stand),
      cmocka_unit_test(reports_folders_that_refuse),
      cmocka_unit_test(refuses_paths_that_are_none),
      cmocka_unit_test(writes_numbers_for_people),
      cmocka_unit_test(hashes_the_published_examples),
      cmocka_unit_test(hashes_every_length),
      cmocka_unit_test(hashes_tensors_in_row_major_order),
      cmocka_unit_test(hashes_files_packed_and_unpacked),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
