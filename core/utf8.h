/* utf8.h - characters of UTF-8: their bytes, and what kind they are of. */
#ifndef ENGRAM_UTF8_H
#define ENGRAM_UTF8_H
#include "internal.h"

/* A character's kinds, as bits. Letters of scripts without cases are both small and capital. */
typedef enum eg_character_kind {
  EG_SPACE = 1,
  EG_SMALL = 2,
  EG_CAPITAL = 4,
  EG_LETTER = EG_SMALL | EG_CAPITAL,
  EG_DIGIT = 8,
  EG_PUNCTUATION = 16,
  EG_QUOTE = 32,
  EG_CURRENCY = 64,
  EG_HYPHEN = 128,
  EG_SYMBOL = 256 /* pictures, arrows, boxes, emoji */
} eg_character_kind;

/* The character that begins at text, of `left` bytes: its number, and its length in *bytes; -1 with length 1 where no UTF-8 does. */
int32_t eg_character(const char *text, size_t left, int *bytes);
int eg_kind_of(int32_t character);
/* Capitals of Latin, Greek and Cyrillic become small where both have as many bytes; all else stays. */
void eg_utf8_lower(char *text, size_t length);

#endif
