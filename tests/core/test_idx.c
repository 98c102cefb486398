/* IDX files: every element type, plain and gzip, and files that lie. */
#include <zlib.h>

#include "file.h"
#include "hostile.h"

static bool accepts(const char *path) {
  eg_tensor *t = eg_idx_read(path);
  eg_free(t);
  return t != NULL;
}

static const char *put_gzip(const char *name, const void *bytes, size_t length) {
  const char *path = in_folder(name);
  gzFile file = gzopen(path, "wb");
  assert_int_equal(gzwrite(file, bytes, (unsigned)length), length);
  gzclose(file);
  return path;
}

static void reads_every_type(void **state) {
  static const struct {
    uint8_t type;
    int dtype;
    size_t length;
    uint8_t bytes[16];
    double first, second;
  } cases[] = {
      {0x08, EG_UINT8, 2, {7, 255}, 7, 255},
      {0x09, EG_INT64, 2, {7, 255}, 7, -1},
      {0x0B, EG_INT64, 4, {1, 2, 0xff, 0xfe}, 258, -2},
      {0x0C, EG_INT64, 8, {0, 1, 2, 3, 0x80, 0, 0, 0}, 66051, -2147483648.0},
      {0x0D, EG_FLOAT32, 8, {0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0}, 1, -2.5},
      {0x0E, EG_FLOAT64, 16, {0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 4}, 1, -2.5},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t file[24] = {0, 0, cases[i].type, 1, 0, 0, 0, 2};
    memcpy(file + 8, cases[i].bytes, cases[i].length);
    for (int packed = 0; packed < 2; packed++) {
      size_t length = 8 + cases[i].length;
      eg_tensor *t = eg_idx_read(packed ? put_gzip("t.gz", file, length) : put_file("t", file, length));
      assert_non_null(t);
      assert_int_equal(t->dtype, cases[i].dtype);
      assert_int_equal(t->dims, 1);
      assert_int_equal(t->size[0], 2);
      double got[2];
      for (int k = 0; k < 2; k++)
        got[k] = t->dtype == EG_UINT8     ? ((uint8_t *)t->data)[k]
                 : t->dtype == EG_INT64   ? (double)((int64_t *)t->data)[k]
                 : t->dtype == EG_FLOAT32 ? ((float *)t->data)[k]
                                          : ((double *)t->data)[k];
      assert_true(got[0] == cases[i].first && got[1] == cases[i].second);
      eg_free(t);
    }
  }
}

/* Larger than any buffer, so that chunks meet. */
static void reads_large_files(void **state) {
  int32_t count = 700001;
  uint8_t *file = malloc(8 + 4 * (size_t)count);
  uint8_t header[8] = {0, 0, 0x0C, 1, 0, (uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count};
  memcpy(file, header, sizeof header);
  for (int32_t i = 0; i < count; i++)
    for (int b = 0; b < 4; b++) file[8 + 4 * (size_t)i + (size_t)b] = (uint8_t)(i * 3 >> (24 - 8 * b));
  eg_tensor *t = eg_idx_read(put_gzip("large.gz", file, 8 + 4 * (size_t)count));
  assert_non_null(t);
  for (int32_t i = 0; i < count; i++) assert_true(((int64_t *)t->data)[i] == i * 3);
  eg_free(t);
  free(file);
}

static void reads_empty_shapes(void **state) {
  uint8_t none[] = {0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28};
  eg_tensor *t = eg_idx_read(put_file("none", none, sizeof none));
  assert_non_null(t);
  assert_int_equal(t->count, 0);
  assert_int_equal(t->size[2], 28);
  eg_free(t);
}

static const uint8_t small[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void refuses_truncated_files(void **state) {
  refuse_truncations(small, sizeof small, accepts);
  size_t length;
  uint8_t *packed = get_file(put_gzip("small.gz", small, sizeof small), &length);
  refuse_truncations(packed, length, accepts);
  free(packed);
  assert_false(accepts(put_file("cut", small, 20)));
  assert_message("/cut: ends after 20 of 28 bytes: the file is truncated; fetch it again");
}

static void refuses_what_is_not_idx(void **state) {
  uint8_t file[sizeof small];
  assert_false(accepts(put_file("empty", "", 0)));
  assert_message("/empty: the file is empty");
  assert_false(accepts(put_file("page", "<!DOCTYPE html>", 15)));
  assert_message("begins with 3c 21 44 4f");
  memcpy(file, small, sizeof small);
  file[2] = 0x0A;
  assert_false(accepts(put_file("type", file, sizeof file)));
  assert_message("not an IDX file");
  memcpy(file, small, sizeof small);
  file[3] = 0;
  assert_false(accepts(put_file("dims", file, sizeof file)));
  assert_message("has 0 dimensions, expected 1 to 8");
  file[3] = 9;
  assert_false(accepts(put_file("dims", file, sizeof file)));
  assert_false(accepts(own_folder()));
  assert_message("is a folder");
  assert_false(accepts(in_folder("nothing")));
  assert_message("No such file");
  assert_false(accepts(NULL));
  assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
  assert_false(accepts(in_folder("pipe"))); /* and does not wait for a writer */
  assert_message("is a device or pipe");
}

/* Sizes whose product overflows, or that no file of this length can hold: refused before anything is allocated. */
static void refuses_impossible_shapes(void **state) {
  uint8_t file[40] = {0, 0, 0x0E, 8};
  memset(file + 4, 0xff, sizeof file - 4);
  int64_t peak = eg_peak_bytes();
  assert_false(accepts(put_file("overflow", file, sizeof file)));
  assert_message("claims shape (4294967295, ");
  assert_false(accepts(put_gzip("overflow.gz", file, sizeof file)));
  assert_message("claims shape (4294967295, ");
  uint8_t bomb[24] = {0, 0, 8, 1, 0x7f, 0xff, 0xff, 0xff};
  assert_false(accepts(put_gzip("bomb.gz", bomb, sizeof bomb)));
  assert_message("claims shape (2147483647)");
  assert_false(accepts(put_file("bomb", bomb, sizeof bomb)));
  assert_message("ends after 24 of 2,147,483,655 bytes");
  assert_true(eg_peak_bytes() - peak < 1 << 20);
}

static void refuses_what_follows(void **state) {
  uint8_t file[sizeof small + 1] = {0};
  memcpy(file, small, sizeof small);
  assert_false(accepts(put_file("more", file, sizeof file)));
  assert_message("goes on after the 28 bytes of its shape (2, 3, 2)");
  assert_false(accepts(put_gzip("more.gz", file, sizeof file)));
  assert_message("goes on after");
}

static void refuses_damaged_gzip(void **state) {
  size_t length;
  uint8_t *packed = get_file(put_gzip("small.gz", small, sizeof small), &length);
  packed[length - 6] ^= 1; /* the checksum */
  assert_false(accepts(put_file("checksum.gz", packed, length)));
  assert_message("fetch it again");
  packed[length - 6] ^= 1;
  packed[12] ^= 0x10; /* the data */
  assert_false(accepts(put_file("data.gz", packed, length)));
  free(packed);
}

/* As gzip(1) takes it: more members and padding with zeros belong to a file, anything else is junk. */
static void refuses_junk_after_gzip(void **state) {
  size_t length, first, more;
  enum { ZEROS = 100000 }; /* more than one buffer of them */
  uint8_t *packed = get_file(put_gzip("small.gz", small, sizeof small), &length), *file = calloc(1, 2 * length + ZEROS);
  memcpy(file, packed, length);
  assert_true(accepts(put_file("one_zero.gz", file, length + 1)));
  assert_true(accepts(put_file("zeros.gz", file, length + ZEROS)));
  char wanted[100];
  const size_t places[] = {length, length + 1, length + 70000, length + ZEROS - 1};
  for (size_t i = 0; i < 4; i++) {
    file[places[i]] = 'x';
    assert_false(accepts(put_file("junk.gz", file, length + ZEROS)));
    snprintf(wanted, sizeof wanted, "/junk.gz: junk after its gzip data, at offset %s of %s bytes; fetch it again",
             eg_commas((int64_t)places[i]), eg_commas((int64_t)length + ZEROS));
    assert_message(wanted);
    file[places[i]] = 0;
  }
  file[length] = 0x1f; /* half a magic number */
  assert_false(accepts(put_file("half.gz", file, length + 1)));
  assert_message("junk after its gzip data");
  file[length + 1] = 0x8b;
  assert_false(accepts(put_file("begun.gz", file, length + 2)));
  assert_message("/begun.gz: cannot be unpacked after 28 bytes: the file is truncated; fetch it again");
  free(packed);
  packed = get_file(put_gzip("first.gz", small, 10), &first);
  memcpy(file, packed, first);
  free(packed);
  packed = get_file(put_gzip("second.gz", small + 10, sizeof small - 10), &more);
  memcpy(file + first, packed, more);
  assert_true(accepts(put_file("members.gz", file, first + more)));
  assert_true(accepts(put_file("members_zeros.gz", file, first + more + 5)));
  free(packed), free(file);
}

static void survives_mutations(void **state) {
  size_t length;
  survive_mutations(small, sizeof small, 4000, accepts);
  uint8_t *packed = get_file(put_gzip("small.gz", small, sizeof small), &length);
  survive_mutations(packed, length, 4000, accepts);
  free(packed);
}

static void survives_lack_of_memory(void **state) {
  const char *path = put_gzip("small.gz", small, sizeof small);
  int failures = 0;
  for (int64_t after = 0; after < 20; after++) {
    eg_alloc_fail_after(after);
    if (!accepts(path)) failures++;
    eg_alloc_fail_after(-1);
  }
  assert_in_range(failures, 3, 10);
}

static void stops_when_interrupted(void **state) {
  const char *path = put_file("small", small, sizeof small);
  eg_interrupt_set(1);
  assert_false(accepts(path));
  assert_message("interrupted");
  eg_interrupt_set(0);
  assert_true(accepts(path));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_every_type),        cmocka_unit_test(reads_large_files),
      cmocka_unit_test(reads_empty_shapes),      cmocka_unit_test(refuses_truncated_files),
      cmocka_unit_test(refuses_what_is_not_idx), cmocka_unit_test(refuses_impossible_shapes),
      cmocka_unit_test(refuses_what_follows),    cmocka_unit_test(refuses_damaged_gzip),
      cmocka_unit_test(survives_mutations),      cmocka_unit_test(survives_lack_of_memory),
      cmocka_unit_test(refuses_junk_after_gzip), cmocka_unit_test(stops_when_interrupted),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
