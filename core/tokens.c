/* tokens.c - rows of token numbers. */
#include "internal.h"

int64_t eg_padded_width(const eg_tensor *rows, int64_t padding) {
  const int64_t *token = rows->data;
  int64_t n = rows->size[0], t = rows->size[1], width = 1;
  for (int64_t i = 0; i < n; i++) {
    const int64_t *row = token + i * t;
    int64_t last = t;
    while (last > width && row[last - 1] == padding) last--;
    width = EG_MAX(width, last);
  }
  return EG_MIN(width, t);
}
