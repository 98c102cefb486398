/* norm.c - batch normalisation of x (n, c, ...): statistics of every channel, the map, and its backward.
 *
 * x is worked on as (n, c, run), where a run is what lies behind the first two dimensions. Sums over a channel go in a
 * fixed order: lanes over a block of a run, blocks into a double. */

#ifdef REAL

enum { K(block) = 1024, K(lanes) = 16 };

/* Sum of (a - am) (b - bm), or of a - am where b is NULL, over one run. */
static double K(sum_run)(int64_t n, const real *a, real am, const real *b, real bm) {
  double total = 0;
  for (int64_t start = 0; start < n; start += K(block)) {
    real lane[K(lanes)] = {0}, rest = 0;
    int64_t end = EG_MIN(start + K(block), n), whole = start + (end - start) / K(lanes) * K(lanes);
    if (b)
      for (int64_t i = start; i < whole; i += K(lanes))
        for (int j = 0; j < K(lanes); j++) lane[j] += (a[i + j] - am) * (b[i + j] - bm);
    else
      for (int64_t i = start; i < whole; i += K(lanes))
        for (int j = 0; j < K(lanes); j++) lane[j] += a[i + j] - am;
    for (int64_t i = whole; i < end; i++) rest += b ? (a[i] - am) * (b[i] - bm) : a[i] - am;
    for (int width = K(lanes) / 2; width > 0; width /= 2)
      for (int j = 0; j < width; j++) lane[j] += lane[j + width];
    total += lane[0] + rest;
  }
  return total;
}

/* sum[channel] = that sum over the channel, for the channels of one tile; means are per channel, NULL for zero. */
static void K(sum_channels)(const norm *k, range channels, double *sum, const real *a, const double *am, const real *b,
                            const double *bm) {
  for (int64_t c = channels.first; c < channels.last; c++) sum[c] = 0;
  for (int64_t i = 0; i < k->n; i++) {
    const real *row_a = a + i * k->c * k->run, *row_b = b ? b + i * k->c * k->run : NULL;
    if (k->run == 1) /* along the channels, which lie side by side */
      for (int64_t c = channels.first; c < channels.last; c++) {
        double v = row_a[c] - (am ? am[c] : 0);
        sum[c] += b ? v * (row_b[c] - (bm ? bm[c] : 0)) : v;
      }
    else
      for (int64_t c = channels.first; c < channels.last; c++)
        sum[c] += K(sum_run)(k->run, row_a + c * k->run, (real)(am ? am[c] : 0), b ? row_b + c * k->run : NULL,
                             (real)(bm ? bm[c] : 0));
  }
}

/* Mean, then the squares of what is left: two passes, so that a large mean costs no digits. */
static void K(stats)(void *context, int64_t tile) {
  const norm *k = context;
  range channels = channels_of(k, tile);
  double count = (double)k->n * (double)k->run;
  K(sum_channels)(k, channels, k->first, k->x, NULL, NULL, NULL);
  for (int64_t c = channels.first; c < channels.last; c++) k->first[c] /= count;
  K(sum_channels)(k, channels, k->second, k->x, k->first, k->x, k->first);
  for (int64_t c = channels.first; c < channels.last; c++) k->second[c] /= count;
}

static void K(gradient_sums)(void *context, int64_t tile) {
  const norm *k = context;
  range channels = channels_of(k, tile);
  K(sum_channels)(k, channels, k->first, k->grad, NULL, NULL, NULL);
  K(sum_channels)(k, channels, k->second, k->grad, NULL, k->x, k->mean);
}

/* Over some runs: out = (x - mean) scale + shift or, with a gradient, grad scale + (x - mean) slope + shift. */
static void K(map)(void *context, int64_t tile) {
  const norm *k = context;
  range runs = {tile * k->chunk, EG_MIN((tile + 1) * k->chunk, k->n * k->c)};
  const real *x = k->x, *g = k->grad;
  real *out = k->out;
  for (int64_t i = runs.first; i < runs.last;) {
    int64_t c = i % k->c;
    if (k->run == 1) {
      int64_t side_by_side = EG_MIN(k->c - c, runs.last - i);
      const double *mean = k->mean + c, *scale = k->scale + c, *shift = k->shift + c, *slope = k->slope + c;
      for (int64_t j = 0; j < side_by_side; j++)
        out[i + j] = (real)(g ? g[i + j] * scale[j] + (x[i + j] - mean[j]) * slope[j] + shift[j]
                              : (x[i + j] - mean[j]) * scale[j] + shift[j]);
      i += side_by_side;
    } else {
      real mean = (real)k->mean[c], scale = (real)k->scale[c], shift = (real)k->shift[c], slope = (real)k->slope[c];
      const real *row = x + i * k->run, *grad = g ? g + i * k->run : NULL;
      real *to = out + i * k->run;
      if (g)
        for (int64_t j = 0; j < k->run; j++) to[j] = grad[j] * scale + (row[j] - mean) * slope + shift;
      else
        for (int64_t j = 0; j < k->run; j++) to[j] = (row[j] - mean) * scale + shift;
      i++;
    }
  }
}

/* A vector (c) of any stride as doubles; `fill` where there is none. */
static void K(read)(double *to, const eg_tensor *t, int64_t count, double fill) {
  for (int64_t c = 0; c < count; c++) to[c] = t ? ((const real *)t->data)[c * t->stride[0]] : fill;
}

static void K(write)(eg_tensor *t, const double *from, int64_t count) {
  for (int64_t c = 0; t && c < count; c++) ((real *)t->data)[c * t->stride[0]] = (real)from[c];
}

#else
#include <math.h>

#include "internal.h"

/* One call. The arrays of doubles have one entry a channel. */
typedef struct norm {
  const void *x, *grad;
  void *out;
  int64_t n, c, run;
  int64_t share, chunk; /* channels of a tile that sums, runs of a tile that maps */
  double *first, *second, *mean, *rstd, *scale, *shift, *slope;
  eg_tensor *copies[2];
  size_t bytes;
} norm;

typedef struct range {
  int64_t first, last;
} range;

static range channels_of(const norm *k, int64_t tile) {
  return (range){tile * k->share, EG_MIN((tile + 1) * k->share, k->c)};
}

#define EG_KERNELS "norm.c"
#include "real.h"

enum { ARRAYS = 7, SIDE_BY_SIDE = 64 };

/* ---- checks and memory ---- */

static eg_status check_input(const char *op, const char *name, const eg_tensor *x) {
  EG_TRY(eg_check_real(op, name, x));
  if (x->dims >= 2) return EG_OK;
  return eg_fail(EG_ESHAPE, "%s: %s is %s, expected (n, c, ...)", op, name, eg_describe(x));
}

/* A vector with one entry a channel; `optional` ones may be NULL. */
static eg_status check_vector(const char *op, const char *name, const eg_tensor *v, const eg_tensor *x, bool optional) {
  if (optional && !v) return EG_OK;
  EG_TRY(eg_check_dtype(op, name, v, x->dtype));
  return eg_check_shape(op, name, v, 1, x->size + 1);
}

static eg_status check_like(const char *op, const char *name, const eg_tensor *t, const eg_tensor *x, bool written) {
  EG_TRY(eg_check_dtype(op, name, t, x->dtype));
  EG_TRY(eg_check_shape(op, name, t, x->dims, x->size));
  return written ? eg_check_contiguous(op, name, t) : EG_OK;
}

static void close_norm(norm *k) {
  eg_block_free(k->first, k->bytes);
  eg_free(k->copies[0]);
  eg_free(k->copies[1]);
}

static eg_status open_norm(norm *k, const eg_tensor *x, const eg_tensor *grad) {
  *k = (norm){.n = x->size[0], .c = x->size[1], .run = 1};
  for (int d = 2; d < x->dims; d++) k->run *= x->size[d];
  bool serial = x->count <= 2 * EG_TILE;
  int64_t channel = EG_MAX(k->n * k->run, 1), least = k->run == 1 ? SIDE_BY_SIDE : 1;
  k->share = serial ? EG_MAX(k->c, 1) : EG_MAX(least, EG_TILE / channel);
  k->chunk = serial ? EG_MAX(k->n * k->c, 1) : EG_MAX(1, EG_TILE / EG_MAX(k->run, 1));
  k->bytes = (size_t)k->c * ARRAYS * sizeof(double);
  k->first = eg_block_new(k->bytes);
  if (!k->first) return EG_ENOMEM;
  double **array[] = {&k->second, &k->mean, &k->rstd, &k->scale, &k->shift, &k->slope};
  for (int i = 0; i < ARRAYS - 1; i++) *array[i] = k->first + (i + 1) * k->c;
  eg_status status = eg_elements(x, &k->copies[0], &k->x);
  if (!status && grad) status = eg_elements(grad, &k->copies[1], &k->grad);
  if (status) close_norm(k);
  return status;
}

/* ---- the interface ---- */

eg_status eg_batchnorm_stats(eg_tensor *mean, eg_tensor *rstd, eg_tensor *variance, const eg_tensor *x,
                             double epsilon) {
  static const char *op = "batchnorm_stats";
  norm k;
  EG_TRY(check_input(op, "input", x));
  EG_TRY(check_vector(op, "mean", mean, x, false));
  EG_TRY(check_vector(op, "rstd", rstd, x, false));
  EG_TRY(check_vector(op, "variance", variance, x, true));
  if (!(epsilon >= 0)) return eg_fail(EG_EINVAL, "%s: epsilon is %g, expected at least 0", op, epsilon);
  if (x->count == 0) return eg_fail(EG_EINVAL, "%s: no elements to take statistics of: input %s", op, eg_describe(x));
  EG_TRY(open_norm(&k, x, NULL));
  eg_status status = eg_parallel(eg_tiles(k.c, k.share), EG_REAL(x->dtype, stats), &k);
  if (!status) {
    for (int64_t c = 0; c < k.c; c++) k.rstd[c] = 1 / sqrt(k.second[c] + epsilon);
    EG_REAL(x->dtype, write)(mean, k.first, k.c);
    EG_REAL(x->dtype, write)(rstd, k.rstd, k.c);
    EG_REAL(x->dtype, write)(variance, k.second, k.c);
  }
  close_norm(&k);
  return status;
}

eg_status eg_batchnorm(eg_tensor *out, const eg_tensor *x, const eg_tensor *mean, const eg_tensor *rstd,
                       const eg_tensor *weight, const eg_tensor *bias) {
  static const char *op = "batchnorm";
  norm k;
  EG_TRY(check_input(op, "input", x));
  EG_TRY(check_like(op, "output", out, x, true));
  EG_TRY(check_vector(op, "mean", mean, x, false));
  EG_TRY(check_vector(op, "rstd", rstd, x, false));
  EG_TRY(check_vector(op, "weight", weight, x, true));
  EG_TRY(check_vector(op, "bias", bias, x, true));
  if (x->count == 0) return EG_OK;
  EG_TRY(open_norm(&k, x, NULL));
  EG_REAL(x->dtype, read)(k.mean, mean, k.c, 0);
  EG_REAL(x->dtype, read)(k.rstd, rstd, k.c, 0);
  EG_REAL(x->dtype, read)(k.scale, weight, k.c, 1);
  EG_REAL(x->dtype, read)(k.shift, bias, k.c, 0);
  for (int64_t c = 0; c < k.c; c++) k.scale[c] *= k.rstd[c], k.slope[c] = 0;
  k.out = out->data;
  eg_status status = eg_parallel(eg_tiles(k.n * k.c, k.chunk), EG_REAL(x->dtype, map), &k);
  close_norm(&k);
  return status;
}

eg_status eg_batchnorm_backward(eg_tensor *grad_x, eg_tensor *grad_weight, eg_tensor *grad_bias,
                                const eg_tensor *grad_out, const eg_tensor *x, const eg_tensor *mean,
                                const eg_tensor *rstd, const eg_tensor *weight, int batch) {
  static const char *op = "batchnorm_backward";
  norm k;
  EG_TRY(check_input(op, "input", x));
  EG_TRY(check_like(op, "output gradient", grad_out, x, false));
  if (grad_x) EG_TRY(check_like(op, "input gradient", grad_x, x, true));
  EG_TRY(check_vector(op, "weight gradient", grad_weight, x, true));
  EG_TRY(check_vector(op, "bias gradient", grad_bias, x, true));
  EG_TRY(check_vector(op, "mean", mean, x, false));
  EG_TRY(check_vector(op, "rstd", rstd, x, false));
  EG_TRY(check_vector(op, "weight", weight, x, true));
  EG_TRY(open_norm(&k, x, grad_out));
  EG_REAL(x->dtype, read)(k.mean, mean, k.c, 0);
  EG_REAL(x->dtype, read)(k.rstd, rstd, k.c, 0);
  EG_REAL(x->dtype, read)(k.scale, weight, k.c, 1);
  bool sums = batch || grad_weight || grad_bias;
  eg_status status = EG_OK;
  if (sums) status = eg_parallel(eg_tiles(k.c, k.share), EG_REAL(x->dtype, gradient_sums), &k);
  if (!status) EG_REAL(x->dtype, write)(grad_bias, k.first, k.c);
  double count = (double)k.n * (double)k.run;
  for (int64_t c = 0; c < k.c; c++) {
    k.scale[c] *= k.rstd[c];
    k.slope[c] = batch ? -k.scale[c] * k.rstd[c] * k.rstd[c] * k.second[c] / count : 0;
    k.shift[c] = batch ? -k.scale[c] * k.first[c] / count : 0;
    if (sums) k.second[c] *= k.rstd[c];
  }
  if (!status) EG_REAL(x->dtype, write)(grad_weight, k.second, k.c);
  if (!status && grad_x && x->count) {
    k.out = grad_x->data;
    status = eg_parallel(eg_tiles(k.n * k.c, k.chunk), EG_REAL(x->dtype, map), &k);
  }
  close_norm(&k);
  return status;
}
#endif
