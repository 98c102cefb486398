/* pool.c - the largest element and the mean of every window of a plane. Each backward stands under its forward.
 *
 * Work goes tap by tap: for each place in the window one loop runs over the outputs whose window has that place inside
 * the plane. For the largest element these loops run over strips of a plane's outputs, long enough for vectors. */

#ifdef REAL

#if REAL_IS_FLOAT
typedef int32_t K(whole);
#else
typedef int64_t K(whole);
#endif
enum { K(lanes) = 32 / sizeof(real) };
typedef real K(vector) __attribute__((vector_size(32), aligned(sizeof(real)), may_alias));
typedef K(whole) K(places) __attribute__((vector_size(32)));
typedef uint8_t K(bytes) __attribute__((vector_size(K(lanes)), aligned(1), may_alias));

/* The plane of in that lies over plane i of the batch. */
static inline const real *K(plane_of)(const eg_tensor *t, int64_t i) {
  return (const real *)t->data + i / t->size[1] * t->stride[0] + i % t->size[1] * t->stride[1];
}

/* ---- largest element ---- */

/* value[k] = what lies under place (i, j) of output k of a strip; minus infinity where that is padding. */
static void K(under_tap)(const pooling *p, strip s, const real *plane, int64_t i, int64_t j, real *restrict value) {
  const eg_pool *how = &p->how;
  range columns = outputs(j, how->stride_w, how->padding_w, p->width, p->out_width);
  columns.first = EG_MIN(EG_MAX(columns.first, s.x), s.x + s.width), columns.last = EG_MIN(columns.last, s.x + s.width);
  for (int64_t y = s.y; y < s.y + s.height; y++, value += s.width) {
    int64_t row = y * how->stride_h - how->padding_h + i;
    int64_t last = row >= 0 && row < p->height ? columns.last : columns.first;
    const real *from = plane + (row * p->in->stride[2] + (j - how->padding_w) * p->in->stride[3]);
    int64_t step = how->stride_w * p->in->stride[3];
    for (int64_t x = s.x; x < columns.first; x++) value[x - s.x] = -(real)INFINITY;
    for (int64_t x = columns.first; x < last; x++) value[x - s.x] = from[x * step];
    for (int64_t x = EG_MAX(last, columns.first); x < s.x + s.width; x++) value[x - s.x] = -(real)INFINITY;
  }
}

/* Among equals the first wins, NaN over all. A strip lies in the output without gaps. */
static void K(max_strip)(const pooling *p, strip s, const real *plane, int64_t to) {
  const eg_pool *how = &p->how;
  real value[STRIP], *best = (real *)p->out->data + to;
  K(whole) place[STRIP];
  int64_t n = s.height * s.width, k = 0;
  for (int64_t y = s.y; y < s.y + s.height; y++)
    for (int64_t x = s.x; x < s.x + s.width; x++, k++) {
      int64_t top = how->padding_h - y * how->stride_h, left = how->padding_w - x * how->stride_w;
      best[k] = -(real)INFINITY;
      place[k] = (K(whole))place_of(p, EG_MAX(0, top), EG_MAX(0, left)); /* the first place inside the plane */
    }
  for (int64_t i = p->rows.first; i < p->rows.last; i++)
    for (int64_t j = p->columns.first; j < p->columns.last; j++) {
      K(whole) here = (K(whole))place_of(p, i, j);
      K(under_tap)(p, s, plane, i, j, value);
      for (k = 0; k < n; k++) {
        real v = value[k], b = best[k];
        place[k] = v > b || v != v ? here : place[k];
        best[k] = v > b || v != v ? v : b;
      }
    }
  if (p->small)
    for (k = 0; k < n; k++) p->small[to + k] = (uint8_t)place[k];
  else
    for (k = 0; k < n; k++) p->wide[to + k] = corner(p, s.y + k / s.width, s.x + k % s.width) + place[k] + 1;
}

/* Windows of 2 x 2 that tile the plane, the usual case, in vectors of neighbouring outputs; the last vector of a row
 * overlaps the one before. */
static void K(max_row_of_pairs)(real *out, uint8_t *index, const real *above, const real *below, int64_t width) {
  const real *first[4] = {above, above + 1, below, below + 1};
  for (int64_t i = 0; i < width; i += K(lanes)) {
    int64_t x = EG_MIN(i, width - K(lanes));
    K(vector) v, best = (K(vector)){0} - (real)INFINITY;
    K(places) place = {0};
#pragma GCC unroll 4
    for (int tap = 0; tap < 4; tap++) {
#pragma GCC unroll 8
      for (int j = 0; j < K(lanes); j++) v[j] = first[tap][2 * (x + j)];
      K(places) wins = (v > best) | (v != v), kept = (K(places))best & ~wins;
      best = (K(vector))(((K(places))v & wins) | kept);
      place = (tap & wins) | (place & ~wins);
    }
    *(K(vector) *)(out + x) = best;
    *(K(bytes) *)(index + x) = __builtin_convertvector(place, K(bytes));
  }
}

static void K(max)(void *context, int64_t tile) {
  const pooling *p = context;
  range planes = planes_of(p, tile);
  const int64_t *stride = p->in->stride + 2;
  int64_t out_width = p->out_width, width = EG_MIN(out_width, STRIP), height = STRIP / width;
  bool pairs = is_pairs(&p->how) && p->small && stride[1] == 1 && out_width >= K(lanes);
  for (int64_t i = planes.first; i < planes.last; i++) {
    const real *plane = K(plane_of)(p->in, i);
    int64_t to = i * p->out_height * out_width;
    for (int64_t y = 0; pairs && y < p->out_height; y++, to += out_width) {
      const real *above = plane + 2 * y * stride[0];
      K(max_row_of_pairs)((real *)p->out->data + to, p->small + to, above, above + stride[0], out_width);
    }
    for (int64_t y = 0; !pairs && y < p->out_height; y += height)
      for (int64_t x = 0; x < out_width; x += width) {
        strip s = {y, x, EG_MIN(height, p->out_height - y), EG_MIN(width, out_width - x)};
        K(max_strip)(p, s, plane, to + y * out_width + x);
      }
  }
}

static void K(max_backward)(void *context, int64_t tile) {
  const pooling *p = context;
  range planes = planes_of(p, tile);
  const int64_t *stride = p->out->stride + 2;
  for (int64_t i = planes.first; i < planes.last; i++) {
    real *grad_in = (real *)p->in->data + i * p->height * p->width;
    const real *grad = K(plane_of)(p->out, i);
    memset(grad_in, 0, (size_t)(p->height * p->width) * sizeof(real));
    for (int64_t y = 0; y < p->out_height; y++)
      for (int64_t x = 0, at = (i * p->out_height + y) * p->out_width; x < p->out_width; x++)
        grad_in[position(p, at + x, y, x)] += grad[y * stride[0] + x * stride[1]];
  }
}

/* The adjoint of the backward. */
static void K(take)(void *context, int64_t tile) {
  const pooling *p = context;
  range planes = planes_of(p, tile);
  const int64_t *stride = p->in->stride + 2;
  for (int64_t i = planes.first; i < planes.last; i++) {
    const real *plane = K(plane_of)(p->in, i);
    real *out = (real *)p->out->data + i * p->out_height * p->out_width;
    for (int64_t y = 0; y < p->out_height; y++)
      for (int64_t x = 0, at = (i * p->out_height + y) * p->out_width; x < p->out_width; x++) {
        int64_t from = position(p, at + x, y, x);
        out[y * p->out_width + x] = plane[from / p->width * stride[0] + from % p->width * stride[1]];
      }
  }
}

/* ---- mean ---- */

static void K(mean)(void *context, int64_t tile) {
  const pooling *p = context;
  const eg_pool *how = &p->how;
  range planes = planes_of(p, tile);
  const int64_t *stride = p->in->stride + 2;
  real scale = (real)(1.0 / ((double)how->kernel_h * (double)how->kernel_w));
  for (int64_t i = planes.first; i < planes.last; i++)
    for (int64_t y = 0; y < p->out_height; y++) {
      real *out = (real *)p->out->data + (i * p->out_height + y) * p->out_width;
      range rows = inside(y, how->kernel_h, how->stride_h, how->padding_h, p->height);
      memset(out, 0, (size_t)p->out_width * sizeof(real));
      for (int64_t tap = rows.first; tap < rows.last; tap++) {
        const real *row = K(plane_of)(p->in, i) + (y * how->stride_h - how->padding_h + tap) * stride[0];
        for (int64_t j = p->columns.first; j < p->columns.last; j++) {
          range x = outputs(j, how->stride_w, how->padding_w, p->width, p->out_width);
          int64_t step = how->stride_w * stride[1], shift = (j - how->padding_w) * stride[1];
          for (int64_t at = x.first; at < x.last; at++) out[at] += row[at * step + shift];
        }
      }
      for (int64_t x = 0; x < p->out_width; x++) out[x] *= scale;
    }
}

static void K(mean_backward)(void *context, int64_t tile) {
  const pooling *p = context;
  const eg_pool *how = &p->how;
  range planes = planes_of(p, tile);
  const int64_t *stride = p->out->stride + 2;
  real scale = (real)(1.0 / ((double)how->kernel_h * (double)how->kernel_w));
  for (int64_t i = planes.first; i < planes.last; i++) {
    real *grad_in = (real *)p->in->data + i * p->height * p->width;
    memset(grad_in, 0, (size_t)(p->height * p->width) * sizeof(real));
    for (int64_t y = 0; y < p->out_height; y++) {
      const real *grad = K(plane_of)(p->out, i) + y * stride[0];
      range rows = inside(y, how->kernel_h, how->stride_h, how->padding_h, p->height);
      for (int64_t tap = rows.first; tap < rows.last; tap++) {
        real *row = grad_in + (y * how->stride_h - how->padding_h + tap) * p->width;
        for (int64_t j = p->columns.first; j < p->columns.last; j++) {
          range x = outputs(j, how->stride_w, how->padding_w, p->width, p->out_width);
          int64_t shift = j - how->padding_w;
          for (int64_t at = x.first; at < x.last; at++) row[at * how->stride_w + shift] += scale * grad[at * stride[1]];
        }
      }
    }
  }
}

#else
#include <math.h>
#include <stdatomic.h>

#include "internal.h"

typedef struct range {
  int64_t first, last;
} range;

/* A rectangle of a plane's outputs. */
typedef struct strip {
  int64_t y, x, height, width;
} strip;

/* Outputs in a strip; places in a window up to which an index fits a byte. */
enum { STRIP = 512, SMALL = 256 };

/* One call: planes of `in` (or of its gradient) and of `out` (or of its gradient), and the index where there is one. */
typedef struct pooling {
  eg_pool how;
  const eg_tensor *in, *out;
  int64_t planes, height, width, out_height, out_width;
  int64_t chunk; /* planes in a tile */
  uint8_t *small;
  int64_t *wide;
  range rows, columns;   /* places of the window that lie inside the plane for some output */
  int64_t offset[SMALL]; /* of each place of a window from its corner, for a small index */
  atomic_bool wrong;     /* an index lies outside its plane */
} pooling;

static range planes_of(const pooling *p, int64_t tile) {
  return (range){tile * p->chunk, EG_MIN((tile + 1) * p->chunk, p->planes)};
}

/* The places of window `at` that lie inside a plane of the given size. Padding is at most half a window: never none. */
static inline range inside(int64_t at, int64_t kernel, int64_t stride, int64_t padding, int64_t size) {
  int64_t start = at * stride - padding;
  return (range){EG_MAX(0, -start), EG_MIN(kernel, size - start)};
}

/* The windows whose place `tap` lies inside a plane of the given size. */
static range outputs(int64_t tap, int64_t stride, int64_t padding, int64_t size, int64_t count) {
  int64_t shift = tap - padding;
  int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
  int64_t last = size - shift > 0 ? (size - shift - 1) / stride + 1 : 0;
  return (range){first, EG_MIN(last, count)};
}

static bool is_pairs(const eg_pool *how) {
  return how->kernel_h == 2 && how->kernel_w == 2 && how->stride_h == 2 && how->stride_w == 2 && how->padding_h == 0 &&
         how->padding_w == 0;
}

/* How kernels number the places of a window: as a small index does; for a wide one, by the distance in the plane from
 * the corner of what windows reach. */
static inline int64_t place_of(const pooling *p, int64_t i, int64_t j) {
  return p->small ? i * p->how.kernel_w + j : (i - p->rows.first) * p->width + j - p->columns.first;
}

static inline int64_t corner(const pooling *p, int64_t y, int64_t x) {
  int64_t row = y * p->how.stride_h - p->how.padding_h + p->rows.first;
  return row * p->width + x * p->how.stride_w - p->how.padding_w + p->columns.first;
}

/* Where in its plane entry `at` of the index, of window (y, x), points. */
static inline int64_t position(const pooling *p, int64_t at, int64_t y, int64_t x) {
  return p->wide ? p->wide[at] - 1 : corner(p, y, x) + p->offset[p->small[at]];
}

#define EG_KERNELS "pool.c"
#include "real.h"

/* ---- checks ---- */

static eg_status check(const char *op, const eg_tensor *in, const eg_pool *how, int64_t size[4]) {
  EG_TRY(eg_check_real(op, "input", in));
  EG_TRY(eg_check_dims(op, "input", in, 4));
  const int64_t kernel[2] = {how->kernel_h, how->kernel_w}, stride[2] = {how->stride_h, how->stride_w};
  const int64_t padding[2] = {how->padding_h, how->padding_w};
  size[0] = in->size[0];
  size[1] = in->size[1];
  for (int d = 0; d < 2; d++) {
    if (kernel[d] < 1 || stride[d] < 1)
      return eg_fail(EG_EINVAL, "%s: window %s with stride %s, expected at least 1", op, eg_describe_sizes(2, kernel),
                     eg_describe_sizes(2, stride));
    if (padding[d] < 0 || padding[d] > kernel[d] / 2)
      return eg_fail(EG_EINVAL, "%s: padding is %s, expected at least 0 and at most half of the window %s", op,
                     eg_describe_sizes(2, padding), eg_describe_sizes(2, kernel));
    /* Not kernel > size + 2 * padding, which could overflow. */
    if (in->size[2 + d] == 0 || kernel[d] - 2 * padding[d] > in->size[2 + d])
      return eg_fail(EG_ESHAPE, "%s: window %s does not fit into the padded input: input %s, padding %s", op,
                     eg_describe_sizes(2, kernel), eg_describe_sizes(4, in->size), eg_describe_sizes(2, padding));
    size[2 + d] = (in->size[2 + d] - (kernel[d] - 2 * padding[d])) / stride[d] + 1;
  }
  return EG_OK;
}

/* Checks both tensors, of which the one named is written, and fills p. */
static eg_status plan(const char *op, pooling *p, const eg_tensor *in, const eg_tensor *out, const char *written,
                      const eg_pool *how) {
  int64_t size[4];
  EG_TRY(check(op, in, how, size));
  EG_TRY(eg_check_dtype(op, "output", out, in->dtype));
  EG_TRY(eg_check_shape(op, "output", out, 4, size));
  EG_TRY(eg_check_contiguous(op, written, written[0] == 'o' ? out : in));
  memset(p, 0, sizeof *p);
  p->how = *how;
  p->in = in;
  p->out = out;
  p->planes = size[0] * size[1];
  p->height = in->size[2];
  p->width = in->size[3];
  p->out_height = size[2];
  p->out_width = size[3];
  p->rows.first = EG_MAX(0, how->padding_h - (p->out_height - 1) * how->stride_h);
  p->rows.last = EG_MIN(how->kernel_h, p->height + how->padding_h);
  p->columns.first = EG_MAX(0, how->padding_w - (p->out_width - 1) * how->stride_w);
  p->columns.last = EG_MIN(how->kernel_w, p->width + how->padding_w);
  bool serial = in->count <= 2 * EG_TILE;
  p->chunk = serial ? EG_MAX(p->planes, 1) : EG_MAX(1, EG_TILE / (p->height * p->width));
  return EG_OK;
}

static eg_status take_index(const char *op, pooling *p, const eg_tensor *index) {
  EG_TRY(eg_check_live(op, "index", index));
  if (index->dtype != EG_UINT8 && index->dtype != EG_INT64)
    return eg_fail(EG_EDTYPE, "%s: index is %s, expected uint8 or int64", op, eg_describe(index));
  EG_TRY(eg_check_shape(op, "index", index, 4, p->out->size));
  EG_TRY(eg_check_contiguous(op, "index", index));
  if (index->dtype == EG_INT64) p->wide = index->data;
  else if (p->how.kernel_h <= SMALL && p->how.kernel_w <= SMALL && p->how.kernel_h * p->how.kernel_w <= SMALL)
    p->small = index->data;
  else
    return eg_fail(EG_EDTYPE,
                   "%s: a window of %lld x %lld has more than 256 places, too many for a uint8 index; use int64", op,
                   (long long)p->how.kernel_h, (long long)p->how.kernel_w);
  if (p->wide && (p->rows.last - p->rows.first) > INT32_MAX / p->width)
    return eg_fail(EG_EINVAL, "%s: a window of %lld x %lld spans more than %d elements", op, (long long)p->how.kernel_h,
                   (long long)p->how.kernel_w, INT32_MAX);
  for (int64_t i = 0; p->small && i < p->how.kernel_h * p->how.kernel_w; i++)
    p->offset[i] = (i / p->how.kernel_w - p->rows.first) * p->width + i % p->how.kernel_w - p->columns.first;
  return EG_OK;
}

/* Whether some small index in a row of windows points outside its window or into the padding. */
static bool wrong_row(const pooling *p, int64_t y, const uint8_t *index, const uint8_t *row_of,
                      const uint8_t *column_of) {
  const eg_pool *how = &p->how;
  range rows = inside(y, how->kernel_h, how->stride_h, how->padding_h, p->height);
  bool wrong = false;
  for (int64_t x = 0; x < p->out_width; x++) {
    range columns = inside(x, how->kernel_w, how->stride_w, how->padding_w, p->width);
    int64_t row = row_of[index[x]], column = column_of[index[x]];
    wrong |= row < rows.first || row >= rows.last || column < columns.first || column >= columns.last;
  }
  return wrong;
}

static void check_tile(void *context, int64_t tile) {
  pooling *p = context;
  range planes = planes_of(p, tile);
  int64_t plane = p->out_height * p->out_width;
  bool wrong = false;
  if (p->wide) {
    for (int64_t i = planes.first * plane; i < planes.last * plane; i++)
      wrong |= p->wide[i] < 1 || p->wide[i] > p->height * p->width;
  } else if (p->how.padding_h == 0 && p->how.padding_w == 0) {
    uint8_t largest = 0;
    for (int64_t i = planes.first * plane; i < planes.last * plane; i++) largest = EG_MAX(largest, p->small[i]);
    wrong = largest >= p->how.kernel_h * p->how.kernel_w;
  } else {
    uint8_t row_of[SMALL], column_of[SMALL];
    for (int i = 0; i < SMALL; i++) {
      row_of[i] = (uint8_t)(i / p->how.kernel_w);
      column_of[i] = (uint8_t)(i % p->how.kernel_w);
    }
    for (int64_t i = planes.first * p->out_height; i < planes.last * p->out_height; i++)
      wrong |= wrong_row(p, i % p->out_height, p->small + i * p->out_width, row_of, column_of);
  }
  if (wrong) atomic_store(&p->wrong, true);
}

/* An index that was read from somewhere: every entry must lie in its plane. */
static eg_status check_index(const char *op, pooling *p) {
  EG_TRY(eg_parallel(eg_tiles(p->planes, p->chunk), check_tile, p));
  if (!atomic_load(&p->wrong)) return EG_OK;
  const int64_t window[2] = {p->how.kernel_h, p->how.kernel_w};
  return eg_fail(EG_EINDEX, "%s: an index lies outside its plane: input %s, window %s", op,
                 eg_describe_sizes(4, p->in->size), eg_describe_sizes(2, window));
}

/* ---- the interface ---- */

eg_tensor *eg_pool2d_new(const eg_tensor *in, const eg_pool *how, int dtype) {
  int64_t size[4];
  if (check("pool2d", in, how, size)) return NULL;
  return eg_new(dtype < 0 ? in->dtype : dtype, 4, size);
}

#define RUN(kernel) eg_parallel(p.out->count ? eg_tiles(p.planes, p.chunk) : 0, EG_REAL(p.in->dtype, kernel), &p)

eg_status eg_maxpool2d(eg_tensor *out, eg_tensor *index, const eg_tensor *in, const eg_pool *how) {
  pooling p;
  EG_TRY(plan("maxpool2d", &p, in, out, "output", how));
  EG_TRY(take_index("maxpool2d", &p, index));
  return RUN(max);
}

eg_status eg_maxpool2d_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *index,
                                const eg_pool *how) {
  pooling p;
  EG_TRY(plan("maxpool2d_backward", &p, grad_in, grad_out, "input gradient", how));
  EG_TRY(take_index("maxpool2d_backward", &p, index));
  EG_TRY(check_index("maxpool2d_backward", &p));
  return RUN(max_backward);
}

eg_status eg_maxpool2d_take(eg_tensor *out, const eg_tensor *in, const eg_tensor *index, const eg_pool *how) {
  pooling p;
  EG_TRY(plan("maxpool2d_take", &p, in, out, "output", how));
  EG_TRY(take_index("maxpool2d_take", &p, index));
  EG_TRY(check_index("maxpool2d_take", &p));
  return RUN(take);
}

eg_status eg_avgpool2d(eg_tensor *out, const eg_tensor *in, const eg_pool *how) {
  pooling p;
  EG_TRY(plan("avgpool2d", &p, in, out, "output", how));
  return RUN(mean);
}

eg_status eg_avgpool2d_backward(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_pool *how) {
  pooling p;
  EG_TRY(plan("avgpool2d_backward", &p, grad_in, grad_out, "input gradient", how));
  return RUN(mean_backward);
}
#endif
