/* Squared per-sample gradients and the quadratic penalty against plain loops in double; messages; failures; threads. */
#include "tensors.h"

/* What a call adds into sums that are not zero to begin with, and the magnitudes for their bounds. */
typedef struct sums {
  eg_tensor *weight, *bias;
  double *expected_weight, *expected_bias;
} sums;

static sums new_sums(int dtype, int dims, const int64_t *size) {
  sums s = {random_tensor(dtype, dims, size), random_tensor(dtype, 1, size), NULL, NULL};
  for (int64_t i = 0; i < s.weight->count; i++) put(s.weight, i, fabs(get(s.weight, i)));
  for (int64_t i = 0; i < s.bias->count; i++) put(s.bias, i, fabs(get(s.bias, i)));
  s.expected_weight = calloc((size_t)s.weight->count + 1, sizeof(double));
  s.expected_bias = calloc((size_t)s.bias->count + 1, sizeof(double));
  for (int64_t i = 0; i < s.weight->count; i++) s.expected_weight[i] = get(s.weight, i);
  for (int64_t i = 0; i < s.bias->count; i++) s.expected_bias[i] = get(s.bias, i);
  return s;
}

static void free_sums(sums *s) {
  eg_free(s->weight), eg_free(s->bias);
  free(s->expected_weight), free(s->expected_bias);
}

/* `reach` bounds the squared terms where they cancel before they are squared; NULL: they do not. */
static void assert_sums(const sums *s, const double *reach, bool with_bias, const char *what) {
  assert_close(s->weight, s->expected_weight, reach, what);
  if (with_bias) assert_close(s->bias, s->expected_bias, reach ? reach + s->weight->count : NULL, what);
}

/* ---- linear ---- */

static void check_linear(int dtype, int64_t samples, int64_t outputs, int64_t inputs, int layout) {
  eg_tensor *delta = random_tensor(dtype, 2, SIZES(samples, outputs)),
            *input = random_tensor(dtype, 2, SIZES(samples, inputs));
  sums s = new_sums(dtype, 2, SIZES(outputs, inputs));
  const bool absolute = layout & 8;
  if (layout & 1) delta = scattered(delta);
  if (layout & 2) input = scattered(input);
  for (int64_t n = 0; n < samples; n++)
    for (int64_t o = 0; o < outputs; o++) {
      double d = get(delta, n * outputs + o);
      s.expected_bias[o] += 0.5 * (absolute ? fabs(d) : d * d);
      for (int64_t i = 0; i < inputs; i++) {
        double gradient = d * get(input, n * inputs + i);
        s.expected_weight[o * inputs + i] += 0.5 * (absolute ? fabs(gradient) : gradient * gradient);
      }
    }
  eg_tensor *out_bias = layout & 4 ? NULL : s.bias;
  assert_int_equal(eg_fisher_linear(s.weight, out_bias, delta, input, 0.5, absolute ? EG_ABSOLUTE : EG_SQUARES), EG_OK);
  assert_sums(&s, NULL, !(layout & 4), "linear");
  free_sums(&s), eg_free(delta), eg_free(input);
}

static void linear_sums_squares(void **state) {
  static const int64_t shapes[][3] = {{1, 1, 1},  {3, 4, 5}, {7, 65, 3}, {20, 130, 33}, {2, 3, 2100},
                                      {5, 1, 17}, {0, 3, 4}, {3, 0, 4},  {3, 4, 0},     {9, 70, 1030}};
  for (size_t i = 0; i < COUNT(shapes); i++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int layout = 0; layout < 16; layout++) check_linear(dtype, shapes[i][0], shapes[i][1], shapes[i][2], layout);
}

/* A row of delta that is one number for all, as the gradient of a mean is. */
static void expanded_deltas_are_read(void **state) {
  eg_tensor *one = random_tensor(EG_FLOAT64, 1, SIZES(3)), *input = random_tensor(EG_FLOAT64, 2, SIZES(4, 5));
  eg_tensor *delta = eg_view(one, 2, SIZES(4, 3), SIZES(0, 1), 0), *copy = fresh(EG_FLOAT64, 2, SIZES(4, 3));
  eg_tensor *a = fresh(EG_FLOAT64, 2, SIZES(3, 5)), *b = fresh(EG_FLOAT64, 2, SIZES(3, 5));
  eg_copy(copy, delta), eg_fill(a, 0), eg_fill(b, 0);
  assert_int_equal(eg_fisher_linear(a, NULL, delta, input, 1, 0), EG_OK);
  assert_int_equal(eg_fisher_linear(b, NULL, copy, input, 1, 0), EG_OK);
  assert_true(same_bits(a, b) && get(a, 0) > 0);
  eg_unary(EG_SQUARE, copy, delta), eg_fill(b, 0);
  assert_int_equal(eg_fisher_linear(b, NULL, copy, input, 1, 1), EG_OK); /* squares already */
  assert_true(same_bits(a, b));
  eg_free(one), eg_free(input), eg_free(delta), eg_free(copy), eg_free(a), eg_free(b);
}

/* ---- convolution ---- */

typedef struct convolution {
  int64_t samples, channels, h, w, outputs, kernel_h, kernel_w;
  eg_conv how;
} convolution;

static double pixel(const eg_tensor *input, const convolution *c, int64_t n, int64_t channel, int64_t y, int64_t x) {
  if (y < 0 || y >= c->h || x < 0 || x >= c->w) return 0;
  return get(input, ((n * c->channels + channel) * c->h + y) * c->w + x);
}

/* One sample's gradient of tap k of output o's window (-1: of the bias), and what it would be without cancelling. */
static double gradient_of(const convolution *c, const eg_tensor *delta, const eg_tensor *input, int64_t n, int64_t o,
                          int64_t k, double *reach) {
  int64_t out_h = delta->size[2], out_w = delta->size[3], taps = c->kernel_h * c->kernel_w;
  double sum = 0;
  *reach = 0;
  for (int64_t y = 0; y < out_h; y++)
    for (int64_t x = 0; x < out_w; x++) {
      double term = get(delta, ((n * c->outputs + o) * out_h + y) * out_w + x);
      if (k >= 0)
        term *= pixel(input, c, n, k / taps, y * c->how.stride_h + k % taps / c->kernel_w - c->how.padding_h,
                      x * c->how.stride_w + k % c->kernel_w - c->how.padding_w);
      sum += term, *reach += fabs(term);
    }
  return sum;
}

static void by_loops(const convolution *c, const eg_tensor *delta, const eg_tensor *input, sums *s, double *reach,
                     bool absolute) {
  int64_t window = c->channels * c->kernel_h * c->kernel_w;
  memcpy(reach, s->expected_weight, (size_t)s->weight->count * sizeof *reach);
  memcpy(reach + s->weight->count, s->expected_bias, (size_t)c->outputs * sizeof *reach);
  for (int64_t n = 0; n < c->samples; n++)
    for (int64_t o = 0; o < c->outputs; o++)
      for (int64_t k = -1; k < window; k++) {
        double size, gradient = gradient_of(c, delta, input, n, o, k, &size);
        double *expected = k < 0 ? &s->expected_bias[o] : &s->expected_weight[o * window + k];
        *expected += 0.5 * (absolute ? fabs(gradient) : gradient * gradient);
        reach[k < 0 ? s->weight->count + o : o * window + k] += absolute ? size : size * size;
      }
}

/* The tensors of a case; the sums hold something to begin with. */
static void open_case(const convolution *c, int dtype, eg_tensor **delta, eg_tensor **input, sums *s) {
  *s = new_sums(dtype, 4, SIZES(c->outputs, c->channels, c->kernel_h, c->kernel_w));
  *input = random_tensor(dtype, 4, SIZES(c->samples, c->channels, c->h, c->w));
  *delta = eg_conv2d_new(*input, s->weight, &c->how);
  assert_non_null(*delta);
  for (int64_t i = 0; i < (*delta)->count; i++) put(*delta, i, next_number());
}

static void check_convolution(const convolution *c, int dtype, int layout) {
  eg_tensor *delta, *input;
  sums s;
  open_case(c, dtype, &delta, &input, &s);
  if (layout & 1) delta = scattered(delta);
  if (layout & 2) input = scattered(input);
  double *reach = calloc((size_t)(s.weight->count + c->outputs) + 1, sizeof *reach);
  by_loops(c, delta, input, &s, reach, layout & 8);
  eg_tensor *out_bias = layout & 4 ? NULL : s.bias;
  int how = layout & 8 ? EG_ABSOLUTE : EG_SQUARES;
  assert_int_equal(eg_fisher_conv2d(s.weight, out_bias, delta, input, &c->how, 0.5, how), EG_OK);
  assert_sums(&s, reach, !(layout & 4), "convolution");
  free(reach), free_sums(&s), eg_free(delta), eg_free(input);
}

static void convolution_sums_squares(void **state) {
  static const convolution cases[] = {{1, 1, 1, 1, 1, 1, 1, {1, 1, 0, 0}},
                                      {2, 3, 5, 4, 4, 3, 3, {1, 1, 0, 0}},
                                      {9, 2, 6, 7, 3, 2, 3, {2, 1, 1, 2}},
                                      {20, 1, 8, 8, 5, 3, 3, {1, 2, 1, 0}},
                                      {3, 2, 4, 4, 2, 4, 4, {1, 1, 0, 0}},
                                      {8, 2, 5, 9, 3, 1, 5, {3, 3, 0, 4}},
                                      {2, 2, 2, 2, 3, 3, 3, {1, 1, 3, 3}},
                                      {4, 3, 9, 9, 2, 3, 3, {4, 5, 0, 0}},
                                      {2, 1, 3, 3, 2, 3, 3, {7, 9, 1, 5}},
                                      {0, 2, 4, 4, 3, 2, 2, {1, 1, 0, 0}},
                                      {2, 0, 4, 4, 3, 2, 2, {1, 1, 0, 0}},
                                      {2, 2, 4, 4, 0, 2, 2, {1, 1, 0, 0}},
                                      {2, 2, 0, 4, 3, 2, 2, {1, 1, 1, 0}},
                                      {17, 4, 6, 6, 9, 3, 3, {1, 1, 1, 1}},
                                      {2, 1, 3, 3, 2, 3, 3, {INT64_MAX, INT64_MAX, 0, 1}}};
  for (size_t i = 0; i < COUNT(cases); i++)
    for (int dtype = 0; dtype < 2; dtype++)
      for (int layout = 0; layout < 16; layout++) check_convolution(&cases[i], dtype, layout);
}

/* A convolution of one pixel is a linear layer. */
static void one_pixel_is_a_linear_layer(void **state) {
  eg_tensor *delta = random_tensor(EG_FLOAT64, 4, SIZES(6, 3, 1, 1)),
            *input = random_tensor(EG_FLOAT64, 4, SIZES(6, 5, 1, 1));
  eg_tensor *flat_delta = eg_view_shape(delta, 2, SIZES(6, 3)), *flat_input = eg_view_shape(input, 2, SIZES(6, 5));
  eg_tensor *a = fresh(EG_FLOAT64, 4, SIZES(3, 5, 1, 1)), *b = fresh(EG_FLOAT64, 2, SIZES(3, 5));
  eg_fill(a, 0), eg_fill(b, 0);
  assert_int_equal(eg_fisher_conv2d(a, NULL, delta, input, &(eg_conv){1, 1, 0, 0}, 2, EG_SQUARES), EG_OK);
  assert_int_equal(eg_fisher_linear(b, NULL, flat_delta, flat_input, 2, 0), EG_OK);
  assert_close(a, b->data, NULL, "one pixel");
  eg_tensor *all[] = {delta, input, flat_delta, flat_input, a, b};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

/* ---- the penalty ---- */

static void check_penalty(int dtype, int64_t count, bool with_grad) {
  eg_tensor *p = random_tensor(dtype, 1, &count), *anchor = random_tensor(dtype, 1, &count),
            *importance = random_tensor(dtype, 1, &count), *grad = random_tensor(dtype, 1, &count);
  double *expected = calloc((size_t)count + 1, sizeof *expected), *size = calloc((size_t)count + 1, sizeof *size);
  double total = 0, reach = 0, penalty = NAN;
  uint32_t version = eg_storage_version(grad);
  for (int64_t i = 0; i < count; i++) {
    double distance = get(p, i) - get(anchor, i), pull = 3 * get(importance, i) * distance;
    expected[i] = get(grad, i) + (with_grad ? pull : 0);
    size[i] = fabs(get(grad, i)) + fabs(3 * get(importance, i)) * (fabs(get(p, i)) + fabs(get(anchor, i)));
    total += 1.5 * get(importance, i) * distance * distance,
        reach += 1.5 * fabs(get(importance, i)) * distance * distance;
  }
  assert_int_equal(eg_quadratic_penalty(with_grad ? grad : NULL, NULL, p, anchor, importance, 3, &penalty), EG_OK);
  assert_close(grad, expected, size, "penalty's gradient");
  assert_true(fabs(penalty - total) <= 1e-13 * reach);
  assert_int_equal(eg_storage_version(grad) != version, with_grad);
  free(expected), free(size), eg_free(p), eg_free(anchor), eg_free(importance), eg_free(grad);
}

/* The gradient as it was is handed out, by the same pass. */
static void penalty_keeps_the_gradient_before(void **state) {
  for (int dtype = 0; dtype < 2; dtype++) {
    int64_t count = 16390;
    eg_tensor *p = random_tensor(dtype, 1, &count), *anchor = random_tensor(dtype, 1, &count);
    eg_tensor *grad = random_tensor(dtype, 1, &count), *before = fresh(dtype, 1, &count),
              *copy = fresh(dtype, 1, &count);
    eg_copy(copy, grad);
    assert_int_equal(eg_quadratic_penalty(grad, before, p, anchor, p, 2, NULL), EG_OK);
    assert_true(same_bits(before, copy) && !same_bits(grad, copy));
    eg_copy(grad, copy);
    eg_fill(before, 7);
    assert_int_equal(eg_quadratic_penalty(NULL, before, p, anchor, p, 2, NULL), EG_OK);
    assert_true(get(before, 3) == 7); /* no gradient, nothing to keep */
    eg_free(p), eg_free(anchor), eg_free(grad), eg_free(before), eg_free(copy);
  }
}

/* path += grad (previous - p); previous = p. */
static void paths_add_up(void **state) {
  static const int64_t counts[] = {0, 1, 7, 9, 1000, 16383, 16390, 70001};
  for (size_t c = 0; c < COUNT(counts); c++)
    for (int dtype = 0; dtype < 2; dtype++) {
      int64_t count = counts[c];
      eg_tensor *path = random_tensor(dtype, 1, &count), *previous = random_tensor(dtype, 1, &count),
                *p = random_tensor(dtype, 1, &count), *grad = random_tensor(dtype, 1, &count);
      double *expected = calloc((size_t)count + 1, sizeof *expected), *size = calloc((size_t)count + 1, sizeof *size);
      for (int64_t i = 0; i < count; i++) {
        expected[i] = get(path, i) + get(grad, i) * (get(previous, i) - get(p, i));
        size[i] = fabs(get(path, i)) + fabs(get(grad, i)) * (fabs(get(previous, i)) + fabs(get(p, i)));
      }
      assert_int_equal(eg_path_integral(path, previous, p, grad), EG_OK);
      assert_close(path, expected, size, "path");
      assert_true(same_bits(previous, p));
      free(expected), free(size), eg_free(path), eg_free(previous), eg_free(p), eg_free(grad);
    }
}

static void messages_of_the_path(void **state) {
  eg_tensor *path = random_tensor(EG_FLOAT32, 1, SIZES(4)), *previous = random_tensor(EG_FLOAT32, 1, SIZES(4)),
            *p = random_tensor(EG_FLOAT32, 1, SIZES(4)), *g = random_tensor(EG_FLOAT32, 1, SIZES(4)),
            *five = random_tensor(EG_FLOAT32, 1, SIZES(5));
  assert_fails(eg_path_integral(NULL, previous, p, g), EG_ERELEASED, "path_integral: path was released");
  assert_fails(eg_path_integral(path, previous, p, NULL), EG_ERELEASED, "path_integral: gradient was released");
  assert_fails(eg_path_integral(path, five, p, g), EG_ESHAPE,
               "path_integral: shapes differ: previous (5), parameter (4)");
  assert_fails(eg_path_integral(path, p, p, g), EG_EINVAL, "path_integral: parameter and previous share memory");
  assert_fails(eg_path_integral(g, previous, p, g), EG_EINVAL, "path_integral: gradient and path share memory");
  eg_free(path), eg_free(previous), eg_free(p), eg_free(g), eg_free(five);
}

static void penalty_pulls_to_the_anchor(void **state) {
  static const int64_t counts[] = {0, 1, 7, 8, 9, 1000, 16383, 16390, 70001};
  for (size_t c = 0; c < COUNT(counts); c++)
    for (int dtype = 0; dtype < 2; dtype++)
      check_penalty(dtype, counts[c], false), check_penalty(dtype, counts[c], true);
  eg_tensor *p = random_tensor(EG_FLOAT32, 1, SIZES(4)), *g = random_tensor(EG_FLOAT32, 1, SIZES(4));
  assert_int_equal(eg_quadratic_penalty(g, NULL, p, p, p, 1, NULL), EG_OK); /* the sum is not asked for */
  eg_free(p), eg_free(g);
}

/* ---- bits, failures, messages ---- */

static void bits_do_not_depend_on_threads(void **state) {
  const convolution c = {301, 3, 14, 14, 40, 3, 3, {1, 1, 1, 1}};
  eg_tensor *delta, *input, *flat_delta = random_tensor(EG_FLOAT32, 2, SIZES(30, 150)),
                            *flat_input = random_tensor(EG_FLOAT32, 2, SIZES(30, 2100));
  eg_tensor *weight[2], *bias[2], *flat[2], *grad[2];
  double penalty[2] = {0, 0};
  sums s;
  open_case(&c, EG_FLOAT32, &delta, &input, &s);
  for (int turn = 0; turn < 3; turn++) {
    int to = turn > 0;
    weight[to] = eg_new_like(s.weight, -1), bias[to] = eg_new_like(s.bias, -1);
    flat[to] = fresh(EG_FLOAT32, 2, SIZES(150, 2100)), grad[to] = fresh(EG_FLOAT32, 2, SIZES(150, 2100));
    eg_copy(weight[to], s.weight), eg_copy(bias[to], s.bias), eg_fill(flat[to], 1), eg_fill(grad[to], 1);
    eg_threads_set(1 << turn);
    assert_int_equal(eg_fisher_conv2d(weight[to], bias[to], delta, input, &c.how, 1, EG_SQUARES), EG_OK);
    assert_int_equal(eg_fisher_linear(flat[to], NULL, flat_delta, flat_input, 1, 0), EG_OK);
    assert_int_equal(eg_quadratic_penalty(grad[to], NULL, flat[to], flat[to], flat[to], 0.3, &penalty[to]), EG_OK);
    assert_int_equal(eg_quadratic_penalty(NULL, NULL, flat[to], grad[to], flat[to], 0.3, &penalty[to]), EG_OK);
    if (turn == 0) continue;
    assert_true(same_bits(weight[0], weight[1]) && same_bits(bias[0], bias[1]) && same_bits(flat[0], flat[1]));
    assert_true(same_bits(grad[0], grad[1]) && penalty[0] == penalty[1] && penalty[0] != 0);
    eg_free(weight[1]), eg_free(bias[1]), eg_free(flat[1]), eg_free(grad[1]);
  }
  free_sums(&s), eg_free(delta), eg_free(input), eg_free(flat_delta), eg_free(flat_input);
  eg_free(weight[0]), eg_free(bias[0]), eg_free(flat[0]), eg_free(grad[0]);
}

/* Fails allocation after allocation until a call needs no more of them. */
static void failed_allocations_leave_all_alone(void **state) {
  eg_tensor *delta = scattered(random_tensor(EG_FLOAT32, 4, SIZES(2, 3, 3, 3))),
            *input = scattered(random_tensor(EG_FLOAT32, 4, SIZES(2, 2, 5, 5)));
  eg_tensor *flat_delta = random_tensor(EG_FLOAT32, 2, SIZES(4, 3)),
            *flat_input = random_tensor(EG_FLOAT32, 2, SIZES(4, 5));
  eg_tensor *weight = fresh(EG_FLOAT32, 4, SIZES(3, 2, 3, 3)), *bias = fresh(EG_FLOAT32, 1, SIZES(3)),
            *flat = fresh(EG_FLOAT32, 2, SIZES(3, 5)), *grad = fresh(EG_FLOAT32, 1, SIZES(3));
  double penalty = 7;
  const eg_conv how = {1, 1, 0, 0};
  for (int kind = 0; kind < 3; kind++) {
    eg_status status = EG_ENOMEM;
    int after = 0;
    for (; status == EG_ENOMEM; after++) {
      int64_t live = eg_live_bytes();
      mark(weight), mark(bias), mark(flat), mark(grad);
      eg_alloc_fail_after(after);
      if (kind == 0) status = eg_fisher_conv2d(weight, bias, delta, input, &how, 1, EG_SQUARES);
      else if (kind == 1) status = eg_fisher_linear(flat, bias, flat_delta, flat_input, 1, 0);
      else status = eg_quadratic_penalty(grad, NULL, bias, bias, bias, 1, &penalty);
      eg_alloc_fail_after(-1);
      assert_int_equal(eg_live_bytes(), live);
      if (status == EG_OK) break;
      assert_true(is_marked(weight) && is_marked(bias) && is_marked(flat) && is_marked(grad) && penalty == 7);
    }
    assert_int_equal(status, EG_OK);
    assert_true(after > 0);
  }
  eg_tensor *all[] = {delta, input, flat_delta, flat_input, weight, bias, flat, grad};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static void messages_of_linear(void **state) {
  eg_tensor *d = random_tensor(EG_FLOAT32, 2, SIZES(4, 3)), *x = random_tensor(EG_FLOAT32, 2, SIZES(4, 5)),
            *w = fresh(EG_FLOAT32, 2, SIZES(3, 5)), *b = fresh(EG_FLOAT32, 1, SIZES(3));
  eg_tensor *other = random_tensor(EG_FLOAT32, 2, SIZES(6, 5)), *wide = random_tensor(EG_FLOAT64, 2, SIZES(4, 5)),
            *whole = fresh(EG_INT64, 2, SIZES(4, 3)), *gaps = scattered(random_tensor(EG_FLOAT32, 2, SIZES(3, 5)));
  eg_tensor *one = random_tensor(EG_FLOAT32, 1, SIZES(1)),
            *tall = eg_view(one, 2, SIZES((int64_t)INT32_MAX + 1, 3), SIZES(0, 0), 0),
            *tall_x = eg_view(one, 2, SIZES((int64_t)INT32_MAX + 1, 5), SIZES(0, 0), 0);
  mark(w), mark(b);
  assert_fails(eg_fisher_linear(w, b, NULL, x, 1, 0), EG_ERELEASED, "fisher_linear: delta was released");
  assert_fails(eg_fisher_linear(w, b, d, NULL, 1, 0), EG_ERELEASED, "fisher_linear: input was released");
  assert_fails(eg_fisher_linear(NULL, b, d, x, 1, 0), EG_ERELEASED, "fisher_linear: weight was released");
  assert_fails(eg_fisher_linear(w, b, whole, x, 1, 0), EG_EDTYPE, "fisher_linear: delta is (4, 3) int64");
  assert_fails(eg_fisher_linear(w, b, d, wide, 1, 0), EG_EDTYPE,
               "fisher_linear: dtypes differ: input (4, 5) float64, delta (4, 3) float32");
  assert_fails(eg_fisher_linear(wide, b, d, x, 1, 0), EG_EDTYPE, "fisher_linear: dtypes differ: weight (4, 5) float64");
  assert_fails(eg_fisher_linear(w, b, b, x, 1, 0), EG_ESHAPE, "fisher_linear: delta has 1 dimensions, expected 2");
  assert_fails(eg_fisher_linear(w, b, d, b, 1, 0), EG_ESHAPE, "fisher_linear: input has 1 dimensions, expected 2");
  assert_fails(eg_fisher_linear(w, b, d, other, 1, 0), EG_ESHAPE,
               "fisher_linear: delta (4, 3) and input (6, 5) have different numbers of samples");
  assert_fails(eg_fisher_linear(x, b, d, x, 1, 0), EG_ESHAPE,
               "fisher_linear: weight has shape (4, 5), expected (3, 5)");
  assert_fails(eg_fisher_linear(w, one, d, x, 1, 0), EG_ESHAPE, "fisher_linear: bias has shape (1), expected (3)");
  assert_fails(eg_fisher_linear(gaps, b, d, x, 1, 0), EG_EINVAL, "fisher_linear: weight must be contiguous");
  assert_fails(eg_fisher_linear(w, b, d, x, NAN, 0), EG_EINVAL, "fisher_linear: the scale");
  assert_fails(eg_fisher_linear(w, b, tall, tall_x, 1, 0), EG_ESHAPE,
               "fisher_linear: size 2147483648 is more than a product can take");
  assert_true(is_marked(w) && is_marked(b));
  eg_tensor *all[] = {d, x, w, b, other, wide, whole, gaps, one, tall, tall_x};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static void messages_of_convolution(void **state) {
  const eg_conv how = {1, 1, 0, 0};
  eg_tensor *d = random_tensor(EG_FLOAT32, 4, SIZES(2, 3, 3, 3)), *x = random_tensor(EG_FLOAT32, 4, SIZES(2, 2, 5, 5)),
            *w = fresh(EG_FLOAT32, 4, SIZES(3, 2, 3, 3)), *b = fresh(EG_FLOAT32, 1, SIZES(3));
  eg_tensor *wide = random_tensor(EG_FLOAT64, 4, SIZES(2, 3, 3, 3)), *large = fresh(EG_FLOAT32, 4, SIZES(3, 2, 6, 3)),
            *gaps = scattered(random_tensor(EG_FLOAT32, 4, SIZES(3, 2, 3, 3))), *four = fresh(EG_FLOAT32, 1, SIZES(4));
  eg_tensor *one = random_tensor(EG_FLOAT32, 1, SIZES(1)),
            *plane = eg_view(one, 4, SIZES(1, 3, 1 << 20, 1 << 20), SIZES(0, 0, 0, 0), 0),
            *image = eg_view(one, 4, SIZES(1, 2, (1 << 20) + 2, (1 << 20) + 2), SIZES(0, 0, 0, 0), 0),
            *small_plane = eg_view(one, 4, SIZES(1, 1, 40000, 40000), SIZES(0, 0, 0, 0), 0),
            *small_image = eg_view(one, 4, SIZES(1, 1000, 40000, 40000), SIZES(0, 0, 0, 0), 0),
            *deep = fresh(EG_FLOAT32, 4, SIZES(1, 1000, 1, 1));
  mark(w), mark(b);
#define refused(W, B, D, X, how_, status, text)                                                                        \
  assert_fails(eg_fisher_conv2d(W, B, D, X, how_, 1, EG_SQUARES), status, text)
  refused(w, b, NULL, x, &how, EG_ERELEASED, "fisher_conv2d: delta was released");
  refused(w, b, d, NULL, &how, EG_ERELEASED, "fisher_conv2d: input was released");
  refused(NULL, b, d, x, &how, EG_ERELEASED, "fisher_conv2d: weight was released");
  refused(w, b, wide, x, &how, EG_EDTYPE, "fisher_conv2d: dtypes differ: delta (2, 3, 3, 3) float64");
  refused(w, b, x, x, &how, EG_ESHAPE, "fisher_conv2d: delta has shape (2, 2, 5, 5), expected (2, 3, 3, 3)");
  refused(w, four, d, x, &how, EG_ESHAPE, "fisher_conv2d: bias has shape (4), expected (3)");
  refused(w, b, d, d, &how, EG_ESHAPE, "fisher_conv2d: input has 3 channels, the layer wants 2");
  refused(large, b, d, x, &how, EG_ESHAPE, "fisher_conv2d: the kernel is larger than the padded input");
  refused(gaps, b, d, x, &how, EG_EINVAL, "fisher_conv2d: weight must be contiguous");
  refused(w, b, d, x, (&(eg_conv){0, 1, 0, 0}), EG_EINVAL, "fisher_conv2d: stride is (0, 1), expected at least 1");
  refused(w, b, d, x, (&(eg_conv){1, 1, -1, 0}), EG_EINVAL, "fisher_conv2d: padding is (-1, 0), expected at least 0");
  refused(w, b, d, x, (&(eg_conv){1, 1, INT64_MAX, 0}), EG_EINVAL, "is too large");
  refused(w, b, plane, image, &how, EG_ESHAPE, "fisher_conv2d: size 1099511627776 is more than a product can take");
  refused(deep, NULL, small_plane, small_image, &how, EG_ENOMEM, "fisher_conv2d: the sizes are too large: input (1,");
  assert_fails(eg_fisher_conv2d(w, b, d, x, &how, INFINITY, EG_SQUARES), EG_EINVAL,
               "fisher_conv2d: the scale inf is not finite");
  assert_true(is_marked(w) && is_marked(b));
#undef refused
  eg_tensor *all[] = {d, x, w, b, wide, large, gaps, four, one, plane, image, small_plane, small_image, deep};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static void messages_of_the_penalty(void **state) {
  eg_tensor *p = random_tensor(EG_FLOAT32, 1, SIZES(4)), *a = random_tensor(EG_FLOAT32, 1, SIZES(4)),
            *f = random_tensor(EG_FLOAT32, 1, SIZES(4)), *g = fresh(EG_FLOAT32, 1, SIZES(4));
  eg_tensor *five = random_tensor(EG_FLOAT32, 1, SIZES(5)), *wide = random_tensor(EG_FLOAT64, 1, SIZES(4)),
            *whole = fresh(EG_INT64, 1, SIZES(4)), *gaps = scattered(random_tensor(EG_FLOAT32, 1, SIZES(4)));
  double penalty = 7;
  mark(g);
#define refused(G, P, A, F, status, text)                                                                              \
  assert_fails(eg_quadratic_penalty(G, NULL, P, A, F, 1, &penalty), status, text)
  refused(g, NULL, a, f, EG_ERELEASED, "quadratic_penalty: parameter was released");
  refused(g, p, NULL, f, EG_ERELEASED, "quadratic_penalty: anchor was released");
  refused(g, p, a, NULL, EG_ERELEASED, "quadratic_penalty: importance was released");
  refused(g, whole, a, f, EG_EDTYPE, "quadratic_penalty: parameter is (4) int64");
  refused(g, p, wide, f, EG_EDTYPE, "quadratic_penalty: dtypes differ: anchor (4) float64, parameter (4) float32");
  refused(wide, p, a, f, EG_EDTYPE, "quadratic_penalty: dtypes differ: gradient (4) float64");
  refused(g, p, a, five, EG_ESHAPE, "quadratic_penalty: shapes differ: importance (5), parameter (4)");
  refused(gaps, p, a, f, EG_EINVAL, "quadratic_penalty: gradient must be contiguous");
  refused(g, gaps, a, f, EG_EINVAL, "quadratic_penalty: parameter must be contiguous");
  refused(g, g, a, f, EG_EINVAL, "quadratic_penalty: parameter and gradient share memory");
  refused(g, p, a, g, EG_EINVAL, "quadratic_penalty: importance and gradient share memory");
  assert_fails(eg_quadratic_penalty(g, NULL, p, a, f, NAN, &penalty), EG_EINVAL, "quadratic_penalty: the factor");
#undef refused
  assert_true(is_marked(g) && penalty == 7);
  eg_tensor *all[] = {p, a, f, g, five, wide, whole, gaps};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(linear_sums_squares),
      cmocka_unit_test(expanded_deltas_are_read),
      cmocka_unit_test(convolution_sums_squares),
      cmocka_unit_test(one_pixel_is_a_linear_layer),
      cmocka_unit_test(penalty_pulls_to_the_anchor),
      cmocka_unit_test(penalty_keeps_the_gradient_before),
      cmocka_unit_test(paths_add_up),
      cmocka_unit_test(messages_of_the_path),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(failed_allocations_leave_all_alone),
      cmocka_unit_test(messages_of_linear),
      cmocka_unit_test(messages_of_convolution),
      cmocka_unit_test(messages_of_the_penalty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
