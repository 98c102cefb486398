/* layernorm.c - normalisation of each row by its own mean and deviation (Ba, Kiros and Hinton 2016, arXiv 1607.06450).
 *
 * Sums along a row go in a fixed order of lanes; sums over rows are made block by block, and the blocks' in their order. */

#ifdef REAL

enum { K(lanes) = 16 };

static inline double K(total)(real *lane) {
  for (int width = K(lanes) / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lane[j] += lane[j + width];
  return (double)lane[0];
}

static inline double K(sum)(const real *x, int64_t n) {
  real lane[K(lanes)] = {0};
  int64_t i = 0;
  for (; i + K(lanes) <= n; i += K(lanes))
    for (int j = 0; j < K(lanes); j++) lane[j] += x[i + j];
  for (int j = 0; i < n; i++, j++) lane[j] += x[i];
  return K(total)(lane);
}

static inline double K(sum_squares)(const real *x, int64_t n, real mean) {
  real lane[K(lanes)] = {0};
  int64_t i = 0;
  for (; i + K(lanes) <= n; i += K(lanes))
    for (int j = 0; j < K(lanes); j++) lane[j] += (x[i + j] - mean) * (x[i + j] - mean);
  for (int j = 0; i < n; i++, j++) lane[j] += (x[i] - mean) * (x[i] - mean);
  return K(total)(lane);
}

/* The mean, then the squares of what is left: two passes, so that squares of a large mean do not cancel. */
static void K(forward)(const norm *k, int64_t first, int64_t last) {
  const real *weight = k->weight, *bias = k->bias;
  for (int64_t i = first; i < last; i++) {
    const real *restrict x = (const real *)k->x + i * k->width;
    real *restrict out = (real *)k->out + i * k->width;
    real mean = (real)(K(sum)(x, k->width) / (double)k->width);
    real rstd = (real)(1 / sqrt(K(sum_squares)(x, k->width, mean) / (double)k->width + k->epsilon));
    ((real *)k->stats)[2 * i] = mean, ((real *)k->stats)[2 * i + 1] = rstd;
    if (weight && bias)
      for (int64_t j = 0; j < k->width; j++) out[j] = (x[j] - mean) * rstd * weight[j] + bias[j];
    else
      for (int64_t j = 0; j < k->width; j++)
        out[j] = (x[j] - mean) * rstd * (weight ? weight[j] : 1) + (bias ? bias[j] : 0);
  }
}

/* With h = grad weight and y = (x - mean) rstd: grad_x = rstd (h - mean of h - y times the mean of h y). */
static inline void K(backward_row)(real *restrict grad_x, const real *restrict g, const real *restrict x,
                                   const real *restrict weight, int64_t n, real mean, real rstd) {
  real lane[K(lanes)] = {0}, lane_y[K(lanes)] = {0};
  int64_t i = 0;
  for (; i + K(lanes) <= n; i += K(lanes))
    for (int j = 0; j < K(lanes); j++) {
      real h = weight ? g[i + j] * weight[i + j] : g[i + j];
      lane[j] += h, lane_y[j] += h * ((x[i + j] - mean) * rstd);
    }
  for (int j = 0; i < n; i++, j++) {
    real h = weight ? g[i] * weight[i] : g[i];
    lane[j] += h, lane_y[j] += h * ((x[i] - mean) * rstd);
  }
  real of_h = (real)(K(total)(lane) / (double)n), of_y = (real)(K(total)(lane_y) / (double)n);
  if (weight)
    for (i = 0; i < n; i++) grad_x[i] = rstd * (g[i] * weight[i] - of_h - (x[i] - mean) * rstd * of_y);
  else
    for (i = 0; i < n; i++) grad_x[i] = rstd * (g[i] - of_h - (x[i] - mean) * rstd * of_y);
}

/* One block of rows, whose share of the weight's and the bias's gradient goes to its own place among the partial sums. */
static void K(backward)(const norm *k, int64_t first, int64_t last) {
  real *restrict of_weight = (real *)k->partial + first / ROWS * 2 * k->width, *restrict of_bias = of_weight + k->width;
  if (k->partial) memset(of_weight, 0, (size_t)(2 * k->width) * sizeof(real));
  for (int64_t i = first; i < last; i++) {
    const real *restrict x = (const real *)k->x + i * k->width, *restrict g = (const real *)k->grad + i * k->width;
    real mean = ((const real *)k->stats)[2 * i], rstd = ((const real *)k->stats)[2 * i + 1];
    if (k->out) K(backward_row)((real *)k->out + i * k->width, g, x, k->weight, k->width, mean, rstd);
    if (k->partial)
      for (int64_t j = 0; j < k->width; j++) of_weight[j] += g[j] * ((x[j] - mean) * rstd), of_bias[j] += g[j];
  }
}

/* out (width) = the sum of the blocks' shares, which begin `offset` into each */
static void K(add_blocks)(const norm *k, void *out, int64_t offset) {
  for (int64_t j = 0; out && j < k->width; j++) {
    double sum = 0;
    for (int64_t b = 0; b < eg_tiles(k->rows, ROWS); b++)
      sum += (double)((const real *)k->partial)[b * 2 * k->width + offset + j];
    ((real *)out)[j] = (real)sum;
  }
}

#else
#include <math.h>

#include "internal.h"

enum { ROWS = 64 }; /* of a block */

typedef struct norm {
  const void *x, *grad, *weight, *bias;
  void *out, *stats, *partial; /* partial: 2 width numbers a block */
  int64_t rows, width;
  double epsilon;
  int dtype;
  eg_tensor *copies[2];
} norm;

#define EG_KERNELS "layernorm.c"
#include "real.h"

/* ---- checks and memory ---- */

static eg_status check_input(const char *op, const eg_tensor *x) {
  EG_TRY(eg_check_real(op, "input", x));
  if (x->dims >= 1 && x->size[x->dims - 1] > 0) return EG_OK;
  return eg_fail(EG_ESHAPE, "%s: input is %s, expected (..., width) with something to take a mean of", op,
                 eg_describe(x));
}

/* A contiguous vector with one element a column; `optional` ones may be NULL. */
static eg_status check_vector(const char *op, const char *name, const eg_tensor *v, const eg_tensor *x) {
  if (!v) return EG_OK;
  EG_TRY(eg_check_dtype(op, name, v, x->dtype));
  EG_TRY(eg_check_shape(op, name, v, 1, x->size + x->dims - 1));
  return eg_check_contiguous(op, name, v);
}

/* stats (rows, 2) */
static eg_status check_stats(const char *op, const eg_tensor *stats, const eg_tensor *x) {
  const int64_t size[] = {x->count / x->size[x->dims - 1], 2};
  EG_TRY(eg_check_dtype(op, "statistics", stats, x->dtype));
  EG_TRY(eg_check_shape(op, "statistics", stats, 2, size));
  return eg_check_contiguous(op, "statistics", stats);
}

static eg_status check_like(const char *op, const char *name, const eg_tensor *t, const eg_tensor *x, bool written) {
  EG_TRY(eg_check_dtype(op, name, t, x->dtype));
  EG_TRY(eg_check_shape(op, name, t, x->dims, x->size));
  return written ? eg_check_contiguous(op, name, t) : EG_OK;
}

static eg_status open_norm(norm *k, const eg_tensor *x, const eg_tensor *grad, const eg_tensor *weight) {
  int64_t width = x->size[x->dims - 1];
  *k = (norm){.rows = x->count / width, .width = width, .dtype = x->dtype, .weight = weight ? weight->data : NULL};
  EG_TRY(eg_elements(x, &k->copies[0], &k->x));
  eg_status status = grad ? eg_elements(grad, &k->copies[1], &k->grad) : EG_OK;
  if (status) eg_free(k->copies[0]);
  return status;
}

static void close_norm(norm *k) {
  eg_free(k->copies[0]);
  eg_free(k->copies[1]);
}

static void forward_tile(void *context, int64_t tile) {
  const norm *k = context;
  EG_REAL(k->dtype, forward)(k, tile * ROWS, EG_MIN((tile + 1) * ROWS, k->rows));
}

static void backward_tile(void *context, int64_t tile) {
  const norm *k = context;
  EG_REAL(k->dtype, backward)(k, tile * ROWS, EG_MIN((tile + 1) * ROWS, k->rows));
}

/* ---- the interface ---- */

eg_status eg_layernorm(eg_tensor *out, eg_tensor *stats, const eg_tensor *x, const eg_tensor *weight,
                       const eg_tensor *bias, double epsilon) {
  static const char *op = "layer_norm";
  norm k;
  EG_TRY(check_input(op, x));
  EG_TRY(check_like(op, "output", out, x, true));
  EG_TRY(check_stats(op, stats, x));
  EG_TRY(check_vector(op, "weight", weight, x));
  EG_TRY(check_vector(op, "bias", bias, x));
  if (!(epsilon >= 0)) return eg_fail(EG_EINVAL, "%s: epsilon is %g, expected at least 0", op, epsilon);
  EG_TRY(open_norm(&k, x, NULL, weight));
  k.bias = bias ? bias->data : NULL;
  k.out = out->data, k.stats = stats->data, k.epsilon = epsilon;
  eg_status status = eg_parallel_over(4 * x->count, eg_tiles(k.rows, ROWS), forward_tile, &k);
  close_norm(&k);
  return status;
}

eg_status eg_layernorm_backward(eg_tensor *grad_x, eg_tensor *grad_weight, eg_tensor *grad_bias,
                                const eg_tensor *grad_out, const eg_tensor *x, const eg_tensor *stats,
                                const eg_tensor *weight) {
  static const char *op = "layer_norm backward";
  norm k;
  EG_TRY(check_input(op, x));
  EG_TRY(check_like(op, "output gradient", grad_out, x, false));
  if (grad_x) EG_TRY(check_like(op, "input gradient", grad_x, x, true));
  EG_TRY(check_stats(op, stats, x));
  EG_TRY(check_vector(op, "weight", weight, x));
  EG_TRY(check_vector(op, "weight gradient", grad_weight, x));
  EG_TRY(check_vector(op, "bias gradient", grad_bias, x));
  EG_TRY(open_norm(&k, x, grad_out, weight));
  bool sums = grad_weight || grad_bias;
  size_t bytes = sums ? (size_t)(eg_tiles(k.rows, ROWS) * 2 * k.width) * eg_element_size(x->dtype) : 0;
  if (sums) k.partial = eg_block_new(bytes);
  eg_status status = sums && !k.partial ? EG_ENOMEM : EG_OK;
  if (!status) {
    k.out = grad_x ? grad_x->data : NULL, k.stats = stats->data;
    status = eg_parallel_over(4 * x->count, eg_tiles(k.rows, ROWS), backward_tile, &k);
  }
  if (!status) {
    EG_REAL(x->dtype, add_blocks)(&k, grad_weight ? grad_weight->data : NULL, 0);
    EG_REAL(x->dtype, add_blocks)(&k, grad_bias ? grad_bias->data : NULL, k.width);
  }
  if (sums) eg_block_free(k.partial, bytes);
  close_norm(&k);
  return status;
}
#endif
