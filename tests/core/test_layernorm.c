/* Layer normalisation and its backward against plain loops in double, over shapes, layouts and dtypes; messages; threads; memory. */
#include "tensors.h"

static const struct {
  int dims;
  int64_t size[3];
} shapes[] = {{2, {6, 3}}, {1, {17}}, {3, {4, 3, 5}}, {3, {30, 9, 130}}, {2, {200, 600}}, {2, {0, 4}}, {2, {5, 1}}};

typedef struct layer {
  int64_t rows, width;
  eg_tensor *x, *grad, *weight, *bias, *out, *stats, *dx, *dweight, *dbias;
} layer;

static layer prepare(size_t which, int dtype, bool gaps) {
  int dims = shapes[which].dims;
  const int64_t *size = shapes[which].size;
  layer l = {.width = size[dims - 1], .rows = 1};
  for (int d = 0; d < dims - 1; d++) l.rows *= size[d];
  l.x = random_tensor(dtype, dims, size), l.grad = random_tensor(dtype, dims, size);
  l.weight = random_tensor(dtype, 1, &l.width), l.bias = random_tensor(dtype, 1, &l.width);
  for (int64_t i = 0; i < l.x->count; i++) put(l.x, i, get(l.x, i) * 2 + 0.5);
  if (gaps) l.x = scattered(l.x), l.grad = scattered(l.grad);
  l.out = fresh(dtype, dims, size), l.dx = fresh(dtype, dims, size), l.stats = fresh(dtype, 2, SIZES(l.rows, 2));
  l.dweight = fresh(dtype, 1, &l.width), l.dbias = fresh(dtype, 1, &l.width);
  return l;
}

static void drop(layer *l) {
  eg_tensor *all[] = {l->x, l->grad, l->weight, l->bias, l->out, l->stats, l->dx, l->dweight, l->dbias};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static void check(layer *l, bool affine, double epsilon) {
  int64_t n = l->width, count = l->rows * n;
  double *out = calloc((size_t)count + 1, sizeof *out), *size = calloc((size_t)count + 1, sizeof *size);
  double *dx = calloc((size_t)count + 1, sizeof *dx), *dx_size = calloc((size_t)count + 1, sizeof *dx);
  double *dw = calloc((size_t)n, sizeof *dw), *db = calloc((size_t)n, sizeof *db),
         *large = calloc((size_t)n, sizeof *large);
  for (int64_t r = 0; r < l->rows; r++) {
    double mean = 0, variance = 0, of_h = 0, of_y = 0;
    for (int64_t j = 0; j < n; j++) mean += get(l->x, r * n + j) / (double)n;
    for (int64_t j = 0; j < n; j++) variance += pow(get(l->x, r * n + j) - mean, 2) / (double)n;
    double rstd = 1 / sqrt(variance + epsilon);
    for (int64_t j = 0; j < n; j++) {
      double y = (get(l->x, r * n + j) - mean) * rstd, g = get(l->grad, r * n + j), w = affine ? get(l->weight, j) : 1;
      out[r * n + j] = y * w + (affine ? get(l->bias, j) : 0), size[r * n + j] = 4 * (3 * rstd + 1);
      of_h += g * w / (double)n, of_y += g * w * y / (double)n;
      dw[j] += g * y, db[j] += g, large[j] += 4 * (3 * rstd + 1);
    }
    for (int64_t j = 0; j < n; j++) {
      double y = (get(l->x, r * n + j) - mean) * rstd, h = get(l->grad, r * n + j) * (affine ? get(l->weight, j) : 1);
      dx[r * n + j] = rstd * (h - of_h - y * of_y), dx_size[r * n + j] = rstd * 8 * (3 * rstd + 1);
    }
  }
  eg_tensor *weight = affine ? l->weight : NULL;
  mark(l->out), mark(l->dx), mark(l->dweight), mark(l->dbias);
  assert_int_equal(eg_layernorm(l->out, l->stats, l->x, weight, affine ? l->bias : NULL, epsilon), EG_OK);
  assert_close(l->out, out, size, "out");
  assert_int_equal(eg_layernorm_backward(l->dx, l->dweight, l->dbias, l->grad, l->x, l->stats, weight), EG_OK);
  assert_close(l->dx, dx, dx_size, "dx");
  assert_close(l->dweight, dw, large, "dweight");
  assert_close(l->dbias, db, large, "dbias");
  eg_tensor *alone = eg_new_like(l->dx, -1);
  assert_int_equal(eg_layernorm_backward(alone, NULL, NULL, l->grad, l->x, l->stats, weight), EG_OK);
  assert_true(same_bits(alone, l->dx));
  mark(l->dbias);
  assert_int_equal(eg_layernorm_backward(NULL, NULL, l->dbias, l->grad, l->x, l->stats, weight), EG_OK);
  assert_close(l->dbias, db, large, "dbias alone");
  eg_free(alone), free(out), free(size), free(dx), free(dx_size), free(dw), free(db), free(large);
}

static void equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int variant = 0; variant < 8; variant++) {
      layer l = prepare(i, variant & 1 ? EG_FLOAT64 : EG_FLOAT32, variant & 2);
      check(&l, variant & 4, 1e-2);
      drop(&l);
    }
}

static void bits_do_not_depend_on_threads(void **state) {
  layer l = prepare(4, EG_FLOAT32, false);
  const eg_tensor *results[] = {l.out, l.stats, l.dx, l.dweight, l.dbias};
  eg_tensor *first[COUNT(results)];
  for (int threads = 1; threads <= 4; threads *= 2) {
    eg_threads_set(threads);
    assert_int_equal(eg_layernorm(l.out, l.stats, l.x, l.weight, l.bias, 1e-5), EG_OK);
    assert_int_equal(eg_layernorm_backward(l.dx, l.dweight, l.dbias, l.grad, l.x, l.stats, l.weight), EG_OK);
    for (size_t j = 0; j < COUNT(results); j++) {
      if (threads > 1) assert_true(same_bits(results[j], first[j]));
      else first[j] = eg_new_like(results[j], -1), eg_copy(first[j], results[j]);
    }
  }
  for (size_t j = 0; j < COUNT(results); j++) eg_free(first[j]);
  drop(&l);
}

static void messages(void **state) {
  layer l = prepare(2, EG_FLOAT32, true);
  eg_tensor *scalar = fresh(EG_FLOAT32, 0, NULL), *empty = fresh(EG_FLOAT32, 2, SIZES(3, 0)),
            *wide = eg_new_like(l.out, EG_FLOAT64);
  mark(l.out), mark(l.dx);
  assert_fails(eg_layernorm(l.out, l.stats, scalar, NULL, NULL, 1e-5), EG_ESHAPE,
               "layer_norm: input is () float32, expected (..., width)");
  assert_fails(eg_layernorm(l.out, l.stats, empty, NULL, NULL, 1e-5), EG_ESHAPE, "with something to take a mean of");
  assert_fails(eg_layernorm(l.out, l.stats, l.x, NULL, NULL, -1), EG_EINVAL,
               "layer_norm: epsilon is -1, expected at least 0");
  assert_fails(eg_layernorm(l.out, l.stats, l.x, l.x, NULL, 1e-5), EG_ESHAPE,
               "layer_norm: weight has shape (4, 3, 5), expected (5)");
  assert_fails(eg_layernorm(wide, l.stats, l.x, NULL, NULL, 1e-5), EG_EDTYPE, "layer_norm: output is");
  assert_fails(eg_layernorm(l.out, l.out, l.x, NULL, NULL, 1e-5), EG_ESHAPE, "layer_norm: statistics has shape");
  assert_fails(eg_layernorm(l.out, l.stats, NULL, NULL, NULL, 1e-5), EG_ERELEASED, "layer_norm: input was released");
  assert_fails(eg_layernorm_backward(l.dx, NULL, NULL, wide, l.x, l.stats, NULL), EG_EDTYPE,
               "layer_norm backward: output gradient");
  for (int64_t count = 0; count < 5; count++) { /* two copies of inputs with gaps, each with its storage; the sums */
    int64_t live = eg_live_bytes();
    eg_alloc_fail_after(count);
    assert_fails(eg_layernorm_backward(l.dx, l.dweight, NULL, l.grad, l.x, l.stats, NULL), EG_ENOMEM, "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(l.out) && is_marked(l.dx));
  eg_free(scalar), eg_free(empty), eg_free(wide), drop(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(equals_plain_loops),
                                     cmocka_unit_test(bits_do_not_depend_on_threads), cmocka_unit_test(messages)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
