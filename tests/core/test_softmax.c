/* Softmax, its logarithm and the cross entropy against plain loops in double, with gradients; threads; messages. */
#include "tensors.h"

static const struct {
  int dims;
  int64_t size[4];
} shapes[] = {{1, {7}},          {2, {5, 10}},       {2, {33, 1}}, {2, {3, 700}}, {3, {4, 5, 6}},
              {4, {2, 3, 4, 5}}, {4, {3, 10, 1, 7}}, {2, {0, 4}},  {2, {4, 0}}};

static eg_tensor *operand(int dtype, int dims, const int64_t *size, bool gaps) {
  eg_tensor *t = random_tensor(dtype, dims, size);
  for (int64_t i = 0; i < t->count; i++) put(t, i, get(t, i) * 6);
  return gaps ? scattered(t) : t;
}

/* Element i of line number `line` along dim, in row-major order. */
static int64_t element_of(const eg_tensor *t, int dim, int64_t line, int64_t i) {
  int64_t inner = 1;
  for (int d = dim + 1; d < t->dims; d++) inner *= t->size[d];
  return line / inner * inner * t->size[dim] + i * inner + line % inner;
}

typedef struct {
  double *softmax, *logarithm;
} reference;

static reference reference_of(const eg_tensor *in, int dim) {
  reference r = {calloc((size_t)in->count + 1, sizeof(double)), calloc((size_t)in->count + 1, sizeof(double))};
  int64_t n = in->size[dim];
  for (int64_t line = 0; n > 0 && line < in->count / n; line++) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = fmax(top, get(in, element_of(in, dim, line, i)));
    for (int64_t i = 0; i < n; i++) sum += exp(get(in, element_of(in, dim, line, i)) - top);
    for (int64_t i = 0; i < n; i++) {
      int64_t at = element_of(in, dim, line, i);
      r.logarithm[at] = get(in, at) - top - log(sum);
      r.softmax[at] = exp(r.logarithm[at]);
    }
  }
  return r;
}

static void drop(reference r) { free(r.softmax), free(r.logarithm); }

static void assert_near(const eg_tensor *t, const double *expected, double scale, const char *what) {
  double unit = t->dtype == EG_FLOAT32 ? 0x1p-22 : 0x1p-50;
  for (int64_t i = 0; i < t->count; i++)
    if (!(fabs(get(t, i) - expected[i]) <= unit * (scale + fabs(expected[i]))))
      fail_msg("%s: element %lld is %.17g, expected %.17g", what, (long long)i, get(t, i), expected[i]);
}

static void test_softmax_and_its_logarithm(void **state) {
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int gaps = 0; gaps < 2; gaps++)
        for (int dim = 0; dim < shapes[s].dims; dim++) {
          eg_tensor *in = operand(dtype, shapes[s].dims, shapes[s].size, gaps), *out = eg_new_like(in, -1);
          reference r = reference_of(in, dim);
          assert_int_equal(eg_softmax(out, in, dim), EG_OK);
          assert_near(out, r.softmax, 0.5, "softmax");
          assert_int_equal(eg_log_softmax(out, in, dim), EG_OK);
          assert_near(out, r.logarithm, 10, "log_softmax");
          if (!gaps) { /* in place */
            assert_int_equal(eg_log_softmax(in, in, dim), EG_OK);
            assert_true(same_bits(in, out));
          }
          drop(r);
          eg_free(in), eg_free(out);
        }
}

static void test_gradients(void **state) {
  for (size_t s = 0; s < COUNT(shapes); s++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int gaps = 0; gaps < 2; gaps++)
        for (int dim = 0; dim < shapes[s].dims; dim++) {
          int64_t n = shapes[s].size[dim];
          eg_tensor *in = operand(dtype, shapes[s].dims, shapes[s].size, false), *out = eg_new_like(in, -1),
                    *logarithm = eg_new_like(in, -1);
          eg_tensor *grad = operand(dtype, shapes[s].dims, shapes[s].size, gaps), *grad_in = eg_new_like(in, -1);
          double *soft = calloc((size_t)in->count + 1, sizeof *soft),
                 *log_soft = calloc((size_t)in->count + 1, sizeof *log_soft);
          assert_int_equal(eg_softmax(out, in, dim), EG_OK);
          assert_int_equal(eg_log_softmax(logarithm, in, dim), EG_OK);
          if (gaps) out = scattered(out), logarithm = scattered(logarithm);
          for (int64_t line = 0; n > 0 && line < in->count / n; line++) {
            double dot = 0, sum = 0;
            for (int64_t i = 0; i < n; i++)
              dot += get(grad, element_of(in, dim, line, i)) * get(out, element_of(in, dim, line, i));
            for (int64_t i = 0; i < n; i++) sum += get(grad, element_of(in, dim, line, i));
            for (int64_t i = 0; i < n; i++) {
              int64_t at = element_of(in, dim, line, i);
              soft[at] = get(out, at) * (get(grad, at) - dot);
              log_soft[at] = get(grad, at) - exp(get(logarithm, at)) * sum;
            }
          }
          assert_int_equal(eg_softmax_backward(grad_in, grad, out, dim), EG_OK);
          assert_near(grad_in, soft, 6, "softmax backward");
          assert_int_equal(eg_log_softmax_backward(grad_in, grad, logarithm, dim), EG_OK);
          assert_near(grad_in, log_soft, 60, "log_softmax backward");
          free(soft), free(log_soft);
          eg_free(in), eg_free(out), eg_free(logarithm), eg_free(grad), eg_free(grad_in);
        }
}

static void test_large_numbers_stay_finite(void **state) {
  eg_tensor *in = fresh(EG_FLOAT32, 1, SIZES(3)), *out = eg_new_like(in, -1);
  put(in, 0, 1e4), put(in, 1, -1e4), put(in, 2, 1e4);
  assert_int_equal(eg_softmax(out, in, 0), EG_OK);
  assert_true(get(out, 0) == 0.5 && get(out, 1) == 0 && get(out, 2) == 0.5);
  assert_int_equal(eg_log_softmax(out, in, 0), EG_OK);
  assert_true(fabs(get(out, 0) + log(2)) < 1e-3 && fabs(get(out, 1) + 2e4) < 1);
  put(in, 1, -INFINITY); /* a masked class */
  assert_int_equal(eg_log_softmax(out, in, 0), EG_OK);
  assert_true(get(out, 1) == -INFINITY && fabs(get(out, 0) + log(2)) < 1e-3);
  put(in, 1, NAN);
  assert_int_equal(eg_softmax(out, in, 0), EG_OK);
  for (int i = 0; i < 3; i++) assert_true(get(out, i) != get(out, i));
  eg_free(in), eg_free(out);
}

/* ---- cross entropy ---- */

static void test_cross_entropy_and_its_gradient(void **state) {
  static const int64_t sizes[][2] = {{1, 1}, {10, 10}, {128, 10}, {3, 1000}, {0, 5}, {700, 3}};
  for (size_t s = 0; s < COUNT(sizes); s++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int gaps = 0; gaps < 2; gaps++) {
        int64_t n = sizes[s][0], classes = sizes[s][1];
        eg_tensor *logits = operand(dtype, 2, sizes[s], gaps), *log_probabilities = fresh(dtype, 2, sizes[s]),
                  *losses = fresh(dtype, 1, sizes[s]);
        eg_tensor *labels = fresh(EG_INT64, 1, sizes[s]), *scale = random_tensor(dtype, 1, sizes[s]),
                  *grad = fresh(dtype, 2, sizes[s]);
        for (int64_t i = 0; i < n; i++) put(labels, i, 1 + floor((next_number() + 1) / 2 * (double)classes));
        if (gaps) labels = scattered(labels), losses = scattered(losses), scale = scattered(scale);
        reference r = reference_of(logits, 1);
        double *expected = calloc((size_t)logits->count + 1, sizeof *expected),
               *loss = calloc((size_t)n + 1, sizeof *loss);
        assert_int_equal(eg_cross_entropy(losses, log_probabilities, logits, labels), EG_OK);
        assert_near(log_probabilities, r.logarithm, 10, "log probabilities");
        for (int64_t i = 0; i < n; i++) {
          int64_t label = (int64_t)get(labels, i) - 1;
          loss[i] = -r.logarithm[i * classes + label];
          for (int64_t j = 0; j < classes; j++)
            expected[i * classes + j] = (r.softmax[i * classes + j] - (j == label)) * get(scale, i);
        }
        assert_near(losses, loss, 10, "losses");
        assert_int_equal(eg_cross_entropy_backward(grad, scale, log_probabilities, labels), EG_OK);
        assert_near(grad, expected, 10, "gradient");
        eg_tensor *one = fresh(dtype, 1, SIZES(1)),
                  *mean = eg_view(one, 1, sizes[s], SIZES(0), 0); /* the gradient of a mean */
        put(one, 0, 0.25);
        assert_int_equal(eg_cross_entropy_backward(grad, mean, log_probabilities, labels), EG_OK);
        for (int64_t i = 0; i < grad->count; i++)
          expected[i] = 0.25 * (r.softmax[i] - (i % classes + 1 == (int64_t)get(labels, i / classes)));
        assert_near(grad, expected, 10, "gradient of the mean");
        drop(r), free(expected), free(loss);
        eg_free(logits), eg_free(log_probabilities), eg_free(losses), eg_free(labels), eg_free(scale), eg_free(grad),
            eg_free(one), eg_free(mean);
      }
}

static void test_threads_change_no_bit(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 2, SIZES(9001, 10), false),
            *wide = operand(EG_FLOAT32, 2, SIZES(10, 9001), false);
  eg_tensor *labels = fresh(EG_INT64, 1, SIZES(9001)), *losses = fresh(EG_FLOAT32, 1, SIZES(9001)), *first[4], *out;
  assert_int_equal(eg_fill(labels, 3), EG_OK);
  assert_int_equal(eg_fill(losses, 0.5), EG_OK);
  for (int threads = 1; threads <= 4; threads *= 2) {
    eg_threads_set(threads);
    for (int which = 0; which < 4; which++) {
      out = eg_new_like(which == 1 ? wide : in, -1);
      switch (which) {
        case 0: assert_int_equal(eg_softmax(out, in, 1), EG_OK); break;
        case 1: assert_int_equal(eg_log_softmax(out, wide, 0), EG_OK); break;
        case 2: assert_int_equal(eg_softmax_backward(out, in, first[0], 1), EG_OK); break;
        case 3: assert_int_equal(eg_cross_entropy_backward(out, losses, in, labels), EG_OK); break;
      }
      if (threads == 1) first[which] = out;
      else assert_true(same_bits(out, first[which])), eg_free(out);
    }
  }
  for (int which = 0; which < 4; which++) eg_free(first[which]);
  eg_free(in), eg_free(wide), eg_free(labels), eg_free(losses);
}

static void test_failed_allocations_are_reported(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 3, SIZES(4, 5, 6), true), *out = eg_new_like(in, -1),
            *grad = operand(EG_FLOAT32, 3, SIZES(4, 5, 6), true);
  int64_t live = eg_live_bytes();
  mark(out);
  for (int64_t after = 0; after < 6; after++) {
    eg_alloc_fail_after(after);
    assert_fails(eg_softmax_backward(out, grad, in, 2), EG_ENOMEM, "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(out));
  eg_free(in), eg_free(out), eg_free(grad);
}

static void test_messages(void **state) {
  eg_tensor *in = operand(EG_FLOAT32, 2, SIZES(4, 10), false), *out = eg_new_like(in, -1),
            *losses = fresh(EG_FLOAT32, 1, SIZES(4));
  eg_tensor *labels = fresh(EG_INT64, 1, SIZES(4)), *few = fresh(EG_INT64, 1, SIZES(3)),
            *bytes = fresh(EG_UINT8, 1, SIZES(4)), *whole = fresh(EG_INT64, 2, SIZES(4, 10));
  eg_tensor *part = eg_view(in, 2, SIZES(4, 5), SIZES(10, 2), 0),
            *late = eg_view(in, 2, SIZES(3, 10), SIZES(10, 1), 10),
            *early = eg_view(in, 2, SIZES(3, 10), SIZES(10, 1), 0);
  assert_int_equal(eg_fill(labels, 1), EG_OK);
  mark(out), mark(losses);
  assert_fails(eg_softmax(out, in, 2), EG_EINVAL, "softmax: dimension 3 is out of range for shape (4, 10)");
  assert_fails(eg_softmax(out, in, -1), EG_EINVAL, "softmax: dimension 0 is out of range for shape (4, 10)");
  assert_fails(eg_softmax(out, whole, 1), EG_EDTYPE, "softmax: input is (4, 10) int64");
  assert_fails(eg_log_softmax(losses, in, 1), EG_ESHAPE, "log_softmax: shapes differ: output (4), input (4, 10)");
  assert_fails(eg_log_softmax(out, NULL, 1), EG_ERELEASED, "log_softmax: input was released");
  assert_fails(eg_log_softmax(NULL, in, 1), EG_ERELEASED, "log_softmax: output was released");
  assert_fails(eg_softmax(part, part, 1), EG_EINVAL, "softmax: output must be contiguous");
  assert_fails(eg_softmax(late, early, 1), EG_EINVAL, "softmax: the output shares memory with an input");
  assert_fails(eg_softmax_backward(out, in, losses, 1), EG_ESHAPE,
               "softmax backward: shapes differ: saved output (4), gradient (4, 10)");
  assert_fails(eg_cross_entropy(losses, out, in, few), EG_ESHAPE,
               "cross_entropy: labels have shape (3), logits (4, 10): expected one label a row");
  assert_fails(eg_cross_entropy(losses, out, in, bytes), EG_EDTYPE,
               "cross_entropy: labels are (4) uint8, expected int64; convert them with :to(\"int64\")");
  assert_fails(eg_cross_entropy(losses, out, losses, labels), EG_ESHAPE,
               "cross_entropy: logits has 1 dimensions, expected 2");
  assert_fails(eg_cross_entropy(losses, NULL, in, labels), EG_ERELEASED,
               "cross_entropy: log probabilities was released");
  assert_fails(eg_cross_entropy(NULL, out, in, labels), EG_ERELEASED, "cross_entropy: losses was released");
  assert_fails(eg_cross_entropy(losses, out, in, NULL), EG_ERELEASED, "cross_entropy: labels was released");
  put(labels, 2, 11);
  assert_fails(eg_cross_entropy(losses, out, in, labels), EG_EINDEX,
               "cross_entropy: label 11 at position 3 is out of range 1..10");
  assert_fails(eg_cross_entropy_backward(out, losses, in, labels), EG_EINDEX,
               "cross_entropy backward: label 11 at position 3 is out of range 1..10");
  put(labels, 2, 0);
  assert_fails(eg_cross_entropy(losses, out, in, labels), EG_EINDEX, "label 0 at position 3 is out of range 1..10");
  put(labels, 2, -0x1p63);
  assert_fails(eg_cross_entropy(losses, out, in, labels), EG_EINDEX,
               "label -9223372036854775808 at position 3 is out of range");
  assert_true(is_marked(out) && is_marked(losses));
  eg_free(in), eg_free(out), eg_free(losses), eg_free(labels), eg_free(few), eg_free(bytes), eg_free(whole),
      eg_free(part), eg_free(late), eg_free(early);
}

static int nothing_is_left(void **state) {
  assert_int_equal(eg_live_tensors(), 0);
  assert_int_equal(eg_live_bytes(), 0);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_softmax_and_its_logarithm, nothing_is_left),
      cmocka_unit_test_teardown(test_gradients, nothing_is_left),
      cmocka_unit_test_teardown(test_large_numbers_stay_finite, nothing_is_left),
      cmocka_unit_test_teardown(test_cross_entropy_and_its_gradient, nothing_is_left),
      cmocka_unit_test_teardown(test_threads_change_no_bit, nothing_is_left),
      cmocka_unit_test_teardown(test_failed_allocations_are_reported, nothing_is_left),
      cmocka_unit_test_teardown(test_messages, nothing_is_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
