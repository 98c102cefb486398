/* Attention, for all queries and for the last position alone, against plain loops in double; gradients by differences of those loops;
 * masks, dropout, layouts; messages; threads; memory. */
#include "tensors.h"

typedef struct sizes {
  int64_t n, queries, keys, width, heads;
  bool causal, mask, kept;
} sizes;

static const sizes cases[] = {{2, 3, 5, 4, 2, false, false, false}, {1, 4, 4, 6, 3, true, false, false},
                              {3, 2, 7, 40, 2, false, true, false}, {2, 5, 3, 34, 1, true, true, true},
                              {2, 1, 1, 20, 5, false, false, true}, {1, 33, 20, 60, 3, false, false, true}};

enum { Q, K, V, INPUTS };

typedef struct attention {
  sizes s;
  eg_attention how;
  eg_tensor *in[INPUTS], *d[INPUTS], *out, *weights, *grad, *mask, *kept;
} attention;

static eg_tensor *bytes(int dims, const int64_t *size, int one_in) {
  eg_tensor *t = fresh(EG_UINT8, dims, size);
  for (int64_t i = 0; i < t->count; i++) put(t, i, (i * 7 + 3) % one_in == 0);
  return t;
}

static attention prepare(size_t which, int dtype, bool gaps) {
  attention a = {.s = cases[which],
                 .how = {cases[which].heads, 0.7, cases[which].kept ? 0.25 : 0, cases[which].causal}};
  for (int i = 0; i < INPUTS; i++) {
    a.in[i] = random_tensor(dtype, 3, SIZES(a.s.n, i == Q ? a.s.queries : a.s.keys, a.s.width));
    a.d[i] = eg_new_like(a.in[i], -1);
    if (gaps) a.in[i] = scattered(a.in[i]);
  }
  a.out = fresh(dtype, 3, a.d[Q]->size), a.grad = random_tensor(dtype, 3, a.d[Q]->size);
  if (gaps) a.grad = scattered(a.grad);
  const int64_t all[] = {a.s.n, a.s.heads, a.s.queries, a.s.keys}, keys[] = {a.s.n, a.s.keys};
  a.weights = fresh(dtype, 4, all);
  if (a.s.mask) a.mask = bytes(2, keys, 3);
  if (a.s.kept) {
    a.kept = bytes(4, all, 4);
    for (int64_t i = 0; i < a.kept->count; i++) put(a.kept, i, get(a.kept, i) == 0);
  }
  if (a.mask && which == 3)
    for (int64_t j = 0; j < a.s.keys; j++) put(a.mask, j, 1); /* the first sample has nothing to look at */
  return a;
}

static void drop(attention *a) {
  eg_tensor *all[] = {a->out,   a->weights, a->grad, a->mask, a->kept, a->in[0],
                      a->in[1], a->in[2],   a->d[0], a->d[1], a->d[2]};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static double *numbers(const eg_tensor *t) {
  double *x = calloc((size_t)t->count + 1, sizeof *x);
  for (int64_t i = 0; i < t->count; i++) x[i] = get(t, i);
  return x;
}

/* out and weights of plain loops over q, k and v. */
static void loops(const attention *a, double *const *in, double *out, double *weights) {
  const sizes *s = &a->s;
  int64_t w = s->width / s->heads;
  for (int64_t item = 0; item < s->n * s->heads * s->queries; item++) {
    int64_t i = item % s->queries, h = item / s->queries % s->heads, n = item / s->queries / s->heads;
    double *p = weights + item * s->keys, top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < s->keys; j++) {
      bool away = (a->mask && get(a->mask, n * s->keys + j) != 0) || (s->causal && j > i + s->keys - s->queries);
      p[j] = away ? -INFINITY : 0;
      for (int64_t c = h * w; c < (h + 1) * w && !away; c++)
        p[j] += a->how.scale * in[Q][(n * s->queries + i) * s->width + c] * in[K][(n * s->keys + j) * s->width + c];
      top = fmax(top, p[j]);
    }
    for (int64_t j = 0; j < s->keys; j++) p[j] = p[j] == -INFINITY ? 0 : exp(p[j] - top), sum += p[j];
    for (int64_t j = 0; j < s->keys; j++) p[j] = sum == 0 ? 0 : p[j] / sum;
    for (int64_t c = h * w; c < (h + 1) * w; c++) {
      double *to = &out[(n * s->queries + i) * s->width + c];
      *to = 0;
      for (int64_t j = 0; j < s->keys; j++) {
        double kept = a->kept ? get(a->kept, item * s->keys + j) / (1 - a->how.dropout) : 1;
        *to += p[j] * kept * in[V][(n * s->keys + j) * s->width + c];
      }
    }
  }
}

/* Every element within a share of the largest. */
static void assert_near(const eg_tensor *t, const double *expected, double share, const char *what) {
  double top = 1e-3;
  for (int64_t i = 0; i < t->count; i++) top = fmax(top, fabs(expected[i]));
  for (int64_t i = 0; i < t->count; i++)
    if (!(fabs(get(t, i) - expected[i]) <= share * top))
      fail_msg("%s: element %lld is %.17g, expected %.17g", what, (long long)i, get(t, i), expected[i]);
}

static double objective(const attention *a, double *const *in, const double *grad, double *out, double *weights) {
  double sum = 0;
  loops(a, in, out, weights);
  for (int64_t i = 0; i < a->out->count; i++) sum += out[i] * grad[i];
  return sum;
}

static void check_gradients(const attention *a, double *const *in, double *out, double *weights) {
  double *grad = numbers(a->grad), share = a->out->dtype == EG_FLOAT64 ? 1e-8 : 3e-5;
  for (int which = 0; which < INPUTS; which++) {
    double *expected = calloc((size_t)a->d[which]->count + 1, sizeof *expected);
    for (int64_t i = 0; i < a->d[which]->count; i++) {
      double x = in[which][i];
      in[which][i] = x + 1e-5;
      double above = objective(a, in, grad, out, weights);
      in[which][i] = x - 1e-5;
      expected[i] = (above - objective(a, in, grad, out, weights)) / 2e-5;
      in[which][i] = x;
    }
    assert_near(a->d[which], expected, share, which == Q ? "dq" : which == K ? "dk" : "dv");
    free(expected);
  }
  free(grad);
}

static void equals_plain_loops(void **state) {
  for (size_t i = 0; i < COUNT(cases); i++)
    for (int variant = 0; variant < 4; variant++) {
      attention a = prepare(i, variant & 1 ? EG_FLOAT64 : EG_FLOAT32, variant & 2);
      double *in[] = {numbers(a.in[Q]), numbers(a.in[K]), numbers(a.in[V])}, *out = numbers(a.out),
             *weights = numbers(a.weights);
      assert_int_equal(eg_attention_forward(a.out, a.weights, a.in[Q], a.in[K], a.in[V], a.mask, a.kept, &a.how),
                       EG_OK);
      loops(&a, in, out, weights);
      double share = variant & 1 ? 1e-13 : 1e-5;
      assert_near(a.out, out, share, "out"), assert_near(a.weights, weights, share, "weights");
      assert_int_equal(
          eg_attention_backward(a.d[Q], a.d[K], a.d[V], a.grad, a.weights, a.in[Q], a.in[K], a.in[V], a.kept, &a.how),
          EG_OK);
      if (i < 5) check_gradients(&a, in, out, weights);
      for (int j = 0; j < INPUTS; j++) free(in[j]);
      free(out), free(weights), drop(&a);
    }
}

/* Scores of -inf are no hidden keys: where all are, the weights are NaN, as in PyTorch; hidden ones are 0 all the same. */
static void infinite_scores(void **state) {
  eg_attention how = {.heads = 1, .scale = 1};
  eg_tensor *q = fresh(EG_FLOAT32, 3, SIZES(1, 1, 1)), *k = fresh(EG_FLOAT32, 3, SIZES(1, 2, 1)),
            *out = eg_new_like(q, -1);
  const int64_t size[] = {1, 1, 1, 2};
  eg_tensor *weights = fresh(EG_FLOAT32, 4, size), *mask = fresh(EG_UINT8, 2, SIZES(1, 2));
  put(q, 0, 1e20), put(k, 0, -1e20), put(k, 1, -1e20), put(mask, 0, 1), put(mask, 1, 0);
  assert_int_equal(eg_attention_forward(out, weights, q, k, k, NULL, NULL, &how), EG_OK);
  assert_true(isnan(get(weights, 0)) && isnan(get(weights, 1)));
  assert_int_equal(eg_attention_forward(out, weights, q, k, k, mask, NULL, &how), EG_OK);
  assert_true(isnan(get(weights, 1)));
  put(k, 1, 0);
  assert_int_equal(eg_attention_forward(out, weights, q, k, k, NULL, NULL, &how), EG_OK);
  assert_true(get(weights, 0) == 0 && get(weights, 1) == 1);
  eg_free(q), eg_free(k), eg_free(out), eg_free(weights), eg_free(mask);
}

/* ---- the last position alone, against all ---- */

typedef struct last {
  int64_t n, steps, width;
  eg_attention how;
  eg_tensor *x, *weight, *bias, *q, *out, *weights, *grad, *mask, *kept, *dx, *dq, *dw, *db;
} last;

static const sizes lasts[] = {{3, 1, 5, 4, 2, false, false, false},
                              {20, 1, 30, 60, 3, false, true, true},
                              {2, 1, 1, 20, 1, false, false, true},
                              {35, 1, 17, 33, 3, false, true, false}};

static last prepare_last(const sizes *s, int dtype, bool gaps) {
  last l = {.n = s->n, .steps = s->keys, .width = s->width, .how = {s->heads, 0.4, s->kept ? 0.5 : 0, 0}};
  const int64_t of_weights[] = {s->n, s->heads, s->keys};
  l.x = random_tensor(dtype, 3, SIZES(s->n, s->keys, s->width)), l.dx = eg_new_like(l.x, -1);
  l.weight = random_tensor(dtype, 2, SIZES(3 * s->width, s->width)), l.dw = eg_new_like(l.weight, -1);
  l.bias = random_tensor(dtype, 1, SIZES(3 * s->width)), l.db = eg_new_like(l.bias, -1);
  l.q = fresh(dtype, 2, SIZES(s->n, s->width)), l.dq = eg_new_like(l.q, -1);
  l.out = fresh(dtype, 3, SIZES(s->n, 2, s->width)), l.grad = random_tensor(dtype, 3, l.out->size);
  l.weights = fresh(dtype, 3, of_weights);
  if (s->mask) l.mask = bytes(2, l.x->size, 4);
  if (s->kept) l.kept = bytes(3, of_weights, 2);
  for (int64_t i = 0; i < s->n; i++)
    for (int64_t o = 0; o < s->width; o++) {
      double sum = get(l.bias, o);
      for (int64_t c = 0; c < s->width; c++)
        sum += get(l.x, (i * s->keys + s->keys - 1) * s->width + c) * get(l.weight, o * s->width + c);
      put(l.q, i * s->width + o, sum);
    }
  if (gaps) l.x = scattered(l.x), l.grad = scattered(l.grad);
  return l;
}

static void drop_last(last *l) {
  eg_tensor *all[] = {l->x,    l->weight, l->bias, l->q,  l->out, l->weights, l->grad,
                      l->mask, l->kept,   l->dx,   l->dq, l->dw,  l->db};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static eg_status forward_last(last *l) {
  return eg_attention_last_forward(l->out, l->weights, l->q, l->x, l->weight, l->bias, l->mask, l->kept, &l->how);
}

static eg_status backward_last(last *l, int size) {
  return eg_attention_last_backward(l->dx, l->dq, l->dw, l->db, l->grad, l->weights, l->q, l->x, l->weight, l->bias,
                                    l->kept, &l->how, size);
}

/* One row of x through part `part` of the projection. */
static double projected(const last *l, int64_t row, int64_t part, int64_t o) {
  double sum = get(l->bias, part * l->width + o);
  for (int64_t c = 0; c < l->width; c++)
    sum += get(l->x, row * l->width + c) * get(l->weight, (part * l->width + o) * l->width + c);
  return sum;
}

/* Keys and values are made, and given to the plain attention. */
static attention by_keys(const last *l) {
  attention a = {.s = {l->n, 1, l->steps, l->width, l->how.heads, false, l->mask, l->kept}, .how = l->how};
  for (int part = 0; part < INPUTS; part++) {
    a.in[part] = fresh(EG_FLOAT64, 3, SIZES(l->n, part == Q ? 1 : l->steps, l->width));
    a.d[part] = eg_new_like(a.in[part], -1);
    for (int64_t i = 0; i < a.in[part]->count; i++) {
      int64_t row = i / l->width;
      put(a.in[part], i, part == Q ? get(l->q, i) : projected(l, row, part, i % l->width));
    }
  }
  a.out = eg_new_like(a.in[Q], -1), a.grad = eg_new_like(a.in[Q], -1);
  a.weights = fresh(EG_FLOAT64, 4, SIZES(l->n, l->how.heads, 1, l->steps));
  for (int64_t i = 0; i < a.grad->count; i++) put(a.grad, i, get(l->grad, i / l->width * 2 * l->width + i % l->width));
  if (l->kept) a.kept = eg_view_shape(l->kept, 4, a.weights->size);
  assert_int_equal(eg_attention_forward(a.out, a.weights, a.in[Q], a.in[K], a.in[V], l->mask, a.kept, &a.how), EG_OK);
  assert_int_equal(
      eg_attention_backward(a.d[Q], a.d[K], a.d[V], a.grad, a.weights, a.in[Q], a.in[K], a.in[V], a.kept, &a.how),
      EG_OK);
  return a;
}

/* Element (part, o, c) of the weight's gradient from the steps of one sample. */
static double weight_gradient(const last *l, const attention *a, int64_t n, int part, int64_t o, int64_t c) {
  double sum = 0;
  for (int64_t t = n * l->steps; t < (n + 1) * l->steps; t++)
    sum += get(a->d[part], t * l->width + o) * (c < l->width ? get(l->x, t * l->width + c) : 1);
  return sum;
}

static double sized(double x, int size) { return size == 0 ? x : size == 1 ? x * x : fabs(x); }

static void check_last(last *l, double share, int size) {
  attention a = by_keys(l);
  double *out = numbers(l->out), *dx = numbers(l->dx), *dw = numbers(l->dw), *db = numbers(l->db),
         *dq = numbers(a.d[Q]);
  for (int64_t i = 0; i < l->out->count; i++) {
    int64_t n = i / l->width / 2, c = i % l->width;
    out[i] = i / l->width % 2 ? get(l->x, (n * l->steps + l->steps - 1) * l->width + c) : get(a.out, n * l->width + c);
  }
  for (int64_t i = 0; i < l->x->count; i++) {
    int64_t row = i / l->width, c = i % l->width, t = row % l->steps;
    dx[i] = t == l->steps - 1 ? get(l->grad, (row / l->steps * 2 + 1) * l->width + c) : 0;
    for (int64_t o = 0; o < l->width; o++)
      for (int part = K; part <= V; part++)
        dx[i] += get(a.d[part], row * l->width + o) * get(l->weight, (part * l->width + o) * l->width + c);
  }
  for (int64_t part = K; part <= V; part++)
    for (int64_t o = 0; o < l->width; o++)
      for (int64_t c = 0; c <= l->width; c++) {
        double sum = 0;
        for (int64_t n = 0; n < l->n; n++) sum += sized(weight_gradient(l, &a, n, (int)part, o, c), size);
        if (c < l->width) dw[(part * l->width + o) * l->width + c] = sum;
        else if (part == V) db[part * l->width + o] = sum;
      }
  assert_near(l->out, out, share, "out"), assert_near(l->dx, dx, share, "dx"), assert_near(l->dq, dq, share, "dq");
  assert_near(l->dw, dw, share, "dw"), assert_near(l->db, db, share, "db");
  free(out), free(dx), free(dw), free(db), free(dq), drop(&a);
}

static void the_last_position_alone(void **state) {
  for (size_t i = 0; i < COUNT(lasts); i++)
    for (int variant = 0; variant < 4; variant++)
      for (int size = 0; size < 3; size++) {
        last l = prepare_last(&lasts[i], variant & 1 ? EG_FLOAT64 : EG_FLOAT32, variant & 2);
        eg_fill(l.dw, 0), eg_fill(l.db, 0);
        assert_int_equal(forward_last(&l), EG_OK);
        assert_int_equal(backward_last(&l, size), EG_OK);
        check_last(&l, variant & 1 ? 1e-12 : 3e-5, size);
        drop_last(&l);
      }
}

static void bits_do_not_depend_on_threads(void **state) {
  last l = prepare_last(&(sizes){150, 1, 19, 64, 4, false, true, true}, EG_FLOAT32, false);
  attention a = {.s = {30, 20, 20, 64, 4, true, false, false}, .how = {4, 0.3, 0, 1}};
  for (int i = 0; i < INPUTS; i++)
    a.in[i] = random_tensor(EG_FLOAT32, 3, SIZES(30, 20, 64)), a.d[i] = eg_new_like(a.in[i], -1);
  a.out = eg_new_like(a.in[Q], -1), a.grad = random_tensor(EG_FLOAT32, 3, a.in[Q]->size);
  a.weights = fresh(EG_FLOAT32, 4, SIZES(30, 4, 20, 20));
  const eg_tensor *results[] = {l.out, l.weights, l.dx, l.dq, l.dw, l.db, a.out, a.weights, a.d[Q], a.d[K], a.d[V]};
  eg_tensor *first[COUNT(results)];
  eg_fill(l.dw, 0), eg_fill(l.db, 0);
  for (int threads = 1; threads <= 4; threads *= 2) {
    eg_threads_set(threads);
    assert_int_equal(forward_last(&l), EG_OK);
    assert_int_equal(backward_last(&l, 0), EG_OK);
    assert_int_equal(eg_attention_forward(a.out, a.weights, a.in[Q], a.in[K], a.in[V], NULL, NULL, &a.how), EG_OK);
    assert_int_equal(
        eg_attention_backward(a.d[Q], a.d[K], a.d[V], a.grad, a.weights, a.in[Q], a.in[K], a.in[V], NULL, &a.how),
        EG_OK);
    for (size_t j = 0; j < COUNT(results); j++) {
      if (threads > 1) assert_true(same_bits(results[j], first[j]));
      else first[j] = eg_new_like(results[j], -1), eg_copy(first[j], results[j]);
    }
  }
  for (size_t j = 0; j < COUNT(results); j++) eg_free(first[j]);
  drop_last(&l), drop(&a);
}

static void messages(void **state) {
  attention a = prepare(0, EG_FLOAT32, true);
  last l = prepare_last(&lasts[0], EG_FLOAT32, true);
  eg_attention three = {3, 1, 0, 0}, all = {2, 1, 1, 0};
  eg_tensor *wide = eg_new_like(a.out, EG_FLOAT64), *none = fresh(EG_FLOAT32, 3, SIZES(3, 0, 4));
  mark(a.out), mark(l.out), mark(l.dw), mark(a.d[Q]);
  assert_fails(eg_attention_forward(a.out, a.weights, a.in[Q], a.in[K], a.in[V], NULL, NULL, &three), EG_EINVAL,
               "attention: a width of 4 cannot be cut into 3 heads");
  assert_fails(eg_attention_forward(a.out, a.weights, a.in[Q], a.in[K], a.in[V], NULL, NULL, &all), EG_EINVAL,
               "dropout is 1, expected");
  assert_fails(eg_attention_forward(a.out, a.weights, a.in[Q], a.in[Q], a.in[V], NULL, NULL, &a.how), EG_ESHAPE,
               "attention: shapes differ: key (2, 3, 4), value (2, 5, 4)");
  assert_fails(eg_attention_forward(a.out, a.weights, a.in[Q], wide, a.in[V], NULL, NULL, &a.how), EG_EDTYPE,
               "attention: key is");
  assert_fails(eg_attention_forward(wide, a.weights, a.in[Q], a.in[K], a.in[V], NULL, NULL, &a.how), EG_EDTYPE,
               "attention: output is");
  assert_fails(eg_attention_forward(a.out, a.weights, a.in[Q], a.in[K], a.in[V], l.dw, NULL, &a.how), EG_EDTYPE,
               "attention: padding mask");
  assert_fails(eg_attention_last_forward(l.out, l.weights, l.q, none, l.weight, l.bias, NULL, NULL, &l.how), EG_ESHAPE,
               "there is no last position");
  assert_fails(eg_attention_last_forward(l.out, l.weights, l.q, l.x, l.weight, l.bias, NULL, NULL, &three), EG_EINVAL,
               "attention_last: a width of 4 cannot be cut into 3 heads");
  assert_fails(eg_attention_last_forward(l.out, l.weights, l.q, NULL, l.weight, l.bias, NULL, NULL, &l.how),
               EG_ERELEASED, "attention_last: input was released");
  assert_fails(eg_attention_last_backward(l.dx, l.dq, NULL, l.db, l.grad, l.weights, l.q, l.x, l.weight, l.bias, NULL,
                                          &l.how, 0),
               EG_EINVAL, "the bias gradient comes with the weight's alone");
  for (int64_t count = 0; count < 4; count++) {
    int64_t live = eg_live_bytes();
    eg_alloc_fail_after(count);
    assert_fails(
        eg_attention_backward(a.d[Q], a.d[K], a.d[V], a.grad, a.weights, a.in[Q], a.in[K], a.in[V], NULL, &a.how),
        EG_ENOMEM, "out of memory");
    eg_alloc_fail_after(count);
    assert_fails(backward_last(&l, 0), EG_ENOMEM, "out of memory");
    assert_int_equal(eg_live_bytes(), live);
  }
  eg_alloc_fail_after(-1);
  assert_true(is_marked(a.out) && is_marked(l.out) && is_marked(l.dw) && is_marked(a.d[Q]));
  eg_free(wide), eg_free(none), drop(&a), drop_last(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_plain_loops),
      cmocka_unit_test(infinite_scores),
      cmocka_unit_test(the_last_position_alone),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
