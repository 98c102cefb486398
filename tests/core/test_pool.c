/* Pooling against plain loops, over shapes, layouts, dtypes and index dtypes; NaN and ties; messages; threads. */
#include "tensors.h"

typedef struct shape {
  int64_t n, c, h, w;
  eg_pool how;
} shape;

static const shape shapes[] = {
    {2, 3, 4, 6, {2, 2, 2, 2, 0, 0}},    {2, 3, 5, 7, {2, 2, 2, 2, 0, 0}},     {1, 2, 5, 5, {3, 2, 2, 1, 1, 0}},
    {3, 1, 9, 8, {3, 3, 1, 1, 1, 1}},    {1, 1, 1, 1, {1, 1, 1, 1, 0, 0}},     {2, 2, 6, 6, {6, 6, 1, 1, 0, 0}},
    {2, 5, 20, 17, {2, 3, 3, 4, 1, 1}},  {1, 3, 18, 18, {16, 16, 2, 1, 8, 8}}, {2, 3, 40, 64, {2, 2, 2, 2, 0, 0}},
    {1, 2, 2, 3, {3, 4, 5, 7, 1, 2}},    {2, 2, 6, 24, {2, 2, 2, 2, 0, 0}},    {1, 2, 5, 23, {2, 2, 2, 2, 0, 0}},
    {1, 1, 3, 1300, {3, 3, 1, 1, 1, 1}}, {1, 1, 2, 1300, {2, 2, 2, 2, 0, 0}},  {1, 1, 60, 25, {2, 3, 1, 1, 1, 0}},
};

typedef struct pools {
  eg_tensor *in, *out, *index, *grad_out, *grad_in;
} pools;

static pools prepare(const shape *s, int dtype, int index_dtype, bool gaps) {
  pools p = {.in = random_tensor(dtype, 4, SIZES(s->n, s->c, s->h, s->w))};
  for (int64_t i = 0; i < p.in->count; i++) put(p.in, i, round(get(p.in, i) * 20)); /* ties */
  p.out = eg_pool2d_new(p.in, &s->how, -1);
  p.index = eg_pool2d_new(p.in, &s->how, index_dtype);
  assert_true(p.out && p.index);
  p.grad_out = random_tensor(dtype, 4, p.out->size);
  p.grad_in = fresh(dtype, 4, p.in->size);
  if (gaps) p.in = scattered(p.in), p.grad_out = scattered(p.grad_out);
  mark(p.out), mark(p.index), mark(p.grad_in);
  return p;
}

static void drop(pools *p) {
  eg_free(p->in), eg_free(p->out), eg_free(p->index), eg_free(p->grad_out), eg_free(p->grad_in);
}

/* The window of output i: the plane's first element and the corner in the plane. */
static void window(const pools *p, const shape *s, int64_t i, int64_t *plane, int64_t *top, int64_t *left) {
  const int64_t *size = p->out->size;
  *plane = i / (size[2] * size[3]) * s->h * s->w;
  *top = i / size[3] % size[2] * s->how.stride_h - s->how.padding_h;
  *left = i % size[3] * s->how.stride_w - s->how.padding_w;
}

/* Calls for every place (of the window and of the input) of output i that lies inside the plane. */
#define FOR_EACH_PLACE(p, s, i, tap, from)                                                                             \
  for (int64_t tap = 0, plane_, top_, left_, from;                                                                     \
       window(p, s, i, &plane_, &top_, &left_), tap < (s)->how.kernel_h * (s)->how.kernel_w; tap++)                    \
    if (top_ + tap / (s)->how.kernel_w >= 0 && top_ + tap / (s)->how.kernel_w < (s)->h &&                              \
        left_ + tap % (s)->how.kernel_w >= 0 && left_ + tap % (s)->how.kernel_w < (s)->w &&                            \
        (from = plane_ + (top_ + tap / (s)->how.kernel_w) * (s)->w + left_ + tap % (s)->how.kernel_w, true))

static void check_max(const shape *s, int dtype, int index_dtype, bool gaps) {
  pools p = prepare(s, dtype, index_dtype, gaps);
  double *grad = calloc((size_t)p.in->count, sizeof *grad), *size = calloc((size_t)p.in->count, sizeof *size);
  eg_tensor *taken = eg_new_like(p.out, -1);
  assert_int_equal(eg_maxpool2d(p.out, p.index, p.in, &s->how), EG_OK);
  assert_int_equal(eg_maxpool2d_backward(p.grad_in, p.grad_out, p.index, &s->how), EG_OK);
  assert_int_equal(eg_maxpool2d_take(taken, p.in, p.index, &s->how), EG_OK);
  for (int64_t i = 0; i < p.out->count; i++) {
    int64_t best = -1, best_tap = -1;
    FOR_EACH_PLACE(&p, s, i, tap, from) {
      if (best < 0 || get(p.in, from) > get(p.in, best)) best = from, best_tap = tap;
    }
    assert_true(get(p.out, i) == get(p.in, best));
    assert_true(get(p.index, i) == (double)(index_dtype == EG_UINT8 ? best_tap : best % (s->h * s->w) + 1));
    grad[best] += get(p.grad_out, i);
    size[best] += fabs(get(p.grad_out, i));
  }
  assert_true(same_bits(taken, p.out));
  assert_close(p.grad_in, grad, size, "max");
  free(grad), free(size), eg_free(taken), drop(&p);
}

static void max_equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 8; variant++)
      check_max(&shapes[i], variant & 1 ? EG_FLOAT64 : EG_FLOAT32, variant & 2 ? EG_INT64 : EG_UINT8, variant & 4);
}

static void mean_equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 4; variant++) {
      const shape *s = &shapes[i];
      pools p = prepare(s, variant & 1 ? EG_FLOAT64 : EG_FLOAT32, EG_UINT8, variant & 2);
      double *mean = calloc((size_t)p.out->count, sizeof *mean),
             *mean_size = calloc((size_t)p.out->count, sizeof *mean);
      double *grad = calloc((size_t)p.in->count, sizeof *grad), *size = calloc((size_t)p.in->count, sizeof *size);
      double share = 1.0 / (double)(s->how.kernel_h * s->how.kernel_w);
      for (int64_t o = 0; o < p.out->count; o++) FOR_EACH_PLACE(&p, s, o, tap, from) {
          mean[o] += get(p.in, from) * share;
          mean_size[o] += fabs(get(p.in, from)) * share;
          grad[from] += get(p.grad_out, o) * share;
          size[from] += fabs(get(p.grad_out, o)) * share;
        }
      assert_int_equal(eg_avgpool2d(p.out, p.in, &s->how), EG_OK);
      assert_int_equal(eg_avgpool2d_backward(p.grad_in, p.grad_out, &s->how), EG_OK);
      assert_close(p.out, mean, mean_size, "mean");
      assert_close(p.grad_in, grad, size, "mean backward");
      free(mean), free(mean_size), free(grad), free(size), drop(&p);
    }
}

/* NaN wins, the last of them (as in PyTorch); among equals the first; padding never wins over minus infinity. */
static void special_values(void **state) {
  static const struct {
    double in[4], out;
    int index;
  } cases[] = {{{1, NAN, 5, NAN}, NAN, 3},
               {{NAN, 2, 3, 4}, NAN, 0},
               {{1, 2, 3, NAN}, NAN, 3},
               {{7, 7, 7, 7}, 7, 0},
               {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}, -INFINITY, 0},
               {{0, -0.0, 0, 0}, 0, 0},
               {{1, 2, 2, 1}, 2, 1}};
  for (size_t i = 0; i < COUNT(cases); i++)
    for (int wide = 0; wide < 2; wide++) { /* width 32: the loop over pairs in vectors; index int64: the general one */
      eg_tensor *in = fresh(EG_FLOAT32, 4, SIZES(1, 1, 2, 64)), *out, *index;
      for (int64_t j = 0; j < in->count; j++) put(in, j, cases[i].in[j / 64 * 2 + j % 2]);
      const eg_pool how = {2, 2, 2, 2, 0, 0};
      out = eg_pool2d_new(in, &how, -1), index = eg_pool2d_new(in, &how, wide ? EG_INT64 : EG_UINT8);
      assert_int_equal(eg_maxpool2d(out, index, in, &how), EG_OK);
      for (int64_t j = 0; j < 32; j++) {
        double at = wide ? cases[i].index / 2 * 64 + 2 * (double)j + cases[i].index % 2 + 1 : cases[i].index;
        assert_true(get(index, j) == at);
        assert_true(isnan(cases[i].out) ? isnan(get(out, j)) : get(out, j) == cases[i].out);
      }
      eg_free(in), eg_free(out), eg_free(index);
    }
}

static void bits_do_not_depend_on_threads(void **state) {
  static const shape cases[] = {{5, 8, 32, 32, {2, 2, 2, 2, 0, 0}}, {3, 8, 50, 50, {3, 3, 2, 2, 1, 1}}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    const shape *s = &cases[i];
    pools p = prepare(s, EG_FLOAT32, EG_UINT8, false);
    const eg_tensor *results[] = {p.out, p.index, p.grad_in};
    eg_tensor *first[3];
    for (int threads = 1; threads <= 4; threads *= 2) {
      eg_threads_set(threads);
      assert_int_equal(eg_maxpool2d(p.out, p.index, p.in, &s->how), EG_OK);
      assert_int_equal(eg_maxpool2d_backward(p.grad_in, p.grad_out, p.index, &s->how), EG_OK);
      for (int j = 0; j < 3; j++) {
        if (threads > 1) assert_true(same_bits(results[j], first[j]));
        else first[j] = eg_new_like(results[j], -1), eg_copy(first[j], results[j]);
      }
    }
    for (int j = 0; j < 3; j++) eg_free(first[j]);
    drop(&p);
  }
}

static void empty_tensors(void **state) {
  for (int which = 0; which < 2; which++) {
    const shape s = {which ? 2 : 0, which ? 0 : 2, 4, 4, {2, 2, 2, 2, 0, 0}};
    pools p = prepare(&s, EG_FLOAT32, EG_UINT8, false);
    assert_int_equal(eg_maxpool2d(p.out, p.index, p.in, &s.how), EG_OK);
    assert_int_equal(eg_maxpool2d_backward(p.grad_in, p.grad_out, p.index, &s.how), EG_OK);
    assert_int_equal(eg_avgpool2d(p.out, p.in, &s.how), EG_OK);
    assert_int_equal(eg_avgpool2d_backward(p.grad_in, p.grad_out, &s.how), EG_OK);
    drop(&p);
  }
}

/* Rows and columns between windows, where the stride is longer than the window. */
static void unreached_elements_get_zero(void **state) {
  const shape s = {1, 1, 5, 5, {2, 2, 3, 3, 0, 0}};
  pools p = prepare(&s, EG_FLOAT32, EG_UINT8, false);
  assert_int_equal(eg_maxpool2d(p.out, p.index, p.in, &s.how), EG_OK);
  assert_int_equal(eg_maxpool2d_backward(p.grad_in, p.grad_out, p.index, &s.how), EG_OK);
  for (int64_t i = 0; i < 5; i++) assert_true(get(p.grad_in, 2 * 5 + i) == 0 && get(p.grad_in, i * 5 + 2) == 0);
  drop(&p);
}

static void indices_are_distrusted(void **state) {
  static const struct {
    shape s;
    double small, wide;
  } cases[] = {{{1, 1, 4, 4, {2, 2, 2, 2, 0, 0}}, 4, 0},
               {{1, 1, 4, 4, {2, 2, 2, 2, 0, 0}}, 255, 17},
               {{1, 1, 4, 4, {3, 3, 2, 2, 1, 1}}, 0, -1}, /* the corner of the first window is padding */
               {{1, 1, 4, 4, {3, 3, 2, 2, 1, 1}}, 9, 1e18}};
  for (size_t i = 0; i < COUNT(cases); i++)
    for (int wide = 0; wide < 2; wide++) {
      pools p = prepare(&cases[i].s, EG_FLOAT32, wide ? EG_INT64 : EG_UINT8, false);
      assert_int_equal(eg_maxpool2d(p.out, p.index, p.in, &cases[i].s.how), EG_OK);
      put(p.index, 0, wide ? cases[i].wide : cases[i].small);
      mark(p.out);
      assert_fails(eg_maxpool2d_backward(p.grad_in, p.grad_out, p.index, &cases[i].s.how), EG_EINDEX,
                   "maxpool2d_backward: an index lies outside its plane: input (1, 1, 4, 4), window");
      assert_fails(eg_maxpool2d_take(p.out, p.in, p.index, &cases[i].s.how), EG_EINDEX,
                   "maxpool2d_take: an index lies");
      assert_true(is_marked(p.grad_in) && is_marked(p.out));
      drop(&p);
    }
}

/* Windows near the end of the number range, all but one place of each in the padding. */
static void hostile_windows(void **state) {
  const int64_t far = INT64_MAX;
  const shape s = {1, 1, 3, 3, {far, far, 1, far, far / 2, far / 2}};
  pools p = prepare(&s, EG_FLOAT32, EG_INT64, false);
  double largest = -INFINITY;
  for (int64_t i = 0; i < 9; i++) largest = fmax(largest, get(p.in, i));
  assert_int_equal(eg_maxpool2d(p.out, p.index, p.in, &s.how), EG_OK);
  assert_int_equal(eg_maxpool2d_backward(p.grad_in, p.grad_out, p.index, &s.how), EG_OK);
  for (int64_t i = 0; i < p.out->count; i++) assert_true(get(p.out, i) == largest);
  assert_int_equal(eg_avgpool2d(p.out, p.in, &s.how), EG_OK);
  assert_int_equal(eg_avgpool2d_backward(p.grad_in, p.grad_out, &s.how), EG_OK);
  for (int64_t i = 0; i < p.out->count; i++) assert_true(fabs(get(p.out, i)) < 1e-30);
  drop(&p);
}

static void messages(void **state) {
  const eg_pool two = {2, 2, 2, 2, 0, 0}, large = {20, 20, 1, 1, 0, 0};
  eg_tensor *in = random_tensor(EG_FLOAT32, 4, SIZES(2, 3, 20, 20)), *flat = random_tensor(EG_FLOAT32, 2, SIZES(4, 4));
  eg_tensor *out = eg_pool2d_new(in, &two, -1), *index = eg_pool2d_new(in, &two, EG_UINT8);
  eg_tensor *one = eg_pool2d_new(in, &large, -1), *bytes = eg_pool2d_new(in, &large, EG_UINT8);
  eg_tensor *integers = fresh(EG_INT64, 4, SIZES(2, 3, 20, 20)), *wide = eg_new_like(out, EG_FLOAT64);
  eg_tensor *gaps = scattered(random_tensor(EG_FLOAT32, 4, out->size)),
            *empty = fresh(EG_FLOAT32, 4, SIZES(1, 1, 0, 4));
  mark(out), mark(index);
  static const struct {
    eg_pool how;
    eg_status status;
    const char *text;
  } wrong[] = {{{0, 2, 2, 2, 0, 0}, EG_EINVAL, "maxpool2d: window (0, 2) with stride (2, 2), expected at least 1"},
               {{2, 2, 2, 0, 0, 0}, EG_EINVAL, "maxpool2d: window (2, 2) with stride (2, 0), expected at least 1"},
               {{2, 2, 2, 2, 0, 2},
                EG_EINVAL,
                "maxpool2d: padding is (0, 2), expected at least 0 and at most half of the window (2, 2)"},
               {{2, 2, 2, 2, -1, 0}, EG_EINVAL, "maxpool2d: padding is (-1, 0), expected at least 0"},
               {{25, 2, 2, 2, 2, 0},
                EG_ESHAPE,
                "maxpool2d: window (25, 2) does not fit into the padded input: input (2, 3, 20, 20), padding (2, 0)"},
               {{3, 3, 3, 3, 0, 0}, EG_ESHAPE, "maxpool2d: output has shape (2, 3, 10, 10), expected (2, 3, 6, 6)"}};
  for (size_t i = 0; i < COUNT(wrong); i++)
    assert_fails(eg_maxpool2d(out, index, in, &wrong[i].how), wrong[i].status, wrong[i].text);
  assert_null(eg_pool2d_new(empty, &(eg_pool){2, 2, 2, 2, 1, 1}, -1)); /* a window of nothing but padding */
  assert_non_null(
      strstr(eg_error_message(), "pool2d: window (2, 2) does not fit into the padded input: input (1, 1, 0, 4)"));
  assert_null(eg_pool2d_new(flat, &two, -1));
  assert_non_null(strstr(eg_error_message(), "pool2d: input has 2 dimensions, expected 4"));
  assert_fails(eg_maxpool2d(one, bytes, in, &large), EG_EDTYPE,
               "maxpool2d: a window of 20 x 20 has more than 256 places, too many for a uint8 index; use int64");
  eg_tensor *huge = eg_view(in, 4, SIZES(1, 1, 50000, 50000), SIZES(0, 0, 0, 0), 0);
  eg_tensor *corner = fresh(EG_FLOAT32, 4, SIZES(1, 1, 1, 1)), *where = fresh(EG_INT64, 4, SIZES(1, 1, 1, 1));
  assert_fails(eg_maxpool2d(corner, where, huge, &(eg_pool){50000, 50000, 1, 1, 0, 0}), EG_EINVAL,
               "maxpool2d: a window of 50000 x 50000 spans more than 2147483647 elements");
  assert_fails(eg_maxpool2d(out, index, integers, &two), EG_EDTYPE, "maxpool2d: input is (2, 3, 20, 20) int64");
  assert_fails(eg_maxpool2d(wide, index, in, &two), EG_EDTYPE,
               "maxpool2d: output is (2, 3, 10, 10) float64, expected float32");
  assert_fails(eg_maxpool2d(gaps, index, in, &two), EG_EINVAL, "maxpool2d: output must be contiguous");
  assert_fails(eg_maxpool2d(out, out, in, &two), EG_EDTYPE,
               "maxpool2d: index is (2, 3, 10, 10) float32, expected uint8 or int64");
  assert_fails(eg_maxpool2d(out, bytes, in, &two), EG_ESHAPE,
               "maxpool2d: index has shape (2, 3, 1, 1), expected (2, 3, 10, 10)");
  assert_fails(eg_maxpool2d(out, NULL, in, &two), EG_ERELEASED, "maxpool2d: index was released");
  assert_fails(eg_maxpool2d(out, index, NULL, &two), EG_ERELEASED, "maxpool2d: input was released");
  assert_fails(eg_maxpool2d(NULL, index, in, &two), EG_ERELEASED, "maxpool2d: output was released");
  assert_fails(eg_avgpool2d(NULL, in, &two), EG_ERELEASED, "avgpool2d: output was released");
  assert_fails(eg_avgpool2d_backward(in, one, &two), EG_ESHAPE, "avgpool2d_backward: output has shape (2, 3, 1, 1)");
  assert_fails(eg_avgpool2d_backward(gaps, one, &large), EG_ESHAPE, "avgpool2d_backward: window (20, 20) does not fit");
  assert_true(is_marked(out) && is_marked(index));
  eg_tensor *all[] = {in, flat, out, index, one, bytes, integers, wide, gaps, empty, huge, corner, where};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(max_equals_plain_loops),
      cmocka_unit_test(mean_equals_plain_loops),
      cmocka_unit_test(special_values),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(empty_tensors),
      cmocka_unit_test(unreached_elements_get_zero),
      cmocka_unit_test(indices_are_distrusted),
      cmocka_unit_test(hostile_windows),
      cmocka_unit_test(messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
