/* JSON: every kind of value, the errors with line and column, and texts that lie. */
#include <jansson.h>

#include "hostile.h"
#include "internal.h"

static eg_json *parse(const char *text) { return eg_json_parse(text, strlen(text)); }

static void refuses(const char *text, const char *message) {
  if (parse(text)) fail_msg("accepted %s", text);
  assert_message(message);
}

static void reads_every_kind(void **state) {
  eg_json *root = parse("[null, false, true, -1.5e3, \"t\\u00e9\\n\", [], {}, 9007199254740993]");
  assert_non_null(root);
  assert_int_equal(eg_json_kind(root), EG_JSON_ARRAY);
  assert_int_equal(eg_json_size(root), 8);
  static const int kinds[] = {EG_JSON_NULL,   EG_JSON_FALSE, EG_JSON_TRUE,   EG_JSON_NUMBER,
                              EG_JSON_STRING, EG_JSON_ARRAY, EG_JSON_OBJECT, EG_JSON_NUMBER};
  for (int i = 0; i < 8; i++) assert_int_equal(eg_json_kind(eg_json_item(root, i)), kinds[i]);
  assert_true(eg_json_number(eg_json_item(root, 3)) == -1500);
  assert_true(eg_json_number(eg_json_item(root, 7)) == 9007199254740992.0);
  size_t length;
  assert_string_equal(eg_json_string(eg_json_item(root, 4), &length), "t\xc3\xa9\n");
  assert_int_equal(length, 4);
  assert_int_equal(eg_json_size(eg_json_item(root, 5)), 0);
  assert_null(eg_json_item(root, 8));
  assert_null(eg_json_item(root, -1));
  eg_json_free(root);
}

static void keeps_the_order_of_members(void **state) {
  char text[4096] = "{", *at = text + 1;
  for (int i = 0; i < 200; i++) at += sprintf(at, "%s\"key%d\": %d", i ? ", " : "", (i * 37) % 200, i);
  strcpy(at, "}");
  eg_json *root = parse(text);
  assert_int_equal(eg_json_size(root), 200);
  for (int i = 0; i < 200; i++) {
    const char *key;
    size_t length;
    char expected[16];
    snprintf(expected, sizeof expected, "key%d", (i * 37) % 200);
    const eg_json *value = eg_json_member(root, i, &key, &length);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(key, expected, length);
    assert_true(eg_json_number(value) == i);
  }
  const char *key;
  assert_null(eg_json_member(root, 200, &key, NULL));
  assert_null(key);
  eg_json_free(root);
}

static void takes_bare_values_and_zero_bytes(void **state) {
  eg_json *root = parse(" \"a\\u0000b\" ");
  size_t length;
  const char *text = eg_json_string(root, &length);
  assert_int_equal(length, 3);
  assert_memory_equal(text, "a\0b", 3);
  eg_json_free(root);
}

static void answers_questions_about_other_kinds(void **state) {
  eg_json *root = parse("true");
  size_t length = 7;
  assert_null(eg_json_string(root, &length));
  assert_int_equal(length, 0);
  assert_true(eg_json_number(root) == 0);
  assert_int_equal(eg_json_size(root), 0);
  assert_null(eg_json_item(root, 0));
  eg_json_free(root);
  assert_int_equal(eg_json_kind(NULL), EG_JSON_NULL);
  assert_null(eg_json_string(NULL, NULL));
  assert_int_equal(eg_json_size(NULL), 0);
  eg_json_free(NULL);
}

static void refuses_what_is_not_json(void **state) {
  refuses("", "json: line 1, column 0: ");
  refuses("{\"a\": 1,\n \"a\": 2}", "json: line 2, column 4: duplicate object key");
  refuses("[1, 2", "json: line 1, column 5: ");
  refuses("[1] 2", "end of file expected");
  refuses("[1,]", "column 4");
  refuses("{'a': 1}", "column 2");
  refuses("[01]", "line 1");
  refuses("[NaN]", "line 1");
  refuses("[1e999]", "real number overflow");
  refuses("\"\xff\"", "unable to decode byte 0xff");
  refuses("\"\n\"", "line 1");
  refuses("\"\\ud800\"", "line 1");
  refuses("{\"a\\u0000\": 1}", "NUL byte in object key");
  assert_null(eg_json_parse(NULL, 0));
  static char deep[100001];
  memset(deep, '[', 100000);
  refuses(deep, "maximum parsing depth");
}

static const char sample[] =
    "{\"a\": [1, 2.5, -3e2, true, null], \"b\\u0041\": {\"c\": \"\\\"x\\\\\"}, \"d\": \"\xc3\xa9\"}";

static void walk(const eg_json *value) {
  size_t length;
  const char *key;
  eg_json_string(value, &length);
  eg_json_number(value);
  for (int64_t i = 0; i < eg_json_size(value); i++)
    walk(eg_json_kind(value) == EG_JSON_OBJECT ? eg_json_member(value, i, &key, &length) : eg_json_item(value, i));
}

static bool accepts(const char *path) {
  size_t length;
  uint8_t *text = get_file(path, &length);
  eg_json *root = eg_json_parse((char *)text, length);
  free(text);
  if (root) walk(root);
  eg_json_free(root);
  return root != NULL;
}

static void refuses_truncated_texts(void **state) {
  for (size_t cut = 0; cut < sizeof sample - 1; cut++) assert_null(eg_json_parse(sample, cut));
  assert_true(accepts(put_file("whole", sample, sizeof sample - 1)));
}

static void survives_mutations(void **state) {
  survive_mutations((const uint8_t *)sample, sizeof sample - 1, 4000, accepts);
}

static void survives_lack_of_memory(void **state) {
  json_set_alloc_funcs(eg_malloc, free);
  int failures = 0;
  for (int64_t after = 0; after < 100; after++) {
    eg_alloc_fail_after(after);
    eg_json *root = parse(sample);
    eg_alloc_fail_after(-1);
    if (!root) failures++;
    eg_json_free(root);
  }
  assert_in_range(failures, 20, 80);
  json_set_alloc_funcs(malloc, free);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_every_kind),
      cmocka_unit_test(keeps_the_order_of_members),
      cmocka_unit_test(takes_bare_values_and_zero_bytes),
      cmocka_unit_test(answers_questions_about_other_kinds),
      cmocka_unit_test(refuses_what_is_not_json),
      cmocka_unit_test(refuses_truncated_texts),
      cmocka_unit_test(survives_mutations),
      cmocka_unit_test(survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
