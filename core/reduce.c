/* reduce.c - sums, products and extremes along a dimension; positions of extremes; running sums; comparisons of bits.
 *
 * Sums of real numbers are made in double precision, in LANES partial sums that the compiler keeps in vectors; their order
 * is fixed by shape and strides. */

#ifdef ELEMENT

/* What sums and products are made in, and what extremes are held in. */
#if ELEMENT_REAL
typedef double E(total);
typedef element E(extreme);
#define LEAST (-INFINITY)
#define MOST INFINITY
#define MAGNITUDE(x) fabs((double)x)
#else
typedef uint64_t E(total);
typedef int64_t E(extreme);
#define LEAST INT64_MIN
#define MOST INT64_MAX
#define MAGNITUDE(x) x /* not offered for whole numbers */
#endif

/* The one list of reductions. DO(type of the result, its start, what an element x adds, how results a and b join). */
#define OPERATIONS(DO)                                                                                                 \
  switch (op) {                                                                                                        \
    case EG_SUM:                                                                                                       \
    case EG_MEAN: DO(E(total), 0, x, a + b); break;                                                                    \
    case EG_PROD: DO(E(total), 1, x, a *b); break;                                                                     \
    case EG_MAX: DO(E(extreme), LEAST, x, b > a || ELEMENT_NAN(b) ? b : a); break;                                     \
    case EG_MIN: DO(E(extreme), MOST, x, b < a || ELEMENT_NAN(b) ? b : a); break;                                      \
    case EG_SUM_SQUARES: DO(E(total), 0, (E(total))x *(E(total))x, a + b); break;                                      \
    case EG_SUM_ABS: DO(E(total), 0, MAGNITUDE(x), a + b); break;                                                      \
  }

/* One line of n elements to one result. */
static void E(reduce_line)(int op, const void *data, int64_t n, int64_t stride, char *to) {
  const element *line = data;
#define FOLD(T, start, value, join)                                                                                    \
  do {                                                                                                                 \
    T lane[LANES] = {(T)(start)};                                                                                      \
    int64_t whole = stride == 1 ? n / LANES * LANES : 0;                                                               \
    if (whole > 0) {                                                                                                   \
      for (int l = 1; l < LANES; l++) lane[l] = (T)(start);                                                            \
      for (int64_t i = 0; i < whole; i += LANES)                                                                       \
        for (int l = 0; l < LANES; l++) {                                                                              \
          element x = line[i + l];                                                                                     \
          T a = lane[l], b = (T)(value);                                                                               \
          lane[l] = join;                                                                                              \
        }                                                                                                              \
      for (int half = LANES / 2; half > 0; half /= 2)                                                                  \
        for (int l = 0; l < half; l++) {                                                                               \
          T a = lane[l], b = lane[l + half];                                                                           \
          lane[l] = join;                                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    T a = lane[0];                                                                                                     \
    for (int64_t i = whole; i < n; i++) {                                                                              \
      element x = line[i * stride];                                                                                    \
      T b = (T)(value);                                                                                                \
      a = join;                                                                                                        \
    }                                                                                                                  \
    *(T *)(void *)to = a;                                                                                              \
  } while (0)
  OPERATIONS(FOLD)
#undef FOLD
}

/* `width` (<= WIDTH) neighbouring columns of n rows to as many results. */
static void E(reduce_columns)(int op, const void *data, int64_t n, int64_t stride, int64_t width, char *to) {
  const element *rows = data;
#define FOLD(T, start, value, join)                                                                                    \
  do {                                                                                                                 \
    T lane[WIDTH];                                                                                                     \
    for (int64_t j = 0; j < width; j++) lane[j] = (T)(start);                                                          \
    for (int64_t i = 0; i < n; i++)                                                                                    \
      for (int64_t j = 0; j < width; j++) {                                                                            \
        element x = rows[i * stride + j];                                                                              \
        T a = lane[j], b = (T)(value);                                                                                 \
        lane[j] = join;                                                                                                \
      }                                                                                                                \
    for (int64_t j = 0; j < width; j++) *(T *)(void *)(to + j * SLOT) = lane[j];                                       \
  } while (0)
  OPERATIONS(FOLD)
#undef FOLD
}

/* Joins the chunks' results in order and writes them out; a mean is divided by n. */
static void E(finish)(int op, eg_tensor *out, const char *results, int64_t chunks, double n) {
#define FOLD(T, start, value, join)                                                                                    \
  do {                                                                                                                 \
    for (int64_t i = 0; i < out->count; i++) {                                                                         \
      T a = *(const T *)(const void *)(results + i * SLOT);                                                            \
      for (int64_t chunk = 1; chunk < chunks; chunk++) {                                                               \
        T b = *(const T *)(const void *)(results + (chunk * out->count + i) * SLOT);                                   \
        a = join;                                                                                                      \
      }                                                                                                                \
      if (op == EG_MEAN) a = (T)((double)a / n);                                                                       \
      if (ELEMENT_REAL || out->dtype == EG_UINT8) ((element *)out->data)[i] = (element)a;                              \
      else ((int64_t *)out->data)[i] = (int64_t)a;                                                                     \
    }                                                                                                                  \
  } while (0)
  OPERATIONS(FOLD)
#undef FOLD
}
#undef OPERATIONS
#undef LEAST
#undef MOST
#undef MAGNITUDE

/* 0-based position of the first largest (smallest) element; the first NaN wins. */
static int64_t E(extreme_position)(const void *data, int64_t n, int64_t stride, bool largest) {
  const element *x = data;
  int64_t best = 0;
  element top = x[0];
  for (int64_t i = 1; i < n; i++) {
    element next = x[i * stride];
    bool better = (largest ? next > top : next < top) | (ELEMENT_NAN(next) & !ELEMENT_NAN(top));
    top = better ? next : top;
    best = better ? i : best;
  }
  return best;
}

static void E(running_sum)(void *out, const void *in, int64_t n, int64_t out_stride, int64_t in_stride) {
  E(total) sum = 0;
  for (int64_t i = 0; i < n; i++) {
    sum += (E(total))((const element *)in)[i * in_stride];
    ((element *)out)[i * out_stride] = (element)sum;
  }
}

#else
#include <math.h>

#include "lines.h"
#include "nest.h"

enum { LANES = 32, WIDTH = 256, LEAST_CHUNK = 64, SLOT = 8 /* bytes of a result of any type */ };

#define EG_ELEMENTS "reduce.c"
#include "element.h"

/* ---- sums, products, extremes ---- */

typedef struct {
  eg_lines in;
  int op, dtype;
  bool columns;          /* neighbouring lines lie beside each other: reduce them together */
  int64_t chunk, chunks; /* elements of a line that one tile takes; how many such pieces a line has */
  int64_t block, blocks; /* lines that one tile takes; how many such blocks there are */
  char *results;         /* (chunks, lines), a slot each */
} reduction;

static void reduce_tile(void *context, int64_t tile) {
  const reduction *r = context;
  const eg_lines *in = &r->in;
  int64_t chunk = tile / r->blocks, block = tile % r->blocks, first, last;
  int64_t start = chunk * r->chunk, length = EG_MIN(r->chunk, in->length - start);
  char *to = r->results + (size_t)(chunk * in->count) * SLOT;
  if (r->columns) { /* blocks do not reach over the end of `inner` */
    int64_t across = eg_tiles(in->inner, r->block);
    first = block / across * in->inner + block % across * r->block;
    int64_t width = EG_MIN(r->block, in->inner - block % across * r->block);
    const char *rows = in->data + (size_t)(eg_line(in, first) + start * in->stride) * in->element;
    EG_ELEMENT(r->dtype, reduce_columns)(r->op, rows, length, in->stride, width, to + first * SLOT);
    return;
  }
  first = block * r->block;
  last = EG_MIN(first + r->block, in->count);
  for (int64_t i = first; i < last; i++) {
    const char *line = in->data + (size_t)(eg_line(in, i) + start * in->stride) * in->element;
    EG_ELEMENT(r->dtype, reduce_line)(r->op, line, length, in->stride, to + i * SLOT);
  }
}

/* Cuts the work: many lines are shared out among tiles whole; few long ones are cut into chunks. */
static void cut(reduction *r) {
  const eg_lines *in = &r->in;
  r->columns = in->inner > 1 && in->inner_stride == 1 && in->stride != 1;
  r->block = r->columns ? EG_MIN(in->inner, WIDTH) : eg_lines_tile(in, EG_TILE);
  r->blocks = r->columns ? in->outer * eg_tiles(in->inner, r->block) : eg_tiles(in->count, r->block);
  r->chunk = EG_MAX(1, in->length);
  if (in->count < EG_TILE && in->count * in->length >= 4 * EG_TILE)
    r->chunk = EG_MIN(r->chunk, EG_MAX(LEAST_CHUNK, 2 * EG_TILE / EG_MIN(in->count, r->block)));
  r->chunks = EG_MAX(1, eg_tiles(in->length, r->chunk));
}

static const char *const reduce_names[] = {"sum", "mean", "prod", "max", "min", "sum_squares", "sum_abs"};

static eg_status check_reduction(int op, const eg_tensor *out, const eg_tensor *in, int dim) {
  if (op < 0 || op >= EG_REDUCE_COUNT) return eg_fail(EG_EINVAL, "reduce: unknown operation %d", op);
  const char *name = reduce_names[op];
  EG_TRY(eg_check_live(name, "input", in));
  bool whole = op == EG_SUM || op == EG_PROD || op == EG_MAX || op == EG_MIN;
  if (!whole || (in->dtype == EG_UINT8 && op == EG_PROD)) EG_TRY(eg_check_real(name, "input", in));
  EG_TRY(eg_check_dtype(name, "output", out, op == EG_SUM && in->dtype == EG_UINT8 ? EG_INT64 : in->dtype));
  EG_TRY(eg_check_contiguous(name, "output", out));
  if (eg_overlap(out, in)) return eg_fail(EG_EINVAL, "%s: the output shares memory with the input", name);
  return EG_OK;
}

/* An output of a reduction has the input's shape without the dimension, or with 1 in its place; a scalar for all. */
static eg_status check_reduced_shape(const char *name, const eg_tensor *out, const eg_tensor *in, int dim) {
  int64_t size[EG_MAX_DIMS];
  int dims = 0;
  bool keep = out->dims == in->dims;
  if (dim >= in->dims)
    return eg_fail(EG_EINVAL, "%s: dimension %d is out of range for shape %s", name, dim + 1,
                   eg_describe_sizes(in->dims, in->size));
  for (int d = 0; d < in->dims; d++)
    if (dim >= 0 && d != dim) size[dims++] = in->size[d];
    else if (keep) size[dims++] = 1;
  return eg_check_shape(name, "output", out, dims, size);
}

eg_status eg_reduce(int op, eg_tensor *out, const eg_tensor *in, int dim) {
  reduction r = {.op = op};
  EG_TRY(check_reduction(op, out, in, dim));
  EG_TRY(check_reduced_shape(reduce_names[op], out, in, dim));
  if (out->count == 0) return EG_OK;
  EG_TRY(eg_lines_open(&r.in, reduce_names[op], in, dim));
  if (r.in.length == 0 && (op == EG_MEAN || op == EG_MAX || op == EG_MIN))
    return eg_fail(EG_EINVAL, "%s: nothing to reduce: shape %s%s", reduce_names[op],
                   eg_describe_sizes(in->dims, in->size), dim < 0 ? "" : ", the dimension is empty");
  r.dtype = in->dtype;
  cut(&r);
  size_t bytes = (size_t)(r.chunks * r.in.count) * SLOT;
  r.results = eg_block_new(bytes);
  eg_status status = EG_ENOMEM;
  if (r.results) {
    status = eg_parallel_over(r.in.count * r.in.length, r.chunks * r.blocks, reduce_tile, &r);
    if (!status) EG_ELEMENT(r.dtype, finish)(op, out, r.results, r.chunks, (double)r.in.length);
    eg_block_free(r.results, bytes);
  }
  eg_lines_close(&r.in);
  return status;
}

/* ---- positions of extremes ---- */

typedef struct {
  eg_lines in;
  int dtype;
  bool largest;
  int64_t block; /* lines in a tile */
  int64_t *out;
} search;

static void search_tile(void *context, int64_t tile) {
  const search *s = context;
  int64_t last = EG_MIN((tile + 1) * s->block, s->in.count);
  for (int64_t i = tile * s->block; i < last; i++) {
    const char *line = s->in.data + (size_t)eg_line(&s->in, i) * s->in.element;
    s->out[i] = 1 + EG_ELEMENT(s->dtype, extreme_position)(line, s->in.length, s->in.stride, s->largest);
  }
}

static eg_status find_extreme(const char *op, eg_tensor *out, const eg_tensor *in, int dim, bool largest) {
  search s = {.largest = largest};
  EG_TRY(eg_check_live(op, "input", in));
  EG_TRY(eg_check_dtype(op, "output", out, EG_INT64));
  EG_TRY(eg_check_contiguous(op, "output", out));
  EG_TRY(check_reduced_shape(op, out, in, dim));
  if (eg_overlap(out, in)) return eg_fail(EG_EINVAL, "%s: the output shares memory with the input", op);
  if (out->count == 0) return EG_OK;
  EG_TRY(eg_lines_open(&s.in, op, in, dim));
  if (s.in.length == 0)
    return eg_fail(EG_EINVAL, "%s: nothing to choose from: shape %s", op, eg_describe_sizes(in->dims, in->size));
  s.dtype = in->dtype;
  s.out = out->data;
  s.block = eg_lines_tile(&s.in, EG_TILE);
  eg_status status = eg_parallel_over(in->count, eg_tiles(s.in.count, s.block), search_tile, &s);
  eg_lines_close(&s.in);
  return status;
}

eg_status eg_argmax(eg_tensor *out, const eg_tensor *in, int dim) { return find_extreme("argmax", out, in, dim, true); }
eg_status eg_argmin(eg_tensor *out, const eg_tensor *in, int dim) {
  return find_extreme("argmin", out, in, dim, false);
}

/* ---- running sums ---- */

typedef struct {
  eg_lines out, in;
  int dtype;
  int64_t block;
} running;

static void running_tile(void *context, int64_t tile) {
  const running *r = context;
  int64_t last = EG_MIN((tile + 1) * r->block, r->in.count);
  for (int64_t i = tile * r->block; i < last; i++) {
    char *out = (char *)r->out.data + (size_t)eg_line(&r->out, i) * r->out.element;
    const char *in = r->in.data + (size_t)eg_line(&r->in, i) * r->in.element;
    EG_ELEMENT(r->dtype, running_sum)(out, in, r->in.length, r->out.stride, r->in.stride);
  }
}

eg_status eg_cumsum(eg_tensor *out, const eg_tensor *in, int dim) {
  running r;
  EG_TRY(eg_check_same_shape("cumsum", "output", out, "input", in));
  EG_TRY(eg_check_same_dtype("cumsum", "output", out, "input", in));
  EG_TRY(eg_check_contiguous("cumsum", "output", out));
  if (eg_overlap(out, in)) return eg_fail(EG_EINVAL, "cumsum: the output shares memory with the input");
  if (dim < 0) return eg_fail(EG_EINVAL, "cumsum: dimension %d is out of range", dim + 1);
  EG_TRY(eg_lines_open(&r.in, "cumsum", in, dim));
  EG_TRY(eg_lines_open(&r.out, "cumsum", out, dim));
  r.dtype = in->dtype;
  r.block = eg_lines_tile(&r.in, EG_TILE);
  eg_status status = EG_OK;
  if (in->count > 0) status = eg_parallel_over(in->count, eg_tiles(r.in.count, r.block), running_tile, &r);
  eg_lines_close(&r.in);
  return status;
}

/* ---- figures about bits ---- */

typedef struct {
  int64_t nan, infinite, different;
} tally;

#define COUNT_NONFINITE(T)                                                                                             \
  static void nonfinite_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {               \
    tally *t = *(tally *const *)argument;                                                                              \
    const T *x = (const T *)(const void *)data[0];                                                                     \
    int64_t nan = 0, finite = 0;                                                                                       \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
      nan += x[i * stride[0]] != x[i * stride[0]];                                                                     \
      finite += x[i * stride[0]] - x[i * stride[0]] == 0;                                                              \
    }                                                                                                                  \
    t->nan += nan;                                                                                                     \
    t->infinite += n - nan - finite;                                                                                   \
  }
COUNT_NONFINITE(float)
COUNT_NONFINITE(double)

eg_status eg_count_nonfinite(const eg_tensor *in, int64_t *nan, int64_t *infinite) {
  tally t = {0}, *where = &t;
  EG_TRY(eg_check_live("count_nonfinite", "input", in));
  if (in->dtype == EG_FLOAT32 || in->dtype == EG_FLOAT64)
    EG_TRY(eg_nest_in_order("count_nonfinite", in->dtype == EG_FLOAT32 ? nonfinite_float : nonfinite_double, &where, in,
                            NULL, NULL, NULL));
  if (nan) *nan = t.nan;
  if (infinite) *infinite = t.infinite;
  return EG_OK;
}

#define COMPARE(T)                                                                                                     \
  static void different_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {               \
    tally *t = *(tally *const *)argument;                                                                              \
    const T *a = (const void *)data[0], *b = (const void *)data[1];                                                    \
    int64_t different = 0;                                                                                             \
    for (int64_t i = 0; i < n; i++) different += a[i * stride[0]] != b[i * stride[1]];                                 \
    t->different += different;                                                                                         \
  }                                                                                                                    \
  static void mark_##T(int64_t n, char *const *data, const int64_t *stride, const void *argument) {                    \
    uint8_t *mask = (uint8_t *)data[0];                                                                                \
    const T *a = (const void *)data[1], *b = (const void *)data[2];                                                    \
    if (stride[0] == 1 && stride[1] == 1 && stride[2] == 1) {                                                          \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) mask[i] |= a[i] != b[i];                                    \
    } else                                                                                                             \
      for (int64_t i = 0; i < n; i++) mask[i * stride[0]] |= a[i * stride[1]] != b[i * stride[2]];                     \
  }
COMPARE(uint8_t)
COMPARE(uint32_t)
COMPARE(uint64_t)

eg_status eg_count_different(const eg_tensor *a, const eg_tensor *b, int64_t *different) {
  static const eg_row rows[] = {different_uint32_t, different_uint64_t, different_uint64_t, different_uint8_t};
  tally t = {0}, *where = &t;
  EG_TRY(eg_check_same_shape("count_different", "first", a, "second", b));
  EG_TRY(eg_check_same_dtype("count_different", "first", a, "second", b));
  EG_TRY(eg_nest_in_order("count_different", rows[a->dtype], &where, a, b, NULL, NULL));
  *different = t.different;
  return EG_OK;
}

eg_status eg_bits_equal(const eg_tensor *a, const eg_tensor *b, int *equal) {
  int64_t different = 1;
  EG_TRY(eg_check_live("bits_equal", "first", a));
  EG_TRY(eg_check_live("bits_equal", "second", b));
  if (eg_same_shape(a, b) && a->dtype == b->dtype) EG_TRY(eg_count_different(a, b, &different));
  *equal = different == 0;
  return EG_OK;
}

eg_status eg_mark_different(eg_tensor *mask, const eg_tensor *a, const eg_tensor *b) {
  static const eg_row rows[] = {mark_uint32_t, mark_uint64_t, mark_uint64_t, mark_uint8_t};
  EG_TRY(eg_check_dtype("mark_different", "mask", mask, EG_UINT8));
  EG_TRY(eg_check_same_shape("mark_different", "mask", mask, "first", a));
  EG_TRY(eg_check_same_shape("mark_different", "first", a, "second", b));
  EG_TRY(eg_check_same_dtype("mark_different", "first", a, "second", b));
  return eg_nest("mark_different", rows[a->dtype], NULL, mask, a, b, NULL);
}
#endif
