/* Products against plain loops in double, over shapes, layouts, batches and threads; messages; failures of allocation. */
#include "tensors.h"

enum { PLAIN, TURNED, SCATTERED, EXPANDED, LAYOUTS };

/* Random numbers with the last two dimensions exchanged in memory, or gaps everywhere, or one row many times. */
static eg_tensor *operand(int dtype, int dims, const int64_t *size, int layout) {
  int64_t from[8], stride[8];
  memcpy(from, size, (size_t)dims * sizeof *size);
  if (layout == TURNED) from[dims - 1] = size[dims - 2], from[dims - 2] = size[dims - 1];
  if (layout == EXPANDED) from[dims - 2] = size[dims - 2] > 0;
  eg_tensor *t = random_tensor(dtype, dims, from);
  if (layout == PLAIN) return t;
  if (layout == SCATTERED) return scattered(t);
  memcpy(stride, t->stride, sizeof stride);
  if (layout == TURNED) stride[dims - 1] = t->stride[dims - 2], stride[dims - 2] = t->stride[dims - 1];
  else stride[dims - 2] = 0;
  eg_tensor *view = eg_view(t, dims, size, stride, 0);
  eg_free(t);
  return view;
}

/* The number of t's matrix that broadcasting pairs with matrix i of out. */
static int64_t paired(const eg_tensor *t, const eg_tensor *out, int64_t i) {
  int64_t at = 0, unit = 1;
  for (int d = out->dims - 3, e = t->dims - 3; e >= 0; d--, e--) {
    at += t->size[e] == 1 ? 0 : i % out->size[d] * unit;
    unit *= t->size[e];
    i /= out->size[d];
  }
  return at;
}

static void assert_product(const eg_tensor *out, const eg_tensor *a, const eg_tensor *b, const eg_tensor *bias) {
  int64_t m = a->size[a->dims - 2], k = a->size[a->dims - 1], n = b->size[b->dims - 1];
  double *expected = calloc((size_t)out->count + 1, sizeof *expected),
         *size = calloc((size_t)out->count + 1, sizeof *size);
  double *left = calloc((size_t)(m * k) + 1, sizeof *left), *right = calloc((size_t)(k * n) + 1, sizeof *right);
  for (int64_t item = 0; m * n > 0 && item < out->count / (m * n); item++) {
    int64_t from_a = paired(a, out, item) * m * k, from_b = paired(b, out, item) * k * n;
    for (int64_t i = 0; i < m * k; i++) left[i] = get(a, from_a + i);
    for (int64_t i = 0; i < k * n; i++) right[i] = get(b, from_b + i);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        double sum = bias ? get(bias, j) : 0, reach = fabs(sum);
        for (int64_t l = 0; l < k; l++)
          sum += left[i * k + l] * right[l * n + j], reach += fabs(left[i * k + l] * right[l * n + j]);
        expected[(item * m + i) * n + j] = sum, size[(item * m + i) * n + j] = reach;
      }
  }
  assert_close(out, expected, size, "product");
  free(expected), free(size), free(left), free(right);
}

static void test_matrices_in_every_layout(void **state) {
  static const int64_t shapes[][3] = {
      {1, 1, 1},   {2, 3, 4},   {1, 7, 5},  {5, 7, 1},    {1, 9, 1},     {17, 33, 19}, {64, 10, 64},
      {3, 0, 4},   {0, 3, 4},   {4, 3, 0},  {100, 1, 30}, {23, 520, 47}, {16, 8, 300}, {41, 300, 16},
      {19, 9, 31}, {9, 37, 70}, {2, 33, 3}, {15, 17, 40}, {7, 64, 5},    {60, 50, 9},  {50, 40, 2}};
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int layout = 0; layout < LAYOUTS * LAYOUTS; layout++) {
        int64_t m = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
        eg_tensor *a = operand(dtype, 2, SIZES(m, k), layout % LAYOUTS),
                  *b = operand(dtype, 2, SIZES(k, n), layout / LAYOUTS);
        eg_tensor *out = fresh(dtype, 2, SIZES(m, n));
        assert_int_equal(eg_fill(out, NAN), EG_OK);
        assert_int_equal(eg_matmul(out, a, b), EG_OK);
        assert_product(out, a, b, NULL);
        eg_free(a), eg_free(b), eg_free(out);
      }
}

static void test_batches_broadcast(void **state) {
  static const struct {
    int a_dims, b_dims, dims;
    int64_t a[4], b[4], size[4];
  } cases[] = {{3, 3, 3, {5, 2, 3}, {5, 3, 4}, {5, 2, 4}},
               {3, 2, 3, {5, 2, 3}, {3, 4}, {5, 2, 4}},
               {2, 3, 3, {2, 3}, {5, 3, 4}, {5, 2, 4}},
               {4, 3, 4, {2, 1, 3, 4}, {5, 4, 2}, {2, 5, 3, 2}},
               {4, 4, 4, {2, 1, 3, 4}, {1, 3, 4, 5}, {2, 3, 3, 5}},
               {3, 3, 3, {0, 2, 3}, {1, 3, 4}, {0, 2, 4}},
               {3, 3, 3, {40, 30, 30}, {40, 30, 30}, {40, 30, 30}}};
  for (size_t c = 0; c < COUNT(cases); c++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int layout = 0; layout < LAYOUTS * LAYOUTS; layout += 1 + (c > 5) * 4) {
        eg_tensor *a = operand(dtype, cases[c].a_dims, cases[c].a, layout % LAYOUTS);
        eg_tensor *b = operand(dtype, cases[c].b_dims, cases[c].b, layout / LAYOUTS),
                  *out = fresh(dtype, cases[c].dims, cases[c].size);
        assert_int_equal(eg_matmul(out, a, b), EG_OK);
        assert_product(out, a, b, NULL);
        eg_free(a), eg_free(b), eg_free(out);
      }
}

static void test_linear_layers(void **state) {
  static const int64_t shapes[][3] = {{1, 1, 1},   {4, 7, 5},     {1, 30, 10},   {10, 784, 100}, {3, 0, 4},   {0, 3, 4},
                                      {33, 65, 1}, {17, 270, 45}, {11, 100, 13}, {40, 61, 10},   {5, 131, 66}};
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int layout = 0; layout < LAYOUTS * LAYOUTS; layout += 1 + (s == 3) * 2) {
        int64_t n = shapes[s][0], in = shapes[s][1], o = shapes[s][2];
        eg_tensor *x = operand(dtype, 2, SIZES(n, in), layout % LAYOUTS),
                  *weight = operand(dtype, 2, SIZES(o, in), layout / LAYOUTS);
        eg_tensor *bias = random_tensor(dtype, 1, SIZES(o)), *out = fresh(dtype, 2, SIZES(n, o));
        eg_tensor *turned = eg_view(weight, 2, SIZES(in, o), SIZES(weight->stride[1], weight->stride[0]), 0);
        if (layout % 3 == 1) bias = scattered(bias);
        assert_int_equal(eg_fill(out, NAN), EG_OK);
        assert_int_equal(eg_linear(out, x, weight, bias), EG_OK);
        assert_product(out, x, turned, bias);
        assert_int_equal(eg_linear(out, x, weight, NULL), EG_OK);
        assert_product(out, x, turned, NULL);
        eg_free(x), eg_free(weight), eg_free(bias), eg_free(out), eg_free(turned);
      }
}

/* Large enough for several tiles, along either side and in batches. */
static void test_tiles_and_threads_change_no_bit(void **state) {
  static const int64_t shapes[][4] = {{1, 300, 257, 190}, {1, 32, 1000, 700}, {1, 700, 500, 33},  {37, 60, 70, 80},
                                      {2, 200, 300, 250}, {1, 1, 3000, 3000}, {1, 3000, 3000, 1}, {1, 12, 600, 2000},
                                      {1, 3000, 500, 6},  {1, 15, 5000, 65}};
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (int layout = 0; layout < 2; layout++) {
      int64_t batch = shapes[s][0], m = shapes[s][1], k = shapes[s][2], n = shapes[s][3];
      eg_tensor *a = operand(EG_FLOAT32, 3, SIZES(batch, m, k), layout),
                *b = operand(EG_FLOAT32, 3, SIZES(batch, k, n), 1 - layout);
      eg_tensor *first = fresh(EG_FLOAT32, 3, SIZES(batch, m, n)), *out = eg_new_like(first, -1);
      eg_threads_set(1);
      assert_int_equal(eg_matmul(first, a, b), EG_OK);
      if (m * k * n < 20000000) assert_product(first, a, b, NULL);
      for (int threads = 2; threads <= 4; threads += 2) {
        eg_threads_set(threads);
        assert_int_equal(eg_matmul(out, a, b), EG_OK);
        assert_true(same_bits(out, first));
      }
      eg_free(a), eg_free(b), eg_free(out), eg_free(first);
    }
}

/* The last of several tiles is narrower than a vector: it must not reach into the one before, whose relu is done. */
static void test_relu_of_a_narrow_last_tile(void **state) {
  eg_tensor *x = random_tensor(EG_FLOAT32, 2, SIZES(15, 5000)), *rows = random_tensor(EG_FLOAT32, 2, SIZES(5000, 65));
  eg_tensor *weight = eg_view(rows, 2, SIZES(65, 5000), SIZES(1, 65), 0), *out = fresh(EG_FLOAT32, 2, SIZES(15, 65));
  for (int threads = 1; threads <= 2; threads++) {
    eg_threads_set(threads);
    assert_int_equal(eg_linear_relu(out, x, weight, NULL), EG_OK);
    for (int64_t i = 0; i < out->count; i++) assert_true(get(out, i) >= 0);
  }
  eg_free(x), eg_free(rows), eg_free(weight), eg_free(out);
}

static void test_nan_and_infinity_spread(void **state) {
  for (int64_t n = 1; n < 4; n += 2) {
    eg_tensor *a = random_tensor(EG_FLOAT32, 2, SIZES(3, 4)), *b = random_tensor(EG_FLOAT32, 2, SIZES(4, n)),
              *out = fresh(EG_FLOAT32, 2, SIZES(3, n));
    put(a, 5, NAN);
    assert_int_equal(eg_fill(out, NAN), EG_OK); /* what stood there before does not matter */
    assert_int_equal(eg_matmul(out, a, b), EG_OK);
    for (int64_t i = 0; i < 3 * n; i++) assert_int_equal(get(out, i) != get(out, i), i / n == 1);
    eg_free(a), eg_free(b), eg_free(out);
  }
}

/* The last vector of a dot product lies over the one before: what both hold must count once, infinity too. */
static void test_infinity_counts_once(void **state) {
  for (int64_t k = 33; k < 48; k++) {
    eg_tensor *a = random_tensor(EG_FLOAT32, 2, SIZES(3, k)), *w = random_tensor(EG_FLOAT32, 2, SIZES(5, k));
    eg_tensor *out = fresh(EG_FLOAT32, 2, SIZES(3, 5));
    assert_int_equal(eg_fill(a, 1), EG_OK);
    assert_int_equal(eg_fill(w, 1), EG_OK);
    put(w, 2 * k + 31, INFINITY);
    assert_int_equal(eg_linear(out, a, w, NULL), EG_OK);
    for (int64_t i = 0; i < 15; i++) assert_true(get(out, i) == (i % 5 == 2 ? INFINITY : (double)k));
    eg_free(a), eg_free(w), eg_free(out);
  }
}

static void test_failed_allocations_are_reported(void **state) {
  eg_tensor *a = operand(EG_FLOAT32, 2, SIZES(5, 6), SCATTERED), *b = operand(EG_FLOAT32, 2, SIZES(6, 7), SCATTERED),
            *out = fresh(EG_FLOAT32, 2, SIZES(5, 7));
  int64_t live = eg_live_bytes();
  mark(out);
  for (int64_t after = 0; after < 6; after++) {
    eg_alloc_fail_after(after);
    assert_fails(eg_matmul(out, a, b), EG_ENOMEM, "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(6);
  assert_int_equal(eg_matmul(out, a, b), EG_OK);
  eg_alloc_fail_after(-1);
  assert_int_equal(eg_live_bytes(), live);
  eg_free(a), eg_free(b), eg_free(out);
}

static void test_messages(void **state) {
  eg_tensor *a = random_tensor(EG_FLOAT32, 2, SIZES(32, 784)), *b = random_tensor(EG_FLOAT32, 2, SIZES(100, 10)),
            *out = fresh(EG_FLOAT32, 2, SIZES(32, 10));
  eg_tensor *whole = fresh(EG_INT64, 2, SIZES(3, 3)), *row = random_tensor(EG_FLOAT32, 1, SIZES(784)),
            *twice = random_tensor(EG_FLOAT64, 2, SIZES(784, 10));
  eg_tensor *two = random_tensor(EG_FLOAT32, 3, SIZES(2, 3, 3)), *three = random_tensor(EG_FLOAT32, 3, SIZES(3, 3, 3)),
            *square = eg_new_like(two, -1);
  eg_tensor *turned = eg_view(out, 2, SIZES(10, 32), SIZES(1, 10), 0),
            *weight = random_tensor(EG_FLOAT32, 2, SIZES(10, 784));
  mark(out), mark(square);
  assert_fails(eg_matmul(out, a, b), EG_ESHAPE, "matmul: inner sizes differ: (32, 784) x (100, 10)");
  assert_fails(eg_matmul(out, a, row), EG_ESHAPE, "matmul: expected two dimensions or more: (32, 784) x (784)");
  assert_fails(eg_matmul(out, a, twice), EG_EDTYPE,
               "matmul: dtypes differ: first operand (32, 784) float32, second operand (784, 10) float64");
  assert_fails(eg_matmul(out, whole, whole), EG_EDTYPE,
               "matmul: first operand is (3, 3) int64, expected float32 or float64");
  assert_fails(eg_matmul(out, NULL, b), EG_ERELEASED, "matmul: first operand was released");
  assert_fails(eg_matmul(out, a, NULL), EG_ERELEASED, "matmul: second operand was released");
  assert_fails(eg_matmul(NULL, a, b), EG_ERELEASED, "matmul: output was released");
  assert_fails(eg_matmul(square, two, three), EG_ESHAPE,
               "matmul: leading sizes do not broadcast: (2, 3, 3) x (3, 3, 3)");
  assert_fails(eg_matmul(square, square, two), EG_EINVAL, "matmul: the output shares memory with an operand");
  assert_fails(eg_matmul(turned, a, b), EG_EINVAL, "matmul: output must be contiguous");
  assert_fails(eg_matmul(square, a, weight), EG_ESHAPE, "matmul: inner sizes differ");
  assert_fails(eg_matmul(out, two, two), EG_ESHAPE, "matmul: output has shape (32, 10), expected (2, 3, 3)");
  assert_fails(eg_linear(out, a, b, NULL), EG_ESHAPE,
               "linear: input has 784 features, the weight wants 10: input (32, 784), weight (100, 10)");
  assert_fails(eg_linear(out, row, weight, NULL), EG_ESHAPE, "linear: input has 1 dimensions, expected 2");
  assert_fails(eg_linear(out, a, weight, row), EG_ESHAPE, "linear: bias has shape (784), expected (10)");
  assert_fails(eg_linear(square, a, weight, NULL), EG_ESHAPE, "linear: output has shape (2, 3, 3), expected (32, 10)");
  assert_fails(eg_linear(out, a, NULL, NULL), EG_ERELEASED, "linear: weight was released");
  assert_true(is_marked(out) && is_marked(square));
  eg_free(a), eg_free(b), eg_free(out), eg_free(whole), eg_free(row), eg_free(twice), eg_free(two), eg_free(three),
      eg_free(square), eg_free(turned), eg_free(weight);
}

static int nothing_is_left(void **state) {
  assert_int_equal(eg_live_tensors(), 0);
  assert_int_equal(eg_live_bytes(), 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_matrices_in_every_layout, nothing_is_left),
      cmocka_unit_test_teardown(test_batches_broadcast, nothing_is_left),
      cmocka_unit_test_teardown(test_linear_layers, nothing_is_left),
      cmocka_unit_test_teardown(test_tiles_and_threads_change_no_bit, nothing_is_left),
      cmocka_unit_test_teardown(test_relu_of_a_narrow_last_tile, nothing_is_left),
      cmocka_unit_test_teardown(test_nan_and_infinity_spread, nothing_is_left),
      cmocka_unit_test_teardown(test_infinity_counts_once, nothing_is_left),
      cmocka_unit_test_teardown(test_failed_allocations_are_reported, nothing_is_left),
      cmocka_unit_test_teardown(test_messages, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
