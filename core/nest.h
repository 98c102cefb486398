/* nest.h - walking several strided tensors in step: the loop nest under every element-wise kernel. */
#ifndef ENGRAM_NEST_H
#define ENGRAM_NEST_H
#include "internal.h"

enum { EG_OPERANDS = 4 };

/* One row: n elements of each operand, operand k from data[k] on with stride[k] elements between neighbours. */
typedef void (*eg_row)(int64_t n, char *const *data, const int64_t *stride, const void *argument);

/* Calls row for pieces that together cover out's shape, with the other operands broadcast to it (NULL ends their list).
 * Rows run along the dimension in which out is densest, neighbouring dimensions are merged, and tiles go to the threads.
 * An operand that overlaps out in another order is copied first, so that the result is as if all were read before.
 * Fails, naming op, when an operand does not broadcast to out or when elements of out share memory. */
eg_status eg_nest(const char *op, eg_row row, const void *argument, const eg_tensor *out, const eg_tensor *a,
                  const eg_tensor *b, const eg_tensor *c);

/* The same in row-major order on the calling thread, for reading (no operand is special) and for adding into out. */
eg_status eg_nest_in_order(const char *op, eg_row row, const void *argument, const eg_tensor *first, const eg_tensor *a,
                           const eg_tensor *b, const eg_tensor *c);

/* One element of any dtype. */
typedef union eg_number {
  float float32;
  double float64;
  int64_t int64;
  uint8_t uint8;
} eg_number;

/* Writes value as an element of the dtype; false when it is not one of its numbers (0.5 or -1 for uint8). */
bool eg_number_of(int dtype, double value, eg_number *number);

#endif
