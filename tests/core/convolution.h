/* convolution.h - a convolution with its adjoints and what plain loops in double make of them. */
#ifndef CONVOLUTION_H
#define CONVOLUTION_H
#include "tensors.h"

typedef struct shape {
  int64_t n, c, h, w, out, kernel_h, kernel_w;
  eg_conv how;
} shape;

/* All tensors of one convolution and the references with the magnitudes of their sums. */
typedef struct convolution {
  eg_tensor *in, *weight, *bias, *out, *grad_out, *grad_in, *grad_weight;
  double *value[3], *size[3];
} convolution;

static inline void add_term(convolution *k, int which, int64_t i, double term) {
  k->value[which][i] += term;
  k->size[which][i] += fabs(term);
}

static inline void reference(convolution *k, const shape *s) {
  const int64_t *size = k->out->size;
  for (int64_t i = 0; i < k->out->count; i++) {
    int64_t n = i / size[3] / size[2] / size[1], o = i / size[3] / size[2] % size[1];
    int64_t y = i / size[3] % size[2] * s->how.stride_h - s->how.padding_h;
    int64_t x = i % size[3] * s->how.stride_w - s->how.padding_w;
    double g = get(k->grad_out, i);
    add_term(k, 0, i, get(k->bias, o));
    for (int64_t tap = 0; tap < s->c * s->kernel_h * s->kernel_w; tap++) {
      int64_t c = tap / s->kernel_w / s->kernel_h;
      int64_t row = y + tap / s->kernel_w % s->kernel_h, column = x + tap % s->kernel_w;
      if (row < 0 || row >= s->h || column < 0 || column >= s->w) continue;
      int64_t from = ((n * s->c + c) * s->h + row) * s->w + column;
      int64_t weight = o * s->c * s->kernel_h * s->kernel_w + tap;
      add_term(k, 0, i, get(k->in, from) * get(k->weight, weight));
      add_term(k, 1, from, g * get(k->weight, weight));
      add_term(k, 2, weight, g * get(k->in, from));
    }
  }
}

static inline convolution prepare(const shape *s, int dtype, bool gaps) {
  convolution k = {
      .in = random_tensor(dtype, 4, SIZES(s->n, s->c, s->h, s->w)),
      .weight = random_tensor(dtype, 4, SIZES(s->out, s->c, s->kernel_h, s->kernel_w)),
      .bias = random_tensor(dtype, 1, SIZES(s->out)),
  };
  if (gaps) k.in = scattered(k.in), k.weight = scattered(k.weight), k.bias = scattered(k.bias);
  k.out = eg_conv2d_new(k.in, k.weight, &s->how);
  assert_non_null(k.out);
  k.grad_out = random_tensor(dtype, 4, k.out->size);
  if (gaps) k.grad_out = scattered(k.grad_out);
  k.grad_in = fresh(dtype, 4, k.in->size);
  k.grad_weight = fresh(dtype, 4, k.weight->size);
  const eg_tensor *results[] = {k.out, k.grad_in, k.grad_weight};
  for (int i = 0; i < 3; i++) {
    k.value[i] = calloc((size_t)results[i]->count + 1, sizeof(double));
    k.size[i] = calloc((size_t)results[i]->count + 1, sizeof(double));
  }
  return k;
}

static inline void drop(convolution *k) {
  eg_tensor *all[] = {k->in, k->weight, k->bias, k->out, k->grad_out, k->grad_in, k->grad_weight};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
  for (int i = 0; i < 3; i++) free(k->value[i]), free(k->size[i]);
}

static inline void run(convolution *k, const eg_conv *how) {
  mark(k->out), mark(k->grad_in), mark(k->grad_weight);
  assert_int_equal(eg_conv2d(k->out, k->in, k->weight, k->bias, how), EG_OK);
  assert_int_equal(eg_conv2d_input(k->grad_in, k->grad_out, k->weight, how), EG_OK);
  assert_int_equal(eg_conv2d_weight(k->grad_weight, k->grad_out, k->in, how), EG_OK);
}

#endif
