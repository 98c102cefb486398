/* Every optimizer step against its formula in double, element by element; CLASSP's gates bit by bit; messages; threads. */
#include "tensors.h"

enum { SGD, ADAGRAD, RMSPROP, ADAM, CLASSP };

typedef struct rule {
  int kind, dtype;
  eg_sgd sgd;
  eg_adam adam; /* AdaGrad and RMSProp take lr, epsilon and weight_decay, RMSProp beta2, from here too */
  eg_classp classp;
} rule;

/* A weight and its slots; or their sizes: the sum of the magnitudes of what was added up to make them. */
typedef struct weight {
  double p, a, b;
} weight;

static eg_status take(const rule *r, eg_tensor *p, const eg_tensor *g, eg_tensor *a, eg_tensor *b, int64_t *moved) {
  const eg_adam *h = &r->adam;
  switch (r->kind) {
    case SGD: return eg_sgd_step(p, g, r->sgd.momentum != 0 ? a : NULL, &r->sgd);
    case ADAGRAD: return eg_adagrad_step(p, g, a, h->lr, h->epsilon, h->weight_decay);
    case RMSPROP: return eg_rmsprop_step(p, g, a, h->lr, h->beta2, h->epsilon, h->weight_decay);
    case ADAM: return eg_adam_step(p, g, a, b, h);
    default: return eg_classp_step(p, g, a, &r->classp, moved);
  }
}

/* ---- the formulas, as their papers and PyTorch have them ---- */

static void by_sgd(const eg_sgd *h, weight *w, double g, weight *size) {
  double gradient = g + h->weight_decay * w->p, reach = fabs(g) + fabs(h->weight_decay * w->p), step = gradient;
  if (h->momentum != 0) {
    size->a = (h->first ? 0 : fabs(h->momentum * w->a)) + reach;
    w->a = h->first ? gradient : h->momentum * w->a + (1 - h->dampening) * gradient;
    step = h->nesterov ? gradient + h->momentum * w->a : w->a;
    reach += size->a;
  }
  size->p = fabs(w->p) + h->lr * reach;
  w->p -= h->lr * step;
}

static void by_root(const rule *r, weight *w, double g, weight *size) {
  const eg_adam *h = &r->adam;
  double gradient = g + h->weight_decay * w->p, reach = fabs(g) + fabs(h->weight_decay * w->p);
  double keep = r->kind == ADAGRAD ? 1 : h->beta2, share = r->kind == ADAGRAD ? 1 : 1 - h->beta2;
  w->a = keep * w->a + share * gradient * gradient;
  size->a = w->a + share * reach * reach;
  size->p = fabs(w->p) + h->lr * reach / (sqrt(w->a) + h->epsilon);
  w->p -= h->lr * gradient / (sqrt(w->a) + h->epsilon);
}

static void by_adam(const eg_adam *h, weight *w, double g, weight *size) {
  double coupled = h->decoupled ? 0 : h->weight_decay * w->p, gradient = g + coupled, reach = fabs(g) + fabs(coupled);
  double of_first = 1 - pow(h->beta1, (double)h->step), of_second = 1 - pow(h->beta2, (double)h->step);
  if (h->decoupled) w->p -= h->lr * h->weight_decay * w->p;
  size->a = fabs(h->beta1 * w->a) + reach;
  size->b = h->beta2 * w->b + reach * reach;
  w->a = h->beta1 * w->a + (1 - h->beta1) * gradient;
  w->b = h->beta2 * w->b + (1 - h->beta2) * gradient * gradient;
  double root = sqrt(w->b / of_second) + h->epsilon;
  size->p = fabs(w->p) + h->lr * size->a / of_first / root;
  w->p -= h->lr * (w->a / of_first) / root;
}

/* The gate compares in the dtype of the weights. */
static bool passes(const rule *r, double g) {
  if (r->dtype == EG_FLOAT32) return (float)g * (float)g > (float)r->classp.threshold;
  return g * g > r->classp.threshold;
}

static bool by_classp(const rule *r, weight *w, double g, bool any_gradient, weight *size) {
  const eg_classp *h = &r->classp;
  *size = (weight){0, 0, 0};
  if (h->published ? !(any_gradient > h->threshold) : !passes(r, g)) return false;
  w->a += h->published ? fabs(g) : pow(fabs(g), h->power);
  size->a = w->a;
  double change = h->lr * g / (h->decay ? pow(w->a + h->epsilon, 1 / h->power) : 1);
  size->p = fabs(w->p) + fabs(change);
  w->p -= change;
  return true;
}

/* ---- one step of many weights ---- */

static void assert_near(const rule *r, double got, double expected, double size, const char *what, int64_t i) {
  double bound = 24 * (r->dtype == EG_FLOAT32 ? 0x1p-24 : 0x1p-53) * size;
  if (!(fabs(got - expected) <= bound))
    fail_msg("kind %d, %s of weight %lld is %.17g, expected %.17g within %g", r->kind, what, (long long)i, got,
             expected, bound);
}

static weight weight_at(const eg_tensor *p, const eg_tensor *a, const eg_tensor *b, int64_t i) {
  return (weight){get(p, i), get(a, i), get(b, i)};
}

static void assert_step(const rule *r, eg_tensor *p, const eg_tensor *g, eg_tensor *a, eg_tensor *b) {
  weight *expected = calloc((size_t)p->count + 1, sizeof *expected), *size = calloc((size_t)p->count + 1, sizeof *size);
  int64_t moved = 0, reported = -1;
  bool any = false;
  uint32_t version = eg_storage_version(p);
  for (int64_t i = 0; i < p->count; i++) any = any || get(g, i) != 0;
  for (int64_t i = 0; i < p->count; i++) {
    expected[i] = weight_at(p, a, b, i);
    switch (r->kind) {
      case SGD: by_sgd(&r->sgd, &expected[i], get(g, i), &size[i]); break;
      case ADAM: by_adam(&r->adam, &expected[i], get(g, i), &size[i]); break;
      case CLASSP: moved += by_classp(r, &expected[i], get(g, i), any, &size[i]); break;
      default: by_root(r, &expected[i], get(g, i), &size[i]);
    }
  }
  assert_int_equal(take(r, p, g, a, b, &reported), EG_OK);
  for (int64_t i = 0; i < p->count; i++) {
    weight got = weight_at(p, a, b, i);
    assert_near(r, got.p, expected[i].p, size[i].p, "the value", i);
    assert_near(r, got.a, expected[i].a, size[i].a, "the first slot", i);
    assert_near(r, got.b, expected[i].b, size[i].b, "the second slot", i);
  }
  if (r->kind == CLASSP) assert_int_equal(reported, moved);
  if (r->kind != CLASSP || moved) assert_true(eg_storage_version(p) != version);
  free(expected), free(size);
}

/* Three steps over sizes about the edges of vectors, of a tile and of what is given to threads. */
static void check_rule(rule r) {
  static const int64_t counts[] = {0, 1, 7, 33, 1000, 16385, 66003};
  const rule given = r;
  for (size_t c = 0; c < COUNT(counts); c++)
    for (int dtype = 0; dtype < 2; dtype++) {
      eg_tensor *p = random_tensor(dtype, 1, &counts[c]), *a = random_tensor(dtype, 1, &counts[c]),
                *b = random_tensor(dtype, 1, &counts[c]);
      for (int64_t i = 0; i < a->count; i++) put(a, i, fabs(get(a, i)) + 0.01), put(b, i, fabs(get(b, i)) + 0.01);
      if (given.kind == SGD && given.sgd.first) eg_fill(a, NAN); /* the first step does not look at it */
      for (int step = 0; step < (counts[c] > 10000 ? 1 : 3); step++) {
        eg_tensor *g = random_tensor(dtype, 1, &counts[c]);
        for (int64_t i = 0; i < g->count; i++) put(g, i, 2 * get(g, i)); /* some squares exceed 1 */
        r.dtype = dtype;
        r.sgd.first = given.sgd.first && step == 0;
        r.adam.step = given.adam.step + step;
        assert_step(&r, p, g, a, b);
        eg_free(g);
      }
      eg_free(p), eg_free(a), eg_free(b);
    }
}

static void sgd_steps(void **state) {
  for (int nesterov = 0; nesterov < 2; nesterov++)
    for (int first = 0; first < 2; first++)
      for (int decay = 0; decay < 2; decay++) {
        check_rule((rule){.kind = SGD, .sgd = {0.1, 0.9, 0.3, decay * 0.05, nesterov, first}});
        check_rule((rule){.kind = SGD, .sgd = {0.1, 0, 0, decay * 0.05, 0, 0}});
      }
}

static void steps_divided_by_roots(void **state) {
  for (int kind = ADAGRAD; kind <= RMSPROP; kind++)
    for (int decay = 0; decay < 2; decay++)
      check_rule((rule){.kind = kind, .adam = {.lr = 0.1, .beta2 = 0.9, .epsilon = 1e-8, .weight_decay = decay * 0.1}});
}

static void adam_steps(void **state) {
  for (int decoupled = 0; decoupled < 2; decoupled++)
    for (int step = 1; step < 2000; step *= 37)
      check_rule((rule){.kind = ADAM, .adam = {0.01, 0.9, 0.999, 1e-8, 0.1, decoupled, step}});
  check_rule((rule){.kind = ADAM, .adam = {0.01, 0, 0, 1e-8, 0, 0, 1}});
}

static void classp_steps(void **state) {
  static const double powers[] = {1, 2, 3, 1.5}, thresholds[] = {0, 0.3, 0.99, 1, INFINITY};
  for (size_t p = 0; p < COUNT(powers); p++)
    for (size_t t = 0; t < COUNT(thresholds); t++)
      for (int variant = 0; variant < 4; variant++)
        check_rule((rule){.kind = CLASSP, .classp = {0.2, thresholds[t], powers[p], 1e-5, variant & 1, variant >> 1}});
}

/* With threshold 0 and power 2 CLASSP is AdaGrad, its epsilon under the root. */
static void classp_is_adagrad(void **state) {
  eg_tensor *p = random_tensor(EG_FLOAT64, 1, SIZES(100)), *sum = eg_new_like(p, -1), *q = eg_new_like(p, -1),
            *other = eg_new_like(p, -1);
  const eg_classp h = {0.1, 0, 2, 1e-300, 1, 0};
  eg_fill(sum, 0), eg_fill(other, 0), eg_copy(q, p);
  for (int step = 0; step < 20; step++) {
    eg_tensor *g = random_tensor(EG_FLOAT64, 1, SIZES(100));
    assert_int_equal(eg_classp_step(p, g, sum, &h, NULL), EG_OK);
    assert_int_equal(eg_adagrad_step(q, g, other, 0.1, 0, 0), EG_OK);
    eg_free(g);
  }
  assert_true(same_bits(p, q) && same_bits(sum, other));
  eg_free(p), eg_free(sum), eg_free(q), eg_free(other);
}

/* ---- gates ---- */

/* Weights whose gradient does not pass keep every bit, and so do their sums, whatever they are. */
static void weights_that_stay_keep_their_bits(void **state) {
  static const double values[] = {-0.0, 0.0, NAN, -NAN, INFINITY, 1e-310, -1.5},
                      gradients[] = {0, -0.0, NAN, 0.5, -0.5};
  static const double powers[] = {1, 2, 3};
  int64_t n = (int64_t)(COUNT(values) * COUNT(gradients)) * 5, moved;
  for (int dtype = 0; dtype < 2; dtype++)
    for (size_t power = 0; power < COUNT(powers); power++)
      for (int decay = 0; decay < 2; decay++) {
        eg_tensor *p = fresh(dtype, 1, &n), *g = fresh(dtype, 1, &n), *sum = fresh(dtype, 1, &n);
        eg_tensor *old_p = fresh(dtype, 1, &n), *old_sum = fresh(dtype, 1, &n);
        for (int64_t i = 0; i < n; i++) {
          put(p, i, values[i % (int64_t)COUNT(values)]);
          put(sum, i, values[i / 3 % (int64_t)COUNT(values)]);
          put(g, i, gradients[i / (int64_t)COUNT(values) % (int64_t)COUNT(gradients)]);
        }
        eg_copy(old_p, p), eg_copy(old_sum, sum);
        const eg_classp h = {0.2, 0.25, powers[power], 1e-5, decay, 0}; /* 0.5 squared does not exceed it */
        assert_int_equal(eg_classp_step(p, g, sum, &h, &moved), EG_OK);
        assert_int_equal(moved, 0);
        assert_true(same_bits(p, old_p) && same_bits(sum, old_sum));
        eg_free(p), eg_free(g), eg_free(sum), eg_free(old_p), eg_free(old_sum);
      }
}

/* The published gate: open for all weights when any gradient is not 0 and the threshold is under 1. */
static void the_published_gate_is_one_for_the_tensor(void **state) {
  static const struct {
    double gradient, threshold;
    bool open;
  } cases[] = {{0, 0, false},    {-0.0, 0, false}, {1e-30, 0, true},    {1e-30, 0.999, true},
               {1e30, 1, false}, {NAN, 0, true},   {5, INFINITY, false}};
  for (size_t c = 0; c < COUNT(cases); c++)
    for (int dtype = 0; dtype < 2; dtype++) {
      int64_t moved = -1, n = 20000;
      eg_tensor *p = random_tensor(dtype, 1, &n), *g = fresh(dtype, 1, &n), *sum = fresh(dtype, 1, &n),
                *before = eg_new_like(p, -1);
      const eg_classp h = {0.2, cases[c].threshold, 1, 1e-5, 1, 1};
      eg_fill(g, 0), eg_fill(sum, 0), eg_copy(before, p);
      put(g, n - 1, cases[c].gradient);
      assert_int_equal(eg_classp_step(p, g, sum, &h, &moved), EG_OK);
      assert_int_equal(moved, cases[c].open ? n : 0);
      if (!cases[c].open) assert_true(same_bits(p, before));
      assert_int_equal(get(sum, n - 1) != 0, cases[c].open);
      eg_free(p), eg_free(g), eg_free(sum), eg_free(before);
    }
}

/* Rows that a batch does not touch: a zero gradient moves nothing under SGD, AdaGrad and CLASSP. */
static void zero_gradients_change_nothing(void **state) {
  eg_tensor *p = random_tensor(EG_FLOAT32, 1, SIZES(1000)), *g = eg_new_like(p, -1), *sum = eg_new_like(p, -1),
            *before = eg_new_like(p, -1);
  rule rules[] = {{.kind = SGD, .sgd = {.lr = 0.1}},
                  {.kind = ADAGRAD, .adam = {.lr = 0.1, .epsilon = 1e-10}},
                  {.kind = CLASSP, .classp = {0.2, 0, 1, 1e-5, 1, 0}}};
  eg_fill(g, 0), eg_fill(sum, 0);
  put(p, 3, -0.0), put(g, 4, -0.0);
  eg_copy(before, p);
  for (size_t r = 0; r < COUNT(rules); r++) {
    assert_int_equal(take(&rules[r], p, g, sum, NULL, NULL), EG_OK);
    assert_true(same_bits(p, before));
  }
  eg_free(p), eg_free(g), eg_free(sum), eg_free(before);
}

/* ---- bits, failures, messages ---- */

static void bits_do_not_depend_on_threads(void **state) {
  rule rules[] = {{.kind = SGD, .sgd = {.lr = 0.1, .momentum = 0.9}},
                  {.kind = ADAM, .adam = {0.01, 0.9, 0.999, 1e-8, 0.1, 0, 3}},
                  {.kind = RMSPROP, .adam = {.lr = 0.1, .beta2 = 0.9, .epsilon = 1e-8}},
                  {.kind = CLASSP, .classp = {0.2, 0.3, 1, 1e-5, 1, 0}},
                  {.kind = CLASSP, .classp = {0.2, 0.3, 3, 1e-5, 1, 1}}};
  for (size_t r = 0; r < COUNT(rules); r++) {
    eg_tensor *start[4], *first[4] = {0};
    int64_t moved[3];
    for (int i = 0; i < 4; i++) start[i] = random_tensor(EG_FLOAT32, 2, SIZES(301, 500));
    for (int i = 2; i < 4; i++) eg_unary(EG_ABS, start[i], start[i]);
    for (int turn = 0; turn < 3; turn++) {
      eg_tensor *t[4];
      for (int i = 0; i < 4; i++) t[i] = eg_new_like(start[i], -1), eg_copy(t[i], start[i]);
      eg_threads_set(1 << turn);
      assert_int_equal(take(&rules[r], t[0], t[1], t[2], t[3], &moved[turn]), EG_OK);
      for (int i = 0; i < 4 && turn > 0; i++) assert_true(same_bits(t[i], first[i]));
      if (turn > 0 && rules[r].kind == CLASSP) assert_int_equal(moved[turn], moved[0]);
      for (int i = 0; i < 4; i++)
        if (turn == 0) first[i] = t[i];
        else eg_free(t[i]);
    }
    for (int i = 0; i < 4; i++) eg_free(start[i]), eg_free(first[i]);
  }
}

static void failed_allocations_leave_all_alone(void **state) {
  eg_tensor *p = fresh(EG_FLOAT32, 1, SIZES(10)), *g = random_tensor(EG_FLOAT32, 1, SIZES(10)),
            *sum = eg_new_like(p, -1);
  const eg_classp h = {0.2, 0, 1, 1e-5, 1, 0};
  int64_t moved = 7;
  mark(p), mark(sum);
  eg_alloc_fail_after(0);
  assert_fails(eg_classp_step(p, g, sum, &h, &moved), EG_ENOMEM, "out of memory");
  eg_alloc_fail_after(-1);
  assert_true(is_marked(p) && is_marked(sum) && moved == 7);
  eg_free(p), eg_free(g), eg_free(sum);
}

/* What is wrong with the tensors is said by one check, in the name of each. */
static void messages_about_tensors(void **state) {
  eg_tensor *p = fresh(EG_FLOAT32, 1, SIZES(6)), *g = fresh(EG_FLOAT32, 1, SIZES(6)),
            *a = fresh(EG_FLOAT32, 1, SIZES(6)), *b = fresh(EG_FLOAT32, 1, SIZES(6));
  eg_tensor *wide = fresh(EG_FLOAT64, 1, SIZES(6)), *whole = fresh(EG_INT64, 1, SIZES(6)),
            *more = fresh(EG_FLOAT32, 1, SIZES(7)), *gaps = scattered(random_tensor(EG_FLOAT32, 1, SIZES(6)));
  eg_tensor *head = eg_view(more, 1, SIZES(6), SIZES(1), 0), *tail = eg_view(more, 1, SIZES(6), SIZES(1), 1);
  static const char *const names[] = {"sgd", "adagrad", "rmsprop", "adam", "classp"};
  static const char *const slots[] = {"momentum", "sum", "square", "first", "grad_sum"};
  mark(p), mark(g), mark(a), mark(b);
  for (int kind = SGD; kind <= CLASSP; kind++) {
    char text[200];
    rule r = {.kind = kind, .sgd = {.lr = 0.1, .momentum = 0.9}, .adam = {0.1, 0.9, 0.9, 1e-8, 0, 0, 1}};
    r.classp = (eg_classp){0.1, 0, 1, 1e-5, 1, 0};
#define refused(P, G, A, status, ...)                                                                                  \
  do {                                                                                                                 \
    snprintf(text, sizeof text, __VA_ARGS__);                                                                          \
    assert_fails(take(&r, P, G, A, b, NULL), status, text);                                                            \
  } while (0)
    refused(NULL, g, a, EG_ERELEASED, "%s: parameter was released", names[kind]);
    refused(p, NULL, a, EG_ERELEASED, "%s: gradient was released", names[kind]);
    if (kind != SGD) refused(p, g, NULL, EG_ERELEASED, "%s: %s was released", names[kind], slots[kind]);
    refused(whole, g, a, EG_EDTYPE, "%s: parameter is (6) int64, expected float32 or float64", names[kind]);
    refused(p, wide, a, EG_EDTYPE, "%s: dtypes differ: gradient (6) float64, parameter (6) float32", names[kind]);
    refused(p, g, wide, EG_EDTYPE, "%s: dtypes differ: %s (6) float64", names[kind], slots[kind]);
    refused(p, more, a, EG_ESHAPE, "%s: shapes differ: gradient (7), parameter (6)", names[kind]);
    refused(p, g, more, EG_ESHAPE, "%s: shapes differ: %s (7), parameter (6)", names[kind], slots[kind]);
    refused(gaps, g, a, EG_EINVAL, "%s: parameter must be contiguous", names[kind]);
    refused(p, gaps, a, EG_EINVAL, "%s: gradient must be contiguous", names[kind]);
    refused(p, g, gaps, EG_EINVAL, "%s: %s must be contiguous", names[kind], slots[kind]);
    refused(p, p, a, EG_EINVAL, "%s: parameter and gradient share memory", names[kind]);
    refused(head, g, tail, EG_EINVAL, "%s: parameter and %s share memory", names[kind], slots[kind]);
    refused(p, a, a, EG_EINVAL, "%s: gradient and %s share memory", names[kind], slots[kind]);
#undef refused
  }
  const eg_adam h = {0.1, 0.9, 0.9, 1e-8, 0, 0, 1};
  assert_fails(eg_adam_step(p, g, a, NULL, &h), EG_ERELEASED, "adam: second was released");
  assert_fails(eg_adam_step(p, g, a, a, &h), EG_EINVAL, "adam: first and second share memory");
  assert_true(is_marked(p) && is_marked(g) && is_marked(a) && is_marked(b));
  eg_tensor *all[] = {p, g, a, b, wide, whole, more, gaps, head, tail};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

static void messages_about_numbers(void **state) {
  eg_tensor *p = fresh(EG_FLOAT32, 1, SIZES(6)), *g = fresh(EG_FLOAT32, 1, SIZES(6)),
            *a = fresh(EG_FLOAT32, 1, SIZES(6)), *b = fresh(EG_FLOAT32, 1, SIZES(6));
  mark(p), mark(g), mark(a), mark(b);
#define sgd(...) eg_sgd_step(p, g, a, &(eg_sgd){__VA_ARGS__})
#define adam(...) eg_adam_step(p, g, a, b, &(eg_adam){__VA_ARGS__})
#define classp(...) eg_classp_step(p, g, a, &(eg_classp){__VA_ARGS__}, NULL)
  assert_fails(sgd(-1, 0.9, 0, 0, 0, 0), EG_EINVAL, "sgd: lr = -1, expected 0 <= lr < inf");
  assert_fails(sgd(NAN, 0.9, 0, 0, 0, 0), EG_EINVAL, "sgd: lr =");
  assert_fails(sgd(INFINITY, 0.9, 0, 0, 0, 0), EG_EINVAL, "sgd: lr = inf, expected 0 <= lr < inf");
  assert_fails(sgd(1, -0.9, 0, 0, 0, 0), EG_EINVAL, "sgd: momentum = -0.9, expected 0 <= momentum < inf");
  assert_fails(sgd(1, 0.9, NAN, 0, 0, 0), EG_EINVAL, "sgd: dampening =");
  assert_fails(sgd(1, 0.9, 0, -0.1, 0, 0), EG_EINVAL, "sgd: weight_decay = -0.1, expected 0 <= weight_decay < inf");
  assert_fails(eg_sgd_step(p, g, NULL, &(eg_sgd){1, 0.9, 0, 0, 0, 0}), EG_EINVAL,
               "sgd: momentum = 0.9 needs a momentum slot");
  assert_fails(eg_adagrad_step(p, g, a, -1, 0, 0), EG_EINVAL, "adagrad: lr = -1");
  assert_fails(eg_adagrad_step(p, g, a, 1, -1, 0), EG_EINVAL, "adagrad: epsilon = -1");
  assert_fails(eg_adagrad_step(p, g, a, 1, 0, NAN), EG_EINVAL, "adagrad: weight_decay =");
  assert_fails(eg_rmsprop_step(p, g, a, -1, 0, 0, 0), EG_EINVAL, "rmsprop: lr = -1");
  assert_fails(eg_rmsprop_step(p, g, a, 1, 1, 0, 0), EG_EINVAL, "rmsprop: alpha = 1, expected 0 <= alpha < 1");
  assert_fails(eg_rmsprop_step(p, g, a, 1, 0, -1, 0), EG_EINVAL, "rmsprop: epsilon = -1");
  assert_fails(eg_rmsprop_step(p, g, a, 1, 0, 0, -1), EG_EINVAL, "rmsprop: weight_decay = -1");
  assert_fails(adam(-1, 0.9, 0.9, 0, 0, 0, 1), EG_EINVAL, "adam: lr = -1");
  assert_fails(adam(1, 1, 0.9, 0, 0, 0, 1), EG_EINVAL, "adam: beta1 = 1, expected 0 <= beta1 < 1");
  assert_fails(adam(1, 0.9, -0.1, 0, 0, 0, 1), EG_EINVAL, "adam: beta2 = -0.1, expected 0 <= beta2 < 1");
  assert_fails(adam(1, 0.9, 0.9, NAN, 0, 0, 1), EG_EINVAL, "adam: epsilon =");
  assert_fails(adam(1, 0.9, 0.9, 0, INFINITY, 0, 1), EG_EINVAL, "adam: weight_decay = inf");
  assert_fails(adam(1, 0.9, 0.9, 0, 0, 0, 0), EG_EINVAL, "adam: step = 0, steps count from 1");
  assert_fails(classp(-1, 0, 1, 0, 1, 0), EG_EINVAL, "classp: lr = -1");
  assert_fails(classp(1, -1, 1, 0, 1, 0), EG_EINVAL, "classp: threshold = -1, expected at least 0");
  assert_fails(classp(1, NAN, 1, 0, 1, 0), EG_EINVAL, "classp: threshold =");
  assert_fails(classp(1, 0, 0.5, 0, 1, 0), EG_EINVAL, "classp: power = 0.5, expected 1 <= power < inf");
  assert_fails(classp(1, 0, 1, -1, 1, 0), EG_EINVAL, "classp: epsilon = -1");
  assert_true(is_marked(p) && is_marked(g) && is_marked(a) && is_marked(b));
  eg_free(p), eg_free(g), eg_free(a), eg_free(b);
}

/* ---- gradients of a few rows ---- */

/* The step of `kind` over rows, or with `rows` NULL over the dense gradient. */
static eg_status take_rows(int kind, eg_tensor *p, const eg_tensor *rows, const eg_tensor *g, eg_tensor *a,
                           const eg_classp *h, int64_t *moved) {
  const eg_sgd sgd = {.lr = 0.1};
  *moved = -1;
  if (kind == SGD) return rows ? eg_sgd_rows(p, rows, g, &sgd) : eg_sgd_step(p, g, NULL, &sgd);
  if (kind == ADAGRAD)
    return rows ? eg_adagrad_rows(p, rows, g, a, 0.1, 1e-10) : eg_adagrad_step(p, g, a, 0.1, 1e-10, 0);
  return rows ? eg_classp_rows(p, rows, g, a, h, moved) : eg_classp_step(p, g, a, h, moved);
}

static void rows_give_the_bits_of_the_dense_gradient(void **state) {
  enum { ROWS = 90, WIDTH = 77, USED = 31 };
  static const eg_classp rules[] = {{0.1, 1e-2, 1, 1e-5, 1, 0}, {0.1, 0, 2, 1e-5, 1, 0},   {0.1, 1e-2, 3, 1e-5, 0, 0},
                                    {0.1, 0.99, 1, 1e-5, 1, 1}, {0.1, 0.5, 3, 1e-5, 0, 1}, {0.1, 1, 1, 1e-5, 1, 1}};
  for (size_t which = 0; which < 2 + COUNT(rules); which++)
    for (int dtype = EG_FLOAT32; dtype <= EG_FLOAT64; dtype++) {
      int kind = which == 0 ? SGD : which == 1 ? ADAGRAD : CLASSP;
      const eg_classp *h = &rules[kind == CLASSP ? which - 2 : 0];
      eg_tensor *p = random_tensor(dtype, 2, SIZES(ROWS, WIDTH)), *q = eg_new_like(p, -1), *a = eg_new_like(p, -1);
      eg_tensor *b = eg_new_like(p, -1), *dense = eg_new_like(p, -1), *g = random_tensor(dtype, 2, SIZES(USED, WIDTH));
      eg_tensor *rows = fresh(EG_INT64, 1, SIZES(USED));
      eg_copy(q, p), eg_fill(a, 0.25), eg_fill(b, 0.25), eg_fill(dense, 0);
      for (int64_t i = 0; i < USED; i++) put(rows, i, (double)(i * 3 - i % 2 + (i == 0 ? 1 : 0)));
      put(g, 5, 0);
      for (int64_t i = 0; i < g->count; i++)
        put(dense, ((int64_t)get(rows, i / WIDTH) - 1) * WIDTH + i % WIDTH, get(g, i));
      for (int threads = 1; threads <= 4; threads *= 2) {
        int64_t moved, moved_dense;
        eg_threads_set(threads);
        assert_int_equal(take_rows(kind, p, rows, g, a, h, &moved), EG_OK);
        assert_int_equal(take_rows(kind, q, NULL, dense, b, h, &moved_dense), EG_OK);
        assert_true(same_bits(p, q) && same_bits(a, b) && moved == moved_dense);
      }
      eg_tensor *all[] = {p, q, a, b, dense, g, rows};
      for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
    }
}

static void messages_about_rows(void **state) {
  eg_tensor *p = random_tensor(EG_FLOAT32, 2, SIZES(4, 3)), *g = random_tensor(EG_FLOAT32, 2, SIZES(2, 3));
  eg_tensor *rows = fresh(EG_INT64, 1, SIZES(2)), *before = eg_new_like(p, -1), *flat = fresh(EG_FLOAT32, 1, SIZES(12));
  static const int64_t hostile[][2] = {{0, 1}, {1, 5}, {2, 2}, {3, 2}, {INT64_MIN, 1}, {1, INT64_MAX}};
  eg_sgd h = {.lr = 0.1}, decay = {.lr = 0.1, .weight_decay = 0.1};
  eg_copy(before, p);
  for (size_t i = 0; i < COUNT(hostile); i++) {
    memcpy(rows->data, hostile[i], sizeof hostile[i]);
    assert_fails(eg_sgd_rows(p, rows, g, &h), EG_EINDEX, "expected rising numbers of 1..4");
  }
  memcpy(rows->data, SIZES(1, 4), 2 * sizeof(int64_t));
  assert_fails(eg_sgd_rows(p, rows, g, &decay), EG_EINVAL, "sgd: weight_decay = 0.1 moves all rows");
  assert_fails(eg_sgd_rows(p, rows, p, &h), EG_ESHAPE, "sgd: gradient has shape (4, 3), expected (2, 3)");
  assert_fails(eg_sgd_rows(p, NULL, g, &h), EG_ERELEASED, "sgd: rows was released");
  assert_fails(eg_sgd_rows(flat, rows, g, &h), EG_ESHAPE, "sgd: parameter");
  assert_fails(eg_adagrad_rows(p, rows, g, g, 0.1, 1e-5), EG_ESHAPE, "adagrad: shapes differ: sum");
  assert_fails(eg_adagrad_rows(p, rows, g, p, 0.1, 1e-5), EG_EINVAL, "share memory");
  assert_true(same_bits(p, before));
  eg_tensor *all[] = {p, g, rows, before, flat};
  for (size_t i = 0; i < COUNT(all); i++) eg_free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sgd_steps),
      cmocka_unit_test(steps_divided_by_roots),
      cmocka_unit_test(adam_steps),
      cmocka_unit_test(classp_steps),
      cmocka_unit_test(classp_is_adagrad),
      cmocka_unit_test(weights_that_stay_keep_their_bits),
      cmocka_unit_test(the_published_gate_is_one_for_the_tensor),
      cmocka_unit_test(zero_gradients_change_nothing),
      cmocka_unit_test(rows_give_the_bits_of_the_dense_gradient),
      cmocka_unit_test(messages_about_rows),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(failed_allocations_leave_all_alone),
      cmocka_unit_test(messages_about_tensors),
      cmocka_unit_test(messages_about_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
