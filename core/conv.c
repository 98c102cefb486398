/* conv.c - two-dimensional convolution and its two adjoints, all by one product.
 *
 * A convolution is a matrix product whose left matrix need not be stored: its element (pixel, tap) is image[pixel + tap],
 * where `image` is a copy of a few rows of the source inside a border of zeros, and two tables hold the offsets. So
 *   forward:          out[pixel][channel]     = sum over taps of   image[pixel + tap] * weight[tap][channel]
 *   input gradient:   the same form over grad_out, once for each phase of the stride, with the taps running backwards
 *   weight gradient:  grad[tap][channel]      = sum over pixels of image[tap + pixel] * grad_out[pixel][channel]
 * Channels lie in vector lanes; planes are turned into lanes and back as they are read and written. */

#ifdef REAL

typedef real K(vector) __attribute__((vector_size(VECTOR), aligned(sizeof(real)), may_alias));
enum { K(lanes) = VECTOR / sizeof(real) };
#if REAL_IS_FLOAT
typedef int32_t K(indices) __attribute__((vector_size(VECTOR)));
#else
typedef int64_t K(indices) __attribute__((vector_size(VECTOR)));
#endif

/* c[r] = start + sum over i of image[row[r] + column[i]] * m[i], for ROWS rows of `vectors` vectors that stay in registers.
 * Without a start the sum is added to c. */
static inline __attribute__((always_inline)) void K(tile)(int vectors, real *c, const real *start, const int64_t *row,
                                                          const real *image, int64_t count, const int64_t *column,
                                                          const real *m) {
  K(vector) sum[ROWS][2], *to = (K(vector) *)c;
  const real *from[ROWS];
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
    const K(vector) *begin = start ? (const K(vector) *)start : to + r * vectors;
    from[r] = image + row[r];
    sum[r][0] = begin[0];
    sum[r][1] = begin[vectors - 1];
  }
  for (int64_t i = 0; i < count; i++, m += vectors * K(lanes)) {
    K(vector) first = ((const K(vector) *)m)[0], second = ((const K(vector) *)m)[vectors - 1];
    int64_t at = column[i];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
      real x = from[r][at];
      sum[r][0] += x * first;
      if (vectors == 2) sum[r][1] += x * second;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++) {
    to[r * vectors] = sum[r][0];
    if (vectors == 2) to[r * vectors + 1] = sum[r][1];
  }
}

static void K(rows)(int64_t width, real *c, const real *start, const int64_t *row, const real *image, int64_t count,
                    const int64_t *column, const real *m) {
  if (width > K(lanes)) K(tile)(2, c, start, row, image, count, column, m);
  else K(tile)(1, c, start, row, image, count, column, m);
}

/* Transposes a square of vectors: each round interleaves the first half of the vectors with the second. */
static inline __attribute__((always_inline)) void K(transpose_square)(real *to, int64_t to_pitch, const real *from,
                                                                      int64_t from_pitch) {
  K(vector) x[K(lanes)], y[K(lanes)];
  K(indices) low = {0}, high = {0};
  for (int i = 0; i < K(lanes); i++) {
    low[i] = i / 2 + i % 2 * K(lanes);
    high[i] = low[i] + K(lanes) / 2;
  }
#pragma GCC unroll 16
  for (int i = 0; i < K(lanes); i++) x[i] = *(const K(vector) *)(from + i * from_pitch);
#pragma GCC unroll 4
  for (int round = 1; round < K(lanes); round *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < K(lanes) / 2; i++) {
      y[2 * i] = __builtin_shuffle(x[i], x[i + K(lanes) / 2], low);
      y[2 * i + 1] = __builtin_shuffle(x[i], x[i + K(lanes) / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < K(lanes); i++) x[i] = y[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < K(lanes); i++) *(K(vector) *)(to + i * to_pitch) = x[i];
}

/* to[x][y] = from[y][x] */
static void K(transpose)(real *to, int64_t to_pitch, const real *from, int64_t from_pitch, int64_t rows, int64_t columns) {
  int64_t whole_rows = rows / K(lanes) * K(lanes), whole_columns = columns / K(lanes) * K(lanes);
  for (int64_t x = 0; x < whole_columns; x += K(lanes))
    for (int64_t y = 0; y < whole_rows; y += K(lanes))
      K(transpose_square)(to + x * to_pitch + y, to_pitch, from + y * from_pitch + x, from_pitch);
  for (int64_t y = 0; y < rows; y++)
    for (int64_t x = y < whole_rows ? whole_columns : 0; x < columns; x++) to[x * to_pitch + y] = from[y * from_pitch + x];
}

/* Copies a row of count elements, `step` apart in the source. Rows are short: the last vector overlaps the one before. */
static inline void K(copy)(real *to, const real *from, int64_t count, int64_t step) {
  if (step == 1 && count >= K(lanes)) {
    for (int64_t i = 0; i < count - K(lanes); i += K(lanes)) *(K(vector) *)(to + i) = *(const K(vector) *)(from + i);
    *(K(vector) *)(to + count - K(lanes)) = *(const K(vector) *)(from + count - K(lanes));
  } else {
    for (int64_t i = 0; i < count; i++) to[i] = from[i * step];
  }
}

/* Copies the rows of the source that a unit of work reads into `image`, with zeros where the window leaves the source. */
static void K(load)(real *image, const plan *p, unit u) {
  const eg_tensor *t = p->source;
  const int64_t *size = t->size, *stride = t->stride;
  int64_t rows = image_rows(p, u.rows), top = u.row * p->stride_h + p->first_row, left = p->first_column;
  int64_t first_row = EG_MAX(0, -top), last_row = EG_MIN(rows, size[2] - top);
  int64_t first = EG_MAX(0, -left), last = EG_MIN(p->pitch, size[3] - left), width = last - first;
  bool border = first_row > 0 || last_row < rows || width < p->pitch;
  bool whole = width == p->pitch && stride[2] == p->pitch && stride[3] == 1; /* rows without gaps on both sides */
  if (width <= 0) last_row = first_row;
  for (int64_t i = 0; i < u.samples * p->depth; i++, image += p->plane) {
    const real *plane = (const real *)t->data + (u.sample + i / p->depth) * stride[0] + i % p->depth * stride[1];
    if (border) memset(image, 0, (size_t)(rows * p->pitch) * sizeof(real));
    for (int64_t y = first_row; y < last_row; y += whole ? last_row - first_row : 1)
      K(copy)(image + y * p->pitch + first, plane + (top + y) * stride[2] + (left + first) * stride[3],
              whole ? (last_row - first_row) * width : width, stride[3]);
  }
}

/* ---- forward and input gradient: pixels by taps ---- */

/* m[tap][lane] of one block of channels, from a weight of any strides. */
static void K(pack)(void *context, int64_t block) {
  const correlation *k = context;
  const plan *p = &k->plan;
  const int64_t *stride = k->weight->stride;
  int64_t width = block_width(k->channels, k->lanes, block), first = block * 2 * k->lanes;
  real *m = (real *)k->packed + first * p->taps;
  for (int64_t lane = 0; lane < width; lane++) {
    real *to = m + lane;
    bool used = first + lane < k->channels;
    const real *from = (const real *)k->weight->data + (used ? (first + lane) * stride[k->channel_dim] : 0) +
                       k->first_tap_h * stride[2] + k->first_tap_w * stride[3];
    int64_t step_h = k->tap_step_h * stride[2], step_w = k->tap_step_w * stride[3];
    for (int64_t y = 0; y < p->taps_h; y++)
      for (int64_t c = 0; c < p->depth; c++)
        for (int64_t x = 0; x < p->taps_w; x++, to += width)
          *to = used ? from[c * stride[1 - k->channel_dim] + y * step_h + x * step_w] : 0;
  }
}

/* Writes the lanes of one block to the planes of the target. */
static void K(store)(const correlation *k, unit u, int64_t block, int64_t width, const real *c) {
  const plan *p = &k->plan;
  const eg_tensor *t = k->target;
  int64_t first = block * 2 * k->lanes, channels = EG_MIN(width, k->channels - first), plane = t->size[2] * t->size[3];
  bool whole = k->step_h == 1 && k->step_w == 1 && p->width == t->size[3];
  int64_t runs = whole ? 1 : u.rows, length = whole ? u.rows * p->width : p->width;
  for (int64_t s = 0; s < u.samples; s++)
    for (int64_t y = 0; y < runs; y++, c += length * width) {
      real *to = (real *)t->data + ((u.sample + s) * k->channels + first) * plane +
                 (k->origin_h + (u.row + y) * k->step_h) * t->size[3] + k->origin_w;
      if (k->step_w == 1) K(transpose)(to, plane, c, width, length, channels);
      else
        for (int64_t x = 0; x < length; x++)
          for (int64_t lane = 0; lane < channels; lane++) to[lane * plane + x * k->step_w] = c[x * width + lane];
    }
}

static void K(correlate)(void *context, int64_t tile) {
  const correlation *k = context;
  const plan *p = &k->plan;
  unit u = unit_of(p, tile);
  int64_t pixels = u.samples * u.rows * p->width;
  real *image = (real *)(k->scratch + eg_thread_number() * k->thread_bytes), *c = image + p->image_count;
  if (p->taps > 0) K(load)(image, p, u);
  for (int64_t block = 0; block * 2 * k->lanes < k->channels; block++) {
    int64_t width = block_width(k->channels, k->lanes, block), first = block * 2 * k->lanes;
    real start[2 * K(lanes)] = {0};
    if (k->bias)
      for (int64_t lane = 0; lane < EG_MIN(width, k->channels - first); lane++)
        start[lane] = ((const real *)k->bias->data)[(first + lane) * k->bias->stride[0]];
    const real *m = (const real *)k->packed + first * p->taps;
    for (int64_t i = 0; i < pixels; i += ROWS) {
      range taps = taps_of(p, u, i, EG_MIN(i + ROWS, pixels) - 1);
      K(rows)(width, c + i * width, start, p->pixel + i, image, taps.last - taps.first, p->tap + taps.first,
              m + taps.first * width);
    }
    K(store)(k, u, block, width, c);
  }
}

/* ---- weight gradient: taps by pixels ---- */

/* m[pixel][lane] of one block of grad_out's channels. */
static void K(interleave)(real *m, const plan *p, unit u, const eg_tensor *t, int64_t first, int64_t width) {
  int64_t channels = EG_MIN(width, t->size[1] - first);
  bool whole = t->stride[3] == 1 && t->stride[2] == p->width;
  int64_t runs = whole ? 1 : u.rows, length = whole ? u.rows * p->width : p->width;
  if (channels < width) memset(m, 0, (size_t)(u.samples * u.rows * p->width * width) * sizeof(real));
  for (int64_t s = 0; s < u.samples; s++)
    for (int64_t y = 0; y < runs; y++, m += length * width) {
      const real *from = (const real *)t->data + (u.sample + s) * t->stride[0] + first * t->stride[1] +
                         (u.row + y) * t->stride[2];
      if (t->stride[3] == 1) K(transpose)(m, width, from, t->stride[1], channels, length);
      else
        for (int64_t lane = 0; lane < channels; lane++)
          for (int64_t x = 0; x < length; x++) m[x * width + lane] = from[lane * t->stride[1] + x * t->stride[3]];
    }
}

/* One group of units adds up its own gradient, for a share of the blocks of channels. */
static void K(gather)(void *context, int64_t tile) {
  const weight_gradient *k = context;
  const plan *p = &k->plan;
  int64_t group = tile / k->shares, share = tile % k->shares, rows = round_up(p->taps, ROWS);
  int64_t first_block = k->blocks * share / k->shares, last_block = k->blocks * (share + 1) / k->shares;
  real *image = (real *)(k->scratch + eg_thread_number() * k->thread_bytes), *m = image + p->image_count;
  real *partial = (real *)k->partial + group * k->partial_count;
  for (int64_t b = first_block; b < last_block; b++)
    memset(partial + b * 2 * k->lanes * rows, 0,
           (size_t)(block_width(k->channels, k->lanes, b) * rows) * sizeof(real));
  for (int64_t i = p->units * group / k->groups; i < p->units * (group + 1) / k->groups; i++) {
    unit u = unit_of(p, i);
    int64_t pixels = u.samples * u.rows * p->width;
    K(load)(image, p, u);
    for (int64_t b = first_block; b < last_block; b++) {
      int64_t first = b * 2 * k->lanes, width = block_width(k->channels, k->lanes, b);
      K(interleave)(m, p, u, k->grad_out, first, width);
      for (int64_t tap = 0; tap < p->taps; tap += ROWS)
        K(rows)(width, partial + first * rows + tap * width, NULL, p->tap + tap, image, pixels, p->pixel, m);
    }
  }
}

/* Adds up the groups' gradients of one block of channels, in order, and writes them to the weight's layout. */
static void K(add_up)(void *context, int64_t block) {
  const weight_gradient *k = context;
  int64_t taps = k->plan.taps, width = block_width(k->channels, k->lanes, block), first = block * 2 * k->lanes;
  real *sum = (real *)k->partial + first * round_up(taps, ROWS);
  for (int64_t g = 1; g < k->groups; g++)
    for (int64_t i = 0; i < taps * width; i++) sum[i] += sum[g * k->partial_count + i];
  K(transpose)((real *)k->grad_weight->data + first * taps, taps, sum, width, taps, EG_MIN(width, k->channels - first));
}

#else
#include "internal.h"

/* Under -std=c11 the compiler may not fuse a * b + c by itself; the products here want it. */
#pragma GCC optimize("fp-contract=fast")

/* Bytes of a vector register, and the rows of two vectors that one tile sums: enough to hide the latency of a sum, few
 * enough for an address register each. */
#if defined(__AVX512F__)
enum { VECTOR = 64, ROWS = 8 };
#elif defined(__AVX__)
enum { VECTOR = 32, ROWS = 6 };
#else
enum { VECTOR = 16, ROWS = 6 };
#endif
/* Elements of an image and pixels of a unit that fit the second cache; the smallest
 * number of pixels that a unit should have; the number of units that a large call is cut into; the largest number of
 * groups and of elements that weight gradients are gathered in. */
enum { IMAGE = 1 << 16, PIXELS = 1 << 11, FEW_PIXELS = 96, UNITS = 8, GROUPS = 8, PARTIALS = 1 << 19 };

/* Which pixels of a target are computed through which windows of a source, and how the work is cut. */
typedef struct plan {
  const eg_tensor *source;                      /* (batch, depth, height, width), any strides */
  int64_t batch, depth, height, width;          /* batch x height x width pixels, depth planes under each */
  int64_t taps_h, taps_w, stride_h, stride_w;   /* the window, and the source's steps from pixel to pixel */
  int64_t first_row, first_column;              /* of the window of pixel (0, 0); negative: in the border of zeros */
  int64_t taps;                                 /* depth * taps_h * taps_w */
  bool by_row;                                  /* taps in the order (row, channel, column), not (channel, row, column) */
  int64_t pitch, plane, image_count;            /* of the image: elements of a row, of a plane, of all */
  int64_t samples, rows, bands, units, pixels;  /* a unit: some samples, or one of the bands of rows of one sample */
  int64_t *pixel, *tap;                         /* offsets into the image */
} plan;

typedef struct unit {
  int64_t sample, samples, row, rows;
} unit;

/* Forward and input gradient. Channels are the target's; the pixels written are origin + step * (y, x). */
typedef struct correlation {
  plan plan;
  eg_tensor *target;
  const eg_tensor *weight, *bias;
  int channel_dim;                                      /* of the weight: where the target's channels lie */
  int64_t first_tap_h, first_tap_w, tap_step_h, tap_step_w; /* taps of the weight in the order of the window */
  int64_t origin_h, origin_w, step_h, step_w;
  int64_t channels, lanes;
  char *scratch;
  int64_t thread_bytes;
  void *packed;
} correlation;

typedef struct weight_gradient {
  plan plan;
  const eg_tensor *grad_out;
  eg_tensor *grad_weight;
  int64_t channels, lanes, blocks, groups, shares, partial_count;
  char *scratch;
  int64_t thread_bytes;
  void *partial;
} weight_gradient;

static inline int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
static inline int64_t image_rows(const plan *p, int64_t rows) { return (rows - 1) * p->stride_h + p->taps_h; }

/* Blocks of channels are two vectors wide; the last may be one. */
static inline int64_t block_width(int64_t channels, int64_t lanes, int64_t block) {
  return channels - block * 2 * lanes > lanes ? 2 * lanes : lanes;
}

typedef struct range {
  int64_t first, last;
} range;

static unit unit_of(const plan *p, int64_t i) {
  if (p->bands == 1) return (unit){i * p->samples, EG_MIN(p->samples, p->batch - i * p->samples), 0, p->height};
  int64_t row = i % p->bands * p->rows;
  return (unit){i / p->bands, 1, row, EG_MIN(p->rows, p->height - row)};
}

/* The taps that can differ from zero for pixels `from` to `to` of a unit: rows of taps above or below the source do not. */
static range taps_of(const plan *p, unit u, int64_t from, int64_t to) {
  range rows = {0, p->taps_h};
  if (u.samples == 1) {
    int64_t top = (u.row + from / p->width) * p->stride_h + p->first_row;
    int64_t bottom = (u.row + to / p->width) * p->stride_h + p->first_row;
    rows.last = EG_MIN(p->taps_h, EG_MAX(0, p->source->size[2] - top));
    rows.first = EG_MIN(rows.last, EG_MAX(0, -bottom));
  }
  int64_t row = p->depth * p->taps_w;
  return (range){rows.first * row, rows.last * row};
}

#define EG_KERNELS "conv.c"
#include "real.h"

/* ---- plans ---- */

/* Cuts the work, by shape alone, into units whose image and pixels fit the second cache. False when sizes overflow. */
static bool cut(plan *p, int64_t channels) {
  double whole = (double)p->depth * ((p->height - 1.0) * p->stride_h + p->taps_h) * ((p->width - 1.0) * p->stride_w + p->taps_w);
  double work = (double)p->batch * p->height * p->width * p->depth * p->taps_h * p->taps_w * channels;
  if (whole > 1e15 || work > 1e18) return false;
  p->taps = p->depth * p->taps_h * p->taps_w;
  p->pitch = EG_MAX((p->width - 1) * p->stride_w + p->taps_w, 1);
  int64_t image_row = EG_MAX(p->depth * p->pitch, 1);
  int64_t rows = EG_MIN((IMAGE / image_row - p->taps_h) / p->stride_h + 1, PIXELS / p->width);
  if (work > 1 << 20) rows = EG_MIN(rows, eg_tiles(p->height * p->batch, UNITS));
  rows = EG_MAX(1, EG_MIN(rows, p->height));
  p->bands = eg_tiles(p->height, rows);
  p->rows = eg_tiles(p->height, p->bands);
  p->bands = eg_tiles(p->height, p->rows);
  /* An odd number of cache lines a plane, so that planes do not fall on one another in the cache. */
  p->plane = EG_MAX(round_up(image_rows(p, p->rows) * p->pitch, 16), 16) | 16;
  p->samples = 1;
  if (p->bands == 1) {
    int64_t fit = EG_MIN(FEW_PIXELS / (p->height * p->width), IMAGE / (EG_MAX(p->depth, 1) * p->plane));
    p->samples = EG_MAX(1, EG_MIN(fit, p->batch / UNITS));
  }
  p->units = eg_tiles(p->batch, p->samples) * p->bands;
  p->pixels = p->samples * p->rows * p->width;
  p->image_count = p->samples * p->depth * p->plane;
  return true;
}

/* Fills a table and repeats its last entry up to a multiple of ROWS. */
static void pad_table(int64_t *table, int64_t count) {
  for (int64_t i = count; i < round_up(count, ROWS); i++) table[i] = count ? table[count - 1] : 0;
}

static void fill_tables(plan *p) {
  int64_t *pixel = p->pixel;
  for (int64_t c = 0; c < p->depth; c++)
    for (int64_t y = 0; y < p->taps_h; y++)
      for (int64_t x = 0; x < p->taps_w; x++)
        p->tap[(p->by_row ? y * p->depth + c : c * p->taps_h + y) * p->taps_w + x] = c * p->plane + y * p->pitch + x;
  for (int64_t s = 0; s < p->samples; s++)
    for (int64_t y = 0; y < p->rows; y++)
      for (int64_t x = 0; x < p->width; x++)
        *pixel++ = s * p->depth * p->plane + y * p->stride_h * p->pitch + x * p->stride_w;
  pad_table(p->tap, p->taps);
  pad_table(p->pixel, p->pixels);
}

/* One block of scratch: two tables, `shared` elements, and for each thread the image and `own` elements. */
typedef struct workspace {
  char *block, *shared, *threads;
  size_t bytes;
  int64_t thread_bytes;
} workspace;

static eg_status open_workspace(workspace *w, plan *p, double shared, double own) {
  size_t element = eg_element_size(p->source->dtype);
  int64_t taps = round_up(p->taps, ROWS), pixels = round_up(p->pixels, ROWS);
  double wanted = 8.0 * (taps + pixels) + element * (shared + eg_threads_get() * (p->image_count + own));
  if (wanted > 1e15) return eg_fail(EG_ENOMEM, "out of memory: %g bytes asked for", wanted);
  int64_t tables = round_up((taps + pixels) * 8, 64), shared_bytes = round_up((int64_t)shared * (int64_t)element, 64);
  w->thread_bytes = round_up((p->image_count + (int64_t)own) * (int64_t)element, 64);
  w->bytes = (size_t)(tables + shared_bytes + w->thread_bytes * eg_threads_get());
  w->block = eg_block_new(w->bytes);
  if (!w->block) return EG_ENOMEM;
  p->tap = (int64_t *)w->block;
  p->pixel = p->tap + taps;
  w->shared = w->block + tables;
  w->threads = w->shared + shared_bytes;
  fill_tables(p);
  return EG_OK;
}

/* ---- checks ---- */

/* Checks all but the output and finds its shape. */
static eg_status check(const char *op, const eg_tensor *in, const eg_tensor *weight, const eg_conv *how, int64_t size[4]) {
  EG_TRY(eg_check_real(op, "input", in));
  EG_TRY(eg_check_real(op, "weight", weight));
  EG_TRY(eg_check_same_dtype(op, "input", in, "weight", weight));
  EG_TRY(eg_check_dims(op, "input", in, 4));
  EG_TRY(eg_check_dims(op, "weight", weight, 4));
  const int64_t *from = in->size, *kernel = weight->size;
  const int64_t stride[2] = {how->stride_h, how->stride_w}, padding[2] = {how->padding_h, how->padding_w};
  if (stride[0] < 1 || stride[1] < 1)
    return eg_fail(EG_EINVAL, "%s: stride is %s, expected at least 1", op, eg_describe_sizes(2, stride));
  if (padding[0] < 0 || padding[1] < 0)
    return eg_fail(EG_EINVAL, "%s: padding is %s, expected at least 0", op, eg_describe_sizes(2, padding));
  if (from[1] != kernel[1])
    return eg_fail(EG_ESHAPE, "%s: input has %lld channels, the layer wants %lld: input %s, weight %s", op,
                   (long long)from[1], (long long)kernel[1], eg_describe_sizes(4, from), eg_describe_sizes(4, kernel));
  size[0] = from[0];
  size[1] = kernel[0];
  for (int d = 0; d < 2; d++) {
    int64_t padded = from[2 + d];
    if (__builtin_add_overflow(padded, padding[d], &padded) || __builtin_add_overflow(padded, padding[d], &padded))
      return eg_fail(EG_EINVAL, "%s: padding %s is too large", op, eg_describe_sizes(2, padding));
    if (kernel[2 + d] < 1)
      return eg_fail(EG_ESHAPE, "%s: the kernel is empty: weight %s", op, eg_describe_sizes(4, kernel));
    if (kernel[2 + d] > padded)
      return eg_fail(EG_ESHAPE, "%s: the kernel is larger than the padded input: input %s, weight %s, padding %s", op,
                     eg_describe_sizes(4, from), eg_describe_sizes(4, kernel), eg_describe_sizes(2, padding));
    size[2 + d] = (padded - kernel[2 + d]) / stride[d] + 1;
  }
  return EG_OK;
}

/* A tensor that is written: its dtype and shape, and that it has no gaps. */
static eg_status check_output(const char *op, const char *name, const eg_tensor *t, const eg_tensor *like, int64_t size[4]) {
  EG_TRY(eg_check_dtype(op, name, t, like->dtype));
  EG_TRY(eg_check_shape(op, name, t, 4, size));
  return eg_check_contiguous(op, name, t);
}

eg_tensor *eg_conv2d_new(const eg_tensor *in, const eg_tensor *weight, const eg_conv *how) {
  int64_t size[4];
  return check("conv2d", in, weight, how, size) ? NULL : eg_new(in->dtype, 4, size);
}

/* ---- forward and input gradient ---- */

static eg_status correlate(const char *op, correlation *k) {
  plan *p = &k->plan;
  workspace w;
  p->by_row = true;
  if (!cut(p, k->channels)) return eg_fail(EG_ENOMEM, "%s: the sizes do not fit into memory", op);
  k->lanes = VECTOR / (int64_t)eg_element_size(p->source->dtype);
  double lanes = (double)round_up(k->channels, k->lanes);
  EG_TRY(open_workspace(&w, p, lanes * p->taps, 2.0 * k->lanes * round_up(p->pixels, ROWS)));
  k->packed = w.shared;
  k->scratch = w.threads;
  k->thread_bytes = w.thread_bytes;
  int64_t blocks = eg_tiles(k->channels, 2 * k->lanes);
  eg_parallel(blocks, EG_REAL(p->source->dtype, pack), k);
  eg_parallel(p->units, EG_REAL(p->source->dtype, correlate), k);
  eg_block_free(w.block, w.bytes);
  return EG_OK;
}

eg_status eg_conv2d(eg_tensor *out, const eg_tensor *in, const eg_tensor *weight, const eg_tensor *bias, const eg_conv *how) {
  int64_t size[4];
  EG_TRY(check("conv2d", in, weight, how, size));
  EG_TRY(check_output("conv2d", "output", out, in, size));
  if (bias) {
    EG_TRY(eg_check_dtype("conv2d", "bias", bias, in->dtype));
    EG_TRY(eg_check_shape("conv2d", "bias", bias, 1, size + 1));
  }
  if (out->count == 0) return EG_OK;
  correlation k = {
      .plan = {.source = in, .batch = size[0], .depth = in->size[1], .height = size[2], .width = size[3],
               .taps_h = weight->size[2], .taps_w = weight->size[3], .stride_h = how->stride_h, .stride_w = how->stride_w,
               .first_row = -how->padding_h, .first_column = -how->padding_w},
      .target = out, .weight = weight, .bias = bias, .channel_dim = 0, .channels = size[1],
      .tap_step_h = 1, .tap_step_w = 1, .step_h = 1, .step_w = 1};
  return correlate("conv2d", &k);
}

/* One dimension of one phase: the pixels origin, origin + stride, ... of the input see every stride-th tap of the kernel,
 * up to the last and against its direction, and neighbours among them see neighbouring pixels of grad_out. */
typedef struct phase {
  int64_t pixels, taps, last_tap, start;
} phase;

static phase phase_of(int64_t origin, int64_t size, int64_t kernel, int64_t stride, int64_t padding) {
  int64_t first_tap = (origin + padding) % stride;
  phase f = {.pixels = (size - origin - 1) / stride + 1};
  f.taps = first_tap < kernel ? (kernel - 1 - first_tap) / stride + 1 : 0;
  f.last_tap = f.taps ? first_tap + (f.taps - 1) * stride : 0;
  f.start = (origin + padding) / stride - EG_MAX(f.taps - 1, 0);
  return f;
}

eg_status eg_conv2d_input(eg_tensor *grad_in, const eg_tensor *grad_out, const eg_tensor *weight, const eg_conv *how) {
  static const char *op = "conv2d_input";
  int64_t size[4];
  EG_TRY(check(op, grad_in, weight, how, size));
  EG_TRY(eg_check_contiguous(op, "input gradient", grad_in));
  EG_TRY(eg_check_dtype(op, "output gradient", grad_out, grad_in->dtype));
  EG_TRY(eg_check_shape(op, "output gradient", grad_out, 4, size));
  if (grad_in->count == 0) return EG_OK;
  const int64_t *to = grad_in->size;
  for (int64_t y = 0; y < EG_MIN(how->stride_h, to[2]); y++)
    for (int64_t x = 0; x < EG_MIN(how->stride_w, to[3]); x++) {
      phase h = phase_of(y, to[2], weight->size[2], how->stride_h, how->padding_h);
      phase w = phase_of(x, to[3], weight->size[3], how->stride_w, how->padding_w);
      correlation k = {
          .plan = {.source = grad_out, .batch = to[0], .depth = size[1], .height = h.pixels, .width = w.pixels,
                   .taps_h = h.taps, .taps_w = w.taps, .stride_h = 1, .stride_w = 1, .first_row = h.start,
                   .first_column = w.start},
          .target = grad_in, .weight = weight, .channel_dim = 1, .channels = to[1],
          .first_tap_h = h.last_tap, .first_tap_w = w.last_tap, .tap_step_h = -how->stride_h, .tap_step_w = -how->stride_w,
          .origin_h = y, .origin_w = x, .step_h = how->stride_h, .step_w = how->stride_w};
      EG_TRY(correlate(op, &k));
    }
  return EG_OK;
}

/* ---- weight gradient ---- */

eg_status eg_conv2d_weight(eg_tensor *grad_weight, const eg_tensor *grad_out, const eg_tensor *in, const eg_conv *how) {
  static const char *op = "conv2d_weight";
  int64_t size[4];
  workspace w;
  EG_TRY(check(op, in, grad_weight, how, size));
  EG_TRY(eg_check_contiguous(op, "weight gradient", grad_weight));
  EG_TRY(eg_check_dtype(op, "output gradient", grad_out, in->dtype));
  EG_TRY(eg_check_shape(op, "output gradient", grad_out, 4, size));
  if (grad_weight->count == 0) return EG_OK;
  if (size[0] == 0) {
    memset(grad_weight->data, 0, (size_t)grad_weight->count * eg_element_size(grad_weight->dtype));
    return EG_OK;
  }
  weight_gradient k = {
      .plan = {.source = in, .batch = size[0], .depth = in->size[1], .height = size[2], .width = size[3],
               .taps_h = grad_weight->size[2], .taps_w = grad_weight->size[3], .stride_h = how->stride_h,
               .stride_w = how->stride_w, .first_row = -how->padding_h, .first_column = -how->padding_w},
      .grad_out = grad_out, .grad_weight = grad_weight, .channels = size[1],
      .lanes = VECTOR / (int64_t)eg_element_size(in->dtype)};
  plan *p = &k.plan;
  if (!cut(p, k.channels)) return eg_fail(EG_ENOMEM, "%s: the sizes do not fit into memory", op);
  k.blocks = eg_tiles(k.channels, 2 * k.lanes);
  k.partial_count = round_up(k.channels, k.lanes) * round_up(p->taps, ROWS);
  k.groups = EG_MAX(1, EG_MIN(EG_MIN(GROUPS, p->units), PARTIALS / k.partial_count));
  k.shares = EG_MIN(k.blocks, eg_tiles(UNITS, k.groups));
  EG_TRY(open_workspace(&w, p, (double)k.groups * k.partial_count, 2.0 * k.lanes * p->pixels));
  k.partial = w.shared;
  k.scratch = w.threads;
  k.thread_bytes = w.thread_bytes;
  eg_parallel(k.groups * k.shares, EG_REAL(in->dtype, gather), &k);
  eg_parallel(k.blocks, EG_REAL(in->dtype, add_up), &k);
  eg_block_free(w.block, w.bytes);
  return EG_OK;
}
#endif
