/* utf8.c - characters of UTF-8: their bytes, and what kind they are of. */
#include "utf8.h"

int32_t eg_character(const char *text, size_t left, int *bytes) {
  const uint8_t *p = (const uint8_t *)text;
  static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  *bytes = 1;
  if (p[0] < 0x80) return p[0];
  int n = p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : p[0] >= 0xE0 && p[0] < 0xF0 ? 3 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : 0;
  if (n == 0 || left < (size_t)n) return -1;
  int32_t c = p[0] & (0xFF >> (n + 1));
  for (int i = 1; i < n; i++) {
    if ((p[i] & 0xC0) != 0x80) return -1;
    c = c << 6 | (p[i] & 0x3F);
  }
  if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return -1;
  *bytes = n;
  return c;
}

size_t eg_utf8_valid(const char *text, size_t length) {
  int bytes;
  for (size_t i = 0; i < length; i += (size_t)bytes) {
    if ((uint8_t)text[i] < 0x80) bytes = 1;
    else if (eg_character(text + i, length - i, &bytes) < 0) return i;
  }
  return length;
}

/* ---- kinds -------------------------------------------------------------------------------------------------------- */

typedef struct range {
  int32_t first, last;
  int kind;
} range;

/* In rising order; what stands in none has no kind. PAIRS: a capital at each even number, its small letter behind it. */
enum { PAIRS = 512 };
static const range ranges[] = {
    {0x85, 0x85, EG_SPACE},
    {0xA0, 0xA0, EG_SPACE},
    {0xA1, 0xA1, EG_PUNCTUATION},
    {0xA3, 0xA3, EG_CURRENCY},
    {0xA5, 0xA5, EG_CURRENCY},
    {0xA6, 0xA6, EG_SYMBOL},
    {0xA9, 0xA9, EG_SYMBOL},
    {0xAB, 0xAB, EG_QUOTE},
    {0xAE, 0xAE, EG_SYMBOL},
    {0xB0, 0xB0, EG_SYMBOL},
    {0xB4, 0xB4, EG_QUOTE},
    {0xB7, 0xB7, EG_PUNCTUATION},
    {0xBB, 0xBB, EG_QUOTE},
    {0xBF, 0xBF, EG_PUNCTUATION},
    {0xC0, 0xD6, EG_CAPITAL},
    {0xD8, 0xDE, EG_CAPITAL},
    {0xDF, 0xF6, EG_SMALL},
    {0xF8, 0xFF, EG_SMALL},
    {0x100, 0x137, PAIRS},
    {0x138, 0x138, EG_SMALL},
    {0x139, 0x148, PAIRS},
    {0x149, 0x149, EG_SMALL},
    {0x14A, 0x177, PAIRS},
    {0x178, 0x178, EG_CAPITAL},
    {0x179, 0x17E, PAIRS},
    {0x17F, 0x17F, EG_SMALL},
    {0x180, 0x24F, EG_LETTER},
    {0x250, 0x2AF, EG_SMALL},
    {0x386, 0x386, EG_CAPITAL},
    {0x388, 0x38F, EG_CAPITAL},
    {0x390, 0x390, EG_SMALL},
    {0x391, 0x3A9, EG_CAPITAL},
    {0x3AC, 0x3CE, EG_SMALL},
    {0x400, 0x42F, EG_CAPITAL},
    {0x430, 0x45F, EG_SMALL},
    {0x460, 0x481, PAIRS},
    {0x48A, 0x4BF, PAIRS},
    {0x4D0, 0x52F, PAIRS},
    {0x591, 0x5F4, EG_LETTER},
    {0x60C, 0x60C, EG_PUNCTUATION},
    {0x61B, 0x61B, EG_PUNCTUATION},
    {0x61F, 0x61F, EG_PUNCTUATION},
    {0x620, 0x64A, EG_LETTER},
    {0x66A, 0x66A, EG_PUNCTUATION},
    {0x66E, 0x6D3, EG_LETTER},
    {0x6D4, 0x6D4, EG_PUNCTUATION},
    {0x6E5, 0x6EF, EG_LETTER},
    {0x6FA, 0x6FF, EG_LETTER},
    {0x750, 0x77F, EG_LETTER},
    {0x8A0, 0x8BD, EG_LETTER},
    {0x900, 0x963, EG_LETTER},
    {0x964, 0x964, EG_PUNCTUATION},
    {0x966, 0xDFF, EG_LETTER},
    {0xE3F, 0xE3F, EG_CURRENCY},
    {0x1100, 0x11FF, EG_LETTER},
    {0x1680, 0x1680, EG_SPACE},
    {0x1D00, 0x1D9A, EG_SMALL},
    {0x1E00, 0x1E95, PAIRS},
    {0x1E96, 0x1E9D, EG_SMALL},
    {0x1E9E, 0x1E9E, EG_CAPITAL},
    {0x1E9F, 0x1E9F, EG_SMALL},
    {0x1EA0, 0x1EFF, PAIRS},
    {0x2000, 0x200A, EG_SPACE},
    {0x2013, 0x2014, EG_HYPHEN},
    {0x2018, 0x201A, EG_QUOTE},
    {0x201C, 0x201E, EG_QUOTE},
    {0x2026, 0x2026, EG_PUNCTUATION},
    {0x2028, 0x2029, EG_SPACE},
    {0x202F, 0x202F, EG_SPACE},
    {0x205F, 0x205F, EG_SPACE},
    {0x20A0, 0x20C0, EG_CURRENCY},
    {0x2100, 0x214F, EG_SYMBOL},
    {0x2190, 0x21FF, EG_SYMBOL},
    {0x2300, 0x23FF, EG_SYMBOL},
    {0x2440, 0x245F, EG_SYMBOL},
    {0x249C, 0x24E9, EG_SYMBOL},
    {0x2500, 0x2767, EG_SYMBOL},
    {0x2794, 0x27BF, EG_SYMBOL},
    {0x2800, 0x28FF, EG_SYMBOL},
    {0x2B00, 0x2BFF, EG_SYMBOL},
    {0x2C60, 0x2C7F, EG_LETTER},
    {0x2E80, 0x2FFF, EG_LETTER},
    {0x3000, 0x3000, EG_SPACE},
    {0x3001, 0x3002, EG_PUNCTUATION},
    {0x3008, 0x3011, EG_QUOTE},
    {0x3014, 0x3015, EG_QUOTE},
    {0x3020, 0x4DBF, EG_LETTER},
    {0x4E00, 0x9FFF, EG_LETTER},
    {0xA722, 0xA7FA, EG_LETTER},
    {0xAB30, 0xAB64, EG_SMALL},
    {0xAC00, 0xD7AF, EG_LETTER},
    {0xF900, 0xFAFF, EG_LETTER},
    {0xFB1D, 0xFDFB, EG_LETTER},
    {0xFDFC, 0xFDFC, EG_CURRENCY},
    {0xFE70, 0xFEFC, EG_LETTER},
    {0xFF01, 0xFF01, EG_PUNCTUATION},
    {0xFF08, 0xFF09, EG_QUOTE},
    {0xFF0C, 0xFF0C, EG_PUNCTUATION},
    {0xFF1A, 0xFF1B, EG_PUNCTUATION},
    {0xFF1F, 0xFF1F, EG_PUNCTUATION},
    {0xFF21, 0xFF3A, EG_CAPITAL},
    {0xFF41, 0xFF5A, EG_SMALL},
    {0xFF5E, 0xFF5E, EG_PUNCTUATION},
    {0xFFFC, 0xFFFD, EG_SYMBOL},
    {0x1F000, 0x1FAFF, EG_SYMBOL},
    {0x20000, 0x2FA1F, EG_LETTER},
};

static const uint8_t ascii[128] = {
    ['a' ... 'z'] = EG_SMALL,   ['A' ... 'Z'] = EG_CAPITAL,
    ['0' ... '9'] = EG_DIGIT,   ['\t' ... '\r'] = EG_SPACE,
    [0x1C ... 0x20] = EG_SPACE, ['\''] = EG_QUOTE,
    ['"'] = EG_QUOTE,           ['`'] = EG_QUOTE,
    ['$'] = EG_CURRENCY,        [','] = EG_PUNCTUATION | EG_QUOTE,
    [':'] = EG_PUNCTUATION,     [';'] = EG_PUNCTUATION,
    ['!'] = EG_PUNCTUATION,     ['?'] = EG_PUNCTUATION,
    ['('] = EG_PUNCTUATION,     [')'] = EG_PUNCTUATION,
    ['['] = EG_PUNCTUATION,     [']'] = EG_PUNCTUATION,
    ['{'] = EG_PUNCTUATION,     ['}'] = EG_PUNCTUATION,
    ['<'] = EG_PUNCTUATION,     ['>'] = EG_PUNCTUATION,
    ['_'] = EG_PUNCTUATION,     ['#'] = EG_PUNCTUATION,
    ['*'] = EG_PUNCTUATION,     ['&'] = EG_PUNCTUATION,
    ['-'] = EG_HYPHEN,          ['~'] = EG_HYPHEN,
};

int eg_kind_of(int32_t c) {
  if (c < 0x80) return c < 0 ? 0 : ascii[c];
  size_t low = 0, high = sizeof ranges / sizeof *ranges;
  while (low < high) {
    size_t middle = (low + high) / 2;
    const range *r = &ranges[middle];
    if (c < r->first) high = middle;
    else if (c > r->last) low = middle + 1;
    else if (r->kind != PAIRS) return r->kind;
    else return (c - r->first) % 2 ? EG_SMALL : EG_CAPITAL;
  }
  return 0;
}

/* The small letter of a capital, or c. */
static int32_t small_of(int32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0xC0 || eg_kind_of(c) != EG_CAPITAL) return c;
  if (c <= 0xDE || (c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F)) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c == 0x130 || c == 0x1E9E) return c; /* a dotted I and a sharp S have small letters of fewer bytes */
  if (c == 0x178) return 0xFF;
  if (c < 0x178 || (c > 0x178 && c <= 0x17E) || (c >= 0x460 && c <= 0x52F) || (c >= 0x1E00 && c <= 0x1EFF))
    return c + 1;
  if (c == 0x386) return 0x3AC;
  if (c >= 0x388 && c <= 0x38A) return c + 37;
  if (c == 0x38C) return 0x3CC;
  return c == 0x38E || c == 0x38F ? c + 63 : c;
}

void eg_utf8_lower(char *text, size_t length) {
  int bytes;
  for (size_t i = 0; i < length; i += (size_t)bytes) {
    int32_t c = eg_character(text + i, length - i, &bytes);
    int32_t s = small_of(c);
    if (s == c) continue;
    for (int k = bytes - 1; k > 0; k--, s >>= 6) text[i + (size_t)k] = (char)(0x80 | (s & 0x3F));
    text[i] = (char)(bytes == 1 ? s : bytes == 2 ? 0xC0 | s : 0xE0 | s);
  }
}
