/* safetensors files: what others write, our own round trip, and files that lie. */
#include "hostile.h"

static bool accepts(const char *path) {
  eg_safetensors *file = eg_safetensors_open(path);
  if (!file) return false;
  bool good = true;
  for (int64_t i = 0; i < eg_safetensors_count(file) && good; i++) {
    eg_tensor *t = eg_safetensors_read(file, i);
    good = t && eg_safetensors_name(file, i);
    eg_free(t);
  }
  eg_safetensors_close(file);
  return good;
}

/* Makes a file of a header and so many bytes of data, which count up from 1. */
static const char *put_header(const char *header, size_t data) {
  static uint8_t file[1 << 16];
  uint64_t length = strlen(header);
  memcpy(file, &length, 8);
  memcpy(file + 8, header, length);
  for (size_t i = 0; i < data; i++) file[8 + length + i] = (uint8_t)(i + 1);
  return put_file("header.safetensors", file, 8 + length + data);
}

static const char two[] = "{\"__metadata__\":{\"format\":\"pt\",\"step\":\"12\"},"
                          "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                          "\"a\":{\"dtype\":\"U8\",\"shape\":[3,1],\"data_offsets\":[8,11]}}  ";

static void reads_a_file(void **state) {
  eg_safetensors *file = eg_safetensors_open(put_header(two, 11));
  if (!file) fail_msg("%s", eg_error_message());
  assert_int_equal(eg_safetensors_count(file), 2);
  assert_string_equal(eg_safetensors_name(file, 0), "b");
  assert_string_equal(eg_safetensors_name(file, 1), "a");
  assert_null(eg_safetensors_name(file, 2));
  assert_null(eg_safetensors_name(file, -1));
  assert_int_equal(eg_safetensors_metadata_count(file), 2);
  assert_string_equal(eg_safetensors_metadata_key(file, 1), "step");
  assert_string_equal(eg_safetensors_metadata_value(file, 1), "12");
  assert_null(eg_safetensors_metadata_key(file, 2));
  assert_null(eg_safetensors_metadata_value(file, -1));
  eg_tensor *a = eg_safetensors_read(file, 1);
  assert_int_equal(a->dtype, EG_UINT8);
  assert_int_equal(a->dims, 2);
  assert_int_equal(((uint8_t *)a->data)[2], 11);
  eg_free(a);
  assert_null(eg_safetensors_read(file, 2));
  assert_message("has 2 tensors, there is no number 3");
  eg_safetensors_close(file);
  eg_safetensors_close(NULL);
}

static void widens_narrow_dtypes(void **state) {
  static const struct {
    const char *dtype;
    int to;
    uint8_t bytes[8];
    size_t length;
    double value;
  } cases[] = {
      {"F16", EG_FLOAT32, {0, 0x3c}, 2, 1},
      {"F16", EG_FLOAT32, {0xff, 0xfb}, 2, -65504},
      {"F16", EG_FLOAT32, {1, 0}, 2, 0x1p-24},
      {"F16", EG_FLOAT32, {0, 0xfc}, 2, -__builtin_inf()},
      {"F16", EG_FLOAT32, {0, 0x7e}, 2, __builtin_nan("")},
      {"BF16", EG_FLOAT32, {0x20, 0xc0}, 2, -2.5},
      {"I8", EG_INT64, {0xfe}, 1, -2},
      {"I16", EG_INT64, {0xfe, 0xff}, 2, -2},
      {"I32", EG_INT64, {0, 0, 0, 0x80}, 4, -2147483648.0},
      {"U16", EG_INT64, {0xfe, 0xff}, 2, 65534},
      {"U32", EG_INT64, {0xfe, 0xff, 0xff, 0xff}, 4, 4294967294.0},
      {"BOOL", EG_UINT8, {1}, 1, 1},
      {"F64", EG_FLOAT64, {0, 0, 0, 0, 0, 0, 4, 0xc0}, 8, -2.5},
      {"I64", EG_INT64, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8, -2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t bytes[256];
    char *header = (char *)bytes + 8;
    uint64_t length =
        (uint64_t)snprintf(header, 200, "{\"x\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[0,%zu]}}",
                           cases[i].dtype, cases[i].length);
    memcpy(bytes, &length, 8);
    memcpy(header + length, cases[i].bytes, cases[i].length);
    eg_safetensors *file = eg_safetensors_open(put_file("narrow", bytes, 8 + length + cases[i].length));
    if (!file) fail_msg("%s", eg_error_message());
    eg_tensor *t = eg_safetensors_read(file, 0);
    assert_int_equal(t->dtype, cases[i].to);
    assert_int_equal(t->dims, 0);
    double got = t->dtype == EG_FLOAT32   ? *(float *)t->data
                 : t->dtype == EG_FLOAT64 ? *(double *)t->data
                 : t->dtype == EG_INT64   ? (double)*(int64_t *)t->data
                                          : *(uint8_t *)t->data;
    assert_true(got == cases[i].value || (got != got && cases[i].value != cases[i].value));
    eg_free(t);
    eg_safetensors_close(file);
  }
}

static void accepts_what_is_allowed(void **state) {
  assert_true(accepts(put_header("{}", 0)));
  assert_true(accepts(put_header("{\"__metadata__\":{}}", 0)));
  assert_true(accepts(put_header("{\"e\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]},"
                                 "\"f\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                                 "\"g\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[4,4]}}",
                                 4)));
  assert_true(accepts(put_header("{\"a\\u00e9\\\"\":{\"data_offsets\":[0,1],\"shape\":[],\"dtype\":\"U8\"}}", 1)));
}

static void reads_what_it_writes(void **state) {
  eg_tensor *t[6] = {eg_new(EG_UINT8, 1, (int64_t[]){5}),
                     eg_new(EG_FLOAT32, 2, (int64_t[]){2, 3}),
                     eg_new(EG_INT64, 0, NULL),
                     eg_new(EG_FLOAT64, 2, (int64_t[]){0, 7}),
                     NULL,
                     NULL};
  for (int i = 0; i < 3; i++)
    for (size_t b = 0; b < (size_t)t[i]->count * eg_element_size(t[i]->dtype); b++)
      ((uint8_t *)t[i]->data)[b] = (uint8_t)(b * 7 + (size_t)i);
  t[4] = eg_view(t[1], 2, (int64_t[]){3, 2}, (int64_t[]){1, 3}, 0);
  t[5] = eg_new(EG_UINT8, 1, (int64_t[]){0});
  const char *names[] = {"bytes", "model.1.weight", "rng.counter", "none", "turned \"quoted\" \xc3\xa9", "aaa"};
  const char *keys[] = {"format", "settings"}, *values[] = {"engram", "{\"lr\": 0.1}\n"};
  const char *path = in_folder("own.safetensors");
  assert_int_equal(eg_safetensors_write(path, 6, names, t, 2, keys, values), EG_OK);
  eg_safetensors *file = eg_safetensors_open(path);
  if (!file) fail_msg("%s", eg_error_message());
  assert_int_equal(eg_safetensors_count(file), 6);
  assert_string_equal(eg_safetensors_metadata_value(file, 1), values[1]);
  const char *order[] = {"rng.counter", "none", "model.1.weight", names[4], "bytes", "aaa"};
  for (int i = 0; i < 6; i++) assert_string_equal(eg_safetensors_name(file, i), order[i]);
  eg_tensor *weight = eg_safetensors_read(file, 2), *turned = eg_safetensors_read(file, 3);
  assert_memory_equal(weight->data, t[1]->data, 24);
  for (int i = 0; i < 6; i++) assert_true(((int32_t *)turned->data)[i] == ((int32_t *)t[1]->data)[i % 2 * 3 + i / 2]);
  eg_free(weight);
  eg_free(turned);
  eg_safetensors_close(file);
  size_t length;
  uint8_t *bytes = get_file(path, &length);
  assert_int_equal(bytes[0] % 8, 0); /* the data is aligned */
  assert_int_equal(bytes[8], '{');
  refuse_truncations(bytes, length, accepts);
  free(bytes);
  for (int i = 0; i < 6; i++) eg_free(t[i]);
}

static void writes_nothing_at_all(void **state) {
  assert_int_equal(eg_safetensors_write(in_folder("nothing"), 0, NULL, NULL, 0, NULL, NULL), EG_OK);
  assert_true(accepts(in_folder("nothing")));
}

static void refuses_writing(void **state) {
  eg_tensor *t = eg_new(EG_UINT8, 1, (int64_t[]){3}), *pair[] = {t, t}, *gone[] = {NULL};
  memset(t->data, 0, 3);
  const char *path = in_folder("refused"), *same[] = {"a", "a"}, *good[] = {"a", "b"}, *none[] = {NULL};
  const char *reserved[] = {"__metadata__"}, *broken[] = {"\xff\xfe"};
  assert_int_equal(eg_safetensors_write(path, 2, same, pair, 0, NULL, NULL), EG_EINVAL);
  assert_message("the name 'a' occurs twice");
  assert_int_equal(eg_safetensors_write(path, 1, reserved, pair, 0, NULL, NULL), EG_EINVAL);
  assert_message("belongs to the format");
  assert_int_equal(eg_safetensors_write(path, 1, broken, pair, 0, NULL, NULL), EG_EINVAL);
  assert_message("is not UTF-8");
  assert_int_equal(eg_safetensors_write(path, 1, good, gone, 0, NULL, NULL), EG_ERELEASED);
  assert_message("a was released");
  assert_int_equal(eg_safetensors_write(path, 1, none, pair, 0, NULL, NULL), EG_EINVAL);
  assert_int_equal(eg_safetensors_write(path, 2, good, pair, 2, same, good), EG_EINVAL);
  assert_message("occurs twice");
  assert_int_equal(eg_safetensors_write(path, 2, good, pair, 1, same, broken), EG_EINVAL);
  assert_message("not UTF-8 text");
  assert_int_equal(eg_safetensors_write(path, 2, good, pair, 1, same, none), EG_EINVAL);
  assert_int_equal(eg_safetensors_write(path, 2, good, pair, 1, none, good), EG_EINVAL);
  assert_int_equal(eg_safetensors_write(NULL, 0, NULL, NULL, 0, NULL, NULL), EG_EINVAL);
  assert_int_equal(eg_file_kind(path), 0);
  assert_int_equal(eg_safetensors_write(in_folder("no/folder"), 2, good, pair, 0, NULL, NULL), EG_EIO);
  eg_free(t);
}

static void refuses_damaged_headers(void **state) {
  static const struct {
    const char *header;
    size_t data;
    const char *message;
  } cases[] = {
      {"  {}", 0, "does not begin with {"},
      {"[1,2,3]", 0, "does not begin with {"},
      {"{\"a\":", 0, "is damaged at byte"},
      {"{} x", 0, "is damaged at byte"},
      {"{\"a\":1,\"a\":2}", 0, "duplicate object key"},
      {"{\"a\\u0000\":1}", 0, "is damaged"},
      {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, "duplicate"},
      {"{\"\xff\":1}", 0, "is damaged"},
      {"{\"a\":1}", 0, "tensor 'a' is not described by an object"},
      {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ 'a' is not a string"},
      {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "has dtype F8_E4M3, expected F64"},
      {"{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "has a dtype that is no text"},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "has no dtype"},
      {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "has a shape that is not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "has a shape that is not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1, "has a shape that is not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, "at most 8"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":{},\"data_offsets\":[0,1]}}", 1, "has a shape that is not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "data_offsets that are not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "data_offsets that are not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, "data_offsets that are not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, "data_offsets that are not"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1, "has an unknown field 'x'"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "has 4 bytes, expected 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
       "expected more than fit"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
       "expected more than fit"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,1]}}", 1, "has 1 bytes, expected 0"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}}", 1,
       "ends at byte 9,223,372,036,854,775,807 of the data, of which there are 1: the file is truncated"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[99999999999999999999],\"data_offsets\":[0,1]}}", 1, "too big integer"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "expected 0: there is a hole before it"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],"
       "\"data_offsets\":[3,4]}}",
       4, "tensor 'b' begins at byte 3, expected 2: there is a hole before it"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
       "\"data_offsets\":[1,3]}}",
       3, "tensor 'b' begins at byte 1, expected 2: it overlaps another"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],"
       "\"data_offsets\":[0,2]}}",
       2, "it overlaps another"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 5,
       "goes on for 2 bytes after its last tensor"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 2,
       "ends at byte 3 of the data, of which there are 2: the file is truncated"},
      {"{}", 1, "goes on for 1 bytes"},
  };
  int64_t peak = eg_peak_bytes();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (accepts(put_header(cases[i].header, cases[i].data))) fail_msg("accepted %s", cases[i].header);
    assert_message(cases[i].message);
  }
  assert_true(eg_peak_bytes() - peak < 1 << 20);
}

static void refuses_what_is_not_safetensors(void **state) {
  assert_false(accepts(put_file("empty", "", 0)));
  assert_message("has 0 bytes, too few");
  assert_false(accepts(put_file("huge", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)));
  assert_message("claims a header of 18446744073709551615 bytes");
  assert_false(accepts(put_file("above", "\x01\xe1\xf5\x05\0\0\0\0{}", 10))); /* one byte over the limit */
  assert_message("claims a header of 100000001 bytes");
  assert_false(accepts(put_file("limit", "\0\xe1\xf5\x05\0\0\0\0{}", 10)));
  assert_message("ends after 10 bytes, within its header of 100,000,000");
  assert_false(accepts(put_file("zero", "\0\0\0\0\0\0\0\0", 8)));
  assert_false(accepts(put_file("pickle", "\x80\x02}q\0X\x05\0\0\0model", 15)));
  assert_false(accepts(in_folder("missing")));
  assert_message("No such file");
  /* nesting that would exhaust a stack */
  static char deep[60000];
  memset(deep, '[', sizeof deep - 1);
  memcpy(deep, "{\"a\":", 5);
  assert_false(accepts(put_header(deep, 0)));
}

static void survives_mutations(void **state) {
  size_t length;
  uint8_t *bytes = get_file(put_header(two, 11), &length);
  survive_mutations(bytes, length, 10000, accepts);
  free(bytes);
}

static void survives_lack_of_memory(void **state) {
  const char *path = put_header(two, 11), *out = in_folder("out"), *names[] = {"a", "b"};
  eg_tensor *t = eg_new(EG_FLOAT32, 2, (int64_t[]){2, 3}),
            *turned = eg_view(t, 2, (int64_t[]){3, 2}, (int64_t[]){1, 3}, 0);
  memset(t->data, 0, 24);
  eg_tensor *pair[] = {t, turned};
  int reads = 0, writes = 0;
  for (int64_t after = 0; after < 20; after++) {
    eg_alloc_fail_after(after);
    if (!accepts(path)) reads++;
    eg_alloc_fail_after(after);
    if (eg_safetensors_write(out, 2, names, pair, 0, NULL, NULL)) {
      writes++;
      assert_int_equal(eg_file_kind(out), 0);
    } else unlink(out);
    eg_alloc_fail_after(-1);
  }
  assert_in_range(reads, 6, 15);
  assert_int_equal(writes, 2);
  eg_free(turned);
  eg_free(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_a_file),
      cmocka_unit_test(widens_narrow_dtypes),
      cmocka_unit_test(accepts_what_is_allowed),
      cmocka_unit_test(reads_what_it_writes),
      cmocka_unit_test(writes_nothing_at_all),
      cmocka_unit_test(refuses_writing),
      cmocka_unit_test(refuses_damaged_headers),
      cmocka_unit_test(refuses_what_is_not_safetensors),
      cmocka_unit_test(survives_mutations),
      cmocka_unit_test(survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
