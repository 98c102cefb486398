/* Reductions against plain loops in extended precision, over shapes, dimensions, layouts and dtypes; bits; threads. */
#include "tensors.h"

static const int dtypes[] = {EG_FLOAT32, EG_FLOAT64, EG_INT64, EG_UINT8};
static bool is_real(int dtype) { return dtype == EG_FLOAT32 || dtype == EG_FLOAT64; }

static const struct {
  int dims;
  int64_t size[4];
} shapes[] = {{0, {0}},           {1, {1}},          {1, {7}},         {1, {5000}},       {2, {3, 4}},
              {2, {1, 9}},        {2, {300, 10}},    {2, {10, 300}},   {2, {2, 2500}},    {2, {2500, 2}},
              {3, {4, 5, 6}},     {3, {3, 70, 300}}, {3, {65, 1, 3}},  {4, {2, 3, 4, 5}}, {4, {1, 1, 1, 1}},
              {4, {5, 1, 66, 2}}, {2, {90, 1000}},   {3, {20, 80, 50}}};

enum { PLAIN, SCATTERED, TURNED, EXPANDED, LAYOUTS };

/* Numbers in a layout: with gaps and in reverse order, or with the first and the last dimension exchanged, or expanded. */
static eg_tensor *operand(int dtype, int dims, const int64_t *size, int layout) {
  int64_t from[8], stride[8];
  memcpy(from, size, (size_t)dims * sizeof *size);
  if (layout == TURNED && dims > 1) from[0] = size[dims - 1], from[dims - 1] = size[0];
  if (layout == EXPANDED && dims > 0) from[0] = size[0] > 0;
  eg_tensor *t = fresh(dtype, dims, from);
  for (int64_t i = 0; i < t->count; i++)
    put(t, i,
        dtype == EG_UINT8 ? floor(next_number() * 128 + 128)
        : is_real(dtype)  ? next_number()
                          : floor(next_number() * 9));
  if (layout == SCATTERED) return scattered(t);
  if (layout == PLAIN || dims == 0) return t;
  memcpy(stride, t->stride, sizeof stride);
  if (layout == TURNED) stride[0] = t->stride[dims - 1], stride[dims - 1] = t->stride[0];
  else stride[0] = 0;
  eg_tensor *view = eg_view(t, dims, size, stride, 0);
  eg_free(t);
  return view;
}

/* What is known of the elements behind each output. */
typedef struct {
  long double sum, size, product, most, least;
  int64_t first_most, first_least, count;
} figures;

static figures *reference(const eg_tensor *in, int dim, int64_t *outputs, int op) {
  int64_t inner = 1, length = dim < 0 ? in->count : in->size[dim];
  for (int d = dim + 1; dim >= 0 && d < in->dims; d++) inner *= in->size[d];
  *outputs = 1;
  for (int d = 0; d < in->dims; d++)
    if (dim >= 0 && d != dim) *outputs *= in->size[d];
  figures *all = calloc((size_t)*outputs + 1, sizeof *all);
  for (int64_t o = 0; o < *outputs; o++) {
    figures *f = &all[o];
    *f = (figures){.product = 1, .most = -INFINITY, .least = INFINITY};
    for (int64_t i = 0; i < length; i++) {
      long double x = (long double)get(in, dim < 0 ? i : o / inner * inner * length + i * inner + o % inner);
      long double term = op == EG_SUM_SQUARES ? x * x : op == EG_SUM_ABS ? fabsl(x) : x;
      f->sum += term, f->size += fabsl(term), f->product *= x, f->count++;
      if (x > f->most) f->most = x, f->first_most = i;
      if (x < f->least) f->least = x, f->first_least = i;
    }
  }
  return all;
}

static long double expected_of(const figures *f, int op) {
  switch (op) {
    case EG_MEAN: return f->sum / f->count;
    case EG_PROD: return f->product;
    case EG_MAX: return f->most;
    case EG_MIN: return f->least;
    default: return f->sum;
  }
}

static bool takes(int op, int dtype) {
  if (is_real(dtype)) return true;
  return op == EG_SUM || op == EG_MAX || op == EG_MIN || (op == EG_PROD && dtype == EG_INT64);
}

static void check_reduction(int op, const eg_tensor *in, int dim, int keep) {
  int64_t outputs;
  figures *all = reference(in, dim, &outputs, op);
  eg_tensor *out = eg_new_reduced(in, dim, keep, op == EG_SUM && in->dtype == EG_UINT8 ? EG_INT64 : -1);
  assert_int_equal(eg_reduce(op, out, in, dim), EG_OK);
  assert_int_equal(out->count, outputs);
  double unit = in->dtype == EG_FLOAT32 ? 0x1p-24 : 0x1p-53;
  for (int64_t o = 0; o < outputs; o++) {
    double expected = (double)expected_of(&all[o], op), bound = 0, got = get(out, o);
    if (op == EG_PROD && in->dtype == EG_INT64) continue; /* wraps around; see below */
    if (op == EG_PROD) bound = (double)all[o].count * 0x1p-52 * fabs(expected) + unit * fabs(expected) + 1e-45;
    else if (op != EG_MAX && op != EG_MIN && is_real(in->dtype))
      bound = (in->dtype == EG_FLOAT32 ? 2 : 2 + (double)all[o].count) * unit * (double)all[o].size /
              (op == EG_MEAN ? (double)all[o].count : 1);
    if (!(fabs(got - expected) <= bound))
      fail_msg("reduction %d of dtype %d along %d, output %lld: %.17g, expected %.17g within %g", op, in->dtype, dim,
               (long long)o, got, expected, bound);
  }
  eg_free(out), free(all);
}

static void test_every_reduction(void **state) {
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (int layout = 0; layout < LAYOUTS; layout++) {
        eg_tensor *in = operand(dtypes[d], shapes[s].dims, shapes[s].size, layout);
        bool heavy = in->count > 20000;
        for (int op = 0; op < EG_REDUCE_COUNT; op++)
          for (int dim = -1; dim < in->dims; dim++)
            if (takes(op, dtypes[d]) && !(heavy && (op > EG_MEAN || layout == EXPANDED)))
              check_reduction(op, in, dim, (op + dim) % 2);
        eg_free(in);
      }
}

static void test_whole_products_and_sums_wrap_around(void **state) {
  eg_tensor *in = fresh(EG_INT64, 1, SIZES(70)), *out = fresh(EG_INT64, 0, NULL);
  uint64_t product = 1, sum = 0;
  for (int64_t i = 0; i < 70; i++) {
    ((int64_t *)in->data)[i] = i % 2 ? INT64_MAX - i : -3 - i;
    product *= (uint64_t)((int64_t *)in->data)[i], sum += (uint64_t)((int64_t *)in->data)[i];
  }
  assert_int_equal(eg_reduce(EG_PROD, out, in, -1), EG_OK);
  assert_true(*(uint64_t *)out->data == product);
  assert_int_equal(eg_reduce(EG_SUM, out, in, 0), EG_OK);
  assert_true(*(uint64_t *)out->data == sum);
  eg_free(in), eg_free(out);
}

static void test_long_sums_are_accurate(void **state) {
  enum { N = 3000000 };
  eg_tensor *in = fresh(EG_FLOAT32, 1, SIZES(N)), *out = fresh(EG_FLOAT32, 0, NULL);
  assert_int_equal(eg_fill(in, 0.1), EG_OK);
  assert_int_equal(eg_reduce(EG_SUM, out, in, -1), EG_OK);
  assert_true(fabs(get(out, 0) / (N * (double)0.1f) - 1) < 2e-7);
  eg_tensor *columns = eg_view(in, 2, SIZES(N / 3, 3), SIZES(3, 1), 0), *sums = fresh(EG_FLOAT32, 1, SIZES(3));
  assert_int_equal(eg_reduce(EG_SUM, sums, columns, 0), EG_OK);
  for (int i = 0; i < 3; i++) assert_true(fabs(get(sums, i) / (N / 3 * (double)0.1f) - 1) < 2e-7);
  eg_free(in), eg_free(out), eg_free(columns), eg_free(sums);
}

static void test_nan_wins_extremes(void **state) {
  for (int64_t n = 1; n < 200; n += 13)
    for (int64_t at = 0; at < n; at += 5)
      for (int dtype = 0; dtype < 2; dtype++) {
        eg_tensor *in = random_tensor(dtype, 2, SIZES(n, 3)), *out = fresh(dtype, 1, SIZES(3)),
                  *index = fresh(EG_INT64, 1, SIZES(3));
        put(in, at * 3 + 1, NAN), put(in, (n - 1) * 3 + 1, NAN); /* the first one counts */
        for (int op = EG_MAX; op <= EG_MIN; op++) {
          assert_int_equal(eg_reduce(op, out, in, 0), EG_OK);
          assert_true(get(out, 0) == get(out, 0) && get(out, 1) != get(out, 1) && get(out, 2) == get(out, 2));
          assert_int_equal((op == EG_MAX ? eg_argmax : eg_argmin)(index, in, 0), EG_OK);
          assert_true(get(index, 1) == (double)at + 1);
        }
        eg_free(in), eg_free(out), eg_free(index);
      }
}

static void test_infinities(void **state) {
  eg_tensor *in = fresh(EG_FLOAT32, 1, SIZES(100)), *out = fresh(EG_FLOAT32, 0, NULL);
  assert_int_equal(eg_fill(in, -INFINITY), EG_OK);
  assert_int_equal(eg_reduce(EG_MAX, out, in, -1), EG_OK);
  assert_true(get(out, 0) == -INFINITY);
  assert_int_equal(eg_reduce(EG_SUM, out, in, -1), EG_OK);
  assert_true(get(out, 0) == -INFINITY);
  put(in, 50, INFINITY);
  assert_int_equal(eg_reduce(EG_SUM, out, in, -1), EG_OK);
  assert_true(get(out, 0) != get(out, 0));
  eg_free(in), eg_free(out);
}

static void test_nothing_to_reduce(void **state) {
  eg_tensor *in = fresh(EG_FLOAT32, 2, SIZES(0, 3)), *out = fresh(EG_FLOAT32, 1, SIZES(3)),
            *all = fresh(EG_FLOAT32, 0, NULL);
  eg_tensor *none = fresh(EG_FLOAT32, 1, SIZES(0)), *index = fresh(EG_INT64, 1, SIZES(3));
  assert_int_equal(eg_reduce(EG_SUM, out, in, 0), EG_OK);
  assert_true(get(out, 0) == 0 && get(out, 2) == 0);
  assert_int_equal(eg_reduce(EG_PROD, all, in, -1), EG_OK);
  assert_true(get(all, 0) == 1);
  assert_int_equal(eg_reduce(EG_MAX, none, in, 1), EG_OK); /* no output: nothing is asked */
  mark(out), mark(index);
  assert_fails(eg_reduce(EG_MAX, out, in, 0), EG_EINVAL,
               "max: nothing to reduce: shape (0, 3), the dimension is empty");
  assert_fails(eg_reduce(EG_MEAN, all, in, -1), EG_EINVAL, "mean: nothing to reduce: shape (0, 3)");
  assert_fails(eg_argmin(index, in, 0), EG_EINVAL, "argmin: nothing to choose from: shape (0, 3)");
  assert_true(is_marked(out) && is_marked(index));
  eg_free(in), eg_free(out), eg_free(all), eg_free(none), eg_free(index);
}

static void test_positions_of_extremes(void **state) {
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (int layout = 0; layout < LAYOUTS; layout++) {
        eg_tensor *in = operand(dtypes[d], shapes[s].dims, shapes[s].size, layout);
        for (int dim = -1; dim < in->dims && in->count < 20000; dim++) {
          int64_t outputs;
          figures *all = reference(in, dim, &outputs, EG_SUM);
          eg_tensor *out = eg_new_reduced(in, dim, dim % 2, EG_INT64);
          assert_int_equal(eg_argmax(out, in, dim), EG_OK);
          for (int64_t o = 0; o < outputs; o++) assert_true(get(out, o) == (double)all[o].first_most + 1);
          assert_int_equal(eg_argmin(out, in, dim), EG_OK);
          for (int64_t o = 0; o < outputs; o++) assert_true(get(out, o) == (double)all[o].first_least + 1);
          eg_free(out), free(all);
        }
        eg_free(in);
      }
}

static void test_running_sums(void **state) {
  for (size_t s = 1; s < COUNT(shapes); s++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (int layout = 0; layout < LAYOUTS; layout++) {
        eg_tensor *in = operand(dtypes[d], shapes[s].dims, shapes[s].size, layout), *out = eg_new_like(in, -1);
        for (int dim = 0; dim < in->dims; dim++) {
          int64_t inner = 1, length = in->size[dim];
          for (int e = dim + 1; e < in->dims; e++) inner *= in->size[e];
          assert_int_equal(eg_cumsum(out, in, dim), EG_OK);
          for (int64_t line = 0; line < in->count / length; line++) {
            double sum = 0;
            for (int64_t i = 0; i < length; i++) {
              int64_t at = line / inner * inner * length + i * inner + line % inner;
              sum += get(in, at);
              double expected = dtypes[d] == EG_UINT8 ? (double)(uint8_t)(int64_t)sum : sum;
              assert_true(fabs(get(out, at) - expected) <=
                          fabs(expected) * (dtypes[d] == EG_FLOAT32 ? 0x1p-23 : 0x1p-50));
            }
          }
        }
        eg_free(in), eg_free(out);
      }
}

/* ---- bits ---- */

static void test_nonfinite_elements_are_counted(void **state) {
  for (int dtype = 0; dtype < 2; dtype++) {
    eg_tensor *t = scattered(random_tensor(dtype, 2, SIZES(30, 40)));
    int64_t nan = -1, infinite = -1;
    put(t, 3, NAN), put(t, 700, -NAN), put(t, 5, INFINITY), put(t, 1199, -INFINITY), put(t, 0, -INFINITY);
    assert_int_equal(eg_count_nonfinite(t, &nan, &infinite), EG_OK);
    assert_true(nan == 2 && infinite == 3);
    assert_int_equal(eg_count_nonfinite(t, NULL, NULL), EG_OK);
    eg_free(t);
  }
  eg_tensor *whole = fresh(EG_INT64, 1, SIZES(2));
  int64_t nan = -1;
  assert_int_equal(eg_count_nonfinite(whole, &nan, NULL), EG_OK);
  assert_int_equal(nan, 0);
  assert_fails(eg_count_nonfinite(NULL, NULL, NULL), EG_ERELEASED, "count_nonfinite: input was released");
  eg_free(whole);
}

static void test_bits_are_compared(void **state) {
  for (size_t d = 0; d < COUNT(dtypes); d++)
    for (int layout = 0; layout < 2; layout++) {
      eg_tensor *a = operand(dtypes[d], 2, SIZES(50, 60), PLAIN), *b = eg_new_like(a, -1),
                *mask = fresh(EG_UINT8, 2, SIZES(50, 60));
      int64_t different = -1;
      int equal = -1;
      assert_int_equal(eg_copy(b, a), EG_OK);
      assert_int_equal(eg_fill(mask, 0), EG_OK);
      if (layout) b = scattered(b), mask = scattered(mask);
      assert_int_equal(eg_bits_equal(a, b, &equal), EG_OK);
      assert_int_equal(equal, 1);
      put(b, 17, get(b, 17) == 1 ? 2 : 1), put(b, 2999, get(b, 2999) == 3 ? 4 : 3), put(mask, 5, 1);
      assert_int_equal(eg_bits_equal(a, b, &equal), EG_OK);
      assert_int_equal(equal, 0);
      assert_int_equal(eg_count_different(a, b, &different), EG_OK);
      assert_int_equal(different, 2);
      assert_int_equal(eg_mark_different(mask, a, b), EG_OK);
      for (int64_t i = 0; i < mask->count; i++) assert_true(get(mask, i) == (i == 17 || i == 2999 || i == 5));
      eg_free(a), eg_free(b), eg_free(mask);
    }
}

static void test_bits_tell_zeros_and_nans_apart(void **state) {
  eg_tensor *a = fresh(EG_FLOAT32, 1, SIZES(2)), *b = eg_new_like(a, -1), *c = fresh(EG_FLOAT32, 1, SIZES(3)),
            *d = fresh(EG_UINT8, 1, SIZES(2));
  int equal;
  put(a, 0, NAN), put(a, 1, 0), put(b, 0, NAN), put(b, 1, 0);
  assert_int_equal(eg_bits_equal(a, b, &equal), EG_OK);
  assert_int_equal(equal, 1);
  put(b, 1, -0.0);
  assert_int_equal(eg_bits_equal(a, b, &equal), EG_OK);
  assert_int_equal(equal, 0);
  assert_int_equal(eg_bits_equal(a, c, &equal), EG_OK);
  assert_int_equal(equal, 0);
  assert_int_equal(eg_bits_equal(a, d, &equal), EG_OK);
  assert_int_equal(equal, 0);
  int64_t different;
  assert_fails(eg_count_different(a, c, &different), EG_ESHAPE, "count_different: shapes differ");
  assert_fails(eg_mark_different(d, a, d), EG_EDTYPE, "mark_different: dtypes differ");
  assert_fails(eg_mark_different(a, a, a), EG_EDTYPE, "mark_different: mask is (2) float32, expected uint8");
  assert_fails(eg_bits_equal(a, NULL, &equal), EG_ERELEASED, "bits_equal: second was released");
  eg_free(a), eg_free(b), eg_free(c), eg_free(d);
}

/* ---- threads, memory, messages ---- */

static void test_threads_change_no_bit(void **state) {
  static const struct {
    int64_t size[3];
    int dim;
  } cases[] = {{{1, 1, 1000003}, -1}, {{1, 100000, 10}, 1}, {{1, 1000, 300}, 1}, {{7, 50000, 1}, 1},
               {{40, 50, 130}, 1},    {{1, 20, 30000}, 1},  {{300, 1, 999}, 2}};
  for (size_t c = 0; c < COUNT(cases); c++) {
    eg_tensor *in = random_tensor(EG_FLOAT32, 3, cases[c].size), *first[EG_REDUCE_COUNT];
    for (int threads = 1; threads <= 4; threads *= 2) {
      eg_threads_set(threads);
      for (int op = 0; op < EG_REDUCE_COUNT; op++) {
        eg_tensor *out = eg_new_reduced(in, cases[c].dim, 0, -1);
        assert_int_equal(eg_reduce(op, out, in, cases[c].dim), EG_OK);
        if (threads == 1) first[op] = out;
        else assert_true(same_bits(out, first[op])), eg_free(out);
      }
    }
    for (int op = 0; op < EG_REDUCE_COUNT; op++) eg_free(first[op]);
    eg_free(in);
  }
}

static void test_failed_allocations_are_reported(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 4, SIZES(4, 5, 6, 2), TURNED), *out = eg_new_reduced(in, 3, 0, -1),
            *sums = eg_new_like(in, -1);
  int64_t live = eg_live_bytes();
  mark(out), mark(sums);
  for (int64_t after = 0; after < 4; after++) {
    eg_alloc_fail_after(after);
    assert_fails(eg_reduce(EG_SUM, out, in, 3), EG_ENOMEM, "out of memory");
    if (after < 3) {
      eg_alloc_fail_after(after);
      assert_fails(eg_cumsum(sums, in, 3), EG_ENOMEM, "out of memory");
    }
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(out) && is_marked(sums));
  eg_free(in), eg_free(out), eg_free(sums);
}

static void test_messages(void **state) {
  eg_tensor *in = fresh(EG_FLOAT32, 2, SIZES(2, 3)), *out = fresh(EG_FLOAT32, 1, SIZES(3)),
            *whole = fresh(EG_INT64, 2, SIZES(2, 3));
  eg_tensor *gaps = eg_view(in, 1, SIZES(3), SIZES(2), 0);
  mark(out);
  assert_fails(eg_reduce(EG_SUM, out, in, 1), EG_ESHAPE, "sum: output has shape (3), expected (2)");
  assert_fails(eg_reduce(EG_SUM, out, in, 2), EG_EINVAL, "sum: dimension 3 is out of range for shape (2, 3)");
  assert_fails(eg_reduce(EG_MEAN, out, whole, 0), EG_EDTYPE,
               "mean: input is (2, 3) int64, expected float32 or float64");
  assert_fails(eg_reduce(EG_SUM, out, whole, 0), EG_EDTYPE, "sum: output is (3) float32, expected int64");
  assert_fails(eg_reduce(EG_SUM, out, NULL, 0), EG_ERELEASED, "sum: input was released");
  assert_fails(eg_reduce(EG_SUM, NULL, in, 0), EG_ERELEASED, "sum: output was released");
  assert_fails(eg_reduce(EG_SUM, gaps, in, 0), EG_EINVAL, "sum: output must be contiguous");
  assert_fails(eg_reduce(EG_REDUCE_COUNT, out, in, 0), EG_EINVAL, "reduce: unknown operation 7");
  assert_fails(eg_reduce(-1, out, in, 0), EG_EINVAL, "reduce: unknown operation -1");
  assert_fails(eg_argmax(out, in, 0), EG_EDTYPE, "argmax: output is (3) float32, expected int64");
  assert_fails(eg_cumsum(in, in, 0), EG_EINVAL, "cumsum: the output shares memory with the input");
  assert_fails(eg_cumsum(out, in, 0), EG_ESHAPE, "cumsum: shapes differ");
  eg_tensor *sums = eg_new_like(in, -1);
  assert_fails(eg_cumsum(sums, in, 2), EG_EINVAL, "cumsum: dimension 3 is out of range");
  assert_fails(eg_cumsum(sums, in, -1), EG_EINVAL, "cumsum: dimension 0 is out of range");
  assert_true(is_marked(out));
  eg_free(in), eg_free(out), eg_free(whole), eg_free(gaps), eg_free(sums);
}

static int nothing_is_left(void **state) {
  assert_int_equal(eg_live_tensors(), 0);
  assert_int_equal(eg_live_bytes(), 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_every_reduction, nothing_is_left),
      cmocka_unit_test_teardown(test_whole_products_and_sums_wrap_around, nothing_is_left),
      cmocka_unit_test_teardown(test_long_sums_are_accurate, nothing_is_left),
      cmocka_unit_test_teardown(test_nan_wins_extremes, nothing_is_left),
      cmocka_unit_test_teardown(test_infinities, nothing_is_left),
      cmocka_unit_test_teardown(test_nothing_to_reduce, nothing_is_left),
      cmocka_unit_test_teardown(test_positions_of_extremes, nothing_is_left),
      cmocka_unit_test_teardown(test_running_sums, nothing_is_left),
      cmocka_unit_test_teardown(test_nonfinite_elements_are_counted, nothing_is_left),
      cmocka_unit_test_teardown(test_bits_are_compared, nothing_is_left),
      cmocka_unit_test_teardown(test_bits_tell_zeros_and_nans_apart, nothing_is_left),
      cmocka_unit_test_teardown(test_threads_change_no_bit, nothing_is_left),
      cmocka_unit_test_teardown(test_failed_allocations_are_reported, nothing_is_left),
      cmocka_unit_test_teardown(test_messages, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
