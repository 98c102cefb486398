/* Element-wise kernels against one formula an operation, over dtypes, layouts and broadcasts; messages; threads; memory. */
#include "tensors.h"

static const int dtypes[] = {EG_FLOAT32, EG_FLOAT64, EG_INT64, EG_UINT8};
static bool is_real(int dtype) { return dtype == EG_FLOAT32 || dtype == EG_FLOAT64; }

/* ---- references ---- */

static double unary_of(int op, double x) {
  switch (op) {
    case EG_NEG: return -x;
    case EG_ABS: return fabs(x);
    case EG_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
    case EG_EXP: return exp(x);
    case EG_EXPM1: return expm1(x);
    case EG_LOG: return log(x);
    case EG_LOG1P: return log1p(x);
    case EG_SQRT: return sqrt(x);
    case EG_RSQRT: return 1 / sqrt(x);
    case EG_SQUARE: return x * x;
    case EG_RECIPROCAL: return 1 / x;
    case EG_SIN: return sin(x);
    case EG_COS: return cos(x);
    case EG_TANH: return tanh(x);
    case EG_SIGMOID: return 1 / (1 + exp(-x));
    case EG_SOFTPLUS: return x > 30 ? x : log1p(exp(x));
    case EG_RELU: return x > 0 ? x : x != x ? x : 0;
    case EG_GELU: return x / 2 * erfc(-x / sqrt(2));
    case EG_ERF: return erf(x);
    case EG_FLOOR: return floor(x);
    case EG_CEIL: return ceil(x);
    case EG_ROUND: return nearbyint(x);
    case EG_ISNAN: return x != x;
    case EG_ISFINITE: return isfinite(x);
    case EG_NOT: return x == 0;
  }
  return NAN;
}

static double modulo(double x, double y) {
  double r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static double binary_of(int op, double x, double y, bool whole) {
  switch (op) {
    case EG_ADD: return x + y;
    case EG_SUB: return x - y;
    case EG_MUL: return x * y;
    case EG_DIV: return whole ? floor(x / y) : x / y;
    case EG_POW: return pow(x, y);
    case EG_REMAINDER: return modulo(x, y);
    case EG_MAXIMUM: return x != x || y != y ? NAN : x > y ? x : y;
    case EG_MINIMUM: return x != x || y != y ? NAN : x < y ? x : y;
    case EG_EQ: return x == y;
    case EG_NE: return x != y;
    case EG_LT: return x < y;
    case EG_LE: return x <= y;
    case EG_GT: return x > y;
    case EG_GE: return x >= y;
    case EG_AND: return x != 0 && y != 0;
    case EG_OR: return x != 0 || y != 0;
  }
  return NAN;
}

/* Equal, or both NaN, or within a few units in the last place of the dtype. */
static void assert_number(int dtype, double got, double expected, int op, double x, double y) {
  double bound = dtype == EG_FLOAT32 ? 0x1p-21 * fabs(expected) + 0x1p-148 : 0x1p-50 * fabs(expected) + 0x1p-1073;
  if (op == EG_GELU) bound *= 2 + x * x;                                /* its tail multiplies the rounding of x */
  if (dtype == EG_UINT8) expected = (double)(uint8_t)(int64_t)expected; /* wraps around */
  if (dtype == EG_FLOAT32 && fabs(expected) > 3.4028235e38) expected = expected > 0 ? INFINITY : -INFINITY;
  if (got == expected || (got != got && expected != expected) || (is_real(dtype) && fabs(got - expected) <= bound))
    return;
  fail_msg("operation %d on dtype %d of %.9g and %.9g is %.17g, expected %.17g", op, dtype, x, y, got, expected);
}

/* ---- layouts ---- */

enum { PLAIN, SCATTERED, TURNED, LAYOUTS };

/* t in another layout: with gaps, or (two dimensions and more) with the last two exchanged in memory; frees t. */
static eg_tensor *arranged(eg_tensor *t, int layout) {
  if (layout == SCATTERED) return scattered(t);
  if (layout == PLAIN || t->dims < 2) return t;
  int64_t size[8], stride[8];
  memcpy(size, t->size, sizeof size);
  size[t->dims - 1] = t->size[t->dims - 2], size[t->dims - 2] = t->size[t->dims - 1];
  eg_tensor *memory = fresh(t->dtype, t->dims, size);
  memcpy(stride, memory->stride, sizeof stride);
  stride[t->dims - 1] = memory->stride[t->dims - 2], stride[t->dims - 2] = memory->stride[t->dims - 1];
  eg_tensor *view = eg_view(memory, t->dims, t->size, stride, 0);
  for (int64_t i = 0; i < t->count; i++) put(view, i, get(t, i));
  eg_free(memory), eg_free(t);
  return view;
}

/* Small numbers that every dtype holds and that leave no operation undefined; whole ones where asked. */
static eg_tensor *numbers(int dtype, int dims, const int64_t *size, bool positive) {
  eg_tensor *t = fresh(dtype, dims, size);
  for (int64_t i = 0; i < t->count; i++) {
    double x = next_number() * 4;
    if (!is_real(dtype)) x = floor(x);
    if (positive || dtype == EG_UINT8) x = fabs(x) + (is_real(dtype) ? 0.25 : 1);
    put(t, i, x);
  }
  return t;
}

/* ---- one tensor ---- */

static bool takes_whole(int op) {
  return op == EG_NEG || op == EG_ABS || op == EG_SIGN || op == EG_SQUARE || op == EG_NOT;
}
static bool gives_mask(int op) { return op == EG_ISNAN || op == EG_ISFINITE || op == EG_NOT; }

static void test_every_function_of_one_tensor(void **state) {
  for (int op = 0; op < EG_UNARY_COUNT; op++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (int layout = 0; layout < LAYOUTS * LAYOUTS; layout++) {
        if (!is_real(dtypes[d]) && !takes_whole(op)) continue;
        bool positive = op == EG_LOG || op == EG_LOG1P || op == EG_SQRT || op == EG_RSQRT;
        eg_tensor *in = arranged(numbers(dtypes[d], 3, SIZES(3, 7, 5), positive), layout % LAYOUTS);
        eg_tensor *out = arranged(fresh(gives_mask(op) ? EG_UINT8 : dtypes[d], 3, in->size), layout / LAYOUTS);
        assert_int_equal(eg_unary(op, out, in), EG_OK);
        for (int64_t i = 0; i < in->count; i++)
          assert_number(out->dtype, get(out, i), unary_of(op, get(in, i)), op, get(in, i), 0);
        eg_free(in), eg_free(out);
      }
}

static void test_functions_at_the_edges(void **state) {
  static const double edges[] = {0,        -0.0,      1,      -1,   0.5, -0.5, 1.5, 2.5,   -2.5,   88,   89,   -87,
                                 -88,      -100,      -103.5, -105, 700, -700, 710, 1e-30, -1e-30, 1e30, 3e38, 1e-40,
                                 INFINITY, -INFINITY, NAN,    1e-4, 0.6, 0.63, 9,   10,    20,     40};
  for (int dtype = 0; dtype < 2; dtype++) {
    eg_tensor *in = fresh(dtype, 1, SIZES(COUNT(edges)));
    for (size_t i = 0; i < COUNT(edges); i++) put(in, (int64_t)i, edges[i]);
    for (int op = 0; op < EG_UNARY_COUNT; op++) {
      if (op == EG_SIN || op == EG_COS) continue; /* of a rounded large number */
      eg_tensor *out = eg_new_like(in, gives_mask(op) ? EG_UINT8 : -1);
      assert_int_equal(eg_unary(op, out, in), EG_OK);
      for (int64_t i = 0; i < in->count; i++) {
        double x = get(in, i), expected = unary_of(op, x);
        if (op == EG_SIGMOID && dtype == EG_FLOAT32 && x < -87) continue; /* 1 / infinity where a subnormal would do */
        assert_number(out->dtype, get(out, i), expected, op, x, 0);
      }
      eg_free(out);
    }
    eg_free(in);
  }
}

static void test_whole_numbers_wrap_around(void **state) {
  eg_tensor *in = fresh(EG_INT64, 1, SIZES(3)), *out = eg_new_like(in, -1);
  int64_t *x = in->data, *y = out->data;
  x[0] = INT64_MIN, x[1] = INT64_MAX, x[2] = -3;
  assert_int_equal(eg_unary(EG_NEG, out, in), EG_OK);
  assert_true(y[0] == INT64_MIN && y[1] == -INT64_MAX && y[2] == 3);
  assert_int_equal(eg_unary(EG_ABS, out, in), EG_OK);
  assert_true(y[0] == INT64_MIN && y[1] == INT64_MAX && y[2] == 3);
  assert_int_equal(eg_unary(EG_SQUARE, out, in), EG_OK);
  assert_true(y[0] == 0 && y[1] == 1 && y[2] == 9);
  assert_int_equal(eg_binary(EG_ADD, out, in, in), EG_OK);
  assert_true(y[0] == 0 && y[1] == -2);
  assert_int_equal(eg_binary_scalar(EG_DIV, out, in, -1, 0), EG_OK);
  assert_true(y[0] == INT64_MIN && y[1] == -INT64_MAX && y[2] == 3);
  assert_int_equal(eg_binary_scalar(EG_REMAINDER, out, in, -1, 0), EG_OK);
  assert_true(y[0] == 0 && y[1] == 0 && y[2] == 0);
  assert_int_equal(eg_binary_scalar(EG_DIV, out, in, 2, 0), EG_OK);
  assert_true(y[2] == -2);
  assert_int_equal(eg_binary_scalar(EG_REMAINDER, out, in, 2, 0), EG_OK);
  assert_true(y[2] == 1);
  eg_free(in), eg_free(out);
}

/* ---- first-order gradients: against the slope of the reference ---- */

static void test_every_gradient(void **state) {
  const int slopes[] = {EG_RELU, EG_TANH, EG_SIGMOID, EG_EXP, EG_SQRT, EG_RSQRT, EG_GELU};
  for (size_t k = 0; k < COUNT(slopes); k++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int layout = 0; layout < LAYOUTS; layout++) {
        int op = slopes[k];
        bool of_output = op != EG_GELU, positive = op == EG_SQRT || op == EG_RSQRT;
        eg_tensor *in = numbers(dtype, 2, SIZES(9, 11), positive), *saved = eg_new_like(in, -1);
        eg_tensor *grad = numbers(dtype, 2, in->size, false), *out = arranged(eg_new_like(in, -1), layout);
        for (int64_t i = 0; i < in->count; i++) put(saved, i, of_output ? unary_of(op, get(in, i)) : get(in, i));
        saved = arranged(saved, (layout + 1) % LAYOUTS);
        grad = arranged(grad, layout);
        assert_int_equal(eg_unary_backward(op, out, grad, saved), EG_OK);
        for (int64_t i = 0; i < in->count; i++) {
          double x = get(in, i), h = 1e-5,
                 expected = get(grad, i) * (unary_of(op, x + h) - unary_of(op, x - h)) / (2 * h);
          double bound = (fabs(expected) + fabs(get(grad, i))) * (dtype == EG_FLOAT32 ? 1e-5 : 1e-8);
          if (!(fabs(get(out, i) - expected) <= bound))
            fail_msg("gradient of %d at %g is %.9g, expected %.9g", op, x, get(out, i), expected);
        }
        eg_free(in), eg_free(saved), eg_free(grad), eg_free(out);
      }
}

/* As in PyTorch: a NaN passes the gradient, and nothing is multiplied with a gradient that is infinite. */
static void test_slope_of_relu_at_the_edges(void **state) {
  eg_tensor *grad = fresh(EG_FLOAT32, 1, SIZES(2)), *saved = eg_new_like(grad, -1);
  put(grad, 0, 3), put(grad, 1, INFINITY), put(saved, 0, NAN), put(saved, 1, 0);
  assert_int_equal(eg_unary_backward(EG_RELU, grad, grad, saved), EG_OK);
  assert_true(get(grad, 0) == 3 && get(grad, 1) == 0);
  eg_free(grad), eg_free(saved);
}

/* ---- two tensors ---- */

static const struct {
  int a_dims, b_dims;
  int64_t a[4], b[4];
} broadcasts[] = {{2, 2, {3, 4}, {3, 4}},    {2, 1, {5, 17}, {17}},
                  {3, 2, {2, 1, 4}, {3, 1}}, {0, 2, {0}, {3, 4}},
                  {2, 2, {6, 1}, {1, 7}},    {4, 4, {2, 3, 4, 5}, {1, 3, 1, 1}},
                  {2, 1, {0, 3}, {3}},       {0, 0, {0}, {0}},
                  {1, 1, {33}, {1}},         {4, 3, {2, 1, 3, 1}, {4, 1, 5}}};

/* The element of t that broadcasting puts at element i of out. */
static double spread(const eg_tensor *t, const eg_tensor *out, int64_t i) {
  int64_t at = 0, unit = 1;
  for (int d = out->dims - 1, e = t->dims - 1; e >= 0; d--, e--) {
    at += t->size[e] == 1 ? 0 : i % out->size[d] * unit;
    unit *= t->size[e];
    i /= out->size[d];
  }
  return get(t, at);
}

static void check_binary(int op, int dtype, size_t which, int layout) {
  eg_tensor *a =
      arranged(numbers(dtype, broadcasts[which].a_dims, broadcasts[which].a, op == EG_POW), layout % LAYOUTS);
  eg_tensor *b = numbers(dtype, broadcasts[which].b_dims, broadcasts[which].b, false);
  for (int64_t i = 0; i < b->count; i++)
    if (get(b, i) == 0) put(b, i, 2);
  for (int64_t i = 0; i < (a->count < b->count ? a->count : b->count); i += 3)
    put(b, i, get(a, i) == 0 ? 1 : get(a, i)); /* some are equal */
  b = arranged(b, layout / LAYOUTS % LAYOUTS);
  eg_tensor *out = arranged(eg_new_broadcast(a, b, op >= EG_EQ ? EG_UINT8 : -1), layout / LAYOUTS / LAYOUTS);
  assert_int_equal(eg_binary(op, out, a, b), EG_OK);
  for (int64_t i = 0; i < out->count; i++) {
    double x = spread(a, out, i), y = spread(b, out, i);
    assert_number(out->dtype, get(out, i), binary_of(op, x, y, !is_real(dtype)), op, x, y);
  }
  eg_free(a), eg_free(b), eg_free(out);
}

static void test_every_function_of_two_tensors(void **state) {
  for (int op = 0; op < EG_BINARY_COUNT; op++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (size_t which = 0; which < COUNT(broadcasts); which++)
        for (int layout = 0; layout < LAYOUTS * LAYOUTS * LAYOUTS; layout += 1 + (which > 1) * 4)
          if (op != EG_POW || is_real(dtypes[d])) check_binary(op, dtypes[d], which, layout);
}

static void test_two_tensors_at_the_edges(void **state) {
  static const double edges[] = {0, -0.0, 1, -1, 2.5, -2.5, INFINITY, -INFINITY, NAN, 1e30, 7, -7, 3};
  int64_t n = COUNT(edges);
  for (int dtype = 0; dtype < 2; dtype++)
    for (int op = 0; op < EG_BINARY_COUNT; op++) {
      eg_tensor *a = fresh(dtype, 2, SIZES(n, 1)), *b = fresh(dtype, 2, SIZES(1, n));
      eg_tensor *out = eg_new_broadcast(a, b, op >= EG_EQ ? EG_UINT8 : -1);
      for (int64_t i = 0; i < n; i++) put(a, i, edges[i]), put(b, i, edges[i]);
      assert_int_equal(eg_binary(op, out, a, b), EG_OK);
      for (int64_t i = 0; i < n * n; i++) {
        double x = get(a, i / n), y = get(b, i % n), expected = binary_of(op, x, y, false);
        if (fabs(expected) < 1e-37 && expected != 0) expected = get(out, i); /* out of float's range */
        assert_number(out->dtype, get(out, i), expected, op, x, y);
      }
      eg_free(a), eg_free(b), eg_free(out);
    }
}

static void test_a_tensor_and_a_number(void **state) {
  static const double values[] = {2, 3, 1, 0.5, -1.5};
  for (int op = 0; op < EG_BINARY_COUNT; op++)
    for (size_t d = 0; d < COUNT(dtypes); d++)
      for (size_t v = 0; v < COUNT(values); v++)
        for (int reversed = 0; reversed < 2; reversed++)
          for (int layout = 0; layout < LAYOUTS; layout++) {
            bool whole = !is_real(dtypes[d]), fits = !whole || values[v] >= 1;
            if (whole && (op == EG_POW || (!fits && op < EG_EQ))) continue;
            eg_tensor *in = numbers(dtypes[d], 2, SIZES(5, 6), op == EG_POW || op == EG_DIV || op == EG_REMAINDER);
            in = arranged(in, layout);
            eg_tensor *out = eg_new_like(in, op >= EG_EQ ? EG_UINT8 : -1);
            assert_int_equal(eg_binary_scalar(op, out, in, values[v], reversed), EG_OK);
            for (int64_t i = 0; i < in->count; i++) {
              double x = reversed ? values[v] : get(in, i), y = reversed ? get(in, i) : values[v];
              assert_number(out->dtype, get(out, i), binary_of(op, x, y, whole), op, x, y);
            }
            eg_free(in), eg_free(out);
          }
}

static void test_scaled_sums(void **state) {
  for (size_t d = 0; d < COUNT(dtypes); d++)
    for (size_t which = 0; which < COUNT(broadcasts); which++)
      for (int alpha = -2; alpha < 3; alpha++) {
        eg_tensor *a = numbers(dtypes[d], broadcasts[which].a_dims, broadcasts[which].a, false);
        eg_tensor *b = scattered(numbers(dtypes[d], broadcasts[which].b_dims, broadcasts[which].b, false));
        eg_tensor *out = eg_new_broadcast(a, b, -1);
        assert_int_equal(eg_add_scaled(out, a, b, alpha), EG_OK);
        for (int64_t i = 0; i < out->count; i++) {
          double x = spread(a, out, i), y = spread(b, out, i), size = fabs(x) + fabs(alpha * y);
          double expected = x + alpha * y;
          if (dtypes[d] == EG_UINT8) expected = (double)(uint8_t)(int64_t)expected;
          assert_true(fabs(get(out, i) - expected) <= size * 1e-6);
        }
        eg_free(a), eg_free(b), eg_free(out);
      }
}

/* ---- filling, copying, clamping, choosing ---- */

static void test_fill(void **state) {
  for (size_t d = 0; d < COUNT(dtypes); d++)
    for (int layout = 0; layout < LAYOUTS; layout++) {
      eg_tensor *t = arranged(fresh(dtypes[d], 2, SIZES(3, 5)), layout);
      assert_int_equal(eg_fill(t, 7), EG_OK);
      for (int64_t i = 0; i < t->count; i++) assert_true(get(t, i) == 7);
      eg_free(t);
    }
  eg_tensor *t = fresh(EG_UINT8, 1, SIZES(2));
  mark(t);
  assert_fails(eg_fill(t, 256), EG_EINVAL, "fill: 256 is no uint8 number");
  assert_fails(eg_fill(t, -1), EG_EINVAL, "fill: -1 is no uint8 number");
  assert_fails(eg_fill(t, 0.5), EG_EINVAL, "fill: 0.5 is no uint8 number");
  assert_fails(eg_fill(t, NAN), EG_EINVAL, "is no uint8 number");
  assert_fails(eg_fill(NULL, 0), EG_ERELEASED, "fill: tensor was released");
  assert_true(is_marked(t));
  eg_free(t);
  t = fresh(EG_INT64, 0, NULL);
  assert_fails(eg_fill(t, 9223372036854775808.0), EG_EINVAL, "is no int64 number");
  assert_int_equal(eg_fill(t, -9007199254740992.0), EG_OK);
  assert_int_equal(*(int64_t *)t->data, -9007199254740992);
  eg_free(t);
}

static double converted(int to, double x) {
  if (to == EG_FLOAT32) return (float)x;
  if (to == EG_FLOAT64) return x;
  if (x != x) return 0;
  x = trunc(x);
  if (to == EG_UINT8) return x < 0 ? 0 : x > 255 ? 255 : x;
  return x < -0x1p63 ? -0x1p63 : x > 0x1p63 ? 0x1p63 : x;
}

static void test_copies_convert_every_pair_of_dtypes(void **state) {
  static const double edges[] = {0,    -0.0,  1,    -1,    0.5,  -0.5,     1.99,      -1.99, 254.9,
                                 255,  255.5, 256,  300,   -300, 1e9,      -1e9,      1e18,  -1e18,
                                 1e19, -1e19, 1e30, -1e30, 3e38, INFINITY, -INFINITY, NAN};
  for (size_t from = 0; from < COUNT(dtypes); from++)
    for (size_t to = 0; to < COUNT(dtypes); to++)
      for (int layout = 0; layout < LAYOUTS * LAYOUTS; layout++) {
        eg_tensor *in = fresh(dtypes[from], 2, SIZES(2, COUNT(edges) / 2)), *out = eg_new_like(in, dtypes[to]);
        for (int64_t i = 0; i < in->count; i++) {
          bool fits = dtypes[from] == EG_UINT8 ? edges[i] >= 0 && edges[i] <= 255 : fabs(edges[i]) < 1e18;
          put(in, i, is_real(dtypes[from]) || fits ? edges[i] : 100);
        }
        in = arranged(in, layout % LAYOUTS), out = arranged(out, layout / LAYOUTS);
        assert_int_equal(eg_copy(out, in), EG_OK);
        for (int64_t i = 0; i < in->count; i++) {
          double expected = converted(dtypes[to], get(in, i));
          assert_true(get(out, i) == expected || (get(out, i) != get(out, i) && expected != expected));
        }
        eg_free(in), eg_free(out);
      }
}

static void test_copies_broadcast_and_turn(void **state) {
  eg_tensor *row = random_tensor(EG_FLOAT32, 1, SIZES(70)), *out = scattered(fresh(EG_FLOAT32, 3, SIZES(2, 3, 70)));
  assert_int_equal(eg_copy(out, row), EG_OK);
  for (int64_t i = 0; i < out->count; i++) assert_true(get(out, i) == get(row, i % 70));
  assert_fails(eg_copy(row, out), EG_ESHAPE, "copy: shape (2, 3, 70) does not broadcast to (70)");
  eg_free(row), eg_free(out);
  for (size_t d = 0; d < COUNT(dtypes); d++) {
    eg_tensor *in = arranged(numbers(dtypes[d], 3, SIZES(3, 131, 77), false), TURNED);
    out = eg_new_like(in, -1);
    assert_int_equal(eg_copy(out, in), EG_OK);
    for (int64_t i = 0; i < in->count; i++) assert_true(get(in, i) == get(out, i));
    eg_free(in), eg_free(out);
  }
}

static void test_clamp(void **state) {
  for (size_t d = 0; d < COUNT(dtypes); d++)
    for (int layout = 0; layout < LAYOUTS; layout++) {
      eg_tensor *in = arranged(numbers(dtypes[d], 2, SIZES(6, 7), false), layout), *out = eg_new_like(in, -1);
      static const double ends[][2] = {{-1.5, 1.5},           {-INFINITY, 2}, {0.5, INFINITY},
                                       {-INFINITY, INFINITY}, {2, 2},         {-1e30, 1e30}};
      for (size_t e = 0; e < COUNT(ends); e++) {
        bool whole = !is_real(dtypes[d]);
        double low = whole ? ceil(ends[e][0]) : ends[e][0], high = whole ? floor(ends[e][1]) : ends[e][1];
        if (dtypes[d] == EG_UINT8 && low < 0) low = 0;
        assert_int_equal(eg_clamp(out, in, ends[e][0], ends[e][1]), EG_OK);
        for (int64_t i = 0; i < in->count; i++) {
          double x = get(in, i);
          assert_true(get(out, i) == (x < low ? low : x > high ? high : x));
        }
      }
      eg_free(in), eg_free(out);
    }
  eg_tensor *t = fresh(EG_FLOAT32, 1, SIZES(1));
  put(t, 0, NAN);
  assert_int_equal(eg_clamp(t, t, 0, 1), EG_OK);
  assert_true(get(t, 0) != get(t, 0));
  assert_fails(eg_clamp(t, t, 1, 0), EG_EINVAL, "clamp: no number lies between 1 and 0");
  assert_fails(eg_clamp(t, t, NAN, 0), EG_EINVAL, "clamp: no number lies between");
  eg_tensor *whole = fresh(EG_INT64, 1, SIZES(1)), *byte = fresh(EG_UINT8, 1, SIZES(1));
  assert_fails(eg_clamp(whole, whole, 0.2, 0.8), EG_EINVAL, "clamp: no int64 number lies between 0.2 and 0.8");
  assert_fails(eg_clamp(byte, byte, 300, 400), EG_EINVAL, "clamp: no uint8 number lies between 300 and 400");
  assert_fails(eg_clamp(byte, byte, -5, -1), EG_EINVAL, "clamp: no uint8 number lies between -5 and -1");
  eg_free(t), eg_free(whole), eg_free(byte);
}

static void test_where(void **state) {
  for (size_t d = 0; d < COUNT(dtypes); d++)
    for (size_t which = 0; which < COUNT(broadcasts); which++)
      for (int layout = 0; layout < LAYOUTS * LAYOUTS; layout++) {
        eg_tensor *a =
            arranged(numbers(dtypes[d], broadcasts[which].a_dims, broadcasts[which].a, false), layout % LAYOUTS);
        eg_tensor *b =
            arranged(numbers(dtypes[d], broadcasts[which].b_dims, broadcasts[which].b, false), layout / LAYOUTS);
        eg_tensor *out = eg_new_broadcast(a, b, -1), *mask = eg_new_like(out, EG_UINT8);
        for (int64_t i = 0; i < mask->count; i++) put(mask, i, next_number() > 0 ? 3 : 0);
        mask = arranged(mask, layout % LAYOUTS);
        assert_int_equal(eg_where(out, mask, a, b), EG_OK);
        for (int64_t i = 0; i < out->count; i++)
          assert_true(get(out, i) == (get(mask, i) != 0 ? spread(a, out, i) : spread(b, out, i)));
        eg_free(a), eg_free(b), eg_free(mask), eg_free(out);
      }
}

/* ---- memory shared between operands ---- */

static void test_outputs_may_be_inputs(void **state) {
  for (int layout = 0; layout < LAYOUTS; layout++) {
    eg_tensor *a = arranged(random_tensor(EG_FLOAT32, 2, SIZES(40, 50)), layout), *sum = eg_new_like(a, -1);
    assert_int_equal(eg_binary(EG_MUL, sum, a, a), EG_OK);
    assert_int_equal(eg_binary(EG_MUL, a, a, a), EG_OK);
    for (int64_t i = 0; i < a->count; i++) assert_true(get(a, i) == get(sum, i));
    assert_int_equal(eg_unary(EG_NEG, a, a), EG_OK);
    for (int64_t i = 0; i < a->count; i++) assert_true(get(a, i) == -get(sum, i));
    eg_free(a), eg_free(sum);
  }
}

static void test_overlapping_operands_are_read_before_they_are_written(void **state) {
  eg_tensor *whole = random_tensor(EG_FLOAT64, 2, SIZES(300, 300)), *before = eg_new_like(whole, -1);
  eg_tensor *turned = eg_view(whole, 2, SIZES(300, 300), SIZES(1, 300), 0);
  assert_int_equal(eg_copy(before, whole), EG_OK);
  assert_int_equal(eg_binary(EG_ADD, whole, whole, turned), EG_OK);
  for (int64_t i = 0; i < 300; i++)
    for (int64_t j = 0; j < 300; j++)
      assert_true(get(whole, i * 300 + j) == get(before, i * 300 + j) + get(before, j * 300 + i));
  eg_tensor *late = eg_view(whole, 1, SIZES(80000), SIZES(1), 5), *early = eg_view(whole, 1, SIZES(80000), SIZES(1), 0);
  assert_int_equal(eg_copy(before, whole), EG_OK);
  assert_int_equal(eg_copy(late, early), EG_OK);
  for (int64_t i = 0; i < 80000; i++) assert_true(get(whole, i + 5) == get(before, i));
  eg_tensor *row = eg_view(whole, 1, SIZES(300), SIZES(1), 600);
  assert_int_equal(eg_copy(before, whole), EG_OK);
  assert_int_equal(eg_binary(EG_SUB, whole, whole, row), EG_OK);
  for (int64_t i = 0; i < whole->count; i++) assert_true(get(whole, i) == get(before, i) - get(before, 600 + i % 300));
  mark(whole);
  eg_alloc_fail_after(0);
  assert_fails(eg_copy(late, early), EG_ENOMEM, "out of memory");
  eg_alloc_fail_after(-1);
  assert_true(is_marked(whole));
  eg_free(late), eg_free(early), eg_free(row), eg_free(turned), eg_free(whole), eg_free(before);
}

static void test_expanded_outputs_are_refused(void **state) {
  eg_tensor *one = random_tensor(EG_FLOAT32, 1, SIZES(1)), *many = eg_view(one, 1, SIZES(5), SIZES(0), 0);
  assert_fails(eg_fill(many, 1), EG_EINVAL, "fill: elements of output share memory (an expanded view)");
  assert_fails(eg_binary(EG_ADD, many, many, one), EG_EINVAL, "add: elements of output share memory");
  eg_tensor *out = fresh(EG_FLOAT32, 1, SIZES(5));
  assert_int_equal(eg_unary(EG_ABS, out, many), EG_OK);
  for (int i = 0; i < 5; i++) assert_true(get(out, i) == fabs(get(one, 0)));
  eg_free(one), eg_free(many), eg_free(out);
}

/* ---- threads, messages ---- */

static void test_threads_change_no_bit(void **state) {
  eg_tensor *a = random_tensor(EG_FLOAT32, 2, SIZES(317, 1009)), *b = random_tensor(EG_FLOAT32, 1, SIZES(1009));
  eg_tensor *turned = arranged(random_tensor(EG_FLOAT32, 2, SIZES(317, 1009)), TURNED), *first[4], *out;
  for (int threads = 1; threads <= 4; threads *= 2) {
    assert_int_equal(eg_threads_set(threads), EG_OK);
    for (int which = 0; which < 4; which++) {
      out = eg_new_like(a, -1);
      switch (which) {
        case 0: assert_int_equal(eg_unary(EG_EXP, out, a), EG_OK); break;
        case 1: assert_int_equal(eg_binary(EG_DIV, out, a, b), EG_OK); break;
        case 2: assert_int_equal(eg_binary(EG_MUL, out, turned, a), EG_OK); break;
        case 3: assert_int_equal(eg_unary(EG_TANH, out, turned), EG_OK); break;
      }
      if (threads == 1) first[which] = out;
      else assert_true(same_bits(out, first[which])), eg_free(out);
    }
  }
  for (int which = 0; which < 4; which++) eg_free(first[which]);
  eg_free(a), eg_free(b), eg_free(turned);
}

/* A vector's end, which is computed element by element, must not differ from its middle. */
static void test_a_value_does_not_depend_on_its_place(void **state) {
  eg_tensor *in = random_tensor(EG_FLOAT32, 1, SIZES(100)), *out = eg_new_like(in, -1),
            *one = fresh(EG_FLOAT32, 1, SIZES(1));
  for (int op = 0; op < EG_ISNAN; op++) {
    assert_int_equal(eg_unary(op, out, in), EG_OK);
    for (int64_t i = 0; i < 100; i++) {
      put(one, 0, get(in, i));
      assert_int_equal(eg_unary(op, one, one), EG_OK);
      assert_true(get(one, 0) == get(out, i) || get(out, i) != get(out, i));
    }
  }
  eg_free(in), eg_free(out), eg_free(one);
}

static void test_messages(void **state) {
  eg_tensor *a = fresh(EG_FLOAT32, 2, SIZES(2, 3)), *b = fresh(EG_FLOAT32, 1, SIZES(4)),
            *whole = fresh(EG_INT64, 2, SIZES(2, 3));
  eg_tensor *byte = fresh(EG_UINT8, 2, SIZES(2, 3)), *twice = fresh(EG_FLOAT64, 2, SIZES(2, 3));
  mark(a), mark(byte);
  assert_int_equal(eg_fill(whole, 0), EG_OK);
  assert_fails(eg_unary(EG_EXP, a, whole), EG_EDTYPE, "exp: input is (2, 3) int64, expected float32 or float64");
  assert_fails(eg_unary(EG_ISNAN, a, a), EG_EDTYPE, "isnan: output is (2, 3) float32, expected uint8");
  assert_fails(eg_unary(EG_ABS, a, NULL), EG_ERELEASED, "abs: input was released");
  assert_fails(eg_unary(EG_ABS, NULL, a), EG_ERELEASED, "abs: output was released");
  assert_fails(eg_unary(EG_ABS, a, b), EG_ESHAPE, "abs: shapes differ: output (2, 3), input (4)");
  assert_fails(eg_unary(-1, a, a), EG_EINVAL, "unknown operation -1");
  assert_fails(eg_unary(EG_UNARY_COUNT, a, a), EG_EINVAL, "unknown operation");
  assert_fails(eg_unary_backward(EG_NOT, a, a, a), EG_EINVAL, "has no slope here");
  assert_fails(eg_unary_backward(EG_EXP, a, twice, a), EG_EDTYPE, "exp backward: dtypes differ: saved");
  assert_fails(eg_unary_backward(EG_EXP, a, a, NULL), EG_ERELEASED, "exp backward: saved was released");
  assert_fails(eg_binary(EG_ADD, a, a, b), EG_ESHAPE, "add: shape (4) does not broadcast to (2, 3)");
  assert_fails(eg_binary(EG_MUL, a, a, whole), EG_EDTYPE,
               "mul: dtypes differ: first operand (2, 3) float32, second operand");
  assert_fails(eg_binary(EG_LT, a, a, a), EG_EDTYPE, "lt: output is (2, 3) float32, expected uint8");
  assert_fails(eg_binary(EG_POW, whole, whole, whole), EG_EDTYPE, "pow: first operand is (2, 3) int64");
  assert_fails(eg_binary(EG_DIV, whole, whole, whole), EG_EINVAL, "div: division by zero: (2, 3) int64");
  assert_fails(eg_binary_scalar(EG_REMAINDER, whole, whole, 0, 0), EG_EINVAL, "remainder: division by zero");
  assert_fails(eg_binary_scalar(EG_ADD, byte, byte, 0.5, 0), EG_EINVAL, "add: 0.5 is no uint8 number");
  assert_fails(eg_binary_scalar(EG_MUL, byte, byte, 256, 1), EG_EINVAL, "mul: 256 is no uint8 number");
  assert_fails(eg_binary_scalar(EG_MUL, a, NULL, 2, 1), EG_ERELEASED, "mul: operand was released");
  assert_fails(eg_binary_scalar(99, a, a, 2, 1), EG_EINVAL, "unknown operation 99");
  assert_fails(eg_add_scaled(whole, whole, whole, 0.5), EG_EINVAL, "add: the factor 0.5 is no int64 number");
  assert_fails(eg_where(a, a, a, a), EG_EDTYPE, "where: condition is (2, 3) float32, expected uint8");
  assert_fails(eg_where(a, byte, a, b), EG_ESHAPE, "where: shape (4) does not broadcast to (2, 3)");
  assert_true(is_marked(a) && is_marked(byte));
  eg_free(a), eg_free(b), eg_free(whole), eg_free(byte), eg_free(twice);
}

static int nothing_is_left(void **state) {
  assert_int_equal(eg_live_tensors(), 0);
  assert_int_equal(eg_live_bytes(), 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_every_function_of_one_tensor, nothing_is_left),
      cmocka_unit_test_teardown(test_functions_at_the_edges, nothing_is_left),
      cmocka_unit_test_teardown(test_whole_numbers_wrap_around, nothing_is_left),
      cmocka_unit_test_teardown(test_every_gradient, nothing_is_left),
      cmocka_unit_test_teardown(test_slope_of_relu_at_the_edges, nothing_is_left),
      cmocka_unit_test_teardown(test_every_function_of_two_tensors, nothing_is_left),
      cmocka_unit_test_teardown(test_two_tensors_at_the_edges, nothing_is_left),
      cmocka_unit_test_teardown(test_a_tensor_and_a_number, nothing_is_left),
      cmocka_unit_test_teardown(test_scaled_sums, nothing_is_left),
      cmocka_unit_test_teardown(test_fill, nothing_is_left),
      cmocka_unit_test_teardown(test_copies_convert_every_pair_of_dtypes, nothing_is_left),
      cmocka_unit_test_teardown(test_copies_broadcast_and_turn, nothing_is_left),
      cmocka_unit_test_teardown(test_clamp, nothing_is_left),
      cmocka_unit_test_teardown(test_where, nothing_is_left),
      cmocka_unit_test_teardown(test_outputs_may_be_inputs, nothing_is_left),
      cmocka_unit_test_teardown(test_overlapping_operands_are_read_before_they_are_written, nothing_is_left),
      cmocka_unit_test_teardown(test_expanded_outputs_are_refused, nothing_is_left),
      cmocka_unit_test_teardown(test_threads_change_no_bit, nothing_is_left),
      cmocka_unit_test_teardown(test_a_value_does_not_depend_on_its_place, nothing_is_left),
      cmocka_unit_test_teardown(test_messages, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
