/* tensors.h - for the tests of kernels: tensors of random numbers in any layout, and comparisons with a reference in double. */
#ifndef TENSORS_H
#define TENSORS_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engram.h"

#define SIZES(...)                                                                                                     \
  (const int64_t[]) { __VA_ARGS__ }
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The kernels under test are those of the instruction set that ENGRAM_INSTRUCTIONS names. */
__attribute__((constructor(65535))) static void choose_instructions(void) {
  const char *wanted = getenv("ENGRAM_INSTRUCTIONS");
  if (wanted && eg_instructions_set(wanted)) {
    fprintf(stderr, "%s\n", eg_error_message());
    exit(1);
  }
}

/* Fails unless the call returns the status and leaves a message that holds the text. */
#define assert_fails(call, status, text)                                                                               \
  do {                                                                                                                 \
    assert_int_equal(call, status);                                                                                    \
    if (!strstr(eg_error_message(), text)) fail_msg("message '%s' lacks '%s'", eg_error_message(), text);              \
  } while (0)

/* The place in memory of element i, counted in row-major order, whatever the strides. */
static inline int64_t place(const eg_tensor *t, int64_t i) {
  int64_t at = 0;
  for (int d = t->dims - 1; d >= 0; d--) {
    at += i % t->size[d] * t->stride[d];
    i /= t->size[d];
  }
  return at;
}

static inline double get(const eg_tensor *t, int64_t i) {
  int64_t at = place(t, i);
  switch (t->dtype) {
    case EG_FLOAT32: return ((float *)t->data)[at];
    case EG_FLOAT64: return ((double *)t->data)[at];
    case EG_INT64: return (double)((int64_t *)t->data)[at];
    default: return ((uint8_t *)t->data)[at];
  }
}

static inline void put(eg_tensor *t, int64_t i, double value) {
  int64_t at = place(t, i);
  switch (t->dtype) {
    case EG_FLOAT32: ((float *)t->data)[at] = (float)value; break;
    case EG_FLOAT64: ((double *)t->data)[at] = value; break;
    case EG_INT64: ((int64_t *)t->data)[at] = (int64_t)value; break;
    default: ((uint8_t *)t->data)[at] = (uint8_t)value;
  }
}

/* A number in [-1, 1) from a fixed sequence. */
static inline double next_number(void) {
  static uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(state >> 11) * 0x1p-52 - 1;
}

static inline eg_tensor *fresh(int dtype, int dims, const int64_t *size) {
  eg_tensor *t = eg_new(dtype, dims, size);
  assert_non_null(t);
  return t;
}

static inline eg_tensor *random_tensor(int dtype, int dims, const int64_t *size) {
  eg_tensor *t = fresh(dtype, dims, size);
  for (int64_t i = 0; i < t->count; i++) put(t, i, next_number());
  return t;
}

/* A copy of t with its dimensions in reverse order in memory and gaps between the elements; frees t. */
static inline eg_tensor *scattered(eg_tensor *t) {
  int64_t step = 2, stride[8] = {0};
  for (int d = 0; d < t->dims; d++) {
    stride[d] = step;
    step *= t->size[d] + 1;
  }
  eg_tensor *memory = fresh(t->dtype, 1, SIZES(step)), *view = eg_view(memory, t->dims, t->size, stride, 0);
  assert_non_null(view);
  for (int64_t i = 0; i < t->count; i++) put(view, i, get(t, i));
  eg_free(memory);
  eg_free(t);
  return view;
}

static inline bool same_bits(const eg_tensor *a, const eg_tensor *b) {
  return a->count == b->count && !memcmp(a->data, b->data, (size_t)a->count * eg_element_size(a->dtype));
}

/* Every element within some units in the last place of its dtype, relative to `size[i]`, the sum of the terms' magnitudes. */
static inline void assert_close(const eg_tensor *t, const double *expected, const double *size, const char *what) {
  double unit = t->dtype == EG_FLOAT32 ? 0x1p-24 : 0x1p-53;
  for (int64_t i = 0; i < t->count; i++) {
    double bound = 32 * unit * (size ? size[i] : fabs(expected[i])) + 1e-300;
    if (!(fabs(get(t, i) - expected[i]) <= bound))
      fail_msg("%s: element %lld is %.17g, expected %.17g within %g", what, (long long)i, get(t, i), expected[i],
               bound);
  }
}

/* Fills t with a pattern, and tells whether it is still there: outputs of failed calls are untouched. */
static inline void mark(eg_tensor *t) { memset(t->data, 0x5a, (size_t)t->count * eg_element_size(t->dtype)); }
static inline bool is_marked(const eg_tensor *t) {
  const uint8_t *byte = t->data;
  for (size_t i = 0; i < (size_t)t->count * eg_element_size(t->dtype); i++)
    if (byte[i] != 0x5a) return false;
  return true;
}
#endif
