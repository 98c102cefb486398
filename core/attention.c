/* attention.c - scaled dot-product attention of several heads (Vaswani et al. 2017, arXiv 1706.03762), and its backward.
 *
 * For each sample and head, over the head's own columns of the width:
 *   weights = softmax(scale q k^T), 0 where a mask is;   out = dropped weights v
 * A query all of whose keys are masked has weights of 0 and so an output of 0. */

#ifdef REAL

#include "attention.h"

/* One head of one sample; scratch: keys turned (width, pitch), then scores (queries, pitch). */
static void K(forward_item)(const work *w, int64_t item) {
  int64_t sample = item / w->heads, column = item % w->heads * w->width, area = w->queries * w->keys;
  real *turned = (real *)w->scratch + eg_thread_number() * w->scratch_count, *s = turned + w->width * w->pitch;
  real *weights = (real *)w->weights + item * area;
  const real *q = AT(w->q, sample, column), *k = AT(w->k, sample, column), *v = AT(w->v, sample, column);
  const uint8_t *kept = w->kept ? w->kept + item * area : NULL, *mask = w->mask ? w->mask + sample * w->keys : NULL;
  K(turn)(turned, w->pitch, k, w->k.row, w->keys, w->width);
  K(product)(w->queries, w->pitch, w->width, s, w->pitch, q, w->q.row, 1, turned, w->pitch, false);
  for (int64_t i = 0; i < w->queries; i++) {
    real *row = s + i * w->pitch;
    K(weigh)(row, seen_by(w, i), w->keys, mask, (real)w->scale);
    memcpy(weights + i * w->keys, row, (size_t)w->keys * sizeof(real));
    if (kept) K(drop)(row, weights + i * w->keys, w->keys, kept + i * w->keys, (real)w->keep_scale);
  }
  K(product)(w->queries, w->width, w->keys, AT(w->out, sample, column), w->out.row, s, w->pitch, 1, v, w->v.row, false);
}

/* scratch: values turned (width, pitch), dropped weights and the gradient of scores (queries, pitch) each. */
static void K(backward_item)(const work *w, int64_t item) {
  int64_t sample = item / w->heads, column = item % w->heads * w->width, area = w->queries * w->keys;
  real *turned = (real *)w->scratch + eg_thread_number() * w->scratch_count, *dropped = turned + w->width * w->pitch;
  real *s = dropped + w->queries * w->pitch;
  const real *weights = (const real *)w->weights + item * area, *grad = AT(w->out, sample, column);
  const real *q = AT(w->q, sample, column), *k = AT(w->k, sample, column), *v = AT(w->v, sample, column);
  const uint8_t *kept = w->kept ? w->kept + item * area : NULL;
  K(turn)(turned, w->pitch, v, w->v.row, w->keys, w->width);
  K(product)(w->queries, w->pitch, w->width, s, w->pitch, grad, w->out.row, 1, turned, w->pitch, false);
  for (int64_t i = 0; i < w->queries; i++) {
    const uint8_t *here = kept ? kept + i * w->keys : NULL;
    K(drop)(dropped + i * w->pitch, weights + i * w->keys, w->keys, here, (real)w->keep_scale);
    K(weigh_backward)
    (s + i * w->pitch, weights + i * w->keys, w->keys, here, (real)w->keep_scale, (real)w->scale);
  }
  K(product)
  (w->keys, w->width, w->queries, AT(w->dv, sample, column), w->dv.row, dropped, 1, w->pitch, grad, w->out.row, false);
  K(product)(w->queries, w->width, w->keys, AT(w->dq, sample, column), w->dq.row, s, w->pitch, 1, k, w->k.row, false);
  K(product)(w->keys, w->width, w->queries, AT(w->dk, sample, column), w->dk.row, s, 1, w->pitch, q, w->q.row, false);
}

#else
#include <math.h>

#include "exponential.h"
#include "internal.h"

#pragma GCC optimize("fp-contract=fast")

/* (n, t, width) whose rows lie in one piece each */
typedef struct sequence {
  void *data;
  int64_t sample, row; /* elements between samples, between rows */
} sequence;

typedef struct work {
  sequence q, k, v, out, dq, dk, dv;      /* out is the output's gradient in a backward */
  void *weights;                          /* (n, heads, queries, keys) */
  const uint8_t *mask, *kept;             /* (n, keys); (n, heads, queries, keys); or NULL */
  int64_t n, heads, queries, keys, width; /* width: columns of a head */
  bool causal;
  double scale, keep_scale;
  void *scratch;
  int64_t pitch, scratch_count,
      block; /* keys in whole vectors; elements of a thread's scratch memory; items of a tile */
  int dtype;
  eg_tensor *copies[6];
} work;

/* Keys that query i looks at: with `causal` none behind it, the last query being beside the last key. */
static int64_t seen_by(const work *w, int64_t i) {
  if (!w->causal) return w->keys;
  return EG_MAX(0, EG_MIN(w->keys, i + 1 + w->keys - w->queries));
}

#define AT(x, i, column) ((real *)(x).data + (i) * (x).sample + (column))
#define EG_KERNELS "attention.c"
#include "real.h"

/* ---- checks and memory ---- */

static eg_status check_operand(const char *op, const char *name, const eg_tensor *t, const eg_tensor *q) {
  EG_TRY(eg_check_dtype(op, name, t, q->dtype));
  EG_TRY(eg_check_dims(op, name, t, 3));
  if (t->size[0] == q->size[0] && t->size[2] == q->size[2]) return EG_OK;
  return eg_fail(EG_ESHAPE, "%s: %s is %s, the queries %s: expected the same samples and width", op, name,
                 eg_describe_sizes(3, t->size), eg_describe_sizes(3, q->size));
}

static eg_status check_bytes(const char *op, const char *name, const eg_tensor *t, int dims, const int64_t *size) {
  if (!t) return EG_OK;
  EG_TRY(eg_check_dtype(op, name, t, EG_UINT8));
  EG_TRY(eg_check_shape(op, name, t, dims, size));
  return eg_check_contiguous(op, name, t);
}

static eg_status check_all(const char *op, work *w, const eg_tensor *weights, const eg_tensor *q, const eg_tensor *k,
                           const eg_tensor *v, const eg_tensor *mask, const eg_tensor *kept, const eg_attention *how) {
  EG_TRY(eg_check_real(op, "query", q));
  EG_TRY(eg_check_dims(op, "query", q, 3));
  EG_TRY(check_operand(op, "key", k, q));
  EG_TRY(check_operand(op, "value", v, q));
  EG_TRY(eg_check_same_shape(op, "key", k, "value", v));
  if (how->heads < 1 || q->size[2] % how->heads != 0)
    return eg_fail(EG_EINVAL, "%s: a width of %lld cannot be cut into %lld heads", op, (long long)q->size[2],
                   (long long)how->heads);
  if (!(how->dropout >= 0 && how->dropout < 1))
    return eg_fail(EG_EINVAL, "%s: dropout is %g, expected 0 to less than 1", op, how->dropout);
  const int64_t size[] = {q->size[0], how->heads, q->size[1], k->size[1]}, keys[] = {size[0], size[3]};
  EG_TRY(eg_check_dtype(op, "weights", weights, q->dtype));
  EG_TRY(eg_check_shape(op, "weights", weights, 4, size));
  EG_TRY(eg_check_contiguous(op, "weights", weights));
  EG_TRY(check_bytes(op, "padding mask", mask, 2, keys));
  EG_TRY(check_bytes(op, "dropout mask", kept, 4, size));
  *w = (work){.n = size[0], .heads = size[1], .queries = size[2], .keys = size[3], .dtype = q->dtype};
  w->width = q->size[2] / how->heads, w->causal = how->causal, w->scale = how->scale;
  w->keep_scale = 1 / (1 - how->dropout);
  w->weights = weights->data, w->mask = mask ? mask->data : NULL, w->kept = kept ? kept->data : NULL;
  return EG_OK;
}

/* The rows of t, in a copy where they do not lie in one piece each. */
static eg_status open_rows(sequence *r, const eg_tensor *t, eg_tensor **copy) {
  if (t->size[2] > 1 && t->stride[2] != 1) {
    *copy = eg_new_like(t, -1);
    if (!*copy) return EG_ENOMEM;
    EG_TRY(eg_copy(*copy, t));
    t = *copy;
  }
  *r = (sequence){t->data, t->stride[0], t->stride[1]};
  return EG_OK;
}

/* An output or a view of one, in which no two elements share memory. */
static eg_status open_written(const char *op, const char *name, sequence *r, eg_tensor *t, const eg_tensor *like) {
  EG_TRY(eg_check_dtype(op, name, t, like->dtype));
  EG_TRY(eg_check_shape(op, name, t, 3, like->size));
  EG_TRY(eg_check_distinct(op, name, t));
  if (t->size[2] > 1 && t->stride[2] != 1)
    return eg_fail(EG_EINVAL, "%s: the rows of %s must lie in one piece each", op, name);
  *r = (sequence){t->data, t->stride[0], t->stride[1]};
  return EG_OK;
}

static void close_work(work *w) {
  for (size_t i = 0; i < sizeof w->copies / sizeof *w->copies; i++) eg_free(w->copies[i]);
}

static void forward_tile(void *context, int64_t tile) {
  const work *w = context;
  int64_t last = EG_MIN((tile + 1) * w->block, w->n * w->heads);
  for (int64_t i = tile * w->block; i < last; i++) EG_REAL(w->dtype, forward_item)(w, i);
}

static void backward_tile(void *context, int64_t tile) {
  const work *w = context;
  int64_t last = EG_MIN((tile + 1) * w->block, w->n * w->heads);
  for (int64_t i = tile * w->block; i < last; i++) EG_REAL(w->dtype, backward_item)(w, i);
}

/* Opens what is read, and runs a tile's work over samples and heads. */
static eg_status run(work *w, const eg_tensor *q, const eg_tensor *k, const eg_tensor *v, eg_tile_work tile) {
  eg_status status = open_rows(&w->q, q, &w->copies[0]);
  if (!status) status = open_rows(&w->k, k, &w->copies[1]);
  if (!status) status = open_rows(&w->v, v, &w->copies[2]);
  w->pitch = (w->keys + 15) / 16 * 16;
  w->scratch_count = w->pitch * (w->width + 2 * w->queries);
  size_t bytes = (size_t)(eg_threads_get() * w->scratch_count) * eg_element_size(w->dtype);
  w->scratch = status ? NULL : eg_block_new(bytes);
  if (!status && !w->scratch) status = EG_ENOMEM;
  int64_t items = w->n * w->heads, work_of_item = w->queries * EG_MAX(1, w->keys) * EG_MAX(8, w->width);
  w->block = EG_MAX(1, 8 * EG_TILE / EG_MAX(work_of_item, 1));
  if (!status) {
    status = eg_parallel_over(items * work_of_item / 2, eg_tiles(items, w->block), tile, w);
    eg_block_free(w->scratch, bytes);
  }
  return status;
}

/* ---- the interface ---- */

eg_status eg_attention_forward(eg_tensor *out, eg_tensor *weights, const eg_tensor *q, const eg_tensor *k,
                               const eg_tensor *v, const eg_tensor *mask, const eg_tensor *kept,
                               const eg_attention *how) {
  static const char *op = "attention";
  work w;
  EG_TRY(check_all(op, &w, weights, q, k, v, mask, kept, how));
  EG_TRY(open_written(op, "output", &w.out, out, q));
  eg_status status = run(&w, q, k, v, forward_tile);
  close_work(&w);
  return status;
}

eg_status eg_attention_backward(eg_tensor *dq, eg_tensor *dk, eg_tensor *dv, const eg_tensor *grad,
                                const eg_tensor *weights, const eg_tensor *q, const eg_tensor *k, const eg_tensor *v,
                                const eg_tensor *kept, const eg_attention *how) {
  static const char *op = "attention backward";
  work w;
  EG_TRY(check_all(op, &w, weights, q, k, v, NULL, kept, how));
  EG_TRY(eg_check_dtype(op, "output gradient", grad, q->dtype));
  EG_TRY(eg_check_shape(op, "output gradient", grad, 3, q->size));
  EG_TRY(open_written(op, "query gradient", &w.dq, dq, q));
  EG_TRY(open_written(op, "key gradient", &w.dk, dk, k));
  EG_TRY(open_written(op, "value gradient", &w.dv, dv, v));
  eg_status status = open_rows(&w.out, grad, &w.copies[3]);
  if (!status) status = run(&w, q, k, v, backward_tile);
  close_work(&w);
  return status;
}
#endif
