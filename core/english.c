/* english.c - English words as spaCy cuts them: what stands before and behind a word is taken off, piece by piece, until what is left is
 * an exception (english_exceptions.c) or can lose no more; then it is cut at hyphens and the like within. */
#include "text.h"

typedef struct span {
  const char *begin, *end;
} span;

static size_t size_of(span s) { return (size_t)(s.end - s.begin); }

/* The kind of the character at p, and its length. */
static int kind_at(const char *p, const char *end, int *bytes) {
  *bytes = 1;
  if ((uint8_t)*p < 0x80) return eg_kind_of(*p);
  return eg_kind_of(eg_character(p, (size_t)(end - p), bytes));
}

/* The kind of the character that ends at p, and its length; 0 at the beginning. */
static int kind_before(const char *begin, const char *p, int *bytes) {
  *bytes = 0;
  if (p == begin) return 0;
  const char *at = p - 1;
  while (at > begin && ((uint8_t)*at & 0xC0) == 0x80 && p - at < 4) at--;
  int kind = kind_at(at, p, bytes);
  return kind;
}

static bool starts(span s, const char *with) {
  size_t length = strlen(with);
  return size_of(s) >= length && memcmp(s.begin, with, length) == 0;
}

static bool ends(span s, const char *with) {
  size_t length = strlen(with);
  return size_of(s) >= length && memcmp(s.end - length, with, length) == 0;
}

/* ---- before and behind a word ------------------------------------------------------------------------------------- */

static size_t dots_at(span s) {
  size_t n = 0;
  while (s.begin + n < s.end && s.begin[n] == '.') n++;
  return n >= 2 ? n : 0;
}

static size_t prefix(span s) {
  int bytes, kind = kind_at(s.begin, s.end, &bytes);
  if (*s.begin == '.') return dots_at(s);
  if (*s.begin == '+') return size_of(s) == 1 || eg_kind_of(s.begin[1]) != EG_DIGIT;
  if (kind & (EG_PUNCTUATION | EG_QUOTE | EG_CURRENCY | EG_SYMBOL)) return (size_t)bytes;
  if (kind == EG_HYPHEN && bytes == 3) return (size_t)bytes; /* dashes, not hyphens */
  if (*s.begin == '%' || *s.begin == '=') return 1;
  if (starts(s, "§")) return 2;
  if (starts(s, "US$")) return 3;
  return starts(s, "C$") || starts(s, "A$") ? 2 : 0;
}

static const char *const units[] = {
    "km",   "km²", "km³", "m",  "m²", "m³", "dm", "dm²", "dm³", "cm", "cm²", "cm³", "mm",   "mm²", "mm³", "ha",  "µm",
    "nm",   "yd",  "in",  "ft", "kg", "g",  "mg", "µg",  "t",   "lb", "oz",  "m/s", "km/h", "kmh", "mph", "hPa", "Pa",
    "mbar", "mb",  "MB",  "kb", "KB", "gb", "GB", "tb",  "TB",  "T",  "G",   "M",   "K",    "%",   "US$", "C$",  "A$"};

/* The longest unit or currency that ends the word behind a digit. */
static size_t unit(span s) {
  size_t longest = 0;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    size_t length = strlen(units[i]);
    if (length > longest && length < size_of(s) && ends(s, units[i]) &&
        eg_kind_of(s.end[-(ptrdiff_t)length - 1]) == EG_DIGIT)
      longest = length;
  }
  if (longest) return longest;
  int bytes;
  bool currency = kind_before(s.begin, s.end, &bytes) == EG_CURRENCY && size_of(s) > (size_t)bytes;
  return currency && eg_kind_of(s.end[-bytes - 1]) == EG_DIGIT ? (size_t)bytes : 0;
}

/* Whether the one dot that ends the word stands apart: behind a small letter, a digit, a sign, degrees, or two capitals. */
static bool full_stop(span s) {
  const char *dot = s.end - 1;
  int bytes, more, kind = kind_before(s.begin, dot, &bytes);
  if (bytes == 0) return false;
  if (kind & (EG_SMALL | EG_DIGIT | EG_PUNCTUATION | EG_QUOTE)) return true;
  if (strchr("%-+|", dot[-1]) || (bytes == 2 && memcmp(dot - 2, "²", 2) == 0)) return true;
  if (strchr("CFK", dot[-1]) && ends((span){s.begin, dot - 1}, "°")) return true;
  return (kind & EG_CAPITAL) && (kind_before(s.begin, dot - bytes, &more) & EG_CAPITAL);
}

static size_t suffix(span s) {
  int bytes, kind = kind_before(s.begin, s.end, &bytes);
  if (s.end[-1] == '.') {
    size_t dots = 0;
    while (dots < size_of(s) && s.end[-(ptrdiff_t)dots - 1] == '.') dots++;
    return dots >= 2 ? dots : full_stop(s);
  }
  if (ends(s, "……")) return 6;
  if (kind & (EG_PUNCTUATION | EG_QUOTE | EG_SYMBOL)) return (size_t)bytes;
  if (kind == EG_HYPHEN && bytes == 3) return (size_t)bytes;
  if ((s.end[-1] | 32) == 's') {
    if (ends(s, "'s") || ends(s, "'S")) return 2;
    if (ends(s, "’s") || ends(s, "’S")) return 4;
  }
  if (s.end[-1] == '+') return size_of(s) > 1 && eg_kind_of(s.end[-2]) == EG_DIGIT;
  return size_of(s) > 1 ? unit(s) : 0;
}

/* ---- within a word ------------------------------------------------------------------------------------------------ */

static bool letter_or_digit(int kind) { return kind & (EG_LETTER | EG_DIGIT); }

/* The length of a run of hyphens that is one: - -- --- or a dash or two or ~. */
static size_t hyphens(const char *p, const char *end) {
  size_t n = 0;
  while (p + n < end && n < 3 && p[n] == '-') n++;
  if (n || *p == '~') return n ? n : 1;
  span s = {p, end};
  if (starts(s, "——")) return 6;
  return starts(s, "—") || starts(s, "–") ? 3 : 0;
}

/* The length of what parts the word at p, else 0. */
static size_t infix(span word, const char *p) {
  int bytes, before_bytes, kind = kind_at(p, word.end, &bytes);
  if (kind & EG_LETTER) return 0;
  span rest = {p, word.end};
  if (*p == '.' && dots_at(rest)) return dots_at(rest);
  if (starts(rest, "…") || kind == EG_SYMBOL) return (size_t)bytes;
  int before = kind_before(word.begin, p, &before_bytes), next_bytes;
  size_t run = hyphens(p, word.end);
  const char *next = p + (run ? run : (size_t)bytes);
  bool sum = before == EG_DIGIT && p + 1 < word.end && strchr("+-*^", *p);
  if (sum && (eg_kind_of(p[1]) == EG_DIGIT || p[1] == '-')) return 1;
  if (!before_bytes || next >= word.end) return 0;
  int after = kind_at(next, word.end, &next_bytes);
  if (run) return letter_or_digit(before) && (after & EG_LETTER) ? run : 0;
  if (*p == '.') return (before & (EG_SMALL | EG_QUOTE)) && (after & (EG_CAPITAL | EG_QUOTE)) ? 1 : 0;
  if (*p == ',') return (before & EG_LETTER) && (after & EG_LETTER) ? 1 : 0;
  return strchr(":<>=/", *p) && letter_or_digit(before) && (after & EG_LETTER) ? 1 : 0;
}

static bool cut_within(eg_tokens *tokens, span word) {
  const char *begin = word.begin;
  int bytes;
  for (const char *p = word.begin; p < word.end;) {
    size_t length = infix(word, p);
    if (length == 0 || p == word.begin) {
      kind_at(p, word.end, &bytes);
      p += length ? length : (size_t)bytes;
      continue;
    }
    if (p > begin && !eg_tokens_add(tokens, begin, p)) return false;
    if (!eg_tokens_add(tokens, p, p + length)) return false;
    begin = p += length;
  }
  return begin == word.end || eg_tokens_add(tokens, begin, word.end);
}

/* ---- addresses ---------------------------------------------------------------------------------------------------- */

static bool is_label(const char *p, const char *end) {
  int bytes, kind = kind_at(p, end, &bytes);
  return letter_or_digit(kind) || *p == '-' || *p == '_';
}

/* Letters, digits, - and _ in two or more parts with dots between, the last of two small letters at least: then a port, a path, or
 * nothing. */
static bool is_host(const char *p, const char *end) {
  const char *part = p, *begin = p;
  int bytes, small = 0;
  bool all_small = true;
  for (; p < end && (*p == '.' || is_label(p, end)); p += bytes) {
    int kind = kind_at(p, end, &bytes);
    if (*p == '.') {
      if (p == part || p[-1] == '-' || p[-1] == '_' || *part == '-' || *part == '_') return false;
      part = p + 1;
      small = 0;
      all_small = true;
    } else {
      small++;
      all_small = all_small && (kind & EG_SMALL);
    }
  }
  if (part == begin || !all_small || small < 2 || small > 63) return false;
  if (p < end && *p == ':') {
    const char *port = ++p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    if (p - port < 2 || p - port > 5) return false;
  }
  return p == end || strchr("/?#", *p);
}

/* "imdb.com/title", "http://www.a.org", "who@there.net": whether the word is an address. */
static bool is_address(span word) {
  const char *dot = memchr(word.begin, '.', size_of(word)), *p = word.begin;
  int bytes;
  if (!dot || size_of(word) < 4 || !letter_or_digit(kind_at(p, word.end, &bytes))) return false;
  if (!letter_or_digit(kind_before(word.begin, word.end, &bytes)) && word.end[-1] != '/' && word.end[-1] != '_')
    return false;
  const char *scheme = memmem(p, size_of(word), "://", 3);
  if (scheme) {
    for (; p < scheme; p++)
      if (!letter_or_digit(eg_kind_of((uint8_t)*p)) && !strchr("+-._", *p)) break;
    p = p == scheme && scheme - word.begin >= 2 ? scheme + 3 : word.begin;
  }
  if (p < word.end && is_host(p, word.end)) return true;
  const char *at = memrchr(p, '@', (size_t)(word.end - p));
  return at && at > p && at + 1 < word.end && is_host(at + 1, word.end);
}

/* ---- a word ------------------------------------------------------------------------------------------------------- */

/* Adds the exception that the word is; false where it is none. */
static bool add_exception(eg_tokens *tokens, span word, bool *ok) {
  const uint8_t *cut = eg_english_exception(word.begin, size_of(word));
  if (!cut) return false;
  const char *begin = word.begin;
  for (; *cut && *ok; cut++) {
    *ok = eg_tokens_add(tokens, begin, begin + *cut);
    begin += *cut;
  }
  return true;
}

static bool is_exception(span word) { return eg_english_exception(word.begin, size_of(word)) != NULL; }

/* What is left of the word when all that stands before it has been added; the end of the word is where the suffixes begin. */
static bool take_affixes(eg_tokens *tokens, span *word) {
  while (word->begin < word->end && !is_exception(*word)) {
    size_t front = prefix(*word);
    span without = {word->begin + front, word->end};
    if (front && without.begin < without.end && is_exception(without)) {
      if (!eg_tokens_add(tokens, word->begin, without.begin)) return false;
      *word = without;
      break;
    }
    size_t back = without.begin < without.end ? suffix(without) : 0;
    if (!front && !back) break;
    if (back && word->end - back > word->begin && is_exception((span){word->begin, word->end - back})) front = 0;
    if (front && !eg_tokens_add(tokens, word->begin, word->begin + front)) return false;
    word->begin += front;
    word->end -= back;
  }
  return true;
}

/* The suffixes [begin, end), from the first: each is what suffix() takes off, seen from the end. */
static bool add_suffixes(eg_tokens *tokens, const char *word, const char *begin, const char *end) {
  int64_t first = tokens->count;
  while (end > begin) {
    size_t length = suffix((span){word, end});
    if (length == 0 || end - length < begin) length = (size_t)(end - begin);
    if (!eg_tokens_add(tokens, end - length, end)) return false;
    end -= length;
  }
  for (int64_t i = first, j = tokens->count - 1; i < j; i++, j--) {
    eg_piece piece = tokens->piece[i];
    tokens->piece[i] = tokens->piece[j];
    tokens->piece[j] = piece;
  }
  return true;
}

bool eg_english_word(eg_tokens *tokens, const char *begin, const char *end) {
  span word = {begin, end};
  bool ok = eg_english_ready() && take_affixes(tokens, &word);
  if (!ok) return false;
  if (word.begin < word.end && !add_exception(tokens, word, &ok)) {
    ok = is_address(word) ? eg_tokens_add(tokens, word.begin, word.end) : cut_within(tokens, word);
  }
  return ok && add_suffixes(tokens, word.begin, word.end, end);
}
