/* lines.h - a tensor seen as lines along one of its dimensions: (outer, length, inner), the shape under every reduction,
 * softmax and sort. */
#ifndef ENGRAM_LINES_H
#define ENGRAM_LINES_H
#include "internal.h"

typedef struct eg_lines {
  const char *data;
  int64_t outer, length, inner; /* product of the sizes before the dimension, its size, product of those after it */
  int64_t outer_stride, stride, inner_stride;
  int64_t count; /* lines: outer * inner */
  size_t element;
  eg_tensor *copy; /* made when the dimensions on one side have no common stride; NULL otherwise */
} eg_lines;

/* dim < 0: the whole tensor, in row-major order, as one line. Fails when dim is out of range. Close it afterwards. */
eg_status eg_lines_open(eg_lines *lines, const char *op, const eg_tensor *t, int dim);
void eg_lines_close(eg_lines *lines);

/* Element offset of the first element of line i. */
static inline int64_t eg_line(const eg_lines *lines, int64_t i) {
  if (lines->inner == 1) return i * lines->outer_stride; /* spares two divisions */
  return i / lines->inner * lines->outer_stride + i % lines->inner * lines->inner_stride;
}
/* Lines in a tile, so that a tile has about `elements` elements. */
static inline int64_t eg_lines_tile(const eg_lines *lines, int64_t elements) {
  return EG_MAX(1, elements / EG_MAX(lines->length, 1));
}

#endif
