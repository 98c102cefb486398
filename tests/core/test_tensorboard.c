/* CRC-32C by its published vectors, and event files read back through protobuf-c. */
#include "hostile.h"
#include "internal.h"

static void checks_the_published_vectors(void **state) {
  uint8_t bytes[32] = {0};
  assert_int_equal(eg_crc32c("123456789", 9), 0xe3069283);
  assert_int_equal(eg_crc32c_masked("123456789", 9), 0xc78ab0e5);
  assert_int_equal(eg_crc32c("", 0), 0);
  assert_int_equal(eg_crc32c(bytes, 32), 0x8a9136aa); /* RFC 3720, B.4 */
  memset(bytes, 0xff, 32);
  assert_int_equal(eg_crc32c(bytes, 32), 0x62a8ab43);
  for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
  assert_int_equal(eg_crc32c(bytes, 32), 0x46dd794e);
  for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
  assert_int_equal(eg_crc32c(bytes, 32), 0x113fdb5c);
}

/* Bit by bit. */
static uint32_t plainly(const uint8_t *bytes, size_t length) {
  uint32_t value = 0xffffffffu;
  for (size_t i = 0; i < length; i++) {
    value ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
  }
  return ~value;
}

static void every_instruction_set_has_the_same_sums(void **state) {
  static const char *const sets[] = {"portable", "avx2", "avx512"};
  static uint8_t bytes[5000];
  const char *before = eg_instructions();
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * i >> 3 ^ i * 7);
  for (int set = 0; set < 3; set++) {
    if (eg_instructions_set(sets[set])) continue; /* this processor has it not */
    for (size_t first = 0; first < 9; first += 3)
      for (size_t length = 0; length + first <= sizeof bytes; length += length < 70 ? 1 : 61) {
        uint32_t whole = plainly(bytes + first, length);
        assert_int_equal(eg_crc32c(bytes + first, length), whole);
        assert_int_equal(
            eg_crc32c_more(eg_crc32c(bytes + first, length / 3), bytes + first + length / 3, length - length / 3),
            whole);
      }
  }
  eg_instructions_set(before);
}

static void sums_a_tensor_by_its_elements(void **state) {
  int64_t size[] = {3, 4};
  int64_t turned_size[] = {4, 3}, stride[] = {1, 4};
  eg_tensor *t = eg_new(EG_FLOAT32, 2, size), *turned = eg_view(t, 2, turned_size, stride, 0);
  float *data = t->data, expected[12];
  for (int i = 0; i < 12; i++) data[i] = (float)i;
  for (int i = 0; i < 12; i++) expected[i] = data[i % 3 * 4 + i / 3];
  uint32_t sum = 0;
  assert_int_equal(eg_crc32c_tensor(&sum, t), EG_OK);
  assert_int_equal(sum, eg_crc32c(data, sizeof expected));
  sum = 0;
  assert_int_equal(eg_crc32c_tensor(&sum, turned), EG_OK);
  assert_int_equal(sum, eg_crc32c(expected, sizeof expected));
  eg_free(turned);
  eg_free(t);
}

#ifdef EG_PROTOBUF
#include "tensorboard.pb-c.h"

static uint64_t number(const uint8_t *in, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) value = value << 8 | in[i];
  return value;
}

/* The events of a file, at most `most`; every length and checksum is right and nothing is left over. */
static int read_events(const char *path, EgEvents__Event **events, int most) {
  size_t length, at = 0;
  uint8_t *bytes = get_file(path, &length);
  int count = 0;
  while (at < length) {
    assert_true(count < most && length - at >= 16);
    size_t size = number(bytes + at, 8);
    assert_true(size <= length - at - 16);
    assert_int_equal(number(bytes + at + 8, 4), eg_crc32c_masked(bytes + at, 8));
    assert_int_equal(number(bytes + at + 12 + size, 4), eg_crc32c_masked(bytes + at + 12, size));
    events[count] = eg_events__event__unpack(NULL, size, bytes + at + 12);
    assert_non_null(events[count++]);
    at += size + 16;
  }
  free(bytes);
  return count;
}

static void writes_what_protobuf_reads(void **state) {
  const char *path = in_folder("events");
  const char *tags[] = {"train/loss", "train/\xc3\xa9"};
  double values[] = {0.5, 0};
  EgEvents__Event *events[8];
  assert_int_equal(eg_tensorboard_begin(path, -1), EG_OK);
  assert_int_equal(eg_tensorboard_scalars(path, 100, 2, tags, values), EG_OK);
  assert_int_equal(eg_tensorboard_scalars(path, 200, 0, tags, values), EG_OK);
  assert_int_equal(read_events(path, events, 8), 2);
  assert_string_equal(events[0]->file_version, "brain.Event:2");
  assert_true(events[0]->wall_time > 1.7e9 && events[1]->wall_time >= events[0]->wall_time);
  assert_int_equal(events[1]->step, 100);
  assert_int_equal(events[1]->what_case, EG_EVENTS__EVENT__WHAT_SUMMARY);
  assert_int_equal(events[1]->summary->n_value, 2);
  for (int i = 0; i < 2; i++) {
    EgEvents__Summary__Value *value = events[1]->summary->value[i];
    assert_string_equal(value->tag, tags[i]);
    assert_int_equal(value->value_case, EG_EVENTS__SUMMARY__VALUE__VALUE_SIMPLE_VALUE); /* zero is written too */
    assert_true(value->simple_value == (float)values[i]);
  }
  for (int i = 0; i < 2; i++) eg_events__event__free_unpacked(events[i], NULL);
}

static void marks_a_restart(void **state) {
  const char *path = in_folder("restart");
  EgEvents__Event *events[4];
  assert_int_equal(eg_tensorboard_begin(path, 300), EG_OK);
  assert_int_equal(read_events(path, events, 4), 2);
  assert_int_equal(events[1]->step, 300);
  assert_int_equal(events[1]->what_case, EG_EVENTS__EVENT__WHAT_SESSION_LOG);
  assert_int_equal(events[1]->session_log->status, EG_EVENTS__SESSION_LOG__STATUS__START);
  for (int i = 0; i < 2; i++) eg_events__event__free_unpacked(events[i], NULL);
}

static void refuses_a_second_writer(void **state) {
  const char *path = in_folder("twice");
  assert_int_equal(eg_tensorboard_begin(path, -1), EG_OK);
  assert_int_equal(eg_tensorboard_begin(path, -1), EG_EIO);
  assert_message("File exists");
  assert_int_equal(eg_tensorboard_begin("", -1), EG_EINVAL);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checks_the_published_vectors),  cmocka_unit_test(every_instruction_set_has_the_same_sums),
      cmocka_unit_test(sums_a_tensor_by_its_elements),
#ifdef EG_PROTOBUF
      cmocka_unit_test(writes_what_protobuf_reads),    cmocka_unit_test(marks_a_restart),
      cmocka_unit_test(refuses_a_second_writer),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
