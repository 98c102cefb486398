/* YAML: the types of the core schema, anchors, merge keys, places, and texts made to exhaust a reader. */
#include <time.h>

#include "hostile.h"
#include "internal.h"

static eg_yaml *parse(const char *text) { return eg_yaml_parse(text, strlen(text), "t.yaml"); }

static eg_yaml *must_parse(const char *text) {
  eg_yaml *root = parse(text);
  if (!root) fail_msg("refused %s: %s", text, eg_error_message());
  return root;
}

/* The whole message, to the letter. */
static void refuses(const char *text, const char *message) {
  if (parse(text)) fail_msg("accepted %s", text);
  assert_string_equal(eg_error_message(), message);
}

static const eg_yaml *member(const eg_yaml *map, const char *key) {
  for (int64_t i = 0; i < map->children; i++)
    if (strcmp(map->child[i].key, key) == 0) return &map->child[i];
  fail_msg("no member %s", key);
  return NULL;
}

/* ---- values ---- */

static void knows_the_types_of_the_core_schema(void **state) {
  static const struct {
    const char *text;
    int kind;
    double number;
  } cases[] = {
      {"null", EG_YAML_NULL, 0},          {"~", EG_YAML_NULL, 0},
      {"Null", EG_YAML_NULL, 0},          {"true", EG_YAML_TRUE, 0},
      {"True", EG_YAML_TRUE, 0},          {"FALSE", EG_YAML_FALSE, 0},
      {"false", EG_YAML_FALSE, 0},        {"yes", EG_YAML_STRING, 0},
      {"on", EG_YAML_STRING, 0},          {"off", EG_YAML_STRING, 0},
      {"tRUE", EG_YAML_STRING, 0},        {"1", EG_YAML_NUMBER, 1},
      {"-17", EG_YAML_NUMBER, -17},       {"+3", EG_YAML_NUMBER, 3},
      {"010", EG_YAML_NUMBER, 10},        {"0x1F", EG_YAML_NUMBER, 31},
      {"0o17", EG_YAML_NUMBER, 15},       {"1e-3", EG_YAML_NUMBER, 1e-3},
      {"1.5E+2", EG_YAML_NUMBER, 150},    {".5", EG_YAML_NUMBER, 0.5},
      {"-.5", EG_YAML_NUMBER, -0.5},      {"1.", EG_YAML_NUMBER, 1},
      {".inf", EG_YAML_NUMBER, 1 / 0.},   {"-.INF", EG_YAML_NUMBER, -1 / 0.},
      {"1e999", EG_YAML_NUMBER, 1 / 0.},  {"1_000", EG_YAML_STRING, 0},
      {"0x", EG_YAML_STRING, 0},          {"0xg", EG_YAML_STRING, 0},
      {"0o8", EG_YAML_STRING, 0},         {"-0x1", EG_YAML_STRING, 0},
      {"1e", EG_YAML_STRING, 0},          {"1e+", EG_YAML_STRING, 0},
      {".", EG_YAML_STRING, 0},           {"-", EG_YAML_LIST, 0},
      {"+", EG_YAML_STRING, 0},           {"inf", EG_YAML_STRING, 0},
      {"nan", EG_YAML_STRING, 0},         {"1.2.3", EG_YAML_STRING, 0},
      {"190:20:30", EG_YAML_STRING, 0},   {"2001-12-14", EG_YAML_STRING, 0},
      {"'1'", EG_YAML_STRING, 0},         {"\"true\"", EG_YAML_STRING, 0},
      {"!!str 1", EG_YAML_STRING, 0},     {"! 1", EG_YAML_STRING, 0},
      {"!!int 0x10", EG_YAML_NUMBER, 16}, {"!!float 1", EG_YAML_NUMBER, 1},
      {"!!null ''", EG_YAML_NULL, 0},     {"!!bool 'true'", EG_YAML_TRUE, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    eg_yaml *root = must_parse(cases[i].text);
    if (root->kind != cases[i].kind || (root->kind == EG_YAML_NUMBER && root->number != cases[i].number))
      fail_msg("%s: kind %d, number %g", cases[i].text, root->kind, root->number);
    eg_yaml_free(root);
  }
  eg_yaml *root = must_parse(".nan");
  assert_true(root->kind == EG_YAML_NUMBER && root->number != root->number);
  eg_yaml_free(root);
}

static void keeps_the_text_of_scalars(void **state) {
  eg_yaml *root = must_parse("- 1.10\n- \"a\\0b\"\n- 'it''s'\n- |\n  x\n  y\n- caf\xc3\xa9\n");
  static const char *const texts[] = {"1.10", "a\0b", "it's", "x\ny\n", "caf\xc3\xa9"};
  static const size_t lengths[] = {4, 3, 4, 4, 5};
  assert_int_equal(root->children, 5);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(root->child[i].length, lengths[i]);
    assert_memory_equal(root->child[i].text, texts[i], lengths[i] + 1);
  }
  eg_yaml_free(root);
}

static void knows_where_keys_and_values_stand(void **state) {
  eg_yaml *root = must_parse("# a comment\nlr: 0.1\noptimizer:\n  caf\xc3\xa9: [1, two]\n");
  const eg_yaml *optimizer = member(root, "optimizer"), *list = member(optimizer, "caf\xc3\xa9");
  assert_int_equal(member(root, "lr")->line, 2);
  assert_int_equal(member(root, "lr")->column, 5);
  assert_int_equal(optimizer->key_line, 3);
  assert_int_equal(list->key_line, 4);
  assert_int_equal(list->key_column, 3);
  assert_int_equal(list->column, 9); /* characters, not bytes */
  assert_int_equal(list->child[1].column, 13);
  eg_yaml_free(root);
}

static void empty_texts_are_null(void **state) {
  static const char *const texts[] = {"", "\n\n", "# only a comment\n", "---\n", "--- ~\n...\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    eg_yaml *root = must_parse(texts[i]);
    assert_int_equal(root->kind, EG_YAML_NULL);
    eg_yaml_free(root);
  }
  eg_yaml_free(NULL);
}

static void takes_a_byte_order_mark_and_windows_lines(void **state) {
  eg_yaml *root = must_parse("\xef\xbb\xbf"
                             "a:\r\n  b: 1\r\n  c: 2\r\n");
  assert_int_equal(member(member(root, "a"), "c")->line, 3);
  eg_yaml_free(root);
}

/* ---- anchors and merge keys ---- */

static void aliases_stand_for_their_values(void **state) {
  eg_yaml *root = must_parse("a: &x {p: [1, 2]}\nb: *x\nc: &x 3\nd: *x\n*x : 4\n");
  const eg_yaml *p = member(member(root, "b"), "p");
  assert_int_equal(p->children, 2);
  assert_int_equal(member(root, "b")->line, 2);
  assert_int_equal(p->line, 1);
  assert_true(member(root, "d")->number == 3); /* the last anchor of a name counts */
  assert_true(member(root, "3")->number == 4);
  eg_yaml_free(root);
}

static void own_keys_win_over_merged_ones(void **state) {
  eg_yaml *root = must_parse("a: &a {p: 1, q: 2}\nb: &b {q: 3, r: 4}\n"
                             "one: {q: 9, <<: *a}\nlist: {<<: [*b, *a], r: 0}\nplain: {'<<': 5}\ntagged: {! <<: 5}\n"
                             "chain: &c {<<: *a, s: 1}\nagain: {<<: *c, s: 2}\nnone: {<<: []}\n");
  const eg_yaml *one = member(root, "one"), *list = member(root, "list"), *again = member(root, "again");
  assert_int_equal(one->children, 2);
  assert_true(member(one, "q")->number == 9 && member(one, "p")->number == 1);
  assert_int_equal(list->children, 3);
  assert_true(member(list, "q")->number == 3 && member(list, "p")->number == 1 && member(list, "r")->number == 0);
  assert_true(member(member(root, "plain"), "<<")->number == 5);
  assert_true(member(member(root, "tagged"), "<<")->number == 5);
  assert_int_equal(again->children, 3);
  assert_true(member(again, "s")->number == 2 && member(again, "q")->number == 2);
  assert_int_equal(member(root, "none")->children, 0);
  assert_int_equal(member(one, "p")->key_line, 1); /* where it was written */
  eg_yaml_free(root);
}

/* ---- what is refused ---- */

static void refuses_what_is_no_value(void **state) {
  refuses("a: 1\nb: 2\na: 3", "t.yaml:3:1: duplicate key 'a', first at line 1");
  refuses("{1: a, '1': b}", "t.yaml:1:8: duplicate key '1', first at line 1");
  refuses("<<: {a: 1}\n<<: {b: 2}", "t.yaml:2:1: duplicate key '<<', first at line 1");
  refuses("a: *x", "t.yaml:1:4: alias '*x' has no anchor '&x' before it");
  refuses("a: *x\nb: &x 1", "t.yaml:1:4: alias '*x' has no anchor '&x' before it");
  refuses("a: &x [1, *x]", "t.yaml:1:11: alias '*x' stands inside its own anchor: the value would hold itself");
  refuses("a: &x {<<: *x}", "t.yaml:1:12: alias '*x' stands inside its own anchor: the value would hold itself");
  refuses("<<: 3", "t.yaml:1:5: '<<' merges a map or a list of maps");
  refuses("<<: [{a: 1}, 3]", "t.yaml:1:5: '<<' merges a map or a list of maps");
  refuses("<<:", "t.yaml:1:4: '<<' merges a map or a list of maps");
  refuses("? [a]\n: 1", "t.yaml:1:3: a key must be a word, got a list");
  refuses("? {a: 1}\n: 1", "t.yaml:1:3: a key must be a word, got a map");
  refuses("'': 1", "t.yaml:1:1: an empty key");
  refuses("a: 1\n---\nb: 2", "t.yaml:2:1: a second document begins; one file holds one");
  refuses("a: !!int 1.5", "t.yaml:1:4: '1.5' is no value of the tag '!!int'");
  refuses("a: !!bool yes", "t.yaml:1:4: 'yes' is no value of the tag '!!bool'");
  refuses("a: !!null 0", "t.yaml:1:4: '0' is no value of the tag '!!null'");
  refuses("a: !!float x", "t.yaml:1:4: 'x' is no value of the tag '!!float'");
  refuses("a: !mine 1",
          "t.yaml:1:4: unknown tag '!mine' (there are: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)");
  refuses("!!set {a}",
          "t.yaml:1:1: unknown tag '!!set' (there are: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)");
  refuses("!!map [a]",
          "t.yaml:1:1: unknown tag '!!map' (there are: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)");
}

static void refuses_what_is_no_yaml(void **state) {
  refuses("a: 1\n\tb: 2", "t.yaml:2:1: a tab cannot indent: use spaces");
  refuses("a: [1, 2",
          "t.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence that begins at line 1");
  refuses("a: b: c", "t.yaml:1:5: mapping values are not allowed in this context");
  refuses("a: %b", "t.yaml:1:4: found character that cannot start any token");
  refuses("a: 'x", "t.yaml:1:6: found unexpected end of stream, while scanning a quoted scalar that begins at line 1");
  refuses("a: \"\\q\"",
          "t.yaml:1:5: found unknown escape character, while parsing a quoted scalar that begins at line 1");
  assert_null(eg_yaml_parse(NULL, 0, "t.yaml"));
  assert_message("yaml: there is no text");
  assert_null(eg_yaml_parse("[", 1, NULL));
  assert_string_equal(
      eg_error_message(),
      "line 2, column 1: did not find expected node content, while parsing a flow node that begins at line 2");
}

static void refuses_what_is_no_utf8(void **state) {
  const char *end = ": the text must be UTF-8 without control characters";
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"a: 1\nb: \xff", "t.yaml:2:4: invalid leading UTF-8 octet (0xFF)"},
      {"a: \xc3(", "t.yaml:1:5: invalid trailing UTF-8 octet (0x28)"},
      {"a: \xc3", "t.yaml:1:4: incomplete UTF-8 octet sequence"},
      {"a: \xc0\x80", "t.yaml:1:4: invalid length of a UTF-8 sequence"},
      {"a: \xed\xa0\x80", "t.yaml:1:4: invalid Unicode character (0xD800)"},
      {"a: \xf4\x90\x80\x80", "t.yaml:1:4: invalid Unicode character (0x110000)"},
      {"caf\xc3\xa9: \x07", "t.yaml:1:7: control characters are not allowed (0x07)"},
      {"\xff\xfe"
       "a",
       "t.yaml:1:1: invalid leading UTF-8 octet (0xFF)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char message[256];
    snprintf(message, sizeof message, "%s%s", cases[i].message, end);
    refuses(cases[i].text, message);
  }
  assert_null(eg_yaml_parse("a: 1\0b", 6, "t.yaml"));
  assert_message("t.yaml:1:5: control characters are not allowed (0x00)");
}

/* ---- texts made to exhaust a reader ---- */

/* The text `piece` repeated, between `head` and `tail`; to be freed. */
static char *repeated(const char *head, const char *piece, int times, const char *tail) {
  size_t length = strlen(piece);
  char *text = malloc(strlen(head) + length * (size_t)times + strlen(tail) + 1), *at = text + sprintf(text, "%s", head);
  for (int i = 0; i < times; i++, at += length) memcpy(at, piece, length + 1);
  strcpy(at, tail);
  return text;
}

/* Refused with that message, and soon: the sanitizers slow it down several times. */
static void refuses_soon(char *text, const char *message) {
  clock_t begun = clock();
  if (parse(text)) fail_msg("accepted %.40s", text);
  assert_message(message);
  double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
  if (seconds > 5) fail_msg("'%.40s' took %.1f s", text, seconds);
  free(text);
}

static void refuses_deep_nesting(void **state) {
  refuses_soon(repeated("", "[", 500000, ""), "t.yaml:1:65: nested more than 64 deep");
  refuses_soon(repeated("", "{a: ", 200000, ""), "t.yaml:1:257: nested more than 64 deep");
  refuses_soon(repeated("", "- ", 500000, ""), "t.yaml:1:129: nested more than 64 deep");
  refuses_soon(repeated("", "? ", 500000, ""), "t.yaml:1:129: nested more than 64 deep");
  char *text = malloc(100000), *at = text;
  for (int i = 0; i < 100; i++) at += sprintf(at, "%*sa:\n", i, "");
  refuses_soon(text, "t.yaml:65:65: nested more than 64 deep");
  char *deep = repeated("", "[", 64, "");
  for (int i = 0; i < 64; i++) strcat(deep = realloc(deep, 200), "]");
  eg_yaml_free(must_parse(deep));
  free(deep);
}

static void refuses_alias_bombs(void **state) {
  char text[4096], *at = text + sprintf(text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
  for (int i = 1; i < 30; i++) {
    at += sprintf(at, "a%d: &a%d [", i, i);
    for (int j = 0; j < 9; j++) at += sprintf(at, "%s*a%d", j ? ", " : "", i - 1);
    at += sprintf(at, "]\n");
  }
  refuses_soon(strdup(text), "t.yaml:5:10: alias '*a3' makes more than 10000 keys and values");
  at = text + sprintf(text, "a0: &a0 {k: 1}\n");
  for (int i = 1; i < 30; i++) at += sprintf(at, "a%d: &a%d {<<: [*a%d, *a%d], k%d: 1}\n", i, i, i - 1, i - 1, i);
  refuses_soon(strdup(text), "makes more than 10000 keys and values");
}

static void refuses_long_texts(void **state) {
  refuses_soon(repeated("a: ", "x", 10 << 20, ""), "t.yaml:1:1: 10485763 bytes; at most 1048576 are taken");
  refuses_soon(repeated("a: ", "x", 70000, ""), "t.yaml:1:4: a text of 70000 bytes; at most 65536 are taken");
  refuses_soon(repeated("a: \"", "x", 1000000, "\""), "t.yaml:1:4: a text of 1000000 bytes; at most 65536 are taken");
  refuses_soon(repeated("", "x", 70000, ": 1"), "t.yaml:1:1: a text of 70000 bytes; at most 65536 are taken");
  refuses_soon(repeated("? ", "x", 70000, "\n: 1"), "t.yaml:1:3: a text of 70000 bytes; at most 65536 are taken");
  refuses_soon(repeated("[", "1,", 20000, "]"), "t.yaml:1:20000: more than 10000 keys and values");
  refuses_soon(repeated("", "%TAG !a! b\n", 90000, "---\n"), "t.yaml:17:1: more than 16 lines that begin with %");
  refuses_soon(repeated("%YAML 1.1\n", "%", 1000000, "\n--- a"), "could not find expected directive name");
}

/* As many keys as there may be, all of one length, are compared in bounded time. */
static void many_keys_take_bounded_time(void **state) {
  char *text = malloc(1 << 20), *at = text;
  for (int i = 0; i < 4990; i++) at += sprintf(at, "a_long_key_%06d: &b%06d 1\n", i, i);
  clock_t begun = clock();
  eg_yaml *root = must_parse(text);
  assert_int_equal(root->children, 4990);
  assert_true((double)(clock() - begun) / CLOCKS_PER_SEC < 5);
  eg_yaml_free(root);
  free(text);
}

/* ---- mutants, truncations, lack of memory ---- */

static const char sample[] =
    "base: [a.yaml, b.yaml]\ncommon: &c {lr: 1e-3, list: [1, 2.5, ~, true]}\n"
    "caf\xc3\xa9: \"x\\u00e9\\n\"\ntext: |\n  one\n  two\nmerged:\n  <<: *c\n  lr: !!float 2\n? key\n: [*c, 'q']\n";

static void walk(const eg_yaml *value) {
  if (value->text) assert_int_equal(value->text[value->length], 0);
  for (int64_t i = 0; i < value->children; i++) walk(&value->child[i]);
}

static bool accepts(const char *path) {
  size_t length;
  uint8_t *text = get_file(path, &length);
  eg_yaml *root = eg_yaml_parse((char *)text, length, path);
  free(text);
  if (root) walk(root);
  else if (!strchr(eg_error_message(), ':')) fail_msg("no reason: %s", eg_error_message());
  eg_yaml_free(root);
  return root != NULL;
}

static void survives_truncations_and_mutations(void **state) {
  for (size_t cut = 0; cut < sizeof sample; cut++) accepts(put_file("cut", sample, cut));
  assert_true(accepts(put_file("whole", sample, sizeof sample - 1)));
  survive_mutations((const uint8_t *)sample, sizeof sample - 1, 2000, accepts);
}

static void survives_lack_of_memory(void **state) {
  int failures = 0;
  for (int64_t after = 0; after < 100; after++) {
    eg_alloc_fail_after(after);
    eg_yaml *root = parse(sample);
    eg_alloc_fail_after(-1);
    if (!root) {
      failures++;
      assert_message("out of memory");
    }
    eg_yaml_free(root);
  }
  assert_in_range(failures, 20, 80);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(knows_the_types_of_the_core_schema),
      cmocka_unit_test(keeps_the_text_of_scalars),
      cmocka_unit_test(knows_where_keys_and_values_stand),
      cmocka_unit_test(empty_texts_are_null),
      cmocka_unit_test(takes_a_byte_order_mark_and_windows_lines),
      cmocka_unit_test(aliases_stand_for_their_values),
      cmocka_unit_test(own_keys_win_over_merged_ones),
      cmocka_unit_test(refuses_what_is_no_value),
      cmocka_unit_test(refuses_what_is_no_yaml),
      cmocka_unit_test(refuses_what_is_no_utf8),
      cmocka_unit_test(refuses_deep_nesting),
      cmocka_unit_test(refuses_alias_bombs),
      cmocka_unit_test(refuses_long_texts),
      cmocka_unit_test(many_keys_take_bounded_time),
      cmocka_unit_test(survives_truncations_and_mutations),
      cmocka_unit_test(survives_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
