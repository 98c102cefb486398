/* consolidate.c - what consolidation needs: squared or absolute per-sample gradients summed over a batch, the quadratic
 * penalty, and the path integral of gradients along the weights' way.
 *
 * For a linear layer the gradient of one sample is the outer product of delta (at the output) and the input, so the sum
 * of squares over samples is one product of squared matrices: (delta o delta)^T (input o input); and of absolute values
 * one of absolute matrices. For a convolution each sample's gradient is a product over pixels, which is made first. */
#ifdef REAL

#if REAL_IS_FLOAT
#define GEMM cblas_sgemm
#else
#define GEMM cblas_dgemm
#endif

/* One tile of weight += scale delta^T input; the first of a row of tiles adds up its part of the bias. */
static void K(linear_tile)(void *context, int64_t tile) {
  const linear_work *w = context;
  int64_t across = tiles_across(w), row = tile / across * ROWS, column = tile % across * COLUMNS;
  int64_t rows = EG_MIN(ROWS, w->outputs - row), columns = EG_MIN(COLUMNS, w->inputs - column);
  const real *delta = (const real *)w->delta + row, *input = (const real *)w->input + column;
  if (columns > 0)
    GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rows, (int)columns, (int)w->samples, (real)w->scale, delta,
         (int)w->outputs, input, (int)w->inputs, 1, (real *)w->weight + row * w->inputs + column, (int)w->inputs);
  if (!w->bias || column > 0) return;
  double sum[ROWS] = {0};
  for (int64_t n = 0; n < w->samples; n++)
    for (int64_t o = 0; o < rows; o++) sum[o] += (double)delta[n * w->outputs + o];
  for (int64_t o = 0; o < rows; o++) ((real *)w->bias)[row + o] += (real)(w->scale * sum[o]);
}

/* columns (c * kh * kw, pixels) of an image (c, h, w): row (c, i, j) holds what tap (i, j) sees under each pixel. */
static void K(unfold)(real *to, const real *image, const conv_work *w) {
  const int64_t step = w->how.stride_w, plane = w->in_h * w->in_w;
  for (int64_t tap = 0; tap < w->window; tap++) {
    int64_t top = tap / w->kernel_w % w->kernel_h - w->how.padding_h, left = tap % w->kernel_w - w->how.padding_w;
    int64_t first = left < 0 ? EG_MIN((-left - 1) / step + 1, w->out_w) : 0; /* pixels that see a column of the image */
    int64_t last = left < w->in_w ? EG_MIN((w->in_w - left - 1) / step + 1, w->out_w) : 0;
    for (int64_t y = 0; y < w->out_h; y++, to += w->out_w) {
      int64_t row = top + y * w->how.stride_h;
      memset(to, 0, (size_t)w->out_w * sizeof(real));
      if (row < 0 || row >= w->in_h) continue;
      const real *from = image + tap / (w->kernel_h * w->kernel_w) * plane + row * w->in_w;
      if (step == 1)
        for (int64_t x = first; x < last; x++) to[x] = from[x + left];
      else
        for (int64_t x = first; x < last; x++) to[x] = from[x * step + left];
    }
  }
}

static double K(sum)(const real *x, int64_t n) {
  double lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] += (double)x[i + l];
  for (int l = 0; i < n; i++, l++) lane[l] += (double)x[i];
  for (int l = 1; l < LANES; l++) lane[0] += lane[l];
  return lane[0];
}

/* out += g^2, or |g|. */
static void K(add_sizes)(real *restrict out, const real *g, int64_t n, bool absolute) {
  if (absolute)
    for (int64_t i = 0; i < n; i++) out[i] += g[i] < 0 ? -g[i] : g[i];
  else
    for (int64_t i = 0; i < n; i++) out[i] += g[i] * g[i];
}

/* One group of samples, in order, into partial sums of its own: weight, then bias. */
static void K(conv_group)(void *context, int64_t group) {
  const conv_work *w = context;
  const int64_t pixels = w->out_h * w->out_w, count = w->outputs * w->window;
  real *partial = (real *)w->partial + group * (count + w->outputs);
  real *gradient = (real *)w->scratch + eg_thread_number() * w->scratch_count, *columns = gradient + count;
  memset(partial, 0, (size_t)(count + w->outputs) * sizeof(real));
  for (int64_t n = group * w->group, end = EG_MIN(n + w->group, w->samples); n < end; n++) {
    const real *delta = (const real *)w->delta + n * w->outputs * pixels;
    K(unfold)(columns, (const real *)w->input + n * w->channels * w->in_h * w->in_w, w);
    if (count > 0)
      GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, (int)w->outputs, (int)w->window, (int)pixels, 1, delta, (int)pixels,
           columns, (int)pixels, 0, gradient, (int)w->window);
    K(add_sizes)(partial, gradient, count, w->absolute);
    for (int64_t o = 0; o < w->outputs; o++) {
      double sum = K(sum)(delta + o * pixels, pixels);
      partial[count + o] += (real)(w->absolute ? fabs(sum) : sum * sum);
    }
  }
}

static void K(add_groups)(const conv_work *w, int64_t groups, real *weight, real *bias) {
  const int64_t count = w->outputs * w->window;
  const real *partial = w->partial, scale = (real)w->scale;
  for (int64_t g = 0; g < groups; g++, partial += count + w->outputs) {
    for (int64_t i = 0; i < count; i++) weight[i] += scale * partial[i];
    for (int64_t o = 0; bias && o < w->outputs; o++) bias[o] += scale * partial[count + o];
  }
}

/* before = grad; grad += factor F (p - anchor); returns the sum of F (p - anchor)^2. */
static double K(penalty)(real *restrict grad, real *restrict before, const real *p, const real *anchor,
                         const real *importance, real factor, int64_t n) {
  double lane[LANES] = {0};
  int64_t whole = n / LANES * LANES;
  for (int64_t i = 0; i < whole; i += LANES)
    for (int l = 0; l < LANES; l++) {
      double distance = (double)p[i + l] - (double)anchor[i + l];
      lane[l] += (double)importance[i + l] * distance * distance;
    }
  for (int64_t i = whole; i < n; i++) {
    double distance = (double)p[i] - (double)anchor[i];
    lane[i - whole] += (double)importance[i] * distance * distance;
  }
  if (before) memcpy(before, grad, (size_t)n * sizeof(real));
  if (grad)
    for (int64_t i = 0; i < n; i++) grad[i] += factor * importance[i] * (p[i] - anchor[i]);
  for (int l = 1; l < LANES; l++) lane[0] += lane[l];
  return lane[0];
}

static void K(penalty_tile)(void *context, int64_t tile) {
  const penalty_work *w = context;
  int64_t at = tile * EG_TILE, n = EG_MIN(EG_TILE, w->p->count - at);
  real *grad = w->grad ? (real *)w->grad->data + at : NULL;
  real *before = w->before ? (real *)w->before->data + at : NULL;
  w->sums[tile] = K(penalty)(grad, before, (const real *)w->p->data + at, (const real *)w->anchor->data + at,
                             (const real *)w->importance->data + at, (real)w->factor, n);
}

static void K(path_tile)(void *context, int64_t tile) {
  const path_work *w = context;
  int64_t at = tile * EG_TILE, n = EG_MIN(EG_TILE, w->p->count - at);
  real *restrict path = (real *)w->path->data + at, *restrict previous = (real *)w->previous->data + at;
  const real *p = (const real *)w->p->data + at, *grad = (const real *)w->grad->data + at;
  for (int64_t i = 0; i < n; i++) {
    path[i] += grad[i] * (previous[i] - p[i]);
    previous[i] = p[i];
  }
}

#undef GEMM
#else

#include <cblas.h>
#include <limits.h>
#include <math.h>

#include "internal.h"

enum { ROWS = 64, COLUMNS = 1024, GROUPS = 8, LANES = 8 };

typedef struct linear_work {
  int64_t samples, outputs, inputs;
  const void *delta, *input; /* squared */
  void *weight, *bias;
  double scale;
} linear_work;

typedef struct conv_work {
  eg_conv how;
  int64_t samples, channels, in_h, in_w, outputs, kernel_h, kernel_w, out_h, out_w, window;
  const void *delta, *input;
  int64_t group, scratch_count; /* samples of a group, by the shape alone; elements of one thread's scratch memory */
  void *partial, *scratch;
  double scale;
  bool absolute;
} conv_work;

typedef struct path_work {
  eg_tensor *path, *previous;
  const eg_tensor *p, *grad;
} path_work;

typedef struct penalty_work {
  eg_tensor *grad, *before;
  const eg_tensor *p, *anchor, *importance;
  double factor, *sums; /* sums: one a tile */
} penalty_work;

static int64_t tiles_across(const linear_work *w) { return EG_MAX(1, eg_tiles(w->inputs, COLUMNS)); }

#define EG_KERNELS "consolidate.c"
#include "real.h"

/* What is added to: contiguous, of the dtype and size that belong to delta. */
static eg_status check_sum(const char *op, const char *name, const eg_tensor *t, const eg_tensor *delta, int dims,
                           const int64_t *size) {
  EG_TRY(eg_check_same_dtype(op, name, t, "delta", delta));
  EG_TRY(eg_check_shape(op, name, t, dims, size));
  return eg_check_contiguous(op, name, t);
}

/* The numbers that BLAS takes as int, and the scale. */
static eg_status check_numbers(const char *op, const int64_t *sizes, int count, double scale) {
  if (!isfinite(scale)) return eg_fail(EG_EINVAL, "%s: the scale %g is not finite", op, scale);
  for (int i = 0; i < count; i++)
    if (sizes[i] > INT_MAX)
      return eg_fail(EG_ESHAPE, "%s: size %lld is more than a product can take", op, (long long)sizes[i]);
  return EG_OK;
}

/* ---- linear ---- */

static eg_status check_linear(const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *delta,
                              const eg_tensor *input, double scale) {
  const char *op = "fisher_linear";
  EG_TRY(eg_check_real(op, "delta", delta));
  EG_TRY(eg_check_dims(op, "delta", delta, 2));
  EG_TRY(eg_check_dims(op, "input", input, 2));
  EG_TRY(eg_check_same_dtype(op, "input", input, "delta", delta));
  if (delta->size[0] != input->size[0])
    return eg_fail(EG_ESHAPE, "%s: delta %s and input %s have different numbers of samples", op,
                   eg_describe_sizes(2, delta->size), eg_describe_sizes(2, input->size));
  const int64_t size[] = {delta->size[1], input->size[1]}, all[] = {delta->size[0], size[0], size[1]};
  EG_TRY(check_sum(op, "weight", weight, delta, 2, size));
  if (bias) EG_TRY(check_sum(op, "bias", bias, delta, 1, size));
  return check_numbers(op, all, 3, scale);
}

eg_status eg_fisher_linear(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                           double scale, int size) {
  EG_TRY(check_linear(out_weight, out_bias, delta, input, scale));
  if (delta->count == 0) return EG_OK;
  eg_tensor *delta2 = eg_new_like(delta, -1), *input2 = eg_new_like(input, -1);
  eg_status status = delta2 && input2 ? EG_OK : EG_ENOMEM;
  const int of_values = size == EG_ABSOLUTE ? EG_ABS : EG_SQUARE;
  if (!status) status = size == EG_SQUARED ? eg_copy(delta2, delta) : eg_unary(of_values, delta2, delta);
  if (!status) status = eg_unary(of_values, input2, input);
  if (!status) {
    linear_work w = {.samples = delta->size[0], .outputs = delta->size[1], .inputs = input->size[1], .scale = scale};
    w.delta = delta2->data, w.input = input2->data;
    w.weight = out_weight->data, w.bias = out_bias ? out_bias->data : NULL;
    int64_t tiles = eg_tiles(w.outputs, ROWS) * tiles_across(&w);
    status = eg_parallel_over(out_weight->count, tiles, EG_REAL(delta->dtype, linear_tile), &w);
  }
  eg_free(delta2);
  eg_free(input2);
  return status;
}

/* ---- convolution ---- */
static eg_status check_conv(conv_work *w, const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *delta,
                            const eg_tensor *input, double scale) {
  const char *op = "fisher_conv2d";
  int64_t size[4];
  EG_TRY(eg_conv2d_check(op, input, weight, &w->how, size));
  EG_TRY(eg_check_same_dtype(op, "delta", delta, "input", input));
  EG_TRY(eg_check_shape(op, "delta", delta, 4, size));
  EG_TRY(check_sum(op, "weight", weight, delta, 4, weight->size));
  if (bias) EG_TRY(check_sum(op, "bias", bias, delta, 1, size + 1));
  w->samples = size[0], w->outputs = size[1], w->out_h = size[2], w->out_w = size[3];
  w->channels = input->size[1], w->in_h = input->size[2], w->in_w = input->size[3];
  w->kernel_h = weight->size[2], w->kernel_w = weight->size[3];
  if (delta->count == 0) return EG_OK;
  w->window = weight->count / w->outputs;
  const int64_t all[] = {w->outputs, w->window, w->out_h, w->out_w, w->out_h * w->out_w};
  EG_TRY(check_numbers(op, all, 5, scale));
  if ((double)all[1] * (double)all[4] > 1e12)
    return eg_fail(EG_ENOMEM, "%s: the sizes are too large: input %s, weight %s", op, eg_describe_sizes(4, input->size),
                   eg_describe_sizes(4, weight->size));
  w->group = eg_tiles(w->samples, GROUPS);
  w->scale = scale;
  w->scratch_count = weight->count + all[1] * all[4];
  return EG_OK;
}

eg_status eg_fisher_conv2d(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                           const eg_conv *how, double scale, int size) {
  conv_work w = {.how = *how, .absolute = size == EG_ABSOLUTE};
  EG_TRY(check_conv(&w, out_weight, out_bias, delta, input, scale));
  if (delta->count == 0) return EG_OK;
  int64_t groups = eg_tiles(w.samples, w.group);
  size_t element = eg_element_size(delta->dtype);
  size_t partial = (size_t)(groups * (out_weight->count + w.outputs)) * element;
  size_t scratch = (size_t)(eg_threads_get() * w.scratch_count) * element;
  eg_tensor *copies[2] = {NULL, NULL};
  w.partial = eg_block_new(partial);
  w.scratch = eg_block_new(scratch);
  eg_status status = w.partial && w.scratch ? EG_OK : EG_ENOMEM;
  if (!status) status = eg_elements(delta, &copies[0], &w.delta);
  if (!status) status = eg_elements(input, &copies[1], &w.input);
  if (!status) {
    status = eg_parallel_over(w.group * w.scratch_count, groups, EG_REAL(delta->dtype, conv_group), &w);
    if (!status) EG_REAL_CALL(delta->dtype, add_groups, &w, groups, out_weight->data, out_bias ? out_bias->data : NULL);
  }
  for (int i = 0; i < 2; i++) eg_free(copies[i]);
  eg_block_free(w.partial, partial);
  eg_block_free(w.scratch, scratch);
  return status;
}

/* ---- the quadratic penalty, and the path integral ---- */

/* Tensors that are walked side by side: contiguous, of the last one's shape and dtype; the first two are written, so
 * nothing else may lie in their memory; the first `optional` of them may be missing. */
static eg_status check_beside(const char *op, int count, const eg_tensor *const *all, const char *const *name,
                              int optional) {
  const int first = count - 1;
  EG_TRY(eg_check_real(op, name[first], all[first]));
  for (int i = 0; i < count; i++) {
    if (!all[i] && i < optional) continue;
    EG_TRY(eg_check_contiguous(op, name[i], all[i]));
    EG_TRY(eg_check_same_shape(op, name[i], all[i], name[first], all[first]));
    EG_TRY(eg_check_same_dtype(op, name[i], all[i], name[first], all[first]));
    for (int j = 0; j < 2 && j < i; j++)
      if (all[j] && eg_overlap(all[i], all[j]))
        return eg_fail(EG_EINVAL, "%s: %s and %s share memory", op, name[i], name[j]);
  }
  return EG_OK;
}

eg_status eg_quadratic_penalty(eg_tensor *grad, eg_tensor *before, const eg_tensor *p, const eg_tensor *anchor,
                               const eg_tensor *importance, double factor, double *penalty) {
  const char *op = "quadratic_penalty";
  const char *name[] = {"gradient", "gradient before", "importance", "anchor", "parameter"};
  const eg_tensor *all[] = {grad, grad ? before : NULL, importance, anchor, p};
  EG_TRY(check_beside(op, 5, all, name, 2));
  if (!isfinite(factor)) return eg_fail(EG_EINVAL, "%s: the factor %g is not finite", op, factor);
  int64_t tiles = eg_tiles(p->count, EG_TILE);
  size_t bytes = (size_t)tiles * sizeof(double);
  penalty_work w = {.grad = grad, .p = p, .anchor = anchor, .importance = importance, .factor = factor};
  w.before = grad ? before : NULL;
  w.sums = eg_block_new(bytes);
  if (!w.sums) return EG_ENOMEM;
  eg_parallel_whole_over(p->count, tiles, EG_REAL(p->dtype, penalty_tile), &w);
  double total = 0;
  for (int64_t tile = 0; tile < tiles; tile++) total += w.sums[tile];
  eg_block_free(w.sums, bytes);
  if (grad) eg_storage_touch(grad);
  if (w.before) eg_storage_touch(before);
  if (penalty) *penalty = factor / 2 * total;
  return EG_OK;
}

eg_status eg_path_integral(eg_tensor *path, eg_tensor *previous, const eg_tensor *p, const eg_tensor *grad) {
  const char *name[] = {"path", "previous", "gradient", "parameter"};
  const eg_tensor *all[] = {path, previous, grad, p};
  EG_TRY(check_beside("path_integral", 4, all, name, 0));
  path_work w = {.path = path, .previous = previous, .p = p, .grad = grad};
  eg_parallel_whole_over(p->count, eg_tiles(p->count, EG_TILE), EG_REAL(p->dtype, path_tile), &w);
  eg_storage_touch(path);
  eg_storage_touch(previous);
  return EG_OK;
}

#endif
