/* Text: characters, tokens of each rule, tables of words, rows of numbers. */
#include "hostile.h"
#include "internal.h"

static eg_tokens list;

/* The tokens of a text, with a bar between. */
static const char *cut_how(const eg_tokenizer *how, const char *text) {
  static char joined[4096];
  size_t used = 0;
  assert_int_equal(eg_tokenize(&list, how, text, strlen(text)), EG_OK);
  joined[0] = 0;
  for (int64_t i = 0; i < list.count; i++) {
    const eg_piece *piece = &list.piece[i];
    used += (size_t)sprintf(joined + used, "%s%.*s", i ? "|" : "", (int)piece->length, list.text + piece->begin);
  }
  return joined;
}

static const char *cut(const char *text) { return cut_how(&(eg_tokenizer){.rule = EG_RULE_ENGLISH}, text); }

static void english_words(void **state) {
  static const char *const cases[][2] = {
      {"", ""},
      {" \t\n\xC2\xA0 ", ""},
      {"I don't like it, I'm sure.", "I|do|n't|like|it|,|I|'m|sure|."},
      {"They'll've gone; can't, cannot, won't.", "They|'ll|'ve|gone|;|ca|n't|,|can|not|,|wo|n't|."},
      {"C'mon, c’mon, this'll do.", "C'm|on|,|c’m|on|,|this|'ll|do|."},
      {"those've thiss thisre that've theres", "those|'ve|this|s|thisre|that've|there|s"},
      {"it’s don’t", "it|’s|do|n’t"},
      {"Ma’am, ’em at o’clock: goin’ ’Cause :’(", "Ma’am|,|’em|at|o’clock|:|goin’|’Cause|:’("},
      {"20°C. 68°F. 5 °K. X°C", "20|°|C|.|68|°|F|.|5|°|K.|X|°|C"},
      {"DON'T rock'n'roll 'em", "DON'T|rock'n'roll|'em"},
      {"Mr. Smith's U.S. visit", "Mr.|Smith|'s|U.S.|visit"},
      {"\"Wow!!\" (really)...", "\"|Wow|!|!|\"|(|really|)|..."},
      {"$10.5m, 5km, 10%, 3+, EUR5m", "$|10.5|m|,|5|km|,|10|%|,|3|+|,|EUR5|m"},
      {"well-known 10-20 x--y 1999--the", "well|-|known|10|-|20|x|--|y|1999|-|-the"},
      {"end.Start a,b and/or he/she x=y", "end|.|Start|a|,|b|and/or|he|/|she|x|=|y"},
      {"see http://www.imdb.com/title/tt1?a=b. a.b@c-d.org, imdb.com!",
       "see|http://www.imdb.com/title/tt1?a=b|.|a.b@c-d.org|,|imdb.com|!"},
      {"ok :) (:) :| C++ 8pm 10a.m.", "ok|:)|(|:)|:||C++|8|pm|10|a.m."},
      {"bad.<br /><br />The", "bad.<br|/><br|/>The"},
      {"…so wait…what", "…|so|wait|…|what"},
      {"naïve café—ÉTÉ.", "naïve|café|—|ÉTÉ|."},
      {"........", "........"},
      {"!!!!!!", "!|!|!|!|!|!"},
      {"'", "'"},
      {"x.", "x."},
      {"X.", "X."},
      {"AB.", "AB|."},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_string_equal(cut(cases[i][0]), cases[i][1]);
}

static void other_rules(void **state) {
  const eg_tokenizer space = {.rule = EG_RULE_WHITESPACE}, small = {.rule = EG_RULE_WHITESPACE, .lower = 1},
                     breaks = {.rule = EG_RULE_ENGLISH, .breaks = 1}, two = {.rule = EG_RULE_WHITESPACE, .enough = 2},
                     characters = {.rule = EG_RULE_CHARACTERS}, unbroken = {.rule = EG_RULE_CHARACTERS, .breaks = 1},
                     small_english = {.rule = EG_RULE_ENGLISH, .lower = 1};
  assert_string_equal(cut_how(&space, " a,b  don't\xE3\x80\x80x "), "a,b|don't|x");
  assert_string_equal(cut_how(&small, "ÀÉ ŠŽ ΑΩ Жук İ Ÿ ẞ"), "àé|šž|αω|жук|İ|ÿ|ẞ");
  assert_string_equal(cut_how(&breaks, "bad.<br /><BR>The <br/>end <b>"), "bad|.|The|end|<|b|>");
  assert_string_equal(cut_how(&two, "a b c d"), "a|b");
  assert_string_equal(cut_how(&characters, "aé€😀 b"), "a|é|€|😀| |b");
  assert_string_equal(cut_how(&unbroken, "<br>a<BR />b<br/"), "a|b|<|b|r|/");
  assert_string_equal(cut_how(&small_english, "DON'T ask Mr. Ek, Ph.D. word.Word"),
                      "don't|ask|mr.|ek|,|ph.d.|word|.|word");
}

/* Every piece lies within the text, none overlap, and what lies between is white space: nothing is lost. */
static void nothing_is_lost(void **state) {
  static char text[512];
  uint32_t random = 1;
  static const char *const pool[] = {"a", "b", " ", "Z", ".", ",", "'", "-", "!",    "?",   "\"",
                                     "(", ")", "/", "<", ">", "$", "5", ":", ";",    "s",   "é",
                                     "…", "n", "t", "@", "#", "+", "_", "|", "\xC3", "\x80"};
  for (int round = 0; round < 20000; round++) {
    size_t length = 0;
    for (int left = (int)((random = random * 1664525u + 1013904223u) >> 16 & 63); left > 0; left--) {
      random = random * 1664525u + 1013904223u;
      const char *more = pool[(random >> 16) % (sizeof pool / sizeof *pool)];
      length += (size_t)sprintf(text + length, "%s", more);
    }
    char *exact = malloc(length + 1); /* so that a step too far is seen */
    memcpy(exact, text, length);
    assert_int_equal(eg_tokenize(&list, &(eg_tokenizer){.rule = EG_RULE_ENGLISH}, exact, length), EG_OK);
    int64_t at = 0;
    for (int64_t i = 0; i < list.count; i++) {
      assert_true(list.piece[i].length > 0 && list.piece[i].begin >= at);
      for (; at < list.piece[i].begin; at++) assert_int_equal(exact[at], ' ');
      at += list.piece[i].length;
    }
    assert_true(at <= (int64_t)length);
    for (; at < (int64_t)length; at++) assert_int_equal(exact[at], ' ');
    free(exact);
  }
}

/* A word of a million signs takes time in proportion, not its square. */
static void long_words(void **state) {
  static const char *const units[] = {"!", ".", "a-", "'s", "(", "a.b", "1+"};
  size_t length = 1 << 20;
  char *text = malloc(length);
  for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
    size_t n = strlen(units[u]);
    for (size_t i = 0; i < length; i++) text[i] = units[u][i % n];
    assert_int_equal(eg_tokenize(&list, &(eg_tokenizer){.rule = EG_RULE_ENGLISH}, text, length), EG_OK);
    assert_true(list.count > 0);
  }
  free(text);
}

static void valid_utf8(void **state) {
  static const struct {
    const char *text;
    size_t valid;
  } cases[] = {
      {"plain", 5},      {"é€😀", 9},          {"a\x80", 1},        {"a\xC3", 1},
      {"\xC0\xAF", 0},   {"\xE0\x80\xAF", 0}, {"\xED\xA0\x80", 0}, {"\xF4\x90\x80\x80", 0},
      {"ab\xE2\x82", 2}, {"\xFF", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(eg_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
}

static void tables_of_words(void **state) {
  eg_words *words = eg_words_new();
  char word[32];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 5000; i++) {
      size_t length = (size_t)sprintf(word, "w%d", i);
      assert_int_equal(eg_words_add(words, word, length), i + 1);
    }
  }
  assert_int_equal(eg_words_size(words), 5000);
  size_t length;
  int64_t count;
  const char *bytes = eg_words_get(words, 4321, &length, &count);
  assert_true(length == 5 && memcmp(bytes, "w4320", 5) == 0 && count == 2);
  assert_int_equal(eg_words_find(words, "w4321", 5), 4322);
  assert_int_equal(eg_words_find(words, "w5000", 5), 0);
  assert_null(eg_words_get(words, 0, &length, NULL));
  assert_null(eg_words_get(words, 5001, &length, NULL));
  assert_int_equal(eg_words_add(words, "", 0), 5001);
  assert_int_equal(eg_words_add(words, "a\0b", 3), 5002);
  assert_int_equal(eg_words_find(words, "a\0c", 3), 0);
  eg_words_free(words);
  assert_true(eg_hash_bytes("", 0) == 0xcbf29ce484222325u); /* the published values of FNV-1a */
  assert_true(eg_hash_bytes("a", 1) == 0xaf63dc4c8601ec8cu);
  assert_true(eg_hash_bytes("foobar", 6) == 0x85944171f73967e8u);
}

static void numbers_of_tokens(void **state) {
  eg_words *words = eg_words_new();
  static const char *const all[] = {"<pad>", "<unknown>", "a", "b"};
  for (int i = 0; i < 4; i++) eg_words_add(words, all[i], strlen(all[i]));
  int64_t out[5];
  const char *text = "a <pad> c b a";
  assert_int_equal(eg_tokenize(&list, &(eg_tokenizer){.rule = EG_RULE_WHITESPACE}, text, strlen(text)), EG_OK);
  eg_words_encode(out, words, 2, &list, 0, 5);
  assert_true(out[0] == 3 && out[1] == 2 && out[2] == 2 && out[3] == 4 && out[4] == 3);
  eg_hash_encode(out, 10, 1, &list, 3, 2);
  assert_true(out[0] == 2 + (int64_t)(eg_hash_bytes("b", 1) % 10) &&
              out[1] == 2 + (int64_t)(eg_hash_bytes("a", 1) % 10));
  eg_words_free(words);
}

static void widths_of_rows(void **state) {
  eg_tensor *rows = eg_new(EG_INT64, 2, (int64_t[]){3, 4}), *lengths = eg_new(EG_INT64, 1, (int64_t[]){3});
  static const int64_t numbers[] = {5, 1, 1, 1, 5, 1, 7, 1, 1, 1, 1, 1};
  memcpy(rows->data, numbers, sizeof numbers);
  assert_int_equal(eg_padded_width(rows, 1, false), 3);
  assert_int_equal(eg_padded_width(rows, 9, false), 4);
  assert_int_equal(eg_row_lengths(lengths, rows, 1, false), EG_OK);
  int64_t *length = lengths->data;
  assert_true(length[0] == 1 && length[1] == 3 && length[2] == 0);
  static const int64_t turned[] = {1, 1, 1, 5, 1, 7, 1, 5, 1, 1, 1, 1};
  memcpy(rows->data, turned, sizeof turned);
  assert_int_equal(eg_padded_width(rows, 1, true), 3);
  assert_int_equal(eg_padded_width(rows, 1, false), 4);
  assert_int_equal(eg_row_lengths(lengths, rows, 1, true), EG_OK);
  assert_true(length[0] == 1 && length[1] == 3 && length[2] == 0);
  for (int i = 0; i < 12; i++) ((int64_t *)rows->data)[i] = 1;
  assert_int_equal(eg_padded_width(rows, 1, false), 1);
  assert_int_equal(eg_padded_width(rows, 1, true), 1);
  eg_free(rows);
  eg_free(lengths);
}

static void out_of_memory(void **state) {
  for (int64_t n = 0; n < 4; n++) {
    eg_tokens fresh = {0};
    eg_alloc_fail_after(n);
    eg_status status = eg_tokenize(&fresh, &(eg_tokenizer){.rule = EG_RULE_WHITESPACE, .lower = 1}, "A B", 3);
    eg_alloc_fail_after(-1);
    assert_true(status == EG_OK || status == EG_ENOMEM);
    if (n == 0) assert_int_equal(status, EG_ENOMEM);
    eg_tokens_free(&fresh);
    eg_alloc_fail_after(n);
    eg_words *words = eg_words_new();
    int64_t number = words ? eg_words_add(words, "a", 1) : 0;
    eg_alloc_fail_after(-1);
    assert_int_equal(number, n >= 4);
    if (words) assert_int_equal(eg_words_add(words, "a", 1), 1);
    eg_words_free(words);
  }
}

static void long_text_is_interrupted(void **state) {
  size_t length = 1 << 18;
  char *text = malloc(length);
  for (size_t i = 0; i < length; i++) text[i] = i % 2 ? ' ' : 'a';
  assert_int_equal(eg_tokenize(&list, &(eg_tokenizer){.rule = EG_RULE_WHITESPACE}, text, length), EG_OK);
  assert_int_equal(list.count, 1 << 17);
  eg_words *words = eg_words_new();
  eg_interrupt_set(2);
  assert_int_equal(eg_words_count(words, &list, 0, list.count), EG_EINTR);
  assert_int_equal(eg_tokenize(&list, &(eg_tokenizer){.rule = EG_RULE_CHARACTERS}, text, length), EG_EINTR);
  assert_int_equal(eg_tokenize(&list, &(eg_tokenizer){.rule = EG_RULE_CHARACTERS}, text, 9), EG_OK);
  eg_interrupt_set(0);
  eg_words_free(words);
  free(text);
}

static int free_list(void **state) {
  eg_tokens_free(&list);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(out_of_memory),   cmocka_unit_test(english_words),
      cmocka_unit_test(other_rules),     cmocka_unit_test(nothing_is_lost),
      cmocka_unit_test(long_words),      cmocka_unit_test(valid_utf8),
      cmocka_unit_test(tables_of_words), cmocka_unit_test(numbers_of_tokens),
      cmocka_unit_test(widths_of_rows),  cmocka_unit_test(long_text_is_interrupted),
  };
  return cmocka_run_group_tests(tests, NULL, free_list);
}
