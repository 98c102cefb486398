/* softmax.c - softmax, its logarithm and the cross entropy, along a dimension. Each backward stands under its forward. */

#ifdef REAL

INLINE real K(largest)(const real *x, int64_t stride, int64_t n) {
  real top = -INFINITY;
  for (int64_t i = 0; i < n; i++) top = x[i * stride] > top || x[i * stride] != x[i * stride] ? x[i * stride] : top;
  return top;
}

/* Sum of exp(x - top), in double precision; out, unless NULL, receives the exponentials. They are made in runs, so that
 * they fill vectors. */
INLINE double K(exponentials)(real *out, int64_t to, const real *x, int64_t stride, int64_t n, real top) {
  double sum = 0;
  real e[RUN];
  for (int64_t first = 0; first < n; first += RUN) {
    int64_t count = EG_MIN(n - first, RUN);
    for (int64_t i = 0; i < count; i++) e[i] = eg_exp(x[(first + i) * stride] - top);
    for (int64_t i = 0; i < count; i++) sum += (double)e[i];
    for (int64_t i = 0; i < count && out; i++) out[(first + i) * to] = e[i];
  }
  return sum;
}

/* out = exp(x - max) / sum of the same */
INLINE void K(softmax)(real *out, int64_t to, const real *x, int64_t stride, int64_t n) {
  real scale = (real)(1 / K(exponentials)(out, to, x, stride, n, K(largest)(x, stride, n)));
  for (int64_t i = 0; i < n; i++) out[i * to] *= scale;
}

/* grad_in = out (grad_out - sum of grad_out out) */
INLINE void K(softmax_backward)(real *grad_in, int64_t to, const real *grad, int64_t from, const real *out,
                                int64_t stride, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)grad[i * from] * (double)out[i * stride];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) grad_in[i * to] = out[i * stride] * (grad[i * from] - (real)sum);
}

/* out = x - max - log of the sum of exp(x - max) */
INLINE void K(log_softmax)(real *out, int64_t to, const real *x, int64_t stride, int64_t n) {
  real top = K(largest)(x, stride, n), shift = (real)log(K(exponentials)(NULL, 0, x, stride, n, top));
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) out[i * to] = x[i * stride] - top - shift;
}

/* grad_in = grad_out - softmax * sum of grad_out */
INLINE void K(log_softmax_backward)(real *grad_in, int64_t to, const real *grad, int64_t from, const real *out,
                                    int64_t stride, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)grad[i * from];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) grad_in[i * to] = grad[i * from] - eg_exp(out[i * stride]) * (real)sum;
}

static void K(forward_line)(bool logarithm, void *out, int64_t to, const void *x, int64_t stride, int64_t n) {
  bool dense = to == 1 && stride == 1;
  if (logarithm && dense) K(log_softmax)(out, 1, x, 1, n);
  else if (logarithm) K(log_softmax)(out, to, x, stride, n);
  else if (dense) K(softmax)(out, 1, x, 1, n);
  else K(softmax)(out, to, x, stride, n);
}

static void K(backward_line)(bool logarithm, void *grad_in, int64_t to, const void *grad, int64_t from, const void *out,
                             int64_t stride, int64_t n) {
  bool dense = to == 1 && from == 1 && stride == 1;
  if (logarithm && dense) K(log_softmax_backward)(grad_in, 1, grad, 1, out, 1, n);
  else if (logarithm) K(log_softmax_backward)(grad_in, to, grad, from, out, stride, n);
  else if (dense) K(softmax_backward)(grad_in, 1, grad, 1, out, 1, n);
  else K(softmax_backward)(grad_in, to, grad, from, out, stride, n);
}

static void K(pick_loss)(void *losses, int64_t at, const void *log_probabilities, int64_t label) {
  ((real *)losses)[at] = -((const real *)log_probabilities)[label - 1];
}

/* grad = (exp(log_probabilities) - one_hot(label)) * scale */
static void K(cross_entropy_line_backward)(void *to, const void *log_probabilities, int64_t n, int64_t label,
                                           const void *scales, int64_t at) {
  real *grad = to, scale = ((const real *)scales)[at];
  const real *x = log_probabilities;
  for (int64_t i = 0; i < n; i++) grad[i] = eg_exp(x[i]) * scale;
  grad[label - 1] = (eg_exp(x[label - 1]) - 1) * scale;
}

#else
#include <tgmath.h>

#include "exponential.h"
#include "lines.h"

enum { RUN = 64, TILE = EG_TILE / 4 /* elements of a tile: an exponential costs more than a sum */ };

/* The kernels of a line are compiled twice: for elements that lie side by side, and for any strides. */
#define INLINE static inline __attribute__((always_inline))

#define EG_KERNELS "softmax.c"
#include "real.h"

typedef struct {
  eg_lines out, in, grad; /* `in` is the saved output in a backward */
  int dtype;
  bool logarithm;
  int64_t block; /* lines in a tile */
} bundle;

static char *line_of(const eg_lines *lines, int64_t i) {
  return (char *)lines->data + (size_t)eg_line(lines, i) * lines->element;
}

/* ---- softmax and log softmax ---- */

static void forward_tile(void *context, int64_t tile) {
  const bundle *b = context;
  int64_t last = EG_MIN((tile + 1) * b->block, b->in.count);
  for (int64_t i = tile * b->block; i < last; i++) EG_REAL(b->dtype, forward_line)
  (b->logarithm, line_of(&b->out, i), b->out.stride, line_of(&b->in, i), b->in.stride, b->in.length);
}

static void backward_tile(void *context, int64_t tile) {
  const bundle *b = context;
  int64_t last = EG_MIN((tile + 1) * b->block, b->in.count);
  for (int64_t i = tile * b->block; i < last; i++) EG_REAL(b->dtype, backward_line)
  (b->logarithm, line_of(&b->out, i), b->out.stride, line_of(&b->grad, i), b->grad.stride, line_of(&b->in, i),
   b->in.stride, b->in.length);
}

/* Runs work over the lines of out, in and (in a backward) grad. */
static eg_status run(const char *op, eg_tensor *out, const eg_tensor *in, const eg_tensor *grad, int dim,
                     bool logarithm) {
  bundle b = {.dtype = out->dtype, .logarithm = logarithm};
  if (dim < 0 || dim >= out->dims)
    return eg_fail(EG_EINVAL, "%s: dimension %d is out of range for shape %s", op, dim + 1,
                   eg_describe_sizes(out->dims, out->size));
  if (out->count == 0) return EG_OK;
  eg_status status = eg_lines_open(&b.out, op, out, dim);
  if (!status) status = eg_lines_open(&b.in, op, in, dim);
  if (!status && grad) status = eg_lines_open(&b.grad, op, grad, dim);
  if (!status) {
    b.block = eg_lines_tile(&b.out, TILE);
    status = eg_parallel_over(4 * out->count, eg_tiles(b.out.count, b.block), grad ? backward_tile : forward_tile, &b);
  }
  eg_lines_close(&b.in);
  eg_lines_close(&b.grad);
  return status;
}

/* An output may be an input itself (both contiguous), but not lie across it. */
static eg_status check_apart(const char *op, const eg_tensor *out, const eg_tensor *in) {
  if (!eg_overlap(out, in) || (out->data == in->data && in->contiguous)) return EG_OK;
  return eg_fail(EG_EINVAL, "%s: the output shares memory with an input", op);
}

static eg_status forward(const char *op, eg_tensor *out, const eg_tensor *in, int dim, bool logarithm) {
  EG_TRY(eg_check_real(op, "input", in));
  EG_TRY(eg_check_dtype(op, "output", out, in->dtype));
  EG_TRY(eg_check_same_shape(op, "output", out, "input", in));
  EG_TRY(eg_check_contiguous(op, "output", out));
  EG_TRY(check_apart(op, out, in));
  return run(op, out, in, NULL, dim, logarithm);
}

static eg_status backward(const char *op, eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *out, int dim,
                          bool logarithm) {
  EG_TRY(eg_check_real(op, "gradient", grad_out));
  EG_TRY(eg_check_same_dtype(op, "saved output", out, "gradient", grad_out));
  EG_TRY(eg_check_same_dtype(op, "output", grad_in, "gradient", grad_out));
  EG_TRY(eg_check_same_shape(op, "saved output", out, "gradient", grad_out));
  EG_TRY(eg_check_same_shape(op, "output", grad_in, "gradient", grad_out));
  EG_TRY(eg_check_contiguous(op, "output", grad_in));
  EG_TRY(check_apart(op, grad_in, out));
  EG_TRY(check_apart(op, grad_in, grad_out));
  return run(op, grad_in, out, grad_out, dim, logarithm);
}

eg_status eg_softmax(eg_tensor *out, const eg_tensor *in, int dim) { return forward("softmax", out, in, dim, false); }

eg_status eg_softmax_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *out, int dim) {
  return backward("softmax backward", grad_in, grad_out, out, dim, false);
}

eg_status eg_log_softmax(eg_tensor *out, const eg_tensor *in, int dim) {
  return forward("log_softmax", out, in, dim, true);
}

eg_status eg_log_softmax_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *out, int dim) {
  return backward("log_softmax backward", grad_in, grad_out, out, dim, true);
}

/* ---- cross entropy ---- */

/* The label of row i, counted from 1. */
static int64_t label_at(const eg_tensor *labels, int64_t i) {
  return ((const int64_t *)labels->data)[i * labels->stride[0]];
}

static eg_status check_labels(const char *op, const eg_tensor *labels, const eg_tensor *logits) {
  EG_TRY(eg_check_real(op, "logits", logits));
  EG_TRY(eg_check_dims(op, "logits", logits, 2));
  EG_TRY(eg_check_live(op, "labels", labels));
  if (labels->dtype != EG_INT64)
    return eg_fail(EG_EDTYPE, "%s: labels are %s, expected int64; convert them with :to(\"int64\")", op,
                   eg_describe(labels));
  if (labels->dims != 1 || labels->size[0] != logits->size[0])
    return eg_fail(EG_ESHAPE, "%s: labels have shape %s, logits %s: expected one label a row", op,
                   eg_describe_sizes(labels->dims, labels->size), eg_describe_sizes(logits->dims, logits->size));
  for (int64_t i = 0; i < labels->count; i++)
    if (label_at(labels, i) < 1 || label_at(labels, i) > logits->size[1])
      return eg_fail(EG_EINDEX, "%s: label %lld at position %lld is out of range 1..%lld", op,
                     (long long)label_at(labels, i), (long long)i + 1, (long long)logits->size[1]);
  return EG_OK;
}

eg_status eg_cross_entropy(eg_tensor *losses, eg_tensor *log_probabilities, const eg_tensor *logits,
                           const eg_tensor *labels) {
  const char *op = "cross_entropy";
  EG_TRY(check_labels(op, labels, logits));
  EG_TRY(eg_check_dtype(op, "losses", losses, logits->dtype));
  EG_TRY(eg_check_shape(op, "losses", losses, 1, logits->size));
  EG_TRY(eg_check_distinct(op, "losses", losses));
  EG_TRY(eg_check_live(op, "log probabilities", log_probabilities));
  if (eg_overlap(losses, log_probabilities) || eg_overlap(losses, logits) || eg_overlap(losses, labels) ||
      eg_overlap(log_probabilities, labels))
    return eg_fail(EG_EINVAL, "%s: an output shares memory with another tensor", op);
  EG_TRY(forward(op, log_probabilities, logits, 1, true));
  const char *line = log_probabilities->data;
  size_t pitch = (size_t)logits->size[1] * eg_element_size(logits->dtype);
  for (int64_t i = 0; i < losses->count; i++) EG_REAL(logits->dtype, pick_loss)
  (losses->data, i * losses->stride[0], line + (size_t)i * pitch, label_at(labels, i));
  return EG_OK;
}

typedef struct {
  eg_tensor *grad;
  const eg_tensor *scales, *log_probabilities, *labels;
  int64_t block; /* rows in a tile */
} loss_gradient;

static void cross_entropy_tile(void *context, int64_t tile) {
  const loss_gradient *g = context;
  int64_t n = g->grad->size[1], last = EG_MIN((tile + 1) * g->block, g->grad->size[0]);
  size_t pitch = (size_t)n * eg_element_size(g->grad->dtype);
  for (int64_t i = tile * g->block; i < last; i++) EG_REAL(g->grad->dtype, cross_entropy_line_backward)
  ((char *)g->grad->data + (size_t)i * pitch, (const char *)g->log_probabilities->data + (size_t)i * pitch, n,
   label_at(g->labels, i), g->scales->data, i * g->scales->stride[0]);
}

eg_status eg_cross_entropy_backward(eg_tensor *grad_logits, const eg_tensor *grad_losses,
                                    const eg_tensor *log_probabilities, const eg_tensor *labels) {
  const char *op = "cross_entropy backward";
  EG_TRY(check_labels(op, labels, log_probabilities));
  EG_TRY(eg_check_same_shape(op, "output", grad_logits, "log probabilities", log_probabilities));
  EG_TRY(eg_check_same_dtype(op, "output", grad_logits, "log probabilities", log_probabilities));
  EG_TRY(eg_check_dtype(op, "gradient", grad_losses, log_probabilities->dtype));
  EG_TRY(eg_check_shape(op, "gradient", grad_losses, 1, log_probabilities->size));
  EG_TRY(eg_check_contiguous(op, "output", grad_logits));
  EG_TRY(eg_check_contiguous(op, "log probabilities", log_probabilities));
  EG_TRY(check_apart(op, grad_logits, log_probabilities));
  if (eg_overlap(grad_logits, labels) || eg_overlap(grad_logits, grad_losses))
    return eg_fail(EG_EINVAL, "%s: the output shares memory with an input", op);
  loss_gradient g = {grad_logits, grad_losses, log_probabilities, labels,
                     EG_MAX(1, TILE / EG_MAX(1, grad_logits->size[1]))};
  return eg_parallel_over(4 * grad_logits->count, eg_tiles(grad_logits->size[0], g.block), cross_entropy_tile, &g);
}
#endif
