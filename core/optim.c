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
                     s->b ? (real *)s->b->data + at : NULL, (const real *)s->g->data + at + s->shift};
}

/* ---- SGD: g <- g + weight_decay p;  m <- momentum m + (1 - dampening) g;  p <- p - lr (m, or g + momentum m) ---- */

static int64_t K(sgd)(const step *s, int64_t at, int64_t n) {
  const eg_sgd *h = s->hyper;
  K(arrays) x = K(from)(s, at);
  real *restrict p = x.p;
  const real *restrict g = x.g;
  const real lr = (real)h->lr, decay = (real)h->weight_decay, momentum = (real)h->momentum;
  if (!x.a) {
    for (int64_t i = 0; i < n; i++) p[i] -= lr * (g[i] + decay * p[i]);
    return n;
  }
  real *restrict m = x.a;
  const bool first = h->first;
  const real take = (real)(1 - h->dampening), of_g = h->nesterov ? 1 : 0, of_m = h->nesterov ? momentum : 1;
  for (int64_t i = 0; i < n; i++) {
    real gradient = g[i] + decay * p[i];
    m[i] = first ? gradient : momentum * m[i] + take * gradient;
    p[i] -= lr * (of_g * gradient + of_m * m[i]);
  }
  return n;
}

/* ---- AdaGrad: s <- s + g^2;  p <- p - lr g / (sqrt(s) + epsilon) ---- */

static int64_t K(adagrad)(const step *s, int64_t at, int64_t n) {
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
  return n;
}

/* ---- RMSProp: s <- alpha s + (1 - alpha) g^2;  p <- p - lr g / (sqrt(s) + epsilon) ---- */

static int64_t K(rmsprop)(const step *s, int64_t at, int64_t n) {
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
  return n;
}

/* ---- Adam and AdamW, with bias correction ---- */

static int64_t K(adam)(const step *s, int64_t at, int64_t n) {
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
  return n;
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

static int64_t K(classp)(const step *s, int64_t at, int64_t n) {
  const eg_classp *h = s->hyper;
  K(arrays) x = K(from)(s, at);
  if (h->power == 1) return K(classp_gated)(x.p, x.a, x.g, n, h, 1);
  if (h->power == 2) return K(classp_gated)(x.p, x.a, x.g, n, h, 2);
  return K(classp_gated)(x.p, x.a, x.g, n, h, h->power);
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

static int64_t K(classp_published)(const step *s, int64_t at, int64_t n) {
  const eg_classp *h = s->hyper;
  K(arrays) x = K(from)(s, at);
  if (h->power == 1) K(classp_open)(x.p, x.a, x.g, n, h, 1);
  else if (h->power == 2) K(classp_open)(x.p, x.a, x.g, n, h, 2);
  else K(classp_open)(x.p, x.a, x.g, n, h, h->power);
  return n;
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

/* One step: its tensors, its hyper-parameters, and the kernel that does elements at .. at + n - 1 and returns how many moved. */
typedef struct step {
  eg_tensor *p, *a, *b;
  const eg_tensor *g;
  const void *hyper;
  const eg_tensor *rows; /* (u) int64: the parameter's row of each row of the gradient, 1-based; NULL: they are alike */
  int64_t shift;         /* from an element of the parameter to its gradient's, where rows differ */
  int64_t *moved;        /* weights that moved, a tile; or NULL */
  int64_t (*kernel)(const struct step *s, int64_t at, int64_t n);
} step;

static inline float root_f32(float x) { return sqrtf(x); }
static inline double root_f64(double x) { return sqrt(x); }

#define EG_KERNELS "optim.c"
#include "real.h"

static void run_tile(void *context, int64_t tile) {
  const step *s = context;
  int64_t at = tile * TILE, moved = s->kernel(s, at, EG_MIN(TILE, s->p->count - at));
  if (s->moved) s->moved[tile] = moved;
}

static int64_t rows_of_tile(const step *s) { return EG_MAX(1, TILE / EG_MAX(1, s->p->size[1])); }

static void run_rows_tile(void *context, int64_t tile) {
  step s = *(const step *)context;
  const int64_t *row = s.rows->data, width = s.p->size[1], rows = rows_of_tile(&s);
  int64_t moved = 0;
  for (int64_t i = tile * rows; i < EG_MIN((tile + 1) * rows, s.g->size[0]); i++) {
    s.shift = (i - (row[i] - 1)) * width;
    moved += s.kernel(&s, (row[i] - 1) * width, width);
  }
  if (s.moved) s.moved[tile] = moved;
}

static int64_t tiles_of(const step *s) {
  return s->rows ? eg_tiles(s->g->size[0], rows_of_tile(s)) : eg_tiles(s->p->count, TILE);
}

static void run(step *s) {
  eg_parallel_whole_over(s->g->count, tiles_of(s), s->rows ? run_rows_tile : run_tile, s);
  eg_storage_touch(s->p);
}

/* rows (u), rising numbers of p's rows, and g (u, width) */
static eg_status check_rows(const char *op, const step *s, const eg_tensor *rows) {
  EG_TRY(eg_check_dims(op, "parameter", s->p, 2));
  EG_TRY(eg_check_dtype(op, "rows", rows, EG_INT64));
  EG_TRY(eg_check_dims(op, "rows", rows, 1));
  EG_TRY(eg_check_contiguous(op, "rows", rows));
  EG_TRY(eg_check_shape(op, "gradient", s->g, 2, (const int64_t[]){rows->count, s->p->size[1]}));
  const int64_t *row = rows->data;
  for (int64_t i = 0; i < rows->count; i++)
    if (row[i] < 1 || row[i] > s->p->size[0] || (i > 0 && row[i] <= row[i - 1]))
      return eg_fail(EG_EINDEX, "%s: row %lld at position %lld: expected rising numbers of 1..%lld", op,
                     (long long)row[i], (long long)i + 1, (long long)s->p->size[0]);
  return EG_OK;
}

/* Parameter, gradient and the slots that have a name: contiguous, alike (but for a gradient of rows), and each in memory of its own. */
static eg_status check(const char *op, const step *s, const char *a_name, const char *b_name) {
  const eg_tensor *all[] = {s->p, s->g, s->a, s->b};
  const char *name[] = {"parameter", "gradient", a_name, b_name};
  EG_TRY(eg_check_real(op, name[0], s->p));
  if (s->rows) EG_TRY(check_rows(op, s, s->rows));
  for (int i = 0; i < 4 && name[i]; i++) {
    EG_TRY(eg_check_contiguous(op, name[i], all[i]));
    if (i != 1 || !s->rows) EG_TRY(eg_check_same_shape(op, name[i], all[i], name[0], s->p));
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

static eg_status sgd(step s, const eg_sgd *h) {
  s.hyper = h;
  EG_TRY(check("sgd", &s, s.a ? "momentum" : NULL, NULL));
  EG_TRY(check_number("sgd", "lr", h->lr, 0, INFINITY));
  EG_TRY(check_number("sgd", "momentum", h->momentum, 0, INFINITY));
  EG_TRY(check_number("sgd", "dampening", h->dampening, -INFINITY, INFINITY));
  EG_TRY(check_number("sgd", "weight_decay", h->weight_decay, 0, INFINITY));
  if (!s.a && h->momentum != 0) return eg_fail(EG_EINVAL, "sgd: momentum = %g needs a momentum slot", h->momentum);
  if (s.rows && h->weight_decay != 0)
    return eg_fail(EG_EINVAL, "sgd: weight_decay = %g moves all rows", h->weight_decay);
  s.kernel = EG_REAL(s.p->dtype, sgd);
  run(&s);
  return EG_OK;
}

eg_status eg_sgd_step(eg_tensor *p, const eg_tensor *g, eg_tensor *momentum, const eg_sgd *h) {
  return sgd((step){.p = p, .g = g, .a = momentum}, h);
}

eg_status eg_sgd_rows(eg_tensor *p, const eg_tensor *rows, const eg_tensor *g, const eg_sgd *h) {
  EG_TRY(eg_check_live("sgd", "rows", rows));
  return sgd((step){.p = p, .g = g, .rows = rows}, h);
}

static eg_status adagrad(step s, double lr, double epsilon, double weight_decay) {
  const double h[] = {lr, epsilon, weight_decay};
  s.hyper = h;
  EG_TRY(check("adagrad", &s, "sum", NULL));
  EG_TRY(check_number("adagrad", "lr", lr, 0, INFINITY));
  EG_TRY(check_number("adagrad", "epsilon", epsilon, 0, INFINITY));
  EG_TRY(check_number("adagrad", "weight_decay", weight_decay, 0, INFINITY));
  s.kernel = EG_REAL(s.p->dtype, adagrad);
  run(&s);
  return EG_OK;
}

eg_status eg_adagrad_step(eg_tensor *p, const eg_tensor *g, eg_tensor *sum, double lr, double epsilon,
                          double weight_decay) {
  return adagrad((step){.p = p, .g = g, .a = sum}, lr, epsilon, weight_decay);
}

eg_status eg_adagrad_rows(eg_tensor *p, const eg_tensor *rows, const eg_tensor *g, eg_tensor *sum, double lr,
                          double epsilon) {
  EG_TRY(eg_check_live("adagrad", "rows", rows));
  return adagrad((step){.p = p, .g = g, .a = sum, .rows = rows}, lr, epsilon, 0);
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

/* Runs the step, whose tiles count what moves: the sum of that, or -1 without memory. */
static int64_t run_counting(step *s) {
  int64_t total = 0, tiles = tiles_of(s);
  size_t bytes = (size_t)tiles * sizeof(int64_t);
  s->moved = eg_block_new(bytes);
  if (!s->moved) return -1;
  run(s);
  for (int64_t tile = 0; tile < tiles; tile++) total += s->moved[tile];
  eg_block_free(s->moved, bytes);
  return total;
}

static eg_status classp(step s, const eg_classp *h, int64_t *moved) {
  s.hyper = h;
  EG_TRY(check("classp", &s, "grad_sum", NULL));
  EG_TRY(check_number("classp", "lr", h->lr, 0, INFINITY));
  EG_TRY(check_number("classp", "epsilon", h->epsilon, 0, INFINITY));
  EG_TRY(check_number("classp", "power", h->power, 1, INFINITY));
  if (!(h->threshold >= 0)) return eg_fail(EG_EINVAL, "classp: threshold = %g, expected at least 0", h->threshold);
  bool shut = h->published && !(EG_REAL(s.g->dtype, any_nonzero)(s.g) > h->threshold);
  s.kernel = h->published ? EG_REAL(s.p->dtype, classp_published) : EG_REAL(s.p->dtype, classp);
  int64_t total = shut ? 0 : run_counting(&s);
  if (total < 0) return EG_ENOMEM;
  if (moved)
    *moved = h->published && !shut ? s.p->count : total; /* the published rule moves the whole tensor, if by 0 */
  return EG_OK;
}

eg_status eg_classp_step(eg_tensor *p, const eg_tensor *g, eg_tensor *grad_sum, const eg_classp *h, int64_t *moved) {
  return classp((step){.p = p, .g = g, .a = grad_sum}, h, moved);
}

eg_status eg_classp_rows(eg_tensor *p, const eg_tensor *rows, const eg_tensor *g, eg_tensor *grad_sum,
                         const eg_classp *h, int64_t *moved) {
  EG_TRY(eg_check_live("classp", "rows", rows));
  return classp((step){.p = p, .g = g, .a = grad_sum, .rows = rows}, h, moved);
}

#endif
