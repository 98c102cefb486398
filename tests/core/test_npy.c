/* .npy files: every version, dtype, byte order and layout, our own writing, and files that lie. */
#include "hostile.h"

static bool accepts(const char *path) {
  eg_tensor *t = eg_npy_read(path);
  eg_free(t);
  return t != NULL;
}

/* Makes a .npy of the given version; returns its path. */
static const char *put_npy(const char *name, int version, const char *dict, size_t dict_length, const void *data,
                           size_t length) {
  uint8_t file[1024] = "\x93NUMPY";
  size_t width = version == 1 ? 2 : 4;
  file[6] = (uint8_t)version;
  for (size_t i = 0; i < width; i++) file[8 + i] = (uint8_t)(dict_length >> (8 * i));
  memcpy(file + 8 + width, dict, dict_length);
  if (length) memcpy(file + 8 + width + dict_length, data, length);
  return put_file(name, file, 8 + width + dict_length + length);
}

static const char *put_dict(const char *dict, const void *data, size_t length) {
  return put_npy("dict.npy", 1, dict, strlen(dict), data, length);
}

static double element(const eg_tensor *t, int64_t i) {
  switch (t->dtype) {
    case EG_FLOAT32: return ((float *)t->data)[i];
    case EG_FLOAT64: return ((double *)t->data)[i];
    case EG_INT64: return (double)((int64_t *)t->data)[i];
    default: return ((uint8_t *)t->data)[i];
  }
}

static void reads_every_dtype(void **state) {
  static const struct {
    const char *descr;
    int dtype;
    size_t length;
    uint8_t bytes[16];
    double first, second;
  } cases[] = {
      {"<f4", EG_FLOAT32, 8, {0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0}, 1, -2.5},
      {"=f4", EG_FLOAT32, 8, {0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0}, 1, -2.5},
      {">f4", EG_FLOAT32, 8, {0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0}, 1, -2.5},
      {"<f8", EG_FLOAT64, 16, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 4, 0xc0}, 1, -2.5},
      {">f8", EG_FLOAT64, 16, {0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 4}, 1, -2.5},
      {"|i1", EG_INT64, 2, {5, 0xfe}, 5, -2},
      {"<i2", EG_INT64, 4, {1, 2, 0xfe, 0xff}, 513, -2},
      {">i2", EG_INT64, 4, {1, 2, 0xff, 0xfe}, 258, -2},
      {"<i4", EG_INT64, 8, {1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff}, 1, -2},
      {"<i8", EG_INT64, 16, {1, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1, -2},
      {">i8", EG_INT64, 16, {0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, 1, -2},
      {"|u1", EG_UINT8, 2, {5, 0xfe}, 5, 254},
      {"<u2", EG_INT64, 4, {1, 0, 0xff, 0xff}, 1, 65535},
      {">u4", EG_INT64, 8, {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, 1, 4294967295.0},
      {"|b1", EG_UINT8, 2, {1, 0}, 1, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char dict[128];
    snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }          \n", cases[i].descr);
    for (int version = 1; version <= 3; version++) {
      eg_tensor *t = eg_npy_read(put_npy("t.npy", version, dict, strlen(dict), cases[i].bytes, cases[i].length));
      if (!t) fail_msg("%s: %s", cases[i].descr, eg_error_message());
      assert_int_equal(t->dtype, cases[i].dtype);
      assert_true(element(t, 0) == cases[i].first && element(t, 1) == cases[i].second);
      eg_free(t);
    }
  }
}

static void reads_every_way_to_write_the_dict(void **state) {
  static const char *const dicts[] = {
      "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n",
      "{\"shape\":(2,3),\"descr\":\"|u1\",\"fortran_order\":False}",
      "  { 'shape' : ( 2L , 3L , ) , 'fortran_order' : False , 'descr' : '|u1' }  \n",
  };
  for (size_t i = 0; i < sizeof dicts / sizeof *dicts; i++) {
    eg_tensor *t = eg_npy_read(put_dict(dicts[i], "abcdef", 6));
    if (!t) fail_msg("%s", eg_error_message());
    assert_int_equal(t->dims, 2);
    assert_int_equal(t->size[0], 2);
    assert_int_equal(t->size[1], 3);
    assert_memory_equal(t->data, "abcdef", 6);
    eg_free(t);
  }
}

static void reads_fortran_order(void **state) {
  /* element (i, j, k) of shape (2, 3, 2) lies at i + 2 j + 6 k */
  eg_tensor *t =
      eg_npy_read(put_dict("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 2)}", "abcdefghijkl", 12));
  assert_non_null(t);
  assert_true(t->contiguous);
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++)
      for (int k = 0; k < 2; k++) assert_int_equal(((char *)t->data)[6 * i + 2 * j + k], 'a' + i + 2 * j + 6 * k);
  eg_free(t);
}

static void reads_scalars_and_nothing(void **state) {
  eg_tensor *scalar = eg_npy_read(put_dict("{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "x", 1));
  eg_tensor *nothing = eg_npy_read(put_dict("{'descr': '<f8', 'fortran_order': True, 'shape': (3, 0, 4)}", "", 0));
  assert_non_null(scalar);
  assert_int_equal(scalar->dims, 0);
  assert_int_equal(*(char *)scalar->data, 'x');
  assert_non_null(nothing);
  assert_int_equal(nothing->size[2], 4);
  eg_free(scalar);
  eg_free(nothing);
}

/* What NumPy itself writes for np.save(f, np.arange(3, dtype='<i8')), byte for byte. */
static void writes_what_numpy_writes(void **state) {
  uint8_t golden[152] = "\x93NUMPY\x01\0\x76\0{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";
  memset(golden + 67, ' ', 60);
  golden[127] = '\n';
  golden[136] = 1, golden[144] = 2;
  eg_tensor *t = eg_new(EG_INT64, 1, (int64_t[]){3});
  for (int64_t i = 0; i < 3; i++) ((int64_t *)t->data)[i] = i;
  size_t length;
  assert_int_equal(eg_npy_write(in_folder("golden.npy"), t), EG_OK);
  uint8_t *written = get_file(in_folder("golden.npy"), &length);
  assert_int_equal(length, sizeof golden);
  assert_memory_equal(written, golden, sizeof golden);
  free(written);
  eg_free(t);
}

static void reads_what_it_writes(void **state) {
  const int64_t size[8] = {2, 1, 3, 1, 2, 1, 1, 2};
  for (int dtype = 0; dtype < 4; dtype++)
    for (int dims = 0; dims <= 8; dims++) {
      eg_tensor *t = eg_new(dtype, dims, size);
      size_t bytes = (size_t)t->count * eg_element_size(dtype);
      for (size_t i = 0; i < bytes; i++) ((uint8_t *)t->data)[i] = (uint8_t)(i * 37);
      assert_int_equal(eg_npy_write(in_folder("own.npy"), t), EG_OK);
      eg_tensor *back = eg_npy_read(in_folder("own.npy"));
      assert_non_null(back);
      assert_int_equal(back->dtype, dtype);
      assert_true(eg_same_shape(t, back));
      assert_memory_equal(back->data, t->data, bytes);
      eg_free(t);
      eg_free(back);
    }
}

static void writes_views(void **state) {
  eg_tensor *t = eg_new(EG_UINT8, 2, (int64_t[]){3, 4});
  memcpy(t->data, "abcdefghijkl", 12);
  eg_tensor *turned = eg_view(t, 2, (int64_t[]){4, 3}, (int64_t[]){1, 4}, 0);
  eg_tensor *repeated = eg_view(t, 2, (int64_t[]){2, 3}, (int64_t[]){0, 1}, 1);
  assert_int_equal(eg_npy_write(in_folder("turned.npy"), turned), EG_OK);
  assert_int_equal(eg_npy_write(in_folder("repeated.npy"), repeated), EG_OK);
  eg_tensor *a = eg_npy_read(in_folder("turned.npy")), *b = eg_npy_read(in_folder("repeated.npy"));
  assert_memory_equal(a->data, "aeibfjcgkdhl", 12);
  assert_memory_equal(b->data, "bcdbcd", 6);
  eg_tensor *all[] = {t, turned, repeated, a, b};
  for (int i = 0; i < 5; i++) eg_free(all[i]);
}

static void refuses_writing(void **state) {
  assert_int_equal(eg_npy_write(in_folder("x.npy"), NULL), EG_ERELEASED);
  eg_tensor *t = eg_new(EG_UINT8, 0, NULL);
  assert_int_equal(eg_npy_write(in_folder("no/such/folder.npy"), t), EG_EIO);
  assert_message("folder.npy: cannot write: No such file or directory");
  eg_free(t);
}

static void refuses_truncated_files(void **state) {
  size_t length;
  for (int version = 1; version <= 2; version++) {
    const char *dict = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n";
    uint8_t data[24] = {1, 2, 3};
    uint8_t *file = get_file(put_npy("t.npy", version, dict, strlen(dict), data, sizeof data), &length);
    refuse_truncations(file, length, accepts);
    free(file);
  }
}

static void refuses_damaged_headers(void **state) {
  static const struct {
    const char *dict, *message;
  } cases[] = {
      {"", "is not understood at byte 0"},
      {"{}", "is not understood"},
      {"{'descr': '<f4', 'shape': (2,)}", "is not understood"},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': 2}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "is not understood"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "at most 8 sizes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "is not understood"},
      {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", "is not understood"},
      {"{'descr': '<f4", "is not understood"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "holds records"},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", "holds dtype '<c8', expected one of f4"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "holds dtype '|O'"},
      {"{'descr': '<u8', 'fortran_order': False, 'shape': (1,)}", "holds dtype '<u8'"},
      {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "holds dtype ''"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "which no file can hold"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,)}", "which no file can hold"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", " of 4,000,000,0"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "goes on after"},
  };
  int64_t peak = eg_peak_bytes();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_false(accepts(put_dict(cases[i].dict, "12345678", 8)));
    assert_message(cases[i].message);
  }
  assert_true(eg_peak_bytes() - peak < 1 << 20);
  const char hidden[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\0{'descr': '|O'}";
  assert_false(accepts(put_npy("hidden.npy", 1, hidden, sizeof hidden, "12345678", 8)));
}

static void refuses_what_is_not_npy(void **state) {
  assert_false(accepts(put_file("empty", "", 0)));
  assert_message("not a .npy file");
  assert_false(accepts(put_file("zip", "PK\3\4 and so on and on", 22)));
  assert_false(accepts(put_file("version", "\x93NUMPY\x04\0\x04\0\0\0{}  ", 16)));
  assert_message("has version 4.0");
  assert_false(accepts(put_file("long", "\x93NUMPY\x02\0\xff\xff\xff\xff{}  ", 16)));
  assert_message("claims a header of 4,294,967,295 bytes, at most 65,536");
  assert_false(accepts(in_folder("nothing")));
}

static void survives_mutations(void **state) {
  size_t length;
  const char *dict = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n";
  uint8_t *file = get_file(put_npy("t.npy", 1, dict, strlen(dict), "abcdefghijkl", 12), &length);
  survive_mutations(file, length, 8000, accepts);
  free(file);
}

static void survives_lack_of_memory(void **state) {
  const char *path = put_dict("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", "abcdefghijkl", 12);
  int failures = 0;
  int64_t tensors = eg_live_tensors();
  for (int64_t after = 0; after < 20; after++) {
    eg_alloc_fail_after(after);
    if (!accepts(path)) failures++;
    eg_alloc_fail_after(-1);
    assert_int_equal(eg_live_tensors(), tensors);
  }
  assert_in_range(failures, 5, 12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_every_dtype),
      cmocka_unit_test(reads_every_way_to_write_the_dict),
      cmocka_unit_test(reads_fortran_order),
      cmocka_unit_test(reads_scalars_and_nothing),
      cmocka_unit_test(writes_what_numpy_writes),
      cmocka_unit_test(reads_what_it_writes),
      cmocka_unit_test(writes_views),
      cmocka_unit_test(refuses_writing),
      cmocka_unit_test(refuses_truncated_files),
      cmocka_unit_test(refuses_damaged_headers),
      cmocka_unit_test(refuses_what_is_not_npy),
      cmocka_unit_test(survives_mutations),
      cmocka_unit_test(survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
