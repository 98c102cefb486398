/* index.c - selecting, gathering and scattering by index, masks, one-hot rows and batches of stored items. Index tensors are
 * int64 and count from 1; every index is checked before anything is written. */

#ifdef ELEMENT

/* to[i] = the row of `inner` elements at from[(index[i] - 1) * along]. Elements that are picked alone, as pixels are under a
 * permutation, go without a call each. */
static void E(select_rows)(void *to, const void *from, const int64_t *index, int64_t index_stride, int64_t n,
                           int64_t along, int64_t inner, int64_t inner_stride) {
  element *out = to;
  const element *in = from;
  if (inner == 1) {
    for (int64_t i = 0; i < n; i++) out[i] = in[(index[i * index_stride] - 1) * along];
    return;
  }
  for (int64_t i = 0; i < n; i++, out += inner) {
    const element *row = in + (index[i * index_stride] - 1) * along;
    if (inner_stride == 1) memcpy(out, row, (size_t)inner * sizeof(element));
    else
      for (int64_t j = 0; j < inner; j++) out[j] = row[j * inner_stride];
  }
}

static void E(add_row)(void *to, const void *from, int64_t n, int64_t stride) {
  element *out = to;
  for (int64_t i = 0; i < n; i++) out[i] = (element)((wide)out[i] + (wide)((const element *)from)[i * stride]);
}

/* out[i] = in[index[i]]: operands out, in (stride 0 along the dimension), index; the argument is in's stride along it. */
static void E(gather)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  element *out = (void *)data[0];
  const element *in = (const void *)data[1];
  const int64_t *index = (const void *)data[2], along = *(const int64_t *)argument;
  for (int64_t i = 0; i < n; i++) out[i * stride[0]] = in[i * stride[1] + (index[i * stride[2]] - 1) * along];
}

/* out[index[i]] += src[i]: operands src, out (stride 0 along the dimension), index. */
static void E(scatter_add)(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  const element *src = (const void *)data[0];
  element *out = (void *)data[1];
  const int64_t *index = (const void *)data[2], along = *(const int64_t *)argument;
  for (int64_t i = 0; i < n; i++) {
    element *to = &out[i * stride[1] + (index[i * stride[2]] - 1) * along];
    *to = (element)((wide)*to + (wide)src[i * stride[0]]);
  }
}

#elif defined REAL

/* out = in * scale + shift for a row of stored elements */
#define BATCH_ROW(T)                                                                                                   \
  static void K(batch_##T)(void *to, const void *from, int64_t n, double scale, double shift) {                        \
    real *out = to, factor = (real)scale, constant = (real)shift;                                                      \
    const T *in = from;                                                                                                \
    for (int64_t i = 0; i < n; i++) out[i] = (real)in[i] * factor + constant;                                          \
  }
BATCH_ROW(uint8_t)
BATCH_ROW(float)
BATCH_ROW(double)
#undef BATCH_ROW

static void K(one_hot)(void *out, int64_t n, int64_t classes, const int64_t *labels, int64_t stride) {
  for (int64_t i = 0; i < n; i++) ((real *)out)[i * classes + labels[i * stride] - 1] = 1;
}

#else
#include "lines.h"
#include "nest.h"

#define EG_ELEMENTS "index.c"
#include "element.h"
#define EG_KERNELS "index.c"
#include "real.h"

/* ---- checks ---- */

typedef struct {
  const char *op, *what;
  int64_t limit, seen; /* indices must lie in 1 .. limit; how many were seen */
  eg_status status;
} index_check;

static void check_row(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  index_check *check = *(index_check *const *)argument;
  const int64_t *index = (const void *)data[0];
  uint64_t wrong = 0;
  for (int64_t i = 0; i < n; i++) wrong |= (uint64_t)index[i * stride[0]] - 1 >= (uint64_t)check->limit;
  for (int64_t i = 0; wrong && !check->status && i < n; i++)
    if ((uint64_t)index[i * stride[0]] - 1 >= (uint64_t)check->limit)
      check->status =
          eg_fail(EG_EINDEX, "%s: %s %lld at position %lld is out of range 1..%lld", check->op, check->what,
                  (long long)index[i * stride[0]], (long long)(check->seen + i + 1), (long long)check->limit);
  check->seen += n;
}

/* Every index must lie in 1 .. limit. */
static eg_status check_indices(const char *op, const char *what, const eg_tensor *index, int64_t limit) {
  index_check check = {op, what, limit, 0, EG_OK}, *where = &check;
  EG_TRY(eg_check_live(op, what, index));
  if (index->dtype != EG_INT64)
    return eg_fail(EG_EDTYPE, "%s: the %s is %s, expected int64; convert it with :to(\"int64\")", op, what,
                   eg_describe(index));
  EG_TRY(eg_nest_in_order(op, check_row, &where, index, NULL, NULL, NULL));
  return check.status;
}

static eg_status check_dimension(const char *op, const eg_tensor *t, int dim) {
  if (dim >= 0 && dim < t->dims) return EG_OK;
  return eg_fail(EG_EINVAL, "%s: dimension %d is out of range for shape %s", op, dim + 1,
                 eg_describe_sizes(t->dims, t->size));
}

static eg_status check_apart(const char *op, const eg_tensor *out, const eg_tensor *in) {
  if (!eg_overlap(out, in)) return EG_OK;
  return eg_fail(EG_EINVAL, "%s: the output shares memory with an input", op);
}

/* `rows` has the shape of `whole` but for the size along dim: one entry an index. */
static eg_status check_selection(const char *op, const eg_tensor *rows, const eg_tensor *whole, int dim,
                                 const eg_tensor *index) {
  int64_t size[EG_MAX_DIMS];
  EG_TRY(eg_check_live(op, "index", index));
  EG_TRY(eg_check_dims(op, "index", index, 1));
  EG_TRY(eg_check_same_dtype(op, "rows", rows, "tensor", whole));
  EG_TRY(check_dimension(op, whole, dim));
  memcpy(size, whole->size, sizeof size);
  size[dim] = index->count;
  EG_TRY(eg_check_shape(op, "rows", rows, whole->dims, size));
  EG_TRY(check_apart(op, rows, whole));
  return check_indices(op, "index", index, whole->size[dim]);
}

static int64_t index_at(const eg_tensor *index, int64_t i) {
  return ((const int64_t *)index->data)[i * index->stride[0]] - 1;
}

/* ---- index_select and its gradient ---- */

typedef struct {
  eg_lines in;
  const eg_tensor *index;
  char *out;
  int dtype;
  int64_t rows, block; /* rows of `inner` elements to write; in a tile */
} selection;

static void select_tile(void *context, int64_t tile) {
  const selection *s = context;
  const eg_lines *in = &s->in;
  int64_t count = s->index->count, stride = s->index->stride[0], n;
  int64_t last = EG_MIN((tile + 1) * s->block, s->rows);
  for (int64_t row = tile * s->block; row < last; row += n) {
    int64_t outer = row / count, i = row % count;
    n = EG_MIN(count - i, last - row);
    EG_ELEMENT(s->dtype, select_rows)
    (s->out + (size_t)(row * in->inner) * in->element, in->data + (size_t)(outer * in->outer_stride) * in->element,
     (const int64_t *)s->index->data + i * stride, stride, n, in->stride, in->inner, in->inner_stride);
  }
}

eg_status eg_index_select(eg_tensor *out, const eg_tensor *in, int dim, const eg_tensor *index) {
  selection s = {.index = index};
  EG_TRY(check_selection("index_select", out, in, dim, index));
  EG_TRY(eg_check_contiguous("index_select", "output", out));
  if (out->count == 0) return EG_OK;
  EG_TRY(eg_lines_open(&s.in, "index_select", in, dim));
  s.out = out->data;
  s.dtype = in->dtype;
  s.rows = s.in.outer * index->count;
  s.block = EG_MAX(1, EG_TILE / s.in.inner);
  eg_status status = eg_parallel_over(out->count, eg_tiles(s.rows, s.block), select_tile, &s);
  eg_lines_close(&s.in);
  return status;
}

eg_status eg_index_add(eg_tensor *out, int dim, const eg_tensor *index, const eg_tensor *src) {
  eg_lines to, from;
  EG_TRY(check_selection("index_add", src, out, dim, index));
  EG_TRY(check_apart("index_add", out, index));
  EG_TRY(eg_check_contiguous("index_add", "output", out));
  if (src->count == 0) return EG_OK;
  EG_TRY(eg_lines_open(&from, "index_add", src, dim));
  EG_TRY(eg_lines_open(&to, "index_add", out, dim));
  for (int64_t row = 0; row < to.outer * index->count; row++) {
    int64_t outer = row / index->count, i = row % index->count;
    int64_t target = outer * to.outer_stride + index_at(index, i) * to.stride;
    EG_ELEMENT(out->dtype, add_row)
    ((char *)to.data + (size_t)target * to.element,
     from.data + (size_t)(outer * from.outer_stride + i * from.stride) * from.element, from.inner, from.inner_stride);
  }
  eg_lines_close(&from);
  return EG_OK;
}

/* ---- gather and its gradient ---- */

/* t as if it had the index's shape, standing still along dim; the kernels then step along it by index. */
static eg_tensor stand_still(const eg_tensor *t, int dim, const eg_tensor *index) {
  eg_tensor still = *t;
  memcpy(still.size, index->size, sizeof still.size);
  still.stride[dim] = 0;
  still.count = index->count;
  return still;
}

/* `picked` has the index's shape, which fits inside `whole` in the other dimensions. */
static eg_status check_pick(const char *op, const eg_tensor *picked, const eg_tensor *whole, int dim,
                            const eg_tensor *index) {
  EG_TRY(eg_check_live(op, "index", index));
  EG_TRY(eg_check_same_dtype(op, "picked", picked, "tensor", whole));
  EG_TRY(check_dimension(op, whole, dim));
  EG_TRY(eg_check_same_shape(op, "picked", picked, "index", index));
  bool fits = index->dims == whole->dims;
  for (int d = 0; fits && d < whole->dims; d++) fits = d == dim || index->size[d] <= whole->size[d];
  if (!fits)
    return eg_fail(EG_ESHAPE, "%s: index %s does not fit into %s outside dimension %d", op,
                   eg_describe_sizes(index->dims, index->size), eg_describe_sizes(whole->dims, whole->size), dim + 1);
  EG_TRY(check_apart(op, picked, whole));
  return check_indices(op, "index", index, whole->size[dim]);
}

eg_status eg_gather(eg_tensor *out, const eg_tensor *in, int dim, const eg_tensor *index) {
  EG_TRY(check_pick("gather", out, in, dim, index));
  EG_TRY(check_apart("gather", out, index));
  eg_tensor still = stand_still(in, dim, index);
  return eg_nest("gather", EG_ELEMENT(in->dtype, gather), &in->stride[dim], out, &still, index, NULL);
}

eg_status eg_scatter_add(eg_tensor *out, int dim, const eg_tensor *index, const eg_tensor *src) {
  EG_TRY(check_pick("scatter_add", src, out, dim, index));
  EG_TRY(check_apart("scatter_add", out, index));
  EG_TRY(eg_check_distinct("scatter_add", "output", out));
  eg_tensor still = stand_still(out, dim, index);
  return eg_nest_in_order("scatter_add", EG_ELEMENT(out->dtype, scatter_add), &out->stride[dim], src, &still, index,
                          NULL);
}

/* ---- masks ---- */

typedef struct {
  int64_t count, at; /* true elements, elements seen */
  int64_t *out;      /* the next position goes here; NULL: count only */
} mask_walk;

static void mask_row(int64_t n, char *const *data, const int64_t *stride, const void *argument) {
  mask_walk *walk = *(mask_walk *const *)argument;
  const uint8_t *mask = (const void *)data[0];
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) count += mask[i * stride[0]] != 0;
  for (int64_t i = 0; i < n && walk->out; i++)
    if (mask[i * stride[0]]) *walk->out++ = walk->at + i + 1;
  walk->count += count;
  walk->at += n;
}

eg_status eg_count_true(const eg_tensor *mask, int64_t *count) {
  mask_walk walk = {0}, *where = &walk;
  EG_TRY(eg_check_dtype("count_true", "mask", mask, EG_UINT8));
  EG_TRY(eg_nest_in_order("count_true", mask_row, &where, mask, NULL, NULL, NULL));
  *count = walk.count;
  return EG_OK;
}

eg_status eg_nonzero(eg_tensor *out, const eg_tensor *mask) {
  int64_t count;
  EG_TRY(eg_check_dtype("nonzero", "mask", mask, EG_UINT8));
  EG_TRY(eg_count_true(mask, &count));
  EG_TRY(eg_check_dtype("nonzero", "output", out, EG_INT64));
  EG_TRY(eg_check_shape("nonzero", "output", out, 1, &count));
  EG_TRY(eg_check_contiguous("nonzero", "output", out));
  EG_TRY(check_apart("nonzero", out, mask));
  mask_walk walk = {.out = out->data}, *where = &walk;
  return eg_nest_in_order("nonzero", mask_row, &where, mask, NULL, NULL, NULL);
}

/* ---- labels ---- */

eg_status eg_one_hot(eg_tensor *out, const eg_tensor *labels) {
  EG_TRY(eg_check_real("one_hot", "output", out));
  EG_TRY(eg_check_dims("one_hot", "output", out, 2));
  EG_TRY(eg_check_contiguous("one_hot", "output", out));
  EG_TRY(eg_check_dims("one_hot", "labels", labels, 1));
  EG_TRY(eg_check_shape("one_hot", "labels", labels, 1, out->size));
  EG_TRY(check_indices("one_hot", "label", labels, out->size[1]));
  EG_TRY(check_apart("one_hot", out, labels));
  EG_TRY(eg_fill(out, 0));
  EG_REAL(out->dtype, one_hot)(out->data, labels->count, out->size[1], labels->data, labels->stride[0]);
  return EG_OK;
}

/* ---- batches: the data path ---- */

typedef struct {
  eg_tensor *out;
  const eg_tensor *in, *index;
  double scale, shift;
  int64_t item, block; /* elements of an item; items in a tile */
  bool dense;          /* an item's elements lie in order without gaps */
} batch;

typedef void (*batch_row)(void *to, const void *from, int64_t n, double scale, double shift);

static batch_row row_of(int out_dtype, int in_dtype) {
  if (in_dtype == EG_UINT8) return EG_REAL(out_dtype, batch_uint8_t);
  return in_dtype == EG_FLOAT32 ? EG_REAL(out_dtype, batch_float) : EG_REAL(out_dtype, batch_double);
}

/* Item i of t, as a tensor on the stack. */
static eg_tensor item_of(const eg_tensor *t, int64_t i) {
  eg_tensor item = *t;
  item.data = (char *)t->data + i * t->stride[0] * (int64_t)eg_element_size(t->dtype);
  item.dims = t->dims - 1;
  item.count = 1;
  for (int d = 0; d < item.dims; d++) {
    item.size[d] = t->size[d + 1];
    item.stride[d] = t->stride[d + 1];
    item.count *= item.size[d];
  }
  item.contiguous = 0;
  return item;
}

static void batch_tile(void *context, int64_t tile) {
  const batch *b = context;
  int64_t last = EG_MIN((tile + 1) * b->block, b->index->count);
  for (int64_t i = tile * b->block; i < last; i++) {
    eg_tensor to = item_of(b->out, i), from = item_of(b->in, index_at(b->index, i));
    if (b->dense) row_of(to.dtype, from.dtype)(to.data, from.data, b->item, b->scale, b->shift);
    else if (!eg_copy(&to, &from)) row_of(to.dtype, to.dtype)(to.data, to.data, b->item, b->scale, b->shift);
  }
}

eg_status eg_batch(eg_tensor *out, const eg_tensor *in, const eg_tensor *index, double scale, double shift) {
  int64_t size[EG_MAX_DIMS];
  EG_TRY(eg_check_real("batch", "output", out));
  EG_TRY(eg_check_contiguous("batch", "output", out));
  EG_TRY(eg_check_live("batch", "items", in));
  if (in->dtype != EG_UINT8) EG_TRY(eg_check_real("batch", "items", in));
  if (in->dims == 0) return eg_fail(EG_ESHAPE, "batch: items must have one dimension or more");
  EG_TRY(eg_check_live("batch", "index", index));
  EG_TRY(eg_check_dims("batch", "index", index, 1));
  memcpy(size, in->size, sizeof size);
  size[0] = index->count;
  EG_TRY(eg_check_shape("batch", "output", out, in->dims, size));
  EG_TRY(check_apart("batch", out, in));
  EG_TRY(check_indices("batch", "index", index, in->size[0]));
  if (out->count == 0) return EG_OK;
  batch b = {out, in, index, scale, shift, out->count / index->count, 0, true};
  b.block = EG_MAX(1, EG_TILE / b.item);
  eg_tensor item = item_of(in, 0);
  int64_t stride[EG_MAX_DIMS];
  eg_row_major(item.dims, item.size, stride);
  for (int d = 0; d < item.dims; d++) b.dense = b.dense && (item.size[d] == 1 || item.stride[d] == stride[d]);
  return eg_parallel_over(out->count, eg_tiles(index->count, b.block), batch_tile, &b);
}
#endif
