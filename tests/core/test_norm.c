/* Batch normalisation against plain loops in double, over shapes, layouts and dtypes; messages; threads; memory. */
#include "tensors.h"

static const struct {
  int dims;
  int64_t size[5];
} shapes[] = {{2, {6, 3}},       {2, {1, 4}},         {2, {270, 130}},      {3, {4, 3, 5}},      {4, {3, 5, 1, 1}},
              {4, {4, 2, 7, 9}}, {4, {5, 3, 40, 33}}, {5, {2, 3, 2, 3, 4}}, {4, {1, 33, 16, 16}}};

/* The tensors of one layer, n x c x run elements. */
typedef struct batch {
  int64_t n, c, run;
  eg_tensor *x, *grad_out, *weight, *bias;
  eg_tensor *mean, *rstd, *variance, *out, *grad_x, *grad_weight, *grad_bias;
} batch;

static batch prepare(size_t which, int dtype, bool gaps, double offset) {
  const int64_t *size = shapes[which].size;
  batch b = {.n = size[0], .c = size[1], .run = 1};
  for (int d = 2; d < shapes[which].dims; d++) b.run *= size[d];
  b.x = random_tensor(dtype, shapes[which].dims, size);
  for (int64_t i = 0; i < b.x->count; i++) put(b.x, i, get(b.x, i) * 3 + offset);
  b.grad_out = random_tensor(dtype, shapes[which].dims, size);
  b.weight = random_tensor(dtype, 1, size + 1), b.bias = random_tensor(dtype, 1, size + 1);
  if (gaps)
    b.x = scattered(b.x), b.grad_out = scattered(b.grad_out), b.weight = scattered(b.weight),
    b.bias = scattered(b.bias);
  b.mean = fresh(dtype, 1, size + 1), b.rstd = eg_new_like(b.mean, -1), b.variance = eg_new_like(b.mean, -1);
  b.grad_weight = eg_new_like(b.mean, -1), b.grad_bias = eg_new_like(b.mean, -1);
  b.out = fresh(dtype, shapes[which].dims, size), b.grad_x = eg_new_like(b.out, -1);
  eg_tensor *results[] = {b.mean, b.rstd, b.variance, b.grad_weight, b.grad_bias, b.out, b.grad_x};
  for (size_t i = 0; i < COUNT(results); i++) mark(results[i]);
  return b;
}

static void drop(batch *b) {
  eg_tensor *all[] = {b->x,        b->grad_out, b->weight, b->bias,        b->mean,     b->rstd,
                      b->variance, b->out,      b->grad_x, b->grad_weight, b->grad_bias};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static double *zeros(int64_t count) { return calloc((size_t)count + 1, sizeof(double)); }
static int64_t channel(const batch *b, int64_t i) { return i / b->run % b->c; }

static void check_stats(batch *b, double epsilon) {
  double count = (double)(b->n * b->run), *mean = zeros(b->c), *size = zeros(b->c), *variance = zeros(b->c),
         *rstd = zeros(b->c);
  for (int64_t i = 0; i < b->x->count; i++) {
    mean[channel(b, i)] += get(b->x, i) / count;
    size[channel(b, i)] += fabs(get(b->x, i)) / count;
  }
  for (int64_t c = 0; c < b->c; c++) {
    long double sum = 0;
    for (int64_t i = 0; i < b->x->count; i++)
      if (channel(b, i) == c) sum += (get(b->x, i) - mean[c]) * (get(b->x, i) - mean[c]);
    variance[c] = (double)(sum / count);
    rstd[c] = 1 / sqrt(variance[c] + epsilon);
  }
  assert_int_equal(eg_batchnorm_stats(b->mean, b->rstd, b->variance, b->x, epsilon), EG_OK);
  assert_close(b->mean, mean, size, "mean");
  assert_close(b->variance, variance, NULL, "variance");
  assert_close(b->rstd, rstd, NULL, "rstd");
  free(mean), free(size), free(variance), free(rstd);
}

static void check_forward(batch *b, bool affine) {
  double *out = zeros(b->x->count), *size = zeros(b->x->count);
  for (int64_t i = 0; i < b->x->count; i++) {
    int64_t c = channel(b, i);
    double xhat = (get(b->x, i) - get(b->mean, c)) * get(b->rstd, c);
    out[i] = affine ? xhat * get(b->weight, c) + get(b->bias, c) : xhat;
    size[i] = affine ? fabs(xhat * get(b->weight, c)) + fabs(get(b->bias, c)) : fabs(xhat);
  }
  assert_int_equal(eg_batchnorm(b->out, b->x, b->mean, b->rstd, affine ? b->weight : NULL, affine ? b->bias : NULL),
                   EG_OK);
  assert_close(b->out, out, size, "forward");
  free(out), free(size);
}

static void check_backward(batch *b, bool affine, bool training) {
  double count = (double)(b->n * b->run), *g = zeros(b->c), *gx = zeros(b->c), *g_size = zeros(b->c),
         *gx_size = zeros(b->c);
  double *grad_x = zeros(b->x->count), *size = zeros(b->x->count);
#define XHAT(i, c) ((get(b->x, i) - get(b->mean, c)) * get(b->rstd, c))
  for (int64_t i = 0; i < b->x->count; i++) {
    int64_t c = channel(b, i);
    double grad = get(b->grad_out, i);
    g[c] += grad, g_size[c] += fabs(grad);
    gx[c] += grad * XHAT(i, c), gx_size[c] += fabs(grad * XHAT(i, c));
  }
  for (int64_t i = 0; i < b->x->count; i++) {
    int64_t c = channel(b, i);
    double scale = get(b->rstd, c) * (affine ? get(b->weight, c) : 1), grad = get(b->grad_out, i), xhat = XHAT(i, c);
    grad_x[i] = scale * (training ? grad - g[c] / count - xhat * gx[c] / count : grad);
    size[i] = fabs(scale) * (fabs(grad) + g_size[c] / count + fabs(xhat) * gx_size[c] / count);
  }
  const eg_tensor *weight = affine ? b->weight : NULL;
  assert_int_equal(eg_batchnorm_backward(b->grad_x, b->grad_weight, b->grad_bias, b->grad_out, b->x, b->mean, b->rstd,
                                         weight, training),
                   EG_OK);
  assert_close(b->grad_x, grad_x, size, "grad_x");
  assert_close(b->grad_weight, gx, gx_size, "grad_weight");
  assert_close(b->grad_bias, g, g_size, "grad_bias");
  eg_tensor *alone = eg_new_like(b->grad_x, -1);
  assert_int_equal(eg_batchnorm_backward(alone, NULL, NULL, b->grad_out, b->x, b->mean, b->rstd, weight, training),
                   EG_OK);
  assert_true(same_bits(alone, b->grad_x));
  assert_int_equal(
      eg_batchnorm_backward(NULL, b->grad_weight, NULL, b->grad_out, b->x, b->mean, b->rstd, weight, training), EG_OK);
  assert_close(b->grad_weight, gx, gx_size, "grad_weight alone");
  free(g), free(gx), free(g_size), free(gx_size), free(grad_x), free(size), eg_free(alone);
}

static void equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 4; variant++) {
      batch b = prepare(i, variant & 1 ? EG_FLOAT64 : EG_FLOAT32, variant & 2, 0.5);
      check_stats(&b, 1e-5);
      for (int affine = 0; affine < 2; affine++) {
        check_forward(&b, affine);
        check_backward(&b, affine, true);
        check_backward(&b, affine, false);
      }
      drop(&b);
    }
}

/* The variance of numbers near 1000 has lost no more digits than the numbers themselves. */
static void large_means_cost_no_digits(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++) {
    batch b = prepare(i, EG_FLOAT32, false, 1000);
    double count = (double)(b.n * b.run), mean = 0, variance = 0;
    assert_int_equal(eg_batchnorm_stats(b.mean, b.rstd, NULL, b.x, 0.01), EG_OK);
    for (int64_t j = 0; j < b.x->count; j++) mean += channel(&b, j) == 0 ? get(b.x, j) / count : 0;
    for (int64_t j = 0; j < b.x->count; j++)
      variance += channel(&b, j) == 0 ? (get(b.x, j) - mean) * (get(b.x, j) - mean) / count : 0;
    assert_true(fabs(get(b.rstd, 0) * sqrt(variance + 0.01) - 1) < 1e-4);
    drop(&b);
  }
}

static void out_may_be_the_input(void **state) {
  const size_t cases[] = {2, 5, 6};
  for (size_t i = 0; i < COUNT(cases); i++) {
    batch b = prepare(cases[i], EG_FLOAT32, false, 0);
    check_stats(&b, 1e-5);
    check_forward(&b, true);
    assert_int_equal(eg_batchnorm(b.x, b.x, b.mean, b.rstd, b.weight, b.bias), EG_OK);
    assert_true(same_bits(b.x, b.out));
    drop(&b);
  }
}

static void bits_do_not_depend_on_threads(void **state) {
  const size_t cases[] = {2, 6, 8};
  for (size_t i = 0; i < COUNT(cases); i++) {
    batch b = prepare(cases[i], EG_FLOAT32, false, 1);
    const eg_tensor *results[] = {b.mean, b.rstd, b.variance, b.out, b.grad_x, b.grad_weight, b.grad_bias};
    eg_tensor *first[COUNT(results)];
    for (int threads = 1; threads <= 4; threads *= 2) {
      eg_threads_set(threads);
      assert_int_equal(eg_batchnorm_stats(b.mean, b.rstd, b.variance, b.x, 1e-5), EG_OK);
      assert_int_equal(eg_batchnorm(b.out, b.x, b.mean, b.rstd, b.weight, b.bias), EG_OK);
      assert_int_equal(
          eg_batchnorm_backward(b.grad_x, b.grad_weight, b.grad_bias, b.grad_out, b.x, b.mean, b.rstd, b.weight, 1),
          EG_OK);
      for (size_t j = 0; j < COUNT(results); j++) {
        if (threads > 1) assert_true(same_bits(results[j], first[j]));
        else first[j] = eg_new_like(results[j], -1), eg_copy(first[j], results[j]);
      }
    }
    for (size_t j = 0; j < COUNT(results); j++) eg_free(first[j]);
    drop(&b);
  }
}

static void empty_tensors(void **state) {
  for (int which = 0; which < 3; which++) {
    eg_tensor *x = fresh(EG_FLOAT32, 3, SIZES(which == 0 ? 0 : 2, which == 1 ? 0 : 3, which == 2 ? 0 : 4));
    eg_tensor *v = random_tensor(EG_FLOAT32, 1, x->size + 1), *sum = fresh(EG_FLOAT32, 1, x->size + 1);
    mark(sum);
    assert_fails(eg_batchnorm_stats(sum, sum, NULL, x, 1e-5), EG_EINVAL,
                 "batchnorm_stats: no elements to take statistics of: input (");
    assert_true(is_marked(sum));
    assert_int_equal(eg_batchnorm(x, x, v, v, v, v), EG_OK);
    assert_int_equal(eg_batchnorm_backward(x, sum, NULL, x, x, v, v, v, 1), EG_OK);
    for (int64_t i = 0; i < sum->count; i++) assert_true(get(sum, i) == 0);
    eg_free(x), eg_free(v), eg_free(sum);
  }
}

static void messages(void **state) {
  eg_tensor *x = random_tensor(EG_FLOAT32, 3, SIZES(2, 3, 4)), *v = random_tensor(EG_FLOAT32, 1, SIZES(3)),
            *out = eg_new_like(x, -1);
  eg_tensor *flat = fresh(EG_FLOAT32, 1, SIZES(3)), *four = fresh(EG_FLOAT32, 1, SIZES(4)),
            *wide = fresh(EG_FLOAT64, 1, SIZES(3));
  eg_tensor *integers = fresh(EG_INT64, 3, SIZES(2, 3, 4)),
            *gaps = scattered(random_tensor(EG_FLOAT32, 3, SIZES(2, 3, 4)));
  mark(out);
  assert_fails(eg_batchnorm_stats(v, v, NULL, flat, 1e-5), EG_ESHAPE,
               "batchnorm_stats: input is (3) float32, expected (n, c, ...)");
  assert_fails(eg_batchnorm_stats(v, v, NULL, integers, 1e-5), EG_EDTYPE, "batchnorm_stats: input is (2, 3, 4) int64");
  assert_fails(eg_batchnorm_stats(four, v, NULL, x, 1e-5), EG_ESHAPE,
               "batchnorm_stats: mean has shape (4), expected (3)");
  assert_fails(eg_batchnorm_stats(v, wide, NULL, x, 1e-5), EG_EDTYPE,
               "batchnorm_stats: rstd is (3) float64, expected float32");
  assert_fails(eg_batchnorm_stats(v, v, four, x, 1e-5), EG_ESHAPE,
               "batchnorm_stats: variance has shape (4), expected (3)");
  assert_fails(eg_batchnorm_stats(v, NULL, NULL, x, 1e-5), EG_ERELEASED, "batchnorm_stats: rstd was released");
  assert_fails(eg_batchnorm_stats(v, v, NULL, x, -1), EG_EINVAL, "batchnorm_stats: epsilon is -1, expected at least 0");
  assert_fails(eg_batchnorm_stats(v, v, NULL, x, NAN), EG_EINVAL, "batchnorm_stats: epsilon is");
  assert_fails(eg_batchnorm(gaps, x, v, v, v, v), EG_EINVAL, "batchnorm: output must be contiguous");
  assert_fails(eg_batchnorm(flat, x, v, v, v, v), EG_ESHAPE, "batchnorm: output has shape (3), expected (2, 3, 4)");
  assert_fails(eg_batchnorm(out, x, v, v, four, v), EG_ESHAPE, "batchnorm: weight has shape (4), expected (3)");
  assert_fails(eg_batchnorm(out, x, v, v, v, wide), EG_EDTYPE, "batchnorm: bias is (3) float64, expected float32");
  assert_fails(eg_batchnorm(out, NULL, v, v, v, v), EG_ERELEASED, "batchnorm: input was released");
  assert_fails(eg_batchnorm_backward(out, NULL, four, x, x, v, v, v, 1), EG_ESHAPE,
               "batchnorm_backward: bias gradient has shape (4), expected (3)");
  assert_fails(eg_batchnorm_backward(out, NULL, NULL, flat, x, v, v, v, 1), EG_ESHAPE,
               "batchnorm_backward: output gradient has shape (3)");
  assert_fails(eg_batchnorm_backward(gaps, NULL, NULL, x, x, v, v, v, 1), EG_EINVAL,
               "batchnorm_backward: input gradient must be contiguous");
  for (int64_t count = 0; count < 4; count++) { /* the arrays, then a copy of each input with gaps and its storage */
    int64_t live = eg_live_bytes();
    eg_alloc_fail_after(count);
    assert_fails(eg_batchnorm_backward(out, NULL, NULL, gaps, gaps, v, v, v, 1), EG_ENOMEM, "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(out));
  eg_tensor *all[] = {x, v, out, flat, four, wide, integers, gaps};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_plain_loops),   cmocka_unit_test(large_means_cost_no_digits),
      cmocka_unit_test(out_may_be_the_input), cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(empty_tensors),        cmocka_unit_test(messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
