/* nest.h - walking several strided tensors in step: the loop nest under every element-wise kernel. */
#ifndef ENGRAM_NEST_H
#define ENGRAM_NEST_H
#include "internal.h"

enum { EG_OPERANDS = 4 };

/* One row: n elements of each operand, operand k at data[k] with stride[k] elements between neighbours. */
typedef void (*eg_row)(int64_t n, char *const *data, const int64_t *stride, const void *argument);

/* Calls row for every row of out's shape, with the other operands broadcast to it; operand 0 is the first. Neighbouring
 * dimensions that lie in order for all operands are merged, long rows are cut, and tiles go to the threads.
 * Fails with EG_ESHAPE, naming op, when an operand does not broadcast to operand 0. NULL operands end the list. */
eg_status eg_nest(const char *op, eg_row row, const void *argument, const eg_tensor *operand0, const eg_tensor *operand1,
                  const eg_tensor *operand2, const eg_tensor *operand3);

#endif
