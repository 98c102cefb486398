/* Sorting and quantiles against plain definitions, over shapes, layouts and dtypes; ties, NaN; threads; messages. */
#include "tensors.h"

static const int dtypes[] = {EG_FLOAT32, EG_FLOAT64, EG_INT64, EG_UINT8};
static bool is_real(int dtype) { return dtype == EG_FLOAT32 || dtype == EG_FLOAT64; }

/* Numbers with many ties and, among real ones, some NaN and infinities. */
static eg_tensor *operand(int dtype, int dims, const int64_t *size, bool gaps) {
  eg_tensor *t = fresh(dtype, dims, size);
  for (int64_t i = 0; i < t->count; i++) {
    double x = floor((next_number() + 1) * 20);
    if (is_real(dtype) && x == 7) x = NAN;
    if (is_real(dtype) && x == 8) x = -INFINITY;
    put(t, i, dtype == EG_UINT8 ? x : x - 15);
  }
  return gaps ? scattered(t) : t;
}

static int64_t element_of(const eg_tensor *t, int dim, int64_t line, int64_t i) {
  int64_t inner = 1;
  for (int d = dim + 1; d < t->dims; d++) inner *= t->size[d];
  return line / inner * inner * t->size[dim] + i * inner + line % inner;
}

/* -1, 0, 1 as a stands before, beside or after b in rising order; NaN counts as largest. */
static int compare(double a, double b) {
  if (a != a || b != b) return (a != a) - (b != b);
  return (a > b) - (a < b);
}

static void assert_sorted(const eg_tensor *values, const eg_tensor *positions, const eg_tensor *in, int dim,
                          bool descending) {
  int64_t n = in->size[dim];
  for (int64_t line = 0; n > 0 && line < in->count / n; line++) {
    bool *seen = calloc((size_t)n, sizeof *seen);
    for (int64_t i = 0; i < n; i++) {
      int64_t at = element_of(in, dim, line, i), from = (int64_t)get(positions, at) - 1;
      assert_true(from >= 0 && from < n && !seen[from]);
      seen[from] = true;
      assert_int_equal(compare(get(values, at), get(in, element_of(in, dim, line, from))), 0);
      if (i == 0) continue;
      int64_t before = element_of(in, dim, line, i - 1);
      int order = compare(get(values, before), get(values, at)) * (descending ? -1 : 1);
      assert_true(order < 0 || (order == 0 && get(positions, before) < get(positions, at))); /* stable */
    }
    free(seen);
  }
}

static void test_sorting(void **state) {
  static const struct {
    int dims;
    int64_t size[3];
  } shapes[] = {{1, {1}},        {1, {1000}}, {2, {5, 17}}, {2, {40, 3}},
                {3, {4, 33, 6}}, {2, {0, 3}}, {2, {3, 0}},  {1, {4097}}};
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (int gaps = 0; gaps < 2; gaps++)
        for (int dim = 0; dim < shapes[s].dims; dim++)
          for (int descending = 0; descending < 2; descending++) {
            eg_tensor *in = operand(dtypes[d], shapes[s].dims, shapes[s].size, gaps);
            eg_tensor *values = eg_new_like(in, -1), *positions = eg_new_like(in, EG_INT64);
            assert_int_equal(eg_sort(values, positions, in, dim, descending), EG_OK);
            assert_sorted(values, positions, in, dim, descending);
            eg_free(in), eg_free(values), eg_free(positions);
          }
}

static int rising(const void *a, const void *b) { return compare(*(const double *)a, *(const double *)b); }

/* *size: the magnitude that rounding is relative to. */
static double quantile_of(const eg_tensor *t, double q, double *size) {
  double *x = calloc((size_t)t->count, sizeof *x);
  for (int64_t i = 0; i < t->count; i++) x[i] = get(t, i);
  qsort(x, (size_t)t->count, sizeof *x, rising);
  double at = q * (double)(t->count - 1), low = x[(int64_t)floor(at)], high = x[(int64_t)ceil(at)];
  free(x);
  *size = fabs(low) + fabs(high);
  if (isinf(low) && !isinf(high)) return at > floor(at) ? low : high;
  return low == high ? low : low + (high - low) * (at - floor(at));
}

static void test_quantiles(void **state) {
  static const double shares[] = {0, 1, 0.5, 0.25, 0.9, 0.999, 0.1234567};
  static const int64_t counts[] = {1, 2, 3, 10, 1001, 5000};
  for (int dtype = 0; dtype < 2; dtype++)
    for (int gaps = 0; gaps < 2; gaps++)
      for (size_t c = 0; c < COUNT(counts); c++)
        for (int kind = 0; kind < 4; kind++) {
          eg_tensor *t = random_tensor(dtype, 1, &counts[c]);
          for (int64_t i = 0; i < t->count; i++) {
            double x = get(t, i);
            if (kind == 1) x = floor(x * 3);                   /* ties, and zeros of either sign */
            if (kind == 2) x = exp(40 * x) * (i % 2 ? 1 : -1); /* many magnitudes */
            if (kind == 3) x = x > 0.9 ? INFINITY : x < -0.9 ? -INFINITY : x * 1e-40;
            put(t, i, x == 0 && i % 2 ? -0.0 : x);
          }
          if (gaps) t = scattered(t);
          for (size_t q = 0; q < COUNT(shares); q++) {
            double got, size, expected = quantile_of(t, shares[q], &size);
            assert_int_equal(eg_quantile(t, shares[q], &got), EG_OK);
            if (!(got == expected || fabs(got - expected) <= 1e-15 * size || (got != got && expected != expected)))
              fail_msg("quantile %g of %lld is %.17g, expected %.17g", shares[q], (long long)counts[c], got, expected);
          }
          eg_free(t);
        }
}

static void test_nan_makes_a_quantile_nan(void **state) {
  eg_tensor *t = random_tensor(EG_FLOAT32, 1, SIZES(100));
  double got = 0;
  put(t, 50, -NAN);
  assert_int_equal(eg_quantile(t, 0.5, &got), EG_OK);
  assert_true(got != got);
  eg_free(t);
}

static void test_threads_change_no_bit(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 2, SIZES(300, 77), false), *first = NULL, *first_positions = NULL;
  for (int threads = 1; threads <= 4; threads *= 2) {
    eg_threads_set(threads);
    eg_tensor *values = eg_new_like(in, -1), *positions = eg_new_like(in, EG_INT64);
    assert_int_equal(eg_sort(values, positions, in, 0, 1), EG_OK);
    if (threads == 1) {
      first = values, first_positions = positions;
      continue;
    }
    assert_true(same_bits(values, first) && same_bits(positions, first_positions));
    eg_free(values), eg_free(positions);
  }
  eg_free(in), eg_free(first), eg_free(first_positions);
}

static void test_failed_allocations_are_reported(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 3, SIZES(4, 5, 6), true), *values = eg_new_like(in, -1),
            *positions = eg_new_like(in, EG_INT64);
  int64_t live = eg_live_bytes();
  mark(values), mark(positions);
  for (int64_t after = 0; after < 4; after++) { /* a copy of the scattered lines, then scratch */
    eg_alloc_fail_after(after);
    assert_fails(eg_sort(values, positions, in, 2, 0), EG_ENOMEM, "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(values) && is_marked(positions));
  eg_free(in), eg_free(values), eg_free(positions);
}

static void test_messages(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 2, SIZES(3, 4), false), *values = eg_new_like(in, -1),
            *positions = eg_new_like(in, EG_INT64);
  eg_tensor *whole = fresh(EG_INT64, 1, SIZES(3)), *none = fresh(EG_FLOAT32, 1, SIZES(0));
  double got = 5;
  mark(values), mark(positions);
  assert_fails(eg_sort(values, positions, in, 2, 0), EG_EINVAL, "sort: dimension 3 is out of range for shape (3, 4)");
  assert_fails(eg_sort(values, positions, in, -1, 0), EG_EINVAL, "sort: dimension 0 is out of range");
  assert_fails(eg_sort(values, values, in, 0, 0), EG_EDTYPE, "sort: indices is (3, 4) float32, expected int64");
  assert_fails(eg_sort(in, positions, in, 0, 0), EG_EINVAL, "sort: an output shares memory with another tensor");
  assert_fails(eg_sort(values, whole, in, 0, 0), EG_ESHAPE, "sort: shapes differ: indices (3), input (3, 4)");
  assert_fails(eg_sort(values, positions, NULL, 0, 0), EG_ERELEASED, "sort: input was released");
  assert_fails(eg_quantile(in, 1.5, &got), EG_EINVAL, "quantile: q is 1.5, expected 0 to 1");
  assert_fails(eg_quantile(in, NAN, &got), EG_EINVAL, "expected 0 to 1");
  assert_fails(eg_quantile(whole, 0.5, &got), EG_EDTYPE, "quantile: input is (3) int64");
  assert_fails(eg_quantile(none, 0.5, &got), EG_EINVAL, "quantile: the tensor is empty: shape (0)");
  assert_fails(eg_quantile(NULL, 0.5, &got), EG_ERELEASED, "quantile: input was released");
  assert_true(got == 5 && is_marked(values) && is_marked(positions));
  eg_free(in), eg_free(values), eg_free(positions), eg_free(whole), eg_free(none);
}

static int nothing_is_left(void **state) {
  assert_int_equal(eg_live_tensors(), 0);
  assert_int_equal(eg_live_bytes(), 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_sorting, nothing_is_left),
      cmocka_unit_test_teardown(test_quantiles, nothing_is_left),
      cmocka_unit_test_teardown(test_nan_makes_a_quantile_nan, nothing_is_left),
      cmocka_unit_test_teardown(test_threads_change_no_bit, nothing_is_left),
      cmocka_unit_test_teardown(test_failed_allocations_are_reported, nothing_is_left),
      cmocka_unit_test_teardown(test_messages, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
