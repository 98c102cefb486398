/* attention_last.c - self-attention of the last position alone, for models that read one position of a sequence.
 *
 * With one query a sequence, neither keys nor values are needed:  scores = q k^T = (q Wk) x^T  (the key's bias adds the same to
 * all scores of a query), and  weights v = (weights x) Wv^T + bias times the sum of the weights.  So for every head the query is taken
 * through its part of Wk (`folded`), compared with the sequence itself, and what the weights sum up (`context`) is taken
 * through its part of Wv: a tenth of the arithmetic. Samples go through in groups, whose folded queries and contexts stay in
 * the caches; the backward makes them again. */

#ifdef REAL

#include "attention.h"

/* to[i][head] (rows of `width`) = from[i]'s columns of the head (head_width) times the head's rows of a weight (width, width) */
static void K(fold)(const work *w, int64_t samples, real *to, int64_t pitch, const real *from, int64_t from_pitch,
                    const void *weight) {
  for (int64_t h = 0; h < w->heads; h++) K(product)
  (samples, w->width, w->head_width, to + h * w->width, pitch, from + h * w->head_width, from_pitch, 1,
   (const real *)weight + h * w->head_width * w->width, w->width, false);
}

/* The adjoint: to[i]'s columns of each head = from[i][head] times the head's columns of a turned weight. */
static void K(unfold)(const work *w, int64_t samples, real *to, int64_t to_pitch, const real *from, int64_t pitch,
                      const void *turned) {
  for (int64_t h = 0; h < w->heads; h++) K(product)
  (samples, w->head_width, w->width, to + h * w->head_width, to_pitch, from + h * w->width, pitch, 1,
   (const real *)turned + h * w->head_width, w->width, false);
}

static real K(row_sum)(const real *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i];
  return (real)sum;
}

/* scores (heads, pitch) of a sample = folded (heads, width) x^T; `turned` is scratch memory for x^T */
static void K(compare)(const work *w, real *scores, const real *folded, const real *x, real *turned) {
  K(turn)(turned, w->pitch, x, w->row, w->keys, w->width);
  K(product)(w->heads, w->pitch, w->width, scores, w->pitch, folded, w->width, 1, turned, w->pitch, false);
}

static void K(forward_group)(const work *w, int64_t group) {
  int64_t first = group * GROUP, samples = EG_MIN(GROUP, w->n - first), area = w->heads * w->width;
  real *folded = (real *)w->scratch + eg_thread_number() * w->scratch_count, *context = folded + GROUP * area;
  real *turned = context + GROUP * area, *scores = turned + w->width * w->pitch, *sums = scores + w->heads * w->pitch;
  const real *bias = w->bias ? (const real *)w->bias + 2 * w->width : NULL;
  K(fold)(w, samples, folded, area, (const real *)w->q + first * w->width, w->width, PART(w->weight, w, 1));
  for (int64_t i = 0; i < samples; i++) {
    const real *x = (const real *)w->x + (first + i) * w->sample;
    K(compare)(w, scores, folded + i * area, x, turned);
    for (int64_t h = 0; h < w->heads; h++) {
      int64_t at = ((first + i) * w->heads + h) * w->keys;
      real *row = scores + h * w->pitch, *weights = (real *)w->weights + at;
      K(weigh)(row, w->keys, w->keys, w->mask ? w->mask + (first + i) * w->keys : NULL, (real)w->scale);
      memcpy(weights, row, (size_t)w->keys * sizeof(real));
      if (w->kept) K(drop)(row, weights, w->keys, w->kept + at, (real)w->keep_scale);
      sums[i * w->heads + h] = K(row_sum)(row, w->keys);
    }
    K(product)(w->heads, w->width, w->keys, context + i * area, w->width, scores, w->pitch, 1, x, w->row, false);
  }
  real *out = (real *)w->out + first * 2 * w->width;
  K(unfold)(w, samples, out, 2 * w->width, context, area, w->turned_value);
  for (int64_t i = 0; i < samples; i++) {
    const real *last = (const real *)w->x + (first + i) * w->sample + (w->keys - 1) * w->row;
    memcpy(out + (2 * i + 1) * w->width, last, (size_t)w->width * sizeof(real));
    for (int64_t j = 0; bias && j < w->width; j++)
      out[2 * i * w->width + j] += bias[j] * sums[i * w->heads + j / w->head_width];
  }
}

/* The size of each element, in place: its square or absolute value. */
static void K(sizes)(real *x, int64_t n, int size) {
  if (size == SQUARES)
    for (int64_t i = 0; i < n; i++) x[i] *= x[i];
  else
    for (int64_t i = 0; i < n; i++) x[i] = x[i] < 0 ? -x[i] : x[i];
}

/* One sample of a backward: from its folded queries and the gradient of its contexts (`forth`) to the gradient of the folded
 * queries and its contexts (`back`), heads x width each, and the gradient of x. */
static void K(backward_sample)(const work *w, int64_t sample, real *forth, real *back, real *sums, real *turned) {
  int64_t area = w->heads * w->width;
  real *scores = turned + w->width * w->pitch, *dropped = scores + w->heads * w->pitch;
  const real *x = (const real *)w->x + sample * w->sample, *grad = (const real *)w->grad + sample * 2 * w->width;
  const real *bias = w->bias ? (const real *)w->bias + 2 * w->width : NULL;
  K(compare)(w, scores, forth + area, x, turned);
  for (int64_t h = 0; h < w->heads; h++) {
    int64_t at = (sample * w->heads + h) * w->keys, column = h * w->head_width;
    const real *weights = (const real *)w->weights + at;
    const uint8_t *kept = w->kept ? w->kept + at : NULL;
    real *row = scores + h * w->pitch, more = 0;
    for (int64_t j = column; bias && j < column + w->head_width; j++) more += grad[j] * bias[j];
    for (int64_t j = 0; j < w->keys; j++) row[j] += more;
    K(drop)(dropped + h * w->pitch, weights, w->keys, kept, (real)w->keep_scale);
    sums[h] = K(row_sum)(dropped + h * w->pitch, w->keys);
    K(weigh_backward)(row, weights, w->keys, kept, (real)w->keep_scale, (real)w->scale);
  }
  K(product)(2 * w->heads, w->width, w->keys, back, w->width, scores, w->pitch, 1, x, w->row, false);
  if (!w->dx) return;
  real *dx = (real *)w->dx + sample * w->keys * w->width, *last = dx + (w->keys - 1) * w->width;
  K(product)(w->keys, w->width, 2 * w->heads, dx, w->width, scores, 1, w->pitch, forth, w->width, false);
  for (int64_t j = 0; j < w->width; j++) last[j] += grad[w->width + j];
}

/* partial (2 width, width), then (width): the group's share of the gradients of Wk, Wv and the value's bias is added; with a size the
 * shares are sums of sizes over samples, each of whose gradients is an outer product. */
static void K(add_weights)(const work *w, int64_t samples, real *partial, const real *q, const real *grad, real *back,
                           const real *sums) {
  int64_t area = w->heads * w->width, square = w->width * w->width;
  for (int64_t h = 0; h < w->heads; h++) {
    int64_t column = h * w->head_width, row = column * w->width;
    K(product)
    (w->head_width, w->width, samples, partial + row, w->width, q + column, 1, w->width, back + h * w->width, 2 * area,
     true);
    K(product)
    (w->head_width, w->width, samples, partial + square + row, w->width, grad + column, 1, 2 * w->width,
     back + area + h * w->width, 2 * area, true);
  }
  for (int64_t i = 0; i < samples; i++)
    for (int64_t j = 0; j < w->width; j++)
      partial[2 * square + j] += grad[2 * i * w->width + j] * sums[i * w->heads + j / w->head_width];
}

static void K(backward_group)(const work *w, int64_t group, real *partial) {
  int64_t first = group * GROUP, samples = EG_MIN(GROUP, w->n - first), area = w->heads * w->width;
  real *forth = (real *)w->scratch + eg_thread_number() * w->scratch_count, *back = forth + GROUP * 2 * area;
  real *sums = back + GROUP * 2 * area, *turned = sums + GROUP * w->heads;
  const real *q = (const real *)w->q + first * w->width, *grad = (const real *)w->grad + first * 2 * w->width;
  K(fold)(w, samples, forth, 2 * area, q, w->width, PART(w->weight, w, 1));
  K(fold)(w, samples, forth + area, 2 * area, grad, 2 * w->width, PART(w->weight, w, 2));
  for (int64_t i = 0; i < samples; i++)
    K(backward_sample)(w, first + i, forth + i * 2 * area, back + i * 2 * area, sums + i * w->heads, turned);
  K(unfold)(w, samples, (real *)w->dq + first * w->width, w->width, back, 2 * area, w->turned_key);
  if (!partial) return;
  if (w->size) {
    real *q_size = turned + (w->width + 2 * w->heads) * w->pitch, *grad_size = q_size + GROUP * w->width;
    memcpy(q_size, q, (size_t)(samples * w->width) * sizeof(real));
    memcpy(grad_size, grad, (size_t)(samples * 2 * w->width) * sizeof(real));
    K(sizes)(q_size, samples * w->width, w->size);
    K(sizes)(grad_size, samples * 2 * w->width, w->size);
    K(sizes)(back, samples * 2 * area, w->size);
    K(sizes)(sums, samples * w->heads, w->size);
    K(add_weights)(w, samples, partial, q_size, grad_size, back, sums);
  } else K(add_weights)(w, samples, partial, q, grad, back, sums);
}

/* Some groups one after the other, into a partial sum of their own. */
static void K(backward_chunk)(const work *w, int64_t chunk) {
  int64_t last = EG_MIN((chunk + 1) * w->chunk, eg_tiles(w->n, GROUP)), count = partial_count(w);
  real *partial = w->partial ? (real *)w->partial + chunk * count : NULL;
  if (partial) memset(partial, 0, (size_t)count * sizeof(real));
  for (int64_t group = chunk * w->chunk; group < last; group++) K(backward_group)(w, group, partial);
}

/* Some elements of dw and db behind the query's = the chunks' partial sums, in their order. */
static void K(add_chunks)(const work *w, int64_t first, int64_t last) {
  int64_t square = w->width * w->width, count = partial_count(w), chunks = eg_tiles(eg_tiles(w->n, GROUP), w->chunk);
  real *restrict dw = (real *)w->dw + square, *restrict db = w->db ? (real *)w->db + 2 * w->width : NULL;
  for (int64_t i = first; i < last; i++) {
    real sum = 0;
    for (int64_t c = 0; c < chunks; c++) sum += ((const real *)w->partial)[c * count + i];
    if (i < 2 * square) dw[i] = sum;
    else if (db) db[i - 2 * square] = sum;
  }
}

static void K(turn_weight)(void *to, const void *from, int64_t width) { K(turn)(to, width, from, width, width, width); }

#else
#include <math.h>

#include "exponential.h"
#include "internal.h"

#pragma GCC optimize("fp-contract=fast")

enum { GROUP = 16, CHUNKS = 8, SQUARES = 1 }; /* samples that go together; partial sums at most */

typedef struct work {
  const void *x, *q, *weight, *bias, *grad; /* x: samples `sample` apart, rows `row` apart */
  void *out, *weights, *dx, *dq, *dw, *db;
  const uint8_t *mask, *kept; /* (n, keys); (n, heads, keys); or NULL */
  int64_t n, keys, width, heads, head_width, sample, row, pitch, chunk;
  double scale, keep_scale;
  int dtype, size; /* size: 0 gradients, SQUARES or otherwise absolute values of each sample's */
  void *turned_key, *turned_value, *scratch, *partial;
  int64_t scratch_count;
  size_t turned_bytes, scratch_bytes, partial_bytes;
  eg_tensor *copies[2];
} work;

static int64_t partial_count(const work *w) { return (2 * w->width + 1) * w->width; }

/* The weight of the query (0), the key (1) or the value (2). */
#define PART(weight, w, i) ((const char *)(weight) + (size_t)((i) * (w)->width * (w)->width) * sizeof(real))
#define EG_KERNELS "attention_last.c"
#include "real.h"

/* ---- checks and memory ---- */

static eg_status check_contiguous_like(const char *op, const char *name, const eg_tensor *t, int dtype, int dims,
                                       const int64_t *size) {
  EG_TRY(eg_check_dtype(op, name, t, dtype));
  EG_TRY(eg_check_shape(op, name, t, dims, size));
  return eg_check_contiguous(op, name, t);
}

static eg_status check_all(const char *op, work *w, const eg_tensor *weights, const eg_tensor *q, const eg_tensor *x,
                           const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *kept,
                           const eg_attention *how) {
  EG_TRY(eg_check_real(op, "input", x));
  EG_TRY(eg_check_dims(op, "input", x, 3));
  int64_t n = x->size[0], keys = x->size[1], width = x->size[2], heads = how->heads;
  if (keys < 1) return eg_fail(EG_ESHAPE, "%s: input is %s: there is no last position", op, eg_describe(x));
  if (heads < 1 || width < 1 || width % heads != 0)
    return eg_fail(EG_EINVAL, "%s: a width of %lld cannot be cut into %lld heads", op, (long long)width,
                   (long long)heads);
  if (!(how->dropout >= 0 && how->dropout < 1))
    return eg_fail(EG_EINVAL, "%s: dropout is %g, expected 0 to less than 1", op, how->dropout);
  const int64_t of_weights[] = {n, heads, keys}, of_q[] = {n, width}, of_weight[] = {3 * width, width};
  EG_TRY(check_contiguous_like(op, "weights", weights, x->dtype, 3, of_weights));
  EG_TRY(check_contiguous_like(op, "query", q, x->dtype, 2, of_q));
  EG_TRY(check_contiguous_like(op, "weight", weight, x->dtype, 2, of_weight));
  if (bias) EG_TRY(check_contiguous_like(op, "bias", bias, x->dtype, 1, of_weight));
  if (kept) EG_TRY(check_contiguous_like(op, "dropout mask", kept, EG_UINT8, 3, of_weights));
  *w = (work){.n = n, .keys = keys, .width = width, .heads = heads, .head_width = width / heads, .dtype = x->dtype};
  w->scale = how->scale, w->keep_scale = 1 / (1 - how->dropout), w->pitch = (keys + 15) / 16 * 16;
  w->weights = weights->data, w->q = q->data, w->weight = weight->data, w->bias = bias ? bias->data : NULL;
  w->kept = kept ? kept->data : NULL;
  return EG_OK;
}

static void close_work(work *w) {
  eg_free(w->copies[0]);
  eg_free(w->copies[1]);
  eg_block_free(w->turned_key, w->turned_bytes);
  eg_block_free(w->turned_value, w->turned_bytes);
  eg_block_free(w->scratch, w->scratch_bytes);
  eg_block_free(w->partial, w->partial_bytes);
}

/* Memory for turned weights and, a thread, for a group; x in a copy where its rows do not lie in one piece each. */
static eg_status open_work(work *w, const eg_tensor *x, bool backward) {
  size_t element = eg_element_size(w->dtype);
  if (x->size[2] > 1 && x->stride[2] != 1) {
    w->copies[0] = eg_new_like(x, -1);
    if (!w->copies[0]) return EG_ENOMEM;
    EG_TRY(eg_copy(w->copies[0], x));
    x = w->copies[0];
  }
  w->x = x->data, w->sample = x->stride[0], w->row = x->stride[1];
  int64_t of_group = GROUP * (w->heads * (w->width * (backward ? 4 : 2) + 1) + (w->size ? 3 * w->width : 0));
  w->scratch_count = of_group + (w->width + 2 * w->heads) * w->pitch;
  w->scratch_bytes = (size_t)(eg_threads_get() * w->scratch_count) * element;
  w->turned_bytes = (size_t)(w->width * w->width) * element;
  void **turned = backward ? &w->turned_key : &w->turned_value;
  *turned = eg_block_new(w->turned_bytes);
  w->scratch = eg_block_new(w->scratch_bytes);
  if (!*turned || !w->scratch) return EG_ENOMEM;
  const char *part = (const char *)w->weight + (size_t)((backward ? 1 : 2) * w->width * w->width) * element;
  EG_REAL(w->dtype, turn_weight)(*turned, part, w->width);
  return EG_OK;
}

static int64_t cost(const work *w) { return w->n * w->width * (w->heads * w->keys + w->width) / 8; }

/* ---- the interface ---- */

static void forward_tile(void *context, int64_t tile) {
  const work *w = context;
  EG_REAL(w->dtype, forward_group)(w, tile);
}

eg_status eg_attention_last_forward(eg_tensor *out, eg_tensor *weights, const eg_tensor *q, const eg_tensor *x,
                                    const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *mask,
                                    const eg_tensor *kept, const eg_attention *how) {
  static const char *op = "attention_last";
  work w;
  EG_TRY(check_all(op, &w, weights, q, x, weight, bias, kept, how));
  EG_TRY(check_contiguous_like(op, "output", out, x->dtype, 3, (const int64_t[]){w.n, 2, w.width}));
  if (mask) EG_TRY(check_contiguous_like(op, "padding mask", mask, EG_UINT8, 2, x->size));
  w.mask = mask ? mask->data : NULL, w.out = out->data;
  eg_status status = open_work(&w, x, false);
  if (!status) status = eg_parallel_over(cost(&w), eg_tiles(w.n, GROUP), forward_tile, &w);
  close_work(&w);
  return status;
}

static void backward_tile(void *context, int64_t tile) {
  const work *w = context;
  EG_REAL(w->dtype, backward_chunk)(w, tile);
}

static void add_tile(void *context, int64_t tile) {
  const work *w = context;
  EG_REAL(w->dtype, add_chunks)(w, tile * EG_TILE, EG_MIN((tile + 1) * EG_TILE, partial_count(w)));
}

static eg_status run_backward(work *w) {
  int64_t groups = eg_tiles(w->n, GROUP);
  w->chunk = EG_MAX(1, eg_tiles(groups, CHUNKS));
  int64_t chunks = eg_tiles(groups, w->chunk);
  if (w->dw) {
    w->partial_bytes = (size_t)(chunks * partial_count(w)) * eg_element_size(w->dtype);
    w->partial = eg_block_new(w->partial_bytes);
    if (!w->partial) return EG_ENOMEM;
  }
  EG_TRY(eg_parallel_over(cost(w), chunks, backward_tile, w));
  if (!w->dw) return EG_OK;
  return eg_parallel_over(partial_count(w) * chunks, eg_tiles(partial_count(w), EG_TILE), add_tile, w);
}

eg_status eg_attention_last_backward(eg_tensor *dx, eg_tensor *dq, eg_tensor *dw, eg_tensor *db, const eg_tensor *grad,
                                     const eg_tensor *weights, const eg_tensor *q, const eg_tensor *x,
                                     const eg_tensor *weight, const eg_tensor *bias, const eg_tensor *kept,
                                     const eg_attention *how, int size) {
  static const char *op = "attention_last backward";
  work w;
  EG_TRY(check_all(op, &w, weights, q, x, weight, bias, kept, how));
  EG_TRY(eg_check_dtype(op, "output gradient", grad, x->dtype));
  EG_TRY(eg_check_shape(op, "output gradient", grad, 3, (const int64_t[]){w.n, 2, w.width}));
  EG_TRY(check_contiguous_like(op, "query gradient", dq, x->dtype, 2, q->size));
  if (dx) EG_TRY(check_contiguous_like(op, "input gradient", dx, x->dtype, 3, x->size));
  if (dw) EG_TRY(check_contiguous_like(op, "weight gradient", dw, x->dtype, 2, weight->size));
  if (db) EG_TRY(check_contiguous_like(op, "bias gradient", db, x->dtype, 1, weight->size));
  if (db && !dw) return eg_fail(EG_EINVAL, "%s: the bias gradient comes with the weight's alone", op);
  w.dx = dx ? dx->data : NULL, w.dq = dq->data, w.dw = dw ? dw->data : NULL, w.db = db ? db->data : NULL;
  w.size = size;
  eg_status status = eg_elements(grad, &w.copies[1], &w.grad);
  if (!status) status = open_work(&w, x, true);
  if (!status) status = run_backward(&w);
  close_work(&w);
  return status;
}
#endif
