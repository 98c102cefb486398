/* optim.c - optimizer steps, each one pass over parameter, gradient and slots.
 *
 * Hyper-parameters are doubles; what is constant over a step is worked out in double and used as `real`. */
#ifdef REAL

typedef struct {
  real *p, *a, *b; /* parameter and up to two slots */
  const real *g;
} K(arrays);

static K(arrays) K(from)(const step *s, int64_t at) {
  return (K(arrays)){(real *)s->p->data + at, s->a ? (real *)s->a->data + at : NULL,
                     s->b ? (real *)s->b->data + at : NULL, (const real *)s->g->data + at};
}

/* ---- SGD: g <- g + weight_decay p;  m <- momentum m + (1 - dampening) g;  p <- p - lr (m, or g + momentum m) ---- */

static void K(sgd)(const step *s, int64_t at, int64_t n) {
  const eg_sgd *h = s->hyper;
  K(arrays) x = K(from)(s, at);
  real *restrict p = x.p;
  const real *restrict g = x.g;
  const real lr = (real)h->lr, decay = (real)h->weight_decay, momentum = (real)h->momentum;
  if (!x.a) {
    for (int64_t i = 0; i < n; i++) p[i] -= lr * (g[i] + decay * p[i]);
    return;
  }
  real *restrict m = x.a;
  const bool first = h->first;
  const real take = (real)(1 - h->dampening), of_g = h->nesterov ? 1 : 0, of_m = h->nesterov ? momentum : 1;
  for (int64_t i = 0; i < n; i++) {
    real gradient = g[i] + decay * p[i];
    m[i] = first ? gradient : momentum * m[i] + take * gradient;
    p[i] -= lr * (of_g * gradient + of_m * m[i]);
  }
}

/* ---- AdaGrad: s <- s + g^2;  p <- p - lr g / (sqrt(s) + epsilon) ---- */

static void K(adagrad)(const step *s, int64_t at, int64_t n) {
  const double *h = s->hyper; /* lr, epsilon, weight decay */
  K(arrays) x = K(from)(s, at);
  real *restrict p = x.p, *restrict sum = x.a;
  const real *restrict g = x.g;
  const real lr = (real)h[0], epsilon = (real)h[1], decay = (real)h[2];
  for (int64_t i = 0; i < n; i++) {
    real gradient = g[i] + decay * p[i];
    sum[i] += gradient * gradient;
    p[i] -= lr * gradient / (T(root)(sum[i]) + epsilon);
  }
}

/* ---- RMSProp: s <- alpha s + (1 - alpha) g^2;  p <- p - lr g / (sqrt(s) + epsilon) ---- */

static void K(rmsprop)(const step *s, int64_t at, int64_t n) {
  const double *h = s->hyper; /* lr, alpha, epsilon, weight decay */
  K(arrays) x = K(from)(s, at);
  real *restrict p = x.p, *restrict square = x.a;
  const real *restrict g = x.g;
  const real lr = (real)h[0], alpha = (real)h[1], rest = (real)(1 - h[1]), epsilon = (real)h[2], decay = (real)h[3];
  for (int64_t i = 0; i < n; i++) {
    real gradient = g[i] + decay * p[i];
    square[i] = alpha * square[i] + rest * gradient * gradient;
    p[i] -= lr * gradient / (T(root)(square[i]) + epsilon);
  }
}

/* ---- Adam and AdamW, with bias correction ---- */

static void K(adam)(const step *s, int64_t at, int64_t n) {
  const eg_adam *h = s->hyper;
  K(arrays) x = K(from)(s, at);
  real *restrict p = x.p, *restrict m = x.a, *restrict v = x.b;
  const real *restrict g = x.g;
  const double correct1 = 1 - pow(h->beta1, (double)h->step), correct2 = 1 - pow(h->beta2, (double)h->step);
  const real beta1 = (real)h->beta1, rest1 = (real)(1 - h->beta1), beta2 = (real)h->beta2, rest2 = (real)(1 - h->beta2);
  const real rate = (real)(h->lr / correct1), scale = (real)(1 / sqrt(correct2)), epsilon = (real)h->epsilon;
  const real coupled = h->decoupled ? 0 : (real)h->weight_decay;
  const real shrink = h->decoupled ? (real)(1 - h->lr * h->weight_decay) : 1;
  for (int64_t i = 0; i < n; i++) {
    real w = p[i] * shrink, gradient = g[i] + coupled * p[i];
    m[i] = beta1 * m[i] + rest1 * gradient;
    v[i] = beta2 * v[i] + rest2 * gradient * gradient;
    p[i] = w - rate * m[i] / (T(root)(v[i]) * scale + epsilon);
  }
}

/* ---- CLASSP ---- */

/* x^(1/power) and |g|^power, where power is mostly 1 or 2 and known to the compiler. */
static inline real K(whole_root)(real x, double power) {
  return power == 1 ? x : power == 2 ? T(root)(x) : (real)pow((double)x, 1 / power);
}

static inline real K(raised)(real g, double power) {
  real size = g < 0 ? -g : g;
  return power == 1 ? size : power == 2 ? g * g : (real)pow((double)size, power);
}

/* The paper's rule: only where g^2 > threshold; the others keep their bits. A NaN gradient passes no gate. */
static inline int64_t K(classp_gated)(real *restrict p, real *restrict sum, const real *restrict g, int64_t n,
                                      const eg_classp *h, double power) {
  const real lr = (real)h->lr, threshold = (real)h->threshold, epsilon = (real)h->epsilon;
  const bool decay = h->decay, costly = power != 1 && power != 2;
  int64_t moved = 0;
  for (int64_t i = 0; i < n; i++) {
    const bool passes = g[i] * g[i] > threshold;
    if (costly && !passes) continue;
    const real s = sum[i] + K(raised)(g[i], power);
    const real change = decay ? lr * g[i] / K(whole_root)(s + epsilon, power) : lr * g[i];
    sum[i] = passes ? s : sum[i];
    p[i] = passes ? p[i] - change : p[i];
    moved += passes;
  }
  return moved;
}

static void K(classp)(const step *s, int64_t at, int64_t n) {
  const eg_classp *h = s->hyper;
  K(arrays) x = K(from)(s, at);
  int64_t moved;
  if (h->power == 1) moved = K(classp_gated)(x.p, x.a, x.g, n, h, 1);
  else if (h->power == 2) moved = K(classp_gated)(x.p, x.a, x.g, n, h, 2);
  else moved = K(classp_gated)(x.p, x.a, x.g, n, h, h->power);
  s->moved[at / TILE] = moved;
}

/* The published code's rule, once its gate for the whole tensor is open: s sums |g| whatever the power. */
static inline void K(classp_open)(real *restrict p, real *restrict sum, const real *restrict g, int64_t n,
                                  const eg_classp *h, double power) {
  const real lr = (real)h->lr, epsilon = (real)h->epsilon;
  const bool decay = h->decay;
  for (int64_t i = 0; i < n; i++) {
    sum[i] += g[i] < 0 ? -g[i] : g[i];
    p[i] -= decay ? lr / K(whole_root)(sum[i] + epsilon, power) * g[i] : lr * g[i];
  }
}

static void K(classp_published)(const step *s, int64_t at, int64_t n) {
  const eg_classp *h = s->hyper;
  K(arrays) x = K(from)(s, at);
  if (h->power == 1) K(classp_open)(x.p, x.a, x.g, n, h, 1);
  else if (h->power == 2) K(classp_open)(x.p, x.a, x.g, n, h, 2);
  else K(classp_open)(x.p, x.a, x.g, n, h, h->power);
  s->moved[at / TILE] = n;
}

static bool K(any_nonzero)(const eg_tensor *g) {
  const real *x = g->data;
  for (int64_t i = 0; i < g->count; i++)
    if (x[i] != 0) return true;
  return false;
}

#else

#include <math.h>

#include "internal.h"

enum { TILE = EG_TILE };

/* One step: its tensors, its hyper-parameters, and the kernel that does elements at .. at + n - 1. */
typedef struct step {
  eg_tensor *p, *a, *b;
  const eg_tensor *g;
  const void *hyper;
  int64_t *moved; /* weights that moved, a tile */
  void (*kernel)(const struct step *s, int64_t at, int64_t n);
} step;

static inline float root_f32(float x) { return sqrtf(x); }
static inline double root_f64(double x) { return sqrt(x); }

#define EG_KERNELS "optim.c"
#include "real.h"

static void run_tile(void *context, int64_t tile) {
  const step *s = context;
  int64_t at = tile * TILE;
  s->kernel(s, at, EG_MIN(TILE, s->p->count - at));
}

static void run(step *s) {
  int arrays = 3 + 2 * !!s->a + 2 * !!s->b; /* passes over memory; simple work has two */
  eg_parallel_whole_over(s->p->count * arrays / 2, eg_tiles(s->p->count, TILE), run_tile, s);
  eg_storage_touch(s->p);
}

/* Parameter, gradient and the slots that have a name: contiguous, alike, and each in memory of its own. */
static eg_status check(const char *op, const step *s, const char *a_name, const char *b_name) {
  const eg_tensor *all[] = {s->p, s->g, s->a, s->b};
  const char *name[] = {"parameter", "gradient", a_name, b_name};
  EG_TRY(eg_check_real(op, name[0], s->p));
  for (int i = 0; i < 4 && name[i]; i++) {
    EG_TRY(eg_check_contiguous(op, name[i], all[i]));
    EG_TRY(eg_check_same_shape(op, name[i], all[i], name[0], s->p));
    EG_TRY(eg_check_same_dtype(op, name[i], all[i], name[0], s->p));
    for (int j = 0; j < i; j++)
      if (eg_overlap(all[i], all[j])) return eg_fail(EG_EINVAL, "%s: %s and %s share memory", op, name[j], name[i]);
  }
  return EG_OK;
}

static eg_status check_number(const char *op, const char *name, double value, double low, double under) {
  if (isfinite(value) && value >= low && value < under) return EG_OK;
  return eg_fail(EG_EINVAL, "%s: %s = %g, expected %g <= %s < %g", op, name, value, low, name, under);
}

eg_status eg_sgd_step(eg_tensor *p, const eg_tensor *g, eg_tensor *momentum, const eg_sgd *h) {
  step s = {.p = p, .g = g, .a = momentum, .hyper = h};
  EG_TRY(check("sgd", &s, momentum ? "momentum" : NULL, NULL));
  EG_TRY(check_number("sgd", "lr", h->lr, 0, INFINITY));
  EG_TRY(check_number("sgd", "momentum", h->momentum, 0, INFINITY));
  EG_TRY(check_number("sgd", "dampening", h->dampening, -INFINITY, INFINITY));
  EG_TRY(check_number("sgd", "weight_decay", h->weight_decay, 0, INFINITY));
  if (!momentum && h->momentum != 0) return eg_fail(EG_EINVAL, "sgd: momentum = %g needs a momentum slot", h->momentum);
  s.kernel = EG_REAL(p->dtype, sgd);
  run(&s);
  return EG_OK;
}

eg_status eg_adagrad_step(eg_tensor *p, const eg_tensor *g, eg_tensor *sum, double lr, double epsilon,
                          double weight_decay) {
  const double h[] = {lr, epsilon, weight_decay};
  step s = {.p = p, .g = g, .a = sum, .hyper = h};
  EG_TRY(check("adagrad", &s, "sum", NULL));
  EG_TRY(check_number("adagrad", "lr", lr, 0, INFINITY));
  EG_TRY(check_number("adagrad", "epsilon", epsilon, 0, INFINITY));
  EG_TRY(check_number("adagrad", "weight_decay", weight_decay, 0, INFINITY));
  s.kernel = EG_REAL(p->dtype, adagrad);
  run(&s);
  return EG_OK;
}

eg_status eg_rmsprop_step(eg_tensor *p, const eg_tensor *g, eg_tensor *square, double lr, double alpha, double epsilon,
                          double weight_decay) {
  const double h[] = {lr, alpha, epsilon, weight_decay};
  step s = {.p = p, .g = g, .a = square, .hyper = h};
  EG_TRY(check("rmsprop", &s, "square", NULL));
  EG_TRY(check_number("rmsprop", "lr", lr, 0, INFINITY));
  EG_TRY(check_number("rmsprop", "alpha", alpha, 0, 1));
  EG_TRY(check_number("rmsprop", "epsilon", epsilon, 0, INFINITY));
  EG_TRY(check_number("rmsprop", "weight_decay", weight_decay, 0, INFINITY));
  s.kernel = EG_REAL(p->dtype, rmsprop);
  run(&s);
  return EG_OK;
}

eg_status eg_adam_step(eg_tensor *p, const eg_tensor *g, eg_tensor *first, eg_tensor *second, const eg_adam *h) {
  step s = {.p = p, .g = g, .a = first, .b = second, .hyper = h};
  EG_TRY(check("adam", &s, "first", "second"));
  EG_TRY(check_number("adam", "lr", h->lr, 0, INFINITY));
  EG_TRY(check_number("adam", "beta1", h->beta1, 0, 1));
  EG_TRY(check_number("adam", "beta2", h->beta2, 0, 1));
  EG_TRY(check_number("adam", "epsilon", h->epsilon, 0, INFINITY));
  EG_TRY(check_number("adam", "weight_decay", h->weight_decay, 0, INFINITY));
  if (h->step < 1) return eg_fail(EG_EINVAL, "adam: step = %lld, steps count from 1", (long long)h->step);
  s.kernel = EG_REAL(p->dtype, adam);
  run(&s);
  return EG_OK;
}

eg_status eg_classp_step(eg_tensor *p, const eg_tensor *g, eg_tensor *grad_sum, const eg_classp *h, int64_t *moved) {
  step s = {.p = p, .g = g, .a = grad_sum, .hyper = h};
  EG_TRY(check("classp", &s, "grad_sum", NULL));
  EG_TRY(check_number("classp", "lr", h->lr, 0, INFINITY));
  EG_TRY(check_number("classp", "epsilon", h->epsilon, 0, INFINITY));
  EG_TRY(check_number("classp", "power", h->power, 1, INFINITY));
  if (!(h->threshold >= 0)) return eg_fail(EG_EINVAL, "classp: threshold = %g, expected at least 0", h->threshold);
  int64_t total = 0, tiles = eg_tiles(p->count, TILE);
  bool shut = h->published && !(EG_REAL(g->dtype, any_nonzero)(g) > h->threshold);
  if (!shut) {
    size_t bytes = (size_t)tiles * sizeof(int64_t);
    s.moved = eg_block_new(bytes);
    if (!s.moved) return EG_ENOMEM;
    s.kernel = h->published ? EG_REAL(p->dtype, classp_published) : EG_REAL(p->dtype, classp);
    run(&s);
    for (int64_t tile = 0; tile < tiles; tile++) total += s.moved[tile];
    eg_block_free(s.moved, bytes);
  }
  if (moved) *moved = total;
  return EG_OK;
}

#endif
