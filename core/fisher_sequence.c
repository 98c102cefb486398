/* fisher_sequence.c - squared per-sample gradients of a linear layer that is applied to every position of a sequence: a sample's
 * gradient is the product of its delta, turned, and its input; it is made for some rows of the weight at a time, and squared. */

#ifdef REAL

#include "products.h"

/* Rows of the weight from `row` on: weight += the sizes of each sample's gradient, one sample after the other. */
static void K(add_sizes)(const work *w, int64_t row, int64_t rows) {
  real *gradient = (real *)w->scratch + eg_thread_number() * ROWS_OF_TILE * w->inputs;
  real *restrict weight = (real *)w->weight + row * w->inputs, *restrict bias = w->bias ? (real *)w->bias + row : NULL;
  for (int64_t n = 0; n < w->samples; n++) {
    const real *delta = (const real *)w->delta + n * w->group * w->outputs + row;
    const real *input = (const real *)w->input + n * w->group * w->inputs;
    K(product)(rows, w->inputs, w->group, gradient, w->inputs, delta, 1, w->outputs, input, w->inputs, false);
    if (w->absolute)
      for (int64_t i = 0; i < rows * w->inputs; i++) weight[i] += gradient[i] < 0 ? -gradient[i] : gradient[i];
    else
      for (int64_t i = 0; i < rows * w->inputs; i++) weight[i] += gradient[i] * gradient[i];
    for (int64_t r = 0; bias && r < rows; r++) {
      real sum = 0;
      for (int64_t t = 0; t < w->group; t++) sum += delta[t * w->outputs + r];
      bias[r] += w->absolute ? (sum < 0 ? -sum : sum) : sum * sum;
    }
  }
}

#else
#include "internal.h"

#pragma GCC optimize("fp-contract=fast")

enum { ROWS_OF_TILE = 24 };

typedef struct work {
  const void *delta, *input;
  void *weight, *bias, *scratch;
  int64_t samples, group, outputs, inputs;
  bool absolute;
  int dtype;
} work;

#define EG_KERNELS "fisher_sequence.c"
#include "real.h"

static void add_tile(void *context, int64_t tile) {
  const work *w = context;
  int64_t row = tile * ROWS_OF_TILE;
  EG_REAL(w->dtype, add_sizes)(w, row, EG_MIN(ROWS_OF_TILE, w->outputs - row));
}

static eg_status check(const char *op, const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *delta,
                       const eg_tensor *input, int64_t group) {
  EG_TRY(eg_check_real(op, "delta", delta));
  EG_TRY(eg_check_dims(op, "delta", delta, 2));
  EG_TRY(eg_check_dtype(op, "input", input, delta->dtype));
  EG_TRY(eg_check_dims(op, "input", input, 2));
  if (delta->size[0] != input->size[0] || group < 1 || delta->size[0] % group != 0)
    return eg_fail(EG_ESHAPE, "%s: delta %s and input %s do not have the rows of whole samples of %lld", op,
                   eg_describe_sizes(2, delta->size), eg_describe_sizes(2, input->size), (long long)group);
  EG_TRY(eg_check_dtype(op, "weight", weight, delta->dtype));
  EG_TRY(eg_check_shape(op, "weight", weight, 2, (const int64_t[]){delta->size[1], input->size[1]}));
  EG_TRY(eg_check_contiguous(op, "weight", weight));
  if (!bias) return EG_OK;
  EG_TRY(eg_check_dtype(op, "bias", bias, delta->dtype));
  EG_TRY(eg_check_shape(op, "bias", bias, 1, delta->size + 1));
  return eg_check_contiguous(op, "bias", bias);
}

eg_status eg_fisher_sequence(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                             int64_t group, int absolute) {
  static const char *op = "fisher_sequence";
  EG_TRY(check(op, out_weight, out_bias, delta, input, group));
  work w = {.samples = delta->size[0] / group, .group = group, .outputs = delta->size[1], .inputs = input->size[1]};
  w.absolute = absolute, w.dtype = delta->dtype;
  w.weight = out_weight->data, w.bias = out_bias ? out_bias->data : NULL;
  size_t bytes = (size_t)(eg_threads_get() * ROWS_OF_TILE * w.inputs) * eg_element_size(w.dtype);
  eg_tensor *copies[2] = {NULL, NULL};
  eg_status status = eg_elements(delta, &copies[0], &w.delta);
  if (!status) status = eg_elements(input, &copies[1], &w.input);
  w.scratch = status ? NULL : eg_block_new(bytes);
  if (!status && !w.scratch) status = EG_ENOMEM;
  if (!status) {
    status =
        eg_parallel_over(w.samples * group * out_weight->count / 8, eg_tiles(w.outputs, ROWS_OF_TILE), add_tile, &w);
    eg_block_free(w.scratch, bytes);
  }
  eg_free(copies[0]);
  eg_free(copies[1]);
  return status;
}
#endif
