/* consolidate.c - what consolidation needs: squared per-sample gradients summed over a batch, and the quadratic penalty.
 *
 * For a linear layer the gradient of one sample is the outer product of delta (at the output) and the input, so the sum of squares
 * over samples is one product of squared matrices: (delta o delta)^T (input o input). For a convolution each sample's gradient is a
 * product over pixels, which is made and then squared. */
#ifdef REAL

static void K(square)(real *out, const real *in, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] = in[i] * in[i];
}

/* out (m, n) = beta out + alpha a^T (k, m) b (k, n), row-major */
static void K(product)(real *out, const real *a, const real *b, int64_t m, int64_t n, int64_t k, real alpha,
                       real beta) {
#if REAL_IS_FLOAT
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)m, b, (int)n, beta, out,
              (int)n);
#else
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, alpha, a, (int)m, b, (int)n, beta, out,
              (int)n);
#endif
}

static void K(linear_tile)(void *context, int64_t tile) {
  const linear_work *w = context;
  int64_t first = tile * ROWS, rows = EG_MIN(ROWS, w->outputs - first);
  real *delta = (real *)w->delta + first;
  /* The rows of this tile are columns of delta; the product takes them with delta's row length. */
#if REAL_IS_FLOAT
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rows, (int)w->inputs, (int)w->samples, (float)w->scale,
              delta, (int)w->outputs, w->input, (int)w->inputs, 1, (float *)w->weight + first * w->inputs,
              (int)w->inputs);
#else
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)rows, (int)w->inputs, (int)w->samples, w->scale, delta,
              (int)w->outputs, w->input, (int)w->inputs, 1, (double *)w->weight + first * w->inputs, (int)w->inputs);
#endif
  if (!w->bias) return;
  real *bias = (real *)w->bias + first;
  for (int64_t o = 0; o < rows; o++) {
    double sum = 0;
    for (int64_t s = 0; s < w->samples; s++) sum += (double)delta[s * w->outputs + o];
    bias[o] += (real)(w->scale * sum);
  }
}

static void K(square_both)(const linear_work *w, const void *delta, const void *input) {
  K(square)(w->delta, delta, w->samples * w->outputs);
  K(square)(w->input, input, w->samples * w->inputs);
}

/* columns (pixels, c * kh * kw) of one padded image (c, h, w): row p holds the window under output pixel p */
static void K(unfold)(real *columns, const real *image, const conv_shape *s) {
  for (int64_t y = 0; y < s->out_h; y++)
    for (int64_t x = 0; x < s->out_w; x++)
      for (int64_t c = 0; c < s->channels; c++)
        for (int64_t i = 0; i < s->kernel_h; i++) {
          int64_t row = y * s->how.stride_h + i - s->how.padding_h;
          for (int64_t j = 0; j < s->kernel_w; j++) {
            int64_t column = x * s->how.stride_w + j - s->how.padding_w;
            bool inside = row >= 0 && row < s->in_h && column >= 0 && column < s->in_w;
            *columns++ = inside ? image[(c * s->in_h + row) * s->in_w + column] : 0;
          }
        }
}

/* One group of samples into its own partial sums, in order. */
static void K(conv_group)(void *context, int64_t group) {
  const conv_work *w = context;
  const conv_shape *s = &w->shape;
  const int64_t pixels = s->out_h * s->out_w, window = s->channels * s->kernel_h * s->kernel_w;
  real *partial = (real *)w->partial + group * w->partial_size, *bias = partial + s->outputs * window;
  real *columns = (real *)w->scratch + group * w->scratch_size, *gradient = columns + pixels * window;
  real *delta_t = gradient + s->outputs * window;
  memset(partial, 0, (size_t)w->partial_size * sizeof(real));
  for (int64_t n = group * w->group, last = EG_MIN(n + w->group, s->samples); n < last; n++) {
    const real *delta = (const real *)w->delta + n * s->outputs * pixels;
    K(unfold)(columns, (const real *)w->input + n * s->channels * s->in_h * s->in_w, s);
    for (int64_t o = 0; o < s->outputs; o++) {
      double sum = 0;
      for (int64_t p = 0; p < pixels; p++) {
        delta_t[p * s->outputs + o] = delta[o * pixels + p];
        sum += (double)delta[o * pixels + p];
      }
      bias[o] += (real)(sum * sum);
    }
    K(product)(gradient, delta_t, columns, s->outputs, window, pixels, 1, 0);
    for (int64_t i = 0; i < s->outputs * window; i++) partial[i] += gradient[i] * gradient[i];
  }
}

static void K(add_groups)(const conv_work *w, int64_t groups, eg_tensor *weight, eg_tensor *bias, double scale) {
  const real *partial = w->partial;
  for (int64_t g = 0; g < groups; g++, partial += w->partial_size) {
    real *out = weight->data;
    for (int64_t i = 0; i < weight->count; i++) out[i] += (real)scale * partial[i];
    if (bias)
      for (int64_t o = 0; o < bias->count; o++) ((real *)bias->data)[o] += (real)scale * partial[weight->count + o];
  }
}

/* grad += factor F (p - anchor); the penalty's share of this tile. */
static void K(penalty)(const penalty_work *w, int64_t tile) {
  int64_t at = tile * EG_TILE, n = EG_MIN(EG_TILE, w->p->count - at);
  const real *p = (const real *)w->p->data + at, *anchor = (const real *)w->anchor->data + at;
  const real *importance = (const real *)w->importance->data + at;
  const real factor = (real)w->factor;
  enum { LANES = 8 };
  double sum[LANES] = {0};
  for (int64_t i = 0; i < n; i++) {
    double d = (double)p[i] - (double)anchor[i];
    sum[i % LANES] += (double)importance[i] * d * d;
  }
  if (w->grad) {
    real *restrict grad = (real *)w->grad->data + at;
    for (int64_t i = 0; i < n; i++) grad[i] += factor * importance[i] * (p[i] - anchor[i]);
  }
  for (int l = 1; l < LANES; l++) sum[0] += sum[l];
  w->sums[tile] = sum[0];
}

#else

#include <cblas.h>
#include <limits.h>
#include <math.h>

#include "internal.h"

enum { ROWS = 64, GROUPS = 8 };

typedef struct {
  int64_t samples, inputs, outputs;
  void *delta, *input; /* squared */
  void *weight, *bias;
  double scale;
} linear_work;

typedef struct {
  int64_t samples, channels, in_h, in_w, outputs, kernel_h, kernel_w, out_h, out_w;
  eg_conv how;
} conv_shape;

typedef struct {
  conv_shape shape;
  const void *delta, *input;
  int64_t group; /* samples of a group; the groups depend on the shape alone */
  void *partial, *scratch;
  int64_t partial_size, scratch_size; /* elements of one group */
} conv_work;

typedef struct {
  eg_tensor *grad;
  const eg_tensor *p, *anchor, *importance;
  double factor, *sums;
} penalty_work;

#define EG_KERNELS "consolidate.c"
#include "real.h"

static eg_status check_fits(const char *op, const int64_t *sizes, int count) {
  for (int i = 0; i < count; i++)
    if (sizes[i] > INT_MAX)
      return eg_fail(EG_ESHAPE, "%s: size %lld is more than a product can take", op, (long long)sizes[i]);
  return EG_OK;
}

static eg_status check_result(const char *op, const char *name, const eg_tensor *t, const eg_tensor *delta, int dims,
                              const int64_t *size) {
  EG_TRY(eg_check_same_dtype(op, name, t, "delta", delta));
  EG_TRY(eg_check_shape(op, name, t, dims, size));
  return eg_check_contiguous(op, name, t);
}

/* ---- linear ---- */

eg_status eg_fisher_linear(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                           double scale) {
  const char *op = "fisher_linear";
  EG_TRY(eg_check_real(op, "delta", delta));
  EG_TRY(eg_check_dims(op, "delta", delta, 2));
  EG_TRY(eg_check_dims(op, "input", input, 2));
  EG_TRY(eg_check_same_dtype(op, "input", input, "delta", delta));
  if (delta->size[0] != input->size[0])
    return eg_fail(EG_ESHAPE, "%s: delta %s and input %s have different numbers of samples", op,
                   eg_describe_sizes(2, delta->size), eg_describe_sizes(2, input->size));
  const int64_t size[] = {delta->size[1], input->size[1]}, all[] = {delta->size[0], delta->size[1], input->size[1]};
  EG_TRY(check_result(op, "weight", out_weight, delta, 2, size));
  if (out_bias) EG_TRY(check_result(op, "bias", out_bias, delta, 1, size));
  EG_TRY(check_fits(op, all, 3));
  eg_tensor *copies[2] = {eg_new_like(delta, -1), eg_new_like(input, -1)};
  eg_status status = copies[0] && copies[1] ? EG_OK : EG_ENOMEM;
  if (status == EG_OK && delta->count && input->count) {
    linear_work w = {.samples = all[0],
                     .outputs = all[1],
                     .inputs = all[2],
                     .delta = copies[0]->data,
                     .input = copies[1]->data,
                     .weight = out_weight->data,
                     .bias = out_bias ? out_bias->data : NULL,
                     .scale = scale};
    eg_copy(copies[0], delta);
    eg_copy(copies[1], input);
    EG_REAL(delta->dtype, square_both)(&w, copies[0]->data, copies[1]->data);
    eg_parallel(eg_tiles(w.outputs, ROWS), EG_REAL(delta->dtype, linear_tile), &w);
  }
  eg_free(copies[0]);
  eg_free(copies[1]);
  return status;
}

/* ---- convolution ---- */

static eg_status check_conv(const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *delta,
                            const eg_tensor *input, const eg_conv *how) {
  const char *op = "fisher_conv2d";
  EG_TRY(eg_check_real(op, "delta", delta));
  EG_TRY(eg_check_dims(op, "delta", delta, 4));
  EG_TRY(eg_check_dims(op, "input", input, 4));
  EG_TRY(eg_check_same_dtype(op, "input", input, "delta", delta));
  EG_TRY(eg_check_dims(op, "weight", weight, 4));
  const int64_t size[] = {delta->size[1], input->size[1], weight->size[2], weight->size[3]};
  EG_TRY(check_result(op, "weight", weight, delta, 4, size));
  if (bias) EG_TRY(check_result(op, "bias", bias, delta, 1, size));
  if (how->stride_h < 1 || how->stride_w < 1 || how->padding_h < 0 || how->padding_w < 0)
    return eg_fail(EG_EINVAL, "%s: strides must be at least 1 and paddings at least 0", op);
  int64_t h = (input->size[2] + 2 * how->padding_h - weight->size[2]) / how->stride_h + 1;
  int64_t w = (input->size[3] + 2 * how->padding_w - weight->size[3]) / how->stride_w + 1;
  if (delta->size[0] != input->size[0] || delta->size[2] != h || delta->size[3] != w)
    return eg_fail(EG_ESHAPE, "%s: delta %s does not belong to input %s and weight %s", op,
                   eg_describe_sizes(4, delta->size), eg_describe_sizes(4, input->size),
                   eg_describe_sizes(4, weight->size));
  return EG_OK;
}

static conv_work plan_conv(const eg_tensor *weight, const eg_tensor *delta, const eg_tensor *input,
                           const eg_conv *how) {
  conv_work w = {.shape = {.samples = input->size[0],
                           .channels = input->size[1],
                           .in_h = input->size[2],
                           .in_w = input->size[3],
                           .outputs = delta->size[1],
                           .kernel_h = weight->size[2],
                           .kernel_w = weight->size[3],
                           .out_h = delta->size[2],
                           .out_w = delta->size[3],
                           .how = *how}};
  int64_t pixels = w.shape.out_h * w.shape.out_w, window = w.shape.channels * w.shape.kernel_h * w.shape.kernel_w;
  w.group = EG_MAX(1, eg_tiles(w.shape.samples, GROUPS));
  w.partial_size = weight->count + w.shape.outputs;
  w.scratch_size = pixels * window + weight->count + pixels * w.shape.outputs;
  return w;
}

eg_status eg_fisher_conv2d(eg_tensor *out_weight, eg_tensor *out_bias, const eg_tensor *delta, const eg_tensor *input,
                           const eg_conv *how, double scale) {
  EG_TRY(check_conv(out_weight, out_bias, delta, input, how));
  if (delta->count == 0 || input->count == 0) return EG_OK;
  conv_work w = plan_conv(out_weight, delta, input, how);
  int64_t groups = eg_tiles(w.shape.samples, w.group);
  size_t element = eg_element_size(delta->dtype);
  size_t partial = (size_t)(groups * w.partial_size) * element, scratch = (size_t)(groups * w.scratch_size) * element;
  eg_tensor *copies[2] = {eg_new_like(delta, -1), eg_new_like(input, -1)};
  w.partial = eg_block_new(partial);
  w.scratch = eg_block_new(scratch);
  eg_status status = copies[0] && copies[1] && w.partial && w.scratch ? EG_OK : EG_ENOMEM;
  if (status == EG_OK) {
    eg_copy(copies[0], delta);
    eg_copy(copies[1], input);
    w.delta = copies[0]->data;
    w.input = copies[1]->data;
    eg_parallel(groups, EG_REAL(delta->dtype, conv_group), &w);
    EG_REAL(delta->dtype, add_groups)(&w, groups, out_weight, out_bias, scale);
  }
  eg_free(copies[0]);
  eg_free(copies[1]);
  eg_block_free(w.partial, partial);
  eg_block_free(w.scratch, scratch);
  return status;
}

/* ---- the quadratic penalty ---- */

static void penalty_f32_tile(void *context, int64_t tile) { penalty_f32(context, tile); }
static void penalty_f64_tile(void *context, int64_t tile) { penalty_f64(context, tile); }

eg_status eg_quadratic_penalty(eg_tensor *grad, const eg_tensor *p, const eg_tensor *anchor,
                               const eg_tensor *importance, double factor, double *penalty) {
  const char *op = "quadratic_penalty";
  EG_TRY(eg_check_real(op, "parameter", p));
  const eg_tensor *others[] = {anchor, importance, grad};
  const char *names[] = {"anchor", "importance", "gradient"};
  EG_TRY(eg_check_contiguous(op, "parameter", p));
  for (int i = 0; i < (grad ? 3 : 2); i++) {
    EG_TRY(eg_check_same_shape(op, names[i], others[i], "parameter", p));
    EG_TRY(eg_check_same_dtype(op, names[i], others[i], "parameter", p));
    EG_TRY(eg_check_contiguous(op, names[i], others[i]));
  }
  if (!isfinite(factor)) return eg_fail(EG_EINVAL, "%s: the factor %g is not finite", op, factor);
  int64_t tiles = eg_tiles(p->count, EG_TILE);
  size_t bytes = (size_t)EG_MAX(tiles, 1) * sizeof(double);
  penalty_work w = {
      .grad = grad, .p = p, .anchor = anchor, .importance = importance, .factor = factor, .sums = eg_block_new(bytes)};
  if (!w.sums) return EG_ENOMEM;
  eg_parallel(tiles, p->dtype == EG_FLOAT32 ? penalty_f32_tile : penalty_f64_tile, &w);
  double total = 0;
  for (int64_t tile = 0; tile < tiles; tile++) total += w.sums[tile];
  eg_block_free(w.sums, bytes);
  if (grad) eg_storage_touch(grad);
  if (penalty) *penalty = factor / 2 * total;
  return EG_OK;
}

#endif
